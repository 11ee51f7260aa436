//! Reachability, loss and packet sizes behind real packet filters, in network namespaces that the
//! test makes and removes.
//!
//! Lives here: what loopback cannot show. Needs root; says why and passes where that is not allowed
//! (with `CI` set it must be). Must not live here: protocol faults.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

#[path = "support/probe.rs"]
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::probe::{Control, Depth, ProbePlan};
use rustix::thread::{CapabilitySet, LinkNameSpaceType};

/// A client and a server namespace with a link between them, each test with a subnet of its own.
struct Lab {
    client: String,
    server: String,
    router: String,
    number: u8,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.client, &self.server, &self.router] {
            let _ = Command::new("ip")
                .args(["netns", "del", name])
                .stderr(Stdio::null())
                .status();
        }
    }
}

fn ip(arguments: &str) -> bool {
    let out = Command::new("ip")
        .args(arguments.split_whitespace())
        .output();
    match out {
        Ok(out) if out.status.success() => true,
        Ok(out) => {
            println!("ip {arguments}: {}", String::from_utf8_lossy(&out.stderr));
            false
        }
        Err(error) => {
            println!("ip {arguments}: {error}");
            false
        }
    }
}

fn must(arguments: &str) {
    assert!(ip(arguments), "ip {arguments}");
}

impl Lab {
    /// The three namespaces, not yet linked; `None` where they are not permitted.
    fn empty() -> Option<Self> {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |role: &str| format!("cvmtop-{}-{number}-{role}", std::process::id());
        let lab = Self {
            client: name("client"),
            server: name("server"),
            router: name("router"),
            number,
        };
        let allowed = rustix::process::geteuid().is_root()
            && ip(&format!("netns add {}", lab.client))
            && Command::new("nft")
                .arg("--version")
                .stdout(Stdio::null())
                .status()
                .is_ok();
        if !allowed {
            let reason = "network namespaces need root, iproute2 and nftables";
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            println!("skipped: {reason}");
            return None;
        }
        must(&format!("netns add {}", lab.server));
        must(&format!("netns add {}", lab.router));
        for name in [&lab.client, &lab.server, &lab.router] {
            must(&format!("-n {name} link set lo up"));
        }
        Some(lab)
    }

    /// Client and server on one link; the server also has a second address.
    fn linked() -> Option<Self> {
        let lab = Self::empty()?;
        lab.link(&lab.client, "c0", &lab.server, "s0");
        lab.address(&lab.client, "c0", lab.host(1));
        lab.address(&lab.server, "s0", lab.host(2));
        lab.address(&lab.server, "s0", lab.host(3));
        Some(lab)
    }

    fn link(&self, from: &str, near: &str, to: &str, far: &str) {
        must(&format!(
            "link add {near} netns {from} type veth peer name {far} netns {to}"
        ));
        must(&format!("-n {from} link set {near} up"));
        must(&format!("-n {to} link set {far} up"));
    }

    fn address(&self, name: &str, device: &str, address: Ipv4Addr) {
        must(&format!("-n {name} addr add {address}/24 dev {device}"));
    }

    fn host(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, last)
    }

    /// Applies nftables rules to a chain of a namespace.
    fn filter(&self, name: &str, hook: &str, rules: &str) {
        use std::io::Write;
        let text = format!(
            "table inet t {{ chain {hook} {{ type filter hook {hook} priority 0; policy accept;\n{rules}\n}}\n}}\n"
        );
        let mut child = Command::new("ip")
            .args(["netns", "exec", name, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }

    /// Runs a future on a thread that lives in a namespace.
    fn inside<T: Send>(
        &self,
        name: &str,
        raw_sockets: bool,
        act: impl AsyncFnOnce() -> T + Send,
    ) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    enter(name);
                    if !raw_sockets {
                        let mut sets = rustix::thread::capabilities(None).unwrap();
                        sets.effective.remove(CapabilitySet::NET_RAW);
                        rustix::thread::set_capabilities(None, sets).unwrap();
                    }
                    tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap()
                        .block_on(act())
                })
                .join()
                .unwrap()
        })
    }

    /// Accepts and greets on a port of an address in the server's namespace until the test ends.
    fn listen(&self, address: Ipv4Addr, port: u16) {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let name = self.server.clone();
        std::thread::spawn(move || {
            use std::io::Write;
            enter(&name);
            let listener = std::net::TcpListener::bind((address, port)).unwrap();
            ready.send(()).unwrap();
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
                held.push(stream);
            }
        });
        is_ready.recv().unwrap();
    }

    fn plan(&self, last: u8) -> ProbePlan {
        let mut plan = support::plan(SocketAddr::new(self.host(last).into(), 22), Os::Linux);
        plan.options.connect_timeout = Duration::from_secs(2);
        plan.options.greeting_timeout = Duration::from_secs(2);
        plan
    }

    fn probe(&self, plan: &ProbePlan) -> Vec<Reading> {
        self.inside(&self.client, true, async || support::readings(plan).await)
    }

    fn expect(&self, plan: &ProbePlan, want: &[(&str, &str)]) -> Vec<Reading> {
        let all = self.probe(plan);
        let words = support::words(&all);
        for (id, word) in want {
            assert_eq!(
                words.get(*id).map(String::as_str),
                Some(*word),
                "{id}: {all:#?}"
            );
        }
        all
    }
}

/// Moves the calling thread into a named network namespace.
fn enter(name: &str) {
    let file = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .unwrap();
}

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
