//! What the console and the commands survive, each line of it shown on the real program: hostile
//! bytes in every field, faults of the API on every class of call, secrets, reach.
//!
//! Must not live here: broken state directories (`faults_state`), hostile peers of a probe
//! (`probe_faults`), the client alone (`cloud`).

use crate::support::hostile;
use crate::support::program;
use std::time::{Duration, Instant};

use cvmtop::demo::{Fault, Faults};
use cvmtop::domain::text::is_unsafe;
use hostile::{HOSTILE, hostile};
use program::{Program, files, text};
use serde_json::Value;

/// No character that could change a terminal, but line ends.
fn assert_harmless(what: &str, bytes: &[u8]) {
    let text = text(bytes);
    let found = text.chars().position(|c| c != '\n' && is_unsafe(c));
    if let Some(at) = found {
        let from: String = text.chars().skip(at.saturating_sub(80)).take(160).collect();
        panic!("{what} holds an unsafe character: {from:?}");
    }
}

#[test]
fn hostile_bytes_of_the_cloud_reach_no_output_no_log_and_no_bundle() {
    let program = Program::new();
    program.gateway.alter(hostile);
    let bundle = program.home.path().join("bundle");
    let bundle = bundle.to_str().unwrap();
    let id = {
        let output = program.run(&["list", "--no-probe", "--format", "json"]);
        let lines = text(&output.stdout);
        let of = |line: &str| serde_json::from_str::<Value>(line).expect("one JSON object a line");
        let rows: Vec<Value> = lines.lines().map(of).collect();
        assert!(rows.len() > 50, "{}", text(&output.stderr));
        let row = rows
            .iter()
            .find(|row| row["name"].as_str().unwrap().starts_with("shop-api-01"));
        row.expect("the name is kept")
            .get("id")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    for words in [
        &["-vvv", "list"][..],
        &["-vvv", "diagnose", &id],
        &["diagnose", &id, "--format", "json"],
        &["-vvv", "diagnose", &id, "--deep"],
        &["-vvv", "act", &id, "restart", "--dry-run"],
        &[
            "-vvv",
            "act",
            &id,
            "open-port",
            "--set",
            "source=203.0.113.7",
            "--yes",
        ],
        &["journal"],
        &["journal", "--format", "json"],
        &["ticket", &id, "--output", bundle],
        &[
            "-vvv",
            "diagnose",
            HOSTILE.trim_matches('\u{0}').split('\u{0}').next().unwrap(),
        ],
        &["-vvv", "list", "--region", "ap-nowhere"],
        &["doctor"],
        &["debug"],
    ] {
        let output = program.run(words);
        assert!(!text(&output.stderr).contains("panicked"), "{words:?}");
        assert_harmless(&format!("stdout of {words:?}"), &output.stdout);
        assert_harmless(&format!("stderr of {words:?}"), &output.stderr);
    }
    let written = files(program.home.path());
    let named = |end: &str| written.iter().any(|(path, _)| path.ends_with(end));
    assert!(
        named("cvmtop.log") && named("journal.jsonl") && named("report.md"),
        "{written:?}"
    );
    for (path, bytes) in &written {
        let path = path.display().to_string();
        if path.contains("history.sqlite") {
            // Its pages are binary; its texts must hold nothing of what the cloud said.
            let kept = text(bytes);
            for piece in [
                "\u{1b}[2J",
                "\u{1b}]52",
                "\u{9b}31m",
                "\u{202e}",
                "\u{200b}",
            ] {
                assert!(!kept.contains(piece), "{path} holds {piece:?}");
            }
        } else {
            assert_harmless(&path, bytes);
        }
    }
}

/// The classes of calls: what runs, the action that is made to fail.
const CLASSES: &[(&str, &[&str], &str)] = &[
    ("inventory", &["list", "--no-probe"], "DescribeInstances"),
    (
        "fact",
        &["diagnose", "shop-web-01", "--format", "json"],
        "DescribeSecurityGroupPolicies",
    ),
    (
        "fact",
        &["diagnose", "shop-web-01", "--format", "json"],
        "GetMonitorData",
    ),
    (
        "guest",
        &["diagnose", "shop-web-01", "--deep", "--format", "json"],
        "RunCommand",
    ),
    (
        "write",
        &["act", "shop-web-01", "restart", "--yes"],
        "RebootInstances",
    ),
    (
        "follow",
        &["act", "shop-web-01", "restart", "--yes", "--wait"],
        "DescribeInstancesStatus",
    ),
];

const KINDS: &[Fault] = &[
    Fault::Throttled,
    Fault::ServerError,
    Fault::InternalError,
    Fault::TruncatedBody,
    Fault::Unauthorised,
];

#[test]
fn a_fault_of_any_kind_on_any_class_of_call_is_told_and_no_write_is_repeated() {
    let program = Program::new();
    for &(class, words, action) in CLASSES {
        for &kind in KINDS {
            // Twice is within the patience of a read; a write gets one chance.
            let faults = Faults::default().with(action, kind, 2);
            program.demo.set_faults(faults);
            let before = program.gateway.seen().len();
            let output = program.run(words);
            let told = text(&output.stderr) + &text(&output.stdout);
            let case = format!("{kind:?} of {action}: {:?}\n{told}", output.status);
            assert!(!told.contains("panicked"), "{case}");
            let sent = program.gateway.seen()[before..]
                .iter()
                .filter(|a| *a == action)
                .count();
            let passing = !matches!(kind, Fault::Unauthorised);
            match class {
                "inventory" if passing => assert_eq!(output.status.code(), Some(0), "{case}"),
                "inventory" => assert!(told.contains("cvm:DescribeInstances"), "{case}"),
                "fact" | "guest" => {
                    let report: Value = serde_json::from_str(&text(&output.stdout)).expect(&case);
                    let evidence = report["evidence"].as_array().unwrap();
                    let state = evidence
                        .iter()
                        .find(|e| e["id"] == "instance-state")
                        .unwrap();
                    assert_eq!(state["state"], "running", "{case}");
                    for reading in evidence {
                        let known = reading["status"] == "observed";
                        assert_eq!(known, !reading["state"].is_null(), "{case}{reading}");
                    }
                }
                "write" => {
                    assert_eq!(sent, 1, "{case}");
                    assert_eq!(output.status.code(), Some(1), "{case}");
                    assert!(told.contains("RebootInstances"), "{case}");
                }
                _ => {
                    let writes = program.gateway.seen()[before..]
                        .iter()
                        .filter(|a| *a == "RebootInstances")
                        .count();
                    assert_eq!(writes, 1, "{case}");
                }
            }
            if class == "guest" {
                assert!(sent <= 1, "a command in the guest is sent once: {case}");
            }
        }
    }
}

#[test]
fn no_answer_at_all_ends_within_the_limits() {
    let program = Program::new();
    for (action, words) in [
        (
            "GetMonitorData",
            &[
                "diagnose",
                "shop-web-01",
                "--timeout",
                "12s",
                "--format",
                "json",
            ][..],
        ),
        ("DescribeInstances", &["list", "--no-probe"]),
    ] {
        program
            .demo
            .set_faults(Faults::default().with(action, Fault::Timeout, 1_000));
        let started = Instant::now();
        let output = program.run(words);
        let told = text(&output.stderr);
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{action}: {told}"
        );
        assert!(!told.contains("panicked"), "{told}");
        if action == "DescribeInstances" {
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert!(
                told.contains("gave no answer") || told.contains("time"),
                "{told}"
            );
        } else {
            let report: Value = serde_json::from_str(&text(&output.stdout)).expect(&told);
            assert!(report["causes"].as_array().unwrap().len() > 10);
        }
    }
}

#[test]
fn secrets_are_in_nothing_that_is_written_or_said() {
    const TOKEN: &str = "token-Zq7Wm2Xk9Lp4-of-a-role";
    let program = Program::new();
    let key = program.demo.secret_key.clone();
    let bundle = program.home.path().join("bundle");
    let bundle = bundle.to_str().unwrap();
    let mut said = Vec::new();
    for words in [
        &["-vvv", "list"][..],
        &["-vvv", "diagnose", "shop-web-01", "--deep"],
        &["-vvv", "act", "shop-web-01", "reset-password", "--yes"],
        &["-vvv", "act", "shop-web-01", "vnc-url", "--dry-run"],
        &["-vvv", "ticket", "shop-web-01", "--output", bundle],
        &["-vvv", "doctor"],
        &["-vvv", "debug"],
        &["config", "show"],
        &["journal", "--format", "json"],
    ] {
        for token in ["", TOKEN] {
            let mut command = program.command(words);
            if !token.is_empty() {
                command.env("TENCENTCLOUD_TOKEN", token);
                command.env("HTTPS_PROXY", "http://jo:Proxy-Passw0rd@127.0.0.1:9");
            }
            // The command line of every process below is looked at while it runs.
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            let child = command.spawn().unwrap();
            let line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
            let output = child.wait_with_output().unwrap();
            said.extend([line, output.stdout, output.stderr]);
        }
    }
    let written = files(program.home.path());
    assert!(written.iter().any(|(path, _)| path.ends_with("cvmtop.log")));
    said.extend(written.into_iter().map(|(_, bytes)| bytes));
    let all = text(&said.concat());
    for secret in [key.as_str(), TOKEN, "Proxy-Passw0rd"] {
        if let Some(at) = all.find(secret) {
            let from = all[..at]
                .char_indices()
                .rev()
                .nth(200)
                .map_or(0, |(at, _)| at);
            panic!("a secret was written: {}", &all[from..at]);
        }
    }
    // Signatures are made of the key; the request itself must not be logged either.
    assert!(!all.contains("TC3-HMAC-SHA256 Credential"));
}

/// Every address that the program connects or sends to, by the kernel's own account.
#[test]
fn nothing_is_sent_but_to_the_endpoint_and_the_instance() {
    if std::process::Command::new("strace")
        .arg("-V")
        .output()
        .is_err()
    {
        crate::support::not_run("strace is not installed");
        return;
    }
    let program = Program::new();
    let trace = program.home.path().join("trace");
    let trace_text = trace.to_str().unwrap();
    let list = program.run(&[
        "list",
        "--no-probe",
        "--format",
        "json",
        "--filter",
        "name:shop-web-01",
    ]);
    let row: Value = serde_json::from_str(text(&list.stdout).lines().next().unwrap()).unwrap();
    let mut allowed: Vec<String> = ["public_addresses", "private_addresses"]
        .iter()
        .flat_map(|list| row[*list].as_array().unwrap().iter())
        .map(|address| address.as_str().unwrap().to_owned())
        .collect();
    allowed.push("127.0.0.1".to_owned());
    let binary = env!("CARGO_BIN_EXE_cvmtop");
    let output = program
        .wrapped(&[
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=connect,sendto,sendmsg,sendmmsg",
            "-o",
            trace_text,
            binary,
            "--region",
            "all",
            "diagnose",
            "shop-web-01",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    let log = std::fs::read_to_string(&trace).unwrap_or_default();
    if !log.contains("connect(") {
        crate::support::not_run(&format!(
            "processes cannot be traced here: {}",
            text(&output.stderr)
        ));
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for (at, _) in log.match_indices("inet_addr(\"") {
        let rest = &log[at + "inet_addr(\"".len()..];
        seen.insert(rest.split('"').next().unwrap().to_owned());
    }
    // Neighbours in the same subnet serve as controls, on login ports alone.
    let subnets: Vec<String> = allowed
        .iter()
        .filter_map(|a| a.rsplit_once('.').map(|(subnet, _)| subnet.to_owned()))
        .collect();
    let strange: Vec<&String> = seen
        .iter()
        .filter(|to| !allowed.contains(to))
        .filter(|to| {
            !to.rsplit_once('.')
                .is_some_and(|(s, _)| subnets.iter().any(|mine| mine == s))
        })
        .collect();
    assert!(
        strange.is_empty(),
        "sent to {strange:?}, allowed {allowed:?}"
    );
    assert!(seen.len() > 1, "{seen:?}");
}
