//! Signs in two sets: Unicode, and ASCII for terminals and fonts that need it.
//!
//! No sign carries meaning alone; a word stands beside it. Must not live here: colours.

/// One set of signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyphs {
    pub good: &'static str,
    pub warn: &'static str,
    pub bad: &'static str,
    pub off: &'static str,
    pub unknown: &'static str,
    pub working: &'static str,
    pub absent: &'static str,
    pub mark: &'static str,
    pub cursor: &'static str,
    pub unfolded: &'static str,
    pub bar: &'static str,
    pub bar_rest: &'static str,
    pub ellipsis: &'static str,
    pub separator: &'static str,
    pub more_above: &'static str,
    pub more_below: &'static str,
    pub bullet: &'static str,
    pub no_answer: &'static str,
    /// Heights from low to high.
    pub spark: [&'static str; 4],
    /// Corners and lines of a box: top left, top right, bottom left, bottom right, horizontal,
    /// vertical.
    pub frame: [&'static str; 6],
    pub ascii: bool,
}

/// Box drawing and symbols.
pub const UNICODE: Glyphs = Glyphs {
    good: "✓",
    warn: "!",
    bad: "✗",
    off: "○",
    unknown: "?",
    working: "…",
    absent: "–",
    mark: "•",
    cursor: "▸",
    unfolded: "▾",
    bar: "█",
    bar_rest: "░",
    ellipsis: "…",
    separator: "·",
    more_above: "↑",
    more_below: "↓",
    bullet: "•",
    no_answer: "×",
    spark: ["▁", "▃", "▅", "▇"],
    frame: ["┌", "┐", "└", "┘", "─", "│"],
    ascii: false,
};

/// Seven-bit signs only.
pub const ASCII: Glyphs = Glyphs {
    good: "+",
    warn: "!",
    bad: "x",
    off: "o",
    unknown: "?",
    working: "~",
    absent: "-",
    mark: "*",
    cursor: ">",
    unfolded: "v",
    bar: "#",
    bar_rest: ".",
    ellipsis: "..",
    separator: "|",
    more_above: "^",
    more_below: "v",
    bullet: "*",
    no_answer: "x",
    spark: ["_", ".", "-", "'"],
    frame: ["+", "+", "+", "+", "-", "|"],
    ascii: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_set_is_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
