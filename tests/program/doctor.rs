//! `cvmtop doctor` and `cvmtop config` of the real binary.

use std::process::{Command, Output};

use cvmtop::demo::{self, DemoCloud, DemoOptions, Fault, Faults};
use cvmtop::domain::site::Site;
use serde_json::Value;

async fn run(home: &std::path::Path, cloud: Option<&DemoCloud>, arguments: &[&str]) -> Output {
    run_with(home, cloud, arguments, &[]).await
}

async fn run_with(
    home: &std::path::Path,
    cloud: Option<&DemoCloud>,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cvmtop"));
    command
        .args(arguments)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home)
        .env("CVMTOP_STATE_DIR", home.join("state"))
        .env("CVMTOP_CVM_ROLE", "false")
        .envs(variables.iter().copied());
    if let Some(cloud) = cloud {
        command
            .env("CVMTOP_ENDPOINT", &cloud.endpoint)
            .env("CVMTOP_REGION", &cloud.regions[0])
            .env("TENCENTCLOUD_SECRET_ID", &cloud.secret_id)
            .env("TENCENTCLOUD_SECRET_KEY", &cloud.secret_key);
    }
    tokio::task::spawn_blocking(move || command.output().expect("cvmtop starts"))
        .await
        .expect("task")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn cloud(options: DemoOptions) -> DemoCloud {
    demo::start(DemoOptions {
        hosts: false,
        ..options
    })
    .await
    .expect("demo")
}

fn level(report: &Value, subject: &str) -> String {
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["subject"] == subject);
    let check = check.unwrap_or_else(|| panic!("nothing about {subject}: {report:#}"));
    check["level"].as_str().expect("level").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_permitted_from_refused_and_names_the_clock() {
    let cloud = cloud(DemoOptions {
        clock_offset_s: 3600,
        ..DemoOptions::default()
    })
    .await;
    cloud.set_faults(Faults::default().with("DescribeNetworkAcls", Fault::Unauthorised, 99));
    let home = tempfile::tempdir().expect("home");
    let output = run(home.path(), Some(&cloud), &["doctor", "--format", "json"]).await;
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(level(&report, "identity"), "ok");
    assert_eq!(level(&report, "cvm:DescribeInstances"), "ok");
    assert_eq!(level(&report, "vpc:DescribeSecurityGroupPolicies"), "ok");
    assert_eq!(level(&report, "vpc:DescribeNetworkAcls"), "warn");
    assert_eq!(level(&report, "billing:DescribeAccountBalance"), "warn");
    assert_eq!(
        level(&report, "vpc:DescribeNetworkAclQuintupleEntries"),
        "not-tested"
    );
    assert_eq!(level(&report, "clock"), "fail");
    assert_eq!(level(&report, "config"), "ok");
    assert_eq!(output.status.code(), Some(1), "the clock failed");
    let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains(&cloud.secret_key), "a secret was printed");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_what_is_wrong_in_one_sentence_each() {
    let home = tempfile::tempdir().expect("home");
    let output = run(home.path(), None, &["doctor", "--region", "ap-seoul"]).await;
    let text = stdout(&output);
    assert!(
        text.contains("TENCENTCLOUD_SECRET_ID") && text.contains("--demo"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));

    let mut cloud = cloud(DemoOptions::default()).await;
    cloud.secret_key = "wrong".to_owned();
    let text = stdout(&run(home.path(), Some(&cloud), &["doctor"]).await);
    assert!(text.contains("AuthFailure.SignatureFailure"), "{text}");

    cloud.endpoint = "http://127.0.0.1:9".to_owned();
    let text = stdout(&run(home.path(), Some(&cloud), &["doctor"]).await);
    assert!(text.contains("127.0.0.1:9 gave no answer"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_international_site_is_diagnosed_and_acted_on() {
    let cloud = demo::start(DemoOptions {
        site: Site::International,
        rate_limits: false,
        reboot: std::time::Duration::from_secs(1),
        ..DemoOptions::default()
    })
    .await
    .expect("demo");
    let home = tempfile::tempdir().expect("home");
    let run = async |arguments: &[&str]| {
        let site = ["--region", "all"];
        let arguments = [&site[..], arguments].concat();
        run_with(
            home.path(),
            Some(&cloud),
            &arguments,
            &[("CVMTOP_SITE", "international")],
        )
        .await
    };
    let report: Value =
        serde_json::from_str(&stdout(&run(&["doctor", "--format", "json"]).await)).expect("JSON");
    let detail = |subject: &str| -> String {
        let checks = report["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["subject"] == subject);
        check.expect("a check")["detail"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    assert!(
        detail("site").starts_with("international, at"),
        "{}",
        detail("site")
    );
    for lacking in ["cvm:DescribeTaskInfo", "vpc:DescribeNetworkAccountType"] {
        assert!(
            detail(lacking).starts_with("not on this site (InvalidAction)"),
            "{lacking}"
        );
    }
    // The groups that rest on the missing actions are told from what there is.
    let output = run(&["diagnose", "shop-web-01", "--format", "json"]).await;
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let row = |id: &str| {
        let rows = report["evidence"].as_array().expect("rows");
        rows.iter()
            .find(|row| row["id"] == id)
            .expect("a row")
            .clone()
    };
    let event = row("platform-event");
    assert_eq!(event["state"], "none", "{event}");
    let words = event["detail"].as_str().expect("text");
    assert!(
        words.contains("does not offer cvm:DescribeTaskInfo"),
        "{words}"
    );
    assert_eq!(row("public-bandwidth")["status"], "observed");
    for monitored in ["cpu", "memory", "bandwidth-use"] {
        assert_eq!(row(monitored)["status"], "observed", "{monitored}");
    }
    // There a call takes the figures of 10 instances: more targets are asked about in parts.
    let listed = stdout(&run(&["list", "--format", "json"]).await);
    let running: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|instance| instance["state"] == "RUNNING")
        .filter_map(|instance| instance["id"].as_str().map(str::to_owned))
        .take(25)
        .collect();
    let words: Vec<&str> = running.iter().map(String::as_str).collect();
    let together = run(&[&["diagnose", "--format", "json"], &words[..]].concat()).await;
    let together = stdout(&together);
    assert_eq!(together.lines().count(), 25);
    for line in together.lines() {
        let report: Value = serde_json::from_str(line).expect("JSON");
        let rows = report["evidence"].as_array().expect("rows");
        for row in rows.iter().filter(|row| row["id"] == "cpu") {
            assert_eq!(row["status"], "observed", "{row}");
        }
    }
    let act = async |words: &[&str]| {
        let output = run(words).await;
        let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (status, said) = act(&[
        "act",
        "docs-01",
        "raise-bandwidth",
        "--set",
        "mbps=20",
        "--yes",
    ])
    .await;
    assert_eq!(status, Some(0), "{said}");
    let (_, shown) = act(&[
        "act",
        "docs-01",
        "raise-bandwidth",
        "--set",
        "mbps=30",
        "--dry-run",
    ])
    .await;
    assert!(shown.contains(" USD per hour"), "{shown}");
    // What is not there is said beforehand, and again when it is refused.
    let (_, shown) = act(&["act", "docs-01", "vnc-url", "--dry-run"]).await;
    assert!(
        shown.contains("international site does not know cvm:DescribeInstanceVncUrl"),
        "{shown}"
    );
    let (status, said) = act(&["act", "docs-01", "vnc-url", "--yes"]).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("does not offer cvm:DescribeInstanceVncUrl (InvalidAction)"),
        "{said}"
    );
    let (_, said) = act(&["act", "erp-01", "authorize-repair", "--dry-run"]).await;
    assert!(
        said.contains("does not offer cvm:DescribeTaskInfo"),
        "{said}"
    );
}

#[tokio::test]
async fn doctor_prints_policies() {
    let home = tempfile::tempdir().expect("home");
    let output = run(home.path(), None, &["doctor", "--policy", "open-port"]).await;
    let policy: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let actions = policy["statement"][0]["action"]
        .as_array()
        .expect("actions");
    assert!(
        actions
            .iter()
            .any(|action| action == "vpc:CreateSecurityGroupPolicies")
    );
    let output = run(home.path(), None, &["doctor", "--policy", "nothing"]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn config_commands_say_what_is_in_force_and_what_is_wrong() {
    let home = tempfile::tempdir().expect("home");
    let default = run(home.path(), None, &["config", "default"]).await;
    assert!(stdout(&default).contains("# endpoint = "));
    let file = home.path().join("c.toml");
    std::fs::write(&file, "[ui]\ntheme = \"light\"\nmouze = true\n").expect("config");
    let path = file.display().to_string();
    let show = run(
        home.path(),
        None,
        &["config", "show", "--config", &path, "--lang", "ko"],
    )
    .await;
    let text = stdout(&show);
    assert!(
        text.lines()
            .any(|l| l.starts_with("ui.theme") && l.contains("c.toml:2")),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|l| l.starts_with("ui.lang") && l.contains("옵션(--lang)")),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|l| l.starts_with("cloud.cvm_role") && l.contains("CVMTOP_CVM_ROLE")),
        "{text}"
    );
    assert_eq!(show.status.code(), Some(0));
    let check = run(home.path(), None, &["config", "check", "--config", &path]).await;
    let errors = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        errors.contains("c.toml:3: ui.mouze is not a known key; did you mean `ui.mouse`?"),
        "{errors}"
    );
    assert_eq!(check.status.code(), Some(2));
    let absent = run(
        home.path(),
        None,
        &["config", "check", "--config", "/no/such.toml"],
    )
    .await;
    assert_eq!(absent.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(errors.contains("/no/such.toml"), "{errors}");
}
