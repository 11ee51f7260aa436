//! The preview of an action: every call and change, and the confirmation it asks for.
//!
//! Must not live here: what the preview says (`action::preview`).

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::sheet::{self, Sheet};
use crate::action::plan::{Confirmation, Plan};
use crate::action::preview::lines_in;
use crate::action::said::label_warning;
use crate::app::geometry::Scrolled;
use crate::app::locale::fill;
use crate::app::overlay::Preview;
use crate::app::state::State;
use crate::view::text::{width, wrap_hanging};
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, preview: &Preview, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let plan = &preview.plan;
    let by_name = plan.confirmation == Confirmation::TypedName;
    let typing = by_name && !state.read_only;
    let only_shown = state.read_only && plan.mutates();
    let asked = if only_shown {
        Some((ui.preview_read_only.clone(), theme.warn))
    } else if typing {
        let name = plan.target.to_type();
        Some((fill(&ui.preview_typed, &[("name", name)]), theme.key))
    } else {
        None
    };
    let sheet = Sheet {
        lines: &plan_lines(state, plan, paint, sheet::cells(screen)),
        offset: preview.offset,
        refused: preview.refused.as_ref(),
        asked,
        edit: typing.then_some(&preview.edit),
        keys: &sheet::keys(by_name, only_shown),
    };
    sheet::draw(state, &sheet, paint, screen)
}

/// All lines of one plan.
pub fn plan_lines(
    state: &State,
    plan: &Plan,
    paint: &Paint<'_>,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &paint.look.theme;
    let warning = state.texts.said(&label_warning());
    let mut out = Vec::new();
    for (index, line) in lines_in(plan, state.texts).iter().enumerate() {
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
            value_column(line).unwrap_or(indent + 2).min(cells / 3)
        };
        for part in wrap_hanging(line, cells, hang) {
            out.push(Line::from(Span::styled(part, style)));
        }
    }
    out
}

/// The column of the value that stands after a label and two blanks or more.
fn value_column(line: &str) -> Option<usize> {
    let text = line.trim_start();
    if text.starts_with('|') {
        return None; // a line of a script
    }
    let (label, rest) = text.split_once("  ")?;
    let blanks = rest.len() - rest.trim_start().len();
    Some(line.len() - text.len() + width(label) + 2 + blanks)
}

#[cfg(test)]
mod tests {
    use super::value_column;

    #[test]
    fn a_value_begins_after_its_label_in_cells() {
        assert_eq!(value_column("  cost         none"), Some(15));
        assert_eq!(value_column("    目前的判定   a"), Some(17));
        assert_eq!(value_column("    | a  # b"), None);
        assert_eq!(value_column("      0  ACCEPT TCP"), Some(9));
    }
}
