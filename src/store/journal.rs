//! The append-only record of actions: one JSON object a line, synced before anything is sent.
//!
//! A line is only ever added. A damaged line (a crash in the middle of a write) or one of a newer
//! version is counted and skipped, never removed. Several programs may write at once: a file
//! lock orders the lines, a lock per entry tells who is still at work on it. Of a long journal only
//! an index is held; entries are read when they are asked for.
//! Must not live here: sending, and what to do about an entry in flight (`runtime::execute`).

mod colleagues;
mod entry;
mod files;
mod index;
mod record;

pub use colleagues::{Exchange, LONGEST_SHARED, Notes, OwnLine};
pub use entry::{CallState, Entry, EntryState};
pub use record::{Author, CallResult, Event, Place, Record, VERSION};

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FlockOperation, flock};

use index::Head;

use super::StoreError;

const FILE: &str = "journal.jsonl";
const LOCKS: &str = "in-flight";
const EVIDENCE: &str = "evidence";
/// Files of evidence that are kept; older ones go.
const MOST_EVIDENCE: usize = 200;
/// How far from a moment an action may lie and still say something of it.
const NEAR: SignedDuration = SignedDuration::from_hours(14);
/// Entries of which it is told that they were taken back: the ones that a screen can still show.
const MOST_UNDONE: usize = 1_000;

/// The journal of one state directory. Its clones share what they know of the file.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
    index: Arc<Mutex<index::Index>>,
    /// Other operators' lines are believed, and they may write theirs.
    shared: bool,
    /// What other hosts did, where there is a shared store.
    colleagues: Option<Arc<colleagues::Colleagues>>,
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

/// Entries of a journal that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Lines of the whole journal that could not be understood (damaged, or of a newer version).
    pub skipped: usize,
    /// Entries that came before those that were asked for.
    pub earlier: usize,
}

impl Journal {
    /// The journal in `directory`; nothing is created until something is written.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            index: Arc::default(),
            shared: false,
            colleagues: None,
        }
    }

    /// The same, with other operators, where `shared`; who may write there is believed.
    #[must_use]
    pub fn shared(self, shared: bool) -> Self {
        Self { shared, ..self }
    }

    /// Whether an entry is one's own: what a start does unasked, it does only for these. An entry
    /// of an earlier version names no account; then it is that of the file.
    pub fn is_own(&self, entry: &Entry) -> bool {
        match entry.author.uid {
            Some(uid) => uid == rustix::process::geteuid().as_raw(),
            None => !self.shared,
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
        let failed = |source| StoreError::Write {
            path: path.clone(),
            source,
        };
        let (file, is_new) = self.open_to_append(&path).map_err(failed)?;
        files::trusted(&file, &path, self.shared)?;
        files::lock(&file, &path)?;
        self.append_line(file, is_new, record).map_err(failed)
    }

    fn open_to_append(&self, path: &Path) -> std::io::Result<(File, bool)> {
        self.make_directory()?;
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if is_new {
            self.share(&file)?;
        }
        Ok((file, is_new))
    }

    fn append_line(&self, mut file: File, is_new: bool, record: &Record) -> std::io::Result<()> {
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
        super::private::make_directory(&self.directory)
    }

    /// Operators who share a state directory (declared so, and writable by their group, best with
    /// the set-group-id bit) see and write one journal; everybody else's is their own.
    fn share(&self, file: &File) -> std::io::Result<()> {
        if self.group_writes()? {
            file.set_permissions(Permissions::from_mode(0o660))?;
        }
        Ok(())
    }

    fn group_writes(&self) -> std::io::Result<bool> {
        let mode = std::fs::metadata(&self.directory)?.permissions().mode();
        Ok(self.shared && mode & 0o020 != 0)
    }

    /// What asks for something: entries in flight, of unknown end, or with a time box in force.
    /// Those of other hosts ask for nothing here.
    pub fn pending(&self) -> Result<Contents, StoreError> {
        self.look(|index, file| chosen(index, file, &Head::is_pending))
    }

    /// What was done on the instance within hours of `at`, and all that is in flight anywhere.
    pub fn near(&self, instance: &str, at: Timestamp) -> Result<Contents, StoreError> {
        let near = |head: &Head| head.may_be_on(instance) && head.began_within(NEAR, at);
        self.choose(|head| head.is_open() || near(head))
    }

    /// All that was done on the instance.
    pub fn of_instance(&self, instance: &str) -> Result<Contents, StoreError> {
        let mut contents = self.choose(|head| head.may_be_on(instance))?;
        contents
            .entries
            .retain(|entry| entry.plan.target.id == instance);
        Ok(contents)
    }

    /// The last `most` entries, oldest first, held one at a time. Then what was not among them:
    /// lines that were not understood, and how many came before. Ends early with what `each` breaks
    /// off with.
    pub fn each<B>(
        &self,
        most: usize,
        mut each: impl FnMut(&Entry) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Contents>, StoreError> {
        self.look(|index, file| {
            let look = |others: &index::Index, their_file: Option<&File>| {
                let order = order(index, others);
                let earlier = order.len().saturating_sub(most);
                for &(_, elsewhere, place) in order.iter().skip(earlier) {
                    let (index, file) = if elsewhere {
                        (others, their_file)
                    } else {
                        (index, file)
                    };
                    let read = file.map_or(Ok(None), |file| index.entry(file, place))?;
                    if let Some(entry) = read.map(|entry| Entry { elsewhere, ..entry })
                        && let ControlFlow::Break(with) = each(&entry)
                    {
                        return Ok(ControlFlow::Break(with));
                    }
                }
                Ok(ControlFlow::Continue(Contents {
                    entries: Vec::new(),
                    skipped: index.skipped() + others.skipped(),
                    earlier,
                }))
            };
            Ok(self.look_elsewhere(look))
        })?
    }

    /// The entry of this id, or the only one whose id begins or ends with the text.
    pub fn entry(&self, id: &str) -> Result<Entry, StoreError> {
        let found = self.look(|index, file| {
            let found = index.find(id);
            Ok(found.map(|place| file.map_or(Ok(None), |file| index.entry(file, place))))
        })?;
        if let Err(StoreError::NoEntry(_)) = &found {
            self.refuse_elsewhere(id)?;
        }
        let read = found?.map_err(|source| StoreError::Read {
            path: self.path(),
            source,
        })?;
        // It was there when its lines were counted.
        read.ok_or_else(|| StoreError::NoEntry(crate::domain::text::sanitise(id, 60)))
    }

    /// An entry of another host is taken back, kept or closed there.
    fn refuse_elsewhere(&self, id: &str) -> Result<(), StoreError> {
        let found = self.look_elsewhere(|others, file| {
            let place = others.find(id).ok();
            let entry = place.zip(file);
            entry.map_or(Ok(None), |(place, file)| others.entry(file, place))
        })?;
        match found {
            Some(entry) => Err(StoreError::Elsewhere {
                user: crate::domain::text::sanitise(&entry.author.user, 100),
                host: crate::domain::text::sanitise(&entry.author.host, 64),
                entry: entry.id,
            }),
            None => Ok(()),
        }
    }

    /// Ids of the youngest entries that were taken back.
    pub fn taken_back(&self) -> Result<Vec<String>, StoreError> {
        self.look(|index, _| {
            let undone = index.heads().iter().rev().filter(|head| head.is_undone());
            let ids = undone.take(MOST_UNDONE).map(|head| head.id().to_owned());
            Ok(ids.collect())
        })
    }

    fn choose(&self, wanted: impl Fn(&Head) -> bool) -> Result<Contents, StoreError> {
        self.look(|index, file| {
            let mut contents = chosen(index, file, &wanted)?;
            let theirs = |head: &Head| wanted(head) && !index.has(head.id());
            Ok(self.look_elsewhere(|others, file| {
                let theirs = chosen(others, file, &theirs)?;
                let entries = theirs.entries.into_iter().map(|entry| Entry {
                    elsewhere: true,
                    ..entry
                });
                contents.entries.extend(entries);
                contents.entries.sort_by_key(|entry| entry.began);
                contents.skipped += theirs.skipped;
                Ok(contents)
            }))
        })?
    }

    /// Brings the index up to date and looks into it. A journal that does not exist yet is empty.
    /// Nobody who writes is waited for: a line is whole once its end is there.
    fn look<T>(
        &self,
        look: impl FnOnce(&index::Index, Option<&File>) -> std::io::Result<T>,
    ) -> Result<T, StoreError> {
        self.look_at(self.path(), &self.index, look)
    }

    /// The same for what other hosts did; nothing where there is no shared store.
    fn look_elsewhere<T>(
        &self,
        look: impl FnOnce(&index::Index, Option<&File>) -> std::io::Result<T>,
    ) -> Result<T, StoreError> {
        match &self.colleagues {
            Some(others) => self.look_at(self.colleagues_path(), &others.index, look),
            None => look(&index::Index::default(), None).map_err(|source| StoreError::Read {
                path: self.colleagues_path(),
                source,
            }),
        }
    }

    fn look_at<T>(
        &self,
        path: PathBuf,
        index: &Mutex<index::Index>,
        look: impl FnOnce(&index::Index, Option<&File>) -> std::io::Result<T>,
    ) -> Result<T, StoreError> {
        let file = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        if let Some(file) = &file {
            files::trusted(file, &path, self.shared)?;
        }
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            match &file {
                Some(file) => {
                    let (length, written) = files::length(file)?;
                    index.catch_up(file, length, written)?;
                }
                None => *index = index::Index::default(),
            }
            look(&index, file.as_ref())
        };
        read().map_err(|source| StoreError::Read { path, source })
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

    /// True while somebody is at work on it, here or on another host.
    pub fn is_under_way(&self, entry: &Entry) -> Result<bool, StoreError> {
        match &self.colleagues {
            Some(others) if entry.elsewhere => Ok(others.is_held(&entry.id)),
            _ => self.is_held(&entry.id),
        }
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
            let made = std::fs::create_dir(&folder);
            // Another program may have been quicker.
            made.or_else(|error| {
                let there = error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir();
                if there { Ok(()) } else { Err(error) }
            })?;
            let mode = if self.group_writes()? { 0o2770 } else { 0o700 };
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

fn chosen(
    index: &index::Index,
    file: Option<&File>,
    wanted: &dyn Fn(&Head) -> bool,
) -> std::io::Result<Contents> {
    let heads = index.heads().iter().enumerate();
    let places = heads.filter(|(_, head)| wanted(head)).map(|(at, _)| at);
    Ok(Contents {
        entries: read_all(index, file, places)?,
        skipped: index.skipped(),
        earlier: 0,
    })
}

/// Own entries and those of other hosts by the time they began: which, and its place. An own one
/// keeps its place among its neighbours, whatever the clock did.
fn order(own: &index::Index, others: &index::Index) -> Vec<(i64, bool, usize)> {
    let mut latest = i64::MIN;
    let mut order: Vec<_> = own
        .heads()
        .iter()
        .enumerate()
        .map(|(place, head)| {
            latest = latest.max(head.began());
            (latest, false, place)
        })
        .collect();
    let others = others.heads().iter().enumerate();
    let others = others.filter(|(_, head)| !own.has(head.id()));
    order.extend(others.map(|(place, head)| (head.began(), true, place)));
    order.sort_unstable();
    order
}

fn read_all(
    index: &index::Index,
    file: Option<&File>,
    places: impl Iterator<Item = usize>,
) -> std::io::Result<Vec<Entry>> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let entries = places.map(|place| index.entry(file, place));
    entries.filter_map(Result::transpose).collect()
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
