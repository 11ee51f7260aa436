//! What goes wrong outside the program is told in one clear sentence, and whatever can still be
//! shown is shown.

use std::process::{Command, Output};

use cvmtop::demo::{self, DemoCloud, DemoOptions, Fault, Faults};

/// Everything a run of the real program needs.
struct Run {
    home: tempfile::TempDir,
    endpoint: String,
    id: String,
    key: String,
    config: String,
}

impl Run {
    fn on(cloud: &DemoCloud) -> Self {
        Self {
            home: tempfile::tempdir().expect("a temporary home"),
            endpoint: cloud.endpoint.clone(),
            id: cloud.secret_id.clone(),
            key: cloud.secret_key.clone(),
            config: "[cloud]\ncvm_role = false\n".to_owned(),
        }
    }

    /// Runs `cvmtop ARGUMENTS` without blocking the demo cloud's runtime.
    async fn cvmtop(&self, arguments: &[&str]) -> Output {
        let config = self.home.path().join("config.toml");
        std::fs::write(&config, &self.config).expect("the config is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cvmtop"));
        command
            .args(arguments)
            .args(["--endpoint", &self.endpoint, "--config"])
            .arg(&config)
            .env_clear()
            // Wide enough that no sentence is broken.
            .env("COLUMNS", "400")
            .env("HOME", self.home.path())
            .env("PATH", std::env::var("PATH").unwrap_or_default());
        if !self.id.is_empty() {
            command
                .env("TENCENTCLOUD_SECRET_ID", &self.id)
                .env("TENCENTCLOUD_SECRET_KEY", &self.key);
        }
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("no panic")
            .expect("the program runs")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The error is one sentence that holds all of `parts`, and no secret.
fn expect_sentence(output: &Output, status: i32, parts: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "not one sentence: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "`{part}` is not in: {stderr}");
    }
    assert!(
        !stderr.contains(demo::SECRET_KEY),
        "a secret is told: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
}

async fn cloud(options: DemoOptions) -> DemoCloud {
    demo::start(options).await.expect("the demo cloud starts")
}

const LIST: &[&str] = &["list", "--no-probe", "--region", "ap-seoul"];

#[tokio::test(flavor = "multi_thread")]
async fn wrong_or_missing_credentials_are_told_apart() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await;
    let mut run = Run::on(&cloud);
    run.key = "not-the-key".to_owned();
    let output = run.cvmtop(LIST).await;
    let stderr = text(&output.stderr);
    assert!(stderr.contains("AuthFailure.SignatureFailure"), "{stderr}");
    assert!(!stderr.contains("not-the-key"), "{stderr}");
    assert_eq!(output.status.code(), Some(3), "{stderr}");

    run.id = "AKIDnobody".to_owned();
    let stderr = text(&run.cvmtop(LIST).await.stderr);
    assert!(stderr.contains("AuthFailure.SecretIdNotFound"), "{stderr}");

    run.id.clear();
    let output = run.cvmtop(LIST).await;
    expect_sentence(
        &output,
        2,
        &["no credentials found", "TENCENTCLOUD_SECRET_ID", "--demo"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_target_is_named_with_where_it_was_sought() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await;
    let run = Run::on(&cloud);
    let output = run
        .cvmtop(&["diagnose", "no-such-thing", "--region", "ap-seoul"])
        .await;
    expect_sentence(&output, 3, &["`no-such-thing` was not found in ap-seoul"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_off_by_an_hour_is_corrected_for_reading() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        clock_offset_s: 3600,
        ..DemoOptions::default()
    })
    .await;
    let run = Run::on(&cloud);
    let output = run.cvmtop(LIST).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("shop-api-01"));
    let output = run.cvmtop(&["doctor", "--region", "ap-seoul"]).await;
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(
        all.contains("clock")
            && (all.contains("60 min") || all.contains("1 h") || all.contains("3600")),
        "{all}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_is_named() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await;
    let mut run = Run::on(&cloud);
    // A port that was free a moment ago, on loopback: nobody answers there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    run.endpoint = format!("http://{address}");
    let output = run.cvmtop(LIST).await;
    expect_sentence(
        &output,
        3,
        &["127.0.0.1", "gave no answer", "check the endpoint"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_fails_does_not_hide_the_others() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await;
    let run = Run::on(&cloud);
    let output = run
        .cvmtop(&[
            "list",
            "--no-probe",
            "--region",
            "ap-seoul",
            "--region",
            "ap-nowhere",
        ])
        .await;
    expect_sentence(&output, 0, &["ap-nowhere", "UnsupportedRegion"]);
    assert!(text(&output.stdout).contains("shop-api-01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_an_unknown_and_all_else_goes_on() {
    let faults = Faults::default().with("DescribeSecurityGroupPolicies", Fault::Unauthorised, 1000);
    let cloud = cloud(DemoOptions {
        faults,
        ..DemoOptions::default()
    })
    .await;
    let run = Run::on(&cloud);
    let output = run
        .cvmtop(&[
            "diagnose",
            "shop-api-01",
            "--region",
            "ap-seoul",
            "--format",
            "json",
        ])
        .await;
    let report: serde_json::Value = serde_json::from_str(&text(&output.stdout))
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let evidence = report["evidence"].as_array().expect("evidence");
    let find = |id: &str| {
        evidence
            .iter()
            .find(|r| r["id"] == id)
            .unwrap_or_else(|| panic!("no {id}"))
    };
    let group = find("security-group");
    assert_eq!(group["status"], "not-permitted", "{group}");
    assert!(group["state"].is_null(), "{group}");
    assert_eq!(group["needs"], "vpc:DescribeSecurityGroupPolicies");
    assert_eq!(find("instance-state")["state"], "running");
    for cause in report["causes"].as_array().expect("causes") {
        let used = cause["contributions"].as_array().expect("contributions");
        assert!(
            used.iter().all(|c| c["evidence"] != "security-group"),
            "{cause}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_config_line_is_named_and_the_rest_is_used() {
    let cloud = cloud(DemoOptions {
        hosts: false,
        ..DemoOptions::default()
    })
    .await;
    let mut run = Run::on(&cloud);
    run.config.push_str("\n[ui]\nthem = \"dark\"\n");
    let output = run.cvmtop(LIST).await;
    expect_sentence(&output, 0, &["config.toml:5", "them", "theme"]);
    assert!(text(&output.stdout).contains("shop-api-01"));
    let output = run.cvmtop(&["config", "check"]).await;
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn wrong_usage_is_status_2() {
    for arguments in [
        &["diagnose"][..],
        &["list", "--format", "xml"],
        &["no-such-command-at-all", "x"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(arguments)
            .output()
            .expect("the program runs");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }
}
