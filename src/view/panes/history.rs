//! When login began to fail, what changed then, the load, and what was wrong here before.
//!
//! Must not live here: remembering (`app::track`, `app::case`).

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use super::diagnosis::{hanging, heading, wrapped};
use crate::app::case::Case;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::diagnosis::display::percent;
use crate::domain::evidence::group;
use crate::domain::evidence::state::recent_change;
use crate::domain::history::PastCase;
use crate::view::frame::Look;
use crate::view::text::width;
use crate::view::widgets::sparkline;

/// Earlier cases that are shown.
const CASES: usize = 3;

/// A time of day, with the date where that is not today's.
fn clock(now: Timestamp, at: Timestamp) -> String {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    let format = if day(now) == day(at) {
        "%H:%M:%SZ"
    } else {
        "%Y-%m-%d %H:%MZ"
    };
    at.strftime(format).to_string()
}

/// Between which looks login began to fail, and the change that the audit log has before that.
pub fn onset(state: &State, case: &Case, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let Some(onset) = state.selected_row().and_then(|row| row.track().onset()) else {
        return Vec::new();
    };
    let text = fill(
        &state.texts.ui.onset,
        &[
            ("before", &clock(state.now, onset.answered)),
            ("since", &clock(state.now, onset.failed)),
        ],
    );
    let mut lines = wrapped(&text, cells, look.theme.text);
    let change = case
        .reading(group::RECENT_CHANGE, None)
        .filter(|reading| reading.seen() == Some(recent_change::RELEVANT_BEFORE_ONSET));
    if let Some(change) = change
        && !state.looks.privacy
    {
        lines.extend(wrapped(&change.detail, cells, look.theme.warn));
    }
    lines
}

/// The instances that fail together with this one.
pub fn together(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let Some(id) = state.fleet.selected_id() else {
        return Vec::new();
    };
    let causes = state.fleet_causes.causes.iter();
    let mut incidents = causes.flat_map(|cause| &cause.incidents);
    let Some(incident) = incidents.find(|one| one.instances.iter().any(|i| i == id)) else {
        return Vec::new();
    };
    let told = state
        .texts
        .said(&incident.shown(state.looks.privacy).said());
    wrapped(&told, cells, look.theme.warn)
}

/// How busy the instance was in the last hour.
pub fn load(state: &State, case: &Case, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for load in &case.load {
        let Some(now) = load.percent.last() else {
            continue;
        };
        let style = match now {
            now if *now >= 95.0 => look.theme.bad,
            now if *now >= 80.0 => look.theme.warn,
            _ => look.theme.good,
        };
        let name = state.texts.evidence(load.evidence);
        let figures = sparkline::figures(&load.percent, 100.0, look);
        let text = format!("{now:.0}%  ");
        let used: usize = spans.iter().map(|span| width(&span.content)).sum();
        if used + width(name) + width(&figures) + width(&text) + 2 > cells {
            break;
        }
        spans.push(Span::styled(format!("{name} "), look.theme.dim));
        spans.push(Span::styled(figures, style));
        spans.push(Span::styled(format!(" {text}"), look.theme.text));
    }
    if spans.is_empty() {
        return Vec::new();
    }
    vec![Line::from(spans)]
}

/// What earlier diagnoses found, and what cured it. The diagnosis on the screen is none of them.
pub fn past(state: &State, case: &Case, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let ui = &state.texts.ui;
    let report = case.report.as_ref();
    let shown = report.and_then(|report| PastCase::of(report, state.now));
    let earlier = case
        .past
        .iter()
        .filter(|past| case.finished_at.is_none_or(|finished| past.at < finished))
        .filter(|past| shown.as_ref().is_none_or(|shown| !shown.repeats(past)));
    let mut lines = Vec::new();
    for past in earlier.take(CASES) {
        let time = clock(state.now, past.at);
        let mut text = if past.verdict == "healthy" {
            fill(&ui.past_healthy, &[("time", &time)])
        } else {
            fill(
                &ui.past_case,
                &[
                    ("time", &time),
                    ("cause", state.texts.cause(&past.cause, &past.cause)),
                    ("share", &percent(past.probability)),
                ],
            )
        };
        if !past.cured_by.is_empty() {
            let action = state.texts.action(&past.cured_by, &past.cured_by);
            text = state
                .texts
                .and_also(&text, &fill(&ui.past_cure, &[("action", action)]));
        }
        if !past.on.is_empty() {
            let on = fill(&ui.past_on, &[("host", &past.on)]);
            text = state.texts.and_also(&text, &on);
        }
        let sign = format!("{} ", look.glyphs.bullet);
        lines.extend(hanging(&sign, &text, cells, look.theme.text));
    }
    if !lines.is_empty() {
        lines.insert(0, heading(&ui.past_title, "", look));
        lines.insert(0, Line::default());
    }
    lines
}
