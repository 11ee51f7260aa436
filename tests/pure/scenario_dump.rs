//! Writes the labelled suite as JSON lines for `cvmtop replay DIR --score`.
//!
//! Run on request: `CVMTOP_SCENARIO_OUT=DIR cargo test --test pure scenario_dump:: -- --ignored`.
//! One file for each half and profile.

use crate::support::scenarios;
use crate::support::variants;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[test]
#[ignore = "writes files: set CVMTOP_SCENARIO_OUT to the directory"]
fn dump() {
    let Some(directory) = std::env::var_os("CVMTOP_SCENARIO_OUT").map(PathBuf::from) else {
        panic!("set CVMTOP_SCENARIO_OUT to the directory that the cases should be written to");
    };
    std::fs::create_dir_all(&directory).unwrap();
    let suite = scenarios::Suite::load();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for case in variants::expand(&suite) {
        let file = files
            .entry(format!("{}-{}.jsonl", case.split(), case.profile.name()))
            .or_default();
        file.push_str(&case.json().to_string());
        file.push('\n');
    }
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
}
