//! Rules before and after a change, and who else feels it, as the preview shows them.
//!
//! Must not live here: which rules are added or taken away.

use super::super::context::GroupFacts;
use super::super::plan::{Affected, RuleDifference, RuleLine, TableOf};
use super::super::said;
use super::Decided;
use crate::domain::said::{Joint, List, Said};
use crate::domain::security_group::{Rule, SecurityGroup};

/// Other users of a group as the preview names them.
pub(in crate::action) fn affected(facts: &GroupFacts) -> Affected {
    let id = &facts.group.id;
    let beside = &facts.other_users;
    match &facts.others {
        Some(others) if others.count == 0 && beside.is_empty() => Affected::nobody_else(),
        Some(others) => Affected {
            count: Some(others.count),
            names: others.names.clone(),
            note: if beside.is_empty() {
                said::others_bound(others.count, id)
            } else {
                let users = List::said(Joint::Names, beside.iter().cloned());
                said::others_bound_and(others.count, users, id)
            },
        },
        None => Affected {
            count: None,
            names: Vec::new(),
            note: said::every_instance_bound(id),
        },
    }
}

pub(super) fn with_added(ingress: &[Rule], new: &[Rule]) -> Vec<Rule> {
    let mut all: Vec<Rule> = new.iter().chain(ingress).cloned().collect();
    for (position, rule) in (0_i64..).zip(all.iter_mut()) {
        rule.index = position;
    }
    all
}

pub(super) fn difference(
    group: &SecurityGroup,
    new: &[Rule],
    before: &Decided,
    after: &Decided,
) -> RuleDifference {
    let deciding = |decided: &Decided| {
        let (id, index) = decided.rule.as_ref()?;
        (*id == group.id).then_some(*index)
    };
    let mut lines_after = rule_lines(&with_added(&group.ingress, new), deciding(after));
    for line in lines_after.iter_mut().take(new.len()) {
        line.added = true;
    }
    RuleDifference {
        of: TableOf::SecurityGroup,
        group: group.id.clone(),
        group_name: group.name.clone(),
        version: group.version.clone(),
        decided_before: before.text.clone(),
        decided_after: after.text.clone(),
        before: rule_lines(&group.ingress, deciding(before)),
        after: lines_after,
    }
}

/// The difference that deleting `indexes` makes.
pub(in crate::action) fn removal_difference(
    group: &SecurityGroup,
    indexes: &[i64],
) -> RuleDifference {
    let mut before = rule_lines(&group.ingress, None);
    for line in &mut before {
        line.removed = indexes.contains(&line.index);
    }
    let kept: Vec<Rule> = group
        .ingress
        .iter()
        .filter(|rule| !indexes.contains(&rule.index))
        .cloned()
        .collect();
    RuleDifference {
        of: TableOf::SecurityGroup,
        group: group.id.clone(),
        group_name: group.name.clone(),
        version: group.version.clone(),
        // For whom it decides is not asked again: the rules say it.
        decided_before: Said::default(),
        decided_after: Said::default(),
        before,
        after: rule_lines(&with_added(&kept, &[]), None),
    }
}

fn rule_lines(ingress: &[Rule], deciding: Option<i64>) -> Vec<RuleLine> {
    ingress
        .iter()
        .map(|rule| RuleLine {
            index: rule.index,
            text: rule.said(),
            added: false,
            removed: false,
            decides: deciding == Some(rule.index),
        })
        .collect()
}
