//! A report as text for a person at a terminal: verdict, causes with their reasons, what was not
//! seen, what to look at next, what to do.
//!
//! Must not live here: how anything in it is computed (`diagnosis`).

use std::fmt::Write as _;

use super::output::{said as in_words, texts};
use super::said;
use crate::app::locale::{Lang, fill};
use crate::diagnosis::explain::place;
use crate::diagnosis::said::no_such_cause;
use crate::diagnosis::{Explanation, Knowledge, asks_for_way, display, explain, why_not};
use crate::domain::evidence::Status;
use crate::domain::report::{Report, Verdict};
use crate::domain::said::{Figure, Joint, List, Said, Table, Unit, Word};

/// Causes that are shown, and the least that each must hold.
const MAX_CAUSES: usize = 5;
const MIN_SHOWN: f64 = 0.05;
/// Reasons for and against, each.
const MAX_REASONS: usize = 3;
/// Readings to get next, and repairs.
const MAX_NEXT: usize = 3;
const MAX_ACTIONS: usize = 5;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, 0, &headline(report));
    if let Some(vantages) = display::vantages(report) {
        line(&mut out, 0, &vantages);
    }
    let share = Figure::new(report.coverage * 100.0, 0, Unit::Share);
    line(&mut out, 2, &said::read_share(share, &report.knowledge));
    if asks_for_way(report) {
        let text = fill(&texts().ui.verdict_way_open, &[("key", "--user-way")]);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {text}");
    }
    causes(&mut out, report);
    if let Some(conflict) = &report.conflict {
        let what = if conflict.surprising.is_empty() {
            said::disagrees()
        } else {
            said::disagrees_at(display::surprising(report))
        };
        line(&mut out, 2, &what);
    }
    section(&mut out, said::title_seen(), report, |s| {
        s == Status::Observed
    });
    section(&mut out, said::title_not_seen(), report, |s| {
        matches!(
            s,
            Status::NotPermitted | Status::ProbeFailed | Status::Stale
        )
    });
    what_next(&mut out, report);
    for guide in report.guides.iter().take(3) {
        line(&mut out, 0, &said::guide(&guide.title, &guide.slug));
    }
    if !report.tried.is_empty() {
        line(&mut out, 0, &said::counted(actions_by_id(&report.tried)));
    }
    for note in &report.learnt {
        line(&mut out, 0, &said::learnt(note));
    }
    for warning in &report.warnings {
        line(&mut out, 0, &said::warning(warning));
    }
    out
}

/// Actions by their titles; in English by their ids, which is what a command takes.
pub(super) fn actions_by_id(ids: &[String]) -> List {
    List::words(ids.iter().map(|id| Word::new(Table::Action, id.clone())))
}

/// One sentence on a line of its own, so many cells in.
fn line(out: &mut String, indent: usize, text: &Said) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{:indent$}{}", "", in_words(text));
}

/// Why a cause does not lead; a sentence where the report does not hold it.
pub fn why_not_text(knowledge: &Knowledge, report: &Report, cause: &str) -> String {
    let mut out = String::new();
    match why_not(knowledge, report, cause) {
        Some(why) => {
            for (row, text) in why.lines().iter().enumerate() {
                line(&mut out, if row == 0 { 0 } else { 2 }, text);
            }
        }
        None => {
            let known = report.causes.iter().map(|c| c.id.as_str());
            line(&mut out, 0, &no_such_cause(cause, List::names(known)));
        }
    }
    out
}

/// Most ids that are named beside a wrong one.
const NEAR: usize = 5;

/// That there is no cause of an id, with the ids that are near; `None` where there is one.
pub fn unknown_cause(knowledge: &Knowledge, given: &str) -> Option<Said> {
    let given = crate::domain::text::sanitise(given, 60);
    let known: Vec<&str> = knowledge.causes.iter().map(|c| c.id.as_str()).collect();
    if known.contains(&given.as_str()) {
        return None;
    }
    // A part of an id is nearer than letters that happen to agree.
    let shared = |id: &str| {
        let parts = given.split('-').filter(|part| part.len() > 2);
        parts.filter(|part| id.contains(part)).count()
    };
    let distance = |id: &str| strsim::levenshtein(&given, id);
    let mut near = known;
    near.sort_by_key(|id| (std::cmp::Reverse(shared(id)), distance(id)));
    near.truncate(NEAR);
    Some(said::no_cause_of_that_id(given, List::names(near)))
}

/// English keeps the title of the knowledge in force, which an operator may have changed.
fn title<'a>(id: &str, given: &'a str) -> &'a str {
    if texts().lang() == Lang::En {
        given
    } else {
        texts().cause(id, given)
    }
}

/// The verdict in one word.
pub(super) fn verdict(verdict: Verdict) -> Said {
    match verdict {
        Verdict::Healthy => said::healthy(),
        Verdict::Faulty => said::faulty(),
        Verdict::Inconclusive => said::inconclusive(),
    }
}

fn headline(report: &Report) -> Said {
    let i = &report.instance;
    let verdict = verdict(report.verdict);
    let os = Word::new(Table::Os, i.os.as_str());
    let state = Word::new(Table::InstanceState, i.state.clone());
    let about = [Said::raw(&i.region), said::word(os), said::word(state)];
    let about = about.into_iter().filter(|part| !part.is_empty());
    let about = about.chain([said::port(i.login_port)]);
    let name: Vec<&str> = [i.id.as_str(), i.name.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let name = if name.is_empty() {
        in_words(&said::a_case())
    } else {
        name.join(" ")
    };
    said::headline(name, List::said(Joint::Commas, about), verdict)
}

fn causes(out: &mut String, report: &Report) {
    let shown = report
        .causes
        .iter()
        .take_while(|c| c.probability >= MIN_SHOWN)
        .take(MAX_CAUSES);
    for (rank, cause) in shown.enumerate() {
        let word = if rank == 0 {
            let word = texts().likelihood(display::capped(report, cause));
            format!(", {word}")
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "  {:>12}  {}  [{}]{word}",
            display::with_range(report, cause),
            title(&cause.id, &cause.title),
            cause.id
        );
        if let Some(explanation) = explain(report, &cause.id) {
            reasons(out, &explanation);
        }
    }
    let behind: Vec<Said> = report
        .also_broken
        .iter()
        .filter(|a| report.causes.first().is_none_or(|c| c.id != a.id))
        .map(|a| {
            let share = display::percent(a.probability.min(0.97));
            said::cause_share(Word::cause(&a.id, ""), share)
        })
        .collect();
    if !behind.is_empty() {
        line(
            out,
            2,
            &said::also_broken(List::said(Joint::Commas, behind)),
        );
    }
    if display::abstains(report) {
        line(out, 2, &said::hand_over());
    }
}

fn reasons(out: &mut String, explanation: &Explanation) {
    const INDENT: usize = 16;
    let weight = |db: f64| format!("{db:+.1}");
    for reason in explanation.supporting.iter().take(MAX_REASONS) {
        let (text, db) = (&reason.text, weight(reason.weight_db));
        line(out, INDENT, &said::for_it(text, &reason.observation, db));
    }
    for reason in explanation.opposing.iter().take(MAX_REASONS) {
        let (text, db) = (&reason.text, weight(reason.weight_db));
        line(
            out,
            INDENT,
            &said::against_it(text, &reason.observation, db),
        );
    }
}

fn what_next(out: &mut String, report: &Report) {
    if !report.next_evidence.is_empty() {
        line(out, 0, &said::section(said::title_next()));
    }
    for next in report.next_evidence.iter().take(MAX_NEXT) {
        let place = place(&next.id, next.path);
        let bits = Figure::new(next.bits, 1, Unit::None);
        let cost = Figure::new(next.cost_s, 0, Unit::Seconds);
        let text = if next.needs.is_empty() {
            said::next(place, bits, cost)
        } else {
            said::next_needing(place, bits, cost, &next.needs)
        };
        line(out, 2, &text);
    }
    if !report.actions.is_empty() {
        line(out, 0, &said::section(said::title_actions()));
    }
    for action in report.actions.iter().take(MAX_ACTIONS) {
        let share = display::percent(action.probability_cures.min(0.97));
        // English keeps the title of the knowledge in force.
        let title = match texts().lang() {
            Lang::En => action.title.to_string(),
            _ => texts().offer(action),
        };
        line(out, 2, &said::offer(&action.id, title, share));
    }
}

fn section(out: &mut String, title: Said, report: &Report, wanted: impl Fn(Status) -> bool) {
    let rows: Vec<_> = report
        .evidence
        .iter()
        .filter(|r| wanted(r.status))
        .collect();
    if rows.is_empty() {
        return;
    }
    line(out, 0, &said::section(title));
    for r in rows {
        let group = Word::evidence(&r.id);
        let state = match r.observed_state() {
            Some(state) => Word::state(&r.id, state),
            None => Word::new(Table::Status, r.status.as_str()),
        };
        let mut text = match r.path {
            Some(path) => {
                let path = Word::new(Table::Path, path.as_str());
                said::seen_over(&r.observation, group, path, state)
            }
            None => said::seen(&r.observation, group, state),
        };
        if !r.detail.is_empty() {
            text = said::seen_how(text, &r.detail);
        }
        if let Some(needs) = &r.needs {
            text = text.and(said::needs(needs));
        }
        line(out, 2, &text);
    }
}
