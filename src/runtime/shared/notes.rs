//! What was learned here and elsewhere: confirmed causes and past cases, passed on and taken.
//!
//! Each is a line that is known by its text, so that one counts once, however often it is passed on.
//! Must not live here: what they are worth (`diagnosis`), the files (`store`).

use std::path::Path;

use super::MOST_ROUNDS;
use super::session::{Failure, Note, Session};
use crate::domain::history::PastCase;
use crate::runtime::clock;
use crate::store::StoreError;
use crate::store::history::History;
use crate::store::journal::{Exchange, Notes};
use crate::store::outcomes::Outcomes;

const OUTCOME: &str = "outcome";
const CASE: &str = "case";

/// Passes on, then takes. A file of this host that cannot be used costs only this.
pub(super) async fn exchange(
    session: &mut Session,
    exchange: &mut Exchange,
    directory: &Path,
    named: &str,
) -> Result<(), Failure> {
    match both_ways(session, exchange, directory, named).await {
        Err(Failure::Local(error)) => {
            tracing::warn!(%error, "outcomes and past cases are not shared");
            Ok(())
        }
        done => done,
    }
}

async fn both_ways(
    session: &mut Session,
    exchange: &mut Exchange,
    directory: &Path,
    named: &str,
) -> Result<(), Failure> {
    let outcomes = Outcomes::in_directory(directory);
    if exchange.cursor.notes.store != session.store() {
        outcomes.forget_colleagues()?;
        if let Some(history) = History::existing(directory)? {
            history.begin_anew()?;
        }
        exchange.cursor.notes = Notes {
            store: session.store().to_owned(),
            ..Notes::default()
        };
    }
    let pushed = push(session, exchange, directory, named).await;
    if matches!(&pushed, Err(failure) if !failure.is_refusal()) {
        return pushed;
    }
    let host = exchange.cursor.host.clone();
    for _ in 0..MOST_ROUNDS {
        let after = exchange.cursor.notes.pulled;
        let (notes, last) = session.pull_notes(&host, after).await?;
        if last == after {
            break;
        }
        let left_out = take(directory, &outcomes, notes)?;
        if left_out > 0 {
            tracing::warn!(
                left_out,
                "lines of the shared store are no outcome and no case"
            );
        }
        exchange.cursor.notes.pulled = last;
        exchange.save()?;
    }
    pushed
}

async fn push(
    session: &mut Session,
    exchange: &mut Exchange,
    directory: &Path,
    named: &str,
) -> Result<(), Failure> {
    let host = exchange.cursor.host.clone();
    let outcomes = Outcomes::in_directory(directory);
    let (lines, passed) = outcomes.to_pass_on(exchange.cursor.notes.outcomes)?;
    if passed != exchange.cursor.notes.outcomes {
        session.push_notes(&host, OUTCOME, &lines).await?;
        exchange.cursor.notes.outcomes = passed;
        exchange.save()?;
    }
    for _ in 0..MOST_ROUNDS {
        let unsent = match History::existing(directory)? {
            Some(history) => history.unsent()?,
            None => Vec::new(),
        };
        if unsent.is_empty() {
            break;
        }
        let line = |case: &PastCase| {
            let on = named.to_owned();
            serde_json::to_string(&PastCase { on, ..case.clone() })
        };
        let lines = unsent.iter().map(|one| line(&one.case));
        let lines = lines.collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| Failure::Other(error.to_string()))?;
        session.push_notes(&host, CASE, &lines).await?;
        History::open(directory)?.sent(&unsent)?;
    }
    Ok(())
}

/// Keeps what is sound of them; how many were not.
fn take(directory: &Path, outcomes: &Outcomes, notes: Vec<Note>) -> Result<usize, StoreError> {
    let (of_outcomes, others): (Vec<_>, Vec<_>) =
        notes.into_iter().partition(|note| note.kind == OUTCOME);
    let (of_cases, unknown): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|note| note.kind == CASE);
    let lines: Vec<String> = of_outcomes.into_iter().map(|note| note.line).collect();
    let mut left_out = unknown.len() + outcomes.take(&lines)?;
    if !of_cases.is_empty() {
        let lines = of_cases.into_iter().map(|note| (note.host, note.line));
        let lines: Vec<_> = lines.collect();
        left_out += History::open(directory)?.take(&lines, clock::now())?;
    }
    Ok(left_out)
}
