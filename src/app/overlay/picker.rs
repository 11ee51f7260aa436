//! A list that is narrowed by typing: the words typed, and the row that is selected.
//!
//! Must not live here: what stands in the list, or what comes of the row that is taken.

use super::{LIST_PAGE, walked};
use crate::app::keys;
use crate::app::line_edit::LineEdit;

/// Where a pick is.
#[derive(Debug, Clone, Default)]
pub struct Picker {
    pub edit: LineEdit,
    pub selected: usize,
}

/// What a chord made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// It goes on.
    Open,
    Closed,
    /// The row that is selected; there may be none.
    Taken(usize),
}

impl Picker {
    /// One that begins on a row.
    pub fn at(selected: usize) -> Self {
        Self {
            selected,
            ..Self::default()
        }
    }

    /// Applies a command to a list of so many rows.
    pub fn press(&mut self, command: keys::Palette, rows: usize) -> Picked {
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, rows);
        match command {
            keys::Palette::Up
            | keys::Palette::Down
            | keys::Palette::PageUp
            | keys::Palette::PageDown => Picked::Open,
            keys::Palette::Close => Picked::Closed,
            keys::Palette::Accept => Picked::Taken(self.selected),
        }
    }
}

/// True where a text, of which `id` is a part, holds every word that was typed.
pub fn fits(words: &str, id: &str, title: &str) -> bool {
    let text = format!("{id} {title}").to_lowercase();
    let words = words.to_lowercase();
    words.split_whitespace().all(|word| text.contains(word))
}
