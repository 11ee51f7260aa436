//! Actions through the console, by keys in a pseudo-terminal: previewed, confirmed, verified,
//! taken back, refused, and picked up after the terminal was lost.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails
#![cfg(target_os = "linux")]

#[path = "support/api.rs"]
mod api;
#[allow(dead_code, reason = "nothing is killed here")]
#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/terminal.rs"]
mod terminal;

use std::cell::Cell;
use std::time::{Duration, Instant};

use lab::Lab;
use terminal::Terminal;

/// The console on the lab's cloud, opened on an instance.
fn console(lab: &Lab, target: &str, more: &[&str]) -> Terminal {
    let state = lab.state.path().join("state");
    let arguments = [&["--region", "all"], more, &[target]].concat();
    Terminal::start(
        &arguments,
        200,
        50,
        &[
            ("CVMTOP_ENDPOINT", &lab.gateway.endpoint),
            ("CVMTOP_STATE_DIR", state.to_str().expect("text")),
            ("TENCENTCLOUD_SECRET_ID", &lab.demo.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", &lab.demo.secret_key),
        ],
    )
}

/// The digit that stands before a ranked action.
fn digit(screen: &str, title: &str) -> Option<char> {
    screen.lines().find_map(|line| {
        let before = line.split_once(title)?.0.trim_end();
        before.chars().last().filter(char::is_ascii_digit)
    })
}

/// Waits until the action keeps its place among the ranked ones, and presses its digit.
fn choose(terminal: &mut Terminal, title: &str) {
    let still = Cell::new((None, Instant::now()));
    let screen = terminal.wait(title, |screen| {
        let now = digit(screen, title).filter(|_| screen.contains("Read just now"));
        let (before, since) = still.get();
        if now != before {
            still.set((now, Instant::now()));
        }
        now.is_some() && now == before && since.elapsed() > Duration::from_secs(2)
    });
    let digit = digit(&screen, title).expect("it was there");
    terminal.keys(&digit.to_string());
}

#[test]
fn a_port_is_opened_login_comes_back_and_the_rule_is_taken_away_again() {
    let lab = Lab::new();
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul").to_string();
    let mut terminal = console(&lab, "shop-api-01", &[]);
    choose(&mut terminal, "Open the login port");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("here\r");
    let screen = terminal.wait_for("Y does it");
    assert!(screen.contains("now decided by"), "{screen}");
    // Enter is what a hand does by reflex: it does nothing here.
    terminal.keys("\r");
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    terminal.keys("Y");
    terminal.wait_for("login answers again");
    assert_eq!(lab.gateway.writes(), ["CreateSecurityGroupPolicies"]);
    assert_ne!(lab.rules(group, "ap-seoul").to_string(), before);
    terminal.keys("u");
    terminal.wait_for("Take back");
    terminal.wait_for("Y does it");
    terminal.keys("Y");
    terminal.wait_for("is gone with it");
    assert_eq!(lab.rules(group, "ap-seoul").to_string(), before);
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    let entries = lab.entries();
    assert_eq!(entries[0]["outcome"], "restored");
    assert_eq!(entries[0]["undone_by"], entries[1]["id"]);
}

#[test]
fn a_restart_takes_the_typed_name_and_is_followed_until_login_is_back() {
    let lab = Lab::new();
    let mut terminal = console(&lab, "sensor-01", &[]);
    choose(&mut terminal, "Restart the instance");
    let screen = terminal.wait_for("Type sensor-01 and Enter");
    assert!(
        screen.contains("readings of just now are written"),
        "{screen}"
    );
    for wrong in ["sensor-0", "SENSOR-01"] {
        terminal.keys(&format!("{wrong}\r"));
        terminal.wait_for("does not confirm");
        terminal.keys(&"\u{7f}".repeat(wrong.len()));
    }
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    terminal.keys("sensor-01\r");
    terminal.wait_for("login answers");
    assert_eq!(lab.gateway.writes(), ["RebootInstances"]);
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "restored", "{entry}");
    let saved = format!("evidence/{}.json", entry["id"].as_str().expect("an id"));
    assert!(lab.state.path().join("state").join(saved).exists());
}

#[test]
fn read_only_from_outside_or_switched_live_sends_nothing() {
    let lab = Lab::new();
    for locked in [true, false] {
        let more: &[&str] = if locked { &["--read-only"] } else { &[] };
        let mut terminal = console(&lab, "shop-api-01", more);
        terminal.wait_for("Open the login port");
        if !locked {
            terminal.keys(":read-only\r");
        }
        terminal.wait_for("READ-ONLY");
        choose(&mut terminal, "Open the login port");
        terminal.wait_for("Where does the failing user come from?");
        terminal.keys("here\r");
        terminal.wait_for("this can only be looked at");
        terminal.keys("Y");
        terminal.wait_for("is not available; nothing was sent");
        terminal.keys("\u{1b}");
        terminal.wait("the list", |screen| !screen.contains("Preview: nothing"));
        terminal.keys("q");
        assert_eq!(terminal.wait_exit().exit_code(), 0);
    }
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    assert!(!lab.gateway.seen().is_empty());
}

#[test]
fn an_action_in_flight_when_the_terminal_goes_is_settled_by_the_next_start() {
    let lab = Lab::new();
    let mut terminal = console(&lab, "sensor-01", &[]);
    choose(&mut terminal, "Restart the instance");
    terminal.wait_for("Type sensor-01 and Enter");
    terminal.keys("sensor-01\r");
    terminal.wait("the call", |_| !lab.gateway.writes().is_empty());
    let pid = terminal.child.process_id().expect("it runs").cast_signed();
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it runs");
    assert_eq!(terminal.wait_exit().exit_code(), 129);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "done", "{entry}");
    assert_eq!(lab.gateway.writes(), ["RebootInstances"]);
}

#[test]
fn a_rule_whose_time_is_over_goes_while_the_console_runs() {
    let lab = Lab::new();
    let words = [
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=203.0.113.7",
    ];
    let more = ["--set", "minutes=1", "--yes"];
    lab.ok(&[&words[..], &more[..]].concat());
    let mut terminal = console(&lab, "shop-web-01", &[]);
    terminal.wait_for("shop-web-01");
    lab.an_hour_passes();
    terminal.wait_for("its time is over");
    assert_eq!(
        lab.gateway.writes(),
        ["CreateSecurityGroupPolicies", "DeleteSecurityGroupPolicies"]
    );
    terminal.keys("q");
    terminal.wait_exit();
}

#[test]
fn rules_that_change_under_a_preview_are_shown_anew_before_anything_is_sent() {
    let lab = Lab::new();
    let others = |source: &str| {
        let set = format!("source={source}");
        lab.ok(&["act", "shop-api-01", "open-port", "--set", &set, "--yes"]);
    };
    // On the command line.
    let state = lab.state.path().join("state");
    let words = [
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=203.0.113.7",
    ];
    let arguments = [&["--region", "all"], &words[..]].concat();
    let variables = [
        ("CVMTOP_ENDPOINT", lab.gateway.endpoint.as_str()),
        ("CVMTOP_STATE_DIR", state.to_str().expect("text")),
        ("TENCENTCLOUD_SECRET_ID", lab.demo.secret_id.as_str()),
        ("TENCENTCLOUD_SECRET_KEY", lab.demo.secret_key.as_str()),
    ];
    let mut terminal = Terminal::start(&arguments, 160, 120, &variables);
    terminal.wait_for("Go on? [y/N]");
    others("198.51.100.1");
    terminal.keys("y\r");
    let screen = terminal.wait_for("the new difference");
    let shown = terminal.wait("the second question", |screen| {
        screen.matches("Go on? [y/N]").count() == 2 && screen.contains("198.51.100.1/32")
    });
    assert!(shown.len() >= screen.len());
    terminal.keys("y\r");
    terminal.wait_for("are in force at index 0");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    // In the console.
    let mut terminal = console(&lab, "shop-api-01", &[]);
    choose(&mut terminal, "Open the login port");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("here\r");
    terminal.wait_for("Y does it");
    others("198.51.100.2");
    terminal.keys("Y");
    terminal.wait("the new preview", |screen| {
        screen.contains("Y does it") && screen.contains("198.51.100.2/32")
    });
    terminal.keys("Y");
    terminal.wait_for("login answers again");
    let outcomes: Vec<_> = lab.entries().iter().map(|e| e["outcome"].clone()).collect();
    assert_eq!(
        outcomes,
        ["done", "failed", "done", "done", "failed", "restored"]
    );
    terminal.keys("q");
    terminal.wait_exit();
}
