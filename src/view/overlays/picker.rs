//! A question with a list below it that typing narrows.
//!
//! Must not live here: what stands in the list.

use ratatui::layout::Rect;

use super::dialogs::{Ask, edit_line, message};
use super::hints::Hint;
use crate::app::geometry::keep_visible;
use crate::app::overlay::Picker;
use crate::app::state::State;
use crate::view::widgets::paint::Paint;

/// Rows of the box beside the list: border, words above it, a margin.
pub const OTHER_ROWS: u16 = 9;

/// What is asked, and the rows that fit what was typed.
pub struct Pick<'a> {
    pub title: &'a str,
    pub text: &'a str,
    pub keys: &'a [Hint<'a>],
    pub lines: &'a [String],
}

pub fn draw(state: &State, pick: &Picker, ask: &Pick<'_>, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let dim = theme.dim;
    let text = [(ask.text.to_owned(), theme.text)];
    let room = usize::from(screen.height.saturating_sub(OTHER_ROWS));
    let rows = ask.lines.len().clamp(1, room.max(1)) as u16;
    let message_of = Ask {
        title: ask.title,
        text: &text,
        keys: ask.keys,
    };
    let rest = message(state, paint, screen, &message_of, rows + 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", &pick.edit);
    let below = Rect {
        y: rest.y + 1,
        height: rest.height.saturating_sub(1),
        ..rest
    };
    if ask.lines.is_empty() {
        let text = &state.texts.ui.palette_empty;
        paint.text(below.x, below.y, below.width, text, dim);
    }
    list(paint, below, ask.lines, pick.selected);
}

/// The rows of a list around the selected one.
pub fn list(paint: &mut Paint<'_>, area: Rect, lines: &[String], selected: usize) {
    let height = usize::from(area.height);
    let selected = selected.min(lines.len().saturating_sub(1));
    let offset = keep_visible(0, selected, height, lines.len());
    let theme = &paint.look.theme;
    let (chosen, other) = (theme.selected, theme.text);
    for (row, line) in lines.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected { chosen } else { other };
        let y = area.y + (row - offset) as u16;
        paint.text(area.x, y, area.width, line, style);
    }
}
