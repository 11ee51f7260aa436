//! One fact looked at closely, the calls that were made, and the screen as a file.

use std::path::{Path, PathBuf};

use crate::support::console;
use crate::support::terminal::Terminal;
use console::{diagnosed, listed, press, send};
use cvmtop::action::handed::Handed;
use cvmtop::app::effect::{Console, Effect, Record};
use cvmtop::app::locale::{Lang, Texts};
use cvmtop::app::message::{Message, Recorded};
use cvmtop::app::overlay::{Overlay, Secret};
use cvmtop::app::state::State;
use cvmtop::domain::said::Said;

const SIZE: (u16, u16) = (120, 40);

/// Opens the fact that these words leave first, and gives its text.
fn text_of(state: &mut State, words: &str) -> String {
    press(state, "E");
    send(state, Message::Pasted(words.into()));
    let effects = press(state, "enter");
    let asked = effects.into_iter().find_map(|effect| match effect {
        Effect::Record(Record::ReadRaw { body, action, .. }) => Some(format!("{body}\n# {action}")),
        _ => None,
    });
    let text = asked.unwrap_or_else(|| match state.overlays.last() {
        Some(Overlay::Reader(reading)) => reading.plain(),
        other => panic!("{words}: {other:?}"),
    });
    state.overlays.clear();
    text
}

#[test]
fn a_fact_tells_source_age_and_what_it_moved_by_the_reports_own_terms() {
    let mut state = diagnosed(Lang::En, SIZE);
    let text = text_of(&mut state, "security-group ");
    assert!(
        text.contains("The cloud's answer to vpc:DescribeSecurityGroupPolicies."),
        "{text}"
    );
    assert!(text.contains("took 120 ms"), "{text}");
    let report = state.selected_report().expect("a report");
    let leading = &report.causes[0];
    let term = leading
        .contributions
        .iter()
        .find(|term| term.evidence == "security-group")
        .expect("it moved the leading cause");
    let factor = Texts::of(Lang::En).times_likelier(term.weight_db);
    let moved = |line: &str| {
        line.contains("Security group blocks the login port") && line.ends_with(&factor)
    };
    assert!(text.lines().any(moved), "{factor}\n{text}");
    assert!(
        text.contains(&format!("as {}.", term.observation)),
        "{text}"
    );
    // What it speaks for comes first, and of both the strongest.
    let figure = |line: &str| {
        let (_, factor) = line.trim().rsplit_once(": ")?;
        let (n, way) = factor.split_once("x ")?;
        let n: f64 = n.parse().ok()?;
        Some(if way == "likelier" { n } else { -n })
    };
    let weights: Vec<f64> = text.lines().filter_map(figure).collect();
    assert!(!weights.is_empty(), "{text}");
    let (up, down): (Vec<f64>, Vec<f64>) = weights.iter().partition(|weight| **weight > 0.0);
    assert_eq!([&up[..], &down[..]].concat(), weights);
    assert!(
        up.is_sorted_by(|a, b| a >= b) && down.is_sorted(),
        "{weights:?}"
    );
}

#[test]
fn what_has_no_value_weighs_nothing_and_says_what_it_takes() {
    let mut state = diagnosed(Lang::En, SIZE);
    let text = text_of(&mut state, "account-balance");
    assert!(
        text.contains("It holds no value, so it weighs nothing."),
        "{text}"
    );
    assert!(
        text.contains("It takes: billing:DescribeAccountBalance."),
        "{text}"
    );
    assert!(!text.contains("likelier"), "{text}");
}

#[test]
fn probes_and_persons_have_no_call_behind_them() {
    let mut state = diagnosed(Lang::En, SIZE);
    let text = text_of(&mut state, "reach private");
    assert!(text.contains("Probed from jump-1."), "{text}");
    press(&mut state, "e");
    send(
        &mut state,
        Message::Pasted("ssh: connect to host x port 22: Connection refused".into()),
    );
    press(&mut state, "ctrl-d");
    let text = text_of(&mut state, "pasted-error");
    assert!(text.contains("A person's word."), "{text}");
    assert!(text.contains("port 22: Connection refused"), "{text}");
}

#[test]
fn every_fact_can_be_looked_at_in_every_language() {
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, SIZE);
        let many = state.selected_case().expect("a case").readings.len();
        press(&mut state, "E");
        for _ in 0..many {
            let effects = press(&mut state, "enter");
            if effects.is_empty() {
                press(&mut state, "q");
            }
            press(&mut state, "down");
        }
        assert_eq!(state.overlays.len(), 1, "{lang:?}");
    }
    // Before anything was read there is nothing to look at.
    let mut state = listed(Lang::En, SIZE);
    press(&mut state, "E");
    assert!(state.overlays.is_empty());
}

#[test]
fn the_screen_is_saved_over_every_dialog_but_a_value_that_is_shown_once() {
    let saves = |effects: &[Effect]| {
        let save = |effect: &Effect| matches!(effect, Effect::Console(Console::SaveScreen));
        effects.iter().any(save)
    };
    let mut state = diagnosed(Lang::En, SIZE);
    assert!(saves(&press(&mut state, "ctrl-s")));
    assert!(saves(&press(&mut state, "? ctrl-s")));
    press(&mut state, "esc");
    state.overlays.push(Overlay::Secret(Secret(Handed {
        what: Said::raw("password"),
        value: "s3cret".to_owned().into(),
    })));
    assert!(!saves(&press(&mut state, "ctrl-s")));
    // Nor from beneath something that lies over it.
    assert!(!saves(&press(&mut state, "? ctrl-s")));
}

#[test]
fn a_text_of_calls_is_read_like_any_other() {
    let mut state = diagnosed(Lang::En, SIZE);
    let effects = press(&mut state, "R");
    let asked = |effect: &Effect| matches!(effect, Effect::Record(Record::ReadCalls { .. }));
    assert!(effects.iter().any(asked));
    let (title, body) = ("calls".to_owned(), "    12:00:00Z".to_owned());
    send(
        &mut state,
        Message::Recorded(Recorded::Fetched { title, body }),
    );
    assert_eq!(state.overlays.len(), 1);
}

fn screens(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(screens(&path));
        } else if name.starts_with("screen-") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(target_os = "linux")]
#[test]
fn with_real_keys_a_raw_answer_the_calls_and_the_screen_are_at_hand() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut terminal = Terminal::start(&["--demo"], 160, 50, &[]);
    terminal.wait_for("shop-api-01");
    terminal.keys("/shop-api\r\r");
    terminal.wait_for("Login is broken: Security group");
    terminal.wait("the end of the look", |screen| {
        !screen.contains("readings so far")
    });
    terminal.keys("Esecurity group for the user");
    terminal.wait_for("Facts of shop-api-01");
    terminal.keys("\r");
    let text = terminal.wait_for("Raw answer");
    assert!(text.contains("vpc:DescribeSecurityGroupPolicies"), "{text}");
    assert!(
        text.contains("Security group blocks the login port") && text.contains("x likelier"),
        "{text}"
    );
    terminal.keys("/SecurityGroupPolicySet\r");
    terminal.wait_for("\"SecurityGroupPolicySet\"");
    terminal.keys("q");
    // It covers the list until it is closed; a key right behind Esc would be another chord.
    terminal.wait_for("Facts of shop-api-01");
    terminal.keys("\x1b");
    terminal.wait("all is closed", |screen| !screen.contains("Facts of"));
    terminal.keys("R");
    let text = terminal.wait_for("answered");
    assert!(text.contains(" ms  "), "{text}");
    terminal.keys("/cvm:DescribeInstances\r");
    terminal.wait("the first call", |screen| {
        screen.matches("cvm:DescribeInstances").count() > 1
    });
    // The screen is written as it is, over what is open, too.
    terminal.keys("\x13");
    terminal.wait_for("the screen is written to");
    let files = screens(terminal.home());
    assert_eq!(files.len(), 1, "{files:?}");
    let written = std::fs::read_to_string(&files[0]).unwrap();
    assert!(written.contains("cvm:DescribeInstances"), "{written}");
    assert!(!written.contains('\u{1b}'));
    let mode = std::fs::metadata(&files[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    terminal.keys("q");
    terminal.wait("the calls are closed", |screen| {
        !screen.contains("cvm:DescribeInstances")
    });
    // A masked screen is masked in the file, and the palette that asked for it is not in it.
    terminal.keys("P");
    terminal.wait_for("MASKED");
    let shown = terminal.wait("no address", |screen| !screen.contains("127.0."));
    assert!(shown.contains("shop-api-01"), "{shown}");
    terminal.keys(":save-screen\r");
    terminal.wait("a second file", |_| screens(terminal.home()).len() == 2);
    terminal.wait("it is whole", |_| {
        let files = screens(terminal.home());
        files
            .iter()
            .any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("MASKED")))
    });
    let files = screens(terminal.home());
    let masked = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let masked = masked
        .into_iter()
        .find(|text| text.contains("MASKED"))
        .unwrap();
    assert!(
        !masked.contains("127.0.") && !masked.contains("Commands"),
        "{masked}"
    );
    terminal.keys("q");
    assert!(terminal.wait_exit().success());
}
