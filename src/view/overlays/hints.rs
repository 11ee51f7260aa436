//! The keys of an overlay as they are bound, for its last row.

use ratatui::text::{Line, Span};

use crate::app::command::Command;
use crate::app::keys::{Bound, Context};
use crate::app::state::State;
use crate::view::frame::chord_label;
use crate::view::text::width;
use crate::view::theme::Theme;

/// A command, and what it does here where its own short title does not say it.
pub type Hint<'a> = (Bound, Option<&'a str>);

/// A command by its own title.
pub fn hint<'a>(command: impl Into<Bound>) -> Hint<'a> {
    (command.into(), None)
}

/// The key of a command as it is shown: the first that it has.
pub fn key_of(state: &State, command: impl Into<Bound>) -> Option<String> {
    let chord = state.keys.chords(command).first()?;
    Some(chord_label(&chord.to_string()))
}

/// The commands in as many rows as they need, and the key of help where there is room for it.
pub fn rows(state: &State, theme: &Theme, hints: &[Hint<'_>], cells: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<Line<'static>> = vec![Line::default()];
    let mut used = 0;
    let mut add = |key: &str, title: &str, may_wrap: bool| {
        let needs = width(key) + width(title) + 3;
        if used + needs > cells && used > 0 {
            if !may_wrap {
                return;
            }
            rows.push(Line::default());
            used = 0;
        }
        used += needs;
        if let Some(row) = rows.last_mut() {
            row.push_span(Span::styled(format!(" {key}"), theme.key));
            row.push_span(Span::styled(format!(" {title} "), theme.dim));
        }
    };
    for (command, title) in hints {
        if let Some(key) = key_of(state, *command) {
            let title = title.unwrap_or_else(|| state.texts.short_bound(*command));
            add(&key, title, true);
        }
    }
    let context = hints.first().map(|(command, _)| command.context());
    if let Some(key) = context.and_then(|context| help_key(state, context)) {
        let title = state.texts.short_command(Command::Help.as_str());
        add(&key, title, false);
    }
    rows
}

/// As many of the commands as one row has room for.
pub fn row(state: &State, theme: &Theme, hints: &[Hint<'_>], cells: usize) -> Line<'static> {
    let mut rows = rows(state, theme, hints, cells);
    rows.swap_remove(0)
}

/// The key of help in a context: one that is no text, where text is typed.
fn help_key(state: &State, context: Context) -> Option<String> {
    let chords = state.keys.chords(Command::Help).iter();
    let mut free = chords.filter(|chord| !context.takes_text() || chord.typed().is_none());
    free.next().map(|chord| chord_label(&chord.to_string()))
}
