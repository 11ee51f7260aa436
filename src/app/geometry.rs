//! What the last frame showed where: hit boxes and heights, for scrolling and the mouse.
//!
//! Filled by the view after each frame; plain numbers, so that `app` needs no drawing types.

use super::state::Pane;

/// A box on the screen in cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub fn contains(self, x: u16, y: u16) -> bool {
        x >= self.x
            && y >= self.y
            && x < self.x.saturating_add(self.width)
            && y < self.y.saturating_add(self.height)
    }
}

/// Places of the last frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Panes that are on the screen.
    pub panes: Vec<(Pane, Area)>,
    /// The rows of the list, without header.
    pub list: Area,
    /// First list row shown.
    pub list_offset: usize,
    /// Lines shown and lines there are, in the diagnosis pane.
    pub diagnosis: Scrolled,
    /// The same for the actions pane.
    pub actions: Scrolled,
    /// The same for the topmost overlay.
    pub overlay: Scrolled,
    /// Cells that lead to a page, for terminals that follow links.
    pub links: Vec<Link>,
    /// Rows that a slow link is to bring first: where text is typed, and what is selected.
    pub first: Vec<u16>,
}

/// Cells of one row that lead to a page of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub address: String,
}

/// Height of a window and of what is scrolled in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scrolled {
    pub height: usize,
    pub lines: usize,
}

impl Scrolled {
    /// Largest offset that still fills the window.
    pub fn max_offset(self) -> usize {
        self.lines.saturating_sub(self.height)
    }
}

/// First row to show so that `selected` is visible, moving as little as possible.
pub fn keep_visible(offset: usize, selected: usize, height: usize, len: usize) -> usize {
    if height == 0 {
        return offset;
    }
    let lowest = (selected + 1).saturating_sub(height);
    offset
        .clamp(lowest, selected.max(lowest))
        .min(len.saturating_sub(height))
}
