//! Two buffers and the bytes that turn the one on the terminal into the next.
//!
//! Done here instead of by `ratatui::Terminal`, whose repaint asks the terminal for the cursor
//! and races the event reader. Must not live here: writing (`terminal::writer`).

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
const SYNC_END: &[u8] = b"\x1b[?2026l";
/// Erases everything; only sent together with a whole frame, so that nothing flashes.
const ERASE: &[u8] = b"\x1b[0m\x1b[2J";

/// What the terminal shows, as far as it was sent.
#[derive(Debug)]
pub struct Screen {
    shown: Buffer,
    next: Buffer,
    sync: bool,
    repaint: bool,
}

impl Screen {
    /// A screen of which nothing is known.
    pub fn new(width: u16, height: u16, sync: bool) -> Self {
        let area = Rect::new(0, 0, width, height);
        Self {
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
            sync,
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
        self.sync = on;
    }

    /// Draws everything with the next frame.
    pub fn repaint(&mut self) {
        self.repaint = true;
    }

    /// Draws a frame and gives the bytes for the terminal, or `None` when nothing changed.
    pub fn frame<T>(&mut self, draw: impl FnOnce(&mut Buffer) -> T) -> (T, Option<Vec<u8>>) {
        self.next.reset();
        let result = draw(&mut self.next);
        if self.repaint {
            self.shown.reset();
        }
        let changes = self.shown.diff(&self.next);
        let bytes = if changes.is_empty() && !self.repaint {
            None
        } else {
            let mut bytes = Vec::with_capacity(64 + changes.len() * 8);
            if self.sync {
                bytes.extend_from_slice(SYNC_BEGIN);
            }
            if self.repaint {
                bytes.extend_from_slice(ERASE);
            }
            // Writing into memory cannot fail.
            let _ = CrosstermBackend::new(&mut bytes).draw(changes.into_iter());
            if self.sync {
                bytes.extend_from_slice(SYNC_END);
            }
            Some(bytes)
        };
        self.repaint = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        (result, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn put(text: &'static str) -> impl FnOnce(&mut Buffer) {
        move |buf| buf.set_string(0, 0, text, Style::default())
    }

    #[test]
    fn only_changes_are_sent_inside_one_synchronized_update() {
        let mut screen = Screen::new(20, 2, true);
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
        let mut screen = Screen::new(20, 2, false);
        screen.frame(put("hello"));
        screen.repaint();
        let bytes = String::from_utf8(screen.frame(put("hello")).1.unwrap()).unwrap();
        assert!(
            bytes.contains("hello") && !bytes.contains("\x1b[6n"),
            "{bytes:?}"
        );
    }
}
