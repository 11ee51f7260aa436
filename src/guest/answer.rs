//! The answer of a guest check: lines of group, key and value, separated by tabs.
//!
//! Must not live here: what a fact means.

use std::collections::BTreeMap;

use crate::domain::text::sanitise;

/// Longest value kept, in characters: a line of `hosts.allow` may have 2047.
const MAX_VALUE: usize = 2048;
/// Most lines read; the agent itself cuts at 24 KB.
const MAX_LINES: usize = 4000;

/// Facts by group and key, in the order in which they were said.
#[derive(Debug, Default)]
pub struct Answer {
    facts: BTreeMap<(String, String), Vec<String>>,
}

impl Answer {
    /// Reads an answer; lines of another shape are passed over.
    pub fn parse(output: &str) -> Self {
        let mut facts: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for line in output.lines().take(MAX_LINES) {
            let mut parts = line.splitn(3, '\t');
            if let (Some(group), Some(key), Some(value)) =
                (parts.next(), parts.next(), parts.next())
            {
                facts
                    .entry((group.trim().to_owned(), key.to_owned()))
                    .or_default()
                    .push(sanitise(value, MAX_VALUE));
            }
        }
        Self { facts }
    }

    /// All values of a fact; empty when it was not said.
    pub fn all(&self, group: &str, key: &str) -> &[String] {
        self.facts
            .get(&(group.to_owned(), key.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    /// The first value of a fact.
    pub fn first(&self, group: &str, key: &str) -> Option<&str> {
        self.all(group, key).first().map(String::as_str)
    }

    /// True if the service cut the output off, so that what was said last is missing
    /// (`cloud::automation::cut_mark`).
    pub fn is_cut(&self) -> bool {
        self.has("cut", "dropped")
    }

    /// True if the fact was said at all.
    pub fn has(&self, group: &str, key: &str) -> bool {
        !self.all(group, key).is_empty()
    }
}
