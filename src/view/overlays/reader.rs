//! A text to read: headings, lists, tables, code, the steps of a guide and their ticks.
//!
//! Must not live here: which keys do what (`app::overlay::reader`).

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialogs::edit_line;
use super::hints::{self, Hint, hint};
use crate::app::command::Command;
use crate::app::geometry::{Link, Scrolled};
use crate::app::keys::{Bound, Reader};
use crate::app::locale::fill;
use crate::app::overlay::Reading;
use crate::app::reading::{GuideAt, LineLook, PartLook, TableRow, TextLine};
use crate::app::state::State;
use crate::view::frame::Look;
use crate::view::layout::centred;
use crate::view::text::{fit, width, wrap};
use crate::view::theme::Theme;
use crate::view::widgets::paint::Paint;

/// Cells between two columns of a table.
const GAP: usize = 2;
/// Continued lines of a step are set in by this.
const HANG: usize = 3;

pub fn draw(state: &State, reading: &Reading, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let theme = &paint.look.theme;
    let title = title(state, reading, theme);
    let inner = if reading.bare {
        paint.clear(screen);
        paint.line(screen.x, screen.y, screen.width, &title);
        let rows = screen.height.saturating_sub(1);
        Rect::new(screen.x, screen.bottom() - rows, screen.width, rows)
    } else {
        let area = centred(screen, 100, height(state, reading, paint.look, screen));
        paint.clear(area);
        paint.frame(area, &title, true)
    };
    if inner.is_empty() {
        return Scrolled::default();
    }
    let search = reading.typing.is_some() || !reading.search.is_empty();
    let keys = foot_keys(reading).filter(|_| inner.height > 4);
    let foot = u16::from(search) + u16::from(keys.is_some());
    let text_rows = usize::from(inner.height.saturating_sub(foot));
    let cells = usize::from(inner.width.saturating_sub(1));
    let mut lines: Vec<Row> = Vec::new();
    let mut shown = 0;
    for line in reading.body.iter().skip(reading.offset) {
        let rows = rows(state, reading, line, paint.look, cells);
        if lines.len() + rows.len() > text_rows && shown > 0 {
            break;
        }
        lines.extend(rows);
        shown += 1;
    }
    for (row, line) in lines.iter().take(text_rows).enumerate() {
        let y = inner.y + row as u16;
        paint.line(inner.x, y, inner.width, &line.line);
        // A masked address must not go out beneath its mask.
        let links = line.links.iter().filter(|_| !state.looks.privacy);
        paint.links.extend(links.map(|link| Link {
            x: inner.x + link.x,
            y,
            ..link.clone()
        }));
    }
    let more = paint.look.theme.accent;
    let edge = inner.right().saturating_sub(1);
    if reading.offset > 0 {
        paint.text(edge, inner.y, 1, paint.look.glyphs.more_above, more);
    }
    if reading.offset + shown < reading.body.len() {
        let y = inner.y + (text_rows as u16).saturating_sub(1);
        paint.text(edge, y, 1, paint.look.glyphs.more_below, more);
    }
    let mut y = inner.bottom().saturating_sub(foot);
    match &reading.typing {
        Some(edit) => edit_line(paint, inner.x, y, inner.width, "/", edit),
        None if search => {
            let text = format!("/{}", reading.search);
            paint.text(inner.x, y, inner.width, &text, more);
        }
        None => {}
    }
    y += u16::from(search);
    if let Some(keys) = keys {
        let cells = usize::from(inner.width);
        let keys: Vec<Hint<'_>> = keys.iter().copied().map(hint).collect();
        let keys = hints::row(state, &paint.look.theme, &keys, cells);
        paint.line(inner.x, y, inner.width, &keys);
    }
    Scrolled {
        height: shown,
        lines: reading.body.len(),
    }
}

/// Rows of the box: those of the whole text, where the screen has them.
fn height(state: &State, reading: &Reading, look: &Look, screen: Rect) -> u16 {
    let cells = usize::from(screen.width.min(100).saturating_sub(3));
    // Frame, search, and the row of keys.
    let around = 3 + u16::from(foot_keys(reading).is_some());
    let most = usize::from(screen.height.saturating_sub(around));
    let mut text = 0;
    for line in &reading.body {
        text += rows(state, reading, line, look, cells).len();
        if text >= most {
            return screen.height;
        }
    }
    text as u16 + around
}

/// The title, and how many of a guide's steps are ticked.
fn title(state: &State, reading: &Reading, theme: &Theme) -> Line<'static> {
    let mut spans = vec![Span::styled(reading.title.clone(), theme.title)];
    if let Some(guide) = &reading.guide {
        let done = guide
            .steps
            .iter()
            .filter(|step| is_ticked(state, guide, step.number))
            .count();
        if done > 0 {
            let text = fill(
                &state.texts.ui.steps_ticked,
                &[
                    ("n", &done.to_string()),
                    ("of", &guide.steps.len().to_string()),
                ],
            );
            spans.push(Span::styled(format!("  {text}"), theme.good));
        }
    }
    Line::from(spans)
}

fn is_ticked(state: &State, guide: &GuideAt, step: usize) -> bool {
    let case = state.cases.get(&guide.instance);
    case.is_some_and(|case| case.is_ticked(&guide.slug, step))
}

/// The keys that act on the step at hand.
/// The keys beneath a text that asks for something: a guide is walked, a script is copied.
fn foot_keys(reading: &Reading) -> Option<&'static [Bound]> {
    match &reading.guide {
        _ if reading.bare => None,
        Some(_) => Some(&GUIDE_KEYS),
        None if reading.is_script() => Some(&SCRIPT_KEYS),
        None => None,
    }
}

const SCRIPT_KEYS: [Bound; 3] = [
    Bound::Reader(Reader::Close),
    Bound::Pane(Command::Copy),
    Bound::Reader(Reader::Search),
];

const GUIDE_KEYS: [Bound; 7] = [
    Bound::Reader(Reader::Close),
    Bound::Reader(Reader::StepNext),
    Bound::Reader(Reader::StepDo),
    Bound::Reader(Reader::StepTick),
    Bound::Pane(Command::Copy),
    Bound::Reader(Reader::Search),
    Bound::Pane(Command::Guides),
];

/// A row, and its cells that lead somewhere, counted from its own beginning.
struct Row {
    line: Line<'static>,
    links: Vec<Link>,
}

/// Text of one look; where it leads.
struct Piece<'t> {
    text: String,
    style: Style,
    address: Option<&'t str>,
}

impl Piece<'_> {
    fn new(text: String, style: Style) -> Self {
        Self {
            text,
            style,
            address: None,
        }
    }
}

fn rows(state: &State, reading: &Reading, line: &TextLine, look: &Look, cells: usize) -> Vec<Row> {
    let theme = &look.theme;
    let wanted = reading.search.to_lowercase();
    let hit = !wanted.is_empty() && line.plain().to_lowercase().contains(&wanted);
    let base = match line.look {
        _ if hit => theme.warn,
        LineLook::Text => theme.text,
        LineLook::Heading => theme.title,
        LineLook::Code => theme.code,
        LineLook::Note => theme.dim,
        LineLook::Done => theme.good,
    };
    if let Some(row) = &line.row {
        return table_rows(row, line.indent, base, theme, cells);
    }
    let (lead, lead_style) = lead(state, reading, line, look);
    let first = line.indent + width(&lead);
    let hang = if line.step.is_some() { HANG } else { first };
    let mut pieces = vec![Piece::new(lead, lead_style)];
    for part in &line.parts {
        let style = match part.look {
            _ if hit => theme.warn,
            PartLook::Plain => base,
            PartLook::Strong => base.patch(theme.title),
            PartLook::Code => theme.code,
            PartLook::Link => theme.accent,
        };
        pieces.push(Piece {
            address: part.address.as_deref(),
            ..Piece::new(part.text.clone(), style)
        });
    }
    set(&pieces, line.indent, hang, cells)
}

/// What stands before the first word: for a step its cursor, tick, number and kind.
fn lead(state: &State, reading: &Reading, line: &TextLine, look: &Look) -> (String, Style) {
    let theme = &look.theme;
    let (Some(number), Some(guide)) = (line.step, &reading.guide) else {
        return (line.lead.clone(), theme.accent);
    };
    let here = guide.step().is_some_and(|step| step.number == number);
    let cursor = if here { look.glyphs.cursor } else { " " };
    let ticked = is_ticked(state, guide, number);
    let tick = if ticked { look.glyphs.good } else { " " };
    let style = match (here, ticked) {
        (true, _) => theme.key,
        (false, true) => theme.good,
        (false, false) => theme.accent,
    };
    (format!("{cursor}[{tick}] {number}. {}", line.lead), style)
}

/// A row in columns where they fit, or else cell by cell under the names of the columns.
fn table_rows(row: &TableRow, indent: usize, base: Style, theme: &Theme, cells: usize) -> Vec<Row> {
    let total: usize = row.widths.iter().map(|width| width + GAP).sum();
    let style = if row.is_head { theme.title } else { base };
    if indent + total <= cells + GAP {
        let mut text = " ".repeat(indent);
        for (cell, width) in row.cells.iter().zip(&row.widths) {
            text.push_str(&fit(cell, width + GAP, ""));
        }
        return vec![Row {
            line: Line::from(Span::styled(text.trim_end().to_owned(), style)),
            links: Vec::new(),
        }];
    }
    if row.is_head {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (index, (name, cell)) in row.heads.iter().zip(&row.cells).enumerate() {
        let pieces = [
            Piece::new(format!("{name}: "), theme.title),
            Piece::new(cell.clone(), base),
        ];
        let indent = if index == 0 { indent } else { indent + 2 };
        lines.extend(set(&pieces, indent, indent + 2, cells));
    }
    lines
}

/// Wraps stretches of several styles: the first row set in by `indent`, the others by `hang`.
fn set(pieces: &[Piece<'_>], indent: usize, hang: usize, cells: usize) -> Vec<Row> {
    let hang = hang.min(cells / 2);
    let indent = indent.min(hang.max(cells / 2));
    let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let mut styled = pieces
        .iter()
        .flat_map(|piece| piece.text.chars().map(move |c| (c, piece)))
        .peekable();
    let mut rows = Vec::new();
    for (number, row) in wrap(&text, cells.saturating_sub(hang.max(indent)).max(2))
        .into_iter()
        .enumerate()
    {
        let set_in = if number == 0 { indent } else { hang };
        let mut out = vec![Span::raw(" ".repeat(set_in))];
        let mut links: Vec<Link> = Vec::new();
        let mut x = set_in as u16;
        for c in row.chars() {
            // Wrapping leaves out spaces at the ends of rows, and nothing else.
            while styled.peek().is_some_and(|(known, _)| *known != c) {
                styled.next();
            }
            let piece = styled.next().map(|(_, piece)| piece);
            let style = piece.map_or_else(Style::default, |piece| piece.style);
            let taken = width(c.encode_utf8(&mut [0; 4])) as u16;
            if let Some(address) = piece.and_then(|piece| piece.address) {
                match links.last_mut() {
                    Some(link) if link.address == address && link.x + link.width == x => {
                        link.width += taken;
                    }
                    _ => links.push(Link {
                        x,
                        y: 0,
                        width: taken,
                        address: address.to_owned(),
                    }),
                }
            }
            x += taken;
            match out.last_mut() {
                Some(last) if last.style == style => last.content.to_mut().push(c),
                _ => out.push(Span::styled(c.to_string(), style)),
            }
        }
        rows.push(Row {
            line: Line::from(out),
            links,
        });
    }
    rows
}
