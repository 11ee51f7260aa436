//! The check inside the guest, through the automation agent, with consent.
//!
//! Must not live here: the script and the reading of its answer (`guest`).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::said;
use crate::cloud::Client;
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::said as cloud_said;
use crate::domain::check::GuestCounts;
use crate::domain::evidence::state::{agent_exec, instance_state};
use crate::domain::evidence::{Reading, Source, State, Status, group};
use crate::domain::instance::{Instance, Os};
use crate::domain::said::Said;
use crate::guest::{self, GuestQuestion};

/// Runs the guest check through the automation agent; the run itself is the group `agent-exec`.
/// `limit` is the agent's own for the check: a healthy guest needs a few seconds, and one that
/// cannot start a shell in this time is told as such. Gives what the guest's kernel counted.
pub(super) async fn ask(
    client: &Client,
    instance: &Instance,
    question: &GuestQuestion,
    limit: Duration,
    queue: &mpsc::Sender<Reading>,
) -> Option<GuestCounts> {
    let started = Instant::now();
    if instance.state_class() == Some(instance_state::STOPPED) {
        let why = said::not_running();
        let reading =
            Reading::without_state(group::AGENT_EXEC, Source::Cloud, Status::NotApplicable, why);
        let _ = queue.send(reading.at(Timestamp::now(), 0)).await;
        return None;
    }
    if let Err(why) = guest::check(instance.os, question) {
        let reading =
            Reading::without_state(group::AGENT_EXEC, Source::Cloud, Status::NotAttempted, why);
        let _ = queue.send(reading.at(Timestamp::now(), 0)).await;
        return None;
    }
    let question = &GuestQuestion {
        asked_at: Some(Timestamp::now().as_second()),
        ..question.clone()
    };
    let script = guest::script(instance.os, question);
    let outcome = automation::run(client, instance, automation::GUEST_CHECK, &script, limit).await;
    let cost = started.elapsed().as_millis() as u64;
    let now = Timestamp::now();
    let exec = |state: State<'_>, detail: Said| {
        Reading::observed(state, Source::Cloud, detail).at(now, cost)
    };
    let run = match outcome {
        Ok(run) => run,
        Err(error) => {
            let mut reading = Reading::without_state(
                group::AGENT_EXEC,
                Source::Cloud,
                error.status(),
                error.said(),
            );
            if let Some(permission) = error.missing_permission() {
                reading = reading.needing(Said::raw(permission));
            }
            let _ = queue.send(reading.at(now, cost)).await;
            return None;
        }
    };
    let reading = match &run.end {
        RunEnd::Success if run.is_cut() => exec(agent_exec::OK, said::check_cut(cost, run.dropped)),
        RunEnd::Success => exec(agent_exec::OK, said::check_ran(cost)),
        // The script always ends with 0; output means that a shell ran it all the same.
        RunEnd::Failed { exit_code } => exec(agent_exec::FAILED, said::check_ended(*exit_code)),
        RunEnd::NotRun { status, why } => {
            exec(agent_exec::FAILED, said::check_not_run(status, why))
        }
        RunEnd::Timeout { status } => {
            let mut detail = cloud_said::guest_check_unfinished(status);
            if instance.os == Os::Linux {
                detail = detail.and(cloud_said::profile_runs_first("/etc/profile"));
            }
            exec(agent_exec::TIMEOUT, detail)
        }
    };
    let _ = queue.send(reading).await;
    if run.output.is_empty() {
        return None;
    }
    for reading in guest::readings(instance.os, &run.output, question) {
        let _ = queue.send(reading.at(now, cost)).await;
    }
    guest::counts(instance.os, &run.output)
}
