//! Letting a time-boxed change stay.
//!
//! One that is kept stays open for good, so a key alone does not do it: it is picked first, even
//! where there is only one. Must not live here: the journal (`store`).

use crate::app::effect::{Effect, Record};
use crate::app::overlay::Overlay;
use crate::app::state::State;
use crate::input::chord::{Chord, Key};

/// Opens the pick, at a change of the selected instance where there is one.
pub fn open(state: &mut State) {
    let here = state.fleet.selected_id();
    let own = |timed: &crate::app::timed::Timed| Some(timed.instance.as_str()) == here;
    let selected = state.timed.iter().position(own).unwrap_or_default();
    state.overlays.push(Overlay::Keep { selected });
}

/// Keys of the pick.
pub fn key(state: &mut State, selected: usize, chord: Chord, effects: &mut Vec<Effect>) {
    // What is taken back meanwhile leaves the list.
    let Some(last) = state.timed.len().checked_sub(1) else {
        return;
    };
    let selected = selected.min(last);
    let selected = match chord.key {
        Key::Esc => return,
        Key::Enter => {
            let entry = state.timed[selected].entry.clone();
            effects.push(Effect::Record(Record::LetStay { entry }));
            // The journal was read beneath: it is old now, and would hide what comes of this.
            if matches!(state.overlays.last(), Some(Overlay::Reader(reading)) if reading.guide.is_none())
            {
                state.overlays.pop();
            }
            return;
        }
        Key::Up | Key::Char('k') => selected.saturating_sub(1),
        Key::Down | Key::Char('j') => (selected + 1).min(last),
        _ => selected,
    };
    state.overlays.push(Overlay::Keep { selected });
}
