//! The problem-first list: sign, name, address, state, login result, age.
//!
//! Only the visible rows are formatted, whatever the size of the fleet. Must not live here:
//! order and filter (`app::fleet`).

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::columns::Columns;
use crate::app::command::Command;
use crate::app::fleet::{Row, Sort};
use crate::app::geometry::{Geometry, keep_visible};
use crate::app::health::Health;
use crate::app::locale::{Texts, fill};
use crate::app::overlay::Overlay;
use crate::app::state::State;
use crate::domain::column::Column;
use crate::domain::evidence::state::instance_state;
use crate::view::frame::to_area;
use crate::view::overlays::hints::key_of;
use crate::view::text::{fit, width};
use crate::view::widgets::paint::Paint;

/// A look older than this is drawn grey, unless looks are rarer by the settings.
const STALE_AFTER_S: i64 = 900;

pub fn draw(
    state: &State,
    paint: &mut Paint<'_>,
    area: Rect,
    focused: bool,
    geometry: &mut Geometry,
) {
    // The title tells what the columns do not.
    let chosen = state.looks.columns.as_deref();
    let columns = Columns::of(
        Paint::inside(area).width,
        state.fleet.widest(),
        state.looks.privacy,
        chosen,
    );
    let inner = paint.frame(area, &title(state, paint, &columns), focused);
    if inner.is_empty() {
        return;
    }
    let mut body = inner;
    if let Some(filter) = filter_line(state, paint) {
        paint.line(body.x, body.y, body.width, &filter);
        paint.typed.push(body.y);
        body = below(body);
    }
    let foot = foot(state, paint);
    paint.frame_foot(area, &foot);
    if state.fleet.visible_len() == 0 {
        empty(state, paint, body);
        return;
    }
    if body.height > 4 {
        header(state, paint, body, &columns);
        body = below(body);
    }
    let rows = usize::from(body.height);
    let offset = keep_visible(
        state.fleet.offset,
        state.fleet.selected_at(),
        rows,
        state.fleet.visible_len(),
    );
    for (line, row) in state.fleet.window(offset, rows).enumerate() {
        let y = body.y + line as u16;
        let selected = offset + line == state.fleet.selected_at();
        if selected {
            geometry.first.push(y);
        }
        draw_row(
            state,
            paint,
            Rect {
                y,
                height: 1,
                ..body
            },
            row,
            &columns,
            selected,
        );
    }
    geometry.list = to_area(body);
    geometry.list_offset = offset;
}

fn below(area: Rect) -> Rect {
    Rect {
        y: area.y + u16::from(area.height > 0),
        height: area.height.saturating_sub(1),
        ..area
    }
}

/// What is listed; the order, too, where no column shows it.
fn title<'a>(state: &'a State, paint: &Paint<'_>, columns: &Columns) -> Line<'a> {
    let ui = &state.texts.ui;
    let fleet = &state.fleet;
    let count = if fleet.visible_len() == fleet.len() {
        fleet.len().to_string()
    } else {
        format!("{}/{}", fleet.visible_len(), fleet.len())
    };
    let mut spans = vec![
        Span::styled(ui.pane_instances.as_str(), paint.look.theme.title),
        Span::styled(format!(" {count}"), paint.look.theme.dim),
    ];
    if !fleet.marks.is_empty() {
        let marked = format!(" {}{}", paint.look.glyphs.mark, fleet.marks.len());
        spans.push(Span::styled(marked, paint.look.theme.accent));
    }
    if let Some(column) = column_of(fleet.sort).filter(|column| !columns.has(*column)) {
        let sorted = format!(" {}{}", state.texts.column(column), arrow(state, paint));
        spans.push(Span::styled(sorted, paint.look.theme.dim));
    }
    Line::from(spans)
}

fn filter_line(state: &State, paint: &Paint<'_>) -> Option<Line<'static>> {
    let theme = &paint.look.theme;
    let editing = state.overlays.iter().find_map(|overlay| {
        if let Overlay::Filter(filter) = overlay {
            Some(&filter.edit)
        } else {
            None
        }
    });
    match editing {
        Some(edit) => {
            let (before, rest): (String, String) = {
                let chars: Vec<char> = edit.text().chars().collect();
                let at = edit.cursor().min(chars.len());
                (chars[..at].iter().collect(), chars[at..].iter().collect())
            };
            let mut rest = rest.chars();
            let under = rest.next().map_or(" ".to_owned(), |c| c.to_string());
            Some(Line::from(vec![
                Span::styled("/", theme.key),
                Span::styled(before, theme.text),
                Span::styled(under, theme.selected),
                Span::styled(rest.collect::<String>(), theme.text),
            ]))
        }
        None if !state.fleet.filter_text().is_empty() => Some(Line::from(vec![
            Span::styled("/", theme.key),
            Span::styled(state.fleet.filter_text().to_owned(), theme.accent),
        ])),
        None => None,
    }
}

/// What is under way, or went wrong with the list. It stands in the edge of the pane, so that the
/// rows stay where they are when it comes and goes.
fn foot(state: &State, paint: &Paint<'_>) -> Line<'static> {
    let theme = &paint.look.theme;
    let glyphs = paint.look.glyphs;
    let ui = &state.texts.ui;
    let loading = &state.fleet.loading;
    let working = |text: String| {
        Line::from(Span::styled(
            format!("{} {text}", glyphs.working),
            theme.accent,
        ))
    };
    if loading.running && !loading.quiet && !state.fleet.is_empty() {
        return working(fill(
            &ui.loading_progress,
            &[
                ("n", &state.fleet.len().to_string()),
                (
                    "total",
                    &loading.expected.max(state.fleet.len()).to_string(),
                ),
                ("done", &loading.regions_done.to_string()),
                ("regions", &loading.regions.to_string()),
            ],
        ));
    }
    if let Some(sweep) = state.sweep.filter(|sweep| !sweep.quiet)
        && sweep.done < sweep.total
    {
        return working(fill(
            &ui.sweep_progress,
            &[
                ("n", &sweep.done.to_string()),
                ("total", &sweep.total.to_string()),
            ],
        ));
    }
    if let Some(failure) = state.fleet.failures().first() {
        let text = format!("{} {failure}", glyphs.warn);
        return Line::from(Span::styled(text, theme.warn));
    }
    if let Some(at_once) = state.sweep_held {
        let text = fill(&ui.sweep_held, &[("n", &at_once.to_string())]);
        return Line::from(Span::styled(format!("{} {text}", glyphs.warn), theme.warn));
    }
    if !state.rhythm.on && !state.fleet.is_empty() {
        return Line::from(Span::styled(ui.background_is_off.clone(), theme.dim));
    }
    Line::default()
}

/// What to say when there is nothing to list.
fn empty(state: &State, paint: &mut Paint<'_>, area: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let key = key_of(state, Command::Cancel).unwrap_or_default();
    // What a filter cannot mean is said while it is typed.
    let wrong = crate::app::overlay::filter::wrong(state);
    let hidden = wrong.unwrap_or_else(|| fill(&ui.filter_hides_all, &[("key", &key)]));
    let (text, style) = if state.fleet.loading.running {
        (ui.loading.as_str(), theme.accent)
    } else if !state.fleet.is_empty() {
        (hidden.as_str(), theme.dim)
    } else if state.fleet.failures().is_empty() {
        (ui.no_instances.as_str(), theme.dim)
    } else {
        (ui.listing_failed.as_str(), theme.warn)
    };
    let mut said = vec![(text.to_owned(), style)];
    // Why it failed stays where the list would be; a notice is gone after seconds.
    if state.fleet.is_empty() && !state.fleet.loading.running {
        let failures = state.fleet.failures().iter();
        said.extend(failures.map(|why| (why.clone(), theme.bad)));
    }
    let cells = usize::from(area.width);
    let lines = said.into_iter().flat_map(|(text, style)| {
        let lines = crate::view::text::wrap(&text, cells).into_iter();
        lines.map(move |line| (line, style))
    });
    for (row, (line, style)) in (0..area.height).zip(lines) {
        paint.text(area.x, area.y + row, area.width, &line, style);
    }
}

fn header(state: &State, paint: &mut Paint<'_>, area: Rect, columns: &Columns) {
    let ui = &state.texts.ui;
    let ellipsis = paint.look.glyphs.ellipsis;
    let sorted = |is_key: bool, name: &str| {
        let arrow = if is_key { arrow(state, paint) } else { "" };
        format!("{name}{arrow}")
    };
    let key = column_of(state.fleet.sort);
    let mut text = String::from("   ");
    let name = sorted(key.is_none(), &ui.column_name);
    text.push_str(&fit(&name, columns.name, ellipsis));
    for (column, cells) in columns.shown() {
        let name = sorted(key == Some(*column), state.texts.column(*column));
        push_column(&mut text, &name, *cells, ellipsis);
    }
    let style = paint.look.theme.dim;
    paint.text(area.x, area.y, area.width, &text, style);
}

/// The column that the list is ordered by; `None` for the name.
fn column_of(sort: Sort) -> Option<Column> {
    match sort {
        Sort::Health => Some(Column::Login),
        Sort::Name => None,
        Sort::State => Some(Column::State),
        Sort::Region => Some(Column::Region),
        Sort::Age => Some(Column::Age),
    }
}

/// Which way the order goes.
fn arrow(state: &State, paint: &Paint<'_>) -> &'static str {
    if state.fleet.reversed {
        paint.look.glyphs.more_above
    } else {
        paint.look.glyphs.more_below
    }
}

fn push_column(text: &mut String, content: &str, cells: usize, ellipsis: &str) {
    if cells > 0 {
        text.push_str(&fit(&format!(" {content}"), cells, ellipsis));
    }
}

fn draw_row(
    state: &State,
    paint: &mut Paint<'_>,
    area: Rect,
    row: &Row,
    columns: &Columns,
    selected: bool,
) {
    let theme = &paint.look.theme;
    let glyphs = paint.look.glyphs;
    let instance = &row.instance;
    let (glyph, style) = sign(row, paint);
    let base = if selected { theme.selected } else { theme.text };
    let over = |style: Style| if selected { theme.selected } else { style };
    // How its login fares stays visible under the cursor.
    let lit = |style: Style| match (selected, style.fg) {
        (true, Some(colour)) => theme.selected.fg(colour),
        _ => over(style),
    };
    let style = if is_stale(state, row) {
        theme.dim
    } else {
        style
    };
    let mark = if state.fleet.marks.contains(&instance.id) {
        glyphs.mark
    } else {
        " "
    };
    let name = instance.label();
    let mut spans = vec![
        Span::styled(mark, over(theme.accent)),
        Span::styled(glyph, lit(style)),
        Span::styled(" ", base),
        Span::styled(fit(name, columns.name, glyphs.ellipsis), base),
    ];
    for (column, cells) in columns.shown() {
        let mut text = String::new();
        let content = content(state, row, *column, columns, glyphs.absent);
        push_column(&mut text, &content, *cells, glyphs.ellipsis);
        let of_login = *column == Column::Login;
        let style = if of_login { style } else { theme.dim };
        let style = if of_login { lit(style) } else { over(style) };
        spans.push(Span::styled(text, style));
    }
    let line = Line::from(spans);
    let used: usize = line.spans.iter().map(|s| width(&s.content)).sum();
    paint.line(area.x, area.y, area.width, &line);
    if selected {
        let rest = usize::from(area.width).saturating_sub(used);
        paint.text(
            area.x + used as u16,
            area.y,
            rest as u16,
            &" ".repeat(rest),
            base,
        );
    }
}

/// What a row has in a column.
fn content(
    state: &State,
    row: &Row,
    column: Column,
    columns: &Columns,
    absent: &'static str,
) -> String {
    let (texts, instance) = (state.texts, &row.instance);
    match column {
        Column::Address => {
            let address = instance.address();
            address.map_or_else(|| absent.to_owned(), |address| address.to_string())
        }
        Column::State => texts.instance_state(&instance.state).to_owned(),
        Column::Login => login_word(row, columns, texts),
        Column::Age => row
            .checked_at
            .map_or_else(String::new, |at| texts.age_short(state.now, at)),
        Column::Region => instance.region.clone(),
        Column::Cause => {
            let cause = row.cause.as_deref();
            cause.map_or_else(String::new, |cause| texts.cause(cause, cause).to_owned())
        }
        Column::Zone => instance.zone.clone(),
        Column::Os => texts.os(instance.os).to_owned(),
        Column::Id => instance.id.clone(),
    }
}

/// True when the last look is so long ago that its result may no longer hold.
fn is_stale(state: &State, row: &Row) -> bool {
    let lasts = (3 * state.rhythm.every.sweep).max(STALE_AFTER_S);
    row.checked_at
        .is_some_and(|at| state.now.duration_since(at).as_secs() > lasts)
}

/// Sign and colour of a row's health.
pub fn sign(row: &Row, paint: &Paint<'_>) -> (&'static str, Style) {
    let glyphs = paint.look.glyphs;
    let theme = &paint.look.theme;
    match row.health() {
        Health::Failing => (glyphs.bad, theme.bad),
        Health::Impaired => (glyphs.warn, theme.warn),
        Health::Off => (glyphs.off, theme.dim),
        Health::Unknown if row.checking => (glyphs.working, theme.accent),
        Health::Unknown => (glyphs.unknown, theme.dim),
        Health::Healthy => (glyphs.good, theme.good),
    }
}

/// The login result; where there is no column for the state, a state that explains the result
/// takes its place.
fn login_word(row: &Row, columns: &Columns, texts: &Texts) -> String {
    let instance = &row.instance;
    if !matches!(instance.restrict_state.as_str(), "" | "NORMAL") {
        return texts.instance_state(&instance.restrict_state).to_owned();
    }
    let plain = matches!(instance.state_class(), Some(instance_state::RUNNING))
        || instance.state.is_empty();
    let rescue = instance.state_class() == Some(instance_state::RESCUE);
    if rescue || (!columns.has(Column::State) && !plain) {
        return texts.instance_state(&instance.state).to_owned();
    }
    match &row.login {
        Some(login) if row.fault && login.health != Health::Failing => texts.ui.cause_found.clone(),
        Some(login) => texts.login_word(login.word.as_str()).to_owned(),
        None if row.checking => texts.ui.checking.clone(),
        None => String::new(),
    }
}
