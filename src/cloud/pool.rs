//! Shares reads between the instances of one run: the same read is made once, and reads that
//! differ only in what they ask about travel together, as many as the API takes in one call.
//!
//! Must not live here: sending (`client`), what an answer means (`facts`).

mod log;
mod rules;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::audit_log::Stretch;
use super::client::{Answer, Client};
use super::error::CloudError;
use super::said;
use super::wire;
use crate::domain::api_call::ApiCall;
use rules::Rule;

/// A read that others may wait for, too, is answered from memory for this long.
const KEPT: Duration = Duration::from_secs(60);
/// A call leaves once nobody has joined it for this long,
const LINGER: Duration = Duration::from_millis(25);
/// and after this many such pauses in any case.
const MOST_PAUSES: usize = 40;
/// Pages of one call; more are no list of what was asked about.
const MOST_PAGES: usize = 50;

type Outcome = Result<Answer, CloudError>;
type Pending = Shared<Pin<Box<dyn Future<Output = Outcome> + Send>>>;
type Log = Result<Option<Arc<Stretch>>, CloudError>;
type PendingLog = Shared<Pin<Box<dyn Future<Output = Log> + Send>>>;

/// One pool for one run; clones are the same pool.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Reads that are made once, and when they were begun.
    once: Mutex<HashMap<String, (Instant, Pending)>>,
    /// Reads that wait for company.
    waiting: Mutex<HashMap<String, Vec<Waiting>>>,
    /// Stretches of the audit log, and when they were begun.
    logs: Mutex<HashMap<String, (Instant, PendingLog)>>,
    /// Pages that may be spent on them.
    purse: log::Purse,
    /// Instances that share the pool.
    targets: AtomicUsize,
    asked: AtomicUsize,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// Somebody's part of a call.
struct Waiting {
    call: ApiCall,
    keys: Vec<String>,
    answer: oneshot::Sender<Outcome>,
}

impl Pool {
    /// A pool for so many targets. Each may cost one page of the audit log at most: beyond that,
    /// asking about each resource by itself is hardly dearer, and is sure to come to an end.
    pub fn of(targets: usize) -> Self {
        let pool = Self::of_at_most(targets);
        pool.expect(targets);
        pool
    }

    /// A pool for so many targets at most, which [`Pool::expect`] tells of as they come.
    pub fn of_at_most(targets: usize) -> Self {
        Self(Arc::new(Inner {
            purse: log::Purse::of(targets),
            ..Inner::default()
        }))
    }

    /// So many targets more share the pool.
    pub fn expect(&self, more: usize) {
        self.0.targets.fetch_add(more, Ordering::Relaxed);
    }

    /// How many instances share the pool.
    pub fn targets(&self) -> usize {
        self.0.targets.load(Ordering::Relaxed)
    }

    /// How many reads were asked for.
    pub fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Answers a read, from what others asked where that is possible.
    pub(super) async fn read(&self, client: &Client, call: &ApiCall) -> Outcome {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(rule) = rules::batch(call)
            && let Some(keys) = rule.keys(call)
        {
            return self.join(client, call, rule, keys).await;
        }
        if let Some(look_up) = log::look_up(call)
            && let Some(stretch) = self.stretch(client, call, &look_up).await?
            && let Some(response) = stretch.about(look_up.resource, look_up.from)
        {
            let request_id = String::new();
            return Ok(Answer {
                response,
                request_id,
            });
        }
        if rules::is_shared(call) {
            return self.once(client, call).await;
        }
        client.send(call).await
    }

    /// The stretch of the audit log that a look-up can be answered from, if there is one.
    async fn stretch(&self, client: &Client, call: &ApiCall, look_up: &log::LookUp<'_>) -> Log {
        let pending = {
            let mut logs = lock(&self.0.logs);
            let key = look_up.stretch(call);
            match logs.get(&key) {
                Some((begun, pending)) if begun.elapsed() < KEPT => pending.clone(),
                _ => {
                    let work = log::read(self.clone(), client.clone(), look_up.of_all(call));
                    let pending: PendingLog = FutureExt::shared(Box::pin(work) as Pin<Box<_>>);
                    logs.insert(key, (Instant::now(), pending.clone()));
                    pending
                }
            }
        };
        pending.await
    }

    async fn once(&self, client: &Client, call: &ApiCall) -> Outcome {
        let key = rules::identity(call, None);
        let pending = {
            let mut once = lock(&self.0.once);
            match once.get(&key) {
                Some((begun, pending)) if begun.elapsed() < KEPT => pending.clone(),
                _ => {
                    let (client, call) = (client.clone(), call.clone());
                    let work = async move { client.send(&call).await };
                    let pending: Pending = FutureExt::shared(Box::pin(work) as Pin<Box<_>>);
                    once.insert(key, (Instant::now(), pending.clone()));
                    pending
                }
            }
        };
        pending.await
    }

    async fn join(
        &self,
        client: &Client,
        call: &ApiCall,
        rule: &'static Rule,
        keys: Vec<String>,
    ) -> Outcome {
        let group = rules::identity(call, Some(rule));
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            call: call.clone(),
            keys,
            answer,
        };
        let is_first = {
            let mut all = lock(&self.0.waiting);
            let group = all.entry(group.clone()).or_default();
            group.push(waiting);
            group.len() == 1
        };
        if is_first {
            let (pool, client) = (self.clone(), client.clone());
            tokio::spawn(async move { pool.depart(client, group, rule).await });
        }
        // The sender only goes without a word when the runtime ends.
        answered
            .await
            .unwrap_or_else(|_| Err(CloudError::Setup(said::setup_ending())))
    }

    /// Waits for company, then sends everybody off, as many a call as it takes.
    async fn depart(self, client: Client, group: String, rule: &'static Rule) {
        let count = || lock(&self.0.waiting).get(&group).map_or(0, Vec::len);
        let mut before = count();
        for _ in 0..MOST_PAUSES {
            tokio::time::sleep(LINGER).await;
            let now = count();
            if now == before {
                break;
            }
            before = now;
        }
        let mut everybody = lock(&self.0.waiting).remove(&group).unwrap_or_default();
        let most = everybody
            .first()
            .map_or(1, |one| rule.most(client.site(), &one.call));
        while !everybody.is_empty() {
            let mut keys: HashSet<&str> = HashSet::new();
            let mut take = 0;
            for waiting in &everybody {
                keys.extend(waiting.keys.iter().map(String::as_str));
                if keys.len() > most && take > 0 {
                    break;
                }
                take += 1;
            }
            let rest = everybody.split_off(take);
            let (pool, client) = (self.clone(), client.clone());
            tokio::spawn(pool.serve(client, rule, everybody));
            everybody = rest;
        }
    }

    /// Asks for several at once and gives each their own part of the answer.
    fn serve(
        self,
        client: Client,
        rule: &'static Rule,
        mut several: Vec<Waiting>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if several.len() < 2 {
                for one in several {
                    let outcome = client.send(&one.call).await;
                    let _ = one.answer.send(outcome);
                }
                return;
            }
            let keys: BTreeSet<&String> = several.iter().flat_map(|one| &one.keys).collect();
            let call = rule.compose(&several[0].call, &keys);
            match self.whole(&client, rule, &call).await {
                Ok(answer) if rule.is_attributable(&answer.response) => {
                    for one in several {
                        let part = Answer {
                            response: rule.part(&answer.response, &one.keys),
                            request_id: answer.request_id.clone(),
                        };
                        let _ = one.answer.send(Ok(part));
                    }
                }
                // One that does not exist, or may not be looked at, spoils the call for the others.
                Err(error) if !may_differ(&error) => {
                    for one in several {
                        let _ = one.answer.send(Err(error.clone()));
                    }
                }
                _ => {
                    let other = several.split_off(several.len() / 2);
                    let first = self.clone().serve(client.clone(), rule, several);
                    tokio::join!(first, self.serve(client, rule, other));
                }
            }
        })
    }

    /// Every page of an answer as one.
    async fn whole(&self, client: &Client, rule: &Rule, call: &ApiCall) -> Outcome {
        let mut answer = client.send(call).await?;
        let Some(limit) = rule.page(call) else {
            return Ok(answer);
        };
        let incomplete = || CloudError::BadAnswer {
            action: call.permission(),
            host: "the cloud".to_owned(),
            reason: Box::new(said::list_incomplete()),
        };
        for _ in 0..MOST_PAGES {
            let have = rule.rows(&answer.response).len();
            match wire::total(&answer.response) {
                Some(total) if have as u64 >= total => return Ok(answer),
                None if have < limit => return Ok(answer),
                Some(_) if rule.is_paged() => {}
                _ => return Err(incomplete()),
            }
            let next = client.send(&Rule::at_offset(call, have)).await?;
            let rows = rule.rows(&next.response).to_vec();
            let Some(list) = rule
                .rows_mut(&mut answer.response)
                .filter(|_| !rows.is_empty())
            else {
                return Err(incomplete());
            };
            list.extend(rows);
        }
        Err(incomplete())
    }
}

/// True if the call may fare better with fewer of those that it asks about.
fn may_differ(error: &CloudError) -> bool {
    let of_one = matches!(
        error,
        CloudError::Invalid { .. }
            | CloudError::NotFound { .. }
            | CloudError::Conflict { .. }
            | CloudError::Permission { .. }
            | CloudError::BadAnswer { .. }
    );
    of_one && !error.is_unserved()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded values are whole at every moment, so a panic elsewhere leaves them usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
