//! The instances that a command over the fleet is about: listed, filtered, looked at, weighed.
//!
//! Must not live here: what is printed of them (`list`, `overview`).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::args::GlobalArgs;
use super::diagnose::{AT_ONCE, Progress, weigh};
use super::{open, output, said};
use crate::app::filter::{FIELDS, Filter, Matching, Wrong};
use crate::app::fleet::Row;
use crate::cloud::Pool;
use crate::cloud::inventory::{self, InventoryEvent};
use crate::config::Loaded;
use crate::domain::evidence::Path;
use crate::domain::evidence::state::instance_state;
use crate::domain::history::{LoginSpan, Onset};
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::{List, Said};
use crate::probe::{LoginHealth, Protocol, SweepOptions, SweepResult, SweepTarget, sweep};
use crate::runtime;
use crate::runtime::session::Session;
use crate::runtime::targets::resolve_hosts;
use crate::runtime::triage::TriageOptions;
use crate::store::history::History;

/// How long mute logins wait for others, so that their questions to the cloud are one.
const GATHER: Duration = Duration::from_millis(600);

/// The instances of a command, and what they were read with.
#[derive(Debug)]
pub struct Fleet {
    pub loaded: Loaded,
    pub session: Session,
    pub instances: Vec<Instance>,
}

impl Fleet {
    /// Lists and filters. What could not be read is named on standard error; `None` where that is
    /// everything.
    pub async fn read(global: &GlobalArgs, filter: Option<&str>) -> anyhow::Result<Option<Self>> {
        let loaded = open::settings(global)?;
        let filter = filter_of(filter, &loaded)?;
        if let Some(field) = filter.as_ref().and_then(Filter::asks_for_a_look) {
            return Err(output::Fault(said::filter_looks(field)).into());
        }
        let session = open::on(&loaded).await?;
        let (mut instances, failures) = all(&session).await?;
        for failure in &failures {
            output::warn(failure);
        }
        if instances.is_empty() && !failures.is_empty() {
            return Ok(None);
        }
        if let Some(filter) = filter {
            instances = chosen(&filter, instances);
        }
        Ok(Some(Self {
            loaded,
            session,
            instances,
        }))
    }

    /// Between which looks logins began to fail, of those that an earlier run saw answer.
    pub fn onsets(&self) -> HashMap<String, Onset> {
        let read = History::existing(&self.loaded.paths.state_dir)
            .and_then(|history| history.map_or(Ok(Vec::new()), |history| history.logins()));
        let spans = read.unwrap_or_else(|error| {
            output::warn(&error.said());
            Vec::new()
        });
        let of = |span: LoginSpan| Some((span.instance.clone(), span.onset()?));
        spans.into_iter().filter_map(of).collect()
    }

    /// A short look at every login, and those that were not seen to answer, or that the listing
    /// itself calls out of order, weighed from outside and from the cloud alone: by index into
    /// `instances`.
    ///
    /// A login that lets a connection in and says nothing takes the longest to tell apart from a slow
    /// one: it is weighed while the others are still looked at.
    pub async fn look_and_weigh(
        &self,
        patience: Duration,
        timeout: Option<Duration>,
    ) -> (Logins, Vec<(usize, Report)>) {
        let pool = Pool::of_at_most(self.instances.len());
        let progress = Progress::of(0);
        let options = TriageOptions {
            memory: Some(self.loaded.paths.state_dir.clone()),
            instance_is_fresh: true,
            timeout,
            pool: Some(pool.clone()),
            ..TriageOptions::default()
        };
        let (mute, mut heard) = mpsc::unbounded_channel();
        let one = async |index: usize| {
            let report = weigh(
                &self.session,
                &self.loaded,
                &self.instances[index],
                &options,
            )
            .await;
            progress.one_more();
            (index, report)
        };
        let begin_early = async {
            let mut running = FuturesUnordered::new();
            let mut weighed = Vec::new();
            let mut together = Vec::new();
            loop {
                tokio::select! {
                    more = heard_together(&mut heard, &mut together), if !heard.is_closed() || !heard.is_empty() => {
                        pool.expect(more);
                        progress.expect(more);
                        running.extend(together.drain(..).map(one));
                    }
                    Some(report) = running.next() => weighed.push(report),
                    else => break weighed,
                }
            }
        };
        let look_and_go_on = async {
            let logins =
                Logins::look_telling(&self.session, &self.instances, patience, Some(mute)).await;
            let others: Vec<usize> = (0..self.instances.len())
                .filter(|&index| !logins.answers(index) || !is_in_order(&self.instances[index]))
                .filter(|index| !logins.told.contains(index))
                .collect();
            pool.expect(others.len());
            progress.expect(others.len());
            let mut weighed = Vec::new();
            // Wave by wave: instances that begin one after the other would ask alone.
            for wave in others.chunks(AT_ONCE) {
                let work = wave.iter().map(|&index| one(index));
                let reports = futures_util::stream::iter(work).buffered(AT_ONCE);
                weighed.extend(reports.collect::<Vec<_>>().await);
            }
            (logins, weighed)
        };
        let (early, (logins, mut weighed)) = tokio::join!(begin_early, look_and_go_on);
        weighed.extend(early);
        weighed.sort_by_key(|(index, _)| *index);
        if !weighed.is_empty() {
            progress.end(&self.session, Some(&pool));
        }
        (logins, weighed)
    }
}

/// Takes what is told within [`GATHER`] of the first: instances that begin one after the other would
/// ask the cloud alone. Gives how many.
async fn heard_together(
    heard: &mut mpsc::UnboundedReceiver<usize>,
    together: &mut Vec<usize>,
) -> usize {
    if let Some(first) = heard.recv().await {
        together.push(first);
        let until = tokio::time::Instant::now() + GATHER;
        while let Ok(Some(more)) = tokio::time::timeout_at(until, heard.recv()).await {
            together.push(more);
        }
    }
    together.len()
}

/// What the listing says of an instance lets people log in: a rescue system that answers is not the
/// users' own.
fn is_in_order(instance: &Instance) -> bool {
    let runs = instance
        .state_class()
        .is_none_or(|state| state == instance_state::RUNNING);
    runs && matches!(instance.restrict_state.as_str(), "" | "NORMAL")
}

/// The filter of the command line.
///
/// # Errors
/// It means nothing.
pub fn filter_of(text: Option<&str>, loaded: &Loaded) -> Result<Option<Filter>, output::Fault> {
    let filter = text.map(|text| Filter::parse_with(text, &loaded.filters()));
    match filter.as_ref().and_then(Filter::wrong) {
        Some(wrong) => Err(output::Fault(meaningless(wrong))),
        None => Ok(filter),
    }
}

/// Why a filter means nothing.
fn meaningless(wrong: Wrong<'_>) -> Said {
    match wrong {
        Wrong::Field(field) => said::no_field(field, List::names(FIELDS)),
        Wrong::Value(field, value, known) => said::no_value(value, field, List::names(known)),
        Wrong::Name(name) => said::no_saved_filter(name),
    }
}

/// The instances that a filter lets through.
fn chosen(filter: &Filter, instances: Vec<Instance>) -> Vec<Instance> {
    let mut matching = Matching::default();
    let rows: Vec<Row> = instances.into_iter().map(Row::new).collect();
    let named = rows.iter().map(|row| (Instance::clone(&row.instance), row));
    filter.choose(named, &mut matching)
}

/// Every instance of cloud and config, sorted, and one sentence per failure.
async fn all(session: &Session) -> anyhow::Result<(Vec<Instance>, Vec<Said>)> {
    let (mut instances, unresolved) = resolve_hosts(session.settings.hosts.clone()).await;
    let mut failures: Vec<Said> = unresolved.into_iter().map(|(_, why)| why).collect();
    if let Some(cloud) = &session.cloud {
        let (sender, mut pages) = mpsc::channel(64);
        let listing = inventory::list(&cloud.client, &cloud.regions, sender);
        let reading = async {
            while let Some(event) = pages.recv().await {
                match event {
                    InventoryEvent::Page {
                        instances: page, ..
                    } => instances.extend(page.into_iter().map(|one| session.adopt(one))),
                    InventoryEvent::RegionFailed { region, error } => {
                        failures.push(runtime::said::region_failed(region, error.said()));
                    }
                    InventoryEvent::Started { .. } | InventoryEvent::RegionDone { .. } => {}
                }
            }
        };
        let (listed, ()) = tokio::join!(listing, reading);
        listed?;
    }
    instances.sort_by(|a, b| (&a.region, &a.name, &a.id).cmp(&(&b.region, &b.name, &b.id)));
    Ok((instances, failures))
}

/// Results of the short looks at the login ports, by index of the instance.
#[derive(Debug, Default)]
pub struct Logins {
    found: HashMap<(usize, Path), (LoginHealth, String)>,
    /// Those that were told of while the look went on.
    told: HashSet<usize>,
}

impl Logins {
    /// True where no login was looked at.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A short look at each login port, within the rate of the settings; so long is waited for a
    /// greeting.
    pub async fn look(session: &Session, instances: &[Instance], patience: Duration) -> Self {
        Self::look_telling(session, instances, patience, None).await
    }

    /// The same; whose login says nothing is told at once, by index.
    async fn look_telling(
        session: &Session,
        instances: &[Instance],
        patience: Duration,
        mute: Option<mpsc::UnboundedSender<usize>>,
    ) -> Self {
        let mut targets = Vec::new();
        let mut owners = Vec::new();
        // Those on the way by which users come.
        let mut decides = HashSet::new();
        for (index, instance) in instances.iter().enumerate() {
            for (path, addresses) in [
                (Path::Public, &instance.public_addresses),
                (Path::Private, &instance.private_addresses),
            ] {
                if let Some(&address) = addresses.first() {
                    if path == Path::Public || instance.public_addresses.is_empty() {
                        decides.insert(owners.len());
                    }
                    targets.push(SweepTarget {
                        key: owners.len(),
                        login: SocketAddr::new(address, instance.login_port()),
                        protocol: Some(Protocol::expected(instance.os, instance.login_port())),
                    });
                    owners.push((index, path));
                }
            }
        }
        let options = SweepOptions {
            rate: Some(session.settings.probe.rate),
            connect_timeout: session.settings.probe.timeout,
            greeting_timeout: patience,
        };
        let (sender, mut results) = mpsc::channel::<SweepResult>(256);
        let reading = tokio::spawn(async move {
            let mut logins = Self::default();
            while let Some(result) = results.recv().await {
                if let Some(owner) = owners.get(result.key) {
                    let health = result.check.health();
                    if let Some(mute) = &mute
                        && health == LoginHealth::Mute
                        && decides.contains(&result.key)
                    {
                        logins.told.insert(owner.0);
                        // Who stopped listening wants no more.
                        let _ = mute.send(owner.0);
                    }
                    logins
                        .found
                        .insert(*owner, (health, result.check.detail().to_string()));
                }
            }
            logins
        });
        let summary = sweep(targets, &options, sender).await;
        // It ends with the sweep.
        let logins = reading.await.unwrap_or_default();
        if summary.held_back {
            output::warn(&said::at_once(summary.at_once));
        }
        logins
    }

    /// How one login was found, and the sentence.
    pub fn of(&self, index: usize, path: Path) -> Option<&(LoginHealth, String)> {
        self.found.get(&(index, path))
    }

    /// The service answers on the way by which users come: the public one where there is one.
    pub fn answers(&self, index: usize) -> bool {
        let first = self
            .of(index, Path::Public)
            .or_else(|| self.of(index, Path::Private));
        first.is_some_and(|(health, _)| *health == LoginHealth::Answers)
    }
}
