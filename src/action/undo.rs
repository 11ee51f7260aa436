//! The plan that takes an earlier entry back.
//!
//! Pure: the caller re-reads what has to be re-read (the group's rules) and hands it in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::blank::blank;
use super::context::{GroupFacts, PlanContext};
use super::plan::{Completion, Confirmation, Plan, PlanError, Step, Undo};
use super::rules;
use super::said;
use crate::domain::action::Risk;
use crate::domain::api_call::ApiCall;
use crate::domain::said::{Table, Word};

/// Values kept from the answers of the original entry, by step and JSON pointer.
pub type KeptAnswers = BTreeMap<(usize, String), Value>;

/// What an undo looks at.
#[derive(Debug, Clone, Default)]
pub struct UndoFacts {
    /// The group as it is now, for rules that are to be removed.
    pub group: Option<GroupFacts>,
    pub kept: KeptAnswers,
}

/// The inverse of `original` as a plan of its own.
pub fn undo_plan(
    original: &Plan,
    context: &PlanContext,
    facts: &UndoFacts,
) -> Result<Plan, PlanError> {
    let label = original.target.label();
    let mut plan = blank(
        original.action,
        context,
        said::take_back(Word::new(Table::Action, original.action.as_str()), label),
    );
    plan.target.clone_from(&original.target);
    plan.parameters.clone_from(&original.parameters);
    plan.reverses = Some(original.entry.clone());
    plan.undo = Undo::None {
        reason: said::do_again(Word::new(Table::Action, original.action.as_str())),
    };
    match &original.undo {
        Undo::None { reason } => Err(PlanError::NotApplicable(said::entry_cannot_taken(
            &original.entry,
            reason,
        ))),
        Undo::RemoveRules { group, mark, .. } => {
            remove_rules(&mut plan, original, group, mark, facts)?;
            Ok(plan)
        }
        Undo::Steps {
            text,
            downtime,
            risk,
            steps,
        } => {
            plan.steps = resolve(steps, &facts.kept)?;
            plan.changes = vec![text.clone()];
            plan.downtime.clone_from(downtime);
            plan.risk = *risk;
            plan.confirmation = if *risk == Risk::High {
                Confirmation::TypedName
            } else {
                Confirmation::Key
            };
            Ok(plan)
        }
    }
}

fn remove_rules(
    plan: &mut Plan,
    original: &Plan,
    group_id: &str,
    mark: &str,
    facts: &UndoFacts,
) -> Result<(), PlanError> {
    let Some(facts) = facts.group.as_ref().filter(|f| f.group.id == group_id) else {
        return Err(PlanError::Unknown(said::fact_unknown(
            said::rules(group_id),
            said::not_read(),
            said::try_again(),
        )));
    };
    let group = &facts.group;
    let indexes = rules::marked_indexes(group, mark);
    if indexes.is_empty() {
        return Err(PlanError::NothingToDo(said::no_rule_carries(
            group_id, mark,
        )));
    }
    // Without a version an index would be deleted whatever stands there by then; so then the
    // rules are named by what they say.
    let ingress: Vec<_> = if group.version.is_empty() {
        rules::marked_by_content(group, mark)
    } else {
        indexes
            .iter()
            .map(|index| json!({ "PolicyIndex": index }))
            .collect()
    };
    plan.steps.push(Step::new(
        said::delete_entry(indexes.len()),
        ApiCall::new(
            "vpc",
            "DeleteSecurityGroupPolicies",
            &original.target.region,
            json!({
                "SecurityGroupId": group_id,
                "SecurityGroupPolicySet": rules::locked(group, json!({ "Ingress": ingress })),
            }),
        ),
        Completion::Rules {
            group: group_id.to_owned(),
            mark: mark.to_owned(),
            present: false,
        },
    ));
    plan.changes = vec![said::removes_every_other(indexes.len(), group_id)];
    plan.rules = Some(rules::removal_difference(group, &indexes));
    plan.affected = rules::affected(facts);
    plan.risk = Risk::Low;
    plan.confirmation = Confirmation::Key;
    Ok(())
}

/// Puts the kept answers in where the steps wait for them.
fn resolve(steps: &[Step], kept: &KeptAnswers) -> Result<Vec<Step>, PlanError> {
    let mut resolved = steps.to_vec();
    for step in &mut resolved {
        for input in std::mem::take(&mut step.inputs) {
            let key = (input.from_step, input.answer_pointer.clone());
            let (Some(value), Some(slot)) = (
                kept.get(&key),
                step.call.parameters.pointer_mut(&input.pointer),
            ) else {
                return Err(PlanError::NotApplicable(said::journal_lacks(
                    &step.call.action,
                )));
            };
            *slot = value.clone();
        }
    }
    Ok(resolved)
}
