//! Bindings in layers: the shipped file first, the operator's own on top.
//!
//! A user's chord always wins and takes the chord from whatever had it; `none` unbinds.
//! Mistakes are reported with file and line and never stop the program.
//! Must not live here: the list of commands (`app::command`).

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::Deserialize;
use strsim::levenshtein;
use toml::Spanned;

use super::chord::Chord;
use super::said;
use crate::domain::said::{List, Said};

/// Bindings of commands `C` in contexts `X` (a pane, a reader, everywhere).
#[derive(Debug, Clone)]
pub struct Keymap<X, C> {
    bindings: HashMap<(X, Chord), C>,
    /// Chords of a command in the order they were written, for help and hints.
    chords: HashMap<C, Vec<Chord>>,
    warnings: Vec<Said>,
}

/// One line of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Context, as written.
    pub scope: &'a str,
    pub command: &'a str,
    pub chords: &'a [String],
    /// `file:line`.
    pub place: String,
}

/// What a key file may name; given by the registry of commands.
pub trait Vocabulary<X, C> {
    /// Every context by its name.
    fn contexts(&self) -> Vec<(&'static str, X)>;
    /// Every command of a context by its name there.
    fn commands(&self, context: X) -> Vec<(&'static str, C)>;
    /// True when a chord of `a` and a chord of `b` can meet in one key press.
    fn overlap(&self, a: X, b: X) -> bool;
    /// True when the chord types text in that context, and cannot be a command there.
    fn types(&self, context: X, chord: Chord) -> bool;
    /// True when one chord must not be both, whatever their contexts.
    fn clash(&self, a: C, b: C) -> bool;
    /// True for the way out of something, which must keep a key.
    fn leads_out(&self, command: C) -> bool;
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(default)]
    keys: BTreeMap<String, BTreeMap<String, Spanned<Chords>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Chords {
    One(String),
    Many(Vec<String>),
}

impl Chords {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<X: Copy + Eq + Hash, C: Copy + Eq + Hash> Keymap<X, C> {
    /// The shipped bindings. `text` has the same form as a user's config: tables `[keys.<context>]`.
    pub fn shipped(text: &str, vocabulary: &impl Vocabulary<X, C>) -> Self {
        let mut keymap = Self {
            bindings: HashMap::new(),
            chords: HashMap::new(),
            warnings: Vec::new(),
        };
        keymap.layer("keymap-default.toml", text, vocabulary);
        keymap
    }

    /// Puts the `[keys.*]` tables of `text` on top. Everything else in `text` is ignored here.
    fn layer(&mut self, file: &str, text: &str, vocabulary: &impl Vocabulary<X, C>) {
        let parsed: KeyFile = match toml::from_str(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                let why = said::bindings_unreadable(error.message());
                self.warn(&format!("{file}:{line}"), why);
                return;
            }
        };
        let mut bindings = Vec::new();
        for (scope, commands) in &parsed.keys {
            for (command, chords) in commands {
                bindings.push(Binding {
                    scope,
                    command,
                    chords: chords.get_ref().as_slice(),
                    place: format!("{file}:{}", line_of(text, chords.span().start)),
                });
            }
        }
        self.bind_all(bindings, vocabulary);
    }

    /// Puts an operator's bindings on top of what is there.
    pub fn bind_all<'a>(
        &mut self,
        bindings: impl IntoIterator<Item = Binding<'a>>,
        vocabulary: &impl Vocabulary<X, C>,
    ) {
        let mut seen: HashMap<(X, Chord), (&str, String)> = HashMap::new();
        let mut bound = Vec::new();
        let ways_out = self.ways_out(vocabulary);
        let mut places: HashMap<X, String> = HashMap::new();
        for binding in bindings {
            let Binding {
                scope,
                command: name,
                place,
                chords,
            } = &binding;
            let contexts = vocabulary.contexts();
            let Some(context) = named(&contexts, scope) else {
                let known = || contexts.iter().map(|(name, _)| *name);
                let why = match nearest(scope, known()) {
                    Some(near) => said::no_context_near(scope, near),
                    None => said::no_context(scope, List::names(known())),
                };
                self.warn(place, why);
                continue;
            };
            places.insert(context, place.clone());
            let commands = vocabulary.commands(context);
            let Some(command) = named(&commands, name) else {
                let why = match nearest(name, commands.iter().map(|(name, _)| *name)) {
                    Some(near) => said::no_command_near(name, scope, near),
                    None => said::no_command(name, scope),
                };
                self.warn(place, why);
                continue;
            };
            let read = self.read_chords(place, chords, |chord| vocabulary.types(context, chord));
            for chord in &read {
                if let Some((other, other_place)) =
                    seen.insert((context, *chord), (binding.command, place.clone()))
                {
                    self.warn(place, said::bound_twice(chord, other, other_place, name));
                }
            }
            // Where nothing that was written is a key, the keys of before stay.
            if read.is_empty() && chords.iter().any(|text| text != "none") {
                continue;
            }
            let before = self.chords(command).to_vec();
            self.bind(context, command, &read, vocabulary);
            bound.push((binding, context, command, before));
        }
        for (binding, context, command, before) in bound {
            self.refuse_clashes(&binding, (context, command), before, vocabulary);
        }
        for (context, name, command, before) in ways_out {
            if self.chords(command).is_empty() {
                let place = places.get(&context).map_or("", String::as_str);
                self.warn(place, said::no_way_out(name));
                self.bind(context, command, &before, vocabulary);
            }
        }
    }

    /// What leads out of each context, with its keys of now.
    fn ways_out(
        &self,
        vocabulary: &impl Vocabulary<X, C>,
    ) -> Vec<(X, &'static str, C, Vec<Chord>)> {
        let mut ways = Vec::new();
        for (_, context) in vocabulary.contexts() {
            for (name, command) in vocabulary.commands(context) {
                let chords = self.chords(command);
                if vocabulary.leads_out(command) && !chords.is_empty() {
                    ways.push((context, name, command, chords.to_vec()));
                }
            }
        }
        ways
    }

    /// Takes the chords from a command that must not have them beside another; where none is left,
    /// it gets those of before back.
    fn refuse_clashes(
        &mut self,
        binding: &Binding<'_>,
        (context, command): (X, C),
        mut before: Vec<Chord>,
        vocabulary: &impl Vocabulary<X, C>,
    ) {
        let mut refused = false;
        for chord in self.chords(command).to_vec() {
            if let Some(other) = self.clashing(command, chord, vocabulary) {
                let why = said::answers_itself(chord, binding.command, other);
                self.warn(&binding.place, why);
                self.bindings.remove(&(context, chord));
                let left = self.chords.entry(command).or_default();
                left.retain(|known| *known != chord);
                refused = true;
            }
        }
        if refused && self.chords(command).is_empty() {
            before.retain(|chord| {
                let taken = |(other, known): &(X, Chord)| {
                    known == chord && vocabulary.overlap(*other, context)
                };
                !self.bindings.keys().any(taken)
                    && self.clashing(command, *chord, vocabulary).is_none()
            });
            self.bind(context, command, &before, vocabulary);
        }
    }

    /// The name of a command that has the chord too, and must not.
    fn clashing(
        &self,
        command: C,
        chord: Chord,
        vocabulary: &impl Vocabulary<X, C>,
    ) -> Option<&'static str> {
        let contexts = vocabulary.contexts();
        let mut others = contexts.iter().filter_map(|(_, context)| {
            let other = *self.bindings.get(&(*context, chord))?;
            vocabulary
                .clash(command, other)
                .then_some((*context, other))
        });
        let (context, other) = others.next()?;
        let commands = vocabulary.commands(context);
        let named = commands.iter().find(|(_, known)| *known == other);
        named.map(|(name, _)| *name)
    }

    fn warn(&mut self, place: &str, why: Said) {
        self.warnings.push(said::at(place, why).clean());
    }

    fn read_chords(
        &mut self,
        place: &str,
        spelled: &[String],
        types: impl Fn(Chord) -> bool,
    ) -> Vec<Chord> {
        let mut chords = Vec::new();
        for text in spelled.iter().filter(|text| *text != "none") {
            match Chord::parse(text) {
                Ok(chord) if types(chord) => self.warn(place, said::types_text(chord)),
                Ok(chord) => chords.push(chord),
                Err(error) => self.warn(place, error.said()),
            }
        }
        chords
    }

    /// Replaces all chords of `command`; each chord is taken from whatever had it.
    fn bind(
        &mut self,
        context: X,
        command: C,
        chords: &[Chord],
        vocabulary: &impl Vocabulary<X, C>,
    ) {
        self.bindings.retain(|_, bound| *bound != command);
        for chord in chords {
            let taken: Vec<(X, Chord)> = self
                .bindings
                .keys()
                .filter(|(other, bound)| bound == chord && vocabulary.overlap(*other, context))
                .copied()
                .collect();
            for key in taken {
                if let Some(loser) = self.bindings.remove(&key)
                    && let Some(list) = self.chords.get_mut(&loser)
                {
                    list.retain(|other| other != chord);
                }
            }
            self.bindings.insert((context, *chord), command);
        }
        self.chords.insert(command, chords.to_vec());
    }

    /// The command of a chord: contexts are tried in the order given.
    pub fn lookup(&self, contexts: &[X], chord: Chord) -> Option<C> {
        contexts
            .iter()
            .find_map(|context| self.bindings.get(&(*context, chord)).copied())
    }

    /// The chords of a command, first the one to show.
    pub fn chords(&self, command: impl Into<C>) -> &[Chord] {
        self.chords.get(&command.into()).map_or(&[], Vec::as_slice)
    }

    /// What was wrong in the files, with file and line.
    pub fn warnings(&self) -> &[Said] {
        &self.warnings
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

fn named<T: Copy>(known: &[(&'static str, T)], name: &str) -> Option<T> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, thing)| *thing)
}

/// The nearest known name, when one is near.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|candidate| (levenshtein(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len() / 2)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Words;

    impl Vocabulary<u8, &'static str> for Words {
        fn contexts(&self) -> Vec<(&'static str, u8)> {
            vec![("global", 0), ("instances", 1), ("actions", 2)]
        }
        fn commands(&self, context: u8) -> Vec<(&'static str, &'static str)> {
            let names: &[&'static str] = match context {
                0 => &["quit", "filter"],
                1 => &["triage"],
                _ => &["preview"],
            };
            names.iter().map(|name| (*name, *name)).collect()
        }
        fn types(&self, _: u8, _: Chord) -> bool {
            false
        }
        fn clash(&self, _: &'static str, _: &'static str) -> bool {
            false
        }
        fn leads_out(&self, _: &'static str) -> bool {
            false
        }
        fn overlap(&self, a: u8, b: u8) -> bool {
            a == b || a == 0 || b == 0
        }
    }

    const DEFAULTS: &str = "[keys.global]\nquit = [\"q\", \"ctrl-c\"]\nfilter = \"/\"\n[keys.instances]\ntriage = \"enter\"\n[keys.actions]\npreview = \"enter\"\n";

    fn layered(user: &str) -> Keymap<u8, &'static str> {
        let mut keymap = Keymap::shipped(DEFAULTS, &Words);
        assert!(keymap.warnings().is_empty());
        keymap.layer("config.toml", user, &Words);
        keymap
    }

    #[test]
    fn one_chord_may_mean_two_things_in_two_panes() {
        let keymap = layered("");
        let enter = Chord::parse("enter").unwrap();
        assert_eq!(keymap.lookup(&[1, 0], enter), Some("triage"));
        assert_eq!(keymap.lookup(&[2, 0], enter), Some("preview"));
    }

    #[test]
    fn a_users_chord_wins_and_none_unbinds() {
        let keymap = layered("[keys.global]\nfilter = [\"q\"]\nquit = \"none\"\n");
        assert_eq!(keymap.lookup(&[0], Chord::char('q')), Some("filter"));
        assert_eq!(keymap.lookup(&[0], Chord::char('/')), None);
        assert!(keymap.chords("quit").is_empty());
    }

    #[test]
    fn a_global_chord_of_the_user_is_not_shadowed_by_a_shipped_one() {
        let keymap = layered("[keys.global]\nquit = \"enter\"\n");
        let enter = Chord::parse("enter").unwrap();
        assert_eq!(keymap.lookup(&[1, 0], enter), Some("quit"));
        assert!(keymap.chords("triage").is_empty());
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let keymap = layered(
            "[ui]\nlang = \"en\"\n[keys.global]\nqiut = \"x\"\nquit = \"hyper-x\"\n[keys.list]\na = \"b\"\n",
        );
        let all: Vec<&str> = keymap.warnings().iter().map(Said::as_str).collect();
        let all = all.join("\n");
        assert!(
            all.contains("config.toml:4: there is no command `qiut`"),
            "{all}"
        );
        assert!(all.contains("did you mean `quit`?"), "{all}");
        assert!(
            all.contains("config.toml:5: `hyper-x` is not a key"),
            "{all}"
        );
        assert!(
            all.contains("config.toml:7: there is no key context `list`"),
            "{all}"
        );
    }

    #[test]
    fn two_commands_on_one_chord_are_a_conflict() {
        let keymap = layered("[keys.global]\nquit = \"x\"\nfilter = \"x\"\n");
        assert!(
            keymap.warnings()[0].contains("`x` is bound to"),
            "{:?}",
            keymap.warnings()
        );
    }

    proptest! {
        #[test]
        fn any_text_in_a_key_file_is_survived(text in ".{0,200}") {
            let _ = layered(&text);
        }

        #[test]
        fn after_a_merge_every_listed_chord_runs_its_command(a in "[a-z]", b in "[a-z]") {
            let keymap = layered(&format!("[keys.global]\nquit = \"{a}\"\nfilter = \"{b}\"\n"));
            for command in ["quit", "filter"] {
                for chord in keymap.chords(command) {
                    prop_assert_eq!(keymap.lookup(&[0], *chord), Some(command));
                }
            }
        }
    }
}
