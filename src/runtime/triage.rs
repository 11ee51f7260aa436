//! Collects everything that can be known about one instance, all independent work at once.
//!
//! Readings are handed on as they arrive, so that a screen can show them; at the end they are
//! put in order, numbered and returned. Must not live here: what they mean (`diagnosis`).

mod called;
pub mod inside;
mod memory;
mod prepare;
pub mod said;
mod set_aside;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::session::Session;
use super::{neighbours, providers};
use crate::case;
use crate::client_text;
use crate::cloud::facts::{self, CloudFacts, OwnCall};
use crate::cloud::tap::{RawAnswer, Tap};
use crate::cloud::{CloudError, Pool};
use crate::config::VantageSetting;
use crate::domain::check::GuestCounts;
use crate::domain::evidence::{Path, Reading, place};
use crate::domain::instance::Instance;
use crate::domain::report::{InstanceSummary, Vantage};
use crate::domain::said::Said;
use crate::domain::statement::Statements;
use crate::guest;
use crate::kit;
use crate::probe::{self, budget};

/// Readings under way between producers and collector.
const QUEUE: usize = 64;

/// Instances whose addresses are probed at the same time; the cloud is asked about all at once.
const AT_ONCE: usize = 32;
static PROBED_AT_ONCE: Semaphore = Semaphore::const_new(AT_ONCE);

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
    /// What this program did to the instance in the last hours, by request id.
    pub own_calls: BTreeMap<String, OwnCall>,
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
    /// Why the cloud cannot be asked; then only what can be seen from outside is read.
    pub unasked: Option<CloudError>,
    /// Shares the cloud's answers with the triages of other instances.
    pub pool: Option<Pool>,
    /// Also read what only the self-diagnosis needs.
    pub self_check: bool,
}

/// The script that a look inside would send; the time of asking goes in when it is sent.
///
/// # Errors
/// One sentence: the account's name cannot be put into a script.
pub fn script(instance: &Instance, options: &TriageOptions) -> Result<String, Said> {
    let question = prepare::question(instance, options, options.user_source);
    guest::check(instance.os, &question)?;
    Ok(guest::script(instance.os, &question))
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Triage {
    pub readings: Vec<Reading>,
    /// Facts that plans need (rules, addresses); `None` without a cloud.
    pub facts: Option<CloudFacts>,
    /// What the guest's kernel counted; `None` where nobody looked inside.
    pub guest: Option<GuestCounts>,
    /// What the cloud answered meanwhile, for a ticket.
    pub raw: Vec<RawAnswer>,
    pub vantage: Vantage,
    /// What the user's client printed, as it was given.
    pub pasted: String,
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
        if let Some(pool) = &options.pool {
            cloud.client = cloud.client.pooled(pool);
        }
    }
    let session = &session;
    // The first of a process decides for all: the pace is one.
    budget::set_rate(session.settings.probe.rate);
    let user_source = options.user_source.or(session.settings.probe.user_source);
    let user_source = user_source.or_else(|| {
        let text = options.error_text.as_deref()?;
        kit::read(text, &summary(instance))?.source
    });
    let paths = prepare::paths(session, instance, options);
    let (queue, mut arriving) = mpsc::channel::<Reading>(QUEUE);
    let memory = options.memory.as_deref();
    let mut options = options.clone();
    if let (None, Some(directory)) = (options.onset, memory) {
        options.onset = memory::onset(directory, &instance.id).await;
    }
    if let (None, Some(directory)) = (options.statements.way, memory) {
        options.statements.way = memory::way(directory, instance.network()).await;
    }
    let options = &options;
    let mut work = start(session, instance, options, &paths, user_source, &queue);
    drop(queue);

    let mut triage = Triage::default();
    let deadline = options.timeout.map(|t| tokio::time::Instant::now() + t);
    let mut held = Vec::new();
    let collect = async {
        while let Some(mut reading) = arriving.recv().await {
            held.extend(set_aside::unreachable(instance, &mut reading));
            if let Some(directory) = memory {
                memory::compare(directory, &mut reading).await;
            }
            let _ = sink.send(reading.clone()).await;
            place(&mut triage.readings, reading);
        }
        while let Some(done) = work.join_next().await {
            // A task that panicked lost its readings, which then stay unknown.
            match done {
                Ok(Brought::Facts(facts)) => triage.facts = Some(*facts),
                Ok(Brought::Guest(counts)) => triage.guest = counts,
                Ok(Brought::Readings) | Err(_) => {}
            }
        }
    };
    match deadline {
        Some(deadline) => {
            triage.cut_short = tokio::time::timeout_at(deadline, collect).await.is_err();
        }
        None => collect.await,
    }
    let facts = triage.facts.as_ref();
    let mut changed = set_aside::answered_by_this_machine(instance, &mut triage.readings);
    changed.extend(set_aside::off_the_path(
        instance,
        facts,
        held,
        &mut triage.readings,
    ));
    for reading in changed {
        let _ = sink.send(reading).await;
    }
    case::number(&mut triage.readings);
    triage.raw = tap.take();
    triage.vantage = vantage(session, instance, options, paths, user_source, facts);
    triage.elapsed = started.elapsed();
    triage.pasted = options.error_text.clone().unwrap_or_default();
    triage
}

fn vantage(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    paths: Vec<Path>,
    user_source: Option<IpAddr>,
    facts: Option<&CloudFacts>,
) -> Vantage {
    Vantage {
        host: session.host.clone(),
        paths,
        user_source: user_source.map(|a| a.to_string()),
        user_way: options.statements.way,
        account: Some(prepare::login_user(instance, options)),
        neighbours: facts.map_or_else(Vec::new, |facts| {
            let now = facts.instance.as_ref().unwrap_or(instance);
            neighbours::names(session, now, facts)
        }),
        provider: facts.is_some_and(|facts| {
            let now = facts.instance.as_ref().unwrap_or(instance);
            providers::could_look(session, now, facts)
        }),
    }
}

/// What a producer gives beside its readings.
enum Brought {
    Readings,
    Facts(Box<CloudFacts>),
    Guest(Option<GuestCounts>),
}

/// Starts every producer of readings at once.
fn start(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    paths: &[Path],
    user_source: Option<IpAddr>,
    queue: &mpsc::Sender<Reading>,
) -> JoinSet<Brought> {
    let mut work = JoinSet::new();
    let (known, arriving) = watch::channel(None);
    let mut plan = prepare::probe_plan(session, instance, options, paths);
    if !plan.targets.is_empty() {
        let queue = queue.clone();
        let (config, target) = (session.settings.ssh_config.clone(), instance.clone());
        work.spawn(async move {
            called::name(&mut plan, config, target).await;
            // A burst of handshakes would make this host slow, and every target look so.
            let _turn = PROBED_AT_ONCE.acquire().await;
            budget::turn().await;
            probe::run_with(&plan, &arriving, queue).await;
            Brought::Readings
        });
    }
    let cloud = session.cloud.clone().filter(|_| !instance.is_static);
    if let Some(error) = &options.unasked {
        let (unasked, queue) = (facts::unasked(error), queue.clone());
        work.spawn(async move {
            for reading in unasked {
                let _ = queue.send(reading.at(Timestamp::now(), 0)).await;
            }
            Brought::Readings
        });
    } else if let Some(cloud) = cloud {
        let request = prepare::fact_request(session, instance, options, user_source);
        let limit = session.settings.probe.guest_timeout;
        let (client, target, facts_queue) = (cloud.client.clone(), instance.clone(), queue.clone());
        let looks_inside = prepare::looks_inside(session, options);
        let (session, paths) = (session.clone(), paths.to_vec());
        work.spawn(async move {
            let answered_by = client.answered_by();
            let early = |found| {
                let found = prepare::known(&session, &target, &paths, &found, answered_by);
                // Without probes nobody waits for it.
                let _ = known.send(Some(Arc::new(found)));
            };
            let facts = facts::gather_telling(&client, &target, &request, facts_queue, early);
            Brought::Facts(Box::new(facts.await))
        });
        if looks_inside {
            let question = prepare::question(instance, options, user_source);
            let (target, queue) = (instance.clone(), queue.clone());
            work.spawn(async move {
                let counts = inside::ask(&cloud.client, &target, &question, limit, &queue);
                Brought::Guest(counts.await)
            });
        }
    }
    let named = summary(instance);
    let pasted = options.error_text.as_deref();
    let pasted = pasted.map(|text| client_text::evidence(text, &named));
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
