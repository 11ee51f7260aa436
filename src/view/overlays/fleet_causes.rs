//! The causes of the whole fleet, with their shares.
//!
//! Must not live here: what is counted (`app::weighing`).

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialogs::{Ask, message};
use super::hints::hint;
use crate::app::geometry::keep_visible;
use crate::app::keys;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::app::weighing;
use crate::diagnosis::fleet::Bond;
use crate::view::widgets::paint::Paint;
use crate::view::widgets::probability_bar::filled;

/// Cells of a bar.
const BAR: usize = 10;
/// Rows of the box beside the causes: border, words above them, keys, a margin.
const OTHER_ROWS: u16 = 10;

pub fn draw(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let fleet = &state.fleet_causes;
    let words = [(counted(state), theme.text)];
    let selected = selected.min(fleet.causes.len().saturating_sub(1));
    let shared = fleet.causes.get(selected).map(|cause| {
        let most = cause.shared.first();
        most.map_or(String::new(), |bond| {
            let what = match bond.what {
                Bond::SecurityGroup => &ui.fleet_one_group,
                Bond::Subnet => &ui.fleet_one_subnet,
                Bond::Zone => &ui.fleet_one_zone,
            };
            let n = bond.instances.len().to_string();
            fill(what, &[("n", &n), ("id", &bond.id)])
        })
    });
    let room = usize::from(screen.height.saturating_sub(OTHER_ROWS));
    let rows = fleet.causes.len().min(room.saturating_sub(1));
    let ask = Ask {
        title: &ui.fleet_title,
        text: &words,
        keys: &[
            (
                keys::List::Accept.into(),
                Some(state.texts.short_command("filter")),
            ),
            hint(keys::List::Close),
        ],
    };
    let extra = rows as u16 + u16::from(shared.is_some());
    let rest = message(state, paint, screen, &ask, extra);
    let height = usize::from(rest.height).min(rows);
    let offset = keep_visible(0, selected, height, fleet.causes.len());
    let glyphs = paint.look.glyphs;
    let largest = fleet.causes.iter().map(|cause| cause.share);
    let largest = largest.fold(f64::EPSILON, f64::max);
    for (row, cause) in fleet.causes.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected {
            theme.selected
        } else {
            theme.text
        };
        let filled = filled(cause.share / largest, BAR);
        let line = format!(
            "{:>4}  {}{}  {:>3.0} %  {}",
            cause.instances.len(),
            glyphs.bar.repeat(filled),
            glyphs.bar_rest.repeat(BAR - filled),
            cause.share * 100.0,
            state.texts.cause(&cause.id, &cause.title)
        );
        let y = rest.y + (row - offset) as u16;
        paint.text(rest.x, y, rest.width, &line, style);
    }
    if let Some(shared) = shared {
        let y = rest.y + height as u16;
        let line = Line::from(Span::styled(shared, theme.dim));
        if y < rest.y + rest.height {
            paint.line(rest.x, y, rest.width, &line);
        }
    }
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
