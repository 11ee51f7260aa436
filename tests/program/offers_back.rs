//! What a diagnosis offers can be done: each kind of offer goes back into `act` as the JSON gives
//! it, on the demo cloud, and is planned.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use cvmtop::demo::{self, DemoCloud, DemoOptions};
use futures_util::StreamExt as _;
use serde_json::Value;

async fn run(cloud: &DemoCloud, home: &Path, arguments: &[String]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["--endpoint", &cloud.endpoint])
        .args(cloud.regions.iter().flat_map(|region| ["--region", region]))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("TENCENTCLOUD_SECRET_ID", &cloud.secret_id)
        .env("TENCENTCLOUD_SECRET_KEY", &cloud.secret_key)
        .output()
        .await
        .unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// What is said of every instance of the demo, looked into.
async fn diagnosed(cloud: &DemoCloud, home: &Path, format: &str) -> String {
    let mut arguments = words(&["diagnose", "--deep", "--format", format]);
    arguments.extend(words(&["--user-source", "198.51.100.77"]));
    arguments.extend(cloud.script().into_iter().map(|(_, id, _)| id));
    let output = run(cloud, home, &arguments).await;
    String::from_utf8(output.stdout).unwrap()
}

/// What a person has to choose, because no fact tells it: it is asked for by its name.
const CHOSEN_BY_A_PERSON: [(&str, &str); 2] = [
    ("bind-key-pair", "key="),
    ("associate-security-group", "group="),
];

/// An offer: where it was made, its place there, and what it is.
struct Offer {
    instance: String,
    place: usize,
    action: Value,
}

impl Offer {
    fn id(&self) -> &str {
        self.action["id"].as_str().unwrap()
    }

    fn as_arguments(&self) -> Vec<String> {
        let mut arguments = words(&["act", &self.instance, self.id(), "--dry-run"]);
        for (name, value) in self.action["parameters"].as_object().into_iter().flatten() {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_offer_is_planned_as_it_is_made() {
    let cloud = demo::start(DemoOptions::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = diagnosed(&cloud, home.path(), "json").await;
    // One of each action, system, set of parameters and leading place.
    let mut offers = BTreeMap::new();
    for line in text.lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        for (place, action) in report["actions"].as_array().unwrap().iter().enumerate() {
            let names = action["parameters"].as_object().into_iter().flatten();
            let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
            let os = report["instance"]["os"].to_string();
            let kind = (action["id"].to_string(), os, names, place.min(3));
            offers.entry(kind).or_insert_with(|| Offer {
                instance: report["instance"]["id"].as_str().unwrap().to_owned(),
                place,
                action: action.clone(),
            });
        }
    }
    assert!(offers.len() > 40, "{}", offers.len());
    let tried = offers.values().map(async |offer| {
        let output = run(&cloud, home.path(), &offer.as_arguments()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let asked = CHOSEN_BY_A_PERSON.iter().any(|(id, name)| {
            *id == offer.id() && output.status.code() == Some(2) && said.contains(name)
        });
        // The bundle is a command of its own, which is named.
        let elsewhere = offer.id() == "ticket" && said.contains("cvmtop ticket TARGET");
        let ok = output.status.success() || asked || elsewhere;
        (!ok).then(|| {
            format!(
                "{:?} in place {}: {said}",
                offer.as_arguments(),
                offer.place
            )
        })
    });
    let wrong: Vec<String> = futures_util::stream::iter(tried)
        .buffer_unordered(4)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The commands of a text, each on one line; one that waits for a person's choice is left out.
fn commands(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].starts_with("cvmtop ") {
            at += 1;
            continue;
        }
        let mut command = String::new();
        while let Some(part) = lines[at].strip_suffix('\\') {
            command.push_str(part);
            at += 1;
        }
        command.push_str(lines[at]);
        at += 1;
        // What no reading tells is named beneath.
        if !lines.get(at).is_some_and(|next| next.contains("=…")) {
            all.push(command);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_the_text_is_taken_when_it_is_pasted() {
    let cloud = demo::start(DemoOptions::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = diagnosed(&cloud, home.path(), "text").await;
    let mut seen = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    let mut pasted = Vec::new();
    for command in commands(&text) {
        let mut parts = command.split(' ');
        let kind = parts.nth(1).unwrap().to_owned();
        // One of each action, guide and way of looking.
        let what = match kind.as_str() {
            "act" => parts.nth(1).unwrap_or_default().to_owned(),
            "guide" => parts.next().unwrap_or_default().to_owned(),
            _ => parts.next_back().unwrap_or_default().to_owned(),
        };
        kinds.insert(kind.clone());
        if seen.insert((kind.clone(), what)) {
            pasted.push((kind, command));
        }
    }
    for kind in ["act", "diagnose", "guide"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    assert!(pasted.len() > 25, "{pasted:#?}");
    let program = Path::new(env!("CARGO_BIN_EXE_cvmtop")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", program.display());
    let tried = pasted.iter().map(async |(kind, command)| {
        let line = match kind.as_str() {
            // Pasted as it stands it asks on the terminal; there is none here.
            "act" => format!("{command} --dry-run"),
            _ => format!("{command} </dev/null"),
        };
        let output = tokio::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(home.path())
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", &path)
            .env("TENCENTCLOUD_SECRET_ID", &cloud.secret_id)
            .env("TENCENTCLOUD_SECRET_KEY", &cloud.secret_key)
            .output()
            .await
            .unwrap();
        let taken = match kind.as_str() {
            // A verdict of its own.
            "diagnose" => matches!(output.status.code(), Some(0 | 1 | 4)),
            _ => output.status.success(),
        };
        (!taken).then(|| format!("{line}: {}", String::from_utf8_lossy(&output.stderr)))
    });
    let wrong: Vec<String> = futures_util::stream::iter(tried)
        .buffer_unordered(4)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
