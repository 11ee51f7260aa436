//! Keys while a text is read: scroll, search, and the steps of a guide.
//!
//! Must not live here: what a step does (`update::reader`), making a guide into lines
//! (`app::guide_text`).

use super::{Answer, Reading};
use crate::app::command::Command;
use crate::app::effect::Effect;
use crate::app::keys::{Context, Line, Reader};
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::update::reader;
use crate::input::chord::Chord;

/// Commands of the panes that count while a text is read, in the order of help.
pub const COMMANDS: &[Command] = &[
    Command::Up,
    Command::Down,
    Command::PageUp,
    Command::PageDown,
    Command::Top,
    Command::Bottom,
    Command::Cancel,
    Command::Guides,
    Command::Copy,
    Command::Keep,
    Command::Repaint,
    Command::Suspend,
    Command::Quit,
];

/// What a command of the panes means to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileReading {
    Scroll(isize),
    Close,
    NextGuide,
    /// It does what it does in the panes.
    Run,
}

/// What a command of the panes means to a text; `None` for those that have to wait until it is
/// closed.
pub fn while_reading(state: &State, command: Command) -> Option<WhileReading> {
    if !COMMANDS.contains(&command) {
        return None;
    }
    let page = state.geometry.overlay.height.max(2) as isize - 1;
    Some(match command {
        Command::Up => WhileReading::Scroll(-1),
        Command::Down => WhileReading::Scroll(1),
        Command::PageUp => WhileReading::Scroll(-page),
        Command::PageDown => WhileReading::Scroll(page),
        Command::Top => WhileReading::Scroll(isize::MIN),
        Command::Bottom => WhileReading::Scroll(isize::MAX),
        Command::Cancel => WhileReading::Close,
        Command::Guides => WhileReading::NextGuide,
        _ => WhileReading::Run,
    })
}

/// Applies a chord.
pub fn press(
    reading: &mut Reading,
    state: &mut State,
    chord: Chord,
    effects: &mut Vec<Effect>,
) -> Option<Answer> {
    if reading.typing.is_some() {
        return search_line(reading, state, chord);
    }
    let shown = state.geometry.overlay.height;
    if let Some(command) = state.keys.of::<Reader>(chord) {
        match command {
            Reader::Close => return Some(Answer::Close),
            Reader::StepNext => reading.go_to_step(1, shown),
            Reader::StepPrevious => reading.go_to_step(-1, shown),
            Reader::StepDo => return Some(reader::do_step(reading, state, effects)),
            Reader::StepTick => reader::tick_step(reading, state, effects),
            Reader::Search => reading.typing = Some(LineEdit::default()),
            Reader::SearchNext => {
                reading.search_from(reading.offset + 1);
            }
        }
        return Some(Answer::Stay);
    }
    let command = state.keys.of_panes(&[Context::Global], chord)?;
    Some(match while_reading(state, command)? {
        WhileReading::Scroll(lines) => {
            reading.scroll(lines, shown);
            Answer::Stay
        }
        WhileReading::Close => Answer::Close,
        WhileReading::NextGuide => reader::next_guide(reading, state),
        WhileReading::Run => Answer::Run(command),
    })
}

fn search_line(reading: &mut Reading, state: &State, chord: Chord) -> Option<Answer> {
    let command = state.keys.of::<Line>(chord)?;
    let edit = reading.typing.take()?;
    match command {
        Line::Close => reading.search.clear(),
        Line::Accept => {
            edit.text().clone_into(&mut reading.search);
            reading.search_from(reading.offset);
        }
    }
    Some(Answer::Stay)
}
