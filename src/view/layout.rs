//! Where the panes go: three columns from 120 cells on, two from 90, one with tabs below.
//!
//! Pure arithmetic on rectangles, total for any size. Must not live here: drawing.

use ratatui::layout::Rect;

use crate::app::state::Pane;

/// Width from which three panes stand side by side.
pub const THREE_COLUMNS: u16 = 120;
/// Width from which the list gets more of it than the actions.
const WIDE: u16 = 150;
/// Width from which two do.
pub const TWO_COLUMNS: u16 = 90;

/// Rectangles of one frame; empty ones are not drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub title: Rect,
    /// Names of the panes, where not all of them are shown.
    pub tabs: Rect,
    pub panes: Vec<(Pane, Rect)>,
    pub footer: Rect,
}

/// Divides the screen.
pub fn divide(width: u16, height: u16, focus: Pane, zoomed: bool) -> Layout {
    let one_pane = zoomed || width < TWO_COLUMNS;
    let title_rows = u16::from(height >= 8);
    let footer_rows = u16::from(height >= 4);
    let tab_rows = u16::from(one_pane && height >= 6);
    let body_y = title_rows + tab_rows;
    let body_height = height.saturating_sub(body_y + footer_rows);
    let row = |y: u16, rows: u16| Rect::new(0, y, width, rows);
    let body = |x: u16, w: u16| Rect::new(x, body_y, w, body_height);
    let panes = if one_pane {
        vec![(focus, body(0, width))]
    } else if width < THREE_COLUMNS {
        // Diagnosis and actions share the right column; the one in focus gets more of it.
        let left = (width * 2 / 5).clamp(36, 50);
        let right = width - left;
        let share = match focus {
            Pane::Actions => body_height / 2,
            _ => body_height * 2 / 3,
        };
        let upper = Rect::new(left, body_y, right, share);
        let lower = Rect::new(left, body_y + share, right, body_height - share);
        vec![
            (Pane::Instances, body(0, left)),
            (Pane::Diagnosis, upper),
            (Pane::Actions, lower),
        ]
    } else {
        // Where there is room, names and addresses of the list stand whole.
        let (left, right) = if width < WIDE {
            (width * 32 / 100, width * 29 / 100)
        } else {
            (width * 34 / 100, width * 28 / 100)
        };
        let left = left.clamp(36, 76);
        let right = right.clamp(34, 50);
        let middle = width - left - right;
        vec![
            (Pane::Instances, body(0, left)),
            (Pane::Diagnosis, body(left, middle)),
            (Pane::Actions, body(left + middle, right)),
        ]
    };
    Layout {
        title: row(0, title_rows),
        tabs: row(title_rows, tab_rows),
        panes,
        footer: row(height.saturating_sub(footer_rows), footer_rows),
    }
}

/// A box in the middle of `area`, at most as large as wanted.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_follow_the_width() {
        assert_eq!(divide(120, 40, Pane::Instances, false).panes.len(), 3);
        assert_eq!(divide(80, 24, Pane::Actions, false).panes.len(), 1);
        assert_eq!(divide(160, 50, Pane::Diagnosis, true).panes.len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_lies_outside_or_over_another(width in 0u16..400, height in 0u16..200, zoomed: bool, at in 0usize..3) {
            let layout = divide(width, height, Pane::ALL[at], zoomed);
            let screen = Rect::new(0, 0, width, height);
            let mut all: Vec<Rect> = layout.panes.iter().map(|(_, r)| *r).collect();
            all.extend([layout.title, layout.tabs, layout.footer]);
            all.retain(|r| !r.is_empty());
            for (i, a) in all.iter().enumerate() {
                prop_assert_eq!(a.intersection(screen), *a);
                for b in &all[i + 1..] {
                    prop_assert!(a.intersection(*b).is_empty(), "{:?} {:?}", a, b);
                }
            }
        }
    }
}
