//! What lies over the panes.
//!
//! Must not live here: what the keys do (`app::update`).

mod any_action;
pub mod batch;
mod columns;
pub mod dialogs;
mod facts;
mod fleet_causes;
pub mod help;
pub mod hints;
pub mod log;
pub mod palette;
pub mod paste;
mod picker;
mod ports;
pub mod preview;
pub mod reader;
mod self_check;
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
        Overlay::Filter(_) => None,
        Overlay::Help(help) => Some(help::draw(state, *help, paint, screen)),
        Overlay::Log(log) => Some(log::draw(state, log.offset, paint, screen)),
        Overlay::Reader(reading) => Some(reader::draw(state, reading, paint, screen)),
        Overlay::Palette(palette) => {
            palette::draw(state, palette, paint, screen);
            None
        }
        Overlay::Paste(paste) => {
            paste::draw(state, &paste.editor, paint, screen);
            None
        }
        Overlay::UserSource(question) => {
            dialogs::user_source(state, question, paint, screen);
            None
        }
        Overlay::DeepConsent | Overlay::Lookers(_) | Overlay::LoginConsent(_) => {
            dialogs::consent(state, overlay, paint, screen);
            None
        }
        Overlay::PickCause(pick) => {
            dialogs::pick_cause(state, pick, paint, screen);
            None
        }
        Overlay::PickFact(question) => {
            facts::draw(state, question, paint, screen);
            None
        }
        Overlay::FleetCauses(list) => {
            fleet_causes::draw(state, list.selected, paint, screen);
            None
        }
        Overlay::SelfCheck(list) => {
            self_check::draw(state, list.selected, paint, screen);
            None
        }
        Overlay::Ports(list) => {
            ports::draw(state, list.selected, paint, screen);
            None
        }
        Overlay::Columns(question) => {
            columns::draw(state, question, paint, screen);
            None
        }
        Overlay::Tell(question) => {
            tell::draw(state, *question, paint, screen);
            None
        }
        Overlay::Preview(preview) => Some(preview::draw(state, preview, paint, screen)),
        Overlay::AnyAction(question) => {
            any_action::draw(state, question, paint, screen);
            None
        }
        Overlay::Keep(pick) => {
            any_action::keep(state, pick.selected, paint, screen);
            None
        }
        Overlay::BatchPick(pick) => {
            batch::pick(state, pick.selected, paint, screen);
            None
        }
        Overlay::Batch(preview) => Some(batch::preview(state, preview, paint, screen)),
        Overlay::Secret(secret) => {
            dialogs::secret(state, &secret.0, paint, screen);
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
