//! Where files belong: config, themes, guides, state (journal, history), log.
//!
//! The platform's directories as the `directories` crate gives them; `CVMTOP_CONFIG` and
//! `CVMTOP_STATE_DIR` override. Must not live here: reading or writing any of them.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use super::ConfigError;
use super::environment::Environment;

/// The program's places in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub config_file: PathBuf,
    /// True if the file was named by flag or variable, so that its absence is a mistake.
    pub config_file_is_explicit: bool,
    /// Themes of the operator's own.
    pub themes_dir: PathBuf,
    /// Guides of the operator's own, unless `guides` says otherwise.
    pub guides_dir: PathBuf,
    /// Journal, history, default log.
    pub state_dir: PathBuf,
}

impl Paths {
    /// Places for a config file named by flag, and the environment.
    pub fn new(flag: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let dirs = environment
            .use_platform_directories
            .then(|| ProjectDirs::from("", "", "cvmtop"))
            .flatten();
        let home = environment.home.as_deref();
        let config_dir = dirs
            .as_ref()
            .map(|dirs| dirs.config_dir().to_owned())
            .or_else(|| home.map(|home| home.join(".config/cvmtop")));
        let named = flag
            .map(Path::to_owned)
            .or_else(|| environment.path("CVMTOP_CONFIG"));
        let state_dir = environment
            .path("CVMTOP_STATE_DIR")
            .or_else(|| {
                dirs.as_ref().map(|dirs| {
                    dirs.state_dir()
                        .unwrap_or_else(|| dirs.data_local_dir())
                        .to_owned()
                })
            })
            .or_else(|| home.map(|home| home.join(".local/state/cvmtop")))
            .ok_or(ConfigError::NoHome)?;
        // Without a home the state directory has to hold what there is.
        let config_dir = config_dir.unwrap_or_else(|| state_dir.clone());
        Ok(Self {
            config_file_is_explicit: named.is_some(),
            config_file: named.unwrap_or_else(|| config_dir.join("config.toml")),
            themes_dir: config_dir.join("themes"),
            guides_dir: config_dir.join("guides"),
            state_dir,
        })
    }

    /// The log file unless the settings name another.
    pub fn default_log(&self) -> PathBuf {
        self.state_dir.join("cvmtop.log")
    }
}
