//! The port verification of the selected instance; a row leads to what opens it, and the last one to
//! the vendor's common ports in one go.
//!
//! Must not live here: judging and trying (`runtime::ports`), when it is run (`app::port_view`).

use super::{Answer, LIST_PAGE, walked};
use crate::app::effect::Effect;
use crate::app::keys::List;
use crate::app::state::State;
use crate::app::update::actions;
use crate::domain::port_report::{Opening, PortReport};
use crate::input::chord::Chord;

/// The list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    pub selected: usize,
}

/// What opens the row; the one behind the last tuple is the vendor's button.
pub fn opening(report: &PortReport, row: usize) -> Option<Opening> {
    match report.rows.get(row) {
        Some(row) => row.opens.clone(),
        None => Some(Opening::common()),
    }
}

impl Ports {
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
            .and_then(|case| case.ports.report.as_ref());
        let rows = report.map_or(0, |report| report.rows.len() + 1);
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, rows);
        let opens = report.and_then(|report| opening(report, self.selected));
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                if let Some(opens) = opens {
                    let ranked = actions::unranked(state, opens.action, opens.parameters);
                    actions::prepare_ranked(state, ranked, effects);
                }
                Answer::Stay
            }
        })
    }
}
