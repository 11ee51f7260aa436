//! The log: one structured line an event in a file that never grows without bound.
//!
//! Lives here: where lines go, how old ones are put aside, and that nothing from outside can
//! write a control character into them. Must not live here: what is worth a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use super::said;
use crate::config::{Loaded, Problem, Severity};
use crate::domain::text::sanitise;

/// A file that has grown to this size is put aside.
const MAX_FILE: u64 = 4 << 20;
/// Files that are kept beside the one in use: `cvmtop.log.1` is the youngest.
const KEPT: usize = 3;
/// Longest line.
const MAX_LINE: usize = 4_096;

/// Begins the log that the settings ask for. A log that cannot be written is told once and stops
/// nothing.
pub fn start(loaded: &mut Loaded) {
    let path = loaded.settings.log.file.clone();
    let path = path.unwrap_or_else(|| loaded.paths.default_log());
    let level = LevelFilter::from_str(&loaded.settings.log.level).unwrap_or(LevelFilter::INFO);
    match Rotating::open(&path, MAX_FILE) {
        Ok(file) => begin(file, level),
        Err(error) => loaded.warnings.push(Problem {
            severity: Severity::Warning,
            place: path.display().to_string(),
            key: "log".to_owned(),
            message: said::no_log(error),
        }),
    }
    tracing::info!(
        version = super::args::VERSION,
        pid = std::process::id(),
        "started"
    );
}

fn begin(file: Rotating, level: LevelFilter) {
    // Libraries speak only of trouble: their lines may hold whole requests.
    let ours = Targets::new()
        .with_target("cvmtop", level)
        .with_default(LevelFilter::ERROR.min(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Lines(Mutex::new(file)))
        .with_filter(ours);
    // The console may be opened twice in one process; then the first log goes on.
    if tracing_subscriber::registry()
        .with(lines)
        .try_init()
        .is_err()
    {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        note_panic(info);
        before(info);
    }));
}

/// The message may quote what it choked on; its place alone is safe.
fn note_panic(info: &std::panic::PanicHookInfo<'_>) {
    tracing::error!(place = super::fault::place(info), "panic");
}

/// The layer's way to the file: each event is written whole, under one lock.
struct Lines(Mutex<Rotating>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            file: &self.0,
            text: Vec::new(),
        }
    }
}

/// One event while it is put together.
struct Line<'a> {
    file: &'a Mutex<Rotating>,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = sanitise(&String::from_utf8_lossy(&self.text), MAX_LINE) + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk costs log lines, nothing else.
        let _ = file.append(line.as_bytes());
    }
}

/// A file for appending that is put aside when it is full. Several programs may share it.
struct Rotating {
    path: PathBuf,
    file: File,
    limit: u64,
}

impl Rotating {
    fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file: open(path)?,
            limit,
        })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() + line.len() as u64 > self.limit {
            // Another program may have put the file aside already; then only follow it.
            let same = |there: std::fs::Metadata, here: std::fs::Metadata| {
                (there.ino(), there.dev()) == (here.ino(), here.dev())
            };
            let ours = match std::fs::metadata(&self.path) {
                Ok(there) => same(there, self.file.metadata()?),
                Err(_) => false,
            };
            if ours {
                self.put_aside();
            }
            self.file = open(&self.path)?;
        }
        // One write for one line, so that lines of two programs never mix.
        self.file.write_all(line)
    }

    fn put_aside(&self) {
        let aside = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..KEPT).rev() {
            let _ = std::fs::rename(aside(number), aside(number + 1));
        }
        let _ = std::fs::rename(&self.path, aside(1));
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_put_aside_and_no_more_than_three_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cvmtop.log");
        let mut log = Rotating::open(&path, 100).unwrap();
        for number in 0..100 {
            log.append(format!("line {number:03} of the log\n").as_bytes())
                .unwrap();
        }
        let mut names: Vec<String> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let want = ["cvmtop.log", "cvmtop.log.1", "cvmtop.log.2", "cvmtop.log.3"];
        assert_eq!(names, want);
        assert!(std::fs::metadata(&path).unwrap().len() <= 100);
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn two_programs_share_a_log_and_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cvmtop.log");
        let mut logs = [(); 2].map(|()| Rotating::open(&path, 2_000).unwrap());
        for number in 0..100 {
            for (who, log) in logs.iter_mut().enumerate() {
                log.append(format!("{who} {number:03} 123456789\n").as_bytes())
                    .unwrap();
            }
        }
        let mut lines = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(text.lines().all(|line| line.len() == 15), "{text}");
            lines += text.lines().count();
        }
        assert_eq!(lines, 200);
    }

    #[test]
    fn a_panic_is_noted_without_the_folders_of_the_builder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cvmtop.log");
        let lines = Lines(Mutex::new(Rotating::open(&path, MAX_FILE).unwrap()));
        let layer = tracing_subscriber::fmt::layer().with_writer(lines);
        let subscriber = tracing_subscriber::registry().with(layer);
        let me = std::thread::current().id();
        let before = std::sync::Arc::new(std::panic::take_hook());
        let others = before.clone();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == me {
                note_panic(info);
            } else {
                others(info);
            }
        }));
        // In a source file of the standard library, so of another folder.
        let fault = || std::panic::catch_unwind(|| "ab".repeat(usize::MAX));
        let fault = tracing::subscriber::with_default(subscriber, fault);
        std::panic::set_hook(Box::new(move |info| before(info)));
        assert!(fault.is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, place) = text.split_once("place").unwrap();
        assert!(place.contains(".rs:") && !place.contains('/'), "{text}");
    }

    #[test]
    fn nothing_from_outside_writes_a_control_character() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cvmtop.log");
        let lines = Lines(Mutex::new(Rotating::open(&path, MAX_FILE).unwrap()));
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(lines);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = "a\u{1b}]52;c;x\u{7}b\u{202e}c\r\nd", "hostile");
            tracing::warn!("\u{1b}[2J{}", "e\nf");
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        let unsafe_character = |c: char| c != '\n' && crate::domain::text::is_unsafe(c);
        assert!(!text.contains(unsafe_character), "{text:?}");
    }
}
