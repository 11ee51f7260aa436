//! What the console does by itself, and when: list again, look at the logins of the fleet, look
//! at the selected instance, weigh what fails.
//!
//! Nothing of it while the display is paused. Must not live here: what comes of it
//! (`update::arrivals`), or how a look is made (`runtime`).

use jiff::{SignedDuration, Timestamp};

use super::case::RunId;
use super::effect::{Effect, Memory, Observe};
use super::health::Health;
use super::state::State;
use super::update::begin_sweep;
use super::weighing;
use crate::domain::history::LoginSpan;

/// A selection that is only passed over is not looked at.
const SETTLED_S: i64 = 2;
/// A look that has not come back by then is given up.
const LOOK_LASTS_S: i64 = 60;
/// A listing that took long is repeated at most this many times its length later.
const LISTING_SHARE: i64 = 10;
/// Longest wait after a listing that failed.
const LONGEST_WAIT_S: i64 = 600;

/// Seconds between two listings, two sweeps, and two looks at the selected instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intervals {
    pub list: i64,
    pub sweep: i64,
    pub look: i64,
}

/// Intervals, and what is due when.
#[derive(Debug, Clone, Default)]
pub struct Rhythm {
    /// Do anything without being asked.
    pub on: bool,
    pub every: Intervals,
    list_due: Option<Timestamp>,
    sweep_due: Option<Timestamp>,
    /// When the listing in progress began.
    listing_since: Option<Timestamp>,
    failures: u32,
    /// The selected instance, and since when.
    selected: Option<(String, Timestamp)>,
    /// The look on its way.
    looking: Option<(RunId, Timestamp)>,
    looked_at: Option<Timestamp>,
    /// Instances whose login has turned since that was last kept.
    turned: Vec<String>,
}

fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(at)
}

impl Rhythm {
    /// A listing begins.
    pub fn listing_began(&mut self, now: Timestamp) {
        self.listing_since = Some(now);
        self.list_due = None;
    }

    /// A listing is complete, or has failed.
    pub fn listing_ended(&mut self, now: Timestamp, failed: bool) {
        self.failures = if failed {
            self.failures.saturating_add(1)
        } else {
            0
        };
        let took = self
            .listing_since
            .take()
            .map_or(0, |began| now.duration_since(began).as_secs());
        let wait = if failed {
            let doubled = self.every.list << self.failures.min(6);
            doubled.min(LONGEST_WAIT_S.max(self.every.list))
        } else {
            self.every.list.max(took * LISTING_SHARE)
        };
        self.list_due = Some(after(now, wait));
        // The first listing is followed by a sweep of its own.
        if self.sweep_due.is_none() {
            self.sweep_due = Some(after(now, self.every.sweep));
        }
    }

    /// Nothing can be listed until the operator does something.
    pub fn listing_is_pointless(&mut self) {
        self.list_due = None;
        self.sweep_due = None;
    }

    /// A sweep has ended.
    pub fn swept(&mut self, now: Timestamp) {
        self.sweep_due = Some(after(now, self.every.sweep));
    }

    /// The look of that run came back; false for one that was given up.
    pub fn looked(&mut self, run: RunId, now: Timestamp) -> bool {
        if self.looking.is_none_or(|(looking, _)| looking != run) {
            return false;
        }
        self.looking = None;
        self.looked_at = Some(now);
        true
    }

    /// The login of an instance has turned and should be kept.
    pub fn has_turned(&mut self, instance: &str) {
        self.turned.push(instance.to_owned());
    }
}

/// Notices a new selection, and tells what was left for it; after every message.
pub fn follow(state: &mut State) -> Option<String> {
    let selected = state.fleet.selected_id();
    let known = state.rhythm.selected.as_ref().map(|(id, _)| id.as_str());
    if selected == known {
        return None;
    }
    let selected = selected.map(|id| (id.to_owned(), state.now));
    let left = std::mem::replace(&mut state.rhythm.selected, selected);
    state.rhythm.looked_at = None;
    left.map(|(id, _)| id)
}

/// When the selected instance should be looked at.
fn look_due(state: &State) -> Option<Timestamp> {
    let rhythm = &state.rhythm;
    let (id, since) = rhythm.selected.as_ref()?;
    let row = state.fleet.get(id)?;
    let busy = row.checking
        || row.health() == Health::Off
        || state.cases.get(id).is_some_and(|case| case.run.is_some())
        || state.jobs.of(id).any(|job| job.state.is_running());
    if busy {
        return None;
    }
    if let Some((_, began)) = rhythm.looking {
        return Some(after(began, LOOK_LASTS_S));
    }
    let settled = after(*since, SETTLED_S);
    let last = rhythm.looked_at.max(row.checked_at);
    Some(last.map_or(settled, |last| settled.max(after(last, rhythm.every.look))))
}

/// When the next thing is due that nobody asks for; `None` when nothing is.
pub fn next_due(state: &State) -> Option<Timestamp> {
    let rhythm = &state.rhythm;
    if !rhythm.on || state.paused {
        return None;
    }
    let list = rhythm.list_due.filter(|_| !state.fleet.loading.running);
    let sweep = rhythm.sweep_due.filter(|_| state.sweep.is_none());
    let wave = weighing::is_due(state).then_some(state.now);
    let due = [list, sweep, look_due(state), wave];
    due.into_iter().flatten().min()
}

/// Begins what is due.
pub fn run_due(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.rhythm.on || state.paused {
        return;
    }
    let now = state.now;
    let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
    if is_due(state.rhythm.list_due) && !state.fleet.loading.running {
        list(state, true, effects);
    }
    if is_due(state.rhythm.sweep_due) && state.sweep.is_none() {
        let all: Vec<String> = state
            .fleet
            .rows()
            .iter()
            .filter(|row| row.health() != Health::Off)
            .map(|row| row.instance.id.clone())
            .collect();
        state.rhythm.swept(now);
        begin_sweep(state, all, true, effects);
    }
    if is_due(look_due(state))
        && let Some((instance, _)) = state.rhythm.selected.clone()
    {
        let run = state.new_run();
        state.rhythm.looking = Some((run, now));
        effects.push(Effect::Observe(Observe::Short { run, instance }));
    }
    if weighing::is_due(state) {
        weighing::begin(state, effects);
    }
}

/// Lists all instances; a quiet listing shows no progress.
pub fn list(state: &mut State, quiet: bool, effects: &mut Vec<Effect>) {
    let generation = state.fleet.begin_listing(0, quiet);
    state.rhythm.listing_began(state.now);
    effects.push(Effect::Observe(Observe::List { generation }));
}

/// Keeps since when logins are as they are, where that has changed.
pub fn keep_turned(state: &mut State, effects: &mut Vec<Effect>) {
    let turned = std::mem::take(&mut state.rhythm.turned);
    let spans: Vec<LoginSpan> = turned
        .iter()
        .filter_map(|id| state.fleet.get(id)?.track().span(id))
        .collect();
    if !spans.is_empty() && !state.demo {
        effects.push(Effect::Memory(Memory::KeepLogins(spans)));
    }
}
