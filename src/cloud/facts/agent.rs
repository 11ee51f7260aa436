//! `agent` and `agent-exec`: tat `DescribeAutomationAgentStatus`, and with consent one trivial
//! command.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Gatherer, RunInGuest};
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::said;
use crate::cloud::wire::{self, AgentItem};
use crate::domain::evidence::state::{agent, agent_exec};
use crate::domain::evidence::{Reading, Status, group};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

const ID: &str = group::AGENT;
const EXEC: &str = group::AGENT_EXEC;
/// Changes nothing and means the same in a shell and in PowerShell.
const TRIVIAL: &str = "echo cvmtop";
const RECENT_SECONDS: i64 = 3600;

pub(super) async fn read(gatherer: &Gatherer) -> Vec<Reading> {
    let started = Instant::now();
    let parameters = json!({"InstanceIds": [gatherer.instance.id], "Limit": 1, "Offset": 0});
    let answer = gatherer
        .ask("tat", "DescribeAutomationAgentStatus", parameters)
        .await;
    let reading = match answer {
        Err(error) => gatherer.failed(ID, &error),
        Ok(answer) => {
            let (rows, unreadable) = wire::list::<AgentItem>(&answer, "AutomationAgentSet");
            let row = rows
                .iter()
                .find(|row| row.instance_id == gatherer.instance.id);
            match row {
                Some(row) => state(gatherer, row),
                None if unreadable > 0 => {
                    gatherer.without_state(ID, Status::ProbeFailed, said::agent_answer_odd())
                }
                None => gatherer.observed(agent::NEVER, said::automation_agent_never()),
            }
        }
    };
    let online = reading.seen().map(|state| state == agent::ONLINE);
    let mut readings = gatherer.emit(started, vec![reading]).await;
    if gatherer.request.run_in_guest == RunInGuest::GuestCheck {
        return readings;
    }
    let started = Instant::now();
    let exec = execute(gatherer, online).await;
    readings.extend(gatherer.emit(started, vec![exec]).await);
    readings
}

fn state(gatherer: &Gatherer, row: &AgentItem) -> Reading {
    let heartbeat = wire::time(row.last_heartbeat_time.as_deref());
    let age = heartbeat.map(|time| gatherer.now().as_second() - time.as_second());
    let last = heartbeat.map_or_else(said::at_no_time, Said::raw);
    match (row.agent_status.as_str(), age) {
        ("Online", _) => gatherer.observed(
            agent::ONLINE,
            said::agent_reported(sanitise(&row.version, 40), last),
        ),
        ("Offline", Some(age)) if age < RECENT_SECONDS => gatherer.observed(
            agent::OFFLINE_RECENT,
            said::agent_last_reported(last, age / 60),
        ),
        ("Offline", _) => gatherer.observed(agent::OFFLINE_LONG, said::agent_last_reported_2(last)),
        (other, _) => gatherer.without_state(
            ID,
            Status::ProbeFailed,
            said::agent_status_unknown(sanitise(other, 40)),
        ),
    }
}

async fn execute(gatherer: &Gatherer, online: Option<bool>) -> Reading {
    if gatherer.is_off() {
        return gatherer.without_state(EXEC, Status::NotApplicable, said::instance_does_not());
    }
    if online != Some(true) {
        return gatherer.without_state(EXEC, Status::NotAttempted, said::no_command_can());
    }
    if gatherer.request.run_in_guest == RunInGuest::Nothing {
        return gatherer
            .without_state(EXEC, Status::NotAttempted, said::nobody_asked_run())
            .needing(said::consent_run_read());
    }
    let limit = Duration::from_secs(10);
    let run = automation::run(
        &gatherer.client,
        &gatherer.instance,
        automation::AGENT_CHECK,
        TRIVIAL,
        limit,
    );
    // A guest without memory or disk takes long to start anything, which is what is asked here.
    match tokio::time::timeout(limit + Duration::from_secs(5), run).await {
        Err(_) => gatherer.observed(agent_exec::TIMEOUT, said::trivial_command_did()),
        Ok(Err(error)) => gatherer.failed(EXEC, &error),
        Ok(Ok(run)) => match run.end {
            RunEnd::Success => gatherer.observed(agent_exec::OK, said::trivial_command_ran()),
            RunEnd::Failed { exit_code } => {
                gatherer.observed(agent_exec::FAILED, said::trivial_command_ended(exit_code))
            }
            RunEnd::NotRun { status, why } => {
                gatherer.observed(agent_exec::FAILED, said::trivial_not_run(status, why))
            }
            RunEnd::Timeout { status } => gatherer.observed(
                agent_exec::TIMEOUT,
                said::trivial_not_in_time(sanitise(&status, 40)),
            ),
        },
    }
}
