//! `cvmtop replay` as a program: one answer for each input, in order, whatever the input is.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

use std::io::Write;

use assert_cmd::Command;
use serde_json::{Value, json};

fn replay(args: &[&str], input: &str) -> (Vec<Value>, Option<i32>) {
    let output = Command::cargo_bin("cvmtop")
        .unwrap()
        .arg("replay")
        .args(args)
        .write_stdin(input)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    (values, output.status.code())
}

fn case(id: &str) -> Value {
    json!({"case_id": id, "instance": {"os": "linux", "login_port": 22}, "evidence": [
        {"id": "reach", "path": "public", "status": "observed", "state": "refused"},
        {"id": "guest-service", "status": "observed", "state": "stopped"},
        {"id": "guest-listener", "path": null, "status": "observed", "state": "none"},
        {"id": "cpu", "status": "not-permitted"}]})
}

#[test]
fn each_line_has_its_answer_in_order() {
    let input = format!("{}\nnot json\n[1]\n\n{}\n", case("a"), case("b"));
    let (answers, status) = replay(&["-"], &input);
    assert_eq!(status, Some(0));
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0]["case_id"], "a");
    assert!(answers[1]["error"].is_string());
    assert!(answers[2]["error"].is_string());
    assert_eq!(answers[3]["case_id"], "b");
    let report = &answers[0];
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["causes"][0]["id"], "login-service-down");
    assert_eq!(report["verdict"], "faulty");
    let sum: f64 = report["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert_eq!(report["evidence"].as_array().unwrap().len(), 4);
    assert!(report["knowledge"].as_str().is_some_and(|k| !k.is_empty()));
}

#[test]
fn what_is_not_known_is_named_and_left_out() {
    let mut odd = case("x");
    let (before, _) = replay(&["-"], &format!("{odd}\n"));
    for row in [
        json!({"id": "phase-of-moon", "status": "observed", "state": "full"}),
        json!({"id": "cpu", "status": "observed", "state": "purple"}),
        json!({"id": "memory", "status": "guessed", "state": "normal"}),
        json!({"id": "banner", "path": "sideways", "status": "observed", "state": "fast"}),
        json!(7),
    ] {
        odd["evidence"].as_array_mut().unwrap().push(row);
    }
    odd["surplus"] = json!({"a": [1, 2]});
    let (after, status) = replay(&["-"], &format!("{odd}\n"));
    assert_eq!(status, Some(0));
    let warnings = after[0]["warnings"].to_string();
    for word in ["phase-of-moon", "purple", "guessed", "sideways"] {
        assert!(warnings.contains(word), "{word}: {warnings}");
    }
    assert_eq!(after[0]["causes"], before[0]["causes"]);
}

#[test]
fn only_the_necessary_fields_are_needed() {
    for input in [
        "{}",
        "{\"instance\":{}}",
        "{\"instance\":{\"os\":\"plan9\"},\"evidence\":[]}",
    ] {
        let (answers, status) = replay(&["-"], input);
        assert_eq!(status, Some(0), "{input}");
        assert_eq!(answers[0]["verdict"], "inconclusive", "{input}");
    }
}

#[test]
fn a_report_is_a_case_again() {
    let (first, _) = replay(&["-"], &format!("{}\n", case("r")));
    let mut file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    serde_json::to_writer_pretty(&mut file, &first[0]).unwrap();
    file.flush().unwrap();
    let (again, status) = replay(&[file.path().to_str().unwrap(), "--format", "json"], "");
    assert_eq!(status, Some(0));
    assert_eq!(first[0]["causes"], again[0]["causes"]);
}

#[test]
fn nothing_readable_is_a_failure() {
    assert_eq!(replay(&["-"], "nonsense\n").1, Some(3));
    assert_eq!(replay(&["/nonexistent/case.json"], "").1, Some(3));
}
