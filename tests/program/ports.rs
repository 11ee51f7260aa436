//! `cvmtop ports` on the demo cloud with its real sockets.

use crate::support::program;
use program::{Program, text};
use serde_json::Value;

fn run(words: &[&str]) -> (i32, String, String) {
    let output = Program::new().run(words);
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn report(target: &str, more: &[&str]) -> (i32, Value) {
    let words = [&["ports", target, "--demo", "--format", "json"], more].concat();
    let (status, printed, said) = run(&words);
    let report = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{said}"));
    (status, report)
}

fn row<'r>(report: &'r Value, tuple: &str) -> &'r Value {
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["tuple"] == tuple);
    row.unwrap_or_else(|| panic!("{tuple}: {report:#}"))
}

#[test]
fn the_vendors_rows_come_with_the_rule_that_decides_and_what_opens_them() {
    let (status, report) = report("shop-api-01", &["--source", "198.51.100.77"]);
    let rows = report["rows"].as_array().unwrap();
    let asked: Vec<&str> = rows
        .iter()
        .map(|row| row["tuple"].as_str().unwrap())
        .collect();
    assert_eq!(
        asked,
        [
            // Its own login port, which is not one of the vendor's rows.
            "in tcp 10022 198.51.100.77",
            "in icmp 198.51.100.77",
            "in tcp 20 198.51.100.77",
            "in tcp 21 198.51.100.77",
            "in tcp 22 198.51.100.77",
            "in tcp 80 198.51.100.77",
            "in tcp 443 198.51.100.77",
            "in tcp 3389 198.51.100.77",
            "out all 198.51.100.77",
        ]
    );
    assert_eq!(status, 1);
    let ssh = row(&report, "in tcp 22 198.51.100.77");
    assert_eq!(ssh["answer"], "closed", "{ssh:#}");
    let why = ssh["security_groups"]["why"].as_str().unwrap();
    assert!(why.contains("198.51.100.77 to TCP 22"), "{why}");
    let command = ssh["open_with"].as_str().unwrap();
    assert_eq!(
        command,
        "cvmtop act shop-api-01 open-port --set port=22 --set source=198.51.100.77"
    );
    // The command is one that the program takes.
    let mut words: Vec<&str> = command.split(' ').skip(1).collect();
    words.extend(["--dry-run", "--demo"]);
    let (status, shown, said) = run(&words);
    assert_eq!(status, 0, "{shown}{said}");
    // It would really be silent from here.
    let out = row(&report, "out all 198.51.100.77");
    assert_eq!(out["from_here"]["result"], "not-tried");
    assert!(out["open_with"].is_null());
}

#[test]
fn what_is_open_is_tried_and_a_range_is_open_only_where_all_of_it_is() {
    let tuples = [
        "--tuple",
        "in tcp 1-65535 198.51.100.77",
        "--tuple",
        "in udp 53 198.51.100.77",
    ];
    let (_, report) = report("shop-web-01", &tuples);
    let login = row(&report, "in tcp 10022");
    assert_eq!(login["from_here"]["result"], "answers", "{login:#}");
    // What answers here is open by the rules as well.
    let open = report["rows"].as_array().unwrap().iter();
    for row in open.filter(|row| row["from_here"]["result"] == "answers") {
        assert_ne!(row["answer"], "closed", "{row:#}");
    }
    let range = row(&report, "in tcp 1-65535 198.51.100.77");
    assert_ne!(range["answer"], "untold", "{range:#}");
    assert_eq!(range["from_here"]["result"], "not-tried");
    let udp = row(&report, "in udp 53 198.51.100.77");
    assert_eq!(udp["from_here"]["result"], "not-tried");
    let icmp = row(&report, "in icmp");
    assert!(
        ["answers", "silent", "failed-here"]
            .contains(&icmp["from_here"]["result"].as_str().unwrap()),
        "{icmp:#}"
    );
}

#[test]
fn bad_tuples_are_one_sentence_and_too_many_are_refused() {
    for (words, told) in [
        (vec!["--tuple", "tcp 22"], "begins with neither"),
        (vec!["--tuple", "in tcp"], "lacks the port"),
        (vec!["--tuple", "in tcp 99999"], "from 1 to 65535"),
        (vec!["--tuple", "in tcp 22 nowhere"], "far side"),
    ] {
        let (status, printed, said) =
            run(&[&["ports", "shop-web-01", "--demo"], words.as_slice()].concat());
        assert_eq!((status, printed.as_str()), (2, ""), "{said}");
        assert!(said.contains(told), "{told}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let mut many = vec!["ports", "shop-web-01", "--demo"];
    let numbers: Vec<String> = (1..=16).map(|port| format!("in tcp {port}")).collect();
    for tuple in &numbers {
        many.extend(["--tuple", tuple]);
    }
    let (status, _, said) = run(&many);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("at most 15"), "{said}");
    // As for every command: nothing to look at is no misuse.
    let (status, printed, said) = run(&["ports", "nosuch", "--demo"]);
    assert_eq!((status, printed.as_str()), (3, ""), "{said}");
    assert!(said.contains("`nosuch` was not found"), "{said}");
}

#[test]
fn the_table_speaks_each_language_and_says_what_was_not_seen() {
    for (lang, words) in [
        ("en", ["shut", "Not looked at: the firewall in the guest"]),
        ("ko", ["닫힘", "게스트의 방화벽"]),
        ("zh", ["未放通", "实例内的防火墙"]),
    ] {
        let (_, printed, said) = run(&["ports", "shop-api-01", "--demo", "--lang", lang]);
        for word in words {
            assert!(printed.contains(word), "{word}: {printed}{said}");
        }
    }
}

#[test]
fn the_guests_own_firewall_is_judged_for_each_port_where_it_may_be_read() {
    // It lets no login in by a rule of its own; the cloud's rules are open.
    let network = ["--deep", "--tuple", "in tcp 22 198.51.100.0/24"];
    let (status, deep) = report("pay-01", &network);
    let port = deep["rows"][0]["tuple"].as_str().unwrap().to_owned();
    let login = row(&deep, &port);
    assert_eq!(login["answer"], "open", "{login:#}");
    assert_eq!(login["guest_firewall"]["state"], "drop", "{login:#}");
    let why = login["guest_firewall"]["detail"].as_str().unwrap();
    assert!(why.contains("10022") || why.contains("policy"), "{why}");
    // What is shut inside is shut, whatever the cloud lets in.
    assert_eq!(status, 1);
    // Only single TCP ports on the way in are judged inside.
    for tuple in ["in icmp", "out all", "in tcp 22 198.51.100.0/24"] {
        let row = row(&deep, tuple);
        assert_eq!(row["guest_firewall"]["status"], "not-attempted", "{row:#}");
        assert!(row["guest_firewall"]["state"].is_null(), "{row:#}");
    }
    // Without being asked to, nobody looks inside, and that is said.
    let (_, plain) = report("pay-01", &[]);
    assert!(plain["rows"][0]["guest_firewall"].is_null());
    let (_, shown, _) = run(&["ports", "pay-01", "--demo"]);
    assert!(shown.contains("`--deep` reads it"), "{shown}");
}

#[test]
fn a_guest_that_cannot_be_asked_is_told_as_such_and_never_as_shut() {
    let (_, deep) = report("lab-01", &["--deep"]);
    let login = &deep["rows"][0];
    assert!(login["guest_firewall"]["state"].is_null(), "{login:#}");
    assert_ne!(login["guest_firewall"]["status"], "observed");
    assert!(
        !login["guest_firewall"]["detail"]
            .as_str()
            .unwrap()
            .is_empty()
    );
}
