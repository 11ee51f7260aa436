//! A program in a pseudo-terminal, with the time at which each byte came out.
//!
//! Lives here: starting, typing, waiting, and what `/proc` says about the process. Must not live
//! here: what is measured.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// End of a synchronized update: the frame is complete.
pub const FRAME_END: &[u8] = b"\x1b[?2026l";
const PATIENCE: Duration = Duration::from_secs(180);

/// What came out so far: all bytes, and where each piece ends.
#[derive(Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub pieces: Vec<(Instant, usize)>,
    pub ended: bool,
}

impl Output {
    fn last(&self) -> Option<Instant> {
        self.pieces.last().map(|piece| piece.0)
    }

    /// When the byte at `position` had come out.
    pub fn time_of(&self, position: usize) -> Option<Instant> {
        self.pieces
            .iter()
            .find(|(_, end)| *end > position)
            .map(|(at, _)| *at)
    }

    /// When the first frame that ends at or after `from` was complete.
    pub fn frame_after(&self, from: usize) -> Option<Instant> {
        let at = find(&self.bytes[from.min(self.bytes.len())..], FRAME_END)?;
        self.time_of(from + at + FRAME_END.len() - 1)
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A running program.
pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    output: Arc<(Mutex<Output>, Condvar)>,
    /// Bytes a second that are read; 0 reads all there is.
    throttle: Arc<AtomicU64>,
    let_go: Arc<AtomicBool>,
    pub started: Instant,
}

impl Pty {
    /// Starts `command` at `columns` x `rows` with a clean environment and `home` as its home.
    pub fn start(
        command: &[&str],
        variables: &[(&str, &str)],
        home: &Path,
        (columns, rows): (u16, u16),
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let mut builder = CommandBuilder::new(command[0]);
        builder.args(&command[1..]);
        builder.env_clear();
        builder.env("PATH", std::env::var("PATH").unwrap_or_default());
        builder.env("HOME", home);
        builder.env("TERM", "xterm-256color");
        builder.env("COLORTERM", "truecolor");
        builder.env("LANG", "C.UTF-8");
        for (name, value) in variables {
            builder.env(name, value);
        }
        let pair = native_pty_system().openpty(size).expect("a pty");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let output = Arc::new((Mutex::new(Output::default()), Condvar::new()));
        let throttle = Arc::new(AtomicU64::new(0));
        let let_go = Arc::new(AtomicBool::new(false));
        let shared = (output.clone(), throttle.clone(), let_go.clone());
        std::thread::spawn(move || {
            let (output, throttle, let_go) = shared;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let rate = throttle.load(Ordering::Relaxed) as usize;
                let room = if rate == 0 {
                    buffer.len()
                } else {
                    (rate / 20).max(1)
                };
                let n = reader.read(&mut buffer[..room]).unwrap_or(0);
                let mut seen = output.0.lock().expect("no panic");
                seen.bytes.extend_from_slice(&buffer[..n]);
                let end = seen.bytes.len();
                seen.pieces.push((Instant::now(), end));
                seen.ended = n == 0 || let_go.load(Ordering::SeqCst);
                output.1.notify_all();
                if seen.ended {
                    return;
                }
                drop(seen);
                if rate != 0 {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        });
        let started = Instant::now();
        let child = pair
            .slave
            .spawn_command(builder)
            .expect("the program starts");
        drop(pair.slave);
        Self {
            child,
            master: Some(pair.master),
            writer: Some(writer),
            output,
            throttle,
            let_go,
            started,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a child has an id")
    }

    /// Types `keys`; gives the time and what had come out by then.
    pub fn type_keys(&mut self, keys: &str) -> (Instant, usize) {
        let before = self.len();
        let writer = self.writer.as_mut().expect("the terminal is open");
        let at = Instant::now();
        writer.write_all(keys.as_bytes()).expect("keys are taken");
        writer.flush().expect("keys are sent");
        (at, before)
    }

    pub fn len(&self) -> usize {
        self.with(|output| output.bytes.len())
    }

    pub fn with<T>(&self, look: impl FnOnce(&Output) -> T) -> T {
        look(&self.output.0.lock().expect("no panic"))
    }

    /// Waits until `wanted` gives something.
    ///
    /// # Panics
    /// With the screen, when that does not happen.
    pub fn wait<T>(&self, what: &str, wanted: impl Fn(&Output) -> Option<T>) -> T {
        let started = Instant::now();
        let mut output = self.output.0.lock().expect("no panic");
        loop {
            if let Some(found) = wanted(&output) {
                return found;
            }
            let left = PATIENCE.saturating_sub(started.elapsed());
            assert!(
                !left.is_zero() && !output.ended,
                "waited for {what}; the screen shows\n{}",
                screen(&output.bytes, 200, 50)
            );
            output = self
                .output
                .1
                .wait_timeout(output, left)
                .expect("no panic")
                .0;
        }
    }

    /// Waits until `wanted` gives something; `None` when the program ends or goes on without it.
    pub fn wait_or_end<T>(&self, wanted: impl Fn(&Output) -> Option<T>) -> Option<T> {
        let started = Instant::now();
        let mut output = self.output.0.lock().expect("no panic");
        loop {
            let found = wanted(&output);
            let left = Duration::from_secs(20).saturating_sub(started.elapsed());
            if found.is_some() || output.ended || left.is_zero() {
                return found;
            }
            let waited = self.output.1.wait_timeout(output, left);
            output = waited.expect("no panic").0;
        }
    }

    /// Waits until the text on a screen of this size satisfies `wanted`. Looks at most fifty
    /// times a second, so that looking costs little.
    pub fn wait_screen(&self, size: (u16, u16), what: &str, wanted: impl Fn(&str) -> bool) {
        let started = Instant::now();
        let mut parser = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        let mut read = 0;
        loop {
            self.with(|output| {
                parser.process(&output.bytes[read..]);
                read = output.bytes.len();
            });
            let text = parser.screen().contents();
            if wanted(&text) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "waited for {what}; the screen shows\n{text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until nothing came out for `quiet`.
    pub fn wait_quiet(&self, quiet: Duration) {
        let started = Instant::now();
        while self
            .with(Output::last)
            .is_none_or(|last| last.elapsed() < quiet)
        {
            assert!(started.elapsed() < PATIENCE, "the screen never rests");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn read_slowly(&self, bytes_per_second: u64) {
        self.throttle.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Closes the terminal under the program; the reader lets go with the next byte.
    pub fn hang_up(&mut self) {
        self.let_go.store(true, Ordering::SeqCst);
        self.type_keys("?");
        let started = Instant::now();
        while !self.with(|output| output.ended) {
            assert!(started.elapsed() < PATIENCE, "the reader does not let go");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.writer = None;
        self.master = None;
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end; `None` when it does not come within `patience`.
    pub fn wait_end(&mut self, patience: Duration) -> Option<Duration> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.has_ended() {
                return Some(started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.throttle.store(0, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n.max(1)).expect("at least one")
}

/// The text that `bytes` leave on a screen.
pub fn screen(bytes: &[u8], columns: u16, rows: u16) -> String {
    let mut parser = vt100::Parser::new(cells(rows), cells(columns), 0);
    parser.process(bytes);
    parser.screen().contents()
}

/// When the screen first showed anything at all, and when it first showed `text`.
pub fn first_seen(
    output: &Output,
    size: (u16, u16),
    text: &str,
) -> (Option<Instant>, Option<Instant>) {
    let mut parser = vt100::Parser::new(cells(size.1), cells(size.0), 0);
    let (mut anything, mut wanted, mut from) = (None, None, 0);
    for (at, end) in &output.pieces {
        parser.process(&output.bytes[from..*end]);
        from = *end;
        let contents = parser.screen().contents();
        if anything.is_none() && !contents.trim().is_empty() {
            anything = Some(*at);
        }
        if contents.contains(text) {
            wanted = Some(*at);
            break;
        }
    }
    (anything, wanted)
}

/// What a process has used so far, over all its threads.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub cpu: Duration,
    pub wakeups: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Self {
        let mut usage = Self::default();
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            return usage;
        };
        for task in tasks.flatten() {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name));
            if let Ok(stat) = read("schedstat") {
                let nanos = stat.split_whitespace().next().and_then(|n| n.parse().ok());
                usage.cpu += Duration::from_nanos(nanos.unwrap_or(0));
            }
            if let Ok(status) = read("status") {
                usage.wakeups += field(&status, "voluntary_ctxt_switches:");
            }
        }
        usage
    }

    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            wakeups: self.wakeups.saturating_sub(earlier.wakeups),
        }
    }
}

/// Resident memory now and at its highest, in KiB.
pub fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    (field(&status, "VmRSS:"), field(&status, "VmHWM:"))
}

fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
