//! What a pasted client error says: the kind of message, how far the login came, which program.
//!
//! Lives here: recognition over `assets/knowledge/client-errors.toml` and its turning into
//! readings of the operator. Must not live here: what a state is worth (`diagnosis`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde::Deserialize;

use super::squash::{Pattern, Squashed};
use crate::domain::evidence::{Reading, Source};
use crate::domain::instance::Os;
use crate::domain::text::sanitise;

/// Bytes looked at. Of a longer text the first and the last half of this are read.
pub const MAX_TEXT: usize = 64 * 1024;

/// Letters of the matched part that a reading carries.
const MAX_DETAIL: usize = 160;

const SHIPPED: &str = include_str!("../../assets/knowledge/client-errors.toml");

/// Group of the readings that come from what a client printed.
pub const PASTED_ERROR: &str = "pasted-error";

/// How far a login had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Looking up the name.
    Resolve,
    /// TCP handshake.
    Connect,
    /// Waiting for the identification string (RFC 4253 section 4.2).
    Banner,
    /// SSH key exchange, or X.224 and TLS for RDP.
    KeyExchange,
    /// Checking who the server is.
    HostKey,
    /// Proving who the user is.
    Authentication,
    /// Logged in; starting the session.
    Session,
}

impl Stage {
    /// The word used in data and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Banner => "banner",
            Self::KeyExchange => "key-exchange",
            Self::HostKey => "host-key",
            Self::Authentication => "authentication",
            Self::Session => "session",
        }
    }
}

/// One message found in a pasted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// Evidence group: `pasted-error`, or a group that the text speaks of directly
    /// (`console`, `guest-pam`, ...).
    pub evidence: String,
    /// State of that group.
    pub state: String,
    /// Kind of message, as guides name it; empty for a text that was not recognised.
    pub class: String,
    /// The matched part, in bytes of the given text.
    pub span: Range<usize>,
    /// How far the login had come, where the text tells.
    pub stage: Option<Stage>,
    /// Program or place that prints such a text; empty where unknown.
    pub program: String,
    /// System of the instance, where the text alone tells it.
    pub os: Os,
    /// The text was cut inside the message.
    pub partial: bool,
}

#[derive(Debug, Deserialize)]
struct File {
    text: Vec<RawRow>,
    stage: Vec<RawStage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    class: String,
    state: String,
    #[serde(default)]
    evidence: Option<String>,
    #[serde(default)]
    stage: Option<Stage>,
    program: String,
    #[serde(default)]
    os: Os,
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    exact: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    weak: bool,
    #[serde(default)]
    at_end: bool,
    #[serde(default)]
    methods: bool,
    #[serde(default)]
    state_with_password: Option<String>,
    #[serde(default)]
    by_stage: BTreeMap<Stage, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStage {
    id: Stage,
    #[serde(default)]
    hang: Option<String>,
    texts: Vec<String>,
}

#[derive(Debug)]
struct Row {
    raw: RawRow,
    any: Vec<Pattern>,
    exact: Vec<Pattern>,
    with: Vec<Pattern>,
    without: Vec<Pattern>,
}

#[derive(Debug)]
struct Table {
    rows: Vec<Row>,
    stages: Vec<(RawStage, Vec<Pattern>)>,
}

fn patterns(texts: &[String], exact: bool) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text, exact)).collect()
}

impl Table {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let rows = file
            .text
            .into_iter()
            .map(|raw| Row {
                any: patterns(&raw.any, false),
                exact: patterns(&raw.exact, true),
                with: patterns(&raw.with, false),
                without: patterns(&raw.without, false),
                raw,
            })
            .collect();
        let stages = file
            .stage
            .into_iter()
            .map(|raw| {
                let texts = patterns(&raw.texts, false);
                (raw, texts)
            })
            .collect();
        Ok(Self { rows, stages })
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::parse(SHIPPED).expect("the shipped table is parsed by a test"))
}

/// Every kind of message that the table knows, for linting guides.
pub fn classes() -> impl Iterator<Item = &'static str> {
    table().rows.iter().map(|row| row.raw.class.as_str())
}

/// Kinds of message that stand behind a state of a group.
pub fn classes_of(group: &str, state: &str) -> impl Iterator<Item = &'static str> {
    table()
        .rows
        .iter()
        .filter(move |row| {
            let raw = &row.raw;
            raw.evidence.as_deref().unwrap_or(PASTED_ERROR) == group
                && (raw.state == state || raw.state_with_password.as_deref() == Some(state))
        })
        .map(|row| row.raw.class.as_str())
}

/// Every group and state that the table can give, for checking it against the vocabulary.
pub fn states() -> Vec<(&'static str, &'static str)> {
    let table = table();
    let rows = table.rows.iter().flat_map(|row| {
        let group = row.raw.evidence.as_deref().unwrap_or(PASTED_ERROR);
        std::iter::once(&row.raw.state)
            .chain(&row.raw.state_with_password)
            .chain(row.raw.by_stage.values())
            .map(move |state| (group, state.as_str()))
    });
    let hangs = table
        .stages
        .iter()
        .filter_map(|(raw, _)| raw.hang.as_deref().map(|state| (PASTED_ERROR, state)));
    let mut all: Vec<_> = rows.chain(hangs).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A text of at most [`MAX_TEXT`] bytes in its reduced forms.
struct Pasted {
    letters: Squashed,
    exact: Squashed,
}

impl Pasted {
    fn new(text: &str) -> Self {
        let mut letters;
        let mut exact;
        if text.len() <= MAX_TEXT {
            letters = Squashed::new(text, 0, false);
            exact = Squashed::new(text, 0, true);
        } else {
            let mut head = MAX_TEXT / 2;
            while !text.is_char_boundary(head) {
                head -= 1;
            }
            let mut tail = text.len() - MAX_TEXT / 2;
            while !text.is_char_boundary(tail) {
                tail += 1;
            }
            letters = Squashed::new(&text[..head], 0, false);
            letters.push(&text[tail..], tail, false);
            exact = Squashed::new(&text[..head], 0, true);
            exact.push(&text[tail..], tail, true);
        }
        Self { letters, exact }
    }

    fn holds_any(&self, patterns: &[Pattern]) -> bool {
        patterns
            .iter()
            .any(|pattern| self.letters.find_whole(pattern).is_some())
    }
}

struct Candidate<'t> {
    row: &'t Row,
    span: Range<usize>,
    letters: usize,
    whole: bool,
}

/// Finds every known message in what an operator pasted, in the order of the text.
///
/// An empty text gives nothing; one in which nothing is known gives one `unrecognised`.
pub fn recognise(text: &str) -> Vec<Recognised> {
    let pasted = Pasted::new(text);
    if pasted.letters.is_empty() {
        return Vec::new();
    }
    let marks = stage_marks(&pasted);
    let mut found = resolve(candidates(text, &pasted), &pasted, &marks);
    if found.is_empty() {
        found.push(hang(text, &marks).unwrap_or_else(unrecognised));
    }
    found.sort_by_key(|r| (r.span.start, r.span.end));
    found
}

fn unrecognised() -> Recognised {
    Recognised {
        evidence: PASTED_ERROR.to_owned(),
        state: "unrecognised".to_owned(),
        class: String::new(),
        span: 0..0,
        stage: None,
        program: String::new(),
        os: Os::Unknown,
        partial: false,
    }
}

/// Nothing but a date and a place follows, and above all no prompt.
fn is_last(text: &str, end: usize) -> bool {
    let rest = text.get(end..).unwrap_or_default().trim();
    rest.chars().count() <= 120 && !rest.contains(['#', '$', '~', '%'])
}

fn candidates(text: &str, pasted: &Pasted) -> Vec<Candidate<'static>> {
    let mut out = Vec::new();
    for row in &table().rows {
        let letters = row.any.iter().filter_map(|p| pasted.letters.find(p));
        let exact = row.exact.iter().filter_map(|p| pasted.exact.find(p));
        for found in letters.chain(exact) {
            out.push(Candidate {
                row,
                span: found.span,
                letters: found.letters,
                whole: found.whole,
            });
        }
    }
    out.retain(|candidate| {
        let row = candidate.row;
        (row.with.is_empty() || pasted.holds_any(&row.with))
            && !pasted.holds_any(&row.without)
            && (!row.raw.at_end || is_last(text, candidate.span.end))
    });
    // Longer before shorter, whole before cut; the order of the file decides the rest.
    out.sort_by_key(|c| (!c.whole, std::cmp::Reverse(c.letters)));
    out
}

/// Drops what lies under a longer match, what is weak beside something better, and doubles.
fn resolve(
    candidates: Vec<Candidate<'static>>,
    pasted: &Pasted,
    marks: &[(usize, Stage)],
) -> Vec<Recognised> {
    let mut taken: Vec<(Range<usize>, &str)> = Vec::new();
    let mut kept: Vec<(bool, Recognised)> = Vec::new();
    for candidate in candidates {
        let (span, class) = (&candidate.span, candidate.row.raw.class.as_str());
        let over = |t: &&(Range<usize>, &str)| t.0.start < span.end && span.start < t.0.end;
        if let Some((_, other)) = taken.iter().find(over) {
            // Another wording of the same message covers what lies under it as well.
            if *other == class && candidate.whole {
                taken.push((span.clone(), class));
            }
            continue;
        }
        // A cut message is only believed where nothing whole was found.
        if !candidate.whole && !taken.is_empty() {
            continue;
        }
        taken.push((span.clone(), class));
        let weak = candidate.row.raw.weak;
        let recognised = describe(&candidate, pasted, marks);
        let double = |(_, r): &(bool, Recognised)| {
            r.evidence == recognised.evidence
                && r.state == recognised.state
                && r.class == recognised.class
        };
        if !kept.iter().any(double) {
            kept.push((weak, recognised));
        }
    }
    let strong: Vec<String> = kept
        .iter()
        .filter(|(weak, _)| !weak)
        .map(|(_, r)| r.evidence.clone())
        .collect();
    // Of several weak ones the last in the text is the outcome.
    let last_weak = kept
        .iter()
        .filter(|(weak, _)| *weak)
        .map(|(_, r)| r.span.start)
        .max();
    kept.into_iter()
        .filter(|(weak, r)| {
            !weak || (!strong.contains(&r.evidence) && Some(r.span.start) == last_weak)
        })
        .map(|(_, r)| r)
        .collect()
}

fn describe(candidate: &Candidate<'_>, pasted: &Pasted, marks: &[(usize, Stage)]) -> Recognised {
    let raw = &candidate.row.raw;
    let seen = marks
        .iter()
        .rfind(|(at, _)| *at <= candidate.span.start)
        .map(|&(_, stage)| stage);
    let stage = seen.or(raw.stage);
    let mut state = raw.state.clone();
    if raw.methods
        && let Some(other) = &raw.state_with_password
        && lists_password(pasted.letters.letters_after(candidate.span.end, 160))
    {
        state.clone_from(other);
    }
    if let Some(other) = seen.and_then(|stage| raw.by_stage.get(&stage)) {
        state.clone_from(other);
    }
    Recognised {
        evidence: raw.evidence.clone().unwrap_or(PASTED_ERROR.to_owned()),
        state,
        class: raw.class.clone(),
        span: candidate.span.clone(),
        stage,
        program: raw.program.clone(),
        os: raw.os,
        partial: !candidate.whole,
    }
}

/// Names of methods (RFC 4252 section 5, RFC 4256, RFC 4462) as they follow one another once
/// punctuation is gone.
fn lists_password(mut rest: &str) -> bool {
    const METHODS: &[&str] = &[
        "publickey",
        "password",
        "keyboardinteractive",
        "gssapikeyex",
        "gssapiwithmic",
        "hostbased",
    ];
    while let Some(method) = METHODS.iter().find(|m| rest.starts_with(**m)) {
        if matches!(*method, "password" | "keyboardinteractive") {
            return true;
        }
        rest = &rest[method.len()..];
    }
    false
}

/// Where a verbose trace shows each stage, in the order of the text.
fn stage_marks(pasted: &Pasted) -> Vec<(usize, Stage)> {
    let mut marks: Vec<(usize, Stage)> = Vec::new();
    for (raw, texts) in &table().stages {
        for pattern in texts {
            let first = pasted.letters.find_whole(pattern);
            let last = pasted.letters.find_last(pattern);
            marks.extend(
                first
                    .into_iter()
                    .chain(last)
                    .map(|f| (f.span.start, raw.id)),
            );
        }
    }
    marks.sort_unstable();
    marks
}

/// A trace that ends without a message hung at the stage it shows last.
fn hang(text: &str, marks: &[(usize, Stage)]) -> Option<Recognised> {
    let &(at, stage) = marks.last()?;
    // Two lines of a trace are needed: one alone is a quotation, not a login that hangs.
    let lines = marks
        .iter()
        .map(|m| m.0)
        .collect::<std::collections::BTreeSet<_>>();
    if lines.len() < 2 {
        return None;
    }
    let (raw, _) = table().stages.iter().find(|(raw, _)| raw.id == stage)?;
    let line = text[at..].split(['\n', '\r']).next().unwrap_or_default();
    let end = at + line.len();
    Some(Recognised {
        state: raw.hang.clone()?,
        class: hang_class(stage).to_owned(),
        span: at..end,
        stage: Some(stage),
        program: "openssh".to_owned(),
        os: Os::Linux,
        ..unrecognised()
    })
}

fn hang_class(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "name-not-resolved",
        Stage::Connect => "connect-timeout",
        Stage::Banner => "banner-timeout",
        Stage::KeyExchange | Stage::HostKey => "ssh-kex-hang",
        Stage::Authentication => "slow-login",
        Stage::Session => "hung-after-login",
    }
}

/// The readings that a pasted text gives; `observed_at` is left to the caller, who has a clock.
pub fn readings(text: &str) -> Vec<Reading> {
    let mut out: Vec<Reading> = Vec::new();
    for found in recognise(text) {
        let double =
            |r: &Reading| r.id == found.evidence && r.state.as_deref() == Some(&found.state);
        if out.iter().any(double) {
            continue;
        }
        out.push(Reading::observed(
            &found.evidence,
            Source::Operator,
            &found.state,
            detail(text, &found),
        ));
    }
    out
}

fn detail(text: &str, found: &Recognised) -> String {
    let part = text.get(found.span.clone()).unwrap_or_default();
    let part = sanitise(part, MAX_DETAIL);
    if part.is_empty() {
        return "the pasted text is none that is known".to_owned();
    }
    match found.stage {
        Some(stage) => format!("“{part}” ({}, stage {})", found.program, stage.as_str()),
        None => format!("“{part}” ({})", found.program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_parses_and_no_text_is_too_short() {
        let table = Table::parse(SHIPPED).expect("parses");
        for row in &table.rows {
            assert!(
                !row.any.is_empty() || !row.exact.is_empty(),
                "{}",
                row.raw.class
            );
            for pattern in row.any.iter().chain(&row.exact) {
                assert!(!pattern.is_empty(), "{}", row.raw.class);
            }
        }
    }
}
