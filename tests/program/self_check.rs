//! `cvmtop check` on the demo cloud: verdicts, contract, exit statuses, kept reports and what changed.

use crate::support::program;
use program::{Program, text};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

fn run(program: &Program, words: &[&str]) -> (i32, String, String) {
    let output = program.run(words);
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn reports(program: &Program, words: &[&str]) -> (i32, Vec<Value>) {
    let words = [&["check", "--format", "json"], words].concat();
    let (status, printed, said) = run(program, &words);
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{said}")));
    (status, lines.collect())
}

fn one(program: &Program, words: &[&str]) -> (i32, Value) {
    let (status, mut all) = reports(program, words);
    assert_eq!(all.len(), 1, "one line a target");
    (status, all.remove(0))
}

fn item<'r>(report: &'r Value, id: &str) -> &'r Value {
    let items = report["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["id"] == id);
    item.unwrap_or_else(|| panic!("{id}: {report:#}"))
}

/// The folder in which the reports of an instance lie.
fn folder(program: &Program, report: &Value) -> PathBuf {
    let id = report["instance"]["id"].as_str().unwrap();
    program.state_dir().join("checks").join(id)
}

#[test]
fn faults_risks_and_what_was_not_seen_are_told_apart() {
    let program = Program::new();
    let (status, report) = one(&program, &["shop-api-01"]);
    assert_eq!((status, &report["verdict"]), (1, &Value::from("fault")));
    let port = item(&report, "login-port");
    assert_eq!(port["verdict"], "fault");
    let command = port["mend"]["command"].as_str().unwrap();
    assert!(
        command.starts_with("cvmtop act shop-api-01 open-port --set port=10022"),
        "{command}"
    );
    let inside = item(&report, "inodes");
    assert_eq!(inside["verdict"], "not-seen");
    assert_eq!(inside["status"], "not-attempted");
    assert!(inside["needs"].as_str().unwrap().contains("--deep"));
    // Each line is of the contract.
    for item in report["items"].as_array().unwrap() {
        let verdict = item["verdict"].as_str().unwrap();
        assert!(
            ["normal", "risk", "fault", "not-seen"].contains(&verdict),
            "{item:#}"
        );
        assert_eq!(
            verdict == "not-seen",
            item["status"].is_string(),
            "{item:#}"
        );
        assert_eq!(
            ["risk", "fault"].contains(&verdict),
            item["mend"].is_object(),
            "{item:#}"
        );
        for field in ["id", "group", "group_title", "title", "detail"] {
            assert!(
                !item[field].as_str().unwrap().is_empty(),
                "{field}: {item:#}"
            );
        }
    }
    let counts = report["counts"].as_object().unwrap();
    let all: u64 = counts.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(all, report["items"].as_array().unwrap().len() as u64);
}

#[test]
fn the_look_back_and_the_disks_are_a_risk_and_count_only_where_that_is_asked_for() {
    let program = Program::new();
    let (status, report) = one(&program, &["shop-web-02"]);
    let memory = item(&report, "memory");
    assert_eq!(memory["verdict"], "risk", "{memory:#}");
    let measured = &memory["measured"];
    assert!(measured["now"].as_f64().unwrap() < 50.0, "{measured}");
    assert!(measured["peak"].as_f64().unwrap() > 90.0, "{measured}");
    assert_eq!((status, report["verdict"].as_str()), (0, Some("risk")));
    let (strict, _) = one(&program, &["shop-web-02", "--strict"]);
    assert_eq!(strict, 1);
    let (_, report) = one(&program, &["build-runner-01"]);
    assert_eq!(item(&report, "disk-renewal")["verdict"], "risk");
    let (status, report) = one(&program, &["archive-01"]);
    assert_eq!(item(&report, "disk-expired")["verdict"], "fault");
    assert_eq!(item(&report, "instance-expired")["verdict"], "fault");
    assert_eq!(status, 1);
    // Nothing runs there, so its load is no question.
    assert_eq!(item(&report, "memory")["status"], "not-applicable");
}

#[test]
fn events_tell_of_dropped_packets() {
    let program = Program::new();
    let (_, report) = one(&program, &["media-01"]);
    assert_eq!(item(&report, "bandwidth-out")["verdict"], "fault");
    assert_eq!(item(&report, "tcp-throttling")["verdict"], "risk");
    let (_, report) = one(&program, &["proxy-win-01"]);
    assert_eq!(item(&report, "connections")["verdict"], "fault");
}

#[test]
fn with_consent_the_guest_is_read_as_well() {
    let program = Program::new();
    let (status, report) = one(&program, &["shop-web-01", "--deep"]);
    assert_eq!(status, 0, "{report:#}");
    for id in [
        "softirq-loss",
        "udp-buffer",
        "accept-queue",
        "request-overflow",
        "inodes",
        "kernel",
    ] {
        assert_eq!(item(&report, id)["verdict"], "normal", "{id}");
        assert_eq!(item(&report, id)["source"], "guest", "{id}");
    }
    let read_only = run(&program, &["check", "shop-web-01", "--deep", "--read-only"]);
    assert!(read_only.2.contains("read_only_deep"), "{}", read_only.2);
}

#[test]
fn reports_are_kept_privately_and_compared() {
    let program = Program::new();
    let (_, none) = (0, run(&program, &["check", "shop-api-01", "--kept"]));
    assert_eq!(none.0, 3, "{}", none.2);
    // The first one has nothing to be compared with, and is shown all the same.
    let (status, first) = one(&program, &["shop-api-01", "--compare"]);
    assert_eq!((status, &first["changes"]), (1, &Value::Null));
    let folder = folder(&program, &first);
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let file = folder.join(format!("{}.json", first["id"].as_str().unwrap()));
    assert_eq!(mode(&file), 0o600);
    // The fault is mended, and the next report says so.
    let act = [
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=127.0.0.1",
        "--yes",
    ];
    let (done, _, said) = run(&program, &act);
    assert_eq!(done, 0, "{said}");
    let (status, second) = one(&program, &["shop-api-01", "--compare"]);
    assert_eq!(status, 0, "{second:#}");
    assert_eq!(second["compared_with"]["id"], first["id"]);
    let changes = second["changes"].as_array().unwrap();
    let port = changes
        .iter()
        .find(|change| change["id"] == "login-port")
        .unwrap();
    assert_eq!(
        (&port["before"], &port["after"]),
        (&"fault".into(), &"normal".into())
    );
    // The same from what is kept, by id and by date, without a look.
    let id = first["id"].as_str().unwrap();
    let (_, kept) = one(&program, &["shop-api-01", "--kept", "--compare", id]);
    assert_eq!(kept["id"], second["id"]);
    assert_eq!(kept["changes"].as_array().unwrap().len(), changes.len());
    let date = &first["at"].as_str().unwrap()[..10];
    let (_, by_date) = one(&program, &["shop-api-01", "--kept", "--compare", date]);
    assert_eq!(by_date["compared_with"]["id"], first["id"]);
    let (status, listed, _) = run(&program, &["check", "shop-api-01", "--list"]);
    assert_eq!(status, 0);
    assert!(listed.contains(id), "{listed}");
    // A date of which nothing is kept is told.
    let (status, _, said) = run(
        &program,
        &["check", "shop-api-01", "--kept", "--compare", "2001-01-01"],
    );
    assert_eq!(status, 3);
    assert!(said.contains("2001-01-01"), "{said}");
    // A file that was cut is told and not used.
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let (status, _, said) = run(&program, &["check", "shop-api-01", "--kept", "--compare"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains(id) && said.contains("cut"), "{said}");
}

#[test]
fn a_masked_report_names_nobody_in_any_form() {
    let program = Program::new();
    let (_, plain) = one(&program, &["shop-web-01"]);
    let id = plain["instance"]["id"].as_str().unwrap();
    for format in ["table", "json", "csv"] {
        let words = [
            "check",
            "shop-web-01",
            "--mask",
            "--format",
            format,
            "--compare",
        ];
        let (_, printed, _) = run(&program, &words);
        for secret in [id, "shop-web-01", "disk-"] {
            // Words of sentences keep their hyphens: what is masked is an id.
            let named = printed.match_indices(secret).any(|(at, _)| {
                let rest = &printed[at + secret.len()..];
                secret != "disk-" || rest.starts_with(|c: char| c.is_ascii_digit())
            });
            assert!(!named, "{format}: {secret}: {printed}");
        }
        let address = |word: &str| word.parse::<std::net::IpAddr>().is_ok();
        let words = printed.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == ':'));
        assert!(!words.into_iter().any(address), "{format}: {printed}");
    }
}

#[test]
fn several_targets_share_their_calls_and_the_worst_counts() {
    let program = Program::new();
    let (status, all) = reports(&program, &["shop-web-01", "shop-api-01", "docs-01"]);
    assert_eq!((status, all.len()), (1, 3));
    let (status, _, said) = run(&program, &["check", "shop-web-01", "no-such-host"]);
    assert_eq!(status, 3);
    assert!(said.contains("no-such-host"), "{said}");
    let (status, _, _) = run(&program, &["check"]);
    assert_eq!(status, 2);
    let (_, csv, _) = run(
        &program,
        &["check", "shop-web-01", "docs-01", "--format", "csv"],
    );
    let rows: Vec<&str> = csv.lines().collect();
    assert!(
        rows[0].starts_with("instance,name,report,group,item,verdict"),
        "{}",
        rows[0]
    );
    assert!(rows.len() > 60, "{csv}");
}

#[test]
fn a_person_reads_it_in_the_own_language_and_width() {
    let program = Program::new();
    for (lang, word) in [("en", "not seen"), ("ko", "미확인"), ("zh", "未查看")] {
        let mut command = program.command(&["check", "shop-api-01", "--lang", lang]);
        let output = command.env("COLUMNS", "80").output().unwrap();
        let printed = text(&output.stdout);
        assert!(printed.contains(word), "{printed}");
        assert!(!printed.contains('\u{1b}'), "no colour into a pipe");
        let long = printed
            .lines()
            .filter(|line| {
                !line.contains("cvmtop ") && !line.contains("report") && !line.contains("https")
            })
            .filter(|line| unicode_width::UnicodeWidthStr::width(*line) > 80)
            .filter(|line| line.starts_with(' '));
        assert_eq!(long.count(), 0, "{printed}");
    }
}

/// What a list offers is taken by `act`, and what `act` would refuse is not offered.
#[test]
fn an_instance_that_does_not_run_is_offered_what_act_takes() {
    let program = Program::new();
    for (target, action) in [
        ("staging-web-01", Some("start")),
        ("wiki-01", Some("exit-rescue")),
        ("ledger-01", None),
        ("archive-01", None),
    ] {
        let (_, report) = one(&program, &[target]);
        let mend = &item(&report, "running")["mend"];
        assert_eq!(mend["action"].as_str(), action, "{target}: {mend:#}");
        let Some(_) = action else { continue };
        let command = mend["command"].as_str().unwrap();
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--dry-run"]).collect();
        let (status, printed, said) = run(&program, &words);
        assert_eq!(status, 0, "{command}: {printed}{said}");
    }
}

/// A look that was cut off is shown, and is no state to compare the next one with.
#[test]
fn a_look_without_time_is_not_kept() {
    let program = Program::new();
    let (_, cut) = one(&program, &["shop-web-01", "--timeout", "1ms"]);
    assert_eq!(cut["cut_short"], true, "{cut:#}");
    assert!(!folder(&program, &cut).exists(), "nothing is kept");
    let (_, whole) = one(&program, &["shop-web-01"]);
    assert_eq!(whole["cut_short"], Value::Null);
    assert!(folder(&program, &whole).exists());
}
