//! The filter line: the list follows every key.
//!
//! Must not live here: what a filter means (`app::filter`).

use super::Answer;
use crate::app::command::Command;
use crate::app::effect::Effect;
use crate::app::filter::{FIELDS, Wrong};
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::state::State;
use crate::app::typed::Line;
use crate::app::update::memory;
use crate::input::chord::Chord;

/// The line.
#[derive(Debug, Clone)]
pub struct FilterLine {
    pub edit: LineEdit,
    /// What was in force when it was opened.
    pub before: String,
}

impl FilterLine {
    /// A line with the filter in force.
    pub fn new(before: &str) -> Self {
        Self {
            edit: LineEdit::new(before),
            before: before.to_owned(),
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<keys::Filter>(chord)? {
            keys::Filter::Close => {
                state.fleet.set_filter(&self.before);
                Answer::Close
            }
            keys::Filter::Accept => {
                let text = self.edit.text().trim().to_owned();
                memory::remember(state, Line::Filter, text, effects);
                tell_wrong(state);
                Answer::Close
            }
            // The list can be walked while filtering.
            keys::Filter::Up => Answer::Run(Command::Up),
            keys::Filter::Down => Answer::Run(Command::Down),
            keys::Filter::Complete => {
                let text = complete(state, self.edit.text());
                self.put(state, Some(&text))
            }
            keys::Filter::Older => {
                let older = state.typed.before(Line::Filter, self.edit.text());
                let older = older.map(str::to_owned);
                self.put(state, older.as_deref())
            }
            keys::Filter::Newer => {
                let newer = state.typed.after(Line::Filter, self.edit.text());
                let newer = newer.map(str::to_owned);
                self.put(state, newer.as_deref())
            }
        })
    }

    fn put(&mut self, state: &mut State, text: Option<&str>) -> Answer {
        if let Some(text) = text {
            self.edit = LineEdit::new(text);
        }
        state.fleet.set_filter(self.edit.text());
        Answer::Stay
    }
}

/// Says what of the filter in force means nothing.
fn tell_wrong(state: &mut State) {
    if let Some(text) = wrong(state) {
        state.tell(Severity::Warning, text);
    }
}

/// What of the filter in force means nothing; also shown in place of the rows while it is typed.
pub fn wrong(state: &State) -> Option<String> {
    let ui = &state.texts.ui;
    Some(match state.fleet.filter().wrong()? {
        Wrong::Name(name) => {
            let known = state.fleet.saved_filters().keys();
            let known: Vec<&str> = known.map(String::as_str).collect();
            fill(
                &ui.filter_unknown_name,
                &[("name", name), ("names", &known.join(" "))],
            )
        }
        Wrong::Field(field) => fill(
            &ui.filter_unknown_field,
            &[("field", field), ("fields", &FIELDS.join(" "))],
        ),
        Wrong::Value(field, value, known) => fill(
            &ui.filter_bad_value,
            &[
                ("field", field),
                ("value", value),
                ("values", &known.join(" ")),
            ],
        ),
    })
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
