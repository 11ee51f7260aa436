//! The command palette: a query, and the commands that fit.
//!
//! Must not live here: which fit (`update::palette`), what a command does (`update::commands`).

use super::Answer;
use super::picker::{Picked, Picker};
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::state::State;
use crate::app::typed::Line;
use crate::app::update::{memory, palette};
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    pub pick: Picker,
}

impl Palette {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<keys::Palette>(chord)?;
        let found = palette::matches(state, self.pick.edit.text());
        Some(match self.pick.press(command, found.len()) {
            Picked::Open => Answer::Stay,
            Picked::Closed => Answer::Close,
            Picked::Taken(row) => match found.get(row) {
                Some(command) => {
                    let name = command.as_str().to_owned();
                    memory::remember(state, Line::Palette, name, effects);
                    Answer::CloseAndRun(*command)
                }
                None => Answer::Close,
            },
        })
    }
}
