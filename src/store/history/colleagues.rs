//! What other hosts found on an instance, and which own cases they have not got yet.
//!
//! Theirs are told and weighed as one's own are, and never passed on. Must not live here: the
//! connection to the store (`runtime::shared`).

use jiff::Timestamp;
use rusqlite::params;

use super::{DAY_S, History, KEEP_CASES_DAYS, MOST_CASES};
use crate::domain::history::PastCase;
use crate::domain::text::sanitise;
use crate::store::StoreError;

/// Cases in one statement of the store.
const A_ROUND: u32 = 500;
const LONGEST_ID: usize = 100;
const LONGEST_HOST: usize = 64;
/// A host's clock may be ahead by this.
const AHEAD_S: i64 = 3_600;

/// The tables; made where they are missing, so that a file of an earlier version gets them too. What
/// is new or changed is noted by the file itself, whatever version of the program writes it.
pub(super) const TABLES: &str = "
 CREATE TABLE IF NOT EXISTS unsent (case_row INTEGER PRIMARY KEY);
 CREATE TRIGGER IF NOT EXISTS case_made AFTER INSERT ON cases BEGIN
    INSERT OR IGNORE INTO unsent VALUES (new.rowid); END;
 CREATE TRIGGER IF NOT EXISTS case_cured AFTER UPDATE ON cases BEGIN
    INSERT OR IGNORE INTO unsent VALUES (new.rowid); END;
 CREATE TRIGGER IF NOT EXISTS case_gone AFTER DELETE ON cases BEGIN
    DELETE FROM unsent WHERE case_row = old.rowid; END;
 CREATE TABLE IF NOT EXISTS theirs (
    host TEXT NOT NULL, at INTEGER NOT NULL, instance TEXT NOT NULL, verdict TEXT NOT NULL,
    cause TEXT NOT NULL, probability REAL NOT NULL, cured_by TEXT NOT NULL, named TEXT NOT NULL,
    PRIMARY KEY (host, instance, at)) WITHOUT ROWID;
 CREATE INDEX IF NOT EXISTS theirs_by_instance ON theirs (instance, at);";

/// A case that is to be passed on, and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsent {
    row: i64,
    pub case: PastCase,
}

impl History {
    /// The same, which tells what other hosts found, too, where there is a shared store.
    #[must_use]
    pub fn with_colleagues(self, wanted: bool) -> Self {
        Self {
            colleagues: wanted,
            ..self
        }
    }

    /// Begins anew, as with another store: it has nothing of this host, and nothing here is of it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin_anew(&self) -> Result<(), StoreError> {
        self.run(self.connection.execute_batch(
            "BEGIN IMMEDIATE;
             DELETE FROM theirs;
             INSERT OR IGNORE INTO unsent SELECT rowid FROM cases;
             COMMIT;",
        ))
    }

    /// The next cases that other hosts have not got yet, or not with their cure.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unsent(&self) -> Result<Vec<Unsent>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT at, instance, verdict, cause, probability, cured_by, case_row
                 FROM unsent JOIN cases ON cases.rowid = case_row ORDER BY case_row LIMIT ?1",
            )?;
            let rows = statement.query_map(params![A_ROUND], |row| {
                Ok(Unsent {
                    row: row.get(6)?,
                    case: of_row(row)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }

    /// These have arrived. One that was cured meanwhile goes out again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sent(&mut self, sent: &[Unsent]) -> Result<(), StoreError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            for Unsent { row, case } in sent {
                transaction.execute(
                    "DELETE FROM unsent WHERE case_row = ?1
                     AND (SELECT cured_by FROM cases WHERE rowid = ?1) = ?2",
                    params![row, case.cured_by],
                )?;
            }
            transaction.commit()
        };
        let written = write();
        self.run(written)
    }

    /// Keeps cases of other hosts, each with the name of its state directory; what is no case is left
    /// out. Returns how many were.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn take(
        &mut self,
        lines: &[(String, String)],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let sound: Vec<(&String, PastCase)> = lines
            .iter()
            .filter_map(|(host, line)| Some((host, sound(line, now)?)))
            .collect();
        let mut write = || {
            let transaction = self.connection.transaction()?;
            for (host, case) in &sound {
                transaction.execute(
                    "INSERT INTO theirs (host, at, instance, verdict, cause, probability, cured_by, named)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (host, instance, at) DO UPDATE SET verdict = ?4, cause = ?5,
                     probability = ?6, cured_by = CASE WHEN ?7 = '' THEN cured_by ELSE ?7 END, named = ?8",
                    params![
                        host,
                        case.at.as_second(),
                        case.instance,
                        case.verdict,
                        case.cause,
                        case.probability,
                        case.cured_by,
                        case.on
                    ],
                )?;
            }
            transaction.execute(
                "DELETE FROM theirs WHERE at < ?1 OR at <= (
                    SELECT at FROM theirs ORDER BY at DESC LIMIT 1 OFFSET ?2)",
                params![now.as_second() - KEEP_CASES_DAYS * DAY_S, MOST_CASES],
            )?;
            transaction.commit()
        };
        let written = write();
        self.run(written)?;
        Ok(lines.len() - sound.len())
    }

    /// Theirs, newest first. One that is here as well was this host's own, by an earlier name.
    pub(super) fn cases_of_colleagues(
        &self,
        instance: &str,
        limit: u32,
    ) -> Result<Vec<PastCase>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT at, instance, verdict, cause, probability, cured_by, named FROM theirs
                 WHERE instance = ?1 AND NOT EXISTS (
                    SELECT 1 FROM cases WHERE cases.instance = theirs.instance
                    AND cases.at = theirs.at AND cases.cause = theirs.cause)
                 ORDER BY at DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![instance, limit], |row| {
                Ok(PastCase {
                    on: row.get(6)?,
                    ..of_row(row)?
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.run(read())
    }
}

/// A past case of this host, in the order of `at, instance, verdict, cause, probability, cured_by`.
pub(super) fn of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<PastCase> {
    Ok(PastCase {
        at: Timestamp::from_second(row.get(0)?).unwrap_or_default(),
        instance: row.get(1)?,
        verdict: row.get(2)?,
        cause: row.get(3)?,
        probability: row.get(4)?,
        cured_by: row.get(5)?,
        on: String::new(),
    })
}

/// A case of another host as it is kept; `None` when it is none.
fn sound(line: &str, now: Timestamp) -> Option<PastCase> {
    let case: PastCase = serde_json::from_str(line).ok()?;
    let plain = |text: &str| {
        let ours = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.len() <= LONGEST_ID && text.chars().all(ours)
    };
    let known = ["healthy", "faulty", "inconclusive"].contains(&case.verdict.as_str())
        && [&case.instance, &case.cause]
            .iter()
            .all(|id| !id.is_empty() && plain(id))
        && plain(&case.cured_by)
        && (0.0..=1.0).contains(&case.probability)
        && case.at.as_second() <= now.as_second() + AHEAD_S;
    let on = sanitise(&case.on, LONGEST_HOST);
    (known && !on.is_empty()).then_some(PastCase { on, ..case })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn case(second: i64, cured_by: &str) -> PastCase {
        PastCase {
            at: Timestamp::from_second(second).unwrap(),
            instance: "ins-1".to_owned(),
            verdict: "faulty".to_owned(),
            cause: "disk-full".to_owned(),
            probability: 0.9,
            cured_by: cured_by.to_owned(),
            on: "jump-2".to_owned(),
        }
    }

    fn take(history: &mut History, lines: &[String]) -> usize {
        let of_host = |line: &String| ("host-b".to_owned(), line.clone());
        let lines: Vec<_> = lines.iter().map(of_host).collect();
        let now = Timestamp::from_second(NOW).unwrap();
        history.take(&lines, now).unwrap()
    }

    #[test]
    fn a_case_goes_out_once_and_again_with_its_cure() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path()).unwrap();
        history.add_case(&case(NOW, "")).unwrap();
        let first = history.unsent().unwrap();
        assert_eq!(first.len(), 1);
        // Cured while it was on its way.
        history.cured("ins-1", "open-port").unwrap();
        history.sent(&first).unwrap();
        let again = history.unsent().unwrap();
        assert_eq!(again[0].case.cured_by, "open-port");
        history.sent(&again).unwrap();
        assert!(history.unsent().unwrap().is_empty());
        history.begin_anew().unwrap();
        assert_eq!(history.unsent().unwrap(), again);
    }

    #[test]
    fn theirs_are_told_where_they_are_wanted_once_and_with_their_cure() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path()).unwrap();
        let line = |case: &PastCase| serde_json::to_string(case).unwrap();
        let lines = [case(NOW, ""), case(NOW, "open-port"), case(NOW, "")];
        let lines: Vec<String> = lines.iter().map(line).collect();
        assert_eq!(take(&mut history, &lines), 0);
        assert!(history.cases("ins-1", 10).unwrap().is_empty());
        assert!(history.unsent().unwrap().is_empty());
        let history = history.with_colleagues(true);
        assert_eq!(
            history.cases("ins-1", 10).unwrap(),
            [case(NOW, "open-port")]
        );
        // The own one of the same moment is the same one.
        history.add_case(&case(NOW, "")).unwrap();
        let cases = history.cases("ins-1", 10).unwrap();
        assert_eq!((cases.len(), cases[0].on.as_str()), (1, ""));
    }

    #[test]
    fn what_is_no_case_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path()).unwrap().with_colleagues(true);
        let with = |key: &str, value: serde_json::Value| {
            let mut line = serde_json::to_value(case(NOW, "")).unwrap();
            line[key] = value;
            line.to_string()
        };
        let lines = [
            "{".to_owned(),
            "[]".to_owned(),
            with("instance", "a;b".into()),
            with("cause", "\u{1b}[2J".into()),
            with("verdict", "owned".into()),
            with("probability", 7.into()),
            with("probability", serde_json::Value::Null),
            with("cured_by", "x".repeat(5000).into()),
            with("at", "2999-01-01T00:00:00Z".into()),
            with("on", "".into()),
        ];
        assert_eq!(take(&mut history, &lines), lines.len());
        assert!(history.cases("ins-1", 10).unwrap().is_empty());
        take(&mut history, &[with("on", "a\u{1b}]0;b\u{202e}\n".into())]);
        let on = &history.cases("ins-1", 10).unwrap()[0].on;
        assert!(
            !on.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{on:?}"
        );
    }
}
