//! The preview of an action: every call and change, and the confirmation it asks for.
//!
//! Must not live here: what the preview says (`action::preview`).

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialogs::edit_line;
use crate::action::gate::expected_name;
use crate::action::plan::{Confirmation, Plan};
use crate::action::preview::lines_in;
use crate::app::geometry::Scrolled;
use crate::app::locale::fill;
use crate::app::overlay::Preview;
use crate::app::state::State;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, preview: &Preview, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let width = 100.min(screen.width);
    let cells = usize::from(width.saturating_sub(3));
    let lines = plan_lines(state, &preview.plan, paint, cells);
    let typing = preview.plan.confirmation == Confirmation::TypedName && !state.read_only;
    let foot = foot(state, preview, paint, cells, typing);
    let foot_rows = foot.len() as u16 + u16::from(typing);
    let area = centred(screen, width, lines.len() as u16 + foot_rows + 3);
    paint.clear(area);
    let title = Line::from(Span::styled(ui.preview_title.clone(), theme.title));
    let inner = paint.frame(area, &title, true);
    let text = Rect {
        width: inner.width.saturating_sub(1),
        // The way out and the confirmation are always on the screen.
        height: inner.height.saturating_sub(foot_rows),
        ..inner
    };
    let scrolled = paint.scrolled(text, &lines, preview.offset);
    let mut y = text.bottom();
    for line in &foot {
        paint.line(inner.x, y, inner.width, line);
        y += 1;
    }
    if typing && y < inner.bottom() {
        edit_line(paint, inner.x, y, inner.width, "> ", &preview.edit);
    }
    scrolled
}

/// All lines of one plan.
pub fn plan_lines(
    state: &State,
    plan: &Plan,
    paint: &Paint<'_>,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &paint.look.theme;
    let say = |text: &str| state.texts.say(text).into_owned();
    let warning = say("warning");
    let mut out = Vec::new();
    for (index, line) in lines_in(plan, &say).iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let marked = line.trim_start();
        let style = match marked.chars().next() {
            _ if index == 0 => theme.title,
            Some('+') => theme.good,
            Some('-') => theme.bad,
            _ if marked.starts_with(&warning) => theme.warn,
            _ => theme.text,
        };
        // What is wrapped hangs under the value, not under its label.
        let hang = if index == 0 {
            0
        } else {
            (indent + 13).min(cells / 3)
        };
        for (row, part) in wrap(
            line,
            cells.saturating_sub(if index == 0 { 0 } else { hang }),
        )
        .into_iter()
        .enumerate()
        {
            let part = if row == 0 {
                part
            } else {
                format!("{}{part}", " ".repeat(hang))
            };
            out.push(Line::from(Span::styled(part, style)));
        }
    }
    out
}

fn foot(
    state: &State,
    preview: &Preview,
    paint: &Paint<'_>,
    cells: usize,
    typing: bool,
) -> Vec<Line<'static>> {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut out = Vec::new();
    if let Some(refused) = &preview.refused {
        for line in wrap(&state.texts.say(refused), cells) {
            out.push(Line::from(Span::styled(line, theme.bad)));
        }
    }
    let (text, style) = if state.read_only && preview.plan.mutates() {
        (ui.preview_read_only.clone(), theme.warn)
    } else if typing {
        let name = expected_name(&preview.plan);
        (fill(&ui.preview_typed, &[("name", name)]), theme.key)
    } else {
        (ui.preview_key.clone(), theme.key)
    };
    for line in wrap(&text, cells) {
        out.push(Line::from(Span::styled(line, style)));
    }
    out
}
