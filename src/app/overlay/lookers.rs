//! Consent to let others look: other instances, each by its name, or nodes of the provider.
//!
//! Must not live here: choosing and asking them (`runtime::neighbours`, `runtime::providers`).

use super::{Answer, Overlay, Reading};
use crate::app::effect::{Effect, Look, Lookers, Observe};
use crate::app::keys::Consent;
use crate::app::reading::{LineLook, TextLine};
use crate::app::state::State;
use crate::domain::said::Said;
use crate::input::chord::Chord;

/// Who would be asked, and what.
#[derive(Debug, Clone)]
pub struct LookConsent {
    /// The instance that they would look at.
    pub instance: String,
    pub chosen: Lookers,
    /// Who they are, what they would do, and what it costs.
    pub question: Said,
    /// What would be run or sent, as text.
    pub scripts: String,
}

impl LookConsent {
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<Consent>(chord)? {
            Consent::Confirm => {
                effects.push(Effect::Observe(Observe::Look(Look::Ask {
                    instance: self.instance.clone(),
                    chosen: self.chosen.clone(),
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
