//! What every start does before its own work: settles what was left in flight, and takes back
//! time-boxed changes whose time is over.
//!
//! Must not live here: how an entry is settled (`settle`).

use jiff::Timestamp;

use super::settle::{Settled, elsewhere, settle};
use super::{Around, Desk, ExecuteError, execute, prepare_undo};
use crate::action::PlanError;
use crate::action::gate::{Access, Given, approve};
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;
use crate::runtime::said;
use crate::store::StoreError;
use crate::store::journal::{Contents, Entry, EntryState, Event, Journal};

/// True when a start has something to do: an entry in flight, or a change that is due.
pub fn has_duties(contents: &Contents, now: Timestamp) -> bool {
    contents
        .entries
        .iter()
        .any(|entry| entry.state == EntryState::InFlight || entry.is_due(now))
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
    let contents = journal.read()?;
    let entry = contents.find(id)?;
    if let Some(by) = &entry.undone_by {
        return Ok(Err(said::already_taken_back(&entry.id, by)));
    }
    if entry.expires_at.is_none() {
        return Ok(Err(said::no_time_limit(&entry.id)));
    }
    journal.append(&crate::store::journal::Record::new(
        Timestamp::now(),
        &entry.id,
        Event::Kept,
    ))?;
    Ok(Ok(said::stays(&entry.plan.title, &entry.id)))
}

/// Settles and takes back; what became of each entry.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn start_up(desk: &Desk, access: &Access) -> Result<Vec<Settled>, ExecuteError> {
    if !has_duties(&desk.journal.read()?, Timestamp::now()) {
        return Ok(Vec::new());
    }
    let mut news = settle(desk).await?;
    news.extend(expire(desk, access).await?);
    Ok(news)
}

/// Takes back every time-boxed change whose time is over, through the same gate and journal as
/// everything else. What cannot be taken back now stays due for a later start.
///
/// # Errors
/// Only when the journal cannot be read.
async fn expire(desk: &Desk, access: &Access) -> Result<Vec<Settled>, ExecuteError> {
    let contents = desk.journal.read()?;
    let now = Timestamp::now();
    let mut results = Vec::new();
    for entry in contents.entries.iter().filter(|entry| entry.is_due(now)) {
        if let Some(elsewhere) = elsewhere(desk, entry).await {
            results.push(elsewhere);
            continue;
        }
        let (outcome, detail) = take_back(desk, access, entry).await?;
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
    let (plan, instance) = match prepare_undo(desk, entry).await {
        Ok(prepared) => prepared,
        Err(ExecuteError::Plan(PlanError::NothingToDo(why))) => {
            // Somebody else removed the rule: nothing is due any more.
            desk.write(&entry.id, Event::Kept)?;
            return Ok((Some(Outcome::Done), why));
        }
        Err(error) => return Ok(still_due(error.said())),
    };
    // The confirmation was given with the time limit itself.
    let given = Given::Typed(entry.plan.target.id.clone());
    let approved = match approve(plan, access, &given) {
        Ok(approved) => approved,
        Err(refusal) => return Ok(still_due(refusal.said())),
    };
    let (sink, _) = tokio::sync::mpsc::unbounded_channel();
    Ok(
        match execute(desk, Around::only(&instance), approved, &sink).await {
            Ok(execution) => (Some(execution.outcome), said::time_over(execution.detail)),
            Err(error) => still_due(error.said()),
        },
    )
}
