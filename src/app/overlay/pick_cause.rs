//! One of the causes: which was the true one, or why it does not lead.

use super::{Answer, LIST_PAGE, walked};
use crate::app::effect::Effect;
use crate::app::keys::List;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PickCause {
    pub selected: usize,
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
        let command = state.keys.of::<List>(chord)?;
        let causes = state.selected_report().map_or(0, |r| r.causes.len());
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, causes);
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                match self.ask {
                    AskCause::WasItTrue => commands::confirm_cause(state, self.selected, effects),
                    AskCause::WhyNot => commands::why_not(state, self.selected),
                }
                Answer::Close
            }
        })
    }
}
