//! The vantage x layer matrix: what each way from here to the instance gave at each layer of a
//! login, and beneath it what the user's own machine and other instances saw.
//!
//! Must not live here: causes. A cell without a reading says why there is none.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::case::Case;
use crate::app::fleet::Row;
use crate::app::locale::{Texts, fill};
use crate::app::state::State;
use crate::domain::evidence::table::{Group, Protocol, Tone, layers};
use crate::domain::evidence::{Path, Reading, Status};
use crate::domain::instance::{Instance, Os};
use crate::domain::said::{Figure, Unit};
use crate::view::frame::Look;
use crate::view::text::{fit, width};
use crate::view::widgets::sparkline;

/// True for what a cell of the matrix says already.
pub fn shows(reading: &Reading) -> bool {
    let is_layer = |protocol| {
        let group = Group::of(&reading.id);
        group.is_some_and(|group| group.layer(protocol).is_some())
    };
    reading.path.is_some() && (is_layer(Protocol::Ssh) || is_layer(Protocol::Rdp))
}

/// Cells below which a column cannot be read.
const LEAST_COLUMN: usize = 9;

/// The layers there is room for: those with a reading first, in the order of a login.
fn fitting(layers: &[&'static str], case: Option<&Case>, room: usize) -> Vec<&'static str> {
    let room = room.max(2);
    let read = |layer: &str| {
        case.is_some_and(|case| {
            case.readings
                .iter()
                .any(|r| r.id == layer && r.status != Status::NotAttempted)
        })
    };
    let mut kept: Vec<usize> = (0..layers.len()).collect();
    kept.sort_by_key(|index| (!read(layers[*index]), *index));
    kept.truncate(room);
    kept.sort_unstable();
    kept.into_iter().map(|index| layers[index]).collect()
}

/// Widths of columns that would like `needs`: first heads give way that are wider than what stands under
/// them (`least`), then the widest column.
fn shared(mut needs: Vec<usize>, least: &[usize], room: usize) -> Vec<usize> {
    while needs.iter().sum::<usize>() > room {
        let spare = |at: &usize| needs[*at].saturating_sub(least[*at].max(4));
        match (0..needs.len()).max_by_key(spare) {
            Some(widest) if spare(&widest) > 0 => needs[widest] -= 1,
            _ => break,
        }
    }
    while needs.iter().sum::<usize>() > room {
        match needs.iter_mut().max() {
            Some(widest) if *widest > 4 => *widest -= 1,
            _ => break,
        }
    }
    needs
}

/// Lines of the matrix for `cells` of width.
pub fn lines(
    state: &State,
    case: Option<&Case>,
    instance: &Instance,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let texts = state.texts;
    let protocol = match instance.os {
        Os::Windows => Protocol::Rdp,
        Os::Linux | Os::Unknown => Protocol::Ssh,
    };
    let layers: Vec<&str> = layers(protocol).iter().map(|group| group.id).collect();
    let rows = rows(case);
    let names = rows.iter().map(|path| width(texts.path(*path)));
    let label = (names.max().unwrap_or_default() + 2).min(cells / 4).max(4);
    // The last column needs no space behind it.
    let room = cells.saturating_sub(label) + 1;
    let layers = fitting(&layers, case, room / LEAST_COLUMN);
    let cell = |layer: &str, path: Path| cell(case, layer, path, texts, look);
    let addresses = |path: Path| instance.addresses_on(path);
    let has_row = |path: Path| !path.is_own() || !addresses(path).is_empty();
    let values = |layer: &&str| {
        let texts_of = rows
            .iter()
            .filter(|path| has_row(**path))
            .map(|path| width(&cell(layer, *path).0));
        texts_of.max().unwrap_or_default()
    };
    let need = |layer: &&str| values(layer).max(width(texts.layer(layer))) + 2;
    let read = |layer: &str| rows.iter().any(|path| is_read(case, layer, *path));
    let mut layers = layers;
    let mut needs: Vec<usize> = layers.iter().map(need).collect();
    // A column that nothing was read for makes room for those that say something.
    while needs.iter().sum::<usize>() > room + needs.len() {
        let Some(empty) = layers.iter().rposition(|layer| !read(layer)) else {
            break;
        };
        layers.remove(empty);
        needs.remove(empty);
    }
    // Columns that stand closer are better than words that are cut.
    if needs.iter().sum::<usize>() > room {
        for need in &mut needs {
            *need -= 1;
        }
    }
    let least: Vec<usize> = layers.iter().map(|layer| values(layer) + 1).collect();
    let columns = shared(needs, &least, room);
    let last = columns.len().saturating_sub(1);
    let fitted = |text: &str, at: usize, column: usize| {
        let space = if at == last { "" } else { " " };
        fit(text, column.saturating_sub(1), look.glyphs.ellipsis) + space
    };
    let mut head = vec![Span::raw(" ".repeat(label))];
    for (at, (layer, column)) in layers.iter().zip(&columns).enumerate() {
        head.push(Span::styled(
            fitted(texts.layer(layer), at, *column),
            look.theme.dim,
        ));
    }
    let mut lines = vec![Line::from(head)];
    for path in rows {
        let name = fit(texts.path(path), label, look.glyphs.ellipsis);
        let mut spans = vec![Span::styled(name, look.theme.title)];
        if !has_row(path) {
            spans.push(Span::styled(
                format!("{} {}", look.glyphs.absent, texts.ui.no_address),
                look.theme.dim,
            ));
            lines.push(Line::from(spans));
            continue;
        }
        for (at, (layer, column)) in layers.iter().zip(&columns).enumerate() {
            let (text, style) = cell(layer, path);
            spans.push(Span::styled(fitted(&text, at, *column), style));
        }
        lines.push(Line::from(spans));
        if path.is_own()
            && let Some(mut history) = history(state.selected_row(), path, look, texts)
        {
            history.spans.insert(0, Span::raw(" ".repeat(label)));
            lines.push(history);
        }
    }
    lines
}

/// This host's ways, and other machines once they have told something.
fn rows(case: Option<&Case>) -> Vec<Path> {
    let told = |path: &Path| {
        let mut readings = case.into_iter().flat_map(|case| &case.readings);
        path.is_own() || readings.any(|r| r.path == Some(*path))
    };
    Path::ALL.into_iter().filter(told).collect()
}

fn is_read(case: Option<&Case>, layer: &str, path: Path) -> bool {
    case.and_then(|case| find(case, layer, path))
        .is_some_and(|reading| reading.status != Status::NotAttempted)
}

fn find<'a>(case: &'a Case, layer: &str, path: Path) -> Option<&'a Reading> {
    let own = case.reading(layer, Some(path));
    // What was read on no path was read from here.
    own.or_else(|| case.reading(layer, None).filter(|_| path.is_own()))
}

fn cell(
    case: Option<&Case>,
    layer: &str,
    path: Path,
    texts: &Texts,
    look: &Look,
) -> (String, Style) {
    let glyphs = look.glyphs;
    let theme = &look.theme;
    let running = case.is_some_and(|case| case.run.is_some());
    let Some(reading) = case.and_then(|case| find(case, layer, path)) else {
        let glyph = if running {
            glyphs.working
        } else {
            glyphs.absent
        };
        return (glyph.to_owned(), theme.dim);
    };
    if reading.status != Status::Observed {
        let glyph = match reading.status {
            Status::NotPermitted | Status::ProbeFailed => glyphs.unknown,
            // A layer behind one that failed; the sign is enough.
            _ => return (glyphs.absent.to_owned(), theme.dim),
        };
        return (
            format!("{glyph} {}", texts.status(reading.status)),
            theme.dim,
        );
    }
    let state = reading.state.as_deref().unwrap_or_default();
    let (glyph, style) = match reading.tone() {
        Tone::Good => (glyphs.good, theme.good),
        Tone::Warn => (glyphs.warn, theme.warn),
        Tone::Bad => (glyphs.bad, theme.bad),
        Tone::Neutral | Tone::Unknown => (glyphs.bullet, theme.text),
    };
    (format!("{glyph} {}", texts.state(layer, state)), style)
}

/// The last looks along a path: how long each took, which got no answer.
fn history(row: Option<&Row>, path: Path, look: &Look, texts: &Texts) -> Option<Line<'static>> {
    let track = row?.track_on(path);
    let (lost, looks) = track.lost();
    if looks < 2 {
        return None;
    }
    let label = format!("{} ", texts.ui.looks_label);
    let mut spans = vec![Span::styled(label, look.theme.dim)];
    spans.extend(sparkline::looks(track, look));
    let mut figures = Vec::new();
    if let Some((least, most)) = track.latency() {
        let most_text = Figure::new(f64::from(most), 0, Unit::Milliseconds).text(texts.lang());
        let time = if least == most {
            most_text
        } else {
            format!("{least}-{most_text}")
        };
        figures.push(time);
    }
    if lost > 0 {
        let text = fill(
            &texts.ui.looks_lost,
            &[("lost", &lost.to_string()), ("n", &looks.to_string())],
        );
        figures.push(text);
    }
    let figures = texts.listed(&figures);
    spans.push(Span::styled(format!(" {figures}"), look.theme.dim));
    Some(Line::from(spans))
}
