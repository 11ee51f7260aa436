//! The command palette: a query, and the commands that fit with their keys.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::hints::{self, hint};
use crate::app::geometry::keep_visible;
use crate::app::keys;
use crate::app::overlay::Palette;
use crate::app::state::State;
use crate::app::update::palette::matches;
use crate::view::frame::chord_label;
use crate::view::layout::centred;
use crate::view::text::{fit, width};
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, palette: &Palette, paint: &mut Paint<'_>, screen: Rect) {
    let Palette { pick } = palette;
    let area = centred(screen, 70, 18);
    paint.clear(area);
    let theme = &paint.look.theme;
    let title = Line::from(Span::styled(
        state.texts.ui.palette_title.clone(),
        theme.title,
    ));
    let inner = paint.frame(area, &title, true);
    if inner.height < 2 {
        return;
    }
    let keys = [hint(keys::Palette::Accept), hint(keys::Palette::Close)];
    let keys = hints::row(state, theme, &keys, usize::from(inner.width));
    paint.line(inner.x, inner.bottom() - 1, inner.width, &keys);
    super::dialogs::edit_line(paint, inner.x, inner.y, inner.width, ":", &pick.edit);
    let rows = usize::from(inner.height.saturating_sub(2));
    let found = matches(state, pick.edit.text());
    let selected = pick.selected.min(found.len().saturating_sub(1));
    let offset = keep_visible(0, selected, rows, found.len());
    for (row, command) in found.iter().enumerate().skip(offset).take(rows) {
        let y = inner.y + 1 + (row - offset) as u16;
        let keys: Vec<String> = state
            .keys
            .chords(*command)
            .iter()
            .take(2)
            .map(|chord| chord_label(&chord.to_string()))
            .collect();
        let keys = keys.join(" ");
        let why = command.enabled(state).err();
        let mut text = state.texts.command(command.as_str()).to_owned();
        if let Some(why) = why {
            text = state.texts.noted(&text, state.texts.why(why));
        }
        let style = match (row == selected, why.is_some()) {
            (true, _) => theme.selected,
            (false, true) => theme.dim,
            (false, false) => theme.text,
        };
        let room = usize::from(inner.width).saturating_sub(width(&keys) + 2);
        let line = Line::from(vec![
            Span::styled(
                format!(" {}", fit(&text, room, paint.look.glyphs.ellipsis)),
                style,
            ),
            Span::styled(keys, theme.key),
        ]);
        paint.line(inner.x, y, inner.width, &line);
    }
    if found.is_empty() {
        let text = state.texts.ui.palette_empty.clone();
        paint.text(inner.x, inner.y + 1, inner.width, &text, theme.dim);
    }
}
