//! The middle pane: verdict, matrix, causes, facts, and what is not known.
//!
//! Must not live here: weighing or wording of causes.

use std::net::SocketAddr;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::facts::Told;
use super::{actions, causes, facts, history, matrix};
use crate::app::case::Case;
use crate::app::command::Command;
use crate::app::geometry::Scrolled;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::diagnosis::asks_for_way;
use crate::diagnosis::display;
use crate::diagnosis::display::{abstains, percent};
use crate::domain::evidence::Path;
use crate::domain::evidence::table::{Group, Way};
use crate::domain::instance::Instance;
use crate::domain::report::{NextEvidence, Report, Verdict};
use crate::view::frame::{Look, chord_label};
use crate::view::layout::TWO_COLUMNS;
use crate::view::text::{width, wrap};
use crate::view::widgets::paint::Paint;

/// Share from which a cause is named in the verdict.
pub(super) const NAMED: f64 = 0.4;
/// Readings to get next that are named.
const MOST_NEXT: usize = 5;

pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focused: bool) -> Scrolled {
    let title = Line::from(Span::styled(
        state.texts.ui.pane_diagnosis.clone(),
        paint.look.theme.title,
    ));
    let inner = paint.frame(area, &title, focused);
    let cells = usize::from(inner.width.saturating_sub(1));
    if inner.is_empty() {
        return Scrolled::default();
    }
    let rows = usize::from(inner.height);
    let half = cells.saturating_sub(GUTTER) / 2;
    if half >= HALF {
        let left = why(state, paint.look, half, focused, usize::MAX);
        let right = what_was_read(state, paint.look, half, Some(rows + 1));
        // The blank above what was read is not drawn at the top of a column.
        if left.len() <= rows && right.len() <= rows + 1 && !right.is_empty() {
            let column = |x: usize| Rect {
                x: inner.x + x as u16,
                width: half as u16,
                ..inner
            };
            // What is read closely has a column of its own.
            paint.scrolled(column(half + GUTTER), &without_first_blank(right), 0);
            return paint.scrolled(column(0), &left, 0);
        }
    }
    let text = Rect {
        width: inner.width.saturating_sub(1),
        ..inner
    };
    // Reasons first, then facts: as much as there is room for.
    let mut lines = Vec::new();
    for reasons in [usize::MAX, STRONGEST, 0] {
        lines = why(state, paint.look, cells, focused, reasons);
        let room = rows.saturating_sub(lines.len());
        lines.extend(what_was_read(state, paint.look, cells, Some(room)));
        if lines.len() <= rows {
            break;
        }
    }
    paint.scrolled(text, &lines, state.diagnosis_offset)
}

/// Reasons that are worth more than facts that are as they should be.
const STRONGEST: usize = 3;
/// Cells of half a pane from which its facts stand beside its causes, and those between them.
const HALF: usize = 50;
const GUTTER: usize = 3;

fn without_first_blank(mut lines: Vec<Line<'static>>) -> Vec<Line<'static>> {
    if lines.first().is_some_and(|line| line.width() == 0) {
        lines.remove(0);
    }
    lines
}

/// What is wrong and why, with so many reasons for the leading cause.
fn why(
    state: &State,
    look: &Look,
    cells: usize,
    focused: bool,
    reasons: usize,
) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let ui = &state.texts.ui;
    let Some(instance) = state.selected_instance() else {
        return wrapped(&ui.nothing_selected, cells, theme.dim);
    };
    let case = state.selected_case();
    let mut lines = identity(state, instance, look, cells);
    lines.extend(status(state, case, look, cells));
    lines.push(Line::default());
    lines.extend(matrix::lines(state, case, instance, look, cells));
    if let Some(report) = case.and_then(|case| case.report.as_ref()) {
        lines.push(Line::default());
        lines.push(heading(
            &ui.why,
            &fill(&ui.coverage, &[("share", &whole_percent(report.coverage))]),
            look,
        ));
        let unfolded = case.map_or(&[][..], |case| &case.unfolded);
        let (bars, _) = causes::lines(state, report, unfolded, reasons, focused, look, cells);
        lines.extend(bars);
        if report.conflict.is_some() {
            let places = display::surprising(report);
            let names: Vec<String> = places
                .iter()
                .map(|(id, path)| state.texts.evidence_on(id, *path))
                .collect();
            let what = state.texts.listed(&names);
            let text = fill(&ui.conflict, &[("what", &what)]);
            lines.extend(wrapped(
                &format!("{} {text}", look.glyphs.warn),
                cells,
                theme.warn,
            ));
        }
        lines.extend(next_evidence(state, report, look, cells));
    }
    lines
}

/// What it was read from, in `room` rows where they are all that there is.
fn what_was_read(
    state: &State,
    look: &Look,
    cells: usize,
    room: Option<usize>,
) -> Vec<Line<'static>> {
    let Some(case) = state.selected_case() else {
        return Vec::new();
    };
    let mut read = history::past(state, case, look, cells);
    let unknown = facts::unknowns(state, case, look, cells);
    let told = match room {
        Some(room) if !state.zoomed => {
            Told::Within(room.saturating_sub(read.len() + unknown.len()))
        }
        _ => Told::All,
    };
    read.extend(facts::lines(state, case, look, cells, told));
    read.extend(unknown);
    read
}

pub fn wrapped(text: &str, cells: usize, style: ratatui::style::Style) -> Vec<Line<'static>> {
    wrap(text, cells)
        .into_iter()
        .map(|line| Line::from(Span::styled(line, style)))
        .collect()
}

pub fn heading(title: &str, aside: &str, look: &Look) -> Line<'static> {
    Line::from(vec![
        Span::styled(title.to_owned(), look.theme.title),
        Span::styled(format!("  {aside}"), look.theme.dim),
    ])
}

fn whole_percent(share: f64) -> String {
    format!("{:.0}%", (share * 100.0).clamp(0.0, 100.0))
}

fn identity(state: &State, instance: &Instance, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let texts = state.texts;
    let separator = format!(" {} ", look.glyphs.separator);
    let mut facts = Vec::new();
    if !state.looks.privacy {
        facts.push(instance.id.clone());
    }
    for fact in [
        instance.zone.as_str(),
        texts.os(instance.os),
        texts.instance_state(&instance.state),
    ] {
        if !fact.is_empty() {
            facts.push(fact.to_owned());
        }
    }
    facts.push(way_in(state, instance));
    let mut lines = vec![Line::from(Span::styled(
        instance.name.clone(),
        look.theme.title,
    ))];
    let joined = wrapped(&facts.join(&separator), cells, look.theme.dim);
    lines.extend(joined.into_iter().map(|line| without_end(line, &separator)));
    lines
}

/// Where users come in: address and port.
fn way_in(state: &State, instance: &Instance) -> String {
    let port = instance.login_port();
    let address = instance.public_addresses.first();
    match address.or(instance.private_addresses.first()) {
        Some(address) if !state.looks.privacy => SocketAddr::new(*address, port).to_string(),
        _ => format!("{} {port}", state.texts.ui.port),
    }
}

/// A line that breaks at a separator ends with what stands before it.
pub fn without_end(mut line: Line<'static>, separator: &str) -> Line<'static> {
    if let Some(last) = line.spans.last_mut() {
        let text = last.content.trim_end().to_owned();
        let cut = text.strip_suffix(separator.trim()).unwrap_or(&text);
        last.content = cut.trim_end().to_owned().into();
    }
    line
}

/// The verdict in words, or what is going on.
fn status(state: &State, case: Option<&Case>, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    let Some(case) = case else {
        let key = state
            .keys
            .chords(Command::Triage)
            .first()
            .map_or_else(String::new, |c| chord_label(&c.to_string()));
        return wrapped(
            &fill(&ui.not_triaged, &[("key", &key)]),
            cells,
            theme.accent,
        );
    };
    if case.run.is_some() {
        let text = if case.deep {
            &ui.looking_deep
        } else {
            &ui.looking
        };
        let text = fill(text, &[("n", &case.readings.len().to_string())]);
        lines.extend(wrapped(
            &format!("{} {text}", glyphs.working),
            cells,
            theme.accent,
        ));
    }
    if let Some(error) = &case.error {
        let error = state.texts.said(error);
        lines.extend(wrapped(
            &format!("{} {error}", glyphs.bad),
            cells,
            theme.bad,
        ));
    }
    if let Some(report) = &case.report {
        lines.extend(verdict(state, report, look, cells));
        if let Some(vantages) = display::vantages(report) {
            let text = state.texts.said(&vantages);
            lines.extend(wrapped(&text, cells, theme.text));
        }
        lines.extend(last_step(state, look, cells));
        lines.extend(first_step(state, report, look, cells));
        lines.extend(history::onset(state, case, look, cells));
        lines.extend(history::together(state, look, cells));
        let age = case
            .newest()
            .map_or_else(String::new, |at| state.texts.age_sentence(state.now, at));
        let user = match state.user_source {
            Some(address) if !state.looks.privacy => address.to_string(),
            Some(_) => ui.masked.clone(),
            None if state.user_is_here => ui.user_here.clone(),
            None => ui.user_unknown.clone(),
        };
        let text = fill(
            &ui.vantage,
            &[("age", &age), ("host", &state.vantage), ("user", &user)],
        );
        lines.extend(wrapped(&text, cells, theme.dim));
    }
    if let Some(cause) = &case.confirmed {
        let text = fill(&ui.confirmed, &[("cause", state.texts.cause(cause, cause))]);
        lines.extend(wrapped(
            &format!("{} {text}", glyphs.good),
            cells,
            theme.good,
        ));
    }
    lines
}

/// What is wrong, in one sentence.
fn verdict(state: &State, report: &Report, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let ui = &state.texts.ui;
    let named = report
        .causes
        .first()
        .filter(|cause| report.verdict == Verdict::Faulty && cause.probability >= NAMED);
    let keys = display::unproven_keys(report);
    let (glyph, style, text) = match (report.verdict, named) {
        (Verdict::Healthy, _) if keys.is_some() => {
            (glyphs.good, theme.good, ui.verdict_healthy_so_far.clone())
        }
        (Verdict::Healthy, _) => (glyphs.good, theme.good, ui.verdict_healthy.clone()),
        (Verdict::Faulty, None) => (glyphs.bad, theme.bad, ui.verdict_faulty.clone()),
        (Verdict::Faulty, Some(cause)) => {
            let text = fill(
                &ui.verdict_faulty_cause,
                &[
                    ("cause", state.texts.cause(&cause.id, &cause.title)),
                    ("word", state.texts.likelihood(cause.probability)),
                ],
            );
            (glyphs.bad, theme.bad, text)
        }
        (Verdict::Inconclusive, _) if asks_for_way(report) => {
            let key = key_of(state, Command::Tell);
            let text = fill(&ui.verdict_way_open, &[("key", &key)]);
            (glyphs.unknown, theme.warn, text)
        }
        (Verdict::Inconclusive, _) => (glyphs.unknown, theme.warn, ui.verdict_inconclusive.clone()),
    };
    let mut lines = hanging(&format!("{glyph} "), &text, cells, style);
    if let Some(keys) = keys {
        let keys = if state.looks.privacy {
            &ui.masked
        } else {
            &keys
        };
        let values = [
            ("keys", keys.as_str()),
            ("login", &key_of(state, Command::TryLogin)),
            ("paste", &key_of(state, Command::PasteError)),
        ];
        lines.extend(wrapped(&fill(&ui.key_unproven, &values), cells, theme.warn));
    }
    if abstains(report) && report.verdict != Verdict::Healthy {
        let key = key_of(state, Command::Ticket);
        let text = fill(&ui.abstains, &[("key", &key)]);
        lines.extend(wrapped(&text, cells, theme.accent));
    }
    lines
}

fn key_of(state: &State, command: Command) -> String {
    let key = state.keys.chords(command).first();
    key.map_or_else(String::new, |key| chord_label(&key.to_string()))
}

fn actions_are_hidden(state: &State) -> bool {
    state.zoomed || state.size.0 < TWO_COLUMNS
}

/// How far the newest action is, where the pane of actions is not on the screen.
fn last_step(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let newest = state
        .fleet
        .selected_id()
        .and_then(|id| state.jobs.of(id).next_back());
    match newest {
        Some(job) if actions_are_hidden(state) => {
            let (text, style) = actions::standing(state, job, look);
            let text = if job.state.is_running() {
                state.texts.labelled(&text, &state.texts.said(&job.title))
            } else {
                text
            };
            wrapped(&text, cells, style)
        }
        _ => Vec::new(),
    }
}

/// The key of the best action, where the pane of actions is not on the screen.
fn first_step(state: &State, report: &Report, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let hidden = actions_are_hidden(state);
    let key = state.keys.chords(Command::Action1).first();
    let (Some(action), Some(key), true) = (report.actions.first(), key, hidden) else {
        return Vec::new();
    };
    if report.verdict == Verdict::Healthy {
        return Vec::new();
    }

    let cures = fill(
        &state.texts.ui.cures,
        &[("share", &percent(action.probability_cures))],
    );
    let title = [
        &state.texts.offer(action),
        &cures,
        state.texts.risk(action.risk),
    ]
    .join(&format!(" {} ", look.glyphs.separator));
    let key = chord_label(&key.to_string());
    let mut lines = hanging(&format!("{key} "), &title, cells, look.theme.accent);
    if let Some(span) = lines.first_mut().and_then(|line| line.spans.first_mut()) {
        span.style = look.theme.key;
    }
    lines
}

/// Lines of a text under a sign in front of the first of them.
pub fn hanging(
    lead: &str,
    text: &str,
    cells: usize,
    style: ratatui::style::Style,
) -> Vec<Line<'static>> {
    let indent = width(lead);
    wrap(text, cells.saturating_sub(indent))
        .into_iter()
        .enumerate()
        .map(|(row, line)| {
            let lead = if row == 0 {
                lead.to_owned()
            } else {
                " ".repeat(indent)
            };
            Line::from(vec![Span::styled(lead, style), Span::styled(line, style)])
        })
        .collect()
}

fn next_evidence(state: &State, report: &Report, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let ui = &state.texts.ui;
    if report.next_evidence.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::default(), heading(&ui.next_evidence, "", look)];
    // What one key reads is one line: it is the same look and the same consent.
    let mut looks: Vec<(Command, Vec<&NextEvidence>)> = Vec::new();
    for next in report.next_evidence.iter().take(MOST_NEXT) {
        let way = way_to(&next.id, next.path);
        let same = |(known, with): &&mut (Command, Vec<&NextEvidence>)| {
            *known == way && with.first().is_some_and(|first| first.needs == next.needs)
        };
        match looks.iter_mut().find(same) {
            Some((_, with)) => with.push(next),
            None => looks.push((way, vec![next])),
        }
    }
    for (way, with) in looks.into_iter().take(3) {
        let texts = state.texts;
        let most =
            |of: fn(&NextEvidence) -> f64| with.iter().map(|next| of(next)).fold(0.0, f64::max);
        let price = texts.price(most(|next| next.bits), most(|next| next.cost_s));
        let names: Vec<String> = with
            .iter()
            .map(|next| texts.evidence_on(&next.id, next.path))
            .collect();
        let mut text = texts.labelled(&texts.listed(&names), &price);
        if let Some(first) = with.first().filter(|first| !first.needs.is_empty()) {
            text = texts.and_also(&text, &texts.said(&first.needs));
        }
        let key = state.keys.chords(way).first();
        let key = key.map_or_else(
            || look.glyphs.bullet.to_owned(),
            |key| chord_label(&key.to_string()),
        );
        let mut block = hanging(&format!("{key} "), &text, cells, look.theme.text);
        if let Some(span) = block.first_mut().and_then(|line| line.spans.first_mut()) {
            span.style = look.theme.key;
        }
        lines.extend(block);
    }
    lines
}

/// The command that gets a piece of evidence on a path.
pub(super) fn way_to(evidence: &str, path: Option<Path>) -> Command {
    match path {
        Some(Path::User) => return Command::Kit,
        Some(path) if path.is_neighbours() => return Command::Neighbours,
        Some(Path::Provider) => return Command::Providers,
        _ => {}
    }
    match Group::of(evidence).map_or(Way::Look, |group| group.way) {
        Way::Look => Command::Triage,
        Way::Deep => Command::DeepCheck,
        Way::Login => Command::TryLogin,
        Way::Paste => Command::PasteError,
        Way::Tell => Command::Tell,
        Way::UserSource => Command::UserSource,
        Way::Kit => Command::Kit,
    }
}
