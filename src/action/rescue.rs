//! Plans of `enter-rescue` and `exit-rescue`.
//!
//! The rescue system is Linux on every instance; the instance's own system disk stays as it is.

use serde_json::json;

use super::account::PASSWORD_LENGTH;
use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{
    Completion, Plan, PlanError, SECRET_PLACEHOLDER, SecretSlot, Step, Target, Undo, Verification,
    blank,
};
use super::power::{OPERATION_LIMIT_S, require_state, start_step, stop_type};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;

pub(super) fn enter(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    if instance.state != "STOPPED" {
        require_state(instance, ActionId::EnterRescue, "RUNNING")?;
    }
    let (mode, stop_type) = stop_type(parameters);
    let mut plan = blank(
        ActionId::EnterRescue,
        context,
        format!("Boot the rescue system on {}", Target::of(instance).label()),
    );
    plan.parameters.insert("mode".to_owned(), mode.into());
    let mut step = Step::new(
        "boot the rescue system",
        ApiCall::new(
            "cvm",
            "EnterRescueMode",
            &instance.region,
            json!({
                "InstanceId": instance.id,
                "Username": "root",
                "Password": SECRET_PLACEHOLDER,
                "StopType": stop_type,
            }),
        ),
        Completion::Instance {
            state: Some("RESCUE_MODE".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    );
    step.secret = Some(SecretSlot {
        pointer: "/Password".to_owned(),
        length: PASSWORD_LENGTH,
        user: "root (rescue system)".to_owned(),
    });
    plan.steps.push(step);
    plan.changes = vec![
        "the instance stops and boots a small Linux; its own system disk is there as vda, not mounted".to_owned(),
        "the host key that SSH clients see is another one meanwhile".to_owned(),
    ];
    "until exit-rescue and the start after it".clone_into(&mut plan.downtime);
    match mode {
        "hard" => "power cut: unwritten data can be lost",
        _ => "low by itself; what is then changed on the disk cannot be taken back without a snapshot",
    }
    .clone_into(&mut plan.data_risk);
    plan.warnings
        .push("take a snapshot of the system disk first".to_owned());
    plan.undo = Undo::Steps {
        text: "leaves the rescue system and starts the instance from its own disk".to_owned(),
        downtime: "some minutes".to_owned(),
        risk: Risk::Medium,
        steps: exit_steps(instance),
    };
    plan.verification = Verification::None {
        reason: "the rescue system answers instead of the instance's own".to_owned(),
    };
    Ok(plan)
}

fn exit_steps(instance: &Instance) -> Vec<Step> {
    vec![
        Step::new(
            "leave the rescue system",
            ApiCall::new(
                "cvm",
                "ExitRescueMode",
                &instance.region,
                json!({ "InstanceId": instance.id }),
            ),
            Completion::Instance {
                state: Some("STOPPED".to_owned()),
                limit_s: OPERATION_LIMIT_S,
            },
        ),
        start_step(instance),
    ]
}

pub(super) fn exit(context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    require_state(instance, ActionId::ExitRescue, "RESCUE_MODE")?;
    let mut plan = blank(
        ActionId::ExitRescue,
        context,
        format!(
            "Leave the rescue system on {}",
            Target::of(instance).label()
        ),
    );
    plan.steps = exit_steps(instance);
    plan.changes = vec!["the instance stops, then starts from its own system disk".to_owned()];
    "some minutes".clone_into(&mut plan.downtime);
    "none if the repairs on the disk are finished and it is unmounted"
        .clone_into(&mut plan.data_risk);
    plan.undo = Undo::None {
        reason: "enter-rescue brings the rescue system back".to_owned(),
    };
    Ok(plan)
}
