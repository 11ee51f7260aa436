//! Text for a person: filled to the width of the terminal, hanging, coloured where it is one.
//!
//! Must not live here: what is said (the commands), how cells are counted (`view::text`).

use std::io::IsTerminal as _;

use unicode_width::UnicodeWidthStr as _;

use super::again;
use super::output;
use super::table::{BETWEEN, Column};
use crate::terminal::capability::Capability;
use crate::view::text::{fit, truncate, wrap, wrap_hanging};
use crate::view::theme::Depth;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// Columns with which a text can still be read, and with which it can no longer.
const LEAST: usize = 40;
const MOST: usize = 400;
/// A line of text has no fewer cells, however far it is set in.
const NARROWEST: usize = 12;

/// How a text is meant. The words say the same without any colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Good,
    Warn,
    Bad,
    Dim,
    /// What can be copied.
    Command,
}

impl Tone {
    /// One of the sixteen colours that every terminal has.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "1;31",
            Self::Dim => "2",
            Self::Command => "36",
        }
    }
}

/// Text as it grows.
#[derive(Debug, Clone)]
pub struct Page {
    columns: usize,
    /// Nobody said how many columns there are: they are a habit.
    guessed: bool,
    colours: bool,
    out: String,
}

impl Page {
    /// A page for standard output.
    pub fn stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// A page for standard error.
    pub fn stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let given = std::env::var("COLUMNS").ok().and_then(|n| n.parse().ok());
        let columns = given.or_else(|| {
            let size = is_terminal.then(crossterm::terminal::size)?.ok()?;
            Some(usize::from(size.0))
        });
        let depth = Capability::from_environment(|name| std::env::var(name).ok()).depth;
        Self {
            guessed: columns.is_none(),
            ..Self::new(
                columns.unwrap_or(COLUMNS),
                is_terminal && depth != Depth::Mono && !output::is_plain(),
            )
        }
    }

    pub fn new(columns: usize, colours: bool) -> Self {
        Self {
            columns: columns.clamp(LEAST, MOST),
            guessed: false,
            colours,
            out: String::new(),
        }
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Cells of a row that cannot be filled: in a pipe a row is whole, as programs read it.
    pub fn room(&self) -> usize {
        if self.guessed { MOST } else { self.columns }
    }

    /// What was put so far; the page is empty then.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// An empty line, unless there is one already or nothing at all.
    pub fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A text, so many cells in.
    pub fn put(&mut self, indent: usize, tone: Tone, text: &str) {
        self.hang(indent, "", Tone::Plain, tone, text);
    }

    /// A text behind a mark; its further lines stand under its first.
    pub fn hang(&mut self, indent: usize, mark: &str, of_mark: Tone, tone: Tone, text: &str) {
        let hang = indent + mark.width();
        let cells = self.columns.saturating_sub(hang).max(NARROWEST);
        for (row, line) in wrap(text, cells).iter().enumerate() {
            if row == 0 {
                let mark = self.paint(of_mark, mark);
                self.push(indent, &format!("{mark}{}", self.paint(tone, line)));
            } else {
                self.push(hang, &self.paint(tone, line));
            }
        }
    }

    /// A line with blanks of its own in front; what is wrapped is set in by `hang`.
    pub fn inset(&mut self, line: &str, hang: usize, tone: Tone) {
        for line in wrap_hanging(line, self.columns, hang.min(self.columns / 3)) {
            let item = line.trim_start();
            self.push(line.len() - item.len(), &self.paint(tone, item));
        }
    }

    /// A text on no more than so many lines; what is cut ends in `…`.
    pub fn cut(&mut self, indent: usize, rows: usize, tone: Tone, text: &str) {
        let cells = self.columns.saturating_sub(indent).max(NARROWEST);
        let lines = wrap(text, cells);
        let is_cut = lines.len() > rows;
        for (row, line) in lines.iter().take(rows).enumerate() {
            let line = if is_cut && row + 1 == rows {
                format!("{}…", truncate(line, cells - 1, "").trim_end())
            } else {
                line.clone()
            };
            self.push(indent, &self.paint(tone, &line));
        }
    }

    /// A command to copy. One that is longer than a line goes on after a backslash, as a shell
    /// reads it.
    pub fn command(&mut self, indent: usize, words: &[String]) {
        const ON: usize = 4;
        let mut line = String::new();
        let mut inset = indent;
        for word in words.iter().map(|word| again::quoted(word)) {
            let used = inset + line.width();
            if !line.is_empty() && used + 1 + word.width() + 2 > self.columns {
                let full = std::mem::take(&mut line);
                self.push(inset, &self.paint(Tone::Command, &format!("{full} \\")));
                inset = indent + ON;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        self.push(inset, &self.paint(Tone::Command, &line));
    }

    /// Columns under their titles, a tone for each row. What is wider than the page is cut.
    pub fn table(&mut self, columns: &[Column], tones: impl IntoIterator<Item = Tone>) {
        let row = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| fit(&cell(column), column.width, "…"))
                .collect();
            let line = cells.join(&" ".repeat(BETWEEN));
            truncate(line.trim_end(), self.room(), "…")
        };
        let mut lines = vec![(Tone::Strong, row(&|column| column.title.clone()))];
        for (at, tone) in tones.into_iter().enumerate() {
            let cell = |column: &Column| column.cells.get(at).cloned().unwrap_or_default();
            lines.push((tone, row(&cell)));
        }
        for (tone, line) in lines {
            self.push(0, &self.paint(tone, &line));
        }
    }

    /// A line as it stands, however long it is.
    pub fn line(&mut self, text: &str) {
        self.push(0, text);
    }

    fn push(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// A text in the colour of its tone, where there are colours.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colours || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_long_command_goes_on_as_a_shell_reads_it() {
        let mut page = Page::new(40, false);
        let command = words("cvmtop act shop-api-01 open-port --set port=10022 --set protocol=tcp");
        page.command(5, &command);
        let text = page.take();
        assert_eq!(
            text,
            "     cvmtop act shop-api-01 open-port \\\n         --set port=10022 --set \\\n         protocol=tcp\n"
        );
        let joined = text.replace("\\\n", " ");
        assert!(joined.split_whitespace().eq(command.iter()), "{joined}");
    }

    #[test]
    fn colours_end_where_their_text_does() {
        let mut page = Page::new(40, true);
        page.hang(2, "1. ", Tone::Dim, Tone::Bad, "no");
        assert_eq!(
            page.take(),
            "  \u{1b}[2m1. \u{1b}[0m\u{1b}[1;31mno\u{1b}[0m\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_page(
            text in "[a-z 한국어安全é]{0,200}",
            columns in 40_usize..120,
            indent in 0_usize..16,
            rows in 1_usize..4,
        ) {
            let mut page = Page::new(columns, false);
            page.hang(indent, "12x  ", Tone::Plain, Tone::Plain, &text);
            page.cut(indent, rows, Tone::Plain, &text);
            for line in page.take().lines() {
                prop_assert!(line.width() <= columns, "{:?}", line);
            }
        }
    }
}
