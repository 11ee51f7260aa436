//! One action on the marked instances: the pick, and the summary with every plan beneath it.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialogs::{Ask, message};
use super::hints::hint;
use super::preview::plan_lines;
use super::sheet::{self, Sheet};
use crate::action::plan::Confirmation;
use crate::app::batch::choices;
use crate::app::geometry::{Scrolled, keep_visible};
use crate::app::keys;
use crate::app::locale::fill;
use crate::app::overlay::BatchPreview;
use crate::app::state::State;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

pub fn pick(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let all = choices(state);
    let rows = all.len().min(usize::from(screen.height.saturating_sub(7))) as u16;
    let marked = state.fleet.marks.len().to_string();
    let title = fill(&ui.batch_title, &[("n", &marked)]);
    let text = [(ui.batch_pick.clone(), theme.text)];
    let keys = [
        (keys::List::Accept.into(), Some(ui.hint_plan.as_str())),
        hint(keys::List::Close),
    ];
    let ask = Ask {
        title: &title,
        text: &text,
        keys: &keys,
    };
    let rest = message(state, paint, screen, &ask, rows);
    let selected = selected.min(all.len().saturating_sub(1));
    let height = usize::from(rest.height);
    let offset = keep_visible(0, selected, height, all.len());
    for (row, choice) in all.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected {
            theme.selected
        } else {
            theme.text
        };
        let id = choice.action.as_str();
        let mut line = format!(" {}", state.texts.action(id, id));
        if choice.offered > 0 {
            let fits = fill(&ui.batch_offered, &[("n", &choice.offered.to_string())]);
            line.push_str(&format!("  {} {fits}", paint.look.glyphs.separator));
        }
        let y = rest.y + (row - offset) as u16;
        paint.text(rest.x, y, rest.width, &line, style);
    }
}

pub fn preview(
    state: &State,
    preview: &BatchPreview,
    paint: &mut Paint<'_>,
    screen: Rect,
) -> Scrolled {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let cells = sheet::cells(screen);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (row, text) in preview.batch.summary().iter().enumerate() {
        let style = if row == 0 { theme.title } else { theme.text };
        for part in wrap(&state.texts.said(text), cells) {
            lines.push(Line::from(Span::styled(part, style)));
        }
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(
        ui.batch_plans.clone(),
        theme.title,
    )));
    for plan in preview.batch.plans() {
        lines.push(Line::default());
        lines.extend(plan_lines(state, plan, paint, cells));
    }
    let by_name = preview.batch.confirmation() == Confirmation::TypedName;
    let typing = by_name && !state.read_only;
    let asked = if state.read_only {
        Some((ui.preview_read_only.clone(), theme.warn))
    } else if typing {
        let phrase = preview.batch.phrase();
        let text = fill(&ui.batch_phrase, &[("phrase", &phrase)]);
        Some((text, theme.key))
    } else {
        None
    };
    let sheet = Sheet {
        lines: &lines,
        offset: preview.offset,
        refused: preview.refused.as_ref(),
        asked,
        edit: typing.then_some(&preview.edit),
        keys: &sheet::keys(by_name, state.read_only),
    };
    sheet::draw(state, &sheet, paint, screen)
}
