//! The preview of an action: it scrolls, and takes the confirmation that the plan asks for. Enter
//! alone never confirms; it is what a hand does by reflex.
//!
//! Must not live here: the gate (`action::gate`), what the preview says (`action::preview`).

use super::{Answer, sheet_page};
use crate::action::gate::{Given, approve};
use crate::action::plan::{Confirmation, Plan};
use crate::app::case::RunId;
use crate::app::effect::Effect;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::state::State;
use crate::app::update::actions;
use crate::domain::said::Said;
use crate::input::chord::{Chord, Key};

/// What an action would do.
#[derive(Debug)]
pub struct Preview {
    pub run: RunId,
    pub plan: Plan,
    pub offset: usize,
    /// The name typed so far, where typing it is asked for.
    pub edit: LineEdit,
    /// Why the last try was refused.
    pub refused: Option<Said>,
}

impl Preview {
    /// The preview from its top.
    pub fn new(run: RunId, plan: Plan) -> Self {
        Self {
            run,
            plan,
            offset: 0,
            edit: LineEdit::default(),
            refused: None,
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let Some(wanted) = wanted(state, chord, self.plan.confirmation, &self.edit) else {
            let hint = no_confirmation(state, chord, self.plan.confirmation)?;
            // The key that confirms is no help where it would be refused, too.
            let barred = approve(self.plan.clone(), &actions::access(state), &Given::Key).err();
            self.refused = Some(barred.map_or(hint, |refusal| refusal.said()));
            return Some(Answer::Stay);
        };
        Some(match wanted {
            Wanted::Scroll(lines) => {
                self.offset = scrolled(state, self.offset, lines);
                Answer::Stay
            }
            Wanted::Close => {
                state.jobs.forget(self.run);
                Answer::Close
            }
            Wanted::Confirm(given) => match actions::confirm(state, self, &given, effects) {
                Ok(()) => Answer::Close,
                Err(why) => {
                    self.refused = Some(why);
                    Answer::Stay
                }
            },
        })
    }
}

/// What a chord asks of a sheet that is confirmed.
#[derive(Debug)]
pub(super) enum Wanted {
    Scroll(isize),
    Close,
    Confirm(Given),
}

/// Reads a chord in the context that the confirmation calls for.
pub(super) fn wanted(
    state: &State,
    chord: Chord,
    asks: Confirmation,
    typed: &LineEdit,
) -> Option<Wanted> {
    let page = sheet_page(state);
    if asks == Confirmation::TypedName {
        let command = state.keys.of::<keys::TypedName>(chord)?;
        let lines = command.lines(page).map(Wanted::Scroll);
        return Some(match command {
            keys::TypedName::Confirm => Wanted::Confirm(Given::Typed(typed.text().to_owned())),
            keys::TypedName::Close => Wanted::Close,
            keys::TypedName::Up
            | keys::TypedName::Down
            | keys::TypedName::PageUp
            | keys::TypedName::PageDown => lines?,
        });
    }
    let command = state.keys.of::<keys::Preview>(chord)?;
    let lines = command.lines(page).map(Wanted::Scroll);
    Some(match command {
        keys::Preview::Confirm => Wanted::Confirm(Given::Key),
        keys::Preview::Close => Wanted::Close,
        keys::Preview::Up
        | keys::Preview::Down
        | keys::Preview::PageUp
        | keys::Preview::PageDown => lines?,
    })
}

/// What to press instead, for the keys that a hand tries where another one confirms.
pub(super) fn no_confirmation(state: &State, chord: Chord, asks: Confirmation) -> Option<Said> {
    let tried = chord == Chord::plain(Key::Enter) || matches!(chord.typed(), Some('y' | 'Y'));
    if asks == Confirmation::TypedName || !tried {
        return None;
    }
    let key = state.keys.chords(keys::Preview::Confirm).first()?;
    Some(Said::raw(fill(
        &state.texts.ui.preview_key,
        &[("key", &key.to_string())],
    )))
}

/// An offset after so many lines more.
pub(super) fn scrolled(state: &State, offset: usize, lines: isize) -> usize {
    let most = state.geometry.overlay.max_offset();
    offset.saturating_add_signed(lines).min(most)
}
