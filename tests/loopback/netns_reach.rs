//! Reachability, loss and packet sizes behind real packet filters, in network namespaces that the
//! test makes and removes.
//!
//! Lives here: what loopback cannot show. Needs root; says why and passes where that is not allowed
//! (with `CI` set it must be). Must not live here: protocol faults.

use crate::support::netns;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::probe::{Control, Depth};
use netns::probe as support;
use netns::{Lab, must};

fn reach(all: &[Reading]) -> &Reading {
    all.iter().find(|r| r.id == "reach").unwrap()
}

#[test]
fn an_unfiltered_host_is_open_and_a_closed_port_refused() {
    let Some(lab) = Lab::linked() else { return };
    lab.listen(lab.host(2), 22);
    let all = lab.expect(&lab.plan(2), &[("reach", "open"), ("banner", "fast")]);
    assert!(
        reach(&all).detail.contains("ping 3/3 answered"),
        "{}",
        reach(&all).detail
    );
    lab.expect(
        &lab.plan(3),
        &[
            ("reach", "refused"),
            ("banner", "not-attempted"),
            ("path-quality", "not-attempted"),
        ],
    );
}

#[test]
fn a_dropped_login_port_beside_resets_is_a_living_host() {
    let Some(lab) = Lab::linked() else { return };
    lab.listen(lab.host(2), 22);
    lab.filter(&lab.server, "input", "tcp dport 22 drop");
    lab.expect(&lab.plan(2), &[("reach", "silent-host-alive")]);
}

#[test]
fn a_host_that_only_answers_pings() {
    let Some(lab) = Lab::linked() else { return };
    lab.filter(&lab.server, "input", "meta l4proto tcp drop");
    let mut plan = lab.plan(2);
    lab.expect(&plan, &[("reach", "silent-icmp-only")]);
    // Without the right to ping, the same host cannot be told from a dead one, and that is said.
    plan.options.known.controls.clear();
    let all = lab.inside(&lab.client, false, async || support::readings(&plan).await);
    assert_eq!(reach(&all).observed_state(), Some("all-silent"));
    assert!(
        reach(&all).detail.contains("ping not permitted"),
        "{}",
        reach(&all).detail
    );
    assert!(
        reach(&all).detail.contains("looks the same"),
        "{}",
        reach(&all).detail
    );
}

#[test]
fn silence_everywhere_needs_a_control_that_answers() {
    let Some(lab) = Lab::linked() else { return };
    lab.filter(
        &lab.server,
        "input",
        &format!("ip daddr {} drop", lab.host(2)),
    );
    let control = |last| Control {
        path: Path::Private,
        address: SocketAddr::new(IpAddr::V4(lab.host(last)), 22),
        decisive: true,
    };
    let mut plan = lab.plan(2);
    let all = lab.expect(&plan, &[("reach", "all-silent")]);
    assert!(
        reach(&all).detail.contains("no control target was known"),
        "{}",
        reach(&all).detail
    );
    plan.options.known.controls = vec![control(3)];
    let started = std::time::Instant::now();
    let all = lab.expect(
        &plan,
        &[("reach", "all-silent"), ("banner", "not-attempted")],
    );
    assert!(
        reach(&all).detail.contains("answers"),
        "{}",
        reach(&all).detail
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    lab.filter(
        &lab.server,
        "prerouting",
        &format!("ip daddr {} drop", lab.host(3)),
    );
    let all = lab.probe(&plan);
    assert_eq!(reach(&all).status, Status::ProbeFailed, "{all:#?}");
}

#[test]
fn a_prohibition_by_icmp_is_named() {
    let Some(lab) = Lab::linked() else { return };
    for (last, kind) in [(2, "admin-prohibited"), (3, "host-unreachable")] {
        let rule = format!(
            "ip daddr {} tcp dport 22 reject with icmp type {kind}",
            lab.host(last)
        );
        lab.filter(&lab.server, "input", &rule);
        lab.expect(
            &lab.plan(last),
            &[("reach", "admin-prohibited"), ("banner", "not-attempted")],
        );
    }
}

#[test]
fn everything_but_the_login_port_cut_off() {
    let Some(lab) = Lab::linked() else { return };
    lab.listen(lab.host(2), 22);
    lab.filter(
        &lab.server,
        "input",
        "tcp dport { 22, 3389, 36000 } accept\ndrop",
    );
    lab.expect(
        &lab.plan(2),
        &[("reach", "open-login-only"), ("banner", "fast")],
    );
}

#[test]
fn some_tries_refused_are_flaky() {
    let Some(lab) = Lab::linked() else { return };
    lab.listen(lab.host(2), 22);
    lab.filter(
        &lab.server,
        "input",
        "tcp dport 22 tcp flags syn / syn,ack numgen inc mod 2 == 1 reject with tcp reset",
    );
    lab.expect(&lab.plan(2), &[("reach", "flaky")]);
}

#[test]
fn no_route_here_is_our_own_failure_and_no_neighbour_is_silence() {
    let Some(lab) = Lab::linked() else { return };
    let mut plan = lab.plan(2);
    plan.targets[0].address = [198, 51, 100, 7].into();
    let all = lab.probe(&plan);
    assert_eq!(reach(&all).status, Status::ProbeFailed, "{all:#?}");
    assert!(
        reach(&all).detail.contains("no route"),
        "{}",
        reach(&all).detail
    );
    // A switched-off host on the same link: nobody answers the address resolution.
    let mut plan = lab.plan(77);
    plan.options.connect_timeout = Duration::from_secs(4);
    plan.options.known.controls = vec![Control {
        path: Path::Private,
        address: SocketAddr::new(lab.host(2).into(), 22),
        decisive: true,
    }];
    lab.expect(&plan, &[("reach", "all-silent")]);
}

#[test]
fn loss_is_measured_by_pings() {
    for (rule, want) in [
        ("", "clean"),
        (
            "icmp type echo-request numgen inc mod 10 == 5 drop",
            "lossy",
        ),
        ("icmp type echo-request numgen inc mod 2 == 1 drop", "bad"),
    ] {
        let Some(lab) = Lab::linked() else { return };
        lab.listen(lab.host(2), 22);
        lab.filter(&lab.server, "input", rule);
        let mut plan = lab.plan(2);
        plan.options.depth = Depth::Full;
        let all = lab.expect(&plan, &[("reach", "open"), ("path-quality", want)]);
        let quality = all.iter().find(|r| r.id == "path-quality").unwrap();
        assert!(quality.detail.contains("20 pings"), "{}", quality.detail);
    }
}

/// Client, router with a smaller link behind it, and a real server.
fn routed(icmp_allowed: bool) -> Option<(Lab, support::Server)> {
    let lab = Lab::empty()?;
    let far = Ipv4Addr::new(10, 214, lab.number, 2);
    let near = Ipv4Addr::new(10, 214, lab.number, 1);
    lab.link(&lab.client, "c0", &lab.router, "r0");
    lab.link(&lab.router, "r1", &lab.server, "s0");
    lab.address(&lab.client, "c0", lab.host(1));
    lab.address(&lab.router, "r0", lab.host(2));
    lab.address(&lab.router, "r1", near);
    lab.address(&lab.server, "s0", far);
    must(&format!(
        "-n {} route add default via {}",
        lab.client,
        lab.host(2)
    ));
    must(&format!("-n {} route add default via {near}", lab.server));
    must(&format!("-n {} link set r1 mtu 1300", lab.router));
    let forward = Command::new("ip")
        .args([
            "netns",
            "exec",
            &lab.router,
            "sysctl",
            "-qw",
            "net.ipv4.ip_forward=1",
        ])
        .status()
        .unwrap();
    assert!(forward.success());
    if !icmp_allowed {
        lab.filter(
            &lab.router,
            "output",
            "icmp type destination-unreachable drop",
        );
    }
    let server = support::sshd_in(Some(&lab.server), SocketAddr::new(far.into(), 22), "")?;
    Some((lab, server))
}

#[test]
fn a_black_hole_for_large_packets_is_found() {
    let Some((lab, server)) = routed(false) else {
        return;
    };
    let mut plan = lab.plan(2);
    plan.targets[0].address = server.login.ip();
    plan.options.depth = Depth::Full;
    let all = lab.expect(
        &plan,
        &[
            ("reach", "open"),
            ("banner", "fast"),
            ("path-mtu", "black-hole"),
        ],
    );
    let mtu = all.iter().find(|r| r.id == "path-mtu").unwrap();
    assert!(
        mtu.detail.contains("vanish while small ones are answered"),
        "{}",
        mtu.detail
    );
}

#[test]
fn a_small_link_that_says_so_is_no_black_hole() {
    let Some((lab, server)) = routed(true) else {
        return;
    };
    let mut plan = lab.plan(2);
    plan.targets[0].address = server.login.ip();
    plan.options.depth = Depth::Full;
    lab.expect(
        &plan,
        &[("reach", "open"), ("kex", "common"), ("path-mtu", "ok")],
    );
}
