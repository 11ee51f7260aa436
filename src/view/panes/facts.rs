//! What was read: facts worst first, and what is not known, with the key that gets it.
//!
//! Must not live here: the verdict and the causes (`diagnosis`).

use std::fmt::Write as _;

use ratatui::text::{Line, Span};

use super::diagnosis::{NAMED, hanging, heading, way_to};
use super::{history, matrix};
use crate::app::case::Case;
use crate::app::command::Command;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::diagnosis::is_cut_off;
use crate::domain::evidence::table::Tone;
use crate::domain::evidence::{Path, Reading, Source, Status, group};
use crate::domain::report::Verdict;
use crate::view::frame::{Look, chord_label};
use crate::view::text::wrap;

/// How much of the facts is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    All,
    /// What is out of order, and of the rest what fits into so many rows.
    Within(usize),
}

/// What the cloud, the guest and the operator say, worst first, as sentences.
pub(super) fn lines(
    state: &State,
    case: &Case,
    look: &Look,
    cells: usize,
    told: Told,
) -> Vec<Line<'static>> {
    let all = told == Told::All;
    let mut readings: Vec<&Reading> = case
        .readings
        .iter()
        .filter(|r| {
            (r.status == Status::Observed || r.status == Status::Stale)
                && (all || r.source != Source::Probe || !matrix::shows(r))
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
    let mut lines = history::load(state, case, look, cells);
    let tells = |reading: &&Reading| matches!(reading.tone(), Tone::Bad | Tone::Warn);
    let (first, rest): (Vec<&Reading>, Vec<&Reading>) = readings
        .into_iter()
        .partition(|reading| all || tells(reading));
    for alike in alike(state, &first, all) {
        lines.extend(fact(state, case, &alike, look, cells));
    }
    let rest = alike(state, &rest, all);
    let mut spelled = Vec::new();
    let mut named = folded(state, case, &rest, look, cells);
    if let Told::Within(rows) = told {
        // Two rows are the heading's.
        let room = rows.saturating_sub(lines.len() + 2);
        let mut more = Vec::new();
        for (place, alike) in rest.iter().enumerate() {
            more.extend(fact(state, case, alike, look, cells));
            if more.len() > room {
                break;
            }
            let left = folded(state, case, &rest[place + 1..], look, cells);
            if more.len() + left.len() <= room {
                spelled.clone_from(&more);
                named = left;
            }
        }
    }
    let aside = if named.is_empty() {
        String::new()
    } else {
        let key = state.keys.chords(Command::Zoom).first();
        key.map_or_else(String::new, |key| {
            fill(&ui.facts_more, &[("key", &chord_label(&key.to_string()))])
        })
    };
    let head = [Line::default(), heading(&ui.facts, &aside, look)];
    head.into_iter()
        .chain(lines)
        .chain(spelled)
        .chain(named)
        .collect()
}

/// What is as it should be is worth its name where there is no room for a line of its own.
fn folded(
    state: &State,
    case: &Case,
    rest: &[Vec<&Reading>],
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    for wanted in [Tone::Good, Tone::Neutral, Tone::Unknown] {
        let (glyph, style, text) = match wanted {
            Tone::Good => (look.glyphs.good, look.theme.good, &ui.facts_good),
            Tone::Neutral => (look.glyphs.bullet, look.theme.text, &ui.facts_neutral),
            _ => (look.glyphs.unknown, look.theme.dim, &ui.facts_stale),
        };
        let names = names(state, case, rest.iter().flatten().copied(), wanted);
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

/// Readings of a tone by name: one question once, also where it was asked over both paths, and the
/// rules once while they are judged for this host in any case.
fn names<'r>(
    state: &State,
    case: &Case,
    readings: impl Iterator<Item = &'r Reading>,
    wanted: Tone,
) -> Vec<String> {
    let mut groups: Vec<Vec<&Reading>> = Vec::new();
    let mut of_tone: Vec<&Reading> = readings.filter(|it| it.tone() == wanted).collect();
    let judged_here = |it: &&Reading| it.id == group::SECURITY_GROUP_HERE;
    if state.user_source.is_none() && of_tone.iter().any(judged_here) {
        of_tone.retain(|it| it.id != group::SECURITY_GROUP);
    }
    for reading in of_tone {
        let same = |it: &&mut Vec<&Reading>| it[0].id == reading.id && it[0].state == reading.state;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(reading),
            None => groups.push(vec![reading]),
        }
    }
    let all = |id: &str| {
        let same = case.readings.iter().filter(|it| it.id == id);
        same.filter(|it| it.status == Status::Observed || it.status == Status::Stale)
            .count()
    };
    let mut names = Vec::new();
    for group in groups {
        if group.len() > 1 && group.len() == all(&group[0].id) {
            names.push(short_fact(state, case, group[0], None));
        } else {
            let each = group.into_iter();
            names.extend(each.map(|it| short_fact(state, case, it, it.path)));
        }
    }
    names
}

/// The name of a reading, with its state where the name alone does not tell it.
fn short_fact(state: &State, case: &Case, reading: &Reading, path: Option<Path>) -> String {
    let text = if reading.tone() == Tone::Good {
        state.texts.evidence_on(&reading.id, path)
    } else {
        let word = reading.state.as_deref().unwrap_or_default();
        state.texts.reading(&reading.id, path, word)
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
fn alike<'r>(state: &State, readings: &[&'r Reading], all: bool) -> Vec<Vec<&'r Reading>> {
    let of_rules = |reading: &Reading| {
        [group::SECURITY_GROUP, group::SECURITY_GROUP_HERE].contains(&reading.id.as_str())
    };
    let same = |a: &Reading, b: &Reading| {
        let here = state.user_source.is_none() && !all && of_rules(a) && of_rules(b);
        a.state == b.state
            && a.status == b.status
            && (here || (a.id == b.id && a.detail == b.detail))
    };
    let mut found: Vec<Vec<&Reading>> = Vec::new();
    for reading in readings {
        match found.iter_mut().find(|alike| same(alike[0], reading)) {
            Some(alike) => alike.push(reading),
            None => found.push(vec![reading]),
        }
    }
    found
}

/// Out of order, and yet nothing that the cause which is named follows from.
fn stands_beside(case: &Case, reading: &Reading) -> bool {
    let report = case.report.as_ref();
    let faulty = report.filter(|report| report.verdict == Verdict::Faulty);
    let named = faulty.and_then(|report| report.causes.first());
    let named = named.filter(|cause| cause.probability >= NAMED);
    reading.tone() == Tone::Bad
        && named.is_some_and(|cause| {
            let mut terms = cause.contributions.iter();
            !terms.any(|term| term.evidence == reading.id && term.weight_db > 0.0)
        })
}

/// Readings that say the same, in one sentence.
fn fact(
    state: &State,
    case: &Case,
    alike: &[&Reading],
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    // Who is judged for this host in any case says it more shortly.
    let of_host = alike.iter().find(|it| it.id == group::SECURITY_GROUP_HERE);
    let Some(reading) = of_host.filter(|_| alike.len() > 1).or(alike.first()) else {
        return Vec::new();
    };
    let theme = &look.theme;
    let glyphs = look.glyphs;
    let (glyph, style) = match reading.tone() {
        Tone::Good => (glyphs.good, theme.good),
        Tone::Warn => (glyphs.warn, theme.warn),
        Tone::Bad if stands_beside(case, reading) => (glyphs.warn, theme.warn),
        Tone::Bad => (glyphs.bad, theme.bad),
        Tone::Neutral => (glyphs.bullet, theme.text),
        Tone::Unknown => (glyphs.unknown, theme.dim),
    };
    let word = reading.state.as_deref().unwrap_or_default();
    let names = if alike.len() > 1 {
        state.texts.evidence(&reading.id).to_owned()
    } else {
        state.texts.evidence_on(&reading.id, reading.path)
    };
    let mut text = state
        .texts
        .labelled(&names, state.texts.state(&reading.id, word));
    if reading.status == Status::Stale {
        text = state.texts.noted(&text, state.texts.status(Status::Stale));
    }
    text = with_age(state, case, reading, text);
    if stands_beside(case, reading) {
        text = state.texts.noted(&text, &state.texts.ui.fact_beside);
    }
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
pub(super) fn unknowns(
    state: &State,
    case: &Case,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
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
            lines.extend(by_key(state, case, &readings, look, cells));
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

/// What was not looked at, beneath the key that gets it.
fn by_key(
    state: &State,
    case: &Case,
    readings: &[&Reading],
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let mut by_command: Vec<(Command, Vec<&str>)> = Vec::new();
    let (cut_off, within): (Vec<&Reading>, Vec<&Reading>) = readings
        .iter()
        .partition(|reading| is_cut_off(&case.readings, &reading.id, reading.path));
    for reading in &within {
        let command = way_to(&reading.id, reading.path);
        let name = state.texts.evidence(&reading.id);
        match by_command.iter_mut().find(|(it, _)| *it == command) {
            Some((_, names)) => names.push(name),
            None => by_command.push((command, vec![name])),
        }
    }
    let mut lines = Vec::new();
    for (command, mut names) in by_command {
        names.sort_unstable();
        names.dedup();
        let key = state.keys.chords(command).first();
        let key = key.map_or_else(
            || look.glyphs.bullet.to_owned(),
            |key| chord_label(&key.to_string()),
        );
        let text = state.texts.listed(&names);
        let mut block = hanging(&format!("{key} "), &text, cells, look.theme.dim);
        if let Some(span) = block.first_mut().and_then(|line| line.spans.first_mut()) {
            span.style = look.theme.key;
        }
        lines.extend(block);
    }
    // No key reads what comes after the point at which the login fails.
    let only = cut_off
        .iter()
        .filter(|it| within.iter().all(|other| other.id != it.id));
    let mut names: Vec<&str> = only.map(|it| state.texts.evidence(&it.id)).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let names = state.texts.listed(&names);
        let text = fill(&state.texts.ui.cut_off, &[("names", &names)]);
        let sign = format!("{} ", look.glyphs.absent);
        lines.extend(hanging(&sign, &text, cells, look.theme.dim));
    }
    lines
}
