//! The real program diagnoses a real OpenSSH server and a real RDP server, whole and broken.
//!
//! The servers stand on loopback addresses of the test's own and are given to the program as
//! hosts of a config file, so no cloud is involved: outside evidence alone must put the right
//! cause first.

use crate::support::probe as support;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use support::{sshd, xrdp};

/// Runs `cvmtop diagnose` on `login`; the JSON object and the exit status.
fn diagnose(login: SocketAddr, os: &str, more: &[&str]) -> (Value, i32) {
    let home = tempfile::tempdir().expect("a temporary home");
    let config = home.path().join("config.toml");
    let text = format!(
        "[cloud]\ncvm_role = false\n[[host]]\nname = \"target\"\naddress = \"{}\"\nos = \"{os}\"\nport = {}\n",
        login.ip(),
        login.port()
    );
    std::fs::write(&config, text).expect("the config is written");
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["diagnose", "target", "--format", "json", "--config"])
        .arg(&config)
        .args(more)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home.path())
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let report = serde_json::from_str(text.trim())
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().expect("an exit status"))
}

/// The leading cause with its probability.
fn leading(report: &Value) -> (&str, f64) {
    let first = &report["causes"][0];
    (
        first["id"].as_str().expect("an id"),
        first["probability"].as_f64().expect("a number"),
    )
}

fn expect_first(report: &Value, wanted: &[&str]) {
    let (id, p) = leading(report);
    let list: Vec<String> = report["causes"]
        .as_array()
        .expect("causes")
        .iter()
        .take(5)
        .map(|c| {
            format!(
                "{} {:.3}",
                c["id"],
                c["probability"].as_f64().unwrap_or(0.0)
            )
        })
        .collect();
    assert!(
        wanted.contains(&id),
        "first is {id} at {p:.2}, expected {wanted:?}; {list:?}\n{:#}",
        report["evidence"]
    );
}

fn expect_contract(report: &Value) {
    let causes = report["causes"].as_array().expect("causes");
    let sum: f64 = causes
        .iter()
        .map(|c| c["probability"].as_f64().expect("a number"))
        .sum();
    assert!((sum - 1.0).abs() < 1e-9, "the causes sum to {sum}");
    for cause in causes {
        let p = cause["probability"].as_f64().expect("a number");
        let terms: f64 = cause["contributions"]
            .as_array()
            .expect("contributions")
            .iter()
            .map(|c| c["weight_db"].as_f64().expect("a number"))
            .sum();
        if p > 1e-6 && p < 1.0 - 1e-6 {
            let odds = 10.0 * (p / (1.0 - p)).log10();
            assert!(
                (odds - terms).abs() < 0.01,
                "{}: {odds} against {terms}",
                cause["id"]
            );
        }
    }
}

#[test]
fn a_running_server_is_healthy_then_stopped_is_a_dead_service() {
    let Some(mut server) = sshd([127, 63, 1, 1].into(), None, "") else {
        return;
    };
    let (report, status) = diagnose(server.login, "linux", &[]);
    expect_contract(&report);
    expect_first(&report, &["no-fault-found"]);
    assert_ne!((report["verdict"].as_str(), status), (Some("faulty"), 0));
    server.child.kill().expect("our own child");
    server.child.wait().expect("our own child");
    let (report, status) = diagnose(server.login, "linux", &[]);
    expect_contract(&report);
    expect_first(&report, &["login-service-down"]);
    assert_eq!((report["verdict"].as_str(), status), (Some("faulty"), 1));
}

#[test]
fn a_server_on_another_port_is_a_moved_port() {
    let address: IpAddr = [127, 63, 1, 2].into();
    let Some(_server) = sshd(address, Some(2222), "") else {
        return;
    };
    let login = SocketAddr::new(address, support::free_port(address));
    let (report, _) = diagnose(login, "linux", &[]);
    expect_first(&report, &["login-port-changed"]);
}

#[test]
fn a_stopped_process_is_a_hung_service() {
    let Some(server) = sshd([127, 63, 1, 3].into(), None, "") else {
        return;
    };
    server.signal(Signal::STOP);
    let (report, _) = diagnose(server.login, "linux", &[]);
    server.signal(Signal::CONT);
    expect_first(&report, &["login-service-hung"]);
}

#[test]
fn legacy_algorithms_are_a_mismatch() {
    let extra = "KexAlgorithms diffie-hellman-group1-sha1";
    let Some(server) = sshd([127, 63, 1, 4].into(), None, extra) else {
        return;
    };
    let (report, _) = diagnose(server.login, "linux", &[]);
    expect_first(&report, &["ssh-algorithm-mismatch"]);
}

#[test]
fn exhausted_startups_are_a_throttle() {
    let extra = "MaxStartups 2:60:60\nLoginGraceTime 60";
    let Some(server) = sshd([127, 63, 1, 5].into(), None, extra) else {
        return;
    };
    let held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.login).expect("a connection");
            stream.read_exact(&mut [0; 4]).expect("a greeting");
            stream
        })
        .collect();
    // Some tries pass and some are dropped at random: a run in which all six fare alike says less.
    let mut named = Vec::new();
    for _ in 0..5 {
        let (report, _) = diagnose(server.login, "linux", &[]);
        let id = leading(&report).0.to_owned();
        if id == "ssh-connections-throttled" {
            drop(held);
            return;
        }
        named.push(id);
    }
    panic!("never named a throttle: {named:?}");
}

#[test]
fn what_the_client_printed_decides_behind_an_open_door() {
    let Some(server) = sshd([127, 63, 1, 6].into(), None, "") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("error");
    std::fs::write(
        &file,
        "root@198.51.100.4: Permission denied (publickey).\r\n",
    )
    .expect("written");
    let (report, _) = diagnose(
        server.login,
        "linux",
        &["--error-text", file.to_str().expect("a path")],
    );
    expect_first(
        &report,
        &["ssh-password-auth-disabled", "credentials-rejected"],
    );
}

#[test]
fn a_real_rdp_server_is_healthy_then_stopped_is_not() {
    let Some(mut server) = xrdp([127, 63, 1, 7].into(), "negotiate") else {
        return;
    };
    let (report, status) = diagnose(server.login, "windows", &[]);
    expect_contract(&report);
    assert_eq!(report["verdict"], "healthy", "{:#}", report["causes"][0]);
    assert_eq!(status, 0);
    server.child.kill().expect("our own child");
    server.child.wait().expect("our own child");
    let (report, _) = diagnose(server.login, "windows", &[]);
    expect_first(&report, &["login-service-down", "rdp-disabled"]);
}

#[test]
fn an_unknown_target_is_one_sentence_and_status_3() {
    let home = tempfile::tempdir().expect("a temporary home");
    let config = home.path().join("config.toml");
    std::fs::write(
        &config,
        "[cloud]\ncvm_role = false\n[[host]]\nname = \"a\"\naddress = \"127.0.0.1\"\n",
    )
    .expect("the config is written");
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["diagnose", "b", "--config"])
        .arg(&config)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home.path())
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("`b` was not found"), "{text}");
}
