//! The tty itself: raw mode, events, one write per frame, what it can show, and its loss.
//!
//! Must not live here: what is drawn (`view`), what a key means (`input`, `app`).

pub mod capability;
pub mod clipboard;
pub mod events;
pub mod frame_clock;
pub mod hangup;
pub mod hyperlink;
pub mod screen;
pub mod session;
pub mod writer;

use crate::domain::said::Said;
use crate::view::said;

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum TerminalError {
    NotATerminal,
    /// A step of the set-up failed.
    Setup {
        what: &'static str,
        source: std::io::Error,
    },
}

impl TerminalError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::NotATerminal => said::no_terminal(),
            Self::Setup { what, source } => said::terminal_setup(what, source),
        }
    }
}
