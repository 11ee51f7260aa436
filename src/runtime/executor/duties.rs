//! What the console owes the journal as long as it runs: settling what was left in flight, taking
//! back what is due, and letting stay what somebody keeps.
//!
//! Must not live here: how an entry is settled or taken back (`runtime::execute`).

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use crate::action::gate::Access;
use crate::app::message::{Acted, Message};
use crate::app::notices::Severity;
use crate::app::timed::Timed;
use crate::domain::said::Said;
use crate::runtime::backend::Backend;
use crate::runtime::execute::{self, has_duties, next_due, timed_changes};
use crate::runtime::said;
use crate::store::journal::{Contents, EntryState, Journal};

/// How often the journal is looked at for what others wrote.
const LOOK_AT_JOURNAL: Duration = Duration::from_secs(15);
/// How often the shared store is.
const LOOK_AT_STORE: Duration = Duration::from_secs(5);

/// What could not be taken back is said again after this time.
const SHOUT_AGAIN: Duration = Duration::from_secs(300);
/// Taking back itself takes a while.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// All of it, side by side: nobody waits for the shared store.
pub async fn keep(backend: &Backend, out: &mpsc::Sender<Message>) {
    tokio::join!(keep_settled(backend, out), keep_shared(backend, out));
}

/// Lets a time-boxed change stay, and says so.
pub async fn let_stay(backend: &Backend, entry: &str, out: &mpsc::Sender<Message>) {
    let journal = backend.journal();
    if let Access::ReadOnly { because } = backend.access() {
        let text = said::keep_read_only(because, entry);
        let severity = Severity::Warning;
        let _ = out.send(Message::Told { severity, text }).await;
        return;
    }
    let (severity, text) = match execute::keep(&journal, entry) {
        Ok(Ok(kept)) => (Severity::Good, kept),
        Ok(Err(why)) => (Severity::Warning, why),
        Err(error) => (Severity::Error, error.said()),
    };
    let _ = out.send(Message::Told { severity, text }).await;
    let contents = journal.pending().unwrap_or_default();
    learn_clock(backend, &contents).await;
    tell_timed(&journal, &contents, backend.skew(), out).await;
}

/// `skew` is what the cloud's clock is ahead: the console counts down by its own.
async fn tell_timed(
    journal: &Journal,
    contents: &Contents,
    skew: SignedDuration,
    out: &mpsc::Sender<Message>,
) {
    let timed = timed_changes(contents)
        .into_iter()
        .map(|(entry, at)| Timed {
            entry: entry.id.clone(),
            instance: entry.plan.target.id.clone(),
            title: entry.plan.title.clone(),
            at: at.checked_sub(skew).unwrap_or(at),
        })
        .collect();
    let _ = out.send(Message::Acted(Acted::Timed(timed))).await;
    let undone = journal.taken_back().unwrap_or_default();
    if !undone.is_empty() {
        let undone = Acted::TakenBack(undone);
        let _ = out.send(Message::Acted(undone)).await;
    }
}

/// Settles what earlier runs left in flight and takes back what is due, as long as the console
/// runs; says what became of each.
async fn keep_settled(backend: &Backend, out: &mpsc::Sender<Message>) {
    let mut told = HashSet::new();
    let mut stamp = None;
    let mut open = true;
    let mut due = None;
    let mut shouted = HashMap::new();
    loop {
        let journal = backend.journal();
        // A journal that has not changed has nothing new, unless an entry of it is still in
        // flight or a change is due by now.
        if open || journal.stamp() != stamp || due.is_some_and(|due| due <= backend.now()) {
            for (severity, text) in settle_once(backend).await {
                // What is still under way is looked at again and again, and told once.
                if told.insert(text.to_string()) {
                    let _ = out.send(Message::Told { severity, text }).await;
                }
            }
            stamp = journal.stamp();
            let contents = journal.pending().unwrap_or_default();
            tell_timed(&journal, &contents, backend.skew(), out).await;
            shout(&contents, backend.now(), &mut shouted, out).await;
            open = contents
                .entries
                .iter()
                .any(|e| e.state == EntryState::InFlight || e.is_untold());
            due = next_due(&contents);
        }
        let left = due.map_or(SignedDuration::ZERO, |due| {
            due.duration_since(backend.now())
        });
        let left = Duration::try_from(left).unwrap_or_default();
        // What is due and could not be taken back is tried again at the usual pace.
        tokio::time::sleep(if left.is_zero() {
            LOOK_AT_JOURNAL
        } else {
            left.min(LOOK_AT_JOURNAL)
        })
        .await;
    }
}

/// Passes on what was done here and takes what was done on other hosts, as long as the console runs.
async fn keep_shared(backend: &Backend, out: &mpsc::Sender<Message>) {
    let Some(shared) = backend.shared() else {
        return;
    };
    loop {
        shared.exchange().await;
        for news in shared.take_news() {
            let severity = if news.is_good {
                Severity::Good
            } else {
                Severity::Warning
            };
            let text = news.text;
            let _ = out.send(Message::Told { severity, text }).await;
        }
        tokio::time::sleep(LOOK_AT_STORE).await;
    }
}

/// Time boxes end by the cloud's clock; where there is one, it is asked before the first of them is
/// judged.
async fn learn_clock(backend: &Backend, contents: &Contents) {
    if next_due(contents).is_some()
        && let Ok(desk) = backend.desk().await
    {
        desk.learn_clock().await;
    }
}

/// Says what should have been taken back and is still in force, again and again until somebody
/// closes it: an open door that nobody watches is worse than a notice too many.
async fn shout(
    contents: &Contents,
    now: Timestamp,
    shouted: &mut HashMap<String, Instant>,
    out: &mpsc::Sender<Message>,
) {
    for entry in execute::overdue(contents, now) {
        let since = entry.expires_at.unwrap_or(now);
        let last = shouted.get(&entry.id);
        let recently = last.is_some_and(|at| at.elapsed() < SHOUT_AGAIN);
        if recently || now.duration_since(since) < GRACE {
            continue;
        }
        shouted.insert(entry.id.clone(), Instant::now());
        let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
        let text = said::not_taken_back(&entry.plan.title, &entry.id, &entry.id, since);
        let severity = Severity::Error;
        let _ = out.send(Message::Told { severity, text }).await;
    }
}

async fn settle_once(backend: &Backend) -> Vec<(Severity, Said)> {
    let Ok(contents) = backend.journal().pending() else {
        return Vec::new();
    };
    learn_clock(backend, &contents).await;
    let access = backend.access();
    if !has_duties(&contents, backend.now()) || access != Access::ReadWrite {
        return Vec::new();
    }
    // Without a cloud there is nothing to ask; what is in flight stays in the journal.
    let Ok(desk) = backend.desk().await else {
        return Vec::new();
    };
    match execute::start_up(&desk, &access).await {
        Ok(settled) => settled
            .into_iter()
            .map(|entry| {
                let text = said::of_entry(entry.title, entry.entry, entry.detail);
                (Severity::Warning, text)
            })
            .collect(),
        Err(error) => vec![(Severity::Error, error.said())],
    }
}
