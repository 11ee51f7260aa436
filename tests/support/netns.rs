//! Network namespaces that a test makes and removes: a client, a server, a router between them.
//!
//! Needs root; says why and gives nothing where that is not allowed (with `CI` set it must be).
//! Must not live here: expectations.

pub use super::probe;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cvmtop::domain::evidence::Reading;
use cvmtop::domain::instance::Os;
use cvmtop::probe::ProbePlan;
use rustix::thread::{CapabilitySet, LinkNameSpaceType};

/// A client and a server namespace with a link between them, each test with a subnet of its own.
pub struct Lab {
    pub client: String,
    pub server: String,
    pub router: String,
    pub number: u8,
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

pub fn ip(arguments: &str) -> bool {
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

pub fn must(arguments: &str) {
    assert!(ip(arguments), "ip {arguments}");
}

impl Lab {
    /// The three namespaces, not yet linked; `None` where they are not permitted.
    pub fn empty() -> Option<Self> {
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
            super::not_run(reason);
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
    pub fn linked() -> Option<Self> {
        let lab = Self::empty()?;
        lab.link(&lab.client, "c0", &lab.server, "s0");
        lab.address(&lab.client, "c0", lab.host(1));
        lab.address(&lab.server, "s0", lab.host(2));
        lab.address(&lab.server, "s0", lab.host(3));
        Some(lab)
    }

    pub fn link(&self, from: &str, near: &str, to: &str, far: &str) {
        must(&format!(
            "link add {near} netns {from} type veth peer name {far} netns {to}"
        ));
        must(&format!("-n {from} link set {near} up"));
        must(&format!("-n {to} link set {far} up"));
    }

    pub fn address(&self, name: &str, device: &str, address: Ipv4Addr) {
        must(&format!("-n {name} addr add {address}/24 dev {device}"));
    }

    pub fn host(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, last)
    }

    /// Applies nftables rules to a chain of a namespace.
    pub fn filter(&self, name: &str, hook: &str, rules: &str) {
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
    pub fn inside<T: Send>(
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
    pub fn listen(&self, address: Ipv4Addr, port: u16) {
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

    pub fn plan(&self, last: u8) -> ProbePlan {
        let mut plan = probe::plan(SocketAddr::new(self.host(last).into(), 22), Os::Linux);
        plan.options.connect_timeout = Duration::from_secs(2);
        plan.options.greeting_timeout = Duration::from_secs(2);
        plan
    }

    pub fn probe(&self, plan: &ProbePlan) -> Vec<Reading> {
        self.inside(&self.client, true, async || probe::readings(plan).await)
    }

    pub fn expect(&self, plan: &ProbePlan, want: &[(&str, &str)]) -> Vec<Reading> {
        let all = self.probe(plan);
        let words = probe::words(&all);
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
pub fn enter(name: &str) {
    let file = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .unwrap();
}
