//! Confirmed causes, one JSON line each, appended and never changed.
//!
//! Holds no address, name or id, so that it can be shared. Must not live here: what outcomes do
//! to priors (`diagnosis::learn`).

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::diagnosis::learn::{Confirmation, Outcome};

const FILE: &str = "outcomes.jsonl";
/// Older outcomes have lost nearly all of their weight (half-life 180 days).
const KEPT_DAYS: f64 = 1_500.0;
const DAY_S: f64 = 86_400.0;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    cause: String,
    confirmation: Confirmation,
}

/// The file of outcomes.
#[derive(Debug, Clone)]
pub struct Outcomes {
    path: PathBuf,
}

impl Outcomes {
    /// The outcomes of a state directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
        }
    }

    /// Appends one outcome.
    ///
    /// # Errors
    /// When the directory or the file cannot be written.
    pub fn append(
        &self,
        at: Timestamp,
        cause: &str,
        confirmation: Confirmation,
    ) -> Result<(), StoreError> {
        let line = Line {
            at,
            cause: cause.to_owned(),
            confirmation,
        };
        let text = serde_json::to_string(&line).expect("a line of plain fields is JSON");
        let write = || {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_data()
        };
        write().map_err(|source| StoreError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// All outcomes with their age at `now`; lines that cannot be understood are left out.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(&self, now: Timestamp) -> Result<Vec<Outcome>, StoreError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(StoreError::Read {
                    path: self.path.clone(),
                    source,
                });
            }
        };
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok())
            .map(|line| Outcome {
                age_days: now.duration_since(line.at).as_secs_f64() / DAY_S,
                cause: line.cause,
                confirmation: line.confirmation,
            })
            .filter(|outcome| (0.0..KEPT_DAYS).contains(&outcome.age_days))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_with_its_age() {
        let directory = tempfile::tempdir().unwrap();
        let outcomes = Outcomes::in_directory(&directory.path().join("new"));
        let at = Timestamp::from_second(1_000_000).unwrap();
        assert!(outcomes.read(at).unwrap().is_empty());
        outcomes
            .append(at, "disk-full", Confirmation::Asserted)
            .unwrap();
        let later = Timestamp::from_second(1_000_000 + 86_400 * 2).unwrap();
        let read = outcomes.read(later).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].cause, "disk-full");
        assert!((read[0].age_days - 2.0).abs() < 1e-9);
    }
}
