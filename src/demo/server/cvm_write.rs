//! Changing actions of cvm (2017-03-12), with the states in which each is refused.
//!
//! Lives here: validation and the start of each operation.
//! Must not live here: what time makes of it (`world::operate`).

use serde_json::{Value, json};

use super::cvm::known;
use super::{Answer, Call, Refusal, refuse};
use crate::demo::world::Operation;

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "StartInstances" => start(call),
        "StopInstances" => stop(call),
        "RebootInstances" => reboot(call),
        "ResetInstancesPassword" => reset_password(call),
        "AssociateInstancesKeyPairs" | "DisassociateInstancesKeyPairs" => key_pairs(call),
        "AssociateSecurityGroups" | "DisassociateSecurityGroups" => groups(call),
        "ModifyInstancesAttribute" => modify(call),
        "ResetInstancesInternetMaxBandwidth" => bandwidth(call),
        "EnterRescueMode" | "ExitRescueMode" => rescue(call),
        "RepairTaskControl" => repair(call),
        _ => call.unknown(),
    }
}

/// The instances named by `InstanceIds` (1 to 100).
fn chosen(call: &Call<'_>) -> Result<Vec<usize>, Refusal> {
    let ids = call.list("InstanceIds").unwrap_or_default();
    if ids.is_empty() {
        return refuse("MissingParameter", "InstanceIds must not be empty.");
    }
    if ids.len() > 100 {
        return refuse(
            "InvalidParameterValue.LimitExceeded",
            "At most 100 instance ids can be given.",
        );
    }
    ids.iter().map(|id| known(call, id)).collect()
}

/// The vendor's code for an instance that is not in one of the needed states.
fn need_state(call: &Call<'_>, index: usize, needed: &[&str]) -> Result<(), Refusal> {
    let machine = &call.world.machines[index];
    if machine.restrict == "PROTECTIVELY_ISOLATED" {
        return refuse(
            "UnsupportedOperation.InstanceStateBanning",
            format!("The instance {} is isolated.", machine.id),
        );
    }
    if needed.contains(&machine.state.as_str()) {
        return Ok(());
    }
    let suffix = match machine.state.as_str() {
        "PENDING" => "Pending",
        "LAUNCH_FAILED" => "LaunchFailed",
        "RUNNING" => "Running",
        "STOPPED" => "Stopped",
        "STARTING" => "Starting",
        "STOPPING" => "Stopping",
        "REBOOTING" => "Rebooting",
        "SHUTDOWN" => "Shutdown",
        "TERMINATING" => "Terminating",
        "ENTER_RESCUE_MODE" => "EnterRescueMode",
        "RESCUE_MODE" => "RescueMode",
        "EXIT_RESCUE_MODE" => "ExitRescueMode",
        _ => "EnterServiceLiveMigrate",
    };
    refuse(
        &format!("UnsupportedOperation.InstanceState{suffix}"),
        format!(
            "The instance {} is in the state {} and does not support {}.",
            machine.id, machine.state, call.action
        ),
    )
}

/// Reads an enum parameter with a default.
fn choice<'a>(
    call: &'a Call<'_>,
    name: &str,
    allowed: &[&str],
    default: &'a str,
) -> Result<&'a str, Refusal> {
    let value = call.str(name).unwrap_or(default);
    if allowed.contains(&value) {
        Ok(value)
    } else {
        refuse(
            "InvalidParameterValue",
            format!("{name} must be one of {}.", allowed.join(", ")),
        )
    }
}

const STOP_TYPES: &[&str] = &["SOFT", "SOFT_FIRST", "HARD"];

/// Whether the request asks for a power cut at once or after a failed soft stop.
fn is_hard(call: &Call<'_>, old: &str) -> Result<bool, Refusal> {
    if call.bool(old).is_some() && call.str("StopType").is_some() {
        return refuse(
            "InvalidParameterCombination",
            format!("{old} and StopType cannot be given together."),
        );
    }
    let kind = choice(call, "StopType", STOP_TYPES, "SOFT")?;
    Ok(kind != "SOFT" || call.bool(old) == Some(true))
}

/// Begins the operation on each instance and notes it.
fn begin_all(call: &mut Call<'_>, indices: &[usize], operation: Operation) -> Answer {
    for index in indices {
        call.world
            .begin(*index, operation, call.action, call.request_id);
        note(call, *index);
    }
    Ok(json!({}))
}

fn note(call: &mut Call<'_>, index: usize) {
    let id = call.world.machines[index].id.clone();
    call.world
        .note(call.region, "cvm", call.action, &id, call.request_id);
}

fn start(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    for index in &indices {
        need_state(call, *index, &["STOPPED"])?;
        if let Some(code) = call.world.machines[*index].start_fails.clone() {
            return refuse(&code, "The instance cannot be started.");
        }
    }
    begin_all(call, &indices, Operation::Start)
}

fn stop(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    is_hard(call, "ForceStop")?;
    let mode = choice(
        call,
        "StoppedMode",
        &["KEEP_CHARGING", "STOP_CHARGING"],
        "KEEP_CHARGING",
    )?;
    let release = mode == "STOP_CHARGING";
    for index in &indices {
        need_state(call, *index, &["RUNNING"])?;
    }
    begin_all(call, &indices, Operation::Stop { release })
}

fn reboot(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let hard = is_hard(call, "ForceReboot")?;
    for index in &indices {
        need_state(call, *index, &["RUNNING"])?;
    }
    begin_all(call, &indices, Operation::Reboot { hard })
}

fn reset_password(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let password = call.str("Password").unwrap_or_default();
    let force = call.bool("ForceStop") == Some(true);
    for index in &indices {
        let states: &[&str] = if force {
            &["RUNNING", "STOPPED"]
        } else {
            &["STOPPED"]
        };
        need_state(call, *index, states)?;
        let windows = call.world.machines[*index].windows;
        let user = call.str("UserName").unwrap_or("Administrator");
        if !acceptable(password, windows, user) {
            return refuse(
                "InvalidParameterValue.InvalidPassword",
                "The password does not meet the requirements.",
            );
        }
    }
    begin_all(call, &indices, Operation::Password)
}

/// Length by system, three classes of characters, no leading slash.
fn acceptable(password: &str, windows: bool, user: &str) -> bool {
    let classes = [
        password.chars().any(|c| c.is_ascii_lowercase()),
        password.chars().any(|c| c.is_ascii_uppercase()),
        password.chars().any(|c| c.is_ascii_digit()),
        password.chars().any(|c| c.is_ascii_punctuation()),
    ];
    let lengths = if windows { 12..=30 } else { 8..=30 };
    lengths.contains(&password.len())
        && classes.iter().filter(|class| **class).count() >= 3
        && !password.starts_with('/')
        && !(windows && password.contains(user))
}

fn key_pairs(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let keys = call.list("KeyIds").unwrap_or_default();
    let [key] = &keys[..] else {
        return refuse("InvalidParameterValue", "Exactly one key must be given.");
    };
    if !key.starts_with("skey-") {
        return refuse(
            "InvalidKeyPairId.Malformed",
            format!("The key id {key:?} is malformed."),
        );
    }
    let bind = call.action == "AssociateInstancesKeyPairs";
    for index in &indices {
        if call.world.machines[*index].windows {
            return refuse(
                "UnsupportedOperation.InstanceOsWindows",
                "Windows instances cannot be bound to keys.",
            );
        }
        let states: &[&str] = if call.bool("ForceStop") == Some(true) {
            &["RUNNING", "STOPPED"]
        } else {
            &["STOPPED"]
        };
        need_state(call, *index, states)?;
    }
    for index in &indices {
        let machine = &mut call.world.machines[*index];
        machine.key_ids = if bind { vec![key.clone()] } else { Vec::new() };
        machine.cure("key-pair");
        if bind {
            machine
                .guest
                .insert("guest-auth-policy".into(), "password-disabled".into());
        } else {
            machine.guest.remove("guest-auth-policy");
        }
        let was_running = machine.state == "RUNNING";
        call.world.begin(
            *index,
            Operation::Keys { was_running },
            call.action,
            call.request_id,
        );
        note(call, *index);
    }
    Ok(json!({}))
}

fn groups(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let ids = call.list("SecurityGroupIds").unwrap_or_default();
    let [id] = &ids[..] else {
        return refuse(
            "LimitExceeded.SecurityGroupIds",
            "Exactly one security group must be given.",
        );
    };
    if call.world.group(id).is_none_or(|g| g.region != call.region) {
        return refuse(
            "InvalidSecurityGroupId.NotFound",
            format!("The security group {id:?} does not exist."),
        );
    }
    let bind = call.action == "AssociateSecurityGroups";
    for index in &indices {
        let bound = &call.world.machines[*index].groups;
        if bind && bound.len() >= 5 {
            return refuse(
                "LimitExceeded.AssociateUSGLimitExceeded",
                "An instance can be bound to five groups at most.",
            );
        }
        if !bind && !bound.contains(id) {
            return refuse(
                "SecurityGroupNotAssociateInstance",
                "The group is not bound to the instance.",
            );
        }
        if !bind && bound.len() == 1 {
            return refuse(
                "UnsupportedOperation.InstanceNeedSecurityGroup",
                "The last group of an instance cannot be unbound.",
            );
        }
    }
    for index in &indices {
        let bound = &mut call.world.machines[*index].groups;
        bound.retain(|group| group != id);
        if bind {
            bound.push(id.clone());
        }
        note(call, *index);
    }
    Ok(json!({}))
}

fn modify(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let groups = call.list("SecurityGroups");
    let name = call.str("InstanceName").map(str::to_owned);
    if usize::from(groups.is_some()) + usize::from(name.is_some()) != 1 {
        return refuse(
            "InvalidParameterValue",
            "Exactly one attribute must be changed: InstanceName or SecurityGroups.",
        );
    }
    for id in groups.iter().flatten() {
        if call.world.group(id).is_none_or(|g| g.region != call.region) {
            return refuse(
                "InvalidSecurityGroupId.NotFound",
                format!("The security group {id:?} does not exist."),
            );
        }
    }
    for index in &indices {
        let machine = &mut call.world.machines[*index];
        if let Some(groups) = &groups {
            machine.groups.clone_from(groups);
        }
        if let Some(name) = &name {
            machine.name.clone_from(name);
        }
        note(call, *index);
    }
    Ok(json!({}))
}

fn bandwidth(call: &mut Call<'_>) -> Answer {
    let indices = chosen(call)?;
    let accessible = &call.parameters["InternetAccessible"];
    let Some(bandwidth) = accessible["InternetMaxBandwidthOut"].as_u64() else {
        return refuse(
            "MissingParameter",
            "InternetAccessible.InternetMaxBandwidthOut is needed.",
        );
    };
    if bandwidth > 200 {
        return refuse(
            "LimitExceeded.InstanceTypeBandwidth",
            "At most 200 Mbit/s are possible for this type.",
        );
    }
    let dates = call.str("StartTime").is_some() && call.str("EndTime").is_some();
    for index in &indices {
        let prepaid = call.world.machines[*index].charge == "PREPAID";
        if prepaid && !dates {
            return refuse(
                "MissingParameter",
                "A prepaid bandwidth needs StartTime and EndTime.",
            );
        }
        if !prepaid && dates {
            return refuse(
                "InvalidParameterCombination",
                "StartTime and EndTime are for prepaid bandwidth only.",
            );
        }
        match &call.world.machines[*index].public {
            Some(public) if !public.elastic => {}
            _ => {
                return refuse(
                    "UnsupportedOperation.NoInstanceTypeSupportSpot",
                    "The instance has no ordinary public address; change its elastic address.",
                );
            }
        }
    }
    for index in &indices {
        let machine = &mut call.world.machines[*index];
        if let Some(public) = &mut machine.public {
            public.bandwidth = bandwidth;
        }
        relieve(machine, bandwidth);
        note(call, *index);
    }
    Ok(json!({}))
}

/// More room for the same traffic ends a congestion.
pub(super) fn relieve(machine: &mut crate::demo::world::Machine, bandwidth: u64) {
    if machine.cause == "bandwidth-saturated" && machine.metrics.wan_out < bandwidth as f64 * 0.7 {
        machine.public_login = None;
    }
}

fn rescue(call: &mut Call<'_>) -> Answer {
    let index = known(call, call.str("InstanceId").unwrap_or_default())?;
    if call.action == "EnterRescueMode" {
        choice(call, "StopType", STOP_TYPES, "SOFT")?;
        need_state(call, index, &["RUNNING", "STOPPED"])?;
        return begin_all(call, &[index], Operation::EnterRescue);
    }
    need_state(call, index, &["RESCUE_MODE"])?;
    begin_all(call, &[index], Operation::ExitRescue)
}

fn repair(call: &mut Call<'_>) -> Answer {
    choice(call, "Product", &["CVM", "CDH", "CPM2.0"], "CVM")?;
    choice(call, "Operate", &["AuthorizeRepair", "CancelRepair"], "")?;
    let indices = chosen(call)?;
    let id = call.str("TaskId").unwrap_or_default().to_owned();
    let Some(position) = call.world.repair_tasks.iter().position(|t| t.id == id) else {
        return refuse(
            "InvalidParameterValue",
            format!("The task {id:?} does not exist."),
        );
    };
    let task = &call.world.repair_tasks[position];
    if !indices.contains(&task.machine) {
        return refuse(
            "InvalidParameterValue",
            "The task belongs to another instance.",
        );
    }
    if task.status != 1 {
        return refuse(
            "UnsupportedOperation",
            "Only a task that waits for authorisation can be authorised.",
        );
    }
    // Whether the real one refuses or does nothing is not documented; nothing is erased unasked.
    if task.auth_type == 8 && call.str("TaskSubMethod") != Some("LossyLocal") {
        return refuse(
            "UnsupportedOperation",
            "This task can only be authorised with TaskSubMethod LossyLocal.",
        );
    }
    let machine = task.machine;
    call.world.repair_tasks[position].status = 2;
    let unit = Operation::Reboot { hard: true };
    call.world
        .begin(machine, unit, "RepairTaskControl", call.request_id);
    call.world.machines[machine].cure("repair");
    call.world.repair_tasks[position].status = 3;
    note(call, machine);
    Ok(json!({"TaskId": Value::from(id)}))
}
