//! The causes of the whole fleet, with their shares, and the instances that fail together.
//!
//! Must not live here: what is counted (`app::weighing`, `diagnosis::incident`).

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialogs::{Ask, message};
use super::hints::hint;
use crate::app::batch::Choice;
use crate::app::geometry::keep_visible;
use crate::app::keys;
use crate::app::locale::fill;
use crate::app::overlay::fleet_causes::{Entry, entries};
use crate::app::state::State;
use crate::app::weighing;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;
use crate::view::widgets::probability_bar::filled;

/// Cells of a bar.
const BAR: usize = 10;
/// Rows of the box beside the causes: border, words above them, keys, a margin.
const OTHER_ROWS: u16 = 10;
/// Rows below them that tell of the selected one; more where an incident may be.
const TOLD_ROWS: usize = 2;
const TOLD_ROWS_OF_INCIDENT: usize = 5;

pub fn draw(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let words = [(counted(state), theme.text)];
    let all = entries(&state.fleet_causes);
    let selected = selected.min(all.len().saturating_sub(1));
    let picked = all.get(selected);
    let repair = picked.and_then(|entry| entry.repair(state));
    let room = usize::from(screen.height.saturating_sub(OTHER_ROWS));
    let below = match all.iter().any(|entry| entry.incident.is_some()) {
        _ if all.is_empty() => 0,
        true => TOLD_ROWS_OF_INCIDENT,
        false => TOLD_ROWS,
    };
    let rows = all.len().min(room.saturating_sub(below));
    let mut keys = vec![(
        keys::Causes::Accept.into(),
        Some(state.texts.short_command("filter")),
    )];
    if repair.is_some() {
        keys.push(hint(keys::Causes::Repair));
    }
    keys.push(hint(keys::Causes::Close));
    let ask = Ask {
        title: &ui.fleet_title,
        text: &words,
        keys: &keys,
    };
    let rest = message(state, paint, screen, &ask, (rows + below) as u16);
    let height = usize::from(rest.height).min(rows);
    let offset = keep_visible(0, selected, height, all.len());
    let largest = state.fleet_causes.causes.iter().map(|cause| cause.share);
    let largest = largest.fold(f64::EPSILON, f64::max);
    for (row, entry) in all.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected {
            theme.selected
        } else {
            theme.text
        };
        let line = line(state, entry, largest, paint);
        let y = rest.y + (row - offset) as u16;
        paint.text(rest.x, y, rest.width, &line, style);
    }
    let told = picked.map(|entry| told(state, entry, repair.as_ref()));
    let told = told.unwrap_or_default();
    let free = rest.y + height as u16..rest.y + rest.height;
    let width = usize::from(rest.width);
    let lines = told.iter().flat_map(|told| wrap(told, width));
    for (y, line) in free.zip(lines) {
        paint.line(
            rest.x,
            y,
            rest.width,
            &Line::from(Span::styled(line, theme.dim)),
        );
    }
}

/// A cause with its bar, or the instances beneath it that fail together.
fn line(state: &State, entry: &Entry<'_>, largest: f64, paint: &Paint<'_>) -> String {
    let cause = entry.cause;
    if let Some(incident) = entry.incident {
        let indent = " ".repeat(BAR + 14);
        return format!(
            "{indent}{}",
            state
                .texts
                .said(&incident.shown(state.looks.privacy).said())
        );
    }
    let glyphs = paint.look.glyphs;
    let filled = filled(cause.share / largest, BAR);
    format!(
        "{:>4}  {}{}  {:>3.0} %  {}",
        cause.instances.len(),
        glyphs.bar.repeat(filled),
        glyphs.bar_rest.repeat(BAR - filled),
        cause.share * 100.0,
        state.texts.cause(&cause.id, &cause.title)
    )
}

/// The selected row in full, and what mends its instances.
fn told(state: &State, entry: &Entry<'_>, repair: Option<&Choice>) -> Vec<String> {
    let ui = &state.texts.ui;
    let mut told = Vec::new();
    if let Some(incident) = entry.incident {
        told.push(
            state
                .texts
                .said(&incident.shown(state.looks.privacy).said()),
        );
    }
    if let Some(choice) = repair {
        let id = choice.action.as_str();
        let (n, of) = (choice.offered, entry.instances().len());
        told.push(fill(
            &ui.fleet_repair,
            &[
                ("action", state.texts.action(id, id)),
                ("n", &n.to_string()),
                ("of", &of.to_string()),
            ],
        ));
    }
    told
}

/// How far the weighing is, in words.
fn counted(state: &State) -> String {
    let ui = &state.texts.ui;
    let fleet = &state.fleet_causes;
    let left = weighing::unweighed(state);
    let undecided = fleet.undecided.len();
    let failing = fleet.weighed - fleet.healthy - undecided;
    let number = |n: usize| n.to_string();
    let mut words = fill(
        &ui.fleet_counted,
        &[("n", &number(fleet.weighed)), ("failing", &number(failing))],
    );
    for (n, text) in [
        (undecided, &ui.fleet_undecided),
        (fleet.healthy, &ui.fleet_works),
        (left, &ui.fleet_left),
    ] {
        if n > 0 {
            words.push(' ');
            words.push_str(&fill(text, &[("n", &number(n))]));
        }
    }
    words
}
