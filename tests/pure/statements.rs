//! What an operator says of a failure reaches the diagnosis as evidence, and nothing else does.

use std::path::Path;
use std::process::{Command, Output};

use cvmtop::demo::{self, DemoCloud, DemoOptions};
use cvmtop::diagnosis::Knowledge;
use serde_json::Value;

async fn run(cloud: &DemoCloud, home: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(Command::new(env!("CARGO_BIN_EXE_cvmtop")));
    command
        .args(["--endpoint", &cloud.endpoint])
        .args(cloud.regions.iter().flat_map(|region| ["--region", region]))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("TENCENTCLOUD_SECRET_ID", &cloud.secret_id)
        .env("TENCENTCLOUD_SECRET_KEY", &cloud.secret_key);
    command.output().await.unwrap()
}

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let evidence = report["evidence"].as_array().unwrap();
    evidence
        .iter()
        .find(|r| r["id"] == id)
        .unwrap_or(&Value::Null)
}

/// What the recent change says for a cause, in decibans.
fn of_the_change(report: &Value, cause: &str) -> f64 {
    let causes = report["causes"].as_array().unwrap();
    let found = causes.iter().find(|c| c["id"] == cause).unwrap();
    let terms = found["contributions"].as_array().unwrap();
    let term = terms
        .iter()
        .find(|term| term["evidence"] == "recent-change");
    term.map_or(0.0, |term| term["weight_db"].as_f64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_onset_path_console_and_whatever_was_seen_are_evidence() {
    let cloud = demo::start(DemoOptions::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let target = ["diagnose", "shop-api-01", "--format", "json"];
    let plain = run(&cloud, home.path(), &target).await;
    let plain: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!(row(&plain, "scope"), &Value::Null);
    assert_eq!(row(&plain, "recent-change")["status"], "not-attempted");

    let said = [
        &target[..],
        &[
            "--scope",
            "everyone",
            "--since",
            "2m",
            "--user-path",
            "same",
        ],
        &[
            "--console",
            "login-prompt",
            "--seen",
            "guest-service=running",
        ],
    ]
    .concat();
    let output = run(&cloud, home.path(), &said).await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    for (id, state) in [
        ("scope", "everyone"),
        ("user-path", "same"),
        ("console", "login-prompt"),
        ("guest-service", "running"),
    ] {
        let row = row(&report, id);
        assert_eq!(
            (&row["state"], &row["source"]),
            (&state.into(), &"operator".into()),
            "{row}"
        );
    }
    // The change of the rules lies an hour back, before login began to fail.
    assert_eq!(
        row(&report, "recent-change")["state"],
        "relevant-before-onset"
    );
    assert_eq!(report["causes"][0]["id"], "security-group-blocks-port");
    // A rule edited after the failure began cannot be its cause.
    let mut by_onset = Vec::new();
    for (since, state) in [("2m", "relevant-before-onset"), ("5h", "after-onset")] {
        let said = [&target[..], &["--since", since]].concat();
        let output = run(&cloud, home.path(), &said).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(row(&report, "recent-change")["state"], state);
        by_onset.push(of_the_change(&report, "security-group-blocks-port"));
    }
    assert!(by_onset[0] > by_onset[1], "{by_onset:?}");
}

/// `cache-01` has no public address; its private path is healthy.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_the_users_decides_whether_a_private_instance_is_broken() {
    let cloud = demo::start(DemoOptions::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let target = ["diagnose", "cache-01", "--format", "json"];
    for (more, verdict, lead) in [
        (&[][..], "inconclusive", "no-public-ip"),
        (&["--user-way", "public"], "faulty", "no-public-ip"),
        (&["--user-way", "private"], "healthy", "no-fault-found"),
    ] {
        let output = run(&cloud, home.path(), &[&target[..], more].concat()).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["verdict"], verdict, "{more:?}");
        assert_eq!(report["causes"][0]["id"], lead, "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_each_question_is_taken_and_nothing_else() {
    let cloud = demo::start(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await
    .unwrap();
    let home = tempfile::tempdir().unwrap();
    let target = [
        "diagnose",
        "shop-api-01",
        "--vantage",
        "private",
        "--format",
        "json",
    ];
    for (flag, group) in [
        ("--scope", "scope"),
        ("--user-path", "user-path"),
        ("--console", "console"),
    ] {
        let states = &Knowledge::shipped().group(group).unwrap().states;
        let runs = states.iter().map(|state| {
            let arguments = [&target[..], &[flag, state]].concat();
            let (cloud, home) = (&cloud, home.path());
            async move { run(cloud, home, &arguments).await }
        });
        let outputs = futures_util::future::join_all(runs).await;
        for (state, output) in states.iter().zip(outputs) {
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(row(&report, group)["state"], state.as_str());
        }
    }
    for (flag, value, words) in [
        ("--scope", "nobody", "one-network"),
        ("--console", "blue", "is no state of console; there are"),
        (
            "--seen",
            "nonsense=1",
            "there is no evidence group `nonsense`",
        ),
        ("--seen", "console", "GROUP=STATE"),
        ("--since", "tomorrow", "is no moment"),
        ("--port", "0", "0"),
    ] {
        let output = run(&cloud, home.path(), &[&target[..], &[flag, value]].concat()).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {text}");
        assert!(text.contains(words), "{flag} {value}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_tells_a_fault_from_what_decides_nothing() {
    let cloud = demo::start(DemoOptions::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = home.path().join("printed");
    std::fs::write(&text, "the new password does not work").unwrap();
    let text = text.to_str().unwrap();
    let pasted = ["--error-text", text];
    for (targets, more, status, verdicts) in [
        (&["shop-web-01"][..], &[][..], 0, &["healthy"][..]),
        // The user's login fails, and nothing that was looked at says why.
        (&["shop-web-01"], &pasted, 4, &["inconclusive"]),
        (&["shop-api-01"], &[], 1, &["faulty"]),
        (
            &["shop-api-01", "shop-web-01"],
            &pasted,
            1,
            &["faulty", "inconclusive"],
        ),
        (&["shop-web-01", "nowhere"], &[], 3, &["healthy"]),
    ] {
        let arguments = [&["diagnose", "--format", "json"], targets, more].concat();
        let output = run(&cloud, home.path(), &arguments).await;
        let told: Vec<Value> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<&str> = told
            .iter()
            .filter_map(|it| it["verdict"].as_str())
            .collect();
        assert_eq!(told, verdicts, "{targets:?} {more:?}");
        assert_eq!(output.status.code(), Some(status), "{targets:?} {more:?}");
    }
}
