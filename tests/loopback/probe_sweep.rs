//! Sweeps of many login ports: right answers within the descriptor limit, and the figures.
//!
//! Must not live here: single hosts (`probe_faults`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use cvmtop::probe::{Protocol, SweepOptions, SweepResult, SweepSummary, SweepTarget, sweep};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;

const ANSWERING: usize = 800;
const REFUSED: usize = 200;
const MUTE: usize = 40;

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, (number / 250) as u8, (number % 250 + 1) as u8)
}

async fn collect(
    targets: Vec<SweepTarget>,
    options: &SweepOptions,
) -> (Vec<SweepResult>, SweepSummary) {
    let (sink, mut receiver) = mpsc::channel(64);
    let gather = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(result) = receiver.recv().await {
            all.push(result);
        }
        all
    });
    let summary = sweep(targets, options, sink).await;
    (gather.await.unwrap(), summary)
}

/// A listener on every loopback address that greets like an SSH server.
fn greeter() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write;
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    port
}

/// Set in the process that has few descriptors.
const FEW: &str = "CVMTOP_TEST_FEW_DESCRIPTORS";

/// The limit holds for a whole process, so it is one of its own.
#[test]
fn a_sweep_within_few_descriptors_gets_every_answer_right() {
    if std::env::var_os(FEW).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(sweep_within_few_descriptors());
        return;
    }
    let name = "probe_sweep::a_sweep_within_few_descriptors_gets_every_answer_right";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FEW, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

async fn sweep_within_few_descriptors() {
    let few = Rlimit {
        current: Some(220),
        maximum: Some(220),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let open = greeter();
    // Accepts nothing: connections open by the kernel's hand, and nobody speaks.
    let mute = TcpListener::bind("0.0.0.0:0").unwrap();
    let mute_port = mute.local_addr().unwrap().port();
    let closed = TcpListener::bind("0.0.0.0:0").unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    let mut targets = Vec::new();
    for (count, port) in [(ANSWERING, open), (REFUSED, closed_port), (MUTE, mute_port)] {
        for number in 0..count {
            targets.push(SweepTarget {
                key: targets.len(),
                login: SocketAddr::new(address(number).into(), port),
                protocol: Some(Protocol::Ssh),
            });
        }
    }
    let total = targets.len();
    let options = SweepOptions {
        rate: None,
        connect_timeout: Duration::from_secs(2),
        greeting_timeout: Duration::from_millis(1500),
    };
    let (results, summary) = collect(targets, &options).await;
    assert_eq!(results.len(), total);
    assert_eq!(summary.looked_at, total);
    assert!(summary.held_back, "the limit was not noticed: {summary:?}");
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for result in &results {
        *words.entry(result.check.health().as_str()).or_default() += 1;
    }
    let want = BTreeMap::from([
        ("greets", ANSWERING),
        ("no-answer", MUTE),
        ("refused", REFUSED),
    ]);
    assert_eq!(words, want);
    let mut keys: Vec<usize> = results.iter().map(|r| r.key).collect();
    keys.sort_unstable();
    assert!(
        keys.iter().enumerate().all(|(i, key)| i == *key),
        "each target once"
    );
    assert_eq!(getrlimit(Resource::Nofile).current, Some(220));
    keeps_its_rate(open).await;
    stops_with_its_receiver(open).await;
}

/// Forty targets at a hundred a second, of which ten may go at once.
async fn keeps_its_rate(port: u16) {
    let targets = (0..40)
        .map(|key| SweepTarget {
            key,
            login: SocketAddr::new(address(key).into(), port),
            protocol: None,
        })
        .collect();
    let started = Instant::now();
    let (results, _) = collect(targets, &SweepOptions::default()).await;
    assert_eq!(results.len(), 40);
    assert!(
        started.elapsed() >= Duration::from_millis(280),
        "{:?}",
        started.elapsed()
    );
}

async fn stops_with_its_receiver(port: u16) {
    let targets = (0..500)
        .map(|key| SweepTarget {
            key,
            login: SocketAddr::new(address(key).into(), port),
            protocol: None,
        })
        .collect();
    let (sink, receiver) = mpsc::channel(1);
    drop(receiver);
    let summary = sweep(
        targets,
        &SweepOptions {
            rate: None,
            ..SweepOptions::default()
        },
        sink,
    )
    .await;
    assert!(summary.looked_at < 500, "{summary:?}");
}

/// Prints figures; run it alone: `cargo test --release --test loopback probe_sweep:: -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures and judges nothing"]
async fn figures_of_ten_thousand_answering_ports() {
    let port = greeter();
    for (what, protocol) in [
        ("reachability", None),
        ("with greeting", Some(Protocol::Ssh)),
    ] {
        let targets: Vec<SweepTarget> = (0..10_000)
            .map(|key| SweepTarget {
                key,
                login: SocketAddr::new(address(key).into(), port),
                protocol,
            })
            .collect();
        let options = SweepOptions {
            rate: None,
            ..SweepOptions::default()
        };
        let (results, summary) = collect(targets, &options).await;
        let good = results.iter().filter(|r| r.check.is_restored()).count();
        println!(
            "{what}: {good} of 10000 answer, {:?}, {} at once",
            summary.took, summary.at_once
        );
    }
}
