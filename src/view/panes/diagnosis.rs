//! The middle pane: verdict, matrix, causes, facts, and what is not known.
//!
//! Must not live here: weighing or wording of causes.

use std::fmt::Write as _;
use std::net::SocketAddr;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{actions, causes, history, matrix};
use crate::app::case::Case;
use crate::app::command::Command;
use crate::app::geometry::Scrolled;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::diagnosis::asks_for_way;
use crate::diagnosis::display;
use crate::diagnosis::display::{abstains, percent};
use crate::domain::evidence::table::{Group, Tone, Way};
use crate::domain::evidence::{Reading, Source, Status, group};
use crate::domain::instance::Instance;
use crate::domain::report::{Report, Verdict};
use crate::view::frame::{Look, chord_label};
use crate::view::layout::TWO_COLUMNS;
use crate::view::text::{width, wrap};
use crate::view::widgets::paint::Paint;

/// Share from which a cause is named in the verdict.
const NAMED: f64 = 0.4;

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
    let lines = content(state, paint.look, cells, focused);
    let text = Rect {
        width: inner.width.saturating_sub(1),
        ..inner
    };
    paint.scrolled(text, &lines, state.diagnosis_offset)
}

/// All lines of the pane.
pub fn content(state: &State, look: &Look, cells: usize, focused: bool) -> Vec<Line<'static>> {
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
    let Some(case) = case else {
        return lines;
    };
    if let Some(report) = &case.report {
        lines.push(Line::default());
        lines.push(heading(
            &ui.why,
            &fill(&ui.coverage, &[("share", &whole_percent(report.coverage))]),
            look,
        ));
        let (bars, _) = causes::lines(state, report, &case.unfolded, focused, look, cells);
        lines.extend(bars);
        if report.conflict.is_some() {
            let what = display::surprising(report).in_words(state.texts);
            let text = fill(&ui.conflict, &[("what", &what)]);
            lines.extend(wrapped(
                &format!("{} {text}", look.glyphs.warn),
                cells,
                theme.warn,
            ));
        }
        lines.extend(next_evidence(state, report, look, cells));
    }
    lines.extend(history::past(state, case, look, cells));
    lines.extend(facts(state, case, look, cells));
    lines.extend(unknowns(state, case, look, cells));
    lines
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
    let (glyph, style, text) = match (report.verdict, named) {
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
            let key = state.keys.chords(Command::Tell).first();
            let key = key.map_or_else(String::new, |key| chord_label(&key.to_string()));
            let text = fill(&ui.verdict_way_open, &[("key", &key)]);
            (glyphs.unknown, theme.warn, text)
        }
        (Verdict::Inconclusive, _) => (glyphs.unknown, theme.warn, ui.verdict_inconclusive.clone()),
    };
    let mut lines = hanging(&format!("{glyph} "), &text, cells, style);
    if abstains(report) && report.verdict != Verdict::Healthy {
        let key = state.keys.chords(Command::Ticket).first();
        let key = key.map_or_else(String::new, |key| chord_label(&key.to_string()));
        let text = fill(&ui.abstains, &[("key", &key)]);
        lines.extend(wrapped(&text, cells, theme.accent));
    }
    lines
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
    for next in report.next_evidence.iter().take(3) {
        let worth = match next.bits {
            bits if bits >= 0.5 => &ui.tells_much,
            bits if bits >= 0.15 => &ui.tells_some,
            _ => &ui.tells_little,
        };
        let price = fill(
            &ui.evidence_price,
            &[
                ("worth", worth),
                ("bits", &format!("{:.1}", next.bits)),
                ("seconds", &format!("{:.0}", next.cost_s)),
            ],
        );
        let texts = state.texts;
        let mut text = texts.labelled(&texts.evidence_on(&next.id, next.path), &price);
        if !next.needs.is_empty() {
            text = texts.and_also(&text, &texts.said(&next.needs));
        }
        let key = state.keys.chords(way_to(&next.id)).first();
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

/// The command that gets a piece of evidence.
fn way_to(evidence: &str) -> Command {
    match Group::of(evidence).map_or(Way::Look, |group| group.way) {
        Way::Look => Command::Triage,
        Way::Deep => Command::DeepCheck,
        Way::Login => Command::TryLogin,
        Way::Paste => Command::PasteError,
        Way::Tell => Command::Tell,
        Way::UserSource => Command::UserSource,
    }
}

/// What the cloud, the guest and the operator say, worst first, as sentences.
fn facts(state: &State, case: &Case, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let mut readings: Vec<&Reading> = case
        .readings
        .iter()
        .filter(|r| {
            (r.status == Status::Observed || r.status == Status::Stale)
                && (state.zoomed || r.source != Source::Probe || !matrix::shows(r))
        })
        .collect();
    if readings.is_empty() {
        return Vec::new();
    }
    let rank = |reading: &Reading| match reading.tone() {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Neutral => 2,
        Tone::Good => 3,
        Tone::Unknown => 4,
    };
    readings.sort_by_key(|r| rank(r));
    let ui = &state.texts.ui;
    let aside = if state.zoomed {
        String::new()
    } else {
        let key = state.keys.chords(Command::Zoom).first();
        key.map_or_else(String::new, |key| {
            fill(&ui.facts_more, &[("key", &chord_label(&key.to_string()))])
        })
    };
    let mut lines = vec![Line::default(), heading(&ui.facts, &aside, look)];
    lines.extend(history::load(state, case, look, cells));
    let tells = |reading: &&Reading| matches!(reading.tone(), Tone::Bad | Tone::Warn);
    let (first, rest): (Vec<&Reading>, Vec<&Reading>) = readings
        .into_iter()
        .partition(|reading| state.zoomed || tells(reading));
    for alike in alike(state, &first) {
        lines.extend(fact(state, case, &alike, look, cells));
    }
    // What is as it should be is worth its name, not a line of its own.
    for wanted in [Tone::Good, Tone::Neutral, Tone::Unknown] {
        let (glyph, style, text) = match wanted {
            Tone::Good => (look.glyphs.good, look.theme.good, &ui.facts_good),
            Tone::Neutral => (look.glyphs.bullet, look.theme.text, &ui.facts_neutral),
            _ => (look.glyphs.unknown, look.theme.dim, &ui.facts_stale),
        };
        let names: Vec<String> = rest
            .iter()
            .filter(|reading| reading.tone() == wanted)
            .map(|reading| short_fact(state, case, reading))
            .collect();
        if names.is_empty() {
            continue;
        }
        let text = fill(text, &[("names", &state.texts.listed(&names))]);
        let mut block = hanging(&format!("{glyph} "), &text, cells, look.theme.dim);
        if let Some(span) = block.first_mut().and_then(|line| line.spans.first_mut()) {
            span.style = style;
        }
        lines.extend(block);
    }
    lines
}

/// The name of a reading, with its state where the name alone does not tell it.
fn short_fact(state: &State, case: &Case, reading: &Reading) -> String {
    let text = if reading.tone() == Tone::Good {
        state.texts.evidence_on(&reading.id, reading.path)
    } else {
        let word = reading.state.as_deref().unwrap_or_default();
        state.texts.reading(&reading.id, reading.path, word)
    };
    with_age(state, case, reading, text)
}

/// With how old a reading is that an earlier look took and the last one could not take again.
fn with_age(state: &State, case: &Case, reading: &Reading, text: String) -> String {
    let texts = state.texts;
    match case.kept_from(reading) {
        Some(at) => texts.noted(&text, &texts.age_sentence(state.now, at)),
        None => text,
    }
}

/// Readings that say the same once: one question over both paths; and, while nobody said where the
/// user comes from, the rules for the user and for this host, since both were judged for this host.
fn alike<'r>(state: &State, readings: &[&'r Reading]) -> Vec<Vec<&'r Reading>> {
    let of_rules = |reading: &Reading| {
        [group::SECURITY_GROUP, group::SECURITY_GROUP_HERE].contains(&reading.id.as_str())
    };
    let same = |a: &Reading, b: &Reading| {
        let here = state.user_source.is_none() && !state.zoomed && of_rules(a) && of_rules(b);
        a.state == b.state
            && a.status == b.status
            && (here || (a.id == b.id && a.detail == b.detail))
    };
    let mut all: Vec<Vec<&Reading>> = Vec::new();
    for reading in readings {
        match all.iter_mut().find(|alike| same(alike[0], reading)) {
            Some(alike) => alike.push(reading),
            None => all.push(vec![reading]),
        }
    }
    all
}

/// Readings that say the same, in one sentence.
fn fact(
    state: &State,
    case: &Case,
    alike: &[&Reading],
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let Some(reading) = alike.first() else {
        return Vec::new();
    };
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let (glyph, style) = match reading.tone() {
        Tone::Good => (glyphs.good, theme.good),
        Tone::Warn => (glyphs.warn, theme.warn),
        Tone::Bad => (glyphs.bad, theme.bad),
        Tone::Neutral => (glyphs.bullet, theme.text),
        Tone::Unknown => (glyphs.unknown, theme.dim),
    };
    let word = reading.state.as_deref().unwrap_or_default();
    let names: Vec<String> = alike
        .iter()
        .map(|one| state.texts.evidence_on(&one.id, one.path))
        .collect();
    let names = state.texts.listed(&names);
    let mut text = state
        .texts
        .labelled(&names, state.texts.state(&reading.id, word));
    if reading.status == Status::Stale {
        text = state.texts.noted(&text, state.texts.status(Status::Stale));
    }
    text = with_age(state, case, reading, text);
    if !reading.detail.is_empty() && !state.looks.privacy {
        let detail = state.texts.said(&reading.detail);
        let _ = write!(text, " {} {detail}", glyphs.absent);
    }
    wrap(&text, cells.saturating_sub(2))
        .into_iter()
        .enumerate()
        .map(|(row, line)| {
            let lead = if row == 0 {
                format!("{glyph} ")
            } else {
                "  ".to_owned()
            };
            let text_style = if reading.status == Status::Stale {
                theme.dim
            } else {
                theme.text
            };
            Line::from(vec![
                Span::styled(lead, style),
                Span::styled(line, text_style),
            ])
        })
        .collect()
}

/// What was not observed, not permitted, or failed on our side; never drawn as a fault.
fn unknowns(state: &State, case: &Case, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    for (status, title) in [
        (Status::NotPermitted, &ui.not_permitted),
        (Status::ProbeFailed, &ui.probe_failed),
        (Status::NotAttempted, &ui.not_observed),
    ] {
        let readings: Vec<&Reading> = case
            .readings
            .iter()
            .filter(|r| r.status == status)
            .collect();
        if readings.is_empty() {
            continue;
        }
        lines.push(Line::default());
        lines.push(heading(title, "", look));
        if status == Status::NotAttempted {
            let mut names: Vec<&str> = readings
                .iter()
                .map(|r| state.texts.evidence(&r.id))
                .collect();
            names.sort_unstable();
            names.dedup();
            lines.extend(wrapped(&state.texts.listed(&names), cells, theme.dim));
            continue;
        }
        for reading in readings {
            let why = state
                .texts
                .said(reading.needs.as_ref().unwrap_or(&reading.detail));
            let name = state.texts.evidence_on(&reading.id, reading.path);
            let text = state.texts.labelled(&name, &why);
            let sign = format!("{} ", look.glyphs.unknown);
            lines.extend(hanging(&sign, &text, cells, theme.dim));
        }
    }
    lines
}
