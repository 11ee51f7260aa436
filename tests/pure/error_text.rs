//! The recogniser of pasted client errors: each known text, in the shapes people paste it.

use std::sync::LazyLock;

use cvmtop::client_text::{MAX_TEXT, Recognised, Stage, readings, recognise};
use cvmtop::domain::evidence::{Source, Status};
use proptest::prelude::*;

/// A text and what it is evidence of.
#[derive(serde::Deserialize)]
struct Row {
    #[serde(default = "pasted")]
    group: String,
    state: String,
    text: String,
}

fn pasted() -> String {
    "pasted-error".to_owned()
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct File {
        row: Vec<Row>,
    }
    let file: File = toml::from_str(include_str!("../data/client_errors.toml")).expect("it parses");
    file.row
});

fn holds(found: &[Recognised], evidence: &str, state: &str) -> bool {
    found
        .iter()
        .any(|r| r.evidence == evidence && r.state == state)
}

/// Nothing else of the same group may be read out of a single message.
fn is_sole(found: &[Recognised], evidence: &str, state: &str) -> bool {
    found
        .iter()
        .all(|r| r.evidence != evidence || r.state == state)
}

#[test]
fn every_known_text_gives_its_state_and_no_other() {
    let mut wrong = Vec::new();
    for Row {
        group: evidence,
        state,
        text,
    } in ROWS.iter()
    {
        let found = recognise(text);
        if !holds(&found, evidence, state) || !is_sole(&found, evidence, state) {
            wrong.push(format!(
                "{text:?}\n  wants {evidence} {state}, got {found:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn noise_around_and_within_changes_nothing() {
    type Shape = (&'static str, fn(&str) -> String);
    let shapes: &[Shape] = &[
        ("upper case", |t| t.to_uppercase()),
        ("prompt", |t| {
            format!("[ops@jump ~]$ ssh root@203.0.113.7\n{t}\n[ops@jump ~]$ ")
        }),
        ("log line", |t| {
            format!("Nov 23 21:02:11 web-1 sshd[812]: {t}")
        }),
        ("iso time", |t| {
            t.lines().fold(String::new(), |a, l| {
                a + "2026-11-23T21:02:11.123Z " + l + "\n"
            })
        }),
        ("colour", |t| {
            format!(
                "\u{1b}[1;31m{}\u{1b}[0m",
                t.replace(' ', "\u{1b}[0m \u{1b}[31m")
            )
        }),
        ("quoted mail", |t| {
            t.lines().fold(String::new(), |a, l| a + "> " + l + "\n")
        }),
        ("smart quotes", |t| format!("“{}”", t.replace('\'', "’"))),
        ("json", |t| {
            format!("{{\"stderr\":\"{}\"}}", t.replace('\n', "\\n"))
        }),
    ];
    let mut wrong = Vec::new();
    for Row {
        group: evidence,
        state,
        text,
    } in ROWS.iter()
    {
        for (name, shape) in shapes {
            // What follows "Last login" is the message there, and a prompt takes it back.
            if text.starts_with("Last login") && matches!(*name, "prompt" | "json") {
                continue;
            }
            let shaped = shape(text);
            if !holds(&recognise(&shaped), evidence, state) {
                wrong.push(format!("{name}: {shaped:?} wants {state}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn texts_wrapped_at_any_width_are_recognised() {
    let mut wrong = Vec::new();
    for Row {
        group: evidence,
        state,
        text,
    } in ROWS.iter()
    {
        for width in [20, 37] {
            let letters: Vec<char> = text.chars().filter(|c| *c != '\r').collect();
            let lines: Vec<String> = letters.chunks(width).map(|c| c.iter().collect()).collect();
            let wrapped = lines.join("\n");
            if !holds(&recognise(&wrapped), evidence, state) {
                wrong.push(format!("{width}: {wrapped:?} wants {state}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_matched_part_is_pointed_at() {
    let text = "$ ssh root@h\nssh: connect to host h port 22: Connection refused\n$";
    let found = recognise(text);
    assert_eq!(found.len(), 1);
    let part = &text[found[0].span.clone()];
    assert!(
        part.ends_with("Connection refused") && part.starts_with("connect to host"),
        "{part}"
    );
    assert_eq!(found[0].stage, Some(Stage::Connect));
}

/// A verbose trace up to, but without, the given line.
fn trace_until(end: &str) -> String {
    let trace = include_str!("../data/openssh-vvv.txt");
    let at = trace.find(end).unwrap_or_else(|| panic!("{end}"));
    trace[..at].to_owned()
}

#[test]
fn a_verbose_trace_that_ends_silently_hung_at_its_last_stage() {
    for (end, stage, state) in [
        (
            "debug1: Connection established",
            Stage::Connect,
            "connect-timeout",
        ),
        (
            "debug1: Remote protocol version",
            Stage::Banner,
            "banner-timeout",
        ),
        (
            "debug3: receive packet: type 31",
            Stage::KeyExchange,
            "kex-hang",
        ),
        (
            "debug1: Authentications that can continue: publickey,password",
            Stage::Authentication,
            "slow-login",
        ),
        ("debug3: END", Stage::Session, "hung-after-auth"),
    ] {
        let found = recognise(&trace_until(end));
        assert!(holds(&found, "pasted-error", state), "{end}: {found:?}");
        assert_eq!(found[0].stage, Some(stage), "{end}");
    }
}

#[test]
fn the_stage_of_a_trace_tells_apart_the_same_last_words() {
    let last = "Connection closed by 203.0.113.7 port 22\n";
    for (end, state) in [
        ("debug1: Remote protocol version", "closed-before-banner"),
        ("debug3: receive packet: type 31", "kex-closed"),
        ("debug1: Next authentication method", "closed-after-auth"),
    ] {
        let found = recognise(&(trace_until(end) + last));
        assert!(holds(&found, "pasted-error", state), "{end}: {found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

/// One letter of each line read wrongly, as by OCR: the `turn` of them picks another one.
fn misread(text: &str, turn: usize) -> String {
    let misread_line = |line: &str| {
        let letters: Vec<usize> = line
            .char_indices()
            .filter(|(_, c)| c.is_ascii_lowercase())
            .map(|(at, _)| at)
            .collect();
        let Some(at) = letters.get((turn * 7 + 3) % letters.len().max(1)) else {
            return line.to_owned();
        };
        let wrong = if &line[*at..=*at] == "n" { "m" } else { "n" };
        format!("{}{wrong}{}", &line[..*at], &line[at + 1..])
    };
    let lines: Vec<String> = text.lines().map(misread_line).collect();
    lines.join("\n")
}

#[test]
fn one_wrong_letter_a_line_does_not_lose_the_message() {
    let (mut tried, mut lost) = (0, Vec::new());
    for Row { group, state, text } in ROWS.iter() {
        // Of a code or a word there is nothing left to know it by.
        if text.chars().filter(|c| c.is_alphabetic()).count() < 12 {
            continue;
        }
        for turn in 0..4 {
            let noisy = misread(text, turn);
            tried += 1;
            if !holds(&recognise(&noisy), group, state) {
                lost.push(format!("{noisy:?} wants {state}"));
            }
        }
    }
    println!("{} of {tried} misread texts kept", tried - lost.len());
    assert!(
        lost.len() * 100 <= tried * 3,
        "{} of {tried}:\n{}",
        lost.len(),
        lost.join("\n")
    );
}

#[test]
fn a_piece_that_many_messages_share_is_none_of_them() {
    for text in [
        "The remote computer is fine",
        "Starting Authentication",
        "The connection",
        "the server",
    ] {
        let found = recognise(text);
        assert_eq!(found[0].state, "unrecognised", "{text}: {found:?}");
    }
}

#[test]
fn the_last_failure_that_matters_counts() {
    for (text, state) in [
        (
            "op@h's password:\nPermission denied, please try again.\nop@h's password:\ndebug1: Authentication succeeded (password).\ndebug1: Exit status 0",
            "login-works",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\rConnection reset by 192.0.2.1 port 22\rop@192.0.2.1: Permission denied (publickey).",
            "permission-denied-publickey",
        ),
        (
            "debug1: Server accepts key: k\nop@192.0.2.1: Permission denied (publickey).",
            "key-accepted-then-closed",
        ),
        (
            "op@h: Permission denied (publickey).\nsshd[9]: Authentication refused: bad ownership or modes for directory /",
            "key-file-refused",
        ),
        (
            "connect to host h\n* lines *\nport 22: Connection refused",
            "connect-refused",
        ),
        (
            "/bin/bash: Permission denied\nConnection to h closed.",
            "shell-missing",
        ),
    ] {
        let found = recognise(text);
        let states: Vec<&str> = found.iter().map(|r| r.state.as_str()).collect();
        assert_eq!(states, [state], "{text}");
    }
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let found = recognise("the flux capacitor wants more plutonium");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, "unrecognised");
    assert_eq!(recognise(" \n\t\u{1b}[0m "), Vec::new());
}

#[test]
fn a_healthy_session_is_not_an_error() {
    let text = "Last login: Mon Nov 23 21:02:11 2026 from 198.51.100.4\n[root@web-1 ~]# uptime\n\
        logout\nConnection to 203.0.113.7 closed.";
    assert_eq!(
        recognise(text)[0].state,
        "unrecognised",
        "{:?}",
        recognise(text)
    );
}

#[test]
fn readings_are_the_operators_and_safe_to_show() {
    let rows = readings("\u{1b}]0;x\u{7}Permission \u{202e}denied\u{1b}[31m (publickey)\u{0}.");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].id, "pasted-error");
    assert_eq!(rows[0].status, Status::Observed);
    assert_eq!(rows[0].source, Source::Operator);
    assert_eq!(
        rows[0].state.as_deref(),
        Some("permission-denied-publickey")
    );
    assert!(
        rows[0]
            .detail
            .chars()
            .all(|c| !c.is_control() && c != '\u{202e}'),
        "{:?}",
        rows[0].detail
    );
    assert!(rows[0].detail.contains("Permission denied"));
}

#[test]
fn several_messages_give_one_row_each() {
    let text = "Account locked due to 7 failed logins\nHint: Caps Lock on\nModule is unknown";
    let states: Vec<_> = readings(text).into_iter().filter_map(|r| r.state).collect();
    assert_eq!(
        states,
        ["account-locked", "caps-lock-hint", "pam-module-unknown"]
    );
}

#[test]
fn a_pasted_megabyte_is_cut_and_both_ends_are_read() {
    let middle = "Module is unknown ".repeat(60_000);
    let text = format!(
        "Host key verification failed. {}{}{} Access denied",
        "x ".repeat(MAX_TEXT),
        middle,
        "y ".repeat(MAX_TEXT)
    );
    assert!(text.len() > 1_000_000);
    let start = std::time::Instant::now();
    let found = recognise(&text);
    assert!(start.elapsed().as_secs() < 5);
    let states: Vec<_> = found.iter().map(|r| r.state.as_str()).collect();
    assert_eq!(
        states,
        ["host-key-changed"],
        "the weak text beside it does not count"
    );
    let text = text.replace("Host key verification failed", "nothing");
    assert_eq!(recognise(&text)[0].state, "permission-denied-password");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_without_a_panic(text in "(?s).{0,400}") {
        check_bounds(&text)?;
    }

    #[test]
    fn pieces_of_known_texts_in_noise_are_read_without_a_panic(
        row in 0..ROWS.len(), from in 0_usize..60, to in 0_usize..200,
        noise in "[\u{1b}\\[\\]\\\\^&;m0-9un \u{9b}\u{7}가中é*{}-]{0,40}",
    ) {
        let letters: Vec<char> = ROWS[row].text.chars().collect();
        let from = from.min(letters.len());
        let to = to.clamp(from, letters.len().max(from));
        let piece: String = letters[from..to].iter().collect();
        check_bounds(&format!("{noise}{piece}{noise}"))?;
    }
}

fn check_bounds(text: &str) -> Result<(), TestCaseError> {
    for found in recognise(text) {
        prop_assert!(found.span.start <= found.span.end && found.span.end <= text.len());
        prop_assert!(
            text.get(found.span.clone()).is_some(),
            "span cuts a character"
        );
    }
    for reading in readings(text) {
        prop_assert!(reading.detail.chars().count() < 300);
        prop_assert!(!reading.detail.chars().any(char::is_control));
    }
    Ok(())
}

#[test]
fn every_state_is_in_the_vocabulary_of_the_knowledge() {
    let text = include_str!("../../assets/knowledge/evidence.toml");
    let file: toml::Table = toml::from_str(text).expect("the vocabulary parses");
    let groups = file["evidence"].as_array().expect("a list of groups");
    for (group, state) in cvmtop::client_text::states() {
        let found = groups.iter().find(|g| g["id"].as_str() == Some(group));
        let states = found.unwrap_or_else(|| panic!("no group {group}"))["states"].as_array();
        let known = states.is_some_and(|s| s.iter().any(|s| s.as_str() == Some(state)));
        assert!(known, "{group} has no state {state}");
    }
}
