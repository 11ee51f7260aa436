//! How long a look may take, whatever the host does, and what it says of that for which it did not
//! wait.

use crate::support::probe as support;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, Consent, Depth, ProbeOptions, ProbePlan, ProbeTarget};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a look at one host may take.
const MOST: Duration = Duration::from_secs(20);

/// Stops a server and all its children, but for a millisecond a second, until it is dropped.
struct Starved {
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn family(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let of = |child: &str| family(child.parse().unwrap());
    let below = children.split_whitespace().flat_map(of);
    std::iter::once(pid).chain(below).collect()
}

fn signal_all(pid: i32, signal: Signal) {
    for pid in family(pid) {
        // A child may have ended meanwhile.
        let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
    }
}

impl Starved {
    fn new(server: &support::Server) -> Self {
        let pid = server.child.id().cast_signed();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // Again and again, for children that began in their millisecond.
                for _ in 0..50 {
                    signal_all(pid, Signal::STOP);
                    std::thread::sleep(Duration::from_millis(20));
                }
                signal_all(pid, Signal::CONT);
                std::thread::sleep(Duration::from_millis(1));
            }
            signal_all(pid, Signal::CONT);
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn plan(login: SocketAddr, options: ProbeOptions) -> ProbePlan {
    ProbePlan {
        os: Os::Linux,
        targets: vec![ProbeTarget {
            path: Path::Private,
            address: login.ip(),
            port: login.port(),
        }],
        options,
        ..ProbePlan::default()
    }
}

async fn look(plan: &ProbePlan) -> (Vec<Reading>, Duration) {
    let (sink, mut told) = mpsc::channel(64);
    let started = Instant::now();
    let all = probe::run(plan, sink).await;
    let took = started.elapsed();
    let mut sent = Vec::new();
    while let Some(reading) = told.recv().await {
        sent.push(reading);
    }
    assert_eq!(sent, all, "the sink gets each reading once");
    (all, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn starved_hosts_are_left_in_good_time_with_what_is_known() {
    let start = |last: u8| support::sshd([127, 61, 9, last].into(), None, "");
    let (Some(one), Some(two)) = (start(1), start(2)) else {
        return;
    };
    let _starved = [Starved::new(&one), Starved::new(&two)];
    let options = || ProbeOptions {
        depth: Depth::Full,
        consent: Consent {
            methods_as: Some("root".to_owned()),
            login_as: Some("root".to_owned()),
            ..Consent::default()
        },
        ..ProbeOptions::default()
    };
    let (first, second) = (plan(one.login, options()), plan(two.login, options()));
    let ends = tokio::join!(look(&first), look(&second));
    for (all, took) in [ends.0, ends.1] {
        assert!(took < MOST, "{took:?}: {all:#?}");
        for id in [
            "reach",
            "banner",
            "kex",
            "path-quality",
            "path-mtu",
            "other-login-port",
            "host-key",
            "auth-methods",
            "auth-delay",
            "login-attempt",
            "peers-subnet",
            "peers-group",
        ] {
            let of_group: Vec<_> = all.iter().filter(|r| r.id == id).collect();
            assert_eq!(of_group.len(), 1, "{id}: {all:#?}");
            assert!(!of_group[0].detail.is_empty(), "{id} says nothing");
        }
        // What was not waited for is no finding.
        for reading in all.iter().filter(|r| r.detail.contains("not waited for")) {
            assert_eq!(reading.status, Status::NotAttempted, "{reading:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_that_could_not_end_in_time() {
    // It greets at the last moment and answers the proposal: there is no time for a login.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let login = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(12_500)).await;
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
                let _ = stream.write_all(&support::current_kexinit()).await;
                let mut sink = [0; 4096];
                while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    let options = ProbeOptions {
        consent: Consent {
            methods_as: Some("root".to_owned()),
            login_as: Some("root".to_owned()),
            ..Consent::default()
        },
        ..ProbeOptions::default()
    };
    let (all, took) = look(&plan(login, options)).await;
    assert!(took < MOST, "{took:?}");
    let of = |id: &str| all.iter().find(|r| r.id == id).unwrap();
    assert_eq!(of("banner").observed_state(), Some("slow"));
    for id in ["host-key", "auth-methods", "auth-delay", "login-attempt"] {
        assert_eq!(of(id).status, Status::NotAttempted, "{:?}", of(id));
        assert!(of(id).detail.contains("not waited for"), "{:?}", of(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_to_one_connection_only_costs_one_limit_not_three() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let login = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if held.is_empty() {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
            }
            held.push(stream);
        }
    });
    let limit = Duration::from_secs(6);
    let options = ProbeOptions {
        greeting_timeout: limit,
        ..ProbeOptions::default()
    };
    let (all, _) = look(&plan(login, options)).await;
    let banner = all.iter().find(|r| r.id == "banner").unwrap();
    assert_eq!(banner.observed_state(), Some("mixed"), "{all:#?}");
    // Two silent tries one after the other would take two limits, without those on top.
    let took = Duration::from_millis(banner.cost_ms);
    assert!(took < limit * 2, "{took:?}: {all:#?}");
}
