//! The tty itself: raw mode, events, one write per frame, what it can show, and its loss.
//!
//! Must not live here: what is drawn (`view`), what a key means (`input`, `app`).

pub mod capability;
pub mod clipboard;
pub mod events;
pub mod frame_clock;
pub mod hangup;
pub mod screen;
pub mod session;
pub mod writer;

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error(
        "the console needs a terminal on standard input and output; in scripts use `cvmtop list` and `cvmtop diagnose`"
    )]
    NotATerminal,
    #[error("the terminal does not let itself be set up ({what}): {source}")]
    Setup {
        what: &'static str,
        source: std::io::Error,
    },
}
