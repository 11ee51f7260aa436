//! The answers that a person can give of the failure.
//!
//! Must not live here: which there are (`app::overlay::tell`).

use ratatui::layout::Rect;

use super::dialogs::{Ask, message};
use super::hints::hint;
use crate::app::geometry::keep_visible;
use crate::app::keys::Answers;
use crate::app::overlay::tell;
use crate::app::state::State;
use crate::view::widgets::paint::Paint;

/// Rows of the box beside the answers: border, words above them, a margin.
const OTHER_ROWS: u16 = 9;

pub fn draw(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let answers = tell::answers(state);
    let rows = answers
        .len()
        .min(usize::from(screen.height.saturating_sub(OTHER_ROWS))) as u16;
    let text = [(ui.tell_text.clone(), theme.text)];
    let ask = Ask {
        title: &ui.tell_title,
        text: &text,
        keys: &[hint(Answers::Toggle), hint(Answers::Close)],
    };
    let rest = message(state, paint, screen, &ask, rows);
    let selected = selected.min(answers.len().saturating_sub(1));
    let height = usize::from(rest.height);
    let offset = keep_visible(0, selected, height, answers.len());
    for (row, (group, answer)) in answers.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected {
            theme.selected
        } else {
            theme.text
        };
        let mark = if tell::is_given(state, group, answer) {
            "[x]"
        } else {
            "[ ]"
        };
        let line = format!("{mark} {}", state.texts.reading(group, None, answer));
        let y = rest.y + (row - offset) as u16;
        paint.text(rest.x, y, rest.width, &line, style);
    }
}
