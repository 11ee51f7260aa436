//! A text to read: scroll, search, jump.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::geometry::Scrolled;
use crate::app::overlay::Reading;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

pub fn draw(reading: &Reading, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let area = centred(screen, 100, screen.height);
    paint.clear(area);
    let theme = &paint.look.theme;
    let title = Line::from(Span::styled(reading.title.clone(), theme.title));
    let inner = paint.frame(area, &title, true);
    if inner.is_empty() {
        return Scrolled::default();
    }
    let search = reading.typing.is_some() || !reading.search.is_empty();
    let text_rows = inner.height.saturating_sub(u16::from(search));
    let wanted = reading.search.to_lowercase();
    let cells = usize::from(inner.width.saturating_sub(1));
    // Offsets count lines of the text; wrapping is only for this width.
    let mut lines: Vec<Line<'static>> = Vec::new();
    for line in reading.body.iter().skip(reading.offset) {
        if lines.len() >= usize::from(text_rows) {
            break;
        }
        let hit = !wanted.is_empty() && line.to_lowercase().contains(&wanted);
        let style = if hit {
            theme.warn
        } else if line.starts_with('#') {
            theme.title
        } else if line.starts_with("    ") {
            theme.code
        } else {
            theme.text
        };
        let shown = line.trim_start_matches('#').trim_end();
        let shown = if line.starts_with('#') {
            shown.trim_start()
        } else {
            shown
        };
        for part in wrap(shown, cells) {
            lines.push(Line::from(Span::styled(part, style)));
        }
    }
    for (row, line) in lines.iter().take(usize::from(text_rows)).enumerate() {
        paint.line(inner.x, inner.y + row as u16, inner.width, line);
    }
    let last = inner.bottom().saturating_sub(1);
    match &reading.typing {
        Some(edit) => super::dialogs::edit_line(paint, inner.x, last, inner.width, "/", edit),
        None if search => {
            let text = format!("/{}", reading.search);
            paint.text(inner.x, last, inner.width, &text, theme.accent);
        }
        None => {}
    }
    Scrolled {
        height: 1,
        lines: reading.body.len(),
    }
}
