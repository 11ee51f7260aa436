//! What a person can tell of the failure: who is affected, how the user's own network fares, what
//! the console shows. Nothing is asked for by force.
//!
//! Must not live here: what an answer is worth (`diagnosis`).

use super::arrivals;
use crate::app::overlay::Overlay;
use crate::app::state::State;
use crate::diagnosis::Knowledge;
use crate::domain::statement::{CONSOLE, SCOPE, USER_PATH};
use crate::input::chord::{Chord, Key};

/// Groups that a person can speak of here, in order.
const GROUPS: [&str; 3] = [SCOPE, USER_PATH, CONSOLE];

/// Every answer that can be given: group and state.
pub fn answers(state: &State) -> Vec<(&'static str, String)> {
    let shipped = Knowledge::shipped();
    let knowledge = state.knowledge.as_deref().unwrap_or(shipped);
    let states = |group: &'static str| {
        let known = knowledge.group(group).or_else(|| shipped.group(group));
        let states = known.map(|group| group.states.clone()).unwrap_or_default();
        states.into_iter().map(move |state| (group, state))
    };
    GROUPS.into_iter().flat_map(states).collect()
}

/// A key while the answers are open.
pub(super) fn key(state: &mut State, selected: usize, chord: Chord) {
    let answers = answers(state);
    let last = answers.len().saturating_sub(1);
    let selected = match chord.key {
        Key::Esc => return,
        Key::Up | Key::Char('k') => selected.saturating_sub(1),
        Key::Down | Key::Char('j') => (selected + 1).min(last),
        Key::Enter | Key::Char(' ') => {
            if let Some((group, answer)) = answers.get(selected) {
                toggle(state, group, answer);
            }
            selected
        }
        _ => selected,
    };
    state.overlays.push(Overlay::Tell { selected });
}

/// Gives an answer; the same again takes it back.
fn toggle(state: &mut State, group: &str, answer: &str) {
    let now = state.now;
    let Some(id) = state.fleet.selected_id().map(str::to_owned) else {
        return;
    };
    let case = state.cases.entry(id).or_default();
    let said = case.statements.state_of(group) == Some(answer);
    case.say(group, (!said).then_some(answer), now);
    arrivals::weigh_selected(state);
}
