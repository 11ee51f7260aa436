//! Plans of `vnc-url`, `authorize-repair` and `ticket`.

use serde_json::json;

use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, Verification, blank};
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;

pub(super) fn vnc_url(context: &PlanContext) -> Plan {
    let instance = &context.instance;
    let mut plan = blank(
        ActionId::VncUrl,
        context,
        format!("Get a VNC address of {}", Target::of(instance).label()),
    );
    let mut step = Step::new(
        "ask for the address",
        ApiCall::new(
            "cvm",
            "DescribeInstanceVncUrl",
            &instance.region,
            json!({ "InstanceId": instance.id }),
        ),
        Completion::Answer,
    );
    step.reveals = Some("/InstanceVncUrl".to_owned());
    plan.steps.push(step);
    plan.changes = vec![
        "nothing; the address opens the console for 15 seconds, once, and is stored nowhere"
            .to_owned(),
    ];
    plan.warnings
        .push("whoever holds the address has the console: treat it as a password".to_owned());
    plan.verification = Verification::None {
        reason: "nothing changes".to_owned(),
    };
    plan
}

pub(super) fn authorize_repair(
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let tasks = context.repair_tasks.required("the repair tasks")?;
    let pending: Vec<_> = tasks.iter().filter(|task| task.status == 1).collect();
    let task = match (parameters.text("task"), pending.as_slice()) {
        (Some(wanted), _) => pending.iter().find(|t| t.id == wanted).ok_or_else(|| {
            PlanError::NotApplicable(format!(
                "{wanted} is not a task of {label} that waits for authorisation"
            ))
        })?,
        (None, []) => {
            return Err(PlanError::NothingToDo(format!(
                "no repair of {label} waits for authorisation"
            )));
        }
        (None, [only]) => only,
        (None, several) => {
            let ids: Vec<_> = several.iter().map(|t| t.id.as_str()).collect();
            return Err(PlanError::Missing(format!(
                "several repairs of {label} wait; choose one with task=: {}",
                ids.join(", ")
            )));
        }
    };
    let mut plan = blank(
        ActionId::AuthorizeRepair,
        context,
        format!("Authorise the repair {} of {label}", task.id),
    );
    plan.parameters
        .insert("task".to_owned(), task.id.as_str().into());
    plan.steps.push(Step::new(
        "authorise the repair",
        // No TaskSubMethod: `LossyLocal` would let the platform erase local disks.
        ApiCall::new(
            "cvm",
            "RepairTaskControl",
            &instance.region,
            json!({
                "Product": "CVM",
                "InstanceIds": [instance.id],
                "TaskId": task.id,
                "Operate": "AuthorizeRepair",
            }),
        ),
        Completion::RepairTask {
            task: task.id.clone(),
        },
    ));
    plan.changes = vec![format!(
        "the platform may begin at once: {}",
        if task.title.is_empty() {
            "repair of the host"
        } else {
            &task.title
        }
    )];
    "the repair may restart or move the instance; its length is not announced"
        .clone_into(&mut plan.downtime);
    "local disks are kept: the variant that gives them up is never asked for"
        .clone_into(&mut plan.data_risk);
    plan.undo = Undo::None {
        reason: "an authorisation cannot be withdrawn".to_owned(),
    };
    Ok(plan)
}

pub(super) fn ticket(context: &PlanContext) -> Plan {
    let mut plan = blank(
        ActionId::Ticket,
        context,
        format!(
            "Write the ticket bundle of {}",
            Target::of(&context.instance).label()
        ),
    );
    plan.changes =
        vec!["a folder with report, evidence, journal and versions; nothing is sent".to_owned()];
    plan.undo = Undo::None {
        reason: "delete the folder".to_owned(),
    };
    plan.verification = Verification::None {
        reason: "nothing changes".to_owned(),
    };
    plan
}
