//! Actions through the console, by keys in a pseudo-terminal: previewed, confirmed, verified,
//! taken back, refused, and picked up after the terminal was lost.

use crate::support::deeds;
use crate::support::gateway;
use crate::support::lab;
use crate::support::terminal;
use std::cell::Cell;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cvmtop::domain::action::ActionId;
use deeds::{DEEDS, Deed, tried};
use gateway::Moment;
use lab::{Lab, all_files};
use terminal::Terminal;

/// The console on the lab's cloud, opened on an instance.
fn console(lab: &Lab, target: &str, more: &[&str]) -> Terminal {
    let state = lab.state.path().join("state");
    let arguments = [&["--region", "all"], more, &[target]].concat();
    Terminal::start(
        &arguments,
        200,
        ROWS,
        &[
            ("CVMTOP_ENDPOINT", &lab.gateway.endpoint),
            ("CVMTOP_STATE_DIR", state.to_str().expect("text")),
            ("TENCENTCLOUD_SECRET_ID", &lab.demo.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", &lab.demo.secret_key),
        ],
    )
}

/// High enough for the longest preview, which ends with a script.
const ROWS: u16 = 260;

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
        // Ranks move while readings come in; how long ago the look ended does not matter here.
        let looked = screen.contains("Read ") && !screen.contains("Looking");
        let now = digit(screen, title).filter(|_| looked);
        let (before, since) = still.get();
        if now != before {
            still.set((now, Instant::now()));
        }
        now.is_some() && now == before && since.elapsed() > Duration::from_secs(2)
    });
    let digit = digit(&screen, title).expect("it was there");
    terminal.keys(&digit.to_string());
}

/// Picks any action by its id, and gives its parameters.
fn pick(terminal: &mut Terminal, lab: &Lab, deed: &Deed) {
    terminal.wait("the instance", |screen| screen.contains(deed.target));
    terminal.keys("x");
    terminal.wait_for("Any action on");
    terminal.keys(&format!("{}\r", deed.action));
    if !cvmtop::action::catalog::row_of(deed.action)
        .parameters
        .is_empty()
    {
        terminal.wait_for("Parameters, as name=value");
        terminal.keys(&format!("\u{15}{}\r", deed.words(lab).join(" ")));
    }
}

/// Gives the confirmation that the preview asks for, once it is there.
fn confirm(terminal: &mut Terminal, target: &str) -> String {
    let typed = format!("Type {target} to run it");
    let screen = terminal.wait("the preview", |screen| {
        screen.contains("Y run") || screen.contains(&typed)
    });
    let keys = if screen.contains(&typed) {
        format!("{target}\r")
    } else {
        "Y".to_owned()
    };
    terminal.keys(&keys);
    screen
}

/// The record that ends the `n`th entry of the journal.
fn closed(terminal: &Terminal, lab: &Lab, n: usize) -> serde_json::Value {
    let record = Cell::new(None);
    terminal.wait("the end in the journal", |_| {
        let lines = lab.journal_lines();
        let ended = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|record| record["event"] == "closed")
            .nth(n);
        let there = ended.is_some();
        record.set(ended);
        there
    });
    record.into_inner().expect("it was waited for")
}

/// What the console says of an outcome.
fn said_of(outcome: &str) -> &'static str {
    match outcome {
        "done" => "Done. ",
        "restored" => "Login works again.",
        "improved" => "Better than before",
        "unchanged" => "Done, but login fails as before",
        // Where any end will do, a busy machine may have cut the look after it short.
        "worse" => "Done, and login is worse than before",
        other => panic!("{other}"),
    }
}

/// Shown once, copied by OSC 52, and kept nowhere.
fn take_secret(terminal: &mut Terminal, lab: &Lab) {
    let screen = terminal.wait_for("Shown once, kept nowhere");
    let copied = |terminal: &Terminal| {
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        let (_, last) = raw.rsplit_once("\u{1b}]52;c;")?;
        let end = last.find(['\u{7}', '\u{1b}'])?;
        STANDARD.decode(&last[..end]).ok()
    };
    assert_eq!(
        copied(terminal),
        None,
        "nothing is copied unless it is asked for"
    );
    terminal.keys("y");
    let value = Cell::new(None);
    terminal.wait("the copy", |_| {
        value.set(copied(terminal));
        value.take().is_some_and(|bytes| {
            value.set(Some(bytes));
            true
        })
    });
    let value = String::from_utf8(value.take().expect("it was waited for")).expect("text");
    assert!(value.len() >= 20, "{value:?}");
    // A long one is wrapped in its box.
    let shown = &value[..value.len().min(20)];
    assert!(screen.contains(shown), "{value:?}\n{screen}");
    terminal.keys("\u{1b}");
    terminal.wait("the screen without it", |screen| !screen.contains(shown));
    for folder in [lab.state.path(), terminal.home()] {
        assert!(!all_files(folder).contains(&value), "{}", folder.display());
    }
}

/// One action by keys: picked, shown, confirmed, followed, and taken back.
fn journey(lab: &Lab, deed: &Deed) {
    let name = format!("{} on {}", deed.action, deed.target);
    let mut terminal = console(lab, deed.target, &[]);
    let sent = lab.gateway.writes().len();
    let entries = lab.entries().len();
    pick(&mut terminal, lab, deed);
    let asked = terminal.wait_for("Preview: nothing has been sent yet");
    assert_eq!(lab.gateway.writes().len(), sent, "{name}\n{asked}");
    let screen = confirm(&mut terminal, deed.target);
    for call in deed.calls {
        assert!(screen.contains(&format!(":{call} ")), "{name}\n{screen}");
    }
    for label in [
        "cost",
        "downtime",
        "affects",
        "undo",
        "permission",
        "verified by",
    ] {
        assert!(screen.contains(label), "{name} {label}\n{screen}");
    }
    if [
        ActionId::ResetPassword,
        ActionId::EnterRescue,
        ActionId::VncUrl,
    ]
    .contains(&deed.action)
    {
        take_secret(&mut terminal, lab);
    }
    let end = closed(&terminal, lab, entries);
    let outcome = end["outcome"].as_str().expect("an outcome").to_owned();
    if deed.outcome == "any" {
        assert_ne!(outcome, "failed", "{name}: {end}");
    } else {
        assert_eq!(outcome, deed.outcome, "{name}: {end}");
    }
    assert_eq!(lab.gateway.writes()[sent..], *deed.calls, "{name}: {end}");
    terminal.wait_for(said_of(&outcome));
    if deed.undo.is_empty() {
        terminal.ask("u", "nothing was done that could be taken back");
    } else {
        terminal.keys("u");
        let sent = lab.gateway.writes().len();
        terminal.wait_for("Take back");
        confirm(&mut terminal, deed.target);
        let end = closed(&terminal, lab, entries + 1);
        assert_eq!(lab.gateway.writes()[sent..], *deed.undo, "{name}: {end}");
        assert!(
            lab.entries()[entries]["undone_by"].is_string(),
            "{name}: {end}"
        );
    }
    // The journal knows the end before the screen does; until then `q` asks, also under the
    // preview that a busy machine has not yet taken off the screen.
    terminal.wait("nothing under way", |screen| {
        [
            "Preview: nothing has been sent yet",
            "waits for your answer",
            "… running",
            "reading what the preview needs",
        ]
        .iter()
        .all(|way| !screen.contains(way))
    });
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0, "{name}");
}

#[test]
fn every_action_is_picked_shown_confirmed_followed_and_taken_back_by_keys() {
    std::thread::scope(|scope| {
        for part in DEEDS.chunks(6) {
            scope.spawn(move || {
                let lab = Lab::new();
                for deed in part {
                    journey(&lab, deed);
                }
            });
        }
    });
    tried();
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
    let screen = terminal.wait_for("Y run");
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
    terminal.wait_for("Y run");
    terminal.keys("Y");
    terminal.wait_for("undone with it");
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
    let screen = terminal.wait_for("Type sensor-01 to run it");
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

/// Every action of a part of the table is looked at and confirmed, and none is sent.
fn all_refused(part: &[Deed], locked: bool) {
    let lab = Lab::new();
    let more: &[&str] = if locked { &["--read-only"] } else { &[] };
    let mut terminal = console(&lab, part[0].target, more);
    terminal.wait("the instance", |screen| screen.contains(part[0].target));
    if !locked {
        terminal.keys(":read-only\r");
    }
    terminal.wait_for("READ-ONLY");
    for deed in part {
        // The id: a name may be part of another one.
        let instance = lab.instance(deed.target);
        let id = instance["InstanceId"].as_str().expect("an id");
        terminal.keys(&format!("/\u{15}id:{id}\r"));
        terminal.wait("the instance", |screen| {
            screen.contains(&format!("││{} ", deed.target))
        });
        pick(&mut terminal, &lab, deed);
        terminal.wait_for("Preview: nothing has been sent yet");
        terminal.keys("Y");
        terminal.keys(&format!("{}\r", deed.target));
        terminal.wait_for("is not available; nothing was sent");
        terminal.keys("\u{1b}");
        terminal.wait("the list", |screen| !screen.contains("Preview: nothing"));
    }
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    assert!(!lab.gateway.seen().is_empty());
    assert_eq!(lab.journal_lines(), Vec::<String>::new());
}

#[test]
fn read_only_from_outside_or_switched_live_sends_nothing_whatever_is_confirmed() {
    std::thread::scope(|scope| {
        for (number, part) in DEEDS.chunks(6).enumerate() {
            scope.spawn(move || all_refused(part, number % 2 == 0));
        }
    });
    tried();
}

#[test]
fn a_time_boxed_rule_shows_its_countdown_and_is_kept_by_key_and_by_command() {
    let lab = Lab::new();
    let open = |source: &str| {
        let set = format!("source={source}");
        let words = ["act", "shop-api-01", "open-port", "--set", &set];
        lab.ok(&[&words[..], &["--set", "minutes=30", "--yes"]].concat());
    };
    open("203.0.113.7");
    let mut terminal = console(&lab, "shop-api-01", &[]);
    terminal.wait("the countdown", |screen| {
        screen.contains("undone in 30") || screen.contains("undone in 29")
    });
    terminal.wait_for("K keeps");
    terminal.keys("J");
    terminal.wait_for("unless it is kept: :keep");
    terminal.keys("K");
    terminal.wait_for("Let a change stay");
    terminal.keys("\r");
    terminal.wait_for("stays until");
    terminal.wait("no countdown", |screen| !screen.contains("K keeps"));
    terminal.keys("K");
    terminal.wait_for("nothing has a time limit");
    // What another program opens meanwhile is seen, too.
    open("198.51.100.9");
    terminal.wait_for("K keeps");
    terminal.keys(":keep\r");
    terminal.wait_for("Let a change stay");
    terminal.keys("\r");
    terminal.wait("no countdown", |screen| !screen.contains("K keeps"));
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    lab.an_hour_passes();
    lab.ok(&["list", "--no-probe"]);
    assert_eq!(lab.gateway.writes(), ["CreateSecurityGroupPolicies"; 2]);
}

#[test]
fn a_batch_that_shuts_down_looks_at_each_instance_first_and_keeps_what_it_saw() {
    let lab = Lab::new();
    let mut terminal = console(&lab, "shop-api-01", &[]);
    terminal.wait_for("shop-api-01");
    terminal.keys("/\u{15}name:shop-web\r");
    terminal.wait_for("Instances 2/");
    terminal.keys("*b");
    terminal.wait_for("On 2 marked instances");
    let below = terminal.wait_for("Restart the instance");
    let line = |text: &str| below.lines().position(|line| line.contains(text));
    let first = line("Which action?").expect("a question");
    let at = line("Restart the instance").expect("it can be picked");
    for _ in 0..at - first {
        terminal.keys("j");
    }
    terminal.keys("\r");
    let screen = terminal.wait_for("Type restart 2 to run all of it");
    assert_eq!(
        screen.matches("readings of just now are written").count(),
        2
    );
    terminal.keys("restart 2\r");
    closed(&terminal, &lab, 1);
    terminal.wait_for("2 of 2 carried out");
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    assert_eq!(lab.gateway.writes(), ["RebootInstances"; 2]);
    let saved = std::fs::read_dir(lab.state.path().join("state/evidence")).expect("a folder");
    assert_eq!(saved.count(), 2);
}

#[test]
fn a_batch_learns_the_cause_that_it_cured() {
    let lab = Lab::new();
    let mut terminal = console(&lab, "store-01", &[]);
    // Both are looked at, so that there is a diagnosis that a cure can confirm.
    terminal.wait_for("Security group blocks the login port (");
    for name in ["store-02", "store-01"] {
        terminal.keys(&format!("/\u{15}name:{name}\r"));
        terminal.wait_for("Instances 1/");
        terminal.keys("\r");
        terminal.wait("the diagnosis", |screen| {
            screen.contains("Security group blocks the login port (")
                && screen.contains(&format!("││{name}"))
                && !screen.contains("Looking")
        });
    }
    terminal.keys("/\u{15}name:store-01 | name:store-02\r");
    terminal.wait_for("Instances 2/");
    terminal.keys("*b");
    let screen = terminal.wait_for("Which action?");
    let line = |text: &str| screen.lines().position(|line| line.contains(text));
    let first = line("Which action?").expect("a question") + 1;
    let at = screen.lines().skip(first);
    let at = at.take_while(|line| !line.contains("Open the login port for one source"));
    terminal.keys(&"j".repeat(at.count().saturating_sub(1)));
    terminal.keys("\r");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("\u{15}here\r");
    terminal.wait_for("Y run");
    terminal.keys("Y");
    terminal.wait_for("1 of 1 carried out");
    let outcomes = lab.state.path().join("state/outcomes.jsonl");
    let kept = std::fs::read_to_string(outcomes).expect("the cause was kept");
    assert!(kept.contains("security-group-blocks-port"), "{kept}");
    assert!(kept.contains("\"verified\""), "{kept}");
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
}

/// One of each class: one call, two calls, followed by a task, a command in the guest.
const CRASHES: &[(&[&str], &str, Moment, &str)] = &[
    (
        &["act", "shop-web-01", "restart", "--yes"],
        "RebootInstances",
        Moment::Unanswered,
        // The cloud shows a restart, and does not say whose it was.
        "unknown",
    ),
    (
        &["act", "shop-web-02", "stop", "--yes"],
        "StopInstances",
        Moment::Lost,
        "interrupted",
    ),
    (
        &["act", "wiki-01", "exit-rescue", "--yes"],
        "ExitRescueMode",
        Moment::Followed,
        "interrupted",
    ),
    (
        &["act", "cache-01", "associate-address", "--yes"],
        "AssociateAddress",
        Moment::Followed,
        "done",
    ),
    (
        &["act", "queue-01", "guest-restart-login-service", "--yes"],
        "RunCommand",
        Moment::Unanswered,
        "done",
    ),
];

#[test]
fn what_a_crash_left_in_flight_is_settled_and_told_by_the_next_console() {
    let lab = Lab::new();
    for (number, (words, call, moment, outcome)) in CRASHES.iter().enumerate() {
        let sent = lab.gateway.writes().len();
        lab.run_into(words, call, *moment);
        let mut terminal = console(&lab, "shop-api-01", &[]);
        let end = closed(&terminal, &lab, number);
        assert_eq!(end["outcome"], *outcome, "{words:?}: {end}");
        let told = if *moment == Moment::Lost || *outcome == "unknown" {
            "the program ended while sending"
        } else {
            "settled after an interruption"
        };
        terminal.wait_for(told);
        terminal.keys("J");
        let screen = terminal.wait_for("What was done, when, with what result");
        let id = end["entry"].as_str().expect("an id");
        assert!(screen.contains(id), "{screen}");
        terminal.keys("\u{1b}");
        terminal.wait("the list", |screen| !screen.contains("What was done, when"));
        terminal.keys("q");
        assert_eq!(terminal.wait_exit().exit_code(), 0, "{words:?}");
        assert_eq!(lab.gateway.writes()[sent..], [*call], "{words:?}");
    }
}

#[test]
fn an_action_in_flight_when_the_terminal_goes_is_settled_by_the_next_start() {
    let lab = Lab::new();
    let mut terminal = console(&lab, "sensor-01", &[]);
    choose(&mut terminal, "Restart the instance");
    terminal.wait_for("Type sensor-01 to run it");
    terminal.keys("sensor-01\r");
    // What the cloud has answered is known to be ours; without that, the end would be "unknown".
    terminal.wait("the answer in the journal", |_| {
        let lines = lab.journal_lines();
        lines.iter().any(|line| line.contains("\"answered\""))
    });
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
    terminal.wait_for("in force at index 0");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    // In the console.
    let mut terminal = console(&lab, "shop-api-01", &[]);
    choose(&mut terminal, "Open the login port");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("here\r");
    terminal.wait_for("Y run");
    others("198.51.100.2");
    terminal.keys("Y");
    terminal.wait("the new preview", |screen| {
        screen.contains("Y run") && screen.contains("198.51.100.2/32")
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
