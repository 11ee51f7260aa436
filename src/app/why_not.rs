//! Why a cause does not lead, as a text to read.
//!
//! Must not live here: the reasons themselves (`diagnosis::why_not`).

use super::locale::{Texts, fill};
use super::overlay::Reading;
use super::state::State;
use crate::diagnosis::display::{capped, percent};
use crate::diagnosis::why_not::{Why, WouldNeed, why_not};
use crate::domain::evidence::Path;
use crate::domain::report::Report;
use crate::domain::said::{Figure, Unit};

/// The answer for a cause of the selected case; `None` when the report does not hold it.
pub fn open(state: &State, cause: &str) -> Option<Reading> {
    let report = state.selected_report()?;
    let why = why_not(state.knowledge.as_deref()?, report, cause)?;
    let title = fill(
        &state.texts.ui.whynot_title,
        &[("cause", state.texts.cause(&why.cause, &why.title))],
    );
    Some(Reading::new(title, &text(state.texts, report, &why)))
}

fn text(texts: &Texts, report: &Report, why: &Why) -> String {
    let ui = &texts.ui;
    let mut lines = Vec::new();
    match report.causes.first().filter(|top| top.id != why.cause) {
        Some(top) => lines.push(fill(
            &ui.whynot_leads,
            &[
                ("cause", texts.cause(&top.id, &top.title)),
                ("share", &percent(capped(report, top))),
                ("own", &percent(why.probability)),
            ],
        )),
        None => lines.push(ui.whynot_is_first.clone()),
    }
    section(&mut lines, &ui.whynot_against);
    for reason in &why.against {
        let what = named(texts, &reason.evidence, reason.path, &reason.state);
        let weighed = texts.noted(&what, &texts.times_likelier(reason.weight_db));
        lines.push(format!("- {weighed} [{}]", reason.observation));
    }
    nothing(
        &mut lines,
        why.against.is_empty(),
        ui.whynot_nothing.as_str(),
    );
    if !why.would_have_to_be.is_empty() {
        section(&mut lines, &ui.whynot_would_be);
    }
    for other in &why.would_have_to_be {
        let what = named(texts, &other.evidence, other.path, &other.needed);
        let read = texts.state(&other.evidence, &other.state);
        let text = fill(&ui.whynot_instead, &[("what", &what), ("read", read)]);
        lines.push(format!("- {text}"));
    }
    section(&mut lines, &ui.whynot_unread);
    lines.extend(why.would_need.iter().map(|need| unread(texts, need)));
    nothing(
        &mut lines,
        why.would_need.is_empty(),
        ui.whynot_nothing.as_str(),
    );
    if !why.not_permitted.is_empty() {
        section(&mut lines, &ui.not_permitted);
        lines.extend(why.not_permitted.iter().map(|need| unread(texts, need)));
    }
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str) {
    lines.push(String::new());
    lines.push(format!("## {title}"));
}

fn nothing(lines: &mut Vec<String>, is_empty: bool, text: &str) {
    if is_empty {
        lines.push(text.to_owned());
    }
}

fn named(texts: &Texts, evidence: &str, path: Option<Path>, state: &str) -> String {
    texts.reading(evidence, path, state)
}

fn unread(texts: &Texts, need: &WouldNeed) -> String {
    let what = named(texts, &need.evidence, need.path, &need.state);
    let cost = Figure::new(need.cost_s, 0, Unit::Seconds).text(texts.lang());
    let price = texts.listed(&[texts.times_likelier(need.weight_db), cost]);
    let line = format!("- {}", texts.noted(&what, &price));
    if need.needs.is_empty() {
        line
    } else {
        texts.and_also(&line, &texts.said(&need.needs))
    }
}
