//! The process's surroundings: variables and the home.
//!
//! Must not live here: what a variable means (`layers`, `paths`).

use std::fmt;
use std::path::{Path, PathBuf};

/// Looks up an environment variable.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The process's surroundings, handed in so that tests can make their own.
pub struct Environment {
    variable: Variables,
    pub home: Option<PathBuf>,
    /// Ask the platform for its directories; off in tests.
    pub use_platform_directories: bool,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// This process's variables and home.
    pub fn process() -> Self {
        Self {
            variable: Box::new(|name| std::env::var(name).ok()),
            home: directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
            use_platform_directories: true,
        }
    }

    /// Surroundings of a test.
    pub fn of(
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        home: &Path,
    ) -> Self {
        Self {
            variable: Box::new(variable),
            home: Some(home.to_owned()),
            use_platform_directories: false,
        }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.trim().is_empty())
    }

    /// A variable that names a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}
