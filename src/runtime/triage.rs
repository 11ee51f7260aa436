//! Collects everything that can be known about one instance, all independent work at once.
//!
//! Readings are handed on as they arrive, so that a screen can show them; at the end they are
//! put in order, numbered and returned. Must not live here: what they mean (`diagnosis`).

mod inside;
mod memory;
mod prepare;
mod set_aside;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::session::Session;
use crate::cloud::facts::{self, CloudFacts};
use crate::cloud::tap::{RawAnswer, Tap};
use crate::config::VantageSetting;
use crate::domain::evidence::{Path, Reading, Status};
use crate::domain::instance::Instance;
use crate::domain::report::{InstanceSummary, Vantage};
use crate::domain::statement::Statements;
use crate::guide::error_text;
use crate::probe;

/// Readings under way between producers and collector.
const QUEUE: usize = 64;

/// How far a triage may go.
#[derive(Debug, Clone, Default)]
pub struct TriageOptions {
    /// Consent to read-only commands inside the guest and to a `none` request to its SSH server.
    pub deep: bool,
    /// Make one real login attempt as this user.
    pub try_login: Option<String>,
    /// The account that fails to log in, where known.
    pub user: Option<String>,
    /// Where the failing user comes from.
    pub user_source: Option<IpAddr>,
    /// Since when login fails, where it is known.
    pub onset: Option<Timestamp>,
    /// What the user's client printed.
    pub error_text: Option<String>,
    /// The port that the login is expected on, in place of what the instance says.
    pub port: Option<u16>,
    /// What a person says: who is affected, what the console shows.
    pub statements: Statements,
    /// Paths to look along; the settings decide when not set.
    pub vantage: Option<VantageSetting>,
    /// The instance was read from the cloud a moment ago and need not be read again.
    pub instance_is_fresh: bool,
    /// Where earlier runs of this program noted what they saw; `None` remembers nothing.
    pub memory: Option<PathBuf>,
    /// End with what is there after this time.
    pub timeout: Option<Duration>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Triage {
    pub readings: Vec<Reading>,
    /// Facts that plans need (rules, addresses); `None` without a cloud.
    pub facts: Option<CloudFacts>,
    /// What the cloud answered meanwhile, for a ticket.
    pub raw: Vec<RawAnswer>,
    pub vantage: Vantage,
    pub elapsed: Duration,
    /// True if the time ran out before everything was read.
    pub cut_short: bool,
}

/// Reads everything about `instance`. Each reading is also sent to `sink` as it arrives; a sink
/// that is gone stops nothing.
pub async fn run(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    sink: mpsc::Sender<Reading>,
) -> Triage {
    let started = Instant::now();
    let tap = Tap::default();
    let mut session = session.clone();
    if let Some(cloud) = &mut session.cloud {
        cloud.client = cloud.client.tapped(&tap);
    }
    let session = &session;
    let user_source = options.user_source.or(session.settings.probe.user_source);
    let paths = prepare::paths(session, instance, options);
    let (queue, mut arriving) = mpsc::channel::<Reading>(QUEUE);
    let memory = options.memory.as_deref();
    let mut options = options.clone();
    if let (None, Some(directory)) = (options.onset, memory) {
        options.onset = memory::onset(directory, &instance.id).await;
    }
    let options = &options;
    let mut work = start(session, instance, options, &paths, user_source, &queue);
    drop(queue);

    let mut triage = Triage::default();
    let deadline = options.timeout.map(|t| tokio::time::Instant::now() + t);
    let collect = async {
        while let Some(mut reading) = arriving.recv().await {
            set_aside::unreachable(instance, &mut reading);
            if let Some(directory) = memory {
                memory::compare(directory, &mut reading).await;
            }
            let _ = sink.send(reading.clone()).await;
            keep(&mut triage.readings, reading);
        }
        while let Some(done) = work.join_next().await {
            // A task that panicked lost its readings, which then stay unknown.
            if let Ok(Some(facts)) = done {
                triage.facts = Some(facts);
            }
        }
    };
    match deadline {
        Some(deadline) => {
            triage.cut_short = tokio::time::timeout_at(deadline, collect).await.is_err();
        }
        None => collect.await,
    }
    for changed in set_aside::answered_by_this_machine(instance, &mut triage.readings) {
        let _ = sink.send(changed).await;
    }
    number(&mut triage.readings);
    triage.raw = tap.take();
    triage.vantage = Vantage {
        host: session.host.clone(),
        paths,
        user_source: user_source.map(|a| a.to_string()),
    };
    triage.elapsed = started.elapsed();
    triage
}

/// Starts every producer of readings at once.
fn start(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    paths: &[Path],
    user_source: Option<IpAddr>,
    queue: &mpsc::Sender<Reading>,
) -> JoinSet<Option<CloudFacts>> {
    let mut work = JoinSet::new();
    let (known, arriving) = watch::channel(None);
    let plan = prepare::probe_plan(session, instance, options, paths);
    if !plan.targets.is_empty() {
        let queue = queue.clone();
        work.spawn(async move {
            probe::run_with(&plan, &arriving, queue).await;
            None
        });
    }
    if let Some(cloud) = session.cloud.clone().filter(|_| !instance.is_static) {
        let request = prepare::fact_request(instance, options, user_source);
        let limit = session.settings.probe.guest_timeout;
        let (client, target, facts_queue) = (cloud.client.clone(), instance.clone(), queue.clone());
        let (session, paths) = (session.clone(), paths.to_vec());
        work.spawn(async move {
            let answered_by = client.answered_by();
            let early = |found| {
                let found = prepare::known(&session, &target, &paths, &found, answered_by);
                // Without probes nobody waits for it.
                let _ = known.send(Some(Arc::new(found)));
            };
            let facts = facts::gather_telling(&client, &target, &request, facts_queue, early);
            Some(facts.await)
        });
        if options.deep {
            let question = prepare::question(instance, options, user_source);
            let (target, queue) = (instance.clone(), queue.clone());
            work.spawn(async move {
                inside::ask(&cloud.client, &target, &question, limit, &queue).await;
                None
            });
        }
    }
    let pasted = options.error_text.as_deref().map(error_text::readings);
    let said = options.statements.readings();
    let now = Timestamp::now();
    for reading in pasted.into_iter().flatten().chain(said) {
        // The queue is empty and larger than what a person can say: this cannot wait.
        let _ = queue.try_send(reading.at(now, 0));
    }
    work
}

/// The instance as reports name it.
pub fn summary(instance: &Instance) -> InstanceSummary {
    InstanceSummary::of(instance)
}

/// A later reading of the same group and path replaces the earlier one; pasted errors add up.
fn keep(readings: &mut Vec<Reading>, new: Reading) {
    let same = |old: &Reading| {
        old.key() == new.key() && (new.id != "pasted-error" || old.state == new.state)
    };
    match readings.iter_mut().find(|old| same(old)) {
        // A value beats the lack of one, whichever came first.
        Some(old) if old.status == Status::Observed && new.status != Status::Observed => {}
        Some(old) => *old = new,
        None => readings.push(new),
    }
}

/// Gives each reading the key under which explanations cite it.
fn number(readings: &mut [Reading]) {
    readings.sort_by(|a, b| {
        (a.source as u8, a.key(), &a.state).cmp(&(b.source as u8, b.key(), &b.state))
    });
    for (n, reading) in readings.iter_mut().enumerate() {
        reading.observation = format!("o-{}", n + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::Source;

    fn reach(state: &str) -> Reading {
        Reading::observed("reach", Source::Probe, state, "").on_path(Path::Private)
    }

    #[test]
    fn a_later_reading_wins_but_an_unknown_does_not_erase_a_value() {
        let mut readings = Vec::new();
        keep(&mut readings, reach("refused"));
        keep(&mut readings, reach("open"));
        keep(
            &mut readings,
            Reading::without_state("reach", Source::Probe, Status::ProbeFailed, "")
                .on_path(Path::Private),
        );
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].observed_state(), Some("open"));
    }

    #[test]
    fn several_pasted_errors_stand_side_by_side() {
        let pasted = |s: &str| Reading::observed("pasted-error", Source::Operator, s, "");
        let mut readings = Vec::new();
        for state in ["banner-timeout", "slow-login", "slow-login"] {
            keep(&mut readings, pasted(state));
        }
        number(&mut readings);
        assert_eq!(readings.len(), 2);
        assert_eq!(readings[1].observation, "o-2");
    }
}
