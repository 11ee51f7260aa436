//! Loopback listeners of every fault, each of which must map to exactly one typed outcome in time.
//!
//! Lives here: what a hostile or broken server can do to a probe. Must not live here: real servers
//! (`probe_real`) or packet filters (`netns_reach`).

use crate::support::probe as support;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, ProbeOptions, ProbePlan, ProbeTarget};
use support::full_queue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Starts a server that treats every connection alike; it lives as long as the test's runtime.
async fn server<F, W>(behave: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream, number));
            number += 1;
        }
    });
    address
}

fn plan(login: SocketAddr, os: Os) -> ProbePlan {
    ProbePlan {
        os,
        targets: vec![ProbeTarget {
            path: Path::Private,
            address: login.ip(),
            port: login.port(),
        }],
        options: ProbeOptions {
            connect_timeout: Duration::from_millis(1500),
            greeting_timeout: Duration::from_secs(3),
            ..ProbeOptions::default()
        },
        ..ProbePlan::default()
    }
}

/// Runs a plan; checks that the sink got exactly what was returned.
async fn readings(plan: &ProbePlan) -> Vec<Reading> {
    let (sink, mut receiver) = mpsc::channel(64);
    let all = probe::run(plan, sink).await;
    let mut sent = Vec::new();
    while let Some(reading) = receiver.recv().await {
        sent.push(reading);
    }
    assert_eq!(sent, all, "the sink gets each reading once");
    for reading in &all {
        assert!(!reading.detail.is_empty(), "{reading:?} says nothing");
        assert!(reading.observed_at.is_some());
        assert_eq!(
            reading.state.is_some(),
            reading.status == Status::Observed,
            "{reading:?}"
        );
    }
    all
}

async fn states(login: SocketAddr, os: Os) -> BTreeMap<String, String> {
    let all = readings(&plan(login, os)).await;
    let mut out = BTreeMap::new();
    for reading in all {
        let word = reading
            .state
            .clone()
            .unwrap_or_else(|| reading.status.as_str().to_owned());
        let before = out.insert(reading.id.clone(), word);
        assert!(before.is_none(), "{} was read twice", reading.id);
    }
    out
}

fn reach(all: &[Reading]) -> Option<&str> {
    all.iter().find(|r| r.id == "reach")?.observed_state()
}

/// Expects exactly these words, within the time limit.
async fn expect(login: SocketAddr, os: Os, limit: Duration, want: &[(&str, &str)]) {
    let started = Instant::now();
    let got = states(login, os).await;
    let took = started.elapsed();
    for (id, state) in want {
        assert_eq!(
            got.get(*id).map(String::as_str),
            Some(*state),
            "{id}: {got:?}"
        );
    }
    assert!(took < limit, "took {took:?}, limit {limit:?}");
}

const QUICK: Duration = Duration::from_millis(2500);
const FULL: Duration = Duration::from_secs(8);
/// Two exchanges one after the other, each to its end.
const TWICE: Duration = Duration::from_secs(14);

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_refused_and_nothing_more_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let login = listener.local_addr().unwrap();
    drop(listener);
    for (os, group) in [(Os::Linux, "banner"), (Os::Windows, "rdp-negotiation")] {
        expect(
            login,
            os,
            QUICK,
            &[("reach", "refused"), (group, "not-attempted")],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_accept_queue_is_silence() {
    let (_socket, _held, login) = full_queue([127, 0, 0, 1].into());
    expect(
        login,
        Os::Linux,
        Duration::from_secs(4),
        &[
            ("reach", "all-silent"),
            ("banner", "not-attempted"),
            ("kex", "not-attempted"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_port_beside_an_open_one_is_a_living_host() {
    let address: IpAddr = [127, 61, 7, 1].into();
    let (_socket, _held, login) = full_queue(address);
    let neighbour = TcpListener::bind((address, 0)).await.unwrap();
    let mut plan = plan(login, Os::Linux);
    plan.neighbour_ports = vec![neighbour.local_addr().unwrap().port()];
    let all = readings(&plan).await;
    assert_eq!(reach(&all), Some("silent-host-alive"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_port_beside_silent_ones_is_open_login_only() {
    let address: IpAddr = [127, 61, 7, 2].into();
    let (_socket, _held, silent) = full_queue(address);
    let (_socket2, _held2, silent2) = full_queue(address);
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), Os::Linux);
    plan.neighbour_ports = vec![silent.port(), silent2.port()];
    let all = readings(&plan).await;
    assert_eq!(reach(&all), Some("open-login-only"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_on_every_address_is_not_the_instances() {
    let address: IpAddr = [127, 61, 7, 3].into();
    let (_socket, _held, login) = full_queue(address);
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let mut plan = plan(login, Os::Linux);
    plan.neighbour_ports = vec![everywhere.local_addr().unwrap().port()];
    let all = readings(&plan).await;
    assert_eq!(reach(&all), Some("all-silent"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_trickles_end_in_time() {
    let mute = server(|stream, _| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let drip = server(|mut stream, _| async move {
        for byte in b"SSH-2.0-OpenSSH_9.9 and a long comment\r\n" {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    tokio::join!(
        expect(
            mute,
            Os::Linux,
            FULL,
            &[
                ("reach", "open"),
                ("banner", "silent"),
                ("kex", "not-attempted")
            ]
        ),
        expect(mute, Os::Windows, FULL, &[("rdp-negotiation", "silent")]),
        expect(drip, Os::Linux, FULL, &[("banner", "silent")]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_and_resetting_are_told_apart() {
    let closing = server(|_, _| async {}).await;
    let resetting = server(|stream, _| async move {
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
    .await;
    expect(
        closing,
        Os::Linux,
        FULL,
        &[("reach", "open"), ("banner", "closed")],
    )
    .await;
    expect(resetting, Os::Linux, FULL, &[("banner", "reset")]).await;
    expect(
        resetting,
        Os::Windows,
        FULL,
        &[("rdp-negotiation", "reset")],
    )
    .await;
    let polite = server(|mut stream, _| async move {
        let mut request = [0; 64];
        let _ = stream.read(&mut request).await;
    })
    .await;
    expect(polite, Os::Windows, FULL, &[("rdp-negotiation", "closed")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_garbage_and_floods_are_wrong_protocol() {
    let http = server(|mut stream, _| async move {
        let mut request = [0; 256];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let garbage = server(|mut stream, _| async move {
        let _ = stream
            .write_all(&[0xfe, 0x00, 0x1b, 0x9b, 0x03, 0xff])
            .await;
        std::future::pending::<()>().await;
    })
    .await;
    let endless_line =
        server(
            |mut stream, _| async move { while stream.write_all(&[b'a'; 4096]).await.is_ok() {} },
        )
        .await;
    let endless_lines = server(|mut stream, _| async move {
        while stream
            .write_all(b"welcome to this machine\r\n")
            .await
            .is_ok()
        {}
    })
    .await;
    let hundred_megabytes = server(|mut stream, _| async move {
        for _ in 0..100 {
            if stream.write_all(&vec![0x41; 1 << 20]).await.is_err() {
                return;
            }
        }
    })
    .await;
    for login in [
        http,
        garbage,
        endless_line,
        endless_lines,
        hundred_megabytes,
    ] {
        expect(login, Os::Linux, FULL, &[("banner", "wrong-protocol")]).await;
        if login != http {
            expect(
                login,
                Os::Windows,
                FULL,
                &[("rdp-negotiation", "wrong-protocol")],
            )
            .await;
        }
    }
    let ssh = server(|mut stream, _| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    expect(
        ssh,
        Os::Windows,
        FULL,
        &[("rdp-negotiation", "wrong-protocol")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_recognised_and_respected() {
    let throttled = server(|mut stream, _| async move {
        let _ = stream.write_all(b"Exceeded MaxStartups\r\n").await;
    })
    .await;
    expect(throttled, Os::Linux, FULL, &[("banner", "throttle-notice")]).await;
    // The server asked for a pause: the next run leaves it alone and says so.
    expect(
        throttled,
        Os::Linux,
        QUICK,
        &[("reach", "not-attempted"), ("banner", "not-attempted")],
    )
    .await;
    let some = server(|mut stream, number| async move {
        if number % 2 == 0 {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_7.4\r\n").await;
            let mut sink = [0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await;
    expect(some, Os::Linux, FULL, &[("banner", "mixed")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_greeting_is_slow_and_nothing_hostile_gets_through() {
    let slow = server(|mut stream, _| async move {
        tokio::time::sleep(Duration::from_millis(2200)).await;
        let _ = stream.write_all(b"notice\x1b[31m\r\nSSH-2.0-x\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    // The exchange that hangs is tried again with small segments, to tell a black hole.
    expect(
        slow,
        Os::Linux,
        TWICE,
        &[("banner", "slow"), ("kex", "hang")],
    )
    .await;
    let hostile = server(|mut stream, _| async move {
        let _ = stream
            .write_all("Access denied \u{1b}]52;c;AAAA\u{7}\u{202e}evil\r\n".as_bytes())
            .await;
    })
    .await;
    let all = readings(&plan(hostile, Os::Linux)).await;
    let banner = all.iter().find(|r| r.id == "banner").unwrap();
    assert_eq!(banner.observed_state(), Some("closed"));
    assert!(banner.detail.contains("Access denied"));
    assert!(
        !banner.detail.chars().any(cvmtop::domain::text::is_unsafe),
        "{}",
        banner.detail
    );
}

async fn kex_server(after_hello: Vec<u8>, close: bool) -> SocketAddr {
    server(move |mut stream, _| {
        let after_hello = after_hello.clone();
        async move {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
            let mut buffer = [0; 64];
            if !matches!(stream.read(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
            let _ = stream.write_all(&after_hello).await;
            if !close {
                let mut sink = [0; 4096];
                while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_key_exchange() {
    let current = support::kexinit(
        "curve25519-sha256",
        "ssh-ed25519",
        "aes128-ctr",
        "hmac-sha2-256",
    );
    let legacy = support::kexinit(
        "diffie-hellman-group1-sha1",
        "ssh-rsa",
        "3des-cbc",
        "hmac-md5",
    );
    let none = support::kexinit(
        "kex-of-nobody",
        "ssh-ed25519",
        "aes128-ctr",
        "hmac-sha2-256",
    );
    let keyless = support::kexinit("curve25519-sha256", "", "aes128-ctr", "hmac-sha2-256");
    let mut disconnect = vec![1, 0, 0, 0, 3];
    disconnect.extend_from_slice(&16u32.to_be_bytes());
    disconnect.extend_from_slice(b"no hostkey alg!!");
    disconnect.extend_from_slice(&0u32.to_be_bytes());
    for (bytes, close, want) in [
        (current, false, "common"),
        (legacy, false, "legacy-only"),
        (none, false, "none"),
        (keyless, false, "host-key-missing"),
        (probe::ssh::frame(&disconnect), true, "host-key-missing"),
        (vec![], true, "closed"),
        (vec![], false, "hang"),
        (vec![0xff; 64], false, "closed"),
    ] {
        let login = kex_server(bytes, close).await;
        expect(login, Os::Linux, FULL, &[("banner", "fast"), ("kex", want)]).await;
    }
}

async fn rdp_server(answer: Vec<u8>, delay: Duration) -> SocketAddr {
    server(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let mut request = [0; 19];
            if stream.read_exact(&mut request).await.is_err() {
                return;
            }
            tokio::time::sleep(delay).await;
            let _ = stream.write_all(&answer).await;
            let mut sink = [0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await
}

fn confirm(kind: u8, value: u8) -> Vec<u8> {
    vec![
        3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, kind, 0, 8, 0, value, 0, 0, 0,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_code_of_rdp() {
    for code in 1..=6u8 {
        let login = rdp_server(confirm(3, code), Duration::ZERO).await;
        let state = format!("failure-{code}");
        let certificate = if code == 3 { Some("absent") } else { None };
        let got = states(login, Os::Windows).await;
        assert_eq!(got.get("rdp-negotiation"), Some(&state));
        assert_eq!(got.get("rdp-certificate").map(String::as_str), certificate);
    }
    let legacy = rdp_server(confirm(2, 0), Duration::ZERO).await;
    expect(legacy, Os::Windows, FULL, &[("rdp-negotiation", "legacy")]).await;
    let slow = rdp_server(confirm(2, 0), Duration::from_millis(2200)).await;
    expect(slow, Os::Windows, FULL, &[("rdp-negotiation", "slow")]).await;
    let odd = rdp_server(confirm(3, 77), Duration::ZERO).await;
    expect(
        odd,
        Os::Windows,
        FULL,
        &[("rdp-negotiation", "wrong-protocol")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rdp_server_that_turns_some_tries_away_is_mixed() {
    let login = server(|mut stream, number| async move {
        let mut request = [0; 19];
        let asked = stream.read_exact(&mut request).await.is_ok();
        if asked && number % 2 == 1 {
            let _ = stream.write_all(&confirm(2, 0)).await;
            let mut sink = [0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await;
    expect(login, Os::Windows, FULL, &[("rdp-negotiation", "mixed")]).await;
}

/// An RDP server with real TLS and a certificate of the given age in days.
async fn tls_rdp_server(selected: u8, from_days: i64, to_days: i64) -> SocketAddr {
    let day = |days: i64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs((now + days * 86_400) as u64)
    };
    let mut parameters = rcgen::CertificateParams::new(vec!["win-host".into()]).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "win-host");
    parameters.not_before = day(from_days);
    parameters.not_after = day(to_days);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![certificate.der().clone()],
        rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    )
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    server(move |mut stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let mut request = [0; 19];
            if stream.read_exact(&mut request).await.is_err() {
                return;
            }
            let _ = stream.write_all(&confirm(2, selected)).await;
            if let Ok(mut tls) = acceptor.accept(stream).await {
                let mut sink = [0; 1024];
                while tls.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn real_tls_and_the_dates_of_its_certificate() {
    for (selected, from, to, negotiation, certificate) in [
        (1, -10, 300, "tls", "valid"),
        (2, -10, 300, "nla", "valid"),
        (8, -400, -3, "nla", "expired"),
        (8, 5, 300, "nla", "not-yet-valid"),
    ] {
        let login = tls_rdp_server(selected, from, to).await;
        expect(
            login,
            Os::Windows,
            FULL,
            &[
                ("rdp-negotiation", negotiation),
                ("rdp-certificate", certificate),
            ],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_tells_nothing_of_the_certificate() {
    // TLS was chosen, and then nothing more is said.
    let login = rdp_server(confirm(2, 1), Duration::ZERO).await;
    expect(
        login,
        Os::Windows,
        FULL,
        &[
            ("rdp-negotiation", "tls"),
            ("rdp-certificate", "probe-failed"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_host_is_done_in_about_a_second() {
    let current = support::kexinit(
        "curve25519-sha256",
        "ssh-ed25519",
        "aes128-ctr",
        "hmac-sha2-256",
    );
    let login = kex_server(current, false).await;
    let started = Instant::now();
    let all = readings(&plan(login, Os::Linux)).await;
    assert!(
        started.elapsed() < Duration::from_millis(1800),
        "{:?}",
        started.elapsed()
    );
    // Independent looks end in any order.
    let words: BTreeMap<_, _> = all
        .iter()
        .filter_map(|reading| Some((reading.id.as_str(), reading.observed_state()?)))
        .collect();
    let expected = [
        ("banner", "fast"),
        ("kex", "common"),
        ("other-login-port", "none"),
        ("reach", "open"),
    ];
    assert_eq!(words, BTreeMap::from(expected), "{all:?}");
}
