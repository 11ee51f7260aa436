//! Pictures of the real console on the demo cloud, for the README.
//!
//! `cargo test --test screenshots -- --ignored` drives the program in a pseudo-terminal and writes
//! `assets/screenshots/*.svg`.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

#[path = "support/terminal.rs"]
mod terminal;

use std::time::Duration;

use cvmtop::app::locale::{Lang, Texts};
use terminal::Terminal;

fn save(terminal: &Terminal, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/screenshots");
    std::fs::create_dir_all(folder).expect("the folder is there");
    std::fs::write(format!("{folder}/{name}.svg"), terminal.svg()).expect("the picture is written");
}

/// Opens the demo on the instance whose security group lacks the rule, and diagnoses it.
fn on_blocked_instance(columns: u16, rows: u16, lang: &str) -> Terminal {
    let mut t = Terminal::start(&["--demo", "--lang", lang], columns, rows, &[]);
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
