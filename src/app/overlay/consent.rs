//! Questions with nothing but a yes and a no: the look inside the guest, and leaving although an
//! action is under way.

use super::Answer;
use crate::app::effect::{Console, Effect};
use crate::app::keys::{Consent, Leave};
use crate::app::state::State;
use crate::app::update::commands;
use crate::input::chord::Chord;

/// Consent to read-only commands in the guest.
pub fn press_deep(state: &mut State, chord: Chord, effects: &mut Vec<Effect>) -> Option<Answer> {
    Some(match state.keys.of::<Consent>(chord)? {
        Consent::Confirm => {
            commands::triage(state, true, effects);
            Answer::Close
        }
        Consent::Close => Answer::Close,
    })
}

/// Leaving all the same.
pub fn press_leave(state: &State, chord: Chord, effects: &mut Vec<Effect>) -> Option<Answer> {
    Some(match state.keys.of::<Leave>(chord)? {
        Leave::Confirm => {
            effects.push(Effect::Console(Console::Quit));
            Answer::Close
        }
        Leave::Close => Answer::Close,
    })
}
