//! Keys in the filter line and in the palette, and what was typed there before.
//!
//! Must not live here: what a command does (`commands`), what fits a query (`palette`).

use super::{commands, palette};
use crate::app::command::Command;
use crate::app::effect::{Effect, Memory};
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::Overlay;
use crate::app::state::State;
use crate::app::typed::Line;
use crate::input::chord::{Chord, Key};

/// Remembers what was typed, for this run and, but for the demo, the next.
fn remember(state: &mut State, line: Line, text: String, effects: &mut Vec<Effect>) {
    if text.is_empty() {
        return;
    }
    state.typed.push(line, &text);
    if !state.demo {
        let at = state.now;
        effects.push(Effect::Memory(Memory::KeepTyped { line, text, at }));
    }
}

pub fn filter_key(
    state: &mut State,
    mut edit: LineEdit,
    before: String,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    match (chord.ctrl, chord.key) {
        (_, Key::Esc) => state.fleet.set_filter(&before),
        (_, Key::Enter) => {
            remember(state, Line::Filter, edit.text().trim().to_owned(), effects);
            if let Some(name) = state.fleet.filter().unknown_names().first() {
                let known: Vec<&str> = state
                    .fleet
                    .saved_filters()
                    .keys()
                    .map(String::as_str)
                    .collect();
                let text = fill(
                    &state.texts.ui.filter_unknown_name,
                    &[("name", name), ("names", &known.join(" "))],
                );
                state.tell(Severity::Warning, text);
            } else if let Some(field) = state.fleet.filter().unknown_fields().first() {
                let text = fill(
                    &state.texts.ui.filter_unknown_field,
                    &[
                        ("field", field),
                        ("fields", &crate::app::filter::FIELDS.join(" ")),
                    ],
                );
                state.tell(Severity::Warning, text);
            }
        }
        // The list can be walked while filtering.
        (_, Key::Up) => {
            commands::run(state, Command::Up, effects);
            state.overlays.push(Overlay::Filter { edit, before });
        }
        (_, Key::Down) => {
            commands::run(state, Command::Down, effects);
            state.overlays.push(Overlay::Filter { edit, before });
        }
        // The next saved filter that begins with what is typed behind the `@`.
        (_, Key::Tab) => {
            let text = complete(state, edit.text());
            state.fleet.set_filter(&text);
            let edit = LineEdit::new(&text);
            state.overlays.push(Overlay::Filter { edit, before });
        }
        // As in a shell: the filter before, and the one after.
        (true, Key::Char('p' | 'n')) => {
            let typed = &state.typed;
            let other = if chord.key == Key::Char('p') {
                typed.before(Line::Filter, edit.text())
            } else {
                typed.after(Line::Filter, edit.text())
            };
            let edit = other.map_or(edit, LineEdit::new);
            state.fleet.set_filter(edit.text());
            state.overlays.push(Overlay::Filter { edit, before });
        }
        _ => {
            edit.key(chord);
            state.fleet.set_filter(edit.text());
            state.overlays.push(Overlay::Filter { edit, before });
        }
    }
}

/// Completes the saved filter at the end of `text`; one that is complete gives way to the next.
fn complete(state: &State, text: &str) -> String {
    let start = text.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (head, word) = text.split_at(start);
    let saved = state.fleet.saved_filters();
    let typed = word.strip_prefix('@').unwrap_or_default();
    if !word.is_empty() && !word.starts_with('@') {
        return text.to_owned();
    }
    let next = if saved.contains_key(typed) {
        saved
            .keys()
            .skip_while(|name| name.as_str() <= typed)
            .chain(saved.keys())
            .next()
    } else {
        saved.keys().find(|name| name.starts_with(typed))
    };
    next.map_or_else(|| text.to_owned(), |name| format!("{head}@{name}"))
}

pub fn palette_key(
    state: &mut State,
    mut edit: LineEdit,
    selected: usize,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    let found = palette::matches(state, edit.text());
    let last = found.len().saturating_sub(1);
    let selected = selected.min(last);
    match (chord.ctrl, chord.key) {
        (_, Key::Esc) => {}
        (_, Key::Enter) => {
            if let Some(command) = found.get(selected) {
                remember(state, Line::Palette, command.as_str().to_owned(), effects);
                commands::run(state, *command, effects);
            }
        }
        (_, Key::Up) | (true, Key::Char('p')) => state.overlays.push(Overlay::Palette {
            edit,
            selected: selected.saturating_sub(1),
        }),
        (_, Key::Down) | (true, Key::Char('n')) => state.overlays.push(Overlay::Palette {
            edit,
            selected: (selected + 1).min(last),
        }),
        _ => {
            let before = edit.clone();
            edit.key(chord);
            let selected = if before.text() == edit.text() {
                selected
            } else {
                0
            };
            state.overlays.push(Overlay::Palette { edit, selected });
        }
    }
}
