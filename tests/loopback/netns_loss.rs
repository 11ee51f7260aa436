//! First packets that are really lost: a filter that eats the first SYN of every connection, so that
//! each is answered only after the kernel's own retransmission, and a greeting that arrives late.
//!
//! Needs root; says why and passes where that is not allowed (with `CI` set it must be). Must not
//! live here: loss that a full look measures (`netns_reach`).

use crate::support::netns;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use cvmtop::domain::evidence::{Reading, Status};
use netns::Lab;
use netns::probe::{self as support, Server};

/// Eats the first packet of each connection to these ports, and what `beside` says.
fn first_lost(lab: &Lab, ports: &str, beside: &str) {
    let text = format!(
        "table inet lost {{
            set seen {{ type ipv4_addr . inet_service . inet_service; size 65535; flags dynamic; }}
            chain input {{ type filter hook input priority 0; policy accept;
                tcp dport {{ {ports} }} tcp flags & (syn|ack) == syn ip saddr . tcp sport . tcp dport @seen accept
                tcp dport {{ {ports} }} tcp flags & (syn|ack) == syn add @seen {{ ip saddr . tcp sport . tcp dport }} drop
                {beside}
            }}
        }}"
    );
    apply(lab, &text);
}

fn apply(lab: &Lab, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    std::fs::write(&file, text).unwrap();
    netns::must(&format!(
        "netns exec {} nft -f {}",
        lab.server,
        file.display()
    ));
}

fn served() -> Option<(Lab, Server)> {
    let lab = Lab::linked()?;
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let server = support::sshd_in(Some(&lab.server), login, "")?;
    Some((lab, server))
}

fn of<'a>(all: &'a [Reading], id: &str) -> &'a Reading {
    all.iter().find(|r| r.id == id).unwrap()
}

/// What the whole program says of the host, run beside its user.
fn diagnose(lab: &Lab, login: SocketAddr) -> serde_json::Value {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    let text = format!(
        "[cloud]\ncvm_role = false\n[[host]]\nname = \"web\"\naddress = \"{}\"\nport = {}\nos = \"linux\"\n",
        login.ip(),
        login.port()
    );
    std::fs::write(&file, text).unwrap();
    let ran = Command::new("ip")
        .args(["netns", "exec", &lab.client])
        .args([env!("CARGO_BIN_EXE_cvmtop"), "diagnose", "web"])
        .args(["--format", "json", "--config"])
        .arg(&file)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home.path())
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .output()
        .unwrap();
    serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&ran.stderr)))
}

/// Nothing on the path is any faster: every port loses its first packet, and nobody answers a ping.
#[test]
fn three_of_three_first_packets_lost_are_flaky_and_the_quick_look_measures_why() {
    let Some((lab, server)) = served() else {
        return;
    };
    first_lost(&lab, "1-65535", "icmp type echo-request drop");
    let mut plan = lab.plan(2);
    plan.options.greeting_timeout = Duration::from_secs(5);
    let all = lab.expect(
        &plan,
        &[
            ("reach", "flaky"),
            ("banner", "fast"),
            ("kex", "common"),
            ("path-quality", "bad"),
        ],
    );
    // Each connection of the series has one second, and its first packet never arrives.
    let quality = of(&all, "path-quality");
    assert!(quality.detail.contains("20 lost"), "{}", quality.detail);
    let report = diagnose(&lab, server.login);
    assert_ne!(report["verdict"], "healthy", "{}", report["causes"][0]);
    assert_eq!(report["causes"][0]["id"], "packet-loss", "{report:#}");
}

/// Pings pass, and tell what the first packets of the tries only hinted at.
#[test]
fn quality_is_measured_by_pings_where_these_are_answered() {
    for (beside, want) in [
        ("", "clean"),
        (
            "icmp type echo-request numgen inc mod 10 == 5 drop",
            "lossy",
        ),
    ] {
        let Some((lab, _server)) = served() else {
            return;
        };
        first_lost(&lab, "22", beside);
        let all = lab.expect(&lab.plan(2), &[("reach", "flaky"), ("path-quality", want)]);
        let quality = of(&all, "path-quality");
        assert!(quality.detail.contains("20 pings"), "{}", quality.detail);
    }
}

/// The same look at a whole path leaves the twenty samples out.
#[test]
fn where_nothing_was_lost_a_quick_look_measures_nothing() {
    let Some((lab, _server)) = served() else {
        return;
    };
    let all = lab.expect(&lab.plan(2), &[("reach", "open"), ("banner", "fast")]);
    assert_eq!(of(&all, "path-quality").status, Status::NotAttempted);
}

/// What the server sends to the first connection is eaten for eight seconds, so its greeting comes
/// with a retransmission after that; the other two are greeted at once.
#[test]
fn a_greeting_after_ten_seconds_is_not_fast_though_others_are() {
    let Some((lab, _server)) = served() else {
        return;
    };
    apply(
        &lab,
        "table inet late {
            set first { type inet_service; size 1; flags dynamic, timeout; timeout 8s; }
            chain input { type filter hook input priority 0; policy accept;
                tcp dport 22 tcp flags & (syn|ack) == syn add @first { tcp sport }
            }
            chain output { type filter hook output priority 0; policy accept;
                tcp sport 22 tcp dport @first tcp flags & psh == psh drop
            }
        }",
    );
    let mut plan = lab.plan(2);
    plan.options.greeting_timeout = Duration::from_secs(15);
    let all = lab.expect(&plan, &[("banner", "slow"), ("kex", "common")]);
    let banner = of(&all, "banner");
    assert!(banner.cost_ms > 10_000, "{banner:?}");
}
