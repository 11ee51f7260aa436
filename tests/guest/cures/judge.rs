//! One scenario: it works, it is broken, the program's offers are taken one after the other, and the
//! user's client says after each whether it helped.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::Scenario;
use super::table::{End, Row, Step};
use super::world::World;

const ID: &str = "ins-aaaa1111";
const MOST: usize = 3;

pub fn play(scenario: &Scenario, keys: &Path) -> Row {
    let mut row = Row::new(scenario);
    let started = Instant::now();
    if let Err(why) = walk(scenario, keys, &mut row) {
        row.end = End::Wrong(why);
    }
    row.seconds = started.elapsed().as_secs_f64();
    row
}

fn walk(scenario: &Scenario, keys: &Path, row: &mut Row) -> Result<(), String> {
    let mut world = World::new(keys)?;
    if !scenario.before.is_empty() {
        world.machine(&scenario.before)?;
    }
    let works = world.login(scenario)?;
    if !works.is_in {
        return Err(format!("it never works: {}", works.said.trim()));
    }
    // What the login left is no part of what is wrong.
    world.machine("for f in auth.log wtmp lastlog; do : >/var/log/$f; done")?;
    if !scenario.breaks.is_empty() {
        world.machine(&scenario.breaks)?;
    }
    if !scenario.cloud.is_empty() {
        world.cloud(&scenario.cloud)?;
    }
    let broken = world.login(scenario)?;
    if broken.is_in {
        return Err("it is not broken".to_owned());
    }
    let last = broken.said.lines().last().unwrap_or_default().trim();
    last.clone_into(&mut row.says);
    if std::env::var("RESTORED_BY").is_ok_and(|how| how == "heal") {
        return heal(scenario, &mut world, &broken.said, row);
    }
    if std::env::var_os("RESTORED_LEADS").is_some() {
        for told in ["", broken.said.as_str()] {
            look(scenario, &mut world, told, row)?;
        }
    }
    let mut text = broken.said;
    let mut tried = BTreeSet::new();
    for attempt in 1..=MOST {
        let offers = diagnose(scenario, &mut world, &text, row)?;
        let Some(offer) = offers
            .iter()
            .find(|o| is_runnable(o) && !tried.contains(&named(o)))
        else {
            break;
        };
        if attempt == 1 {
            row.advice_first = !is_runnable(&offers[0]);
        }
        tried.insert(named(offer));
        let before = if scenario.undo {
            world.state()?
        } else {
            Value::Null
        };
        let (step, entry) = act(scenario, &mut world, offer)?;
        row.steps.push(step);
        let login = world.login(scenario)?;
        row.steps.last_mut().unwrap().helped = login.is_in;
        if login.is_in {
            row.end = End::Restored;
            if scenario.undo {
                row.undo = undo(scenario, &mut world, &entry, &before)?;
            }
            return Ok(());
        }
        text = login.said;
    }
    row.end = if row.steps.is_empty() {
        End::AdviceOnly
    } else {
        End::NotRestored
    };
    Ok(())
}

fn is_runnable(offer: &Value) -> bool {
    !matches!(offer["id"].as_str(), Some("advice" | "ticket") | None)
}

fn named(offer: &Value) -> String {
    format!(
        "{} {}",
        offer["id"].as_str().unwrap_or_default(),
        offer["parameters"]
    )
}

fn user_source(scenario: &Scenario) -> &'static str {
    match scenario.place.as_str() {
        "office" => "192.168.7.7",
        "jump" => "10.0.1.5",
        _ => "203.0.113.7",
    }
}

/// The address of the user, where the operator gives it.
fn source(scenario: &Scenario) -> impl Iterator<Item = String> {
    let words = ["--user-source", user_source(scenario)].map(str::to_owned);
    words.into_iter().filter(|_| scenario.named)
}

/// What is known of the user: their address, account and what their client printed.
fn known(scenario: &Scenario, world: &World, text: &str) -> Vec<String> {
    let mut words: Vec<String> = ["--deep", "--format", "json", "--user", &scenario.user]
        .map(str::to_owned)
        .into();
    words.extend(source(scenario));
    if scenario.told && !text.trim().is_empty() {
        words.extend(["--error-text".to_owned(), world.note("text", text)]);
    }
    words
}

/// One command in place of the loop.
fn heal(scenario: &Scenario, world: &mut World, text: &str, row: &mut Row) -> Result<(), String> {
    let from = scenario.from.as_ref().unwrap_or(&scenario.place);
    let mut words: Vec<String> = ["heal", ID, "--yes", "--most", "3", "--risk", "high"]
        .map(str::to_owned)
        .into();
    words.extend(known(scenario, world, text));
    let ran = world.program(from, &words, 170)?;
    let report: Value = serde_json::from_str(ran.out.trim())
        .map_err(|e| format!("heal: {e}: {:?} {}{}", ran.status, ran.out, ran.err))?;
    for step in report["steps"].as_array().into_iter().flatten() {
        row.steps.push(Step {
            action: step["action"].as_str().unwrap_or("?").to_owned(),
            outcome: step["outcome"].as_str().unwrap_or("refused").to_owned(),
            back: step["login_back"].as_bool(),
            says: step["detail"].as_str().unwrap_or_default().to_owned(),
            seconds: ran.seconds,
            helped: false,
        });
    }
    row.seen
        .push(format!("{:.0} s: {}", ran.seconds, report["detail"]));
    let is_in = world.login(scenario)?.is_in;
    if let Some(last) = row.steps.last_mut() {
        last.helped = is_in;
    }
    row.end = match (is_in, row.steps.is_empty()) {
        (true, _) => End::Restored,
        (false, true) => End::AdviceOnly,
        (false, false) => End::NotRestored,
    };
    Ok(())
}

/// What leads when nobody looks inside.
fn look(scenario: &Scenario, world: &mut World, text: &str, row: &mut Row) -> Result<(), String> {
    let from = scenario.from.as_ref().unwrap_or(&scenario.place);
    let mut words = vec!["diagnose".to_owned(), ID.to_owned()];
    let known = known(scenario, world, text);
    words.extend(known.into_iter().filter(|word| word != "--deep"));
    let ran = world.program(from, &words, 90)?;
    let report: Value = serde_json::from_str(ran.out.trim())
        .map_err(|e| format!("diagnose: {e}: {:?} {}{}", ran.status, ran.out, ran.err))?;
    row.leads(&report);
    Ok(())
}

/// The offers, in their order.
fn diagnose(
    scenario: &Scenario,
    world: &mut World,
    text: &str,
    row: &mut Row,
) -> Result<Vec<Value>, String> {
    let from = scenario.from.as_ref().unwrap_or(&scenario.place);
    let mut words = vec!["diagnose".to_owned(), ID.to_owned()];
    words.extend(known(scenario, world, text));
    let ran = world.program(from, &words, 90)?;
    let report: Value = serde_json::from_str(ran.out.trim())
        .map_err(|e| format!("diagnose: {e}: {:?} {}{}", ran.status, ran.out, ran.err))?;
    let offers = report["actions"].as_array().cloned().unwrap_or_default();
    row.saw(&report, &offers, ran.seconds);
    Ok(offers)
}

/// Takes an offer as it stands.
fn act(scenario: &Scenario, world: &mut World, offer: &Value) -> Result<(Step, String), String> {
    let from = scenario.from.as_ref().unwrap_or(&scenario.place);
    let id = offer["id"].as_str().unwrap_or_default();
    let mut words = vec!["act".to_owned(), ID.to_owned(), id.to_owned()];
    for (name, value) in offer["parameters"].as_object().into_iter().flatten() {
        let value = match value {
            // What only a person knows.
            Value::Null if name == "mbps" => "20".to_owned(),
            Value::Null if name == "source" && !scenario.named => "here".to_owned(),
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        words.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    let action = words[2..].to_owned();
    words.extend(source(scenario));
    words.extend(["--yes", "--wait", "--format", "json"].map(str::to_owned));
    let ran = world.program(from, &words, 60)?;
    let report: Value = serde_json::from_str(ran.out.trim()).unwrap_or_default();
    let entry = report["entry"].as_str().unwrap_or_default().to_owned();
    let says = report["detail"]
        .as_str()
        .map_or_else(|| ran.err.trim().to_owned(), str::to_owned);
    let step = Step {
        action: action.join(" "),
        outcome: report["outcome"].as_str().unwrap_or("refused").to_owned(),
        back: report["login_back"].as_bool(),
        says,
        seconds: ran.seconds,
        helped: false,
    };
    Ok((step, entry))
}

/// What is not as it was before the action, once it is taken back; `None` where it says that it
/// cannot be.
fn undo(
    scenario: &Scenario,
    world: &mut World,
    entry: &str,
    before: &Value,
) -> Result<Option<Result<(), String>>, String> {
    let from = scenario.from.as_ref().unwrap_or(&scenario.place).clone();
    let words = ["journal", "--undo", entry, "--yes"].map(str::to_owned);
    let ran = world.program(&from, &words, 90)?;
    if ran.err.contains("cannot be taken back") {
        return Ok(None);
    }
    if ran.status != Some(0) {
        return Ok(Some(Err(format!(
            "{:?} {}{}",
            ran.status,
            ran.out.trim(),
            ran.err.trim()
        ))));
    }
    let after = world.state()?;
    let mut other = Vec::new();
    for part in ["files", "rules", "cloud"] {
        if before[part] == after[part] {
            continue;
        }
        match (before[part].as_object(), after[part].as_object()) {
            (Some(old), Some(new)) => {
                let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
                let differ = names
                    .into_iter()
                    .filter(|name| old.get(*name) != new.get(*name));
                other.extend(differ.map(|name| {
                    format!(
                        "{name}: {} -> {}",
                        old.get(name).unwrap_or(&Value::Null),
                        new.get(name).unwrap_or(&Value::Null)
                    )
                }));
            }
            _ => {
                let lines = |state: &Value| -> Vec<String> {
                    state[part]
                        .as_str()
                        .unwrap_or_default()
                        .lines()
                        .map(str::to_owned)
                        .collect()
                };
                let (old, new) = (lines(before), lines(&after));
                let gone = old
                    .iter()
                    .filter(|line| !new.contains(line))
                    .map(|line| format!("- {line}"));
                let more = new
                    .iter()
                    .filter(|line| !old.contains(line))
                    .map(|line| format!("+ {line}"));
                let before = other.len();
                other.extend(gone.chain(more));
                if other.len() == before {
                    other.push(format!("{part}: the same lines in another order or number"));
                }
            }
        }
    }
    if world.login(scenario)?.is_in {
        other.push("the user is still let in".to_owned());
    }
    Ok(Some(if other.is_empty() {
        Ok(())
    } else {
        Err(other.join("; "))
    }))
}
