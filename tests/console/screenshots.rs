//! Pictures of the real console on the demo cloud, for the README.
//!
//! `cargo test --test console screenshots:: -- --ignored` drives the program in a pseudo-terminal and writes
//! `assets/screenshots/*.svg`.

use crate::support::terminal;
use std::time::Duration;

use cvmtop::app::locale::{Lang, Texts};
use terminal::{Terminal, recording};

fn save(terminal: &Terminal, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/screenshots");
    std::fs::create_dir_all(folder).expect("the folder is there");
    std::fs::write(format!("{folder}/{name}.svg"), terminal.svg()).expect("the picture is written");
}

/// As an operator has it: the harness leaves the fleet unweighed.
const WEIGHED: &[(&str, &str)] = &[("CVMTOP_PROBE_WEIGH", "true")];

/// Opens the demo on the instance whose security group lacks the rule, and diagnoses it.
fn on_blocked_instance(columns: u16, rows: u16, lang: &str) -> Terminal {
    let mut t = Terminal::start(&["--demo", "--lang", lang], columns, rows, WEIGHED);
    t.wait("the list", |s| s.contains("analytics-01"));
    t.keys("/shop-api\r");
    t.wait("the filtered list", |s| s.contains("shop-api-01"));
    t.wait_quiet(Duration::from_millis(400));
    t.keys("\r");
    t.wait("a diagnosis", |s| s.contains('%'));
    t.wait_quiet(Duration::from_secs(5));
    t
}

#[test]
#[ignore = "writes files; run it by name"]
fn draw_the_console() {
    for (columns, rows, lang, name) in [
        (120, 40, "en", "console-120x40"),
        (80, 24, "en", "console-80x24"),
        (120, 40, "ko", "console-ko"),
        (120, 40, "zh", "console-zh"),
    ] {
        let mut t = on_blocked_instance(columns, rows, lang);
        save(&t, name);
        t.keys("q");
        t.wait_exit();
    }
}

/// The causes of the whole fleet, once everything that fails has been weighed.
#[test]
#[ignore = "writes files; run it by name"]
fn draw_the_fleet() {
    for (columns, rows, lang) in everywhere() {
        let mut t = Terminal::start(&["--demo", "--lang", lang], columns, rows, WEIGHED);
        t.wait("the list", |s| s.contains("analytics-01"));
        t.keys("W");
        let weighed = |s: &str| s.contains(" %  ");
        let ui = &Texts::of(Lang::parse(lang).expect("a language")).ui;
        let (left, _) = ui.fleet_left.split_once('{').expect("a number");
        t.wait("the whole fleet", |s| weighed(s) && !s.contains(left));
        // The box grew under way; opened anew, it is as whoever opens it then sees it.
        t.keys("\u{1b}");
        t.wait("the list again", |s| !weighed(s));
        t.keys("\u{c}W");
        t.wait("the whole fleet again", weighed);
        t.wait_quiet(Duration::from_secs(1));
        save(&t, &format!("fleet-{columns}x{rows}-{lang}"));
        t.keys("\u{1b}");
        t.wait("the list at last", |s| !weighed(s));
        t.keys("q");
        t.wait_exit();
    }
}

/// The three sizes that every screen is looked at in, in each language.
fn everywhere() -> impl Iterator<Item = (u16, u16, &'static str)> {
    let sizes = [(80, 24), (120, 40), (200, 50)];
    let one = |(columns, rows)| ["en", "ko", "zh"].map(|lang| (columns, rows, lang));
    sizes.into_iter().flat_map(one)
}

/// The port verification and the self-diagnosis of an instance whose login port is shut.
#[test]
#[ignore = "writes files; run it by name"]
fn draw_the_checks() {
    for (columns, rows, lang) in everywhere() {
        let ui = &Texts::of(Lang::parse(lang).expect("a language")).ui;
        let mut t = on_blocked_instance(columns, rows, lang);
        t.keys("N");
        t.wait("the ports", |s| {
            s.contains("3389") && !s.contains(&ui.ports_running)
        });
        t.wait_quiet(Duration::from_millis(800));
        save(&t, &format!("ports-{columns}x{rows}-{lang}"));
        t.keys("\u{1b}");
        let (ports, _) = ui.ports_title.split_once('{').expect("a name");
        t.wait("the panes", |s| !s.contains(ports));
        t.keys("c");
        let (title, _) = ui.check_title.split_once('{').expect("a name");
        t.wait("the report", |s| {
            s.contains(title.trim_end()) && !s.contains(&ui.check_running)
        });
        t.wait_quiet(Duration::from_millis(800));
        save(&t, &format!("check-{columns}x{rows}-{lang}"));
        t.keys("\u{1b}");
        t.wait("the panes again", |s| !s.contains(title.trim_end()));
        t.keys("q");
        t.wait_exit();
    }
}

/// The README's walk from the fault to the verified cure and back, in Korean and in Chinese.
#[test]
#[ignore = "writes files; run it by name"]
fn draw_the_walk() {
    for lang in [Lang::Ko, Lang::Zh] {
        let ui = &Texts::of(lang).ui;
        let lang = lang.as_str();
        let mut t = on_blocked_instance(120, 40, lang);
        t.keys("f");
        t.wait("the question", |s| s.contains(&ui.user_source_title));
        t.keys("127.0.0.1\r");
        t.wait("the answer", |s| !s.contains(&ui.user_source_title));
        t.wait_quiet(Duration::from_secs(2));
        t.keys("1");
        t.wait("the preview", |s| s.contains(&ui.preview_title));
        t.wait_quiet(Duration::from_millis(400));
        save(&t, &format!("walk-{lang}-preview"));
        t.keys("Y");
        t.wait("the cure", |s| s.contains(&ui.job_restored));
        t.wait_quiet(Duration::from_secs(2));
        save(&t, &format!("walk-{lang}-cure"));
        t.keys("u");
        t.wait("the way back", |s| s.contains(&ui.preview_title));
        t.keys("Y");
        t.wait("the rule taken back", |s| {
            let way = ui.job_taken_back.chars().take(6).collect::<String>();
            s.contains(&ui.job_done) && s.contains(&way)
        });
        t.wait_quiet(Duration::from_secs(2));
        save(&t, &format!("walk-{lang}-undone"));
        t.keys("q");
        t.wait_exit();
    }
}

/// The README's walk as a picture that moves, in one file.
#[test]
#[ignore = "writes files; run it by name"]
fn record_the_walk() {
    let ui = &Texts::of(Lang::En).ui;
    let mut t = Terminal::start(&["--demo", "--lang", "en"], 80, 24, WEIGHED);
    let mut kept: Vec<(vt100::Screen, Duration)> = Vec::new();
    let mut keep = |t: &Terminal, seconds: f32| {
        kept.push((t.screen(), Duration::from_secs_f32(seconds)));
    };
    let quiet = |t: &Terminal| t.wait_quiet(Duration::from_secs(2));
    t.wait("the list", |s| s.contains("analytics-01"));
    quiet(&t);
    keep(&t, 2.0);
    for (typed, letter) in ["/", "s", "h", "o", "p", "-", "a", "p", "i"]
        .iter()
        .enumerate()
    {
        t.keys(letter);
        let line = &"/shop-api"[..=typed];
        t.wait("the letter", |s| s.contains(line));
        t.wait_quiet(Duration::from_millis(300));
        keep(&t, 0.25);
    }
    keep(&t, 1.0);
    t.keys("\r");
    t.wait("the filtered list", |s| s.contains("shop-api-01"));
    t.wait_quiet(Duration::from_millis(400));
    keep(&t, 1.0);
    t.keys("\r");
    t.wait("a diagnosis", |s| s.contains('%'));
    keep(&t, 0.6);
    quiet(&t);
    keep(&t, 5.0);
    t.keys("f");
    t.wait("the question", |s| s.contains(&ui.user_source_title));
    keep(&t, 1.0);
    t.keys("127.0.0.1");
    t.wait("the address", |s| s.contains("127.0.0.1"));
    t.wait_quiet(Duration::from_millis(300));
    keep(&t, 1.5);
    t.keys("\r");
    t.wait("the answer", |s| !s.contains(&ui.user_source_title));
    quiet(&t);
    keep(&t, 2.0);
    t.keys("1");
    t.wait("the preview", |s| s.contains(&ui.preview_title));
    t.wait_quiet(Duration::from_millis(400));
    keep(&t, 5.0);
    t.keys("Y");
    t.wait("the preview gone", |s| !s.contains(&ui.preview_title));
    keep(&t, 1.5);
    t.wait("the cure", |s| s.contains(&ui.job_restored));
    quiet(&t);
    keep(&t, 6.0);
    let picture = recording(&kept);
    assert!(picture.len() < 400 * 1024, "{} bytes", picture.len());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/screenshots");
    std::fs::write(format!("{folder}/walk.svg"), picture).expect("the picture is written");
    t.keys("q");
    t.wait_exit();
}
