//! Collects everything that can be known about one instance, all independent work at once.
//!
//! Readings are handed on as they arrive, so that a screen can show them; at the end they are
//! put in order, numbered and returned. Must not live here: what they mean (`diagnosis`).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::session::Session;
use super::vantage::{own_source, shares_network};
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::facts::{self, CloudFacts, FactRequest};
use crate::config::VantageSetting;
use crate::domain::evidence::{Path, Reading, Source, Status};
use crate::domain::instance::{Instance, Os};
use crate::domain::report::{InstanceSummary, Vantage};
use crate::guest::{self, GuestQuestion};
use crate::guide::error_text;
use crate::probe::{self, Consent, Depth, ProbeOptions, ProbePlan, ProbeTarget};

/// Addresses probed per path; more would multiply the load on the target.
const MAX_ADDRESSES: usize = 2;
/// The agent's own limit for the guest check.
const GUEST_TIMEOUT: Duration = Duration::from_secs(60);
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
    /// Paths to look along; the settings decide when not set.
    pub vantage: Option<VantageSetting>,
    /// The instance was read from the cloud a moment ago and need not be read again.
    pub instance_is_fresh: bool,
    /// End with what is there after this time.
    pub timeout: Option<Duration>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Triage {
    pub readings: Vec<Reading>,
    /// Facts that plans need (rules, addresses); `None` without a cloud.
    pub facts: Option<CloudFacts>,
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
    let user_source = options.user_source.or(session.settings.probe.user_source);
    let paths = paths(session, instance, options);
    let (queue, mut arriving) = mpsc::channel::<Reading>(QUEUE);
    let mut work = start(session, instance, options, &paths, user_source, &queue);
    drop(queue);

    let mut triage = Triage::default();
    let deadline = options.timeout.map(|t| tokio::time::Instant::now() + t);
    let collect = async {
        while let Some(mut reading) = arriving.recv().await {
            discount_unreachable(instance, &mut reading);
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
    number(&mut triage.readings);
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
    let plan = probe_plan(session, instance, options, paths);
    if !plan.targets.is_empty() {
        let queue = queue.clone();
        work.spawn(async move {
            probe::run(&plan, queue).await;
            None
        });
    }
    if let Some(cloud) = session.cloud.clone().filter(|_| !instance.is_static) {
        let request = fact_request(instance, options, user_source);
        let (client, target, facts_queue) = (cloud.client.clone(), instance.clone(), queue.clone());
        work.spawn(
            async move { Some(facts::gather(&client, &target, &request, facts_queue).await) },
        );
        if options.deep {
            let question = question(instance, options, user_source);
            let (target, queue) = (instance.clone(), queue.clone());
            work.spawn(async move {
                ask_guest(&cloud.client, &target, &question, &queue).await;
                None
            });
        }
    }
    if let Some(text) = &options.error_text {
        let now = Timestamp::now();
        for reading in error_text::readings(text) {
            // The queue is empty and larger than any text can fill it: this cannot wait.
            let _ = queue.try_send(reading.at(now, 0));
        }
    }
    work
}

/// The instance as reports name it.
pub fn summary(instance: &Instance) -> InstanceSummary {
    InstanceSummary::of(instance)
}

/// Paths that are wanted and that the instance has an address on.
fn paths(session: &Session, instance: &Instance, options: &TriageOptions) -> Vec<Path> {
    let wanted = options.vantage.unwrap_or(session.settings.probe.vantage);
    let mut paths = Vec::new();
    if wanted != VantageSetting::Private && !instance.public_addresses.is_empty() {
        paths.push(Path::Public);
    }
    if wanted != VantageSetting::Public && !instance.private_addresses.is_empty() {
        paths.push(Path::Private);
    }
    paths
}

fn probe_plan(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    paths: &[Path],
) -> ProbePlan {
    let addresses = |path: Path| match path {
        Path::Public => &instance.public_addresses,
        Path::Private => &instance.private_addresses,
    };
    let user = login_user(instance, options);
    let settings = &session.settings.probe;
    ProbePlan {
        os: instance.os,
        targets: paths
            .iter()
            .flat_map(|&path| {
                addresses(path)
                    .iter()
                    .take(MAX_ADDRESSES)
                    .map(move |&address| ProbeTarget {
                        path,
                        address,
                        port: instance.login_port(),
                    })
            })
            .collect(),
        neighbour_ports: settings.neighbour_ports.clone(),
        other_login_ports: settings.ports.clone(),
        options: ProbeOptions {
            depth: if options.deep {
                Depth::Full
            } else {
                Depth::Quick
            },
            consent: Consent {
                methods_as: (options.deep || options.try_login.is_some()).then(|| user.clone()),
                login_as: options.try_login.clone(),
                ..Consent::default()
            },
            connect_timeout: settings.timeout,
            ..ProbeOptions::default()
        },
    }
}

/// The account that a login is tried with, or read about.
fn login_user(instance: &Instance, options: &TriageOptions) -> String {
    options
        .try_login
        .clone()
        .or_else(|| options.user.clone())
        .or_else(|| Some(instance.default_login_user.clone()).filter(|u| !u.is_empty()))
        .unwrap_or_else(|| {
            match instance.os {
                Os::Windows => "Administrator",
                Os::Linux | Os::Unknown => "root",
            }
            .to_owned()
        })
}

fn fact_request(
    instance: &Instance,
    options: &TriageOptions,
    user_source: Option<IpAddr>,
) -> FactRequest {
    let own = |path: Path, addresses: &[IpAddr]| {
        let source = own_source(*addresses.first()?)?;
        Some((path, source))
    };
    FactRequest {
        user_source,
        own_sources: [
            own(Path::Public, &instance.public_addresses),
            own(Path::Private, &instance.private_addresses),
        ]
        .into_iter()
        .flatten()
        .collect(),
        instance_is_fresh: options.instance_is_fresh,
        onset: options.onset,
        ..FactRequest::default()
    }
}

fn question(instance: &Instance, options: &TriageOptions, source: Option<IpAddr>) -> GuestQuestion {
    GuestQuestion {
        user: login_user(instance, options),
        source,
        port: instance.login_port(),
        private_address: instance.private_addresses.first().copied(),
        uses_key: (!instance.key_ids.is_empty()).then_some(true),
    }
}

/// Runs the guest check through the automation agent; the run itself is the group `agent-exec`.
async fn ask_guest(
    client: &crate::cloud::Client,
    instance: &Instance,
    question: &GuestQuestion,
    queue: &mpsc::Sender<Reading>,
) {
    let started = Instant::now();
    let script = guest::script(instance.os, question);
    let outcome = automation::run(
        client,
        instance,
        "cvmtop guest check",
        &script,
        GUEST_TIMEOUT,
    )
    .await;
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

/// Silence on a private address says nothing if there is no way from here into its network.
fn discount_unreachable(instance: &Instance, reading: &mut Reading) {
    let silent = matches!(
        reading.observed_state(),
        Some("all-silent" | "silent-icmp-only" | "admin-prohibited")
    );
    if reading.id != "reach" || reading.path != Some(Path::Private) || !silent {
        return;
    }
    let reachable = instance
        .private_addresses
        .iter()
        .any(|&address| shares_network(own_source(address), address));
    if !reachable {
        reading.status = Status::NotAttempted;
        reading.state = None;
        reading.detail = format!(
            "{}; set aside: this machine does not seem to be in the instance's network",
            reading.detail
        );
    }
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

    fn reach(state: &str) -> Reading {
        Reading::observed("reach", Source::Probe, state, "").on_path(Path::Private)
    }

    #[test]
    fn silence_from_outside_the_network_is_no_finding() {
        let instance = Instance {
            private_addresses: vec!["203.0.113.5".parse().expect("address")],
            ..Instance::default()
        };
        let mut silent = reach("all-silent");
        discount_unreachable(&instance, &mut silent);
        assert_eq!(silent.status, Status::NotAttempted);
        let mut open = reach("open");
        discount_unreachable(&instance, &mut open);
        assert_eq!(open.observed_state(), Some("open"));
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
