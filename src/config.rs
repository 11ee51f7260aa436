//! Settings: flags, environment, file, defaults; where each value came from.
//!
//! A wrong or unknown entry is reported with file, line and key, and the program starts with the
//! default in its place. Must not live here: secrets (`cloud::credentials`), what settings do.

pub mod hosts;
pub mod paths;
pub mod settings;
pub mod ssh_config;

mod file;
mod keys;
mod layers;
mod value;

pub use hosts::StaticHost;
pub use layers::{
    Environment, Loaded, Origin, Overrides, Problem, Severity, load, load_text, load_with,
};
pub use paths::Paths;
pub use settings::{
    AmbiguousWidth, CloudSettings, Glyphs, KeyBinding, Lang, LogSettings, OnOff, ProbeSettings,
    Settings, UiSettings, VantageSetting,
};

use std::path::PathBuf;

use thiserror::Error;

/// The commented default config, as `cvmtop config default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../assets/config-default.toml");

/// Why there are no settings at all.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("config file {path}: {reason}; give another with --config, or leave it out")]
    Unreadable { path: PathBuf, reason: String },
    #[error(
        "neither HOME nor CVMTOP_STATE_DIR says where files belong; set CVMTOP_STATE_DIR to a directory"
    )]
    NoHome,
}
