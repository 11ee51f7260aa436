//! Two buffers and the bytes that turn the one on the terminal into the next.
//!
//! Done here instead of by `ratatui::Terminal`, whose repaint asks the terminal for the cursor
//! and races the event reader. Must not live here: writing (`terminal::writer`).

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;

use super::hyperlink;
use crate::app::geometry::{Geometry, Link};

const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
const SYNC_END: &[u8] = b"\x1b[?2026l";
/// Erases everything; only sent together with a whole frame, so that nothing flashes.
const ERASE: &[u8] = b"\x1b[0m\x1b[2J";

/// What the terminal takes beside cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    /// One frame is shown at once (private mode 2026).
    pub sync: bool,
    /// Cells may lead to a page (OSC 8).
    pub links: bool,
}

/// What turns the terminal's picture into the next, or a part of the way.
#[derive(Debug)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// Rows that are still to change.
    pub rows_left: bool,
}

/// What the terminal shows, as far as it was sent.
#[derive(Debug)]
pub struct Screen {
    shown: Buffer,
    next: Buffer,
    shown_links: Vec<Link>,
    extras: Extras,
    repaint: bool,
    /// The row after the last one of a part: where the next part begins, so that all get their turn.
    turn: u16,
}

impl Screen {
    /// A screen of which nothing is known.
    pub fn new(width: u16, height: u16, extras: Extras) -> Self {
        let area = Rect::new(0, 0, width, height);
        Self {
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
            shown_links: Vec::new(),
            extras,
            repaint: true,
            turn: 0,
        }
    }

    /// Takes another size; terminals rearrange what they show, so everything is drawn again.
    pub fn resize(&mut self, width: u16, height: u16) {
        let area = Rect::new(0, 0, width, height);
        if area != self.shown.area {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
            self.repaint = true;
        }
    }

    /// Whether the terminal shows a frame only when it is whole.
    pub fn synchronize(&mut self, on: bool) {
        self.extras.sync = on;
    }

    /// Draws everything with the next frame.
    pub fn repaint(&mut self) {
        self.repaint = true;
    }

    /// True where everything is drawn with the next frame.
    pub fn is_blank(&self) -> bool {
        self.repaint
    }

    /// Draws a frame and gives the bytes for the terminal, or `None` when nothing changed. With a budget,
    /// only the rows that come first and as many others as fit, or one: the rest differs from what the
    /// terminal shows as before, and goes with a later frame.
    pub fn frame(
        &mut self,
        budget: Option<usize>,
        draw: impl FnOnce(&mut Buffer) -> Geometry,
    ) -> (Geometry, Option<Frame>) {
        self.next.reset();
        let geometry = draw(&mut self.next);
        if self.repaint {
            self.shown.reset();
            self.shown_links.clear();
        }
        let links: &[Link] = if self.extras.links {
            &geometry.links
        } else {
            &[]
        };
        let relinked = self.relinked(links);
        mark(&mut self.next, &relinked, CellDiffOption::AlwaysUpdate);
        let mut rows = self.changed_rows(links, budget.is_some());
        let sent = budget.map_or(rows.len(), |budget| {
            self.in_turn(&mut rows, &geometry.first);
            part(&rows, &geometry.first, budget)
        });
        let frame = (!rows.is_empty() || self.repaint).then(|| Frame {
            bytes: self.framed(&rows[..sent]),
            rows_left: sent < rows.len(),
        });
        self.repaint = false;
        mark(&mut self.next, &relinked, CellDiffOption::None);
        self.keep(&rows[sent..], links);
        (geometry, frame)
    }

    /// The bytes of every row that changed, from the top; in one where they are not to be parted.
    fn changed_rows(&self, links: &[Link], parted: bool) -> Vec<Row> {
        let changes = self.shown.diff(&self.next);
        changes
            .chunk_by(|(_, y, _), (_, y2, _)| !parted || y == y2)
            .map(|row| {
                let mut bytes = Vec::with_capacity(16 + row.len() * 4);
                for run in row.chunk_by(|(x, y, _), (x2, y2, _)| {
                    let at = link_at(links, *x, *y).map(|link| &link.address);
                    at == link_at(links, *x2, *y2).map(|link| &link.address)
                }) {
                    let (x, y, _) = run[0];
                    let begin =
                        link_at(links, x, y).and_then(|link| hyperlink::open(&link.address));
                    bytes.extend(begin.iter().flatten());
                    // Writing into memory cannot fail.
                    let _ = CrosstermBackend::new(&mut bytes).draw(run.iter().copied());
                    if begin.is_some() {
                        bytes.extend_from_slice(hyperlink::CLOSE);
                    }
                }
                Row { y: row[0].1, bytes }
            })
            .collect()
    }

    /// Puts the rows that come first to the front, and then those whose turn it is.
    fn in_turn(&self, rows: &mut [Row], first: &[u16]) {
        rows.sort_by_key(|row| {
            let place = first.iter().position(|y| *y == row.y);
            (place.unwrap_or(first.len()), row.y < self.turn, row.y)
        });
    }

    fn framed(&self, rows: &[Row]) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(64 + rows.iter().map(|row| row.bytes.len()).sum::<usize>());
        if self.extras.sync {
            bytes.extend_from_slice(SYNC_BEGIN);
        }
        if self.repaint {
            bytes.extend_from_slice(ERASE);
        }
        for row in rows {
            bytes.extend_from_slice(&row.bytes);
        }
        if self.extras.sync {
            bytes.extend_from_slice(SYNC_END);
        }
        bytes
    }

    /// Notes what the terminal shows now: the next picture, but the old one in the rows left.
    fn keep(&mut self, left: &[Row], links: &[Link]) {
        let is_left = |y: u16| left.iter().any(|row| row.y == y);
        let area = self.shown.area;
        for y in left.iter().map(|row| row.y) {
            for x in area.left()..area.right() {
                std::mem::swap(&mut self.next[(x, y)], &mut self.shown[(x, y)]);
            }
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        self.shown_links.retain(|link| is_left(link.y));
        let sent = links.iter().filter(|link| !is_left(link.y));
        self.shown_links.extend(sent.cloned());
        self.turn = left.first().map_or(0, |row| row.y);
    }

    /// The links that come with the next frame and those that go: their cells are sent again even where
    /// the text stays.
    fn relinked(&self, links: &[Link]) -> Vec<Link> {
        let went = self.shown_links.iter().filter(|old| !links.contains(old));
        let came = links.iter().filter(|new| !self.shown_links.contains(new));
        went.chain(came).cloned().collect()
    }
}

/// What one row of the terminal lacks.
#[derive(Debug)]
struct Row {
    y: u16,
    bytes: Vec<u8>,
}

/// How many of the rows are sent: those that come first, and what fits beside them; never none.
fn part(rows: &[Row], first: &[u16], budget: usize) -> usize {
    let mut left = budget;
    let fits = |row: &&Row| {
        let fits = first.contains(&row.y) || row.bytes.len() <= left;
        left = left.saturating_sub(row.bytes.len());
        fits
    };
    rows.iter().take_while(fits).count().max(1).min(rows.len())
}

fn link_at(links: &[Link], x: u16, y: u16) -> Option<&Link> {
    let holds =
        |link: &&Link| link.y == y && (link.x..link.x.saturating_add(link.width)).contains(&x);
    links.iter().find(holds)
}

fn mark(buffer: &mut Buffer, links: &[Link], option: CellDiffOption) {
    for link in links {
        for x in link.x..link.x.saturating_add(link.width) {
            if let Some(cell) = buffer.cell_mut((x, link.y)) {
                cell.set_diff_option(option);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn put(text: &'static str) -> impl FnOnce(&mut Buffer) -> Geometry {
        move |buf| {
            buf.set_string(0, 0, text, Style::default());
            Geometry::default()
        }
    }

    fn whole((_, frame): (Geometry, Option<Frame>)) -> Option<Vec<u8>> {
        frame.map(|frame| {
            assert!(!frame.rows_left);
            frame.bytes
        })
    }

    fn linked(text: &'static str, x: u16, width: u16) -> impl FnOnce(&mut Buffer) -> Geometry {
        move |buf| {
            let link = Link {
                x,
                y: 0,
                width,
                address: "https://example.com/".into(),
            };
            Geometry {
                links: vec![link],
                ..put(text)(buf)
            }
        }
    }

    fn extras(sync: bool, links: bool) -> Extras {
        Extras { sync, links }
    }

    /// The text with the addresses that a terminal would keep with it: `[address|text]`.
    fn as_kept(bytes: Option<Vec<u8>>) -> String {
        let text = String::from_utf8(bytes.unwrap_or_default()).unwrap();
        let marked = text
            .replace("\x1b]8;;\x1b\\", "]")
            .replace("\x1b]8;;", "[")
            .replace("\x1b\\", "|");
        crate::domain::text::sanitise(&marked, 500)
    }

    #[test]
    fn a_link_is_sent_with_its_cells_and_taken_back_when_it_goes() {
        let mut screen = Screen::new(20, 1, extras(false, true));
        let first = as_kept(whole(screen.frame(None, linked("see page now", 4, 4))));
        assert!(
            first.contains("see[https://example.com/|page]now"),
            "{first}"
        );
        assert!(whole(screen.frame(None, linked("see page now", 4, 4))).is_none());
        // The same text without the link: its cells are sent again, and nothing else.
        let second = as_kept(whole(screen.frame(None, put("see page now"))));
        assert!(second.contains("page"), "{second}");
        assert!(!second.contains('[') && !second.contains("now"), "{second}");
        let third = as_kept(whole(screen.frame(None, linked("see page now", 4, 4))));
        assert!(third.contains("[https://example.com/|page]"), "{third}");
    }

    #[test]
    fn a_terminal_without_links_is_sent_none() {
        let mut screen = Screen::new(20, 1, extras(false, false));
        let text = as_kept(whole(screen.frame(None, linked("see page now", 4, 4))));
        assert!(text.contains("page") && !text.contains("https"), "{text}");
        assert!(whole(screen.frame(None, put("see page now"))).is_none());
    }

    #[test]
    fn only_changes_are_sent_inside_one_synchronized_update() {
        let mut screen = Screen::new(20, 2, extras(true, false));
        let first = whole(screen.frame(None, put("hello"))).unwrap();
        assert!(first.starts_with(b"\x1b[?2026h\x1b[0m\x1b[2J"));
        assert!(first.ends_with(b"\x1b[?2026l"));
        assert!(whole(screen.frame(None, put("hello"))).is_none());
        let second = whole(screen.frame(None, put("hellO"))).unwrap();
        let text = String::from_utf8(second).unwrap();
        assert!(
            text.contains('O') && !text.contains('h') || !text.contains("hell"),
            "{text:?}"
        );
    }

    #[test]
    fn a_repaint_never_asks_the_terminal_anything() {
        let mut screen = Screen::new(20, 2, extras(false, false));
        screen.frame(None, put("hello"));
        screen.repaint();
        let bytes = String::from_utf8(whole(screen.frame(None, put("hello"))).unwrap()).unwrap();
        assert!(
            bytes.contains("hello") && !bytes.contains("\x1b[6n"),
            "{bytes:?}"
        );
    }

    /// Twelve rows of what a seed makes: words, wide letters, styles and a link or two.
    fn picture(seed: u64) -> impl Fn(&mut Buffer) -> Geometry {
        move |buf| {
            let mut geometry = Geometry::default();
            for y in 0..12_u16 {
                let dice = (seed ^ u64::from(y)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let word = ["", "fleet-0001 refused", "주소 확인", "ok", "✗ 登录失败 x"];
                let style = [Style::new(), Style::new().bold()];
                let x = (dice % 7) as u16;
                let text = word[(dice / 7 % 5) as usize];
                buf.set_string(x, y, text, style[(dice / 35 % 2) as usize]);
                if dice.is_multiple_of(4) {
                    let address = format!("https://example.com/{}", dice % 3);
                    geometry.links.push(Link {
                        x,
                        y,
                        width: 4,
                        address,
                    });
                }
            }
            geometry.first = vec![(seed % 12) as u16];
            geometry
        }
    }

    /// A blank that was written and one that never was look the same, bold or not.
    fn cell(terminal: &vt100::Parser, y: u16, x: u16) -> (String, bool) {
        let cell = terminal.screen().cell(y, x).unwrap();
        let text = cell.contents().trim().to_owned();
        let bold = cell.bold() && !text.is_empty();
        (text, bold)
    }

    #[test]
    fn what_is_sent_in_parts_is_all_there_at_the_end() {
        let size = |n| std::num::NonZero::new(n).unwrap();
        let terminal = || vt100::Parser::new(size(12), size(40), 0);
        let screen = || Screen::new(40, 12, extras(false, true));
        let (mut parted, mut in_parts) = (screen(), terminal());
        for round in 0..200_u64 {
            // The state changes while parts are on their way, and now and then it rests.
            let (seed, budget) = (round / 3 * 7919, [0, 30, 120][(round % 3) as usize]);
            let (_, whole) = screen().frame(None, picture(seed));
            let mut at_once = terminal();
            at_once.process(&whole.unwrap().bytes);
            let (geometry, frame) = parted.frame(Some(budget), picture(seed));
            in_parts.process(&frame.map_or(Vec::new(), |frame| frame.bytes));
            let first = usize::from(geometry.first[0]);
            let row = |of: &vt100::Parser| {
                let row = of.screen().rows(0, 40).nth(first);
                row.map(|row| row.trim_end().to_owned())
            };
            assert_eq!(row(&in_parts), row(&at_once), "first in round {round}");
            if round % 5 != 4 {
                continue;
            }
            let mut parts = 0;
            while let (_, Some(frame)) = parted.frame(Some(budget), picture(seed)) {
                in_parts.process(&frame.bytes);
                parts += 1;
                assert!(parts <= 12, "parts without an end");
            }
            for (y, x) in (0..12).flat_map(|y| (0..40).map(move |x| (y, x))) {
                let cells = (cell(&in_parts, y, x), cell(&at_once, y, x));
                assert_eq!(cells.0, cells.1, "round {round}: {x} {y}");
            }
        }
    }

    #[test]
    fn every_row_gets_its_turn_beside_rows_that_never_rest() {
        let mut screen = Screen::new(40, 6, extras(false, false));
        let mut sent = String::new();
        for round in 0..12 {
            let (_, frame) = screen.frame(Some(0), |buf| {
                for y in 0..6 {
                    buf.set_string(0, y, format!("row{y}-{round}"), Style::default());
                }
                Geometry::default()
            });
            sent += &String::from_utf8(frame.unwrap().bytes).unwrap();
        }
        for y in 0..6 {
            assert!(sent.contains(&format!("row{y}-")), "{y}: {sent:?}");
        }
    }
}
