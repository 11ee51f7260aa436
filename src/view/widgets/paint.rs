//! Text, boxes and scrolled lines on a buffer, never outside of it.
//!
//! Must not live here: what is written.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::geometry::{Link, Scrolled};
use crate::view::frame::Look;
use crate::view::mask::mask;
use crate::view::text;

/// A buffer with the looks of this frame.
#[derive(Debug)]
pub struct Paint<'a> {
    pub buf: &'a mut Buffer,
    pub look: &'a Look,
    /// What was drawn so far that leads somewhere.
    pub links: Vec<Link>,
    /// Rows in which somebody types.
    pub typed: Vec<u16>,
}

impl<'a> Paint<'a> {
    /// An empty sheet.
    pub fn new(buf: &'a mut Buffer, look: &'a Look) -> Self {
        Self {
            buf,
            look,
            links: Vec::new(),
            typed: Vec::new(),
        }
    }

    /// Writes one line, cut to `width` cells. Gives the cells used.
    pub fn text(&mut self, x: u16, y: u16, width: u16, content: &str, style: Style) -> u16 {
        let area = self.buf.area;
        if width == 0 || !area.contains((x, y).into()) {
            return 0;
        }
        let width = width.min(area.right() - x);
        let cut = self.cut(content, usize::from(width));
        let (end, _) = self.buf.set_stringn(x, y, &cut, usize::from(width), style);
        end - x
    }

    /// Cuts a text to this look's width and characters.
    pub fn cut(&self, content: &str, cells: usize) -> String {
        let ellipsis = self.look.glyphs.ellipsis;
        let masked = self.look.privacy.then(|| mask(content));
        let content = masked.as_deref().unwrap_or(content);
        if self.look.ambiguous_wide {
            text::truncate(&text::unambiguous(content), cells, ellipsis)
        } else {
            text::truncate(content, cells, ellipsis)
        }
    }

    /// Writes spans one after another.
    pub fn line(&mut self, x: u16, y: u16, width: u16, line: &Line<'_>) {
        let mut at = x;
        let end = x.saturating_add(width);
        for span in &line.spans {
            at += self.text(at, y, end.saturating_sub(at), &span.content, span.style);
        }
    }

    /// The inside of a box; one too small for edges has none.
    pub fn inside(area: Rect) -> Rect {
        if area.width < 4 || area.height < 3 {
            return area;
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    /// A box with a title in its upper edge. Gives the inside.
    pub fn frame(&mut self, area: Rect, title: &Line<'_>, focused: bool) -> Rect {
        if Self::inside(area) == area {
            return area;
        }
        let theme = &self.look.theme;
        let style = if focused { theme.focus } else { theme.border };
        let [tl, tr, bl, br, horizontal, vertical] = self.look.glyphs.frame;
        let inner = usize::from(area.width - 2);
        let edge = horizontal.repeat(inner);
        self.buf.set_string(area.x, area.y, tl, style);
        self.buf.set_string(area.x + 1, area.y, &edge, style);
        self.buf.set_string(area.right() - 1, area.y, tr, style);
        for y in area.y + 1..area.bottom() - 1 {
            self.buf.set_string(area.x, y, vertical, style);
            self.buf.set_string(area.right() - 1, y, vertical, style);
        }
        let last = area.bottom() - 1;
        self.buf.set_string(area.x, last, bl, style);
        self.buf.set_string(area.x + 1, last, &edge, style);
        self.buf.set_string(area.right() - 1, last, br, style);
        let mut padded = vec![Span::raw(" ")];
        padded.extend(title.spans.iter().cloned());
        padded.push(Span::raw(" "));
        self.line(area.x + 1, area.y, area.width - 2, &Line::from(padded));
        Self::inside(area)
    }

    /// Words in the lower edge of a box, at its right end, where they move nothing.
    pub fn frame_foot(&mut self, area: Rect, foot: &Line<'_>) {
        if area.width < 8 || area.height < 3 || foot.spans.is_empty() {
            return;
        }
        let used: usize = foot.spans.iter().map(|s| text::width(&s.content)).sum();
        let room = area.width - 4;
        let used = (used as u16 + 2).min(room);
        let mut padded = vec![Span::raw(" ")];
        padded.extend(foot.spans.iter().cloned());
        padded.push(Span::raw(" "));
        let x = area.right() - 2 - used;
        self.line(x, area.bottom() - 1, used, &Line::from(padded));
    }

    /// Clears an area to the plain text style, for overlays.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buf.area);
        // A link in half is none: what is left of its text says where it led.
        self.links
            .retain(|link| !area.intersects(Rect::new(link.x, link.y, link.width, 1)));
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buf[(x, y)].reset();
            }
            // A wide character cut in half by the edge must not leave its other half behind.
            if area.left() > self.buf.area.left() {
                let before = &mut self.buf[(area.left() - 1, y)];
                if text::width(before.symbol()) > 1 {
                    before.set_symbol(" ");
                }
            }
        }
        self.buf.set_style(area, self.look.theme.text);
    }

    /// Draws the visible part of `lines` and signs of more above and below.
    pub fn scrolled(&mut self, area: Rect, lines: &[Line<'_>], offset: usize) -> Scrolled {
        let scrolled = Scrolled {
            height: usize::from(area.height),
            lines: lines.len(),
        };
        let offset = offset.min(scrolled.max_offset());
        for (row, line) in lines.iter().skip(offset).take(scrolled.height).enumerate() {
            self.line(area.x, area.y + row as u16, area.width, line);
        }
        if area.width > 2 && area.height > 0 {
            let right = area.right();
            let dim = self.look.theme.accent;
            if offset > 0 {
                self.text(right, area.y, 1, self.look.glyphs.more_above, dim);
            }
            if offset < scrolled.max_offset() {
                self.text(
                    right,
                    area.bottom() - 1,
                    1,
                    self.look.glyphs.more_below,
                    dim,
                );
            }
        }
        scrolled
    }
}
