//! The check inside the guest, through the automation agent, with consent.
//!
//! Must not live here: the script and the reading of its answer (`guest`).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::cloud::Client;
use crate::cloud::automation::{self, RunEnd};
use crate::domain::evidence::{Reading, Source};
use crate::domain::instance::Instance;
use crate::guest::{self, GuestQuestion};

/// Runs the guest check through the automation agent; the run itself is the group `agent-exec`.
/// `limit` is the agent's own for the check: a healthy guest needs a few seconds, and one that
/// cannot start a shell in this time is told as such.
pub(super) async fn ask(
    client: &Client,
    instance: &Instance,
    question: &GuestQuestion,
    limit: Duration,
    queue: &mpsc::Sender<Reading>,
) {
    let started = Instant::now();
    let script = guest::script(instance.os, question);
    let outcome = automation::run(client, instance, automation::GUEST_CHECK, &script, limit).await;
    let cost = started.elapsed().as_millis() as u64;
    let now = Timestamp::now();
    let exec = |state: &str, detail: String| {
        Reading::observed("agent-exec", Source::Cloud, state, detail).at(now, cost)
    };
    let run = match outcome {
        Ok(run) => run,
        Err(error) => {
            let mut reading = Reading::without_state(
                "agent-exec",
                Source::Cloud,
                error.status(),
                error.to_string(),
            );
            if let Some(permission) = error.missing_permission() {
                reading = reading.needing(permission);
            }
            let _ = queue.send(reading.at(now, cost)).await;
            return;
        }
    };
    let reading = match &run.end {
        RunEnd::Success => exec("ok", format!("the guest check ran in {cost} ms")),
        // The script always ends with 0; output means that a shell ran it all the same.
        RunEnd::Failed { exit_code } => exec(
            "failed",
            format!("the guest check ended with status {exit_code}"),
        ),
        RunEnd::Timeout { status } => exec(
            "timeout",
            format!("the agent did not finish the guest check ({status})"),
        ),
    };
    let _ = queue.send(reading).await;
    if run.output.is_empty() {
        return;
    }
    for reading in guest::readings(instance.os, &run.output, question) {
        let _ = queue.send(reading.at(now, cost)).await;
    }
}
