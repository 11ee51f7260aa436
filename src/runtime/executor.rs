//! Carries out effects in tasks; what comes of them returns as messages.
//!
//! Each run can be cancelled; a task that panics becomes a notice and takes nothing with it.
//! Must not live here: rules of what may be done (`action::gate`), or the loop (`event_loop`).

mod actions;
mod batch;
mod case_file;
mod duties;
mod lookers;
mod looks;
mod memory;
mod shown;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::said;
use super::session::{Session, SessionError};
use super::targets::resolve_hosts;
use super::triage::{self, TriageOptions};
use super::visit;
use crate::action::gate::Access;
use crate::app::case::RunId;
use crate::app::effect::{Act, Memory, Observe, Record, Triage};
use crate::app::message::{Acted, Found, Listing, Load, Message, Recorded, TriageEnded};
use crate::app::missing::Missing;
use crate::app::notices::Severity;
use crate::cloud::Pool;
use crate::cloud::credentials::CredentialsError;
use crate::cloud::facts::CloudFacts;
use crate::cloud::inventory::{self, InventoryEvent};
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// Events under way between a producer and its task.
const QUEUE: usize = 64;

/// Name of the tasks that read and write the history store.
const HISTORY: &str = "history";
/// How long leaving waits for them at most.
const LAST_WRITES: std::time::Duration = std::time::Duration::from_millis(150);

/// Runs effects.
#[derive(Debug)]
pub struct Executor {
    backend: Arc<Backend>,
    messages: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    runs: HashMap<RunId, CancellationToken>,
}

impl Executor {
    pub fn new(backend: Backend, messages: mpsc::Sender<Message>) -> Self {
        Self {
            backend: Arc::new(backend),
            messages,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            runs: HashMap::new(),
        }
    }

    /// Follows the console's read-only switch, for what goes on in the background.
    pub fn set_read_only(&self, on: bool) {
        self.backend.set_read_only(on);
    }

    /// Stops a run.
    pub fn cancel(&mut self, run: RunId) {
        if let Some(token) = self.runs.remove(&run) {
            token.cancel();
        }
    }

    /// Reads the world.
    pub fn observe(&mut self, what: Observe) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        match what {
            Observe::List { generation } => {
                self.spawn("list", None, async move {
                    list(&backend, generation, &out).await;
                });
            }
            Observe::Sweep {
                run,
                instances,
                gentle,
            } => {
                self.spawn("sweep", Some(run), async move {
                    looks::at_fleet(&backend, run, &instances, gentle, &out).await;
                });
            }
            Observe::Short { run, instance } => {
                self.spawn("look", Some(run), async move {
                    looks::at_one(&backend, run, instance, &out).await;
                });
            }
            Observe::Check {
                run,
                instance,
                deep,
                user_source,
            } => {
                self.spawn("check", Some(run), async move {
                    looks::check(&backend, run, instance, deep, user_source, &out).await;
                });
            }
            Observe::Ports {
                run,
                instance,
                user_source,
            } => {
                self.spawn("ports", Some(run), async move {
                    looks::ports(&backend, run, instance, user_source, &out).await;
                });
            }
            Observe::Look(what) => self.spawn("look from elsewhere", None, async move {
                lookers::carry_out(&backend, what, &out).await;
            }),
            Observe::Triage(triage) => self.triage(*triage, None),
            Observe::Weigh(triages) => {
                let pool = Pool::of(triages.len());
                for triage in triages {
                    self.triage(triage, Some(pool.clone()));
                }
            }
        }
    }

    fn settle(&mut self) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        self.spawn("settle", None, async move {
            duties::keep(&backend, &out).await;
        });
    }

    /// Reads or writes the history.
    pub fn remember(&mut self, memory: Memory) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        self.spawn(HISTORY, None, async move {
            memory::carry_out(&backend, memory, &out).await;
        });
    }

    /// A diagnosis; one of several that share what the cloud is asked where there is a pool.
    fn triage(&mut self, triage: Triage, pool: Option<Pool>) {
        let Triage {
            run,
            instance: id,
            deep,
            try_login,
            user_source,
            error_text,
            statements,
            onset,
        } = triage;
        let backend = self.backend.clone();
        let out = self.messages.clone();
        let instance = backend.instance(&id).map(Arc::unwrap_or_clone);
        // What was shut meanwhile holds also for a look that was allowed before.
        let looks_inside =
            backend.access() == Access::ReadWrite || backend.loaded.settings.read_only_deep;
        let options = TriageOptions {
            deep: deep && looks_inside,
            try_login,
            user_source,
            onset,
            statements,
            memory: backend.memory(),
            error_text: (!error_text.is_empty()).then_some(error_text),
            // What nobody asked for is content with what was listed.
            instance_is_fresh: pool.is_some(),
            pool,
            ..TriageOptions::default()
        };
        self.spawn("triage", Some(run), async move {
            triage_one(&backend, run, instance, id, options, &out).await;
        });
    }

    /// Reads or writes journal and case files.
    pub fn record(&mut self, record: Record) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        match record {
            Record::LetStay { entry } => self.spawn("keep", None, async move {
                duties::let_stay(&backend, &entry, &out).await;
            }),
            Record::ReadJournal { title } => self.spawn("journal", None, async move {
                actions::read_journal(&backend, title, &out).await;
            }),
            Record::ReadCalls { title } => self.spawn("calls", None, async move {
                let _ = out.send(shown::calls(&backend, title).await).await;
            }),
            Record::FindWayIn { instance } => self.spawn("session", None, async move {
                let _ = out.send(visit::find(&backend, &instance).await).await;
            }),
            Record::ReadScript {
                title,
                instance,
                user_source,
            } => self.spawn("script", None, async move {
                let _ = out
                    .send(shown::script(&backend, title, &instance, user_source))
                    .await;
            }),
            Record::ReadRaw {
                title,
                body,
                instance,
                action,
            } => self.spawn("raw", None, async move {
                let message = shown::with_raw(&backend, title, &body, &instance, &action);
                let _ = out.send(message).await;
            }),
            Record::KeepScreen { text } => self.spawn("screen", None, async move {
                shown::keep_screen(&backend, &text, &out).await;
            }),
            Record::TickStep {
                instance,
                guide,
                step,
                ticked,
            } => self.spawn("case", None, async move {
                case_file::tick(&backend, &instance, (guide, step), ticked, &out).await;
            }),
            Record::WriteTicket {
                run,
                report,
                error_text,
                folder,
                mask,
                archive,
            } => self.spawn("case", None, async move {
                let bundle = case_file::Bundle {
                    report: &report,
                    error_text: (!error_text.is_empty()).then_some(error_text.as_str()),
                    mask,
                };
                let result = case_file::write(&backend, &bundle, &folder, archive);
                let message = Recorded::TicketWritten { run, result };
                let _ = out.send(Message::Recorded(message)).await;
            }),
            Record::SaveConfirmation { cause } => self.spawn("case", None, async move {
                if let Some(message) = case_file::save_confirmation(&backend, &cause) {
                    let _ = out.send(message).await;
                }
            }),
        }
    }

    /// Previews and executions.
    pub fn act(&mut self, act: Act) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        match act {
            Act::Prepare {
                run,
                instance,
                action,
                parameters,
                user_source,
                login_port,
            } => {
                let wanted = actions::Wanted {
                    instance: backend.instance(&instance).map(Arc::unwrap_or_clone),
                    action,
                    parameters,
                    user_source,
                    login_port,
                };
                self.spawn("preview", Some(run), async move {
                    let result = actions::preview(&backend, &wanted).await;
                    let _ = out
                        .send(Message::Acted(Acted::Planned { run, result }))
                        .await;
                });
            }
            Act::PrepareUndo { run, entry } => {
                self.spawn("undo", Some(run), async move {
                    let result = actions::preview_undo(&backend, &entry).await;
                    let _ = out
                        .send(Message::Acted(Acted::Planned { run, result }))
                        .await;
                });
            }
            Act::PrepareBatch {
                run,
                instances,
                choice,
                user_source,
            } => {
                self.spawn("batch preview", Some(run), async move {
                    let result = batch::plan(&backend, &instances, &choice, user_source).await;
                    let message = Message::Acted(Acted::BatchPlanned {
                        run,
                        choice,
                        result,
                    });
                    let _ = out.send(message).await;
                });
            }
            Act::ExecuteBatch {
                approved,
                choice,
                user_source,
                jobs,
                title,
            } => {
                let work = batch::Work {
                    approved: *approved,
                    choice,
                    user_source,
                    jobs,
                    title,
                };
                self.spawn("batch", None, async move {
                    batch::carry_out(&backend, work, &out).await;
                });
            }
            // Not cancellable: what has been sent is followed to its end.
            Act::Execute {
                run,
                instance,
                approved,
            } => {
                let instance = backend.instance(&instance).map(Arc::unwrap_or_clone);
                self.spawn("action", None, async move {
                    Box::pin(actions::carry_out(&backend, run, instance, *approved, &out)).await;
                });
            }
            Act::Settle => self.settle(),
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: Option<RunId>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let token = CancellationToken::new();
        if let Some(run) = run {
            self.runs.insert(run, token.clone());
        }
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = work => {}
            }
        });
        self.names.insert(task.id(), name);
    }

    /// Lets what is on its way to the store get there, for a moment: leaving at once loses nothing.
    pub async fn finish_writing(&mut self) {
        let written = async {
            while self.names.values().any(|name| *name == HISTORY) {
                match self.tasks.join_next_with_id().await {
                    Some(Ok((id, ()))) => self.names.remove(&id),
                    Some(Err(error)) => self.names.remove(&error.id()),
                    None => break,
                };
            }
        };
        let _ = tokio::time::timeout(LAST_WRITES, written).await;
    }

    /// Waits for the next task that panicked and names it. Tasks that ended well are reaped.
    pub async fn next_panic(&mut self) -> String {
        loop {
            match self.tasks.join_next_with_id().await {
                Some(Ok((id, ()))) => {
                    self.names.remove(&id);
                }
                Some(Err(error)) => {
                    let name = self.names.remove(&error.id()).unwrap_or("task");
                    if error.is_panic() {
                        return name.to_owned();
                    }
                }
                // Nothing runs: this branch of the loop never completes.
                None => std::future::pending().await,
            }
        }
    }
}

/// Opens the session where that has not been done, and lists what it can see.
async fn list(backend: &Backend, generation: u64, out: &mpsc::Sender<Message>) {
    let send = |event| out.send(Message::Found(Found::Listed { generation, event }));
    let session = match backend.session().await {
        Ok(session) => session,
        Err(error) => {
            let event = match error {
                SessionError::Credentials(CredentialsError::NoneFound { looked_for }) => {
                    Listing::Missing(Missing::Credentials { looked_for })
                }
                SessionError::NoRegion => Listing::Missing(Missing::Region),
                other => Listing::Failed(other.said()),
            };
            let _ = send(event).await;
            return;
        }
    };
    let place = session.cloud.as_ref().map_or_else(Said::default, |cloud| {
        let regions = cloud.regions.join(",");
        // The badge says already that it is the demo.
        match backend.loaded.demo {
            Some(_) => Said::raw(regions),
            None => said::origin_and_regions(&cloud.origin, regions),
        }
    });
    let opened = Message::Opened {
        place,
        host: session.host.clone(),
        knowledge: session.learnt(&backend.loaded),
    };
    let _ = out.send(opened).await;
    for text in backend.take_warnings() {
        let severity = Severity::Warning;
        let _ = out.send(Message::Told { severity, text }).await;
    }
    if !session.settings.hosts.is_empty() {
        let (hosts, failures) = resolve_hosts(session.settings.hosts.clone()).await;
        let hosts: Vec<_> = hosts.into_iter().map(Arc::new).collect();
        backend.remember(hosts.iter().cloned());
        let _ = send(Listing::Page(hosts)).await;
        for (region, why) in failures {
            let _ = send(Listing::RegionFailed { region, why }).await;
        }
    }
    let Some(cloud) = &session.cloud else {
        let _ = send(Listing::End).await;
        return;
    };
    let (sink, mut events) = mpsc::channel(QUEUE);
    let (reader, regions) = (cloud.client.clone(), cloud.regions.clone());
    let reading = async move { inventory::list(&reader, &regions, sink).await };
    let passing = async {
        while let Some(event) = events.recv().await {
            for event in listing(backend, session, event) {
                if send(event).await.is_err() {
                    return;
                }
            }
        }
    };
    let (result, ()) = tokio::join!(reading, passing);
    let last = match result {
        Ok(()) => Listing::End,
        Err(error) => Listing::Failed(error.said()),
    };
    let _ = send(last).await;
}

/// Collects everything about one instance and hands each reading on as it arrives.
async fn triage_one(
    backend: &Backend,
    run: RunId,
    instance: Option<Instance>,
    id: String,
    options: TriageOptions,
    out: &mpsc::Sender<Message>,
) {
    // Other operators may have done steps since the last look.
    case_file::read_steps(backend, &id, out).await;
    let ended = |error, fresh, vantage| {
        Message::Found(Found::TriageEnded(Box::new(TriageEnded {
            run,
            instance: id.clone(),
            error,
            fresh,
            vantage,
            load: Vec::new(),
        })))
    };
    let (session, instance) = match (backend.session().await, instance) {
        (Ok(session), Some(instance)) => (session, instance),
        (Err(error), _) => {
            let _ = out.send(ended(Some(error.said()), None, None)).await;
            return;
        }
        (Ok(_), None) => {
            let why = super::said::not_listed();
            let _ = out.send(ended(Some(why), None, None)).await;
            return;
        }
    };
    let past = actions::past(backend, session, &id);
    let message = Message::Found(Found::Tried {
        instance: id.clone(),
        tried: past.tried,
        spent: past.spent,
    });
    let _ = out.send(message).await;
    let options = TriageOptions {
        own_calls: past.own_calls,
        ..options
    };
    let (sink, mut readings) = mpsc::channel(QUEUE);
    let working = triage::run(session, &instance, &options, sink);
    let passing = async {
        while let Some(reading) = readings.recv().await {
            let message = Message::Found(Found::Read {
                run,
                instance: instance.id.clone(),
                reading: Box::new(reading),
            });
            if out.send(message).await.is_err() {
                return;
            }
        }
    };
    let (done, ()) = tokio::join!(working, passing);
    if options.pool.is_none() {
        backend.keep_triage(&instance.id, done.clone());
    }
    let load = done.facts.as_ref().map_or_else(Vec::new, measured);
    let fresh = done.facts.and_then(|facts| facts.instance);
    if let Some(fresh) = &fresh {
        backend.remember([Arc::new(fresh.clone())]);
    }
    let message = Message::Found(Found::TriageEnded(Box::new(TriageEnded {
        run,
        instance: id,
        error: None,
        fresh: fresh.map(Box::new),
        vantage: Some(done.vantage),
        load,
    })));
    let _ = out.send(message).await;
}

/// Points that a load is drawn with.
const LOAD_POINTS: usize = 12;

/// The load of the last hour, each point the mean of its share of the hour.
fn measured(facts: &CloudFacts) -> Vec<Load> {
    [
        ("cpu", ["BaseCpuUsage", "CPUUsage"]),
        ("memory", ["MemUsage"; 2]),
        ("disk", ["CvmDiskUsage"; 2]),
    ]
    .into_iter()
    .filter_map(|(evidence, names)| {
        let series = names
            .iter()
            .filter_map(|name| facts.metrics.get(*name))
            .find(|series| series.points.len() >= 2)?;
        let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
        let size = values.len().div_ceil(LOAD_POINTS);
        let percent = values
            .chunks(size)
            .map(|some| some.iter().sum::<f64>() / some.len() as f64)
            .collect();
        Some(Load { evidence, percent })
    })
    .collect()
}

fn listing(backend: &Backend, session: &Session, event: InventoryEvent) -> Vec<Listing> {
    match event {
        InventoryEvent::Started { regions } => vec![Listing::Regions(regions.len())],
        InventoryEvent::Page {
            instances,
            loaded,
            total,
            ..
        } => {
            let instances: Vec<_> = instances
                .into_iter()
                .map(|one| backend.keep(session.adopt(one)))
                .collect();
            let first = loaded == instances.len() as u64;
            let mut events = Vec::new();
            if first {
                events.push(Listing::Expected(total as usize));
            }
            events.push(Listing::Page(instances));
            events
        }
        InventoryEvent::RegionDone { .. } => vec![Listing::RegionDone],
        InventoryEvent::RegionFailed { region, error } => vec![Listing::RegionFailed {
            region,
            why: error.said(),
        }],
    }
}
