//! The one function that changes the state: a message in, what to redraw and what to do out.
//!
//! Must not live here: waiting, time, or anything of the outside world.

pub(super) mod actions;
pub(super) mod arrivals;
pub(super) mod batch;
pub(super) mod commands;
mod list;
mod lookers;
mod looks;
pub(super) mod memory;
mod movement;
mod overlay_keys;
pub mod palette;
pub(super) mod pasted;
pub(super) mod reader;
pub(super) mod ticket;

pub use arrivals::begin_sweep;

use super::effect::{Act, Effect, Memory};
use super::message::{Message, MouseKind};
use super::notices::Severity;
use super::state::{Pane, State};
use crate::app::locale::fill;
use crate::app::rhythm;

/// Whether a frame is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dirty {
    Nothing,
    Frame,
}

impl Dirty {
    /// The larger of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Frame { self } else { other }
    }

    pub fn when(changed: bool) -> Self {
        if changed { Self::Frame } else { Self::Nothing }
    }
}

/// Applies one message.
pub fn update(state: &mut State, message: Message) -> (Dirty, Vec<Effect>) {
    let mut effects = Vec::new();
    state.answering = matches!(message, Message::Key(_) | Message::Pasted(_));
    // What was asked for by a key is answered even while the display is frozen.
    let dirty = if state.paused && arrivals::can_wait(&message) {
        state.held_back.push(message);
        Dirty::Frame
    } else {
        apply(state, message, &mut effects)
    };
    let left = rhythm::follow(state);
    arrivals::turn_to_selected(state, left.as_deref());
    (dirty, effects)
}

fn apply(state: &mut State, message: Message, effects: &mut Vec<Effect>) -> Dirty {
    match message {
        Message::Key(chord) => {
            state.settle();
            overlay_keys::key(state, chord, effects)
        }
        Message::Pasted(text) => overlay_keys::pasted(state, &text),
        Message::Mouse { kind, x, y } => mouse(state, kind, x, y),
        Message::Resized { width, height } => {
            let changed = state.size != (width, height);
            state.size = (width, height);
            Dirty::when(changed)
        }
        Message::Tick(now) => tick(state, now, effects),
        Message::Drawn(geometry) => {
            if geometry.list.height > 0 {
                state.fleet.offset = geometry.list_offset;
            }
            state.diagnosis_offset = state.diagnosis_offset.min(geometry.diagnosis.max_offset());
            state.geometry = geometry;
            Dirty::Nothing
        }
        Message::Opened {
            place,
            host,
            knowledge,
        } => {
            state.missing = None;
            state.place = place;
            state.vantage = host;
            state.knowledge = Some(knowledge);
            Dirty::Frame
        }
        Message::Found(found) => arrivals::found(state, found, effects),
        Message::Acted(acted) => arrivals::acted(state, acted, effects),
        Message::Recorded(recorded) => arrivals::recorded(state, recorded, effects),
        Message::Recalled(recalled) => arrivals::recalled(state, recalled),
        Message::Told { severity, text } => {
            state.tell_said(severity, &text);
            Dirty::Frame
        }
        Message::TaskPanicked { what } => {
            let text = fill(&state.texts.ui.task_failed, &[("what", &what)]);
            state.tell(Severity::Error, text);
            Dirty::Frame
        }
    }
}

/// What the console asks for when it opens.
pub fn start(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![Effect::Act(Act::Settle)];
    if !state.demo {
        effects.push(Effect::Memory(Memory::RecallLogins));
        effects.push(Effect::Memory(Memory::RecallTyped));
        effects.push(Effect::Memory(Memory::RecallWays));
    }
    rhythm::list(state, false, &mut effects);
    effects
}

fn tick(state: &mut State, now: jiff::Timestamp, effects: &mut Vec<Effect>) -> Dirty {
    // A clock that jumps back must not freeze what waits for a time.
    let before = state.now;
    state.now = now;
    let expired = state.notices.expire(now);
    rhythm::run_due(state, effects);
    Dirty::when(expired || ages_changed(state, before))
}

/// True when an age that is on the screen reads differently now.
fn ages_changed(state: &State, before: jiff::Timestamp) -> bool {
    let texts = state.texts;
    listed_times(state).any(|at| texts.age_short(before, at) != texts.age_short(state.now, at))
        || told_times(state)
            .any(|at| texts.age_sentence(before, at) != texts.age_sentence(state.now, at))
        || state
            .timed
            .iter()
            .any(|timed| timed.minutes_left(before) != timed.minutes_left(state.now))
}

/// Times whose age stands in the list.
fn listed_times(state: &State) -> impl Iterator<Item = jiff::Timestamp> + '_ {
    let rows = if shows(state, Pane::Instances) {
        usize::from(state.geometry.list.height)
    } else {
        0
    };
    state
        .fleet
        .window(state.geometry.list_offset, rows)
        .filter_map(|row| row.checked_at)
}

fn shows(state: &State, pane: Pane) -> bool {
    state.geometry.panes.iter().any(|(shown, _)| *shown == pane)
}

/// Times whose age stands in a sentence.
fn told_times(state: &State) -> impl Iterator<Item = jiff::Timestamp> + '_ {
    let read = state
        .selected_case()
        .filter(|_| shows(state, Pane::Diagnosis))
        .and_then(super::case::Case::newest);
    let jobs = state
        .fleet
        .selected_id()
        .filter(|_| shows(state, Pane::Actions))
        .into_iter()
        .flat_map(|id| state.jobs.of(id).rev().take(2))
        .map(|job| job.ended_at.unwrap_or(job.started_at));
    read.into_iter().chain(jobs)
}

/// Milliseconds until something on the screen changes by time alone; `None` when nothing will.
pub fn next_wake(state: &State) -> Option<u64> {
    use super::locale::{age_changes_in, short_age_changes_in};
    // Age texts are frozen while the display is paused.
    let ages = (!state.paused)
        .then(|| {
            let listed = listed_times(state).map(|at| short_age_changes_in(state.now, at));
            let told = told_times(state).map(|at| age_changes_in(state.now, at));
            let timed = state
                .timed
                .iter()
                .filter_map(|one| one.changes_in(state.now));
            listed.chain(told).chain(timed).min()
        })
        .flatten()
        .map(|seconds| seconds.max(1) as u64 * 1_000);
    let times = state
        .notices
        .expires_at()
        .into_iter()
        .chain(rhythm::next_due(state))
        .map(|at| {
            let left = at.duration_since(state.now).as_millis();
            left.clamp(1, 3_600_000) as u64
        });
    ages.into_iter().chain(times).min()
}

fn mouse(state: &mut State, kind: MouseKind, x: u16, y: u16) -> Dirty {
    if !state.looks.mouse {
        return Dirty::Nothing;
    }
    let lines = match kind {
        MouseKind::WheelUp => Some(-3),
        MouseKind::WheelDown => Some(3),
        MouseKind::Click => None,
    };
    if let Some(mut top) = state.overlays.pop() {
        if let Some(lines) = lines {
            top.scroll(state, lines);
        }
        state.overlays.push(top);
        return Dirty::when(lines.is_some());
    }
    let hit = state
        .geometry
        .panes
        .iter()
        .find(|(_, area)| area.contains(x, y))
        .map(|(pane, _)| *pane);
    let Some(pane) = hit else {
        return Dirty::Nothing;
    };
    state.focus = pane;
    match lines {
        Some(lines) => movement::step(state, lines),
        None if pane == Pane::Instances && state.geometry.list.contains(x, y) => {
            let row = state.geometry.list_offset + usize::from(y - state.geometry.list.y);
            if row < state.fleet.visible_len() {
                movement::select(state, row);
            }
        }
        None => {}
    }
    Dirty::Frame
}
