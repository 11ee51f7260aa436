//! Sentences that other rooms make (details of evidence, plans, errors, progress) in the
//! language of the console.
//!
//! Those rooms write English: it goes to logs, the journal and JSON, where it must not depend on
//! anybody's language. The phrase book (`assets/locales/phrases.toml`) holds their sentences with
//! blanks and the translations; what is in it is said in the language, what is not stays English.
//! Texts of the console's own are in the catalogues (`locale`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Deserialize;

use super::locale::{Lang, fill};

/// How deep values of blanks are looked up themselves.
const DEPTH: usize = 6;
/// Longer texts are not sentences.
const MOST_BYTES: usize = 4_000;
/// Places that a blank is tried to end at.
const TRIES: usize = 12;
/// Sentences whose translation is remembered.
const REMEMBERED: usize = 4_096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    phrase: Vec<Entry>,
}

/// One sentence in every language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub en: String,
    pub ko: String,
    pub zh: String,
}

impl Entry {
    fn text(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ko => &self.ko,
            Lang::Zh => &self.zh,
        }
    }
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Blank(String),
}

#[derive(Debug)]
struct Phrase {
    pieces: Vec<Piece>,
    entry: Entry,
}

#[derive(Debug)]
struct Book {
    /// Most letters first: the most particular sentence wins.
    phrases: Vec<Phrase>,
    /// Which of them can begin with that character; those that begin with a blank are in all.
    by_first: HashMap<char, Vec<usize>>,
    open: Vec<usize>,
    remembered: Mutex<HashMap<(Lang, String), String>>,
}

fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| Book::new(entries()))
}

/// The shipped sentences.
pub fn entries() -> Vec<Entry> {
    let text = include_str!("../../assets/locales/phrases.toml");
    let file: File = toml::from_str(text).expect("the shipped phrases are read by a test");
    file.phrase.into_iter().flat_map(each_number).collect()
}

/// `rule(s)` stands for `rule` and for `rules`.
fn each_number(entry: Entry) -> Vec<Entry> {
    if !entry.en.contains("(s)") {
        return vec![entry];
    }
    let with = |s| Entry {
        en: entry.en.replacen("(s)", s, 1),
        ..entry.clone()
    };
    [with(""), with("s")]
        .into_iter()
        .flat_map(each_number)
        .collect()
}

/// `text` in a language, as far as the phrase book has it.
pub fn say(lang: Lang, text: &str) -> Cow<'_, str> {
    if lang == Lang::En || text.len() > MOST_BYTES || !has_letters(text) {
        return Cow::Borrowed(text);
    }
    let book = book();
    let key = (lang, text.to_owned());
    let lock = || {
        book.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    if let Some(known) = lock().get(&key) {
        return Cow::Owned(known.clone());
    }
    let said = book.say(lang, text, 0).unwrap_or_else(|| text.to_owned());
    let mut remembered = lock();
    if remembered.len() >= REMEMBERED {
        remembered.clear();
    }
    remembered.insert(key, said.clone());
    Cow::Owned(said)
}

/// Whether the whole of a text is a sentence of the book, or made of such.
pub fn knows(text: &str) -> bool {
    !has_letters(text) || book().say(Lang::Ko, text, 0).is_some()
}

fn has_letters(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl Book {
    fn new(entries: Vec<Entry>) -> Self {
        let mut phrases: Vec<Phrase> = entries
            .into_iter()
            .map(|entry| Phrase {
                pieces: pieces(&entry.en),
                entry,
            })
            .collect();
        let letters = |phrase: &Phrase| -> usize {
            let literal = |piece: &Piece| match piece {
                Piece::Literal(text) => text.len(),
                Piece::Blank(_) => 0,
            };
            phrase.pieces.iter().map(literal).sum()
        };
        phrases.sort_by_key(|phrase| std::cmp::Reverse(letters(phrase)));
        let mut by_first: HashMap<char, Vec<usize>> = HashMap::new();
        let mut open = Vec::new();
        for (index, phrase) in phrases.iter().enumerate() {
            match phrase.pieces.first() {
                Some(Piece::Literal(text)) => {
                    if let Some(first) = text.chars().next() {
                        by_first.entry(first).or_default().push(index);
                    }
                }
                _ => open.push(index),
            }
        }
        for list in by_first.values_mut() {
            list.extend(&open);
            list.sort_unstable();
        }
        Self {
            phrases,
            by_first,
            open,
            remembered: Mutex::default(),
        }
    }

    /// A sentence as a whole, or part by part where it is a list; `None` when nothing of it is
    /// in the book.
    fn say(&self, lang: Lang, text: &str, depth: usize) -> Option<String> {
        if depth > DEPTH || !has_letters(text) {
            return None;
        }
        if let Some(whole) = self.whole(lang, text, depth) {
            return Some(whole);
        }
        let semicolon = if lang == Lang::Zh { "；" } else { "; " };
        let comma = if lang == Lang::Zh { "，" } else { ", " };
        for (separator, joint) in [("; ", semicolon), (", ", comma)] {
            if text.contains(separator) {
                let all: Vec<&str> = text.split(separator).collect();
                return self.parts(lang, &all, joint, depth);
            }
        }
        let (head, tail) = text.split_once(": ")?;
        self.parts(lang, &[head, tail], ": ", depth)
    }

    fn parts(&self, lang: Lang, all: &[&str], joint: &str, depth: usize) -> Option<String> {
        let said: Vec<Option<String>> = all
            .iter()
            .map(|part| self.say(lang, part, depth + 1))
            .collect();
        if said.iter().all(Option::is_none) {
            return None;
        }
        let said: Vec<String> = said
            .into_iter()
            .zip(all)
            .map(|(said, part)| said.unwrap_or_else(|| (*part).to_owned()))
            .collect();
        Some(said.join(joint))
    }

    fn whole(&self, lang: Lang, text: &str, depth: usize) -> Option<String> {
        let first = text.chars().next()?;
        let fitting = self.by_first.get(&first).unwrap_or(&self.open);
        let mut values = Vec::new();
        for index in fitting {
            let phrase = &self.phrases[*index];
            values.clear();
            if !fits(&phrase.pieces, text, &mut values) {
                continue;
            }
            let said: Vec<(&str, String)> = values
                .iter()
                .map(|(name, value)| {
                    let said = self.say(lang, value, depth + 1);
                    (*name, said.unwrap_or_else(|| (*value).to_owned()))
                })
                .collect();
            let pairs: Vec<(&str, &str)> = said.iter().map(|(n, v)| (*n, v.as_str())).collect();
            return Some(fill(phrase.entry.text(lang), &pairs));
        }
        None
    }
}

fn pieces(template: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        if !before.is_empty() {
            out.push(Piece::Literal(before.to_owned()));
        }
        out.push(Piece::Blank(name.to_owned()));
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Literal(rest.to_owned()));
    }
    out
}

/// Whether a text is the sentence, and what stands in its blanks.
fn fits<'p, 't>(pieces: &'p [Piece], text: &'t str, values: &mut Vec<(&'p str, &'t str)>) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Literal(literal), rest @ ..] => text
            .strip_prefix(literal.as_str())
            .is_some_and(|left| fits(rest, left, values)),
        [Piece::Blank(name)] => {
            values.push((name, text));
            !text.is_empty() && is_balanced(text)
        }
        [Piece::Blank(name), rest @ ..] => {
            let Some(Piece::Literal(next)) = rest.first() else {
                return false;
            };
            let known = values.len();
            // The shortest value that lets the rest fit.
            for (at, _) in text.match_indices(next.as_str()).take(TRIES) {
                if at == 0 || !is_balanced(&text[..at]) {
                    continue;
                }
                values.truncate(known);
                values.push((name, &text[..at]));
                if fits(rest, &text[at..], values) {
                    return true;
                }
            }
            values.truncate(known);
            false
        }
    }
}

/// Whether every parenthesis has its other half: what stands in a blank is a whole.
fn is_balanced(text: &str) -> bool {
    let mut open = 0_usize;
    for c in text.chars() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return false,
            ')' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanks(text: &str) -> Vec<String> {
        let mut all: Vec<String> = pieces(text)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Blank(name) => Some(name),
                Piece::Literal(_) => None,
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_level_is_said_with_what_it_was_before() {
        let said = |text| say(Lang::Zh, text).into_owned();
        assert_eq!(
            said("memory 38 %, last 5 min, 41 % an hour ago"),
            "内存 38 %，最近 5 分钟，一小时前 41 %"
        );
        assert_eq!(
            said("CPU 11 % seen by the host, 12 % by the agent, last 5 min, 13 % an hour ago"),
            "CPU 宿主机观测 11 %，代理观测 12 %，最近 5 分钟，一小时前 13 %"
        );
    }

    #[test]
    fn every_sentence_has_the_same_blanks_in_each_language_and_is_there_once() {
        let mut seen = std::collections::HashSet::new();
        for entry in entries() {
            for lang in Lang::ALL {
                let text = entry.text(lang);
                assert!(!text.trim().is_empty(), "{} {lang:?}", entry.en);
                assert_eq!(blanks(&entry.en), blanks(text), "{} {lang:?}", entry.en);
            }
            let pieces = pieces(&entry.en);
            let joined = pieces
                .windows(2)
                .any(|two| matches!(two, [Piece::Blank(_), Piece::Blank(_)]));
            assert!(!joined, "two blanks without a word between: {}", entry.en);
            assert!(seen.insert(entry.en.clone()), "twice: {}", entry.en);
        }
    }

    #[test]
    fn blanks_are_filled_and_looked_up_themselves() {
        let book = Book::new(vec![
            Entry {
                en: "{what} could not be read ({why})".into(),
                ko: "{what} 읽지 못함: {why}".into(),
                zh: "x{what}{why}".into(),
            },
            Entry {
                en: "the rules of {group}".into(),
                ko: "{group} 규칙".into(),
                zh: "x{group}".into(),
            },
            Entry {
                en: "silent".into(),
                ko: "무응답".into(),
                zh: "x".into(),
            },
        ]);
        let say = |text| book.say(Lang::Ko, text, 0);
        assert_eq!(
            say("the rules of sg-1 could not be read (no (real) answer)").as_deref(),
            Some("sg-1 규칙 읽지 못함: no (real) answer")
        );
        assert_eq!(
            say("10.0.0.7:22: silent; odd").as_deref(),
            Some("10.0.0.7:22: 무응답; odd")
        );
        assert_eq!(say("nothing of this"), None);
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        let text = "a ".repeat(MOST_BYTES / 2);
        assert_eq!(say(Lang::Ko, &text), text);
        let text = "could not be read (".repeat(150);
        let _ = say(Lang::Zh, &text);
    }
}
