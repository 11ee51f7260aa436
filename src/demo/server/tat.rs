//! The automation agent (tat 2020-10-28).
//!
//! Lives here: agent states, commands and their results as the API shows them.
//! Must not live here: what a command does (`guest`).

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, iso, refuse};
use crate::demo::world::Invocation;
use crate::demo::world::machine::Agent;

/// Bytes of output that the service keeps: 24 KB of base64.
const MAX_OUTPUT: usize = 24 * 1024 / 4 * 3;

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeAutomationAgentStatus" => agents(call),
        "RunCommand" => run(call),
        "DescribeInvocationTasks" => tasks(call),
        "DescribeInvocations" => invocations(call),
        "CancelInvocation" => cancel(call),
        _ => call.unknown(),
    }
}

fn agents(call: &mut Call<'_>) -> Answer {
    let ids = call.list("InstanceIds").unwrap_or_default();
    if ids.len() > 100 {
        return refuse(
            "InvalidParameterValue.LimitExceeded",
            "At most 100 instance ids can be given.",
        );
    }
    let filters = call.filters(&["agent-status", "environment", "instance-id"], 5)?;
    if !ids.is_empty() && !filters.is_empty() {
        return refuse(
            "InvalidParameter.ConflictParameter",
            "InstanceIds and Filters cannot be given together.",
        );
    }
    let mut set = Vec::new();
    for m in &call.world.machines {
        if m.region != call.region
            || m.agent == Agent::Never
            || !(ids.is_empty() || ids.contains(&m.id))
        {
            continue;
        }
        let up = m.state == "RUNNING" && !m.booting && !m.dead;
        let (status, age) = match m.agent {
            Agent::Online | Agent::Hanging if up => ("Online", SignedDuration::from_secs(20)),
            Agent::OfflineLong => ("Offline", SignedDuration::from_hours(60)),
            _ => ("Offline", SignedDuration::from_mins(14)),
        };
        let environment = if m.windows { "Windows" } else { "Linux" };
        let fits = filters.iter().all(|f| match f.name.as_str() {
            "agent-status" => f.any(&[status]),
            "environment" => f.any(&[environment]),
            _ => f.any(&[&m.id]),
        });
        if fits {
            set.push(json!({
                "InstanceId": m.id, "Version": "1.0.21",
                "LastHeartbeatTime": iso(call.now - age), "AgentStatus": status,
                "Environment": environment, "SupportFeatures": ["COMMAND", "SESSION"],
            }));
        }
    }
    Ok(json!({"TotalCount": set.len(), "AutomationAgentSet": call.page(set)?}))
}

fn run(call: &mut Call<'_>) -> Answer {
    let ids = call.list("InstanceIds").unwrap_or_default();
    if ids.is_empty() || ids.len() > 200 {
        return refuse(
            "InvalidParameterValue.LimitExceeded",
            "Between 1 and 200 instances can be given.",
        );
    }
    let content = call.str("Content").unwrap_or_default();
    let Some(script) = STANDARD
        .decode(content)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return refuse(
            "InvalidParameterValue.CommandContentInvalid",
            "Content must be a script in base64.",
        );
    };
    let command_type = call.str("CommandType").unwrap_or("SHELL").to_owned();
    if !["SHELL", "POWERSHELL", "BAT"].contains(&command_type.as_str()) {
        return refuse(
            "InvalidParameterValue",
            "CommandType must be SHELL, POWERSHELL or BAT.",
        );
    }
    let timeout = call.parameters.get("Timeout").and_then(Value::as_i64);
    // Its range is kept by the table of constraints.
    let timeout = timeout.unwrap_or(60);
    let mut machines = Vec::new();
    for id in &ids {
        machines.push(ready(call, id, &command_type)?);
    }
    let invocation = call.world.new_id("inv");
    let command = call.world.new_id("cmd");
    for machine in machines {
        let windows = call.world.machines[machine].windows;
        let profile = call.world.machines[machine]
            .guest
            .get("guest-profile")
            .cloned();
        let user = if windows { "System" } else { "root" };
        let directory = if windows {
            "C:\\Program Files\\qcloud\\tat_agent\\workdir\\"
        } else {
            "/root"
        };
        let record = Invocation {
            id: invocation.clone(),
            task_id: call.world.new_id("invt"),
            command_id: command.clone(),
            command_name: call.str("CommandName").unwrap_or_default().to_owned(),
            machine,
            script: script.clone(),
            command_type: command_type.clone(),
            user: call.str("Username").unwrap_or(user).to_owned(),
            directory: call.str("WorkingDirectory").unwrap_or(directory).to_owned(),
            timeout_s: timeout as u64,
            hangs: call.shared.options.profile_first
                && !windows
                && profile.is_some_and(|state| state == "loop"),
            created: call.now,
            due: Instant::now(),
            ended: None,
            status: "PENDING",
            exit_code: 0,
            output: Vec::new(),
        };
        let id = call.world.machines[machine].id.clone();
        call.world.invoke(record);
        call.world
            .note(call.region, "tat", call.action, &id, call.request_id);
        let name = call.str("CommandName").map(str::to_owned);
        if let Some(noted) = call.world.audit.last_mut() {
            noted.command = name;
        }
    }
    Ok(json!({"CommandId": command, "InvocationId": invocation}))
}

/// Index of a machine whose agent can take a command of this type, or the vendor's error.
fn ready(call: &Call<'_>, id: &str, command_type: &str) -> Result<usize, Refusal> {
    let found = call.world.find(id);
    let Some(index) = found.filter(|i| call.world.machines[*i].region == call.region) else {
        return refuse(
            "ResourceNotFound.InstanceNotFound",
            format!("The instance {id:?} does not exist."),
        );
    };
    let machine = &call.world.machines[index];
    if machine.agent == Agent::Never {
        return refuse(
            "ResourceUnavailable.AgentNotInstalled",
            format!("No agent is installed on {id}."),
        );
    }
    if machine.state != "RUNNING" {
        return refuse(
            "ResourceUnavailable.InstanceStateNotRunning",
            format!("The instance {id} is not running."),
        );
    }
    if !matches!(machine.agent, Agent::Online | Agent::Hanging) || machine.booting || machine.dead {
        return refuse(
            "ResourceUnavailable.AgentStatusNotOnline",
            format!("The agent of {id} is not online."),
        );
    }
    if machine.windows == (command_type == "SHELL") {
        return refuse(
            "InvalidParameterValue.AgentUnsupportedCommandType",
            format!("The agent of {id} does not run {command_type}."),
        );
    }
    Ok(index)
}

fn tasks(call: &mut Call<'_>) -> Answer {
    let ids = call.list("InvocationTaskIds").unwrap_or_default();
    let filters = call.filters(
        &[
            "invocation-id",
            "instance-id",
            "invocation-task-id",
            "command-id",
        ],
        5,
    )?;
    let hide = call.bool("HideOutput").unwrap_or(true);
    let set: Vec<Value> = call
        .world
        .invocations
        .iter()
        .filter(|i| call.world.machines[i.machine].region == call.region)
        .filter(|i| ids.is_empty() || ids.contains(&i.task_id))
        .filter(|i| {
            filters.iter().all(|f| match f.name.as_str() {
                "invocation-id" => f.any(&[&i.id]),
                "instance-id" => f.any(&[&call.world.machines[i.machine].id]),
                "command-id" => f.any(&[&i.command_id]),
                _ => f.any(&[&i.task_id]),
            })
        })
        .map(|i| task(call, i, hide))
        .collect();
    Ok(json!({"TotalCount": set.len(), "InvocationTaskSet": call.page(set)?}))
}

fn task(call: &Call<'_>, i: &Invocation, hide: bool) -> Value {
    let ended = i.ended.map(iso);
    let output = if hide { &[][..] } else { &i.output[..] };
    let kept = &output[..output.len().min(MAX_OUTPUT)];
    json!({
        "InvocationId": i.id, "InvocationTaskId": i.task_id, "CommandId": i.command_id,
        "TaskStatus": i.status, "InstanceId": call.world.machines[i.machine].id,
        "TaskResult": {
            "ExitCode": i.exit_code, "Output": STANDARD.encode(kept),
            "ExecStartTime": ended.as_ref().map(|_| iso(i.created)), "ExecEndTime": ended,
            "Dropped": output.len() - kept.len(), "OutputUrl": "", "OutputUploadCOSErrorInfo": "",
        },
        "StartTime": iso(i.created), "EndTime": ended,
        "CreatedTime": iso(i.created), "UpdatedTime": i.ended.map_or_else(|| iso(i.created), iso),
        "CommandDocument": {
            "Content": STANDARD.encode(&i.script), "CommandType": i.command_type,
            "Timeout": i.timeout_s, "WorkingDirectory": i.directory, "Username": i.user,
            "OutputCOSBucketUrl": "", "OutputCOSKeyPrefix": "",
        },
        "ErrorInfo": "", "InvocationSource": "USER", "CommandName": i.command_name,
    })
}

fn invocations(call: &mut Call<'_>) -> Answer {
    let ids = call.list("InvocationIds").unwrap_or_default();
    let filters = call.filters(&["invocation-id", "command-id"], 5)?;
    let mut seen: Vec<&str> = Vec::new();
    let mut set = Vec::new();
    for i in &call.world.invocations {
        let fits = (ids.is_empty() || ids.contains(&i.id))
            && filters.iter().all(|f| {
                f.any(&[if f.name == "invocation-id" {
                    &i.id
                } else {
                    &i.command_id
                }])
            });
        if call.world.machines[i.machine].region != call.region
            || !fits
            || seen.contains(&i.id.as_str())
        {
            continue;
        }
        seen.push(&i.id);
        let members: Vec<&Invocation> = call
            .world
            .invocations
            .iter()
            .filter(|other| other.id == i.id)
            .collect();
        let infos: Vec<Value> = members
            .iter()
            .map(|m| {
                json!({
                    "InvocationTaskId": m.task_id, "TaskStatus": m.status,
                    "InstanceId": call.world.machines[m.machine].id,
                })
            })
            .collect();
        let ended = i.ended.map(iso);
        set.push(json!({
            "InvocationId": i.id, "CommandId": i.command_id, "CommandName": i.command_name,
            "InvocationStatus": together(&members), "InvocationTaskBasicInfoSet": infos,
            "Description": "", "StartTime": iso(i.created), "EndTime": ended,
            "CreatedTime": iso(i.created),
            "UpdatedTime": i.ended.map_or_else(|| iso(i.created), iso),
            "Parameters": "{}", "DefaultParameters": "{}", "InstanceKind": "CVM",
            "Username": i.user, "InvocationSource": "USER",
            "CommandContent": STANDARD.encode(&i.script), "CommandType": i.command_type,
            "Timeout": i.timeout_s, "WorkingDirectory": i.directory,
            "OutputCOSBucketUrl": "", "OutputCOSKeyPrefix": "",
        }));
    }
    Ok(json!({"TotalCount": set.len(), "InvocationSet": call.page(set)?}))
}

/// The state of an invocation from those of its tasks.
fn together(tasks: &[&Invocation]) -> &'static str {
    if tasks.iter().any(|t| t.ended.is_none()) {
        return "RUNNING";
    }
    let succeeded = tasks.iter().filter(|t| t.status == "SUCCESS").count();
    if succeeded == tasks.len() {
        "SUCCESS"
    } else if succeeded > 0 {
        "PARTIAL_FAILED"
    } else if tasks.iter().all(|t| t.status == "CANCELLED") {
        "CANCELLED"
    } else if tasks.iter().all(|t| t.status.contains("TIMEOUT")) {
        "TIMEOUT"
    } else {
        "FAILED"
    }
}

fn cancel(call: &mut Call<'_>) -> Answer {
    let id = call.str("InvocationId").unwrap_or_default().to_owned();
    let mut found = false;
    for invocation in &mut call.world.invocations {
        if invocation.id == id {
            found = true;
            if invocation.ended.is_none() {
                invocation.status = "CANCELLING";
                invocation.due = Instant::now();
            }
        }
    }
    if found {
        Ok(json!({}))
    } else {
        refuse(
            "ResourceNotFound.InvocationNotFound",
            format!("The invocation {id:?} does not exist."),
        )
    }
}
