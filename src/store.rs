//! Journal and history on disk.
//!
//! Everything that must survive the program: what was done (`journal`), and past cases
//! (`history`). Must not live here: what any of it means for a diagnosis, and secrets.

pub mod checks;
pub mod desktop_file;
pub mod guide_steps;
pub mod history;
pub mod journal;
pub mod outcomes;
mod private;
pub mod said;
pub mod screens;

use std::path::PathBuf;

use crate::domain::said::Said;

/// What can go wrong with files of the state directory.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum StoreError {
    /// Nothing may be done that cannot be written down.
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Somebody else owns the file or may write it.
    Untrusted {
        path: PathBuf,
        owner: u32,
        mode: u32,
    },
    /// Another program holds the file; its name and process id, where known.
    Locked { path: PathBuf, holder: String },
    /// The database of past cases.
    History { path: PathBuf, reason: String },
    /// The database of past cases is of a newer version of the program.
    NewerHistory { path: PathBuf, schema: i64 },
    /// No journal entry of that id.
    NoEntry(String),
    /// Another host made that entry.
    Elsewhere {
        entry: String,
        user: String,
        host: String,
    },
    /// Several journal entries begin or end so.
    Ambiguous { given: String, matches: String },
}

impl StoreError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Write { path, source } => said::write(path.display(), source),
            Self::Read { path, source } => said::read(path.display(), source),
            Self::Untrusted { path, owner, mode } => {
                said::untrusted(path.display(), *owner, format!("{mode:04o}"))
            }
            Self::Locked { path, holder } if holder.is_empty() => said::locked(path.display()),
            Self::Locked { path, holder } => said::locked_by(path.display(), holder),
            Self::History { path, reason } => said::history(path.display(), reason),
            Self::NewerHistory { path, schema } => said::newer_history(path.display(), *schema),
            Self::NoEntry(id) => said::no_entry(id),
            Self::Elsewhere { entry, user, host } => said::entry_of_host(entry, user, host),
            Self::Ambiguous { given, matches } => said::ambiguous(given, matches),
        }
    }
}
