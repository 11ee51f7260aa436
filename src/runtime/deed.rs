//! What goes with an action, for console and command line alike: the diagnosis before it, what is
//! kept of a cure, and after one that failed the diagnosis that counts the failure.
//!
//! Must not live here: carrying out (`execute`), weighing (`diagnosis`), or wording (`cli`).

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use super::diagnose;
use super::execute::Execution;
use super::past::Past;
use super::session::Session;
use super::triage::{self, TriageOptions};
use crate::action::plan::Plan;
use crate::config::Loaded;
use crate::diagnosis::learn::{Confirmation, confirmed_by};
use crate::domain::history::PastCase;
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::report::{RankedAction, Report};
use crate::store::StoreError;
use crate::store::history::History;
use crate::store::journal::Journal;
use crate::store::outcomes::Outcomes;

/// Longest time that a look before or after an action takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A cause before and after a cure that failed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Moved {
    pub id: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    pub now: f64,
}

/// What a failed cure says about the causes, and what to try next.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Next {
    /// Actions of this incident that did not bring login back.
    pub tried: Vec<String>,
    pub causes: Vec<Moved>,
    pub actions: Vec<RankedAction>,
}

/// Causes and actions that are handed on.
const SHOWN: usize = 3;

/// Diagnoses an instance that was read from the cloud a moment ago, as far as `options` go.
pub async fn look(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    past: &Past,
) -> Report {
    let options = TriageOptions {
        instance_is_fresh: true,
        timeout: options.timeout.or(Some(PATIENCE)),
        ..options.clone()
    };
    // Nobody watches the readings arrive: the receiver is dropped at once.
    let (sink, _) = mpsc::channel(1);
    let triage = triage::run(session, instance, &options, sink).await;
    diagnose::report(session, instance, &triage, past)
}

/// True when an execution leaves login broken, so that the next action is to be found.
pub fn leaves_it_broken(execution: &Execution) -> bool {
    matches!(
        execution.outcome,
        Outcome::Improved | Outcome::Unchanged | Outcome::Worse
    ) || (execution.outcome == Outcome::Failed && execution.accepted)
}

/// The diagnosis that counts what an action did not do. The whole look that verified the action
/// serves, where there was one.
pub async fn after(
    session: &Session,
    loaded: &Loaded,
    journal: &Journal,
    instance: &Instance,
    options: &TriageOptions,
    execution: &Execution,
) -> Report {
    let now = jiff::Timestamp::now();
    let past = Past::of(loaded, journal, &session.knowledge, &instance.id, now);
    match &execution.again {
        Some(triage) => diagnose::report(session, instance, triage, &past),
        None => look(session, instance, options, &past).await,
    }
}

/// What a report after a failed cure says, beside the one before it.
pub fn next(after: Report, before: Option<&Report>) -> Next {
    let was = |id: &str| {
        let causes = &before?.causes;
        Some(causes.iter().find(|cause| cause.id == id)?.probability)
    };
    Next {
        causes: after
            .causes
            .iter()
            .take(SHOWN)
            .map(|cause| Moved {
                id: cause.id.clone(),
                title: cause.title.clone(),
                before: was(&cause.id),
                now: cause.probability,
            })
            .collect(),
        actions: after.actions.into_iter().take(SHOWN).collect(),
        tried: after.tried,
    }
}

/// The diagnosis before an execution that brought login back, where nobody else was at work on it.
fn cured_by_it<'a>(
    plan: &Plan,
    execution: &Execution,
    before: Option<&'a Report>,
) -> Option<&'a Report> {
    let restored = execution.outcome == Outcome::Restored && !execution.contested;
    before.filter(|_| restored && plan.reverses.is_none())
}

/// Keeps the cause that a cure has confirmed; its id, or `None` when several could have been it.
///
/// # Errors
/// When the outcome cannot be written down.
pub fn learn(
    state_dir: &Path,
    plan: &Plan,
    execution: &Execution,
    before: Option<&Report>,
) -> Result<Option<String>, StoreError> {
    let Some(before) = cured_by_it(plan, execution, before) else {
        return Ok(None);
    };
    let Some(cause) = confirmed_by(before, plan.action.as_str()) else {
        return Ok(None);
    };
    Outcomes::in_directory(state_dir).append(
        jiff::Timestamp::now(),
        cause,
        Confirmation::Verified,
    )?;
    Ok(Some(cause.to_owned()))
}

/// What an execution proved is kept: the case that it cured, where it brought login back.
///
/// # Errors
/// When the history cannot be written.
pub fn remember(
    state_dir: &Path,
    plan: &Plan,
    execution: &Execution,
    before: Option<&Report>,
) -> Result<(), StoreError> {
    let Some(before) = cured_by_it(plan, execution, before) else {
        return Ok(());
    };
    let Some(case) = PastCase::of(before, jiff::Timestamp::now()) else {
        return Ok(());
    };
    let history = History::open(state_dir)?;
    cured(&history, &case.instance, plan.action.as_str(), Some(&case))
}

/// Keeps which action brought login back, and what it cured where that was not kept yet.
///
/// # Errors
/// When the history cannot be written.
pub fn cured(
    history: &History,
    instance: &str,
    action: &str,
    case: Option<&PastCase>,
) -> Result<(), StoreError> {
    if let Some(case) = case {
        history.add_case(case)?;
    }
    history.cured(instance, action)
}
