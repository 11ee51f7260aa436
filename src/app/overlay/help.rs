//! The keys, and the log: texts that are made when they are drawn.

use super::Answer;
use super::reader::{WhileReading, while_reading};
use crate::app::command::Command;
use crate::app::keys::{Context, Reader};
use crate::app::state::State;
use crate::input::chord::Chord;

/// The keys of one context, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Help {
    pub about: Option<Context>,
    pub offset: usize,
}

/// Everything that was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    pub offset: usize,
}

impl Help {
    /// Applies a chord.
    pub fn press(&mut self, state: &State, chord: Chord) -> Option<Answer> {
        press(&mut self.offset, state, chord, Command::Help)
    }
}

impl Log {
    /// Applies a chord.
    pub fn press(&mut self, state: &State, chord: Chord) -> Option<Answer> {
        press(&mut self.offset, state, chord, Command::Log)
    }
}

/// The command that opened it closes it too.
fn press(offset: &mut usize, state: &State, chord: Chord, opened_by: Command) -> Option<Answer> {
    if let Some(command) = state.keys.of::<Reader>(chord) {
        return Some(match command {
            Reader::Close => Answer::Close,
            // There is neither a guide nor a search in it.
            Reader::StepNext
            | Reader::StepPrevious
            | Reader::StepDo
            | Reader::StepTick
            | Reader::Search
            | Reader::SearchNext => Answer::Stay,
        });
    }
    let command = state.keys.of_panes(&[Context::Global], chord)?;
    if command == opened_by {
        return Some(Answer::Close);
    }
    Some(match while_reading(state, command)? {
        WhileReading::Scroll(lines) => {
            let most = state.geometry.overlay.max_offset();
            *offset = offset.saturating_add_signed(lines).min(most);
            Answer::Stay
        }
        WhileReading::Close => Answer::Close,
        WhileReading::NextGuide => Answer::Stay,
        WhileReading::Run => Answer::Run(command),
    })
}
