//! What 0.1.0 wrote is read without loss and without a word of error.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cvmtop::app::filter::Filter;
use cvmtop::store::guide_steps::GuideSteps;
use cvmtop::store::history::History;
use cvmtop::store::journal::Journal;
use serde_json::Value;

use crate::support::program::{Program, text};

fn data(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state-0.1.0");
    root.join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else if path.extension().is_some_and(|end| end == "gz") {
            let mut plain = Vec::new();
            let packed = fs::File::open(&path).expect("a file");
            let mut packed = flate2::read::GzDecoder::new(packed);
            packed.read_to_end(&mut plain).expect("whole");
            fs::write(to.with_extension(""), plain).expect("written");
        } else {
            fs::copy(&path, &to).expect("copied");
            // As it was written; a checkout knows nothing of it.
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("ours");
        }
    }
}

/// The program of now in the home that 0.1.0 left.
fn left_behind() -> Program {
    let program = Program::new();
    copy(&data("state"), &program.state_dir());
    let config = program.home.path().join(".config/cvmtop");
    copy(&data("config/guides"), &config.join("guides"));
    fs::write(
        config.join("config.toml"),
        config_of_then(program.home.path()),
    )
    .expect("written");
    program
}

/// 0.1.0's default file with every setting in force; files that it names are made.
fn config_of_then(home: &Path) -> String {
    let default = fs::read_to_string(data("config/default.toml")).expect("a file");
    let files = [
        "ssh_config",
        "knowledge",
        "guides",
        "ca_bundle",
        "metadata_endpoint",
        "endpoint",
    ];
    let mut out = String::new();
    for line in default.lines() {
        let Some(rest) = line.strip_prefix("# ") else {
            out.push_str(&format!("{line}\n"));
            continue;
        };
        let key = rest.split_once(" = ").map(|(key, _)| key);
        let is_setting = key.is_some_and(|key| {
            key.chars()
                .all(|c| c.is_ascii_lowercase() || "_-".contains(c))
                && !files.contains(&key)
        });
        if rest == "file = \"/var/log/cvmtop.log\"" {
            out.push_str(&format!("file = \"{}\"\n", home.join("own.log").display()));
        } else if is_setting || rest.starts_with('[') {
            out.push_str(&format!("{rest}\n"));
        }
    }
    let keys = fs::read_to_string(data("config/keymap.toml")).expect("a file");
    let keys = keys.replace("[keys.global]\n", "");
    out.replace(
        "[keys.global]\nquit = [\"q\", \"ctrl-c\"]\n",
        &format!("[keys.global]\n{keys}\n"),
    )
}

#[test]
fn the_config_of_0_1_0_has_no_mistakes() {
    let program = left_behind();
    let checked = program.run(&["config", "check"]);
    assert_eq!(text(&checked.stderr), "");
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    let shown = text(&program.run(&["config", "show"]).stdout);
    let from_file = shown
        .lines()
        .filter(|line| line.contains("config.toml"))
        .count();
    assert!(
        from_file >= 100,
        "{from_file} values from the file:\n{shown}"
    );
    for kept in [
        "filters.broken-web = \"login:refused tag:role=web\"",
        "keys.global.sweep",
        "host legacy-1",
    ] {
        assert!(shown.contains(kept), "{kept}:\n{shown}");
    }
}

#[test]
fn the_journal_of_0_1_0_is_read_whole() {
    let program = left_behind();
    let before = fs::read(program.state_dir().join("journal.jsonl")).expect("a journal");
    let shown = program.run(&["journal"]);
    assert_eq!(
        (text(&shown.stderr).as_str(), shown.status.code()),
        ("", Some(0))
    );
    for part in [
        "Open tcp 10022 of shop-api-01",
        "Restart dev-box-01",
        "operator@jump-1",
        "taken back by",
    ] {
        assert!(
            text(&shown.stdout).contains(part),
            "{part}:\n{}",
            text(&shown.stdout)
        );
    }
    let json = text(&program.run(&["journal", "--format", "json"]).stdout);
    let ids: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(ids.len(), 5, "{json}");
    // Reading changes nothing.
    assert_eq!(
        fs::read(program.state_dir().join("journal.jsonl")).expect("a journal"),
        before
    );
    let contents = Journal::in_directory(program.state_dir())
        .pending()
        .expect("readable");
    assert_eq!((contents.skipped, contents.entries.len()), (0, 0));
}

#[test]
fn evidence_of_0_1_0_is_weighed_again() {
    let program = left_behind();
    let folder = program.state_dir().join("evidence");
    let folder = folder.to_str().expect("text");
    let replayed = program.run(&["replay", folder]);
    assert_eq!(
        (text(&replayed.stderr).as_str(), replayed.status.code()),
        ("", Some(0))
    );
    let report: Value = serde_json::from_slice(&replayed.stdout).expect("one report");
    assert_eq!(report["instance"]["name"], "dev-box-01");
    assert!(
        report["evidence"]
            .as_array()
            .is_some_and(|all| all.len() >= 20),
        "{report}"
    );
}

#[test]
fn outcomes_cases_and_ticked_steps_of_0_1_0_are_there() {
    let program = left_behind();
    let learned = program.run(&["learned", "--format", "json"]);
    assert_eq!(text(&learned.stderr), "");
    let learned: Value = serde_json::from_slice(&learned.stdout).expect("JSON");
    assert_eq!(learned["outcomes"], 3);
    let history = History::existing(&program.state_dir())
        .expect("readable")
        .expect("there");
    let cases = history.cases("ins-t778eqef", 10).expect("readable");
    assert_eq!(cases.len(), 3);
    assert_eq!(history.logins().expect("readable").len(), 71);
    assert_eq!(history.typed("filter").expect("readable"), ["shop-api"]);
    let steps = GuideSteps::in_directory(&program.state_dir());
    let then = "2026-11-30T21:45:00Z".parse().expect("a moment");
    let steps = steps.of("ins-t778eqef", then).expect("readable");
    assert_eq!(
        (steps.len(), steps[0].guide.as_str(), steps[0].step),
        (1, "linux-ssh-failure", 1)
    );
}

/// Every word that 0.1.0 had for a login, in a saved filter.
#[test]
fn saved_filters_of_0_1_0_mean_something() {
    for word in [
        "ok",
        "open",
        "slow",
        "flaky",
        "throttled",
        "legacy",
        "refused",
        "silent",
        "prohibited",
        "no-answer",
        "closed",
        "reset",
        "not-login",
        "handshake",
    ] {
        for filter in [
            format!("login:{word}"),
            format!("!login:{word} web"),
            format!("login:{word}|slow"),
        ] {
            assert_eq!(Filter::parse(&filter).wrong(), None, "{filter}");
        }
    }
    for word in ["ok", "impaired", "failing"] {
        assert_eq!(
            Filter::parse(&format!("health:{word}")).wrong(),
            None,
            "{word}"
        );
    }
}

#[test]
fn the_next_action_goes_on_in_the_state_of_0_1_0() {
    let program = left_behind();
    let done = program.run(&["act", "dev-box-01", "vnc-url", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let json = text(&program.run(&["journal", "--format", "json"]).stdout);
    assert_eq!(json.lines().count(), 6);
    let listed = program.run(&["list", "--no-probe"]);
    assert_eq!(
        (text(&listed.stderr).as_str(), listed.status.code()),
        ("", Some(0))
    );
}
