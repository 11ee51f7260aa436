//! The real program in a pseudo-terminal, seen as a person would see it.
//!
//! Lives here: start, keys, resize, waiting for what the screen shows, and a picture (SVG) of it.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longest wait for something that must appear: only a failure takes it, a busy machine may need it.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running program and what its terminal shows.
pub struct Terminal {
    pub child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Seen>>,
    home: tempfile::TempDir,
}

/// Begin and end of a synchronized update (private mode 2026).
const UPDATE_BEGINS: &[u8] = b"\x1b[?2026h";
const UPDATE_ENDS: &[u8] = b"\x1b[?2026l";

/// The screen, and how many bytes it took.
struct Seen {
    parser: vt100::Parser,
    /// An update that has not ended; a terminal with mode 2026 does not show it yet.
    held: Vec<u8>,
    bytes: u64,
    raw: Vec<u8>,
    last: Instant,
}

impl Seen {
    /// Shows what came, but for an update whose end is still on its way.
    ///
    /// A pseudo-terminal hands a frame over in pieces: without this a test can see the title of
    /// a box and not yet what is in it.
    fn show(&mut self, came: &[u8]) {
        self.held.extend_from_slice(came);
        let open = match (
            last(&self.held, UPDATE_BEGINS),
            last(&self.held, UPDATE_ENDS),
        ) {
            (Some(begin), end) if end.is_none_or(|end| end < begin) => begin,
            _ => self.held.len() - begun(&self.held, UPDATE_BEGINS),
        };
        let shown: Vec<u8> = self.held.drain(..open).collect();
        self.parser.process(&shown);
    }
}

/// Where `wanted` begins for the last time.
fn last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|part| part == wanted)
}

/// How many bytes at the end could be the begin of `wanted`.
fn begun(bytes: &[u8], wanted: &[u8]) -> usize {
    (1..wanted.len())
        .rev()
        .find(|&n| bytes.ends_with(&wanted[..n]))
        .unwrap_or(0)
}

/// The screen without its empty rows, after its last ones: a long report is cut off in the middle.
fn foot_first(text: &str) -> String {
    let rows: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|row| row.chars().any(char::is_alphanumeric))
        .collect();
    let foot = &rows[rows.len().saturating_sub(3)..];
    format!("{}\nand in all\n{}", foot.join("\n"), rows.join("\n"))
}

impl Terminal {
    /// Starts `program` with `arguments` at a size of `columns` x `rows`, in a home of its own.
    pub fn start(arguments: &[&str], columns: u16, rows: u16, variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a temporary home");
        let pair = native_pty_system()
            .openpty(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cvmtop"));
        command.args(arguments);
        command.env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "en_US.UTF-8");
        // Weighing a whole fleet is tested by itself; elsewhere it only takes the processor.
        command.env("CVMTOP_PROBE_WEIGH", "false");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let seen = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(cells(rows), cells(columns), 0),
            held: Vec::new(),
            bytes: 0,
            raw: Vec::new(),
            last: Instant::now(),
        }));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                let mut seen = shared.lock().expect("no reader panicked");
                seen.show(&buffer[..n]);
                seen.bytes += n as u64;
                seen.last = Instant::now();
                if seen.raw.len() < 4 << 20 {
                    seen.raw.extend_from_slice(&buffer[..n]);
                }
            }
        });
        Self {
            child,
            master: Some(pair.master),
            writer: Some(writer),
            seen,
            home,
        }
    }

    /// Types `keys` as they are.
    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("the terminal is open");
        writer.write_all(keys.as_bytes()).expect("keys are taken");
        writer.flush().expect("keys are sent");
    }

    /// Makes the window another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master
            .as_ref()
            .expect("the terminal is open")
            .resize(size)
            .expect("resized");
        self.seen
            .lock()
            .expect("no reader panicked")
            .parser
            .screen_mut()
            .set_size(cells(rows), cells(columns));
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.seen
            .lock()
            .expect("no reader panicked")
            .parser
            .screen()
            .contents()
    }

    /// Everything that was written so far (at most 4 MiB).
    pub fn raw(&self) -> Vec<u8> {
        self.seen.lock().expect("no reader panicked").raw.clone()
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.seen.lock().expect("no reader panicked").bytes
    }

    /// Waits until the screen satisfies `wanted`.
    ///
    /// # Panics
    /// With the screen, when that does not happen.
    pub fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "waited for {what}, but the screen shows\n{}",
                foot_first(&text)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types `keys` until the screen holds `text`. For what is only told at the foot: a notice
    /// stays for seconds, and a machine that stood still over them is asked again.
    pub fn ask(&mut self, keys: &str, text: &str) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            self.keys(keys);
            let asked = Instant::now();
            while asked.elapsed() < PATIENCE / 12 {
                let screen = self.text();
                if screen.contains(text) {
                    return screen;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.wait_for(text)
    }

    /// Waits until the screen holds `text`.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Waits until nothing was written for `quiet`.
    pub fn wait_quiet(&self, quiet: Duration) {
        let started = Instant::now();
        while self.seen.lock().expect("no reader panicked").last.elapsed() < quiet {
            assert!(started.elapsed() < PATIENCE, "the screen never rests");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program.
    pub fn wait_exit(&mut self) -> portable_pty::ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the program does not end\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Closes the terminal under the program.
    pub fn hang_up(&mut self) {
        self.writer = None;
        self.master = None;
    }

    /// The home that the program was given.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The screen as a picture.
    pub fn svg(&self) -> String {
        svg(&self.screen())
    }

    /// What it shows, to be kept.
    pub fn screen(&self) -> vt100::Screen {
        let seen = self.seen.lock().expect("no reader panicked");
        seen.parser.screen().clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A size of at least one cell.
fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n.max(1)).expect("at least one")
}

const CELL: (f32, f32) = (8.4, 18.0);
const FOREGROUND: &str = "#d3d7cf";
const BACKGROUND: &str = "#14171c";

/// The colour of a cell; `None` for the terminal's own.
fn colour(c: vt100::Color) -> Option<String> {
    const BASE: [&str; 16] = [
        "#2e3436", "#e05561", "#8cc265", "#d18f52", "#4aa5f0", "#c162de", "#42b3c2", "#d7dae0",
        "#7f848e", "#ff616e", "#a5e075", "#f0a45d", "#4dc4ff", "#de73ff", "#4cd1e0", "#ffffff",
    ];
    match c {
        vt100::Color::Default => None,
        vt100::Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        vt100::Color::Idx(i) if i < 16 => Some(BASE[usize::from(i)].to_owned()),
        vt100::Color::Idx(i) if i < 232 => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let n = i - 16;
            Some(format!(
                "#{:02x}{:02x}{:02x}",
                level(n / 36),
                level(n / 6 % 6),
                level(n % 6)
            ))
        }
        vt100::Color::Idx(i) => {
            let grey = 8 + 10 * (i - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
    }
}

/// Cells of one row that look alike, drawn as one piece of text.
struct Run {
    style: String,
    x: f32,
    width: f32,
    text: String,
}

fn style(cell: &vt100::Cell, fg: Option<String>) -> String {
    let mut style = format!("fill=\"{}\"", fg.unwrap_or_else(|| FOREGROUND.to_owned()));
    for (on, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.dim(), " opacity=\"0.6\""),
        (cell.underline(), " text-decoration=\"underline\""),
    ] {
        if on {
            style.push_str(attribute);
        }
    }
    style
}

fn svg(screen: &vt100::Screen) -> String {
    let mut out = sheet(screen);
    let rows = (0..screen.size().0.get()).map(|row| {
        let y = 8.0 + f32::from(row) * CELL.1;
        drawn(screen, row, y)
    });
    let (grounds, texts): (Vec<String>, Vec<String>) = rows.unzip();
    out.push_str(&grounds.concat());
    out.push_str(&texts.concat());
    out.push_str("</svg>\n");
    out
}

/// A picture that moves: each screen for its time, round and round. A row that several screens show is
/// drawn once. Whatever moves nothing shows the last screen.
pub fn recording(screens: &[(vt100::Screen, Duration)]) -> String {
    use std::fmt::Write as _;
    let mut out = sheet(&screens[0].0);
    let whole: f32 = screens.iter().map(|(_, time)| time.as_secs_f32()).sum();
    let (mut drawings, mut frames, mut style) = (Vec::new(), String::new(), String::new());
    let mut at = 0.0;
    for (number, (screen, time)) in screens.iter().enumerate() {
        let share = |seconds: f32| seconds / whole * 100.0;
        let (from, to) = (share(at), share(at + time.as_secs_f32()));
        at += time.as_secs_f32();
        let last = if number + 1 == screens.len() {
            "visible"
        } else {
            "hidden"
        };
        let _ = writeln!(
            style,
            "#f{number}{{visibility:{last};animation:f{number} {whole:.1}s step-end infinite}}\n\
             @keyframes f{number}{{0%{{visibility:hidden}}{from:.2}%{{visibility:visible}}{to:.2}%,to{{visibility:{}}}}}",
            if number + 1 == screens.len() {
                "visible"
            } else {
                "hidden"
            },
        );
        let _ = write!(frames, "<g id=\"f{number}\">");
        for row in 0..screen.size().0.get() {
            let (ground, text) = drawn(screen, row, 0.0);
            let drawing = ground + &text;
            if drawing.is_empty() {
                continue;
            }
            let known = drawings.iter().position(|known| *known == drawing);
            let index = known.unwrap_or_else(|| {
                drawings.push(drawing);
                drawings.len() - 1
            });
            let y = 8.0 + f32::from(row) * CELL.1;
            let _ = write!(frames, "<use href=\"#r{index}\" y=\"{y:.0}\"/>");
        }
        frames.push_str("</g>\n");
    }
    let _ = writeln!(out, "<style>\n{style}</style>\n<defs>");
    for (index, drawing) in drawings.iter().enumerate() {
        let _ = writeln!(out, "<g id=\"r{index}\">\n{drawing}</g>");
    }
    out + "</defs>\n" + &frames + "</svg>\n"
}

/// The empty sheet under a screen.
fn sheet(screen: &vt100::Screen) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (w, h) = (
        f32::from(columns) * CELL.0 + 16.0,
        f32::from(rows) * CELL.1 + 16.0,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" font-family=\"'DejaVu Sans Mono','Noto Sans Mono CJK SC',Menlo,Consolas,monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    )
}

/// The grounds and the texts of one row.
fn drawn(screen: &vt100::Screen, row: u16, y: f32) -> (String, String) {
    use std::fmt::Write as _;
    let (mut grounds, mut texts) = (String::new(), String::new());
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..screen.size().1.get() {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        if cell.is_wide_continuation() {
            continue;
        }
        let x = 8.0 + f32::from(column) * CELL.0;
        let width = if cell.is_wide() { 2.0 } else { 1.0 } * CELL.0;
        let (mut fg, mut bg) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
        if cell.inverse() {
            (fg, bg) = (
                Some(bg.unwrap_or_else(|| BACKGROUND.to_owned())),
                Some(fg.unwrap_or_else(|| FOREGROUND.to_owned())),
            );
        }
        if let Some(bg) = bg {
            let _ = writeln!(
                grounds,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{bg}\"/>",
                width + 0.3,
                CELL.1
            );
        }
        let text = if cell.contents().is_empty() {
            " "
        } else {
            cell.contents()
        };
        let style = style(cell, fg);
        match runs.last_mut() {
            // Only ASCII is sure to be as wide as its cell in every font.
            Some(run) if run.style == style && text.is_ascii() && run.text.is_ascii() => {
                run.text.push_str(text);
                run.width += width;
            }
            _ => runs.push(Run {
                style,
                x,
                width,
                text: text.to_owned(),
            }),
        }
    }
    for run in runs.iter().filter(|run| !run.text.trim().is_empty()) {
        let text = run
            .text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let _ = writeln!(
            texts,
            "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" {}>{text}</text>",
            run.x,
            y + 13.5,
            run.width,
            run.style
        );
    }
    (grounds, texts)
}
