//! The screen of a first start: what is missing, where it was looked for, how to go on.
//!
//! Must not live here: the lists and panes of a console that has something to show.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::command::Command;
use crate::app::geometry::Scrolled;
use crate::app::missing::Missing;
use crate::app::state::State;
use crate::view::frame::chord_label;
use crate::view::layout::centred;
use crate::view::text::{width, wrap};
use crate::view::widgets::paint::Paint;

/// Widest text that reads well.
const WIDTH: u16 = 96;

pub fn draw(state: &State, missing: &Missing, paint: &mut Paint<'_>, area: Rect) -> Scrolled {
    let cells = usize::from(WIDTH.min(area.width).saturating_sub(6));
    let lines = content(state, missing, paint, cells);
    let boxed = centred(area, WIDTH, lines.len() as u16 + 2);
    let title = Line::from(Span::styled(
        state.texts.ui.welcome_title.clone(),
        paint.look.theme.title,
    ));
    let inner = paint.frame(boxed, &title, true);
    let text = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    paint.scrolled(text, &lines, state.diagnosis_offset)
}

fn content(
    state: &State,
    missing: &Missing,
    paint: &Paint<'_>,
    cells: usize,
) -> Vec<Line<'static>> {
    let theme = &paint.look.theme;
    let glyphs = paint.look.glyphs;
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    match missing {
        Missing::Credentials { .. } => {
            push(&mut lines, "", &ui.welcome_credentials, theme.bad, cells);
        }
        Missing::Region => {
            push(&mut lines, "", &ui.welcome_region, theme.bad, cells);
        }
    }
    lines.push(Line::default());
    for (command, text) in [
        (Command::Demo, &ui.welcome_demo),
        (Command::Refresh, &ui.welcome_again),
    ] {
        let Some(chord) = state.keys.chords(command).first() else {
            continue;
        };
        let key = format!("{:>6}  ", chord_label(&chord.to_string()));
        let from = lines.len();
        push(&mut lines, &key, text, theme.text, cells);
        if let Some(span) = lines.get_mut(from).and_then(|line| line.spans.first_mut()) {
            span.style = theme.key;
        }
    }
    lines.push(Line::default());
    let ways: &[&String] = match missing {
        Missing::Credentials { .. } => &[
            &ui.welcome_way_keys,
            &ui.welcome_way_profile,
            &ui.welcome_way_role,
            &ui.welcome_way_hosts,
        ],
        Missing::Region => &[&ui.welcome_way_region],
    };
    push(&mut lines, "", &ui.welcome_ways, theme.title, cells);
    for way in ways {
        push(
            &mut lines,
            &format!("  {} ", glyphs.bullet),
            way,
            theme.text,
            cells,
        );
    }
    push(&mut lines, "", &ui.welcome_doctor, theme.dim, cells);
    // What can be done stands first; where a screen is low, the rest is scrolled to.
    if let Missing::Credentials { looked_for } = missing {
        lines.push(Line::default());
        push(&mut lines, "", &ui.welcome_looked, theme.text, cells);
        for place in looked_for {
            let lead = format!("  {} ", glyphs.bullet);
            push(
                &mut lines,
                &lead,
                &state.texts.said(place),
                theme.dim,
                cells,
            );
        }
    }
    lines
}

/// Adds a text under a sign in front of its first line.
fn push(lines: &mut Vec<Line<'static>>, lead: &str, text: &str, style: Style, cells: usize) {
    let indent = width(lead);
    for (row, part) in wrap(text, cells.saturating_sub(indent))
        .into_iter()
        .enumerate()
    {
        let lead = if row == 0 {
            lead.to_owned()
        } else {
            " ".repeat(indent)
        };
        lines.push(Line::from(vec![
            Span::styled(lead, style),
            Span::styled(part, style),
        ]));
    }
}
