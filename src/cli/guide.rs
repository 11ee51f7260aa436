//! `cvmtop guide`: list, search and print known-issue guides.
//!
//! Must not live here: what fits (`guide::matcher`), what a message means (`client_text`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::args::{GlobalArgs, GuideArgs, TextOrJson};
use super::output::Fault;
use super::{open, output, said};
use crate::app::guide_text;
use crate::app::locale::Texts;
use crate::client_text::{self, Recognised};
use crate::config::OnOff;
use crate::domain::report::GuideMatch;
use crate::domain::said::{Said, Table, Word};
use crate::domain::text::sanitise;
use crate::guide::markdown::{Block, Document, Span, Step, StepKind, Target};
use crate::guide::{Guide, Lang, Library, MatchInput, library, match_guides, search};
use crate::terminal::capability::Capability;
use crate::terminal::hyperlink::with_links;
use crate::view::text::wrap as wrap_lines;

/// Columns of printed text.
const WIDTH: usize = 96;

/// Runs the command; the status is 0 when something was found, 1 when nothing fits.
pub fn run(args: &GuideArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let lang = loaded.settings.ui.lang;
    let library = library();
    if let Some(slug) = &args.slug {
        let guide = library
            .get(slug)
            .ok_or_else(|| Fault(unknown(library, slug)))?;
        let text = match args.format {
            TextOrJson::Text => linked(print_guide(guide, lang), loaded.settings.ui.links),
            TextOrJson::Json => format!("{}\n", guide_json(guide, lang)),
        };
        output::print(&text)?;
        return Ok(0);
    }
    let (recognised, found) = match (&args.error, &args.search) {
        (Some(_), Some(_)) => return Err(Fault(said::both_given()).into()),
        (Some(error), None) => {
            let pasted = read_error(error)?;
            let input = MatchInput {
                pasted: pasted.clone(),
                ..MatchInput::default()
            };
            let messages = client_text::recognise(&pasted);
            let shown = messages.into_iter().map(|m| shown(&pasted, &m)).collect();
            (shown, match_guides(library, &input, lang))
        }
        (None, Some(text)) => (Vec::new(), search(library, text, lang)),
        (None, None) => (Vec::new(), search(library, "", lang)),
    };
    let text = match args.format {
        TextOrJson::Text => print_matches(&recognised, &found),
        TextOrJson::Json => {
            let object = json!({"recognised": recognised, "guides": found});
            format!("{object}\n")
        }
    };
    output::print(&text)?;
    Ok(u8::from(found.is_empty()))
}

/// The text with its addresses as links, where it goes to a terminal that follows them.
fn linked(text: String, wanted: OnOff) -> String {
    let capability = Capability::from_environment(|name| std::env::var(name).ok());
    let links = std::io::stdout().is_terminal() && wanted.or(capability.links);
    if links { with_links(&text) } else { text }
}

fn unknown(library: &Library, slug: &str) -> Said {
    let shown = sanitise(slug, 60);
    match search(library, slug, Lang::En).first() {
        Some(near) => said::no_such_guide_near(shown, &near.slug),
        None => said::no_such_guide(shown),
    }
}

fn read_error(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    // More than the recogniser reads is not taken in.
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(4 * client_text::MAX_TEXT as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| Fault(said::stdin_unread(error)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn shown(pasted: &str, message: &Recognised) -> Value {
    let part = pasted.get(message.span.clone()).unwrap_or_default();
    json!({
        "evidence": message.evidence,
        "state": message.state,
        "class": message.class,
        "text": sanitise(part, 200),
        "stage": message.stage.map(client_text::Stage::as_str),
        "program": message.program,
        "partial": message.partial,
    })
}

fn print_matches(recognised: &[Value], found: &[GuideMatch]) -> String {
    let mut out = String::new();
    for message in recognised {
        let field = |name: &str| message[name].as_str().unwrap_or_default();
        if field("class").is_empty() {
            let text = output::said(&said::by_words());
            let _ = writeln!(out, "{text}");
            continue;
        }
        let group = Word::evidence(field("evidence"));
        let state = Word::state(field("evidence"), field("state"));
        let text = match field("stage") {
            "" => said::recognised(group, state, field("text")),
            stage => {
                let stage = Word::new(Table::Stage, stage.to_owned());
                said::recognised_at(group, state, stage, field("text"))
            }
        };
        let _ = writeln!(out, "{}", output::said(&text));
    }
    if !recognised.is_empty() {
        out.push('\n');
    }
    if found.is_empty() {
        let text = output::said(&said::no_guide());
        let _ = writeln!(out, "{text}");
    }
    let widest = found.iter().map(|m| m.slug.len()).max().unwrap_or(0);
    for guide in found {
        let _ = write!(out, "{:widest$}  ", guide.slug);
        if guide.score > 0.0 {
            let _ = write!(out, "{:.2}  ", guide.score);
        }
        out.push_str(&guide.title);
        if !guide.reason.is_empty() {
            let reason = guide_text::reason(output::texts(), None, guide);
            let _ = write!(out, "  [{reason}]");
        }
        out.push('\n');
    }
    out
}

fn guide_json(guide: &Guide, lang: Lang) -> Value {
    let text = guide.text(lang);
    let document = text.document.fill(&BTreeMap::new());
    let steps: Vec<Value> = document.steps().map(step_json).collect();
    json!({
        "slug": guide.slug,
        "title": text.title,
        "os": guide.os.as_str(),
        "causes": guide.causes,
        "symptoms": text.symptoms,
        "documents": guide.documents,
        "reviewed": guide.reviewed,
        "steps": steps,
        "text": body_text(&document, Texts::of(lang)),
    })
}

fn step_json(step: &Step) -> Value {
    let action = match &step.kind {
        StepKind::Action { id, .. } => Some(id.as_str()),
        _ => None,
    };
    let spans = step.blocks.iter().find_map(|block| match block {
        Block::Paragraph(spans) => Some(spans),
        _ => None,
    });
    let text: String =
        spans.map_or_else(String::new, |spans| spans.iter().map(Span::text).collect());
    json!({
        "number": step.number,
        "kind": step.kind.as_str(),
        "action": action,
        "text": text,
        "commands": step.commands(),
    })
}

fn print_guide(guide: &Guide, lang: Lang) -> String {
    let text = guide.text(lang);
    let texts = Texts::of(lang);
    let mut out = format!("{}\n", text.title);
    out.push_str(&"=".repeat(text.title.width()));
    let os = Word::new(Table::Os, guide.os.as_str());
    let about = said::guide_about(&guide.slug, os, &guide.reviewed);
    let _ = writeln!(out, "\n{}", texts.said(&about));
    for document in &guide.documents {
        let label = texts.labelled(&texts.ui.guide_document, document);
        let _ = writeln!(out, "{label}");
    }
    out.push('\n');
    for symptom in &text.symptoms {
        let _ = writeln!(out, "  * {symptom}");
    }
    out.push('\n');
    out.push_str(&body_text(&text.document.fill(&BTreeMap::new()), texts));
    out
}

fn body_text(document: &Document, texts: &Texts) -> String {
    let mut out = String::new();
    print_blocks(&document.blocks, 0, texts, &mut out);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn print_blocks(blocks: &[Block], indent: usize, texts: &Texts, out: &mut String) {
    for block in blocks {
        match block {
            Block::Heading { spans, .. } => {
                let text = line_of(spans, texts);
                let _ = writeln!(out, "{text}\n{}\n", "-".repeat(text.width()));
            }
            Block::Paragraph(spans) => {
                wrap(&line_of(spans, texts), "", indent, out);
                out.push('\n');
            }
            Block::List { start, items } => {
                for (number, item) in items.iter().enumerate() {
                    let bullet = match start {
                        Some(start) => format!("{}. ", start + number as u64),
                        None => "- ".to_owned(),
                    };
                    print_item(&bullet, item, indent, texts, out);
                }
            }
            Block::Table { head, rows } => {
                for row in rows {
                    for (name, cell) in head.iter().zip(row) {
                        wrap(
                            &format!("{}: {}", line_of(name, texts), line_of(cell, texts)),
                            "",
                            indent + 2,
                            out,
                        );
                    }
                    out.push('\n');
                }
            }
            Block::Code { text, .. } => {
                for line in text.lines() {
                    let _ = writeln!(out, "{}{line}", " ".repeat(indent + 4));
                }
                out.push('\n');
            }
            Block::Quote(inner) => print_blocks(inner, indent + 2, texts, out),
            Block::Rule => out.push_str("----\n\n"),
            Block::Step(step) => {
                let kind = match &step.kind {
                    StepKind::Action { id, .. } => said::step_action(id),
                    StepKind::Command => said::step_command(),
                    StepKind::Vnc => said::step_vnc(),
                    StepKind::User => said::step_user(),
                };
                let kind = texts.said(&kind);
                print_item(
                    &format!("{}. [{kind}] ", step.number),
                    &step.blocks,
                    indent,
                    texts,
                    out,
                );
            }
        }
    }
}

fn print_item(bullet: &str, blocks: &[Block], indent: usize, texts: &Texts, out: &mut String) {
    let rest = if let Some((Block::Paragraph(spans), rest)) = blocks.split_first() {
        wrap(&line_of(spans, texts), bullet, indent, out);
        out.push('\n');
        rest
    } else {
        let _ = writeln!(out, "{}{bullet}", " ".repeat(indent));
        blocks
    };
    print_blocks(rest, indent + 3, texts, out);
}

fn line_of(spans: &[Span], texts: &Texts) -> String {
    let mut out = String::new();
    for span in spans {
        match span {
            Span::Text(text) | Span::Emphasis(text) | Span::Strong(text) => out.push_str(text),
            Span::Code(text) => {
                let _ = write!(out, "`{text}`");
            }
            Span::Link { text, target } => {
                let _ = match target {
                    Target::Guide(slug) => {
                        let link = said::link_to_guide(text, slug);
                        write!(out, "{}", texts.said(&link))
                    }
                    Target::Web(address) => write!(out, "{text} <{address}>"),
                };
            }
        }
    }
    out
}

/// Fills lines up to [`WIDTH`] columns; breaks at spaces, and between wide characters.
fn wrap(text: &str, bullet: &str, indent: usize, out: &mut String) {
    let hanging = indent + bullet.width();
    let mut first = format!("{}{bullet}", " ".repeat(indent));
    for line in wrap_lines(text, WIDTH - hanging) {
        let _ = writeln!(out, "{first}{line}");
        first = " ".repeat(hanging);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_never_too_wide() {
        let mut out = String::new();
        wrap(&"한국어 문장 ".repeat(40), "1. ", 2, &mut out);
        wrap(&"中文没有空格".repeat(40), "", 0, &mut out);
        assert!(out.lines().all(|line| line.width() <= WIDTH));
        assert!(out.lines().count() < 12);
    }

    #[test]
    fn every_guide_prints_in_every_language() {
        for guide in library().guides() {
            for lang in Lang::ALL {
                let text = print_guide(guide, lang);
                assert!(text.contains(&guide.slug) && !text.contains("{{"), "{text}");
            }
        }
    }
}
