//! How long `diagnose --deep` takes, with the real program: for each instance of the demo fleet, and
//! where the automation agent hangs.

use crate::support::program;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cvmtop::demo::{Fault, Faults};
use program::{Program, text};
use serde_json::Value;

/// For the diagnosis itself.
const LIMIT: Duration = Duration::from_secs(6);
/// For starting an unoptimised program and finding the instance, beside whatever else runs here.
const AROUND: Duration = Duration::from_secs(2);
/// A greeting may come within 15 s and be slow, so silence is only told after that.
const OF_SILENCE: Duration = Duration::from_millis(17_500);
/// What silence decides, and what can only be asked of a server that speaks.
const AFTER_SILENCE: &[&str] = &[
    "path-mtu",
    "banner",
    "kex",
    "rdp-negotiation",
    "rdp-tls",
    "host-key",
    "auth-methods",
    "auth-delay",
    "login-attempt",
];
/// Diagnoses at once.
const WORKERS: usize = 4;
/// A machine that is busy with something else gets further tries.
const TRIES: usize = 3;

struct Run {
    name: String,
    /// The diagnosis, as the report says.
    took: Duration,
    /// The whole run of the program.
    all: Duration,
    report: Value,
}

impl Run {
    fn is_silent(&self) -> bool {
        self.evidence().any(|reading| {
            ["banner", "rdp-negotiation"].contains(&reading["id"].as_str().unwrap())
                && reading["state"] == "silent"
        })
    }

    /// A guest whose profile never ends keeps the agent's shell until the time for it is over.
    fn holds_the_agent(&self) -> bool {
        self.evidence()
            .any(|reading| reading["id"] == "agent-exec" && reading["state"] == "timeout")
    }

    fn evidence(&self) -> impl Iterator<Item = &Value> {
        self.report["evidence"].as_array().unwrap().iter()
    }

    /// What is wrong with the times, if anything.
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let waits = self.is_silent() || self.holds_the_agent();
        let limit = if waits { OF_SILENCE } else { LIMIT };
        if self.took > limit || self.all > limit + AROUND {
            let (took, all) = (self.took.as_secs_f64(), self.all.as_secs_f64());
            return Some(format!("{name} took {took:.2} s, in all {all:.2} s"));
        }
        if !self.is_silent() {
            return None;
        }
        // Whoever watches has all the rest in time.
        let late = self.evidence().find(|reading| {
            let waits = AFTER_SILENCE.contains(&reading["id"].as_str().unwrap());
            !waits && reading["cost_ms"].as_u64().unwrap() > LIMIT.as_millis() as u64
        });
        late.map(|reading| format!("{name}: {} came late: {reading}", reading["id"]))
    }
}

fn diagnose(program: &Program, id: &str) -> Run {
    let started = Instant::now();
    let output = program.run(&["diagnose", id, "--deep", "--format", "json"]);
    let all = started.elapsed();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{id}: {e}: {}", text(&output.stderr)));
    let name = report["instance"]["name"].as_str().unwrap().to_owned();
    let took = Duration::from_millis(report["elapsed_ms"].as_u64().unwrap());
    Run {
        name,
        took,
        all,
        report,
    }
}

#[test]
fn every_instance_of_the_demo_is_looked_into_within_six_seconds() {
    let program = Program::new();
    let list = program.run(&["list", "--format", "json"]);
    let ids: VecDeque<String> = text(&list.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() >= 70, "{}", text(&list.stderr));
    let (queue, runs) = (Mutex::new(ids), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(id) = { queue.lock().unwrap().pop_front() } {
                    let mut run = diagnose(&program, &id);
                    for _ in 1..TRIES {
                        if run.fault().is_none() {
                            break;
                        }
                        run = diagnose(&program, &id);
                    }
                    runs.lock().unwrap().push(run);
                }
            });
        }
    });
    let mut runs = runs.into_inner().unwrap();
    runs.sort_by_key(|run| std::cmp::Reverse(run.took));
    for run in runs.iter().take(8) {
        let (took, all) = (run.took.as_secs_f64(), run.all.as_secs_f64());
        println!("{took:>6.2} s, in all {all:>6.2} s  {}", run.name);
    }
    let median = runs[runs.len() / 2].took.as_secs_f64();
    println!("{median:>6.2} s  median of {}", runs.len());
    let faults: Vec<String> = runs.iter().filter_map(Run::fault).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // Those that are waited for are the exception, not the rule.
    assert!(runs.iter().filter(|run| run.is_silent()).count() <= 3);
    assert!(runs.iter().filter(|run| run.holds_the_agent()).count() <= 1);
}

/// Makes another body of an action's answer.
type Alter = fn(&str, Vec<u8>) -> Vec<u8>;

/// The agent is online, and what it is given stays as it is.
fn stays(action: &str, status: &str, body: Vec<u8>) -> Vec<u8> {
    if action != "DescribeInvocationTasks" {
        return body;
    }
    let mut answer: Value = serde_json::from_slice(&body).unwrap();
    if let Some(tasks) = answer["Response"]["InvocationTaskSet"].as_array_mut() {
        for task in tasks {
            task["TaskStatus"] = status.into();
            task["TaskResult"] = Value::Null;
        }
    }
    serde_json::to_vec(&answer).unwrap()
}

#[test]
fn an_agent_that_hangs_is_told_and_holds_up_nothing_else() {
    let program = Program::new();
    let with_limit = |limit: &str| {
        let mut command =
            program.command(&["diagnose", "shop-web-01", "--deep", "--format", "json"]);
        command.env("CVMTOP_PROBE_GUEST_TIMEOUT", limit);
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
    };
    let rows: [(&str, u64, Alter); 2] = [
        ("DELIVERING", 6000, |action, body| {
            stays(action, "DELIVERING", body)
        }),
        // One that has taken the script may still be about to report its end.
        ("RUNNING", 11_000, |action, body| {
            stays(action, "RUNNING", body)
        }),
    ];
    for (status, least, alter) in rows {
        program.gateway.alter(alter);
        let report = with_limit("6s");
        let rows = report["evidence"].as_array().unwrap();
        let exec = rows.iter().find(|row| row["id"] == "agent-exec").unwrap();
        assert_eq!(
            (&exec["status"], &exec["state"]),
            (&"observed".into(), &"timeout".into()),
            "{exec}"
        );
        assert!(exec["detail"].as_str().unwrap().contains(status), "{exec}");
        let cost = exec["cost_ms"].as_u64().unwrap();
        assert!((least..least + 2000).contains(&cost), "{status}: {exec}");
        for row in rows {
            let id = row["id"].as_str().unwrap();
            assert!(
                !id.starts_with("guest-") || row["status"] != "observed",
                "{row}"
            );
            assert!(
                id == "agent-exec" || row["cost_ms"].as_u64().unwrap() < 6000,
                "{row}"
            );
        }
    }
}

/// What the service answers to `RunCommand` when it does not take a command.
const REFUSALS: &[(&str, &str)] = &[
    ("InvalidParameterValue.InvalidCommandName", "probe-failed"),
    ("ResourceUnavailable.AgentStatusNotOnline", "probe-failed"),
    ("ResourceUnavailable.AgentNotInstalled", "probe-failed"),
    ("LimitExceeded.FrequencyLimit", "probe-failed"),
    ("UnauthorizedOperation.CamAuthFailed", "not-permitted"),
    ("SomethingNew.OfTomorrow", "probe-failed"),
];

#[test]
fn a_refused_guest_check_is_told_with_its_code() {
    let program = Program::new();
    for (code, status) in REFUSALS {
        let faults = Faults::default().with("RunCommand", Fault::Refused(code), 9);
        program.demo.set_faults(faults);
        let run = diagnose(&program, "dev-box-01");
        let exec: Vec<&Value> = run.evidence().filter(|r| r["id"] == "agent-exec").collect();
        // Of two writers the later one would hide the refusal.
        assert_eq!(exec.len(), 1, "{code}: {exec:?}");
        assert_eq!(&exec[0]["status"], status, "{code}: {exec:?}");
        let detail = exec[0]["detail"].as_str().unwrap();
        assert!(detail.contains(code), "{code}: {detail}");
    }
}

#[test]
fn a_profile_that_never_ends_keeps_the_guest_check_from_running_and_is_led_to_all_the_same() {
    let program = Program::new();
    let printed = "Authenticated to 203.0.113.9 ([203.0.113.9]:22) using \"publickey\".\n\
         debug1: channel 0: new session [client-session]\n\
         debug1: Entering interactive session.\ndebug1: pledge: network\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), printed).unwrap();
    let path = file.path().to_str().unwrap();
    let words = [
        "diagnose",
        "dev-box-01",
        "--deep",
        "--error-text",
        path,
        "--format",
        "json",
    ];
    let report: Value = serde_json::from_slice(&program.run(&words).stdout).unwrap();
    let rows = report["evidence"].as_array().unwrap();
    let exec = rows.iter().find(|row| row["id"] == "agent-exec").unwrap();
    assert_eq!(exec["state"], "timeout", "{exec}");
    assert!(
        exec["detail"].as_str().unwrap().contains("/etc/profile"),
        "{exec}"
    );
    // What the check would have found is not known, and never "in order".
    assert!(
        rows.iter()
            .all(|row| row["id"] != "guest-profile" || row["state"].is_null())
    );
    assert_eq!(
        report["causes"][0]["id"], "profile-script-loop",
        "{}",
        report["causes"]
    );
}
