//! Plans of `restart`, `start` and `stop`.
//!
//! Must not live here: following an operation to its end (`runtime::execute`).

use serde_json::json;

use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Undo, Verification, blank};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;

/// Longest time an operation on an instance is followed, in seconds.
pub(super) const OPERATION_LIMIT_S: u64 = 900;

pub(super) fn plan(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let needed = if action == ActionId::Start {
        "STOPPED"
    } else {
        "RUNNING"
    };
    require_state(instance, action, needed)?;
    match action {
        ActionId::Restart => Ok(restart(parameters, context)),
        ActionId::Start => Ok(start(context)),
        _ => Ok(stop(parameters, context)),
    }
}

/// `StopType` of the API for the `mode` parameter, soft unless given.
pub(super) fn stop_type(parameters: &Parameters) -> (&'static str, &'static str) {
    match parameters.text("mode") {
        Some("hard") => ("hard", "HARD"),
        Some("soft-first") => ("soft-first", "SOFT_FIRST"),
        _ => ("soft", "SOFT"),
    }
}

/// Refuses what the cloud would refuse, with the remedy.
pub(super) fn require_state(
    instance: &Instance,
    action: ActionId,
    needed: &str,
) -> Result<(), PlanError> {
    let label = super::plan::Target::of(instance).label();
    let refuse = |why: String| Err(PlanError::NotApplicable(why));
    match instance.restrict_state.as_str() {
        "PROTECTIVELY_ISOLATED" => {
            return refuse(format!(
                "`{action}` cannot be used: {label} is in security isolation; settle the violation in the account's message centre first"
            ));
        }
        "EXPIRED" => {
            return refuse(format!(
                "`{action}` cannot be used: {label} has expired; renew it first"
            ));
        }
        _ => {}
    }
    if instance.isolated_source == "ARREAR" {
        return refuse(format!(
            "`{action}` cannot be used: {label} is isolated because the account is in arrears; top it up first"
        ));
    }
    if let Some(operation) = &instance.last_operation
        && operation.state == "OPERATING"
    {
        return refuse(format!(
            "`{action}` cannot be used yet: {} of {label} is still under way (request {}); wait for its end",
            operation.action, operation.request_id
        ));
    }
    if instance.state == needed {
        return Ok(());
    }
    let state = if instance.state.is_empty() {
        "not known"
    } else {
        &instance.state
    };
    let remedy = match instance.state.as_str() {
        "STOPPED" => "start it",
        "RUNNING" => "it already runs",
        "RESCUE_MODE" => "leave the rescue system with exit-rescue",
        "PENDING" | "STARTING" | "STOPPING" | "REBOOTING" | "ENTER_RESCUE_MODE"
        | "EXIT_RESCUE_MODE" => "another operation is under way: wait for its end",
        _ => "refresh and look again",
    };
    if instance.state == "RUNNING" && action == ActionId::Start {
        return Err(PlanError::NothingToDo(format!("{label} already runs")));
    }
    if instance.state == "STOPPED" && action == ActionId::Stop {
        return Err(PlanError::NothingToDo(format!(
            "{label} is already stopped"
        )));
    }
    refuse(format!(
        "`{action}` needs the state {needed} and the state of {label} is {state}; {remedy}"
    ))
}

pub(super) fn start_step(instance: &Instance) -> Step {
    Step::new(
        "start the instance",
        ApiCall::new(
            "cvm",
            "StartInstances",
            &instance.region,
            json!({ "InstanceIds": [instance.id] }),
        ),
        Completion::Instance {
            state: Some("RUNNING".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    )
}

fn stop_step(instance: &Instance, stop_type: &str) -> Step {
    Step::new(
        "stop the instance",
        ApiCall::new(
            "cvm",
            "StopInstances",
            &instance.region,
            json!({
                "InstanceIds": [instance.id],
                "StopType": stop_type,
                // Stopping without charges would give up the ordinary public address.
                "StoppedMode": "KEEP_CHARGING",
            }),
        ),
        Completion::Instance {
            state: Some("STOPPED".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    )
}

fn restart(parameters: &Parameters, context: &PlanContext) -> Plan {
    let instance = &context.instance;
    let (mode, stop_type) = stop_type(parameters);
    let mut plan = blank(
        ActionId::Restart,
        context,
        format!(
            "Restart {} ({mode})",
            super::plan::Target::of(instance).label()
        ),
    );
    plan.parameters.insert("mode".to_owned(), mode.into());
    plan.steps.push(Step::new(
        "restart the instance",
        ApiCall::new(
            "cvm",
            "RebootInstances",
            &instance.region,
            json!({ "InstanceIds": [instance.id], "StopType": stop_type }),
        ),
        Completion::Instance {
            state: Some("RUNNING".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    ));
    plan.changes = vec![
        "RUNNING becomes REBOOTING, then RUNNING; addresses and disks stay".to_owned(),
        "running programs, sessions and whatever is only in memory end".to_owned(),
    ];
    "tens of seconds to a few minutes".clone_into(&mut plan.downtime);
    plan.data_risk = power_risk(mode);
    plan.undo = Undo::None {
        reason: "a restart cannot be taken back".to_owned(),
    };
    plan.warnings.push(
        "a restart destroys evidence (memory, process list, unsaved logs): write the ticket bundle first if the cause is not known".to_owned(),
    );
    if mode == "hard" {
        plan.warnings.push(hard_reason(context));
    }
    plan.warnings.extend(context.before.warnings());
    plan
}

/// What speaks for a power cut, or that nothing does.
fn hard_reason(context: &PlanContext) -> String {
    let before = &context.before;
    match (&before.soft_failed, &before.guest_gone) {
        (Some(how), _) => format!("a soft restart was tried before and failed: {how}"),
        (None, Some(why)) => format!("a soft restart would not get through: {why}"),
        (None, None) => {
            "no soft restart has failed here and the guest is not known to be gone: try mode=soft first".to_owned()
        }
    }
}

fn power_risk(mode: &str) -> String {
    match mode {
        "hard" => "power cut: unwritten data can be lost and file systems may need a check",
        "soft-first" => "as a power cut if the system does not shut down by itself",
        _ => "low: the system shuts down by itself; it may hang when it is overloaded, and then nothing happens",
    }
    .to_owned()
}

fn start(context: &PlanContext) -> Plan {
    let instance = &context.instance;
    let label = super::plan::Target::of(instance).label();
    let mut plan = blank(ActionId::Start, context, format!("Start {label}"));
    plan.steps.push(start_step(instance));
    plan.changes = vec!["STOPPED becomes STARTING, then RUNNING".to_owned()];
    if instance.stop_charging_mode == "STOP_CHARGING" {
        "the instance is charged again from now on".clone_into(&mut plan.cost);
        plan.warnings.push(
            "it was stopped without charges: its ordinary public address may be another one afterwards, and there may be no capacity to start it".to_owned(),
        );
    } else {
        "none beyond what the stopped instance costs already".clone_into(&mut plan.cost);
    }
    plan.undo = Undo::Steps {
        text: "stops the instance again (soft)".to_owned(),
        downtime: "until it is started again".to_owned(),
        risk: Risk::High,
        steps: vec![stop_step(instance, "SOFT")],
    };
    plan
}

fn stop(parameters: &Parameters, context: &PlanContext) -> Plan {
    let instance = &context.instance;
    let (mode, stop_type) = stop_type(parameters);
    let mut plan = blank(
        ActionId::Stop,
        context,
        format!(
            "Stop {} ({mode})",
            super::plan::Target::of(instance).label()
        ),
    );
    plan.parameters.insert("mode".to_owned(), mode.into());
    plan.steps.push(stop_step(instance, stop_type));
    plan.changes = vec![
        "RUNNING becomes STOPPING, then STOPPED; addresses and disks stay".to_owned(),
        "nobody can log in until it is started".to_owned(),
    ];
    "unchanged: it is stopped with charges going on, so that it keeps its address"
        .clone_into(&mut plan.cost);
    "until it is started again".clone_into(&mut plan.downtime);
    plan.data_risk = power_risk(mode);
    if mode == "hard" {
        plan.warnings.push(hard_reason(context));
    }
    plan.warnings.extend(context.before.warnings());
    plan.undo = Undo::Steps {
        text: "starts the instance again".to_owned(),
        downtime: "none".to_owned(),
        risk: Risk::Low,
        steps: vec![start_step(instance)],
    };
    plan.verification = Verification::None {
        reason: "a stopped instance answers no login".to_owned(),
    };
    plan
}
