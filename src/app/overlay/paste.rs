//! The editor for what the user's client printed.
//!
//! Must not live here: recognising it (`client_text`).

use tui_textarea::{CursorMove, TextArea};

use super::Answer;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::state::State;
use crate::app::update::pasted;
use crate::input::chord::Chord;

/// Changes that can be taken back.
const HISTORY: usize = 50;
/// Lines of a page.
const PAGE: usize = 10;

/// The editor.
#[derive(Debug)]
pub struct Paste {
    pub editor: Box<TextArea<'static>>,
}

impl Paste {
    /// An editor with `text`, the cursor behind it.
    pub fn new(text: &str) -> Self {
        let mut editor = TextArea::new(text.lines().map(str::to_owned).collect());
        editor.set_max_histories(HISTORY);
        editor.move_cursor(CursorMove::Bottom);
        editor.move_cursor(CursorMove::End);
        Self {
            editor: Box::new(editor),
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let editor = &mut self.editor;
        match state.keys.of::<keys::Paste>(chord)? {
            keys::Paste::Close => return Some(Answer::Close),
            keys::Paste::Accept => {
                pasted::take(state, &editor.lines().join("\n"), effects);
                return Some(Answer::Close);
            }
            keys::Paste::NewLine => editor.insert_newline(),
            keys::Paste::Tab => {
                editor.insert_tab();
            }
            keys::Paste::Up => editor.move_cursor(CursorMove::Up),
            keys::Paste::Down => editor.move_cursor(CursorMove::Down),
            keys::Paste::PageUp => (0..PAGE).for_each(|_| editor.move_cursor(CursorMove::Up)),
            keys::Paste::PageDown => (0..PAGE).for_each(|_| editor.move_cursor(CursorMove::Down)),
            keys::Paste::Undo => {
                editor.undo();
            }
            keys::Paste::Redo => {
                editor.redo();
            }
        }
        Some(Answer::Stay)
    }
}

/// Applies an editing command, as a line does (`LineEdit::edit`).
pub fn edit(editor: &mut TextArea<'static>, command: keys::Edit) {
    match command {
        keys::Edit::Left => editor.move_cursor(CursorMove::Back),
        keys::Edit::Right => editor.move_cursor(CursorMove::Forward),
        keys::Edit::WordLeft => editor.move_cursor(CursorMove::WordBack),
        keys::Edit::WordRight => editor.move_cursor(CursorMove::WordForward),
        keys::Edit::Start => editor.move_cursor(CursorMove::Head),
        keys::Edit::End => editor.move_cursor(CursorMove::End),
        keys::Edit::Backspace => {
            editor.delete_char();
        }
        keys::Edit::Delete => {
            editor.delete_next_char();
        }
        keys::Edit::DeleteWord => {
            editor.delete_word();
        }
        keys::Edit::ClearBefore => {
            editor.delete_line_by_head();
        }
        keys::Edit::ClearAfter => {
            editor.delete_line_by_end();
        }
    }
}
