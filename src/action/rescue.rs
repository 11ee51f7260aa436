//! Plans of `enter-rescue` and `exit-rescue`.
//!
//! The rescue system is Linux on every instance; the instance's own system disk stays as it is.

use serde_json::json;

use super::account::PASSWORD_LENGTH;
use super::blank::blank;
use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, SecretSlot, Step, Target, Undo, Verification};
use super::power::{OPERATION_LIMIT_S, require_state, start_step, stop_type};
use super::said;
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
        said::boot_rescue_system(Target::of(instance).label()),
    );
    plan.parameters.insert("mode".to_owned(), mode.into());
    let mut step = Step::new(
        said::boot_rescue_system_2(),
        ApiCall::new(
            "cvm",
            "EnterRescueMode",
            &instance.region,
            json!({
                "InstanceId": instance.id,
                "Username": "root",
                "Password": said::generated_when_sent().as_str(),
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
        user: said::root_of_rescue(),
    });
    plan.steps.push(step);
    plan.changes = vec![said::instance_stops_boots(), said::host_key_ssh()];
    plan.downtime = said::until_exit_rescue();
    match mode {
        "hard" => said::power_cut_unwritten_data(),
        _ => said::low_itself_what(),
    }
    .clone_into(&mut plan.data_risk);
    plan.warnings.push(said::take_snapshot_system());
    plan.undo = Undo::Steps {
        text: said::leaves_rescue_system(),
        downtime: said::some_minutes(),
        risk: Risk::High,
        steps: exit_steps(instance),
    };
    plan.verification = Verification::None {
        reason: said::rescue_system_answers(),
    };
    Ok(plan)
}

fn exit_steps(instance: &Instance) -> Vec<Step> {
    vec![
        Step::new(
            said::leave_rescue_system_2(),
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
        said::leave_rescue_on(Target::of(instance).label()),
    );
    plan.steps = exit_steps(instance);
    plan.changes = vec![said::instance_stops_then()];
    plan.downtime = said::some_minutes();
    plan.data_risk = said::none_if_repairs();
    plan.undo = Undo::None {
        reason: said::enter_rescue_brings(),
    };
    Ok(plan)
}
