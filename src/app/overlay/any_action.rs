//! The pick of any action of the catalogue, and the line with its parameters.
//!
//! It ends in the same preview and gate as a ranked action. Must not live here: which actions
//! there are (`app::any_action`).

use serde_json::{Map, Value};

use super::Answer;
use super::picker::{Picked, Picker};
use crate::action::Parameters;
use crate::app::any_action::{choices, known_parameters, specs, words};
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::update::actions;
use crate::domain::action::ActionId;
use crate::domain::said::Said;
use crate::input::chord::Chord;

/// The question, in its two parts.
#[derive(Debug, Clone, Default)]
pub struct AnyAction {
    /// `None` while it is picked.
    pub chosen: Option<ActionId>,
    pub pick: Picker,
    /// Its parameters as `name=value` words.
    pub given: LineEdit,
    pub error: Option<Said>,
}

impl AnyAction {
    /// The second part for an action, with what is known of its parameters filled in.
    pub fn parameters_of(action: ActionId, known: &Map<String, Value>) -> Self {
        Self {
            chosen: Some(action),
            given: LineEdit::new(&words(action, known)),
            ..Self::default()
        }
    }

    /// Where text is typed.
    pub fn field(&mut self) -> &mut LineEdit {
        match self.chosen {
            None => &mut self.pick.edit,
            Some(_) => &mut self.given,
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        match self.chosen {
            None => self.pick(state, chord, effects),
            Some(action) => self.give(action, state, chord, effects),
        }
    }

    fn pick(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<keys::Palette>(chord)?;
        let found = choices(state, self.pick.edit.text());
        Some(match self.pick.press(command, found.len()) {
            Picked::Open => Answer::Stay,
            Picked::Closed => Answer::Close,
            Picked::Taken(row) => {
                let Some(action) = found.get(row).copied() else {
                    return Some(Answer::Stay);
                };
                let known = known_parameters(state, action);
                if specs(action).is_empty() {
                    let ranked = actions::unranked(state, action, known);
                    actions::prepare_ranked(state, ranked, effects);
                    return Some(Answer::Close);
                }
                *self = Self::parameters_of(action, &known);
                Answer::Stay
            }
        })
    }

    fn give(
        &mut self,
        action: ActionId,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<keys::Line>(chord)? {
            keys::Line::Close => Answer::Close,
            keys::Line::Accept => match parameters(action, self.given.text()) {
                Ok(given) => {
                    let ranked = actions::unranked(state, action, given.to_json());
                    actions::prepare_ranked(state, ranked, effects);
                    Answer::Close
                }
                Err(why) => {
                    self.error = Some(why);
                    Answer::Stay
                }
            },
        })
    }
}

fn parameters(action: ActionId, text: &str) -> Result<Parameters, Said> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Parameters::from_words(action, &words).map_err(|error| error.0)
}
