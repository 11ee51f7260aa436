//! Rows as aligned columns for a person, or as CSV for a program.
//!
//! Must not live here: what the rows hold.

use unicode_width::UnicodeWidthStr as _;

/// Columns as wide as their widest cell, two spaces apart.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| {
                let space = width.saturating_sub(cell.width());
                format!("{cell}{}", " ".repeat(space))
            })
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A column of a table for a person.
#[derive(Debug)]
pub struct Column {
    pub title: String,
    /// Those with the highest number make room first; 0 stays.
    spare: u8,
    pub cells: Vec<String>,
    pub width: usize,
}

/// Blanks between columns.
pub const BETWEEN: usize = 2;

impl Column {
    pub fn new(title: &str, spare: u8, cells: Vec<String>) -> Self {
        let widths = cells.iter().map(|cell| cell.width());
        let width = widths.max().unwrap_or(0).max(title.width());
        Self {
            title: title.to_owned(),
            spare,
            cells,
            width,
        }
    }
}

/// Leaves out columns until the rest stands within so many cells; the titles of those left out.
pub fn fit(columns: &mut Vec<Column>, cells: usize) -> Vec<String> {
    let mut left_out = Vec::new();
    loop {
        let wide: usize = columns.iter().map(|column| column.width + BETWEEN).sum();
        let spare = columns.iter().map(|column| column.spare).max().unwrap_or(0);
        if wide <= cells + BETWEEN || spare == 0 {
            return left_out;
        }
        columns.retain(|column| {
            let stays = column.spare != spare;
            if !stays {
                left_out.push(column.title.clone());
            }
            stays
        });
    }
}

/// Characters with which a spreadsheet begins a formula (OWASP, CSV injection).
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r'];

/// The rows as RFC 4180 has them. Names come from outside: one that a spreadsheet would take for a
/// formula gets an apostrophe, with which it shows as text.
pub fn csv(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let cells = row.iter().map(|cell| {
            if cell.starts_with(FORMULA) {
                format!("'{cell}")
            } else {
                cell.clone()
            }
        });
        // Writing to memory cannot fail, and every row is as long as its header.
        let _ = writer.write_record(cells);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_stand_under_each_other_in_cells_of_the_terminal() {
        let rows = [row(&["ID", "NAME", "X"]), row(&["i-1", "\u{c6f9}01", "y"])];
        assert_eq!(table(&rows), "ID   NAME  X\ni-1  \u{c6f9}01  y\n");
    }

    #[test]
    fn csv_quotes_what_must_be_and_runs_nothing_in_a_spreadsheet() {
        let rows = [
            row(&["name", "n"]),
            row(&["=HYPERLINK(\"x\",\"y\")", "a,b"]),
        ];
        assert_eq!(
            csv(&rows),
            "name,n\n\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\",\"a,b\"\n"
        );
    }
}
