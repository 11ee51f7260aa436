//! The console's own screen under hostile bytes: from the cloud in every free text, and in a megabyte
//! that is pasted.
//!
//! Must not live here: what commands print and files hold (`faults`), states without a terminal
//! (`app_update`).

use crate::support::hostile;
use crate::support::program;
use crate::support::terminal;
use std::time::Duration;

use cvmtop::domain::text::is_unsafe;
use hostile::{HOSTILE, hostile};
use program::Program;
use terminal::Terminal;

/// What is left of the bytes to the terminal without CSI sequences (ECMA-48 section 5.4) and the
/// hyperlinks (OSC 8) that the program itself may send.
fn beside_sequences(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut rest = text.as_str();
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = if let Some(parameters) = after.strip_prefix('[') {
            let end = parameters.find(|c: char| ('@'..='~').contains(&c));
            end.map_or("", |at| &parameters[at + 1..])
        } else if let Some(link) = after.strip_prefix("]8;") {
            link.split_once("\u{1b}\\").map_or("", |(_, rest)| rest)
        } else {
            panic!(
                "{:?} is no sequence of ours",
                after.chars().take(40).collect::<String>()
            )
        };
    }
    plain + rest
}

#[test]
fn neither_the_cloud_nor_a_paste_gets_a_byte_of_its_own_to_the_terminal() {
    let program = Program::new();
    program.gateway.alter(hostile);
    let variables = program.variables();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut terminal = Terminal::start(&["--region", "all"], 200, 50, &variables);
    terminal.wait_for("shop-api-");
    terminal.keys("/shop-api-01\r");
    terminal.wait_quiet(Duration::from_millis(300));
    terminal.keys("\r");
    terminal.wait_for("Security group blocks");

    terminal.keys("e");
    terminal.wait_quiet(Duration::from_millis(300));
    let said = "ssh: connect to host 192.0.2.7 port 22: Connection timed out\n";
    let mut pasted = said.to_owned();
    while pasted.len() < 1 << 20 {
        pasted.push_str(HOSTILE);
        pasted.push('\n');
    }
    terminal.keys(&format!("\u{1b}[200~{pasted}\u{1b}[201~"));
    terminal.wait("the paste", |screen| {
        screen.contains("[2J") || screen.contains("<b>")
    });
    terminal.keys("\u{4}");
    terminal.wait_for("connection timed out");

    for (key, shown) in [
        ("J", "What was done"),
        ("L", "newest first"),
        ("?", "Everywhere"),
    ] {
        terminal.keys(key);
        terminal.wait_for(shown);
        terminal.keys("\u{1b}");
        terminal.wait("the overlay to go", |screen| !screen.contains(shown));
    }
    terminal.keys("q");
    assert!(terminal.wait_exit().success());
    let raw = terminal.raw();
    let plain = beside_sequences(&raw);
    // On leaving, the program cancels whatever sequence a link may have cut (CAN).
    let plain = plain.strip_suffix('\u{18}').unwrap_or(&plain);
    let at = plain.find(|c| !matches!(c, '\r' | '\n') && is_unsafe(c));
    assert_eq!(at.map(|at| &plain[at..plain.len().min(at + 60)]), None);
    // Clearing the screen is done once by the program, at most, never by a name.
    let clears = String::from_utf8_lossy(&raw).matches("\u{1b}[2J").count();
    assert!(clears <= 1, "cleared {clears} times");
}
