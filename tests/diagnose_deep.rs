//! How long `diagnose --deep` takes for each instance of the demo fleet, with the real program.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

#[path = "support/program.rs"]
mod program;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use program::{Program, text};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(6);
/// A greeting may come within 15 s and be slow, so silence is only told after that.
const OF_SILENCE: Duration = Duration::from_millis(17_500);
/// What silence decides, and what can only be asked of a server that speaks.
const AFTER_SILENCE: &[&str] = &[
    "banner",
    "kex",
    "rdp-negotiation",
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
    took: Duration,
    report: Value,
}

impl Run {
    fn is_silent(&self) -> bool {
        self.evidence().any(|reading| {
            ["banner", "rdp-negotiation"].contains(&reading["id"].as_str().unwrap())
                && reading["state"] == "silent"
        })
    }

    fn evidence(&self) -> impl Iterator<Item = &Value> {
        self.report["evidence"].as_array().unwrap().iter()
    }

    /// What is wrong with the times, if anything.
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let took = self.took.as_secs_f64();
        if !self.is_silent() {
            return (self.took > LIMIT).then(|| format!("{name} took {took:.2} s"));
        }
        if self.took > OF_SILENCE {
            return Some(format!("{name} took {took:.2} s"));
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
    let took = started.elapsed();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{id}: {e}: {}", text(&output.stderr)));
    let name = report["instance"]["name"].as_str().unwrap().to_owned();
    Run { name, took, report }
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
    for run in runs.iter().take(6) {
        println!("{:>6.2} s  {}", run.took.as_secs_f64(), run.name);
    }
    let median = runs[runs.len() / 2].took.as_secs_f64();
    println!("{median:>6.2} s  median of {}", runs.len());
    let faults: Vec<String> = runs.iter().filter_map(Run::fault).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // The silent ones are the exception, not the rule.
    assert!(runs.iter().filter(|run| run.is_silent()).count() <= 3);
}
