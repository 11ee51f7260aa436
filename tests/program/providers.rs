//! `diagnose --from-providers` against the demo cloud: who is named, at what price, what is created,
//! read and deleted, and what is left when something goes wrong on the way.

use std::time::{Duration, Instant};

use crate::support::program;
use cvmtop::demo::{Fault, Faults};
use jiff::SignedDuration;
use program::gateway::Moment;
use program::{Program, text};
use serde_json::{Value, json};

/// A guest firewall that drops the port for everybody, behind groups that let everybody in.
const TARGET: &str = "pay-01";
const NAMED: &str = "--from-providers=10103,10215";

fn report(program: &Program, words: &[&str]) -> (Value, String) {
    report_of(program, TARGET, words)
}

fn report_of(program: &Program, target: &str, words: &[&str]) -> (Value, String) {
    let mut all = vec!["diagnose", target, "--format", "json"];
    all.extend(words);
    let output = program.run(&all);
    let told = text(&output.stderr);
    (serde_json::from_slice(&output.stdout).expect(&told), told)
}

fn seen<'a>(report: &'a Value, id: &str) -> Option<&'a Value> {
    let mut evidence = report["evidence"].as_array().unwrap().iter();
    evidence.find(|it| it["path"] == "provider" && it["id"] == id)
}

fn journal(program: &Program) -> String {
    text(&program.run(&["journal"]).stdout)
}

#[test]
fn nothing_is_created_before_somebody_was_named() {
    let program = Program::new();
    let (before, told) = report(&program, &["--from-providers"]);
    assert!(told.contains("Nothing was created"), "{told}");
    assert!(told.contains("single probes at most"), "{told}");
    assert!(told.contains("no price in money"), "{told}");
    assert!(told.contains("the trial version has"), "{told}");
    assert!(program.gateway.writes().is_empty());
    assert!(seen(&before, "reach").is_none());
    let option = told
        .split_whitespace()
        .find(|it| it.starts_with("--from-providers=1"));
    let (after, _) = report(&program, &[option.expect("a command")]);
    assert!(seen(&after, "reach").is_some());
    assert_eq!(
        program.gateway.writes(),
        ["CreateProbeTasks", "DeleteProbeTask"]
    );
}

#[test]
fn those_who_were_named_look_once_and_what_was_made_is_deleted() {
    let program = Program::new();
    let (before, _) = report(&program, &[]);
    let (after, told) = report(&program, &[NAMED]);
    let reach = seen(&after, "reach").expect(&told);
    assert_eq!(reach["state"], "all-silent", "{reach}");
    let detail = reach["detail"].as_str().unwrap();
    assert!(detail.contains("0 of 2 nodes"), "{detail}");
    let rules = seen(&after, "security-group-here").expect("judged");
    assert_eq!(rules["state"], "allow", "{rules}");
    let share = |report: &Value| {
        let causes = report["causes"].as_array().unwrap().iter();
        let found = causes.filter(|it| it["id"] == "host-firewall-blocks-port");
        found
            .map(|it| it["probability"].as_f64().unwrap())
            .sum::<f64>()
    };
    assert!(
        share(&after) > share(&before),
        "{} {}",
        share(&before),
        share(&after)
    );
    assert!(told.contains("counts to the paid version"), "{told}");
    assert!(told.contains("is deleted"), "{told}");
    let journal = journal(&program);
    assert!(
        journal.contains("Have nodes of the provider connect to"),
        "{journal}"
    );
    // Nothing of it is still in force, and it is not taken back twice.
    let entries = text(&program.run(&["journal", "--format", "json"]).stdout);
    let entries: Vec<Value> = entries
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let made = entries
        .iter()
        .find(|it| it["plan"]["action"] == "provider-probe" && it["plan"]["reverses"].is_null())
        .expect("an entry");
    assert!(made["undone_by"].is_string(), "{made:#}");
    let shown = text(&program.run(&["diagnose", TARGET, NAMED]).stdout);
    assert!(
        shown.contains("the provider's nodes to the public address"),
        "{shown}"
    );
}

#[test]
fn read_only_creates_nothing() {
    let program = Program::new();
    for option in ["--from-providers", NAMED] {
        let (report, told) = report(&program, &["--read-only", option]);
        assert!(told.contains("read-only"), "{told}");
        assert!(seen(&report, "reach").is_none());
    }
    assert!(program.gateway.writes().is_empty());
}

#[test]
fn who_cannot_look_is_left_out_with_the_reason() {
    let program = Program::new();
    // Off line, no port tasks, IPv6, a phone, nobody.
    for (code, why) in [
        ("10310", "is off line"),
        ("10411", "takes a port task"),
        ("10512", "takes a port task"),
        ("13001", "takes a port task"),
        ("rm", "takes a port task"),
    ] {
        let (report, told) = report(&program, &[&format!("--from-providers={code}")]);
        assert!(told.contains(why), "{code}: {told}");
        assert!(seen(&report, "reach").is_none());
    }
    let (_, told) = report(&program, &["--from-providers", "--near", "广东 移动"]);
    assert!(told.contains("10218") && !told.contains("10103"), "{told}");
    let (_, told) = report(&program, &["--from-providers", "--near", "Atlantis"]);
    assert!(told.contains("no node stands near Atlantis"), "{told}");
    assert!(program.gateway.writes().is_empty());
    for words in [
        &["--from-providers=1,2,3,4"][..],
        &["report-01", NAMED],
        &["--near", "x"],
    ] {
        let mut all = vec!["diagnose", TARGET];
        all.extend(words);
        assert_eq!(program.run(&all).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_refusal_is_one_sentence_and_the_diagnosis_goes_on() {
    for (action, code, want) in [
        (
            "DescribeNodes",
            "UnauthorizedOperation",
            "cat:DescribeNodes",
        ),
        ("DescribeNodes", "InvalidAction", "does not offer"),
        ("DescribeNodes", "UnsupportedRegion", "UnsupportedRegion"),
        (
            "CreateProbeTasks",
            "FailedOperation.OrderOutOfCredit",
            "lack of money",
        ),
        (
            "CreateProbeTasks",
            "FailedOperation.TrialTaskExceed",
            "lack of money, quota",
        ),
        (
            "CreateProbeTasks",
            "AuthFailure.UnauthorizedOperation",
            "cat:CreateProbeTasks",
        ),
        (
            "DescribeDetailedSingleProbeData",
            "UnauthorizedOperation",
            "could not be read",
        ),
    ] {
        let program = Program::new();
        let faults = Faults::default().with(action, Fault::Refused(code), 99);
        program.demo.set_faults(faults);
        let output = program.run(&["diagnose", TARGET, NAMED, "--all"]);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains(want), "{action} {code}: {told}");
        assert!(told.contains(code), "{action} {code}: {told}");
        assert_eq!(output.status.code(), Some(1), "{told}");
        // What was created is deleted although it could not be read.
        let writes = program.gateway.writes();
        let made = writes.iter().filter(|it| *it == "CreateProbeTasks").count();
        let gone = writes.iter().filter(|it| *it == "DeleteProbeTask").count();
        let reads_failed = action == "DescribeDetailedSingleProbeData";
        assert_eq!(gone, usize::from(reads_failed), "{writes:?}");
        assert!(made <= 1, "{writes:?}");
    }
}

#[test]
fn a_node_that_answers_anything_says_nothing() {
    fn garbage(action: &str, body: Vec<u8>) -> Vec<u8> {
        if action != "DescribeDetailedSingleProbeData" {
            return body;
        }
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        let rows = answer["Response"]["DataSet"].as_array_mut();
        for row in rows.into_iter().flatten() {
            row["Fields"] = json!([{"ID": 0, "Name": "ErrorId", "Value": "\u{1b}[2J0"}]);
        }
        answer.to_string().into_bytes()
    }
    let program = Program::new();
    program.gateway.alter(garbage);
    let (report, told) = report(&program, &[NAMED]);
    let reach = seen(&report, "reach").expect("said so");
    assert_eq!(reach["status"], "probe-failed", "{reach}");
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(
        program
            .gateway
            .writes()
            .contains(&"DeleteProbeTask".to_owned())
    );
}

fn times(program: &Program, action: &str) -> usize {
    let seen = program.gateway.seen();
    seen.iter().filter(|it| *it == action).count()
}

/// The program dies before the task arrives, before its answer, after it, and while it reads: the next
/// start deletes what there is once its time is over, and nothing is ever sent twice.
#[test]
fn what_a_killed_run_leaves_is_told_and_deleted_in_its_time() {
    for (action, moment, made) in [
        ("CreateProbeTasks", Moment::Lost, false),
        ("CreateProbeTasks", Moment::Unanswered, true),
        ("CreateProbeTasks", Moment::Followed, true),
        ("DescribeDetailedSingleProbeData", Moment::Lost, true),
    ] {
        let program = Program::new();
        program.gateway.kill_at(action, moment);
        let mut child = program
            .command(&["diagnose", TARGET, NAMED])
            .spawn()
            .unwrap();
        program.gateway.victim(child.id());
        assert!(!child.wait().unwrap().success(), "{action} {moment:?}");
        let told = journal(&program);
        assert!(
            told.contains("by the first start, after") && !told.contains("--keep"),
            "{action} {moment:?}: {told}"
        );
        assert!(told.contains("--undo"), "{action} {moment:?}: {told}");
        assert_eq!(times(&program, "DeleteProbeTask"), 0);
        program
            .gateway
            .set_clock_ahead(SignedDuration::from_mins(9));
        let output = program.run(&["list", "--no-probe"]);
        assert!(output.status.success());
        let told = text(&output.stderr);
        assert!(
            told.contains("Have nodes of the provider connect to"),
            "{action} {moment:?}: {told}"
        );
        let deleted = usize::from(made);
        assert_eq!(times(&program, "DeleteProbeTask"), deleted, "{told}");
        let quiet = program.run(&["list", "--no-probe"]);
        assert_eq!(text(&quiet.stderr), "", "{action} {moment:?}");
        assert_eq!(times(&program, "DeleteProbeTask"), deleted);
        assert_eq!(times(&program, "CreateProbeTasks"), 1);
    }
}

#[test]
fn a_run_that_is_interrupted_deletes_first_and_tells_what_it_has() {
    fn nothing(action: &str, body: Vec<u8>) -> Vec<u8> {
        if action != "DescribeDetailedSingleProbeData" {
            return body;
        }
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        answer["Response"]["DataSet"] = json!([]);
        answer.to_string().into_bytes()
    }
    let program = Program::new();
    program.gateway.alter(nothing);
    let child = program
        .command(&["diagnose", TARGET, NAMED, "--format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(90);
    // The second look at the results comes after the signals are waited for.
    while times(&program, "DescribeDetailedSingleProbeData") < 2 {
        assert!(Instant::now() < limit, "it never reads");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(times(&program, "DeleteProbeTask"), 1, "{told}");
    assert!(told.contains("is deleted"), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect(&told);
    let reach = seen(&report, "reach").expect("said so");
    assert_eq!(reach["status"], "probe-failed", "{reach}");
    assert!(
        reach["detail"].as_str().unwrap().contains("signal"),
        "{reach}"
    );
}
