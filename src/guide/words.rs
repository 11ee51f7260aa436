//! Search by words over guides: Latin words with small typing errors, and pairs of letters for
//! Chinese, Japanese and Korean, where words are not parted by spaces (or carry endings).
//!
//! Lives here: tokens, the index, coverage of a query. Must not live here: how much words weigh
//! beside causes and messages (`matcher`).

use std::collections::{BTreeMap, HashMap};

use super::library::Guide;
use crate::client_text::squash::{Pattern, Squashed};

/// Tokens of a query that are looked at.
const MAX_TOKENS: usize = 400;

/// Words that say nothing about a problem.
const STOP: &[&str] = &[
    "the", "and", "for", "are", "but", "not", "with", "you", "this", "that", "from", "have", "has",
    "was", "can", "cannot", "could", "when", "after", "into", "its", "any", "all", "will", "then",
    "there", "what", "how", "why", "does", "did", "please", "help", "still", "just", "get", "got",
    "our", "your", "one", "too", "also", "been", "they", "which", "where", "who", "server",
    "instance", "cvm", "cloud", "debug1", "debug2", "debug3", "http", "https", "www", "com", "is",
    "it", "in", "on", "of", "to", "at", "or", "my", "we", "an", "as", "be", "by", "do", "if", "so",
];

/// Words of all guides with what they weigh in each.
#[derive(Debug)]
pub(super) struct Index {
    /// Word -> guide -> weight.
    words: HashMap<String, BTreeMap<usize, f64>>,
    guides: usize,
    /// Symptoms of each guide, reduced for finding them word for word.
    symptoms: Vec<Vec<(Pattern, usize)>>,
}

/// How well a query fits one guide.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fit {
    /// 0 to 1: share of the query's information that the guide holds.
    pub coverage: f64,
    /// Words that counted, the weightiest first.
    pub words: Vec<String>,
    /// Letters of the longest symptom that stands in the query word for word.
    pub symptom: usize,
}

impl Index {
    pub(super) fn new(guides: &[Guide]) -> Self {
        let mut index = Self {
            words: HashMap::new(),
            guides: guides.len(),
            symptoms: Vec::with_capacity(guides.len()),
        };
        for (number, guide) in guides.iter().enumerate() {
            index.add(number, &guide.slug.replace('-', " "), 2.0);
            let mut symptoms = Vec::new();
            for text in guide.texts.values() {
                index.add(number, &text.title, 3.0);
                index.add(number, &text.document.plain(), 0.6);
                for symptom in &text.symptoms {
                    index.add(number, symptom, 2.5);
                    let letters = symptom.chars().filter(|c| c.is_alphanumeric()).count();
                    let least = if symptom.is_ascii() { 8 } else { 4 };
                    if letters >= least {
                        symptoms.push((Pattern::new(symptom, false), letters));
                    }
                }
            }
            index.symptoms.push(symptoms);
        }
        index
    }

    fn add(&mut self, guide: usize, text: &str, weight: f64) {
        for token in tokens(text) {
            let place = self.words.entry(token).or_default().entry(guide);
            let best = place.or_insert(0.0);
            // The best place of a word counts, and a little for each further one.
            *best = best.max(weight) + 0.05 * weight;
        }
    }

    /// Fit of the query to each guide, in the order of the guides.
    pub(super) fn fits(&self, query: &str) -> Vec<Fit> {
        let mut fits = vec![Fit::default(); self.guides];
        let mut weights: Vec<Vec<(f64, String)>> = vec![Vec::new(); self.guides];
        let mut total = 0.0;
        let mut seen = tokens(query);
        seen.truncate(MAX_TOKENS);
        seen.sort_unstable();
        seen.dedup();
        for token in &seen {
            let Some((word, rows)) = self.look_up(token) else {
                total += 1.0;
                continue;
            };
            let rarity = (1.0 + self.guides as f64 / rows.len() as f64).ln();
            total += rarity * rarity;
            for (&guide, weight) in rows {
                let share = (weight / 3.0).min(1.0);
                fits[guide].coverage += rarity * rarity * share;
                weights[guide].push((rarity * share, word.to_owned()));
            }
        }
        let squashed = Squashed::new(query, false);
        for (guide, fit) in fits.iter_mut().enumerate() {
            fit.coverage = if total > 0.0 {
                fit.coverage / total
            } else {
                0.0
            };
            let mut words = std::mem::take(&mut weights[guide]);
            words.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            fit.words = words.into_iter().take(4).map(|(_, word)| word).collect();
            fit.symptom = self.symptoms[guide]
                .iter()
                .filter(|(pattern, _)| squashed.find_whole(pattern).is_some())
                .map(|(_, letters)| *letters)
                .max()
                .unwrap_or(0);
        }
        fits
    }

    /// The word itself, or the commonest word that is one typing error away.
    fn look_up<'a>(&'a self, token: &'a str) -> Option<(&'a str, &'a BTreeMap<usize, f64>)> {
        if let Some(rows) = self.words.get(token) {
            return Some((token, rows));
        }
        let length = token.chars().count();
        if !token.is_ascii() || length < 5 {
            return None;
        }
        let near = self.words.iter().filter(|(word, _)| {
            word.is_ascii()
                && word.len().abs_diff(length) <= 1
                && (is_one_edit(word.as_bytes(), token.as_bytes()) || shares_stem(word, token))
        });
        near.max_by(|a, b| a.1.len().cmp(&b.1.len()).then_with(|| b.0.cmp(a.0)))
            .map(|(word, rows)| (word.as_str(), rows))
    }
}

/// `blocks` and `blocked`: the same but for the last two letters.
fn shares_stem(a: &str, b: &str) -> bool {
    let common = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    common >= 5 && common + 2 >= a.len().max(b.len())
}

/// One letter added, dropped, changed, or two swapped.
pub(super) fn is_one_edit(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let head = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    if long.len() == short.len() + 1 {
        return short[head..] == long[head + 1..];
    }
    if long.len() != short.len() || head == short.len() {
        return long.len() == short.len();
    }
    let is_swap = head + 1 < short.len()
        && short[head] == long[head + 1]
        && short[head + 1] == long[head]
        && short[head + 2..] == long[head + 2..];
    is_swap || short[head + 1..] == long[head + 1..]
}

fn is_ideographic(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}')
}

/// Lower-case Latin words of two letters and more; pairs of neighbouring ideographs, syllables.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut latin = String::new();
    let mut previous: Option<char> = None;
    for c in text.chars().chain(std::iter::once(' ')) {
        if is_ideographic(c) {
            if let Some(before) = previous {
                out.push([before, c].iter().collect());
            }
            previous = Some(c);
        } else {
            previous = None;
        }
        if c.is_alphanumeric() && !is_ideographic(c) {
            latin.extend(c.to_lowercase());
        } else if !latin.is_empty() {
            let word = std::mem::take(&mut latin);
            let is_number = word.chars().all(|c| c.is_ascii_digit()) && word != "3389";
            if word.len() >= 2 && !is_number && !STOP.contains(&word.as_str()) {
                out.push(word);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pairs() {
        assert_eq!(
            tokens("The SSH-port 22 无法连接"),
            ["ssh", "port", "无法", "法连", "连接"]
        );
        assert_eq!(tokens("비밀번호"), ["비밀", "밀번", "번호"]);
    }

    #[test]
    fn one_typing_error_is_forgiven() {
        for (a, b) in [
            ("permission", "premission"),
            ("timeout", "timout"),
            ("denied", "denide"),
        ] {
            assert!(is_one_edit(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        assert!(!is_one_edit(b"refused", b"refunds"));
        assert!(shares_stem("blocked", "blocks"));
    }
}
