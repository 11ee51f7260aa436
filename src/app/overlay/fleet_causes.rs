//! What keeps people out of the fleet: the causes of all instances that were weighed.
//!
//! Must not live here: counting (`app::weighing`).

use super::{Answer, LIST_PAGE, walked};
use crate::app::effect::Effect;
use crate::app::keys::List;
use crate::app::state::{Pane, State};
use crate::input::chord::Chord;

/// The list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetCauses {
    pub selected: usize,
}

impl FleetCauses {
    /// Applies a chord; the cause that is picked filters the list.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        _effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<List>(chord)?;
        let causes = &state.fleet_causes.causes;
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, causes.len());
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                if let Some(cause) = causes.get(self.selected) {
                    let filter = format!("cause:{}", cause.id);
                    state.fleet.set_filter(&filter);
                    state.focus = Pane::Instances;
                }
                Answer::Close
            }
        })
    }
}
