//! What is known about one instance's login: readings, the diagnosis, what is on its way.
//!
//! Lives here: merging readings as they arrive and forgetting those of an older run.
//! Must not live here: weighing them (`diagnosis`).

use std::net::IpAddr;

use jiff::Timestamp;

use super::checkup::Checkup;
use super::message::Load;
use super::port_view::PortView;
use crate::case;
use crate::domain::action::SpentAction;
use crate::domain::evidence::{Path, Reading, Source, group, place};
use crate::domain::guide_step::TickedStep;
use crate::domain::history::PastCase;
use crate::domain::report::{Report, Vantage};
use crate::domain::said::Said;
use crate::domain::statement::Statements;

/// Identifies one triage or one action, so that late answers of an older one are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RunId(pub u64);

/// Below this nothing but the pane of the instance itself asks for a cause's terms.
const UNLIKELY: f64 = 0.05;
/// Earlier diagnoses that are kept at hand.
const PAST: usize = 20;

/// The open file on one instance.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub readings: Vec<Reading>,
    pub report: Option<Report>,
    /// What only the pane of the instance asks for was put away.
    pub abridged: bool,
    /// The triage in progress.
    pub run: Option<RunId>,
    /// What that triage has read so far; takes the place of `readings` when it is complete.
    pub arrived: Vec<Reading>,
    /// The user's address that the last triage asked about.
    pub user_source: Option<IpAddr>,
    /// From where the last triage looked.
    pub vantage: Option<Vantage>,
    /// Whether that triage looks inside the guest.
    pub deep: bool,
    /// As whom the next triage tries a login; consent is to one attempt.
    pub try_login: Option<String>,
    pub finished_at: Option<Timestamp>,
    /// When the last complete triage took its first reading.
    pub read_since: Option<Timestamp>,
    /// When something was last done to the instance from here.
    pub changed_at: Option<Timestamp>,
    pub error: Option<Said>,
    /// What the user's client printed, as pasted.
    pub pasted: String,
    /// What the cloud measured in the last hour.
    pub load: Vec<Load>,
    /// What a person said of the failure.
    pub statements: Statements,
    /// What earlier diagnoses found, newest first.
    pub past: Vec<PastCase>,
    /// Actions that the journal says did not bring login back in this incident.
    pub tried: Vec<String>,
    /// Actions that need no second try in this incident.
    pub spent: Vec<SpentAction>,
    /// Cause rows that are unfolded.
    pub unfolded: Vec<String>,
    /// The cause that the operator confirmed.
    pub confirmed: Option<String>,
    /// Steps of guides that are ticked off.
    pub guide_steps: Vec<TickedStep>,
    /// Actions that a step of a guide began: run, guide, step.
    pub step_runs: Vec<(RunId, String, usize)>,
    /// The self-diagnosis.
    pub check: Checkup,
    /// The port verification.
    pub ports: PortView,
}

impl Case {
    /// Takes a new report, whole.
    pub fn weighed(&mut self, report: Report) {
        self.report = Some(report);
        self.abridged = false;
    }

    /// Puts away what nobody looks at: the terms of the unlikely causes and the second copy of the
    /// readings, nearly all of a report's memory. Weighing anew brings them back.
    pub fn abridge(&mut self) {
        let Some(report) = self.report.as_mut().filter(|_| !self.abridged) else {
            return;
        };
        // Incidents ask for the change (`diagnosis::incident`).
        report
            .evidence
            .retain(|reading| reading.id == group::RECENT_CHANGE);
        report.evidence.shrink_to_fit();
        self.readings.shrink_to_fit();
        let also = &report.also_broken;
        for cause in &mut report.causes {
            if cause.probability < UNLIKELY && also.iter().all(|other| other.id != cause.id) {
                cause.contributions = Vec::new();
            }
        }
        self.abridged = true;
    }

    /// Takes a reading; a later one of the same key replaces the earlier, except pasted errors,
    /// of which several may hold at once.
    pub fn merge(&mut self, reading: Reading) {
        if self.run.is_some() {
            self.arrived.push(reading.clone());
        }
        place(&mut self.readings, reading);
    }

    /// Notes a diagnosis; false when it only repeats the last one.
    pub fn note(&mut self, past: PastCase) -> bool {
        let mut own = self.past.iter().filter(|past| past.on.is_empty());
        if own.next().is_some_and(|last| past.repeats(last)) {
            return false;
        }
        self.past.insert(0, past);
        self.past.truncate(PAST);
        true
    }

    /// Notes what brought login back.
    pub fn note_cure(&mut self, action: &str) {
        let is_fault = |past: &&mut PastCase| past.on.is_empty() && past.verdict != "healthy";
        if let Some(fault) = self.past.iter_mut().find(is_fault) {
            action.clone_into(&mut fault.cured_by);
        }
    }

    /// Joins what earlier runs and other hosts found to what this run did.
    pub fn recall(&mut self, cases: Vec<PastCase>) {
        self.past.retain(|past| past.on.is_empty());
        let oldest = self.past.last().map(|past| past.at);
        let earlier = |past: &PastCase| oldest.is_none_or(|oldest| past.at < oldest);
        let others = cases
            .into_iter()
            .filter(|past| !past.on.is_empty() || earlier(past));
        self.past.extend(others);
        self.past.sort_by_key(|past| std::cmp::Reverse(past.at));
        self.past.truncate(PAST);
    }

    /// Begins a triage about a user who comes from there; gives the one it supersedes.
    pub fn begin(&mut self, run: RunId, user_source: Option<IpAddr>) -> Option<RunId> {
        if self.user_source != user_source {
            self.readings.retain(|r| !case::is_of_a_source(r));
            self.user_source = user_source;
        }
        self.arrived.clear();
        self.error = None;
        self.run.replace(run)
    }

    /// Ends a triage. A complete one takes the place of what was read before, but for what it could
    /// not read again.
    pub fn end(&mut self, at: Timestamp, error: Option<Said>) {
        self.run = None;
        self.finished_at = Some(at);
        let arrived = std::mem::take(&mut self.arrived);
        if error.is_none() {
            let own = arrived.iter().filter(|r| r.source != Source::Operator);
            self.read_since = own.filter_map(|r| r.observed_at).min();
            let before = std::mem::take(&mut self.readings);
            self.readings = case::renewed(before, arrived, at, self.changed_at);
        }
        self.error = error;
    }

    /// Puts new findings of the operator in place of the old ones.
    pub fn replace_pasted(&mut self, text: &str, readings: Vec<Reading>) {
        text.clone_into(&mut self.pasted);
        let statements = &self.statements;
        self.readings
            .retain(|r| r.source != Source::Operator || statements.state_of(&r.id).is_some());
        for reading in readings {
            self.merge(reading);
        }
    }

    /// Takes what a person says of a group, or takes it back.
    pub fn say(&mut self, group: &str, state: Option<&str>, at: Timestamp) {
        self.statements.say(group, state);
        self.readings
            .retain(|r| r.source != Source::Operator || r.id != group);
        let said = self.statements.readings();
        for reading in said.into_iter().filter(|r| r.id == group) {
            self.merge(reading.at(at, 0));
        }
    }

    /// Whether a step of a guide is ticked off.
    pub fn is_ticked(&self, guide: &str, step: usize) -> bool {
        self.guide_steps
            .iter()
            .any(|ticked| ticked.guide == guide && ticked.step == step)
    }

    /// The reading of a group on a path.
    pub fn reading(&self, id: &str, path: Option<Path>) -> Option<&Reading> {
        self.readings.iter().find(|r| r.id == id && r.path == path)
    }

    /// When a reading was taken that the last triage could not take again.
    pub fn kept_from(&self, reading: &Reading) -> Option<Timestamp> {
        let at = reading.observed_at?;
        let is_older = reading.source != Source::Operator && at < self.read_since?;
        is_older.then_some(at)
    }

    /// Time of the newest reading.
    pub fn newest(&self) -> Option<Timestamp> {
        self.readings.iter().filter_map(|r| r.observed_at).max()
    }
}
