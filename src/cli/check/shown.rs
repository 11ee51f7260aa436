//! How checks are printed: a list for a person, one object a line, or rows.
//!
//! Must not live here: what is printed of which target (the parent module).

use std::fmt::Write as _;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::check::Book;
use crate::cli::args::{CheckArgs, Listing};
use crate::cli::output::{self, said as in_words};
use crate::cli::page::{Page, Tone};
use crate::cli::said;
use crate::cli::table::{csv, table};
use crate::domain::check::{Change, CheckItem, CheckReport, Measured, Verdict, changed_since};
use crate::domain::evidence::Status;
use crate::view::text::wrap;

/// Columns of the sentences that are wanted at least.
const LEAST: usize = 36;
/// Longest title that stands beside its sentence.
const TITLE: usize = 44;

/// The output of a run, as it grows.
pub(super) struct Printed {
    format: Listing,
    page: Page,
    out: String,
    rows: Vec<Vec<String>>,
}

impl Printed {
    pub fn of(args: &CheckArgs) -> Self {
        Self {
            format: args.format,
            page: Page::stdout(),
            out: String::new(),
            rows: Vec::new(),
        }
    }

    /// Writes what is there; rows wait for the last of them.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        output::print(&std::mem::take(&mut self.out))
    }

    pub fn end(self) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        match self.format {
            Listing::Table => output::print(&table(&self.rows)),
            Listing::Json | Listing::Csv => output::print(&csv(&self.rows)),
        }
    }

    /// The kept reports of a target.
    pub fn list(&mut self, target: &str, reports: &[CheckReport]) {
        if self.format == Listing::Json {
            for report in reports {
                let line = json!({
                    "instance": report.instance, "id": report.id, "at": report.at.to_string(),
                    "deep": report.deep, "verdict": report.verdict, "counts": counts(report),
                });
                let _ = writeln!(self.out, "{line}");
            }
            return;
        }
        if self.rows.is_empty() {
            let header = [
                "target", "id", "at", "verdict", "fault", "risk", "normal", "not-seen",
            ];
            self.rows.push(header.map(str::to_owned).to_vec());
        }
        for report in reports {
            let verdict = match self.format {
                Listing::Table => in_words(&report.verdict.said()),
                _ => report.verdict.as_str().to_owned(),
            };
            let mut row = vec![
                target.to_owned(),
                report.id.clone(),
                report.at.to_string(),
                verdict,
            ];
            let listed = [
                Verdict::Fault,
                Verdict::Risk,
                Verdict::Normal,
                Verdict::NotSeen,
            ];
            row.extend(listed.map(|verdict| report.count(verdict).to_string()));
            self.rows.push(row);
        }
    }

    /// One report, and what changed before it.
    pub fn report(
        &mut self,
        target: &str,
        report: &CheckReport,
        changes: Option<&(CheckReport, Vec<Change>)>,
    ) {
        match self.format {
            Listing::Json => {
                let _ = writeln!(self.out, "{}", object(target, report, changes));
            }
            Listing::Csv => self.csv(report, changes),
            Listing::Table => self.text(target, report, changes),
        }
    }

    fn csv(&mut self, report: &CheckReport, changes: Option<&(CheckReport, Vec<Change>)>) {
        if self.rows.is_empty() {
            let header = [
                "instance", "name", "report", "group", "item", "verdict", "status", "before",
                "now", "peak", "unit", "risk_at", "fault_at", "limit", "detail", "action", "guide",
            ];
            self.rows.push(header.map(str::to_owned).to_vec());
        }
        let none = Measured::default();
        for item in &report.items {
            let measured = item.measured.as_ref().unwrap_or(&none);
            let figure = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
            let was = changes.and_then(|(before, _)| {
                let mut items = before.items.iter();
                items.find(|old| old.id == item.id)
            });
            let mend = item.mend.as_ref();
            self.rows.push(vec![
                report.instance.id.clone(),
                report.instance.name.clone(),
                report.id.clone(),
                item.group.clone(),
                item.id.clone(),
                item.verdict.as_str().to_owned(),
                item.status.map_or("", |status| status.as_str()).to_owned(),
                was.map_or("", |was| was.verdict.as_str()).to_owned(),
                figure(measured.now),
                figure(measured.peak),
                measured.unit.clone(),
                figure(measured.risk_at),
                figure(measured.fault_at),
                figure(measured.limit),
                item.detail.as_str().to_owned(),
                mend.and_then(|mend| mend.action.clone())
                    .unwrap_or_default(),
                mend.and_then(|mend| mend.guide.clone()).unwrap_or_default(),
            ]);
        }
    }

    fn text(
        &mut self,
        target: &str,
        report: &CheckReport,
        changes: Option<&(CheckReport, Vec<Change>)>,
    ) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let checked = &report.instance;
        let head = said::check_of(
            checked.label(),
            &checked.id,
            report.verdict.said(),
            report.counted(),
        );
        let when = said::check_at(report.at.strftime("%Y-%m-%d %H:%M UTC"), &report.id);
        for line in [head, when] {
            let _ = writeln!(self.out, "{}", in_words(&line));
        }
        if let Some((before, changes)) = changes {
            self.changes(before, changes);
        }
        self.out.push('\n');
        let words = Verdict::LISTED.map(|verdict| in_words(&verdict.said()));
        let columns = words.iter().map(|word| word.width()).max().unwrap_or(0);
        let titles = report
            .items
            .iter()
            .map(|item| in_words(&item.title).width());
        let title = titles.max().unwrap_or(0).min(TITLE);
        for item in report.listed() {
            self.item(target, item, columns, title);
        }
    }

    /// One line an item, or two where the terminal is narrow; beneath it how to mend it.
    fn item(&mut self, target: &str, item: &CheckItem, word_columns: usize, title_columns: usize) {
        let verdict = in_words(&item.verdict.said());
        let pad = |text: &str, columns: usize| {
            let space = columns.saturating_sub(text.width());
            format!("{text}{}", " ".repeat(space))
        };
        let title = in_words(&item.title);
        let mut detail = in_words(&item.detail);
        // What consent is missing to is told already.
        let asks = item.status == Some(Status::NotPermitted);
        if let Some(needs) = item.needs.as_ref().filter(|_| asks) {
            let needs = in_words(&said::needs(needs.clone()));
            detail = output::texts().noted(&detail, &needs);
        }
        let indent = word_columns + 2;
        let beside = indent + title_columns + 2;
        let is_wide = self.page.columns() >= beside + LEAST;
        let word = self.coloured(&pad(&verdict, word_columns), item.verdict);
        let hang = if is_wide { beside } else { indent };
        let mut lines = wrap(&detail, self.page.columns() - hang).into_iter();
        if is_wide {
            let first = lines.next().unwrap_or_default();
            let _ = writeln!(self.out, "{word}  {}  {first}", pad(&title, title_columns));
        } else {
            let _ = writeln!(self.out, "{word}  {title}");
        }
        for line in lines {
            let _ = writeln!(self.out, "{:hang$}{line}", "");
        }
        let Some(mend) = &item.mend else { return };
        let text = in_words(&mend.text);
        for (at, line) in wrap(&text, self.page.columns() - indent - 3)
            .iter()
            .enumerate()
        {
            let mark = if at == 0 { "->" } else { "  " };
            let _ = writeln!(self.out, "{:indent$}{mark} {line}", "");
        }
        let console = mend.console.as_ref().filter(|_| mend.action.is_none());
        for line in mend.command(target).iter().chain(console) {
            let _ = writeln!(self.out, "{:indent$}   {line}", "");
        }
    }

    /// What changed since an earlier report.
    fn changes(&mut self, before: &CheckReport, changes: &[Change]) {
        let head = changed_since(before, changes);
        let _ = writeln!(self.out, "\n{}", in_words(&head));
        for change in changes {
            let lines = wrap(&in_words(&change.said()), self.page.columns() - 4);
            for (at, line) in lines.iter().enumerate() {
                let mark = if at == 0 { change.mark() } else { " " };
                let _ = writeln!(self.out, "  {mark} {line}");
            }
        }
    }

    fn coloured(&self, text: &str, verdict: Verdict) -> String {
        let tone = match verdict {
            Verdict::Fault => Tone::Bad,
            Verdict::Risk => Tone::Warn,
            Verdict::Normal => Tone::Good,
            Verdict::NotSeen => Tone::Dim,
        };
        self.page.paint(tone, text)
    }
}

fn counts(report: &CheckReport) -> Value {
    let count = |verdict: Verdict| (verdict.as_str().to_owned(), json!(report.count(verdict)));
    Value::Object(Verdict::LISTED.map(count).into_iter().collect())
}

/// The report as it is kept, with what is said of it.
fn object(
    target: &str,
    report: &CheckReport,
    changes: Option<&(CheckReport, Vec<Change>)>,
) -> Value {
    // A report of plain fields is JSON.
    let mut object = serde_json::to_value(report).unwrap_or_default();
    object["counts"] = counts(report);
    for (value, item) in items(&mut object).iter_mut().zip(&report.items) {
        value["group_title"] = json!(Book::shipped().group(&item.group));
        if let Some(command) = item.mend.as_ref().and_then(|mend| mend.command(target)) {
            value["mend"]["command"] = json!(command);
        }
    }
    if let Some((before, changes)) = changes {
        object["compared_with"] = json!({"id": before.id, "at": before.at.to_string()});
        object["changes"] = json!(changes);
    }
    object
}

fn items(object: &mut Value) -> &mut [Value] {
    object["items"]
        .as_array_mut()
        .map_or(&mut [], Vec::as_mut_slice)
}
