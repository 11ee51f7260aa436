//! Plans of `vnc-url`, `authorize-repair` and `ticket`.

use serde_json::json;

use super::blank::blank;
use super::context::{Fact, PlanContext, RepairTask};
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, Verification};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;
use crate::domain::said::Said;

pub(super) fn vnc_url(context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    if instance.state == "STOPPED" {
        return Err(PlanError::NotApplicable(said::stopped_stopped_instance(
            Target::of(instance).label(),
        )));
    }
    let mut plan = blank(
        ActionId::VncUrl,
        context,
        said::get_vnc_address(Target::of(instance).label()),
    );
    let mut step = Step::new(
        said::ask_address(),
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
    plan.changes = vec![said::nothing_address_opens()];
    plan.warnings.push(said::whoever_holds_address());
    plan.verification = Verification::None {
        reason: said::nothing_changes(),
    };
    Ok(plan)
}

/// The page of the vendor that opens a VNC address (cvm `DescribeInstanceVncUrl`).
const VNC_PAGE: &str = "https://img.qcloud.com/qcloud/app/active_vnc/index.html?InstanceVncUrl=";

/// What a browser opens for the address that the API answered. The API gives the address already
/// percent-encoded, to be appended as it is; one that is not is encoded here.
pub fn vnc_page(address: &str) -> String {
    use std::fmt::Write as _;
    let mut page = VNC_PAGE.to_owned();
    let safe = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
    if address.chars().all(safe) && address.to_ascii_lowercase().contains("%3a%2f%2f") {
        page.push_str(address);
        return page;
    }
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
        (facts, wanted) => waiting_task(facts.required(said::repair_tasks())?, wanted, &label)?,
    };
    let mut plan = blank(
        ActionId::AuthorizeRepair,
        context,
        said::authorise_repair(&task.id, label),
    );
    plan.parameters
        .insert("task".to_owned(), task.id.as_str().into());
    let Some((downtime, data_risk)) = consequences(task.auth_type) else {
        return Err(PlanError::NotApplicable(said::only_lossy_repair(&task.id)));
    };
    plan.steps.push(Step::new(
        said::authorise_repair_2(),
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
    plan.changes = vec![said::platform_may_begin(if task.title.is_empty() {
        said::host_repair()
    } else {
        Said::raw(&task.title)
    })];
    plan.downtime = downtime;
    plan.data_risk = data_risk;
    plan.undo = Undo::None {
        reason: said::authorisation_cannot_withdrawn(),
    };
    plan.warnings
        .extend(context.repair_tasks.unknown().map(said::task_unread));
    Ok(plan)
}

/// Downtime and data risk of a repair by its `AuthType` (cvm `RepairTaskInfo`) when its default way is
/// taken; `None` where the only way gives up the local disks.
fn consequences(auth_type: Option<i64>) -> Option<(Said, Said)> {
    Some(match auth_type {
        Some(1) => (said::moved_running(), said::local_disks_kept()),
        Some(2 | 5) => (said::shut_for_repair(), said::local_disks_kept()),
        Some(3) => (said::swapped_running(), said::swapped_lost()),
        Some(4) => (said::shut_for_swap(), said::swapped_lost()),
        Some(6 | 7) => (said::repaired_running(), said::local_disks_kept()),
        Some(8) => return None,
        _ => (said::repair_may_restart(), said::repair_kind_unknown()),
    })
}

/// The task of that id, or the only one, among those that wait for authorisation.
fn waiting_task<'a>(
    tasks: &'a [RepairTask],
    wanted: Option<&str>,
    label: &str,
) -> Result<&'a RepairTask, PlanError> {
    let waiting: Vec<_> = tasks.iter().filter(|task| task.status == 1).collect();
    match (wanted, waiting.as_slice()) {
        (Some(wanted), _) => waiting
            .into_iter()
            .find(|t| t.id == wanted)
            .ok_or_else(|| PlanError::NotApplicable(said::not_task_waits(wanted, label))),
        (None, []) => Err(PlanError::NothingToDo(said::no_repair_waits(label))),
        (None, [only]) => Ok(only),
        (None, several) => {
            let ids: Vec<_> = several.iter().map(|t| t.id.as_str()).collect();
            Err(PlanError::Missing(said::several_repairs_wait(
                label,
                ids.join(", "),
            )))
        }
    }
}

pub(super) fn ticket(context: &PlanContext) -> Plan {
    let mut plan = blank(
        ActionId::Ticket,
        context,
        said::write_ticket_bundle(Target::of(&context.instance).label()),
    );
    plan.changes = vec![said::folder_report_evidence()];
    plan.undo = Undo::None {
        reason: said::delete_folder(),
    };
    plan.verification = Verification::None {
        reason: said::nothing_changes(),
    };
    plan
}
