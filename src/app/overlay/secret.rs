//! A value that is shown once.

use super::Answer;
use crate::action::handed::Handed;
use crate::app::effect::{Console, Effect};
use crate::app::keys;
use crate::app::state::State;
use crate::input::chord::Chord;

/// The value.
#[derive(Debug, Clone)]
pub struct Secret(pub Handed);

impl Secret {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<keys::Secret>(chord)? {
            keys::Secret::Close => Answer::Close,
            keys::Secret::Copy => {
                let value = self.0.value.clone();
                effects.push(Effect::Console(Console::CopySecret(value)));
                Answer::Stay
            }
        })
    }
}
