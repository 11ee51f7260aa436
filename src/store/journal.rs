//! The append-only record of actions: one JSON object a line, synced before anything is sent.
//!
//! A line is only ever added. A damaged line (a crash in the middle of a write) or one of a newer
//! version is counted and skipped, never removed. Several programs may write at once: a file
//! lock orders the lines, a lock per entry tells who is still at work on it.
//! Must not live here: sending, and what to do about an entry in flight (`runtime::execute`).

mod entry;
mod record;

pub use entry::{CallState, Entry, EntryState, fold};
pub use record::{Author, CallResult, Event, Outcome, Record, VERSION};

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

const FILE: &str = "journal.jsonl";
const LOCKS: &str = "in-flight";
/// A journal beyond this is read from its end only.
const MAX_READ: u64 = 64 * 1024 * 1024;

/// The journal of one state directory.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
}

/// Held by the program that carries an entry out; the kernel lets go of it when that ends.
#[derive(Debug)]
pub struct EntryLock {
    path: PathBuf,
    _file: File,
}

impl Drop for EntryLock {
    fn drop(&mut self) {
        // Only tidiness: whether the lock is held is what counts.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What a journal holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Lines that could not be understood (damaged, or of a newer version).
    pub skipped: usize,
}

impl Contents {
    /// The entry of this id, or the only one whose id begins with the text.
    pub fn find(&self, id: &str) -> Result<&Entry, StoreError> {
        if let Some(exact) = self.entries.iter().find(|entry| entry.id == id) {
            return Ok(exact);
        }
        let matches: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| !id.is_empty() && (entry.id.starts_with(id) || entry.id.ends_with(id)))
            .collect();
        match matches.as_slice() {
            [only] => Ok(only),
            [] => Err(StoreError::NoEntry(crate::domain::text::sanitise(id, 60))),
            several => Err(StoreError::Ambiguous {
                given: crate::domain::text::sanitise(id, 60),
                matches: several
                    .iter()
                    .map(|e| e.id.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

impl Journal {
    /// The journal in `directory`; nothing is created until something is written.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The file itself.
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Adds one line and returns once it is on the disk.
    pub fn append(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.path();
        self.append_line(&path, record)
            .map_err(|source| StoreError::Write { path, source })
    }

    fn append_line(&self, path: &Path, record: &Record) -> std::io::Result<()> {
        self.make_directory()?;
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut line = serde_json::to_string(record)?;
        line.push('\n');
        // A crash can have left half a line: end it, so that ours stands alone.
        let length = file.seek(SeekFrom::End(0))?;
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, '\n');
            }
        }
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Take half a line back, as on a full disk; nothing before it is touched.
            let _ = file.set_len(length);
            return Err(error);
        }
        if is_new {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }

    fn make_directory(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if self.directory.is_dir() {
            return Ok(());
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
    }

    /// Everything that can be understood. A journal that does not exist yet is empty.
    pub fn read(&self) -> Result<Contents, StoreError> {
        let path = self.path();
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Contents::default());
            }
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        Ok(fold(&text))
    }

    /// Claims an entry for this program; `None` while another one holds it.
    pub fn lock_entry(&self, entry: &str) -> Result<Option<EntryLock>, StoreError> {
        let folder = self.directory.join(LOCKS);
        let path = folder.join(safe_name(entry));
        let open = || {
            self.make_directory()?;
            std::fs::create_dir_all(&folder)?;
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
        };
        let file = open().map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(EntryLock { path, _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StoreError::Write {
                path,
                source: error.into(),
            }),
        }
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    flock(&file, FlockOperation::LockShared)?;
    let length = file.metadata()?.len();
    if length > MAX_READ {
        file.seek(SeekFrom::Start(length - MAX_READ))?;
    }
    let mut bytes = Vec::new();
    file.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn safe_name(entry: &str) -> String {
    entry
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
