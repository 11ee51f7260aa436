//! A report as text for a person at a terminal: verdict, causes with their reasons, what was not
//! seen, what to look at next, what to do.
//!
//! Must not live here: how anything in it is computed (`diagnosis`).

use std::fmt::Write as _;

use super::output::{say, texts};
use crate::app::locale::Lang;
use crate::diagnosis::display::{self, Word};
use crate::diagnosis::{Explanation, Knowledge, Reason, explain, why_not};
use crate::domain::evidence::Status;
use crate::domain::report::{Report, Verdict};

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
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", headline(report));
    let _ = writeln!(
        out,
        "  {}",
        say(&format!(
            "{:.0}% of what could be known was read; knowledge {}",
            report.coverage * 100.0,
            report.knowledge
        ))
    );
    causes(&mut out, report);
    if let Some(conflict) = &report.conflict {
        let what = if conflict.surprising.is_empty() {
            "no single reading stands out".to_owned()
        } else {
            format!("read again: {}", conflict.surprising.join(", "))
        };
        let _ = writeln!(
            out,
            "  evidence disagrees, one reading may be wrong or the fault is not listed; {what}"
        );
    }
    section(&mut out, "seen", report, |s| s == Status::Observed);
    section(&mut out, "not seen", report, |s| {
        matches!(
            s,
            Status::NotPermitted | Status::ProbeFailed | Status::Stale
        )
    });
    what_next(&mut out, report);
    for guide in report.guides.iter().take(3) {
        let _ = writeln!(out, "{}: {} ({})", say("guide"), guide.title, guide.slug);
    }
    if !report.tried.is_empty() {
        let note = format!("did not bring login back: {}", report.tried.join(", "));
        let _ = writeln!(out, "{}: {}", say("counted"), say(&note));
    }
    for note in &report.learnt {
        let _ = writeln!(out, "{}: {}", say("learnt"), say(note));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "{}: {}", say("warning"), say(warning));
    }
    out
}

/// Why a cause does not lead; a sentence where the report does not hold it.
pub fn why_not_text(knowledge: &Knowledge, report: &Report, cause: &str) -> String {
    match why_not(knowledge, report, cause) {
        Some(why) => why.lines().join("\n") + "\n",
        None => {
            let known: Vec<&str> = report.causes.iter().map(|c| c.id.as_str()).collect();
            format!(
                "why not {cause}? There is no such cause here; it is one of {}\n",
                known.join(", ")
            )
        }
    }
}

/// English keeps the title of the knowledge in force, which an operator may have changed.
fn title<'a>(id: &str, given: &'a str) -> &'a str {
    if texts().lang() == Lang::En {
        given
    } else {
        texts().cause(id, given)
    }
}

fn headline(report: &Report) -> String {
    let i = &report.instance;
    let verdict = match report.verdict {
        Verdict::Healthy => "healthy",
        Verdict::Faulty => "faulty",
        Verdict::Inconclusive => "inconclusive",
    };
    let port = format!("port {}", i.login_port);
    let about: Vec<&str> = [i.region.as_str(), i.os.as_str(), i.state.as_str(), &port]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let name: Vec<&str> = [i.id.as_str(), i.name.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let name = if name.is_empty() {
        "case".to_owned()
    } else {
        name.join(" ")
    };
    format!("{name} ({}): {}", about.join(", "), say(verdict))
}

fn causes(out: &mut String, report: &Report) {
    let shown = report
        .causes
        .iter()
        .take_while(|c| c.probability >= MIN_SHOWN)
        .take(MAX_CAUSES);
    for (rank, cause) in shown.enumerate() {
        let word = if rank == 0 {
            format!(", {}", Word::of(display::capped(report, cause)).as_str())
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
    let behind: Vec<String> = report
        .also_broken
        .iter()
        .filter(|a| report.causes.first().is_none_or(|c| c.id != a.id))
        .map(|a| format!("{} {}", a.id, display::percent(a.probability.min(0.97))))
        .collect();
    if !behind.is_empty() {
        let _ = writeln!(out, "  also broken, perhaps: {}", behind.join(", "));
    }
    if display::abstains(report) {
        let _ = writeln!(
            out,
            "  nothing leads and nothing more can be read that would decide: hand it over with the ticket bundle"
        );
    }
}

fn reasons(out: &mut String, explanation: &Explanation) {
    let mut list = |word: &str, reasons: &[Reason]| {
        for reason in reasons.iter().take(MAX_REASONS) {
            let _ = writeln!(
                out,
                "                {}: {} [{}] {:+.1} dB",
                say(word),
                say(&reason.text),
                reason.observation,
                reason.weight_db
            );
        }
    };
    list("for", &explanation.supporting);
    list("against", &explanation.opposing);
}

fn what_next(out: &mut String, report: &Report) {
    if !report.next_evidence.is_empty() {
        let _ = writeln!(out, "{}:", say("next evidence"));
    }
    for next in report.next_evidence.iter().take(MAX_NEXT) {
        let path = next.path.map_or_else(String::new, |p| format!(" ({p})"));
        let mut price = format!("{:.1} bits in {:.0} s", next.bits, next.cost_s);
        if !next.needs.is_empty() {
            let _ = write!(price, ", needs {}", next.needs);
        }
        let _ = writeln!(out, "  {}{path}: {}", next.id, say(&price));
    }
    if !report.actions.is_empty() {
        let _ = writeln!(out, "{}:", say("actions"));
    }
    for action in report.actions.iter().take(MAX_ACTIONS) {
        let _ = writeln!(
            out,
            "  {}: {} ({})",
            action.id,
            say(&action.title),
            say(&format!(
                "cures with {}",
                display::percent(action.probability_cures.min(0.97))
            ))
        );
    }
}

fn section(out: &mut String, title: &str, report: &Report, wanted: impl Fn(Status) -> bool) {
    let rows: Vec<_> = report
        .evidence
        .iter()
        .filter(|r| wanted(r.status))
        .collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}:", say(title));
    for r in rows {
        let path = r.path.map(|p| format!("/{p}")).unwrap_or_default();
        let state = r.observed_state().unwrap_or(r.status.as_str());
        let detail = if r.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", say(&r.detail))
        };
        let needs = r.needs.as_deref().map_or_else(String::new, |needs| {
            format!("; {}", say(&format!("needs {needs}")))
        });
        let _ = writeln!(
            out,
            "  {} {}{path} = {state}{detail}{needs}",
            r.observation, r.id
        );
    }
}
