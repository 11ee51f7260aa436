//! From what was read to the report, with the figures of the run.
//!
//! Must not live here: collecting (`runtime::triage`), weighing and matching (`case`).

use super::past::Past;
use super::session::Session;
use super::triage::{Triage, summary};
use crate::case::{self, Known};
use crate::diagnosis;
use crate::domain::instance::Instance;
use crate::domain::report::Report;

/// Weighs a triage with what happened before, and completes the report.
pub fn report(session: &Session, instance: &Instance, triage: &Triage, past: &Past) -> Report {
    // What was read during the triage is newer than what the list said.
    let now = triage.facts.as_ref().and_then(|f| f.instance.as_ref());
    let mut report = case::report(&Known {
        knowledge: &session.knowledge,
        instance: summary(now.unwrap_or(instance)),
        vantage: triage.vantage.clone(),
        readings: &triage.readings,
        pasted: &triage.pasted,
        tried: &past.tried,
        spent: &past.spent,
        recent_cause: past.recent_cause.as_deref(),
        soft_restart_failed: past.soft_restart_failed,
        guide_steps: &[],
        lang: session.settings.ui.lang,
    });
    report.elapsed_ms = triage.elapsed.as_millis() as u64;
    if triage.cut_short {
        report.warnings.push(diagnosis::said::cut_short());
    }
    report
}
