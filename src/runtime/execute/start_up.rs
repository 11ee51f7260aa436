//! What every start does before its own work: settles what was left in flight, and takes back
//! time-boxed changes whose time is over.
//!
//! Must not live here: how an entry is settled (`settle`).

use jiff::Timestamp;

use super::settle::{Settled, elsewhere, settle};
use super::undo::prepare_timed_undo;
use super::{Around, Desk, ExecuteError, execute};
use crate::action::PlanError;
use crate::action::gate::{Access, Given, approve};
use crate::domain::action::ActionId;
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;
use crate::runtime::said;
use crate::store::StoreError;
use crate::store::journal::{Author, Contents, Entry, EntryState, Event, Journal};

/// Most changes that one start takes back unasked. Nobody has that many time boxes open; a journal
/// that says so was made by something else.
const MOST_AT_ONCE: usize = 20;

/// True when a start has something to do: an entry in flight, or a change that is due.
pub fn has_duties(contents: &Contents, now: Timestamp) -> bool {
    contents
        .entries
        .iter()
        .any(|entry| entry.state == EntryState::InFlight || entry.is_untold() || entry.is_due(now))
}

/// Changes that are past their time and still in force, as far as is known.
pub fn overdue(contents: &Contents, now: Timestamp) -> impl Iterator<Item = &Entry> {
    contents
        .entries
        .iter()
        .filter(move |entry| entry.is_due(now))
}

/// Every time-boxed change that is in force, with the end of its time, soonest first.
pub fn timed_changes(contents: &Contents) -> Vec<(&Entry, Timestamp)> {
    let mut timed: Vec<_> = contents
        .entries
        .iter()
        .filter(|entry| entry.can_be_undone())
        .filter_map(|entry| Some((entry, entry.expires_at?)))
        .collect();
    timed.sort_by_key(|(_, at)| *at);
    timed
}

/// When the next time-boxed change is due, if any is.
pub fn next_due(contents: &Contents) -> Option<Timestamp> {
    timed_changes(contents).first().map(|(_, at)| *at)
}

/// Lets a time-boxed change stay. Says what stays, or why there is nothing to keep.
///
/// # Errors
/// When there is no such entry, or the journal cannot be read or written.
pub fn keep(journal: &Journal, id: &str) -> Result<Result<Said, Said>, StoreError> {
    let entry = journal.entry(id)?;
    if let Some(by) = &entry.undone_by {
        return Ok(Err(said::already_taken_back(&entry.id, by)));
    }
    if entry.expires_at.is_none() {
        return Ok(Err(said::no_time_limit(&entry.id)));
    }
    if entry.plan.action == ActionId::ProviderProbe {
        return Ok(Err(said::task_must_go(&entry.id)));
    }
    journal.append(&crate::store::journal::Record::new(
        Timestamp::now(),
        &entry.id,
        Event::Kept,
    ))?;
    Ok(Ok(said::stays(&entry.plan.title, &entry.id)))
}

/// Closes what nothing else will end: an entry in flight, or a time box that could not be taken back.
/// Says what is closed, or why there is nothing to close.
///
/// # Errors
/// When there is no such entry, or the journal cannot be read or written.
pub fn close(
    journal: &Journal,
    author: &Author,
    id: &str,
    why: &str,
) -> Result<Result<Said, Said>, StoreError> {
    let entry = journal.entry(id)?;
    let in_flight = entry.state == EntryState::InFlight;
    let timed = entry.expires_at.is_some() && entry.can_be_undone();
    if !in_flight && !timed {
        return Ok(Err(said::nothing_to_close(&entry.id)));
    }
    let Some(_lock) = journal.lock_entry(&entry.id)? else {
        let by = &entry.author;
        return Ok(Err(said::being_carried_out(&entry.id, &by.user, &by.host)));
    };
    let write = |event| {
        let record = crate::store::journal::Record::new(Timestamp::now(), &entry.id, event);
        journal.append(&record)
    };
    if entry.expires_at.is_some() {
        write(Event::Kept)?;
    }
    let known = entry.outcome.filter(|_| !in_flight);
    write(Event::Closed {
        outcome: known.unwrap_or(Outcome::Unknown),
        detail: crate::store::said::closed_by_hand(
            &author.user,
            &author.host,
            crate::domain::text::sanitise(why, 300),
        ),
    })?;
    Ok(Ok(said::closed_now(&entry.plan.title, &entry.id)))
}

/// Settles and takes back; what became of each entry.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn start_up(desk: &Desk, access: &Access) -> Result<Vec<Settled>, ExecuteError> {
    let contents = desk.journal.pending()?;
    let timed = !timed_changes(&contents).is_empty();
    if !timed && !has_duties(&contents, desk.now()) {
        return Ok(Vec::new());
    }
    if timed {
        // Time boxes end by the cloud's clock.
        desk.learn_clock().await;
    }
    let mut news = settle(desk).await?;
    news.extend(expire(desk, access).await?);
    Ok(news)
}

/// Takes back every time-boxed change whose time is over, through the same gate and journal as
/// everything else, if it is one's own. What cannot be taken back now stays due for a later start.
///
/// # Errors
/// Only when the journal cannot be read.
async fn expire(desk: &Desk, access: &Access) -> Result<Vec<Settled>, ExecuteError> {
    let contents = desk.journal.pending()?;
    let now = desk.now();
    let mut results = Vec::new();
    let mut tried = 0;
    for entry in overdue(&contents, now) {
        if let Some(elsewhere) = elsewhere(desk, entry).await {
            results.push(elsewhere);
            continue;
        }
        let (outcome, detail) = if !desk.journal.is_own(entry) {
            let by = &entry.author;
            (None, said::due_of_another(&by.user, &by.host, &entry.id))
        } else if tried == MOST_AT_ONCE {
            (None, said::due_beyond(MOST_AT_ONCE, &entry.id))
        } else {
            tried += 1;
            take_back(desk, access, entry).await?
        };
        results.push(Settled {
            entry: entry.id.clone(),
            title: entry.plan.title.clone(),
            outcome,
            detail,
        });
    }
    Ok(results)
}

async fn take_back(
    desk: &Desk,
    access: &Access,
    entry: &Entry,
) -> Result<(Option<Outcome>, Said), ExecuteError> {
    let still_due = |why: Said| (None, said::time_over_but(why));
    let (plan, instance) = match prepare_timed_undo(desk, entry).await {
        Ok(prepared) => prepared,
        Err(ExecuteError::Plan(PlanError::NothingToDo(why))) => {
            // Somebody else removed the rule: nothing is due any more.
            desk.write(&entry.id, Event::Kept)?;
            if entry.state == EntryState::InFlight {
                let (outcome, detail) = (Outcome::Interrupted, why.clone());
                desk.write(&entry.id, Event::Closed { outcome, detail })?;
            }
            return Ok((Some(Outcome::Done), why));
        }
        Err(error) => return Ok(still_due(error.said())),
    };
    // What the time box does not take back: somebody has to know.
    let rest = plan.warnings.clone();
    // The confirmation was given with the time limit itself.
    let given = Given::Typed(entry.plan.target.id.clone());
    let approved = match approve(plan, access, &given) {
        Ok(approved) => approved,
        Err(refusal) => return Ok(still_due(refusal.said())),
    };
    let (sink, _) = tokio::sync::mpsc::unbounded_channel();
    Ok(
        match execute(desk, Around::only(&instance), approved, &sink).await {
            Ok(execution) => {
                let detail = said::time_over(execution.detail);
                let detail = rest.into_iter().fold(detail, Said::and);
                (Some(execution.outcome), detail)
            }
            Err(error) => still_due(error.said()),
        },
    )
}
