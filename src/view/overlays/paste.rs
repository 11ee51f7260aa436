//! The editor for the client's error text, with what is recognised in it beneath.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use tui_textarea::TextArea;

use super::hints::{self, hint};
use crate::app::keys::Paste;
use crate::app::state::State;
use crate::client_text;
use crate::domain::report::InstanceSummary;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, editor: &TextArea<'static>, paint: &mut Paint<'_>, screen: Rect) {
    let area = centred(screen, 90, 22);
    paint.clear(area);
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let title = Line::from(Span::styled(ui.paste_title.clone(), theme.title));
    let inner = paint.frame(area, &title, true);
    if inner.height < 3 {
        return;
    }
    let cells = usize::from(inner.width);
    let mut foot: Vec<Line<'static>> = Vec::new();
    let text = editor.lines().join("\n");
    let instance = state.selected_instance().map(InstanceSummary::of);
    let mut found = client_text::evidence(&text, &instance.unwrap_or_default());
    found.retain(|reading| reading.state.as_deref() != Some(client_text::UNRECOGNISED));
    if text.trim().is_empty() {
        for line in wrap(&ui.paste_hint, cells) {
            foot.push(Line::from(Span::styled(line, theme.dim)));
        }
    } else if found.is_empty() {
        for line in wrap(&ui.paste_unrecognised, cells) {
            foot.push(Line::from(Span::styled(line, theme.warn)));
        }
    }
    for reading in found.iter().take(4) {
        let detail = state.texts.said(&reading.detail);
        let Some(state_word) = reading.observed_state() else {
            // What could not be taken of an answer of the kit, and why.
            for line in wrap(&format!("{} {detail}", paint.look.glyphs.unknown), cells) {
                foot.push(Line::from(Span::styled(line, theme.warn)));
            }
            continue;
        };
        foot.push(Line::from(vec![
            Span::styled(format!("{} ", paint.look.glyphs.good), theme.good),
            Span::styled(
                state.texts.state(&reading.id, state_word).to_owned(),
                theme.title,
            ),
            Span::styled(format!("  {detail}"), theme.dim),
        ]));
    }
    let keys = [hint(Paste::Accept), hint(Paste::Close)];
    foot.extend(hints::rows(state, theme, &keys, cells));
    let foot_rows = (foot.len() as u16).min(inner.height - 1);
    let text_area = Rect {
        height: inner.height - foot_rows,
        ..inner
    };
    editor.render(text_area, paint.buf);
    for (row, line) in foot.iter().take(usize::from(foot_rows)).enumerate() {
        paint.line(inner.x, text_area.bottom() + row as u16, inner.width, line);
    }
}
