//! Cost of one diagnosis with every evidence group observed.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::{Path, Reading, Source, State};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::domain::said::Said;

fn main() {
    divan::main();
}

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

#[divan::bench(args = [Os::Linux, Os::Windows])]
fn one_instance(bencher: divan::Bencher, os: Os) {
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
    bencher.bench(|| diagnose(Knowledge::shipped(), divan::black_box(&case)));
}
