//! What the journal keeps of what changes nothing and yet is run on a machine: a session that the
//! operator's own client opened (what is done in it is not known here), and the look of another
//! instance.

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

/// The record that an instance is made to look at another one, by that call.
pub fn looks_at(entry: &str, neighbour: &Instance, target: &Instance, call: &str) -> Plan {
    let context = PlanContext {
        entry: entry.to_owned(),
        instance: neighbour.clone(),
        ..PlanContext::default()
    };
    let (from, to) = (Target::of(neighbour).label(), Target::of(target).label());
    let mut plan = blank(ActionId::Advice, &context, said::neighbour_looked(from, to));
    plan.changes = vec![Said::raw(call)];
    plan.verification = Verification::None {
        reason: said::nothing_changes(),
    };
    plan
}
