//! The text of a diagnosis as a person reads it: from two saved ones, in three languages and at three
//! widths. `CVMTOP_UPDATE_ASSETS=1` writes the golden texts anew; read them then.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

const CASES: [&str; 2] = ["shop-api-01", "hr-01"];
const LANGS: [&str; 3] = ["en", "ko", "zh"];

fn data(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diagnosed");
    folder.join(name)
}

fn printed(case: &str, lang: &str, columns: usize, more: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a home");
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["replay", "--format", "text", "--lang", lang])
        .args(more)
        .arg(data(&format!("{case}.json")))
        .env_clear()
        .env("HOME", home.path())
        .env("COLUMNS", columns.to_string())
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("text")
}

/// Lines that are neither a command nor what goes on with one.
fn prose(text: &str) -> Vec<&str> {
    let mut in_command = false;
    let mut all = Vec::new();
    for line in text.lines() {
        let is_command = in_command || line.trim_start().starts_with("cvmtop ");
        in_command = is_command && line.ends_with('\\');
        if !is_command {
            all.push(line);
        }
    }
    all
}

#[test]
fn two_diagnoses_read_as_they_were_read_once_in_each_language() {
    for case in CASES {
        for lang in LANGS {
            let text = printed(case, lang, 80, &[]);
            let golden = data(&format!("{case}.{lang}.txt"));
            if std::env::var_os("CVMTOP_UPDATE_ASSETS").is_some() {
                std::fs::write(&golden, &text).expect("written");
            }
            let known = std::fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(text, known, "{}", golden.display());
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_and_a_pipe_has_no_colours() {
    for case in CASES {
        for lang in LANGS {
            for columns in [40, 80, 120, 200] {
                for more in [&[][..], &["--all", "--why-not", "cpu-overload"]] {
                    let text = printed(case, lang, columns, more);
                    assert!(!text.contains('\u{1b}'), "{text}");
                    for line in text.lines() {
                        assert!(line.width() <= columns, "{columns}: {line}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_id_stands_in_the_text_and_no_sentence_twice() {
    for case in CASES {
        let saved = std::fs::read_to_string(data(&format!("{case}.json"))).expect("saved");
        let saved: Value = serde_json::from_str(&saved).expect("JSON");
        let evidence = saved["evidence"].as_array().expect("readings");
        for lang in LANGS {
            let text = printed(case, lang, 400, &[]);
            let lines = prose(&text);
            let whole = lines.join("\n");
            for id in cvmtop::diagnosis::Knowledge::shipped()
                .causes
                .iter()
                .map(|c| &c.id)
            {
                assert!(
                    !id.contains('-') || !whole.contains(id.as_str()),
                    "{id}: {whole}"
                );
            }
            for reading in evidence {
                for name in ["id", "state", "observation"] {
                    let id = reading[name].as_str().unwrap_or_default();
                    let is_word = !id.contains('-');
                    assert!(is_word || !whole.contains(id), "{id}: {whole}");
                }
            }
            let mut long: Vec<&str> = lines.into_iter().filter(|l| l.width() > 40).collect();
            let all = long.len();
            assert!(all > 3, "{text}");
            long.sort_unstable();
            long.dedup();
            assert_eq!(long.len(), all, "{text}");
        }
    }
}

#[test]
fn all_shows_every_reading_and_says_what_the_short_text_leaves_out() {
    for case in CASES {
        let short = printed(case, "en", 80, &[]);
        let all = printed(case, "en", 80, &["--all"]);
        assert!(short.lines().count() < 50, "{short}");
        assert!(short.contains("--all") && !all.contains("--all"), "{short}");
        for part in [
            "Network ACL",
            "Disk",
            "Memory",
            "The instance".trim_start_matches("The "),
        ] {
            assert!(
                all.to_lowercase().contains(&part.to_lowercase()),
                "{part}: {all}"
            );
        }
        assert!(all.lines().count() > short.lines().count() + 20);
    }
}
