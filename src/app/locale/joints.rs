//! What stands between the parts of a line, as the language writes it.
//!
//! Chinese takes full-width marks, Korean sets no blank before a bracket. Must not live here: words
//! (the catalogues), sentences (`sentences`).

use super::{Lang, Texts, fill};
use crate::domain::evidence::Path;
use crate::domain::said::Joint;

/// Bits from which more evidence tells much, and something.
const MUCH: f64 = 0.5;
const SOME: f64 = 0.15;

impl Texts {
    /// `what: value`.
    pub fn labelled(&self, what: &str, value: &str) -> String {
        let colon = if self.lang == Lang::Zh { "：" } else { ": " };
        format!("{what}{colon}{value}")
    }

    /// `what (note)`.
    pub fn noted(&self, what: &str, note: &str) -> String {
        match self.lang {
            Lang::En => format!("{what} ({note})"),
            Lang::Ko => format!("{what}({note})"),
            Lang::Zh => format!("{what}（{note}）"),
        }
    }

    /// `a, b, c`.
    pub fn listed<T: AsRef<str>>(&self, names: &[T]) -> String {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        names.join(Joint::Names.text(self.lang))
    }

    /// `first; second`.
    pub fn and_also(&self, first: &str, second: &str) -> String {
        format!("{first}{}{second}", Joint::Semicolons.text(self.lang))
    }

    /// Whole sentences in a row.
    pub fn in_a_row(&self, first: &str, second: &str) -> String {
        format!("{first}{}{second}", Joint::Spaces.text(self.lang))
    }

    /// An evidence group, with the path where it has one.
    pub fn evidence_on(&self, id: &str, path: Option<Path>) -> String {
        let name = self.evidence(id);
        path.map_or_else(|| name.to_owned(), |path| self.noted(name, self.path(path)))
    }

    /// What a look is worth and how long it takes: the most bits and the most seconds of what it
    /// reads.
    pub fn price(&self, bits: f64, seconds: f64) -> String {
        let worth = if bits >= MUCH {
            &self.ui.tells_much
        } else if bits >= SOME {
            &self.ui.tells_some
        } else {
            &self.ui.tells_little
        };
        let seconds = format!("{seconds:.0}");
        fill(
            &self.ui.evidence_price,
            &[("worth", worth), ("seconds", &seconds)],
        )
    }

    /// An evidence group and its state.
    pub fn reading(&self, id: &str, path: Option<Path>, state: &str) -> String {
        self.labelled(&self.evidence_on(id, path), self.state(id, state))
    }
}
