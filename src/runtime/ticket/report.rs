//! The report of a bundle, for a support engineer who knows nothing of this program.
//!
//! Written in English: it is read by the vendor's support beside the journal and the JSON. Must
//! not live here: masking (`mask`), files (`ticket`).

use std::fmt::Write as _;

use super::{Material, local_time, mask, time_zone};
use crate::domain::evidence::Status;
use crate::domain::report::{Report, Verdict};
use crate::domain::text::{counted, sanitise, sanitise_block};
use crate::store::journal::{CallResult, Entry};

/// The whole report. Writing to a string cannot fail.
pub(super) fn markdown(material: &Material<'_>) -> String {
    let report = material.report;
    let mut out = String::new();
    head(&mut out, material);
    let _ = writeln!(out, "## What was found\n\n{}\n", conclusion(report));
    for cause in report.causes.iter().take(5) {
        let _ = writeln!(
            out,
            "* {:.0} % {} (`{}`)",
            cause.probability * 100.0,
            cell(&cause.title),
            cause.id
        );
        for term in cause
            .contributions
            .iter()
            .filter(|t| t.weight_db.abs() >= 3.0)
        {
            let _ = writeln!(
                out,
                "  * {:+.0} dB {} {} {}",
                term.weight_db, term.evidence, term.state, term.observation
            );
        }
    }
    asked(&mut out, material);
    evidence(&mut out, report);
    tried(&mut out, material.journal);
    steps(&mut out, report);
    if let Some(text) = material.error_text {
        let text = mask::secrets(&sanitise_block(text, 8_000));
        let _ = writeln!(
            out,
            "\n## What the user's client printed\n\n```\n{}\n```",
            text.replace("```", "'''")
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "\nNote: {}", cell(warning));
    }
    let _ = writeln!(
        out,
        "\n## Files of this bundle\n\n* `diagnosis.json`: the whole diagnosis (schema {})\n\
         * `evidence.json`: every reading with its time, source and cost\n\
         * `journal.json`: what was done with this program: calls, request ids, results\n\
         * `versions.json`: program, knowledge, time zone, vantage\n* `form.txt`: a short text for a form",
        report.schema_version
    );
    if !material.raw.is_empty() {
        let _ = writeln!(
            out,
            "* `raw.json`: what the cloud answered during the diagnosis and what the guest printed, shortened, without secrets: {}",
            counted(material.raw.len(), "answer")
        );
    }
    out
}

fn head(out: &mut String, material: &Material<'_>) {
    let report = material.report;
    let instance = &report.instance;
    let paths: Vec<&str> = report.vantage.paths.iter().map(|p| p.as_str()).collect();
    let rows = [
        ("instance", instance.id.clone()),
        (
            "region, zone",
            format!("{}, {}", instance.region, instance.zone),
        ),
        ("system", instance.os.as_str().to_owned()),
        ("state", cell(&instance.state)),
        ("public addresses", instance.public_addresses.join(", ")),
        ("private addresses", instance.private_addresses.join(", ")),
        ("login port", instance.login_port.to_string()),
        ("failing user comes from", source(report).to_owned()),
        (
            "looked at from",
            format!("{} ({})", cell(&report.vantage.host), paths.join(", ")),
        ),
        (
            "written",
            format!(
                "{} UTC, {} local ({})",
                material.made_at.strftime("%Y-%m-%d %H:%M:%S"),
                local_time(material.made_at),
                time_zone()
            ),
        ),
    ];
    let verdict = match report.verdict {
        Verdict::Healthy => "looks healthy from here",
        Verdict::Faulty | Verdict::Inconclusive => "fails",
    };
    let _ = writeln!(
        out,
        "# Login to {} ({}) {verdict}\n\n| | |\n|---|---|",
        cell(&instance.name),
        instance.id
    );
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push_str("\nAll times below are UTC.\n\n");
}

fn source(report: &Report) -> &str {
    report.vantage.user_source.as_deref().unwrap_or("not known")
}

fn conclusion(report: &Report) -> String {
    let share = report.coverage * 100.0;
    match report.verdict {
        Verdict::Healthy => "The login path is healthy from here.".to_owned(),
        Verdict::Faulty => {
            format!("A fault was found; the evidence covers {share:.0} % of what could be known.")
        }
        Verdict::Inconclusive => {
            format!("The evidence does not decide; it covers {share:.0} % of what could be known.")
        }
    }
}

/// What support is asked to look at: what this side could not read, and what would decide.
fn asked(out: &mut String, material: &Material<'_>) {
    let report = material.report;
    let _ = writeln!(out, "\n## What we ask\n");
    let _ = writeln!(
        out,
        "* Please check from the platform's side why login on TCP {} fails, and tell what you find on the points below.",
        report.instance.login_port
    );
    for reading in &report.evidence {
        if matches!(reading.status, Status::NotPermitted | Status::ProbeFailed) {
            let why = reading.needs.as_deref().unwrap_or(&reading.detail);
            let _ = writeln!(
                out,
                "* {}: could not be read from here ({}): {}",
                reading.id,
                reading.status.as_str(),
                cell(why)
            );
        }
    }
    for next in report.next_evidence.iter().take(3) {
        let _ = writeln!(
            out,
            "* {}: would tell most ({:.1} bits){}",
            next.id,
            next.bits,
            if next.needs.is_empty() {
                String::new()
            } else {
                format!("; needs {}", cell(&next.needs))
            }
        );
    }
}

fn evidence(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "\n## Evidence\n\n| | what | path | state | detail | seen at |\n|---|---|---|---|---|---|"
    );
    for reading in &report.evidence {
        if reading.status == Status::NotApplicable {
            continue;
        }
        let state = reading.observed_state().unwrap_or(reading.status.as_str());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {state} | {} | {} |",
            reading.observation,
            reading.id,
            reading.path.map_or("", |path| path.as_str()),
            cell(&reading.detail),
            reading
                .observed_at
                .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default(),
        );
    }
}

fn tried(out: &mut String, journal: &[Entry]) {
    let _ = writeln!(out, "\n## What was tried\n");
    if journal.is_empty() {
        let _ = writeln!(out, "Nothing was changed with this program.");
    }
    for entry in journal {
        let outcome = entry.outcome.map_or("in flight", |o| o.as_str());
        let _ = writeln!(
            out,
            "* {} {}: {outcome}. {}",
            entry.began.strftime("%Y-%m-%d %H:%M:%S"),
            cell(&entry.plan.title),
            cell(&entry.detail)
        );
        for call in &entry.calls {
            let end = match &call.result {
                Some(CallResult::Answered { request_id, .. }) => format!("request {request_id}"),
                Some(CallResult::Failed { error, request_id }) => {
                    format!("failed, request {request_id}: {}", cell(error))
                }
                Some(CallResult::Settled { detail, .. }) => cell(detail),
                Some(CallResult::Unknown { .. }) | None => "no answer is known".to_owned(),
            };
            let _ = writeln!(out, "  * {} {end}", call.call.permission());
        }
        for (lead, looks) in [
            ("before", &entry.login_before),
            ("after", &entry.login_after),
        ] {
            for look in looks {
                let _ = writeln!(out, "  * login {lead}: {}", cell(look));
            }
        }
        if let Some(by) = &entry.undone_by {
            let _ = writeln!(out, "  * taken back by entry {by}");
        }
    }
}

fn steps(out: &mut String, report: &Report) {
    if report.guide_steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Steps of guides that were done\n");
    for step in &report.guide_steps {
        let _ = writeln!(
            out,
            "* {} step {}: {}{}",
            step.guide,
            step.step,
            step.at.strftime("%Y-%m-%d %H:%M:%S"),
            if step.by.is_empty() {
                String::new()
            } else {
                format!(" by {}", cell(&step.by))
            }
        );
    }
}

/// Text for one table cell or list line.
fn cell(text: &str) -> String {
    sanitise(text, 600).replace('|', "\\|")
}

/// The short text for the vendor's form: what fails, since when it is looked at, what was found,
/// what was tried, what is asked.
pub fn form_text(material: &Material<'_>) -> String {
    let report = material.report;
    let instance = &report.instance;
    let mut out = format!(
        "Login to instance {} in {} ({}, state {}) on TCP port {} fails from {}. Looked at {} UTC.\n",
        instance.id,
        instance.region,
        instance.os.as_str(),
        sanitise(&instance.state, 40),
        instance.login_port,
        report.vantage.user_source.as_deref().unwrap_or("outside"),
        material.made_at.strftime("%Y-%m-%d %H:%M"),
    );
    out.push_str("Most probable causes:\n");
    for cause in report.causes.iter().take(3) {
        let _ = writeln!(
            out,
            "- {:.0} % {}",
            cause.probability * 100.0,
            sanitise(&cause.title, 200)
        );
    }
    out.push_str("Seen:\n");
    for reading in &report.evidence {
        if let Some(state) = reading.observed_state() {
            let path = reading.path.map(|p| format!(" ({p})")).unwrap_or_default();
            let _ = writeln!(out, "- {}{path}: {state}", reading.id);
        }
    }
    if !material.journal.is_empty() {
        out.push_str("Tried:\n");
    }
    for entry in material.journal {
        let requests: Vec<&str> = entry
            .calls
            .iter()
            .filter_map(|call| match &call.result {
                Some(CallResult::Answered { request_id, .. }) => Some(request_id.as_str()),
                _ => None,
            })
            .collect();
        let _ = writeln!(
            out,
            "- {}: {} (request {})",
            sanitise(&entry.plan.title, 200),
            entry.outcome.map_or("in flight", |o| o.as_str()),
            requests.join(", ")
        );
    }
    out.push_str("The bundle holds the full report, readings, journal and versions.\n");
    out
}
