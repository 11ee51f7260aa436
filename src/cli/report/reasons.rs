//! The causes of a report with what speaks for and against each.
//!
//! A reading is told in full once: where it speaks again, only how far it moves that cause.
//! Must not live here: how far it moves it (`diagnosis::attribution`).

use std::collections::HashSet;

use unicode_width::UnicodeWidthStr as _;

use super::{IN, MAX_CAUSES, MIN_SHOWN, group_on, heading, title};
use crate::app::locale::fill;
use crate::cli::output::{said as in_words, texts};
use crate::cli::page::{Page, Tone};
use crate::diagnosis::display;
use crate::domain::evidence::Path;
use crate::domain::report::{CauseProbability, Report, Verdict};

/// Reasons that the first cause gets, and the others.
const MAX_REASONS: usize = 3;
const FEWER_REASONS: usize = 2;
/// Decibans below which a reason is not worth a line.
const AUDIBLE_DB: f64 = 1.5;
const EVERY_DB: f64 = 0.1;
/// Lines that the detail of a reason may take.
const DETAIL_ROWS: usize = 2;

/// One line of reasons: readings of a group with one state.
struct Reason<'r> {
    group: &'r str,
    state: &'r str,
    paths: Vec<Path>,
    decibans: f64,
    observation: &'r str,
}

pub(super) fn causes(page: &mut Page, report: &Report, all: bool) {
    if report.verdict == Verdict::Healthy && !all {
        return;
    }
    let least = if all { 0.01 } else { MIN_SHOWN };
    let most = if all { usize::MAX } else { MAX_CAUSES };
    let shown: Vec<&CauseProbability> = report
        .causes
        .iter()
        .take_while(|c| c.probability >= least)
        .take(most)
        .collect();
    if !shown.is_empty() {
        heading(page, &texts().ui.why);
    }
    let shares: Vec<String> = shown
        .iter()
        .map(|cause| display::with_range(report, cause))
        .collect();
    let cells = shares.iter().map(|share| share.width()).max().unwrap_or(0);
    let mut told = HashSet::new();
    for (rank, (cause, share)) in shown.iter().zip(&shares).enumerate() {
        let mark = format!("{share:>cells$}  ");
        page.hang(IN, &mark, Tone::Strong, Tone::Strong, title(cause));
        let most = match (all, rank) {
            (true, _) => usize::MAX,
            (_, 0) => MAX_REASONS,
            _ => FEWER_REASONS,
        };
        reasons(page, report, cause, &mut told, most, all);
    }
    let rest: f64 = report.causes[shown.len()..]
        .iter()
        .map(|c| c.probability)
        .sum();
    if rest >= MIN_SHOWN {
        let values = [
            ("n", (report.causes.len() - shown.len()).to_string()),
            ("share", display::percent(rest)),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let text = fill(&texts().ui.other_causes, &values);
        page.put(IN, Tone::Dim, text.trim());
    }
    also_broken(page, report, &shown);
}

/// What has a row of its own need not be named again.
fn also_broken(page: &mut Page, report: &Report, shown: &[&CauseProbability]) {
    let also: Vec<String> = report
        .also_broken
        .iter()
        .filter(|also| shown.iter().all(|row| row.id != also.id))
        .map(|also| {
            let share = display::percent(also.probability.min(0.97));
            format!("{} {share}", texts().cause(&also.id, &also.id))
        })
        .collect();
    if !also.is_empty() {
        let causes = texts().listed(&also);
        let text = fill(&texts().ui.also_broken, &[("causes", &causes)]);
        page.put(IN, Tone::Warn, &text);
    }
}

fn reasons<'r>(
    page: &mut Page,
    report: &'r Report,
    cause: &'r CauseProbability,
    told: &mut HashSet<String>,
    most: usize,
    all: bool,
) {
    const INDENT: usize = 4;
    let rows = of_cause(cause, if all { EVERY_DB } else { AUDIBLE_DB });
    let rows: Vec<&Reason<'_>> = rows.iter().take(most).collect();
    let weights: Vec<String> = rows
        .iter()
        .map(|row| texts().times_likelier(row.decibans))
        .collect();
    let cells = weights.iter().map(|text| text.width()).max().unwrap_or(0);
    for (row, weight) in rows.iter().zip(&weights) {
        let fill = " ".repeat(cells - weight.width());
        let mark = format!("{weight}{fill}  ");
        let tone = if row.decibans < 0.0 {
            Tone::Bad
        } else {
            Tone::Good
        };
        let group = group_on(row.group, &row.paths);
        let text = texts().labelled(&group, texts().state(row.group, row.state));
        page.hang(INDENT, &mark, tone, Tone::Plain, &text);
        let mut readings = report.evidence.iter();
        let reading = readings.find(|r| r.observation == row.observation);
        let detail = reading.map_or_else(String::new, |r| in_words(&r.detail));
        if detail.is_empty() || !told.insert(detail.clone()) {
            continue;
        }
        let indent = INDENT + mark.width();
        if all {
            page.put(indent, Tone::Dim, &detail);
        } else {
            page.cut(indent, DETAIL_ROWS, Tone::Dim, &detail);
        }
    }
}

/// The terms of a cause, strongest first; the same state on both paths is one.
fn of_cause(cause: &CauseProbability, least: f64) -> Vec<Reason<'_>> {
    let mut rows: Vec<Reason<'_>> = Vec::new();
    for term in cause.contributions.iter().filter(|t| t.evidence != "prior") {
        let same = |row: &&mut Reason<'_>| {
            row.group == term.evidence
                && row.state == term.state
                && (row.decibans < 0.0) == (term.weight_db < 0.0)
        };
        match rows.iter_mut().find(same) {
            Some(row) => {
                row.decibans += term.weight_db;
                row.paths.extend(term.path);
            }
            None => rows.push(Reason {
                group: &term.evidence,
                state: &term.state,
                paths: term.path.into_iter().collect(),
                decibans: term.weight_db,
                observation: &term.observation,
            }),
        }
    }
    for row in &mut rows {
        row.paths.sort();
    }
    rows.retain(|row| row.decibans.abs() >= least);
    rows.sort_by(|a, b| b.decibans.abs().total_cmp(&a.decibans.abs()));
    rows
}
