//! What should happen in the world, as data; carried out by `runtime::executor`.
//!
//! Must not live here: how any of it is done.

use std::net::IpAddr;

use super::case::RunId;

/// One thing to do outside of the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// List all instances of the configured regions.
    List {
        generation: u64,
    },
    /// Collect everything about one instance.
    Triage {
        run: RunId,
        instance: String,
        deep: bool,
        user_source: Option<IpAddr>,
        error_text: String,
    },
    /// Look at login ports in the background.
    Sweep {
        run: RunId,
        instances: Vec<String>,
    },
    /// Stop a run; its late answers are dropped anyway.
    Cancel {
        run: RunId,
    },
    /// Put text on the operator's clipboard.
    Copy {
        text: String,
    },
    /// Draw everything again.
    Repaint,
    /// Hand the terminal back to the shell until resumed.
    Suspend,
    SetMouse(bool),
    Quit,
}
