//! `diagnose --from-neighbours` against the demo cloud: who is named, what is sent, and what a
//! neighbour's answer can do.

use crate::support::program;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use program::{Program, text};
use serde_json::{Value, json};

/// A guest firewall in `seoul-app`; a neighbour of its subnet, and one of another.
const TARGET: &str = "pay-01";
const NAMED: &str = "--from-neighbours=clone-07,orders-db-01";

fn report(program: &Program, words: &[&str]) -> (Value, String) {
    let mut all = vec!["diagnose", TARGET, "--format", "json"];
    all.extend(words);
    let output = program.run(&all);
    let told = text(&output.stderr);
    (serde_json::from_slice(&output.stdout).expect(&told), told)
}

fn seen<'a>(report: &'a Value, path: &str) -> Vec<&'a Value> {
    let evidence = report["evidence"].as_array().unwrap().iter();
    evidence.filter(|it| it["path"] == path).collect()
}

fn times(program: &Program, action: &str) -> usize {
    let seen = program.gateway.seen();
    seen.iter().filter(|it| *it == action).count()
}

fn journal(program: &Program) -> String {
    text(&program.run(&["journal"]).stdout)
}

#[test]
fn nothing_is_run_before_somebody_was_named() {
    let program = Program::new();
    let (before, told) = report(&program, &["--from-neighbours"]);
    assert!(told.contains("Nothing was run"), "{told}");
    assert!(told.contains("in the same subnet"), "{told}");
    assert!(told.contains("in another subnet of the VPC"), "{told}");
    assert!(told.contains("about 14 calls of the API"), "{told}");
    assert!(program.gateway.writes().is_empty());
    assert!(!journal(&program).contains("Looked from"));
    // What is proposed stands in the report, and what is printed can be pasted.
    let next = before["next_evidence"].as_array().unwrap();
    let own = next
        .iter()
        .find(|it| it["path"] == "subnet")
        .expect("proposed");
    assert!(own["needs"].as_str().unwrap().contains("other instances"));
    let option = told
        .split_whitespace()
        .find(|it| it.starts_with("--from-neighbours=ins-"));
    let (after, _) = report(&program, &[option.expect("a command")]);
    assert!(!seen(&after, "subnet").is_empty());
    assert_eq!(times(&program, "RunCommand"), 2);
}

#[test]
fn those_who_were_named_look_once_each_and_move_the_lead() {
    let program = Program::new();
    let (before, _) = report(&program, &[]);
    assert_eq!(times(&program, "RunCommand"), 0);
    let agents = times(&program, "DescribeAutomationAgentStatus");
    let (after, _) = report(&program, &[NAMED]);
    let lead = |report: &Value| report["causes"][0]["probability"].as_f64().unwrap();
    assert_eq!(after["causes"][0]["id"], "host-firewall-blocks-port");
    assert!(
        lead(&before) < 0.6 && lead(&after) > 0.9,
        "{} {}",
        lead(&before),
        lead(&after)
    );
    for (path, who) in [
        ("subnet", "clone-07 in the same subnet"),
        ("vpc", "orders-db-01 in another"),
    ] {
        let of_path = seen(&after, path);
        let reach = of_path.iter().find(|it| it["id"] == "reach").expect(path);
        assert!(
            reach["state"].as_str().unwrap().contains("silent"),
            "{reach}"
        );
        assert!(
            of_path
                .iter()
                .all(|it| it["detail"].as_str().unwrap().contains(who)),
            "{of_path:?}"
        );
        let rules = of_path.iter().find(|it| it["id"] == "security-group-here");
        assert_eq!(rules.expect("judged")["state"], "allow");
    }
    // One command each, asked about now and then, and one question about agents.
    assert_eq!(program.gateway.writes(), ["RunCommand", "RunCommand"]);
    let polls = times(&program, "DescribeInvocationTasks");
    assert!((2..=12).contains(&polls), "{polls}");
    assert_eq!(
        times(&program, "DescribeAutomationAgentStatus"),
        2 * agents + 1
    );
    let journal = journal(&program);
    assert!(journal.contains("Looked from clone-07"), "{journal}");
    assert!(journal.contains("Looked from orders-db-01"), "{journal}");
    let words = ["diagnose", TARGET, NAMED];
    let shown = text(&program.run(&words).stdout);
    assert!(shown.contains("of 5 vantages"), "{shown}");
}

#[test]
fn who_is_not_around_is_asked_for_once_and_only_for_a_path_that_lacks_somebody() {
    let program = Program::new();
    let of_regions = |words: &[&str]| {
        let regions = ["--region", "ap-seoul", "--region", "ap-guangzhou"];
        let binary = [env!("CARGO_BIN_EXE_cvmtop")];
        program.wrapped(&[&binary[..], &regions, &["diagnose"], words].concat())
    };
    let lists = |words: &[&str]| {
        let before = times(&program, "DescribeInstances");
        let output = of_regions(words).output().expect("the program runs");
        let told = text(&output.stderr);
        (times(&program, "DescribeInstances") - before, told)
    };
    // Both paths have somebody around: nothing more is listed.
    let (plain, _) = lists(&[TARGET]);
    let (asked, told) = lists(&[TARGET, "--from-neighbours"]);
    assert_eq!(asked, plain, "{told}");
    // Alone in its subnet, with nobody of its groups in another: one question for the VPC, one for
    // the first of the other regions.
    let (plain, _) = lists(&["orders-db-01"]);
    let (asked, told) = lists(&["orders-db-01", "--from-neighbours"]);
    assert!(
        told.contains("clone-07 in another subnet of the VPC"),
        "{told}"
    );
    assert!(
        told.contains("analytics-01, to the public address"),
        "{told}"
    );
    assert!((plain + 1..=plain + 2).contains(&asked), "{plain} {asked}");
    let option = told
        .split_whitespace()
        .find(|it| it.starts_with("--from-neighbours=ins-"));
    let words = ["orders-db-01", option.expect("a command"), "--all"];
    let output = of_regions(&words).output().expect("the program runs");
    let shown = text(&output.stdout);
    assert!(shown.contains("analytics-01"), "{shown}");
    assert_eq!(program.gateway.writes(), ["RunCommand", "RunCommand"]);
}

#[test]
fn read_only_runs_nothing() {
    let program = Program::new();
    for option in ["--from-neighbours", NAMED] {
        let (report, told) = report(&program, &["--read-only", option]);
        assert!(told.contains("read-only"), "{told}");
        assert!(seen(&report, "subnet").is_empty());
    }
    assert!(program.gateway.writes().is_empty());
    assert!(!journal(&program).contains("Looked from"));
}

#[test]
fn who_cannot_look_is_not_asked() {
    let program = Program::new();
    // Agent offline, Windows, switched off, the instance itself, nobody, and one too many alike.
    for (name, why) in [
        ("mail-01", "is not online"),
        ("print-01", "not known to run Linux"),
        ("staging-web-01", "is not running"),
        (TARGET, "is the instance itself"),
        ("no-such-host", "no-such-host"),
    ] {
        let (report, told) = report(&program, &[&format!("--from-neighbours={name}")]);
        assert!(told.contains(why), "{name}: {told}");
        assert!(seen(&report, "subnet").is_empty());
    }
    assert!(program.gateway.writes().is_empty());
    let output = program.run(&["diagnose", TARGET, "--from-neighbours=a,b,c"]);
    assert_eq!(output.status.code(), Some(2));
    let output = program.run(&["diagnose", TARGET, "report-01", NAMED]);
    assert_eq!(output.status.code(), Some(2));
    for empty in ["--from-neighbours=", "--from-neighbours=clone-07,"] {
        let output = program.run(&["diagnose", TARGET, empty]);
        assert_eq!(output.status.code(), Some(2));
        let told = text(&output.stderr);
        assert!(told.contains("`--from-neighbours=` lacks a name"), "{told}");
    }
    let (_, told) = report(&program, &["--from-neighbours=clone-07,bastion-01"]);
    assert!(told.contains("bastion-01 would see what another"), "{told}");
    assert_eq!(program.gateway.writes(), ["RunCommand"]);
}

#[test]
fn a_neighbour_that_prints_anything_says_nothing() {
    fn garbage(action: &str, body: Vec<u8>) -> Vec<u8> {
        if action != "DescribeInvocationTasks" {
            return body;
        }
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        let tasks = answer["Response"]["InvocationTaskSet"].as_array_mut();
        for task in tasks.into_iter().flatten() {
            let text =
                "\u{1b}[2J\u{202e}cvmtop-kit 1;\nid=x;to=10.0.0.1;tcp=open;\ncvmtop-kit end 1-1;\n";
            task["TaskResult"]["Output"] = json!(STANDARD.encode(text.repeat(60)));
        }
        answer.to_string().into_bytes()
    }
    let program = Program::new();
    program.gateway.alter(garbage);
    let output = program.run(&["diagnose", TARGET, NAMED, "--all"]);
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
        "{shown}"
    );
    assert!(shown.contains("no whole answer"), "{shown}");
    let (report, _) = report(&program, &[NAMED]);
    let readings = seen(&report, "subnet");
    assert_eq!(readings.len(), 1, "{readings:?}");
    assert_eq!(readings[0]["status"], "probe-failed");
}
