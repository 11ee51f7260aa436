//! What is read of a server's first words, against what `ssh -v` makes of the same bytes: servers that
//! answer with them, and the OpenSSH client of this machine as the referee.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use cvmtop::domain::instance::Os;
use cvmtop::probe::ssh::frame;

use super::support::{plan, program, readings, words};

/// Answers every connection with these bytes and then listens until the other side leaves.
fn answering(last: u8, bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((IpAddr::from([127, 62, 10, last]), 0)).unwrap();
    let login = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let bytes = bytes.clone();
            std::thread::spawn(move || {
                let _ = stream.write_all(&bytes);
                // The proposal of a client that agrees is followed by the next step: end there.
                let limit = Some(std::time::Duration::from_secs(2));
                let _ = stream.set_read_timeout(limit);
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    login
}

fn proposal(lists: [&str; 4]) -> Vec<u8> {
    let [kex, host_key, cipher, mac] = lists;
    let mut payload = vec![20];
    payload.extend_from_slice(&[7; 16]);
    for list in [
        kex, host_key, cipher, cipher, mac, mac, "none", "none", "", "",
    ] {
        payload.extend_from_slice(&u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend_from_slice(&[0; 5]);
    frame(&payload)
}

/// What the client said of the server, as `ssh -vv` prints it.
fn client(login: SocketAddr, options: &[String]) -> String {
    let out = Command::new("ssh")
        .args(["-vv", "-F", "none", "-o", "BatchMode=yes"])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=5"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-p"])
        .arg(login.port().to_string())
        .args(options)
        .args([&format!("root@{}", login.ip()), "true"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Everything that the client of this machine can be told to use.
fn all_that_it_knows() -> Vec<String> {
    let asked = [
        ("kex", "KexAlgorithms"),
        ("cipher", "Ciphers"),
        ("mac", "MACs"),
        ("HostKeyAlgorithms", "HostKeyAlgorithms"),
    ];
    let each = asked.iter().map(|(query, option)| {
        let out = Command::new("ssh").args(["-Q", query]).output().unwrap();
        let names = String::from_utf8(out.stdout).unwrap();
        let names: Vec<&str> = names.lines().collect();
        format!("-o{option}={}", names.join(","))
    });
    each.collect()
}

fn negotiated(said: &str) -> bool {
    assert!(
        said.contains("peer server KEXINIT proposal") || said.contains("no matching"),
        "the client got no proposal: {said}"
    );
    !said.contains("no matching")
}

const HELLO: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";
const KEYS: &str = "ssh-ed25519";
const CIPHERS: &str = "aes128-ctr";
const MACS: &str = "hmac-sha2-256";
const OLD: &str = "diffie-hellman-group1-sha1";

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_a_server_meet_clients_as_the_client_here_finds() {
    if program("ssh", "openssh-client").is_none() {
        return;
    }
    let every = all_that_it_knows();
    let markers = format!("{OLD},ext-info-s,kex-strict-s-v00@openssh.com");
    let only_markers = "ext-info-s,kex-strict-s-v00@openssh.com";
    let rows: &[(&str, [&str; 4])] = &[
        ("common", ["curve25519-sha256", KEYS, CIPHERS, MACS]),
        (
            "common",
            ["sntrup761x25519-sha512@openssh.com", KEYS, CIPHERS, MACS],
        ),
        (
            "common",
            [
                "diffie-hellman-group14-sha256",
                "rsa-sha2-256",
                "aes256-gcm@openssh.com",
                "none-of-ours",
            ],
        ),
        (
            "common",
            [
                "curve25519-sha256,mlkem768x25519-sha256",
                KEYS,
                CIPHERS,
                "hmac-sha1",
            ],
        ),
        ("legacy-only", [OLD, KEYS, CIPHERS, MACS]),
        ("legacy-only", [&markers, KEYS, CIPHERS, MACS]),
        (
            "legacy-only",
            ["diffie-hellman-group14-sha1", KEYS, CIPHERS, MACS],
        ),
        (
            "legacy-only",
            ["curve25519-sha256", "ssh-rsa", CIPHERS, MACS],
        ),
        (
            "legacy-only",
            ["curve25519-sha256", KEYS, "aes128-cbc", MACS],
        ),
        (
            "legacy-only",
            ["curve25519-sha256", KEYS, "3des-cbc", "hmac-md5"],
        ),
        (
            "legacy-only",
            ["curve25519-sha256", KEYS, CIPHERS, "hmac-md5"],
        ),
        ("none", ["mlkem768x25519-sha256", KEYS, CIPHERS, MACS]),
        ("none", ["sntrup761x25519-sha512", KEYS, CIPHERS, MACS]),
        ("none", [only_markers, KEYS, CIPHERS, MACS]),
        (
            "none",
            ["curve25519-sha256", "x509v3-sign-rsa", CIPHERS, MACS],
        ),
        ("none", ["curve25519-sha256", KEYS, "twofish-cbc", MACS]),
        ("none", ["gss-group1-sha1-", KEYS, CIPHERS, MACS]),
    ];
    for (at, (want, lists)) in rows.iter().enumerate() {
        let login = answering(
            1 + u8::try_from(at).unwrap(),
            [HELLO, &proposal(*lists)].concat(),
        );
        let all = readings(&plan(login, Os::Linux)).await;
        let kex = all.iter().find(|r| r.id == "kex").unwrap();
        assert_eq!(kex.observed_state(), Some(*want), "{lists:?}: {kex:#?}");
        assert!(
            !kex.detail.contains("ext-info") && !kex.detail.contains("kex-strict"),
            "{}",
            kex.detail
        );
        // The referee: as it is, and told to use all that it has.
        let plain = negotiated(&client(login, &[]));
        let told = negotiated(&client(login, &every));
        let newest = lists[0].starts_with("mlkem") || lists[0] == "sntrup761x25519-sha512";
        let expected = match *want {
            "common" => (true, true),
            "legacy-only" => (false, true),
            // A client that is new enough may share what none but the newest know.
            _ if newest && plain => {
                assert!(kex.detail.contains("before OpenSSH 9.9"), "{}", kex.detail);
                continue;
            }
            _ => (false, false),
        };
        assert_eq!((plain, told), expected, "{lists:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_words_are_read_as_the_client_here_reads_them() {
    if program("ssh", "openssh-client").is_none() {
        return;
    }
    let good = proposal(["curve25519-sha256", KEYS, CIPHERS, MACS]);
    let lines = "Welcome to the machine room, and mind the step.\r\n".repeat(190);
    assert!(lines.len() > 9 * 1024);
    let long = |length| format!("SSH-2.0-{}\r\n", "x".repeat(length));
    let (long, too_long) = (long(260), long(9000));
    let rows: &[(&str, &[u8], bool, &str)] = &[
        ("as usual", HELLO, true, "OpenSSH_9.2"),
        (
            "both versions",
            b"SSH-1.99-OpenSSH_3.9\r\n",
            true,
            "SSH-1.99-OpenSSH_3.9",
        ),
        (
            "no carriage return",
            b"SSH-2.0-libssh\n",
            true,
            "SSH-2.0-libssh",
        ),
        (
            "a comment",
            b"SSH-2.0-dropbear_2022.83 by hand\r\n",
            true,
            "by hand",
        ),
        (
            "version 1 only",
            b"SSH-1.5-Cisco-1.25\r\n",
            false,
            "SSH-1.5-Cisco-1.25",
        ),
        (
            "longer than the RFC allows",
            long.as_bytes(),
            true,
            "SSH-2.0-xxx",
        ),
        (
            "longer than any client reads",
            too_long.as_bytes(),
            false,
            "",
        ),
    ];
    let lines = [lines.as_bytes(), HELLO].concat();
    let nine = [(
        "nine kilobytes before it",
        lines.as_slice(),
        true,
        "OpenSSH_9.2",
    )];
    for (at, (name, hello, goes_on, says)) in rows.iter().chain(&nine).enumerate() {
        let login = answering(60 + u8::try_from(at).unwrap(), [hello, &good[..]].concat());
        let all = readings(&plan(login, Os::Linux)).await;
        let got = words(&all);
        let want = if *goes_on { "fast" } else { "wrong-protocol" };
        assert_eq!(got["banner"], want, "{name}: {all:#?}");
        let kex = if *goes_on { "common" } else { "not-attempted" };
        assert_eq!(got["kex"], kex, "{name}");
        let banner = all.iter().find(|r| r.id == "banner").unwrap();
        assert!(banner.detail.contains(says), "{name}: {}", banner.detail);
        let said = client(login, &[]);
        let went_on = said.contains("peer server KEXINIT proposal");
        assert_eq!(went_on, *goes_on, "{name}: {said}");
    }
}
