//! Rules that knowledge must keep before it may weigh anything.
//!
//! Lives here: checks that name the offending entry in one line each.
//! Must not live here: parsing (`knowledge`), judgement about whether a figure is wise.

use std::collections::{BTreeMap, BTreeSet};

use super::knowledge::{Evidence, Kind, Knowledge, Row};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::evidence::group;
use crate::domain::instance::Os;
use crate::domain::said::{List, Said, Table, Word};

/// Most slots (group and path) that one bit mask holds.
const MAX_SLOTS: usize = 128;

/// One line for each broken rule.
pub(super) fn check(knowledge: &Knowledge) -> Vec<Said> {
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

fn check_settings(knowledge: &Knowledge, problems: &mut Vec<Said>) {
    let s = &knowledge.settings;
    for (name, value, low, high) in [
        ("pair_share", s.pair_share, 0.0, 0.5),
        ("noise", s.noise, 0.0, 0.2),
        ("temper", s.temper, 0.1, 1.5),
        ("inside", s.inside, 0.5, 1.5),
        ("prior_strength", s.prior_strength, 1.0, 10_000.0),
    ] {
        if !(low..=high).contains(&value) {
            problems.push(said::lint_at(
                said::lint_settings(),
                said::lint_outside(name, value, low, high),
            ));
        }
    }
}

fn check_causes(knowledge: &Knowledge, problems: &mut Vec<Said>) {
    let ids: BTreeSet<&str> = knowledge.causes.iter().map(|c| c.id.as_str()).collect();
    if ids.len() != knowledge.causes.len() {
        problems.push(said::lint_at(said::lint_causes(), said::lint_twice()));
    }
    for id in ["no-fault-found", "other-unlisted"] {
        if !ids.contains(id) {
            problems.push(said::lint_at(said::lint_causes(), said::lint_missing(id)));
        }
    }
    for cause in &knowledge.causes {
        let id = &cause.id;
        if cause.source.trim().is_empty() || cause.title.trim().is_empty() {
            problems.push(said::lint_at(
                said::lint_cause(id),
                said::lint_empty_title(),
            ));
        }
        if !cause.prior.iter().all(|p| (0.0..=1.0).contains(p))
            || cause.prior.iter().sum::<f64>() <= 0.0
        {
            problems.push(said::lint_at(said::lint_cause(id), said::lint_prior()));
        }
        let weight: f64 = cause.variants.iter().map(|(_, w)| w).sum();
        if (weight - 1.0).abs() > 1e-6 {
            problems.push(said::lint_at(
                said::lint_cause(id),
                said::lint_variants(weight),
            ));
        }
        for variant in cause.stages.keys() {
            if !cause.variants.iter().any(|(v, _)| v == variant) {
                problems.push(said::lint_at(
                    said::lint_cause(id),
                    said::lint_stages(variant),
                ));
            }
        }
        for (other, times) in &cause.with {
            if !ids.contains(other.as_str()) || cause.excludes.contains(other) {
                problems.push(said::lint_at(said::lint_cause(id), said::lint_with(other)));
            }
            if !(1.0..=1000.0).contains(times) {
                problems.push(said::lint_at(
                    said::lint_cause(id),
                    said::lint_with_outside(other, times),
                ));
            }
        }
        for other in &cause.excludes {
            if !ids.contains(other.as_str()) {
                problems.push(said::lint_at(
                    said::lint_cause(id),
                    said::lint_excludes(other),
                ));
            }
        }
    }
}

fn check_evidence(knowledge: &Knowledge, problems: &mut Vec<Said>) {
    let slots: usize = knowledge
        .evidence
        .iter()
        .map(|e| e.on_paths().count())
        .sum();
    if slots > MAX_SLOTS {
        problems.push(said::lint_at(
            said::lint_evidences(),
            said::lint_too_many(slots, MAX_SLOTS),
        ));
    }
    for group in &knowledge.evidence {
        let id = &group.id;
        let distinct: BTreeSet<_> = group.states.iter().collect();
        if group.states.len() < 2 || distinct.len() != group.states.len() {
            problems.push(said::lint_at(
                said::lint_evidence(id),
                said::lint_two_states(),
            ));
        }
        if !(group.temper > 0.0 && group.temper <= 1.0) {
            problems.push(said::lint_at(said::lint_evidence(id), said::lint_temper()));
        }
        if group.kind == Kind::Graded
            && group
                .normal
                .as_deref()
                .and_then(|n| group.state_index(n))
                .is_none()
        {
            problems.push(said::lint_at(said::lint_evidence(id), said::lint_normal()));
        }
        for (state, value) in &group.at_least {
            if group.state_index(state).is_none() || !(0.0..=0.2).contains(value) {
                problems.push(said::lint_at(
                    said::lint_evidence(id),
                    said::lint_at_least(state, value),
                ));
            }
        }
        check_distribution(group, &group.default, &said::lint_evidence(id), problems);
        if let Some(private) = &group.default_private {
            check_distribution(group, private, &said::lint_evidence_private(id), problems);
        }
        if let Some(user) = &group.default_user {
            check_distribution(group, user, &said::lint_evidence_user(id), problems);
        }
        if let Some(neighbour) = &group.default_neighbour {
            let place = said::lint_evidence_neighbour(id);
            check_distribution(group, neighbour, &place, problems);
        }
        if let Some(provider) = &group.default_provider {
            let place = said::lint_evidence_provider(id);
            check_distribution(group, provider, &place, problems);
        }
        let told = group.provider_sees.iter();
        let told = told.flat_map(|(state, others)| others.iter().chain([state]));
        for state in told.filter(|state| !group.states.contains(state)) {
            let place = said::lint_evidence_provider(id);
            problems.push(said::lint_at(place, said::lint_no_state(state)));
        }
    }
    for cluster in &knowledge.clusters {
        for (member, states) in &cluster.members {
            match knowledge.group(member) {
                None => problems.push(said::lint_at(
                    said::lint_cluster(&cluster.id),
                    said::lint_no_group(member),
                )),
                Some(group) => {
                    for state in states.iter().filter(|s| group.state_index(s).is_none()) {
                        problems.push(said::lint_at(
                            said::lint_cluster(&cluster.id),
                            said::lint_no_state_of(member, state),
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
    what: &Said,
    problems: &mut Vec<Said>,
) {
    for (state, value) in p {
        if group.state_index(state).is_none() {
            problems.push(said::lint_at(what, said::lint_no_state(state)));
        }
        if !(0.0..=1.0).contains(value) {
            problems.push(said::lint_at(what, said::lint_probability(state, value)));
        }
    }
    let sum: f64 = p.values().sum();
    let complete = p.len() == group.states.len();
    if sum > 1.0 + 1e-9 || (complete && (sum - 1.0).abs() > 1e-6) {
        problems.push(said::lint_at(what, said::lint_sum(sum)));
    }
}

fn check_row(knowledge: &Knowledge, row: &Row, problems: &mut Vec<Said>) {
    let what = &said::lint_row(List::names(row.cause.as_slice()), &row.on);
    let Some(group) = knowledge.group(&row.on) else {
        problems.push(said::lint_at(what, said::lint_group_unknown(&row.on)));
        return;
    };
    if row.why.trim().is_empty() || row.source.trim().is_empty() {
        problems.push(said::lint_at(what, said::lint_empty_why()));
    }
    if !(0.0..1.0).contains(&row.absent) {
        problems.push(said::lint_at(what, said::lint_absent()));
    }
    if row.ess <= 0.0 {
        problems.push(said::lint_at(what, said::lint_ess()));
    }
    if row.path.is_some() && !group.on_paths().any(|path| path == row.path) {
        problems.push(said::lint_at(what, said::lint_no_paths()));
    }
    if row.p.is_empty() {
        problems.push(said::lint_at(what, said::lint_row_empty()));
    }
    check_distribution(group, &row.p, what, problems);
    for id in row.cause.as_slice() {
        let Some(cause) = knowledge.cause(id) else {
            problems.push(said::lint_at(what, said::lint_no_cause(id)));
            continue;
        };
        if let Some(variant) = &row.variant
            && !cause.variants.iter().any(|(v, _)| v == variant)
        {
            problems.push(said::lint_at(what, said::lint_no_variant(id, variant)));
        }
    }
}

/// Every cause must be told apart by something: a row on text and a row on some other group.
fn check_coverage(knowledge: &Knowledge, problems: &mut Vec<Said>) {
    for cause in &knowledge.causes {
        let named = |row: &&Row| row.cause.as_slice().contains(&cause.id);
        let rows: Vec<&Row> = knowledge.rows.iter().filter(named).collect();
        if !rows.iter().any(|r| r.on == group::PASTED_ERROR) {
            problems.push(said::lint_at(
                said::lint_cause(&cause.id),
                said::lint_no_row_on(group::PASTED_ERROR),
            ));
        }
        if !rows.iter().any(|r| r.on != group::PASTED_ERROR) {
            problems.push(said::lint_at(
                said::lint_cause(&cause.id),
                said::lint_no_reading(),
            ));
        }
    }
    for os in [Os::Linux, Os::Windows] {
        if !knowledge.causes.iter().any(|c| c.applies_to(os)) {
            problems.push(said::lint_no_system(Word::new(Table::Os, os.as_str())));
        }
    }
}

fn check_actions(knowledge: &Knowledge, problems: &mut Vec<Said>) {
    for action in &knowledge.actions {
        let what = &said::lint_action(&action.id, &action.key);
        if ActionId::parse(&action.id).is_none() {
            problems.push(said::lint_at(what, said::lint_no_action()));
        }
        if action.cost <= 0.0 || action.verify < 0.0 {
            problems.push(said::lint_at(what, said::lint_cost()));
        }
        for (group, states) in action.unless.iter().chain(&action.only_if) {
            let known = knowledge.group(group).map(|found| &found.states);
            if !known.is_some_and(|known| states.iter().all(|state| known.contains(state))) {
                problems.push(said::lint_at(what, said::lint_fact(group)));
            }
        }
        for (cause, efficacy) in &action.cures {
            if knowledge.cause(cause).is_none() {
                problems.push(said::lint_at(what, said::lint_cures(cause)));
            }
            if !(0.0..=1.0).contains(efficacy) {
                problems.push(said::lint_at(what, said::lint_efficacy(efficacy)));
            }
        }
    }
    for cause in knowledge.causes.iter().filter(|c| !c.alone) {
        if !knowledge
            .actions
            .iter()
            .any(|a| a.cures.contains_key(&cause.id))
        {
            problems.push(said::lint_at(
                said::lint_cause(&cause.id),
                said::lint_no_cure(),
            ));
        }
    }
}
