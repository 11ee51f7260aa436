//! The right pane: what is running, what to do next with its key, and the guides that fit.
//!
//! Must not live here: ranking, planning, or anything that could start an action.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::command::Command;
use crate::app::geometry::{Scrolled, keep_visible};
use crate::app::guide_text;
use crate::app::jobs::{Job, JobState};
use crate::app::locale::fill;
use crate::app::state::State;
use crate::app::timed::Timed;
use crate::diagnosis::display::percent;
use crate::domain::action::{ActionId, Risk};
use crate::domain::outcome::Outcome;
use crate::domain::report::{GuideMatch, RankedAction, Report, Verdict};
use crate::view::frame::Look;
use crate::view::panes::diagnosis::{hanging, heading, without_end};
use crate::view::text::{width, wrap};
use crate::view::widgets::paint::Paint;

/// Steps shown of a running action.
const STEPS: usize = 6;

pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focused: bool) -> Scrolled {
    let title = Line::from(Span::styled(
        state.texts.ui.pane_actions.clone(),
        paint.look.theme.title,
    ));
    let inner = paint.frame(area, &title, focused);
    if inner.is_empty() {
        return Scrolled::default();
    }
    let text = Rect {
        width: inner.width.saturating_sub(1),
        ..inner
    };
    let (mut lines, mut selected) = (Vec::new(), None);
    for room in Room::MOST_FIRST {
        (lines, selected) = content(state, paint.look, usize::from(text.width), focused, room);
        if lines.len() <= usize::from(text.height) {
            break;
        }
    }
    let offset = match selected {
        Some(line) if focused => keep_visible(
            state.actions_offset,
            line,
            usize::from(text.height),
            lines.len(),
        ),
        _ => state.actions_offset,
    };
    paint.scrolled(text, &lines, offset)
}

/// What is told without being asked for, where there is room.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// So many of the advices in full.
    advices: usize,
    /// The steps of the best guide.
    steps: bool,
}

impl Room {
    const MOST_FIRST: [Self; 5] = [
        Self::of(3, true),
        Self::of(1, true),
        Self::of(3, false),
        Self::of(1, false),
        Self::of(0, false),
    ];

    const fn of(advices: usize, steps: bool) -> Self {
        Self { advices, steps }
    }
}

fn content(
    state: &State,
    look: &Look,
    cells: usize,
    focused: bool,
    room: Room,
) -> (Vec<Line<'static>>, Option<usize>) {
    let theme = &look.theme;
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    let mut selected = None;
    if let Some(id) = state.fleet.selected_id() {
        for job in state.jobs.of(id).rev().take(2) {
            lines.extend(job_lines(state, job, look, cells));
            lines.push(Line::default());
        }
    }
    lines.extend(timed_lines(state, look, cells));
    let Some(report) = state.selected_report() else {
        let text = if state.selected_case().is_some_and(|case| case.run.is_some()) {
            &ui.actions_wait
        } else {
            &ui.actions_none_yet
        };
        lines.extend(plain(text, cells, theme.dim));
        return (lines, None);
    };
    if state.read_only {
        lines.extend(plain(&ui.read_only_note, cells, theme.warn));
    }
    let aside = if report.actions.is_empty() {
        ""
    } else {
        ui.do_next_aside.as_str()
    };
    let title = if report.verdict == Verdict::Healthy {
        &ui.do_if_it_fails
    } else {
        &ui.do_next
    };
    // What the figures mean is not cut: it stands below where it does not fit beside.
    if width(title) + width(aside) + 2 > cells {
        lines.push(heading(title, "", look));
        lines.extend(plain(aside, cells, theme.dim));
    } else {
        lines.push(heading(title, aside, look));
    }
    if report.actions.is_empty() {
        lines.extend(plain(&ui.no_actions, cells, theme.dim));
    }
    let at = state.action_at.min(item_count(report).saturating_sub(1));
    for (index, action) in report.actions.iter().enumerate() {
        let here = focused && index == at;
        if index == at {
            selected = Some(lines.len());
        }
        lines.extend(action_lines(state, index, action, here, look, cells));
        if index < room.advices {
            lines.extend(advice_lines(state, action, look, cells));
        }
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(ui.guides.clone(), theme.title)));
    if report.guides.is_empty() {
        lines.extend(plain(&ui.no_guides, cells, theme.dim));
    }
    for (index, guide) in report.guides.iter().enumerate() {
        let place = report.actions.len() + index;
        if place == at {
            selected = Some(lines.len());
        }
        let here = focused && place == at;
        lines.extend(guide_lines(state, report, guide, here, look, cells));
        if index == 0 && room.steps && report.verdict != Verdict::Healthy {
            let steps = guide_text::steps(state, &guide.slug);
            lines.extend(steps.iter().enumerate().flat_map(|(at, step)| {
                hanging(&format!("    {} ", at + 1), step, cells, theme.dim)
            }));
        }
    }
    (lines, selected)
}

/// Changes of the selected instance that are taken back by themselves, with the time left.
fn timed_lines(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let own = |timed: &&Timed| Some(timed.instance.as_str()) == state.fleet.selected_id();
    let key = state.keys.chords(Command::Keep).first();
    let mut lines = Vec::new();
    for timed in state.timed.iter().filter(own) {
        let mut text = timed.countdown(state.now, state.texts, state.read_only);
        if let Some(key) = key {
            let keeps = fill(&state.texts.ui.timed_key, &[("key", &key.to_string())]);
            text = format!("{text} {keeps}");
        }
        let style = if timed.has_failed(state.now) {
            look.theme.bad
        } else {
            look.theme.warn
        };
        lines.extend(plain(&text, cells, style));
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

/// Lines that the cursor can stand on.
pub fn item_count(report: &Report) -> usize {
    report.actions.len() + report.guides.len()
}

fn plain(text: &str, cells: usize, style: ratatui::style::Style) -> Vec<Line<'static>> {
    wrap(text, cells)
        .into_iter()
        .map(|line| Line::from(Span::styled(line, style)))
        .collect()
}

fn action_lines(
    state: &State,
    index: usize,
    action: &RankedAction,
    here: bool,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let texts = state.texts;
    let key = if index < 9 {
        format!("{}", index + 1)
    } else {
        " ".to_owned()
    };
    let mut title = texts.offer(action);
    let parameters = parameters(state, action);
    if !parameters.is_empty() {
        title = texts.noted(&title, &parameters);
    }
    let style = if here { theme.selected } else { theme.text };
    let mut lines = Vec::new();
    for (row, line) in wrap(&title, cells.saturating_sub(4))
        .into_iter()
        .enumerate()
    {
        let lead = if row == 0 {
            Span::styled(format!(" {key}  "), theme.key)
        } else {
            Span::raw("    ")
        };
        lines.push(Line::from(vec![lead, Span::styled(line, style)]));
    }
    let separator = format!(" {} ", look.glyphs.separator);
    let mut notes = vec![
        percent(action.probability_cures),
        texts.risk(action.risk).to_owned(),
    ];
    // What risks nothing needs no way back, and what a person does is not taken back from here.
    let is_advice = action.id == ActionId::Advice.as_str();
    if action.reversible && action.risk != Risk::None && !is_advice {
        notes.push(texts.ui.reversible.clone());
    }
    for line in wrap(&notes.join(&separator), cells.saturating_sub(4)) {
        let line = Line::from(vec![Span::raw("    "), Span::styled(line, theme.dim)]);
        lines.push(without_end(line, &separator));
    }
    lines
}

/// What a person is asked to do.
fn advice_lines(
    state: &State,
    action: &RankedAction,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let text = action.parameters.get("text").and_then(|text| text.as_str());
    let known = text.map(|text| state.texts.known(text));
    known.map_or_else(Vec::new, |text| {
        hanging("    ", text, cells, look.theme.dim)
    })
}

/// Parameters as `port 22, source 203.0.113.7/32`.
fn parameters(state: &State, action: &RankedAction) -> String {
    let mut all = Vec::new();
    // The text of an advice is read in full when it is opened.
    for (name, value) in action.parameters.iter().filter(|(name, _)| *name != "text") {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => continue,
            other => other.to_string(),
        };
        // That everybody is let in is what the title says.
        if text.is_empty() || (name == "source" && text == "any") {
            continue;
        }
        let hidden = state.looks.privacy && text.contains(['.', ':']);
        let text = if hidden {
            state.texts.ui.masked.clone()
        } else {
            text
        };
        all.push(format!("{} {text}", state.texts.parameter(name)));
    }
    state.texts.listed(&all)
}

fn guide_lines(
    state: &State,
    report: &Report,
    guide: &GuideMatch,
    here: bool,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let style = if here { theme.selected } else { theme.text };
    let mut lines = Vec::new();
    for (row, part) in wrap(&guide.title, cells.saturating_sub(4))
        .into_iter()
        .enumerate()
    {
        let lead = if row == 0 { look.glyphs.bullet } else { " " };
        lines.push(Line::from(vec![
            Span::styled(format!(" {lead}  "), theme.accent),
            Span::styled(part, style),
        ]));
    }
    // That the most probable cause is meant goes without saying.
    let cause = guide.cause();
    let obvious = cause.is_some() && cause == report.causes.first().map(|top| top.id.as_str());
    let reason = guide_text::reason(state.texts, Some(report), guide);
    if !reason.is_empty() && !obvious {
        for line in wrap(&reason, cells.saturating_sub(4)).into_iter().take(2) {
            lines.push(Line::from(vec![
                Span::raw("    "),
                Span::styled(line, theme.dim),
            ]));
        }
    }
    lines
}

/// How far an action is: a sign, a sentence, and their colour.
pub fn standing(state: &State, job: &Job, look: &Look) -> (String, Style) {
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let ui = &state.texts.ui;
    let (glyph, style, word) = match &job.state {
        JobState::Preparing => (glyphs.working, theme.accent, ui.job_preparing.clone()),
        JobState::Previewed => (glyphs.bullet, theme.text, ui.job_previewed.clone()),
        JobState::Running => (glyphs.working, theme.accent, ui.job_running.clone()),
        JobState::TakenBack => (glyphs.bullet, theme.dim, ui.job_taken_back.clone()),
        JobState::Ended(ending, detail) => {
            let (glyph, style, word) = match ending {
                Outcome::Done => (glyphs.good, theme.good, &ui.job_done),
                Outcome::Restored => (glyphs.good, theme.good, &ui.job_restored),
                Outcome::Improved => (glyphs.warn, theme.warn, &ui.job_improved),
                Outcome::Unchanged => (glyphs.warn, theme.warn, &ui.job_unchanged),
                Outcome::Worse => (glyphs.bad, theme.bad, &ui.job_worse),
                Outcome::Failed => (glyphs.bad, theme.bad, &ui.job_failed),
                Outcome::Unknown | Outcome::Interrupted => {
                    (glyphs.unknown, theme.warn, &ui.job_unknown)
                }
            };
            (
                glyph,
                style,
                state
                    .texts
                    .in_a_row(word, &begun(&state.texts.said(detail))),
            )
        }
    };
    (format!("{glyph} {word}"), style)
}

/// A sentence as it stands after another one; what begins with an id or a command stays as it is.
fn begun(sentence: &str) -> String {
    let word = sentence
        .split([' ', ',', ';', ':'])
        .next()
        .unwrap_or_default();
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) if word.chars().all(|letter| letter.is_ascii_lowercase()) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

fn job_lines(state: &State, job: &Job, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let (standing, style) = standing(state, job, look);
    let age = state
        .texts
        .age_sentence(state.now, job.ended_at.unwrap_or(job.started_at));
    let mut lines = Vec::new();
    let title = state.texts.said(&job.title);
    for line in wrap(&state.texts.noted(&title, &age), cells) {
        lines.push(Line::from(Span::styled(line, theme.title)));
    }
    for line in wrap(&standing, cells) {
        lines.push(Line::from(Span::styled(line, style)));
    }
    let skip = job.steps.len().saturating_sub(STEPS);
    for step in job.steps.iter().skip(skip) {
        let step = state.texts.said(step);
        for line in wrap(
            &format!("{} {step}", glyphs.bullet),
            cells.saturating_sub(2),
        ) {
            lines.push(Line::from(vec![
                Span::raw("  "),
                Span::styled(line, theme.dim),
            ]));
        }
    }
    lines
}
