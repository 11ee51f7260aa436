//! A batch: which action, and the preview of all its plans; it confirms as a single action does,
//! with a phrase in place of a name.
//!
//! Must not live here: which actions there are (`app::batch`), planning (`action::batch`).

use super::preview::{Wanted, no_confirmation, scrolled, wanted};
use super::{Answer, LIST_PAGE, walked};
use crate::action::batch::Batch;
use crate::action::gate::{Given, approve_batch};
use crate::app::batch::{Choice, choices};
use crate::app::case::RunId;
use crate::app::effect::Effect;
use crate::app::keys::List;
use crate::app::line_edit::LineEdit;
use crate::app::state::State;
use crate::app::update::{actions, batch};
use crate::domain::said::Said;
use crate::input::chord::Chord;

/// The pick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchPick {
    pub selected: usize,
}

impl BatchPick {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<List>(chord)?;
        let all = choices(state);
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, all.len());
        Some(match command {
            List::Up | List::Down | List::PageUp | List::PageDown => Answer::Stay,
            List::Close => Answer::Close,
            List::Accept => {
                if let Some(choice) = all.into_iter().nth(self.selected) {
                    let marked = batch::marked(state);
                    batch::prepare(state, choice, marked, effects);
                }
                Answer::Close
            }
        })
    }
}

/// What a batch would do.
#[derive(Debug)]
pub struct BatchPreview {
    pub run: RunId,
    pub batch: Batch,
    pub choice: Choice,
    pub offset: usize,
    /// The phrase typed so far, where typing it is asked for.
    pub edit: LineEdit,
    /// Why the last try was refused.
    pub refused: Option<Said>,
}

impl BatchPreview {
    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let asks = self.batch.confirmation();
        let Some(wanted) = wanted(state, chord, asks, &self.edit) else {
            let hint = no_confirmation(state, chord, asks)?;
            let access = actions::access(state);
            let barred = approve_batch(self.batch.clone(), &access, &Given::Key, &[]).err();
            self.refused = Some(barred.map_or(hint, |refusal| refusal.said()));
            return Some(Answer::Stay);
        };
        Some(match wanted {
            Wanted::Scroll(lines) => {
                self.offset = scrolled(state, self.offset, lines);
                Answer::Stay
            }
            Wanted::Close => Answer::Close,
            Wanted::Confirm(given) => match batch::confirm(state, self, &given, effects) {
                Ok(()) => Answer::Close,
                Err(why) => {
                    self.refused = Some(why);
                    Answer::Stay
                }
            },
        })
    }
}
