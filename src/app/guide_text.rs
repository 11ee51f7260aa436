//! A guide as lines to read, with the case filled in.
//!
//! Must not live here: colours (`view`), the guides themselves (`guide`), keys (`update`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::locale::{Texts, fill};
use super::reading::{LineLook, Part, PartLook, Reading, TableRow, TextLine};
use super::state::State;
use crate::diagnosis::display::{capped, percent};
use crate::domain::instance::Os;
use crate::domain::report::{GuideMatch, Report};
use crate::domain::said::Arg;
use crate::guide::checklist::{self, Note, Standing};
use crate::guide::library::GuideOs;
use crate::guide::markdown::{Block, Span, Step, StepKind, Target};
use crate::guide::{Guide, library};

/// What hangs under a step or an item is set in by this.
const HANG: usize = 3;

/// The guide of that name for the selected instance; `None` when there is none.
pub fn open(state: &State, slug: &str) -> Option<Reading> {
    let guide = library().get(slug)?;
    let texts = state.texts;
    let lang = texts.lang();
    let text = guide.text(lang);
    let document = text.document.fill(&values(state));
    let mut lines = about(state, guide);
    let mut setter = Setter {
        texts,
        notes: notes(state, slug),
        lines: Vec::new(),
    };
    setter.blocks(&document.blocks, 0);
    lines.append(&mut setter.lines);
    let reading = Reading {
        title: text.title.clone(),
        body: lines,
        ..Reading::default()
    };
    let instance = state.fleet.selected_id().unwrap_or_default();
    Some(reading.with_steps(slug, instance, &document))
}

/// What each step of a guide begins with, for the selected instance.
pub fn steps(state: &State, slug: &str) -> Vec<String> {
    let Some(guide) = library().get(slug) else {
        return Vec::new();
    };
    let document = &guide.text(state.texts.lang()).document;
    let document = document.fill(&values(state));
    let first = |step: &Step| {
        let spans = step.blocks.iter().find_map(|block| match block {
            Block::Paragraph(spans) => Some(spans),
            _ => None,
        })?;
        Some(spans.iter().map(Span::text).collect())
    };
    document.steps().filter_map(first).collect()
}

/// Why the guide is here, and where it comes from.
fn about(state: &State, guide: &Guide) -> Vec<TextLine> {
    let texts = state.texts;
    let note = |text: String| TextLine::new(LineLook::Note, 0, text);
    let mut lines = Vec::new();
    let found = state.selected_report().and_then(|report| {
        let found = report.guides.iter().find(|m| m.slug == guide.slug)?;
        Some(reason(texts, Some(report), found))
    });
    if let Some(reason) = found.filter(|reason| !reason.is_empty()) {
        lines.push(note(fill(&texts.ui.guide_why, &[("reason", &reason)])));
    }
    let os = match guide.os {
        GuideOs::Both => texts.listed(&[texts.os(Os::Linux), texts.os(Os::Windows)]),
        GuideOs::Linux => texts.os(Os::Linux).to_owned(),
        GuideOs::Windows => texts.os(Os::Windows).to_owned(),
    };
    let mut origin = fill(
        &texts.ui.guide_about,
        &[("os", &os), ("date", &guide.reviewed)],
    );
    if guide.is_own {
        let _ = write!(origin, " {}", texts.ui.guide_own);
    }
    lines.push(note(origin));
    for document in &guide.documents {
        let label = texts.labelled(&texts.ui.guide_document, "");
        lines.push(TextLine {
            look: LineLook::Note,
            parts: vec![
                Part::plain(label),
                Part::link(document.clone(), web_address(document)),
            ],
            ..TextLine::default()
        });
    }
    lines.push(TextLine::default());
    lines
}

/// Why a guide fits, in words of the language; with a report, how probable the cause is.
pub fn reason(texts: &Texts, report: Option<&Report>, found: &GuideMatch) -> String {
    if let Some(id) = found.cause() {
        let title = texts.cause(id, id);
        let share = report.and_then(|report| {
            let cause = report.causes.iter().find(|cause| cause.id == id)?;
            Some(percent(capped(report, cause)))
        });
        return share.map_or_else(
            || title.to_owned(),
            |share| {
                let values = [("cause", title), ("share", share.as_str())];
                fill(&texts.ui.reason_cause, &values)
            },
        );
    }
    // The English of a sentence has the ids of the knowledge; a person reads words.
    match (found.reason.arg("group"), found.reason.arg("state")) {
        (Some(Arg::Word(group)), Some(Arg::Word(state))) => {
            let state = state.key.split_once('.').map_or("", |(_, state)| state);
            texts.reading(&group.key, None, state)
        }
        _ => texts.said(&found.reason),
    }
}

/// What the case knows for the blanks of a guide. Masked values are left as blanks.
fn values(state: &State) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let Some(instance) = state.selected_instance() else {
        return values;
    };
    values.insert("port".into(), instance.login_port().to_string());
    if !instance.default_login_user.is_empty() {
        values.insert("user".into(), instance.default_login_user.clone());
    }
    if state.looks.privacy {
        return values;
    }
    let address = instance.address();
    if let Some(address) = address {
        values.insert("address".into(), address.to_string());
    }
    values.insert("instance".into(), instance.id.clone());
    values.insert("name".into(), instance.name.clone());
    values.insert("region".into(), instance.region.clone());
    if let Some(source) = state.user_source {
        values.insert("source".into(), source.to_string());
    }
    if let Some(rule) = deciding_rule(state) {
        values.insert("rule".into(), rule);
    }
    values
}

/// The security-group rule that decides for the user, as the evidence names it.
fn deciding_rule(state: &State) -> Option<String> {
    let reading = state.selected_case()?.reading("security-group", None)?;
    match reading.observed_state()? {
        "deny-default" => Some(state.texts.ui.guide_no_rule.clone()),
        "allow" | "deny-explicit" => match reading.detail.arg("rule")? {
            Arg::Said(rule) => Some(state.texts.said(rule)),
            _ => None,
        },
        _ => None,
    }
}

/// What the diagnosis has found out about the steps of the guide on where to start.
fn notes(state: &State, slug: &str) -> BTreeMap<usize, TextLine> {
    let mut notes = BTreeMap::new();
    let Some(report) = state.selected_report().filter(|_| slug == checklist::SLUG) else {
        return notes;
    };
    let ui = &state.texts.ui;
    for tick in checklist::filled_in(report) {
        let (look, word) = match tick.standing {
            Standing::Done => (LineLook::Done, &ui.standing_done),
            Standing::ToDo => (LineLook::Note, &ui.standing_to_do),
            Standing::NotCalledFor => (LineLook::Note, &ui.standing_not_called_for),
        };
        let rests_on = note_text(state.texts, report, &tick.note);
        let text = if rests_on.is_empty() {
            word.clone()
        } else {
            state.texts.labelled(word, &rests_on)
        };
        notes.insert(tick.step, TextLine::new(look, HANG, text));
    }
    notes
}

fn note_text(texts: &Texts, report: &Report, note: &Note) -> String {
    let percent = |share: f64| format!("{:.0}%", 100.0 * share);
    match note {
        Note::None => String::new(),
        Note::System { os, port } => format!("{}, {} {port}", texts.os(*os), texts.ui.port),
        Note::Cause { id, share } => {
            let title = report.causes.iter().find(|cause| cause.id == *id);
            let title = title.map_or(id.as_str(), |cause| cause.title.as_str());
            format!("{} {}", texts.cause(id, title), percent(*share))
        }
        Note::Reading { group, state } => texts.reading(group, None, state),
        Note::Action { id, share } => {
            let offer = report.actions.iter().find(|action| action.id == *id);
            let title = offer.map_or_else(|| texts.action(id, id).to_owned(), |a| texts.offer(a));
            format!("{title} {}", percent(*share))
        }
    }
}

/// Sets blocks as lines.
struct Setter<'t> {
    texts: &'t Texts,
    /// A line to put under the step of that number.
    notes: BTreeMap<usize, TextLine>,
    lines: Vec<TextLine>,
}

impl Setter<'_> {
    fn blocks(&mut self, all: &[Block], indent: usize) {
        for block in all {
            match block {
                Block::Heading { spans, .. } => {
                    self.space();
                    self.line(LineLook::Heading, indent, parts(spans));
                    self.lines.push(TextLine::default());
                }
                Block::Paragraph(spans) => {
                    if indent == 0 {
                        self.space();
                    }
                    self.line(LineLook::Text, indent, parts(spans));
                }
                Block::List { start, items } => {
                    for (index, item) in items.iter().enumerate() {
                        let lead = match start {
                            Some(first) => format!("{}. ", *first as usize + index),
                            None => "- ".to_owned(),
                        };
                        self.led(lead, item, indent);
                    }
                }
                Block::Table { head, rows } => self.table(head, rows, indent),
                Block::Code { text, .. } => {
                    for line in text.lines() {
                        self.line(LineLook::Code, indent + 2, vec![Part::plain(line)]);
                    }
                }
                Block::Quote(inner) => self.blocks(inner, indent + 2),
                Block::Rule => self.space(),
                Block::Step(step) => self.step(step),
            }
        }
    }

    fn step(&mut self, step: &Step) {
        self.space();
        let ui = &self.texts.ui;
        let kind = match &step.kind {
            StepKind::Action { id, .. } => {
                let title = self.texts.action(id.as_str(), id.as_str());
                fill(&ui.step_action, &[("action", title)])
            }
            StepKind::Command => ui.step_command.clone(),
            StepKind::Vnc => ui.step_vnc.clone(),
            StepKind::User => ui.step_user.clone(),
        };
        let at = self.lines.len();
        self.led(self.texts.labelled(&kind, ""), &step.blocks, 0);
        if let Some(first) = self.lines.get_mut(at) {
            first.step = Some(step.number);
        }
        if let Some(note) = self.notes.remove(&step.number) {
            self.lines.push(note);
        }
    }

    /// Blocks whose first line carries a number, a bullet or a mark.
    fn led(&mut self, lead: String, inner: &[Block], indent: usize) {
        let at = self.lines.len();
        self.blocks(inner, indent + HANG);
        match self.lines.get_mut(at) {
            Some(first) if first.look == LineLook::Text && first.row.is_none() => {
                first.indent = indent;
                first.lead = lead;
            }
            _ => self.lines.insert(
                at,
                TextLine {
                    indent,
                    lead,
                    ..TextLine::default()
                },
            ),
        }
    }

    fn table(&mut self, head: &[Vec<Span>], rows: &[Vec<Vec<Span>>], indent: usize) {
        if indent == 0 {
            self.space();
        }
        let cells = |row: &[Vec<Span>]| -> Vec<String> {
            let text = |cell: &Vec<Span>| parts(cell).into_iter().map(|part| part.text).collect();
            row.iter().map(text).collect()
        };
        let heads = cells(head);
        let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| {
                let all = std::iter::once(&heads).chain(&rows);
                all.filter_map(|row| row.get(column))
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for (number, row) in std::iter::once(&heads).chain(&rows).enumerate() {
            self.lines.push(TextLine {
                indent,
                row: Some(TableRow {
                    cells: row.clone(),
                    heads: heads.clone(),
                    widths: widths.clone(),
                    is_head: number == 0,
                }),
                ..TextLine::default()
            });
        }
    }

    fn line(&mut self, look: LineLook, indent: usize, parts: Vec<Part>) {
        self.lines.push(TextLine {
            look,
            indent,
            parts,
            ..TextLine::default()
        });
    }

    fn space(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_blank()) {
            self.lines.push(TextLine::default());
        }
    }
}

/// The address, where it is one of the web.
fn web_address(address: &str) -> Option<String> {
    address.starts_with("https://").then(|| address.to_owned())
}

fn parts(spans: &[Span]) -> Vec<Part> {
    spans
        .iter()
        .map(|span| {
            let (text, look) = match span {
                Span::Text(text) => (text.clone(), PartLook::Plain),
                Span::Emphasis(text) | Span::Strong(text) => (text.clone(), PartLook::Strong),
                Span::Code(text) => (format!("`{text}`"), PartLook::Code),
                Span::Link { text, target } => {
                    return match target {
                        Target::Guide(_) => Part::link(text.clone(), None),
                        // Written out, too: not every terminal follows links.
                        Target::Web(address) => {
                            Part::link(format!("{text} <{address}>"), web_address(address))
                        }
                    };
                }
            };
            Part {
                text,
                look,
                address: None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::locale::Lang as UiLang;
    use jiff::Timestamp;

    #[test]
    fn every_shipped_guide_reads_as_lines_with_its_steps() {
        for lang in UiLang::ALL {
            let state = State::new(Timestamp::UNIX_EPOCH, lang);
            for guide in library().guides() {
                let reading = open(&state, &guide.slug).expect("shipped");
                let at = reading.guide.as_ref().expect("a guide has steps");
                let steps = guide.text(UiLang::En).document.steps().count();
                assert_eq!(at.steps.len(), steps, "{}", guide.slug);
                for step in &at.steps {
                    let line = &reading.body[step.line];
                    assert_eq!(line.step, Some(step.number), "{}", guide.slug);
                    assert!(!line.text().is_empty(), "{} {}", guide.slug, step.number);
                }
            }
        }
    }
}
