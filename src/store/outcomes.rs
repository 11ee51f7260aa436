//! Confirmed causes, one JSON line each, appended and never changed; bounded in size and age.
//!
//! Holds no address, name or id; what is exported has no moment either, only an age in days. Must not live here: what outcomes do
//! to priors (`diagnosis::learn`).

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StoreError, private};
use crate::diagnosis::learn::{Confirmation, Outcome};

const FILE: &str = "outcomes.jsonl";
/// Older outcomes have lost nearly all of their weight (half-life 180 days).
const KEPT_DAYS: f64 = 1_500.0;
const DAY_S: f64 = 86_400.0;
/// From this size on, old lines are dropped when a new one is added.
const MAX_BYTES: u64 = 256 * 1024;
/// Lines that are kept then.
const KEPT_LINES: usize = 1_000;

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
            self.shorten()?;
            let mut file = private::append_to(&self.path)?;
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
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(StoreError::Read {
                    path: self.path.clone(),
                    source,
                });
            }
        };
        Ok(String::from_utf8_lossy(&bytes)
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

    /// All outcomes as JSON lines that can be shared: cause, how it was confirmed, age in days.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn export(&self, now: Timestamp) -> Result<String, StoreError> {
        let mut text = String::new();
        for mut outcome in self.read(now)? {
            outcome.age_days = outcome.age_days.floor();
            text.push_str(&serde_json::to_string(&outcome).expect("plain fields are JSON"));
            text.push('\n');
        }
        Ok(text)
    }

    /// Forgets everything; the answer is whether there was anything.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn reset(&self) -> Result<bool, StoreError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::Write {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Keeps the newest lines of a file that has grown too large; the new file replaces the old
    /// one in one step.
    fn shorten(&self) -> std::io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(meta) if meta.len() > MAX_BYTES => {}
            _ => return Ok(()),
        }
        let text = fs::read(&self.path)?;
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let kept = lines[lines.len().saturating_sub(KEPT_LINES)..].concat();
        let fresh = self.path.with_extension("new");
        private::make_file(&fresh)?;
        fs::write(&fresh, kept)?;
        fs::rename(&fresh, &self.path)
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

    #[test]
    fn what_is_exported_holds_no_moment_and_a_reset_forgets() {
        let directory = tempfile::tempdir().unwrap();
        let outcomes = Outcomes::in_directory(directory.path());
        let at = Timestamp::from_second(1_000_000).unwrap();
        outcomes
            .append(at, "disk-full", Confirmation::Verified)
            .unwrap();
        let later = Timestamp::from_second(1_000_000 + 86_400 * 3 + 777).unwrap();
        assert_eq!(
            outcomes.export(later).unwrap(),
            "{\"cause\":\"disk-full\",\"confirmation\":\"verified\",\"age_days\":3.0}\n"
        );
        assert!(outcomes.reset().unwrap());
        assert!(!outcomes.reset().unwrap());
        assert!(outcomes.read(later).unwrap().is_empty());
    }

    #[test]
    fn the_file_stays_small() {
        let directory = tempfile::tempdir().unwrap();
        let outcomes = Outcomes::in_directory(directory.path());
        let at = Timestamp::from_second(1_000_000).unwrap();
        let line = "{\"at\":\"1970-01-12T13:46:40Z\",\"cause\":\"disk-full\",\"confirmation\":\"asserted\"}\n";
        fs::write(directory.path().join(FILE), line.repeat(5_000)).unwrap();
        outcomes
            .append(at, "cpu-overload", Confirmation::Asserted)
            .unwrap();
        let read = outcomes.read(at).unwrap();
        assert_eq!(read.len(), KEPT_LINES + 1);
        assert_eq!(read[KEPT_LINES].cause, "cpu-overload");
    }
}
