//! Plan of `provider-probe`: one task of the provider's test service (Cloud Automated Testing) whose
//! nodes connect to the login port, and its deletion.
//!
//! One-off tasks load pages, measure networks or fetch files only (`ProbeTask.TaskType`), so it is a
//! timed one that is deleted once its first rounds are read. Must not live here: which nodes, and what
//! they saw (`kit::provider`).

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::blank::blank;
use super::context::PlanContext;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, Verification};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;
use crate::domain::said::{List, Said};

/// What a probe sends from the choice to the deletion.
pub const CALLS: &[&str] = &[
    "cat:DescribeNodes",
    "cat:DescribeProbeNodes",
    "cat:CreateProbeTasks",
    "cat:DescribeProbeTasks",
    "cat:DescribeDetailedSingleProbeData",
    "cat:DeleteProbeTask",
];

/// `TaskType` and `TaskCategory` of a port task by nodes that are no phones; `ProbeType` of a timed one.
const PORT_TASK: u64 = 4;
const NO_PHONES: u64 = 1;
const TIMED: u64 = 0;

/// What is to be probed, by whom, how often and how long.
#[derive(Debug, Clone)]
pub struct Probe {
    pub address: IpAddr,
    pub port: u16,
    pub codes: Vec<String>,
    /// Who they are.
    pub nodes: List,
    pub every_minutes: u64,
    /// The task is taken back after this time, whatever becomes of this run.
    pub minutes: u64,
    pub price: Said,
}

/// What a task connects to, as the task names it.
pub fn target(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// `Parameters` of a port task over TCP that sends nothing and checks no answer (page 248/87308).
fn parameters() -> Value {
    json!({
        "ipType": 1,
        "grabBag": 0,
        "protocolRequestType": "T:",
        "protocolCharacterEncoding": 0,
        "protocolType": 0,
        "protocolRequestContent": "",
        "protocolCustomHost": 1,
        "protocolCustomHostIp": "",
        "protocolVerifyWay": 0,
        "protocolVerifyText": "",
    })
}

/// The plan of one probe.
pub fn plan(probe: &Probe, context: &PlanContext) -> Plan {
    let label = Target::of(&context.instance).label();
    let target = target(probe.address, probe.port);
    let title = said::probe_by_provider(&target, label);
    let mut plan = blank(ActionId::ProviderProbe, context, title);
    let name = plan.mark();
    let call = json!({
        "BatchTasks": [{ "Name": name, "TargetAddress": target }],
        "TaskType": PORT_TASK,
        "Nodes": probe.codes,
        "Interval": probe.every_minutes,
        "Parameters": parameters().to_string(),
        "TaskCategory": NO_PHONES,
        "ProbeType": TIMED,
    });
    let mut step = Step::new(
        said::create_task(probe.codes.len()),
        ApiCall::new("cat", "CreateProbeTasks", "", call),
        Completion::ProbeTask {
            name: name.clone(),
            present: true,
        },
    );
    step.keep = vec!["/TaskIDs".to_owned()];
    plan.steps.push(step);
    plan.changes = vec![said::nodes_connect(
        probe.nodes.clone(),
        target,
        probe.every_minutes,
    )];
    plan.cost = probe.price.clone();
    plan.undo = Undo::RemoveProbeTask { name };
    plan.expires_after_minutes = Some(probe.minutes);
    plan.verification = Verification::None {
        reason: said::instance_untouched(),
    };
    plan
}

/// Deletes the tasks that carry a name.
pub(super) fn removal(name: &str, tasks: &[String]) -> Result<Step, PlanError> {
    if tasks.is_empty() {
        return Err(PlanError::NothingToDo(said::no_task_carries(name)));
    }
    Ok(Step::new(
        said::delete_task(tasks.len()),
        ApiCall::new("cat", "DeleteProbeTask", "", json!({ "TaskIds": tasks })),
        Completion::ProbeTask {
            name: name.to_owned(),
            present: false,
        },
    ))
}
