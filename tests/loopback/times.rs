//! How long a look takes by kind of host: the real program in a network namespace, a cloud of
//! another hand that answers in 50 ms, and real servers behind a real link, one broken in each way.
//!
//! Lives here: a table for people, and that each kind is told for what it is within its bound.
//! Needs root; says why and passes where that is not allowed (with `CI` set it must be).

#![allow(clippy::unnecessary_wraps)] // every maker of a host has one shape; some can always be made

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::foreign::{Cloud, everyone, instance, state, world};
use crate::support::netns::{self, Lab, enter};
use netns::probe::{self as servers, Server};
use rustix::process::Signal;
use serde_json::{Value, json};

/// What the budgets ask for, and what a look may take at most, whatever the host does.
const ANSWERING: f64 = 1.5;
const SILENT: f64 = 6.0;
const WHATEVER: f64 = 20.0;

/// What stands behind an address for as long as it lives.
enum Host {
    Nothing,
    Real(#[allow(dead_code, reason = "ends with its owner")] Server),
    Hung(Server),
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Self::Hung(server) = self {
            server.signal(Signal::CONT);
        }
    }
}

/// One kind: what it is, its system, how it is made, the reading that names it, and its budget.
struct Kind {
    name: &'static str,
    os: &'static str,
    make: fn(&Lab, Ipv4Addr) -> Option<Host>,
    says: (&'static str, &'static str),
    budget: f64,
}

const fn kind(
    name: &'static str,
    make: fn(&Lab, Ipv4Addr) -> Option<Host>,
    says: (&'static str, &'static str),
    budget: f64,
) -> Kind {
    Kind {
        name,
        os: "Debian 12.8 64bit",
        make,
        says,
        budget,
    }
}

impl Kind {
    const fn windows(mut self) -> Self {
        self.os = "Windows Server 2022 DataCenter 64bit EN";
        self
    }

    fn port(&self) -> u16 {
        if self.os.starts_with("Windows") {
            3389
        } else {
            22
        }
    }
}

/// A private address of the VPC, into which a jump host elsewhere has no way.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 5);

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind("SSH answers", ssh, ("reach", "open"), ANSWERING),
    kind("SSH answers, no route here for the private address", no_route, ("reach", "open"), ANSWERING),
    kind("RDP answers (xrdp, TLS)", rdp, ("rdp-tls", "ok"), ANSWERING).windows(),
    kind("SSH answers, nothing larger than 1,280 bytes gets there", narrow, ("path-mtu", "black-hole"), WHATEVER),
    kind("a third of all packets is lost", lossy, ("reach", "flaky"), WHATEVER),
    kind("the first packet of every connection is lost", first_lost, ("path-quality", "clean"), WHATEVER),
    kind("refused", |_, _| Some(Host::Nothing), ("reach", "refused"), ANSWERING),
    kind("prohibited by ICMP", prohibited, ("reach", "admin-prohibited"), SILENT),
    kind("the port drops, the host answers beside it", dropped, ("reach", "silent-host-alive"), SILENT),
    kind("everything drops", all_dropped, ("reach", "all-silent"), SILENT),
    kind("no neighbour has the address", nobody, ("reach", "all-silent"), SILENT),
    kind("it takes connections and never says a word", mute, ("banner", "silent"), WHATEVER),
    kind("it greets one connection and is silent on the others", once, ("banner", "mixed"), WHATEVER),
    kind("it greets after five seconds", slow, ("banner", "slow"), WHATEVER),
    kind("it drips a byte a second", drips, ("banner", "silent"), WHATEVER),
    kind("sshd is stopped in its tracks", hung, ("banner", "silent"), WHATEVER),
    kind("it greets and the key exchange hangs", no_lists, ("kex", "hang"), WHATEVER),
    kind("RDP confirms and TLS hangs", tls_hangs, ("rdp-tls", "hang"), WHATEVER).windows(),
    kind("RDP takes connections and never says a word", mute_desktop, ("rdp-negotiation", "silent"), WHATEVER).windows(),
];

fn ssh(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    let login = SocketAddr::new(at.into(), 22);
    servers::sshd_in(Some(&lab.server), login, "").map(Host::Real)
}

/// As every jump host has it that shares no network with the instance, but without a default route.
fn no_route(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    netns::must(&format!("-n {} route del default", lab.client));
    ssh(lab, at)
}

fn rdp(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    let name = lab.server.clone();
    let start = move || {
        enter(&name);
        servers::xrdp_on(SocketAddr::new(at.into(), 3389), "negotiate")
    };
    std::thread::spawn(start).join().unwrap().map(Host::Real)
}

fn hung(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    let login = SocketAddr::new(at.into(), 22);
    let server = servers::sshd_in(Some(&lab.server), login, "")?;
    server.signal(Signal::STOP);
    Some(Host::Hung(server))
}

fn filtered(lab: &Lab, rules: &str) -> Host {
    lab.filter(&lab.server, "input", rules);
    Host::Nothing
}

fn narrow(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    lab.filter(&lab.server, "input", "meta length > 1280 drop");
    lab.filter(&lab.server, "output", "meta length > 1280 drop");
    // Each packet as it would be on a wire.
    for (name, device) in [(&lab.client, "c0"), (&lab.server, "s0")] {
        netns::must(&format!(
            "-n {name} link set {device} gso_max_segs 1 gso_max_size 1500"
        ));
    }
    ssh(lab, at)
}

fn lossy(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    let rules =
        "meta l4proto icmp numgen inc mod 3 == 0 drop\ntcp dport 22 numgen inc mod 3 == 0 drop";
    lab.filter(&lab.server, "input", rules);
    ssh(lab, at)
}

fn first_lost(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    let rules = "table inet lost {
        set seen { type ipv4_addr . inet_service . inet_service; size 65535; flags dynamic; }
        chain input { type filter hook input priority 0; policy accept;
            tcp flags & (syn|ack) == syn ip saddr . tcp sport . tcp dport @seen accept
            tcp flags & (syn|ack) == syn add @seen { ip saddr . tcp sport . tcp dport } drop
        }
    }";
    std::fs::write(&file, rules).unwrap();
    netns::must(&format!(
        "netns exec {} nft -f {}",
        lab.server,
        file.display()
    ));
    ssh(lab, at)
}

fn prohibited(lab: &Lab, _: Ipv4Addr) -> Option<Host> {
    Some(filtered(
        lab,
        "tcp dport 22 reject with icmp type admin-prohibited",
    ))
}

fn dropped(lab: &Lab, _: Ipv4Addr) -> Option<Host> {
    Some(filtered(lab, "tcp dport 22 drop"))
}

fn all_dropped(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    Some(filtered(lab, &format!("ip daddr {at} drop")))
}

fn nobody(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    netns::must(&format!("-n {} addr del {at}/24 dev s0", lab.server));
    Some(Host::Nothing)
}

/// A listener in the server's namespace until the test ends; `talk` gets the number of each
/// connection.
fn listens(lab: &Lab, login: SocketAddr, talk: fn(usize, &mut TcpStream)) -> Option<Host> {
    let (ready, is_ready) = mpsc::channel();
    let name = lab.server.clone();
    std::thread::spawn(move || {
        enter(&name);
        let listener = TcpListener::bind(login).unwrap();
        ready.send(()).unwrap();
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept() {
            let this = number;
            number += 1;
            std::thread::spawn(move || {
                talk(this, &mut stream);
                // Open until the other side leaves.
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    is_ready.recv().unwrap();
    Some(Host::Nothing)
}

const HELLO: &[u8] = b"SSH-2.0-OpenSSH_9.9\r\n";

fn mute(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 22), |_, _| {})
}

fn mute_desktop(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 3389), |_, _| {})
}

fn once(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 22), |number, stream| {
        if number == 0 {
            let _ = stream.write_all(HELLO);
        }
    })
}

fn no_lists(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 22), |_, stream| {
        let _ = stream.write_all(HELLO);
    })
}

fn slow(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 22), |_, stream| {
        std::thread::sleep(Duration::from_secs(5));
        let _ = stream.write_all(HELLO);
        let _ = stream.write_all(&servers::current_kexinit());
    })
}

fn drips(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 22), |_, stream| {
        for byte in HELLO {
            std::thread::sleep(Duration::from_secs(1));
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    })
}

fn tls_hangs(lab: &Lab, at: Ipv4Addr) -> Option<Host> {
    listens(lab, SocketAddr::new(at.into(), 3389), |_, stream| {
        let _ = stream.read_exact(&mut [0; 19]);
        let confirm = [
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0x1f, 8, 0, 2, 0, 0, 0,
        ];
        let _ = stream.write_all(&confirm);
    })
}

/// What the program says of a kind, and how many milliseconds it took.
fn look(kind: &Kind) -> Option<(Value, u128)> {
    let lab = Lab::linked()?;
    let at = lab.host(10);
    lab.address(&lab.server, "s0", at);
    netns::must(&format!(
        "-n {} route add default via {}",
        lab.client,
        lab.host(2)
    ));
    let _host = (kind.make)(&lab, at)?;
    let changes = json!({"OsName": kind.os});
    let login = SocketAddr::new(IpAddr::V4(at), kind.port());
    let world = world(
        instance(login, PRIVATE.into(), &changes),
        everyone(),
        &json!({"latency": 0.05}),
    );
    let started = std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // The cloud and the program are started from here, and live in the same namespace.
            enter(&lab.client);
            let cloud = Cloud::of(&world);
            let started = Instant::now();
            let ran = cloud.diagnose(&[]);
            (ran.report(), started.elapsed().as_millis())
        });
        inside.join().unwrap()
    });
    Some(started)
}

/// How long the look itself took, without the program's start and what the cloud is asked first.
fn longest(report: &Value) -> u64 {
    let probed = report["evidence"].as_array().unwrap().iter();
    let probed = probed.filter(|reading| reading["source"] == "probe");
    probed
        .filter_map(|reading| reading["cost_ms"].as_u64())
        .max()
        .unwrap()
}

/// The readings that took longest.
fn slowest(report: &Value) {
    let mut all: Vec<&Value> = report["evidence"].as_array().unwrap().iter().collect();
    all.sort_by_key(|reading| std::cmp::Reverse(reading["cost_ms"].as_u64()));
    for reading in all.iter().take(8) {
        println!(
            "    {} ms {} {}: {}",
            reading["cost_ms"], reading["id"], reading["path"], reading["detail"]
        );
    }
}

#[test]
#[ignore = "a table of two minutes; CONTRIBUTING and FIGURES say how it is printed"]
fn a_look_takes_so_long_by_kind_of_host() {
    let only = std::env::var("KIND").unwrap_or_default();
    println!("| host | what is said | looked | in all | budget |\n|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.name.contains(&only)) {
        let Some((report, took)) = look(kind) else {
            return;
        };
        let (group, wanted) = kind.says;
        let path = report["evidence"].as_array().unwrap().iter();
        let got = path
            .filter(|r| r["id"] == group && r["path"] != "private")
            .map(|r| r["state"].as_str().or(r["status"].as_str()).unwrap())
            .next()
            .unwrap_or("not there");
        let lead = &report["causes"][0];
        if std::env::var_os("KIND").is_some() {
            slowest(&report);
        }
        println!(
            "| {} | `{group}` {got}; {}, {} {:.2} | {} ms | {took} ms | {:.1} s |",
            kind.name,
            report["verdict"].as_str().unwrap(),
            lead["id"].as_str().unwrap(),
            lead["probability"].as_f64().unwrap(),
            longest(&report),
            kind.budget
        );
        if got != wanted {
            wrong.push(format!(
                "{}: {group} {got}, not {wanted}: {:#}",
                kind.name, report["evidence"]
            ));
        }
        if took as f64 > WHATEVER * 1000.0 {
            wrong.push(format!("{} took {took} ms", kind.name));
        }
        assert_eq!(state(&report, "security-group", None), "allow");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
