//! The self-diagnosis of the selected instance, item by item; an item leads to its mend.
//!
//! Must not live here: reading and judging (`runtime::check`), when it is run (`app::checkup`).

use super::{Answer, LIST_PAGE, walked};
use crate::app::effect::Effect;
use crate::app::keys::List;
use crate::app::state::State;
use crate::app::update::{actions, reader};
use crate::domain::action::ActionId;
use crate::domain::check::Mend;
use crate::input::chord::Chord;

/// The list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelfCheck {
    pub selected: usize,
}

impl SelfCheck {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<List>(chord)?;
        let report = state
            .selected_case()
            .and_then(|case| case.check.report.as_ref());
        let items = report.map(|report| report.listed()).unwrap_or_default();
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, items.len());
        let mend = items.get(self.selected).and_then(|item| item.mend.clone());
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                if let Some(mend) = mend {
                    lead(state, mend, effects);
                }
                Answer::Stay
            }
        })
    }
}

/// To the preview of the action, or to the guide; what has neither stands in the list.
fn lead(state: &mut State, mend: Mend, effects: &mut Vec<Effect>) {
    let action = mend.action.as_deref().and_then(ActionId::parse);
    match (action, mend.guide) {
        (Some(id), _) => {
            let ranked = actions::unranked(state, id, mend.parameters);
            actions::prepare_ranked(state, ranked, effects);
        }
        (None, Some(slug)) => reader::open(state, &slug),
        (None, None) => {}
    }
}
