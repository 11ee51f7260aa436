//! The table of known messages: `assets/knowledge/client-errors.toml`, made ready for searching.
//!
//! Must not live here: which of the messages found counts (`select`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde::Deserialize;

use super::lines::Lines;
use super::search::{Hits, Place, Search};
use super::squash::{Pattern, Squashed};
use super::{MAX_TEXT, PASTED_ERROR, Stage};
use crate::domain::instance::Os;

const SHIPPED: &str = include_str!("../../assets/knowledge/client-errors.toml");

/// How much a message says about why the login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rank {
    /// Says nothing; keeps what lies under it from being read.
    Aside,
    /// Counts where nothing better of its group was found.
    Weak,
    /// How it ended.
    #[default]
    Outcome,
    /// Why it ended.
    Reason,
}

/// Who prints a message: several programs of one login, or something that stands by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The user's program, and what its system says through it.
    Client,
    /// A server's log.
    Server,
    /// A screen or a notice of the cloud.
    Notice,
    /// Somebody's own words.
    Person,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    text: Vec<RawRow>,
    stage: Vec<RawStage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    #[serde(default)]
    pub class: String,
    pub state: String,
    #[serde(default)]
    pub evidence: Option<String>,
    #[serde(default)]
    pub stage: Option<Stage>,
    pub program: String,
    #[serde(default)]
    pub os: Os,
    #[serde(default)]
    pub rank: Rank,
    #[serde(default)]
    pub any: Vec<String>,
    #[serde(default)]
    pub exact: Vec<String>,
    /// Wordings that no message table of the program confirms.
    #[serde(default)]
    pub unsure: Vec<String>,
    #[serde(default)]
    pub with: Vec<String>,
    #[serde(default)]
    pub without: Vec<String>,
    #[serde(default)]
    pub at_end: bool,
    #[serde(default)]
    pub methods: bool,
    #[serde(default)]
    pub state_with_password: Option<String>,
    #[serde(default)]
    pub by_stage: BTreeMap<Stage, String>,
}

impl RawRow {
    pub(super) fn group(&self) -> &str {
        self.evidence.as_deref().unwrap_or(PASTED_ERROR)
    }

    pub(super) fn says_nothing(&self) -> bool {
        self.rank == Rank::Aside
    }

    pub(super) fn speaker(&self) -> Speaker {
        match self.program.as_str() {
            "sshd" | "xrdp" | "kernel" => Speaker::Server,
            "vnc" | "cloud" => Speaker::Notice,
            "person" => Speaker::Person,
            _ => Speaker::Client,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStage {
    pub id: Stage,
    #[serde(default)]
    pub hang: Option<String>,
    #[serde(default)]
    pub hang_class: String,
    texts: Vec<String>,
}

/// A row with the numbers of its patterns.
#[derive(Debug)]
pub(super) struct Row {
    pub raw: RawRow,
    letters: Range<usize>,
    exact: Range<usize>,
    with: Range<usize>,
    without: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub stages: Vec<(RawStage, Range<usize>)>,
    letters: Search,
    exact: Search,
    /// Row of each pattern of letters that is a message.
    owners: Vec<Option<usize>>,
}

/// Patterns being numbered.
#[derive(Default)]
struct Numbered(Vec<Pattern>);

impl Numbered {
    fn add<'t>(
        &mut self,
        texts: impl IntoIterator<Item = &'t String>,
        exact: bool,
    ) -> Range<usize> {
        let from = self.0.len();
        let patterns = texts.into_iter().map(|text| Pattern::new(text, exact));
        self.0.extend(patterns);
        from..self.0.len()
    }
}

impl Table {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let (mut letters, mut exact) = (Numbered::default(), Numbered::default());
        let rows: Vec<Row> = file
            .text
            .into_iter()
            .map(|raw| Row {
                letters: letters.add(raw.any.iter().chain(&raw.unsure), false),
                exact: exact.add(&raw.exact, true),
                with: letters.add(&raw.with, false),
                without: letters.add(&raw.without, false),
                raw,
            })
            .collect();
        let stages = file
            .stage
            .into_iter()
            .map(|raw| {
                let texts = letters.add(&raw.texts, false);
                (raw, texts)
            })
            .collect();
        let mut owners = vec![None; letters.0.len()];
        for (number, row) in rows.iter().enumerate() {
            owners[row.letters.clone()].fill(Some(number));
        }
        Ok(Self {
            rows,
            stages,
            letters: Search::new(&letters.0),
            exact: Search::new(&exact.0),
            owners,
        })
    }

    pub(super) fn shipped() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::parse(SHIPPED).expect("the shipped table is parsed by a test"))
    }
}

/// A message found in a text.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'t> {
    pub row: &'t Row,
    /// Bytes of the original.
    pub span: Range<usize>,
    pub letters: usize,
    pub whole: bool,
    /// A client's message in a line of a server's log.
    pub misplaced: bool,
}

/// A pasted text, searched.
pub(super) struct Searched {
    pub lines: Lines,
    pub letters: Squashed,
    exact: Squashed,
    letter_hits: Hits,
    exact_hits: Hits,
}

impl Searched {
    /// Of a text longer than [`MAX_TEXT`] the first and the last half of that are read.
    pub(super) fn new(table: &Table, text: &str) -> Self {
        let lines = Lines::of(text);
        let mut head = text.len().min(MAX_TEXT);
        let mut tail = text.len();
        if text.len() > MAX_TEXT {
            head = MAX_TEXT / 2;
            tail = text.len() - MAX_TEXT / 2;
            while !text.is_char_boundary(head) {
                head -= 1;
            }
            while !text.is_char_boundary(tail) {
                tail += 1;
            }
        }
        let squash = |keep_punctuation| {
            let mut squashed = Squashed::default();
            squashed.push(&text[..head], 0, keep_punctuation, lines.ends());
            let later = lines.ends().partition_point(|end| *end <= tail);
            if tail < text.len() {
                squashed.push(
                    &text[tail..],
                    tail,
                    keep_punctuation,
                    &lines.ends()[later..],
                );
            }
            squashed
        };
        let (letters, exact) = (squash(false), squash(true));
        Self {
            letter_hits: table.letters.hits(&letters),
            exact_hits: table.exact.hits(&exact),
            lines,
            letters,
            exact,
        }
    }

    fn holds_any(&self, table: &Table, patterns: &Range<usize>) -> bool {
        patterns
            .clone()
            .any(|p| table.letters.holds(p, &self.letter_hits, &self.letters))
    }

    /// Every message that stands whole, with at most a slip.
    pub(super) fn candidates<'t>(&self, table: &'t Table) -> Vec<Candidate<'t>> {
        let mut out = Vec::new();
        for row in &table.rows {
            let from = out.len();
            for pattern in row.letters.clone() {
                let places = table
                    .letters
                    .places(pattern, &self.letter_hits, &self.letters);
                out.extend(
                    places
                        .iter()
                        .map(|p| self.candidate(row, &self.letters, *p)),
                );
            }
            for pattern in row.exact.clone() {
                let places = table.exact.places(pattern, &self.exact_hits, &self.exact);
                out.extend(places.iter().map(|p| self.candidate(row, &self.exact, *p)));
            }
            let stands = out.len() > from
                && (row.with.is_empty() || self.holds_any(table, &row.with))
                && !self.holds_any(table, &row.without);
            if !stands {
                out.truncate(from);
            }
        }
        out
    }

    fn candidate<'t>(&self, row: &'t Row, text: &Squashed, place: Place) -> Candidate<'t> {
        let span = text.span(place.start, place.end);
        let line = self.lines.line_of(span.start);
        Candidate {
            row,
            // A slip makes a longer text no better than a shorter one that is exact.
            letters: place.letters.saturating_sub(if place.slip { 4 } else { 0 }),
            whole: true,
            misplaced: row.raw.speaker() == Speaker::Client && self.lines.is_logged(line),
            span,
        }
    }

    /// Messages that the end or the start of the text cuts off, where the piece left is a piece
    /// of that message's state alone.
    pub(super) fn cut<'t>(&self, table: &'t Table) -> Vec<Candidate<'t>> {
        let mut out = Vec::new();
        for (pattern, owner) in table.owners.iter().enumerate() {
            let Some(number) = *owner else { continue };
            let row = &table.rows[number];
            let own = (row.raw.group(), row.raw.state.as_str());
            let is_telling = |piece: &str| {
                table.letters.holding(piece).all(|other| {
                    table.owners[other].is_none_or(|other| {
                        let raw = &table.rows[other].raw;
                        (raw.group(), raw.state.as_str()) == own
                    })
                })
            };
            if !row.with.is_empty() || row.raw.says_nothing() {
                continue;
            }
            if let Some(place) = table.letters.cut(pattern, &self.letters, is_telling) {
                out.push(Candidate {
                    whole: false,
                    ..self.candidate(row, &self.letters, place)
                });
            }
        }
        out
    }

    /// Where a verbose trace shows each stage, in the order of the text.
    pub(super) fn marks(&self, table: &Table) -> Vec<(usize, Stage)> {
        let mut marks = Vec::new();
        for (raw, texts) in &table.stages {
            for pattern in texts.clone() {
                let places = table
                    .letters
                    .places(pattern, &self.letter_hits, &self.letters);
                let exact = places.iter().filter(|place| !place.slip);
                let at = exact.map(|p| self.letters.span(p.start, p.end).start);
                marks.extend(at.map(|at| (at, raw.id)));
            }
        }
        marks.sort_unstable();
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_parses_and_every_row_can_be_found() {
        let table = Table::parse(SHIPPED).expect("parses");
        for row in &table.rows {
            let raw = &row.raw;
            let texts = raw.any.iter().chain(&raw.exact).chain(&raw.unsure);
            assert!(texts.clone().count() > 0, "{}", raw.class);
            for text in texts {
                assert!(!Pattern::new(text, true).is_empty(), "{}", raw.class);
            }
        }
    }
}
