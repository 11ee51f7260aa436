//! The address that the failing user comes from.
//!
//! Must not live here: what it changes in a diagnosis.

use super::Answer;
use crate::action::parameters::one_address;
use crate::app::batch::Choice;
use crate::app::case::RunId;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::state::State;
use crate::app::update::{actions, arrivals, batch, commands};
use crate::domain::report::RankedAction;
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Default)]
pub struct UserSource {
    pub edit: LineEdit,
    pub error: Option<String>,
    /// What cannot go on without it.
    pub then: Option<Then>,
}

/// What goes on once the address is known.
#[derive(Debug, Clone)]
pub enum Then {
    One(Box<RankedAction>),
    /// A batch on these instances.
    Several(Choice, Vec<String>),
}

impl Then {
    /// This host alone, named as such: it lets nobody else in.
    #[must_use]
    pub fn for_this_host(mut self) -> Self {
        let parameters = match &mut self {
            Self::One(action) => &mut action.parameters,
            Self::Several(choice, _) => &mut choice.parameters,
        };
        parameters.insert("source".into(), "here".into());
        self
    }

    /// The run of the preview, where it is of one instance.
    pub fn go_on(self, state: &mut State, effects: &mut Vec<Effect>) -> Option<RunId> {
        match self {
            Self::One(action) => actions::prepare_ranked(state, *action, effects),
            Self::Several(choice, instances) => {
                batch::prepare(state, choice, instances, effects);
                None
            }
        }
    }
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
                match given(state, &text, self.then.clone(), effects) {
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
    then: Option<Then>,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    let ui = &state.texts.ui;
    let told = match (text, then) {
        // Without an address, rules are judged for this host.
        ("", None) => {
            state.user_source = None;
            state.user_is_here = false;
            ui.user_source_cleared.clone()
        }
        ("here", None) => {
            state.user_source = None;
            state.user_is_here = true;
            fill(&ui.user_source_is_here, &[("host", &state.vantage)])
        }
        ("here", Some(then)) => {
            then.for_this_host().go_on(state, effects);
            return Ok(());
        }
        (_, then) => {
            let address =
                one_address(text).ok_or_else(|| fill(&ui.user_source_bad, &[("text", text)]))?;
            state.user_source = Some(address);
            state.user_is_here = false;
            let told = fill(&ui.user_source_set, &[("address", &address.to_string())]);
            if let Some(then) = then {
                state.tell(Severity::Good, told);
                arrivals::weigh_selected(state);
                then.go_on(state, effects);
                return Ok(());
            }
            told
        }
    };
    state.tell(Severity::Good, told);
    arrivals::weigh_selected(state);
    if state.selected_case().is_some() {
        commands::triage(state, false, effects);
    }
    Ok(())
}
