//! The self-diagnosis in the console: when it is run, and what the last one found.
//!
//! Must not live here: reading and judging (`runtime::check`).

use super::case::RunId;
use super::effect::{Effect, Observe};
use super::overlay::{Overlay, SelfCheck};
use super::state::State;
use crate::domain::check::{Change, CheckReport, compare};
use crate::domain::said::Said;

/// A list so young is shown again instead of read again: a run asks the cloud some fifty times.
const FRESH_S: i64 = 60;

/// The last check of an instance.
#[derive(Debug, Clone, Default)]
pub struct Checkup {
    /// The one under way.
    pub run: Option<RunId>,
    pub report: Option<CheckReport>,
    /// The one before, where there is one.
    pub before: Option<CheckReport>,
    /// What differs.
    pub changes: Vec<Change>,
    /// Why the last one came to nothing.
    pub error: Option<Said>,
}

impl Checkup {
    /// Takes a new report; `before` is the newest of those that are kept.
    fn take(&mut self, report: CheckReport, before: Option<CheckReport>) {
        let last = self.report.take();
        self.before = before.or(last);
        self.changes = self
            .before
            .as_ref()
            .map(|before| compare(before, &report))
            .unwrap_or_default();
        self.report = Some(report);
        self.error = None;
    }

    /// What changed: for the worse, then for the better, then the rest.
    pub fn worst_first(&self) -> Vec<&Change> {
        let mut changes: Vec<&Change> = self.changes.iter().collect();
        changes.sort_by_key(|change| (!change.is_worse(), !change.is_better()));
        changes
    }

    /// How the verdict of an item changed.
    pub fn change(&self, item: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == item)
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Checked {
    pub run: RunId,
    pub instance: String,
    pub result: Result<CheckReport, Said>,
    /// The newest kept report before it.
    pub before: Option<CheckReport>,
}

/// Opens the list, and reads it anew unless that was done a moment ago.
pub fn open(state: &mut State, effects: &mut Vec<Effect>) {
    state
        .overlays
        .push(Overlay::SelfCheck(SelfCheck::default()));
    let Some(instance) = state.fleet.selected_id().map(str::to_owned) else {
        return;
    };
    state.fleet.hold_selection();
    let case = state.cases.entry(instance.clone()).or_default();
    let deep = case.deep;
    let is_fresh = case.check.report.as_ref().is_some_and(|report| {
        let age = state.now.duration_since(report.at).as_secs();
        let changed = case.changed_at.is_some_and(|changed| changed >= report.at);
        age < FRESH_S && !changed && report.deep == deep
    });
    if is_fresh || case.check.run.is_some() {
        return;
    }
    let run = state.new_run();
    if let Some(case) = state.cases.get_mut(&instance) {
        case.check.run = Some(run);
    }
    effects.push(Effect::Observe(Observe::Check {
        run,
        instance,
        deep,
        user_source: state.user_source,
    }));
}

/// Takes what came of a run; false where nobody waits for it any more.
pub fn checked(state: &mut State, checked: Checked) -> bool {
    let Some(case) = state.cases.get_mut(&checked.instance) else {
        return false;
    };
    if case.check.run != Some(checked.run) {
        return false;
    }
    case.check.run = None;
    match checked.result {
        Ok(report) => case.check.take(report, checked.before),
        Err(why) => case.check.error = Some(why),
    }
    true
}
