//! The filter language of the instances pane.
//!
//! `@broken web !test state:stopped region:ap-seoul cause:security-group os:windows tag:env=prod
//! login:refused`: words match fuzzily, fields by substring, `!` turns either around, and all
//! must hold; `@name` stands for a saved filter. Must not live here: drawing or the order of the
//! list.

use std::collections::BTreeMap;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::fleet::Row;
use super::health::Health;
use crate::domain::evidence::table::LoginWord;

/// Fields that can be asked for.
pub const FIELDS: &[&str] = &[
    "state", "region", "zone", "cause", "os", "tag", "login", "name", "id", "ip", "health",
];

/// A parsed filter; the empty one lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    terms: Vec<Term>,
    unknown_fields: Vec<String>,
    unknown_names: Vec<String>,
    bad_values: Vec<(&'static str, String)>,
}

/// What of a filter means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong<'a> {
    /// There is no saved filter of this name.
    Name(&'a str),
    /// There is no field of this name.
    Field(&'a str),
    /// No instance can ever have this value in this field; there are these.
    Value(&'static str, &'a str, Vec<&'static str>),
}

/// The values of a field that has a fixed set of them.
fn values_of(field: &str) -> Option<Vec<&'static str>> {
    match field {
        "health" => Some(
            Health::ALL
                .iter()
                .flat_map(|health| health.words())
                .copied()
                .collect(),
        ),
        "login" => Some(LoginWord::ALL.iter().map(|word| word.as_str()).collect()),
        _ => None,
    }
}

#[derive(Debug, Clone)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Word {
        typed: Atom,
        /// An inverse match by scattered letters would hide nearly everything, so it has none.
        scattered: Option<Atom>,
    },
    Field {
        name: &'static str,
        value: String,
    },
}

/// How the words of a filter are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    AsTyped,
    Scattered,
}

impl Filter {
    /// Parses any text; what is not a known field is a word to match.
    pub fn parse(text: &str) -> Self {
        Self::parse_with(text, &BTreeMap::new())
    }

    /// The same, with saved filters by name. A saved filter does not name another.
    pub fn parse_with(text: &str, saved: &BTreeMap<String, String>) -> Self {
        let mut filter = Self::default();
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            match word.strip_prefix('@') {
                None => words.push(word),
                Some("") => {}
                Some(name) => match saved.get(name) {
                    Some(text) => words.extend(text.split_whitespace()),
                    None => filter.unknown_names.push(name.to_owned()),
                },
            }
        }
        for word in words {
            let (negated, word) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word),
            };
            if word.is_empty() {
                continue;
            }
            if let Some((name, value)) = word.split_once(':')
                && name.chars().all(|c| c.is_ascii_alphabetic())
                && !name.is_empty()
            {
                let name = name.to_ascii_lowercase();
                match FIELDS.iter().find(|known| **known == name) {
                    Some(name) => {
                        let value = value.to_lowercase();
                        let values = values_of(name);
                        if values.is_some_and(|all| !all.iter().any(|known| known.contains(&value)))
                        {
                            filter.bad_values.push((name, value.clone()));
                        }
                        filter.terms.push(Term {
                            negated,
                            test: Test::Field { name, value },
                        });
                    }
                    None => filter.unknown_fields.push(name),
                }
                continue;
            }
            filter.terms.push(Term {
                negated,
                test: Test::Word {
                    typed: atom(word, AtomKind::Substring),
                    scattered: (!negated).then(|| atom(word, AtomKind::Fuzzy)),
                },
            });
        }
        filter
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The first thing in it that means nothing, to be told to the operator. Such a filter lets
    /// nothing pass: what was meant is not known, and everything may be marked next.
    pub fn wrong(&self) -> Option<Wrong<'_>> {
        let name = self.unknown_names.first().map(|name| Wrong::Name(name));
        let field = || self.unknown_fields.first().map(|field| Wrong::Field(field));
        let value = || {
            let (field, value) = self.bad_values.first()?;
            Some(Wrong::Value(field, value, values_of(field)?))
        };
        name.or_else(field).or_else(value)
    }

    /// The rows that pass; `matching` holds the buffers of the matcher. Where some hold every word
    /// as it was typed, only these: letters that are scattered over name, id and region must not
    /// put another instance under the cursor, nor into a batch.
    pub fn choose<'a, T>(
        &self,
        rows: impl IntoIterator<Item = (T, &'a Row)>,
        matching: &mut Matching,
    ) -> Vec<T> {
        let mut chosen = Vec::new();
        if self.wrong().is_some() {
            return chosen;
        }
        let mut look = Look::Scattered;
        for (what, row) in rows {
            if self.passes(row, Look::AsTyped, matching) {
                if look == Look::Scattered {
                    chosen.clear();
                    look = Look::AsTyped;
                }
                chosen.push(what);
            } else if look == Look::Scattered && self.passes(row, look, matching) {
                chosen.push(what);
            }
        }
        chosen
    }

    fn passes(&self, row: &Row, look: Look, matching: &mut Matching) -> bool {
        self.terms.iter().all(|term| {
            let hit = match &term.test {
                Test::Word { typed, scattered } => {
                    let atom = match look {
                        Look::AsTyped => typed,
                        Look::Scattered => scattered.as_ref().unwrap_or(typed),
                    };
                    matching.score(atom, &row.haystack).is_some()
                }
                Test::Field { name, value } => field(row, name, value),
            };
            hit != term.negated
        })
    }
}

fn atom(word: &str, kind: AtomKind) -> Atom {
    Atom::new(
        word,
        CaseMatching::Ignore,
        Normalization::Smart,
        kind,
        false,
    )
}

fn field(row: &Row, name: &str, value: &str) -> bool {
    let instance = &row.instance;
    let has = |text: &str| text.to_lowercase().contains(value);
    match name {
        "state" => {
            has(&instance.state)
                || instance
                    .state_class()
                    .is_some_and(|class| class.id == value)
        }
        "region" => has(&instance.region),
        "zone" => has(&instance.zone),
        "os" => has(instance.os.as_str()) || has(&instance.os_name),
        "name" => has(&instance.name),
        "id" => has(&instance.id),
        "ip" => instance
            .public_addresses
            .iter()
            .chain(&instance.private_addresses)
            .any(|address| address.to_string().contains(value)),
        "login" => row
            .login
            .as_ref()
            .is_some_and(|login| login.word.as_str().contains(value)),
        "health" => {
            let words = row.health().words();
            words.iter().any(|word| word.contains(value))
        }
        "cause" => row.cause.as_deref().is_some_and(has),
        "tag" => match value.split_once('=') {
            Some((key, wanted)) => instance
                .tags
                .iter()
                .any(|(k, v)| k.to_lowercase() == key && v.to_lowercase().contains(wanted)),
            None => instance.tags.keys().any(|key| has(key)),
        },
        _ => false,
    }
}

/// Buffers of the fuzzy matcher; made once, since they are large.
pub struct Matching {
    matcher: Matcher,
    chars: Vec<char>,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            matcher: Matcher::new(Config::DEFAULT),
            chars: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Matching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Matching")
    }
}

impl Matching {
    /// Score of one word against a text; `None` when it does not match.
    pub fn score(&mut self, atom: &Atom, text: &str) -> Option<u16> {
        atom.score(Utf32Str::new(text, &mut self.chars), &mut self.matcher)
    }

    /// Ranks texts against a query for the palette, best first; everything for an empty query.
    pub fn rank<'a>(&mut self, query: &str, texts: impl Iterator<Item = &'a str>) -> Vec<usize> {
        let atoms: Vec<Atom> = query
            .split_whitespace()
            .map(|word| atom(word, AtomKind::Fuzzy))
            .collect();
        let mut ranked: Vec<(i32, usize)> = texts
            .enumerate()
            .filter_map(|(index, text)| {
                let mut total = 0;
                for atom in &atoms {
                    total -= i32::from(self.score(atom, text)?);
                }
                Some((total, index))
            })
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instance::{Instance, Os};
    use proptest::prelude::*;

    fn row() -> Row {
        let mut instance = Instance {
            id: "ins-1".into(),
            name: "web-frontend".into(),
            region: "ap-seoul".into(),
            os: Os::Windows,
            state: "STOPPED".into(),
            ..Instance::default()
        };
        instance.tags.insert("env".into(), "prod".into());
        Row::new(instance)
    }

    fn chosen(filter: &Filter, rows: &[Row]) -> Vec<String> {
        let named = rows.iter().map(|row| (row.instance.name.clone(), row));
        filter.choose(named, &mut Matching::default())
    }

    fn passes(text: &str) -> bool {
        !chosen(&Filter::parse(text), &[row()]).is_empty()
    }

    #[test]
    fn what_was_typed_comes_before_scattered_letters() {
        let named = |name: &str| {
            Row::new(Instance {
                id: "ins-1".into(),
                name: name.into(),
                region: "ap-singapore".into(),
                ..Instance::default()
            })
        };
        // "s", "e", "n" of the id, "s", "o", "r" of the region: letters enough for any filter.
        let rows = [named("search-01"), named("sensor-01"), named("mail-01")];
        let of = |text: &str| chosen(&Filter::parse(text), &rows);
        assert_eq!(of("sensor"), ["sensor-01"]);
        assert_eq!(of("SENSOR 01"), ["sensor-01"]);
        assert_eq!(of("snsr"), ["search-01", "sensor-01"]);
        assert_eq!(of("!sensor"), ["search-01", "mail-01"]);
    }

    #[test]
    fn fields_words_and_inverses() {
        assert!(passes("state:stopped region:seoul os:windows tag:env=prod"));
        assert!(passes("wfe"));
        assert!(passes("!db"));
        assert!(!passes("!web"));
        assert!(!passes("!state:stopped"));
        assert!(!passes("tag:env=dev"));
        assert!(!passes("login:refused"));
        assert!(passes("!login:refused"));
    }

    #[test]
    fn a_saved_filter_stands_for_its_text() {
        let saved = [("off".to_owned(), "state:stopped os:windows".to_owned())].into();
        let passes = |text: &str| !chosen(&Filter::parse_with(text, &saved), &[row()]).is_empty();
        assert!(passes("@off"));
        assert!(passes("@off web"));
        assert!(!passes("@off !web"));
        let filter = Filter::parse_with("@of", &saved);
        assert_eq!(filter.wrong(), Some(Wrong::Name("of")));
    }

    #[test]
    fn what_means_nothing_is_named_and_lets_nothing_pass() {
        let filter = Filter::parse("colour:red");
        assert_eq!(filter.wrong(), Some(Wrong::Field("colour")));
        // Marking everything that is listed must not take the whole fleet by a slip of the hand.
        assert!(!passes("colour:red") && !passes("!colour:red"));
        for wrong in ["health:broken", "login:refusing", "!health:broken"] {
            let filter = Filter::parse(wrong);
            assert!(matches!(filter.wrong(), Some(Wrong::Value(..))), "{wrong}");
            assert!(!passes(wrong), "{wrong}");
        }
        // What is still being typed is no slip.
        for begun in [
            "health:",
            "health:fa",
            "login:re",
            "state:anything",
            "os:lin",
        ] {
            assert_eq!(Filter::parse(begun).wrong(), None, "{begun}");
        }
    }

    #[test]
    fn health_is_asked_for_by_the_words_of_the_header() {
        // A stopped instance is off.
        assert!(passes("health:off"));
        assert!(!passes("health:ok") && !passes("health:healthy") && !passes("health:failing"));
    }

    proptest! {
        #[test]
        fn any_filter_text_is_survived(text in ".{0,60}") {
            let _ = passes(&text);
        }
    }
}
