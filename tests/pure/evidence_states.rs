//! Every state of the vocabulary of evidence has a test that produces it, and every group one that
//! leaves it unknown where that can happen. `data/evidence.toml` says which; this keeps it true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cvmtop::diagnosis::Knowledge;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    complete: BTreeMap<String, Complete>,
    /// States without a test yet, by group.
    awaited: BTreeMap<String, Vec<String>>,
    /// Group, state, test.
    states: BTreeMap<String, BTreeMap<String, String>>,
    unknown: BTreeMap<String, Unknown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Complete {
    test: String,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Unknown {
    groups: Vec<String>,
    not_permitted: String,
    probe_failed: String,
}

fn table() -> Table {
    toml::from_str(include_str!("../data/evidence.toml")).expect("data/evidence.toml")
}

/// A group's name, or all that begin with what stands before a `*`.
fn is_meant(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => id.starts_with(start),
        None => pattern == id,
    }
}

/// The source of a test function, and the whole file that it stands in.
fn source(test: &str) -> Result<(String, String), String> {
    let (file, name) = test.split_once("::").ok_or("no file::function")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let at = text
        .find(&format!("fn {name}("))
        .ok_or_else(|| format!("{file} has no function {name}"))?;
    let before: Vec<&str> = text[..at].lines().rev().take(4).collect();
    let is_test = before
        .iter()
        .take_while(|line| !line.starts_with('}'))
        .any(|line| line.trim().starts_with("#[test]") || line.trim().starts_with("#[tokio::test"));
    if !is_test {
        return Err(format!("{name} of {file} is no test"));
    }
    let indent = text[..at].lines().next_back().unwrap_or_default();
    let depth = indent.len() - indent.trim_start().len();
    let close = format!("\n{}}}", " ".repeat(depth));
    let end = text[at..].find(&close).map_or(text.len(), |end| at + end);
    Ok((text[at..end].to_owned(), with_data(&text)))
}

/// A test's file with the tables that it takes in.
fn with_data(text: &str) -> String {
    let mut all = text.to_owned();
    for piece in text.split("include_str!(\"../data/").skip(1) {
        let name = piece.split('"').next().unwrap_or_default();
        let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        all += &std::fs::read_to_string(path).expect("a table that a test takes in");
    }
    all
}

/// What is wrong with the claim that a test produces a state.
fn fault(test: &str, group: &str, state: &str) -> Option<String> {
    let claim = format!("{group} = {state}: {test}");
    let (body, file) = match source(test) {
        Ok(found) => found,
        Err(error) => return Some(format!("{claim}: {error}")),
    };
    // The typed constant names both at once.
    let name = |id: &str| id.replace('-', "_");
    let constant = format!("{}::{}", name(group), name(state).to_uppercase());
    if body.contains(&constant) {
        return None;
    }
    let quoted = format!("\"{state}\"");
    // `failure-3` is made of its number, and a table may stand outside of the function.
    let (stem, _) = state.rsplit_once('-').unwrap_or((state, ""));
    let named = body.contains(&quoted)
        || body.contains(&format!("\"{stem}-{{"))
        || (body.contains("ROWS") && file.contains(&quoted));
    let of_group = body.contains(&format!("\"{group}\""))
        || (body.contains("ROWS") && file.contains(group))
        || (group == "reach" && body.contains("reach("))
        || (group == "pasted-error" && body.contains("recognise("));
    (!named || !of_group).then(|| format!("{claim}: the test does not name them"))
}

#[test]
fn every_state_of_the_vocabulary_is_produced_by_a_test() {
    let table = table();
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for group in &Knowledge::shipped().evidence {
        let id = group.id.as_str();
        known.insert(id);
        let awaited = table.awaited.get(id).map_or(&[][..], Vec::as_slice);
        let gone = awaited.iter().filter(|s| !group.states.contains(s));
        faults.extend(gone.map(|state| format!("{id} has no state {state} to wait for")));
        if !awaited.is_empty() && group.states.iter().all(|s| awaited.contains(s)) {
            continue;
        }
        let complete: Vec<&Complete> = table
            .complete
            .values()
            .filter(|entry| entry.groups.iter().any(|pattern| is_meant(pattern, id)))
            .collect();
        let single = table.states.get(id);
        match (complete.as_slice(), single) {
            ([entry], None) => match source(&entry.test) {
                Ok((body, _)) if body.contains("Knowledge::shipped()") => {}
                Ok(_) => faults.push(format!("{}: compares with nothing", entry.test)),
                Err(error) => faults.push(error),
            },
            ([], Some(states)) => {
                for state in group.states.iter().filter(|s| !awaited.contains(s)) {
                    match states.get(state).or_else(|| states.get("*")) {
                        Some(test) => faults.extend(fault(test, id, state)),
                        None => faults.push(format!("{id} = {state}: nothing produces it")),
                    }
                }
                let gone = states
                    .keys()
                    .filter(|state| *state != "*" && !group.states.contains(state));
                faults.extend(gone.map(|state| format!("{id} has no state {state}")));
            }
            ([], None) => faults.push(format!("{id}: nothing produces its states")),
            _ => faults.push(format!("{id} stands in several places")),
        }
    }
    let gone = table
        .states
        .keys()
        .filter(|id| !known.contains(id.as_str()));
    faults.extend(gone.map(|id| format!("there is no group {id}")));
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_group_has_a_test_that_leaves_it_unknown_or_a_reason_why_not() {
    let table = table();
    let mut faults = Vec::new();
    for group in &Knowledge::shipped().evidence {
        let id = group.id.as_str();
        let entries: Vec<&Unknown> = table
            .unknown
            .values()
            .filter(|entry| entry.groups.iter().any(|pattern| is_meant(pattern, id)))
            .collect();
        let [entry] = entries.as_slice() else {
            faults.push(format!("{id}: {} places", entries.len()));
            continue;
        };
        for (status, variant, claim) in [
            ("not-permitted", "NotPermitted", &entry.not_permitted),
            ("probe-failed", "ProbeFailed", &entry.probe_failed),
        ] {
            if claim
                .strip_prefix("never: ")
                .is_some_and(|why| !why.is_empty())
            {
                continue;
            }
            match source(claim) {
                Ok((body, _)) => {
                    // The judge of a part returns nothing where the part could not be had.
                    let says = body.contains(variant)
                        || body.contains(status)
                        || claim.starts_with("src/") && body.contains("None");
                    if !says {
                        faults.push(format!("{id} {status}: {claim} does not name it"));
                    }
                }
                Err(error) => faults.push(format!("{id} {status}: {error}")),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_claim_that_is_not_true_is_found() {
    for (test, group, state) in [
        ("tests/nowhere.rs::a_test", "reach", "open"),
        (
            "tests/pure/evidence_states.rs::no_such_test",
            "reach",
            "open",
        ),
        ("tests/pure/evidence_states.rs::is_meant", "reach", "open"),
    ] {
        assert!(fault(test, group, state).is_some(), "{test}");
    }
    let test = "tests/loopback/probe_faults.rs::a_full_accept_queue_is_silence";
    assert!(fault(test, "reach", "all-silent").is_none());
    assert!(fault(test, "reach", "flaky").is_some());
    assert!(fault(test, "guest-pam", "all-silent").is_some());
}
