//! From the operator's chair: consent with sight, a checklist where nothing can be run inside, a session
//! and back, keys that say what to press instead.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::console;
use crate::support::terminal::Terminal;
use console::{diagnosed, press};
use cvmtop::app::command::{Command as Pane, Why};
use cvmtop::app::effect::{Effect, Record};
use cvmtop::app::locale::Lang;
use cvmtop::app::overlay::Overlay;
use cvmtop::app::state::State;
use cvmtop::domain::evidence::state::{agent, guest_service};
use cvmtop::domain::evidence::{Reading, Source, Status};
use cvmtop::domain::said::Said;
use cvmtop::guest::LINUX_SCRIPT;

const SIZE: (u16, u16) = (120, 40);

fn with_agent(state: &mut State, status: Status, seen: cvmtop::domain::evidence::State<'static>) {
    let mut reading = Reading::observed(seen, Source::Cloud, Said::raw("as the cloud says"));
    reading.status = status;
    let case = state.selected_case_mut().expect("a case");
    case.readings.retain(|it| it.id != seen.group);
    case.readings.push(reading);
}

#[test]
fn the_script_can_be_read_before_anything_is_sent() {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "d");
    let effects = press(&mut state, "s");
    let [Effect::Record(Record::ReadScript { instance, .. })] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(instance, "ins-shop");
    // The question stays; consent is still to be given.
    assert!(matches!(state.overlays.last(), Some(Overlay::DeepConsent)));
}

#[test]
fn an_agent_that_is_away_is_not_asked_and_what_a_person_sees_is_weighed() {
    for seen in [agent::OFFLINE_RECENT, agent::OFFLINE_LONG, agent::NEVER] {
        let mut state = diagnosed(Lang::En, SIZE);
        with_agent(&mut state, Status::Observed, seen);
        assert!(press(&mut state, "d").is_empty(), "nothing is sent");
        assert!(matches!(state.overlays.last(), Some(Overlay::Tell(_))));
        press(&mut state, "down enter");
        let case = state.selected_case().expect("a case");
        let stopped = guest_service::STOPPED;
        assert_eq!(case.statements.state_of(stopped.group), Some(stopped.id));
        let report = state.selected_report().expect("a report");
        let told = |it: &&Reading| it.id == stopped.group && it.source == Source::Operator;
        assert_eq!(report.evidence.iter().filter(told).count(), 1);
    }
    // What is not known to be away is asked.
    for (status, seen) in [
        (Status::Observed, agent::ONLINE),
        (Status::NotPermitted, agent::NEVER),
    ] {
        let mut state = diagnosed(Lang::En, SIZE);
        with_agent(&mut state, status, seen);
        press(&mut state, "d");
        assert!(matches!(state.overlays.last(), Some(Overlay::DeepConsent)));
    }
}

#[test]
fn a_session_is_shut_under_read_only_by_the_config_alone() {
    let mut state = diagnosed(Lang::En, SIZE);
    let begins = |effects: &[Effect]| matches!(effects, [Effect::Record(Record::FindWayIn { instance })] if instance == "ins-shop");
    assert!(begins(&press(&mut state, "I")));
    state.read_only = true;
    assert!(begins(&press(&mut state, "I")));
    state.read_only_sessions = false;
    assert!(press(&mut state, "I").is_empty());
    assert_eq!(Pane::Session.enabled(&state), Err(Why::ReadOnly));
}

#[test]
fn the_command_prints_what_is_shipped_and_what_would_be_sent() {
    let home = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .arg("guest-script")
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    assert_eq!(run(&["--os", "linux"]), (Some(0), LINUX_SCRIPT.to_owned()));
    let (status, text) = run(&["queue-01", "--demo", "--user", "amy"]);
    assert_eq!(status, Some(0));
    assert!(text.ends_with(LINUX_SCRIPT), "{text}");
    assert!(text.contains("CVMTOP_PORT='10022'"), "{text}");
    // A shell reads the account out of it, and nothing else of the script is run.
    let head = text.strip_suffix(LINUX_SCRIPT).unwrap();
    let said = Command::new("sh")
        .args(["-c", &format!("{head}\nprintf %s \"$CVMTOP_USER\"")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "amy");
    assert_eq!(run(&["nobody-there", "--demo"]).0, Some(3));
    assert_eq!(run(&[]).0, Some(2));
}

/// The real program, with a program named `ssh` that says how it was called and waits for a line.
#[test]
fn a_session_opens_at_the_right_place_and_gives_the_same_screen_back() {
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    std::fs::write(
        &ssh,
        "#!/bin/sh\ncase \" $* \" in *\" -G \"*|*\" -Q \"*) exit 1;; esac\n\
         echo \"INSIDE $*\"\nread line\necho \"$line\" > \"$HOME/typed\"\n\
         [ -z \"$TENCENTCLOUD_SECRET_KEY\" ] || echo leaked > \"$HOME/leaked\"\nexit 0\n",
    )
    .unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let variables = [("PATH", path.as_str()), ("TENCENTCLOUD_SECRET_KEY", "k")];
    let mut terminal = Terminal::start(&["--demo", "keyed-01"], 120, 40, &variables);
    terminal.wait_for("The login path is healthy");
    terminal.keys("I");
    let inside = terminal.wait_for("INSIDE -p 10022 -l ubuntu");
    assert!(!inside.contains("What to do"), "{inside}");
    // What is typed goes to the session, not to the console: `q` would leave it.
    terminal.keys("q\r");
    let back = terminal.wait_for("the session is over");
    assert!(back.contains("keyed-01"), "{back}");
    assert!(back.contains("The login path is healthy"), "{back}");
    let typed = std::fs::read_to_string(terminal.home().join("typed")).unwrap();
    assert_eq!(typed, "q\n");
    assert!(!terminal.home().join("leaked").exists());
    terminal.keys("J");
    terminal.wait_for("Opened a session at keyed-01");
    terminal.keys("q");
    terminal.wait("the panes", |text| !text.contains("Opened a session at"));
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
}
