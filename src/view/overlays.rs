//! What lies over the panes.
//!
//! Must not live here: what the keys do (`app::update`).

mod any_action;
pub mod batch;
pub mod dialogs;
pub mod help;
pub mod log;
pub mod palette;
pub mod paste;
pub mod preview;
pub mod reader;
mod sheet;
mod tell;

use ratatui::layout::Rect;

use super::widgets::paint::Paint;
use crate::app::geometry::Scrolled;
use crate::app::overlay::Overlay;
use crate::app::state::State;

/// Draws one layer; gives what scrolls in it.
pub fn draw(
    overlay: &Overlay,
    state: &State,
    paint: &mut Paint<'_>,
    screen: Rect,
) -> Option<Scrolled> {
    match overlay {
        // The filter is a line of the list, not a box over it.
        Overlay::Filter { .. } => None,
        Overlay::Help { offset } => Some(help::draw(state, *offset, paint, screen)),
        Overlay::Log { offset } => Some(log::draw(state, *offset, paint, screen)),
        Overlay::Reader(reading) => Some(reader::draw(state, reading, paint, screen)),
        Overlay::Palette { edit, selected } => {
            palette::draw(state, edit, *selected, paint, screen);
            None
        }
        Overlay::Paste { editor } => {
            paste::draw(state, editor, paint, screen);
            None
        }
        Overlay::UserSource { edit, error, then } => {
            let question = dialogs::SourceQuestion {
                edit,
                error: error.as_deref(),
                for_action: then.is_some(),
            };
            dialogs::user_source(state, &question, paint, screen);
            None
        }
        Overlay::DeepConsent => {
            dialogs::deep_consent(state, paint, screen);
            None
        }
        Overlay::LoginConsent { edit, bad } => {
            dialogs::login_consent(state, edit, *bad, paint, screen);
            None
        }
        Overlay::PickCause { selected, ask } => {
            dialogs::pick_cause(state, *selected, *ask, paint, screen);
            None
        }
        Overlay::Tell { selected } => {
            tell::draw(state, *selected, paint, screen);
            None
        }
        Overlay::Preview(preview) => Some(preview::draw(state, preview, paint, screen)),
        Overlay::AnyAction(question) => {
            any_action::draw(state, question, paint, screen);
            None
        }
        Overlay::Keep { selected } => {
            any_action::keep(state, *selected, paint, screen);
            None
        }
        Overlay::BatchPick { selected } => {
            batch::pick(state, *selected, paint, screen);
            None
        }
        Overlay::Batch(preview) => Some(batch::preview(state, preview, paint, screen)),
        Overlay::Secret(handed) => {
            dialogs::secret(state, handed, paint, screen);
            None
        }
        Overlay::Ticket(question) => {
            dialogs::ticket(state, question, paint, screen);
            None
        }
        Overlay::QuitAnyway => {
            dialogs::quit_anyway(state, paint, screen);
            None
        }
    }
}
