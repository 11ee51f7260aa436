//! The filter language of the instances pane.
//!
//! `@broken web !test state:stopped region:seoul|tokyo cause:security-group tag:env=prod | login:refused`:
//! words match fuzzily, fields by substring, `!` turns either around, and all must hold on one side
//! of a `|`; inside a word or a value `|` stands between alternatives; `@name` stands for a saved
//! filter. Must not live here: drawing or the order of the list.

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

/// Those of them that a listing does not tell.
const LOOKED_AT: &[&str] = &["login", "health", "cause"];
/// What 0.1.0 called a login without fault, and what it is called now: saved filters go on.
const OK: (&str, [LoginWord; 3]) = (
    "ok",
    [LoginWord::Greets, LoginWord::Answers, LoginWord::LogsIn],
);

/// A parsed filter; the empty one lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    groups: Groups,
    unknown_fields: Vec<String>,
    unknown_names: Vec<String>,
    bad_values: Vec<(&'static str, String)>,
}

/// The sides of the `|`s, none of them empty: one has to pass.
type Groups = Vec<Vec<Term>>;

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
    /// The alternatives; one has to hold.
    any: Vec<Test>,
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
    /// A saved filter.
    Saved(Groups),
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
        filter.groups = filter.sides(text, Some(saved));
        filter
    }

    /// The sides of the `|`s that stand between words; one that is still empty says nothing.
    fn sides(&mut self, text: &str, saved: Option<&BTreeMap<String, String>>) -> Groups {
        let mut groups = vec![Vec::new()];
        for token in text.split_whitespace() {
            if token.starts_with(OR) {
                groups.push(Vec::new());
            }
            let word = token.trim_matches(OR);
            if let Some(term) = self.term(word, saved)
                && let Some(side) = groups.last_mut()
            {
                side.push(term);
            }
            if token.ends_with(OR) {
                groups.push(Vec::new());
            }
        }
        groups.retain(|side| !side.is_empty());
        groups
    }

    fn term(&mut self, word: &str, saved: Option<&BTreeMap<String, String>>) -> Option<Term> {
        if let (Some(name), Some(saved)) = (word.strip_prefix('@'), saved) {
            return self.saved(name, saved);
        }
        let (negated, word) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let any = match word.split_once(':') {
            Some((name, values))
                if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()) =>
            {
                self.field(&name.to_ascii_lowercase(), &values.to_lowercase())?
            }
            _ => alternatives(word)
                .filter(|word| !word.is_empty())
                .map(|word| Test::Word {
                    typed: atom(word, AtomKind::Substring),
                    scattered: (!negated).then(|| atom(word, AtomKind::Fuzzy)),
                })
                .collect(),
        };
        (!any.is_empty()).then_some(Term { negated, any })
    }

    /// A saved filter as one word.
    fn saved(&mut self, name: &str, saved: &BTreeMap<String, String>) -> Option<Term> {
        if name.is_empty() {
            return None;
        }
        let Some(text) = saved.get(name) else {
            self.unknown_names.push(name.to_owned());
            return None;
        };
        let groups = self.sides(text, None);
        (!groups.is_empty()).then(|| Term {
            negated: false,
            any: vec![Test::Saved(groups)],
        })
    }

    fn field(&mut self, name: &str, values: &str) -> Option<Vec<Test>> {
        let Some(name) = FIELDS.iter().copied().find(|known| *known == name) else {
            self.unknown_fields.push(name.to_owned());
            return None;
        };
        // All values of a tag belong to its key.
        let (key, values) = match values.split_once('=') {
            Some((key, values)) if name == "tag" => (Some(key), values),
            _ => (None, values),
        };
        let mut any = Vec::new();
        for value in alternatives(values) {
            if name == "login" && value == OK.0 {
                any.extend(OK.1.iter().map(|word| Test::Field {
                    name,
                    value: word.as_str().to_owned(),
                }));
                continue;
            }
            let known = values_of(name);
            if known.is_some_and(|all| !all.iter().any(|known| known.contains(value))) {
                self.bad_values.push((name, value.to_owned()));
            }
            let value = key.map_or_else(|| value.to_owned(), |key| format!("{key}={value}"));
            any.push(Test::Field { name, value });
        }
        Some(any)
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
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

    /// A field that it asks for and only a look at the logins, or a diagnosis, can tell.
    pub fn asks_for_a_look(&self) -> Option<&'static str> {
        fn of(groups: &Groups) -> Option<&'static str> {
            let mut tests = groups.iter().flatten().flat_map(|term| &term.any);
            tests.find_map(|test| match test {
                Test::Field { name, .. } => LOOKED_AT.iter().copied().find(|it| it == name),
                Test::Saved(groups) => of(groups),
                Test::Word { .. } => None,
            })
        }
        of(&self.groups)
    }

    /// The rows that pass; `matching` holds the buffers of the matcher. Where some hold every word
    /// of a side as it was typed, only these: letters that are scattered over name, id and region
    /// must not put another instance under the cursor, nor into a batch.
    pub fn choose<'a, T>(
        &self,
        rows: impl IntoIterator<Item = (T, &'a Row)>,
        matching: &mut Matching,
    ) -> Vec<T> {
        if self.wrong().is_some() {
            return Vec::new();
        }
        let mut rows: Vec<(T, &Row)> = rows.into_iter().collect();
        let mut sides = Vec::new();
        for side in &self.groups {
            let as_typed = |(_, row): &(T, &Row)| all_hold(side, row, Look::AsTyped, matching);
            let look = if rows.iter().any(as_typed) {
                Look::AsTyped
            } else {
                Look::Scattered
            };
            sides.push((side, look));
        }
        if !self.is_empty() {
            rows.retain(|(_, row)| {
                sides
                    .iter()
                    .any(|(side, look)| all_hold(side, row, *look, matching))
            });
        }
        rows.into_iter().map(|(what, _)| what).collect()
    }
}

/// What stands between instances that pass either way.
const OR: char = '|';

/// The alternatives of a word or value; one that is still to be typed says nothing beside others.
fn alternatives(text: &str) -> impl Iterator<Item = &str> {
    let several = text.contains(OR);
    text.split(OR)
        .filter(move |part| !(several && part.is_empty()))
}

fn all_hold(side: &[Term], row: &Row, look: Look, matching: &mut Matching) -> bool {
    side.iter().all(|term| {
        let hit = term.any.iter().any(|test| holds(test, row, look, matching));
        hit != term.negated
    })
}

fn holds(test: &Test, row: &Row, look: Look, matching: &mut Matching) -> bool {
    match test {
        Test::Word { typed, scattered } => {
            let atom = match look {
                Look::AsTyped => typed,
                Look::Scattered => scattered.as_ref().unwrap_or(typed),
            };
            matching.score(atom, &row.haystack).is_some()
        }
        Test::Field { name, value } => field(row, name, value),
        Test::Saved(groups) => groups
            .iter()
            .any(|side| all_hold(side, row, look, matching)),
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
    fn either_side_of_a_bar_is_enough() {
        assert!(passes("db | web"));
        assert!(passes("state:running | os:windows web"));
        assert!(!passes("os:windows db | state:running"));
        assert!(!passes("!web | db"));
        // Inside a word it binds closer than the space between words.
        assert!(passes("db|web os:windows"));
        assert!(!passes("db|web os:linux"));
        assert!(!passes("!db|web"));
        assert!(passes("region:tokyo|seoul tag:env=dev|prod"));
        assert!(!passes("region:tokyo|osaka") && !passes("tag:env=dev|test"));
        // What is still being typed changes nothing: not to everything, and not to nothing.
        for begun in [
            "web |",
            "web|",
            "| web",
            "web | |",
            "web ||",
            "|",
            "os:windows|",
        ] {
            assert!(passes(begun), "{begun}");
        }
        assert!(!passes("db |") && !passes("db|") && !passes("os:linux|"));
        assert!(Filter::parse(" | ||").is_empty());
    }

    #[test]
    fn one_wrong_side_makes_the_whole_filter_wrong() {
        for wrong in [
            "web | colour:red",
            "web | health:fine",
            "health:off|fine",
            "web | @no",
        ] {
            assert!(Filter::parse(wrong).wrong().is_some(), "{wrong}");
            assert!(!passes(wrong), "{wrong}");
        }
        assert_eq!(Filter::parse("health:off|failing").wrong(), None);
    }

    #[test]
    fn each_side_is_looked_for_as_typed_before_scattered() {
        let named = |name: &str| {
            Row::new(Instance {
                id: "ins-1".into(),
                name: name.into(),
                region: "ap-singapore".into(),
                ..Instance::default()
            })
        };
        let rows = [named("search-01"), named("sensor-01"), named("mail-01")];
        let of = |text: &str| chosen(&Filter::parse(text), &rows);
        assert_eq!(of("mail | sensor"), ["sensor-01", "mail-01"]);
        assert_eq!(of("mail | snsr"), ["search-01", "sensor-01", "mail-01"]);
    }

    #[test]
    fn a_saved_filter_stands_for_its_text() {
        let saved = [("off".to_owned(), "state:stopped os:windows".to_owned())].into();
        let passes = |text: &str| !chosen(&Filter::parse_with(text, &saved), &[row()]).is_empty();
        assert!(passes("@off"));
        assert!(passes("@off web"));
        assert!(!passes("@off !web"));
        // It stays one word, whatever stands in it.
        let saved: BTreeMap<String, String> = [("either".to_owned(), "db | web".to_owned())].into();
        let passes = |text: &str| !chosen(&Filter::parse_with(text, &saved), &[row()]).is_empty();
        assert!(passes("@either") && passes("@either os:windows") && passes("db | @either"));
        assert!(!passes("@either os:linux") && !passes("!web @either"));
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
    fn ok_of_0_1_0_is_every_login_without_fault() {
        let words: Vec<_> = Filter::parse("login:ok|slow").groups[0][0]
            .any
            .iter()
            .map(|test| match test {
                Test::Field { value, .. } => value.clone(),
                _ => String::new(),
            })
            .collect();
        assert_eq!(words, ["greets", "answers", "logs-in", "slow"]);
    }

    #[test]
    fn health_is_asked_for_by_the_words_of_the_header() {
        // A stopped instance is off.
        assert!(passes("health:off"));
        assert!(!passes("health:ok") && !passes("health:healthy") && !passes("health:failing"));
    }

    proptest! {
        #[test]
        fn any_filter_text_is_survived(text in "(.|[|:!@ ]){0,60}") {
            let _ = passes(&text);
        }
    }
}
