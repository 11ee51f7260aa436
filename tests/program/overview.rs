//! The causes of the fleet, headless: `overview` and `list --causes` on the demo cloud, and on the
//! independent one.

use crate::support::program;
use std::collections::BTreeMap;

use program::{Program, text};
use serde_json::Value;

/// What the program printed, and its exit status.
fn run(words: &[&str]) -> (i32, String, String) {
    let program = Program::new();
    let output = program.run(words);
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_overview_counts_what_each_instance_is_diagnosed_with() {
    let (status, printed, said) = run(&["overview", "--demo", "--format", "json"]);
    assert_eq!(status, 1, "{said}");
    let overview: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(overview["schema_version"], 1);
    let number = |name: &str| overview[name].as_u64().unwrap();
    assert_eq!(number("instances"), 78);
    assert_eq!(number("answering") + number("weighed"), 78);
    let causes = overview["causes"].as_array().unwrap();
    assert!(causes.len() > 20, "{overview:#}");
    let leading = |cause: &Value| cause["instances"].as_array().unwrap().len() as u64;
    let led: u64 = causes.iter().map(leading).sum();
    let undecided = overview["undecided"].as_array().unwrap().len() as u64;
    assert_eq!(led + undecided + number("healthy"), number("weighed"));
    let share: f64 = causes
        .iter()
        .map(|cause| cause["share"].as_f64().unwrap())
        .sum();
    assert!(share > 0.5 && share <= 1.0 + 1e-9, "{share}");
    assert!(
        causes
            .windows(2)
            .all(|two| leading(&two[0]) >= leading(&two[1])),
        "{overview:#}"
    );

    // The same verdicts an instance, and the count follows from them.
    let (_, listed, _) = run(&["list", "--demo", "--causes", "--format", "json"]);
    let rows: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 78);
    let mut of_list: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        if let Some(cause) = row["diagnosis"]["cause"]["id"].as_str() {
            let of_cause = of_list.entry(cause.to_owned()).or_default();
            of_cause.push(row["id"].as_str().unwrap().to_owned());
        }
    }
    let of_overview: BTreeMap<String, Vec<String>> = causes
        .iter()
        .map(|cause| {
            let ids = cause["instances"].as_array().unwrap();
            let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned());
            (cause["id"].as_str().unwrap().to_owned(), ids.collect())
        })
        .collect();
    let same = of_list
        .iter()
        .filter(|(cause, ids)| of_overview.get(*cause) == Some(ids))
        .count();
    // What comes and goes may be seen in one look and not in the next.
    assert!(
        same * 10 >= of_list.len() * 9,
        "{of_list:#?} {of_overview:#?}"
    );

    // Rescue, expiry and the like are known from the listing: a greeting of such an instance is
    // not taken for a login.
    let wiki = rows.iter().find(|row| row["name"] == "wiki-01").unwrap();
    assert_eq!(wiki["login"]["public"]["result"], "greets");
    assert_eq!(wiki["diagnosis"]["cause"]["id"], "instance-in-rescue-mode");
    // What answers is not weighed, and nothing is claimed of it.
    let answers = rows.iter().filter(|row| row["diagnosis"].is_null()).count() as u64;
    assert!(answers.abs_diff(number("answering")) <= 2);
}

#[test]
fn a_filter_narrows_it_and_the_table_and_csv_say_the_same() {
    let of = |format: &str| {
        run(&[
            "overview",
            "--demo",
            "--filter",
            "name:nightly",
            "--format",
            format,
        ])
    };
    let (status, csv, said) = of("csv");
    assert_eq!(status, 1, "{said}");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "cause,title,share,count,instances");
    assert_eq!(lines.len(), 2, "{csv}");
    let (_, table, _) = of("table");
    let title = lines[1].split(',').nth(1).unwrap();
    assert!(table.contains(title), "{table}");
    assert!(table.contains("nightly-01"), "{table}");
    assert!(
        table.starts_with("instances: 1; login answers: 0; it does not: 1\n"),
        "{table}"
    );
}

#[test]
fn a_fleet_that_answers_ends_with_zero() {
    let (status, printed, said) = run(&["overview", "--demo", "--filter", "name:shop-web-01"]);
    assert_eq!(status, 0, "{printed}{said}");
    assert_eq!(printed, "instances: 1; login answers: 1; it does not: 0\n");
}

/// Silence about what nobody looked at is no all-clear.
#[test]
fn what_only_a_look_can_tell_filters_nothing_away_unseen() {
    for field in [
        "health:failing",
        "name:store login:silent",
        "cause:disk-full | web",
    ] {
        for command in ["overview", "list"] {
            let (status, printed, said) = run(&[command, "--demo", "--filter", field]);
            assert_eq!((status, printed.as_str()), (2, ""), "{field}: {said}");
            assert!(said.contains("is known only once the logins"), "{said}");
        }
    }
    let (status, printed, said) = run(&["overview", "--demo", "--filter", "name:nosuch"]);
    assert_eq!((status, printed.as_str()), (3, ""), "{said}");
    assert!(said.contains("no instance is left to look at"), "{said}");
}

#[test]
fn the_filter_that_the_demo_of_thousands_brings_is_known_to_every_command() {
    let (_, all, _) = run(&["list", "--demo", "--no-probe", "--format", "csv"]);
    let words = ["--demo-fleet", "40", "--filter", "@stories"];
    let list = ["list", "--no-probe", "--format", "csv"];
    let (status, stories, said) = run(&[&list[..], &words].concat());
    assert_eq!(status, 0, "{said}");
    assert_eq!(stories.lines().count(), all.lines().count(), "{stories}");
    // The console gets as far as asking for a terminal.
    let (_, _, said) = run(&words);
    assert!(!said.contains("no saved filter"), "{said}");
}

#[test]
fn a_filter_that_means_nothing_is_one_sentence_and_lists_nothing() {
    for (filter, told) in [
        ("colour:red", "there is no field `colour`"),
        ("health:broken", "`broken` is no value of health"),
        ("web | colour:red", "there is no field `colour`"),
        ("@nobody", "there is no saved filter `nobody`"),
    ] {
        // The console says so before it takes the terminal.
        for command in [&["list"][..], &["overview"], &[]] {
            let options = ["--demo", "--filter", filter];
            let (status, printed, said) = run(&[command, &options].concat());
            assert_eq!((status, printed.as_str()), (2, ""), "{filter}: {said}");
            assert!(said.contains(told), "{filter}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
