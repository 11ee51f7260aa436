//! Text reduced to what carries meaning, with the way back to where each letter stood.
//!
//! Lives here: dropping of escapes, spaces, punctuation and case, where lines end, and searching
//! for one pattern. Must not live here: searching for all at once (`search`), what a text means.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use crate::domain::text::is_unsafe;

/// Letters that `*` in a pattern may stand for.
pub(super) const GAP: usize = 120;

/// A pasted text without noise. Positions are kept in bytes of the original.
#[derive(Debug, Default)]
pub struct Squashed {
    text: String,
    chars: Vec<char>,
    /// Per kept character: byte in `text`, first byte and end byte in the original.
    places: Vec<(usize, usize, usize)>,
    /// Characters before which a line ends, in order; `*` never reaches over one.
    ends: Vec<usize>,
}

/// A place found in a [`Squashed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the original.
    pub span: Range<usize>,
}

/// Words with `*` for anything between them, squashed the same way as the text.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(super) parts: Vec<String>,
    pub(super) open_end: bool,
}

impl Pattern {
    /// With `keep_punctuation` it is for texts that were squashed so.
    pub fn new(source: &str, keep_punctuation: bool) -> Self {
        let parts = source
            .split('*')
            .map(|part| Squashed::new(part, keep_punctuation).text)
            .filter(|part| !part.is_empty())
            .collect();
        Self {
            parts,
            open_end: source.ends_with('*'),
        }
    }

    /// True when no letter is in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl Squashed {
    /// A text whose line ends play no part.
    pub fn new(source: &str, keep_punctuation: bool) -> Self {
        let mut squashed = Self::default();
        squashed.push(source, 0, keep_punctuation, &[]);
        squashed
    }

    /// Adds a later stretch of the original that begins at `offset`; nothing is found across the
    /// join. `ends` are the bytes of the original before which a line ends.
    pub(super) fn push(
        &mut self,
        source: &str,
        offset: usize,
        keep_punctuation: bool,
        ends: &[usize],
    ) {
        if !self.text.is_empty() {
            self.ends.push(self.chars.len());
            self.keep('\u{0}', offset, offset);
        }
        let mut ends = ends.iter().peekable();
        let mut chars = source.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            while ends.next_if(|end| **end <= offset + at).is_some() {
                if self.ends.last() != Some(&self.chars.len()) {
                    self.ends.push(self.chars.len());
                }
            }
            if skip_noise(source, at, c, &mut chars) {
                continue;
            }
            let c = fold(c);
            let kept =
                c.is_alphanumeric() || (keep_punctuation && !c.is_whitespace() && !is_unsafe(c));
            if !kept {
                continue;
            }
            let end = chars.peek().map_or(source.len(), |&(next, _)| next);
            for lower in c.to_lowercase() {
                self.keep(lower, offset + at, offset + end);
            }
        }
    }

    fn keep(&mut self, c: char, from: usize, to: usize) {
        self.places.push((self.text.len(), from, to));
        self.text.push(c);
        self.chars.push(c);
    }

    /// True when nothing readable was in the text.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The readable letters after byte `at` of the original, at most `limit` bytes.
    pub(super) fn letters_after(&self, at: usize, limit: usize) -> &str {
        let index = self.places.partition_point(|place| place.1 < at);
        let start = self.places.get(index).map_or(self.text.len(), |p| p.0);
        let mut end = (start + limit).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        &self.text[start..end]
    }

    /// The first place where the whole pattern stands, letter for letter.
    pub fn find_whole(&self, pattern: &Pattern) -> Option<Found> {
        let mut from = 0;
        let first = pattern.parts.first()?;
        while let Some(start) = self.text[from..].find(first.as_str()).map(|i| i + from) {
            if let Some(end) = self.rest(pattern, start + first.len()) {
                let (start, end) = (self.index(start), self.index(end));
                if self.stands_alone(pattern.open_end, start, end) {
                    return Some(Found {
                        span: self.span(start, end),
                    });
                }
            }
            from = start + first.chars().next().map_or(1, char::len_utf8);
        }
        None
    }

    /// End of the last part when all parts after the first follow within the gap.
    fn rest(&self, pattern: &Pattern, mut at: usize) -> Option<usize> {
        for part in &pattern.parts[1..] {
            let window = self.window(at, part.len());
            at += self.text[at..window].find(part.as_str())? + part.len();
        }
        Some(at)
    }

    fn window(&self, at: usize, part: usize) -> usize {
        let index = self.index(at);
        let last = (index + GAP).min(self.places.len());
        let end = self.places.get(last).map_or(self.text.len(), |p| p.0);
        let mut end = (end + part).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        end
    }

    /// Whether a line ends between two characters.
    pub(super) fn ends_between(&self, from: usize, to: usize) -> bool {
        let next = self.ends.partition_point(|end| *end < from);
        self.ends.get(next).is_some_and(|end| *end <= to)
    }

    /// Latin words must not begin or end inside another word of the original; `0x` before a code
    /// is no part of a word.
    pub(super) fn stands_alone(&self, open_end: bool, start: usize, end: usize) -> bool {
        let word = |at: usize| self.chars[at].is_ascii_alphanumeric();
        let joined = |at: usize| self.places[at - 1].2 == self.places[at].1;
        let code = start >= 2 && self.chars[start - 2..start] == ['0', 'x'];
        let free_start = !word(start) || start == 0 || !joined(start) || !word(start - 1) || code;
        let free_end =
            open_end || !word(end - 1) || end >= self.chars.len() || !joined(end) || !word(end);
        free_start && free_end
    }

    /// Bytes of the original under a range of characters that is not empty.
    pub(super) fn span(&self, start: usize, end: usize) -> Range<usize> {
        self.places[start].1..self.places[end - 1].2
    }

    /// Index of the character at byte `at`; one past the last for the end.
    pub(super) fn index(&self, at: usize) -> usize {
        self.places.partition_point(|place| place.0 < at)
    }
}

/// Full-width forms to their plain ones.
fn fold(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Consumes the rest of an escape sequence, of one that lost its escape character, of an
/// escaped line break, or of an HTML entity. True when `c` began one.
fn skip_noise(source: &str, at: usize, c: char, chars: &mut Peekable<CharIndices<'_>>) -> bool {
    let rest = &source[at..];
    let length = match c {
        '\u{1b}' => Some(1 + escape_length(&rest[1..])),
        '\u{9b}' => Some(2 + csi_length(&rest[2..])),
        '^' if rest.starts_with("^[[") => Some(3 + csi_length(&rest[3..])),
        '[' => bare_colour(rest),
        '\\' => escaped(rest),
        '&' => [
            "&quot;", "&#39;", "&amp;", "&lt;", "&gt;", "&nbsp;", "&apos;",
        ]
        .iter()
        .find(|entity| rest.starts_with(**entity))
        .map(|entity| entity.len()),
        _ => None,
    };
    let Some(length) = length else {
        return false;
    };
    while chars.peek().is_some_and(|&(next, _)| next < at + length) {
        chars.next();
    }
    true
}

/// Bytes of an ECMA-48 sequence after its escape character.
fn escape_length(rest: &str) -> usize {
    match rest.chars().next() {
        Some('[') => 1 + csi_length(&rest[1..]),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let line = rest.split(['\n', '\r']).next().unwrap_or_default();
            let bell = line.find('\u{7}').map(|i| i + 1);
            let terminator = line.find("\u{1b}\\").map(|i| i + 2);
            // One that never ends hides nothing.
            bell.into_iter().chain(terminator).min().unwrap_or(1)
        }
        Some('(' | ')') => rest.chars().take(2).map(char::len_utf8).sum(),
        Some(c) if c.is_ascii_graphic() => 1,
        _ => 0,
    }
}

/// Parameters and final byte of a CSI sequence.
fn csi_length(rest: &str) -> usize {
    let parameters = rest
        .bytes()
        .take_while(|b| (b' '..=b'?').contains(b))
        .count();
    let last = rest.as_bytes().get(parameters);
    parameters + usize::from(last.is_some_and(|b| (b'@'..=b'~').contains(b)))
}

/// `[0;31m`, as pasted from a log that dropped the escape character.
fn bare_colour(rest: &str) -> Option<usize> {
    let digits = rest[1..]
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b';')
        .count();
    let last = rest.as_bytes().get(1 + digits)?;
    (matches!(last, b'm' | b'K') && digits < 12).then_some(digits + 2)
}

/// `\n`, `\r`, `\t`, `\u001b[31m` and `\x1b[31m` written out, as in JSON.
fn escaped(rest: &str) -> Option<usize> {
    for escape in ["\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033", "\\e"] {
        if let Some(after) = rest.strip_prefix(escape)
            && let Some(bracket) = after.strip_prefix('[')
        {
            return Some(rest.len() - bracket.len() + csi_length(bracket));
        }
    }
    ["\\r\\n", "\\n", "\\r", "\\t"]
        .iter()
        .find(|text| rest.starts_with(**text))
        .map(|text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, pattern: &str) -> Option<Range<usize>> {
        let found = Squashed::new(text, false).find_whole(&Pattern::new(pattern, false));
        found.map(|found| found.span)
    }

    #[test]
    fn case_breaks_quotes_and_escapes_play_no_part() {
        for text in [
            "Connection timed out",
            "CONNECTION TIMED OUT!",
            "Connec\ntion timed\r\n out",
            "\u{1b}[31mConnection\u{1b}[0m timed out",
            "[31mConnection[0m timed out",
            "> Connection\n> timed out",
            "Ｃonnection　timed out",
            "Connection\\ntimed out",
        ] {
            assert!(find(text, "connection timed out").is_some(), "{text}");
        }
        assert!(find("can’t find the computer", "can't find the computer").is_some());
    }

    #[test]
    fn the_span_points_into_the_original() {
        let text = "x \u{1b}[1m“Access\u{1b}[0m denied” y";
        let found = find(text, "access denied").expect("found");
        assert_eq!(&text[found], "Access\u{1b}[0m denied");
    }

    #[test]
    fn a_gap_is_bounded() {
        let near = format!("connect to host {} port 22", "a".repeat(60));
        assert!(find(&near, "connect to host * port").is_some());
        let far = format!("connect to host {} port 22", "a".repeat(600));
        assert!(find(&far, "connect to host * port").is_none());
    }

    #[test]
    fn words_are_not_found_inside_words() {
        assert!(find("error 0x2041", "0x204").is_none());
        assert!(find("error 0x204", "0x204").is_some());
        assert!(find("NTSTATUS 0xC000006D", "c000006d").is_some());
    }

    #[test]
    fn an_unfinished_escape_hides_nothing_else() {
        assert!(find("\u{1b}]0;x Access denied", "access denied").is_some());
    }
}
