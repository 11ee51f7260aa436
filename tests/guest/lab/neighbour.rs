//! Other instances as vantages: a jump host, a server and two neighbours, each behind a router that
//! stands for the cloud's network. What is wrong is made in the kernel, the neighbours run the
//! program's own script, and the cloud lets no rule of a subnet or an address be read.

use std::net::{Ipv4Addr, SocketAddr};

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::state::security_group_here;
use cvmtop::domain::evidence::{Path, Reading, Source};
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::domain::report::Report;
use cvmtop::domain::said::Said;
use cvmtop::kit::neighbour::{Neighbour, is_silent};

use super::netns::probe as servers;
use super::netns::{Lab, ip, must};
use super::{ROOT_BY_KEY, diagnose_with, inside, said};

/// The router and the four machines around it.
pub(super) struct Network {
    pub lab: Lab,
    pub home: tempfile::TempDir,
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in ["near", "far"] {
            ip(&format!("netns del {}", self.machine(name)));
        }
    }
}

impl Network {
    pub fn new() -> Option<Self> {
        let lab = Lab::empty()?;
        let home = tempfile::tempdir().unwrap();
        let net = Self { lab, home };
        let router = &net.lab.router;
        must(&format!(
            "netns exec {router} sysctl -qw net.ipv4.ip_forward=1"
        ));
        for (place, name) in ["client", "server", "near", "far"].into_iter().enumerate() {
            let machine = net.machine(name);
            if place > 1 {
                must(&format!("netns add {machine}"));
                must(&format!("-n {machine} link set lo up"));
            }
            let (own, gate) = (net.address(name), net.gate(name));
            net.lab.link(router, &format!("r{place}"), &machine, "e0");
            must(&format!("-n {router} addr add {gate}/30 dev r{place}"));
            must(&format!("-n {machine} addr add {own}/30 dev e0"));
            must(&format!("-n {machine} route add default via {gate}"));
        }
        must(&format!(
            "-n {} addr add {}/32 dev lo",
            net.lab.server,
            net.public()
        ));
        let (public, server) = (net.public(), net.address("server"));
        must(&format!("-n {router} route add {public}/32 via {server}"));
        Some(net)
    }

    pub fn machine(&self, name: &str) -> String {
        match name {
            "client" => self.lab.client.clone(),
            "server" => self.lab.server.clone(),
            other => format!("{}-{other}", self.lab.router),
        }
    }

    fn place(name: &str) -> u8 {
        let names = ["client", "server", "near", "far"];
        names.iter().position(|it| *it == name).unwrap() as u8
    }

    fn gate(&self, name: &str) -> Ipv4Addr {
        self.lab.host(4 * Self::place(name) + 1)
    }

    pub fn address(&self, name: &str) -> Ipv4Addr {
        self.lab.host(4 * Self::place(name) + 2)
    }

    pub fn public(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, self.lab.number)
    }

    /// A rule of the router, which never says what it drops.
    pub fn between(&self, rules: &str) {
        self.lab.filter(&self.lab.router, "forward", rules);
    }

    /// A rule of the guest.
    pub fn guest(&self, rules: &str) {
        self.lab.filter(&self.lab.server, "input", rules);
    }

    fn instance(&self, name: &str, subnet: &str) -> Instance {
        Instance {
            id: format!("ins-{name}"),
            name: name.into(),
            os: Os::Linux,
            state: "RUNNING".into(),
            vpc_id: "vpc-1".into(),
            subnet_id: subnet.into(),
            private_addresses: vec![self.address(name).into()],
            default_login_port: Some(22),
            ..Instance::default()
        }
    }

    /// What both neighbours see, by the script as it would be sent, each in another shell.
    fn neighbours_see(&self, has_public: bool) -> Vec<Reading> {
        let mut target = self.instance("server", "subnet-1");
        if has_public {
            target.public_addresses = vec![self.public().into()];
        }
        let neighbours = [("near", "subnet-1", "dash"), ("far", "subnet-2", "bash")];
        let looks = |(name, subnet, shell): (&str, &str, &str)| {
            let mut neighbour = Neighbour::of(&target, &self.instance(name, subnet)).unwrap();
            neighbour.public = has_public && name == "far";
            let file = self.home.path().join(name);
            std::fs::write(&file, neighbour.script(&target)).unwrap();
            let file = file.display().to_string();
            let output = inside(&self.machine(name), self.home.path(), &[shell, &file]);
            let output = { output }.output().unwrap();
            assert!(output.stderr.is_empty(), "{}", said(&output));
            let mut seen = neighbour.read(&target, &String::from_utf8_lossy(&output.stdout));
            // What the cloud says of the groups, which let everybody in.
            if seen
                .iter()
                .any(|it| it.path == Some(neighbour.path) && is_silent(it))
            {
                let rules =
                    Reading::observed(security_group_here::ALLOW, Source::Cloud, Said::raw(""));
                seen.push(rules.on_path(neighbour.path));
            }
            seen
        };
        std::thread::scope(|scope| {
            let running = neighbours.map(|it| scope.spawn(move || looks(it)));
            running
                .into_iter()
                .flat_map(|it| it.join().unwrap())
                .collect()
        })
    }
}

/// A fault, how the users come, and the causes of which one has to lead.
struct Fault {
    name: &'static str,
    public: bool,
    make: fn(&Network),
    causes: &'static [&'static str],
}

const FAULTS: [Fault; 7] = [
    Fault {
        name: "guest firewall drops the port",
        public: false,
        make: |net| net.guest("tcp dport 22 drop"),
        causes: &["host-firewall-blocks-port"],
    },
    Fault {
        name: "guest firewall, users by the public address",
        public: true,
        make: |net| net.guest("tcp dport 22 drop"),
        causes: &["host-firewall-blocks-port"],
    },
    Fault {
        name: "guest firewall drops all but the jump host",
        public: false,
        make: |net| {
            net.guest(&format!(
                "ip saddr != {} tcp dport 22 drop",
                net.address("client")
            ));
        },
        causes: &["host-firewall-blocks-port"],
    },
    Fault {
        name: "service stopped",
        public: false,
        make: |_| {},
        causes: &["login-service-down"],
    },
    Fault {
        name: "host down",
        public: false,
        make: |net| {
            // The cloud's network does not say that nobody is there.
            net.lab.filter(
                &net.lab.router,
                "output",
                "icmp type destination-unreachable drop",
            );
            must(&format!("-n {} link set e0 down", net.lab.server));
        },
        causes: &[
            "boot-failure",
            "kernel-hang-or-panic",
            "guest-network-misconfigured",
            "platform-fault",
        ],
    },
    Fault {
        name: "filter between subnets",
        public: false,
        make: |net| {
            let (server, near) = (net.address("server"), net.address("near"));
            net.between(&format!("ip daddr {server} ip saddr != {near} drop"));
        },
        causes: &["network-acl-blocks-port"],
    },
    Fault {
        name: "public side dead, private fine",
        public: true,
        make: |net| net.between(&format!("ip daddr {} drop", net.public())),
        causes: &["public-bandwidth-zero", "ddos-blocked", "no-public-ip"],
    },
];

/// Faults that are made at the same time; most of it is waiting.
const AT_ONCE: usize = 4;

/// The lead, and what all causes hold that it may be.
type Weighed = (String, f64);

/// Without the neighbours and with them, and what they saw.
fn leads(fault: &Fault) -> Option<([Weighed; 2], Vec<Reading>)> {
    let net = Network::new()?;
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 22);
    let server = servers::sshd_in(Some(&net.lab.server), any, ROOT_BY_KEY)?;
    // Before anything is broken, everything is sound from there.
    if fault.name == FAULTS[1].name {
        for seen in net.neighbours_see(true) {
            let state = seen.observed_state().unwrap_or_default().to_owned();
            assert!(["open", "fast"].contains(&state.as_str()), "{seen:?}");
        }
    }
    let stopped = fault.name == "service stopped";
    let server = (!stopped).then_some(server);
    (fault.make)(&net);
    let address = if fault.public {
        net.public()
    } else {
        net.address("server")
    };
    let login = SocketAddr::new(address.into(), 22);
    // The user waits in vain; this is what the cloud lets be read.
    let text = net.home.path().join("text");
    let printed = if stopped {
        "Connection refused"
    } else {
        "Connection timed out"
    };
    let printed = format!("ssh: connect to host {address} port 22: {printed}\n");
    std::fs::write(&text, printed).unwrap();
    let flags = [
        "--seen=security-group=allow",
        "--seen=instance-state=running",
        "--error-text",
        &text.display().to_string(),
    ];
    let before = diagnose_with(&net.lab, &[("web", login, "linux")], &flags).remove(0);
    let before: Report = serde_json::from_value(before).unwrap();
    let seen = net.neighbours_see(fault.public);
    drop(server);
    let readings = [before.evidence.clone(), seen.clone()].concat();
    let after = diagnose(
        Knowledge::shipped(),
        &Case {
            instance: before.instance.clone(),
            vantage: before.vantage.clone(),
            readings: &readings,
            ..Case::default()
        },
    );
    let lead = |report: &Report| {
        let causes = report.causes.iter();
        let right = causes.filter(|it| fault.causes.contains(&it.id.as_str()));
        let share = right.map(|it| it.probability).sum();
        (report.causes[0].id.clone(), share)
    };
    Some(([lead(&before), lead(&after)], seen))
}

#[test]
fn neighbours_tell_the_guest_from_the_subnet_from_the_public_side() {
    let (mut right, mut held) = ([0, 0], [0.0, 0.0]);
    for some in FAULTS.chunks(AT_ONCE) {
        let found: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|it| scope.spawn(|| leads(it))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        for (fault, found) in some.iter().zip(found) {
            let Some((leads, seen)) = found else { return };
            for (turn, (cause, share)) in leads.iter().enumerate() {
                right[turn] += usize::from(fault.causes.contains(&cause.as_str()));
                held[turn] += share;
            }
            let reach = seen.iter().filter(|it| it.id == "reach");
            let seen: Vec<_> = reach
                .map(|it| (it.path.map(Path::as_str), it.observed_state()))
                .collect();
            println!("{:44} {leads:?} {seen:?}", fault.name);
            assert!(leads[1].1 > leads[0].1, "{}: {leads:?}", fault.name);
        }
    }
    let all = FAULTS.len();
    let mean = held.map(|sum| sum / all as f64);
    println!(
        "right of {all}: {} without the neighbours, {} with them",
        right[0], right[1]
    );
    println!("share of the right causes: {:.2}, {:.2}", mean[0], mean[1]);
    assert!(right[1] == all && right[0] < all, "{right:?}");
    assert!(mean[1] > mean[0] + 0.15, "{mean:?}");
}
