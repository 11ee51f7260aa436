//! Rules that knowledge must keep before it may weigh anything.
//!
//! Lives here: checks that name the offending entry in one line each.
//! Must not live here: parsing (`knowledge`), judgement about whether a figure is wise.

use std::collections::{BTreeMap, BTreeSet};

use super::knowledge::{Evidence, Kind, Knowledge, Row};
use crate::domain::action::ActionId;
use crate::domain::instance::Os;

/// Most slots (group and path) that one bit mask holds.
const MAX_SLOTS: usize = 128;

/// One line for each broken rule.
pub(super) fn check(knowledge: &Knowledge) -> Vec<String> {
    let mut problems = Vec::new();
    check_settings(knowledge, &mut problems);
    check_causes(knowledge, &mut problems);
    check_evidence(knowledge, &mut problems);
    for row in &knowledge.rows {
        check_row(knowledge, row, &mut problems);
    }
    check_coverage(knowledge, &mut problems);
    check_actions(knowledge, &mut problems);
    problems
}

fn check_settings(knowledge: &Knowledge, problems: &mut Vec<String>) {
    let s = &knowledge.settings;
    for (name, value, low, high) in [
        ("pair_share", s.pair_share, 0.0, 0.5),
        ("noise", s.noise, 0.0, 0.2),
        ("temper", s.temper, 0.1, 1.5),
        ("prior_strength", s.prior_strength, 1.0, 10_000.0),
    ] {
        if !(low..=high).contains(&value) {
            problems.push(format!(
                "settings: {name} = {value} is outside {low} to {high}"
            ));
        }
    }
}

fn check_causes(knowledge: &Knowledge, problems: &mut Vec<String>) {
    let ids: BTreeSet<&str> = knowledge.causes.iter().map(|c| c.id.as_str()).collect();
    if ids.len() != knowledge.causes.len() {
        problems.push("causes: an id occurs twice".to_owned());
    }
    for id in ["no-fault-found", "other-unlisted"] {
        if !ids.contains(id) {
            problems.push(format!("causes: {id} is missing"));
        }
    }
    for cause in &knowledge.causes {
        let id = &cause.id;
        if cause.source.trim().is_empty() || cause.title.trim().is_empty() {
            problems.push(format!("cause {id}: title and source must not be empty"));
        }
        if !cause.prior.iter().all(|p| (0.0..=1.0).contains(p))
            || cause.prior.iter().sum::<f64>() <= 0.0
        {
            problems.push(format!("cause {id}: the prior must lie between 0 and 1"));
        }
        let weight: f64 = cause.variants.iter().map(|(_, w)| w).sum();
        if (weight - 1.0).abs() > 1e-6 {
            problems.push(format!("cause {id}: its variants sum to {weight}, not 1"));
        }
        for variant in cause.stages.keys() {
            if !cause.variants.iter().any(|(v, _)| v == variant) {
                problems.push(format!(
                    "cause {id}: stages names {variant}, which is no variant"
                ));
            }
        }
        for (other, times) in &cause.with {
            if !ids.contains(other.as_str()) || cause.excludes.contains(other) {
                problems.push(format!(
                    "cause {id}: with names {other}, which is no cause that can stand beside it"
                ));
            }
            if !(1.0..=1000.0).contains(times) {
                problems.push(format!(
                    "cause {id}: with {other} = {times} is outside 1 to 1000"
                ));
            }
        }
        for other in &cause.excludes {
            if !ids.contains(other.as_str()) {
                problems.push(format!(
                    "cause {id}: excludes {other}, which is not a cause"
                ));
            }
        }
    }
}

fn check_evidence(knowledge: &Knowledge, problems: &mut Vec<String>) {
    let slots: usize = knowledge
        .evidence
        .iter()
        .map(|e| if e.paths { 2 } else { 1 })
        .sum();
    if slots > MAX_SLOTS {
        problems.push(format!(
            "evidence: {slots} groups and paths, at most {MAX_SLOTS} fit"
        ));
    }
    for group in &knowledge.evidence {
        let id = &group.id;
        let distinct: BTreeSet<_> = group.states.iter().collect();
        if group.states.len() < 2 || distinct.len() != group.states.len() {
            problems.push(format!(
                "evidence {id}: needs at least two states, each once"
            ));
        }
        if !(group.temper > 0.0 && group.temper <= 1.0) {
            problems.push(format!(
                "evidence {id}: temper must be above 0 and at most 1"
            ));
        }
        if group.kind == Kind::Graded
            && group
                .normal
                .as_deref()
                .and_then(|n| group.state_index(n))
                .is_none()
        {
            problems.push(format!(
                "evidence {id}: a graded group names its normal state"
            ));
        }
        for (state, value) in &group.at_least {
            if group.state_index(state).is_none() || !(0.0..=0.2).contains(value) {
                problems.push(format!(
                    "evidence {id}: at_least {state} = {value} is no state, or above 0.2"
                ));
            }
        }
        check_distribution(group, &group.default, &format!("evidence {id}"), problems);
        if let Some(private) = &group.default_private {
            check_distribution(
                group,
                private,
                &format!("evidence {id} (private)"),
                problems,
            );
        }
    }
    for cluster in &knowledge.clusters {
        for (member, states) in &cluster.members {
            match knowledge.group(member) {
                None => problems.push(format!("cluster {}: {member} is no group", cluster.id)),
                Some(group) => {
                    for state in states.iter().filter(|s| group.state_index(s).is_none()) {
                        problems.push(format!(
                            "cluster {}: {member} has no state {state}",
                            cluster.id
                        ));
                    }
                }
            }
        }
    }
}

fn check_distribution(
    group: &Evidence,
    p: &BTreeMap<String, f64>,
    what: &str,
    problems: &mut Vec<String>,
) {
    for (state, value) in p {
        if group.state_index(state).is_none() {
            problems.push(format!("{what}: there is no state {state}"));
        }
        if !(0.0..=1.0).contains(value) {
            problems.push(format!("{what}: {state} = {value} is no probability"));
        }
    }
    let sum: f64 = p.values().sum();
    let complete = p.len() == group.states.len();
    if sum > 1.0 + 1e-9 || (complete && (sum - 1.0).abs() > 1e-6) {
        problems.push(format!("{what}: the states sum to {sum}"));
    }
}

fn check_row(knowledge: &Knowledge, row: &Row, problems: &mut Vec<String>) {
    let what = format!("row {} on {}", row.cause.as_slice().join(", "), row.on);
    let Some(group) = knowledge.group(&row.on) else {
        problems.push(format!("{what}: there is no group {}", row.on));
        return;
    };
    if row.why.trim().is_empty() || row.source.trim().is_empty() {
        problems.push(format!("{what}: why and source must not be empty"));
    }
    if !(0.0..1.0).contains(&row.absent) {
        problems.push(format!("{what}: absent must be at least 0 and below 1"));
    }
    if row.ess <= 0.0 {
        problems.push(format!("{what}: ess must be above 0"));
    }
    if row.path.is_some() && !group.paths {
        problems.push(format!("{what}: the group has no paths"));
    }
    if row.p.is_empty() {
        problems.push(format!("{what}: no state is given"));
    }
    check_distribution(group, &row.p, &what, problems);
    for id in row.cause.as_slice() {
        let Some(cause) = knowledge.cause(id) else {
            problems.push(format!("{what}: there is no cause {id}"));
            continue;
        };
        if let Some(variant) = &row.variant
            && !cause.variants.iter().any(|(v, _)| v == variant)
        {
            problems.push(format!("{what}: {id} has no variant {variant}"));
        }
    }
}

/// Every cause must be told apart by something: a row on text and a row on some other group.
fn check_coverage(knowledge: &Knowledge, problems: &mut Vec<String>) {
    for cause in &knowledge.causes {
        let named = |row: &&Row| row.cause.as_slice().contains(&cause.id);
        let rows: Vec<&Row> = knowledge.rows.iter().filter(named).collect();
        if !rows.iter().any(|r| r.on == "pasted-error") {
            problems.push(format!("cause {}: no row on pasted-error", cause.id));
        }
        if !rows.iter().any(|r| r.on != "pasted-error") {
            problems.push(format!("cause {}: no row on any reading", cause.id));
        }
    }
    for os in [Os::Linux, Os::Windows] {
        if !knowledge.causes.iter().any(|c| c.applies_to(os)) {
            problems.push(format!("no cause applies to {}", os.as_str()));
        }
    }
}

fn check_actions(knowledge: &Knowledge, problems: &mut Vec<String>) {
    for action in &knowledge.actions {
        let what = format!("action {} {}", action.id, action.key);
        if ActionId::parse(&action.id).is_none() {
            problems.push(format!("{what}: there is no such action"));
        }
        if action.cost <= 0.0 || action.verify < 0.0 {
            problems.push(format!("{what}: cost must be above 0"));
        }
        for (cause, efficacy) in &action.cures {
            if knowledge.cause(cause).is_none() {
                problems.push(format!("{what}: cures {cause}, which is not a cause"));
            }
            if !(0.0..=1.0).contains(efficacy) {
                problems.push(format!("{what}: efficacy {efficacy} is no probability"));
            }
        }
    }
    for cause in knowledge.causes.iter().filter(|c| !c.alone) {
        if !knowledge
            .actions
            .iter()
            .any(|a| a.cures.contains_key(&cause.id))
        {
            problems.push(format!(
                "cause {}: nothing cures it, not even advice",
                cause.id
            ));
        }
    }
}
