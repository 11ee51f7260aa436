//! Past cases and confirmed outcomes in a small SQLite file (WAL), with retention.
//!
//! Outcomes hold no address, name or id, so that they can be exported; cases belong to one
//! instance and are forgotten after a while. Must not live here: what a count does to a prior
//! (`diagnosis::learn`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::StoreError;
use crate::diagnosis::learn::{Confirmation, Outcome};

const FILE: &str = "history.sqlite";
/// `PRAGMA user_version` of the tables below; a newer file is left alone.
const SCHEMA: i64 = 1;
/// Cases older than this are forgotten.
const KEEP_CASES_DAYS: i64 = 90;
/// Outcomes count half after 180 days; after this they say nothing.
const KEEP_OUTCOMES_DAYS: i64 = 3 * 365;
/// Most rows of either kind; the oldest go first.
const MOST_CASES: i64 = 20_000;
const MOST_OUTCOMES: i64 = 5_000;
const DAY_S: i64 = 86_400;
/// Another program may hold the write lock for a moment.
const BUSY: Duration = Duration::from_secs(2);

/// A diagnosis that was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastCase {
    pub at: Timestamp,
    pub instance: String,
    /// `healthy`, `faulty` or `inconclusive`.
    pub verdict: String,
    /// Most probable cause and its share.
    pub cause: String,
    pub probability: f64,
    /// Journal entry that cured it, and what it did, where one did.
    pub cured_by: String,
}

/// The store of one state directory.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
}

impl History {
    /// Opens or makes the store. A damaged file is set aside with its name kept readable, so that
    /// the program still starts.
    ///
    /// # Errors
    /// The directory cannot be written, or the file is of a newer version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        std::fs::create_dir_all(directory).map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        match Self::prepare(&path) {
            Ok(history) => Ok(history),
            Err(error) if is_damage(&error) => {
                let aside = path.with_extension("sqlite.damaged");
                std::fs::rename(&path, &aside).map_err(|source| StoreError::Write {
                    path: path.clone(),
                    source,
                })?;
                tracing::warn!(file = %aside.display(), "the history was damaged and is set aside");
                Self::prepare(&path).map_err(|error| StoreError::History {
                    path,
                    reason: error.to_string(),
                })
            }
            Err(error) => Err(StoreError::History {
                path,
                reason: error.to_string(),
            }),
        }
    }

    fn prepare(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > SCHEMA {
            return Err(rusqlite::Error::InvalidParameterName(format!(
                "it was written by a newer version of cvmtop (schema {version}); use that version, or move the file away"
            )));
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS cases (
                at INTEGER NOT NULL, instance TEXT NOT NULL, verdict TEXT NOT NULL,
                cause TEXT NOT NULL, probability REAL NOT NULL, cured_by TEXT NOT NULL DEFAULT '');
             CREATE INDEX IF NOT EXISTS cases_by_instance ON cases (instance, at);
             CREATE TABLE IF NOT EXISTS outcomes (
                at INTEGER NOT NULL, cause TEXT NOT NULL, confirmation TEXT NOT NULL);
             PRAGMA user_version = 1;
             COMMIT;",
        )?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    fn run<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::History {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// Notes a diagnosis, and forgets what is too old.
    pub fn add_case(&self, case: &PastCase) -> Result<(), StoreError> {
        self.run(self.connection.execute(
            "INSERT INTO cases (at, instance, verdict, cause, probability, cured_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                case.at.as_second(),
                case.instance,
                case.verdict,
                case.cause,
                case.probability,
                case.cured_by
            ],
        ))?;
        self.forget(case.at)
    }

    /// Past cases of an instance, newest first.
    pub fn cases(&self, instance: &str, limit: u32) -> Result<Vec<PastCase>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT at, instance, verdict, cause, probability, cured_by FROM cases WHERE instance = ?1 ORDER BY at DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![instance, limit], |row| {
                Ok(PastCase {
                    at: Timestamp::from_second(row.get(0)?).unwrap_or_default(),
                    instance: row.get(1)?,
                    verdict: row.get(2)?,
                    cause: row.get(3)?,
                    probability: row.get(4)?,
                    cured_by: row.get(5)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }

    /// Notes a confirmed cause. Opinions of the program itself are not kept.
    pub fn add_outcome(
        &self,
        at: Timestamp,
        cause: &str,
        confirmation: Confirmation,
    ) -> Result<(), StoreError> {
        if confirmation == Confirmation::Unverified {
            return Ok(());
        }
        self.run(self.connection.execute(
            "INSERT INTO outcomes (at, cause, confirmation) VALUES (?1, ?2, ?3)",
            params![at.as_second(), cause, word(confirmation)],
        ))?;
        self.forget(at)
    }

    /// Outcomes with their age, for `diagnosis::learn`; also the form of an export.
    pub fn outcomes(&self, now: Timestamp) -> Result<Vec<Outcome>, StoreError> {
        let read = || {
            let mut statement = self
                .connection
                .prepare("SELECT at, cause, confirmation FROM outcomes ORDER BY at")?;
            let rows = statement.query_map([], |row| {
                let at: i64 = row.get(0)?;
                let cause: String = row.get(1)?;
                let confirmation: String = row.get(2)?;
                Ok((at, cause, confirmation))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = self.run(read())?;
        Ok(rows
            .into_iter()
            .filter_map(|(at, cause, text)| {
                Some(Outcome {
                    cause,
                    confirmation: confirmation(&text)?,
                    age_days: (now.as_second() - at).max(0) as f64 / DAY_S as f64,
                })
            })
            .collect())
    }

    /// Forgets every outcome, so that the shipped priors hold again.
    pub fn reset_outcomes(&self) -> Result<usize, StoreError> {
        self.run(self.connection.execute("DELETE FROM outcomes", []))
    }

    /// When the store was last written, where it ever was.
    pub fn last_write(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = self.run(
            self.connection
                .query_row(
                    "SELECT max(at) FROM (SELECT at FROM cases UNION ALL SELECT at FROM outcomes)",
                    [],
                    |row| row.get(0),
                )
                .optional()
                .map(Option::flatten),
        )?;
        Ok(at.and_then(|second| Timestamp::from_second(second).ok()))
    }

    fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        for (table, days, most) in [
            ("cases", KEEP_CASES_DAYS, MOST_CASES),
            ("outcomes", KEEP_OUTCOMES_DAYS, MOST_OUTCOMES),
        ] {
            // Table names are ours; values are bound.
            self.run(self.connection.execute(
                &format!(
                    "DELETE FROM {table} WHERE at < ?1 OR rowid <= (SELECT max(rowid) FROM {table}) - ?2"
                ),
                params![now.as_second() - days * DAY_S, most],
            ))?;
        }
        Ok(())
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

fn word(confirmation: Confirmation) -> &'static str {
    match confirmation {
        Confirmation::Verified => "verified",
        Confirmation::Asserted => "asserted",
        Confirmation::Recovered => "recovered",
        Confirmation::Unresolved => "unresolved",
        Confirmation::Unverified => "unverified",
    }
}

fn confirmation(word: &str) -> Option<Confirmation> {
    Some(match word {
        "verified" => Confirmation::Verified,
        "asserted" => Confirmation::Asserted,
        "recovered" => Confirmation::Recovered,
        "unresolved" => Confirmation::Unresolved,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn outcomes_come_back_with_their_age() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        history
            .add_outcome(at(1_000_000), "disk-full", Confirmation::Verified)
            .unwrap();
        history
            .add_outcome(at(1_000_000), "disk-full", Confirmation::Unverified)
            .unwrap();
        let outcomes = history.outcomes(at(1_000_000 + 2 * DAY_S)).unwrap();
        assert_eq!(outcomes.len(), 1);
        assert!((outcomes[0].age_days - 2.0).abs() < 1e-9);
        assert_eq!(history.reset_outcomes().unwrap(), 1);
        assert!(history.outcomes(at(1_000_000)).unwrap().is_empty());
    }

    #[test]
    fn old_cases_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        let case = |second| PastCase {
            at: at(second),
            instance: "ins-1".to_owned(),
            verdict: "faulty".to_owned(),
            cause: "disk-full".to_owned(),
            probability: 0.9,
            cured_by: String::new(),
        };
        history.add_case(&case(0)).unwrap();
        history
            .add_case(&case((KEEP_CASES_DAYS + 1) * DAY_S))
            .unwrap();
        assert_eq!(history.cases("ins-1", 10).unwrap().len(), 1);
    }

    #[test]
    fn two_programs_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let history = History::open(folder.path()).unwrap();
                    for _ in 0..20 {
                        history
                            .add_outcome(at(5), "disk-full", Confirmation::Asserted)
                            .unwrap();
                    }
                });
            }
        });
        let history = History::open(folder.path()).unwrap();
        assert_eq!(history.outcomes(at(5)).unwrap().len(), 80);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_newer_one_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, vec![0x5a; 4096]).unwrap();
        History::open(folder.path()).unwrap();
        assert!(folder.path().join("history.sqlite.damaged").exists());

        let newer = tempfile::tempdir().unwrap();
        let connection = Connection::open(newer.path().join(FILE)).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let error = History::open(newer.path()).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
    }
}
