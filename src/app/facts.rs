//! The facts of a case one by one: which there are, and all that is known of one.
//!
//! Must not live here: the pick (`overlay::pick_fact`), raw answers (`runtime`).

use super::locale::{Texts, fill};
use super::overlay::picker::fits;
use super::state::State;
use crate::diagnosis::display::percent;
use crate::domain::evidence::table::Tone;
use crate::domain::evidence::{Reading, Source, Status, group};
use crate::domain::report::Report;

/// Most causes that are named as raised, and as lowered, by one fact.
const MOST_MOVED: usize = 8;
/// Decibans below which a factor would read as one.
const LEAST_MOVED: f64 = 0.25;
/// Most lines of a pasted text that are shown.
const MOST_PASTED: usize = 200;
/// What hands out what the check inside the guest printed.
const GUEST_ANSWER: &str = "tat:DescribeInvocationTasks";

/// What is known of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub title: String,
    /// A text to read; the raw answer comes behind it.
    pub body: String,
    /// The API action that answered it, where the cloud did.
    pub action: Option<String>,
}

/// The facts of the selected case that fit what was typed, the worst first.
pub fn choices<'a>(state: &'a State, words: &str) -> Vec<&'a Reading> {
    let readings = state.selected_case().map_or(&[][..], |case| &case.readings);
    let mut found: Vec<&Reading> = readings
        .iter()
        .filter(|reading| fits(words, &reading.id, &line(state.texts, reading)))
        .collect();
    found.sort_by_key(|reading| match reading.tone() {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Neutral => 2,
        Tone::Good => 3,
        Tone::Unknown => 4,
    });
    found
}

/// A fact in one line: its state, or in which way there is none.
pub fn line(texts: &Texts, reading: &Reading) -> String {
    match reading.state.as_deref() {
        Some(state) => {
            let text = texts.reading(&reading.id, reading.path, state);
            match reading.status {
                Status::Observed => text,
                status => texts.noted(&text, texts.status(status)),
            }
        }
        None => {
            let name = texts.evidence_on(&reading.id, reading.path);
            texts.labelled(&name, texts.status(reading.status))
        }
    }
}

/// All that is known of a fact.
pub fn detail(state: &State, reading: &Reading) -> Detail {
    let texts = state.texts;
    let ui = &texts.ui;
    let action = action_of(state, reading);
    let mut lines = vec![line(texts, reading)];
    if !reading.detail.is_empty() {
        lines.push(texts.said(&reading.detail));
    }
    lines.extend([String::new(), format!("# {}", ui.fact_source)]);
    lines.push(match (reading.source, &action) {
        (Source::Probe, _) => fill(&ui.fact_from_probe, &[("host", &state.vantage)]),
        (Source::Guest, _) => ui.fact_from_guest.clone(),
        (Source::Operator, _) => ui.fact_from_person.clone(),
        (Source::Cloud, Some(action)) => fill(&ui.fact_from_cloud, &[("action", action)]),
        (Source::Cloud, None) => ui.fact_from_cloud_unnamed.clone(),
    });
    if let Some(at) = reading.observed_at {
        let age = texts.age_sentence(state.now, at);
        let time = at.strftime("%H:%M:%SZ").to_string();
        let ms = reading.cost_ms.to_string();
        let read = [("age", age.as_str()), ("time", &time), ("ms", &ms)];
        lines.push(fill(&ui.fact_read, &read));
    }
    if let Some(needs) = &reading.needs {
        lines.push(fill(&ui.fact_needs, &[("what", &texts.said(needs))]));
    }
    let report = state.selected_report();
    let cited = report.and_then(|report| {
        let same = |other: &&Reading| other.key() == reading.key() && other.state == reading.state;
        report.evidence.iter().find(same)
    });
    if let Some(cited) = cited {
        let cited = [("observation", cited.observation.as_str())];
        lines.push(fill(&ui.fact_cited, &cited));
    }
    lines.extend([String::new(), format!("# {}", ui.fact_moved)]);
    lines.extend(moved(texts, report, reading));
    if reading.id == group::PASTED_ERROR {
        let pasted = state.selected_case().map_or("", |case| &case.pasted);
        lines.extend([String::new(), format!("# {}", ui.fact_raw)]);
        let pasted = pasted.lines().take(MOST_PASTED);
        lines.extend(pasted.map(|line| format!("    {line}")));
    }
    Detail {
        title: texts.evidence_on(&reading.id, reading.path),
        body: lines.join("\n"),
        action,
    }
}

/// The API action that a fact was read with.
fn action_of(state: &State, reading: &Reading) -> Option<String> {
    match reading.source {
        Source::Guest => Some(GUEST_ANSWER.to_owned()),
        Source::Cloud => {
            let group = state.knowledge.as_deref()?.group(&reading.id)?;
            let is_action = |text: &&String| {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == ':';
                text.contains(':') && text.chars().all(plain)
            };
            Some(&group.needs).filter(is_action).cloned()
        }
        Source::Probe | Source::Operator => None,
    }
}

/// The causes that a fact made more likely, then those that it made less likely, each the strongest
/// first: what speaks for few speaks against all others.
fn moved(texts: &Texts, report: Option<&Report>, reading: &Reading) -> Vec<String> {
    let ui = &texts.ui;
    if reading.observed_state().is_none() {
        return vec![ui.fact_weighs_nothing.clone()];
    }
    let causes = report.map_or(&[][..], |report| &report.causes);
    let mut terms: Vec<(f64, String)> = causes
        .iter()
        .flat_map(|cause| {
            let of_it = |term: &&crate::domain::report::Contribution| {
                term.evidence == reading.id
                    && term.path == reading.path
                    && Some(term.state.as_str()) == reading.state.as_deref()
            };
            let moves =
                |term: &&crate::domain::report::Contribution| term.weight_db.abs() >= LEAST_MOVED;
            let terms = cause.contributions.iter().filter(of_it).filter(moves);
            terms.map(move |term| {
                let name = texts.cause(&cause.id, &cause.title);
                let named = texts.noted(name, &percent(cause.probability));
                let factor = texts.times_likelier(term.weight_db);
                let line = format!("- {}", texts.labelled(&named, &factor));
                (term.weight_db, line)
            })
        })
        .collect();
    if terms.is_empty() {
        return vec![ui.fact_moved_nothing.clone()];
    }
    terms.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let (raised, lowered): (Vec<_>, Vec<_>) = terms.into_iter().partition(|term| term.0 > 0.0);
    let raised = raised.into_iter().take(MOST_MOVED);
    let lowered = lowered.into_iter().take(MOST_MOVED);
    raised.chain(lowered).map(|(_, line)| line).collect()
}
