//! `heal` and `act --next` on the demo cloud: from a login that fails to one that is known to work,
//! and every way in which it stops before that. What is sent is counted by a gateway before the cloud.

use crate::support::lab;
use lab::Lab;
use serde_json::{Value, json};

fn healed(lab: &Lab, words: &[&str]) -> (Value, i32) {
    let words = [words, &["--format", "json"]].concat();
    let output = lab.run(&words);
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

#[test]
fn one_command_goes_from_a_login_that_fails_to_one_that_works() {
    let lab = Lab::new();
    for (words, action) in [
        (vec!["heal", "staging-web-01", "--yes"], "start"),
        // Behind the door only a look inside can tell, before and after.
        (
            vec!["heal", "ftp-01", "--deep", "--yes"],
            "guest-unlock-account",
        ),
        (
            vec!["act", "queue-01", "--next", "--yes"],
            "guest-restart-login-service",
        ),
    ] {
        let (report, status) = healed(&lab, &words);
        assert_eq!(
            (status, &report["ended"]),
            (0, &json!("healed")),
            "{words:?} {report:#}"
        );
        assert_eq!(report["login_back"], true);
        let steps = report["steps"].as_array().unwrap();
        let last = steps.last().unwrap();
        assert_eq!(
            (&last["action"], &last["outcome"]),
            (&json!(action), &json!("restored"))
        );
        let entries = lab.entries();
        let entry = entries.iter().find(|entry| entry["id"] == last["entry"]);
        assert_eq!(entry.unwrap()["outcome"], "restored");
    }
    let inside = lab.entries();
    let of_ftp = inside
        .iter()
        .find(|entry| entry["plan"]["action"] == "guest-unlock-account");
    let broken = &of_ftp.unwrap()["broken_before"];
    assert_eq!(
        broken,
        &json!([{"layer": "inside", "group": "guest-account", "state": "locked"}])
    );
    // What works is left alone.
    let before = lab.gateway.writes().len();
    let (report, status) = healed(&lab, &["heal", "queue-01", "--yes"]);
    assert_eq!(
        (status, &report["ended"]),
        (0, &json!("healthy")),
        "{report:#}"
    );
    assert_eq!(lab.gateway.writes().len(), before);
}

#[test]
fn it_stops_before_what_was_not_allowed_or_is_not_known() {
    let lab = Lab::new();
    let none: [&str; 0] = [];
    for (target, more, ended) in [
        // Nobody said for whom the port is to be opened, and everyone is never assumed.
        ("shop-api-01", &none[..], "asks"),
        // What it changes carries more risk than was allowed.
        ("ftp-01", &["--deep", "--risk", "low"], "risk"),
        // A person has to do it.
        ("forum-01", &none, "person"),
    ] {
        let words = [&["heal", target, "--yes"], more].concat();
        let (report, status) = healed(&lab, &words);
        assert_eq!(
            (status, &report["ended"]),
            (3, &json!(ended)),
            "{target} {report:#}"
        );
        assert_eq!(report["steps"], json!([]), "{target}");
    }
    // Without --yes and without a terminal nothing is confirmed.
    let (report, status) = healed(&lab, &["heal", "queue-01"]);
    assert_eq!(
        (status, &report["ended"]),
        (3, &json!("unconfirmed")),
        "{report:#}"
    );
    let refused = lab.run(&["heal", "queue-01", "--yes", "--read-only"]);
    assert_eq!(refused.status.code(), Some(3));
    let shown = lab.ok(&["heal", "queue-01", "--dry-run"]);
    assert!(shown.contains("call 1"), "{shown}");
    // The one command is the look inside that --deep consented to.
    assert_eq!(lab.gateway.writes(), ["RunCommand"]);
    assert!(lab.entries().is_empty());
    let wrong = lab.run(&["act", "queue-01"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn what_did_not_help_counts_and_the_next_offer_follows() {
    let lab = Lab::new();
    // The service's restart ends well and login stays broken: somebody stopped it for good.
    let (report, _) = healed(
        &lab,
        &[
            "heal",
            "nightly-01",
            "--yes",
            "--most",
            "2",
            "--risk",
            "high",
        ],
    );
    let steps = report["steps"].as_array().unwrap();
    let actions: Vec<_> = steps
        .iter()
        .map(|step| (&step["action"], &step["parameters"]))
        .collect();
    assert!(!actions.is_empty() && actions.len() <= 2, "{report:#}");
    for (index, action) in actions.iter().enumerate() {
        assert!(
            !actions[..index].contains(action),
            "the same twice: {report:#}"
        );
    }
}

#[test]
fn what_cannot_be_seen_from_here_is_not_called_healed() {
    let lab = Lab::new();
    let user = [
        "heal",
        "shop-api-01",
        "--yes",
        "--user-source",
        "203.0.113.7",
    ];
    let (report, status) = healed(&lab, &user);
    assert_eq!(
        (status, &report["ended"]),
        (1, &json!("untold")),
        "{report:#}"
    );
    assert_eq!(report["login_back"], Value::Null);
    assert_eq!(report["steps"].as_array().unwrap().len(), 1);
}
