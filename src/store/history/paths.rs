//! What earlier series of probes along a path came to: a few for each target and vantage.
//!
//! Must not live here: since when logins are as they are, and past cases (`history`).

use jiff::Timestamp;
use rusqlite::params;

use super::{DAY_S, History, KEEP_CASES_DAYS};
use crate::domain::path_series::{Earlier, Figures};
use crate::store::StoreError;

/// Series kept of one target from one vantage.
const KEPT: u32 = 8;
/// Rows of all targets together; the oldest go first.
const MOST: i64 = 40_000;

/// The table; made where it is missing, so that a file of an earlier version gets it too.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS paths (
    target TEXT NOT NULL, vantage TEXT NOT NULL, at INTEGER NOT NULL,
    sent INTEGER NOT NULL, lost INTEGER NOT NULL, median_us INTEGER);
 CREATE INDEX IF NOT EXISTS paths_by_target ON paths (target, vantage, at);";

impl History {
    /// Keeps one series and returns those that were kept before it, newest first.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn add_series(
        &mut self,
        target: &str,
        vantage: &str,
        series: &Earlier,
    ) -> Result<Vec<Earlier>, StoreError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let earlier = {
                let mut statement = transaction.prepare(
                    "SELECT at, sent, lost, median_us FROM paths WHERE target = ?1 AND vantage = ?2
                     ORDER BY at DESC, rowid DESC LIMIT ?3",
                )?;
                let rows = statement.query_map(params![target, vantage, KEPT], |row| {
                    Ok(Earlier {
                        at: Timestamp::from_second(row.get(0)?).unwrap_or_default(),
                        figures: Figures {
                            sent: row.get(1)?,
                            lost: row.get(2)?,
                            median_us: row.get(3)?,
                        },
                    })
                })?;
                rows.collect::<rusqlite::Result<Vec<_>>>()?
            };
            let figures = &series.figures;
            transaction.execute(
                "INSERT INTO paths (target, vantage, at, sent, lost, median_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    target,
                    vantage,
                    series.at.as_second(),
                    figures.sent,
                    figures.lost,
                    figures.median_us
                ],
            )?;
            transaction.execute(
                "DELETE FROM paths WHERE target = ?1 AND vantage = ?2 AND rowid NOT IN
                 (SELECT rowid FROM paths WHERE target = ?1 AND vantage = ?2 ORDER BY at DESC, rowid DESC LIMIT ?3)",
                params![target, vantage, KEPT],
            )?;
            transaction.execute(
                "DELETE FROM paths WHERE at < ?1 OR rowid <= (SELECT max(rowid) FROM paths) - ?2",
                params![series.at.as_second() - KEEP_CASES_DAYS * DAY_S, MOST],
            )?;
            transaction.commit()?;
            Ok(earlier)
        };
        let result = write();
        self.run(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(second: i64, lost: u32) -> Earlier {
        Earlier {
            at: Timestamp::from_second(second).unwrap(),
            figures: Figures {
                sent: 20,
                lost,
                median_us: (lost < 20).then_some(1_500),
            },
        }
    }

    #[test]
    fn a_few_series_are_kept_of_each_target_and_vantage() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path()).unwrap();
        for second in 0..30 {
            history
                .add_series("192.0.2.1", "192.0.2.9", &series(second, 20))
                .unwrap();
        }
        drop(history);
        let mut history = History::open(folder.path()).unwrap();
        let mut add = |target, vantage, second| {
            history
                .add_series(target, vantage, &series(second, 0))
                .unwrap()
        };
        let kept = add("192.0.2.1", "192.0.2.9", 30);
        assert_eq!(kept.len(), KEPT as usize);
        assert_eq!(kept[0], series(29, 20));
        assert_eq!(add("192.0.2.1", "192.0.2.8", 31), []);
        assert_eq!(add("192.0.2.2", "192.0.2.9", 32), []);
        let later = 30 + (KEEP_CASES_DAYS + 1) * DAY_S;
        add("192.0.2.3", "192.0.2.9", later);
        assert_eq!(add("192.0.2.1", "192.0.2.9", later), []);
    }
}
