//! The columns of the list: which there are, and in which order.

use ratatui::layout::Rect;

use super::dialogs::{Ask, message};
use super::hints::hint;
use super::picker::{OTHER_ROWS, list};
use crate::app::keys::Columns as Key;
use crate::app::overlay::Columns;
use crate::app::state::State;
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, question: &Columns, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let lines: Vec<String> = question
        .rows
        .iter()
        .map(|(column, is_shown)| {
            let mark = if *is_shown { "[x]" } else { "[ ]" };
            format!("{mark} {}", state.texts.column(*column))
        })
        .collect();
    let room = screen.height.saturating_sub(OTHER_ROWS);
    let told = if state.demo {
        &ui.columns_text_demo
    } else {
        &ui.columns_text
    };
    let text = [(told.clone(), paint.look.theme.text)];
    let ask = Ask {
        title: &ui.columns_title,
        text: &text,
        keys: &[
            hint(Key::Toggle),
            hint(Key::Earlier),
            hint(Key::Later),
            hint(Key::AsShipped),
            hint(Key::Close),
        ],
    };
    let rest = message(state, paint, screen, &ask, (lines.len() as u16).min(room));
    list(paint, rest, &lines, question.selected);
}
