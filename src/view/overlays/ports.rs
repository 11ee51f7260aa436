//! The port verification: each tuple with what the rules say and what a try from here found, and
//! beneath them why, and what opens the selected one.
//!
//! Must not live here: what a row comes to (`domain::port_check`).

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::hints::{self, hint};
use crate::app::case::Case;
use crate::app::geometry::keep_visible;
use crate::app::keys::List;
use crate::app::locale::fill;
use crate::app::overlay::ports::opening;
use crate::app::port_view::PortView;
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::evidence::{Reading, group};
use crate::domain::instance::Instance;
use crate::domain::port_check::Answer;
use crate::domain::port_report::{PortReport, Row, said};
use crate::domain::ports::Direction;
use crate::domain::said::Said;
use crate::view::layout::centred;
use crate::view::text::{fit, width, wrap};
use crate::view::theme::Theme;
use crate::view::widgets::paint::Paint;

const WIDTH: u16 = 110;
/// Lines that tell why, and what opens the selected row.
const TOLD: usize = 5;

pub fn draw(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = paint.look.theme.clone();
    let ui = &state.texts.ui;
    // What is told at the foot stays in sight.
    let screen = Rect {
        height: screen.height.saturating_sub(1),
        ..screen
    };
    let name = state.selected_instance().map_or("", |one| one.label());
    let title = fill(&ui.ports_title, &[("name", name)]);
    let case = state.selected_case();
    let empty = PortView::default();
    let view = case.map_or(&empty, |case| &case.ports);
    let head = head(state, case, view, &theme);
    // The border, the keys, and the row of the vendor's button.
    let rest = view
        .report
        .as_ref()
        .map_or(0, |report| report.rows.len() + 1 + TOLD)
        + 3;
    let height =
        u16::try_from(head.len() + rest).map_or(screen.height, |all| all.min(screen.height));
    let area = centred(screen, WIDTH.min(screen.width), height);
    paint.clear(area);
    let title = Line::from(Span::styled(title, theme.title));
    let mut inner = paint.frame(area, &title, true);
    let keys = [
        (List::Accept.into(), Some(ui.ports_open.as_str())),
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
    let mut y = inner.y;
    for (text, style) in head {
        for line in wrap(&text, usize::from(inner.width)) {
            if y < inner.bottom() {
                paint.text(inner.x, y, inner.width, &line, style);
                y += 1;
            }
        }
    }
    if let Some(report) = &view.report {
        let rest = Rect {
            y,
            height: inner.bottom().saturating_sub(y),
            ..inner
        };
        rows(state, report, selected, paint, rest);
    }
}

/// What is said of the whole: how far it is, and what else stands in the way of every row.
fn head(
    state: &State,
    case: Option<&Case>,
    view: &PortView,
    theme: &Theme,
) -> Vec<(String, Style)> {
    let ui = &state.texts.ui;
    let mut head = Vec::new();
    if view.run.is_some() {
        head.push((ui.ports_running.clone(), theme.accent));
    }
    if let Some(why) = &view.error {
        let why = state.texts.said(why);
        head.push((fill(&ui.check_failed, &[("why", &why)]), theme.bad));
    }
    if let Some(report) = &view.report {
        let when = state.texts.age_sentence(state.now, report.at);
        let tried = match report.address {
            Some(address) if !state.looks.privacy => address.to_string(),
            Some(_) => ui.masked.clone(),
            None => ui.ports_not_tried.clone(),
        };
        let text = fill(&ui.ports_read, &[("age", &when), ("address", &tried)]);
        head.push((text, theme.dim));
    }
    let route = view
        .report
        .as_ref()
        .and_then(|report| report.route.as_ref());
    let firewall = case.and_then(|case| case.reading(group::GUEST_FIREWALL, None));
    for (id, reading, unread) in [
        (group::ROUTE, route, &ui.ports_route_unread),
        (group::GUEST_FIREWALL, firewall, &ui.ports_guest_unread),
    ] {
        let line = match reading.and_then(Reading::observed_state) {
            Some(word) => (state.texts.reading(id, None, word), theme.text),
            None => (unread.clone(), theme.dim),
        };
        head.push(line);
    }
    head
}

fn rows(state: &State, report: &PortReport, selected: usize, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.look.theme.clone();
    let all = report.rows.len() + 1;
    let selected = selected.min(all - 1);
    let cells = usize::from(area.width);
    let room = usize::from(area.height);
    let below = TOLD.min(room.saturating_sub(4));
    let height = room.saturating_sub(below);
    let table: Vec<[String; 5]> = report.rows.iter().map(|row| columns(state, row)).collect();
    let widths: Vec<usize> = (0..4)
        .map(|column| {
            table
                .iter()
                .map(|row| width(&row[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let offset = keep_visible(0, selected, height, all);
    let ellipsis = paint.look.glyphs.ellipsis;
    for row in (offset..all).take(height) {
        let y = area.y + (row - offset) as u16;
        let (line, style) = match (table.get(row), report.rows.get(row)) {
            (Some(words), Some(of)) => {
                let mut line = String::new();
                for (word, width) in words.iter().zip(&widths) {
                    line.push_str(&fit(word, *width, ellipsis));
                    line.push_str("  ");
                }
                line.push_str(&words[4]);
                (
                    line,
                    style_of(&theme, of.judged.answer(), is_login(state, of)),
                )
            }
            _ => (state.texts.ui.ports_common.clone(), theme.text),
        };
        let style = if row == selected {
            theme.selected
        } else {
            style
        };
        paint.text(area.x, y, area.width, &fit(&line, cells, ellipsis), style);
    }
    let first = area.y + height.min(all) as u16;
    let told = told(state, report, selected);
    let lines = told.iter().flat_map(|told| wrap(told, cells));
    for (y, line) in (first + 1..area.bottom()).zip(lines) {
        paint.text(area.x, y, area.width, &line, theme.text);
    }
}

/// Way, service, far side, what the rules say, what was found from here.
fn columns(state: &State, row: &Row) -> [String; 5] {
    let words = |said: Said| state.texts.said(&said);
    let way = match row.tuple.direction {
        Direction::In => said::port_in(),
        Direction::Out => said::port_out(),
    };
    let answer = match row.judged.answer() {
        Answer::Open => said::port_open(),
        Answer::Partly => said::port_partly(),
        Answer::Closed => said::port_closed(),
        Answer::Untold => said::port_untold(),
    };
    [
        words(way),
        row.tuple.service(),
        row.tuple.far_side(),
        words(answer),
        words(row.seen.said()),
    ]
}

/// The port that the users log in at.
fn is_login(state: &State, row: &Row) -> bool {
    let port = state.selected_instance().map(Instance::login_port);
    row.tuple.direction == Direction::In && row.tuple.ports == port.map(|port| (port, port))
}

/// That a port is shut which nobody logs in at is no fault.
fn style_of(theme: &Theme, answer: Answer, login: bool) -> Style {
    match answer {
        Answer::Closed if !login => theme.text,
        Answer::Open => theme.good,
        Answer::Partly => theme.warn,
        Answer::Closed => theme.bad,
        Answer::Untold => theme.dim,
    }
}

/// Why the selected row is as it is, and what opens it.
fn told(state: &State, report: &PortReport, selected: usize) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(row) = report.rows.get(selected)
        && !state.looks.privacy
    {
        told.push(state.texts.said(&row.why()));
    }
    if let Some(opens) = opening(report, selected) {
        let id: ActionId = opens.action;
        let title = state.texts.action(id.as_str(), id.as_str());
        told.push(fill(&state.texts.ui.ports_opens, &[("action", title)]));
    }
    told
}
