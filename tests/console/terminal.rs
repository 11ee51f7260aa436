//! The real binary on a real pseudo-terminal: first frame, keys, sizes, signals, loss of the
//! terminal, and what is left behind.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longest wait for something that must appear: only a failure takes it, a busy machine may need it.
const PATIENCE: Duration = Duration::from_secs(240);

/// What came out of the terminal so far.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    last: Instant,
    ended: bool,
    /// The reader lets go of the terminal at the next byte.
    let_go: bool,
}

struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// Goes with the terminal.
    state: Option<tempfile::TempDir>,
}

impl Terminal {
    fn start(command: CommandBuilder, size: (u16, u16)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut terminal = Self::start_in(command, size, state.path());
        terminal.state = Some(state);
        terminal
    }

    /// In a home that outlives the console.
    fn start_in(
        mut command: CommandBuilder,
        (cols, rows): (u16, u16),
        home: &std::path::Path,
    ) -> Self {
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        command.env("HOME", home);
        command.env("CVMTOP_STATE_DIR", home.join("state"));
        command.env("LANG", "C.UTF-8");
        command.env("TERM", "xterm-256color");
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new((
            Mutex::new(Seen {
                parser: vt100::Parser::new(cells(rows), cells(cols), 0),
                bytes: Vec::new(),
                last: Instant::now(),
                ended: false,
                let_go: false,
            }),
            Condvar::new(),
        ));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            loop {
                let n = reader.read(&mut buffer).unwrap_or(0);
                let mut seen = shared.0.lock().unwrap();
                seen.parser.process(&buffer[..n]);
                seen.bytes.extend_from_slice(&buffer[..n]);
                seen.last = Instant::now();
                seen.ended = n == 0 || seen.let_go;
                shared.1.notify_all();
                if seen.ended {
                    return;
                }
            }
        });
        Self {
            child,
            writer: Some(pair.master.take_writer().unwrap()),
            master: Some(pair.master),
            seen,
            state: None,
        }
    }

    /// The console on the demo cloud.
    fn demo(size: (u16, u16), extra: &[(&str, &str)]) -> Self {
        let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
        command.arg("--demo");
        for (name, value) in extra {
            command.env(name, value);
        }
        Self::start(command, size)
    }

    fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits until the screen fulfils a condition.
    fn wait(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        let started = Instant::now();
        let mut seen = self.seen.0.lock().unwrap();
        while !condition(seen.parser.screen()) {
            let left = PATIENCE.saturating_sub(started.elapsed());
            assert!(
                !left.is_zero() && !seen.ended,
                "waited for {what}; on the screen:\n{}",
                seen.parser.screen().contents()
            );
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    fn wait_text(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Bytes that arrive in a span of time after the terminal has been quiet for a while.
    fn bytes_in(&self, quiet: Duration, span: Duration) -> usize {
        let mut seen = self.seen.0.lock().unwrap();
        let started = Instant::now();
        while seen.last.elapsed() < quiet {
            assert!(
                started.elapsed() < PATIENCE,
                "the terminal never came to rest"
            );
            let left = quiet.saturating_sub(seen.last.elapsed());
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        let before = seen.bytes.len();
        let until = Instant::now() + span;
        while Instant::now() < until && seen.bytes.len() == before {
            let left = until.saturating_duration_since(Instant::now());
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen.bytes.len() - before
    }

    fn resize(&self, cols: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.seen
            .0
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(cells(rows), cells(cols));
        self.master.as_ref().unwrap().resize(size).unwrap();
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.process_id().unwrap().cast_signed();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal)
            .unwrap();
    }

    /// Waits for the end and gives the exit status.
    fn exit(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "the console does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The terminal as a shell would want to find it.
    fn assert_sane(&self) {
        self.wait("the main screen with a cursor", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        let termios = self.master.as_ref().unwrap().get_termios().unwrap();
        let flags = format!("{:?}", termios.local_flags);
        assert!(
            flags.contains("ICANON") && flags.contains("ECHO"),
            "{flags}"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).unwrap()
}

fn clean(program: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env_clear();
    command.env("PATH", std::env::var("PATH").unwrap_or_default());
    // Weighing a whole fleet is tested by itself; elsewhere it only takes the processor.
    command.env("CVMTOP_PROBE_WEIGH", "false");
    command
}

#[test]
fn keys_work_from_the_first_frame_to_the_last() {
    let mut terminal = Terminal::demo((120, 40), &[]);
    terminal.wait("the first frame", vt100::Screen::alternate_screen);
    terminal.wait_text("Why login fails");
    terminal.wait_text("analytics-01");
    terminal.keys("?");
    terminal.wait_text("Everywhere");
    terminal.keys("q/shop-api");
    terminal.wait_text("/shop-api");
    terminal.keys("\r\r");
    terminal.wait_text("Security group blocks");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_sane();
}

#[test]
fn every_frame_is_one_synchronized_update_and_nothing_is_asked() {
    let mut terminal = Terminal::demo((80, 24), &[]);
    terminal.wait_text("analytics-01");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    // Until then the last bytes may be on their way.
    terminal.assert_sane();
    let seen = terminal.seen.0.lock().unwrap();
    let text = String::from_utf8_lossy(&seen.bytes);
    let begun = text.matches("\x1b[?2026h").count();
    assert!(begun > 0);
    // One more end than begin: leaving undoes whatever was cut short.
    assert_eq!(text.matches("\x1b[?2026l").count(), begun + 1);
    for question in ["\x1b[6n", "\x1b[c", "\x1b[?2026$p", "\x1bP="] {
        assert!(!text.contains(question), "{question:?} was sent");
    }
}

#[test]
fn a_frozen_screen_costs_nothing() {
    let mut terminal = Terminal::demo((80, 24), &[]);
    terminal.wait_text("analytics-01");
    terminal.keys("p");
    terminal.wait_text("PAUSED");
    // The background look at the logins still counts up in the badge; wait for its end.
    let bytes = (0..20)
        .map(|_| terminal.bytes_in(Duration::from_millis(700), Duration::from_secs(2)))
        .find(|bytes| *bytes == 0);
    assert_eq!(bytes, Some(0), "the screen never came to rest");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn a_storm_of_sizes_ends_in_a_whole_frame() {
    let mut terminal = Terminal::demo((120, 40), &[]);
    terminal.wait_text("analytics-01");
    for step in 0..40u16 {
        terminal.resize(20 + (step * 37) % 180, 5 + (step * 11) % 50);
    }
    terminal.resize(100, 30);
    terminal.wait("the last size", |screen| {
        let contents = screen.contents();
        let last = contents.lines().last().unwrap_or_default();
        contents.contains("Why login fails") && last.contains("quit")
    });
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_sane();
}

#[test]
fn the_smallest_window_can_be_left() {
    let mut terminal = Terminal::demo((20, 5), &[]);
    terminal.wait("the first frame", vt100::Screen::alternate_screen);
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn signals_end_it_and_leave_the_terminal_sane() {
    use rustix::process::Signal;
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut terminal = Terminal::demo((80, 24), &[]);
        terminal.wait_text("analytics-01");
        terminal.signal(signal);
        assert_eq!(terminal.exit(), status, "{signal:?}");
        terminal.assert_sane();
    }
}

#[test]
fn it_suspends_and_comes_back() {
    let mut terminal = Terminal::demo((80, 24), &[]);
    terminal.wait_text("analytics-01");
    // A stop of an orphaned process group is refused by the kernel, so stop and continue are
    // sent from here; the way back is the same.
    terminal.signal(rustix::process::Signal::STOP);
    terminal.seen.0.lock().unwrap().parser.process(b"\x1b[2J");
    terminal.signal(rustix::process::Signal::CONT);
    terminal.wait_text("analytics-01");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_sane();
}

/// The shell between ignores SIGHUP, so that only the dead terminal itself can tell.
#[test]
fn a_closed_terminal_ends_it_without_any_signal() {
    let mut command = clean("/bin/sh");
    let binary = env!("CARGO_BIN_EXE_cvmtop");
    command.arg("-c");
    command.arg(format!("trap '' HUP; '{binary}' --demo; :"));
    let mut terminal = Terminal::start(command, (80, 24));
    terminal.wait_text("analytics-01");
    let shell = terminal.child.process_id().unwrap();
    let children = format!("/proc/{shell}/task/{shell}/children");
    let console: u32 = std::fs::read_to_string(children)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // Three ends hold the terminal open: this writer, this master, and the reader's copy.
    terminal.seen.0.lock().unwrap().let_go = true;
    terminal.keys("?");
    let mut seen = terminal.seen.0.lock().unwrap();
    while !seen.ended {
        seen = terminal.seen.1.wait_timeout(seen, PATIENCE).unwrap().0;
    }
    drop(seen);
    terminal.writer = None;
    terminal.master = None;
    let started = Instant::now();
    let gone = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    };
    while !gone(console) {
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "the console outlives its terminal"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn no_color_means_none() {
    let mut terminal = Terminal::demo((80, 24), &[("NO_COLOR", "1")]);
    terminal.wait_text("analytics-01");
    {
        let seen = terminal.seen.0.lock().unwrap();
        let screen = seen.parser.screen();
        for row in 0..24 {
            for column in 0..80 {
                if let Some(cell) = screen.cell(row, column) {
                    assert_eq!(cell.fgcolor(), vt100::Color::Default);
                    assert_eq!(cell.bgcolor(), vt100::Color::Default);
                }
            }
        }
    }
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .arg("--demo")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error.contains("needs a terminal") && error.contains("cvmtop list"),
        "{error}"
    );
}

const PANICS: &str = "CVMTOP_TEST_PANICS";

/// Run as a child by the next test: takes the terminal over and panics.
#[test]
fn panic_on_a_taken_terminal() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let _session = cvmtop::terminal::session::Session::enter(true).unwrap();
    panic!("the reason of the panic");
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let mut command = clean(std::env::current_exe().unwrap().to_str().unwrap());
    for argument in [
        "--exact",
        "terminal::panic_on_a_taken_terminal",
        "--nocapture",
    ] {
        command.arg(argument);
    }
    command.env(PANICS, "1");
    let mut terminal = Terminal::start(command, (80, 24));
    assert_eq!(terminal.exit(), 101);
    terminal.wait_text("the reason of the panic");
    terminal.assert_sane();
}

#[test]
fn without_credentials_it_says_what_was_looked_for_and_opens_the_demo_on_one_key() {
    let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
    command.env("CVMTOP_CVM_ROLE", "false");
    let mut terminal = Terminal::start(command, (100, 30));
    terminal.wait_text("No credentials for Tencent Cloud were found");
    for place in ["TENCENTCLOUD_SECRET_ID", ".tccli", "tccli configure"] {
        terminal.wait_text(place);
    }
    terminal.keys("o");
    terminal.wait_text("DEMO");
    terminal.wait_text("analytics-01");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_sane();
}

#[test]
fn a_changed_config_counts_at_once_and_its_mistakes_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "[ui]\nlang = \"en\"\n").unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
    command.arg("--demo");
    command.arg("--config");
    command.arg(&file);
    let mut terminal = Terminal::start(command, (120, 30));
    terminal.wait_text("analytics-01");
    std::fs::write(
        &file,
        "[ui]\nlang = \"ko\"\n[filters]\nweb = \"name:analytics\"\n[keys.global]\nquit = \"x\"\n",
    )
    .unwrap();
    terminal.wait_text("인스턴스");
    terminal.keys("/@web\r");
    terminal.wait_text("1/78");
    std::fs::write(&file, "[ui]\nlang = \"ko\"\n[keys.global]\nquti = \"x\"\n").unwrap();
    terminal.wait_text("my.toml:4");
    terminal.wait_text("`quit`");
    std::fs::write(&file, "[keys.global]\nquit = \"x\"\n").unwrap();
    terminal.wait_text("Instances");
    terminal.keys("x");
    assert_eq!(terminal.exit(), 0);
}

/// The demo cloud as a process of its own, so that two consoles meet the same instances.
struct Cloud {
    child: std::process::Child,
    facts: serde_json::Value,
}

impl Cloud {
    fn start() -> Self {
        use std::io::BufRead as _;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(["demo-cloud", "--listen", "127.0.0.1:0"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let facts = serde_json::from_str(&line).unwrap();
        Self { child, facts }
    }

    fn console(&self, home: &std::path::Path) -> Terminal {
        let text = |name: &str| self.facts[name].as_str().unwrap().to_owned();
        let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
        command.args([
            "--endpoint",
            &text("endpoint"),
            "--region",
            "ap-seoul",
            "shop-api-01",
        ]);
        command.env("TENCENTCLOUD_SECRET_ID", text("secret_id"));
        command.env("TENCENTCLOUD_SECRET_KEY", text("secret_key"));
        Terminal::start_in(command, (120, 50), home)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_next_run_knows_what_was_wrong_here_and_what_cured_it() {
    let cloud = Cloud::start();
    let home = tempfile::tempdir().unwrap();
    let mut terminal = cloud.console(home.path());
    terminal.wait_text("Login is broken");
    terminal.keys("f127.0.0.1\r");
    terminal.wait("the end of the look for this user", |screen| {
        let text = screen.contents();
        text.contains("127.0.0.1/32") && !text.contains("Looking:")
    });
    terminal.keys("1");
    terminal.wait_text("Y run");
    terminal.keys("Y");
    terminal.wait_text("The login path is healthy");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    let mut terminal = cloud.console(home.path());
    terminal.wait_text("Earlier here");
    terminal.wait_text("cured by");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

/// A program that the machine may not have.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        println!("left out: {program} is not installed");
    }
    found
}

fn decoded(base64: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
    String::from_utf8(bytes.unwrap()).unwrap()
}

/// What the outer terminal was told to put on its clipboard.
fn clipboard(terminal: &Terminal) -> Option<String> {
    let seen = terminal.seen.0.lock().unwrap();
    let text = String::from_utf8_lossy(&seen.bytes).into_owned();
    let after = text.rsplit_once("\x1b]52;")?.1;
    let (_, rest) = after.split_once(';')?;
    let end = rest.find(['\x07', '\x1b'])?;
    Some(decoded(&rest[..end]))
}

#[test]
fn a_copy_gets_through_tmux_whichever_way_it_is_set() {
    if !installed("tmux") {
        return;
    }
    for (option, buffered) in [("set-clipboard on", true), ("allow-passthrough on", false)] {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("tmux.conf");
        std::fs::write(
            &config,
            format!("set -g {option}\nset -g remain-on-exit off\n"),
        )
        .unwrap();
        let socket = home.path().join("socket");
        let mut command = clean("tmux");
        command.args([
            "-S",
            socket.to_str().unwrap(),
            "-f",
            config.to_str().unwrap(),
        ]);
        command.args(["new-session", "--", env!("CARGO_BIN_EXE_cvmtop"), "--demo"]);
        let mut terminal = Terminal::start_in(command, (100, 30), home.path());
        terminal.wait_text("analytics-01");
        terminal.keys("y");
        terminal.wait_text("OSC 52");
        let started = Instant::now();
        while clipboard(&terminal).is_none() {
            assert!(
                started.elapsed() < PATIENCE,
                "{option}: nothing came through"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let copied = clipboard(&terminal).unwrap();
        assert!(copied.starts_with("ins-"), "{option}: {copied}");
        let tmux = |words: &[&str]| {
            let mut command = std::process::Command::new("tmux");
            command.arg("-S").arg(&socket).args(words);
            command.output().unwrap()
        };
        let buffer = tmux(&["show-buffer"]);
        let buffer = String::from_utf8_lossy(&buffer.stdout).into_owned();
        assert_eq!(
            buffer.trim_end() == copied.trim_end(),
            buffered,
            "{option}: {buffer}"
        );
        terminal.keys("q");
        terminal.exit();
        tmux(&["kill-server"]);
    }
}

#[test]
fn a_copy_gets_through_screen() {
    if !installed("screen") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let sockets = home.path().join("screens");
    std::fs::create_dir(&sockets).unwrap();
    std::fs::set_permissions(
        &sockets,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let mut command = clean("screen");
    command.env("SCREENDIR", &sockets);
    command.args([
        "-c",
        "/dev/null",
        "-U",
        env!("CARGO_BIN_EXE_cvmtop"),
        "--demo",
    ]);
    let mut terminal = Terminal::start_in(command, (100, 30), home.path());
    terminal.wait_text("analytics-01");
    // Diagnosed, the text is longer than one piece that screen passes on.
    terminal.keys("/shop-api\r\r");
    terminal.wait_text("Security group blocks");
    terminal.keys("y");
    terminal.wait_text("OSC 52");
    let started = Instant::now();
    while clipboard(&terminal).is_none() {
        assert!(started.elapsed() < PATIENCE, "nothing came through");
        std::thread::sleep(Duration::from_millis(20));
    }
    let copied = clipboard(&terminal).unwrap();
    assert!(
        copied.contains("Security group blocks") && copied.len() > 60,
        "{copied}"
    );
    terminal.keys("q");
    terminal.exit();
}

#[test]
fn the_console_starts_filtered_and_a_target_outside_the_filter_is_still_opened() {
    let start = |arguments: &[&str]| {
        let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
        command.arg("--demo");
        command.args(arguments);
        Terminal::start(command, (80, 24))
    };
    let mut terminal = start(&["--filter", "name:shop-api|kiosk-01 | name:ldap"]);
    terminal.wait_text("3/78");
    terminal.wait_text("/name:shop-api|kiosk-01 | name:ldap");
    // It is the filter of the line, to be gone on with.
    terminal.keys("/ os:windows\r");
    terminal.wait_text("2/78");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    let mut terminal = start(&["--filter", "name:git-01", "shop-api-01"]);
    terminal.wait("the target", |screen| {
        let text = screen.contents();
        text.contains("shop-api-01") && !text.contains("/name:git-01")
    });
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

/// The columns are chosen with real keys, and are there again after a restart; the config wins.
#[test]
fn the_columns_that_were_chosen_are_shown_by_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let console = |ui: &str| {
        let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
        let config = home.path().join("config.toml");
        let hosts = "[cloud]\ncvm_role = false\n[probe]\nbackground = false\n[[host]]\nname = \"legacy-1\"\naddress = \"127.0.0.1\"\nport = 1\nos = \"linux\"\n";
        std::fs::write(&config, format!("{hosts}{ui}")).unwrap();
        command.args(["--config", config.to_str().unwrap()]);
        let terminal = Terminal::start_in(command, (80, 24), home.path());
        terminal.wait_text("legacy-1");
        terminal
    };
    let header = |screen: &vt100::Screen| -> String {
        let contents = screen.contents();
        let line = contents.lines().find(|line| line.contains("Name"));
        line.unwrap_or_default().to_owned()
    };
    let chosen = |screen: &vt100::Screen| {
        let header = header(screen);
        let system = header.find("System");
        !header.contains("Address") && system.is_some() && system < header.find("Login")
    };
    let mut one = console("");
    one.wait("the shipped columns", |screen| {
        header(screen).contains("Address") && !header(screen).contains("System")
    });
    // Away with the address; the system, which is the last but two, comes to the front.
    one.keys("O \x1b[B\x1b[B\x1b[B\x1b[B\x1b[B\x1b[B\x1b[B\r<<<<<<<");
    one.wait("the question", |screen| {
        screen.contents().contains("Columns of the list")
    });
    one.wait("the chosen columns", chosen);
    one.keys("\x1b");
    one.wait("the question is closed", |screen| {
        !screen.contents().contains("Columns of the list")
    });
    one.keys("q");
    assert_eq!(one.exit(), 0);
    let mut next = console("");
    next.wait("the columns of before", chosen);
    next.keys("q");
    assert_eq!(next.exit(), 0);
    let mut set = console("[ui]\ncolumns = [\"age\", \"login\"]\n");
    set.wait("the columns of the config", |screen| {
        let header = header(screen);
        header.find("Age") < header.find("Login") && !header.contains("System")
    });
    set.keys("q");
    assert_eq!(set.exit(), 0);
}

/// What was typed is there again after a restart, also when two consoles share the folder.
#[test]
fn what_was_typed_is_remembered_by_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let console = || {
        let mut command = clean(env!("CARGO_BIN_EXE_cvmtop"));
        let config = home.path().join("config.toml");
        let hosts = "[cloud]\ncvm_role = false\n[probe]\nbackground = false\n[[host]]\nname = \"legacy-1\"\naddress = \"127.0.0.1\"\nport = 1\nos = \"linux\"\n";
        std::fs::write(&config, hosts).unwrap();
        command.args(["--config", config.to_str().unwrap()]);
        let terminal = Terminal::start_in(command, (100, 30), home.path());
        terminal.wait_text("legacy-1");
        terminal
    };
    let (mut one, mut other) = (console(), console());
    one.keys("/legacy\r");
    one.wait_text("/legacy");
    one.keys(":theme\r");
    other.keys(":language\r");
    other.wait_text("로그인");
    for terminal in [&mut one, &mut other] {
        terminal.keys("q");
        assert_eq!(terminal.exit(), 0);
    }
    let mut next = console();
    next.keys(":");
    next.wait("the newest commands first", |screen| {
        let contents = screen.contents();
        let first: Vec<&str> = contents
            .lines()
            .skip_while(|line| !line.contains("Commands"))
            .skip(2)
            .take(2)
            .collect();
        let first = first.join("\n");
        first.contains("next theme") && first.contains("next language")
    });
    next.keys("\x1b");
    next.wait("the palette is closed", |screen| {
        !screen.contents().contains("next theme")
    });
    next.keys("/\x10");
    next.wait_text("/legacy");
    next.keys("\x03");
    assert_eq!(next.exit(), 0);
}
