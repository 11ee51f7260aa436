//! Paths that lose packets: slow and named so, never called dead, and the client still gets in.

use std::net::SocketAddr;

use super::netns::probe as servers;
use super::netns::{Lab, ip, must};
use super::{Key, ROOT_BY_KEY, diagnose_with, state};

/// Loss and delay by the kernel's emulator where it has one; else a filter that drops every fifth
/// packet, which loses as much and delays by what is sent again.
fn spoil(lab: &Lab) {
    let shape = "tc qdisc add dev s0 root netem loss 20% delay 150ms";
    if !ip(&format!("netns exec {} {shape}", lab.server)) {
        println!("this kernel has no netem: a filter drops instead");
        lab.filter(&lab.server, "input", "numgen inc mod 5 == 0 drop");
    }
}

#[test]
fn a_path_that_loses_a_fifth_is_lossy_and_a_login_still_works() {
    let Some(lab) = Lab::linked() else { return };
    let key = Key::new();
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let Some(server) = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY) else {
        return;
    };
    key.given_to(&server);
    let host = [("web", login, "linux")];
    let report = &diagnose_with(&lab, &host, &["--deep"])[0];
    assert_eq!(
        state(report, "path-quality"),
        "clean",
        "{}",
        report["evidence"]
    );

    spoil(&lab);
    let report = &diagnose_with(&lab, &host, &["--deep"])[0];
    let (reach, quality) = (state(report, "reach"), state(report, "path-quality"));
    assert!(
        ["open", "flaky"].contains(&reach),
        "{reach}: {}",
        report["evidence"]
    );
    assert!(
        ["lossy", "bad"].contains(&quality),
        "{quality}: {}",
        report["evidence"]
    );
    assert_eq!(state(report, "kex"), "common", "{}", report["evidence"]);
    assert!(
        key.opens(&lab.client, login),
        "the client gets in, if slowly"
    );
}

/// Half of all packets gone: whatever is said, it is not that the login works as it should.
#[test]
fn a_path_that_loses_half_is_bad() {
    let Some(lab) = Lab::linked() else { return };
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let Some(_server) = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY) else {
        return;
    };
    // Each protocol is counted by itself: what runs beside the pings must not decide which are lost.
    lab.filter(
        &lab.server,
        "input",
        "meta l4proto icmp numgen inc mod 2 == 0 drop\nmeta l4proto tcp numgen inc mod 2 == 0 drop",
    );
    let report = &diagnose_with(&lab, &[("web", login, "linux")], &["--deep"])[0];
    assert_eq!(
        state(report, "path-quality"),
        "bad",
        "{}",
        report["evidence"]
    );
    assert_ne!(report["verdict"], "healthy", "{}", report["causes"][0]);
    must(&format!(
        "netns exec {} nft delete table inet t",
        lab.server
    ));
}
