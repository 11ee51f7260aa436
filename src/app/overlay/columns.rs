//! Which columns the list has, and in which order; the list behind follows every key.
//!
//! Must not live here: how wide they are (`view`).

use super::{Answer, LIST_PAGE, walked};
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::state::State;
use crate::app::typed::Line;
use crate::app::update::memory;
use crate::domain::column::{Column, to_text};
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub selected: usize,
    /// Every column and whether it is shown. One that is hidden stays in its place as long as the
    /// question is open.
    pub rows: Vec<(Column, bool)>,
}

impl Columns {
    /// Begins with what is shown, the other columns below.
    pub fn open(state: &State) -> Self {
        let shown = state.looks.columns.as_deref().unwrap_or(&Column::SHIPPED);
        let of = |column: &Column| (*column, shown.contains(column));
        let hidden = Column::ALL.iter().map(of).filter(|(_, is_shown)| !is_shown);
        Self {
            selected: 0,
            rows: shown.iter().map(of).chain(hidden).collect(),
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<keys::Columns>(chord)?;
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, self.rows.len());
        let at = self.selected;
        match command {
            keys::Columns::Close => return Some(Answer::Close),
            keys::Columns::Toggle => self.rows[at].1 = !self.rows[at].1,
            keys::Columns::Earlier if at > 0 => self.swap_with(at - 1),
            keys::Columns::Later if at + 1 < self.rows.len() => self.swap_with(at + 1),
            keys::Columns::AsShipped => {
                state.looks.columns = None;
                *self = Self::open(state);
                keep(state, effects);
                return Some(Answer::Stay);
            }
            _ => return Some(Answer::Stay),
        }
        let shown = self.rows.iter().filter(|(_, is_shown)| *is_shown);
        let shown = Some(shown.map(|(column, _)| *column).collect());
        if state.looks.columns != shown {
            state.looks.columns = shown;
            keep(state, effects);
        }
        Some(Answer::Stay)
    }

    /// The cursor goes along.
    fn swap_with(&mut self, other: usize) {
        self.rows.swap(self.selected, other);
        self.selected = other;
    }
}

fn keep(state: &mut State, effects: &mut Vec<Effect>) {
    let text = to_text(&state.looks.columns);
    memory::remember(state, Line::Columns, text, effects);
}
