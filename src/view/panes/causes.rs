//! The cause bars, and the reasons for and against the one that is unfolded.
//!
//! Must not live here: weighing. Figures are rounded as far as they can be trusted.

use ratatui::text::{Line, Span};

use crate::app::causes_shown;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::diagnosis::display::{capped, percent};
use crate::domain::report::{CauseProbability, Contribution, Report};
use crate::view::frame::Look;
use crate::view::text::{fit, width, wrap};
use crate::view::widgets::probability_bar::filled;

/// Cells of how much a reading weighs.
const WEIGHT_CELLS: usize = 15;

/// Lines of the breakdown, with so many reasons for the first cause as were not asked for; the second value is the line of the selected cause.
pub fn lines(
    state: &State,
    report: &Report,
    unfolded: &[String],
    unasked: usize,
    focused: bool,
    look: &Look,
    cells: usize,
) -> (Vec<Line<'static>>, usize) {
    let theme = &look.theme;
    let ui = &state.texts.ui;
    let shown = causes_shown(report);
    let selected = state.cause_at.min(shown.len().saturating_sub(1));
    let mut lines = Vec::new();
    let mut selected_line = 0;
    for (index, cause) in shown.iter().enumerate() {
        if index == selected {
            selected_line = lines.len();
        }
        let asked = unfolded.contains(&cause.id);
        let open = asked || index == 0 && unasked > 0;
        lines.extend(bar_lines(
            state,
            cause,
            capped(report, cause),
            look,
            cells,
            focused && index == selected,
            open,
        ));
        if index == 0 {
            let mut text = state.texts.likelihood(cause.probability).to_owned();
            if let Some([low, high]) = cause.range.map(|range| range.map(percent))
                && low != high
            {
                text.push_str(&fill(&ui.range, &[("low", &low), ("high", &high)]));
            }
            lines.push(Line::from(vec![
                Span::raw("  "),
                Span::styled(text, theme.accent),
            ]));
        }
        if open {
            let most = if asked { usize::MAX } else { unasked };
            lines.extend(reasons(state, cause, most, look, cells));
        }
    }
    let rest = report.causes.len() - shown.len();
    if rest > 0 {
        let share: f64 = report.causes[shown.len()..]
            .iter()
            .map(|c| c.probability)
            .sum();
        lines.push(Line::from(Span::styled(
            fill(
                &ui.other_causes,
                &[("n", &rest.to_string()), ("share", &percent(share))],
            ),
            theme.dim,
        )));
    }
    // What has a row of its own need not be named again.
    let rows = causes_shown(report);
    let also: Vec<String> = report
        .also_broken
        .iter()
        .filter(|also| rows.iter().all(|row| row.id != also.id))
        .take(3)
        .map(|also| {
            format!(
                "{} {}",
                state.texts.cause(&also.id, &also.id),
                percent(also.probability)
            )
        })
        .collect();
    if !also.is_empty() {
        for line in wrap(
            &fill(&ui.also_broken, &[("causes", &state.texts.listed(&also))]),
            cells,
        ) {
            lines.push(Line::from(Span::styled(line, theme.warn)));
        }
    }
    (lines, selected_line)
}

fn bar_lines(
    state: &State,
    cause: &CauseProbability,
    shown: f64,
    look: &Look,
    cells: usize,
    selected: bool,
    open: bool,
) -> Vec<Line<'static>> {
    let bar_cells = if cells >= 60 { 14 } else { 8 };
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let cursor = match (open, selected) {
        (true, _) => glyphs.unfolded,
        (false, true) => glyphs.cursor,
        (false, false) => " ",
    };
    let full = filled(shown, bar_cells);
    let figure = percent(shown);
    let figure = format!(
        "{}{figure} ",
        " ".repeat(6usize.saturating_sub(width(&figure)))
    );
    let title = state.texts.cause(&cause.id, &cause.title);
    let indent = 2 + width(&figure) + bar_cells + 1;
    let room = cells.saturating_sub(indent).max(8);
    let title_style = if selected { theme.selected } else { theme.text };
    let mut lead = vec![
        Span::styled(format!("{cursor} "), theme.accent),
        Span::styled(figure, theme.title),
        Span::styled(glyphs.bar.repeat(full), theme.bar),
        Span::styled(glyphs.bar_rest.repeat(bar_cells - full), theme.dim),
        Span::raw(" "),
    ];
    wrap(title, room)
        .into_iter()
        .map(|part| {
            let mut spans = std::mem::take(&mut lead);
            if spans.is_empty() {
                spans.push(Span::raw(" ".repeat(indent)));
            }
            spans.push(Span::styled(fit(&part, room, glyphs.ellipsis), title_style));
            Line::from(spans)
        })
        .collect()
}

/// The terms of a cause's log-odds, strongest first, each with the reading it rests on.
fn reasons(
    state: &State,
    cause: &CauseProbability,
    most: usize,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let mut terms: Vec<&Contribution> = cause.contributions.iter().collect();
    terms.sort_by(|a, b| b.weight_db.abs().total_cmp(&a.weight_db.abs()));
    let mut lines = Vec::new();
    let worth = terms.iter().filter(|t| t.weight_db.abs() >= 0.5);
    for term in worth.take(most) {
        let style = if term.weight_db >= 0.0 {
            theme.good
        } else {
            theme.bad
        };
        let what = if term.evidence == "prior" {
            state.texts.ui.prior.clone()
        } else {
            state.texts.reading(&term.evidence, term.path, &term.state)
        };
        let weight = state.texts.times_likelier(term.weight_db);
        let fill = " ".repeat(WEIGHT_CELLS.saturating_sub(width(&weight)));
        let weight = format!("{weight}{fill} ");
        let room = cells.saturating_sub(4 + width(&weight));
        let further = " ".repeat(width(&weight));
        for (row, part) in wrap(&what, room).into_iter().enumerate() {
            let lead = if row == 0 { &weight } else { &further };
            lines.push(Line::from(vec![
                Span::raw("    "),
                Span::styled(lead.clone(), style),
                Span::styled(part, theme.text),
            ]));
        }
    }
    lines
}
