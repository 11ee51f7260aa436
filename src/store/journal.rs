//! The append-only record of actions: one JSON object a line, synced before anything is sent.
//!
//! A line is only ever added. A damaged line (a crash in the middle of a write) or one of a newer
//! version is counted and skipped, never removed. Several programs may write at once: a file
//! lock orders the lines, a lock per entry tells who is still at work on it.
//! Must not live here: sending, and what to do about an entry in flight (`runtime::execute`).

mod entry;
mod record;

pub use entry::{CallState, Entry, EntryState, fold};
pub use record::{Author, CallResult, Event, Place, Record, VERSION};

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

const FILE: &str = "journal.jsonl";
const LOCKS: &str = "in-flight";
const EVIDENCE: &str = "evidence";
/// Files of evidence that are kept; older ones go.
const MOST_EVIDENCE: usize = 200;
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

    /// Length and time of the file: the same stamp means the same contents. `None` without one.
    pub fn stamp(&self) -> Option<(u64, std::time::SystemTime)> {
        let metadata = std::fs::metadata(self.path()).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
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
        if is_new {
            self.share(&file)?;
        }
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

    /// Operators who share a state directory (writable by their group, best with the set-group-id
    /// bit) see and write one journal; everybody else's is their own.
    fn share(&self, file: &File) -> std::io::Result<()> {
        let group_writes = std::fs::metadata(&self.directory)?.permissions().mode() & 0o020 != 0;
        if group_writes {
            file.set_permissions(Permissions::from_mode(0o660))?;
        }
        Ok(())
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
        let path = self.lock_path(entry);
        self.try_lock(&path)
            .map(|held| {
                held.map(|file| EntryLock {
                    path: path.clone(),
                    _file: file,
                })
            })
            .map_err(|source| StoreError::Write { path, source })
    }

    /// True while a program holds the entry.
    pub fn is_held(&self, entry: &str) -> Result<bool, StoreError> {
        let path = self.lock_path(entry);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        Ok(flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }

    fn lock_path(&self, entry: &str) -> PathBuf {
        self.directory.join(LOCKS).join(safe_name(entry))
    }

    fn try_lock(&self, path: &Path) -> std::io::Result<Option<File>> {
        self.make_subdirectory(LOCKS)?;
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            self.share(&file).or_else(not_ours)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // The holder before may have removed the file between open and lock: then this lock
            // is on a file that nobody else can see.
            let (own, seen) = (file.metadata()?, std::fs::metadata(path));
            if seen.is_ok_and(|seen| seen.ino() == own.ino() && seen.dev() == own.dev()) {
                return Ok(Some(file));
            }
        }
    }

    fn make_subdirectory(&self, name: &str) -> std::io::Result<PathBuf> {
        self.make_directory()?;
        let folder = self.directory.join(name);
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder)?;
            let group_writes =
                std::fs::metadata(&self.directory)?.permissions().mode() & 0o020 != 0;
            let mode = if group_writes { 0o2770 } else { 0o700 };
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).or_else(not_ours)?;
        }
        Ok(folder)
    }

    /// Writes down what was seen before an entry's first call, and returns once it is on the
    /// disk. `text` is a `diagnose` object, which `cvmtop replay` reads.
    pub fn save_evidence(&self, entry: &str, text: &str) -> Result<PathBuf, StoreError> {
        let path = self
            .directory
            .join(EVIDENCE)
            .join(format!("{}.json", safe_name(entry)));
        let write = || {
            let folder = self.make_subdirectory(EVIDENCE)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            self.share(&file)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            forget_oldest(&folder);
            Ok(())
        };
        match write() {
            Ok(()) => Ok(path),
            Err(source) => Err(StoreError::Write { path, source }),
        }
    }
}

/// Another operator's file has the mode that its owner gave it.
fn not_ours(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        Ok(())
    } else {
        Err(error)
    }
}

/// Names begin with the time, so the first ones are the oldest.
fn forget_oldest(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let surplus = files.len().saturating_sub(MOST_EVIDENCE);
    for file in files.into_iter().take(surplus) {
        // Only tidiness.
        let _ = std::fs::remove_file(file);
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
