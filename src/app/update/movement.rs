//! Moving selections and scrolling what has the focus.
//!
//! Must not live here: commands that do something.

use crate::app::state::{Pane, State};

/// Causes that get a row of their own; the same rule as the view's.
fn causes_shown(state: &State) -> usize {
    state
        .selected_report()
        .map_or(0, |report| crate::app::causes_shown(report).len())
}

/// Selects a row of the list and shows its case from the top.
pub fn select(state: &mut State, position: usize) {
    if state.fleet.choose_at(position) {
        from_the_top(state);
    }
}

/// Shows the case of another instance from its top.
pub fn from_the_top(state: &mut State) {
    state.diagnosis_offset = 0;
    state.cause_at = 0;
    state.action_at = 0;
    state.actions_offset = 0;
}

/// Moves by `lines` in the pane that has the focus.
pub fn step(state: &mut State, lines: isize) {
    let moved = |at: usize| at.saturating_add_signed(lines);
    // The screen of a first start has nothing to select.
    if state.missing.is_some() && state.fleet.is_empty() {
        let most = state.geometry.diagnosis.max_offset();
        state.diagnosis_offset = moved(state.diagnosis_offset).min(most);
        return;
    }
    match state.focus {
        Pane::Instances => select(state, moved(state.fleet.selected_at())),
        Pane::Diagnosis => {
            // The cursor walks over the causes; beyond the last of them the pane scrolls.
            let last = causes_shown(state).saturating_sub(1);
            let scrolled = state.diagnosis_offset > 0;
            if lines.abs() == 1 && lines > 0 && state.cause_at < last {
                state.cause_at += 1;
            } else if lines.abs() == 1 && lines < 0 && !scrolled && state.cause_at > 0 {
                state.cause_at -= 1;
            } else {
                state.diagnosis_offset =
                    moved(state.diagnosis_offset).min(state.geometry.diagnosis.max_offset());
            }
        }
        Pane::Actions => {
            let items = state
                .selected_report()
                .map_or(0, |r| r.actions.len() + r.guides.len());
            if items == 0 {
                state.actions_offset =
                    moved(state.actions_offset).min(state.geometry.actions.max_offset());
            } else {
                state.action_at = moved(state.action_at).min(items - 1);
            }
        }
    }
}

/// Moves by pages of the focused pane.
pub fn page(state: &mut State, pages: isize) {
    let height = match state.focus {
        Pane::Instances => usize::from(state.geometry.list.height),
        Pane::Diagnosis => state.geometry.diagnosis.height,
        Pane::Actions => state.geometry.actions.height / 3,
    };
    step(state, pages * (height.max(3) as isize - 1));
}

/// To the first or the last line.
pub fn edge(state: &mut State, last: bool) {
    match state.focus {
        Pane::Instances => select(state, if last { usize::MAX } else { 0 }),
        Pane::Diagnosis => {
            state.cause_at = 0;
            state.diagnosis_offset = if last {
                state.geometry.diagnosis.max_offset()
            } else {
                0
            };
        }
        Pane::Actions => step(state, if last { isize::MAX } else { isize::MIN }),
    }
}
