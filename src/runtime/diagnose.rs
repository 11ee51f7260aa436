//! From what was read to the report: weighing, matching guides, the figures of the run.
//!
//! Must not live here: collecting (`runtime::triage`).

use super::session::Session;
use super::triage::{Triage, summary};
use crate::diagnosis::{self, Case};
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::guide;

/// Weighs a triage and completes the report.
pub fn report(session: &Session, instance: &Instance, triage: &Triage) -> Report {
    report_after(session, instance, triage, &[])
}

/// The same after actions that were carried out and did not bring the login back.
pub fn report_after(
    session: &Session,
    instance: &Instance,
    triage: &Triage,
    tried: &[String],
) -> Report {
    // What was read during the triage is newer than what the list said.
    let now = triage.facts.as_ref().and_then(|f| f.instance.as_ref());
    let case = Case {
        instance: summary(now.unwrap_or(instance)),
        vantage: triage.vantage.clone(),
        readings: &triage.readings,
        tried,
        ..Case::default()
    };
    let mut report = diagnosis::diagnose(&session.knowledge, &case);
    let lang = session.settings.ui.lang;
    let matched = guide::match_guides(
        guide::library(),
        &guide::MatchInput::from_report(&report),
        lang,
    );
    report.guides = matched;
    report.elapsed_ms = triage.elapsed.as_millis() as u64;
    if triage.cut_short {
        report
            .warnings
            .push("the time ran out before everything was read".to_owned());
    }
    report
}
