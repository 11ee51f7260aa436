//! What the tests of more than one file need: servers, programs, terminals, clouds, rooms and data.
//!
//! Each group of tests (`tests/README.md`) has these modules once, at its root.

#![allow(dead_code)] // each group uses its part
#![allow(clippy::unwrap_used, clippy::unused_self)] // a test may stop where it fails

use std::io::Write as _;

pub mod api;
pub mod console;
pub mod deeds;
pub mod foreign;
pub mod gateway;
pub mod hostile;
pub mod hosts;
pub mod lab;
pub mod netns;
pub mod postgres;
pub mod probe;
pub mod program;
pub mod python;
pub mod repair;
pub mod scenarios;
pub mod terminal;
pub mod variants;
pub mod vocabulary;

/// Says that something was not tested here, and why: on the real standard error, which the harness
/// does not swallow, and in `not-run` under the target directory, which `.ci/run` shows at its end.
///
/// # Panics
/// With `CI` set: there, a machine that cannot test everything is a failure.
pub fn not_run(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot run: {reason}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("not run: {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let list = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-run");
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)
        .expect("the target directory is writable");
    file.write_all(line.as_bytes()).expect("a line");
}
