//! A one-line text field: filter, palette, typed confirmation, source address.
//!
//! Must not live here: how it is drawn (`view`), or editing of several lines (the paste editor).

use crate::input::chord::{Chord, Key};

/// Longest text a field takes, in characters.
const MAX_CHARS: usize = 400;

/// Text with a cursor, counted in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEdit {
    text: String,
    cursor: usize,
}

impl LineEdit {
    /// A field holding `text`, the cursor behind it.
    pub fn new(text: &str) -> Self {
        let mut edit = Self::default();
        edit.insert_str(text);
        edit
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Cursor position in characters from the start.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Inserts text at the cursor; control characters and line breaks are left out.
    pub fn insert_str(&mut self, text: &str) {
        for c in text.chars() {
            if self.text.chars().count() >= MAX_CHARS || crate::domain::text::is_unsafe(c) {
                continue;
            }
            let at = self.byte_of(self.cursor);
            self.text.insert(at, c);
            self.cursor += 1;
        }
    }

    /// Applies an editing key; false when the key is none of the editor's.
    pub fn key(&mut self, chord: Chord) -> bool {
        let length = self.text.chars().count();
        match (chord.ctrl, chord.key) {
            (false, Key::Char(c)) if !chord.alt => self.insert_str(c.encode_utf8(&mut [0; 4])),
            (false, Key::Backspace) | (true, Key::Char('h')) => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.remove_at_cursor();
                }
            }
            (false, Key::Delete) => self.remove_at_cursor(),
            (false, Key::Left) => self.cursor = self.cursor.saturating_sub(1),
            (false, Key::Right) => self.cursor = (self.cursor + 1).min(length),
            (false, Key::Home) | (true, Key::Char('a')) => self.cursor = 0,
            (false, Key::End) | (true, Key::Char('e')) => self.cursor = length,
            (true, Key::Char('u')) => {
                self.text.drain(..self.byte_of(self.cursor));
                self.cursor = 0;
            }
            (true, Key::Char('k')) => self.text.truncate(self.byte_of(self.cursor)),
            (true, Key::Char('w')) => self.delete_word(),
            _ => return false,
        }
        true
    }

    fn remove_at_cursor(&mut self) {
        let at = self.byte_of(self.cursor);
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    fn delete_word(&mut self) {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let mut start = before.len();
        while start > 0 && before[start - 1] == ' ' {
            start -= 1;
        }
        while start > 0 && before[start - 1] != ' ' {
            start -= 1;
        }
        self.text
            .drain(self.byte_of(start)..self.byte_of(self.cursor));
        self.cursor = start;
    }

    fn byte_of(&self, chars: usize) -> usize {
        self.text
            .char_indices()
            .nth(chars)
            .map_or(self.text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readline_keys_edit_wide_text() {
        let mut edit = LineEdit::new("서울 web");
        edit.key(Chord::ctrl('w'));
        assert_eq!(edit.text(), "서울 ");
        edit.key(Chord::plain(Key::Home));
        edit.key(Chord::char('x'));
        edit.key(Chord::plain(Key::Delete));
        assert_eq!((edit.text(), edit.cursor()), ("x울 ", 1));
        edit.key(Chord::ctrl('k'));
        assert_eq!(edit.text(), "x");
    }

    #[test]
    fn pasted_control_characters_are_left_out() {
        assert_eq!(LineEdit::new("a\u{1b}[2J\nb").text(), "a[2Jb");
    }
}
