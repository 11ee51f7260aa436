//! Plan of `raise-bandwidth`: where the cap lies depends on the account type and the address.

use serde_json::json;

use super::context::{AccountType, AddressFacts, PlanContext};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, blank};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;

const TASK_LIMIT_S: u64 = 300;
/// The lowest cap that an elastic address can be given, in Mbit/s.
const LEAST: u64 = 1;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let Some(mbps) = parameters.number("mbps") else {
        return Err(PlanError::Missing(
            "raise-bandwidth needs the new cap: give it in Mbit/s with mbps=N".to_owned(),
        ));
    };
    let nothing = Vec::new();
    let addresses = context.addresses.known().unwrap_or(&nothing);
    if addresses.is_empty() && instance.public_addresses.is_empty() {
        return Err(PlanError::NotApplicable(format!(
            "{label} has no public address, so there is no cap to raise; bind one with associate-address"
        )));
    }
    let elastic = addresses
        .iter()
        .find(|a| !a.id.is_empty() && a.kind != "WanIP");
    // Where the account's type cannot be read, the address tells: only on standard accounts
    // it has a cap of its own.
    let on_the_address = match context.account_type.known() {
        Some(account) => *account == AccountType::Standard,
        None => elastic.is_some_and(|address| address.bandwidth.is_some()),
    };
    let mut plan = blank(
        ActionId::RaiseBandwidth,
        context,
        format!("Raise the public bandwidth of {label} to {mbps} Mbit/s"),
    );
    plan.parameters.insert("mbps".to_owned(), mbps.into());
    match elastic {
        Some(address) if on_the_address => {
            on_address(&mut plan, context, address, mbps)?;
        }
        _ => on_instance(&mut plan, context, mbps)?,
    }
    for (unknown, what) in [
        (context.account_type.unknown(), "the account's network type"),
        (context.addresses.unknown(), "the public addresses"),
    ] {
        plan.warnings.extend(unknown.map(|why| {
            format!(
                "{what} could not be read ({why}), so the cap may lie elsewhere; the cloud refuses the call then"
            )
        }));
    }
    plan.cost = context
        .price
        .as_cost("charged at the higher cap from now on");
    Ok(plan)
}

fn already(current: Option<u64>, mbps: u64) -> Result<(), PlanError> {
    match current {
        Some(now) if now >= mbps => Err(PlanError::NothingToDo(format!(
            "the cap is already {now} Mbit/s; give more than that"
        ))),
        _ => Ok(()),
    }
}

fn on_address(
    plan: &mut Plan,
    context: &PlanContext,
    address: &AddressFacts,
    mbps: u64,
) -> Result<(), PlanError> {
    already(address.bandwidth, mbps)?;
    let step = |purpose: &str, mbps: u64| {
        Step::new(
            purpose,
            ApiCall::new(
                "vpc",
                "ModifyAddressesBandwidth",
                &context.instance.region,
                json!({ "AddressIds": [address.id], "InternetMaxBandwidthOut": mbps }),
            ),
            Completion::Task {
                limit_s: TASK_LIMIT_S,
            },
        )
    };
    plan.steps.push(step("raise the cap of the address", mbps));
    plan.changes = vec![format!(
        "the cap of {} ({}) goes from {} to {mbps} Mbit/s at once",
        address.ip,
        address.id,
        shown(address.bandwidth)
    )];
    plan.undo = match address.bandwidth {
        Some(before) => Undo::Steps {
            text: match before {
                0 => format!(
                    "sets the cap to {LEAST} Mbit/s, the least that an address takes (it is 0 now)"
                ),
                _ => format!("sets the cap back to {before} Mbit/s"),
            },
            downtime: "none".to_owned(),
            risk: Risk::Medium,
            steps: vec![step("set the cap of the address back", before.max(LEAST))],
        },
        None => Undo::None {
            reason: "the cap before could not be read".to_owned(),
        },
    };
    Ok(())
}

fn on_instance(plan: &mut Plan, context: &PlanContext, mbps: u64) -> Result<(), PlanError> {
    let instance = &context.instance;
    let before = instance.bandwidth_out_mbps;
    already(before, mbps)?;
    let step = |purpose: &str, mbps: u64| {
        Step::new(
            purpose,
            ApiCall::new(
                "cvm",
                "ResetInstancesInternetMaxBandwidth",
                &instance.region,
                json!({
                    "InstanceIds": [instance.id],
                    "InternetAccessible": { "InternetMaxBandwidthOut": mbps },
                }),
            ),
            Completion::InstanceBandwidth { mbps },
        )
    };
    plan.steps.push(step("raise the cap of the instance", mbps));
    plan.changes = vec![format!(
        "the cap of the instance goes from {} to {mbps} Mbit/s",
        shown(before)
    )];
    plan.undo = match before {
        _ if instance.internet_charge_type == "BANDWIDTH_PREPAID" => Undo::None {
            reason: "a prepaid cap cannot be lowered".to_owned(),
        },
        Some(before) => Undo::Steps {
            text: format!("sets the cap back to {before} Mbit/s"),
            downtime: "none".to_owned(),
            risk: Risk::Medium,
            steps: vec![step("set the cap of the instance back", before)],
        },
        None => Undo::None {
            reason: "the cap before could not be read".to_owned(),
        },
    };
    Ok(())
}

fn shown(mbps: Option<u64>) -> String {
    mbps.map_or_else(|| "an unknown value".to_owned(), |n| n.to_string())
}
