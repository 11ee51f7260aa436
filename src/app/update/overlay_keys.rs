//! Keys: first the topmost overlay, then the keymap of the panes.
//!
//! An overlay is taken off the stack while it reads a key and put back here and nowhere else, where
//! its answer says so. Must not live here: what a command does (`commands`), what the keys of an
//! overlay do (`app::overlay`).

use super::{Dirty, commands};
use crate::app::command::Command;
use crate::app::effect::Effect;
use crate::app::keys::{Context, Edit};
use crate::app::overlay::{Answer, Field, Help, Overlay, paste};
use crate::app::state::{Pane, State};
use crate::input::chord::Chord;

/// Largest pasted text that is looked at, in characters.
const MAX_PASTE: usize = 64 * 1024;

/// Applies a key press.
pub fn key(state: &mut State, chord: Chord, effects: &mut Vec<Effect>) -> Dirty {
    let Some(mut top) = state.overlays.pop() else {
        let pane = match state.focus {
            Pane::Instances => Context::Instances,
            Pane::Diagnosis => Context::Diagnosis,
            Pane::Actions => Context::Actions,
        };
        return match state.keys.of_panes(&[pane, Context::Global], chord) {
            Some(command) => commands::run(state, command, effects),
            None => Dirty::Nothing,
        };
    };
    // What the key opens lies over it, or over what was beneath.
    let depth = state.overlays.len();
    let context = top.context();
    let own = top.press(state, chord, effects);
    let answer = match own {
        Some(answer) => answer,
        None if typed(&mut top, state, chord) => Answer::Stay,
        None => everywhere(state, context, chord),
    };
    let depth = depth.min(state.overlays.len());
    match answer {
        Answer::Stay => state.overlays.insert(depth, top),
        Answer::Close => {}
        Answer::Instead(next) => state.overlays.insert(depth, next),
        Answer::Run(command) => {
            state.overlays.insert(depth, top);
            run(state, command, context, effects);
        }
        Answer::CloseAndRun(command) => {
            commands::run(state, command, effects);
        }
    }
    Dirty::Frame
}

/// Runs a command over what is open; help is about that.
fn run(state: &mut State, command: Command, context: Context, effects: &mut Vec<Effect>) {
    if command == Command::Help {
        let about = Some(context);
        state
            .overlays
            .push(Overlay::Help(Help { about, offset: 0 }));
    } else {
        commands::run(state, command, effects);
    }
}

/// What counts whatever is open: the keys of help and of masking, and those of leaving and of saving the screen that
/// hold Ctrl or Alt, as a letter is for the overlay.
fn everywhere(state: &State, context: Context, chord: Chord) -> Answer {
    if context.takes_text() && chord.typed().is_some() {
        return Answer::Stay;
    }
    match state.keys.of_panes(&[Context::Global], chord) {
        Some(command @ (Command::Help | Command::Privacy)) => Answer::Run(command),
        Some(command @ (Command::Quit | Command::SaveScreen)) if chord.ctrl || chord.alt => {
            Answer::Run(command)
        }
        _ => Answer::Stay,
    }
}

/// Types into the overlay's field or edits it; false where there is none, or the chord does
/// neither.
fn typed(top: &mut Overlay, state: &mut State, chord: Chord) -> bool {
    let command = state.keys.of::<Edit>(chord);
    let Some(field) = top.field() else {
        return false;
    };
    let changed = match (field, command, chord.typed()) {
        (Field::Line(line) | Field::ByHand(line), Some(command), _) => {
            let before = line.text().to_owned();
            line.edit(command);
            line.text() != before
        }
        (Field::Line(line) | Field::ByHand(line), None, Some(c)) => {
            line.insert_str(c.encode_utf8(&mut [0; 4]));
            true
        }
        (Field::Text(editor), Some(command), _) => {
            paste::edit(editor, command);
            true
        }
        (Field::Text(editor), None, Some(c)) => {
            editor.insert_char(c);
            true
        }
        (_, None, None) => return false,
    };
    if changed {
        top.changed(state);
    }
    true
}

/// Text pasted into the terminal goes where text is being typed, and nowhere else: a paste must
/// never act as keys.
pub fn pasted(state: &mut State, text: &str) -> Dirty {
    let text = crate::domain::text::sanitise_block(text, MAX_PASTE);
    let Some(mut top) = state.overlays.pop() else {
        return Dirty::Nothing;
    };
    let first = text.lines().next().unwrap_or_default();
    // A word of a filter may begin with a space.
    let is_filter = matches!(top, Overlay::Filter(_));
    let taken = match top.field() {
        Some(Field::Line(line)) => {
            line.insert_str(if is_filter { first } else { first.trim() });
            true
        }
        Some(Field::Text(editor)) => {
            editor.insert_str(&text);
            true
        }
        Some(Field::ByHand(_)) | None => false,
    };
    if taken {
        top.changed(state);
    }
    state.overlays.push(top);
    Dirty::when(taken)
}
