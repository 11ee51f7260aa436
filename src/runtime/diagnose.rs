//! From what was read to the report: weighing, matching guides, the figures of the run.
//!
//! Must not live here: collecting (`runtime::triage`).

use super::past::Past;
use super::session::Session;
use super::triage::{Triage, summary};
use crate::action::offer;
use crate::diagnosis::{self, Case};
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::guide;

/// Weighs a triage with what happened before, and completes the report.
pub fn report(session: &Session, instance: &Instance, triage: &Triage, past: &Past) -> Report {
    // What was read during the triage is newer than what the list said.
    let now = triage.facts.as_ref().and_then(|f| f.instance.as_ref());
    let case = Case {
        instance: summary(now.unwrap_or(instance)),
        vantage: triage.vantage.clone(),
        readings: &triage.readings,
        tried: &past.tried,
        recent_cause: past.recent_cause.as_deref(),
    };
    let mut report = diagnosis::diagnose(&session.knowledge, &case);
    if past.soft_restart_failed {
        offer::hard_restart(&mut report.actions);
    }
    let lang = session.settings.ui.lang;
    let matched = guide::match_guides(
        guide::library(),
        &guide::MatchInput::from_report(&report),
        lang,
    );
    report.guides = matched;
    report.elapsed_ms = triage.elapsed.as_millis() as u64;
    if triage.cut_short {
        report.warnings.push(diagnosis::said::cut_short());
    }
    report
}
