//! What a diagnosis costs, against what it may cost.
//!
//! `cargo bench --bench posterior` prints the figures and fails above a limit. One diagnosis has
//! every evidence group read; the replay weighs 10,000 cases with the program itself, on every core.

#![allow(clippy::unwrap_used, clippy::too_many_lines)] // a bench may stop where it fails

#[path = "../support/scenarios.rs"]
#[allow(dead_code)] // the tests use the rest
mod scenarios;
#[path = "../support/variants.rs"]
#[allow(dead_code)] // the tests use the rest
mod variants;
#[path = "../support/vocabulary.rs"]
#[allow(dead_code)] // the tests use the rest
mod vocabulary;

use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cvmtop::diagnosis::{Case, Knowledge, diagnose, probabilities};
use cvmtop::domain::evidence::{Path, Reading, Source, State};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::domain::said::Said;

/// The posterior of one instance.
const POSTERIOR: Duration = Duration::from_millis(1);
/// Reasons, ranges, next evidence, repairs and the report around them.
const REST: Duration = Duration::from_millis(2);
/// All cases replayed on two cores; one core may take twice as long.
const REPLAY: Duration = Duration::from_secs(15);
const CASES: usize = 10_000;

/// Runs of each figure; the middle one counts.
const RUNS: usize = 501;

/// Every group of a system in its last state, on both paths.
fn everything(os: Os) -> Vec<Reading> {
    let mut readings = Vec::new();
    for group in Knowledge::shipped()
        .evidence
        .iter()
        .filter(|g| g.os.contains(&os))
    {
        let reading = Reading::observed(
            State::new(&group.id, &group.states[group.states.len() - 1]),
            Source::Probe,
            Said::default(),
        );
        if group.paths {
            readings.push(reading.clone().on_path(Path::Public));
            readings.push(reading.on_path(Path::Private));
        } else {
            readings.push(reading);
        }
    }
    readings
}

fn middle<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            black_box(run());
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// Figures, and whether one is above its limit.
#[derive(Default)]
struct Figures {
    missed: bool,
}

impl Figures {
    fn tell(&mut self, what: &str, took: Duration, limit: Duration) {
        let missed = took > limit;
        self.missed |= missed;
        let word = if missed { "MISSED" } else { "met" };
        println!("{what:<48} {took:>10.3?}   limit {limit:?}: {word}");
    }
}

fn one_instance(figures: &mut Figures, os: Os) {
    let readings = everything(os);
    let case = Case {
        instance: InstanceSummary {
            os,
            login_port: os.default_login_port(),
            ..Default::default()
        },
        readings: &readings,
        ..Case::default()
    };
    let knowledge = Knowledge::shipped();
    let posterior = middle(|| probabilities(knowledge, black_box(&case)));
    let whole = middle(|| diagnose(knowledge, black_box(&case)));
    let name = format!("{os:?}, {} readings", readings.len());
    figures.tell(&format!("{name}: posterior"), posterior, POSTERIOR);
    let rest = whole.saturating_sub(posterior);
    figures.tell(&format!("{name}: all else"), rest, REST);
}

fn replay(figures: &mut Figures) {
    let suite = scenarios::Suite::load();
    let lines: Vec<String> = variants::expand(&suite)
        .iter()
        .map(|case| case.json().to_string())
        .collect();
    let mut file = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    for line in lines.iter().cycle().take(CASES) {
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
    let program =
        std::env::var("CVMTOP_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cvmtop").to_owned());
    let home = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let status = Command::new(program)
        .arg("replay")
        .arg(file.path())
        .args(["--format", "json"])
        .env_clear()
        .env("HOME", home.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limit = if cores == 1 { REPLAY * 2 } else { REPLAY };
    let what = format!("{CASES} cases replayed on {cores} cores");
    figures.tell(&what, started.elapsed(), limit);
}

fn main() -> ExitCode {
    let mut figures = Figures::default();
    one_instance(&mut figures, Os::Linux);
    one_instance(&mut figures, Os::Windows);
    replay(&mut figures);
    if figures.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
