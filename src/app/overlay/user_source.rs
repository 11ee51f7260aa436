//! The address that the failing user comes from.
//!
//! Must not live here: what it changes in a diagnosis.

use super::Answer;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::state::State;
use crate::app::update::{actions, arrivals, commands};
use crate::domain::report::RankedAction;
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Default)]
pub struct UserSource {
    pub edit: LineEdit,
    pub error: Option<String>,
    /// The action that cannot go on without it.
    pub then: Option<Box<RankedAction>>,
}

impl UserSource {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        Some(match state.keys.of::<keys::Line>(chord)? {
            keys::Line::Close => Answer::Close,
            keys::Line::Accept => {
                let text = self.edit.text().trim().to_owned();
                match given(state, &text, self.then.as_deref(), effects) {
                    Ok(()) => Answer::Close,
                    Err(error) => {
                        self.error = Some(error);
                        Answer::Stay
                    }
                }
            }
        })
    }
}

/// Takes the address, and goes on with the action that waited for it, or looks again.
fn given(
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
    arrivals::weigh_selected(state);
    match then {
        Some(action) => {
            actions::prepare_ranked(state, action.clone(), effects);
        }
        None if state.selected_case().is_some() => commands::triage(state, false, effects),
        None => {}
    }
    Ok(())
}
