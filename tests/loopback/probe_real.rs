//! A real OpenSSH server and a real RDP server, healthy and broken, read by the probes.
//!
//! Lives here: servers started by the test on loopback addresses and ports of its own. Must not
//! live here: simulated faults (`probe_faults`) or packet filters (`netns_reach`).

#[path = "probe/console_login.rs"]
mod console_login;
#[path = "probe/login_ends.rs"]
mod login_ends;
#[path = "probe/rdp_servers.rs"]
mod rdp_servers;
#[path = "probe/ssh_servers.rs"]
mod ssh_servers;

use crate::support::probe as support;
use crate::support::terminal;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, LoginHealth, Protocol};
use rustix::process::Signal;
use support::{expect, listening, plan, sshd, wait_for, xrdp};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_healthy_and_a_stopped_one_refuses() {
    let Some(mut server) = sshd([127, 62, 1, 1].into(), None, "") else {
        return;
    };
    let login = server.login;
    let all = expect(
        &plan(login, Os::Linux),
        &[
            ("reach", "open"),
            ("banner", "fast"),
            ("kex", "common"),
            ("other-login-port", "none"),
        ],
    )
    .await;
    let banner = all.iter().find(|r| r.id == "banner").unwrap();
    assert!(
        banner.detail.contains("SSH-2.0-OpenSSH"),
        "{}",
        banner.detail
    );
    let check = probe::login_check(
        login,
        Protocol::Ssh,
        Duration::from_secs(2),
        Duration::from_secs(5),
    )
    .await;
    assert!(check.is_restored(), "{check:?}");
    let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap();
    assert!(!log.contains("Unable to negotiate"), "{log}");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    expect(
        &plan(login, Os::Linux),
        &[("reach", "refused"), ("banner", "not-attempted")],
    )
    .await;
    let check = probe::login_check(
        login,
        Protocol::Ssh,
        Duration::from_secs(2),
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(check.health(), LoginHealth::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_another_port_is_found() {
    let address = [127, 62, 1, 2].into();
    let Some(_server) = sshd(address, Some(2222), "") else {
        return;
    };
    let login = SocketAddr::new(address, support::free_port(address));
    let all = expect(
        &plan(login, Os::Linux),
        &[("reach", "refused"), ("other-login-port", "found")],
    )
    .await;
    let other = all.iter().find(|r| r.id == "other-login-port").unwrap();
    assert!(
        other.detail.contains("port 2222 answers SSH"),
        "{}",
        other.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_accepts_and_says_nothing() {
    let Some(server) = sshd([127, 62, 1, 3].into(), None, "") else {
        return;
    };
    server.signal(Signal::STOP);
    let mut plan = plan(server.login, Os::Linux);
    plan.options.greeting_timeout = Duration::from_secs(3);
    expect(
        &plan,
        &[
            ("reach", "open"),
            ("banner", "silent"),
            ("kex", "not-attempted"),
        ],
    )
    .await;
    server.signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_algorithms_alone_are_named() {
    for (number, extra) in [
        "KexAlgorithms diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
        "Ciphers aes128-cbc,3des-cbc",
        "HostKeyAlgorithms ssh-rsa",
        "MACs hmac-md5\nCiphers aes128-ctr",
    ]
    .iter()
    .enumerate()
    {
        let Some(server) = sshd([127, 62, 2, number as u8 + 1].into(), None, extra) else {
            return;
        };
        expect(
            &plan(server.login, Os::Linux),
            &[("banner", "fast"), ("kex", "legacy-only")],
        )
        .await;
    }
}

/// Holds unfinished logins open.
fn hold(login: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(login).unwrap();
        let mut first = [0; 4];
        stream.read_exact(&mut first).unwrap();
        held.push(stream);
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_unfinished_logins_are_a_throttle() {
    let Some(server) = sshd(
        [127, 62, 1, 4].into(),
        None,
        "MaxStartups 3:100:3\nLoginGraceTime 60",
    ) else {
        return;
    };
    let _held = hold(server.login, 3);
    let all = support::readings(&plan(server.login, Os::Linux)).await;
    let word = support::words(&all)["banner"].clone();
    // Older servers close without a word; newer ones say why.
    assert!(
        matches!(word.as_str(), "throttle-notice" | "closed" | "reset"),
        "{all:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn some_tries_turned_away_are_mixed_or_a_throttle() {
    let Some(server) = sshd(
        [127, 62, 1, 5].into(),
        None,
        "MaxStartups 2:50:30\nLoginGraceTime 60",
    ) else {
        return;
    };
    let _held = hold(server.login, 2);
    // Half of the connections are dropped at random; six tries all alike happen once in 32 runs,
    // so another run may be needed, never more than a few.
    for _ in 0..6 {
        let all = support::readings(&plan(server.login, Os::Linux)).await;
        let word = support::words(&all)["banner"].clone();
        if matches!(word.as_str(), "mixed" | "throttle-notice") {
            return;
        }
        assert!(
            matches!(word.as_str(), "fast" | "closed" | "reset"),
            "{all:#?}"
        );
    }
    panic!("a server that turns half of its clients away was never seen as such");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_rdp_server_negotiates_and_shows_its_certificate() {
    let Some(mut server) = xrdp([127, 62, 1, 6].into(), "negotiate") else {
        return;
    };
    let login = server.login;
    let all = expect(
        &plan(login, Os::Windows),
        &[
            ("reach", "open"),
            ("rdp-negotiation", "tls"),
            ("rdp-certificate", "valid"),
        ],
    )
    .await;
    assert!(
        all.iter()
            .any(|r| r.id == "rdp-certificate" && r.detail.contains("valid from"))
    );
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    wait_for("the port to close", || !listening(login));
    expect(
        &plan(login, Os::Windows),
        &[("reach", "refused"), ("rdp-negotiation", "not-attempted")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_rdp_server_without_tls_is_legacy() {
    let Some(server) = xrdp([127, 62, 1, 7].into(), "rdp") else {
        return;
    };
    let all = support::readings(&plan(server.login, Os::Windows)).await;
    let word = support::words(&all)["rdp-negotiation"].clone();
    // xrdp says that TLS is not allowed; a server that just selects standard security is legacy.
    assert!(matches!(word.as_str(), "legacy" | "failure-2"), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_rdp_server_is_silent() {
    let Some(server) = xrdp([127, 62, 1, 8].into(), "negotiate") else {
        return;
    };
    server.signal(Signal::STOP);
    let mut plan = plan(server.login, Os::Windows);
    plan.options.greeting_timeout = Duration::from_secs(3);
    expect(&plan, &[("reach", "open"), ("rdp-negotiation", "silent")]).await;
    server.signal(Signal::CONT);
}

/// A key pair of the test's own, allowed to log in.
fn operator_key(server: &support::Server) -> std::path::PathBuf {
    let key = server.folder.path().join("operator");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    key
}

fn allow(server: &support::Server, key: &std::path::Path) {
    std::fs::copy(
        key.with_extension("pub"),
        server.folder.path().join("authorized_keys"),
    )
    .unwrap();
}

/// The login name that runs this test: the one that a server without privileges can let in.
fn me() -> String {
    let out = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_delay_and_host_key_of_a_real_server() {
    for (number, (extra, methods)) in [
        (
            "PasswordAuthentication yes\nKbdInteractiveAuthentication no",
            "password-and-key",
        ),
        (
            "PasswordAuthentication no\nKbdInteractiveAuthentication no",
            "key-only",
        ),
        (
            "PubkeyAuthentication no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no",
            "password-only",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(server) = sshd([127, 62, 3, number as u8 + 1].into(), None, extra) else {
            return;
        };
        let known_hosts = server.folder.path().join("known_hosts");
        let mut plan = plan(server.login, Os::Linux);
        plan.options.consent.methods_as = Some(me());
        plan.options.consent.known_hosts = Some(known_hosts.clone());
        let rest = [("auth-methods", methods), ("auth-delay", "prompt")];
        expect(&plan, &[("host-key", "new"), rest[0], rest[1]]).await;
        assert!(
            !known_hosts.exists(),
            "the known hosts are read, never written"
        );
        let entry = |file: &str| {
            let key = std::fs::read_to_string(server.folder.path().join(file)).unwrap();
            format!("[{}]:{} {key}", server.login.ip(), server.login.port())
        };
        std::fs::write(&known_hosts, entry("host_ed25519.pub")).unwrap();
        expect(&plan, &[("host-key", "same"), rest[0], rest[1]]).await;
        let other = operator_key(&server).with_extension("pub");
        std::fs::write(
            &known_hosts,
            entry(other.file_name().unwrap().to_str().unwrap()),
        )
        .unwrap();
        expect(&plan, &[("host-key", "changed"), rest[0], rest[1]]).await;
        let marked = format!("@revoked {}", entry("host_ed25519.pub"));
        std::fs::write(&known_hosts, marked).unwrap();
        expect(&plan, &[("host-key", "revoked")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_real_login_and_its_ends() {
    let Some(server) = sshd(
        [127, 62, 3, 9].into(),
        None,
        "PasswordAuthentication no\nPermitRootLogin yes",
    ) else {
        return;
    };
    let key = operator_key(&server);
    let mut plan = plan(server.login, Os::Linux);
    plan.options.consent.login_as = Some(me());
    plan.options.consent.identity = Some(key.clone());
    plan.options.consent.known_hosts = Some(server.folder.path().join("known_hosts"));
    let all = expect(
        &plan,
        &[
            ("login-attempt", "auth-rejected"),
            ("auth-methods", "not-attempted"),
        ],
    )
    .await;
    let methods = all.iter().find(|r| r.id == "auth-methods").unwrap();
    assert!(
        methods
            .needs
            .as_deref()
            .is_some_and(|needs| needs.contains("consent"))
    );
    allow(&server, &key);
    expect(&plan, &[("login-attempt", "accepted")]).await;
    let foreign = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    std::fs::write(
        server.folder.path().join("known_hosts"),
        format!("[{}]:{} {foreign}", server.login.ip(), server.login.port()),
    )
    .unwrap();
    expect(&plan, &[("login-attempt", "host-key-refused")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_or_hangs_after_authentication() {
    for (number, (extra, want)) in [
        ("PermitRootLogin yes\nForceCommand echo This account is currently not available.; exit 1", "closed-after-auth"),
        ("PermitRootLogin yes\nForceCommand sleep 120", "hung-after-auth"),
        // What cloud-init puts before root's keys.
        ("PermitRootLogin yes\nForceCommand echo 'Please login as the user \"ubuntu\" rather than the user \"root\".';exit 142", "forced-command"),
        // This server names every algorithm that it knows, not those that it takes, so a refusal is all that shows.
        ("PermitRootLogin yes\nPubkeyAcceptedAlgorithms rsa-sha2-512", "auth-rejected"),
        ("PermitRootLogin yes\nPubkeyAuthentication no\nPasswordAuthentication yes", "method-not-offered"),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(server) = sshd([127, 62, 4, number as u8 + 1].into(), None, extra) else {
            return;
        };
        let key = operator_key(&server);
        allow(&server, &key);
        let mut plan = plan(server.login, Os::Linux);
        plan.options.consent.login_as = Some(me());
        plan.options.consent.identity = Some(key);
        plan.options.consent.known_hosts = Some(server.folder.path().join("known_hosts"));
        expect(&plan, &[("login-attempt", want)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_look_measures_the_path() {
    let Some(server) = sshd([127, 62, 5, 1].into(), None, "") else {
        return;
    };
    let peer = std::net::TcpListener::bind("127.62.5.2:0").unwrap();
    let mut plan = plan(server.login, Os::Linux);
    plan.options.depth = probe::Depth::Full;
    plan.options.known.peers_subnet = vec![peer.local_addr().unwrap()];
    let started = std::time::Instant::now();
    expect(
        &plan,
        &[
            ("path-quality", "clean"),
            ("path-mtu", "ok"),
            ("peers-subnet", "reachable"),
            ("peers-group", "not-attempted"),
        ],
    )
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
}

/// Passes bytes between a client and a server. Once the client has gone on after the key exchange,
/// what the server says is held back for `pause`, or for good where there is none.
async fn pass(client: tokio::net::TcpStream, to: std::net::SocketAddr, pause: Option<Duration>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(server) = tokio::net::TcpStream::connect(to).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Pieces of the server so far, and bytes of the client since the third: the greeting, the
    // proposal, and the end of the exchange.
    let (pieces, since) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let upward = async {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            if pieces.load(Ordering::SeqCst) >= 3 {
                since.fetch_add(n, Ordering::SeqCst);
            }
            if to_server.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    let downward = async {
        let mut buffer = [0; 4096];
        let mut held = false;
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            pieces.fetch_add(1, Ordering::SeqCst);
            if !held && since.load(Ordering::SeqCst) > 48 {
                held = true;
                let Some(pause) = pause else { return };
                tokio::time::sleep(pause).await;
            }
            if to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = upward => {}
        () = downward => {}
    }
}

/// A front at the address that passes everything to the server in this way.
async fn front(address: [u8; 4], to: std::net::SocketAddr, pause: Option<Duration>) -> SocketAddr {
    let front = tokio::net::TcpListener::bind((IpAddr::from(address), 0))
        .await
        .unwrap();
    let login = front.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = front.accept().await {
            tokio::spawn(pass(client, to, pause));
        }
    });
    login
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_before_the_methods_is_slow() {
    let Some(server) = sshd([127, 62, 3, 9].into(), None, "PermitRootLogin yes") else {
        return;
    };
    let pause = Some(Duration::from_millis(3300));
    let login = front([127, 62, 3, 10], server.login, pause).await;
    let mut plan = plan(login, Os::Linux);
    plan.options.consent.methods_as = Some(me());
    plan.options.consent.known_hosts = Some(server.folder.path().join("known_hosts"));
    expect(&plan, &[("banner", "fast"), ("auth-delay", "slow")]).await;
    // Whoever waits gets in.
    let key = operator_key(&server);
    allow(&server, &key);
    plan.options.consent.methods_as = None;
    plan.options.consent.login_as = Some(me());
    plan.options.consent.identity = Some(key);
    expect(&plan, &[("login-attempt", "accepted-slow")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_before_its_methods_or_never_gets_that_far() {
    let Some(server) = sshd([127, 62, 6, 1].into(), None, "") else {
        return;
    };
    let login = front([127, 62, 6, 2], server.login, None).await;
    let mut closing = plan(login, Os::Linux);
    closing.options.consent.methods_as = Some(me());
    closing.options.consent.login_as = Some(me());
    closing.options.consent.known_hosts = Some(server.folder.path().join("known_hosts"));
    expect(
        &closing,
        &[
            ("kex", "common"),
            ("auth-methods", "closed"),
            ("auth-delay", "not-attempted"),
            ("login-attempt", "not-reached"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_says_that_it_is_locked() {
    let words = "PermitRootLogin yes\nForceCommand echo 'The account is locked due to 5 failed logins.' >&2; exit 1";
    let Some(server) = sshd([127, 62, 6, 3].into(), None, words) else {
        return;
    };
    let key = operator_key(&server);
    allow(&server, &key);
    let mut plan = plan(server.login, Os::Linux);
    plan.options.consent.login_as = Some(me());
    plan.options.consent.identity = Some(key);
    plan.options.consent.known_hosts = Some(server.folder.path().join("known_hosts"));
    expect(&plan, &[("login-attempt", "locked")]).await;
}

/// Without its client this machine cannot ask, which says nothing of the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_used_is_no_finding() {
    let Some(server) = sshd([127, 62, 6, 4].into(), None, "") else {
        return;
    };
    let mut plan = plan(server.login, Os::Linux);
    // No name of an account, so that the client is never started with it.
    plan.options.consent.methods_as = Some("-oProxyCommand=true".to_owned());
    plan.options.consent.login_as = plan.options.consent.methods_as.clone();
    let failed = ["host-key", "auth-methods", "auth-delay", "login-attempt"];
    expect(&plan, &failed.map(|id| (id, "probe-failed"))).await;
}
