//! One key press with its modifiers, and its spelling in key files.
//!
//! Must not live here: terminal decoding (`terminal::events`) or bindings (`input::keymap`).

use std::fmt;

use super::said;
use crate::domain::said::Said;

/// A key without modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    Char(char),
    Enter,
    Esc,
    Tab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// A key with modifiers. `shift` is only set for keys whose character does not show it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chord {
    pub key: Key,
    pub ctrl: bool,
    pub alt: bool,
    pub shift: bool,
}

/// Named keys and their spelling, in both directions.
const NAMES: &[(&str, Key)] = &[
    ("enter", Key::Enter),
    ("esc", Key::Esc),
    ("tab", Key::Tab),
    ("backspace", Key::Backspace),
    ("delete", Key::Delete),
    ("insert", Key::Insert),
    ("up", Key::Up),
    ("down", Key::Down),
    ("left", Key::Left),
    ("right", Key::Right),
    ("home", Key::Home),
    ("end", Key::End),
    ("pageup", Key::PageUp),
    ("pagedown", Key::PageDown),
    ("space", Key::Char(' ')),
];

impl Chord {
    /// `key` without modifiers.
    pub fn plain(key: Key) -> Self {
        Self {
            key,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    /// A character without modifiers.
    pub fn char(c: char) -> Self {
        Self::plain(Key::Char(c))
    }

    /// A control character.
    pub fn ctrl(c: char) -> Self {
        Self {
            ctrl: true,
            ..Self::char(c)
        }
    }

    /// Reads `ctrl-c`, `J`, `shift-tab`, `f5`, `?`, `space`. The error names what is wrong.
    pub fn parse(text: &str) -> Result<Self, ChordError> {
        let mut chord = Self::char('\0');
        let mut rest = text.trim();
        loop {
            let lower = rest.to_ascii_lowercase();
            if lower.starts_with("ctrl-") {
                chord.ctrl = true;
            } else if lower.starts_with("alt-") {
                chord.alt = true;
            } else if lower.starts_with("shift-") {
                chord.shift = true;
            } else {
                break;
            }
            let dash = rest.find('-').unwrap_or(0);
            rest = &rest[dash + 1..];
        }
        chord.key = parse_key(rest).ok_or_else(|| ChordError(text.trim().to_owned()))?;
        Ok(chord.normalised())
    }

    /// The character this chord types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.key {
            Key::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// One form for chords that terminals report in several ways: `ctrl-J` is `ctrl-j`, and the
    /// shift of a character is the character itself.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        if let Key::Char(c) = self.key {
            let upper = c.to_ascii_uppercase();
            self.key = Key::Char(match (self.ctrl, self.shift) {
                (true, _) => c.to_ascii_lowercase(),
                (false, true) => upper,
                (false, false) => c,
            });
            self.shift = false;
        }
        self
    }
}

fn parse_key(text: &str) -> Option<Key> {
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return (!c.is_control()).then_some(Key::Char(c));
    }
    let lower = text.to_ascii_lowercase();
    if let Some((_, key)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return Some(*key);
    }
    let number = lower.strip_prefix('f')?.parse::<u8>().ok()?;
    (1..=12).contains(&number).then_some(Key::F(number))
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        if self.shift {
            f.write_str("shift-")?;
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, key)| *key == self.key) {
            return f.write_str(name);
        }
        match self.key {
            Key::Char(c) => write!(f, "{c}"),
            Key::F(n) => write!(f, "f{n}"),
            _ => Ok(()),
        }
    }
}

/// A spelling that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct ChordError(pub String);

impl ChordError {
    /// The sentence.
    pub fn said(&self) -> Said {
        said::no_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_are_read() {
        assert_eq!(Chord::parse("ctrl-C"), Ok(Chord::ctrl('c')));
        assert_eq!(Chord::parse("J"), Ok(Chord::char('J')));
        assert_eq!(Chord::parse("shift-j"), Ok(Chord::char('J')));
        assert_eq!(Chord::parse("-"), Ok(Chord::char('-')));
        assert_eq!(Chord::parse("ctrl--"), Ok(Chord::ctrl('-')));
        assert_eq!(Chord::parse("PageDown"), Ok(Chord::plain(Key::PageDown)));
        assert_eq!(Chord::parse("f12"), Ok(Chord::plain(Key::F(12))));
        assert!(Chord::parse("hyper-q").is_err());
        assert!(Chord::parse("f13").is_err());
        assert!(Chord::parse("").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(c in "[!-~]", ctrl: bool, alt: bool) {
            let c = c.chars().next().unwrap();
            let chord = Chord { key: Key::Char(c), ctrl, alt, shift: false }.normalised();
            prop_assert_eq!(Chord::parse(&chord.to_string()), Ok(chord));
        }
    }
}
