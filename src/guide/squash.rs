//! Text reduced to what carries meaning, with the way back to where each letter stood.
//!
//! Lives here: dropping of escapes, spaces, punctuation and case, and searching in the result.
//! Must not live here: what any found text means.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// Letters that `*` in a pattern may stand for.
const GAP: usize = 120;

/// A pasted text without noise. Positions are kept in bytes of the original.
#[derive(Debug)]
pub(super) struct Squashed {
    text: String,
    /// Per kept character: byte in `text`, first byte and end byte in the original.
    places: Vec<(usize, usize, usize)>,
}

/// A place found in a [`Squashed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes of the original.
    pub span: Range<usize>,
    /// Letters matched, without those under a `*`.
    pub letters: usize,
    /// False when the text was cut in the middle of the pattern.
    pub whole: bool,
}

/// A pattern of `client-errors.toml`, squashed the same way as the text.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    parts: Vec<String>,
    open_end: bool,
}

impl Pattern {
    pub(super) fn new(source: &str, keep_punctuation: bool) -> Self {
        let parts = source
            .split('*')
            .map(|part| Squashed::new(part, 0, keep_punctuation).text)
            .filter(|part| !part.is_empty())
            .collect();
        Self {
            parts,
            open_end: source.ends_with('*'),
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl Squashed {
    /// `offset` is where `source` begins in the original.
    pub(super) fn new(source: &str, offset: usize, keep_punctuation: bool) -> Self {
        let mut squashed = Self {
            text: String::with_capacity(source.len()),
            places: Vec::new(),
        };
        squashed.push(source, offset, keep_punctuation);
        squashed
    }

    /// Adds a later stretch of the original; nothing is found across the join.
    pub(super) fn push(&mut self, source: &str, offset: usize, keep_punctuation: bool) {
        if !self.text.is_empty() {
            self.places.push((self.text.len(), offset, offset));
            self.text.push('\u{0}');
        }
        let mut chars = source.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if skip_noise(source, at, c, &mut chars) {
                continue;
            }
            let c = fold(c);
            let kept =
                c.is_alphanumeric() || (keep_punctuation && !c.is_whitespace() && !c.is_control());
            if !kept {
                continue;
            }
            let end = chars.peek().map_or(source.len(), |&(next, _)| next);
            for lower in c.to_lowercase() {
                self.places
                    .push((self.text.len(), offset + at, offset + end));
                self.text.push(lower);
            }
        }
    }

    /// True when nothing readable was in the text.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
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

    /// The first place where the pattern stands, or the cut end or start of the text that is
    /// most of it.
    pub(super) fn find(&self, pattern: &Pattern) -> Option<Found> {
        self.find_whole(pattern)
            .or_else(|| self.cut_end(pattern))
            .or_else(|| self.cut_start(pattern))
    }

    /// The first place where the whole pattern stands.
    pub(super) fn find_whole(&self, pattern: &Pattern) -> Option<Found> {
        self.find_from(pattern, 0)
    }

    /// The last place where the whole pattern stands.
    pub(super) fn find_last(&self, pattern: &Pattern) -> Option<Found> {
        let mut last = self.find_whole(pattern)?;
        loop {
            let index = self.places.partition_point(|p| p.1 < last.span.end);
            let Some(place) = self.places.get(index) else {
                return Some(last);
            };
            match self.find_from(pattern, place.0) {
                Some(next) => last = next,
                None => return Some(last),
            }
        }
    }

    fn find_from(&self, pattern: &Pattern, mut from: usize) -> Option<Found> {
        let first = pattern.parts.first()?;
        while let Some(start) = self.text[from..].find(first.as_str()).map(|i| i + from) {
            if let Some(end) = self.rest(pattern, start + first.len())
                && self.stands_alone(pattern, start, end)
            {
                let letters = pattern.parts.iter().map(|p| p.chars().count()).sum();
                return Some(self.found(start, end, letters, true));
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

    /// Latin words must not begin or end inside another word of the original.
    fn stands_alone(&self, pattern: &Pattern, start: usize, end: usize) -> bool {
        let bytes = self.text.as_bytes();
        let first = self.index(start);
        let free_start = !bytes[start].is_ascii_alphanumeric()
            || first == 0
            || self.places[first - 1].2 != self.places[first].1
            || !bytes[start - 1].is_ascii_alphanumeric();
        let after = self.index(end);
        let free_end = pattern.open_end
            || !bytes[end - 1].is_ascii_alphanumeric()
            || after >= self.places.len()
            || self.places[after - 1].2 != self.places[after].1
            || !bytes[end].is_ascii_alphanumeric();
        free_start && free_end
    }

    /// The text ends inside the pattern: at least 60 % of the last part must be there.
    fn cut_end(&self, pattern: &Pattern) -> Option<Found> {
        let last = pattern.parts.last()?;
        for (cut, _) in last.char_indices().rev() {
            let head = &last[..cut];
            if !is_enough(head, last) {
                return None;
            }
            let Some(before) = self.text.strip_suffix(head) else {
                continue;
            };
            let letters = head.chars().count();
            if pattern.parts.len() == 1 {
                let (start, end) = (before.len(), self.text.len());
                return self
                    .stands_alone(pattern, start, end)
                    .then(|| self.found(start, end, letters, false));
            }
            let shorter = Pattern {
                parts: pattern.parts[..pattern.parts.len() - 1].to_vec(),
                open_end: true,
            };
            let start = before.find(shorter.parts[0].as_str())?;
            let end = self.rest(&shorter, start + shorter.parts[0].len())?;
            let near = self.index(before.len()).saturating_sub(self.index(end)) <= GAP;
            return (near && end <= before.len())
                .then(|| self.found(start, self.text.len(), letters, false));
        }
        None
    }

    /// The text begins inside the pattern; only for patterns without a gap.
    fn cut_start(&self, pattern: &Pattern) -> Option<Found> {
        let [only] = pattern.parts.as_slice() else {
            return None;
        };
        for (cut, _) in only.char_indices().skip(1) {
            let tail = &only[cut..];
            if !is_enough(tail, only) {
                return None;
            }
            if self.text.starts_with(tail) {
                return Some(self.found(0, tail.len(), tail.chars().count(), false));
            }
        }
        None
    }

    fn found(&self, start: usize, end: usize, letters: usize, whole: bool) -> Found {
        let from = self.places[self.index(start)].1;
        let to = self.places[self.index(end) - 1].2;
        Found {
            span: from..to,
            letters,
            whole,
        }
    }

    /// Index of the character at byte `at`; one past the last for the end.
    fn index(&self, at: usize) -> usize {
        self.places.partition_point(|place| place.0 < at)
    }
}

/// Whether a cut piece is long enough to stand for the whole.
fn is_enough(piece: &str, whole: &str) -> bool {
    let (have, all) = (piece.chars().count(), whole.chars().count());
    let least = if piece.is_ascii() { 12 } else { 6 };
    have >= least && have * 10 >= all * 6
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

    fn find(text: &str, pattern: &str) -> Option<Found> {
        Squashed::new(text, 0, false).find(&Pattern::new(pattern, false))
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
            let found = find(text, "connection timed out").expect(text);
            assert!(found.whole, "{text}");
        }
        assert!(find("can’t find the computer", "can't find the computer").is_some());
    }

    #[test]
    fn the_span_points_into_the_original() {
        let text = "x \u{1b}[1m“Access\u{1b}[0m denied” y";
        let found = find(text, "access denied").expect("found");
        assert_eq!(&text[found.span], "Access\u{1b}[0m denied");
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
    }

    #[test]
    fn cut_texts_are_found_when_most_is_left() {
        let cut = find("Connection timed o", "connection timed out").expect("cut");
        assert!(!cut.whole);
        assert!(find("nnection timed out", "connection timed out").is_some());
        assert!(find("Connection", "connection timed out").is_none());
    }

    #[test]
    fn an_unfinished_escape_hides_nothing_else() {
        assert!(find("\u{1b}]0;x Access denied", "access denied").is_some());
    }
}
