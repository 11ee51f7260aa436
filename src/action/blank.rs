//! What every plan begins with.
//!
//! Must not live here: what a family puts in.

use serde_json::Map;

use super::catalog::row_of;
use super::context::PlanContext;
use super::plan::{Affected, Confirmation, Plan, Target, Undo, Verification};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::said::Said;

/// A plan with the plain values of an action that changes nothing else; families overwrite
/// what differs.
pub(super) fn blank(action: ActionId, context: &PlanContext, title: Said) -> Plan {
    let row = row_of(action);
    Plan {
        entry: context.entry.clone(),
        action,
        target: Target::of(&context.instance),
        title,
        parameters: Map::new(),
        asked: Map::new(),
        steps: Vec::new(),
        changes: Vec::new(),
        rules: None,
        tables: Vec::new(),
        cost: said::none(),
        downtime: said::none(),
        data_risk: said::none(),
        affected: Affected::nobody_else(),
        warnings: Vec::new(),
        saves_readings: None,
        undo: Undo::None {
            reason: said::nothing_changes(),
        },
        risk: row.risk,
        confirmation: match row.risk {
            Risk::None => Confirmation::None,
            Risk::Low | Risk::Medium => Confirmation::Key,
            Risk::High => Confirmation::TypedName,
        },
        verification: Verification::Login,
        expires_after_minutes: None,
        user_source: context.user_source.map(|source| source.addr()),
        reverses: None,
        unasked: false,
    }
}
