//! `cvmtop replay` as a program: one answer for each input, in order, whatever the input is.

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

fn replay_text(args: &[&str], input: &str) -> String {
    let output = Command::cargo_bin("cvmtop")
        .unwrap()
        .args(["replay", "-", "--format", "text"])
        .args(args)
        .write_stdin(input)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_text_is_for_people() {
    let mut conflicting = case("t");
    for row in [
        json!({"id": "security-group", "status": "observed", "state": "deny-default"}),
        json!({"id": "banner", "path": "private", "status": "observed", "state": "fast"}),
        json!({"id": "reach", "path": "private", "status": "observed", "state": "open"}),
    ] {
        conflicting["evidence"].as_array_mut().unwrap().push(row);
    }
    let text = replay_text(
        &["--why-not", "security-isolated"],
        &format!("{conflicting}\n"),
    );
    for part in [
        "Login is broken: ",
        "% of the evidence is in",
        "evidence disagrees",
        "x likelier ",
        "Not seen",
        "Do next",
        "why not Instance isolated",
        "would have to be: ",
        "would show it: ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // Never certain, always in steps of five or at the cap.
    assert!(!text.contains("100%") && !text.contains("98%"), "{text}");
    // What is no cause is refused before anything is read, with what is near.
    let output = Command::cargo_bin("cvmtop")
        .unwrap()
        .args(["replay", "-", "--why-not", "security-moonshine"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("security-group-blocks-port"), "{told}");
}

#[test]
fn hostile_input_ends_in_an_answer_each() {
    let long = format!("{{\"case_id\":\"{}\"", "x".repeat(17 << 20));
    let many: Vec<Value> = (0..6000)
        .map(|i| json!({"id": format!("thing-{i}"), "status": "observed", "state": "x"}))
        .collect();
    let crowded = json!({"case_id": {"a": [1]}, "instance": {"os": null, "login_port": "22"}, "evidence": many});
    let odd = json!({"case_id": 7, "instance": [], "vantage": 3, "tried": "restart", "evidence": {"id": "cpu"}});
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut bytes = format!("{long}\n{crowded}\n{odd}\n{nested}\n").into_bytes();
    bytes.extend(b"\xff\xfe\n");
    bytes.extend(format!("{}\n", case("last")).bytes());
    let output = Command::cargo_bin("cvmtop")
        .unwrap()
        .args(["replay", "-"])
        .write_stdin(bytes)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let answers: Vec<Value> = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(answers.len(), 6);
    assert!(answers[0]["error"].is_string());
    assert_eq!(answers[1]["case_id"], json!({"a": [1]}));
    assert_eq!(answers[1]["instance"]["os"], "unknown");
    assert_eq!(answers[2]["case_id"], 7);
    assert!(answers[2]["warnings"].to_string().contains("not a list"));
    assert!(answers[3]["error"].is_string());
    assert!(answers[4]["error"].is_string());
    assert_eq!(answers[5]["case_id"], "last");
}

#[test]
fn labelled_cases_are_scored_with_the_gates() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for number in 0..3 {
        let mut labelled = case(&format!("s{number}"));
        labelled["expected"] = json!({"cause": "login-service-down", "kind": "single", "profile": "full", "split": "hold"});
        lines += &format!("{labelled}\n");
    }
    lines += "not json\n{}\n";
    std::fs::write(directory.path().join("cases.jsonl"), lines).unwrap();
    let output = Command::cargo_bin("cvmtop")
        .unwrap()
        .arg("replay")
        .arg(directory.path())
        .arg("--score")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let table = String::from_utf8(output.stdout).unwrap();
    for part in [
        "3 labelled cases",
        "gates on hold",
        "met",
        "priors only",
        "vendor checklist",
        "ungrouped naive Bayes",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("2 cases")
    );
}

#[test]
fn what_was_learnt_can_be_read_shared_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let learned = |args: &[&str]| {
        let output = Command::cargo_bin("cvmtop")
            .unwrap()
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", &state)
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_DATA_HOME", home.path().join("data"))
            .arg("learned")
            .args(args)
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code(),
        )
    };
    assert_eq!(learned(&[]), ("0 outcomes\n".to_owned(), Some(0)));
    let at = jiff::Timestamp::now();
    cvmtop::store::outcomes::Outcomes::in_directory(&state.join("cvmtop"))
        .append(
            at,
            "disk-full",
            cvmtop::diagnosis::learn::Confirmation::Verified,
        )
        .unwrap();
    let (text, _) = learned(&[]);
    assert!(
        text.contains("disk-full: this prior moved") && text.contains("1 confirmed case"),
        "{text}"
    );
    let (exported, _) = learned(&["--export"]);
    assert_eq!(
        exported,
        "{\"cause\":\"disk-full\",\"confirmation\":\"verified\",\"age_days\":0.0}\n"
    );
    assert_eq!(learned(&["--reset"]).1, Some(3));
    assert_eq!(learned(&["--reset", "--yes"]).1, Some(0));
    assert_eq!(learned(&[]).0, "0 outcomes\n");
}

#[test]
fn the_lint_names_every_broken_rule() {
    let directory = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let file = directory.path().join("ours.toml");
        std::fs::write(&file, text).unwrap();
        let output = Command::cargo_bin("cvmtop")
            .unwrap()
            .args(["doctor", "--knowledge"])
            .arg(&file)
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code(),
        )
    };
    let row = |cause: &str, state: &str| {
        format!(
            "rows = [{{ cause = \"{cause}\", on = \"cpu\", p = {{ {state} = 0.9 }}, ess = 5, why = \"seen here\", source = \"us\" }}]\n"
        )
    };
    let (text, status) = check(&row("cpu-overload", "pegged"));
    assert!(
        status == Some(0) && text.contains("is sound, hash "),
        "{text}"
    );
    let (text, status) = check(&format!(
        "{}[[cause]]\nid = \"disk-full\"\nprior = 7.0\n",
        row("moon-phase", "purple")
    ));
    assert_eq!(status, Some(1));
    for part in ["moon-phase", "purple", "disk-full"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
