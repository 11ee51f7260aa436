//! Plan of `unblock-address`: asks the cloud to lift the block that followed an attack.
//!
//! Only accounts that pay for an Anti-DDoS product have lifts to ask for, a few a day or a month
//! (antiddos 2025-09-03 `DescribeDDoSBlockRecords`).

use std::net::IpAddr;

use serde_json::json;

use super::blank::blank;
use super::context::{BlockFacts, Fact, PlanContext};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;
use crate::domain::said::{List, Said};

/// Version of antiddos that has it.
pub const VERSION: &str = "2025-09-03";
/// Longest time that a lift is followed, in seconds.
const LIMIT_S: u64 = 600;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    if instance.public_addresses.is_empty() {
        return Err(PlanError::NotApplicable(said::no_address_to_lift(label)));
    }
    let wanted = parameters.address("address");
    let unread = BlockFacts::default();
    let (facts, unknown) = match (&context.block, wanted) {
        // The operator names it: the cloud itself refuses one that is not blocked.
        (Fact::Unknown { why, .. }, Some(_)) => (&unread, Some(why)),
        (facts, _) => (facts.required(said::attack_blocks())?, None),
    };
    let address = match unknown {
        Some(_) => wanted.expect("it was named: matched just above"),
        None => blocked(facts, wanted, &label)?,
    };
    if !instance.public_addresses.contains(&address) {
        let own = List::names(&instance.public_addresses);
        return Err(PlanError::NotApplicable(said::not_its_address(
            address, label, own,
        )));
    }
    let ends = || match &facts.ends {
        Some(at) => said::block_ends_at(at),
        None => said::block_ends_itself(),
    };
    let cost = match &facts.quota {
        Some((0, _, _)) => return Err(PlanError::NotApplicable(said::no_lifts(ends()))),
        Some((all, used, until)) if used >= all => {
            return Err(PlanError::NotApplicable(said::lifts_used(
                *all,
                until,
                ends(),
            )));
        }
        Some((all, used, until)) => said::one_lift(all - used, until),
        None => said::lift_uncounted(),
    };
    let mut plan = blank(
        ActionId::UnblockAddress,
        context,
        said::lift_block_of(address, label),
    );
    plan.parameters
        .insert("address".to_owned(), address.to_string().into());
    plan.steps.push(Step::new(
        said::lift_block(),
        ApiCall::new(
            "antiddos",
            "UnblockResources",
            "",
            json!({ "Resources": [address] }),
        )
        .with_version(VERSION),
        Completion::Unblocked {
            address: address.to_string(),
            limit_s: LIMIT_S,
        },
    ));
    plan.changes = vec![said::address_lets_through(address)];
    plan.cost = cost;
    plan.undo = Undo::None {
        reason: said::lift_stays(),
    };
    plan.warnings.push(said::attack_may_return());
    if facts.ends.is_some() {
        plan.warnings.push(ends());
    }
    plan.warnings.extend(unknown.map(said::block_unread));
    Ok(plan)
}

/// The blocked address that is meant.
fn blocked(facts: &BlockFacts, wanted: Option<IpAddr>, label: &str) -> Result<IpAddr, PlanError> {
    let is_wanted = |address: &IpAddr| wanted.is_none_or(|wanted| wanted == *address);
    let mut found = facts.blocked.iter().map(|(address, _)| *address);
    if let Some(address) = found.find(|address| is_wanted(address)) {
        return Ok(address);
    }
    let why: Said = match facts.lifting.iter().find(|address| is_wanted(address)) {
        Some(address) => said::being_lifted(address),
        None => said::not_blocked(label),
    };
    Err(PlanError::NothingToDo(why))
}
