//! Which fact of the case to look at closely.
//!
//! Must not live here: what is known of it (`app::facts`).

use super::picker::{Picked, Picker};
use super::{Answer, Overlay, Reading};
use crate::app::effect::{Effect, Record};
use crate::app::facts::{self, Detail};
use crate::app::keys;
use crate::app::state::State;
use crate::input::chord::Chord;

/// The pick.
#[derive(Debug, Clone, Default)]
pub struct PickFact {
    pub pick: Picker,
}

impl PickFact {
    /// Applies a chord; it stays below what is read of a fact.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<keys::Palette>(chord)?;
        let found = facts::choices(state, self.pick.edit.text());
        let row = match self.pick.press(command, found.len()) {
            Picked::Open => return Some(Answer::Stay),
            Picked::Closed => return Some(Answer::Close),
            Picked::Taken(row) => row,
        };
        if let Some(reading) = found.get(row) {
            let Detail {
                title,
                body,
                action,
            } = facts::detail(state, reading);
            let instance = state.fleet.selected_id().map(str::to_owned);
            match (action, instance) {
                (Some(action), Some(instance)) => effects.push(Effect::Record(Record::ReadRaw {
                    title,
                    body,
                    instance,
                    action,
                })),
                _ => {
                    let reading = Reading::new(title, &body);
                    state.overlays.push(Overlay::Reader(reading));
                }
            }
        }
        Some(Answer::Stay)
    }
}
