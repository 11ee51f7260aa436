//! What hosts with one store learn from each other: confirmed causes and past cases, each once; and what
//! a store does that is old, read-only, closed to this host, or away while two act.

use crate::support::hosts::{House, lines};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cvmtop::diagnosis::Knowledge;
use cvmtop::diagnosis::learn::confirmed_lately;
use cvmtop::domain::history::PastCase;
use cvmtop::store::history::History;
use rustix::process::Signal;
use serde_json::Value;

const CURE: &[&str] = &[
    "act",
    "shop-api-01",
    "open-port",
    "--set",
    "source=here",
    "--yes",
    "--wait",
];
const CAUSE: &str = "security-group-blocks-port";

fn learned(house: &House, host: &str) -> Value {
    let text = house.ok(host, &["learned", "--format", "json"]);
    serde_json::from_str(&text).expect("JSON")
}

/// What a host knows of the instance's past.
fn cases(house: &House, host: &str) -> Vec<PastCase> {
    let id = house.lab.instance("shop-api-01")["InstanceId"].clone();
    let history = History::existing(&house.state(host)).expect("readable");
    let Some(history) = history else {
        return Vec::new();
    };
    let cases = history
        .with_colleagues(true)
        .cases(id.as_str().expect("an id"), 9);
    cases.expect("cases")
}

fn notes(house: &House) -> String {
    let sql = "select kind, count(*) from cvmtop_notes group by kind order by kind";
    house.server.sql(sql)
}

#[test]
fn what_helped_on_one_host_counts_on_the_other_as_there_and_once() {
    let Some(house) = House::new() else { return };
    let said = house.ok("a", CURE);
    assert!(said.contains("confirmed cause"), "{said}");
    assert_eq!(notes(&house), "case|1\noutcome|1");
    let (own, theirs) = (learned(&house, "a"), learned(&house, "b"));
    assert_eq!((&own["outcomes"], own.get("elsewhere")), (&1.into(), None));
    assert_eq!(
        (&theirs["outcomes"], &theirs["elsewhere"]),
        (&1.into(), &1.into())
    );
    // The weight of an own one: to the last digits, which the age of seconds moves.
    let moved = |told: &Value| {
        let prior = &told["priors"][0];
        assert_eq!(
            (&prior["cause"], &prior["cases"]),
            (&CAUSE.into(), &1.into())
        );
        prior["learnt"].as_f64().expect("a share")
    };
    assert!(
        (moved(&own) - moved(&theirs)).abs() < 1e-6,
        "{own} {theirs}"
    );
    let text = house.ok("b", &["learned"]);
    assert!(text.contains("of these, 1 from other hosts"), "{text}");
    // Only the own ones are handed on by hand.
    assert_eq!(house.ok("b", &["learned", "--export"]), "");
    assert_eq!(house.ok("a", &["learned", "--export"]).lines().count(), 1);
    // Both diagnoses are weighed with it, and both know of the cure.
    let output = house
        .command("b", &["diagnose", "report-01", "--format", "json"])
        .output();
    let told: Value = serde_json::from_slice(&output.expect("it runs").stdout).expect("JSON");
    assert!(told["learnt"][0].is_string(), "{}", told["learnt"]);
    let (own, theirs) = (cases(&house, "a"), cases(&house, "b"));
    assert_eq!((own.len(), theirs.len()), (1, 1), "{theirs:?}");
    assert_eq!(theirs[0].cured_by, "open-port");
    assert!(own[0].on.is_empty() && !theirs[0].on.is_empty());
    let lately = confirmed_lately(Knowledge::shipped(), &theirs, jiff::Timestamp::now());
    assert_eq!(lately, Some(CAUSE));
    // A host that lost its name among the others passes all on again and gets its own back: once.
    for host in ["a", "b"] {
        std::fs::remove_file(house.state(host).join("shared-store.json")).expect("a cursor");
    }
    for host in ["a", "b", "a", "b"] {
        assert_eq!(learned(&house, host)["outcomes"], 1);
        assert_eq!(cases(&house, host).len(), 1, "{host}");
    }
    assert_eq!(
        house
            .server
            .sql("select count(*) from cvmtop_notes where kind = 'outcome'"),
        "1"
    );
    // Forgotten is forgotten, here.
    house.ok("b", &["learned", "--reset", "--yes"]);
    assert_eq!(learned(&house, "b")["outcomes"], 0);
    assert_eq!(learned(&house, "a")["outcomes"], 1);
}

#[test]
fn without_the_store_it_is_learned_here_and_follows_later() {
    let Some(mut house) = House::new() else {
        return;
    };
    house.ok("a", &["journal"]);
    house.server.stop();
    let (status, text) = house.run("a", CURE);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("cannot be used").count(), 1, "{text}");
    house.server.run();
    assert_eq!(notes(&house), "");
    assert_eq!(learned(&house, "b")["outcomes"], 0);
    house.ok("a", &["journal"]);
    assert_eq!(learned(&house, "b")["outcomes"], 1);
    assert_eq!(cases(&house, "b")[0].cured_by, "open-port");
    // Another database knows nothing of it, and gets all of it.
    house
        .server
        .sql("drop table cvmtop_notes, cvmtop_holds, cvmtop_journal, cvmtop_schema");
    assert_eq!(learned(&house, "b")["outcomes"], 0);
    house.ok("a", &["journal"]);
    assert_eq!(learned(&house, "b")["outcomes"], 1);
    assert_eq!(cases(&house, "b").len(), 1);
}

#[test]
fn what_others_say_they_learned_harms_nothing() {
    let Some(house) = House::new() else { return };
    house.ok("a", &["journal"]);
    let insert = |kind: &str, line: &str| {
        let line = line.replace('\'', "''");
        house.server.sql(&format!(
            "insert into cvmtop_notes (host, kind, line) values ('mallory', '{kind}', '{line}')"
        ));
    };
    let now = jiff::Timestamp::now();
    let outcome = |cause: &str, at: &str| {
        format!("{{\"at\":\"{at}\",\"cause\":\"{cause}\",\"confirmation\":\"verified\"}}")
    };
    let at = now.to_string();
    insert("outcome", &outcome("\\u001b]0;owned\\u0007", &at));
    insert("outcome", &outcome("../../x", &at));
    insert("outcome", &outcome("disk-full", "2999-01-01T00:00:00Z"));
    insert("outcome", "{\"at\":");
    insert("command", "rm -rf /");
    insert("case", "[]");
    let huge = "insert into cvmtop_notes (host, kind, line) values ('mallory', 'outcome', repeat('x', 50000000))";
    house.server.sql(huge);
    let id = house.lab.instance("shop-api-01")["InstanceId"].clone();
    let case = |on: &str| {
        serde_json::json!({
            "at": at, "instance": id, "verdict": "faulty", "cause": "disk-full",
            "probability": 0.9, "cured_by": "", "on": on,
        })
    };
    insert("case", &case("a\u{1b}[2J\u{202e}b").to_string());
    let mut bad = case("c");
    bad["cause"] = "a b\u{7}".into();
    insert("case", &bad.to_string());
    // More than anybody keeps, and each of them twice.
    for _ in 0..2 {
        house.server.sql(
            "insert into cvmtop_notes (host, kind, line) \
             select 'mallory', 'outcome', format('{\"at\":\"%s\",\"cause\":\"disk-full\",\"confirmation\":\"verified\"}', \
             to_char(now() - n * interval '1 second', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) \
             from generate_series(1, 3000) as n on conflict do nothing",
        );
    }
    let sent = house.writes();
    let told = learned(&house, "b");
    assert_eq!(told["outcomes"], 1000, "{told}");
    let kept = house.state("b").join("outcomes-colleagues.jsonl");
    let text = std::fs::read_to_string(kept).expect("a file");
    assert!(text.len() < 200_000 && !text.contains("owned") && !text.contains("../"));
    let cases = cases(&house, "b");
    assert_eq!(cases.len(), 1, "{cases:?}");
    let bad = |c: char| c.is_control() || c == '\u{202e}';
    assert!(!cases[0].on.contains(bad), "{:?}", cases[0].on);
    assert_eq!(house.writes(), sent);
}

#[test]
fn a_store_of_the_version_before_is_carried_over() {
    let Some(house) = House::new() else { return };
    // What that version left: its tables, and a line that a host of it passed on.
    house.ok("a", &["act", "stream-01", "vnc-url", "--yes"]);
    let line = lines(&house.state("a").join("journal.jsonl"))[0].replace('\'', "''");
    house
        .server
        .sql("drop table cvmtop_notes, cvmtop_holds, cvmtop_journal, cvmtop_schema");
    house.server.sql(include_str!("../data/shared-store/1.sql"));
    house.server.sql(&format!(
        "insert into cvmtop_journal (host, entry, place, line) values ('old', 'e', 0, '{line}')"
    ));
    let seen = house.entries("b");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0]["author"]["user"], "op-a");
    let schema = "select version || ' ' || store from cvmtop_schema";
    assert_eq!(house.server.sql(schema), "2 a0b1c2d3");
    house.ok("b", CURE);
    assert_eq!(learned(&house, "c")["outcomes"], 1);
    // One of a later version stays as it is, and everything is done here.
    house.server.sql("update cvmtop_schema set version = 3");
    let (status, text) = house.run("b", &["act", "sensor-01", "restart", "--yes"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(
        text.matches("newer version of cvmtop (schema 3)").count(),
        1,
        "{text}"
    );
    assert_eq!(house.server.sql(schema), "3 a0b1c2d3");
}

#[test]
fn a_store_that_takes_nothing_is_told_once_and_still_read() {
    let Some(house) = House::new() else { return };
    house.ok("a", &["act", "stream-01", "vnc-url", "--yes"]);
    // As a full disk leaves it, or a standby.
    house
        .server
        .sql("alter database postgres set default_transaction_read_only = on");
    let (status, text) = house.run("b", &["act", "sensor-01", "restart", "--yes"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("read-only transaction").count(), 1, "{text}");
    let (_, text) = house.run("b", &["journal"]);
    assert!(text.contains("op-a") && text.contains("op-b"), "{text}");
    house.server.sql(
        "set transaction_read_only = off; alter database postgres reset default_transaction_read_only",
    );
    // A role that may only read.
    house.server.sql("create role reader login");
    house
        .server
        .sql("grant select on all tables in schema public to reader");
    let url = house.server.url().replace("//op@", "//reader@");
    let reader = |words: &[&str]| {
        let mut command = house.command("c", words);
        let output = command.env("CVMTOP_SHARED_STORE", &url).output();
        crate::support::hosts::told(&output.expect("the binary runs"))
    };
    let (status, text) = reader(&["act", "sensor-01", "vnc-url", "--yes"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("permission denied").count(), 1, "{text}");
    let (_, text) = reader(&["journal"]);
    assert!(text.contains("op-a"), "{text}");
    // A server that lets this host in no more.
    house.server.sql("alter role reader nologin");
    let (status, text) = reader(&["act", "sensor-01", "vnc-url", "--yes"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("not permitted to log in").count(), 1, "{text}");
    // What had to wait follows.
    house.ok("b", &["journal"]);
    house.is_passed_on("b");
}

#[test]
fn who_loses_the_hold_while_the_store_is_away_is_told_and_stops() {
    let Some(house) = House::new() else { return };
    // The tables are there.
    house.ok("b", &["journal"]);
    for (target, after_the_call) in [("sensor-01", false), ("search-01", true)] {
        let sent = house.writes();
        let id = house.lab.instance(target)["InstanceId"].clone();
        let id = id.as_str().expect("an id");
        // Another host has it by now; here nobody can know while the store is away.
        house.server.sql(&format!(
            "insert into cvmtop_holds (host, entry, instance, author, until) values \
             ('other', 'e-{target}', '{id}', 'op-z@jump-9', clock_timestamp() + interval '5 minutes')"
        ));
        let before = lines(&house.state("b").join("journal.jsonl")).len();
        house.server.signal(Signal::STOP);
        let child = house
            .command("b", &["act", target, "restart", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let began = Instant::now();
        loop {
            let begun = lines(&house.state("b").join("journal.jsonl")).len() > before;
            if begun && (!after_the_call || house.writes() > sent) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{target}");
            std::thread::yield_now();
        }
        house.server.signal(Signal::CONT);
        let output = child.wait_with_output().expect("it ends");
        let (status, text) = crate::support::hosts::told(&output);
        assert_eq!(status, Some(1), "{text}");
        let told = "op-z@jump-9 holds it from another host (entry e-";
        assert!(text.contains(told), "{text}");
        assert_eq!(house.writes() - sent, usize::from(after_the_call), "{text}");
        let last = house.entries("b").pop().expect("an entry");
        assert!(
            last["detail"].as_str().expect("text").contains(told),
            "{last}"
        );
        assert_eq!(last["state"], "closed");
        assert_eq!(last["outcome"] == "interrupted", !after_the_call, "{last}");
        // The other's hold stands.
        let held = format!("select count(*) from cvmtop_holds where entry = 'e-{target}'");
        assert_eq!(house.server.sql(&held), "1");
        let words = ["act", target, "restart", "--yes"];
        let (status, text) = house.run("b", &words);
        assert!(
            status != Some(0) && text.contains("from another host"),
            "{text}"
        );
    }
}
