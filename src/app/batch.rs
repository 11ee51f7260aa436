//! One action on the marked instances: what can be picked.
//!
//! Must not live here: planning and approving (`action`), the keys (`overlay::batch`).

use serde_json::{Map, Value};

use super::state::State;
use crate::domain::action::ActionId;
use crate::domain::report::Report;

/// An action that can be planned for each marked instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub action: ActionId,
    pub parameters: Map<String, Value>,
    /// Instances whose diagnosis offers it.
    pub offered: usize,
}

/// What can be picked without a diagnosis.
const ALWAYS: &[ActionId] = &[ActionId::OpenPort, ActionId::Start, ActionId::Restart];
/// What makes no sense for several instances at once, or hands out a value for each.
const NEVER: &[ActionId] = &[
    ActionId::Advice,
    ActionId::Ticket,
    ActionId::VncUrl,
    ActionId::ResetPassword,
    // Wide open is not for many at once.
    ActionId::OpenCommonPorts,
];

/// Actions for the marked instances: those that diagnoses offer first, by how many offer them.
pub fn choices(state: &State) -> Vec<Choice> {
    let mut choices = offered(reports(state, &state.fleet.marks));
    for id in ALWAYS {
        if choices.iter().all(|choice| choice.action != *id) && !failed_everywhere(state, *id) {
            choices.push(Choice {
                action: *id,
                parameters: Map::new(),
                offered: 0,
            });
        }
    }
    choices
}

/// Whether an action has already failed on each marked instance in its incident.
fn failed_everywhere(state: &State, action: ActionId) -> bool {
    let failed = |report: &Report| report.tried.iter().any(|tried| tried == action.as_str());
    reports(state, &state.fleet.marks)
        .filter(|r| failed(r))
        .count()
        == state.fleet.marks.len()
        && !state.fleet.marks.is_empty()
}

/// The action that most of some reports offer, of those that several instances can be given.
pub fn repair_of<'a>(reports: impl Iterator<Item = &'a Report>) -> Option<Choice> {
    offered(reports).into_iter().next()
}

/// The diagnoses of some instances, as far as they were made.
pub fn reports<'a>(
    state: &'a State,
    instances: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = &'a Report> {
    instances
        .into_iter()
        .filter_map(|id| state.cases.get(id)?.report.as_ref())
}

/// What some diagnoses offer and several instances can be given.
fn offered<'a>(reports: impl Iterator<Item = &'a Report>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    let mut best: Vec<usize> = Vec::new();
    for (rank, action) in reports.flat_map(|report| report.actions.iter().enumerate()) {
        let Some(id) = ActionId::parse(&action.id).filter(|id| !NEVER.contains(id)) else {
            continue;
        };
        if let Some(at) = choices.iter().position(|choice| choice.action == id) {
            choices[at].offered += 1;
            best[at] = best[at].min(rank);
        } else {
            choices.push(Choice {
                action: id,
                parameters: common(&action.parameters),
                offered: 1,
            });
            best.push(rank);
        }
    }
    let mut ranked: Vec<(usize, Choice)> = best.into_iter().zip(choices).collect();
    ranked.sort_by_key(|(rank, choice)| {
        let name = choice.action.to_string();
        (std::cmp::Reverse(choice.offered), *rank, name)
    });
    ranked.into_iter().map(|(_, choice)| choice).collect()
}

/// Parameters that mean the same for every instance; ports and ids are each instance's own.
fn common(parameters: &Map<String, Value>) -> Map<String, Value> {
    let shared = ["source", "protocol", "mode", "minutes"];
    parameters
        .iter()
        .filter(|(name, value)| shared.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
