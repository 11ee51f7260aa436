//! `agent` and `agent-exec`: tat `DescribeAutomationAgentStatus`, and with consent one trivial
//! command.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Gatherer;
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::wire::{self, AgentItem};
use crate::domain::evidence::{Reading, Status};
use crate::domain::text::sanitise;

const ID: &str = "agent";
const EXEC: &str = "agent-exec";
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
                None if unreadable > 0 => gatherer.without_state(
                    ID,
                    Status::ProbeFailed,
                    "the answer about the automation agent is not understood",
                ),
                None => gatherer.observed(ID, "never", "the automation agent never reported"),
            }
        }
    };
    let online = reading.observed_state().map(|state| state == "online");
    let mut readings = gatherer.emit(started, vec![reading]).await;
    let started = Instant::now();
    let exec = execute(gatherer, online).await;
    readings.extend(gatherer.emit(started, vec![exec]).await);
    readings
}

fn state(gatherer: &Gatherer, row: &AgentItem) -> Reading {
    let heartbeat = wire::time(row.last_heartbeat_time.as_deref());
    let age = heartbeat.map(|time| gatherer.now().as_second() - time.as_second());
    let last = heartbeat.map_or("at a time not given".to_owned(), |time| time.to_string());
    match (row.agent_status.as_str(), age) {
        ("Online", _) => gatherer.observed(
            ID,
            "online",
            format!("agent {} reported {last}", sanitise(&row.version, 40)),
        ),
        ("Offline", Some(age)) if age < RECENT_SECONDS => gatherer.observed(
            ID,
            "offline-recent",
            format!("the agent last reported {last}, {} min ago", age / 60),
        ),
        ("Offline", _) => gatherer.observed(
            ID,
            "offline-long",
            format!("the agent last reported {last}"),
        ),
        (other, _) => gatherer.without_state(
            ID,
            Status::ProbeFailed,
            format!(
                "the agent has a status that is not known here: `{}`",
                sanitise(other, 40)
            ),
        ),
    }
}

async fn execute(gatherer: &Gatherer, online: Option<bool>) -> Reading {
    if gatherer.is_off() {
        return gatherer.without_state(EXEC, Status::NotApplicable, "the instance does not run");
    }
    if online != Some(true) {
        return gatherer.without_state(
            EXEC,
            Status::NotAttempted,
            "no command can be run: the automation agent is not known to be online",
        );
    }
    if !gatherer.request.run_in_guest {
        return gatherer
            .without_state(
                EXEC,
                Status::NotAttempted,
                "nobody asked to run anything in the guest",
            )
            .needing("consent to run a read-only command in the guest");
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
        Err(_) => gatherer.observed(EXEC, "timeout", "a trivial command did not end in 15 s"),
        Ok(Err(error)) => gatherer.failed(EXEC, &error),
        Ok(Ok(run)) => match run.end {
            RunEnd::Success => gatherer.observed(EXEC, "ok", "a trivial command ran in the guest"),
            RunEnd::Failed { exit_code } => gatherer.observed(
                EXEC,
                "failed",
                format!("a trivial command ended with status {exit_code}"),
            ),
            RunEnd::Timeout { status } => gatherer.observed(
                EXEC,
                "timeout",
                format!(
                    "a trivial command did not end in time ({})",
                    sanitise(&status, 40)
                ),
            ),
        },
    }
}
