//! What somebody describes, beyond the words: ideas with their everyday wordings in each language,
//! and the guides that ideas together speak for (`concepts.toml`, `guide-signs.toml`).
//!
//! Lives here: finding concepts in a text, and the worth of signs. Must not live here: how that
//! weighs beside messages, causes and the word index (`matcher`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;

use serde::Deserialize;

use super::words::is_one_edit;
use crate::client_text::squash::{Pattern, Squashed};
use crate::domain::instance::Os;

const CONCEPTS: &str = include_str!("../../assets/knowledge/concepts.toml");
const SIGNS: &str = include_str!("../../assets/knowledge/guide-signs.toml");

/// What a further sign of the same guide adds, of its own worth: signs share concepts.
const FURTHER: f64 = 0.1;
/// Letters from which a Latin word may hold a typing error.
const LEAST_MISTYPED: usize = 6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConceptFile {
    concept: Vec<RawConcept>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConcept {
    id: String,
    en: Vec<String>,
    ko: Vec<String>,
    zh: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignFile {
    sign: Vec<RawSign>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSign {
    guide: String,
    of: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
    worth: f64,
}

#[derive(Debug)]
struct Sign {
    guide: String,
    /// Each inner list is a choice.
    of: Vec<Vec<usize>>,
    not: Vec<usize>,
    worth: f64,
}

#[derive(Debug)]
struct Table {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "named by the check of the files")
    )]
    ids: Vec<String>,
    wordings: Vec<(usize, Pattern)>,
    signs: Vec<Sign>,
    /// Latin words of the wordings, for typing errors.
    latin: BTreeSet<String>,
    linux: usize,
    windows: usize,
}

impl Table {
    fn parse(concepts: &str, signs: &str) -> Result<Self, String> {
        let file: ConceptFile = toml::from_str(concepts).map_err(|e| e.to_string())?;
        let SignFile { sign } = toml::from_str(signs).map_err(|e| e.to_string())?;
        let ids: Vec<String> = file.concept.iter().map(|c| c.id.clone()).collect();
        let mut wordings = Vec::new();
        let mut latin = BTreeSet::new();
        for (number, concept) in file.concept.iter().enumerate() {
            for text in concept.en.iter().chain(&concept.ko).chain(&concept.zh) {
                wordings.push((number, Pattern::new(&Spread::new(text).text, false)));
                latin.extend(latin_words(text).map(|at| text[at].to_ascii_lowercase()));
            }
        }
        let place = |id: &str| {
            let found = ids.iter().position(|known| known == id);
            found.ok_or_else(|| format!("unknown concept `{id}`"))
        };
        let mut parsed = Vec::new();
        for raw in &sign {
            let choice = |ids: &String| ids.split('|').map(place).collect::<Result<_, _>>();
            parsed.push(Sign {
                guide: raw.guide.clone(),
                of: raw.of.iter().map(choice).collect::<Result<_, _>>()?,
                not: raw
                    .not
                    .iter()
                    .map(|id| place(id))
                    .collect::<Result<_, _>>()?,
                worth: raw.worth,
            });
        }
        let (linux, windows) = (place("linux")?, place("windows")?);
        Ok(Self {
            ids,
            wordings,
            signs: parsed,
            latin,
            linux,
            windows,
        })
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::parse(CONCEPTS, SIGNS).expect("the shipped files parse in a test"))
}

/// What a description speaks of.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// System of the instance, where the words tell one and not the other.
    pub os: Os,
    /// Slug of a guide: how surely, and the concepts of its best sign.
    signs: BTreeMap<&'static str, (f64, &'static Sign)>,
    /// Concept: the part of the text that names it.
    said: BTreeMap<usize, String>,
}

impl Described {
    /// Finds what the text speaks of; `os` is what is known of the instance.
    pub(super) fn new(text: &str, os: Os) -> Self {
        let table = table();
        let corrected = correct(text, &table.latin);
        let spread = Spread::new(&corrected);
        let squashed = Squashed::new(&spread.text, false);
        let mut said = BTreeMap::new();
        for (concept, wording) in &table.wordings {
            if said.contains_key(concept) {
                continue;
            }
            if let Some(found) = squashed.find_whole(wording) {
                let at = spread.origin(&found.span);
                // A stem is shown with the rest of its word.
                let rest = &corrected[at.end..];
                let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                said.insert(*concept, corrected[at.start..at.end + word].to_owned());
            }
        }
        if said.is_empty() {
            return Self::default();
        }
        let speaks_of = |id| said.contains_key(&id);
        let os = match (os, speaks_of(table.linux), speaks_of(table.windows)) {
            (Os::Unknown, true, false) => Os::Linux,
            (Os::Unknown, false, true) => Os::Windows,
            _ => os,
        };
        let mut described = Self {
            os,
            said,
            ..Self::default()
        };
        described.weigh(table);
        described
    }

    fn weigh(&mut self, table: &'static Table) {
        let holds = |id: &usize| {
            self.said.contains_key(id)
                || (*id == table.linux && self.os == Os::Linux)
                || (*id == table.windows && self.os == Os::Windows)
        };
        for sign in &table.signs {
            let fits = sign.of.iter().all(|choice| choice.iter().any(holds))
                && !sign.not.iter().any(holds);
            if !fits {
                continue;
            }
            let best = self.signs.entry(&sign.guide).or_insert((0.0, sign));
            let (high, low) = (best.0.max(sign.worth), best.0.min(sign.worth));
            if sign.worth > best.0 {
                best.1 = sign;
            }
            best.0 = 1.0 - (1.0 - high) * (1.0 - FURTHER * low);
        }
    }

    /// How surely the description is about that guide, 0 to 1.
    pub(super) fn worth(&self, slug: &str) -> f64 {
        self.signs.get(slug).map_or(0.0, |(worth, _)| *worth)
    }

    /// The parts of the text that speak for that guide.
    pub(super) fn parts(&self, slug: &str) -> Vec<&str> {
        let Some((_, sign)) = self.signs.get(slug) else {
            return Vec::new();
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in sign.of.iter().flatten().filter_map(|id| self.said.get(id)) {
            if !parts.contains(&part.as_str()) {
                parts.push(part);
            }
        }
        parts
    }
}

/// A text with every Hangul syllable spread into its letters, so that an inflected syllable is
/// found by its stem; and the way back.
struct Spread {
    text: String,
    /// Byte in `text`, and the bytes of the character in the original.
    places: Vec<(usize, Range<usize>)>,
}

impl Spread {
    fn new(source: &str) -> Self {
        let mut text = String::with_capacity(source.len());
        let mut places = Vec::with_capacity(source.len());
        for (at, c) in source.char_indices() {
            places.push((text.len(), at..at + c.len_utf8()));
            // Unicode 3.12, Hangul syllable decomposition.
            let Some(index) = (c as u32).checked_sub(0xac00).filter(|i| *i < 11_172) else {
                text.push(c);
                continue;
            };
            let letters = [
                0x1100 + index / 588,
                0x1161 + index % 588 / 28,
                0x11a7 + index % 28,
            ];
            let kept = if index % 28 == 0 { 2 } else { 3 };
            text.extend(letters[..kept].iter().filter_map(|&l| char::from_u32(l)));
        }
        Self { text, places }
    }

    /// Bytes of the original under a span of `text`.
    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let first = self.places.partition_point(|p| p.0 <= span.start);
        let last = self.places.partition_point(|p| p.0 < span.end);
        let at = |number: usize| self.places.get(number.saturating_sub(1)).map(|p| &p.1);
        match (at(first), at(last)) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }
}

fn latin_words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        let start = rest + bytes[rest..].iter().position(u8::is_ascii_alphabetic)?;
        let end = bytes[start..]
            .iter()
            .position(|b| !b.is_ascii_alphabetic())
            .map_or(bytes.len(), |length| start + length);
        rest = end;
        Some(start..end)
    })
}

/// Puts right each longer Latin word that is one typing error away from a word of the wordings.
fn correct(text: &str, known: &BTreeSet<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for at in latin_words(text) {
        let word = text[at.clone()].to_ascii_lowercase();
        // `dropped` and `drops` are no typing errors of `drop`.
        let is_known = |w: &String| word.starts_with(w.as_str()) && w.len() >= 4;
        if word.len() < LEAST_MISTYPED || known.iter().any(is_known) {
            continue;
        }
        let near = known.iter().find(|w| {
            w.len() >= LEAST_MISTYPED
                && w.as_bytes()[0] == word.as_bytes()[0]
                && is_one_edit(w.as_bytes(), word.as_bytes())
        });
        if let Some(near) = near {
            out.push_str(&text[done..at.start]);
            out.push_str(near);
            done = at.end;
        }
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::super::library::Library;
    use super::*;

    #[test]
    fn the_shipped_files_name_what_exists() {
        let table = Table::parse(CONCEPTS, SIGNS).expect("parses");
        let (library, _) = Library::shipped();
        for sign in &table.signs {
            assert!(library.get(&sign.guide).is_some(), "{}", sign.guide);
            assert!(sign.worth > 0.0 && sign.worth <= 0.8, "{sign:?}");
        }
        for guide in library.guides() {
            let has_sign = table.signs.iter().any(|s| s.guide == guide.slug);
            assert!(has_sign, "no sign for {}", guide.slug);
        }
        for (number, id) in table.ids.iter().enumerate() {
            let is_used = |s: &Sign| s.of.iter().flatten().chain(&s.not).any(|&c| c == number);
            assert!(table.signs.iter().any(is_used), "no sign names {id}");
            let is_double = table.ids.iter().filter(|other| *other == id).count() > 1;
            assert!(!is_double, "{id} twice");
        }
        for (concept, wording) in &table.wordings {
            assert!(!wording.is_empty(), "{}", table.ids[*concept]);
        }
        let file: ConceptFile = toml::from_str(CONCEPTS).expect("parses");
        for concept in file.concept {
            let all = [&concept.en, &concept.ko, &concept.zh];
            assert!(all.iter().all(|texts| !texts.is_empty()), "{}", concept.id);
        }
    }

    #[test]
    fn a_korean_stem_fits_its_inflections() {
        for text in ["포트가 막혔어요", "포트가 막힙니다", "포트가 막힌 듯"] {
            let described = Described::new(text, Os::Unknown);
            assert!(described.worth("security-group") > 0.4, "{text}");
        }
    }

    #[test]
    fn parts_are_those_of_the_text() {
        let described = Described::new("어제부터 디스크가 꽉 찼어요!", Os::Unknown);
        assert_eq!(described.parts("linux-disk"), ["디스크가 꽉"]);
        let described = Described::new("the PASWORD of Administrator is rejected", Os::Unknown);
        assert_eq!(described.os, Os::Windows);
        assert_eq!(
            described.parts("windows-credentials"),
            ["Administrator", "password", "rejected"]
        );
    }

    #[test]
    fn what_is_known_of_the_instance_counts_as_said() {
        let text = "cpu 100 %";
        let linux = Described::new(text, Os::Linux);
        let windows = Described::new(text, Os::Windows);
        assert!(linux.worth("linux-high-cpu-mem") > linux.worth("windows-high-cpu-mem"));
        assert!(windows.worth("windows-high-cpu-mem") > windows.worth("linux-high-cpu-mem"));
    }
}
