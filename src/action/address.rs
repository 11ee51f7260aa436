//! Plan of `associate-address`: a free elastic address of the region, or a new one.

use serde_json::{Value, json};

use super::blank::blank;
use super::context::{AccountType, AddressFacts, Fact, PlanContext};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, StepInput, Target, Undo, mark};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::said::Said;

const TASK_LIMIT_S: u64 = 300;
/// How a new address on a standard account is charged.
pub const NEW_CHARGE_TYPE: &str = "TRAFFIC_POSTPAID_BY_HOUR";
/// Most that [`NEW_CHARGE_TYPE`] takes (vpc `AllocateAddresses.InternetMaxBandwidthOut`).
const MOST_MBPS: u64 = 100;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    if !instance.public_addresses.is_empty() {
        return Err(PlanError::NothingToDo(said::already_public_address(
            label,
            instance.public_addresses[0],
        )));
    }
    if instance.state == "STOPPED" && instance.stop_charging_mode == "STOP_CHARGING" {
        return Err(PlanError::NotApplicable(said::stopped_without_charge(
            label,
        )));
    }
    let mut plan = blank(
        ActionId::AssociateAddress,
        context,
        said::bind_public_address(label),
    );
    match (&context.free_addresses, parameters.text("address")) {
        // The operator names one: the cloud itself refuses it when it is not free.
        (Fact::Unknown { why, .. }, Some(wanted)) => {
            let named = AddressFacts {
                id: wanted.to_owned(),
                ..AddressFacts::default()
            };
            bind_existing(&mut plan, context, &named);
            plan.warnings.push(said::free_not_read(wanted, why));
        }
        (facts, wanted) => {
            let free = facts.required(said::region_free_addresses())?;
            match choose(wanted, free)? {
                Some(address) => bind_existing(&mut plan, context, address),
                None => bind_new(&mut plan, context, parameters.number("mbps").unwrap_or(5))?,
            }
        }
    }
    plan.warnings.push(said::instance_can_then());
    Ok(plan)
}

fn choose<'a>(
    wanted: Option<&str>,
    free: &'a [AddressFacts],
) -> Result<Option<&'a AddressFacts>, PlanError> {
    let usable = |a: &&AddressFacts| a.is_free();
    let Some(wanted) = wanted else {
        // Anti-DDoS, Anycast and the like are dear, and bought for something else.
        let plain = |a: &&AddressFacts| usable(a) && matches!(a.kind.as_str(), "EIP" | "");
        return Ok(free.iter().find(plain));
    };
    match free.iter().find(|a| a.id == wanted) {
        Some(address) if usable(&address) => Ok(Some(address)),
        Some(address) => Err(PlanError::NotApplicable(said::cannot_bound(
            wanted,
            if address.is_blocked {
                said::blocked_by_attack()
            } else if address.is_arrears {
                said::in_arrears()
            } else {
                said::not_free()
            },
        ))),
        None => Err(PlanError::NotApplicable(said::not_among_free(wanted))),
    }
}

fn associate(context: &PlanContext, address_id: &str) -> Step {
    Step::new(
        said::bind_address(),
        ApiCall::new(
            "vpc",
            "AssociateAddress",
            &context.instance.region,
            json!({ "AddressId": address_id, "InstanceId": context.instance.id }),
        ),
        Completion::Task {
            limit_s: TASK_LIMIT_S,
        },
    )
}

fn call_on_address(context: &PlanContext, purpose: Said, action: &str, body: Value) -> Step {
    Step::new(
        purpose,
        ApiCall::new("vpc", action, &context.instance.region, body),
        Completion::Task {
            limit_s: TASK_LIMIT_S,
        },
    )
}

fn bind_existing(plan: &mut Plan, context: &PlanContext, address: &AddressFacts) {
    plan.parameters
        .insert("address".to_owned(), address.id.as_str().into());
    if !matches!(address.kind.as_str(), "EIP" | "") {
        plan.warnings
            .push(said::kind_of_its_own(&address.id, &address.kind));
    }
    plan.steps.push(associate(context, &address.id));
    let shown = address.shown();
    plan.changes = vec![said::becomes_public_address(&shown)];
    plan.cost = said::bound_address_costs();
    plan.undo = Undo::Steps {
        text: said::unbinds_again(shown),
        downtime: said::public_path_ends(),
        risk: Risk::Medium,
        steps: vec![call_on_address(
            context,
            said::unbind_address(),
            "DisassociateAddress",
            json!({ "AddressId": address.id }),
        )],
    };
}

fn bind_new(plan: &mut Plan, context: &PlanContext, mbps: u64) -> Result<(), PlanError> {
    let mark = mark(&context.entry);
    if mbps > MOST_MBPS {
        return Err(PlanError::NotApplicable(said::new_address_cap(
            MOST_MBPS, MOST_MBPS,
        )));
    }
    // Name and token both carry the mark: a second sending would be recognised by the cloud,
    // and the address can be found after a crash.
    let mut body = json!({ "AddressCount": 1, "AddressName": mark, "ClientToken": mark });
    if context.account_type.known() == Some(&AccountType::Standard) {
        body["InternetChargeType"] = json!(NEW_CHARGE_TYPE);
        body["InternetMaxBandwidthOut"] = json!(mbps);
    } else if let Some(why) = context.account_type.unknown() {
        plan.warnings.push(said::network_type_unread(why));
    }
    plan.parameters.insert("mbps".to_owned(), mbps.into());
    let mut allocate = call_on_address(context, said::buy_address(), "AllocateAddresses", body);
    allocate.keep.push("/AddressSet/0".to_owned());
    let input = || StepInput {
        pointer: "/AddressId".to_owned(),
        from_step: 0,
        answer_pointer: "/AddressSet/0".to_owned(),
    };
    let mut bind = associate(context, &said::from_answer_before());
    bind.inputs.push(input());
    plan.steps = vec![allocate, bind];
    plan.changes = vec![said::new_elastic_address(mbps)];
    plan.cost = context.price.as_cost(said::traffic_gigabyte_idle());
    let mut unbind = call_on_address(
        context,
        said::unbind_address(),
        "DisassociateAddress",
        json!({ "AddressId": said::from_answer_before().as_str() }),
    );
    unbind.inputs.push(input());
    let mut release = call_on_address(
        context,
        said::give_address_back(),
        "ReleaseAddresses",
        json!({ "AddressIds": [said::from_answer_before().as_str()] }),
    );
    release.inputs.push(StepInput {
        pointer: "/AddressIds/0".to_owned(),
        ..input()
    });
    plan.undo = Undo::Steps {
        text: said::unbinds_new_address(),
        downtime: said::public_path_ends(),
        risk: Risk::Medium,
        steps: vec![unbind, release],
    };
    Ok(())
}
