//! Settings: flags, environment, file, defaults; where each value came from.
//!
//! A wrong or unknown entry is reported with file, line and key, and the program starts with the
//! default in its place. Must not live here: secrets (`cloud::credentials`), what settings do.

pub mod hosts;
pub mod paths;
pub mod settings;
pub mod shared_store;
pub mod ssh_config;
pub mod ssh_names;

mod environment;
mod file;
mod keys;
mod layers;
mod problem;
pub mod said;
mod suggestion;
mod value;

pub use environment::Environment;
pub use hosts::StaticHost;
pub use layers::{Loaded, Origin, Overrides, load, load_text, load_with};
pub use paths::Paths;
pub use problem::{Problem, Severity};
pub use settings::{
    AmbiguousWidth, CloudSettings, Glyphs, KeyBinding, Lang, LogSettings, OnOff, ProbeSettings,
    Settings, SiteSetting, UiSettings, VantageSetting,
};

use std::path::PathBuf;

use thiserror::Error;

use crate::domain::said::Said;

/// The commented default config, as `cvmtop config default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../assets/config-default.toml");

/// Why there are no settings at all.
#[derive(Debug, Error)]
#[error("{}", self.said())]
pub enum ConfigError {
    Unreadable {
        path: PathBuf,
        reason: Said,
    },
    /// Neither the home directory nor a state directory is named.
    NoHome,
}

impl ConfigError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Unreadable { path, reason } => said::file_unreadable(path.display(), reason),
            Self::NoHome => said::no_home(),
        }
    }
}

/// What each setting is for, in English; what is wrong with a value says it too.
pub fn helps() -> impl Iterator<Item = &'static str> {
    keys::ENTRIES.iter().map(|entry| entry.help)
}

/// Each setting's variable, its key in the file, and what it is for.
pub fn variables() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let all = keys::ENTRIES.iter();
    all.map(|entry| (entry.variable, entry.key, entry.help))
}
