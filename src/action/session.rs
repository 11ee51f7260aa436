//! What the journal keeps of a session that the operator's own client opened: nothing is sent to the
//! cloud, and what is done in it is not known here.

use super::blank::blank;
use super::context::PlanContext;
use super::plan::{Plan, Target, Undo, Verification};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// The record of a session, opened by that command.
pub fn opened(entry: &str, instance: &Instance, command: &str) -> Plan {
    let context = PlanContext {
        entry: entry.to_owned(),
        instance: instance.clone(),
        ..PlanContext::default()
    };
    let label = Target::of(instance).label();
    let mut plan = blank(ActionId::Advice, &context, said::session_opened(label));
    plan.changes = vec![Said::raw(command)];
    plan.undo = Undo::None {
        reason: said::session_unknown(),
    };
    plan.verification = Verification::None {
        reason: said::session_unknown(),
    };
    plan
}
