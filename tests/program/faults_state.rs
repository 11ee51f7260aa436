//! The state directory at its worst: full, read-only, damaged, newer, shared; and a clock that
//! jumps. The console starts each time, and nothing that was committed is lost.
//!
//! Needs root for mounts of its own; says why and passes where that is not allowed (with `CI`
//! set it must be). Must not live here: crashes in the middle of an action (`actions`).

use crate::support::program;
use std::process::Output;

use cvmtop::app::locale::Lang;
use cvmtop::app::message::Message;
use cvmtop::app::notices::Severity;
use cvmtop::app::state::State;
use cvmtop::app::update::{next_wake, update};
use cvmtop::domain::instance::Instance;
use jiff::{SignedDuration, Timestamp};
use program::{Program, files, text};

/// Runs a shell line in mounts of its own; `None` where that is not permitted.
fn in_own_mounts(program: &Program, line: &str) -> Option<Output> {
    let allowed = rustix::process::geteuid().is_root()
        && std::process::Command::new("unshare")
            .args(["--mount", "true"])
            .status()
            .is_ok_and(|status| status.success());
    if !allowed {
        let reason = "mounts of its own need root";
        crate::support::not_run(reason);
        return None;
    }
    Some(
        program
            .wrapped(&["unshare", "--mount", "sh", "-euc", line])
            .env("BIN", env!("CARGO_BIN_EXE_cvmtop"))
            .env("TERM", "xterm-256color")
            .output()
            .unwrap(),
    )
}

/// Starts the console in a terminal, waits until it lists, leaves it; prints what it showed.
const CONSOLE: &str = r#"
    (i=0; while [ $i -lt 300 ] && ! grep -aq analytics "$HOME/seen"; do sleep 0.1; i=$((i+1)); done
     sleep 0.3; printf q; sleep 3) |
    script -qefc "stty cols 100 rows 30; $BIN --region all" "$HOME/seen" >/dev/null || test $? = 141
    cat "$HOME/seen"
"#;

fn lists(output: &Output) {
    assert!(
        text(&output.stdout).contains("analytics-01"),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn a_read_only_home_is_told_and_everything_but_actions_goes_on() {
    let program = Program::new();
    let state = program.state_dir();
    std::fs::create_dir(&state).unwrap();
    let mount = format!("mount -t tmpfs -o ro none {}", state.display());
    let list = format!("{mount}; $BIN --region all list --no-probe");
    let Some(output) = in_own_mounts(&program, &list) else {
        return;
    };
    lists(&output);
    let told = text(&output.stderr);
    assert!(
        told.contains("nothing is logged") && told.contains("Read-only"),
        "{told}"
    );
    let act = format!("{mount}; $BIN --region all act shop-web-01 restart --yes");
    let output = in_own_mounts(&program, &act).unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("actions are refused"), "{told}");
    assert_eq!(program.gateway.writes(), Vec::<String>::new());
    let output = in_own_mounts(&program, &format!("{mount}; {CONSOLE}")).unwrap();
    lists(&output);
}

#[test]
fn a_full_disk_stops_actions_before_they_are_sent_and_nothing_else() {
    let program = Program::new();
    let state = program.state_dir();
    std::fs::create_dir(&state).unwrap();
    let full = format!(
        "mount -t tmpfs -o size=64k none {0}; head -c 100000 /dev/zero >{0}/filler 2>/dev/null || true",
        state.display()
    );
    let list = format!("{full}; $BIN --region all list --no-probe");
    let Some(output) = in_own_mounts(&program, &list) else {
        return;
    };
    lists(&output);
    let act = format!("{full}; $BIN --region all act shop-web-01 restart --yes");
    let output = in_own_mounts(&program, &act).unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("No space left"), "{told}");
    assert_eq!(program.gateway.writes(), Vec::<String>::new());
    let output = in_own_mounts(&program, &format!("{full}; {CONSOLE}")).unwrap();
    lists(&output);
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_written() {
    let program = Program::new();
    let state = program.state_dir();
    std::fs::create_dir(&state).unwrap();
    // Room for the first action; then something else takes the rest.
    let line = format!(
        "mount -t tmpfs -o size=512k none {0}
         $BIN --region all act staging-web-01 start --yes
         $BIN journal --format json >{1}/before
         head -c 1000000 /dev/zero >{0}/filler 2>/dev/null || true
         n=0; while $BIN --region all act shop-web-01 restart --yes; do n=$((n+1)); test $n -lt 30; done
         $BIN journal --format json >{1}/after
         rm {0}/filler
         $BIN --region all act shop-web-01 restart --yes
         $BIN --region all journal --format json",
        state.display(),
        program.home.path().display(),
    );
    let Some(output) = in_own_mounts(&program, &line) else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
    let kept = |name: &str| std::fs::read_to_string(program.home.path().join(name)).unwrap();
    assert_eq!(kept("before").lines().count(), 1);
    assert!(
        kept("after").contains("StartInstances"),
        "{}",
        kept("after")
    );
    let last = text(&output.stdout);
    assert!(
        last.contains("StartInstances") && last.contains("RebootInstances"),
        "{last}"
    );
    // Whatever was sent has its line, and whatever has a line is settled.
    let entries: Vec<&str> = last.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(entries.len(), program.gateway.writes().len(), "{last}");
    for line in entries {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["state"], "closed", "{entry}");
    }
}

#[test]
fn damaged_and_newer_state_files_are_survived_and_kept() {
    let program = Program::new();
    let state = program.state_dir();
    std::fs::create_dir(&state).unwrap();
    let newer = rusqlite::Connection::open(state.join("history.sqlite")).unwrap();
    newer
        .execute_batch("CREATE TABLE dreams (x); PRAGMA user_version = 99;")
        .unwrap();
    drop(newer);
    std::fs::write(
        state.join("outcomes.jsonl"),
        "\u{1b}[2J not json\n{\"v\":99}\n",
    )
    .unwrap();
    std::fs::write(state.join("journal.jsonl"), b"\xff\xfe{\"v\":99}\n").unwrap();
    let before = files(&state);
    for words in [
        &["list", "--no-probe"][..],
        &["diagnose", "shop-web-01"],
        &["journal"],
    ] {
        let output = program.run(words);
        assert!(!text(&output.stderr).contains("panicked"), "{words:?}");
        assert!(
            output.status.code().is_some_and(|code| code <= 1),
            "{words:?}: {}",
            text(&output.stderr)
        );
    }
    for (path, bytes) in before {
        let now = std::fs::read(&path).unwrap();
        assert!(now.starts_with(&bytes), "{} was changed", path.display());
    }
    if let Some(output) = in_own_mounts(&program, CONSOLE) {
        lists(&output);
    }
}

#[test]
fn two_programs_act_at_once_and_each_line_is_whole() {
    let program = Program::new();
    let start = |words: &[&str]| {
        let mut command = program.command(words);
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running = [
        start(&["act", "staging-web-01", "start", "--yes"]),
        start(&["act", "shop-web-01", "restart", "--yes"]),
        start(&[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=203.0.113.7",
            "--yes",
        ]),
        start(&["-vvv", "diagnose", "shop-web-01"]),
    ];
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.code().is_some_and(|code| code <= 1),
            "{}",
            text(&output.stderr)
        );
    }
    let journal = std::fs::read_to_string(program.state_dir().join("journal.jsonl")).unwrap();
    for line in journal.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    let output = program.run(&["journal", "--format", "json"]);
    assert_eq!(
        text(&output.stdout).lines().count(),
        3,
        "{}",
        text(&output.stderr)
    );
    let mut writes = program.gateway.writes();
    writes.sort();
    assert_eq!(
        writes,
        [
            "CreateSecurityGroupPolicies",
            "RebootInstances",
            "StartInstances"
        ]
    );
}

#[test]
fn a_secret_file_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let program = Program::new();
    let folder = program.home.path().join(".tencentcloud");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("credentials");
    let keys = format!(
        "[default]\nsecret_id = {}\nsecret_key = {}\n",
        program.demo.secret_id, program.demo.secret_key
    );
    std::fs::write(&file, keys).unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = program
            .command(&["list", "--no-probe"])
            .env_remove("TENCENTCLOUD_SECRET_ID")
            .env_remove("TENCENTCLOUD_SECRET_KEY")
            .output()
            .unwrap();
        lists(&output);
        let told = text(&output.stderr);
        assert_eq!(
            told.contains("credentials") && told.contains("read"),
            warned,
            "{told}"
        );
    }
}

/// A console with one instance looked at just now.
fn console_at(now: Timestamp) -> State {
    let mut state = State::new(now, Lang::default());
    state.fleet.begin_listing(1, false);
    let instance = Instance {
        id: "ins-1".into(),
        name: "web".into(),
        state: "RUNNING".into(),
        ..Instance::default()
    };
    state.fleet.insert(vec![instance.into()]);
    state.fleet.end_listing();
    state.fleet.get_mut("ins-1").unwrap().checked_at = Some(now);
    state.tell(
        Severity::Info,
        "a notice that goes away by itself".to_owned(),
    );
    state.settle();
    state
}

#[test]
fn a_clock_that_jumps_neither_freezes_nor_spins_the_console() {
    let noon = Timestamp::from_second(1_780_000_000).unwrap();
    for jump in [-86_400 * 365, -3_600, -1, 1, 3_600, 86_400 * 365 * 20] {
        let mut state = console_at(noon);
        let then = noon + SignedDuration::from_secs(jump);
        let (_, effects) = update(&mut state, Message::Tick(then));
        assert!(effects.is_empty(), "{jump}");
        let mut now = then;
        // From here on time runs as it should: the notice ends, and wake-ups stay apart.
        for _ in 0..200 {
            let Some(wake) = next_wake(&state) else { break };
            assert!((1..=86_400_000).contains(&wake), "{jump}: {wake} ms");
            now += SignedDuration::from_millis(wake.try_into().unwrap());
            let _ = update(&mut state, Message::Tick(now));
        }
        assert!(
            state.notices.shown().is_none(),
            "{jump}: the notice stays for ever"
        );
    }
}

#[test]
fn the_program_works_in_every_time_zone() {
    let program = Program::new();
    for zone in [
        "UTC",
        "Asia/Seoul",
        "America/St_Johns",
        "Nowhere/Such",
        ":/etc/passwd",
    ] {
        let output = program
            .command(&["diagnose", "shop-web-01"])
            .env("TZ", zone)
            .output()
            .unwrap();
        assert!(
            output.status.code().is_some_and(|code| code <= 1),
            "{zone}: {}",
            text(&output.stderr)
        );
    }
    let log = std::fs::read_to_string(program.state_dir().join("cvmtop.log")).unwrap();
    assert!(
        log.lines()
            .all(|line| line.split(' ').next().unwrap().ends_with('Z')),
        "{log}"
    );
}
