//! What the operator typed or chose before: commands of the palette, filters and columns, oldest
//! first.
//!
//! Must not live here: keeping it on disk (`store::history`), or the keys that bring it back.

/// Which line was typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Palette,
    Filter,
    /// The columns of the list: chosen instead of typed, and kept in the same way.
    Columns,
}

impl Line {
    pub const ALL: [Self; 3] = [Self::Palette, Self::Filter, Self::Columns];

    /// Name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Palette => "palette",
            Self::Filter => "filter",
            Self::Columns => "columns",
        }
    }
}

/// Most texts that are remembered of one line.
pub const MOST: usize = 50;

/// Texts of all lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    palette: Vec<String>,
    filters: Vec<String>,
    columns: Vec<String>,
}

impl Typed {
    /// Texts of a line, oldest first.
    pub fn of(&self, line: Line) -> &[String] {
        match line {
            Line::Palette => &self.palette,
            Line::Filter => &self.filters,
            Line::Columns => &self.columns,
        }
    }

    fn of_mut(&mut self, line: Line) -> &mut Vec<String> {
        match line {
            Line::Palette => &mut self.palette,
            Line::Filter => &mut self.filters,
            Line::Columns => &mut self.columns,
        }
    }

    /// Makes `text` the newest of its line.
    pub fn push(&mut self, line: Line, text: &str) {
        let texts = self.of_mut(line);
        texts.retain(|known| known != text);
        texts.push(text.to_owned());
        if texts.len() > MOST {
            texts.remove(0);
        }
    }

    /// Takes what earlier runs typed; what was typed since then stays the newest.
    pub fn recall(&mut self, line: Line, earlier: Vec<String>) {
        let since = std::mem::take(self.of_mut(line));
        for text in earlier.into_iter().chain(since) {
            self.push(line, &text);
        }
    }

    /// The text typed before `shown` (or the newest, where `shown` is none of them).
    pub fn before(&self, line: Line, shown: &str) -> Option<&str> {
        let texts = self.of(line);
        let at = texts.iter().position(|text| text == shown);
        let at = at.unwrap_or(texts.len()).checked_sub(1)?;
        texts.get(at).map(String::as_str)
    }

    /// The text typed after `shown`; empty behind the newest.
    pub fn after(&self, line: Line, shown: &str) -> Option<&str> {
        let texts = self.of(line);
        let at = texts.iter().position(|text| text == shown)?;
        Some(texts.get(at + 1).map_or("", String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_walked_back_and_forth_without_repeats() {
        let mut typed = Typed::default();
        for text in ["a", "b", "a"] {
            typed.push(Line::Filter, text);
        }
        assert_eq!(typed.of(Line::Filter), ["b", "a"]);
        assert_eq!(typed.before(Line::Filter, "half"), Some("a"));
        assert_eq!(typed.before(Line::Filter, "a"), Some("b"));
        assert_eq!(typed.before(Line::Filter, "b"), None);
        assert_eq!(typed.after(Line::Filter, "b"), Some("a"));
        assert_eq!(typed.after(Line::Filter, "a"), Some(""));
        assert_eq!(typed.of(Line::Palette), [] as [&str; 0]);
    }

    #[test]
    fn what_is_typed_before_the_store_was_read_stays_newest_and_all_is_bounded() {
        let mut typed = Typed::default();
        typed.push(Line::Palette, "sort");
        typed.recall(Line::Palette, vec!["sort".into(), "log".into()]);
        assert_eq!(typed.of(Line::Palette), ["log", "sort"]);
        let many = (0..2 * MOST).map(|n| n.to_string()).collect();
        typed.recall(Line::Palette, many);
        assert_eq!(typed.of(Line::Palette).len(), MOST);
        assert_eq!(
            typed.of(Line::Palette).last().map(String::as_str),
            Some("sort")
        );
    }
}
