//! Plan of `raise-bandwidth`: where the cap lies depends on the account type and the address.

use serde_json::{Value, json};

use super::blank::blank;
use super::context::{AccountType, AddressFacts, PlanContext};
use super::expected::{Cap, Expected};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

const TASK_LIMIT_S: u64 = 300;
const PREPAID: &str = "BANDWIDTH_PREPAID";
/// The lowest cap that an elastic address can be given, in Mbit/s.
const LEAST: u64 = 1;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let Some(mbps) = parameters.number("mbps") else {
        return Err(PlanError::Missing(said::raise_bandwidth_needs()));
    };
    let nothing = Vec::new();
    let addresses = context.addresses.known().unwrap_or(&nothing);
    if addresses.is_empty() && instance.public_addresses.is_empty() {
        return Err(PlanError::NotApplicable(said::no_public_address(label)));
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
        said::raise_public_bandwidth(label, mbps),
    );
    plan.parameters.insert("mbps".to_owned(), mbps.into());
    match elastic {
        Some(address) if on_the_address => {
            on_address(&mut plan, context, address, mbps)?;
        }
        _ => on_instance(&mut plan, context, mbps)?,
    }
    for (unknown, what) in [
        (context.account_type.unknown(), said::account_network_type()),
        (context.addresses.unknown(), said::public_addresses()),
    ] {
        plan.warnings
            .extend(unknown.map(|why| said::cap_may_lie_elsewhere(what, why)));
    }
    plan.cost = context.price.as_cost(said::charged_higher_cap());
    if let Some(minutes) = parameters.number("minutes") {
        if let Undo::None { reason } = &plan.undo {
            return Err(PlanError::NotApplicable(said::no_time_box(reason)));
        }
        plan.expires_after_minutes = Some(minutes);
        plan.parameters.insert("minutes".to_owned(), minutes.into());
    }
    Ok(plan)
}

/// The body of the change of an instance's cap, and of the inquiry of its price. A prepaid cap needs
/// the dates between which it holds: `today` to the day the instance expires.
pub fn on_instance_body(instance: &Instance, today: &str, mbps: u64) -> Value {
    let mut body = json!({
        "InstanceIds": [instance.id],
        "InternetAccessible": { "InternetMaxBandwidthOut": mbps },
    });
    if instance.internet_charge_type == PREPAID
        && let Some(end) = instance.expired_time
    {
        body["StartTime"] = json!(today);
        body["EndTime"] = json!(day(end));
    }
    body
}

/// A day in the vendor's zone (UTC+8), `YYYY-MM-DD`.
pub fn day(at: jiff::Timestamp) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(zone).strftime("%Y-%m-%d").to_string()
}

/// Most that a kind of charge takes in Mbit/s (vpc `AllocateAddresses.InternetMaxBandwidthOut`).
fn limit(charge: &str) -> Option<u64> {
    match charge {
        "TRAFFIC_POSTPAID_BY_HOUR" | "BANDWIDTH_POSTPAID_BY_HOUR" => Some(100),
        PREPAID | "BANDWIDTH_PREPAID_BY_MONTH" => Some(200),
        "BANDWIDTH_PACKAGE" => Some(2000),
        _ => None,
    }
}

fn warn_of_limit(plan: &mut Plan, charge: &str, mbps: u64) {
    if let Some(most) = limit(charge).filter(|most| mbps > *most) {
        plan.warnings.push(said::cap_charged_as(charge, most, mbps));
    }
}

fn already(current: Option<u64>, mbps: u64) -> Result<(), PlanError> {
    match current {
        Some(now) if now >= mbps => Err(PlanError::NothingToDo(said::cap_already_mbit(now))),
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
    warn_of_limit(plan, &address.charge_type, mbps);
    let step = |purpose: Said, from: Option<u64>, mbps: u64| {
        let mut step = Step::new(
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
        );
        step.expects = from.map(|from| stands_at(context, Some(&address.id), from));
        step
    };
    plan.steps
        .push(step(said::raise_cap_address(), address.bandwidth, mbps));
    plan.changes = vec![said::cap_goes_mbit(
        &address.ip,
        &address.id,
        shown(address.bandwidth),
        mbps,
    )];
    plan.undo = match address.bandwidth {
        Some(before) => Undo::Steps {
            text: match before {
                0 => said::cap_to_least(LEAST),
                _ => said::sets_cap_back(before),
            },
            downtime: said::none(),
            risk: Risk::Medium,
            steps: vec![step(said::set_cap_address(), Some(mbps), before.max(LEAST))],
        },
        None => Undo::None {
            reason: said::cap_before_could(),
        },
    };
    Ok(())
}

fn on_instance(plan: &mut Plan, context: &PlanContext, mbps: u64) -> Result<(), PlanError> {
    let instance = &context.instance;
    let before = instance.bandwidth_out_mbps;
    already(before, mbps)?;
    let charge = instance.internet_charge_type.as_str();
    if charge == "BANDWIDTH_POSTPAID_BY_MONTH" {
        return Err(PlanError::NotApplicable(said::cap_by_the_month()));
    }
    if charge == PREPAID && instance.expired_time.is_none() {
        return Err(PlanError::NotApplicable(said::cap_prepaid_until()));
    }
    warn_of_limit(plan, charge, mbps);
    let step = |purpose: Said, from: Option<u64>, mbps: u64| {
        let mut step = Step::new(
            purpose,
            ApiCall::new(
                "cvm",
                "ResetInstancesInternetMaxBandwidth",
                &instance.region,
                on_instance_body(instance, &context.today, mbps),
            ),
            Completion::InstanceBandwidth { mbps },
        );
        step.expects = from.map(|from| stands_at(context, None, from));
        step
    };
    plan.steps
        .push(step(said::raise_cap_instance(), before, mbps));
    plan.changes = vec![said::cap_instance_goes(shown(before), mbps)];
    plan.undo = match before {
        _ if charge == PREPAID => Undo::None {
            reason: said::prepaid_cap_cannot(),
        },
        Some(before) => Undo::Steps {
            text: said::sets_cap_back(before),
            downtime: said::none(),
            risk: Risk::Medium,
            steps: vec![step(said::set_cap_instance(), Some(mbps), before)],
        },
        None => Undo::None {
            reason: said::cap_before_could(),
        },
    };
    Ok(())
}

/// The way back of a raised cap, made anew from the two figures of the journal: of this instance (or
/// the address that it still has), and downwards only. `None` for anything else.
pub(super) fn lowered(context: &PlanContext, back: &Step) -> Option<Step> {
    let Some(Expected::Cap(cap)) = &back.expects else {
        return None;
    };
    let instance = &context.instance;
    let body = &back.call.parameters;
    let (call, completion) = match &cap.address {
        None => {
            let mbps = body["InternetAccessible"]["InternetMaxBandwidthOut"].as_u64()?;
            let body = on_instance_body(instance, &context.today, mbps);
            let call = ("cvm", "ResetInstancesInternetMaxBandwidth", body);
            ((mbps, call), Completion::InstanceBandwidth { mbps })
        }
        Some(address) => {
            let bound = context.addresses.known()?;
            bound.iter().find(|bound| bound.id == *address)?;
            let mbps = body["InternetMaxBandwidthOut"].as_u64()?;
            let body = json!({ "AddressIds": [address], "InternetMaxBandwidthOut": mbps });
            let call = ("vpc", "ModifyAddressesBandwidth", body);
            let limit_s = TASK_LIMIT_S;
            ((mbps, call), Completion::Task { limit_s })
        }
    };
    let (mbps, (service, action, body)) = call;
    if mbps >= cap.mbps || cap.instance != instance.id {
        return None;
    }
    let call = ApiCall::new(service, action, &instance.region, body);
    let mut step = Step::new(said::set_cap_instance(), call, completion);
    step.expects = Some(stands_at(context, cap.address.as_deref(), cap.mbps));
    Some(step)
}

/// The cap just before a call: what somebody else set meanwhile is not overwritten.
fn stands_at(context: &PlanContext, address: Option<&str>, mbps: u64) -> Expected {
    Expected::Cap(Cap {
        address: address.map(str::to_owned),
        instance: context.instance.id.clone(),
        mbps,
    })
}

fn shown(mbps: Option<u64>) -> Said {
    mbps.map_or_else(said::unknown_value, Said::raw)
}
