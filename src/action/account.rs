//! Plans of `reset-password` and `bind-key-pair`.
//!
//! A password is never part of a plan: a slot says where the executor puts the one it makes.

use serde_json::{Value, json};

use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{
    Completion, Plan, PlanError, SECRET_PLACEHOLDER, SecretSlot, Step, Target, Undo, blank,
};
use super::power::OPERATION_LIMIT_S;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::{Instance, Os};

/// Length of generated passwords; both systems allow 12 to 30.
pub(super) const PASSWORD_LENGTH: usize = 20;

/// The account that a login uses unless something says otherwise.
pub(super) fn default_user(instance: &Instance) -> String {
    if !instance.default_login_user.is_empty() {
        return instance.default_login_user.clone();
    }
    match instance.os {
        Os::Windows => "Administrator",
        _ if instance.os_name.to_ascii_lowercase().contains("ubuntu") => "ubuntu",
        _ => "root",
    }
    .to_owned()
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
        format!(
            "Reset the password of {user} on {}",
            Target::of(instance).label()
        ),
    );
    plan.parameters
        .insert("user".to_owned(), Value::from(user.as_str()));
    let mut body = json!({
        "InstanceIds": [instance.id],
        "UserName": user,
        "Password": SECRET_PLACEHOLDER,
    });
    if running {
        body["ForceStop"] = Value::Bool(true);
    }
    let mut step = Step::new(
        "reset the password",
        ApiCall::new("cvm", "ResetInstancesPassword", &instance.region, body),
        Completion::Instance {
            state: running.then(|| "RUNNING".to_owned()),
            limit_s: OPERATION_LIMIT_S,
        },
    );
    step.secret = Some(SecretSlot {
        pointer: "/Password".to_owned(),
        length: PASSWORD_LENGTH,
        user: user.clone(),
    });
    plan.steps.push(step);
    plan.changes.push(format!(
        "the old password of {user} stops working; the new one is shown once and stored nowhere"
    ));
    restart_price(&mut plan, running);
    plan.undo = Undo::None {
        reason: "the old password is not known to anybody but its owner; reset again if needed"
            .to_owned(),
    };
    if !instance.key_ids.is_empty() {
        plan.warnings.push(
            "a key pair is bound, which normally switches password login off: the new password may then work in VNC only".to_owned(),
        );
    }
    plan.warnings.push(
        "the guest's own agent applies the password; the cloud may report success although it did not".to_owned(),
    );
    Ok(plan)
}

fn restart_price(plan: &mut Plan, running: bool) {
    if running {
        "the instance is shut down (by force if it does not follow) and started again: some minutes"
            .clone_into(&mut plan.downtime);
        "as a power cut if the system does not shut down by itself".clone_into(&mut plan.data_risk);
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
        return Err(PlanError::Missing(
            "bind-key-pair needs a key pair: give its id with key=skey-...".to_owned(),
        ));
    };
    if instance.key_ids.iter().any(|bound| bound == key) {
        return Err(PlanError::NothingToDo(format!("{key} is already bound")));
    }
    let running = is_running(instance, ActionId::BindKeyPair)?;
    let state = running.then(|| "RUNNING".to_owned());
    let mut plan = blank(
        ActionId::BindKeyPair,
        context,
        format!("Bind {key} to {}", Target::of(instance).label()),
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
        "bind the key pair",
        call("AssociateInstancesKeyPairs", json!([key])),
        completion.clone(),
    ));
    plan.changes = vec![format!(
        "{key} can log in; password login over SSH is switched off by this"
    )];
    restart_price(&mut plan, running);
    let (text, step) = if instance.key_ids.is_empty() {
        (
            format!("unbinds {key}; password login comes back with the old password"),
            Step::new(
                "unbind the key pair",
                call("DisassociateInstancesKeyPairs", json!([key])),
                completion,
            ),
        )
    } else {
        plan.changes
            .push(format!("it replaces {}", instance.key_ids.join(", ")));
        (
            format!("binds {} again", instance.key_ids.join(", ")),
            Step::new(
                "bind the former key pair",
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
