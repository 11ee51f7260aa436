//! The plan that takes an earlier entry back.
//!
//! Pure: the caller re-reads what has to be re-read (the group's rules) and hands it in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::blank::blank;
use super::context::{AclFacts, GroupFacts, PlanContext, RouteLine};
use super::plan::{Completion, Confirmation, Plan, PlanError, Step, Undo, mark};
use super::{acl, bandwidth, provider, rules, said};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::said::{List, Said, Table, Word};
use crate::domain::security_group::Rule;

/// Values kept from the answers of the original entry, by step and JSON pointer.
pub type KeptAnswers = BTreeMap<(usize, String), Value>;

/// What an undo looks at.
#[derive(Debug, Clone, Default)]
pub struct UndoFacts {
    /// The group as it is now, for rules that are to be removed.
    pub group: Option<GroupFacts>,
    /// The routes of the table as they are now, for a route that is to be removed.
    pub routes: Option<Vec<RouteLine>>,
    /// The ACL of the instance's subnet as it is now, for entries that are to be removed.
    pub acl: Option<AclFacts>,
    /// The probe tasks of the entry's name that are there now.
    pub tasks: Option<Vec<String>>,
    pub kept: KeptAnswers,
}

fn nothing_yet(original: &Plan, context: &PlanContext) -> Plan {
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
    plan
}

/// The inverse of a time-boxed change, for which nobody is asked. Nothing that the journal says is
/// sent: what goes is found in the cloud by the entry's own mark, and a cap only goes down, from what
/// the entry set. What fits none of these is left to a person.
pub fn timed_undo_plan(
    original: &Plan,
    context: &PlanContext,
    facts: &UndoFacts,
) -> Result<Plan, PlanError> {
    let mut plan = nothing_yet(original, context);
    plan.unasked = true;
    plan.title = said::taken_back_in_time(
        Word::new(Table::Action, original.action.as_str()),
        original.target.label(),
        &original.entry,
    );
    let own_mark = mark(&original.entry);
    let unasked = || PlanError::NotApplicable(said::not_taken_back_unasked(&original.entry));
    match (original.action, &original.undo) {
        (ActionId::OpenPort | ActionId::OpenCommonPorts, Undo::RemoveRules { group, .. }) => {
            remove_rules(&mut plan, original, group, &own_mark, facts)?;
        }
        (ActionId::AllowAcl, Undo::Steps { .. }) => {
            let acl = facts.acl.as_ref().ok_or_else(unasked)?;
            let about = |step: &Step| match &step.completion {
                Completion::Acl(entries) => entries.acl == acl.id,
                _ => false,
            };
            if !original.steps.iter().any(about) {
                return Err(unasked());
            }
            plan.steps
                .push(acl::without_marked(context, acl, &own_mark)?);
            plan.changes = vec![said::acl_loses_marked(&acl.id, &own_mark)];
        }
        (ActionId::RaiseBandwidth, Undo::Steps { text, steps, .. }) => {
            let [step] = steps.as_slice() else {
                return Err(unasked());
            };
            let step = bandwidth::lowered(context, step).ok_or_else(unasked)?;
            plan.steps.push(step);
            plan.changes = vec![text.clone()];
        }
        (ActionId::ProviderProbe, Undo::RemoveProbeTask { .. }) => {
            remove_task(&mut plan, original, &own_mark, facts)?;
        }
        _ => return Err(unasked()),
    }
    plan.risk = Risk::Low;
    plan.confirmation = Confirmation::Key;
    Ok(plan)
}

/// True when a step of the way back is one that the catalogue sends for this action on this very
/// instance: a line of the journal that says something else is not carried out.
fn is_of_catalogue(original: &Plan, step: &Step) -> bool {
    let known = super::catalog::row_of(original.action).permissions;
    let body = &step.call.parameters;
    let mut instances: Vec<&Value> = body["InstanceIds"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    instances.extend(body.get("InstanceId"));
    let own = |id: &&Value| id.as_str() == Some(original.target.id.as_str());
    step.call.region == original.target.region
        && known.contains(&step.call.permission().as_str())
        && instances.iter().all(own)
}

/// The inverse of `original` as a plan of its own, for somebody who is shown it and asked.
pub fn undo_plan(
    original: &Plan,
    context: &PlanContext,
    facts: &UndoFacts,
) -> Result<Plan, PlanError> {
    let mut plan = nothing_yet(original, context);
    match &original.undo {
        Undo::None { reason } => Err(PlanError::NotApplicable(said::entry_cannot_taken(
            &original.entry,
            reason,
        ))),
        Undo::RemoveRules { group, mark, .. } => {
            remove_rules(&mut plan, original, group, mark, facts)?;
            Ok(plan)
        }
        Undo::RemoveRoute(made) => {
            let Some(routes) = &facts.routes else {
                return Err(PlanError::Unknown(said::fact_unknown(
                    said::subnet_routes(),
                    said::not_read(),
                    said::try_again(),
                )));
            };
            let region = &original.target.region;
            plan.steps
                .push(super::route::removal(made, region, routes)?);
            plan.changes = vec![original.undo.sentence()];
            Ok(plan)
        }
        Undo::RemoveProbeTask { name } => {
            remove_task(&mut plan, original, name, facts)?;
            plan.risk = Risk::Low;
            plan.confirmation = Confirmation::Key;
            Ok(plan)
        }
        Undo::Steps {
            text,
            downtime,
            risk,
            steps,
        } => {
            if let Some(step) = steps.iter().find(|step| !is_of_catalogue(original, step)) {
                return Err(PlanError::NotApplicable(said::undo_not_of_catalogue(
                    &original.entry,
                    step.call.permission(),
                )));
            }
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
    let sent = original.steps.first().map(|step| &step.call.parameters);
    let remains = rules::remains(group, sent.unwrap_or(&Value::Null), mark);
    let rest = rest(&remains, group_id);
    if indexes.is_empty() {
        if !remains.renamed.is_empty() {
            let rest = rest.into_iter().reduce(Said::and).unwrap_or_default();
            return Err(PlanError::NotApplicable(rest));
        }
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
    plan.warnings = rest;
    plan.rules = Some(rules::removal_difference(group, &indexes));
    plan.affected = rules::affected(facts);
    plan.risk = Risk::Low;
    plan.confirmation = Confirmation::Key;
    Ok(())
}

fn remove_task(
    plan: &mut Plan,
    original: &Plan,
    name: &str,
    facts: &UndoFacts,
) -> Result<(), PlanError> {
    let Some(tasks) = &facts.tasks else {
        return Err(PlanError::Unknown(said::fact_unknown(
            said::probe_tasks(),
            said::not_read(),
            said::try_again(),
        )));
    };
    // A line of the journal that names another task is not carried out.
    if name != original.mark() {
        return Err(PlanError::NotApplicable(said::undo_not_of_catalogue(
            &original.entry,
            "cat:DeleteProbeTask",
        )));
    }
    plan.steps.push(provider::removal(name, tasks)?);
    plan.changes = vec![original.undo.sentence()];
    plan.verification = original.verification.clone();
    Ok(())
}

/// What has to be said of the rules that an undo does not find under the mark.
fn rest(remains: &rules::Remains<'_>, group: &str) -> Vec<Said> {
    let theirs = |rule: &&Rule| said::rule_renamed(rule.index, group, &rule.description);
    let mut rest: Vec<Said> = remains.renamed.iter().map(theirs).collect();
    if !remains.gone_ones.is_empty() {
        let gone = List::names(&remains.gone_ones);
        rest.push(said::rules_gone(remains.gone, group, gone));
    } else if remains.gone > 0 {
        rest.push(said::some_rules_gone(remains.gone, group));
    }
    rest
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
