//! Makes text from outside safe to show, log and store.
//!
//! Everything that did not come from our own files passes `sanitise` (or `sanitise_block`)
//! before it enters a `Reading`, a log, a cell or the clipboard.
//! Must not live here: width arithmetic and truncation for the screen (`view::text`).

/// An address of the web without the user and password in it, for people.
pub fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        (None, Some((_, host))) => format!("...@{host}"),
        (_, None) => url.to_owned(),
    }
}

/// `1 rule`, `2 rules`.
pub fn counted(n: usize, one: &str) -> String {
    let s = match (n, one.ends_with("ss")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{n} {one}{s}")
}

/// One line, at most `max_chars` characters, free of control, bidi and escape characters.
/// A cut is marked with `…`.
pub fn sanitise(text: &str, max_chars: usize) -> String {
    clean(text, max_chars, false)
}

/// Like [`sanitise`], but keeps line breaks, of any kind as a line feed, and turns tabs into
/// spaces.
pub fn sanitise_block(text: &str, max_chars: usize) -> String {
    clean(text, max_chars, true)
}

fn clean(text: &str, max_chars: usize, keep_lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars * 4));
    let mut taken = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if taken >= max_chars {
            out.push('…');
            break;
        }
        match c {
            '\u{1b}' | '\u{9b}' | '\u{90}' | '\u{9d}' => skip_escape(c, &mut chars),
            // The first half of a line end says nothing by itself; alone it is one.
            '\r' if keep_lines && chars.peek() == Some(&'\n') => {}
            '\n' | '\r' if keep_lines => {
                out.push('\n');
                taken += 1;
            }
            '\t' | '\n' | '\r' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                    taken += 1;
                }
            }
            c if is_unsafe(c) => {}
            c => {
                out.push(c);
                taken += 1;
            }
        }
    }
    if keep_lines {
        out
    } else {
        out.trim().to_owned()
    }
}

/// Control, format and direction characters that can change what a terminal shows.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Drops the rest of an escape sequence (ECMA-48: CSI, OSC, DCS and two-character forms).
fn skip_escape(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match first {
        '\u{1b}' => match chars.peek().copied() {
            Some(c @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                chars.next();
                c
            }
            Some(c) if !c.is_control() && c.is_ascii() => {
                chars.next();
                return;
            }
            _ => return,
        },
        '\u{9b}' => '[',
        _ => ']',
    };
    if kind == '[' {
        while let Some(&c) = chars.peek() {
            if !(' '..='~').contains(&c) {
                return;
            }
            chars.next();
            if ('@'..='~').contains(&c) {
                return;
            }
        }
        return;
    }
    // A string sequence ends with BEL or ST. One that never ends is only dropped up to a line
    // break, so that a stray introducer cannot swallow a whole text.
    while let Some(&c) = chars.peek() {
        match c {
            '\u{7}' | '\u{9c}' => {
                chars.next();
                return;
            }
            '\u{1b}' => {
                chars.next();
                if chars.peek() == Some(&'\\') {
                    chars.next();
                }
                return;
            }
            '\n' | '\r' => return,
            _ => {
                chars.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_vanish_whole() {
        assert_eq!(sanitise("a\u{1b}[31mred\u{1b}[0m b", 80), "ared b");
        assert_eq!(sanitise("x\u{1b}]52;c;AAAA\u{7}y", 80), "xy");
        assert_eq!(sanitise("x\u{1b}]0;title\u{1b}\\y", 80), "xy");
        assert_eq!(sanitise("x\u{9b}2Jy", 80), "xy");
    }

    #[test]
    fn direction_and_control_characters_vanish() {
        assert_eq!(sanitise("ad\u{202e}min\u{0}\u{7f}", 80), "admin");
    }

    #[test]
    fn lines_are_kept_only_where_asked_for() {
        assert_eq!(sanitise("a\r\nb", 80), "a b");
        assert_eq!(sanitise_block("a\r\nb", 80), "a\nb");
        assert_eq!(sanitise_block("a\rb\r\r\nc", 80), "a\nb\n\nc");
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(sanitise("한국어텍스트", 3), "한국어…");
    }

    #[test]
    fn an_unfinished_string_sequence_ends_with_its_line() {
        assert_eq!(sanitise_block("a\u{1b}]0;never\nb", 80), "a\nb");
    }
}
