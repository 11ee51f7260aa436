//! Where the entries of a journal lie in its file, so that only those are held that are asked for.
//!
//! The file is read once from its beginning, later from where the last look ended. Of an entry the
//! index keeps about a hundred bytes; the entry itself is read from the disk when it is wanted.
//! Must not live here: opening, locking and writing the file, and what a line means (`entry`).

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use jiff::{SignedDuration, Timestamp};

use super::entry::{self, Entry, EntryState};
use super::record::{Event, Record};
use crate::store::StoreError;

/// A longer line is none of ours; the largest plan takes some hundred kilobytes.
const LONGEST_LINE: usize = 8 * 1024 * 1024;
/// Bytes before the place where the last look ended, by which a file is known again.
const SEEN_BEFORE: u64 = 64;

/// Still in flight.
const OPEN: u8 = 1;
/// Closed, but whether its last call arrived is not known.
const UNTOLD: u8 = 2;
/// Changed something that an undo can take back.
const CHANGED: u8 = 4;
/// To be taken back at a time.
const TIMED: u8 = 8;

/// What is kept of an entry.
#[derive(Debug)]
pub struct Head {
    id: Box<str>,
    /// Hash of the instance's id: an entry that only shares it is told apart when it is read.
    target: u64,
    first: u64,
    end: u64,
    /// Seconds since 1970.
    began: i64,
    undone_by: Option<std::num::NonZeroU32>,
    marks: u8,
}

impl Head {
    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// True while it asks for something: in flight, of unknown end, or a time box in force.
    pub fn is_pending(&self) -> bool {
        let timed = self.is(TIMED) && self.is(CHANGED);
        self.is(OPEN) || (self.undone_by.is_none() && (self.is(UNTOLD) || timed))
    }

    /// True of an entry on the instance; seldom of another one.
    pub fn may_be_on(&self, instance: &str) -> bool {
        self.target == hash(instance)
    }

    /// True when it began within `span` of `at`, before or after.
    pub fn began_within(&self, span: SignedDuration, at: Timestamp) -> bool {
        (self.began - at.as_second()).abs() <= span.as_secs()
    }

    /// True while it is carried out, as far as the journal knows.
    pub fn is_open(&self) -> bool {
        self.is(OPEN)
    }

    /// True when another entry took it back.
    pub fn is_undone(&self) -> bool {
        self.undone_by.is_some()
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seconds since 1970.
    pub fn began(&self) -> i64 {
        self.began
    }
}

/// The heads of a journal, oldest first.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Device and inode of the file that was read.
    file: Option<(u64, u64)>,
    read_to: u64,
    /// The last bytes that were read.
    before: Vec<u8>,
    heads: Vec<Head>,
    /// By hash of the id.
    places: HashMap<u64, u32>,
    /// Entries in flight are few, and the only ones that more lines are expected of.
    open: HashMap<u32, Entry>,
    skipped: usize,
}

impl Index {
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// Lines that could not be understood.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Reads what was added since the last look, up to `length`. While somebody writes, the last
    /// line is none before its end is there.
    pub fn catch_up(&mut self, file: &File, length: u64, written: bool) -> std::io::Result<()> {
        let metadata = file.metadata()?;
        let which = Some((metadata.dev(), metadata.ino()));
        if self.file != which || length < self.read_to || self.before != self.last_bytes(file)? {
            *self = Self {
                file: which,
                ..Self::default()
            };
        }
        let mut lines = Lines::new(file, self.read_to, length);
        while let Some(line) = lines.next()? {
            if written && !line.is_whole {
                break;
            }
            self.take(file, line.text, self.read_to, line.end)?;
            self.read_to = line.end;
        }
        self.before = self.last_bytes(file)?;
        Ok(())
    }

    fn last_bytes(&self, file: &File) -> std::io::Result<Vec<u8>> {
        let from = self.read_to.saturating_sub(SEEN_BEFORE);
        let mut bytes = Vec::new();
        let span = Span {
            file,
            at: from,
            end: self.read_to,
        };
        span.take(SEEN_BEFORE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn take(&mut self, file: &File, line: &[u8], at: u64, end: u64) -> std::io::Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(record) = entry::read_line(line) else {
            self.skipped += 1;
            return Ok(());
        };
        match (self.place(&record.entry), &record.event) {
            (None, Event::Intent { .. }) => self.begin(record, at, end),
            (Some(place), event) if !matches!(event, Event::Intent { .. }) => {
                // What is said of a closed entry later, is said of all that was known of it.
                let mut entry = match self.open.remove(&place) {
                    Some(entry) => entry,
                    None => match self.read(file, place)? {
                        Some(entry) => entry,
                        None => return Ok(()),
                    },
                };
                entry.apply(record);
                if let Some(head) = self.heads.get_mut(place as usize) {
                    head.end = end;
                }
                self.note(place, entry);
            }
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn begin(&mut self, record: Record, at: u64, end: u64) {
        let Ok(place) = u32::try_from(self.heads.len()) else {
            self.skipped += 1;
            return;
        };
        let Some(entry) = Entry::begun(record) else {
            return;
        };
        self.heads.push(Head {
            id: entry.id.as_str().into(),
            target: hash(&entry.plan.target.id),
            first: at,
            end,
            began: entry.began.as_second(),
            undone_by: None,
            marks: 0,
        });
        self.places.insert(hash(&entry.id), place);
        self.note(place, entry);
    }

    /// Keeps what the entry comes to by now, and the entry itself while it is in flight.
    fn note(&mut self, place: u32, entry: Entry) {
        let mut marks = 0;
        for (mark, holds) in [
            (OPEN, entry.state == EntryState::InFlight),
            (UNTOLD, entry.is_untold()),
            (CHANGED, entry.can_be_undone()),
            (TIMED, entry.expires_at.is_some()),
        ] {
            if holds {
                marks |= mark;
            }
        }
        if let Some(head) = self.heads.get_mut(place as usize) {
            head.marks = marks;
        }
        let original = entry.plan.reverses.as_deref();
        let original = original.and_then(|original| self.place(original));
        if let Some(original) = original.and_then(|at| self.heads.get_mut(at as usize)) {
            let this = std::num::NonZeroU32::MIN.saturating_add(place);
            if entry.took_effect() {
                original.undone_by = Some(this);
            } else if original.undone_by == Some(this) {
                original.undone_by = None;
            }
        }
        if entry.state == EntryState::InFlight {
            self.open.insert(place, entry);
        }
    }

    fn place(&self, id: &str) -> Option<u32> {
        let place = *self.places.get(&hash(id))?;
        let head = self.heads.get(place as usize)?;
        (*head.id == *id).then_some(place)
    }

    /// Whether there is an entry of exactly this id.
    pub fn has(&self, id: &str) -> bool {
        self.place(id).is_some()
    }

    /// The entry at a place of `heads`, as its lines and its undo leave it.
    pub fn entry(&self, file: &File, place: usize) -> std::io::Result<Option<Entry>> {
        let by = self.heads.get(place).and_then(|head| head.undone_by);
        let by = by.and_then(|by| self.heads.get(by.get() as usize - 1));
        let entry = match u32::try_from(place) {
            Ok(place) => match self.open.get(&place) {
                Some(entry) => Some(entry.clone()),
                None => self.read(file, place)?,
            },
            Err(_) => None,
        };
        Ok(entry.map(|entry| Entry {
            undone_by: by.map(|by| by.id.to_string()),
            ..entry
        }))
    }

    fn read(&self, file: &File, place: u32) -> std::io::Result<Option<Entry>> {
        let Some(head) = self.heads.get(place as usize) else {
            return Ok(None);
        };
        let mut entry: Option<Entry> = None;
        let mut lines = Lines::new(file, head.first, head.end);
        while let Some(line) = lines.next()? {
            // Lines of other entries may lie between.
            let record = entry::read_line_of(&head.id, line.text);
            match (&mut entry, record) {
                (_, None) => {}
                (None, Some(record)) => entry = Entry::begun(record),
                (Some(entry), Some(record)) => entry.apply(record),
            }
        }
        Ok(entry)
    }

    /// Place of the entry of this id, or of the only one whose id begins or ends with the text.
    pub fn find(&self, id: &str) -> Result<usize, StoreError> {
        if let Some(exact) = self.place(id) {
            return Ok(exact as usize);
        }
        let fits =
            |head: &Head| !id.is_empty() && (head.id.starts_with(id) || head.id.ends_with(id));
        let mut places = (0..self.heads.len()).filter(|&at| self.heads.get(at).is_some_and(fits));
        let Some(only) = places.next() else {
            return Err(StoreError::NoEntry(crate::domain::text::sanitise(id, 60)));
        };
        let others: Vec<usize> = places.take(MOST_NAMED).collect();
        if others.is_empty() {
            return Ok(only);
        }
        let named = std::iter::once(&only).chain(&others);
        let named = named.filter_map(|&at| self.heads.get(at)).map(Head::id);
        Err(StoreError::Ambiguous {
            given: crate::domain::text::sanitise(id, 60),
            matches: named.collect::<Vec<_>>().join(", "),
        })
    }
}

/// Most further entries that one shortened id is said to fit.
const MOST_NAMED: usize = 20;

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A part of a file, read without moving its position: several may read it at once.
struct Span<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The lines of a part of a file.
struct Lines<'a> {
    reader: BufReader<Span<'a>>,
    at: u64,
    text: Vec<u8>,
}

struct Line<'a> {
    /// Without its end; a question mark when it is too long to be one of ours.
    text: &'a [u8],
    /// Where the next one begins.
    end: u64,
    is_whole: bool,
}

impl<'a> Lines<'a> {
    fn new(file: &'a File, from: u64, to: u64) -> Self {
        Self {
            reader: BufReader::with_capacity(
                64 * 1024,
                Span {
                    file,
                    at: from,
                    end: to,
                },
            ),
            at: from,
            text: Vec::new(),
        }
    }

    fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
        self.text.clear();
        let mut is_whole = false;
        let mut any = false;
        let mut too_long = false;
        while !is_whole {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            any = true;
            let end = piece.iter().position(|&byte| byte == b'\n');
            is_whole = end.is_some();
            let taken = end.map_or(piece.len(), |end| end + 1);
            if self.text.len() + taken > LONGEST_LINE {
                too_long = true;
            } else {
                self.text.extend_from_slice(&piece[..end.unwrap_or(taken)]);
            }
            self.at += taken as u64;
            self.reader.consume(taken);
        }
        if too_long {
            // Not understood, and told as such: no line of ours holds only this.
            self.text.clear();
            self.text.push(b'?');
        }
        // What one long line took is not kept for the short ones after it.
        self.text.shrink_to(256 * 1024);
        Ok(any.then_some(Line {
            text: &self.text,
            end: self.at,
            is_whole,
        }))
    }
}
