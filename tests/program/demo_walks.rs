//! The walk of an operator over every broken instance of the demo: the cause at the first look, the cause
//! after a look inside, and what the first action comes to.
//!
//! The user is this host, so that the same probes can tell. The counts are floors: a change that makes
//! one worse says so here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use cvmtop::demo::{self, DemoCloud, DemoOptions};
use futures_util::StreamExt as _;
use serde_json::Value;

/// Of so many broken instances, as many are told right at the first look and after the look inside.
const BROKEN: usize = 73;
const RIGHT_AT_FIRST: usize = 52;
const RIGHT_INSIDE: usize = 70;
/// First actions that a program can carry out, and those of them after which login is back.
const RUNS: usize = 54;
const HEALS: usize = 48;

async fn run(cloud: &DemoCloud, home: &Path, arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["--endpoint", &cloud.endpoint])
        .args(cloud.regions.iter().flat_map(|region| ["--region", region]))
        .args(arguments)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("TENCENTCLOUD_SECRET_ID", &cloud.secret_id)
        .env("TENCENTCLOUD_SECRET_KEY", &cloud.secret_key)
        .output()
        .await
        .unwrap()
}

/// Reports by the instance's name.
async fn look(cloud: &DemoCloud, home: &Path, ids: &[&str], deep: bool) -> BTreeMap<String, Value> {
    let mut arguments = vec!["diagnose", "--format", "json"];
    if deep {
        arguments.push("--deep");
    }
    arguments.extend(ids);
    let output = run(cloud, home, &arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let reports = text.lines().map(|line| {
        let report: Value = serde_json::from_str(line).unwrap();
        let name = report["instance"]["name"].as_str().unwrap().to_owned();
        (name, report)
    });
    reports.collect()
}

fn leads(report: &Value) -> &str {
    report["causes"][0]["id"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_instance_is_walked_from_its_symptom_to_its_first_action() {
    let options = DemoOptions {
        rate_limits: false,
        ..DemoOptions::default()
    };
    let cloud = demo::start(options).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let script = cloud.script();
    let broken: Vec<_> = script
        .iter()
        .filter(|(.., cause)| !cause.is_empty())
        .collect();
    let ids: Vec<&str> = broken.iter().map(|(_, id, _)| id.as_str()).collect();
    let first = look(&cloud, home.path(), &ids, false).await;
    let inside = look(&cloud, home.path(), &ids, true).await;

    let mut table = Vec::new();
    let (mut at_first, mut after) = (0, 0);
    let mut to_run = Vec::new();
    for (name, id, cause) in &broken {
        let told = [&first[name], &inside[name]].map(|report| leads(report) == cause);
        at_first += usize::from(told[0]);
        after += usize::from(told[1]);
        let offer = inside[name]["actions"][0]["id"].as_str().unwrap_or("none");
        if !["advice", "ticket", "none"].contains(&offer) {
            to_run.push((name.as_str(), id.as_str(), offer));
        }
        if told != [true, true] {
            let led = leads(&first[name]);
            table.push(format!(
                "{name} ({cause}): {led}, inside {}",
                leads(&inside[name])
            ));
        }
    }
    let walks = to_run.iter().map(|(name, id, offer)| {
        let (cloud, home) = (&cloud, home.path());
        async move {
            let words = ["act", id, "--next", "--deep", "--yes", "--wait"];
            let words = [&words[..], &["--user-source", "127.0.0.1"]].concat();
            let output = run(cloud, home, &words).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = said.lines().last().unwrap_or_default().to_owned();
            (output.status.success(), format!("{name} {offer}: {last}"))
        }
    });
    let walks: Vec<(bool, String)> = futures_util::stream::iter(walks)
        .buffer_unordered(4)
        .collect()
        .await;
    let healed = walks.iter().filter(|(healed, _)| *healed).count();
    let failed = walks.iter().filter(|(healed, _)| !healed);
    table.extend(failed.map(|(_, walk)| walk.clone()));
    println!(
        "{at_first} of {} at the first look, {after} inside; {healed} of {} first actions heal\n  {}",
        broken.len(),
        to_run.len(),
        table.join("\n  ")
    );
    assert_eq!(broken.len(), BROKEN);
    assert!(at_first >= RIGHT_AT_FIRST, "{at_first}: {table:#?}");
    assert!(after >= RIGHT_INSIDE, "{after}: {table:#?}");
    assert!(to_run.len() >= RUNS, "{}", to_run.len());
    assert!(healed >= HEALS, "{healed}: {table:#?}");
}
