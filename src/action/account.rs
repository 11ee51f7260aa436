//! Plans of `reset-password` and `bind-key-pair`.
//!
//! A password is never part of a plan: a slot says where the executor puts the one it makes.

use serde_json::{Value, json};

use super::blank::blank;
use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, SecretSlot, Step, Target, Undo};
use super::power::OPERATION_LIMIT_S;
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// Length of generated passwords; both systems allow 12 to 30.
pub(super) const PASSWORD_LENGTH: usize = 20;

/// The account that a login uses unless something says otherwise.
pub(super) fn default_user(instance: &Instance) -> String {
    instance.usual_user()
}

/// True when running, false when stopped; both calls accept nothing else.
fn is_running(instance: &Instance, action: ActionId) -> Result<bool, PlanError> {
    match instance.state.as_str() {
        "STOPPED" => Ok(false),
        _ => super::power::require_state(instance, action, "RUNNING").map(|()| true),
    }
}

pub(super) fn reset_password(
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let running = is_running(instance, ActionId::ResetPassword)?;
    let user = parameters
        .text("user")
        .map_or_else(|| default_user(instance), ToOwned::to_owned);
    let mut plan = blank(
        ActionId::ResetPassword,
        context,
        said::reset_password(&user, Target::of(instance).label()),
    );
    plan.parameters
        .insert("user".to_owned(), Value::from(user.as_str()));
    let mut body = json!({
        "InstanceIds": [instance.id],
        "UserName": user,
        "Password": said::generated_when_sent().as_str(),
    });
    if running {
        body["ForceStop"] = Value::Bool(true);
    }
    let mut step = Step::new(
        said::reset_password_2(),
        ApiCall::new("cvm", "ResetInstancesPassword", &instance.region, body),
        Completion::Instance {
            state: running.then(|| "RUNNING".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    );
    step.secret = Some(SecretSlot {
        pointer: "/Password".to_owned(),
        length: PASSWORD_LENGTH,
        user: Said::raw(&user),
    });
    plan.steps.push(step);
    plan.changes.push(said::old_password_stops(user));
    restart_price(&mut plan, running);
    plan.undo = Undo::None {
        reason: said::old_password_not(),
    };
    if !instance.key_ids.is_empty() {
        plan.warnings.push(said::key_pair_bound());
    }
    plan.warnings.push(said::guest_own_agent());
    Ok(plan)
}

fn restart_price(plan: &mut Plan, running: bool) {
    if running {
        plan.downtime = said::instance_shut_down();
        plan.data_risk = said::power_cut_if();
    } else {
        plan.risk = Risk::Medium;
    }
}

pub(super) fn bind_key_pair(
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let Some(key) = parameters.text("key") else {
        return Err(PlanError::Missing(said::bind_key_pair()));
    };
    if instance.key_ids.iter().any(|bound| bound == key) {
        return Err(PlanError::NothingToDo(said::already_bound(key)));
    }
    let running = is_running(instance, ActionId::BindKeyPair)?;
    let state = running.then(|| "RUNNING".to_owned());
    let mut plan = blank(
        ActionId::BindKeyPair,
        context,
        said::bind(key, Target::of(instance).label()),
    );
    plan.parameters.insert("key".to_owned(), key.into());
    let call = |action: &str, keys: Value| {
        let mut body = json!({ "InstanceIds": [instance.id], "KeyIds": keys });
        if running {
            body["ForceStop"] = Value::Bool(true);
        }
        ApiCall::new("cvm", action, &instance.region, body)
    };
    let completion = Completion::Instance {
        state,
        limit_s: OPERATION_LIMIT_S,
    };
    plan.steps.push(Step::new(
        said::bind_key_pair_2(),
        call("AssociateInstancesKeyPairs", json!([key])),
        completion.clone(),
    ));
    plan.changes = vec![said::can_log_password(key)];
    restart_price(&mut plan, running);
    let (text, step) = if instance.key_ids.is_empty() {
        (
            said::unbinds_password_login(key),
            Step::new(
                said::unbind_key_pair(),
                call("DisassociateInstancesKeyPairs", json!([key])),
                completion,
            ),
        )
    } else {
        plan.changes
            .push(said::replaces(instance.key_ids.join(", ")));
        (
            said::binds_again(instance.key_ids.join(", ")),
            Step::new(
                said::bind_former_key(),
                call("AssociateInstancesKeyPairs", json!(instance.key_ids)),
                completion,
            ),
        )
    };
    plan.undo = Undo::Steps {
        text,
        downtime: plan.downtime.clone(),
        risk: plan.risk,
        steps: vec![step],
    };
    Ok(plan)
}
