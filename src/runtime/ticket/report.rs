//! The report of a bundle, for a support engineer who knows nothing of this program.
//!
//! In the language of the run: the operator sends it, and reads it first. JSON beside it stays as
//! it is. Must not live here: masking (`mask`), files (`ticket`).

use std::fmt::Write as _;

use super::{Material, local_time, said, secrets, time_zone};
use crate::diagnosis::display;
use crate::diagnosis::explain::place;
use crate::domain::evidence::Status;
use crate::domain::outcome::Outcome;
use crate::domain::report::{CauseProbability, Report, Verdict};
use crate::domain::said::{Figure, List, Said, Table, Unit, Word};
use crate::domain::text::{sanitise, sanitise_block};
use crate::store::journal::{CallResult, Entry};
use crate::store::said::in_flight;

/// Writes sentences in the language of the run.
struct Writer<'m> {
    material: &'m Material<'m>,
    /// What a sentence quotes must not become a link, a picture or HTML where it is read.
    is_markdown: bool,
    out: String,
}

impl Writer<'_> {
    fn words(&self, text: &Said) -> String {
        self.material.texts.said(text)
    }

    /// One sentence in one line of the report.
    fn line(&mut self, lead: &str, text: &Said) {
        let mut text = sanitise(&self.words(text), 600);
        if self.is_markdown {
            text = inert(&text);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{lead}{text}");
    }

    fn heading(&mut self, text: &Said) {
        let text = self.words(text);
        let _ = writeln!(self.out, "\n## {text}\n");
    }

    fn row(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        let _ = writeln!(self.out, "| {} |", cells.join(" | "));
    }
}

/// The whole report.
pub(super) fn markdown(material: &Material<'_>) -> String {
    let report = material.report;
    let mut to = Writer {
        material,
        is_markdown: true,
        out: String::new(),
    };
    head(&mut to);
    to.heading(&said::found());
    to.line("", &conclusion(report));
    to.out.push('\n');
    for cause in shown(report, 5) {
        let title = Word::cause(&cause.id, &cause.title);
        to.line("* ", &said::cause(share(report, cause), title, &cause.id));
        let terms = cause.contributions.iter();
        for term in terms.filter(|t| t.weight_db.abs() >= 3.0) {
            let weight = format!("{:+.0}", term.weight_db);
            let text = if term.evidence == "prior" {
                said::prior(weight)
            } else {
                let place = place(&term.evidence, term.path);
                let state = Word::state(&term.evidence, &term.state);
                said::term(weight, place, state, &term.observation)
            };
            to.line("  * ", &text);
        }
    }
    asked(&mut to);
    evidence(&mut to);
    tried(&mut to, material.journal);
    steps(&mut to);
    if let Some(text) = material.error_text {
        let text = secrets::secrets(&sanitise_block(text, 8_000));
        to.heading(&said::printed());
        let _ = writeln!(to.out, "```\n{}\n```", text.replace("```", "'''"));
    }
    for warning in &report.warnings {
        to.out.push('\n');
        to.line("", &said::note(warning));
    }
    to.heading(&said::files());
    let mut files = vec![
        said::file_diagnosis(report.schema_version),
        said::file_evidence(),
        said::file_journal(),
        said::file_versions(),
        said::file_form(),
    ];
    if !material.raw.is_empty() {
        files.push(said::file_raw(material.raw.len()));
    }
    for file in files {
        to.line("* ", &file);
    }
    to.out
}

/// The first causes, as far as they hold more than a trace of the probability.
fn shown(report: &Report, most: usize) -> impl Iterator<Item = &CauseProbability> {
    let leads = |rank: usize, cause: &CauseProbability| rank == 0 || cause.probability >= 0.05;
    let causes = report.causes.iter().take(most).enumerate();
    causes.filter_map(move |(rank, cause)| leads(rank, cause).then_some(cause))
}

/// A probability as the console shows it.
fn share(report: &Report, cause: &CauseProbability) -> String {
    display::percent(display::capped(report, cause))
}

fn percent(share: f64) -> Figure {
    Figure::new(share * 100.0, 0, Unit::Percent)
}

fn head(to: &mut Writer<'_>) {
    let material = to.material;
    let report = material.report;
    let instance = &report.instance;
    let name = instance.name.clone();
    let title = match report.verdict {
        Verdict::Healthy => said::title_healthy(name, &instance.id),
        Verdict::Faulty | Verdict::Inconclusive => said::title_fails(name, &instance.id),
    };
    to.line("# ", &title);
    to.out.push_str("\n| | |\n|---|---|\n");
    let paths = report.vantage.paths.iter();
    let paths = List::words(paths.map(|path| Word::new(Table::Path, path.as_str())));
    let source = report.vantage.user_source.as_ref();
    let rows = [
        (said::row_instance(), Said::raw(&instance.id)),
        (
            said::row_region(),
            Said::raw(format!("{}, {}", instance.region, instance.zone)),
        ),
        (
            said::row_system(),
            said::word(Word::new(Table::Os, instance.os.as_str())),
        ),
        (
            said::row_state(),
            said::word(Word::new(Table::InstanceState, instance.state.clone())),
        ),
        (
            said::row_public(),
            Said::raw(instance.public_addresses.join(", ")),
        ),
        (
            said::row_private(),
            Said::raw(instance.private_addresses.join(", ")),
        ),
        (said::row_port(), Said::raw(instance.login_port)),
        (
            said::row_source(),
            source.map_or_else(said::not_known, Said::raw),
        ),
        (
            said::row_vantage(),
            said::host_and_paths(&report.vantage.host, paths),
        ),
        (
            said::row_written(),
            said::written(
                material.made_at.strftime("%Y-%m-%d %H:%M:%S"),
                local_time(material.made_at),
                time_zone(),
            ),
        ),
    ];
    for (name, value) in rows {
        let cells = [to.words(&name), to.words(&value)];
        to.row(&cells);
    }
    to.out.push('\n');
    to.line("", &said::times_utc());
}

fn conclusion(report: &Report) -> Said {
    match report.verdict {
        Verdict::Healthy => said::healthy(),
        Verdict::Faulty => said::a_fault(percent(report.coverage)),
        Verdict::Inconclusive => said::undecided(percent(report.coverage)),
    }
}

/// What support is asked to look at: what this side could not read, and what would decide.
fn asked(to: &mut Writer<'_>) {
    let report = to.material.report;
    to.heading(&said::asked());
    to.line("* ", &said::please_check(report.instance.login_port));
    for reading in &report.evidence {
        if matches!(reading.status, Status::NotPermitted | Status::ProbeFailed) {
            let why = reading.needs.as_ref().unwrap_or(&reading.detail);
            let status = Word::new(Table::Status, reading.status.as_str());
            to.line(
                "* ",
                &said::unread(Word::evidence(&reading.id), status, why),
            );
        }
    }
    for next in report.next_evidence.iter().take(3) {
        let place = place(&next.id, next.path);
        let bits = Figure::new(next.bits, 1, Unit::None);
        let text = if next.needs.is_empty() {
            said::would_tell(place, bits)
        } else {
            said::would_tell_needing(place, bits, &next.needs)
        };
        to.line("* ", &text);
    }
}

fn evidence(to: &mut Writer<'_>) {
    to.heading(&said::evidence());
    let columns = [
        said::column_what(),
        said::column_path(),
        said::column_state(),
        said::column_detail(),
        said::column_seen(),
    ];
    let mut names = vec![String::new()];
    names.extend(columns.iter().map(|name| to.words(name)));
    to.row(&names);
    to.out.push_str("|---|---|---|---|---|---|\n");
    for reading in &to.material.report.evidence {
        if reading.status == Status::NotApplicable {
            continue;
        }
        let state = match reading.observed_state() {
            Some(state) => Word::state(&reading.id, state),
            None => Word::new(Table::Status, reading.status.as_str()),
        };
        let path = reading.path.map_or_else(Said::default, |path| {
            said::word(Word::new(Table::Path, path.as_str()))
        });
        let cells = [
            reading.observation.clone(),
            to.words(&said::word(Word::evidence(&reading.id))),
            to.words(&path),
            to.words(&said::word(state)),
            to.words(&reading.detail),
            reading
                .observed_at
                .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default(),
        ];
        to.row(&cells);
    }
}

fn tried(to: &mut Writer<'_>, journal: &[Entry]) {
    to.heading(&said::tried());
    if journal.is_empty() {
        to.line("", &said::nothing_changed());
    }
    for entry in journal {
        let outcome = entry.standing();
        let time = entry.began.strftime("%Y-%m-%d %H:%M:%S");
        let text = said::entry(time, &entry.plan.title, outcome, &entry.detail);
        to.line("* ", &text);
        for call in &entry.calls {
            let end = match &call.result {
                Some(CallResult::Answered { request_id, .. }) => said::request(request_id),
                Some(CallResult::Failed {
                    error, request_id, ..
                }) => said::request_failed(request_id, error),
                Some(CallResult::Settled { detail, .. }) => detail.clone(),
                Some(CallResult::Unknown { .. }) | None => said::no_answer(),
            };
            to.line(&format!("  * {} ", call.call.permission()), &end);
        }
        for look in &entry.login_before {
            to.line("  * ", &said::login_before(look));
        }
        for look in &entry.login_after {
            to.line("  * ", &said::login_after(look));
        }
        if let Some(by) = &entry.undone_by {
            to.line("  * ", &said::taken_back(by));
        }
    }
}

fn steps(to: &mut Writer<'_>) {
    let report = to.material.report;
    if report.guide_steps.is_empty() {
        return;
    }
    to.heading(&said::steps());
    for step in &report.guide_steps {
        let time = step.at.strftime("%Y-%m-%d %H:%M:%S");
        let text = if step.by.is_empty() {
            said::step(&step.guide, step.step, time)
        } else {
            said::step_by(&step.guide, step.step, time, &step.by)
        };
        to.line("* ", &text);
    }
}

/// Text for one table cell.
fn cell(text: &str) -> String {
    inert(&sanitise(text, 600)).replace('|', "\\|")
}

/// Text that Markdown shows as it stands: no link, picture or HTML comes of it, and no address that
/// a viewer would link by itself.
fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let before_sign = rest.peek().is_some_and(char::is_ascii_punctuation);
        let begins_address = out.to_ascii_lowercase().ends_with("www") && c == '.';
        let escaped = match c {
            '<' | '[' | ']' | '&' => true,
            // One of the text's own would undo the one before what follows it.
            '\\' => before_sign || rest.peek().is_none(),
            ':' => rest.clone().take(2).eq(['/', '/']),
            _ => begins_address,
        };
        if escaped {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The short text for the vendor's form: what fails, since when it is looked at, what was found,
/// what was tried, what is asked.
pub fn form_text(material: &Material<'_>) -> String {
    let report = material.report;
    let instance = &report.instance;
    let mut to = Writer {
        material,
        is_markdown: false,
        out: String::new(),
    };
    let source = report.vantage.user_source.as_ref();
    to.line(
        "",
        &said::form_head(
            &instance.id,
            &instance.region,
            Word::new(Table::Os, instance.os.as_str()),
            Word::new(Table::InstanceState, sanitise(&instance.state, 40)),
            instance.login_port,
            source.map_or_else(said::outside, Said::raw),
            material.made_at.strftime("%Y-%m-%d %H:%M"),
        ),
    );
    to.line("", &said::form_causes());
    for cause in shown(report, 3) {
        let title = Word::cause(&cause.id, &cause.title);
        to.line("- ", &said::form_cause(share(report, cause), title));
    }
    to.line("", &said::form_seen());
    for reading in &report.evidence {
        if let Some(state) = reading.observed_state() {
            let state = Word::state(&reading.id, state);
            to.line(
                "- ",
                &said::form_reading(place(&reading.id, reading.path), state),
            );
        }
    }
    if !material.journal.is_empty() {
        to.line("", &said::form_tried());
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
        let outcome = entry.outcome.map_or_else(in_flight, Outcome::said);
        let text = said::form_entry(&entry.plan.title, outcome, requests.join(", "));
        to.line("- ", &text);
    }
    to.line("", &said::form_bundle());
    to.out
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        for text in [
            "[click](https://evil.example/x)",
            "![x](https://evil.example/x.png)",
            "\\[click](https://evil.example)",
            "\\\\[click](javascript:alert)",
            "<script>alert(1)</script>",
            "<https://evil.example>",
            "\\<img src=x>",
            "[a]: https://evil.example",
            "x `<b>` [y](z)",
            "&lt;b&gt; &#60;img&#62;",
            "a\\",
        ] {
            for (shown, lead) in [(inert(text), "* "), (cell(text), "| a |\n|---|\n| ")] {
                let source = format!("{lead}{shown}");
                let mut heard = String::new();
                for event in Parser::new_ext(&source, Options::all()) {
                    match event {
                        Event::Html(_) | Event::InlineHtml(_) => panic!("HTML: {source}"),
                        Event::Start(Tag::Link { .. } | Tag::Image { .. }) => {
                            panic!("a link: {source}")
                        }
                        Event::Text(part) | Event::Code(part) => heard.push_str(&part),
                        _ => {}
                    }
                }
                if !text.contains('`') && lead == "* " {
                    assert_eq!(heard, text, "{source}");
                }
            }
        }
        // Viewers that link bare addresses look for these.
        assert_eq!(
            inert("see https://evil.example and WWW.evil.example"),
            "see https\\://evil.example and WWW\\.evil.example"
        );
    }
}
