//! Markdown of a guide as a small document model that a reader pane or a printer walks.
//!
//! Lives here: parsing (CommonMark with tables), the marks of steps, and the filling in of the
//! case at hand. Must not live here: colours, wrapping, and which guides there are.

use std::collections::BTreeMap;

mod walker;

use pulldown_cmark::{Options, Parser};
use walker::Walker;

use crate::domain::action::ActionId;
use crate::domain::said::{List, Said};
use crate::domain::text::sanitise;
use crate::guide::said;

/// Nesting that is followed; what lies deeper is flattened into its surroundings.
const MAX_DEPTH: usize = 12;

/// Id of the heading whose numbered list holds the steps.
pub const STEPS: &str = "steps";
/// Id of the heading that tells how success looks.
pub const CHECK: &str = "check";
/// Id of the heading that tells how to go back.
pub const UNDO: &str = "undo";

/// What a guide may leave for the case to fill in, written `{{address}}`.
pub const PLACEHOLDERS: &[&str] = &[
    "address", "port", "user", "instance", "name", "rule", "source", "region",
];

/// A piece of running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Text(String),
    Emphasis(String),
    Strong(String),
    Code(String),
    Link { text: String, target: Target },
}

impl Span {
    /// The text without its looks.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text)
            | Self::Emphasis(text)
            | Self::Strong(text)
            | Self::Code(text)
            | Self::Link { text, .. } => text,
        }
    }
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Another guide, written `guide:SLUG`.
    Guide(String),
    /// A page on the web.
    Web(String),
}

/// Who carries out a step, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// The program can do it, through the usual preview and confirmation.
    Action {
        id: ActionId,
        parameters: BTreeMap<String, String>,
    },
    /// Commands to copy.
    Command,
    /// In the VNC console of the instance.
    Vnc,
    /// By the user, or by the operator outside the instance.
    User,
}

impl StepKind {
    /// The word that marks such a step in a guide.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Action { .. } => "action",
            Self::Command => "command",
            Self::Vnc => "vnc",
            Self::User => "user",
        }
    }
}

/// One numbered step of a guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub number: usize,
    pub kind: StepKind,
    pub blocks: Vec<Block>,
}

impl Step {
    /// The code of the step, block by block, as it would be copied.
    pub fn commands(&self) -> Vec<&str> {
        self.blocks
            .iter()
            .filter_map(|block| match block {
                Block::Code { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Slugs of the guides that the step refers to.
    pub fn links(&self) -> Vec<&str> {
        guide_links(&self.blocks)
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Heading {
        level: u8,
        id: Option<String>,
        spans: Vec<Span>,
    },
    Paragraph(Vec<Span>),
    List {
        /// Number of the first item of a numbered list.
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Table {
        head: Vec<Vec<Span>>,
        rows: Vec<Vec<Vec<Span>>>,
    },
    Code {
        language: String,
        text: String,
    },
    Quote(Vec<Block>),
    Rule,
    Step(Step),
}

/// A parsed guide without its front matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub blocks: Vec<Block>,
}

/// Something wrong in a guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the text, from 1.
    pub line: usize,
    pub fault: Said,
}

/// Parses Markdown; what is wrong is reported beside what could be read.
///
/// Text passes sanitisation, because guides of operators are files like any other.
pub fn parse(text: &str) -> (Document, Vec<Problem>) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut walker = Walker {
        source: text,
        events: Parser::new_ext(text, options).into_offset_iter(),
        problems: Vec::new(),
        at: 0,
    };
    let blocks = walker.blocks(0);
    let blocks = walker.number_steps(blocks);
    let mut document = Document { blocks };
    let mut problems = walker.problems;
    check_placeholders(text, &mut problems);
    if document.steps().next().is_none() {
        problems.push(Problem {
            line: 1,
            fault: said::lint_no_steps(format!("{{#{STEPS}}}")),
        });
    }
    for id in [CHECK, UNDO] {
        if !document.has_section(id) {
            problems.push(Problem {
                line: 1,
                fault: said::lint_no_heading(format!("{{#{id}}}")),
            });
        }
    }
    document.blocks.shrink_to_fit();
    (document, problems)
}

fn check_placeholders(text: &str, problems: &mut Vec<Problem>) {
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("{{") {
            let name = line[at + 2..].split("}}").next().unwrap_or_default();
            if !PLACEHOLDERS.contains(&name) {
                problems.push(Problem {
                    line: index + 1,
                    fault: said::lint_blank(
                        format!("{{{{{}}}}}", sanitise(name, 40)),
                        List::names(PLACEHOLDERS),
                    ),
                });
            }
        }
    }
}

impl Document {
    /// The steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Step(step) => Some(step),
            _ => None,
        })
    }

    /// Whether a heading carries this id.
    pub fn has_section(&self, id: &str) -> bool {
        self.section(id).is_some()
    }

    /// The blocks under the heading of this id, up to the next heading of its level.
    pub fn section(&self, id: &str) -> Option<&[Block]> {
        let is_it = |b: &Block| matches!(b, Block::Heading { id: Some(i), .. } if i == id);
        let start = self.blocks.iter().position(is_it)? + 1;
        let length = self.blocks[start..]
            .iter()
            .position(|b| matches!(b, Block::Heading { level, .. } if *level <= 2))
            .unwrap_or(self.blocks.len() - start);
        Some(&self.blocks[start..start + length])
    }

    /// Slugs of the guides that this one refers to.
    pub fn links(&self) -> Vec<&str> {
        guide_links(&self.blocks)
    }

    /// All text without looks, for searching.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        plain_blocks(&self.blocks, &mut out);
        out
    }

    /// The same document with the case filled in. What is not known is shown as `<name>`.
    ///
    /// Inside code only values that are safe to paste into a shell are filled in.
    #[must_use]
    pub fn fill(&self, values: &BTreeMap<String, String>) -> Self {
        let mut filled = self.clone();
        fill_blocks(&mut filled.blocks, values);
        filled
    }
}

fn guide_links(blocks: &[Block]) -> Vec<&str> {
    let mut out = Vec::new();
    visit(blocks, &mut |span| {
        if let Span::Link {
            target: Target::Guide(slug),
            ..
        } = span
        {
            out.push(slug.as_str());
        }
    });
    out
}

fn visit<'a>(blocks: &'a [Block], f: &mut impl FnMut(&'a Span)) {
    for block in blocks {
        match block {
            Block::Heading { spans, .. } | Block::Paragraph(spans) => {
                spans.iter().for_each(&mut *f);
            }
            Block::List { items, .. } => items.iter().for_each(|item| visit(item, f)),
            Block::Table { head, rows } => {
                let cells = head.iter().chain(rows.iter().flatten());
                cells.flatten().for_each(&mut *f);
            }
            Block::Quote(inner) => visit(inner, f),
            Block::Step(step) => visit(&step.blocks, f),
            Block::Code { .. } | Block::Rule => {}
        }
    }
}

fn plain_blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Heading { spans, .. } | Block::Paragraph(spans) => {
                out.extend(spans.iter().map(Span::text));
            }
            Block::List { items, .. } => items.iter().for_each(|item| plain_blocks(item, out)),
            Block::Table { head, rows } => {
                for cell in head.iter().chain(rows.iter().flatten()) {
                    out.extend(cell.iter().map(Span::text));
                    out.push(' ');
                }
            }
            Block::Code { text, .. } => out.push_str(text),
            Block::Quote(inner) => plain_blocks(inner, out),
            Block::Step(step) => plain_blocks(&step.blocks, out),
            Block::Rule => {}
        }
        out.push('\n');
    }
}

fn fill_blocks(blocks: &mut [Block], values: &BTreeMap<String, String>) {
    for block in blocks {
        match block {
            Block::Heading { spans, .. } | Block::Paragraph(spans) => fill_spans(spans, values),
            Block::List { items, .. } => items.iter_mut().for_each(|i| fill_blocks(i, values)),
            Block::Table { head, rows } => {
                for cell in head.iter_mut().chain(rows.iter_mut().flatten()) {
                    fill_spans(cell, values);
                }
            }
            Block::Code { text, .. } => *text = fill_text(text, values, true),
            Block::Quote(inner) => fill_blocks(inner, values),
            Block::Step(step) => {
                if let StepKind::Action { parameters, .. } = &mut step.kind {
                    // A parameter that the case does not give is left for the preview to ask.
                    parameters.retain(|_, value| {
                        *value = fill_text(value, values, true);
                        !value.contains('<')
                    });
                }
                fill_blocks(&mut step.blocks, values);
            }
            Block::Rule => {}
        }
    }
}

fn fill_spans(spans: &mut [Span], values: &BTreeMap<String, String>) {
    for span in spans {
        match span {
            Span::Text(text)
            | Span::Emphasis(text)
            | Span::Strong(text)
            | Span::Link { text, .. } => *text = fill_text(text, values, false),
            Span::Code(text) => *text = fill_text(text, values, true),
        }
    }
}

fn fill_text(text: &str, values: &BTreeMap<String, String>, is_code: bool) -> String {
    let mut out = text.to_owned();
    for name in PLACEHOLDERS {
        let mark = format!("{{{{{name}}}}}");
        if !out.contains(&mark) {
            continue;
        }
        let value = values
            .get(*name)
            .map(|value| sanitise(value, 128))
            .filter(|value| !value.is_empty() && (!is_code || is_shell_safe(value)))
            .unwrap_or_else(|| format!("<{name}>"));
        out = out.replace(&mark, &value);
    }
    out
}

/// Letters that no shell gives a meaning to.
fn is_shell_safe(value: &str) -> bool {
    !value.starts_with('-')
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "Intro to {{address}}.\n\n## Steps {#steps}\n\n\
        1. `action open-port port={{port}} source={{source}}` Open *it*.\n\
        2. `command` Look:\n\n   ```sh\n   ssh -p {{port}} {{user}}@{{address}}\n   ```\n\
        3. `user` See [more](guide:isolated).\n\n\
        ## It worked when {#check}\n\n| a | b |\n|---|---|\n| 1 | `x` |\n\n\
        ## Back {#undo}\n\nNothing.\n";

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn steps_carry_their_kind_and_commands() {
        let (document, problems) = parse(SAMPLE);
        assert_eq!(problems, Vec::new());
        let steps: Vec<_> = document.steps().collect();
        assert_eq!(steps.len(), 3);
        assert!(matches!(
            &steps[0].kind,
            StepKind::Action { id: ActionId::OpenPort, parameters } if parameters.len() == 2
        ));
        assert_eq!(
            steps[1].commands(),
            ["ssh -p {{port}} {{user}}@{{address}}"]
        );
        assert_eq!(document.links(), ["isolated"]);
        assert!(
            document
                .section(CHECK)
                .is_some_and(|b| matches!(b[0], Block::Table { .. }))
        );
    }

    #[test]
    fn the_case_is_filled_in_and_the_unknown_is_named() {
        let (document, _) = parse(SAMPLE);
        let filled = document.fill(&values(&[("address", "192.0.2.1"), ("port", "22")]));
        let steps: Vec<_> = filled.steps().collect();
        assert_eq!(steps[1].commands(), ["ssh -p 22 <user>@192.0.2.1"]);
        let StepKind::Action { parameters, .. } = &steps[0].kind else {
            panic!("an action");
        };
        assert_eq!(parameters.get("port").map(String::as_str), Some("22"));
        assert_eq!(parameters.get("source"), None);
    }

    #[test]
    fn a_hostile_value_never_reaches_a_command() {
        let (document, _) = parse(SAMPLE);
        for user in ["x; rm -rf /", "$(id)", "-oProxyCommand=id", "a`id`", "a\nb"] {
            let filled = document.fill(&values(&[("user", user), ("address", "a"), ("port", "1")]));
            let steps: Vec<_> = filled.steps().collect();
            assert_eq!(steps[1].commands(), ["ssh -p 1 <user>@a"], "{user}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = SAMPLE
            .replace("open-port", "open-window")
            .replace("`user` See", "See");
        let (_, problems) = parse(&text);
        let found: Vec<_> = problems.iter().map(|p| p.line).collect();
        assert_eq!(found, [5, 11], "{problems:?}");
        let (_, problems) = parse(&SAMPLE.replace("{{user}}", "{{who}}"));
        assert_eq!(problems[0].line, 9, "{problems:?}");
    }

    #[test]
    fn deep_nesting_is_flattened_without_recursion() {
        let deep = format!("{}x", "> ".repeat(5_000));
        let (document, _) = parse(&deep);
        assert!(document.plain().contains('x'));
    }
}
