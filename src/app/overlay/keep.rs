//! Which time-boxed change stays.
//!
//! One that is kept stays open for good, so a key alone does not do it: it is picked first, even
//! where there is only one. Must not live here: the journal (`store`).

use super::{Answer, LIST_PAGE, Overlay, walked};
use crate::app::effect::{Effect, Record};
use crate::app::keys::List;
use crate::app::state::State;
use crate::app::timed::Timed;
use crate::input::chord::Chord;

/// The pick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    pub selected: usize,
}

impl Keep {
    /// The pick, at a change of the selected instance where there is one.
    pub fn open(state: &State) -> Self {
        let here = state.fleet.selected_id();
        let own = |timed: &Timed| Some(timed.instance.as_str()) == here;
        let selected = state.timed.iter().position(own).unwrap_or_default();
        Self { selected }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<List>(chord)?;
        // What is taken back meanwhile leaves the list.
        if state.timed.is_empty() {
            return Some(Answer::Close);
        }
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, state.timed.len());
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                let entry = state.timed[self.selected].entry.clone();
                effects.push(Effect::Record(Record::LetStay { entry }));
                // The journal was read beneath: it is old now, and would hide what comes of this.
                if matches!(state.overlays.last(), Some(Overlay::Reader(reading)) if reading.guide.is_none())
                {
                    state.overlays.pop();
                }
                Answer::Close
            }
        })
    }
}
