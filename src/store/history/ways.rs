//! By which way the users come to each network, as a person told once.
//!
//! Must not live here: what follows from it (`diagnosis`).

use rusqlite::params;

use super::History;
use crate::domain::evidence::Path;
use crate::store::StoreError;

/// Networks that are remembered; the oldest answers go first.
const MOST: i64 = 1_000;

/// The table; made where it is missing, so that a file of an earlier version gets it too.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS ways (
    network TEXT PRIMARY KEY, way TEXT NOT NULL);";

impl History {
    /// Notes the way into a network; `None` forgets it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_way(&self, network: &str, way: Option<Path>) -> Result<(), StoreError> {
        let write = || {
            self.connection
                .execute("DELETE FROM ways WHERE network = ?1", params![network])?;
            if let Some(way) = way {
                self.connection.execute(
                    "INSERT INTO ways (network, way) VALUES (?1, ?2)",
                    params![network, way.as_str()],
                )?;
                self.connection.execute(
                    "DELETE FROM ways WHERE rowid <= (SELECT max(rowid) FROM ways) - ?1",
                    params![MOST],
                )?;
            }
            Ok(())
        };
        self.run(write())
    }

    /// Every network with the way into it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ways(&self) -> Result<Vec<(String, Path)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT network, way FROM ways")?;
            let rows = statement.query_map([], |row| {
                let way: String = row.get(1)?;
                Ok((row.get(0)?, Path::parse_way(&way)))
            })?;
            // A word of a later version is left alone.
            let known =
                rows.filter_map(|row| row.map(|(network, way)| Some((network, way?))).transpose());
            known.collect()
        };
        self.run(read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_kept_replaced_and_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let history = History::open(directory.path()).expect("a store");
        history.put_way("vpc-1", Some(Path::Private)).expect("kept");
        history.put_way("vpc-2", Some(Path::Public)).expect("kept");
        history.put_way("vpc-1", Some(Path::Public)).expect("kept");
        history.put_way("vpc-2", None).expect("forgotten");
        drop(history);
        let again = History::open(directory.path()).expect("a store");
        assert_eq!(
            again.ways().expect("read"),
            [("vpc-1".to_owned(), Path::Public)]
        );
    }
}
