//! Plan of `associate-address`: a free elastic address of the region, or a new one.

use serde_json::{Value, json};

use super::context::{AccountType, AddressFacts, Fact, PlanContext};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, StepInput, Target, Undo, blank, mark};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;

const TASK_LIMIT_S: u64 = 300;
/// How a new address on a standard account is charged.
pub const NEW_CHARGE_TYPE: &str = "TRAFFIC_POSTPAID_BY_HOUR";
const FILLED_IN: &str = "(from the answer of the call before)";

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    if !instance.public_addresses.is_empty() {
        return Err(PlanError::NothingToDo(format!(
            "{label} already has the public address {}",
            instance.public_addresses[0]
        )));
    }
    let mut plan = blank(
        ActionId::AssociateAddress,
        context,
        format!("Bind a public address to {label}"),
    );
    match (&context.free_addresses, parameters.text("address")) {
        // The operator names one: the cloud itself refuses it when it is not free.
        (Fact::Unknown { why, .. }, Some(wanted)) => {
            let named = AddressFacts {
                id: wanted.to_owned(),
                ..AddressFacts::default()
            };
            bind_existing(&mut plan, context, &named);
            plan.warnings.push(format!(
                "whether {wanted} is free could not be read ({why}); the cloud refuses the call if it is not"
            ));
        }
        (facts, wanted) => {
            let free = facts.required("the region's free addresses")?;
            match choose(wanted, free)? {
                Some(address) => bind_existing(&mut plan, context, address),
                None => bind_new(&mut plan, context, parameters.number("mbps").unwrap_or(5)),
            }
        }
    }
    plan.warnings.push(
        "the instance can then be reached from the Internet as far as its security groups allow"
            .to_owned(),
    );
    Ok(plan)
}

fn choose<'a>(
    wanted: Option<&str>,
    free: &'a [AddressFacts],
) -> Result<Option<&'a AddressFacts>, PlanError> {
    let usable = |a: &&AddressFacts| a.status == "UNBIND" && !a.is_blocked && !a.is_arrears;
    let Some(wanted) = wanted else {
        return Ok(free.iter().find(usable));
    };
    match free.iter().find(|a| a.id == wanted) {
        Some(address) if usable(&address) => Ok(Some(address)),
        Some(address) => Err(PlanError::NotApplicable(format!(
            "{wanted} cannot be bound: {}",
            if address.is_blocked {
                "it is blocked because of an attack"
            } else if address.is_arrears {
                "it is in arrears"
            } else {
                "it is not free"
            }
        ))),
        None => Err(PlanError::NotApplicable(format!(
            "{wanted} is not among the free addresses of the region; leave `address` out to see which would be taken"
        ))),
    }
}

fn associate(context: &PlanContext, address_id: &str) -> Step {
    Step::new(
        "bind the address",
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

fn call_on_address(context: &PlanContext, purpose: &str, action: &str, body: Value) -> Step {
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
    plan.steps.push(associate(context, &address.id));
    let shown = address.shown();
    plan.changes = vec![format!("{shown} becomes the public address")];
    "a bound address costs no idle fee; its traffic is charged as before"
        .clone_into(&mut plan.cost);
    plan.undo = Undo::Steps {
        text: format!("unbinds {shown} again"),
        downtime: "the public path ends".to_owned(),
        risk: Risk::Medium,
        steps: vec![call_on_address(
            context,
            "unbind the address",
            "DisassociateAddress",
            json!({ "AddressId": address.id }),
        )],
    };
}

fn bind_new(plan: &mut Plan, context: &PlanContext, mbps: u64) {
    let mark = mark(&context.entry);
    // Name and token both carry the mark: a second sending would be recognised by the cloud,
    // and the address can be found after a crash.
    let mut body = json!({ "AddressCount": 1, "AddressName": mark, "ClientToken": mark });
    if context.account_type.known() == Some(&AccountType::Standard) {
        body["InternetChargeType"] = json!(NEW_CHARGE_TYPE);
        body["InternetMaxBandwidthOut"] = json!(mbps);
    } else if let Some(why) = context.account_type.unknown() {
        plan.warnings.push(format!(
            "the account's network type could not be read ({why}): the new address gets the cap and the charge that are the account's default"
        ));
    }
    plan.parameters.insert("mbps".to_owned(), mbps.into());
    let mut allocate = call_on_address(context, "buy an address", "AllocateAddresses", body);
    allocate.keep.push("/AddressSet/0".to_owned());
    let input = || StepInput {
        pointer: "/AddressId".to_owned(),
        from_step: 0,
        answer_pointer: "/AddressSet/0".to_owned(),
    };
    let mut bind = associate(context, FILLED_IN);
    bind.inputs.push(input());
    plan.steps = vec![allocate, bind];
    plan.changes = vec![format!(
        "a new elastic address ({mbps} Mbit/s) becomes the public address"
    )];
    plan.cost = context
        .price
        .as_cost("traffic by the gigabyte, and an idle fee while it is bound to nothing");
    let mut unbind = call_on_address(
        context,
        "unbind the address",
        "DisassociateAddress",
        json!({ "AddressId": FILLED_IN }),
    );
    unbind.inputs.push(input());
    let mut release = call_on_address(
        context,
        "give the address back",
        "ReleaseAddresses",
        json!({ "AddressIds": [FILLED_IN] }),
    );
    release.inputs.push(StepInput {
        pointer: "/AddressIds/0".to_owned(),
        ..input()
    });
    plan.undo = Undo::Steps {
        text: "unbinds the new address and gives it back; the same address cannot be had again"
            .to_owned(),
        downtime: "the public path ends".to_owned(),
        risk: Risk::Medium,
        steps: vec![unbind, release],
    };
}
