//! The house rules that the compiler does not keep: which room may know which, and that pure
//! rooms stay free of I/O crates.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room -> rooms it may name. `lib.rs` tells what each room is for.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("cloud", &["domain"]),
    ("probe", &["domain", "client_text"]),
    ("diagnosis", &["domain"]),
    ("guest", &["domain"]),
    ("kit", &["domain"]),
    ("client_text", &["domain", "kit"]),
    ("guide", &["domain", "client_text"]),
    ("action", &["domain"]),
    ("case", &["domain", "diagnosis", "guide", "kit", "action"]),
    ("check", &["domain"]),
    ("store", &["domain", "action", "diagnosis"]),
    ("config", &["domain", "input"]),
    ("input", &["domain"]),
    (
        "app",
        &[
            "domain",
            "diagnosis",
            "case",
            "client_text",
            "kit",
            "guide",
            "action",
            "input",
        ],
    ),
    (
        "view",
        &[
            "domain",
            "diagnosis",
            "client_text",
            "kit",
            "guide",
            "action",
            "app",
            "input",
        ],
    ),
    ("terminal", &["domain", "app", "input", "view"]),
    (
        "runtime",
        &[
            "domain",
            "cloud",
            "probe",
            "diagnosis",
            "case",
            "check",
            "client_text",
            "kit",
            "guest",
            "guide",
            "action",
            "store",
            "config",
            "input",
            "app",
            "view",
            "terminal",
        ],
    ),
    ("demo", &["domain", "cloud"]),
    (
        "cli",
        &[
            "domain",
            "cloud",
            "probe",
            "diagnosis",
            "check",
            "client_text",
            "kit",
            "guest",
            "guide",
            "action",
            "store",
            "config",
            "input",
            "app",
            "view",
            "terminal",
            "runtime",
            "demo",
        ],
    ),
];

/// Rooms that must run in a test without clock, network, file system or terminal.
const PURE: &[&str] = &[
    "domain",
    "diagnosis",
    "client_text",
    "kit",
    "guest",
    "guide",
    "action",
    "case",
    "check",
    "app",
];

/// Crates and modules of `std` that reach the outside.
const IMPURE: &[&str] = &[
    "tokio::",
    "reqwest::",
    "crossterm::",
    "rusqlite::",
    "axum::",
    "std::fs",
    "std::process",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable source folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Source files with the room that each belongs to; `lib.rs`, `main.rs` and `build.rs` belong to none.
fn files_by_room() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).expect("below src");
            let first = relative.components().next()?.as_os_str().to_str()?;
            let room = first.trim_end_matches(".rs").to_owned();
            if ["lib", "main", "build"].contains(&room.as_str()) {
                return None;
            }
            let text = fs::read_to_string(&path).expect("readable source");
            Some((room, relative.to_owned(), text))
        })
        .collect()
}

/// The code of a file without line comments and without its test module, which may use anything.
fn production_code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Rooms named by `crate::room` or by `use crate::{room, ...}`.
fn rooms_named(code: &str, rooms: &[&str]) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => item.push('\n'),
                    c if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            for part in item.lines() {
                named.push(part.trim().split("::").next().unwrap_or("").to_owned());
            }
        } else {
            named.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    named.retain(|n| rooms.contains(&n.as_str()));
    named
}

#[test]
fn arrows_between_rooms_only_point_inward() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let rooms: Vec<&str> = allowed.keys().copied().collect();
    let mut wrong = Vec::new();
    for (room, path, text) in files_by_room() {
        let Some(may) = allowed.get(room.as_str()) else {
            wrong.push(format!(
                "{}: room `{room}` is not in the table of arrows",
                path.display()
            ));
            continue;
        };
        for named in rooms_named(&production_code(&text), &rooms) {
            if named != room && !may.contains(&named.as_str()) {
                wrong.push(format!(
                    "{}: `{room}` must not know `{named}`; move the shared part inward or pass it in",
                    path.display()
                ));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_arrow_check_sees_what_it_must() {
    let rooms = ["app", "cloud", "view"];
    assert_eq!(rooms_named("use crate::cloud::Client;", &rooms), ["cloud"]);
    assert_eq!(
        rooms_named("use crate::{app::State, view};", &rooms),
        ["app", "view"]
    );
    assert_eq!(
        rooms_named("let x = crate::view::draw();", &rooms),
        ["view"]
    );
    assert!(rooms_named(&production_code("// crate::cloud::x"), &rooms).is_empty());
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut wrong = Vec::new();
    for (room, path, text) in files_by_room() {
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        let code = production_code(&text);
        for name in IMPURE {
            if code.contains(name) {
                wrong.push(format!("{}: `{name}` in a pure room", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "effects in pure rooms:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_module_says_what_lives_in_it() {
    let silent: Vec<String> = files_by_room()
        .into_iter()
        .filter(|(_, _, text)| !text.starts_with("//!"))
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "no `//!` at the head of:\n{}",
        silent.join("\n")
    );
}

#[test]
fn no_file_grows_without_bound() {
    let long: Vec<String> = files_by_room()
        .into_iter()
        .filter(|(_, _, text)| production_code(text).lines().count() > 600)
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(
        long.is_empty(),
        "over 600 lines, split by what they do:\n{}",
        long.join("\n")
    );
}

#[test]
fn main_is_only_an_entry_point() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs");
    let lines = fs::read_to_string(path).expect("main.rs").lines().count();
    assert!(
        lines < 60,
        "main.rs has {lines} lines; commands live in `cli`"
    );
}

/// A file that its group does not name is not built, and its tests silently never run.
#[test]
fn no_file_of_tests_is_forgotten() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut groups = Vec::new();
    let mut forgotten = Vec::new();
    for folder in fs::read_dir(&root).expect("tests") {
        let folder = folder.expect("a folder of tests").path();
        let is_rust = folder.extension().is_some_and(|ext| ext == "rs");
        if is_rust {
            forgotten.push(format!("{} lies in no group", folder.display()));
        }
        let Ok(main) = fs::read_to_string(folder.join("main.rs")) else {
            continue;
        };
        groups.push(folder.file_name().expect("a name").to_owned());
        for entry in fs::read_dir(&folder).expect("a group") {
            let path = entry.expect("an entry").path();
            let is_part =
                path.extension().is_some_and(|ext| ext == "rs") || path.join("mod.rs").exists();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if is_part && name != "main" && !main.contains(&format!("\nmod {name};")) {
                forgotten.push(path.display().to_string());
            }
        }
    }
    assert!(forgotten.is_empty(), "{forgotten:#?}");
    let told = fs::read_to_string(root.join("README.md")).expect("tests/README.md");
    for group in &groups {
        let row = format!("| `{}` |", group.to_string_lossy());
        assert!(told.contains(&row), "tests/README.md says nothing of {row}");
    }
    assert_eq!(groups.len(), 6);
}
