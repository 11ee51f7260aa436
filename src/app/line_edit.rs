//! A one-line text field: filter, palette, typed confirmation, source address.
//!
//! Must not live here: how it is drawn (`view`), or editing of several lines (the paste editor).

use super::keys::Edit;

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

    /// Applies an editing command.
    pub fn edit(&mut self, command: Edit) {
        let length = self.text.chars().count();
        match command {
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(length),
            Edit::WordLeft => self.cursor = self.word_before(),
            Edit::WordRight => self.cursor = self.word_after(),
            Edit::Start => self.cursor = 0,
            Edit::End => self.cursor = length,
            Edit::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.remove_at_cursor();
                }
            }
            Edit::Delete => self.remove_at_cursor(),
            Edit::DeleteWord => {
                let start = self.word_before();
                self.text
                    .drain(self.byte_of(start)..self.byte_of(self.cursor));
                self.cursor = start;
            }
            Edit::ClearBefore => {
                self.text.drain(..self.byte_of(self.cursor));
                self.cursor = 0;
            }
            Edit::ClearAfter => self.text.truncate(self.byte_of(self.cursor)),
        }
    }

    fn remove_at_cursor(&mut self) {
        let at = self.byte_of(self.cursor);
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    /// Where the word before the cursor begins.
    fn word_before(&self) -> usize {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let mut start = before.len();
        while start > 0 && before[start - 1] == ' ' {
            start -= 1;
        }
        while start > 0 && before[start - 1] != ' ' {
            start -= 1;
        }
        start
    }

    /// Where the word after the one at the cursor begins.
    fn word_after(&self) -> usize {
        let rest = || self.text.chars().skip(self.cursor);
        let word = rest().take_while(|c| *c != ' ').count();
        let gap = rest().skip(word).take_while(|c| *c == ' ').count();
        self.cursor + word + gap
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
    fn editing_commands_edit_wide_text() {
        let mut edit = LineEdit::new("서울 web");
        edit.edit(Edit::DeleteWord);
        assert_eq!(edit.text(), "서울 ");
        edit.edit(Edit::Start);
        edit.insert_str("x");
        edit.edit(Edit::Delete);
        assert_eq!((edit.text(), edit.cursor()), ("x울 ", 1));
        edit.edit(Edit::ClearAfter);
        assert_eq!(edit.text(), "x");
        let mut edit = LineEdit::new("ab  cd e");
        edit.edit(Edit::WordLeft);
        edit.edit(Edit::WordLeft);
        assert_eq!(edit.cursor(), 4);
        edit.edit(Edit::Start);
        edit.edit(Edit::WordRight);
        assert_eq!(edit.cursor(), 4);
        edit.edit(Edit::ClearBefore);
        assert_eq!((edit.text(), edit.cursor()), ("cd e", 0));
        edit.edit(Edit::Backspace);
        assert_eq!(edit.text(), "cd e");
    }

    #[test]
    fn pasted_control_characters_are_left_out() {
        assert_eq!(LineEdit::new("a\u{1b}[2J\nb").text(), "a[2Jb");
    }
}
