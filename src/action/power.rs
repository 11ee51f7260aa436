//! Plans of `restart`, `start` and `stop`.
//!
//! Must not live here: following an operation to its end (`runtime::execute`).

use serde_json::json;

use super::blank::blank;
use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Undo, Verification};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::{Said, Table, Word};

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
    needed: &'static str,
) -> Result<(), PlanError> {
    let label = super::plan::Target::of(instance).label();
    let refuse = |why: Said| Err(PlanError::NotApplicable(why));
    match instance.restrict_state.as_str() {
        "PROTECTIVELY_ISOLATED" => {
            return refuse(said::cannot_used_security(action, label));
        }
        "EXPIRED" => {
            return refuse(said::cannot_used_expired(action, label));
        }
        _ => {}
    }
    if instance.isolated_source == "ARREAR" {
        return refuse(said::cannot_used_isolated(action, label));
    }
    if let Some(operation) = &instance.last_operation
        && operation.state == "OPERATING"
    {
        return refuse(said::cannot_be_used_yet(
            action,
            &operation.action,
            label,
            &operation.request_id,
        ));
    }
    if instance.state == needed {
        return Ok(());
    }
    let state = if instance.state.is_empty() {
        said::not_known()
    } else {
        said::state(Word::new(Table::InstanceState, instance.state.clone()))
    };
    let remedy = match instance.state.as_str() {
        "STOPPED" => said::start(),
        "RUNNING" => said::already_runs(),
        "RESCUE_MODE" => said::leave_rescue_system(),
        "PENDING" | "STARTING" | "STOPPING" | "REBOOTING" | "ENTER_RESCUE_MODE"
        | "EXIT_RESCUE_MODE" => said::another_operation_under(),
        _ => said::refresh_look_again(),
    };
    if instance.state == "RUNNING" && action == ActionId::Start {
        return Err(PlanError::NothingToDo(said::already_runs_2(label)));
    }
    if instance.state == "STOPPED" && action == ActionId::Stop {
        return Err(PlanError::NothingToDo(said::already_stopped(label)));
    }
    refuse(said::needs_state_state(
        action,
        Word::new(Table::InstanceState, needed),
        label,
        state,
        remedy,
    ))
}

pub(super) fn start_step(instance: &Instance) -> Step {
    Step::new(
        said::start_instance(),
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
        said::stop_instance(),
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
    let label = super::plan::Target::of(instance).label();
    let title = match mode {
        "hard" => said::restart_hard(label),
        "soft-first" => said::restart_soft_first(label),
        _ => said::restart(label, mode),
    };
    let mut plan = blank(ActionId::Restart, context, title);
    plan.parameters.insert("mode".to_owned(), mode.into());
    plan.steps.push(Step::new(
        said::restart_instance(),
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
        said::running_becomes_rebooting(),
        said::running_programs_sessions(),
    ];
    plan.downtime = said::tens_seconds_few();
    plan.data_risk = power_risk(mode);
    plan.undo = Undo::None {
        reason: said::restart_cannot_taken(),
    };
    plan.warnings.push(said::restart_destroys_evidence());
    if mode == "hard" {
        plan.warnings.push(hard_reason(context));
    }
    plan.warnings.extend(context.before.warnings());
    plan
}

/// What speaks for a power cut, or that nothing does.
fn hard_reason(context: &PlanContext) -> Said {
    let before = &context.before;
    match (&before.soft_failed, &before.guest_gone) {
        (Some(how), _) => said::soft_tried(how),
        (None, Some(why)) => said::soft_not_through(why),
        (None, None) => said::no_soft_restart(),
    }
}

fn power_risk(mode: &str) -> Said {
    match mode {
        "hard" => said::power_cut_unwritten(),
        "soft-first" => said::power_cut_if(),
        _ => said::low_system_shuts(),
    }
}

fn start(context: &PlanContext) -> Plan {
    let instance = &context.instance;
    let label = super::plan::Target::of(instance).label();
    let mut plan = blank(ActionId::Start, context, said::start_2(label));
    plan.steps.push(start_step(instance));
    plan.changes = vec![said::stopped_becomes_starting()];
    if instance.stop_charging_mode == "STOP_CHARGING" {
        plan.cost = said::instance_charged_again();
        plan.warnings.push(said::stopped_without_charges());
    } else {
        plan.cost = said::none_beyond_what();
    }
    plan.undo = Undo::Steps {
        text: said::stops_instance_again(),
        downtime: said::until_started_again(),
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
        said::stop(super::plan::Target::of(instance).label(), mode),
    );
    plan.parameters.insert("mode".to_owned(), mode.into());
    plan.steps.push(stop_step(instance, stop_type));
    plan.changes = vec![said::running_becomes_stopping(), said::nobody_can_log()];
    plan.cost = said::unchanged_stopped_charges();
    plan.downtime = said::until_started_again();
    plan.data_risk = power_risk(mode);
    if mode == "hard" {
        plan.warnings.push(hard_reason(context));
    }
    plan.warnings.extend(context.before.warnings());
    plan.undo = Undo::Steps {
        text: said::starts_instance_again(),
        downtime: said::none(),
        risk: Risk::Low,
        steps: vec![start_step(instance)],
    };
    plan.verification = Verification::None {
        reason: said::stopped_instance_answers(),
    };
    plan
}
