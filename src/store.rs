//! Journal and history on disk.
//!
//! Everything that must survive the program: what was done (`journal`), and past cases
//! (`history`). Must not live here: what any of it means for a diagnosis, and secrets.

pub mod guide_steps;
pub mod history;
pub mod journal;
pub mod outcomes;

use std::path::PathBuf;

/// What can go wrong with files of the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "cannot write {path}: {source}; actions are refused until it can be written (check the disk's space and the rights of the directory, or set CVMTOP_STATE_DIR)"
    )]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read {path}: {source}; check the rights of the file")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the history {path} cannot be used: {reason}; everything but past cases and learning goes on"
    )]
    History { path: PathBuf, reason: String },
    #[error("there is no journal entry `{0}`; `cvmtop journal` lists them")]
    NoEntry(String),
    #[error("`{given}` fits several journal entries ({matches}); give more of the id")]
    Ambiguous { given: String, matches: String },
}
