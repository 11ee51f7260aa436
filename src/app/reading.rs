//! A text being read: its lines with their looks, the place in it, search, and the steps of a
//! guide.
//!
//! Lines are those of the text; wrapping belongs to the screen, so that every offset here means
//! the same at any width. Must not live here: making a guide into lines (`guide_text`), drawing.

use super::line_edit::LineEdit;
use crate::guide::markdown::{Document, StepKind};

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineLook {
    #[default]
    Text,
    Heading,
    Code,
    /// Said about the text, not part of it.
    Note,
    /// The same for something that is done already.
    Done,
}

/// How a piece of a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartLook {
    Plain,
    Strong,
    Code,
    Link,
}

/// A stretch of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub text: String,
    pub look: PartLook,
    /// Where it leads on the web.
    pub address: Option<String>,
}

impl Part {
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            look: PartLook::Plain,
            address: None,
        }
    }

    /// A link; without an address of the web it leads to somewhere in the program.
    pub fn link(text: String, address: Option<String>) -> Self {
        Self {
            text,
            look: PartLook::Link,
            address,
        }
    }
}

/// A row of a table: its cells, the names of the columns, and the cells that each column takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    pub cells: Vec<String>,
    pub heads: Vec<String>,
    pub widths: Vec<usize>,
    pub is_head: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextLine {
    pub look: LineLook,
    pub indent: usize,
    /// Bullet or number before the text.
    pub lead: String,
    pub parts: Vec<Part>,
    pub row: Option<TableRow>,
    /// Number of the step that begins here.
    pub step: Option<usize>,
}

impl TextLine {
    pub fn new(look: LineLook, indent: usize, text: impl Into<String>) -> Self {
        Self {
            look,
            indent,
            parts: vec![Part::plain(text)],
            ..Self::default()
        }
    }

    /// The text without its looks.
    pub fn text(&self) -> String {
        match &self.row {
            Some(row) => row.cells.join(" | "),
            None => self.parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }

    /// As it would be copied.
    pub fn plain(&self) -> String {
        let number = self
            .step
            .map_or_else(String::new, |step| format!("{step}. "));
        let line = format!(
            "{}{number}{}{}",
            " ".repeat(self.indent),
            self.lead,
            self.text()
        );
        line.trim_end().to_owned()
    }

    pub fn is_blank(&self) -> bool {
        self.row.is_none() && self.step.is_none() && self.lead.is_empty() && self.text().is_empty()
    }

    fn holds(&self, wanted: &str) -> bool {
        self.plain().to_lowercase().contains(wanted)
    }
}

/// What can be done about one step of the guide being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuideStep {
    pub number: usize,
    /// The line that it begins at.
    pub line: usize,
    pub kind: StepKind,
    pub commands: Vec<String>,
    /// The first guide that it refers to.
    pub link: Option<String>,
}

/// The guide being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuideAt {
    pub slug: String,
    pub instance: String,
    pub steps: Vec<GuideStep>,
    /// Index of the step at hand.
    pub at: usize,
}

impl GuideAt {
    /// The step at hand.
    pub fn step(&self) -> Option<&GuideStep> {
        self.steps.get(self.at)
    }
}

/// Scroll position and search of a text.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    pub title: String,
    pub body: Vec<TextLine>,
    pub offset: usize,
    /// Search being typed.
    pub typing: Option<LineEdit>,
    pub search: String,
    pub guide: Option<GuideAt>,
    /// Without a frame, so that a person can select the text with the terminal's own means.
    pub bare: bool,
}

impl Reading {
    /// A script as it stands, shown to be copied.
    pub fn is_script(&self) -> bool {
        !self.body.is_empty() && self.body.iter().all(|line| line.look == LineLook::Code)
    }

    /// A plain text: `# ` before a heading, four spaces before code.
    pub fn new(title: impl Into<String>, body: &str) -> Self {
        let line = |line: &str| {
            if let Some(heading) = line.strip_prefix('#') {
                let heading = heading.trim_start_matches('#').trim();
                TextLine::new(LineLook::Heading, 0, heading)
            } else if let Some(code) = line.strip_prefix("    ") {
                TextLine::new(LineLook::Code, 4, code)
            } else {
                TextLine::new(LineLook::Text, 0, line)
            }
        };
        Self {
            title: title.into(),
            body: body.lines().map(line).collect(),
            ..Self::default()
        }
    }

    /// The whole text as it would be copied.
    pub fn plain(&self) -> String {
        let lines: Vec<String> = self.body.iter().map(TextLine::plain).collect();
        lines.join("\n")
    }

    /// Moves to the next line from `from` on that holds the search words, around the end.
    pub fn search_from(&mut self, from: usize) -> bool {
        let wanted = self.search.to_lowercase();
        if wanted.is_empty() {
            return false;
        }
        let hits = || {
            let lines = self.body.iter().enumerate();
            lines.filter(|(_, line)| line.holds(&wanted))
        };
        let found = hits().find(|(index, _)| *index >= from);
        let found = found.or_else(|| hits().next()).map(|(index, _)| index);
        if let Some(index) = found {
            self.offset = index;
        }
        found.is_some()
    }

    /// Scrolls by lines; the step at hand follows what is on the screen. `shown` is how many
    /// lines of the text the last frame had room for.
    pub fn scroll(&mut self, lines: isize, shown: usize) {
        let most = self.body.len().saturating_sub(1);
        self.offset = self.offset.saturating_add_signed(lines).min(most);
        let window = self.offset..self.offset + shown.max(1);
        if let Some(guide) = &mut self.guide
            && guide
                .step()
                .is_some_and(|step| !window.contains(&step.line))
        {
            let steps = &guide.steps;
            let visible = steps.iter().position(|step| window.contains(&step.line));
            let before = steps.iter().rposition(|step| step.line < window.start);
            guide.at = visible.or(before).unwrap_or(0);
        }
    }

    /// Makes the next or an earlier step the one at hand, and scrolls only where it must.
    pub fn go_to_step(&mut self, by: isize, shown: usize) {
        let Some(guide) = &mut self.guide else {
            return;
        };
        let last = guide.steps.len().saturating_sub(1);
        guide.at = guide.at.saturating_add_signed(by).min(last);
        let Some(line) = guide.step().map(|step| step.line) else {
            return;
        };
        let next = guide.steps.get(guide.at + 1).map_or(line + 1, |s| s.line);
        // The whole step is to be seen, not its first line alone.
        if line < self.offset || next > self.offset + shown {
            self.offset = line;
        }
    }

    /// Takes the steps of a filled-in document as those of this text.
    #[must_use]
    pub fn with_steps(mut self, slug: &str, instance: &str, document: &Document) -> Self {
        let begins = |number| {
            let at = self.body.iter().position(|line| line.step == Some(number));
            at.unwrap_or_default()
        };
        let steps = document
            .steps()
            .map(|step| GuideStep {
                number: step.number,
                line: begins(step.number),
                kind: step.kind.clone(),
                commands: step.commands().into_iter().map(str::to_owned).collect(),
                link: step.links().first().map(|slug| (*slug).to_owned()),
            })
            .collect();
        self.guide = Some(GuideAt {
            slug: slug.to_owned(),
            instance: instance.to_owned(),
            steps,
            at: 0,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> Reading {
        let body: Vec<String> = (0..lines).map(|n| format!("line {n}")).collect();
        Reading::new("t", &body.join("\n"))
    }

    #[test]
    fn a_search_goes_on_and_around() {
        let mut reading = text(20);
        reading.search = "LINE 1".into();
        assert!(reading.search_from(2));
        assert_eq!(reading.offset, 10);
        reading.offset = 19;
        assert!(reading.search_from(20));
        assert_eq!(reading.offset, 1);
        reading.search = "nowhere".into();
        assert!(!reading.search_from(0));
        assert_eq!(reading.offset, 1);
    }

    #[test]
    fn steps_are_reached_by_jumps_and_followed_while_scrolling() {
        let mut reading = text(30);
        let step = |number, line| GuideStep {
            number,
            line,
            kind: StepKind::User,
            commands: Vec::new(),
            link: None,
        };
        reading.guide = Some(GuideAt {
            slug: "g".into(),
            instance: "i".into(),
            steps: vec![step(1, 3), step(2, 8), step(3, 20)],
            at: 0,
        });
        let at = |reading: &Reading| reading.guide.as_ref().map(|guide| guide.at);
        reading.go_to_step(1, 10);
        assert_eq!((at(&reading), reading.offset), (Some(1), 8));
        reading.go_to_step(-1, 10);
        assert_eq!((at(&reading), reading.offset), (Some(0), 3));
        reading.scroll(15, 5);
        assert_eq!(at(&reading), Some(2));
        reading.scroll(isize::MIN, 5);
        assert_eq!((at(&reading), reading.offset), (Some(0), 0));
    }
}
