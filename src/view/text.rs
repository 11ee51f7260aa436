//! Width arithmetic: how many cells a text takes, and cutting it to fit.
//!
//! The one place that truncates. Must not live here: making text safe (`domain::text`).

use ratatui::buffer::Buffer;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cells that a text takes, by the arithmetic that the buffer uses too.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to at most `cells`, ending in `ellipsis` where something was cut. Never splits a
/// wide character or a combining sequence.
pub fn truncate(text: &str, cells: usize, ellipsis: &str) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mark = if width(ellipsis) <= cells {
        ellipsis
    } else {
        ""
    };
    let room = cells - width(mark);
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let w = width(grapheme);
        if used + w > room {
            break;
        }
        out.push_str(grapheme);
        used += w;
    }
    out.push_str(mark);
    out
}

/// `text` cut or filled with spaces to exactly `cells`.
pub fn fit(text: &str, cells: usize, ellipsis: &str) -> String {
    let mut out = truncate(text, cells, ellipsis);
    let used = width(&out);
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
    out
}

/// Breaks a text into lines of at most `cells`, where Unicode Standard Annex 14 allows a break;
/// Korean words stay whole, as Korean text is set. What is longer than a line is cut anywhere.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    if cells == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for piece in unbreakable(paragraph) {
            if used > 0 && used + width(piece.trim_end()) > cells {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            for grapheme in piece.graphemes(true) {
                let w = width(grapheme);
                if used > 0 && used + w > cells {
                    if grapheme.trim().is_empty() {
                        continue;
                    }
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += w;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The same with every line but the first set in by `hang` cells.
pub fn wrap_hanging(text: &str, cells: usize, hang: usize) -> Vec<String> {
    let mut lines = wrap(text, cells);
    if lines.len() > 1 && hang < cells {
        lines.truncate(1);
        let first = lines.first().map_or(0, String::len);
        let rest = text.get(first..).unwrap_or_default().trim_start();
        let rest = wrap(rest, cells - hang).into_iter();
        lines.extend(rest.map(|line| format!("{}{line}", " ".repeat(hang))));
    }
    lines
}

/// Stretches of a line that stay together, each with the spaces behind it.
fn unbreakable(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    unicode_linebreak::linebreaks(paragraph)
        .filter(move |(end, _)| !inside_a_korean_word(paragraph, *end))
        .map(move |(end, _)| {
            let piece = &paragraph[start..end];
            start = end;
            piece
        })
}

fn inside_a_korean_word(text: &str, at: usize) -> bool {
    let hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
    let word = |c: char| hangul(c) || c.is_ascii_alphanumeric();
    let before = text[..at].chars().next_back();
    let after = text[at..].chars().next();
    before.zip(after).is_some_and(|(before, after)| {
        word(before) && word(after) && (hangul(before) || hangul(after))
    })
}

/// Replaces characters whose width a terminal may count differently (East Asian "ambiguous"),
/// for terminals that draw them two cells wide.
pub fn unambiguous(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.width() == c.width_cjk() {
                return c;
            }
            match c {
                '…' => '.',
                '–' | '—' => '-',
                '“' | '”' => '"',
                '‘' | '’' => '\'',
                '·' => '.',
                '×' => 'x',
                _ => '?',
            }
        })
        .collect()
}

/// What stands in a buffer, line by line without blanks at the ends.
pub fn of_buffer(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // The other half of a wide character is a cell of its own.
            x += (width(symbol) as u16).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_are_never_halved() {
        assert_eq!(truncate("한국어", 5, "…"), "한국…");
        assert_eq!(truncate("한국어", 4, "…"), "한…");
        assert_eq!(fit("한국어", 4, "…"), "한… ");
    }

    #[test]
    fn text_breaks_at_spaces_and_between_wide_characters() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("安全组拒绝", 4), ["安全", "组拒", "绝"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn marks_stay_with_their_word_and_korean_words_stay_whole() {
        assert_eq!(wrap("rule, so (it) is", 6), ["rule,", "so", "(it)", "is"]);
        assert_eq!(wrap("안전그룹, 거부", 9), ["안전그룹,", "거부"]);
        assert_eq!(wrap("拒绝。允许", 4), ["拒", "绝。", "允许"]);
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in "\\PC{0,40}", cells in 0usize..30) {
            prop_assert!(width(&truncate(&text, cells, "…")) <= cells);
        }

        #[test]
        fn every_wrapped_line_fits(text in "[a-z 한국어安全é]{0,80}", cells in 2usize..30) {
            for line in wrap(&text, cells) {
                prop_assert!(width(&line) <= cells, "{:?}", line);
            }
        }

        #[test]
        fn nothing_ambiguous_is_left(text in "\\PC{0,40}") {
            let clean = unambiguous(&text);
            prop_assert!(clean.chars().all(|c| c.width() == c.width_cjk()));
        }
    }
}
