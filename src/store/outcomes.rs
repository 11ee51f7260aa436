//! Confirmed causes, one JSON line each, appended and never changed; bounded in size and age.
//!
//! Holds no address, name or id; what is exported has no moment either, only an age in days. A second
//! file has those of other hosts, where there is a shared store: each counts as an own one does, and
//! one that is in both counts once. Must not live here: what outcomes do to priors
//! (`diagnosis::learn`).

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StoreError, private};
use crate::diagnosis::learn::{Confirmation, Outcome};

const FILE: &str = "outcomes.jsonl";
const COLLEAGUES: &str = "outcomes-colleagues.jsonl";
/// Older outcomes have lost nearly all of their weight (half-life 180 days).
const KEPT_DAYS: f64 = 1_500.0;
const DAY_S: f64 = 86_400.0;
/// From this size on, old lines are dropped when a new one is added.
const MAX_BYTES: u64 = 256 * 1024;
/// Lines that are kept then, and of all other hosts together.
const KEPT_LINES: usize = 1_000;
/// A longer cause is none of ours.
const LONGEST_CAUSE: usize = 100;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    cause: String,
    confirmation: Confirmation,
}

impl Line {
    fn outcome(self, now: Timestamp) -> Option<Outcome> {
        let outcome = Outcome {
            age_days: now.duration_since(self.at).as_secs_f64() / DAY_S,
            cause: self.cause,
            confirmation: self.confirmation,
        };
        let kept = (0.0..KEPT_DAYS).contains(&outcome.age_days);
        kept.then_some(outcome)
    }
}

/// How far the own outcomes have been passed on to one store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOn {
    /// The file; one that was shortened is another one and is passed on again, which adds nothing.
    inode: u64,
    bytes: u64,
}

/// The file of outcomes.
#[derive(Debug, Clone)]
pub struct Outcomes {
    path: PathBuf,
    /// Those of other hosts, where they count.
    colleagues: Option<PathBuf>,
}

impl Outcomes {
    /// The outcomes of a state directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
            colleagues: None,
        }
    }

    /// The same with those of other hosts, where there is a shared store.
    #[must_use]
    pub fn with_colleagues(self, wanted: bool) -> Self {
        Self {
            colleagues: wanted.then(|| self.path.with_file_name(COLLEAGUES)),
            ..self
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
        let mut all = self.own(now)?;
        all.extend(self.of_colleagues(now)?);
        Ok(all)
    }

    fn own(&self, now: Timestamp) -> Result<Vec<Outcome>, StoreError> {
        let lines = text_of(&self.path)?;
        let lines = lines.lines().filter_map(line_of);
        Ok(lines.filter_map(|line| line.outcome(now)).collect())
    }

    /// Those of other hosts that are none of the own ones.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn of_colleagues(&self, now: Timestamp) -> Result<Vec<Outcome>, StoreError> {
        let Some(path) = &self.colleagues else {
            return Ok(Vec::new());
        };
        let own = text_of(&self.path)?;
        // A state directory that lost its name among the others gets its own ones back.
        let mut seen: HashSet<String> = own.lines().filter_map(sound).collect();
        let theirs = text_of(path)?;
        let fresh = theirs.lines().filter_map(sound);
        let fresh = fresh.filter(|line| seen.insert(line.clone()));
        let lines = fresh.filter_map(|line| line_of(&line));
        Ok(lines.filter_map(|line| line.outcome(now)).collect())
    }

    /// The own lines that a store has not got yet, and how far they go.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn to_pass_on(&self, passed: PassedOn) -> Result<(Vec<String>, PassedOn), StoreError> {
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Ok((Vec::new(), passed));
        };
        let text = text_of(&self.path)?;
        // What is not whole yet is being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let same = metadata.ino() == passed.inode && passed.bytes <= whole as u64;
        let from = if same { passed.bytes as usize } else { 0 };
        let new = text.get(from..whole).unwrap_or(&text[..whole]);
        let lines = new.lines().filter_map(sound).collect();
        let passed = PassedOn {
            inode: metadata.ino(),
            bytes: whole as u64,
        };
        Ok((lines, passed))
    }

    /// Keeps lines of other hosts, each once and the newest of them; what is no outcome is left out.
    /// Returns how many were.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn take(&self, lines: &[String]) -> Result<usize, StoreError> {
        let path = self.path.with_file_name(COLLEAGUES);
        let sound_ones: Vec<String> = lines.iter().filter_map(|line| sound(line)).collect();
        let left_out = lines.len() - sound_ones.len();
        let text = text_of(&path)?;
        let mut kept: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut seen: HashSet<String> = kept.iter().cloned().collect();
        let before = kept.len();
        kept.extend(
            sound_ones
                .into_iter()
                .filter(|line| seen.insert(line.clone())),
        );
        if kept.len() == before {
            return Ok(left_out);
        }
        kept.drain(..kept.len().saturating_sub(KEPT_LINES));
        let write = || replace(&path, format!("{}\n", kept.join("\n")).as_bytes());
        write().map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(left_out)
    }

    /// Forgets those of other hosts, as when the store is another one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget_colleagues(&self) -> Result<(), StoreError> {
        removed(&self.path.with_file_name(COLLEAGUES)).map(drop)
    }

    /// All outcomes as JSON lines that can be shared: cause, how it was confirmed, age in days.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn export(&self, now: Timestamp) -> Result<String, StoreError> {
        let mut text = String::new();
        // Those of other hosts are theirs to hand on: nobody shall count one twice.
        for mut outcome in self.own(now)? {
            outcome.age_days = outcome.age_days.floor();
            text.push_str(&serde_json::to_string(&outcome).expect("plain fields are JSON"));
            text.push('\n');
        }
        Ok(text)
    }

    /// Forgets everything, here; the answer is whether there was anything of one's own.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn reset(&self) -> Result<bool, StoreError> {
        self.forget_colleagues()?;
        removed(&self.path)
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
        replace(&self.path, &kept)
    }
}

/// Puts a new file in the place of the old one, in one step.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    private::make_file(&fresh)?;
    fs::write(&fresh, bytes)?;
    fs::rename(&fresh, path)
}

/// Removes a file; whether it was there.
fn removed(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The text of a file; nothing where there is none.
fn text_of(path: &Path) -> Result<String, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(StoreError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn line_of(line: &str) -> Option<Line> {
    serde_json::from_str(line).ok()
}

/// A line as it is written here, by which two are known for one; `None` when it is no outcome.
fn sound(line: &str) -> Option<String> {
    let line = line_of(line)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known = line.cause.len() <= LONGEST_CAUSE && line.cause.chars().all(plain);
    known.then(|| serde_json::to_string(&line).ok())?
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
