//! What operators on other hosts did: a second file beside the journal, filled from the shared store.
//!
//! Its lines read like those of the journal, but nothing is ever done because of them: nobody
//! settles, takes back or closes here what another host began. Also what is told to the others,
//! and how far. Must not live here: the connection to the store (`runtime::shared`).

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Journal, StoreError, entry, files, index};
use crate::domain::text::sanitise_block;
use crate::store::outcomes::PassedOn;
use crate::store::private;

const FILE: &str = "colleagues.jsonl";
/// How far both ways have come; its name is that of the lock, too.
const CURSOR: &str = "shared-store.json";
const LOCK: &str = "shared-store.lock";
/// A longer line is not passed on and not taken: the largest plan takes some hundred kilobytes.
pub const LONGEST_SHARED: usize = 1024 * 1024;
/// A longer text within a line is none of ours.
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_ID: usize = 64;
/// What is known of the others' holds is worth nothing after this time.
const HOLDS_LAST: Duration = Duration::from_secs(60);

/// What a journal knows of other hosts. Shared by its clones.
#[derive(Debug, Default)]
pub(super) struct Colleagues {
    pub index: Mutex<index::Index>,
    /// Entries that are being carried out on other hosts, as they were read last.
    holds: Mutex<Option<(Instant, HashSet<String>)>>,
}

impl Colleagues {
    /// Whether the other host is at work on the entry. What is not known is taken for held.
    pub fn is_held(&self, entry: &str) -> bool {
        match &*self.holds.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, held)) if at.elapsed() < HOLDS_LAST => held.contains(entry),
            _ => true,
        }
    }
}

/// How far this state directory has come with one store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// This state directory among others: made once, at random.
    pub host: String,
    /// The database; another one gets and gives everything anew.
    pub store: String,
    /// The journal's inode; a new file is passed on from its beginning.
    inode: u64,
    /// Bytes of the journal that the store has.
    pub pushed: u64,
    /// Last row of the store that was looked at.
    pub pulled: i64,
    /// The same for outcomes and past cases, which an earlier version did not pass on.
    #[serde(default)]
    pub notes: Notes,
    /// Length of the colleagues' file when this was written: what a crash left beyond it goes.
    kept: u64,
}

/// How far outcomes and past cases have come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The database.
    pub store: String,
    pub outcomes: PassedOn,
    /// Last row of the store that was looked at.
    pub pulled: i64,
}

/// A line of the own journal for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLine {
    pub entry: String,
    /// Where it begins in the file: the same line has the same place whenever it is passed on.
    pub place: i64,
    pub text: String,
}

/// The right to pass on and to take, for one program at a time.
#[derive(Debug)]
pub struct Exchange {
    pub cursor: Cursor,
    journal: Journal,
    _lock: File,
}

impl Journal {
    /// The same, with what other hosts did, where there is a shared store.
    #[must_use]
    pub fn with_colleagues(self, wanted: bool) -> Self {
        Self {
            colleagues: wanted.then(Default::default),
            ..self
        }
    }

    pub(super) fn colleagues_path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// What is being carried out on other hosts now.
    pub fn set_holds(&self, held: HashSet<String>) {
        if let Some(colleagues) = &self.colleagues {
            let mut holds = colleagues
                .holds
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *holds = Some((Instant::now(), held));
        }
    }

    /// The name of this state directory among others, once it has one.
    pub fn host_name(&self) -> Option<String> {
        Some(self.cursor().host).filter(|host| !host.is_empty())
    }

    fn cursor(&self) -> Cursor {
        let kept = std::fs::read(self.directory.join(CURSOR)).unwrap_or_default();
        serde_json::from_slice(&kept).unwrap_or_default()
    }

    /// Begins an exchange with the store, or waits for another program's. `fresh` is the name of
    /// this state directory if it has none yet.
    ///
    /// # Errors
    /// When the state directory cannot be written, or another program takes too long.
    pub fn exchange(&self, fresh: &str) -> Result<Exchange, StoreError> {
        let path = self.directory.join(LOCK);
        let failed = |source| StoreError::Write {
            path: path.clone(),
            source,
        };
        private::make_file(&path).map_err(failed)?;
        let lock = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        files::lock(&lock, &path)?;
        let mut cursor = self.cursor();
        if cursor.host.is_empty() {
            fresh.clone_into(&mut cursor.host);
        }
        Ok(Exchange {
            cursor,
            journal: self.clone(),
            _lock: lock,
        })
    }
}

impl Exchange {
    /// Begins anew where the store is another one than before.
    pub fn with_store(&mut self, store: &str) {
        if self.cursor.store != store {
            self.cursor = Cursor {
                host: std::mem::take(&mut self.cursor.host),
                store: store.to_owned(),
                ..Cursor::default()
            };
        }
    }

    /// The next lines of the own journal for the others, up to `most` bytes of them but at least
    /// one, and how far the journal was read for them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn own_lines(&mut self, most: usize) -> Result<(Vec<OwnLine>, u64), StoreError> {
        let path = self.journal.path();
        let failed = |source| StoreError::Read {
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Vec::new(), 0));
            }
            Err(source) => return Err(failed(source)),
        };
        files::trusted(&file, &path, self.journal.shared)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.ino() != self.cursor.inode || metadata.len() < self.cursor.pushed {
            self.cursor.inode = metadata.ino();
            self.cursor.pushed = 0;
        }
        read_own(&file, self.cursor.pushed, most).map_err(failed)
    }

    /// Adds lines of other hosts; what is no line of a journal is left out. Returns how many were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take(&mut self, lines: &[String]) -> Result<usize, StoreError> {
        let path = self.journal.colleagues_path();
        let sound: Vec<String> = lines.iter().filter_map(|line| sound(line)).collect();
        let write = || {
            let file = private::append_to(&path)?;
            files_trusted(&file, &path, self.journal.shared)?;
            // What a crash left behind the last word of the cursor would be here twice.
            if file.metadata()?.len() > self.cursor.kept {
                file.set_len(self.cursor.kept)?;
            }
            let mut text = sound.join("\n");
            if !text.is_empty() {
                text.push('\n');
            }
            (&file).write_all(text.as_bytes())?;
            file.sync_data()?;
            file.metadata().map(|metadata| metadata.len())
        };
        self.cursor.kept = write().map_err(|source| StoreError::Write { path, source })?;
        Ok(lines.len() - sound.len())
    }

    /// Writes down how far both ways have come.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> Result<(), StoreError> {
        let path = self.journal.directory.join(CURSOR);
        let new = path.with_extension("new");
        let write = || {
            let _ = std::fs::remove_file(&new);
            let mut file = private::new_file(&new)?;
            file.write_all(&serde_json::to_vec(&self.cursor)?)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        write().map_err(|source| StoreError::Write { path, source })
    }
}

fn files_trusted(file: &File, path: &std::path::Path, shared: bool) -> std::io::Result<()> {
    files::trusted(file, path, shared).map_err(std::io::Error::other)
}

fn read_own(mut file: &File, from: u64, most: usize) -> std::io::Result<(Vec<OwnLine>, u64)> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut lines, mut at, mut bytes) = (Vec::new(), from, 0);
    let mut text = Vec::new();
    while bytes < most {
        text.clear();
        let longest = LONGEST_SHARED as u64 + 1;
        let mut read = (&mut reader).take(longest).read_until(b'\n', &mut text)? as u64;
        if read == longest && !text.ends_with(b"\n") {
            text.clear();
            read += rest_of_line(&mut reader)? as u64;
        } else if !text.ends_with(b"\n") {
            // Not whole yet: somebody writes it.
            break;
        }
        if let Some(record) = entry::read_line(text.trim_ascii())
            && is_id(&record.entry)
            && let Ok(text) = String::from_utf8(text.trim_ascii().to_vec())
        {
            bytes += text.len();
            lines.push(OwnLine {
                entry: record.entry,
                place: i64::try_from(at).unwrap_or(i64::MAX),
                text,
            });
        }
        at += read;
    }
    Ok((lines, at))
}

fn rest_of_line(reader: &mut impl BufRead) -> std::io::Result<usize> {
    reader.skip_until(b'\n')
}

fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(plain)
}

/// A line of another host as it is kept: read by the journal's own reader, without control
/// characters, on one line. `None` when it is no line of a journal.
fn sound(line: &str) -> Option<String> {
    if line.len() > LONGEST_SHARED {
        return None;
    }
    let mut value: Value = serde_json::from_str(line).ok()?;
    strip(&mut value);
    let text = value.to_string();
    let record = entry::read_line(text.as_bytes())?;
    is_id(&record.entry).then_some(text)
}

fn strip(value: &mut Value) {
    let clean = |text: &str| sanitise_block(text, LONGEST_TEXT);
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(fields) => {
            let taken = std::mem::take(fields).into_iter();
            *fields = taken
                .map(|(key, mut value)| {
                    strip(&mut value);
                    (clean(&key), value)
                })
                .collect();
        }
        _ => {}
    }
}
