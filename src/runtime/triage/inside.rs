//! The check inside the guest, through the automation agent, with consent.
//!
//! Must not live here: the script and the reading of its answer (`guest`).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{TriageOptions, prepare, said};
use crate::cloud::Client;
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::said as cloud_said;
use crate::domain::check::GuestCounts;
use crate::domain::evidence::state::{agent_exec, instance_state};
use crate::domain::evidence::{Reading, Source, State, Status, group};
use crate::domain::instance::{Instance, Os};
use crate::domain::said::Said;
use crate::guest::{self, GuestQuestion};
use crate::runtime::session::Session;

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
    let answer = run(client, instance, question, limit).await;
    let (at, cost) = (answer.at, answer.cost);
    let _ = queue.send(answer.ran.at(at, cost)).await;
    let output = answer.output?;
    for reading in guest::readings(instance.os, &output, &answer.question) {
        let _ = queue.send(reading.at(at, cost)).await;
    }
    guest::counts(instance.os, &output)
}

/// What the guest's own packet filter makes of attempts from outside, each from a source (`None`: one
/// that no rule names) to a TCP port; in the order asked, with the reason where there is no answer.
pub async fn firewall(
    session: &Session,
    instance: &Instance,
    attempts: &[(Option<IpAddr>, u16)],
) -> Vec<Reading> {
    let unread = |status: Status, why: Said| {
        let reading = Reading::without_state(group::GUEST_FIREWALL, Source::Guest, status, why);
        vec![reading.at(Timestamp::now(), 0); attempts.len()]
    };
    let Some(cloud) = session.cloud.as_ref().filter(|_| !instance.is_static) else {
        return unread(Status::NotApplicable, cloud_said::host_configuration_no());
    };
    let limit = session.settings.probe.guest_timeout;
    let asked = prepare::question(instance, &TriageOptions::default(), None);
    let answer = run(&cloud.client, instance, &asked, limit).await;
    let Some(output) = answer.output else {
        return unread(answer.ran.status, answer.ran.detail);
    };
    let login = asked.port;
    let one = |&(source, port): &(Option<IpAddr>, u16)| {
        // The check for Windows prints only the rules that may speak of the login port.
        if instance.os == Os::Windows && port != login {
            let why = said::firewall_of_login_only(login);
            return Reading::without_state(
                group::GUEST_FIREWALL,
                Source::Guest,
                Status::NotAttempted,
                why,
            );
        }
        let question = GuestQuestion {
            source,
            port,
            ..answer.question.clone()
        };
        let readings = guest::readings(instance.os, &output, &question);
        let mut readings = readings.into_iter();
        let found = readings.find(|reading| reading.id == group::GUEST_FIREWALL);
        found.expect("the check answers for every group")
    };
    let (at, cost) = (answer.at, answer.cost);
    attempts.iter().map(|it| one(it).at(at, cost)).collect()
}

/// What became of a run of the check.
struct Answer {
    /// The group `agent-exec`.
    ran: Reading,
    at: Timestamp,
    /// Milliseconds.
    cost: u64,
    /// What was asked, with the time.
    question: GuestQuestion,
    /// What was printed; `None` where nothing was.
    output: Option<String>,
}

async fn run(
    client: &Client,
    instance: &Instance,
    question: &GuestQuestion,
    limit: Duration,
) -> Answer {
    let started = Instant::now();
    let question = GuestQuestion {
        asked_at: Some(Timestamp::now().as_second()),
        ..question.clone()
    };
    let ended = |question, ran, output| Answer {
        ran,
        at: Timestamp::now(),
        cost: started.elapsed().as_millis() as u64,
        question,
        output,
    };
    let not_run = |status: Status, why: Said| {
        Reading::without_state(group::AGENT_EXEC, Source::Cloud, status, why)
    };
    if instance.state_class() == Some(instance_state::STOPPED) {
        let ran = not_run(Status::NotApplicable, said::not_running());
        return ended(question, ran, None);
    }
    if let Err(why) = guest::check(instance.os, &question) {
        let ran = not_run(Status::NotAttempted, why);
        return ended(question, ran, None);
    }
    let script = guest::script(instance.os, &question);
    let outcome = automation::run(client, instance, automation::GUEST_CHECK, &script, limit).await;
    let cost = started.elapsed().as_millis() as u64;
    let exec = |state: State<'_>, detail: Said| Reading::observed(state, Source::Cloud, detail);
    let run = match outcome {
        Ok(run) => run,
        Err(error) => {
            let mut ran = not_run(error.status(), error.said());
            if let Some(permission) = error.missing_permission() {
                ran = ran.needing(Said::raw(permission));
            }
            return ended(question, ran, None);
        }
    };
    let ran = match &run.end {
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
    let output = (!run.output.is_empty()).then_some(run.output);
    ended(question, ran, output)
}
