//! The labelled suite judged on its own: words of the contract, counts, physics, frozen half.
//!
//! Lives here: what makes the suite fit to judge the engine. Must not live here: scores.

use crate::support::scenarios;
use crate::support::variants;
use crate::support::vocabulary;
use std::collections::{BTreeMap, BTreeSet};

use scenarios::{Rows, Scenario, Suite, Value};
use variants::{Profile, expand};
use vocabulary::{CAUSES, Systems};

const STATUSES: &[&str] = &[
    "not-attempted",
    "not-permitted",
    "probe-failed",
    "not-applicable",
    "stale",
    "void",
];
const KINDS: &[&str] = &[
    "single",
    "compound",
    "ambiguous",
    "healthy",
    "out-of-catalogue",
];

fn known_cause(id: &str, os: &str) -> bool {
    matches!(id, "no-fault-found" | "other-unlisted")
        || CAUSES
            .iter()
            .any(|(cause, systems, _)| *cause == id && systems.includes(os))
}

fn count(suite: &Suite, kind: &str) -> usize {
    suite
        .scenarios
        .iter()
        .filter(|s| s.written.kind == kind)
        .count()
}

/// Rows that a scenario sets, in the states it may take, are words of the contract.
fn check_words(s: &Scenario, mistakes: &mut Vec<String>) {
    let w = &s.written;
    let mut bad = |what: String| mistakes.push(format!("{}: {what}", w.name));
    for (key, row) in &s.rows {
        let Some(group) = vocabulary::group(&key.id) else {
            bad(format!("no group `{}`", key.id));
            continue;
        };
        if group.per_path != key.path.is_some() {
            bad(format!(
                "`{}` has a path where it should not, or none where it should",
                key.id
            ));
        }
        let rescue = s
            .rows
            .iter()
            .any(|(k, r)| k.id == "instance-state" && r.state() == Some("rescue"));
        if !group.os.includes(&s.surroundings.os) && !rescue {
            bad(format!(
                "`{}` does not exist on {}",
                key.id, s.surroundings.os
            ));
        }
        match &row.value {
            Value::Status(status) if !STATUSES.contains(&status.as_str()) => {
                bad(format!("`{}` has no status `{status}`", key.id));
            }
            Value::Status(_) => {}
            Value::States(states) => {
                for state in states
                    .iter()
                    .filter(|s| !group.states.contains(&s.as_str()))
                {
                    bad(format!("`{}` has no state `{state}`", key.id));
                }
            }
        }
    }
    let errors = vocabulary::group("pasted-error")
        .expect("part of the contract")
        .states;
    for error in w.errors.iter().filter(|e| !errors.contains(&e.as_str())) {
        bad(format!("no pasted error `{error}`"));
    }
    if !KINDS.contains(&w.kind.as_str()) {
        bad(format!("no kind `{}`", w.kind));
    }
    let named = [&w.cause]
        .into_iter()
        .chain(&w.also)
        .chain(&w.acceptable)
        .chain(&w.distractors);
    for cause in named.filter(|cause| !known_cause(cause, &s.surroundings.os)) {
        bad(format!("no cause `{cause}` on {}", s.surroundings.os));
    }
    if w.note.len() < 12 {
        bad("says nothing about why".to_owned());
    }
    if w.distractors
        .iter()
        .any(|d| *d == w.cause || w.also.contains(d))
    {
        bad("names its own cause as a distractor".to_owned());
    }
}

/// What is labelled how follows from the kind.
fn check_label(s: &Scenario, mistakes: &mut Vec<String>) {
    let w = &s.written;
    let right = match w.kind.as_str() {
        "healthy" => w.cause == "no-fault-found" && w.also.is_empty(),
        "out-of-catalogue" => w.cause == "other-unlisted" && w.also.is_empty(),
        "compound" => w.also.len() == 1,
        "ambiguous" => {
            w.acceptable.len() >= 2 && w.acceptable.contains(&w.cause) && w.lead_at_most.is_some()
        }
        _ => w.also.is_empty() && w.acceptable.is_empty(),
    };
    if !right {
        mistakes.push(format!(
            "{}: the label does not fit the kind `{}`",
            w.name, w.kind
        ));
    }
}

/// Nothing was observed that could not have been.
fn check_physics(case: &str, rows: &Rows, mistakes: &mut Vec<String>) {
    let states = |id: &'static str| {
        rows.iter()
            .filter(move |(k, _)| k.id == id)
            .filter_map(|(k, r)| r.state().map(|s| (k, s)))
    };
    for id in [
        "banner",
        "kex",
        "rdp-negotiation",
        "path-quality",
        "path-mtu",
    ] {
        for (key, _) in states(id) {
            let reach = states("reach").find(|(k, _)| k.path == key.path && k.ipv6 == key.ipv6);
            if !reach.is_some_and(|(_, s)| matches!(s, "open" | "open-login-only" | "flaky")) {
                mistakes.push(format!(
                    "{case}: `{id}` was read through a port that is not open"
                ));
            }
        }
    }
    let public = states("public-address").next().map(|(_, s)| s);
    if matches!(public, Some("none" | "unbound")) && states("public-bandwidth").next().is_some() {
        mistakes.push(format!("{case}: bandwidth of an address that is not there"));
    }
    let state = states("instance-state").next().map(|(_, s)| s);
    if matches!(state, Some("stopped" | "terminating" | "launch-failed")) {
        let alive = states("reach").any(|(_, s)| s != "all-silent" && s != "admin-prohibited")
            || states("agent").any(|(_, s)| s == "online")
            || states("cpu").any(|(_, s)| s != "no-data");
        if alive {
            mistakes.push(format!(
                "{case}: a machine without power answers or is measured"
            ));
        }
    }
    let offline = states("agent").any(|(_, s)| s != "online");
    if offline && states("agent-exec").next().is_some() {
        mistakes.push(format!(
            "{case}: a command ran through an agent that is not there"
        ));
    }
}

#[test]
fn every_word_is_of_the_contract_and_every_label_fits() {
    let suite = Suite::load();
    let mut mistakes = Vec::new();
    let mut names = BTreeSet::new();
    for scenario in &suite.scenarios {
        if !names.insert(&scenario.written.name) {
            mistakes.push(format!("{}: named twice", scenario.written.name));
        }
        check_words(scenario, &mut mistakes);
        check_label(scenario, &mut mistakes);
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn nothing_is_observed_that_could_not_have_been() {
    let suite = Suite::load();
    let mut mistakes = Vec::new();
    for case in expand(&suite) {
        // A wrong reading is there to contradict; a lost one may have been what the others rest on.
        if !matches!(case.profile, Profile::OneWrong | Profile::Missing40) {
            check_physics(&case.id(), &case.rows, &mut mistakes);
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_cause_is_covered_in_three_surroundings() {
    let suite = Suite::load();
    let mut missing = Vec::new();
    for (cause, systems, _) in CAUSES {
        let of_cause: Vec<&Scenario> = suite
            .scenarios
            .iter()
            .filter(|s| s.written.cause == *cause && s.written.kind == "single")
            .collect();
        let settings: BTreeSet<String> = of_cause
            .iter()
            .map(|s| format!("{} {:?}", s.written.from, s.written.with))
            .collect();
        if of_cause.len() < 3 || settings.len() < 3 {
            missing.push(format!(
                "{cause}: {} in {} surroundings",
                of_cause.len(),
                settings.len()
            ));
        }
        let both = ["linux", "windows"]
            .iter()
            .all(|os| of_cause.iter().any(|s| s.surroundings.os == *os));
        if *systems == Systems::Both && !both {
            missing.push(format!("{cause}: not on both systems"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn there_are_enough_of_each_kind() {
    let suite = Suite::load();
    assert!(
        count(&suite, "single") >= 150,
        "{} single",
        count(&suite, "single")
    );
    assert!(
        count(&suite, "compound") >= 15,
        "{} compound",
        count(&suite, "compound")
    );
    assert!(
        count(&suite, "ambiguous") >= 8,
        "{} ambiguous",
        count(&suite, "ambiguous")
    );
    assert!(
        count(&suite, "healthy") >= 15,
        "{} healthy",
        count(&suite, "healthy")
    );
    assert!(
        count(&suite, "out-of-catalogue") >= 12,
        "{} unlisted",
        count(&suite, "out-of-catalogue")
    );
    assert!(expand(&suite).len() >= 1000);
}

#[test]
fn variants_are_the_same_every_time() {
    // Every seventh, since writing thousands of cases as JSON twice is slow without optimisation.
    let suite = Suite::load();
    let lines = |suite: &Suite| -> Vec<String> {
        expand(suite)
            .iter()
            .step_by(7)
            .map(|case| case.json().to_string())
            .collect()
    };
    assert_eq!(lines(&suite), lines(&Suite::load()));
}

/// The half that tuning never sees is frozen: a change must be deliberate, with its reason in the
/// commit, and the new hash written to `hold.toml`.
#[test]
fn the_held_out_half_is_frozen() {
    let suite = Suite::load();
    let families: BTreeSet<&str> = suite
        .scenarios
        .iter()
        .map(|s| s.written.family.as_str())
        .collect();
    for family in &suite.hold.families {
        assert!(
            families.contains(family.as_str()),
            "hold.toml names a family that is gone: {family}"
        );
    }
    let mut sizes: BTreeMap<bool, usize> = BTreeMap::new();
    for scenario in &suite.scenarios {
        *sizes.entry(scenario.hold).or_default() += 1;
    }
    let (tune, hold) = (sizes[&false], sizes[&true]);
    assert!(
        tune.abs_diff(hold) * 5 <= tune + hold,
        "halves of {tune} and {hold}"
    );
    assert_eq!(
        suite.hold_hash(),
        suite.hold.sha256,
        "the held-out half changed"
    );
}
