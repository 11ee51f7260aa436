//! Keys of the pick of any action, and of the line with its parameters.
//!
//! It ends in the same preview and gate as a ranked action. Must not live here: which actions
//! there are (`app::any_action`).

use super::actions;
use crate::action::Parameters;
use crate::app::any_action::{AnyAction, choices, known_parameters, specs};
use crate::app::effect::Effect;
use crate::app::line_edit::LineEdit;
use crate::app::overlay::Overlay;
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::said::Said;
use crate::input::chord::{Chord, Key};

/// Opens the pick.
pub fn open(state: &mut State) {
    let pick = Box::<AnyAction>::default();
    state.overlays.push(Overlay::AnyAction(pick));
}

/// Applies a key to the question, which was taken off the stack.
pub fn key(
    state: &mut State,
    mut question: Box<AnyAction>,
    chord: Chord,
    effects: &mut Vec<Effect>,
) {
    let found = match question.chosen {
        Some(_) => Vec::new(),
        None => choices(state, question.edit.text()),
    };
    let last = found.len().saturating_sub(1);
    question.selected = question.selected.min(last);
    match (chord.key, question.chosen) {
        (Key::Esc, _) => return,
        (Key::Enter, Some(action)) => match parameters(action, question.edit.text()) {
            Ok(given) => {
                let ranked = actions::unranked(state, action, given.to_json());
                actions::prepare_ranked(state, ranked, effects);
                return;
            }
            Err(why) => question.error = Some(why),
        },
        (Key::Enter, None) => {
            let Some(action) = found.get(question.selected).copied() else {
                state.overlays.push(Overlay::AnyAction(question));
                return;
            };
            let known = known_parameters(state, action);
            if specs(action).is_empty() {
                let ranked = actions::unranked(state, action, known);
                actions::prepare_ranked(state, ranked, effects);
                return;
            }
            *question = AnyAction::parameters_of(action, &known);
        }
        (Key::Up, None) => question.selected = question.selected.saturating_sub(1),
        (Key::Down, None) => question.selected = (question.selected + 1).min(last),
        _ => edit(&mut question, |line| {
            line.key(chord);
        }),
    }
    state.overlays.push(Overlay::AnyAction(question));
}

/// Changes the line; a pick begins at its top again, and what was wrong before may not be now.
pub fn edit(question: &mut AnyAction, change: impl FnOnce(&mut LineEdit)) {
    let before = question.edit.text().to_owned();
    change(&mut question.edit);
    if question.edit.text() != before {
        question.selected = 0;
        question.error = None;
    }
}

fn parameters(action: ActionId, text: &str) -> Result<Parameters, Said> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Parameters::from_words(action, &words).map_err(|error| error.0)
}
