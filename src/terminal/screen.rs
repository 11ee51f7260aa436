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

/// What the terminal shows, as far as it was sent.
#[derive(Debug)]
pub struct Screen {
    shown: Buffer,
    next: Buffer,
    shown_links: Vec<Link>,
    extras: Extras,
    repaint: bool,
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

    /// Draws a frame and gives the bytes for the terminal, or `None` when nothing changed.
    pub fn frame(
        &mut self,
        draw: impl FnOnce(&mut Buffer) -> Geometry,
    ) -> (Geometry, Option<Vec<u8>>) {
        self.next.reset();
        let geometry = draw(&mut self.next);
        if self.repaint {
            self.shown.reset();
            self.shown_links.clear();
        }
        let relinked = if self.extras.links {
            self.relink(&geometry.links)
        } else {
            Vec::new()
        };
        mark(&mut self.next, &relinked, CellDiffOption::AlwaysUpdate);
        let changes = self.shown.diff(&self.next);
        let bytes = if changes.is_empty() && !self.repaint {
            None
        } else {
            let mut bytes = Vec::with_capacity(64 + changes.len() * 8);
            if self.extras.sync {
                bytes.extend_from_slice(SYNC_BEGIN);
            }
            if self.repaint {
                bytes.extend_from_slice(ERASE);
            }
            for run in changes.chunk_by(|(x, y, _), (x2, y2, _)| {
                self.link_at(*x, *y).map(|link| &link.address)
                    == self.link_at(*x2, *y2).map(|link| &link.address)
            }) {
                let (x, y, _) = run[0];
                let begin = self
                    .link_at(x, y)
                    .and_then(|link| hyperlink::open(&link.address));
                bytes.extend(begin.iter().flatten());
                // Writing into memory cannot fail.
                let _ = CrosstermBackend::new(&mut bytes).draw(run.iter().copied());
                if begin.is_some() {
                    bytes.extend_from_slice(hyperlink::CLOSE);
                }
            }
            if self.extras.sync {
                bytes.extend_from_slice(SYNC_END);
            }
            Some(bytes)
        };
        self.repaint = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        mark(&mut self.shown, &relinked, CellDiffOption::None);
        (geometry, bytes)
    }

    /// Takes the links of the next frame. Gives those that came and those that went: their cells
    /// are sent again even where the text stays.
    fn relink(&mut self, links: &[Link]) -> Vec<Link> {
        let went = self.shown_links.iter().filter(|old| !links.contains(old));
        let came = links.iter().filter(|new| !self.shown_links.contains(new));
        let relinked = went.chain(came).cloned().collect();
        self.shown_links = links.to_vec();
        relinked
    }

    fn link_at(&self, x: u16, y: u16) -> Option<&Link> {
        let holds =
            |link: &&Link| link.y == y && (link.x..link.x.saturating_add(link.width)).contains(&x);
        self.shown_links.iter().find(holds)
    }
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
        let first = as_kept(screen.frame(linked("see page now", 4, 4)).1);
        assert!(
            first.contains("see[https://example.com/|page]now"),
            "{first}"
        );
        assert!(screen.frame(linked("see page now", 4, 4)).1.is_none());
        // The same text without the link: its cells are sent again, and nothing else.
        let second = as_kept(screen.frame(put("see page now")).1);
        assert!(second.contains("page"), "{second}");
        assert!(!second.contains('[') && !second.contains("now"), "{second}");
        let third = as_kept(screen.frame(linked("see page now", 4, 4)).1);
        assert!(third.contains("[https://example.com/|page]"), "{third}");
    }

    #[test]
    fn a_terminal_without_links_is_sent_none() {
        let mut screen = Screen::new(20, 1, extras(false, false));
        let text = as_kept(screen.frame(linked("see page now", 4, 4)).1);
        assert!(text.contains("page") && !text.contains("https"), "{text}");
        assert!(screen.frame(put("see page now")).1.is_none());
    }

    #[test]
    fn only_changes_are_sent_inside_one_synchronized_update() {
        let mut screen = Screen::new(20, 2, extras(true, false));
        let first = screen.frame(put("hello")).1.unwrap();
        assert!(first.starts_with(b"\x1b[?2026h\x1b[0m\x1b[2J"));
        assert!(first.ends_with(b"\x1b[?2026l"));
        assert!(screen.frame(put("hello")).1.is_none());
        let second = screen.frame(put("hellO")).1.unwrap();
        let text = String::from_utf8(second).unwrap();
        assert!(
            text.contains('O') && !text.contains('h') || !text.contains("hell"),
            "{text:?}"
        );
    }

    #[test]
    fn a_repaint_never_asks_the_terminal_anything() {
        let mut screen = Screen::new(20, 2, extras(false, false));
        screen.frame(put("hello"));
        screen.repaint();
        let bytes = String::from_utf8(screen.frame(put("hello")).1.unwrap()).unwrap();
        assert!(
            bytes.contains("hello") && !bytes.contains("\x1b[6n"),
            "{bytes:?}"
        );
    }
}
