//! The instances that a command over the fleet is about: listed, filtered, looked at, weighed.
//!
//! Must not live here: what is printed of them (`list`, `overview`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::args::GlobalArgs;
use super::diagnose::{AT_ONCE, Progress, weigh};
use super::{open, output, said};
use crate::app::filter::{FIELDS, Filter, Matching, Wrong};
use crate::app::fleet::Row;
use crate::cloud::Pool;
use crate::cloud::inventory::{self, InventoryEvent};
use crate::config::{Loaded, Settings};
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
        let filter = filter_of(filter, &loaded.settings)?;
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

    /// Those whose login was not seen to answer, or that the listing itself calls out of order,
    /// weighed from outside and from the cloud alone: by index into `instances`.
    pub async fn weigh(&self, logins: &Logins, timeout: Option<Duration>) -> Vec<(usize, Report)> {
        let mut silent: Vec<usize> = (0..self.instances.len())
            .filter(|&index| !logins.answers(index) || !is_in_order(&self.instances[index]))
            .collect();
        // Those that let a connection in and say nothing take the longest: they begin.
        silent.sort_by_key(|&index| !logins.is_mute(index));
        let options = TriageOptions {
            memory: Some(self.loaded.paths.state_dir.clone()),
            instance_is_fresh: true,
            timeout,
            pool: Some(Pool::of(silent.len())),
            ..TriageOptions::default()
        };
        let progress = Progress::of(silent.len());
        let mut weighed = Vec::new();
        // Wave by wave: instances that begin one after the other would ask alone.
        for wave in silent.chunks(AT_ONCE) {
            let work = wave.iter().map(|&index| {
                let (options, progress) = (&options, &progress);
                async move {
                    let instance = &self.instances[index];
                    let report = weigh(&self.session, &self.loaded, instance, options).await;
                    progress.one_more();
                    (index, report)
                }
            });
            let reports = futures_util::stream::iter(work).buffered(AT_ONCE);
            weighed.extend(reports.collect::<Vec<_>>().await);
        }
        weighed.sort_by_key(|(index, _)| *index);
        if !silent.is_empty() {
            progress.end(&self.session, options.pool.as_ref());
        }
        weighed
    }
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
pub fn filter_of(text: Option<&str>, settings: &Settings) -> Result<Option<Filter>, output::Fault> {
    let filter = text.map(|text| Filter::parse_with(text, &settings.filters));
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
pub struct Logins(HashMap<(usize, Path), (LoginHealth, String)>);

impl Logins {
    /// A short look at each login port, within the rate of the settings; so long is waited for a
    /// greeting.
    pub async fn look(session: &Session, instances: &[Instance], patience: Duration) -> Self {
        let mut targets = Vec::new();
        let mut owners = Vec::new();
        for (index, instance) in instances.iter().enumerate() {
            for (path, addresses) in [
                (Path::Public, &instance.public_addresses),
                (Path::Private, &instance.private_addresses),
            ] {
                if let Some(&address) = addresses.first() {
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
            let mut logins = HashMap::new();
            while let Some(result) = results.recv().await {
                if let Some(owner) = owners.get(result.key) {
                    logins.insert(
                        *owner,
                        (result.check.health(), result.check.detail().to_string()),
                    );
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
        Self(logins)
    }

    /// How one login was found, and the sentence.
    pub fn of(&self, index: usize, path: Path) -> Option<&(LoginHealth, String)> {
        self.0.get(&(index, path))
    }

    /// The service answers on the way by which users come: the public one where there is one.
    pub fn answers(&self, index: usize) -> bool {
        let first = self
            .of(index, Path::Public)
            .or_else(|| self.of(index, Path::Private));
        first.is_some_and(|(health, _)| *health == LoginHealth::Answers)
    }

    /// On some way a connection is let in and nothing is said in time.
    fn is_mute(&self, index: usize) -> bool {
        let mut ways = [Path::Public, Path::Private].into_iter();
        ways.any(|path| {
            self.of(index, path)
                .is_some_and(|(health, _)| *health == LoginHealth::Mute)
        })
    }
}
