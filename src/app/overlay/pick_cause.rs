//! One of the causes: which was the true one, or why it does not lead.

use super::Answer;
use super::picker::{Picked, Picker, fits};
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::state::State;
use crate::app::update::commands;
use crate::input::chord::Chord;

/// What is asked of the cause that is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskCause {
    WasItTrue,
    WhyNot,
}

/// The pick.
#[derive(Debug, Clone)]
pub struct PickCause {
    pub pick: Picker,
    pub ask: AskCause,
}

impl PickCause {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<keys::Palette>(chord)?;
        let found = choices(state, self.pick.edit.text());
        Some(match self.pick.press(command, found.len()) {
            Picked::Open => Answer::Stay,
            Picked::Closed => Answer::Close,
            Picked::Taken(row) => {
                let Some(cause) = found.get(row).copied() else {
                    return Some(Answer::Stay);
                };
                match self.ask {
                    AskCause::WasItTrue => commands::confirm_cause(state, cause, effects),
                    AskCause::WhyNot => commands::why_not(state, cause),
                }
                Answer::Close
            }
        })
    }
}

/// The causes of the selected case that fit what was typed, in their order: by index into the
/// report.
pub fn choices(state: &State, words: &str) -> Vec<usize> {
    let causes = state.selected_report().map_or(&[][..], |r| &r.causes);
    let mut found: Vec<usize> = (0..causes.len())
        .filter(|index| {
            let cause = &causes[*index];
            fits(words, &cause.id, state.texts.cause(&cause.id, &cause.title))
        })
        .collect();
    // Whoever types an id whole means that cause.
    found.sort_by_key(|index| causes[*index].id != words.trim());
    found
}
