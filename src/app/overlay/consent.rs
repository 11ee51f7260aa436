//! Questions with nothing but a yes and a no: the look inside the guest, and leaving although an
//! action is under way.

use super::Answer;
use crate::app::effect::{Console, Effect, Record};
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
        Consent::Script => {
            if let Some(instance) = state.fleet.selected_id() {
                effects.push(Effect::Record(Record::ReadScript {
                    title: state.texts.bound(Consent::Script.into()).to_owned(),
                    instance: instance.to_owned(),
                    user_source: state.user_source,
                }));
            }
            Answer::Stay
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
