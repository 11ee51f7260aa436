//! Consent to one real login attempt, and as whom.
//!
//! A name is typed here, so that what goes on is the key of every line. Must not live here: the
//! attempt.

use super::Answer;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::update::commands;
use crate::domain::instance::is_login_name;
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Default)]
pub struct LoginConsent {
    pub edit: LineEdit,
    /// The last name given is none.
    pub bad: bool,
}

impl LoginConsent {
    /// Applies a chord; a name that ssh would not take stays.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<keys::Line>(chord)? {
            keys::Line::Close => Answer::Close,
            keys::Line::Accept => {
                let user = self.edit.text().trim().to_owned();
                self.bad = !is_login_name(&user);
                if self.bad {
                    return Some(Answer::Stay);
                }
                commands::try_login(state, &user, effects);
                Answer::Close
            }
        })
    }
}
