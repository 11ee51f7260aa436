//! The command palette: a query, and the commands that fit.
//!
//! Must not live here: which fit (`update::palette`), what a command does (`update::commands`).

use super::{Answer, walked};
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::typed::Line;
use crate::app::update::{memory, palette};
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    pub edit: LineEdit,
    pub selected: usize,
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
        let found = palette::matches(state, self.edit.text());
        let selected = walked(self.selected, 0, found.len());
        Some(match command {
            keys::Palette::Close => Answer::Close,
            keys::Palette::Accept => match found.get(selected) {
                Some(command) => {
                    let name = command.as_str().to_owned();
                    memory::remember(state, Line::Palette, name, effects);
                    Answer::CloseAndRun(*command)
                }
                None => Answer::Close,
            },
            keys::Palette::Up => self.walk(-1, found.len()),
            keys::Palette::Down => self.walk(1, found.len()),
        })
    }

    fn walk(&mut self, by: isize, rows: usize) -> Answer {
        self.selected = walked(self.selected, by, rows);
        Answer::Stay
    }
}
