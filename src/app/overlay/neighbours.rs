//! Consent to let other instances look, each by its name.
//!
//! Must not live here: choosing and asking them (`runtime::neighbours`).

use super::{Answer, Overlay, Reading};
use crate::app::effect::{Effect, Neighbours, Observe};
use crate::app::keys::Consent;
use crate::app::reading::{LineLook, TextLine};
use crate::app::state::State;
use crate::domain::said::Said;
use crate::input::chord::Chord;
use crate::kit::neighbour::Neighbour;

/// Who would be asked, and what.
#[derive(Debug, Clone)]
pub struct NeighbourConsent {
    /// The instance that they would look at.
    pub instance: String,
    pub chosen: Vec<Neighbour>,
    /// Who they are, what they would run, and what it costs.
    pub question: Said,
    /// What each of them would run, as text.
    pub scripts: String,
}

impl NeighbourConsent {
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<Consent>(chord)? {
            Consent::Confirm => {
                effects.push(Effect::Observe(Observe::Neighbours(Neighbours::Ask {
                    instance: self.instance.clone(),
                    chosen: std::mem::take(&mut self.chosen),
                })));
                Answer::Close
            }
            Consent::Script => {
                let mut shown = Reading::new(state.texts.bound(Consent::Script.into()), "");
                let line = |line: &str| TextLine::new(LineLook::Code, 0, line);
                shown.body = self.scripts.lines().map(line).collect();
                state.overlays.push(Overlay::Reader(shown));
                Answer::Stay
            }
            Consent::Close => Answer::Close,
        })
    }
}
