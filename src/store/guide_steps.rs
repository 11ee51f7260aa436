//! Ticked steps of guides, one JSON line each, appended: several operators on one jump host
//! write to the same file and see each other's ticks.
//!
//! Must not live here: which steps there are (`guide`).

use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StoreError, private};
use crate::domain::guide_step::{CASE_DAYS, TickedStep};
use crate::domain::text::sanitise;

const FILE: &str = "guide-steps.jsonl";
const DAY_S: i64 = 86_400;
/// Bytes at the end of the file that are read; a week of ticks is far less.
const MOST_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    instance: String,
    guide: String,
    step: usize,
    ticked: bool,
    by: String,
}

/// The file of ticks.
#[derive(Debug, Clone)]
pub struct GuideSteps {
    path: PathBuf,
}

impl GuideSteps {
    /// The ticks of a state directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
        }
    }

    /// Notes that a step was ticked, or that its tick was taken back.
    ///
    /// # Errors
    /// The directory or the file cannot be written.
    pub fn set(&self, instance: &str, ticked: bool, step: &TickedStep) -> Result<(), StoreError> {
        let line = Line {
            at: step.at,
            instance: instance.to_owned(),
            guide: step.guide.clone(),
            step: step.step,
            ticked,
            by: step.by.clone(),
        };
        let text = serde_json::to_string(&line).expect("a line of plain fields is JSON");
        let write = || {
            // One write of a whole line: two programs do not tear each other's lines apart.
            let mut file = private::append_to(&self.path)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_data()
        };
        write().map_err(|source| StoreError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Steps of an instance that are ticked now and belong to the case at hand, oldest first.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn of(&self, instance: &str, now: Timestamp) -> Result<Vec<TickedStep>, StoreError> {
        let text = self.tail().map_err(|source| StoreError::Read {
            path: self.path.clone(),
            source,
        })?;
        let mut ticked: Vec<TickedStep> = Vec::new();
        for line in text.lines() {
            // The first line may be cut, and a newer version may write others.
            let Ok(line) = serde_json::from_str::<Line>(line) else {
                continue;
            };
            if line.instance != instance {
                continue;
            }
            ticked.retain(|known| (known.guide.as_str(), known.step) != (&line.guide, line.step));
            let age_s = now.duration_since(line.at).as_secs();
            if line.ticked && age_s < CASE_DAYS * DAY_S {
                ticked.push(TickedStep {
                    guide: sanitise(&line.guide, 80),
                    step: line.step,
                    at: line.at,
                    by: sanitise(&line.by, 120),
                });
            }
        }
        Ok(ticked)
    }

    fn tail(&self) -> std::io::Result<String> {
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn step(number: usize, second: i64) -> TickedStep {
        TickedStep {
            guide: "security-group".into(),
            step: number,
            at: at(second),
            by: "lee@jump-1".into(),
        }
    }

    #[test]
    fn ticks_are_kept_by_instance_and_can_be_taken_back() {
        let folder = tempfile::tempdir().expect("a directory");
        let ticks = GuideSteps::in_directory(folder.path());
        assert_eq!(ticks.of("ins-1", at(0)).expect("no file yet"), []);
        ticks.set("ins-1", true, &step(1, 10)).expect("written");
        ticks.set("ins-2", true, &step(3, 11)).expect("written");
        ticks.set("ins-1", true, &step(2, 12)).expect("written");
        ticks.set("ins-1", false, &step(1, 13)).expect("written");
        assert_eq!(ticks.of("ins-1", at(20)).expect("read"), [step(2, 12)]);
        assert_eq!(ticks.of("ins-2", at(20)).expect("read"), [step(3, 11)]);
    }

    #[test]
    fn an_old_tick_is_of_an_earlier_case_and_a_torn_line_is_skipped() {
        let folder = tempfile::tempdir().expect("a directory");
        let ticks = GuideSteps::in_directory(folder.path());
        ticks.set("ins-1", true, &step(1, 0)).expect("written");
        let torn = folder.path().join(FILE);
        let text = std::fs::read_to_string(&torn).expect("text");
        std::fs::write(&torn, format!("{text}{{\"at\":\"19\n")).expect("written");
        ticks.set("ins-1", true, &step(2, 100)).expect("written");
        let week = CASE_DAYS * DAY_S;
        assert_eq!(
            ticks.of("ins-1", at(week + 50)).expect("read"),
            [step(2, 100)]
        );
    }
}
