//! Walks the events of the Markdown parser and builds the document model.
//!
//! Must not live here: the model itself (`guide::markdown`), files, the screen.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use super::{Block, MAX_DEPTH, Problem, STEPS, Span, Step, StepKind, Target};
use crate::domain::action::ActionId;
use crate::domain::said::{List, Said};
use crate::domain::text::{sanitise, sanitise_block};
use crate::guide::said;

pub(super) struct Walker<'s, I> {
    pub(super) source: &'s str,
    pub(super) events: I,
    pub(super) problems: Vec<Problem>,
    /// Byte at which the event in hand began.
    pub(super) at: usize,
}

impl<'s, I> Walker<'s, I>
where
    I: Iterator<Item = (Event<'s>, std::ops::Range<usize>)>,
{
    fn next(&mut self) -> Option<Event<'s>> {
        let (event, range) = self.events.next()?;
        self.at = range.start;
        Some(event)
    }

    fn problem(&mut self, at: usize, fault: Said) {
        let line = self.source[..at].matches('\n').count() + 1;
        self.problems.push(Problem { line, fault });
    }

    /// Blocks up to the end of the element in hand.
    pub(super) fn blocks(&mut self, depth: usize) -> Vec<Block> {
        let mut out = Vec::new();
        let mut loose = Vec::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(tag) => {
                    if let Some(inline) = inline_start(&tag) {
                        self.inline(inline, &tag, &mut loose);
                        continue;
                    }
                    flush(&mut loose, &mut out);
                    self.block(tag, depth, &mut out);
                }
                Event::End(_) => break,
                Event::Rule => out.push(Block::Rule),
                other => self.leaf(&other, &mut loose),
            }
        }
        flush(&mut loose, &mut out);
        out
    }

    fn block(&mut self, tag: Tag<'s>, depth: usize, out: &mut Vec<Block>) {
        let begin = self.at;
        match tag {
            Tag::Heading { level, id, .. } => {
                let spans = self.spans();
                out.push(Block::Heading {
                    level: level as u8,
                    id: id.map(|id| sanitise(&id, 40)),
                    spans,
                });
            }
            Tag::Paragraph => {
                let spans = self.spans();
                out.push(Block::Paragraph(spans));
            }
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => sanitise(&language, 20),
                    CodeBlockKind::Indented => String::new(),
                };
                let text = self.raw_text();
                out.push(Block::Code {
                    language,
                    text: sanitise_block(text.trim_end(), 8_000),
                });
            }
            Tag::Table(_) => {
                let table = self.table();
                out.push(table);
            }
            Tag::List(start) if depth < MAX_DEPTH => {
                let items = self.items(depth);
                out.push(Block::List { start, items });
            }
            Tag::BlockQuote(_) if depth < MAX_DEPTH => {
                let inner = self.blocks(depth + 1);
                out.push(Block::Quote(inner));
            }
            Tag::HtmlBlock => {
                self.raw_text();
                self.problem(begin, said::lint_html());
            }
            _ => {
                let text = sanitise(&self.raw_text(), 4_000);
                out.push(Block::Paragraph(vec![Span::Text(text)]));
            }
        }
    }

    fn items(&mut self, depth: usize) -> Vec<Vec<Block>> {
        let mut items = Vec::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(Tag::Item) => items.push(self.blocks(depth + 1)),
                Event::End(_) => break,
                _ => {}
            }
        }
        items
    }

    fn table(&mut self) -> Block {
        let (mut head, mut rows) = (Vec::new(), Vec::new());
        while let Some(event) = self.next() {
            match event {
                Event::Start(Tag::TableHead) => head = self.cells(),
                Event::Start(Tag::TableRow) => rows.push(self.cells()),
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        Block::Table { head, rows }
    }

    fn cells(&mut self) -> Vec<Vec<Span>> {
        let mut cells = Vec::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(Tag::TableCell) => cells.push(self.spans()),
                Event::End(_) => break,
                _ => {}
            }
        }
        cells
    }

    /// Running text up to the end of the element in hand.
    fn spans(&mut self) -> Vec<Span> {
        let mut out = Vec::new();
        while let Some(event) = self.next() {
            match event {
                Event::End(_) => break,
                Event::Start(tag) => match inline_start(&tag) {
                    Some(inline) => self.inline(inline, &tag, &mut out),
                    None => out.push(Span::Text(sanitise(&self.raw_text(), 4_000))),
                },
                other => self.leaf(&other, &mut out),
            }
        }
        out
    }

    fn inline(&mut self, wrap: fn(String) -> Span, tag: &Tag<'s>, out: &mut Vec<Span>) {
        let begin = self.at;
        let text = sanitise(&self.raw_text(), 4_000);
        let Tag::Link { dest_url, .. } = tag else {
            out.push(wrap(text));
            return;
        };
        let target = match dest_url.strip_prefix("guide:") {
            Some(slug) => Target::Guide(sanitise(slug, 80)),
            None if dest_url.starts_with("https://") => Target::Web(sanitise(dest_url, 400)),
            None => {
                let shown = sanitise(dest_url, 60);
                self.problem(begin, said::lint_target(shown));
                out.push(Span::Text(text));
                return;
            }
        };
        out.push(Span::Link { text, target });
    }

    fn leaf(&mut self, event: &Event<'s>, out: &mut Vec<Span>) {
        match event {
            Event::Text(text) => push_text(out, text),
            Event::Code(text) => out.push(Span::Code(sanitise(text, 1_000))),
            Event::SoftBreak | Event::HardBreak => push_text(out, " "),
            Event::InlineHtml(_) | Event::Html(_) => {
                self.problem(self.at, said::lint_html());
            }
            _ => {}
        }
    }

    /// The bare text up to the end of the element in hand, however deep; without recursion.
    fn raw_text(&mut self) -> String {
        let mut open = 0_usize;
        let mut out = String::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(_) => open += 1,
                Event::End(_) if open == 0 => break,
                Event::End(_) => open -= 1,
                Event::Text(text) | Event::Code(text) => out.push_str(&text),
                Event::SoftBreak | Event::HardBreak => out.push(' '),
                _ => {}
            }
        }
        out
    }

    /// Turns the numbered lists under the heading of the steps into steps.
    pub(super) fn number_steps(&mut self, blocks: Vec<Block>) -> Vec<Block> {
        let mut out = Vec::with_capacity(blocks.len());
        let mut is_steps = false;
        let mut number = 0;
        for block in blocks {
            match block {
                Block::Heading { level, id, spans } => {
                    if level <= 2 {
                        is_steps = id.as_deref() == Some(STEPS);
                    }
                    out.push(Block::Heading { level, id, spans });
                }
                Block::List {
                    start: Some(_),
                    items,
                } if is_steps => {
                    for item in items {
                        number += 1;
                        let step = self.step(number, item);
                        out.push(Block::Step(step));
                    }
                }
                other => out.push(other),
            }
        }
        out
    }

    fn step(&mut self, number: usize, mut blocks: Vec<Block>) -> Step {
        let mark = match blocks.first_mut() {
            Some(Block::Paragraph(spans)) => take_mark(spans),
            _ => None,
        };
        let kind = match mark.as_deref().map(parse_mark) {
            Some(Ok(kind)) => kind,
            Some(Err(fault)) => {
                self.step_problem(number, mark.as_deref(), fault);
                StepKind::User
            }
            None => {
                self.step_problem(number, None, said::lint_mark());
                StepKind::User
            }
        };
        Step {
            number,
            kind,
            blocks,
        }
    }

    fn step_problem(&mut self, number: usize, mark: Option<&str>, fault: Said) {
        let wanted = mark.map(|mark| format!("`{mark}`"));
        let line = self.source.lines().position(|line| match &wanted {
            Some(mark) => line.contains(mark.as_str()),
            None => line.trim_start().starts_with(&format!("{number}.")),
        });
        self.problems.push(Problem {
            line: line.map_or(1, |index| index + 1),
            fault: said::lint_step(number, fault),
        });
    }
}

/// How an inline element is kept, `None` for block elements.
fn inline_start(tag: &Tag<'_>) -> Option<fn(String) -> Span> {
    match tag {
        Tag::Emphasis => Some(Span::Emphasis),
        Tag::Strong => Some(Span::Strong),
        Tag::Link { .. } | Tag::Image { .. } | Tag::Strikethrough => Some(Span::Text),
        _ => None,
    }
}

fn flush(loose: &mut Vec<Span>, out: &mut Vec<Block>) {
    if !loose.is_empty() {
        out.push(Block::Paragraph(std::mem::take(loose)));
    }
}

fn push_text(out: &mut Vec<Span>, text: &str) {
    // Spaces at the ends part this piece from its neighbours and must stay.
    let clean: String = text
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| !crate::domain::text::is_unsafe(*c))
        .collect();
    if let Some(Span::Text(last)) = out.last_mut() {
        last.push_str(&clean);
    } else {
        out.push(Span::Text(clean));
    }
}

/// Takes the leading code that marks a step out of its text.
fn take_mark(spans: &mut Vec<Span>) -> Option<String> {
    let Some(Span::Code(mark)) = spans.first() else {
        return None;
    };
    let word = mark.split(' ').next().unwrap_or_default();
    if !matches!(word, "action" | "command" | "vnc" | "user") {
        return None;
    }
    let mark = mark.clone();
    spans.remove(0);
    if let Some(Span::Text(text)) = spans.first_mut() {
        *text = text.trim_start().to_owned();
    }
    Some(mark)
}

fn parse_mark(mark: &str) -> Result<StepKind, Said> {
    let mut words = mark.split_whitespace();
    let kind = words.next().unwrap_or_default();
    if kind != "action" {
        if words.next().is_some() {
            return Err(said::lint_mark_alone(kind));
        }
        return Ok(match kind {
            "command" => StepKind::Command,
            "vnc" => StepKind::Vnc,
            _ => StepKind::User,
        });
    }
    let name = words.next().unwrap_or_default();
    let id = ActionId::parse(name).ok_or_else(|| {
        let known = ActionId::ALL.iter().map(|a| a.as_str());
        said::lint_action(name, List::names(known))
    })?;
    let mut parameters = BTreeMap::new();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| said::lint_pair(word))?;
        parameters.insert(key.to_owned(), value.to_owned());
    }
    Ok(StepKind::Action { id, parameters })
}
