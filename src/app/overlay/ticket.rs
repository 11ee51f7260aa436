//! What is asked before a ticket bundle is written.
//!
//! Must not live here: writing it (`runtime::ticket`).

use super::Answer;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::update::ticket;
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone)]
pub struct TicketQuestion {
    pub edit: LineEdit,
    /// Replace addresses, ids and names by placeholders.
    pub mask: bool,
    /// One `.tar.gz` in place of a folder.
    pub archive: bool,
    pub error: Option<String>,
}

impl TicketQuestion {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        match state.keys.of::<keys::Ticket>(chord)? {
            keys::Ticket::Close => return Some(Answer::Close),
            keys::Ticket::Mask => self.mask = !self.mask,
            keys::Ticket::Archive => self.archive = !self.archive,
            keys::Ticket::Accept if self.edit.text().trim().is_empty() => {
                self.error = Some(state.texts.ui.ticket_no_folder.clone());
            }
            keys::Ticket::Accept => {
                ticket::write(state, self, effects);
                return Some(Answer::Close);
            }
        }
        Some(Answer::Stay)
    }
}
