//! What the console owes the journal as long as it runs: settling what was left in flight, taking
//! back what is due, and letting stay what somebody keeps.
//!
//! Must not live here: how an entry is settled or taken back (`runtime::execute`).

use std::collections::HashSet;
use std::time::Duration;

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
use crate::store::journal::{Contents, EntryState};

/// How often the journal is looked at for what others wrote.
const LOOK_AT_JOURNAL: Duration = Duration::from_secs(15);

/// Lets a time-boxed change stay, and says so.
pub async fn keep(backend: &Backend, entry: &str, out: &mpsc::Sender<Message>) {
    let journal = backend.journal();
    let (severity, text) = match execute::keep(&journal, entry) {
        Ok(Ok(kept)) => (Severity::Good, kept),
        Ok(Err(why)) => (Severity::Warning, why),
        Err(error) => (Severity::Error, error.said()),
    };
    let _ = out.send(Message::Told { severity, text }).await;
    tell_timed(&journal.read().unwrap_or_default(), out).await;
}

async fn tell_timed(contents: &Contents, out: &mpsc::Sender<Message>) {
    let timed = timed_changes(contents)
        .into_iter()
        .map(|(entry, at)| Timed {
            entry: entry.id.clone(),
            instance: entry.plan.target.id.clone(),
            title: entry.plan.title.clone(),
            at,
        })
        .collect();
    let _ = out.send(Message::Acted(Acted::Timed(timed))).await;
    let undone = contents.entries.iter();
    let undone = undone.filter(|entry| entry.undone_by.is_some());
    let undone: Vec<_> = undone.map(|entry| entry.id.clone()).collect();
    if !undone.is_empty() {
        let undone = Acted::TakenBack(undone);
        let _ = out.send(Message::Acted(undone)).await;
    }
}

/// Settles what earlier runs left in flight and takes back what is due, as long as the console
/// runs; says what became of each.
pub async fn keep_settled(backend: &Backend, out: &mpsc::Sender<Message>) {
    let mut told = HashSet::new();
    let mut stamp = None;
    let mut open = true;
    let mut due = None;
    loop {
        let journal = backend.journal();
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= Timestamp::now());
        // A journal that has not changed has nothing new, unless an entry of it is still in
        // flight or a change is due by now.
        if open || journal.stamp() != stamp || is_due(due) {
            for (severity, text) in settle_once(backend).await {
                // What is still under way is looked at again and again, and told once.
                if told.insert(text.to_string()) {
                    let _ = out.send(Message::Told { severity, text }).await;
                }
            }
            stamp = journal.stamp();
            let contents = journal.read().unwrap_or_default();
            tell_timed(&contents, out).await;
            open = contents
                .entries
                .iter()
                .any(|e| e.state == EntryState::InFlight);
            due = next_due(&contents);
        }
        let left = due.map_or(SignedDuration::ZERO, |due| {
            due.duration_since(Timestamp::now())
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

async fn settle_once(backend: &Backend) -> Vec<(Severity, Said)> {
    let has = backend
        .journal()
        .read()
        .is_ok_and(|contents| has_duties(&contents, Timestamp::now()));
    let access = backend.access();
    if !has || access != Access::ReadWrite {
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
