//! What the console costs on a real pseudo-terminal, as a Markdown table:
//! `cargo bench --bench console [-- SECTION... --fleet N --idle SECONDS --runs N --minutes N]`.
//!
//! Sections: `start`, `idle`, `keys`, `writes`, `triage`, `link`, `peers`, `hour`; without one, all
//! but the last two. `hour` looks at a large fleet for `--minutes N` (60) and prints how memory,
//! descriptors, threads and CPU develop.
//! Must not live here: limits that fail a build; a busy machine would break them.

#[path = "console/hour.rs"]
mod hour;
#[path = "console/pty.rs"]
mod pty;
#[path = "console/table.rs"]
mod table;
#[path = "console/writes.rs"]
mod writes;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pty::{Pty, Usage, find, first_seen, memory};
use table::{Table, Times};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 50);
/// Longest wait for the frame of one key.
const FRAME: Duration = Duration::from_millis(400);
/// A scripted instance that the list shows first: it has expired, so that it fails by the cloud's word
/// alone; those that are silent come up when the sweep has waited for them.
const LISTED: &str = "archive-01";

/// What to measure, from the command line.
struct Wish {
    sections: Vec<String>,
    fleet: usize,
    idle: Duration,
    runs: usize,
    minutes: usize,
}

impl Wish {
    fn parse() -> Self {
        let mut wish = Self {
            sections: Vec::new(),
            fleet: 10_000,
            idle: Duration::from_secs(60),
            runs: 30,
            minutes: 60,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok()).expect("a number");
            match word.as_str() {
                "--bench" => {}
                "--fleet" => wish.fleet = number(),
                "--idle" => wish.idle = Duration::from_secs(number() as u64),
                "--runs" => wish.runs = number(),
                "--minutes" => wish.minutes = number(),
                section => wish.sections.push(section.to_owned()),
            }
        }
        wish
    }

    fn wants(&self, section: &str) -> bool {
        if self.sections.is_empty() {
            !["peers", "hour"].contains(&section)
        } else {
            self.sections.iter().any(|wanted| wanted == section)
        }
    }
}

/// The program to measure: the one just built, or `CVMTOP_BIN`.
fn program() -> String {
    std::env::var("CVMTOP_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cvmtop").to_owned())
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// The demo cloud in a process of its own, so that the console is measured alone.
struct Cloud {
    child: Child,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Cloud {
    fn start(fleet: usize) -> Self {
        let mut child = Command::new(program())
            .args(["demo-cloud", "--demo-fleet", &fleet.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo cloud starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("one line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("one JSON line");
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let mut arguments = vec!["--endpoint".to_owned(), text("endpoint")];
        for region in told["regions"].as_array().expect("regions") {
            arguments.push("--region".to_owned());
            arguments.push(region.as_str().unwrap_or_default().to_owned());
        }
        Self {
            child,
            arguments,
            variables: vec![
                ("TENCENTCLOUD_SECRET_ID".into(), text("secret_id")),
                ("TENCENTCLOUD_SECRET_KEY".into(), text("secret_key")),
            ],
        }
    }

    fn console(&self, home: &std::path::Path, size: (u16, u16)) -> Pty {
        let program = program();
        let mut command = vec![program.as_str()];
        command.extend(self.arguments.iter().map(String::as_str));
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Pty::start(&command, &variables, home, size)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A home of its own with a config that lets the background sweep end soon.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a home");
    let folder = home.path().join(".config/cvmtop");
    std::fs::create_dir_all(&folder).expect("a config folder");
    let config = "[cloud]\ncvm_role = false\n[probe]\nrate = 5000\n";
    std::fs::write(folder.join("config.toml"), config).expect("a config");
    home
}

/// Waits until every instance is listed and the background sweep is over: the screen is quiet
/// but for ages.
fn settled(console: &Pty, size: (u16, u16)) {
    console.wait_screen(size, "the list", |text| text.contains(LISTED));
    console.wait_screen(size, "the end of the sweep", |text| {
        !text.contains("checking logins") && !text.contains("listing ")
    });
    console.wait_quiet(Duration::from_millis(700));
}

fn main() {
    let wish = Wish::parse();
    println!(
        "load when started: {}; {} runs, {} instances",
        load(),
        wish.runs,
        wish.fleet
    );
    let single = ["start", "idle", "keys", "writes", "triage", "link"];
    if single.iter().any(|section| wish.wants(section)) {
        figures(&wish);
    }
    if wish.wants("peers") {
        peers(&wish);
    }
    if wish.wants("hour") {
        hour::run(&wish);
    }
    println!("\nload when ended: {}", load());
}

/// The sections whose figures are rows of one table.
fn figures(wish: &Wish) {
    let table = Table::new(&["what", "measured"]);
    if wish.wants("start") {
        starts(wish, &table);
    }
    if wish.wants("idle") {
        idle(wish, &table);
    }
    if wish.wants("keys") {
        keys(wish, &table);
    }
    if wish.wants("writes") {
        writes::run(wish, &table);
    }
    if wish.wants("triage") {
        triage(&table);
    }
    if wish.wants("link") {
        links(wish, &table);
    }
}

/// From exec to what is seen.
#[derive(Default)]
struct Starts {
    painted: Vec<Duration>,
    frame: Vec<Duration>,
    row: Vec<Duration>,
}

fn start_once(starts: &mut Starts, mut console: Pty) {
    // By the screen: a row drawn over another one comes only in part.
    console.wait(LISTED, |output| first_seen(output, SMALL, LISTED).1);
    console.with(|output| {
        let (painted, row) = first_seen(output, SMALL, LISTED);
        let since = |at: Option<Instant>| at.map(|at| at - console.started);
        starts.painted.extend(since(painted));
        starts.frame.extend(since(output.frame_after(0)));
        starts.row.extend(since(row));
    });
    console.type_keys("q");
    console.wait_end(Duration::from_secs(5));
}

fn starts(wish: &Wish, table: &Table) {
    let home = home();
    let cloud = Cloud::start(0);
    let mut alone = Starts::default();
    for _ in 0..wish.runs {
        start_once(&mut alone, cloud.console(home.path(), SMALL));
    }
    let mut demo = Starts::default();
    for _ in 0..wish.runs {
        let program = program();
        let console = Pty::start(&[&program, "--demo"], &[], home.path(), SMALL);
        start_once(&mut demo, console);
    }
    for (what, starts) in [("demo cloud on loopback", alone), ("--demo", demo)] {
        for (until, times) in [
            ("first painted row", starts.painted),
            ("first complete frame", starts.frame),
            ("first instance row", starts.row),
        ] {
            let times = Times::new(times);
            table.row(&[
                &format!("exec to {until}, {what} (median / p95 of {})", times.len()),
                &times.median_and_p95(),
            ]);
        }
    }
}

/// Bytes, CPU and wake-ups over a span, in one cell.
fn watch(console: &Pty, span: Duration) -> String {
    let (bytes, usage) = (console.len(), Usage::of(console.pid()));
    std::thread::sleep(span);
    let used = Usage::of(console.pid()).since(usage);
    let seconds = span.as_secs_f64();
    format!(
        "{:.1} B/s, {:.3} % of a core, {:.1} wake-ups/s",
        (console.len() - bytes) as f64 / seconds,
        used.cpu.as_secs_f64() / seconds * 100.0,
        used.wakeups as f64 / seconds,
    )
}

fn idle(wish: &Wish, table: &Table) {
    let home = home();
    let cloud = Cloud::start(0);
    let mut console = cloud.console(home.path(), SMALL);
    settled(&console, SMALL);
    let seconds = wish.idle.as_secs();
    // Ages below a minute count seconds; the aim is about a screen that has come to rest.
    std::thread::sleep(Duration::from_secs(60));
    table.row(&[
        &format!("idle {seconds} s, ages on the screen"),
        &watch(&console, wish.idle),
    ]);
    console.type_keys("p");
    console.wait_quiet(Duration::from_millis(700));
    table.row(&[
        &format!("idle {seconds} s, display paused"),
        &watch(&console, wish.idle),
    ]);
    drop(console);
    let mut away = cloud.console(home.path(), SMALL);
    settled(&away, SMALL);
    let bytes = bytes_of_keys(&mut away, &["j"; 12]);
    table.row(&["bytes of a cursor move, 80x24 (median)", &bytes]);
}

/// The middle one of the byte counts of several keys.
fn bytes_of_keys(console: &mut Pty, keys: &[&str]) -> String {
    let mut counts: Vec<usize> = keys
        .iter()
        .map(|key| {
            let (typed, before) = console.type_keys(key);
            while console.len() == before && typed.elapsed() < FRAME {
                std::thread::sleep(Duration::from_millis(1));
            }
            console.wait_quiet(Duration::from_millis(100));
            console.len() - before
        })
        .collect();
    counts.sort_unstable();
    format!("{} B", counts[counts.len() / 2])
}

/// A walk through a large list: moves, pages, ends, filters, orders.
fn walk() -> Vec<&'static str> {
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.extend(["j"; 15]);
        keys.extend(["\x1b[6~"; 6]);
        keys.extend(["k"; 5]);
        keys.extend(["G", "\x1b[H"]);
        keys.extend(["/", "f", "l", "4", "2", "\x7f", "\x7f", "\x7f", "\x1b"]);
        keys.extend(["s"; 5]);
    }
    keys
}

fn keys(wish: &Wish, table: &Table) {
    let home = home();
    let cloud = Cloud::start(wish.fleet);
    let started = Instant::now();
    let mut console = cloud.console(home.path(), LARGE);
    console.wait_screen(LARGE, "the whole list", |text| {
        text.contains(LISTED) && !text.contains("listing ")
    });
    let listed = started.elapsed();
    let busy = help_times(&mut console, 60);
    settled(&console, LARGE);
    let what = format!("{} instances at 200x50", wish.fleet);
    table.row(&[
        &format!("{what}: whole list shown"),
        &format!("{:.1} s", listed.as_secs_f64()),
    ]);
    let mut times = Vec::new();
    let mut none = 0;
    for (number, key) in walk().into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(45 + (number as u64 * 7) % 23));
        match frame_of(&mut console, key) {
            Some(time) => times.push(time),
            None => none += 1,
        }
    }
    let times = Times::new(times);
    let cell = |times: &Times| {
        format!(
            "{:.1} / {:.1} ms of {} keys",
            times.at(0.5),
            times.at(0.99),
            times.len()
        )
    };
    table.row(&[
        &format!("{what}: key to last byte of its frame (p50 / p99)"),
        &cell(&times),
    ]);
    table.row(&[
        &format!("{what}: the same while the fleet is swept"),
        &cell(&busy),
    ]);
    if none > 0 {
        table.row(&[
            &format!("{what}: keys that changed nothing"),
            &none.to_string(),
        ]);
    }
    let bytes = bytes_of_keys(&mut console, &["j"; 12]);
    table.row(&[&format!("{what}: bytes of a cursor move (median)"), &bytes]);
    let bytes = bytes_of_keys(&mut console, &["\x0c"; 3]);
    table.row(&[&format!("{what}: bytes of a whole repaint"), &bytes]);
    let (now, highest) = memory(console.pid());
    table.row(&[
        &format!("{what}: resident memory (now / highest)"),
        &format!(
            "{:.1} / {:.1} MiB",
            now as f64 / 1024.0,
            highest as f64 / 1024.0
        ),
    ]);
    std::thread::sleep(wish.idle);
    table.row(&[
        &format!("{what}: idle 30 s"),
        &watch(&console, Duration::from_secs(30)),
    ]);
}

/// Time from a key to the end of the next frame; `None` when none comes.
fn frame_of(console: &mut Pty, key: &str) -> Option<Duration> {
    let (typed, before) = console.type_keys(key);
    while typed.elapsed() < FRAME {
        if let Some(at) = console.with(|output| output.frame_after(before)) {
            return Some(at - typed);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    None
}

/// Time until the help is on the screen, while frames of other reasons come in between.
fn help_times(console: &mut Pty, count: usize) -> Times {
    let mut times = Vec::new();
    for number in 0..count {
        std::thread::sleep(Duration::from_millis(20 + (number as u64 * 7) % 23));
        let (typed, before) = console.type_keys("?");
        let shown = console.wait("the help", |output| {
            let at = find(&output.bytes[before..], b"Everywhere")?;
            output.frame_after(before + at)
        });
        times.push(shown - typed);
        // Closed and drawn without it before it is opened again, or nothing would change.
        frame_of(console, "\x1b");
        std::thread::sleep(Duration::from_millis(70));
    }
    std::thread::sleep(Duration::from_millis(100));
    Times::new(times)
}

fn triage(table: &Table) {
    let size = (120, 40);
    let home = home();
    let cloud = Cloud::start(0);
    let mut console = cloud.console(home.path(), size);
    settled(&console, size);
    console.type_keys("/shop-api\r");
    console.wait_quiet(Duration::from_millis(500));
    let (typed, before) = console.type_keys("\r");
    console.wait_screen(size, "the cause", |text| {
        text.contains("Security group blocks")
    });
    let first = typed.elapsed();
    console.wait_quiet(Duration::from_millis(1500));
    let whole = console.len() - before;
    table.row(&[
        "triage of one instance, 120x40: first right cause / bytes until it rests",
        &format!("{:.2} s / {whole} B", first.as_secs_f64()),
    ]);
    let bytes = console.len();
    let span = Duration::from_secs(20);
    let started = Instant::now();
    while started.elapsed() < span {
        console.type_keys("\r");
        std::thread::sleep(Duration::from_secs(4));
    }
    let rate = (console.len() - bytes) as f64 / started.elapsed().as_secs_f64();
    table.row(&[
        "triage view while the instance is probed again every 4 s, 120x40",
        &format!("{rate:.0} B/s"),
    ]);
}

fn links(wish: &Wish, table: &Table) {
    let home = home();
    let cloud = Cloud::start(0);
    let mut quits = Vec::new();
    let mut deaths = Vec::new();
    for _ in 0..(wish.runs / 3).clamp(1, 5) {
        let mut console = cloud.console(home.path(), LARGE);
        settled(&console, LARGE);
        console.read_slowly(1024);
        for _ in 0..50 {
            console.type_keys("j");
            std::thread::sleep(Duration::from_millis(100));
        }
        let (typed, _) = console.type_keys("q");
        if console.wait_end(Duration::from_secs(20)).is_some() {
            quits.push(typed.elapsed());
        }
        let mut console = cloud.console(home.path(), LARGE);
        settled(&console, LARGE);
        console.hang_up();
        deaths.extend(console.wait_end(Duration::from_secs(20)));
    }
    let (quits, deaths) = (Times::new(quits), Times::new(deaths));
    table.row(&[
        "quit over a link of 1 KiB/s after 5 s of `j` (median / longest)",
        &format!(
            "{:.0} / {:.0} ms of {}",
            quits.at(0.5),
            quits.at(1.0),
            quits.len()
        ),
    ]);
    table.row(&[
        "end after the terminal is gone (median / longest)",
        &format!(
            "{:.0} / {:.0} ms of {}",
            deaths.at(0.5),
            deaths.at(1.0),
            deaths.len()
        ),
    ]);
}

/// Some versions of btop take the interval from their config alone.
const BTOP_CONFIG: &str = "update_ms = 60000\nclock_format = \"\"\n";

/// Other full-screen programs at their slowest refresh, where they are installed.
const PEERS: &[(&str, &[&str])] = &[
    ("btop", &["btop", "--utf-force"]),
    ("htop", &["htop", "--delay", "100"]),
    ("top", &["top", "-d", "60"]),
    ("btm", &["btm", "--rate", "60s"]),
    ("trip", &["trip", "127.0.0.1", "--tui-refresh-rate", "1s"]),
    ("mtr", &["mtr", "--interval", "60", "127.0.0.1"]),
];

fn peers(wish: &Wish) {
    let home = home();
    let folder = home.path().join(".config/btop");
    std::fs::create_dir_all(&folder).expect("a config folder");
    std::fs::write(folder.join("btop.conf"), BTOP_CONFIG).expect("a config");
    let cloud = Cloud::start(0);
    let table = Table::new(&[
        "program, 80x24",
        "exec to first painted row (median / p95)",
        "x cvmtop",
        "idle at its slowest refresh",
        "memory (MiB)",
    ]);
    let mut own = f64::NAN;
    let program = program();
    let mut all: Vec<(&str, Vec<&str>)> = vec![("cvmtop", Vec::new())];
    if wish.runs >= 20 {
        all.push(("cvmtop --demo", vec![&program, "--demo"]));
    }
    let installed = |name: &str| {
        let path = std::env::var("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    let (here, missing): (Vec<_>, Vec<_>) =
        PEERS.iter().partition(|(_, command)| installed(command[0]));
    all.extend(here.iter().map(|(name, command)| (*name, command.to_vec())));
    for (name, command) in all {
        let start = |home: &std::path::Path| {
            if command.is_empty() {
                cloud.console(home, SMALL)
            } else {
                Pty::start(&command, &[], home, SMALL)
            }
        };
        let mut times = Vec::new();
        for _ in 0..wish.runs {
            let peer = start(home.path());
            let painted = peer.wait_or_end(|output| first_seen(output, SMALL, "\0").0);
            times.extend(painted.map(|at| at - peer.started));
        }
        if times.is_empty() {
            table.row(&[name, "it painted nothing", "", "", ""]);
            continue;
        }
        let times = Times::new(times);
        if own.is_nan() {
            own = times.at(0.5);
        }
        let mut peer = start(home.path());
        if name.starts_with("cvmtop") {
            settled(&peer, SMALL);
            // Ages below a minute count seconds.
            std::thread::sleep(Duration::from_secs(62));
        } else {
            std::thread::sleep(Duration::from_secs(6));
        }
        let idle = if peer.has_ended() {
            "it ended by itself".to_owned()
        } else {
            watch(&peer, wish.idle)
        };
        let (resident, _) = memory(peer.pid());
        table.row(&[
            &if command.is_empty() {
                "cvmtop".to_owned()
            } else {
                command.join(" ").replace(&program, "cvmtop")
            },
            &times.median_and_p95(),
            &format!("{:.1}", times.at(0.5) / own),
            &idle,
            &format!("{:.1}", resident as f64 / 1024.0),
        ]);
    }
    for (name, _) in missing {
        println!("not installed, so not measured: {name}");
    }
}
