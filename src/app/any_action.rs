//! Any action of the catalogue on the selected instance: which one, and its parameters.
//!
//! Ranked actions come first. Must not live here: the question (`overlay::any_action`), or
//! plans (`action`).

use serde_json::{Map, Value};

use super::overlay::picker;
use super::state::State;
use crate::action::catalog::{CATALOG, ParameterSpec, row_of};
use crate::domain::action::ActionId;
use crate::domain::instance::Os;

/// Actions that can be picked: those of the diagnosis in its order, then the others. `words` is
/// what has been typed.
pub fn choices(state: &State, words: &str) -> Vec<ActionId> {
    let Some(instance) = state.selected_instance() else {
        return Vec::new();
    };
    let os = instance.os;
    let fits = |id: &ActionId| {
        let only_on = row_of(*id).only_on;
        ![ActionId::Advice, ActionId::ProviderProbe].contains(id)
            && (os == Os::Unknown || only_on.is_none_or(|only| only == os))
    };
    let offered = state
        .selected_report()
        .into_iter()
        .flat_map(|report| &report.actions)
        .filter_map(|ranked| ActionId::parse(&ranked.id));
    let mut all: Vec<ActionId> = Vec::new();
    for id in offered.chain(CATALOG.iter().map(|row| row.id)).filter(fits) {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all.retain(|id| {
        let title = state.texts.action(id.as_str(), id.as_str());
        picker::fits(words, id.as_str(), title)
    });
    all.sort_by_key(|id| id.as_str() != words.trim());
    all
}

/// Parameters of an action, those that are needed first.
pub fn specs(action: ActionId) -> Vec<&'static ParameterSpec> {
    let mut specs: Vec<_> = row_of(action).parameters.iter().collect();
    specs.sort_by_key(|spec| !spec.required);
    specs
}

/// True when an action cannot be planned with these parameters alone.
pub fn lacks_parameter(action: ActionId, known: &Map<String, Value>) -> bool {
    let given = |name: &str| known.get(name).is_some_and(|value| !value.is_null());
    row_of(action)
        .parameters
        .iter()
        .any(|spec| spec.required && !given(spec.name))
}

/// What the diagnosis says of an action's parameters.
pub fn known_parameters(state: &State, action: ActionId) -> Map<String, Value> {
    let ranked = state
        .selected_report()
        .and_then(|report| report.actions.iter().find(|a| a.id == action.as_str()));
    ranked.map_or_else(Map::new, |ranked| ranked.parameters.clone())
}

/// `name=value` words; what is needed and not known is left open at the end.
pub fn words(action: ActionId, known: &Map<String, Value>) -> String {
    let (mut given, mut open) = (Vec::new(), Vec::new());
    for spec in specs(action) {
        match known.get(spec.name) {
            None | Some(Value::Null) if spec.required => open.push(format!("{}=", spec.name)),
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => given.push(format!("{}={text}", spec.name)),
            Some(other) => given.push(format!("{}={other}", spec.name)),
        }
    }
    // What is typed next is a word of its own, unless it is the value of the last one.
    let next = if open.is_empty() && !given.is_empty() {
        " "
    } else {
        ""
    };
    given.extend(open);
    given.join(" ") + next
}
