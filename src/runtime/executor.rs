//! Carries out effects in tasks; what comes of them returns as messages.
//!
//! Each run can be cancelled; a task that panics becomes a notice and takes nothing with it.
//! Must not live here: rules of what may be done (`action::gate`), or the loop (`event_loop`).

mod actions;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::health;
use crate::app::case::RunId;
use crate::app::effect::Effect;
use crate::app::message::{Listing, Message};
use crate::cloud::inventory::{self, InventoryEvent};
use crate::domain::instance::{Instance, Os};
use crate::probe::{Protocol, SweepOptions, SweepTarget, sweep};

/// Events under way between a producer and its task.
const QUEUE: usize = 64;

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

    /// Begins an effect.
    pub fn start(&mut self, effect: Effect) {
        let backend = self.backend.clone();
        let out = self.messages.clone();
        match effect {
            Effect::List { generation } => {
                self.spawn("list", None, async move {
                    list(&backend, generation, &out).await
                });
            }
            Effect::Sweep { run, instances } => {
                self.spawn("sweep", Some(run), async move {
                    sweep_logins(&backend, run, &instances, &out).await;
                });
            }
            Effect::Cancel { run } => {
                if let Some(token) = self.runs.remove(&run) {
                    token.cancel();
                }
            }
            Effect::Prepare {
                run,
                instance,
                action,
                parameters,
                user_source,
                login_port,
            } => {
                let wanted = actions::Wanted {
                    instance: backend.instance(&instance),
                    action,
                    parameters,
                    user_source,
                    login_port,
                };
                self.spawn("preview", Some(run), async move {
                    let result = actions::preview(&backend, &wanted).await;
                    let _ = out.send(Message::Planned { run, result }).await;
                });
            }
            Effect::PrepareUndo { run, entry } => {
                self.spawn("undo", Some(run), async move {
                    let result = actions::preview_undo(&backend, &entry).await;
                    let _ = out.send(Message::Planned { run, result }).await;
                });
            }
            // Not cancellable: what has been sent is followed to its end.
            Effect::Execute {
                run,
                instance,
                approved,
            } => {
                let instance = backend.instance(&instance);
                self.spawn("action", None, async move {
                    actions::carry_out(&backend, run, instance, *approved, &out).await;
                });
            }
            Effect::Settle => self.spawn("settle", None, async move {
                actions::settle_earlier(&backend, &out).await;
            }),
            Effect::ReadJournal { title } => self.spawn("journal", None, async move {
                actions::read_journal(&backend, title, &out).await;
            }),
            Effect::Triage { .. } | Effect::Ticket { .. } | Effect::SaveConfirmation { .. } => {}
            // Done by the loop, which has the terminal.
            Effect::Copy { .. }
            | Effect::CopySecret(_)
            | Effect::Repaint
            | Effect::Suspend
            | Effect::SetMouse(_)
            | Effect::Quit => {}
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

async fn list(backend: &Backend, generation: u64, out: &mpsc::Sender<Message>) {
    let send = |event| out.send(Message::Listed { generation, event });
    if !backend.hosts.is_empty() {
        let _ = send(Listing::Page(backend.hosts.clone())).await;
    }
    let Some(client) = &backend.client else {
        let _ = send(Listing::End).await;
        return;
    };
    let (sink, mut events) = mpsc::channel(QUEUE);
    let (reader, regions) = (client.clone(), backend.regions.clone());
    let reading = async move { inventory::list(&reader, &regions, sink).await };
    let passing = async {
        while let Some(event) = events.recv().await {
            for event in listing(backend, event) {
                if send(event).await.is_err() {
                    return;
                }
            }
        }
    };
    let (result, ()) = tokio::join!(reading, passing);
    let last = match result {
        Ok(()) => Listing::End,
        Err(error) => Listing::Failed(error.to_string()),
    };
    let _ = send(last).await;
}

fn listing(backend: &Backend, event: InventoryEvent) -> Vec<Listing> {
    match event {
        InventoryEvent::Started { regions } => vec![Listing::Regions(regions.len())],
        InventoryEvent::Page {
            instances,
            loaded,
            total,
            ..
        } => {
            backend.remember(&instances);
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
            why: error.to_string(),
        }],
    }
}

/// The login port that users would come in by.
fn login_address(instance: &Instance) -> Option<SocketAddr> {
    instance
        .public_addresses
        .first()
        .or(instance.private_addresses.first())
        .map(|address| SocketAddr::new(*address, instance.login_port()))
}

async fn sweep_logins(
    backend: &Backend,
    run: RunId,
    wanted: &[String],
    out: &mpsc::Sender<Message>,
) {
    let instances: Vec<Instance> = wanted
        .iter()
        .filter_map(|id| backend.instance(id))
        .collect();
    let targets = instances
        .iter()
        .enumerate()
        .filter_map(|(key, instance)| {
            Some(SweepTarget {
                key,
                login: login_address(instance)?,
                protocol: Some(match instance.os {
                    Os::Windows => Protocol::Rdp,
                    _ => Protocol::Ssh,
                }),
            })
        })
        .collect();
    let options = SweepOptions {
        rate: Some(backend.rate),
        ..SweepOptions::default()
    };
    let (sink, mut results) = mpsc::channel(QUEUE);
    let working = sweep(targets, &options, sink);
    let passing = async {
        while let Some(result) = results.recv().await {
            let Some(instance) = instances.get(result.key) else {
                continue;
            };
            let message = Message::LoginChecked {
                run,
                instance: instance.id.clone(),
                login: health::login(&result.check),
                at: super::clock::now(),
            };
            if out.send(message).await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::join!(working, passing);
    let _ = out.send(Message::SweepEnded { run }).await;
}
