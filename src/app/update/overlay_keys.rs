//! Keys: first the topmost overlay, then the keymap.
//!
//! Must not live here: what a command does (`commands`).

use tui_textarea::{Input, Key as EditorKey};

use super::{Dirty, actions, any_action, batch, commands, lines, reader, tell, ticket, timed};
use crate::action::gate::Given;
use crate::action::plan::Confirmation;
use crate::app::command::{Command, Context};
use crate::app::effect::{Console, Effect};
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::{AskCause, Overlay, Preview};
use crate::app::state::{Pane, State};
use crate::domain::instance::is_login_name;
use crate::domain::report::RankedAction;
use crate::input::chord::{Chord, Key};

/// Largest pasted text that is looked at, in characters.
const MAX_PASTE: usize = 64 * 1024;

/// Applies a key press.
pub fn key(state: &mut State, chord: Chord, effects: &mut Vec<Effect>) -> Dirty {
    // Leaving with Ctrl-C works everywhere, whatever is open.
    if chord == Chord::ctrl('c')
        && state.keys.lookup(&[Context::Global], chord) == Some(Command::Quit)
    {
        return commands::run(state, Command::Quit, effects);
    }
    let Some(top) = state.overlays.pop() else {
        let pane = match state.focus {
            Pane::Instances => Context::Instances,
            Pane::Diagnosis => Context::Diagnosis,
            Pane::Actions => Context::Actions,
        };
        return match state.keys.lookup(&[pane, Context::Global], chord) {
            Some(command) => commands::run(state, command, effects),
            None => Dirty::Nothing,
        };
    };
    if top.is_reader() {
        return reader::key(state, top, chord, effects);
    }
    match top {
        Overlay::Filter { edit, before } => lines::filter_key(state, edit, before, chord, effects),
        Overlay::Palette { edit, selected } => {
            lines::palette_key(state, edit, selected, chord, effects);
        }
        Overlay::UserSource { edit, then, .. } => {
            user_source_key(state, edit, then, chord, effects);
        }
        Overlay::Paste { editor } => paste_key(state, editor, chord, effects),
        Overlay::DeepConsent => {
            if chord.typed() == Some('Y') {
                commands::triage(state, true, effects);
            } else if chord.key != Key::Esc {
                state.overlays.push(Overlay::DeepConsent);
            }
        }
        Overlay::LoginConsent { edit, .. } => login_key(state, edit, chord, effects),
        Overlay::QuitAnyway => {
            if chord.typed() == Some('Y') {
                effects.push(Effect::Console(Console::Quit));
            } else if chord.key != Key::Esc {
                state.overlays.push(Overlay::QuitAnyway);
            }
        }
        Overlay::PickCause { selected, ask } => {
            pick_cause_key(state, selected, ask, chord, effects);
        }
        Overlay::Tell { selected } => tell::key(state, selected, chord, effects),
        Overlay::Preview(preview) => preview_key(state, preview, chord, effects),
        Overlay::AnyAction(question) => any_action::key(state, question, chord, effects),
        Overlay::Keep { selected } => timed::key(state, selected, chord, effects),
        Overlay::BatchPick { selected } => batch::pick_key(state, selected, chord, effects),
        Overlay::Batch(preview) => batch::preview_key(state, preview, chord, effects),
        Overlay::Ticket(question) => ticket::key(state, question, chord, effects),
        Overlay::Secret(handed) => match chord.key {
            Key::Esc => {}
            _ if chord.typed() == Some('y') => {
                effects.push(Effect::Console(Console::CopySecret(handed.value.clone())));
                state.overlays.push(Overlay::Secret(handed));
            }
            _ => state.overlays.push(Overlay::Secret(handed)),
        },
        Overlay::Help { .. } | Overlay::Log { .. } | Overlay::Reader(_) => {}
    }
    Dirty::Frame
}

/// Text pasted into the terminal goes where text is being typed, and nowhere else: a paste must
/// never act as keys.
pub fn pasted(state: &mut State, text: &str, _effects: &mut Vec<Effect>) -> Dirty {
    let text = crate::domain::text::sanitise_block(text, MAX_PASTE);
    match state.overlays.last_mut() {
        Some(Overlay::Filter { edit, .. }) => {
            edit.insert_str(text.lines().next().unwrap_or_default());
            let wanted = edit.text().to_owned();
            state.fleet.set_filter(&wanted);
        }
        Some(
            Overlay::Palette { edit, .. }
            | Overlay::UserSource { edit, .. }
            | Overlay::LoginConsent { edit, .. },
        ) => {
            edit.insert_str(text.lines().next().unwrap_or_default().trim());
        }
        Some(Overlay::AnyAction(question)) => any_action::edit(question, |line| {
            line.insert_str(text.lines().next().unwrap_or_default().trim());
        }),
        Some(Overlay::Ticket(question)) => {
            let line = text.lines().next().unwrap_or_default();
            question.edit.insert_str(line.trim());
        }
        Some(Overlay::Reader(reading)) if reading.typing.is_some() => {
            if let Some(edit) = &mut reading.typing {
                edit.insert_str(text.lines().next().unwrap_or_default().trim());
            }
        }
        Some(Overlay::Paste { editor }) => {
            editor.insert_str(&text);
        }
        // A name is typed to make the hand stop and think; pasting it would not.
        _ => return Dirty::Nothing,
    }
    Dirty::Frame
}

/// The attempt begins with `Enter`, below what it costs; a name that ssh would not take stays.
fn login_key(state: &mut State, mut edit: LineEdit, chord: Chord, effects: &mut Vec<Effect>) {
    let mut bad = false;
    match chord.key {
        Key::Esc => return,
        Key::Enter => {
            let user = edit.text().trim().to_owned();
            bad = !is_login_name(&user);
            if !bad {
                return commands::try_login(state, &user, effects);
            }
        }
        _ => {
            edit.key(chord);
        }
    }
    state.overlays.push(Overlay::LoginConsent { edit, bad });
}

fn user_source_key(
    state: &mut State,
    mut edit: LineEdit,
    then: Option<Box<RankedAction>>,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    match chord.key {
        Key::Esc => {}
        Key::Enter => {
            let text = edit.text().trim().to_owned();
            if let Err(error) = user_source_given(state, &text, then.as_deref(), effects) {
                let error = Some(error);
                state
                    .overlays
                    .push(Overlay::UserSource { edit, error, then });
            }
        }
        _ => {
            edit.key(chord);
            let error = None;
            state
                .overlays
                .push(Overlay::UserSource { edit, error, then });
        }
    }
}

/// Takes the address, and goes on with the action that waited for it, or looks again.
fn user_source_given(
    state: &mut State,
    text: &str,
    then: Option<&RankedAction>,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    let ui = &state.texts.ui;
    let told = match (text, then) {
        ("", None) => {
            state.user_source = None;
            ui.user_source_cleared.clone()
        }
        // This host alone, named as such: it lets nobody else in.
        ("here", Some(action)) => {
            let mut action = action.clone();
            action.parameters.insert("source".into(), "here".into());
            actions::prepare_ranked(state, action, effects);
            return Ok(());
        }
        _ => {
            let address = text
                .parse()
                .map_err(|_| fill(&ui.user_source_bad, &[("text", text)]))?;
            state.user_source = Some(address);
            fill(&ui.user_source_set, &[("address", text)])
        }
    };
    state.tell(Severity::Good, told);
    super::arrivals::weigh_selected(state);
    match then {
        Some(action) => {
            actions::prepare_ranked(state, action.clone(), effects);
        }
        None if state.selected_case().is_some() => commands::triage(state, false, effects),
        None => {}
    }
    Ok(())
}

fn paste_key(
    state: &mut State,
    mut editor: Box<tui_textarea::TextArea<'static>>,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    match (chord.ctrl, chord.key) {
        (_, Key::Esc) => {}
        // Ctrl-S is taken by flow control on some terminals, so Ctrl-D, which ends an input in
        // every shell, takes the text too.
        (true, Key::Char('d' | 's')) => {
            commands::take_pasted(state, &editor.lines().join("\n"), effects);
        }
        _ => {
            editor.input(editor_input(chord));
            state.overlays.push(Overlay::Paste { editor });
        }
    }
}

fn editor_input(chord: Chord) -> Input {
    let key = match chord.key {
        Key::Char(c) => EditorKey::Char(c),
        Key::Enter => EditorKey::Enter,
        Key::Esc => EditorKey::Esc,
        Key::Tab => EditorKey::Tab,
        Key::Backspace => EditorKey::Backspace,
        Key::Delete => EditorKey::Delete,
        Key::Insert => EditorKey::Null,
        Key::Up => EditorKey::Up,
        Key::Down => EditorKey::Down,
        Key::Left => EditorKey::Left,
        Key::Right => EditorKey::Right,
        Key::Home => EditorKey::Home,
        Key::End => EditorKey::End,
        Key::PageUp => EditorKey::PageUp,
        Key::PageDown => EditorKey::PageDown,
        Key::F(n) => EditorKey::F(n),
    };
    Input {
        key,
        ctrl: chord.ctrl,
        alt: chord.alt,
        shift: chord.shift,
    }
}

fn pick_cause_key(
    state: &mut State,
    selected: usize,
    ask: AskCause,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    let last = state
        .selected_report()
        .map_or(0, |report| report.causes.len().saturating_sub(1));
    let selected = selected.min(last);
    let selected = match chord.key {
        Key::Esc => return,
        Key::Enter => {
            match ask {
                AskCause::WasItTrue => commands::confirm_cause(state, selected, effects),
                AskCause::WhyNot => commands::why_not(state, selected),
            }
            return;
        }
        Key::Up | Key::Char('k') => selected.saturating_sub(1),
        Key::Down | Key::Char('j') => (selected + 1).min(last),
        Key::PageUp => selected.saturating_sub(10),
        Key::PageDown => (selected + 10).min(last),
        _ => selected,
    };
    state.overlays.push(Overlay::PickCause { selected, ask });
}

/// The preview: scrolls, and takes the confirmation that the plan asks for. Enter alone never
/// confirms; it is what a hand does by reflex.
fn preview_key(
    state: &mut State,
    mut preview: Box<Preview>,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    let typing = preview.plan.confirmation == Confirmation::TypedName;
    let page = state.geometry.overlay.height.max(4) as isize - 1;
    let most = state.geometry.overlay.max_offset();
    let lines = match chord.key {
        Key::Esc => {
            state.jobs.forget(preview.run);
            return;
        }
        Key::Up => -1,
        Key::Down => 1,
        Key::PageUp => -page,
        Key::PageDown => page,
        Key::Enter if typing => {
            let given = Given::Typed(preview.edit.text().to_owned());
            return actions::confirm(state, preview, &given, effects);
        }
        _ if typing => {
            preview.edit.key(chord);
            preview.refused = None;
            0
        }
        Key::Char('k') => -1,
        Key::Char('j') => 1,
        Key::Char('Y') => return actions::confirm(state, preview, &Given::Key, effects),
        _ => 0,
    };
    preview.offset = preview.offset.saturating_add_signed(lines).min(most);
    state.overlays.push(Overlay::Preview(preview));
}
