//! What a failed action makes worth offering that was not before.
//!
//! Pure. Must not live here: ranking by probability (`diagnosis`).

use serde_json::Value;

use super::plan::Plan;
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::report::RankedAction;
use crate::domain::said::Said;

/// After a soft restart that was accepted and failed, the restart that is offered is the hard
/// one, and first: what it cures is as likely as before, for the soft one never happened.
pub fn hard_restart(actions: &mut Vec<RankedAction>) {
    let place = actions
        .iter()
        .position(|a| a.id == ActionId::Restart.as_str());
    let mut hard = match place {
        Some(index) => actions.remove(index),
        None => RankedAction {
            id: ActionId::Restart.to_string(),
            title: Said::default(),
            parameters: serde_json::Map::new(),
            cures: Vec::new(),
            probability_cures: 0.0,
            cost: 12.0,
            risk: Risk::High,
            reversible: false,
        },
    };
    hard.title = said::hard_restart_now();
    hard.parameters
        .insert("mode".to_owned(), Value::from("hard"));
    actions.insert(0, hard);
}

/// True for a restart that asks the system to shut down and does no more.
pub fn is_soft_restart(plan: &Plan) -> bool {
    plan.action == ActionId::Restart
        && plan.parameters.get("mode").and_then(Value::as_str) == Some("soft")
}
