//! One frame: title, panes, footer, overlays.
//!
//! Lives here: the order of drawing and the lines at the edges. Must not live here: what is
//! inside the panes (`view::panes`) and overlays (`view::overlays`).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::glyphs::{self, Glyphs};
use super::layout::{self, Layout};
use super::text;
use super::theme::{Depth, Theme};
use super::widgets::paint::Paint;
use super::{overlays, panes};
use crate::app::command::Command;
use crate::app::geometry::{Area, Geometry};
use crate::app::health::Health;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::state::{Pane, State};

/// Lines that a message at the foot may take.
const NOTICE_ROWS: usize = 4;
/// A place cut to less than this says nothing.
const LEAST_PLACE: usize = 12;

/// Everything about the looks that is not state: colours and signs of this terminal.
#[derive(Debug, Clone)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: &'static Glyphs,
    /// The terminal draws East Asian "ambiguous" characters two cells wide.
    pub ambiguous_wide: bool,
    /// Addresses and ids are masked, for sharing a screen.
    pub privacy: bool,
}

impl Look {
    /// The looks for a theme on a terminal. Ambiguous-wide terminals get the ASCII signs, whose
    /// width is beyond doubt.
    pub fn new(theme: Theme, depth: Depth, ascii: bool, ambiguous_wide: bool) -> Self {
        Self {
            theme: theme.degraded(depth),
            glyphs: if ascii || ambiguous_wide {
                &glyphs::ASCII
            } else {
                &glyphs::UNICODE
            },
            ambiguous_wide,
            privacy: false,
        }
    }
}

/// Draws the state and tells where things are.
pub fn draw(state: &State, look: &Look, buf: &mut Buffer) -> Geometry {
    let screen = buf.area;
    buf.set_style(screen, look.theme.text);
    let layout = layout::divide(screen.width, screen.height, state.focus, state.zoomed);
    let mut paint = Paint::new(buf, look);
    let mut geometry = Geometry::default();
    title(state, &mut paint, layout.title);
    let missing = state.missing.as_ref().filter(|_| state.fleet.is_empty());
    if let Some(missing) = missing {
        let body = layout
            .panes
            .iter()
            .map(|(_, area)| *area)
            .chain([layout.tabs])
            .filter(|area| !area.is_empty())
            .reduce(Rect::union)
            .unwrap_or_default();
        geometry.diagnosis = panes::welcome::draw(state, missing, &mut paint, body);
    } else {
        tabs(state, &mut paint, &layout);
        draw_panes(state, &mut paint, &layout, &mut geometry);
    }
    footer(state, &mut paint, layout.footer);
    for overlay in &state.overlays {
        if let Some(scrolled) = overlays::draw(overlay, state, &mut paint, screen) {
            geometry.overlay = scrolled;
        }
    }
    geometry.links = paint.links;
    // What is typed last lies on top.
    geometry.first.splice(0..0, paint.typed.into_iter().rev());
    geometry
}

fn draw_panes(state: &State, paint: &mut Paint<'_>, layout: &Layout, geometry: &mut Geometry) {
    for (pane, area) in &layout.panes {
        if area.is_empty() {
            continue;
        }
        geometry.panes.push((*pane, to_area(*area)));
        let focused = *pane == state.focus && state.overlays.is_empty();
        match pane {
            Pane::Instances => {
                panes::instances::draw(state, paint, *area, focused, geometry);
            }
            Pane::Diagnosis => {
                geometry.diagnosis = panes::diagnosis::draw(state, paint, *area, focused);
            }
            Pane::Actions => {
                geometry.actions = panes::actions::draw(state, paint, *area, focused);
            }
        }
    }
}

/// A rectangle as plain numbers.
pub fn to_area(rect: Rect) -> Area {
    Area {
        x: rect.x,
        y: rect.y,
        width: rect.width,
        height: rect.height,
    }
}

fn title(state: &State, paint: &mut Paint<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut left = vec![Span::styled(" cvmtop", theme.title)];
    if !state.place.is_empty() {
        let place = state.texts.said(&state.place);
        left.push(Span::styled(format!("  {place}"), theme.dim));
    }
    let mut badges: Vec<Span<'_>> = Vec::new();
    let mut badge = |text: &str| {
        badges.push(Span::raw(" "));
        badges.push(Span::styled(format!(" {text} "), theme.badge));
    };
    if state.demo {
        badge(&ui.badge_demo);
    }
    if state.read_only {
        badge(&ui.badge_read_only);
    }
    if state.paused {
        badge(&fill(
            &ui.badge_paused,
            &[("n", &state.held_back.len().to_string())],
        ));
    }
    if state.looks.privacy {
        badge(&ui.badge_privacy);
    }
    let mut counts = counts(state, paint);
    let width = |spans: &[Span<'_>]| spans.iter().map(|s| text::width(&s.content)).sum::<usize>();
    let total = usize::from(area.width);
    // Badges must be seen, and the counts say more than the place.
    if left.len() > 1 {
        let taken = width(&left[..1]) + width(&counts) + width(&badges);
        let room = total.saturating_sub(taken + 1);
        if width(&left[1..]) > room {
            let cut = text::truncate(&left[1].content, room, paint.look.glyphs.ellipsis);
            left[1].content = if room < LEAST_PLACE {
                "".into()
            } else {
                cut.into()
            };
        }
    }
    while !counts.is_empty() && width(&left) + width(&counts) + width(&badges) > total {
        counts.pop();
    }
    left.extend(badges);
    let room = total.saturating_sub(width(&left) + width(&counts) + 2);
    left.extend(commonest(state, room).map(|text| Span::styled(text, theme.dim)));
    let right = width(&counts) as u16;
    paint.line(area.x, area.y, area.width, &Line::from(left));
    paint.line(
        area.right().saturating_sub(right + 1),
        area.y,
        right,
        &Line::from(counts),
    );
}

/// How many instances are how healthy.
fn counts(state: &State, paint: &Paint<'_>) -> Vec<Span<'static>> {
    let (theme, ui) = (&paint.look.theme, &state.texts.ui);
    let glyphs = paint.look.glyphs;
    let mut counts = Vec::new();
    for (health, glyph, style, word) in [
        (Health::Failing, glyphs.bad, theme.bad, &ui.count_failing),
        (
            Health::Impaired,
            glyphs.warn,
            theme.warn,
            &ui.count_impaired,
        ),
        (Health::Off, glyphs.off, theme.dim, &ui.count_off),
        (
            Health::Unknown,
            glyphs.unknown,
            theme.dim,
            &ui.count_unknown,
        ),
        (Health::Healthy, glyphs.good, theme.good, &ui.count_healthy),
    ] {
        let n = state.fleet.count(health);
        if n > 0 {
            counts.push(Span::styled(format!("  {glyph} {n} {word}"), style));
        }
    }
    counts
}

/// The causes that keep most people out, as many as there is room for; whole, or not at all. One
/// alone is what the list shows anyway.
fn commonest(state: &State, room: usize) -> Option<String> {
    let causes = &state.fleet_causes.causes;
    if causes.len() < 2 {
        return None;
    }
    let named = causes.iter().map(|cause| {
        let title = state.texts.cause(&cause.id, &cause.title);
        format!("  {} {title}", cause.instances.len())
    });
    let mut line = String::from(" ");
    for one in named {
        if text::width(&line) + text::width(&one) > room {
            break;
        }
        line.push_str(&one);
    }
    (line.len() > 1).then_some(line)
}

fn tabs(state: &State, paint: &mut Paint<'_>, layout: &Layout) {
    let area = layout.tabs;
    if area.is_empty() {
        return;
    }
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut spans = Vec::new();
    for (pane, name) in
        Pane::ALL
            .into_iter()
            .zip([&ui.pane_instances, &ui.pane_diagnosis, &ui.pane_actions])
    {
        let style = if pane == state.focus {
            theme.selected
        } else {
            theme.dim
        };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(format!(" {name} "), style));
    }
    if let Some(row) = state.selected_row()
        && state.focus != Pane::Instances
    {
        spans.push(Span::styled(
            format!("  {} {}", paint.look.glyphs.cursor, row.instance.name),
            theme.title,
        ));
    }
    paint.line(area.x, area.y, area.width, &Line::from(spans));
}

fn footer(state: &State, paint: &mut Paint<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let theme = &paint.look.theme;
    let glyphs = paint.look.glyphs;
    if let Some(notice) = state.notices.shown() {
        let (glyph, style) = match notice.severity {
            Severity::Info => (glyphs.bullet, theme.accent),
            Severity::Good => (glyphs.good, theme.good),
            Severity::Warning => (glyphs.warn, theme.warn),
            Severity::Error => (glyphs.bad, theme.bad),
        };
        let lines = text::wrap(&notice.text, usize::from(area.width.saturating_sub(4)));
        let rows = (lines.len().min(NOTICE_ROWS) as u16).min(area.bottom());
        // A long message is worth more than the last lines of the panes for as long as it stays.
        let grown = Rect::new(area.x, area.bottom() - rows, area.width, rows);
        paint.clear(grown);
        for (row, line) in lines.iter().take(usize::from(rows)).enumerate() {
            let y = grown.y + row as u16;
            if row == 0 {
                paint.text(grown.x + 1, y, 2, glyph, style);
            }
            paint.text(
                grown.x + 3,
                y,
                grown.width.saturating_sub(3),
                line,
                theme.text,
            );
        }
        return;
    }
    let mut spans = Vec::new();
    let mut used = 0;
    for command in hints(state) {
        let Some(chord) = state.keys.chords(command).first() else {
            continue;
        };
        let key = chord_label(&chord.to_string());
        let title = state.texts.short_command(command.as_str());
        let width = text::width(&key) + text::width(title) + 3;
        if used + width > usize::from(area.width) {
            continue;
        }
        used += width;
        spans.push(Span::styled(format!(" {key}"), theme.key));
        spans.push(Span::styled(format!(" {title} "), theme.dim));
    }
    paint.line(area.x, area.y, area.width, &Line::from(spans));
}

/// What to offer at the foot, most useful first; all of it can be done now.
fn hints(state: &State) -> Vec<Command> {
    use Command as C;
    if state.missing.is_some() && state.fleet.is_empty() {
        return vec![C::Help, C::Quit, C::Demo, C::Refresh, C::Log];
    }
    let by_pane: &[C] = match state.focus {
        Pane::Instances => &[C::Triage, C::Filter, C::Sort, C::NextPane],
        Pane::Diagnosis => &[
            C::Explain,
            C::WhyNot,
            C::DeepCheck,
            C::PasteError,
            C::UserSource,
            C::NextPane,
        ],
        Pane::Actions => &[
            C::Open,
            C::Action1,
            C::Guides,
            C::Undo,
            C::Ticket,
            C::NextPane,
        ],
    };
    let known = !state.fleet_causes.causes.is_empty();
    let of_fleet = known.then_some(&C::FleetCauses);
    // Help and leaving come first so that they are never the ones that do not fit.
    [C::Help, C::Quit, C::Action1]
        .iter()
        .chain(by_pane)
        .chain(&[C::Palette, C::PasteError])
        .chain(of_fleet)
        .chain(&[C::Refresh, C::Journal, C::Log])
        .copied()
        .filter(|command| command.enabled(state).is_ok())
        .fold(Vec::new(), |mut all, command| {
            if !all.contains(&command) {
                all.push(command);
            }
            all
        })
}

/// A chord as it is shown: named keys with a capital.
pub fn chord_label(chord: &str) -> String {
    let (modifiers, key) = match chord.rfind('-') {
        Some(at) if at > 0 && at + 1 < chord.len() => chord.split_at(at + 1),
        _ => ("", chord),
    };
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(chars).collect()
        })
    };
    let modifiers = modifiers
        .split_inclusive('-')
        .map(&capital)
        .collect::<String>();
    let key = if key.chars().count() > 1 || !modifiers.is_empty() {
        capital(key)
    } else {
        key.to_owned()
    };
    format!("{modifiers}{key}")
}
