//! Consoles on two hosts with one store: one sees what the other does, and neither waits for the store.

use crate::support::hosts::House;
use crate::support::terminal::Terminal;
use std::time::Duration;

use rustix::process::Signal;

/// The title of what `J` opens.
const JOURNAL: &str = "What was done, when, with what result";

/// The console of a host, on one instance.
fn console(house: &House, host: &str, target: &str) -> Terminal {
    let state = house.state(host);
    let user = format!("op-{host}");
    Terminal::start(
        &["--region", "all", target],
        200,
        80,
        &[
            ("CVMTOP_ENDPOINT", &house.lab.gateway.endpoint),
            ("CVMTOP_STATE_DIR", state.to_str().expect("text")),
            ("CVMTOP_SHARED_STORE", &house.server.url()),
            ("TENCENTCLOUD_SECRET_ID", &house.lab.demo.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", &house.lab.demo.secret_key),
            ("USER", &user),
        ],
    )
}

/// Begins an action by its id, up to its preview.
fn preview(terminal: &mut Terminal, target: &str, action: &str) {
    terminal.wait("the instance", |screen| screen.contains(target));
    terminal.keys("x");
    terminal.wait_for("Any action on");
    terminal.keys(&format!("{action}\r"));
    terminal.wait_for("Parameters, as name=value");
    terminal.keys("\u{15}\r");
    terminal.wait_for(&format!("Type {target} to run it"));
}

/// Opens the journal again and again until it holds the text.
fn journal_shows(terminal: &mut Terminal, text: &str) {
    let began = std::time::Instant::now();
    loop {
        terminal.keys("J");
        let screen = terminal.wait("the journal", |screen| screen.contains(JOURNAL));
        if screen.contains(text) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{screen}");
        terminal.keys("\u{1b}");
        terminal.wait("the list", |screen| !screen.contains(JOURNAL));
    }
    terminal.keys("\u{1b}");
    terminal.wait("the list", |screen| !screen.contains(JOURNAL));
}

#[test]
fn one_console_sees_the_others_action_and_hold() {
    let Some(house) = House::new() else { return };
    let mut a = console(&house, "a", "stream-01");
    let mut b = console(&house, "b", "stream-01");
    b.wait("the instance", |screen| screen.contains("stream-01"));
    preview(&mut a, "stream-01", "restart");
    a.keys("stream-01\r");
    journal_shows(&mut b, "op-a on ");
    // Its hold, in the preview of what would go to the same instance.
    b.keys("x");
    b.wait_for("Any action on");
    b.keys("vnc-url\r");
    let screen = b.wait("the preview", |screen| screen.contains("Y run"));
    assert!(screen.contains("is carrying out"), "{screen}");
    assert!(screen.contains("op-a on "), "{screen}");
}

#[test]
fn a_store_that_goes_away_is_told_once_and_blocks_no_key() {
    let Some(mut house) = House::new() else {
        return;
    };
    let mut a = console(&house, "a", "sensor-01");
    let mut b = console(&house, "b", "sensor-01");
    for terminal in [&a, &b] {
        terminal.wait("the instance", |screen| screen.contains("sensor-01"));
    }
    // It hangs: nothing of the console does.
    house.server.signal(Signal::STOP);
    a.wait_for("cannot be used");
    let pressed = std::time::Instant::now();
    a.keys("?");
    a.wait("help", |screen| screen.contains("Keys"));
    assert!(pressed.elapsed() < Duration::from_secs(2));
    a.keys("q");
    b.wait_for("cannot be used");
    house.server.signal(Signal::CONT);
    a.wait_for("answers again");
    b.wait_for("answers again");
    // It is gone: work goes on here.
    b.wait("no notice", |screen| !screen.contains("answers again"));
    house.server.stop();
    b.wait_for("cannot be used");
    preview(&mut b, "sensor-01", "restart");
    b.keys("sensor-01\r");
    b.wait("the end", |_| {
        let journal = crate::support::hosts::lines(&house.state("b").join("journal.jsonl"));
        journal.iter().any(|line| line.contains("\"closed\""))
    });
    house.server.run();
    b.wait_for("answers again");
    journal_shows(&mut a, "op-b on ");
    // It failed again and again while the action was carried out; it is told once each time that it
    // went away.
    b.keys("L");
    let screen = b.wait_for("Log, newest first");
    assert_eq!(screen.matches("cannot be used").count(), 2, "{screen}");
}
