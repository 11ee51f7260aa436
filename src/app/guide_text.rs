//! A guide as lines to read, with the case filled in.
//!
//! The lines carry the marks of the reader: `# ` before a heading, four spaces before code.
//! Must not live here: colours (`view`), the guides themselves (`guide`).

use std::collections::BTreeMap;

use super::overlay::Reading;
use super::state::State;
use crate::guide::library;
use crate::guide::markdown::{Block, Span};

/// The guide of that name for the selected instance; `None` when there is none.
pub fn open(state: &State, slug: &str) -> Option<Reading> {
    let guide = library().get(slug)?;
    let lang = state.texts.lang();
    let text = guide.text(lang);
    let document = text.document.fill(&values(state));
    let mut lines = Vec::new();
    blocks(&document.blocks, 0, &mut lines);
    Some(Reading {
        title: text.title.clone(),
        body: lines,
        ..Reading::default()
    })
}

/// What the case knows for the blanks of a guide.
fn values(state: &State) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    if let Some(instance) = state.selected_instance() {
        let address = instance
            .public_addresses
            .first()
            .or(instance.private_addresses.first());
        if let Some(address) = address {
            values.insert("address".into(), address.to_string());
        }
        values.insert("port".into(), instance.login_port().to_string());
        values.insert("instance".into(), instance.id.clone());
        values.insert("name".into(), instance.name.clone());
        values.insert("region".into(), instance.region.clone());
        if !instance.default_login_user.is_empty() {
            values.insert("user".into(), instance.default_login_user.clone());
        }
    }
    if let Some(source) = state.user_source {
        values.insert("source".into(), source.to_string());
    }
    values
}

fn inline(spans: &[Span]) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Code(text) => format!("`{text}`"),
            other => other.text().to_owned(),
        })
        .collect()
}

fn blocks(all: &[Block], depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for block in all {
        match block {
            Block::Heading { level, spans, .. } => {
                space(lines);
                lines.push(format!(
                    "{} {}",
                    "#".repeat(usize::from(*level)),
                    inline(spans)
                ));
            }
            Block::Paragraph(spans) => {
                if depth == 0 {
                    space(lines);
                }
                lines.push(format!("{indent}{}", inline(spans)));
            }
            Block::List { start, items } => {
                for (index, item) in items.iter().enumerate() {
                    let lead = match start {
                        Some(first) => format!("{}. ", *first as usize + index),
                        None => "- ".to_owned(),
                    };
                    led(&format!("{indent}{lead}"), item, depth + 1, lines);
                }
            }
            Block::Table { head, rows } => {
                space(lines);
                for row in std::iter::once(head).chain(rows) {
                    let cells: Vec<String> = row.iter().map(|cell| inline(cell)).collect();
                    lines.push(format!("{indent}{}", cells.join(" | ")));
                }
            }
            Block::Code { text, .. } => {
                for line in text.lines() {
                    lines.push(format!("    {line}"));
                }
            }
            Block::Quote(inner) => blocks(inner, depth + 1, lines),
            Block::Rule => space(lines),
            Block::Step(step) => {
                space(lines);
                let lead = format!("{indent}{}. [{}] ", step.number, step.kind.as_str());
                led(&lead, &step.blocks, depth + 1, lines);
            }
        }
    }
}

/// Blocks whose first line carries a number or a bullet.
fn led(lead: &str, inner: &[Block], depth: usize, lines: &mut Vec<String>) {
    let mut own = Vec::new();
    blocks(inner, depth, &mut own);
    let first = own.iter().position(|line| !line.is_empty());
    if let Some(first) = first {
        own.drain(..first);
        let text = own[0].trim_start().to_owned();
        own[0] = format!("{lead}{text}");
    }
    lines.extend(own);
}

fn space(lines: &mut Vec<String>) {
    if lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::locale::Lang as UiLang;
    use jiff::Timestamp;

    #[test]
    fn every_shipped_guide_reads_as_lines() {
        let state = State::new(Timestamp::UNIX_EPOCH, UiLang::En);
        for guide in library().guides() {
            let reading = open(&state, &guide.slug).unwrap();
            assert!(reading.body.len() > 5, "{} is short", guide.slug);
            assert!(
                reading.body.iter().any(|line| line.starts_with("1. [")),
                "{} has no first step",
                guide.slug
            );
        }
    }
}
