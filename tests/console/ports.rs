//! The port verification in the console: the same answers as `cvmtop ports`, and what opens a row.

use std::process::Command;

use crate::support::terminal::Terminal;

/// Way and service of each row, and its answer, as the command tells them.
fn told(target: &str) -> Vec<(String, String)> {
    let ran = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["ports", target, "--demo", "--format", "json"])
        .output()
        .expect("the program runs");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("one object");
    let rows = report["rows"].as_array().expect("rows");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let of = rows.iter().map(|row| {
        let service = format!("{} {}", text(&row["direction"]), text(&row["service"]));
        (service, text(&row["answer"]))
    });
    of.collect()
}

#[test]
fn the_console_says_of_ports_what_the_command_says_and_opens_a_row_by_preview() {
    let told = told("shop-api-01");
    assert!(told.len() > 8, "{told:?}");
    let mut terminal = Terminal::start(&["--demo", "shop-api-01"], 160, 50, &[]);
    terminal.wait_for("Security group blocks the login port");
    terminal.keys("N");
    let screen = terminal.wait_for("Open the vendor's common ports in one go");
    for (service, answer) in &told {
        let word = match answer.as_str() {
            "open" => " open ",
            "closed" => " shut ",
            "partly" => " in part ",
            other => panic!("{other}"),
        };
        let wanted: Vec<&str> = service.split(' ').collect();
        let mut cells = screen.lines().flat_map(|line| line.split('│'));
        let row = cells.find(|cell| {
            let words = cell.split_whitespace().take(wanted.len());
            words.eq(wanted.iter().copied())
        });
        let row = row.unwrap_or_else(|| panic!("{service} is missing: {screen}"));
        assert!(row.contains(word), "{row}");
    }
    // The login port comes first; what opens it is previewed, for somebody who is named.
    assert_eq!(told[0], ("in TCP 10022".to_owned(), "closed".to_owned()));
    terminal.keys("\r");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("here\r");
    let preview = terminal.wait_for("Y run");
    assert!(preview.contains("10022"), "{preview}");
    terminal.keys("\u{1b}");
    terminal.wait("the list again", |screen| !screen.contains("Y run"));
    terminal.keys("\u{1b}");
    terminal.wait("the panes", |screen| !screen.contains("in one go"));
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
}
