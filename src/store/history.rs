//! Past cases of each instance, since when its login is as it is, how paths to it were, and which
//! way users come to its network, in a small SQLite file (WAL); forgotten after a while.
//!
//! Several programs of one state directory may use it at once. Must not live here: confirmed
//! outcomes, which hold no id and have a file of their own (`outcomes`).

mod colleagues;
mod paths;
mod ways;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, private};
use crate::domain::history::{LoginSpan, PastCase};

const FILE: &str = "history.sqlite";
/// `PRAGMA user_version` of the tables below; a newer file is left alone.
const SCHEMA: i64 = 1;
/// Cases older than this are forgotten.
const KEEP_CASES_DAYS: i64 = 90;
/// Most rows; the oldest go first.
const MOST_CASES: i64 = 20_000;
const DAY_S: i64 = 86_400;
/// Another program may hold the write lock for a moment.
const BUSY: Duration = Duration::from_secs(2);

/// The store of one state directory.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    /// What other hosts found is told, too.
    colleagues: bool,
}

impl History {
    /// Opens or makes the store. A damaged file is set aside with its name kept readable, so that
    /// the program still starts.
    ///
    /// # Errors
    /// The directory cannot be written, or the file is of a newer version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        // The files beside it, which SQLite makes, take its mode.
        private::make_file(&path).map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        match Self::prepare(&path) {
            Ok(history) => Ok(history),
            Err(Unusable::Sql(error)) if is_damage(&error) => {
                let aside = path.with_extension("sqlite.damaged");
                std::fs::rename(&path, &aside).map_err(|source| StoreError::Write {
                    path: path.clone(),
                    source,
                })?;
                tracing::warn!(file = %aside.display(), "the history was damaged and is set aside");
                Self::prepare(&path).map_err(|why| why.of(path))
            }
            Err(why) => Err(why.of(path)),
        }
    }

    /// The store where there is one already; nothing is made.
    ///
    /// # Errors
    /// As for [`History::open`].
    pub fn existing(directory: &Path) -> Result<Option<Self>, StoreError> {
        if directory.join(FILE).exists() {
            Self::open(directory).map(Some)
        } else {
            Ok(None)
        }
    }

    fn prepare(path: &Path) -> Result<Self, Unusable> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > SCHEMA {
            return Err(Unusable::Newer(version));
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS cases (
                at INTEGER NOT NULL, instance TEXT NOT NULL, verdict TEXT NOT NULL,
                cause TEXT NOT NULL, probability REAL NOT NULL, cured_by TEXT NOT NULL DEFAULT '');
             CREATE INDEX IF NOT EXISTS cases_by_instance ON cases (instance, at);
             CREATE TABLE IF NOT EXISTS logins (
                instance TEXT PRIMARY KEY, answers INTEGER NOT NULL, since INTEGER NOT NULL,
                before INTEGER) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS typed (
                line TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL,
                PRIMARY KEY (line, text)) WITHOUT ROWID;
             PRAGMA user_version = 1;
             COMMIT;",
        )?;
        connection.execute_batch(paths::TABLE)?;
        connection.execute_batch(ways::TABLE)?;
        connection.execute_batch(colleagues::TABLES)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            colleagues: false,
        })
    }

    fn run<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::History {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// Notes a diagnosis, and forgets what is too old. One that only repeats the last is left out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_case(&self, case: &PastCase) -> Result<(), StoreError> {
        let last = self.own_cases(&case.instance, 1)?.into_iter().next();
        let repeats = last.is_some_and(|last| case.repeats(&last));
        if repeats {
            return Ok(());
        }
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

    /// Notes what cured the last fault of an instance.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn cured(&self, instance: &str, action: &str) -> Result<(), StoreError> {
        self.run(self.connection.execute(
            "UPDATE cases SET cured_by = ?2 WHERE rowid = (SELECT max(rowid) FROM cases WHERE instance = ?1 AND verdict != 'healthy')",
            params![instance, action],
        ))?;
        Ok(())
    }

    /// Notes since when logins are as they are; one row an instance.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_logins(&mut self, spans: &[LoginSpan]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for span in spans {
                transaction.execute(
                    "INSERT INTO logins (instance, answers, since, before) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (instance) DO UPDATE SET answers = ?2, since = ?3, before = ?4",
                    params![
                        span.instance,
                        span.answers,
                        span.since.as_second(),
                        span.before.map(Timestamp::as_second)
                    ],
                )?;
            }
            transaction.commit()
        };
        write(&mut self.connection).map_err(|error| StoreError::History {
            path,
            reason: error.to_string(),
        })
    }

    /// What was noted of every instance.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn logins(&self) -> Result<Vec<LoginSpan>, StoreError> {
        let read = || {
            let mut statement = self
                .connection
                .prepare("SELECT instance, answers, since, before FROM logins")?;
            let rows = statement.query_map([], login_span)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }

    /// What was noted of one instance.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn login(&self, instance: &str) -> Result<Option<LoginSpan>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT instance, answers, since, before FROM logins WHERE instance = ?1",
            )?;
            statement.query_row([instance], login_span).optional()
        };
        self.run(read())
    }

    /// Past cases of an instance, newest first; with those of other hosts where they are told.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn cases(&self, instance: &str, limit: u32) -> Result<Vec<PastCase>, StoreError> {
        let mut cases = self.own_cases(instance, limit)?;
        if self.colleagues {
            cases.extend(self.cases_of_colleagues(instance, limit)?);
            cases.sort_by_key(|case| std::cmp::Reverse(case.at));
            cases.truncate(limit as usize);
        }
        Ok(cases)
    }

    fn own_cases(&self, instance: &str, limit: u32) -> Result<Vec<PastCase>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT at, instance, verdict, cause, probability, cured_by FROM cases WHERE instance = ?1 ORDER BY at DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![instance, limit], colleagues::of_row)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }

    /// Notes what was typed into a line; the newest `most` of a line are kept.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_typed(
        &mut self,
        line: &str,
        text: &str,
        at: Timestamp,
        most: u32,
    ) -> Result<(), StoreError> {
        let path = self.path.clone();
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO typed (line, text, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (line, text) DO UPDATE SET at = max(at, ?3)",
                params![line, text, at.as_millisecond()],
            )?;
            transaction.execute(
                "DELETE FROM typed WHERE line = ?1 AND text NOT IN
                 (SELECT text FROM typed WHERE line = ?1 ORDER BY at DESC LIMIT ?2)",
                params![line, most],
            )?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(|error| StoreError::History {
            path,
            reason: error.to_string(),
        })
    }

    /// What was typed into a line, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn typed(&self, line: &str) -> Result<Vec<String>, StoreError> {
        let read = || {
            let mut statement = self
                .connection
                .prepare("SELECT text FROM typed WHERE line = ?1 ORDER BY at")?;
            let rows = statement.query_map(params![line], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }

    fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(self.connection.execute(
            "DELETE FROM cases WHERE at < ?1 OR rowid <= (SELECT max(rowid) FROM cases) - ?2",
            params![now.as_second() - KEEP_CASES_DAYS * DAY_S, MOST_CASES],
        ))?;
        self.run(self.connection.execute(
            "DELETE FROM logins WHERE since < ?1",
            params![now.as_second() - KEEP_CASES_DAYS * DAY_S],
        ))?;
        Ok(())
    }
}

/// Why a file cannot be opened as the store.
enum Unusable {
    Sql(rusqlite::Error),
    /// Version of the tables.
    Newer(i64),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Unusable {
    fn of(self, path: PathBuf) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::History {
                path,
                reason: error.to_string(),
            },
            Self::Newer(schema) => StoreError::NewerHistory { path, schema },
        }
    }
}

fn login_span(row: &Row<'_>) -> rusqlite::Result<LoginSpan> {
    let time = |second: i64| Timestamp::from_second(second).unwrap_or_default();
    Ok(LoginSpan {
        instance: row.get(0)?,
        answers: row.get(1)?,
        since: time(row.get(2)?),
        before: row.get::<_, Option<i64>>(3)?.map(time),
    })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::SAME_CASE_S;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn case(second: i64) -> PastCase {
        PastCase {
            at: at(second),
            instance: "ins-1".to_owned(),
            verdict: "faulty".to_owned(),
            cause: "disk-full".to_owned(),
            probability: 0.9,
            cured_by: String::new(),
            on: String::new(),
        }
    }

    #[test]
    fn old_cases_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        history.add_case(&case(0)).unwrap();
        history
            .add_case(&case((KEEP_CASES_DAYS + 1) * DAY_S))
            .unwrap();
        assert_eq!(history.cases("ins-1", 10).unwrap().len(), 1);
    }

    #[test]
    fn a_repeated_diagnosis_is_one_case_and_its_cure_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        for second in [0, 60, 120] {
            history.add_case(&case(second)).unwrap();
        }
        assert_eq!(history.cases("ins-1", 10).unwrap().len(), 1);
        let healthy = PastCase {
            verdict: "healthy".to_owned(),
            cause: "no-fault-found".to_owned(),
            ..case(180)
        };
        history.add_case(&healthy).unwrap();
        history.cured("ins-1", "open-port").unwrap();
        let cases = history.cases("ins-1", 10).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[1].cured_by, "open-port");
        assert_eq!(cases[0].cured_by, "");
    }

    #[test]
    fn the_login_of_an_instance_is_remembered_with_what_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut span = LoginSpan {
            instance: "ins-1".to_owned(),
            answers: true,
            since: at(10),
            before: None,
        };
        let mut history = History::open(folder.path()).unwrap();
        history.put_logins(std::slice::from_ref(&span)).unwrap();
        span.answers = false;
        span.since = at(90);
        span.before = Some(at(60));
        history.put_logins(std::slice::from_ref(&span)).unwrap();
        drop(history);
        let history = History::open(folder.path()).unwrap();
        assert_eq!(history.login("ins-1").unwrap(), Some(span.clone()));
        assert_eq!(history.login("ins-2").unwrap(), None);
        assert_eq!(history.logins().unwrap(), [span]);
    }

    #[test]
    fn the_newest_typed_texts_of_each_line_are_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path()).unwrap();
        for (second, text) in ["a", "b", "c", "a", "d"].into_iter().enumerate() {
            history
                .put_typed("filter", text, at(second as i64), 3)
                .unwrap();
        }
        history.put_typed("palette", "sort", at(9), 3).unwrap();
        drop(history);
        let history = History::open(folder.path()).unwrap();
        assert_eq!(history.typed("filter").unwrap(), ["c", "a", "d"]);
        assert_eq!(history.typed("palette").unwrap(), ["sort"]);
    }

    #[test]
    fn two_programs_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let history = History::open(folder.path()).unwrap();
                    for hour in 0..20 {
                        history.add_case(&case(hour * 2 * SAME_CASE_S)).unwrap();
                    }
                });
            }
        });
        let history = History::open(folder.path()).unwrap();
        let kept = history.cases("ins-1", 100).unwrap().len();
        // Threads that run side by side may note the same case twice; none may be lost.
        assert!((20..=80).contains(&kept), "{kept}");
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
