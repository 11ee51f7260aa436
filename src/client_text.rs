//! What login programs print: the kind of message, how far the login came, which program.
//!
//! One table (`assets/knowledge/client-errors.toml`) for what a user pastes and for what the
//! OpenSSH client says to `probe`.
//!
//! Lives here: recognition, and its turning into readings of the operator. Must not live here:
//! what a state is worth (`diagnosis`), which guide helps (`guide`).

use std::ops::Range;

use serde::Deserialize;

use crate::domain::evidence::state::pasted_error;
use crate::domain::evidence::{Reading, Source, State, group, place};
use crate::domain::instance::Os;
use crate::domain::report::InstanceSummary;
use crate::domain::said::{self as sentences, Said, Word};
use crate::domain::text::sanitise;
use crate::kit;

mod lines;
pub mod said;
mod search;
mod select;
pub mod squash;
mod table;
pub mod target;

use table::{Searched, Table};

/// Bytes looked at. Of a longer text the first and the last half of this are read.
pub const MAX_TEXT: usize = 64 * 1024;

/// Letters of the matched part that a reading carries.
const MAX_DETAIL: usize = 160;

/// Group of the readings that come from what a client printed.
pub const PASTED_ERROR: &str = group::PASTED_ERROR;

/// State of a text in which nothing is known.
pub const UNRECOGNISED: &str = pasted_error::UNRECOGNISED.id;

/// State of a text that ends in a login that works.
pub const LOGIN_WORKS: &str = pasted_error::LOGIN_WORKS.id;

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
    /// The server has named the methods that it offers.
    Methods,
    /// The client has offered a key (RFC 4252 section 7).
    KeyOffered,
    /// The server takes the key: the credentials are proven.
    KeyAccepted,
    /// Proving who the user is.
    Authentication,
    /// Logged in; starting the session.
    Session,
    /// A terminal is asked for.
    Pty,
    /// The command or the shell runs.
    Command,
}

impl Stage {
    /// The term for it.
    pub fn word(self) -> Word {
        Word::new(sentences::Table::Stage, self.as_str())
    }

    /// The word used in data and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Banner => "banner",
            Self::KeyExchange => "key-exchange",
            Self::HostKey => "host-key",
            Self::Methods => "methods",
            Self::KeyOffered => "key-offered",
            Self::KeyAccepted => "key-accepted",
            Self::Authentication => "authentication",
            Self::Session => "session",
            Self::Pty => "pty",
            Self::Command => "command",
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
    /// Kind of message, as guides name it; empty for a login that works and for a text that was
    /// not recognised.
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

/// Every kind of message that the table knows, for linting guides.
pub fn classes() -> impl Iterator<Item = &'static str> {
    let table = Table::shipped();
    let rows = table.rows.iter().map(|row| row.raw.class.as_str());
    let hangs = table.stages.iter().map(|(raw, _)| raw.hang_class.as_str());
    rows.chain(hangs).filter(|class| !class.is_empty())
}

/// Kinds of message that stand behind a state of a group.
pub fn classes_of(group: &str, state: &str) -> impl Iterator<Item = &'static str> {
    let rows = Table::shipped().rows.iter().map(|row| &row.raw);
    rows.filter(move |raw| {
        raw.group() == group
            && (raw.state == state
                || raw.state_with_password.as_deref() == Some(state)
                || raw.by_stage.values().any(|own| own == state))
    })
    .map(|raw| raw.class.as_str())
    .filter(|class| !class.is_empty())
}

/// Every group and state that the table can give, for checking it against the vocabulary.
pub fn states() -> Vec<(&'static str, &'static str)> {
    let table = Table::shipped();
    let rows = table.rows.iter().flat_map(|row| {
        let raw = &row.raw;
        std::iter::once(&raw.state)
            .chain(&raw.state_with_password)
            .chain(raw.by_stage.values())
            .filter(|state| !state.is_empty())
            .map(|state| (raw.group(), state.as_str()))
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

/// Finds the messages that count in what an operator pasted, in the order of the text.
///
/// An empty text gives nothing; one in which nothing is known gives one `unrecognised`.
pub fn recognise(text: &str) -> Vec<Recognised> {
    let table = Table::shipped();
    let searched = Searched::new(table, text);
    if searched.letters.is_empty() {
        return Vec::new();
    }
    let marks = searched.marks(table);
    let mut candidates = searched.candidates(table);
    let says_nothing = candidates.iter().filter(|c| c.row.raw.says_nothing());
    let aside: Vec<usize> = says_nothing
        .map(|candidate| searched.lines.line_of(candidate.span.start))
        .collect();
    // A cut message is only believed where nothing whole was found.
    if candidates.is_empty() {
        candidates = searched.cut(table);
    }
    let mut found = select::select(text, &searched, candidates, &marks);
    if !found.iter().any(|r| r.evidence == PASTED_ERROR) {
        found.extend(hang(table, text, &searched, &marks));
    }
    if found.is_empty() && !is_chatter(text, &searched, &aside) {
        found.push(unrecognised());
    }
    found
}

/// True if each line holds something that is known to say nothing: a client that is only polite.
fn is_chatter(text: &str, searched: &Searched, aside: &[usize]) -> bool {
    let mut at = 0;
    text.split_inclusive(['\n', '\r']).all(|line| {
        let number = searched.lines.line_of(at);
        at += line.len();
        !line.chars().any(char::is_alphanumeric) || aside.contains(&number)
    })
}

/// How far the trace of a login came, where the text is one.
pub fn stage_reached(text: &str) -> Option<Stage> {
    let table = Table::shipped();
    let marks = Searched::new(table, text).marks(table);
    marks.last().map(|(_, stage)| *stage)
}

fn unrecognised() -> Recognised {
    Recognised {
        evidence: PASTED_ERROR.to_owned(),
        state: UNRECOGNISED.to_owned(),
        class: String::new(),
        span: 0..0,
        stage: None,
        program: String::new(),
        os: Os::Unknown,
        partial: false,
    }
}

/// A trace that ends without a message hung at the stage it shows last.
fn hang(
    table: &Table,
    text: &str,
    searched: &Searched,
    marks: &[(usize, Stage)],
) -> Option<Recognised> {
    let &(at, stage) = marks.last()?;
    // Two lines of a trace are needed: one alone is a quotation, not a login that hangs.
    let first = searched.lines.line_of(marks.first()?.0);
    if first == searched.lines.line_of(at) {
        return None;
    }
    let (raw, _) = table.stages.iter().find(|(raw, _)| raw.id == stage)?;
    let line = text[at..].split(['\n', '\r']).next().unwrap_or_default();
    Some(Recognised {
        state: raw.hang.clone()?,
        class: raw.hang_class.clone(),
        span: at..at + line.len(),
        stage: Some(stage),
        program: "openssh".to_owned(),
        os: Os::Linux,
        ..unrecognised()
    })
}

/// The readings that a pasted text gives, where it aimed at against the instance, and what an answer
/// of the kit in it says; `observed_at` is left to the caller, who has a clock.
pub fn evidence(text: &str, instance: &InstanceSummary) -> Vec<Reading> {
    let told = kit::read(text, instance);
    let text = kit::without(text);
    let mut out = readings(&text);
    out.extend(target::reading(&text, instance));
    for reading in told.into_iter().flat_map(|told| told.readings) {
        place(&mut out, reading);
    }
    out
}

/// The readings that a pasted text gives by itself.
pub fn readings(text: &str) -> Vec<Reading> {
    let mut out: Vec<Reading> = Vec::new();
    for found in recognise(text) {
        let double =
            |r: &Reading| r.id == found.evidence && r.state.as_deref() == Some(&found.state);
        if out.iter().any(double) {
            continue;
        }
        out.push(Reading::observed(
            State::new(&found.evidence, &found.state),
            Source::Operator,
            detail(text, &found),
        ));
    }
    out
}

fn detail(text: &str, found: &Recognised) -> Said {
    let part = text.get(found.span.clone()).unwrap_or_default();
    let part = sanitise(part, MAX_DETAIL);
    if part.is_empty() {
        return said::nothing_known();
    }
    match found.stage {
        Some(stage) => said::quoted_at(part, &found.program, stage.word()),
        None => said::quoted(part, &found.program),
    }
}
