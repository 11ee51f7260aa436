//! The sheet that asks for a confirmation: what would be done, and beneath it how to say yes.
//!
//! Must not live here: what stands on it (`preview`, `batch`), or who may confirm
//! (`action::gate`).

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialogs::edit_line;
use super::hints::{self, Hint, hint};
use crate::app::geometry::Scrolled;
use crate::app::keys::{Preview, TypedName};
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::domain::said::Said;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

const WIDTH: u16 = 100;

/// What a confirmation is asked for.
#[derive(Debug)]
pub struct Sheet<'a> {
    pub lines: &'a [Line<'static>],
    pub offset: usize,
    /// Why the last try was refused.
    pub refused: Option<&'a Said>,
    /// What to type, or why nothing is carried out.
    pub asked: Option<(String, Style)>,
    /// Where something has to be typed.
    pub edit: Option<&'a LineEdit>,
    pub keys: &'a [Hint<'static>],
}

/// The keys of a sheet that is confirmed; one that is only shown has nothing to confirm.
pub fn keys(by_name: bool, only_shown: bool) -> Vec<Hint<'static>> {
    let mut keys: Vec<Hint<'static>> = if by_name {
        [TypedName::Confirm, TypedName::Close, TypedName::Down]
            .map(hint)
            .to_vec()
    } else {
        [Preview::Confirm, Preview::Close, Preview::Down]
            .map(hint)
            .to_vec()
    };
    if only_shown {
        keys.remove(0);
    }
    keys
}

/// Cells of a line on the sheet.
pub fn cells(screen: Rect) -> usize {
    usize::from(WIDTH.min(screen.width).saturating_sub(3))
}

pub fn draw(state: &State, sheet: &Sheet<'_>, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let theme = &paint.look.theme;
    let refused = sheet.refused.map(|why| (state.texts.said(why), theme.bad));
    let mut foot: Vec<Line<'static>> = Vec::new();
    for (text, style) in refused
        .iter()
        .map(|(text, style)| (text.as_str(), *style))
        .chain(
            sheet
                .asked
                .iter()
                .map(|(text, style)| (text.as_str(), *style)),
        )
    {
        let parts = wrap(text, cells(screen)).into_iter();
        foot.extend(parts.map(|part| Line::from(Span::styled(part, style))));
    }
    let keys = hints::rows(state, theme, sheet.keys, cells(screen));
    let foot_rows = foot.len() as u16 + u16::from(sheet.edit.is_some()) + keys.len() as u16;
    let area = centred(
        screen,
        WIDTH.min(screen.width),
        sheet.lines.len() as u16 + foot_rows + 3,
    );
    paint.clear(area);
    let title = Line::from(Span::styled(
        state.texts.ui.preview_title.clone(),
        theme.title,
    ));
    let inner = paint.frame(area, &title, true);
    let text = Rect {
        width: inner.width.saturating_sub(1),
        // The way out and the confirmation are always on the screen.
        height: inner.height.saturating_sub(foot_rows),
        ..inner
    };
    let scrolled = paint.scrolled(text, sheet.lines, sheet.offset);
    let mut y = text.bottom();
    for line in &foot {
        paint.line(inner.x, y, inner.width, line);
        y += 1;
    }
    if let Some(edit) = sheet.edit
        && y < inner.bottom()
    {
        edit_line(paint, inner.x, y, inner.width, "> ", edit);
        y += 1;
    }
    for line in keys
        .iter()
        .take(usize::from(inner.bottom().saturating_sub(y)))
    {
        paint.line(inner.x, y, inner.width, line);
        y += 1;
    }
    scrolled
}
