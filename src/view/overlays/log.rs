//! The log of everything that was told, newest first.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::geometry::Scrolled;
use crate::app::notices::Severity;
use crate::app::state::State;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, offset: usize, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let area = centred(screen, 110, screen.height);
    paint.clear(area);
    let theme = &paint.look.theme;
    let glyphs = paint.look.glyphs;
    let ui = &state.texts.ui;
    let title = Line::from(Span::styled(ui.log_title.clone(), theme.title));
    let inner = paint.frame(area, &title, true);
    let cells = usize::from(inner.width);
    let mut lines = Vec::new();
    for notice in state.notices.all().rev() {
        let (glyph, style) = match notice.severity {
            Severity::Info => (glyphs.bullet, theme.accent),
            Severity::Good => (glyphs.good, theme.good),
            Severity::Warning => (glyphs.warn, theme.warn),
            Severity::Error => (glyphs.bad, theme.bad),
        };
        let time = notice.at.strftime("%H:%M:%SZ").to_string();
        for (row, line) in wrap(&notice.text, cells.saturating_sub(12))
            .into_iter()
            .enumerate()
        {
            let lead = if row == 0 { time.as_str() } else { "         " };
            lines.push(Line::from(vec![
                Span::styled(format!("{lead} "), theme.dim),
                Span::styled(if row == 0 { glyph } else { " " }, style),
                Span::styled(format!(" {line}"), theme.text),
            ]));
        }
    }
    if lines.is_empty() {
        lines.push(Line::from(Span::styled(ui.log_empty.clone(), theme.dim)));
    }
    paint.scrolled(inner, &lines, offset)
}
