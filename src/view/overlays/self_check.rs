//! The self-diagnosis: the items, worst first, and beneath them what the selected one says and how it
//! is mended.
//!
//! Must not live here: what an item comes to (`check`).

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::hints::{self, hint};
use crate::app::checkup::Checkup;
use crate::app::command::Command;
use crate::app::geometry::keep_visible;
use crate::app::keys::List;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::domain::check::{CheckItem, CheckReport, Verdict, changed_since};
use crate::view::layout::centred;
use crate::view::text::{fit, width, wrap};
use crate::view::theme::Theme;
use crate::view::widgets::paint::Paint;

const WIDTH: u16 = 130;
/// Longest title that stands beside its sentence.
const TITLE: usize = 40;
/// Lines of what the selected item says, and of its mend.
const DETAIL: usize = 3;

pub fn draw(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = paint.look.theme.clone();
    let ui = &state.texts.ui;
    // What is told at the foot stays in sight.
    let screen = Rect {
        height: screen.height.saturating_sub(1),
        ..screen
    };
    let name = state.selected_instance().map_or("", |one| one.label());
    let title = fill(&ui.check_title, &[("name", name)]);
    let area = centred(screen, WIDTH.min(screen.width), screen.height);
    paint.clear(area);
    let title = Line::from(Span::styled(title, theme.title));
    let mut inner = paint.frame(area, &title, true);
    let keys = [
        (List::Accept.into(), Some(ui.check_mend.as_str())),
        hint(List::Close),
    ];
    let keys = hints::rows(state, &theme, &keys, usize::from(inner.width));
    let foot = keys.len() as u16;
    if inner.height > foot + 2 {
        inner.height -= foot;
        for (row, line) in (0..).zip(&keys) {
            paint.line(inner.x, inner.bottom() + row, inner.width, line);
        }
    }
    let empty = Checkup::default();
    let check = state.selected_case().map_or(&empty, |case| &case.check);
    let mut y = inner.y;
    let mut add = |line: &str, style: Style| {
        if y < inner.bottom() {
            paint.text(inner.x, y, inner.width, line, style);
            y += 1;
        }
    };
    for (text, style) in head(state, check, &theme) {
        for line in wrap(&text, usize::from(inner.width)) {
            add(&line, style);
        }
    }
    // Worst first, as many as leave room for the list.
    for change in check
        .worst_first()
        .into_iter()
        .take(usize::from(inner.height) / 8)
    {
        let line = format!(" {} {}", change.mark(), state.texts.said(&change.said()));
        add(&line, theme.accent);
    }
    if let Some(report) = &check.report {
        let rest = Rect {
            y,
            height: inner.bottom().saturating_sub(y),
            ..inner
        };
        items(state, check, report, selected, paint, rest);
    }
}

/// What is said of the whole.
fn head(state: &State, check: &Checkup, theme: &Theme) -> Vec<(String, Style)> {
    let ui = &state.texts.ui;
    let mut head = Vec::new();
    if check.run.is_some() {
        head.push((ui.check_running.clone(), theme.accent));
    }
    if let Some(why) = &check.error {
        let why = state.texts.said(why);
        head.push((fill(&ui.check_failed, &[("why", &why)]), theme.bad));
    }
    if let Some(report) = &check.report {
        let counted = state.texts.said(&report.counted());
        let when = report.at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        head.push((
            state.texts.noted(&counted, &when),
            style(theme, report.verdict),
        ));
        if let Some(before) = &check.before {
            let since = state.texts.said(&changed_since(before, &check.changes));
            head.push((since, theme.dim));
        }
        let keys = [Command::DeepCheck, Command::SelfCheck].map(|key| hints::key_of(state, key));
        if !report.deep
            && let [Some(deep), Some(check)] = keys
        {
            let told = fill(&ui.check_not_deep, &[("deep", &deep), ("check", &check)]);
            head.push((told, theme.dim));
        }
    }
    head
}

fn items(
    state: &State,
    check: &Checkup,
    report: &CheckReport,
    selected: usize,
    paint: &mut Paint<'_>,
    area: Rect,
) {
    let theme = paint.look.theme.clone();
    let items = report.listed();
    let selected = selected.min(items.len().saturating_sub(1));
    let cells = usize::from(area.width);
    let told = items
        .get(selected)
        .map(|item| told(state, check, item, cells, &theme))
        .unwrap_or_default();
    // The list comes first where both do not fit; what is told keeps a line at least.
    let room = usize::from(area.height);
    let below = told.len().min(room.saturating_sub(6).max(1));
    let rows = room.saturating_sub(below);
    let words = Verdict::LISTED.map(|verdict| state.texts.said(&verdict.said()));
    let words = words.iter().map(|word| width(word)).max().unwrap_or(0);
    let titles = items
        .iter()
        .map(|item| width(&state.texts.said(&item.title)));
    let titles = titles.max().unwrap_or(0).min(TITLE).min(cells / 2);
    let offset = keep_visible(0, selected, rows, items.len());
    let ellipsis = paint.look.glyphs.ellipsis;
    for (row, item) in items.iter().enumerate().skip(offset).take(rows) {
        let y = area.y + (row - offset) as u16;
        let word = fit(&state.texts.said(&item.verdict.said()), words, ellipsis);
        let title = fit(&state.texts.said(&item.title), titles, ellipsis);
        let mark = check.change(&item.id).map_or(" ", |change| change.mark());
        let detail = state.texts.said(&item.detail);
        if row == selected {
            let line = format!("{mark}{word} {title} {detail}");
            paint.text(
                area.x,
                y,
                area.width,
                &fit(&line, cells, ellipsis),
                theme.selected,
            );
            continue;
        }
        let line = Line::from(vec![
            Span::styled(mark.to_owned(), theme.accent),
            Span::styled(format!("{word} "), style(&theme, item.verdict)),
            Span::styled(format!("{title} "), theme.text),
            Span::styled(detail, theme.dim),
        ]);
        paint.line(area.x, y, area.width, &line);
    }
    let first = area.bottom() - below as u16;
    for (row, (line, style)) in told.iter().take(below).enumerate() {
        paint.text(area.x, first + row as u16, area.width, line, *style);
    }
}

/// What the selected item says, what it was, and how it is mended.
fn told(
    state: &State,
    check: &Checkup,
    item: &CheckItem,
    cells: usize,
    theme: &Theme,
) -> Vec<(String, Style)> {
    let mut told = vec![(String::new(), theme.text)];
    let mut add = |text: &str, most: usize, style: Style| {
        let lines = wrap(text, cells).into_iter().take(most);
        told.extend(lines.map(|line| (line, style)));
    };
    add(&state.texts.said(&item.detail), DETAIL, theme.text);
    if let Some(change) = check.change(&item.id) {
        add(&state.texts.said(&change.said()), 2, theme.accent);
    }
    if let Some(mend) = &item.mend {
        add(&state.texts.said(&mend.text), DETAIL, theme.text);
        let place = mend.command(state.selected_instance().map_or("", |one| one.label()));
        for line in place.iter().chain(&mend.console) {
            add(line, 1, theme.dim);
        }
    }
    told
}

fn style(theme: &Theme, verdict: Verdict) -> Style {
    match verdict {
        Verdict::Fault => theme.bad,
        Verdict::Risk => theme.warn,
        Verdict::Normal => theme.good,
        Verdict::NotSeen => theme.dim,
    }
}
