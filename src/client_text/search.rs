//! All patterns of the table searched for at once, with one wrong letter allowed in each.
//!
//! Lives here: the automaton, and what stands whole, with a slip, or cut off by the end of what
//! was pasted. Must not live here: which of the places found counts (`select`).

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::squash::{GAP, Pattern, Squashed};

/// Letters from which a part of a pattern may hold a wrong one; ideographs say more each.
const LEAST_LATIN: usize = 10;
const LEAST_OTHER: usize = 5;
/// Places of one part that are looked at: the first ones and the last.
const MAX_HITS: usize = 64;

/// A place of a pattern, in characters of the squashed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub start: usize,
    pub end: usize,
    /// Letters matched, without those under a `*`.
    pub letters: usize,
    /// A letter is wrong, missing or too many.
    pub slip: bool,
}

/// A part of patterns, and where it may be cut in two so that a slip leaves one half whole.
#[derive(Debug)]
struct Part {
    chars: Vec<char>,
    half: usize,
}

#[derive(Debug, Clone, Copy)]
enum Needle {
    Whole(usize),
    Head(usize),
    Tail(usize),
}

/// Patterns of one kind, letters only or with punctuation.
#[derive(Debug)]
pub(super) struct Search {
    parts: Vec<Part>,
    needles: Vec<Needle>,
    automaton: AhoCorasick,
    /// Per pattern: its parts, and whether its end may be the middle of a word.
    patterns: Vec<(Vec<usize>, bool)>,
}

/// Where each part of the patterns stands in a text.
pub(super) struct Hits(Vec<Vec<Place>>);

impl Search {
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut parts = Vec::new();
        let mut resolved = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let numbers = pattern.parts.iter().map(|text| {
                *known.entry(text).or_insert_with(|| {
                    parts.push(Part::new(text));
                    parts.len() - 1
                })
            });
            resolved.push((numbers.collect(), pattern.open_end));
        }
        let mut needles = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let (head, tail) = part.chars.split_at(part.half);
            if head.is_empty() {
                needles.push(Needle::Whole(number));
                texts.push(tail.iter().collect());
            } else {
                needles.extend([Needle::Head(number), Needle::Tail(number)]);
                texts.extend([head.iter().collect(), tail.iter().collect()]);
            }
        }
        Self {
            automaton: AhoCorasick::new(&texts).expect("a few thousand short words"),
            parts,
            needles,
            patterns: resolved,
        }
    }

    /// Finds every part in one pass.
    pub(super) fn hits(&self, text: &Squashed) -> Hits {
        let mut hits: Vec<Vec<Place>> = vec![Vec::new(); self.parts.len()];
        let chars = text.chars();
        for found in self.automaton.find_overlapping_iter(text.text()) {
            let needle = self.needles[found.pattern().as_usize()];
            let (start, end) = (text.index(found.start()), text.index(found.end()));
            let (number, place) = match needle {
                Needle::Whole(number) => (number, Some((start, end, false))),
                Needle::Head(number) => {
                    let part = &self.parts[number];
                    let rest = reach(chars, end, &part.chars[part.half..]);
                    (
                        number,
                        rest.map(|(length, slip)| (start, end + length, slip)),
                    )
                }
                Needle::Tail(number) => {
                    let part = &self.parts[number];
                    let rest = reach_back(chars, start, &part.chars[..part.half]);
                    // Where nothing is wrong the head has found it.
                    let slips = rest.filter(|(_, slip)| *slip);
                    (
                        number,
                        slips.map(|(length, slip)| (start - length, end, slip)),
                    )
                }
            };
            if let Some((start, end, slip)) = place {
                let letters = self.parts[number].chars.len();
                let list = &mut hits[number];
                if list.len() == MAX_HITS {
                    list.pop();
                }
                list.push(Place {
                    start,
                    end,
                    letters,
                    slip,
                });
            }
        }
        for list in &mut hits {
            list.sort_unstable_by_key(|place| (place.start, place.slip));
        }
        Hits(hits)
    }

    /// Every place of a pattern, in the order of the text.
    pub(super) fn places(&self, pattern: usize, hits: &Hits, text: &Squashed) -> Vec<Place> {
        let (parts, open_end) = &self.patterns[pattern];
        let Some((first, others)) = parts.split_first() else {
            return Vec::new();
        };
        let mut places = Vec::new();
        for place in &hits.0[*first] {
            let whole = others.iter().try_fold(*place, |so_far, part| {
                let list = &hits.0[*part];
                let from = list.partition_point(|next| next.start < so_far.end);
                let next = list[from..]
                    .iter()
                    .take_while(|next| next.start <= so_far.end + GAP)
                    .find(|next| !(so_far.slip && next.slip))?;
                let apart = text.ends_between(so_far.end, next.start);
                (!apart).then_some(Place {
                    start: so_far.start,
                    end: next.end,
                    letters: so_far.letters + next.letters,
                    slip: so_far.slip || next.slip,
                })
            });
            places.extend(whole.filter(|p| text.stands_alone(*open_end, p.start, p.end)));
        }
        places
    }

    /// Whether a pattern stands anywhere, letter for letter.
    pub(super) fn holds(&self, pattern: usize, hits: &Hits, text: &Squashed) -> bool {
        let places = self.places(pattern, hits, text);
        places.iter().any(|place| !place.slip)
    }

    /// A pattern of one part that the end of the text cuts off, or its start; enough must be left
    /// of it, and `is_telling` has to say that the piece is no piece of anything else.
    pub(super) fn cut(
        &self,
        pattern: usize,
        text: &Squashed,
        is_telling: impl Fn(&str) -> bool,
    ) -> Option<Place> {
        let ([part], open_end) = (
            self.patterns[pattern].0.as_slice(),
            self.patterns[pattern].1,
        ) else {
            return None;
        };
        let all: String = self.parts[*part].chars.iter().collect();
        let length = text.chars().len();
        let tells = |piece: &str| is_enough(piece, &all) && is_telling(piece);
        for (at, _) in all.char_indices().skip(1) {
            let (head, tail) = all.split_at(at);
            if text.text().ends_with(head) && tells(head) {
                let letters = head.chars().count();
                let place = Place {
                    start: length - letters,
                    end: length,
                    letters,
                    slip: false,
                };
                return text
                    .stands_alone(true, place.start, length)
                    .then_some(place);
            }
            if text.text().starts_with(tail) && tells(tail) {
                let letters = tail.chars().count();
                let place = Place {
                    start: 0,
                    end: letters,
                    letters,
                    slip: false,
                };
                return text.stands_alone(open_end, 0, letters).then_some(place);
            }
        }
        None
    }

    /// Patterns that hold a piece of text.
    pub(super) fn holding<'s>(&'s self, piece: &'s str) -> impl Iterator<Item = usize> + 's {
        let holds = move |part: &usize| {
            let text: String = self.parts[*part].chars.iter().collect();
            text.contains(piece)
        };
        let all = self.patterns.iter().enumerate();
        all.filter(move |(_, (parts, _))| parts.iter().any(&holds))
            .map(|(number, _)| number)
    }
}

impl Part {
    fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let least = if text.is_ascii() {
            LEAST_LATIN
        } else {
            LEAST_OTHER
        };
        // Codes are exact: `0x104` is not `0x204`.
        let letters = chars.iter().filter(|c| !c.is_ascii_digit()).count();
        let half = if letters < least { 0 } else { chars.len() / 2 };
        Self { chars, half }
    }
}

/// Whether a wrong letter may stand for this one: digits and punctuation carry meaning.
fn may_slip(c: char) -> bool {
    c.is_alphabetic()
}

/// Letters from `at` on that are `want`, or are but for one; and whether there is a slip.
fn reach(text: &[char], at: usize, want: &[char]) -> Option<(usize, bool)> {
    let have = &text[at..];
    let same = have.iter().zip(want).take_while(|(a, b)| a == b).count();
    if same == want.len() {
        return Some((same, false));
    }
    slip(same, have.len(), |i| have[i], want.len(), |i| want[i])
}

/// The same, backwards from `at`.
fn reach_back(text: &[char], at: usize, want: &[char]) -> Option<(usize, bool)> {
    let have = &text[..at];
    let pairs = have.iter().rev().zip(want.iter().rev());
    let same = pairs.take_while(|(a, b)| a == b).count();
    if same == want.len() {
        return Some((same, false));
    }
    let (last, end) = (have.len(), want.len());
    slip(
        same,
        last,
        |i| have[last - 1 - i],
        end,
        |i| want[end - 1 - i],
    )
}

/// What one wrong, missing or surplus letter after `same` equal ones leaves: letters used.
fn slip(
    same: usize,
    have_len: usize,
    have: impl Fn(usize) -> char,
    want_len: usize,
    want: impl Fn(usize) -> char,
) -> Option<(usize, bool)> {
    let rest = |from: usize, to: usize| {
        let left = want_len - to;
        from + left <= have_len && (0..left).all(|i| have(from + i) == want(to + i))
    };
    if !may_slip(want(same)) {
        return None;
    }
    if same < have_len && have(same) != '\u{0}' && rest(same + 1, same + 1) {
        return Some((want_len, true));
    }
    // A letter that is left out, then one too many.
    if rest(same, same + 1) {
        return Some((want_len - 1, true));
    }
    (same < have_len && may_slip(have(same)) && rest(same + 1, same))
        .then_some((want_len + 1, true))
}

/// Whether a cut piece is long enough to stand for the whole.
fn is_enough(piece: &str, whole: &str) -> bool {
    let (have, all) = (piece.chars().count(), whole.chars().count());
    let least = if piece.is_ascii() { 12 } else { 6 };
    have >= least && have * 10 >= all * 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, pattern: &str) -> Vec<Place> {
        let search = Search::new(&[Pattern::new(pattern, false)]);
        let mut squashed = Squashed::default();
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        squashed.push(text, 0, false, &ends);
        search.places(0, &search.hits(&squashed), &squashed)
    }

    #[test]
    fn one_wrong_missing_or_surplus_letter_is_a_slip() {
        let pattern = "connection timed out";
        assert!(!places("Connection timed out", pattern)[0].slip);
        for text in [
            "Connectiom timed out",
            "Comnection timed out",
            "Connection tined out",
            "Connecton timed out",
            "Connection timedd out",
            "connection time out",
        ] {
            let found = places(text, pattern);
            assert!(found.len() == 1 && found[0].slip, "{text}: {found:?}");
        }
        assert_eq!(places("Comnectiom timed out", pattern), []);
        assert_eq!(places("没有到王机的路由", "没有到主机的路由").len(), 1);
    }

    #[test]
    fn digits_and_short_words_are_exact() {
        assert_eq!(places("error code: 0x104", "error code: 0x204"), []);
        assert_eq!(places("reiused", "refused"), []);
    }

    #[test]
    fn a_gap_ends_with_its_line() {
        let pattern = "connect to host * port";
        assert_eq!(places("connect to host\nh port 22", pattern), []);
        assert_eq!(places("connect to\nhost h port 22", pattern).len(), 1);
    }

    #[test]
    fn what_the_end_cuts_off_is_found_when_it_tells() {
        let search = Search::new(&[Pattern::new("connection timed out", false)]);
        let cut = |text: &str, tells: bool| {
            search
                .cut(0, &Squashed::new(text, false), |_| tells)
                .is_some()
        };
        assert!(cut("Connection timed o", true));
        assert!(cut("nnection timed out", true));
        assert!(!cut("Connection", true));
        assert!(!cut("Connection timed o", false));
    }
}
