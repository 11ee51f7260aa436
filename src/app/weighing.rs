//! Which instances are weighed without being asked, a wave at a time, and what comes of it over the
//! fleet: from outside and from the cloud's word alone, never inside a guest.
//!
//! Must not live here: when anything is done by itself (`rhythm`), or counting (`diagnosis::fleet`).

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::case::RunId;
use super::effect::{Effect, Observe};
use super::fleet::Row;
use super::health::Health;
use super::state::State;
use super::update::arrivals::begin_triage;
use crate::diagnosis::fleet::{FleetCauses, causes_of};
use crate::diagnosis::incident::Diagnosed;

/// Instances of one wave: enough to share the cloud's answers, few enough to leave room for what the
/// operator asks for.
const AT_ONCE: usize = 25;
/// Most instances that are weighed unasked; each keeps what was read of it.
const MOST: usize = 200;
/// What was weighed is not weighed again before this time.
const AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// What is weighed, and what was.
#[derive(Debug, Clone, Default)]
pub struct Weighing {
    pub on: bool,
    /// Something has changed since the rows were last gone through.
    stale: bool,
    running: Vec<(RunId, String)>,
    last: HashMap<String, Timestamp>,
}

impl Weighing {
    /// The rows are to be gone through again: a look has ended, or a listing, or a wave.
    pub fn touch(&mut self) {
        self.stale = true;
    }

    /// True of a run that nobody asked for.
    pub fn is_quiet(&self, run: RunId) -> bool {
        self.running.iter().any(|(own, _)| *own == run)
    }
}

/// True when a wave may begin: nothing of its kind is under way, and the logins are known.
pub fn is_due(state: &State) -> bool {
    let weighing = &state.weighing;
    let under_way = |(run, id): &(RunId, String)| {
        let case = state.cases.get(id);
        case.is_some_and(|case| case.run == Some(*run))
    };
    weighing.on
        && weighing.stale
        && state.knowledge.is_some()
        && state.sweep.is_none()
        && !state.fleet.loading.running
        && !weighing.running.iter().any(under_way)
}

/// Begins the next wave, where there is anything to weigh.
pub fn begin(state: &mut State, effects: &mut Vec<Effect>) {
    state.weighing.stale = false;
    state.weighing.running.clear();
    // What works again, or is gone, makes room for others.
    let fleet = &state.fleet;
    state
        .weighing
        .last
        .retain(|id, _| fleet.get(id).is_some_and(is_wanted));
    let mut wave = Vec::new();
    for instance in next(state) {
        let mut triage = begin_triage(state, &instance, effects);
        // Nobody consented to a look inside.
        triage.deep = false;
        let now = state.now;
        state.weighing.last.insert(instance.clone(), now);
        state.weighing.running.push((triage.run, instance));
        wave.push(triage);
    }
    if !wave.is_empty() {
        effects.push(Effect::Observe(Observe::Weigh(wave)));
    }
}

/// The instances of the next wave: what the operator looks at first, then what fails.
fn next(state: &State) -> Vec<String> {
    let weighing = &state.weighing;
    let fleet = &state.fleet;
    let room = MOST.saturating_sub(weighing.last.len());
    let is_old = |at: Timestamp| state.now.duration_since(at) >= AGAIN;
    let wanted = |row: &&Row| {
        let id = &row.instance.id;
        let case = state.cases.get(id);
        let looked = case.and_then(|case| case.finished_at);
        is_wanted(row)
            && case.is_none_or(|case| case.run.is_none())
            && looked.is_none_or(is_old)
            && weighing.last.get(id).map_or(room > 0, |&at| is_old(at))
    };
    let first = fleet.selected().into_iter();
    let marked = fleet.rows().iter();
    let marked = marked.filter(|row| fleet.marks.contains(&row.instance.id));
    let listed = fleet.window(0, fleet.visible_len());
    let mut seen = HashSet::new();
    first
        .chain(marked)
        .chain(listed)
        .chain(fleet.rows())
        .filter(|row| seen.insert(row.instance.id.as_str()))
        .filter(wanted)
        .take(AT_ONCE)
        .map(|row| row.instance.id.clone())
        .collect()
}

/// True of what fails or looks wrong.
fn is_wanted(row: &Row) -> bool {
    matches!(row.health(), Health::Failing | Health::Impaired)
}

/// What keeps people out of the fleet, as far as it has been weighed.
pub fn causes(state: &State) -> FleetCauses {
    let Some(knowledge) = &state.knowledge else {
        return FleetCauses::default();
    };
    let rows = state.fleet.rows().iter();
    let weighed = rows.filter_map(|row| {
        let case = state.cases.get(&row.instance.id)?;
        Some(Diagnosed {
            instance: &row.instance,
            report: case.report.as_ref()?,
            onset: row.track().onset(),
        })
    });
    causes_of(knowledge, weighed)
}

/// Instances that fail and have not been weighed.
pub fn unweighed(state: &State) -> usize {
    let rows = state.fleet.rows().iter();
    let fails = rows.filter(|row| row.health() == Health::Failing);
    let without = fails.filter(|row| {
        let case = state.cases.get(&row.instance.id);
        case.is_none_or(|case| case.report.is_none())
    });
    without.count()
}
