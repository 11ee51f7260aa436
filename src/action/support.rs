//! Plans of `vnc-url`, `authorize-repair` and `ticket`.

use serde_json::json;

use super::context::{Fact, PlanContext, RepairTask};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, Verification, blank};
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;

pub(super) fn vnc_url(context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    if instance.state == "STOPPED" {
        return Err(PlanError::NotApplicable(format!(
            "{} is stopped, and a stopped instance has no console; start it first",
            Target::of(instance).label()
        )));
    }
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
    Ok(plan)
}

/// The page of the vendor that opens a VNC address (cvm `DescribeInstanceVncUrl`).
const VNC_PAGE: &str = "https://img.qcloud.com/qcloud/app/active_vnc/index.html?InstanceVncUrl=";

/// What a browser opens for the address that the API answered.
pub fn vnc_page(address: &str) -> String {
    use std::fmt::Write as _;
    let mut page = VNC_PAGE.to_owned();
    for byte in address.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                page.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(page, "%{byte:02X}")),
        }
    }
    page
}

pub(super) fn authorize_repair(
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let named;
    let task = match (&context.repair_tasks, parameters.text("task")) {
        // The operator names it: the cloud itself refuses one that does not wait.
        (Fact::Unknown { .. }, Some(wanted)) => {
            named = RepairTask {
                id: wanted.to_owned(),
                ..RepairTask::default()
            };
            &named
        }
        (facts, wanted) => waiting_task(facts.required("the repair tasks")?, wanted, &label)?,
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
    plan.warnings.extend(context.repair_tasks.unknown().map(|why| {
        format!(
            "what the task is could not be read ({why}); the cloud refuses the call if it does not wait"
        )
    }));
    Ok(plan)
}

/// The task of that id, or the only one, among those that wait for authorisation.
fn waiting_task<'a>(
    tasks: &'a [RepairTask],
    wanted: Option<&str>,
    label: &str,
) -> Result<&'a RepairTask, PlanError> {
    let waiting: Vec<_> = tasks.iter().filter(|task| task.status == 1).collect();
    match (wanted, waiting.as_slice()) {
        (Some(wanted), _) => waiting.into_iter().find(|t| t.id == wanted).ok_or_else(|| {
            PlanError::NotApplicable(format!(
                "{wanted} is not a task of {label} that waits for authorisation"
            ))
        }),
        (None, []) => Err(PlanError::NothingToDo(format!(
            "no repair of {label} waits for authorisation"
        ))),
        (None, [only]) => Ok(only),
        (None, several) => {
            let ids: Vec<_> = several.iter().map(|t| t.id.as_str()).collect();
            Err(PlanError::Missing(format!(
                "several repairs of {label} wait; choose one with task=: {}",
                ids.join(", ")
            )))
        }
    }
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
