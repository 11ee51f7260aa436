//! Every action of the contract from the command line on the demo cloud: what is sent, what the
//! journal says, and what an undo leaves; then what happens when a cure fails, when several
//! instances are meant, when two operators meet, and when the cloud offers less than it may.

use crate::support::deeds;
use crate::support::lab;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cvmtop::cloud::permissions::cam_names;
use cvmtop::demo::{Fault, Faults};
use cvmtop::diagnosis::Knowledge;
use cvmtop::diagnosis::learn::confirmed_lately;
use cvmtop::store::history::History;
use deeds::{DEEDS, Deed, tried};
use lab::Lab;
use serde_json::Value;

#[test]
fn every_action_is_carried_out_verified_and_taken_back() {
    // Each part of the table has a cloud of its own, so that several can be at work.
    std::thread::scope(|scope| {
        for part in DEEDS.chunks(6) {
            scope.spawn(move || {
                let lab = Lab::new();
                for deed in part {
                    one(&lab, deed);
                }
            });
        }
    });
    tried();
}

/// Names that a policy of `doctor` grants.
fn granted(lab: &Lab, what: &str) -> Vec<String> {
    let printed = lab.ok(&["doctor", "--policy", what]);
    let policy: Value = serde_json::from_str(&printed).expect("JSON");
    let names = policy["statement"][0]["action"].as_array().expect("names");
    let name = |name: &Value| name.as_str().expect("text").to_owned();
    names.iter().map(name).collect()
}

/// Every call since `from` is granted by one of `policies`; what tells the account needs no permission.
fn all_granted(lab: &Lab, from: usize, policies: &[&[String]], name: &str) {
    for call in &lab.gateway.named()[from..] {
        let known = cam_names(call)
            .iter()
            .all(|name| policies.iter().any(|policy| policy.contains(name)));
        assert!(
            known || call == "sts:GetCallerIdentity",
            "{name}: {call} is in no policy that doctor prints"
        );
    }
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn one(lab: &Lab, deed: &Deed) {
    let name = format!("{} on {}", deed.action, deed.target);
    let sent = lab.gateway.writes().len();
    let (own, read) = (granted(lab, deed.action.as_str()), granted(lab, "read"));
    let from = lab.gateway.named().len();
    let words = deed.command(lab, &["--dry-run"]);
    let helped = lab.gateway.named().len();
    lab.ok(&strs(&words));
    all_granted(lab, helped, &[&own], &name);
    assert_eq!(
        lab.gateway.writes().len(),
        sent,
        "{name}: a preview sends nothing"
    );
    let words = deed.command(lab, &["--yes", "--wait"]);
    let (status, said) = lab.said(&strs(&words));
    // `--wait` adds a diagnosis before it, and one after a cure that failed.
    all_granted(lab, from, &[&own, &read], &name);
    let mut writes = lab.gateway.writes()[sent..].to_vec();
    if deed.action.runs_in_guest() {
        // The same call looks before and after; the journal below holds the repair alone.
        writes.dedup();
    }
    assert_eq!(writes, *deed.calls, "{name}: {said}");
    let entry = lab.settled();
    let journalled = entry["calls"].as_array().map(Vec::len);
    assert_eq!(journalled, Some(deed.calls.len()), "{name}: {entry}");
    let outcome = entry["outcome"].as_str().expect("an outcome");
    // What is read again inside may prove more than the same answer from outside.
    let proven = deed.action.runs_in_guest() && (deed.outcome, outcome) == ("done", "restored");
    if proven {
        assert_eq!(
            entry["broken_before"].as_array().map(Vec::is_empty),
            Some(false)
        );
    } else if deed.outcome == "any" {
        assert_ne!(outcome, "failed", "{name}: {said}");
    } else {
        assert_eq!(outcome, deed.outcome, "{name}: {said}");
    }
    let good = matches!(outcome, "done" | "restored");
    assert_eq!(status, Some(i32::from(!good)), "{name}: {said}");
    for call in entry["calls"].as_array().expect("calls") {
        assert_eq!(call["result"]["result"], "answered", "{name}: {entry}");
        assert!(
            call["result"]["request_id"]
                .as_str()
                .is_some_and(|id| !id.is_empty())
        );
    }
    let undo = &entry["can_be_undone"];
    assert_eq!(*undo, !deed.undo.is_empty(), "{name}: {entry}");
    if deed.undo.is_empty() {
        return;
    }
    let sent = lab.gateway.writes().len();
    let id = entry["id"].as_str().expect("an id").to_owned();
    let from = lab.gateway.named().len();
    let (status, said) = lab.said(&["journal", "--undo", &id, "--yes"]);
    all_granted(lab, from, &[&own], &name);
    assert_eq!(status, Some(0), "{name}: {said}");
    assert_eq!(lab.gateway.writes()[sent..], *deed.undo, "{name}: {said}");
    let original = lab.entries().into_iter().find(|entry| entry["id"] == id);
    assert!(
        original.expect("it stays")["undone_by"].is_string(),
        "{name}"
    );
}

#[test]
fn the_journal_cut_after_any_line_is_settled_without_sending_again() {
    for words in [
        &["act", "shop-web-01", "restart", "--yes"][..],
        &[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=here",
            "--yes",
        ],
        &[
            "act",
            "docs-01",
            "raise-bandwidth",
            "--set",
            "mbps=5",
            "--yes",
        ],
        &["act", "cache-01", "associate-address", "--yes"],
        &["act", "queue-01", "guest-restart-login-service", "--yes"],
        &[
            "act",
            "orders-db-01",
            "allow-acl",
            "--set",
            "source=here",
            "--yes",
        ],
        &["act", "partner-app-01", "restore-route", "--yes"],
        &["act", "game-01", "unblock-address", "--yes"],
    ] {
        let lab = Lab::new();
        lab.ok(words);
        let lines = lab.journal_lines();
        let writes = lab.gateway.writes();
        for kept in 1..lines.len() {
            lab.write_journal(&lines[..kept]);
            let entry = lab.settled();
            // Only the intent: nothing can have been sent. From the next line on it was.
            // Of a restart without an answer the cloud does not tell whose it was.
            let expected = match (kept, words[2]) {
                (1, _) => "interrupted",
                (2, "restart") => "unknown",
                _ => "done",
            };
            assert_eq!(
                entry["outcome"], expected,
                "{words:?} after {kept} lines: {entry}"
            );
            assert_eq!(lab.gateway.writes(), writes, "{words:?} after {kept} lines");
        }
    }
}

#[test]
fn a_cure_that_fails_counts_and_names_the_next_one() {
    let lab = Lab::new();
    let act = |action| {
        [
            "act",
            "render-01",
            action,
            "--yes",
            "--wait",
            "--format",
            "json",
        ]
    };
    let output = lab.run(&act("guest-restart-login-service"));
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["outcome"], "unchanged", "{told}");
    let next = &told["next"];
    assert_eq!(
        next["tried"],
        serde_json::json!(["guest-restart-login-service"])
    );
    assert_eq!(next["causes"][0]["id"], "cpu-overload", "{next}");
    assert!(next["causes"][0]["before"].is_number(), "{next}");
    let offered = next["actions"].as_array().expect("actions");
    assert!(!offered.is_empty());
    let again = |offer: &Value| offer["id"] == "guest-restart-login-service";
    assert!(
        !offered.iter().any(again),
        "it is not offered twice: {next}"
    );
    // So does a diagnosis of its own, and one of saved evidence that does not say what was tried.
    let output = lab.run(&["diagnose", "render-01", "--format", "json"]);
    let mut saved: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(saved["tried"], next["tried"], "{saved}");
    let replayed = |case: &Value| -> Value {
        let path = lab.state.path().join("case.json");
        std::fs::write(&path, case.to_string()).expect("writable");
        serde_json::from_str(&lab.ok(&["replay", path.to_str().expect("text")])).expect("JSON")
    };
    saved.as_object_mut().expect("an object").remove("tried");
    let counted = replayed(&saved);
    assert_eq!(counted["tried"], next["tried"]);
    assert_eq!(counted["causes"], saved["causes"]);
    saved["tried"] = serde_json::json!([]);
    let hung = |report: &Value| -> f64 {
        let causes = report["causes"].as_array().expect("causes");
        let cause = causes
            .iter()
            .find(|cause| cause["id"] == "login-service-hung");
        cause.expect("it applies")["probability"]
            .as_f64()
            .expect("a share")
    };
    assert!(hung(&replayed(&saved)) > 1.5 * hung(&counted));
    // A later action of the same incident remembers it.
    let output = lab.run(&act("guest-allow-port"));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tried = told["next"]["tried"].as_array().expect("a list").clone();
    assert!(
        tried.contains(&"guest-restart-login-service".into()),
        "{told}"
    );
}

#[test]
fn the_cause_that_a_cure_confirms_is_learnt_and_evidence_is_saved_before_a_restart() {
    let lab = Lab::new();
    let said = lab.ok(&[
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=here",
        "--yes",
        "--wait",
    ]);
    assert!(
        said.contains("confirmed cause: Security group blocks the login port"),
        "{said}"
    );
    let outcomes = std::fs::read_to_string(lab.state.path().join("state/outcomes.jsonl"));
    assert!(outcomes.expect("a file").contains("\"verified\""));
    // Later diagnoses are weighed with it, and this instance's next ones know of the cure.
    let output = lab.run(&["diagnose", "report-01", "--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(told["learnt"][0].is_string(), "{told}");
    let history = History::existing(&lab.state.path().join("state")).expect("readable");
    let id = lab.instance("shop-api-01")["InstanceId"].clone();
    let past = history
        .expect("a history")
        .cases(id.as_str().expect("an id"), 9)
        .expect("cases");
    assert_eq!(past[0].cured_by, "open-port");
    let lately = confirmed_lately(Knowledge::shipped(), &past, jiff::Timestamp::now());
    assert_eq!(lately, Some("security-group-blocks-port"));
    let output = lab.run(&["act", "search-01", "restart", "--yes", "--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let path = told["evidence"].as_str().expect("a path");
    let saved = std::fs::read_to_string(path).expect("a file");
    let id = lab.instance("search-01")["InstanceId"].clone();
    assert!(saved.contains(id.as_str().expect("an id")));
    // It is a case that can be weighed again.
    let replayed: Value = serde_json::from_str(&lab.ok(&["replay", path])).expect("JSON");
    assert_eq!(replayed["instance"]["id"], id);
    assert!(replayed["causes"][0]["probability"].is_number());
}

#[test]
fn what_the_cloud_refused_is_not_offered_again_and_what_it_only_put_off_is() {
    for (code, again) in [
        ("ResourceInsufficient.CloudDiskUnavailable", false),
        ("RequestLimitExceeded", true),
    ] {
        let lab = Lab::new();
        // A request that is put off is repeated a few times before it is given up.
        let refused = Fault::Refused(code);
        lab.demo
            .set_faults(Faults::default().with("StartInstances", refused, 20));
        let (status, said) = lab.said(&["act", "staging-web-01", "start", "--yes"]);
        assert_eq!(status, Some(1), "{said}");
        let output = lab.run(&["diagnose", "staging-web-01", "--format", "json"]);
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let actions = told["actions"].as_array().expect("actions");
        let offered = actions.iter().any(|offer| offer["id"] == "start");
        assert_eq!(offered, again, "{code}: {actions:?}");
    }
}

#[test]
fn the_hard_restart_is_offered_after_the_soft_one_failed() {
    let lab = Lab::new();
    let dry = [
        "act",
        "stream-01",
        "restart",
        "--set",
        "mode=hard",
        "--dry-run",
    ];
    let (_, said) = lab.said(&["act", "stream-01", "restart", "--yes"]);
    assert!(said.contains("restart --set mode=hard"), "{said}");
    let preview = lab.ok(&dry);
    assert!(
        preview.contains("a soft restart was tried before and failed"),
        "{preview}"
    );
    let other = lab.ok(&[
        "act",
        "shop-web-01",
        "restart",
        "--set",
        "mode=hard",
        "--dry-run",
    ]);
    assert!(other.contains("no soft restart has failed here"), "{other}");
}

#[test]
fn a_time_boxed_rule_that_is_kept_stays() {
    let lab = Lab::new();
    let words = [
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=203.0.113.7",
        "--set",
        "minutes=1",
        "--yes",
    ];
    let said = lab.ok(&words);
    let id = lab.settled()["id"].as_str().expect("an id").to_owned();
    assert!(said.contains(&format!("journal --keep {id}")), "{said}");
    let (read_only, said) = lab.said(&["--read-only", "journal", "--keep", &id]);
    assert_eq!(read_only, Some(3), "{said}");
    lab.ok(&["journal", "--keep", &id]);
    let (again, said) = lab.said(&["journal", "--keep", &id]);
    assert_eq!(again, Some(3), "{said}");
    // An hour later it is still there.
    lab.an_hour_passes();
    lab.ok(&["list", "--no-probe"]);
    assert_eq!(lab.gateway.writes(), ["CreateSecurityGroupPolicies"]);
    // One that is not kept goes with whatever runs next.
    lab.ok(&[
        "act",
        "report-01",
        "open-port",
        "--set",
        "source=198.51.100.9",
        "--set",
        "minutes=1",
        "--yes",
    ]);
    lab.an_hour_passes();
    lab.ok(&["list", "--no-probe"]);
    assert_eq!(
        lab.gateway.writes(),
        [
            "CreateSecurityGroupPolicies",
            "CreateSecurityGroupPolicies",
            "DeleteSecurityGroupPolicies"
        ]
    );
    // The audit log knows it as a call of the operator's key; the journal knows what it was.
    let entries = lab.entries();
    let [.., opened, taken_back] = &entries[..] else {
        panic!("{entries:?}");
    };
    let (opened, taken_back) = (opened["id"].as_str(), taken_back["id"].as_str());
    let diagnosed = lab.run(&["diagnose", "report-01", "--format", "json"]);
    let told: Value = serde_json::from_slice(&diagnosed.stdout).expect("JSON");
    let evidence = told["evidence"].as_array().expect("evidence");
    let change = evidence.iter().find(|r| r["id"] == "recent-change");
    let change = change.expect("the audit log was read");
    let detail = change["detail"].as_str().expect("a sentence");
    let what = format!("is over: what entry {} did is taken back", opened.unwrap());
    assert!(detail.contains(&what), "{detail}");
    assert_eq!(change["change"]["entry"].as_str(), taken_back, "{change}");
    let journal = lab.ok(&["journal"]);
    assert!(
        journal.contains("by cvmtop itself, as its time was over"),
        "{journal}"
    );
}

#[test]
fn a_batch_is_shown_whole_sent_one_by_one_and_stops_at_the_first_failure() {
    let lab = Lab::new();
    let open = |more: &'static str| {
        [
            "act",
            "shop-api-01",
            "report-01",
            "shop-web-01",
            "open-port",
            "--set",
            "source=198.51.100.9",
            more,
        ]
    };
    let shown = lab.ok(&open("--dry-run"));
    assert!(shown.contains("open-port on 2 of 3 instances"), "{shown}");
    assert!(shown.contains("left out: nothing to do"), "{shown}");
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    lab.ok(&open("--yes"));
    assert_eq!(
        lab.gateway.writes(),
        ["CreateSecurityGroupPolicies", "CreateSecurityGroupPolicies"]
    );
    // The first of three is refused; the others are not reached.
    lab.demo
        .set_faults(Faults::default().with("StopInstances", Fault::Unauthorised, 1));
    let stop = [
        "act",
        "shop-web-01",
        "shop-web-02",
        "render-01",
        "stop",
        "--yes",
    ];
    let (status, said) = lab.said(&stop);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("2 not reached"), "{said}");
    let evidence = std::fs::read_dir(lab.state.path().join("state/evidence"));
    assert_eq!(
        evidence.expect("a folder").count(),
        1,
        "what a stop destroys was saved"
    );
    let stops = lab
        .gateway
        .writes()
        .iter()
        .filter(|call| *call == "StopInstances")
        .count();
    assert_eq!(stops, 1, "{said}");
    // Twice the same, and more than the limit, are no batch.
    let (status, said) = lab.said(&["act", "shop-web-01", "shop-web-01", "stop", "--yes"]);
    assert_eq!(status, Some(2), "{said}");
    let mut many = vec!["act"];
    many.extend(["shop-web-02"; 21]);
    many.extend(["stop", "--yes"]);
    let (status, said) = lab.said(&many);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("limit of 20"), "{said}");
}

/// Each instance of a batch teaches what one alone would: the cause that a cure confirms, and after
/// a failure what comes next, never the same again.
#[test]
fn a_batch_learns_of_cures_and_names_what_comes_after_a_failure() {
    let lab = Lab::new();
    let act = |action: &[&'static str]| -> Vec<Value> {
        let words = [
            &["act", "shop-api-01", "render-01"],
            action,
            &["--yes", "--wait", "--format", "json"],
        ]
        .concat();
        let output = lab.run(&words);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        lines
            .filter(|told: &Value| told["entry"].is_string())
            .collect()
    };
    let failed = act(&["guest-restart-login-service"]);
    assert_eq!(failed.len(), 2, "{failed:#?}");
    for told in &failed {
        assert_eq!(told["outcome"], "unchanged", "{told}");
        let next = &told["next"];
        let tried = serde_json::json!(["guest-restart-login-service"]);
        assert_eq!(next["tried"], tried, "{told}");
        let offered = next["actions"].as_array().expect("actions");
        assert!(!offered.is_empty(), "{told}");
        let again = |offer: &Value| offer["id"] == "guest-restart-login-service";
        assert!(
            !offered.iter().any(again),
            "it is not offered twice: {next}"
        );
    }
    let opened = act(&["open-port", "--set", "source=here"]);
    let of = |name: &str| {
        let mut all = opened.iter();
        all.find(|told| told["instance"]["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {opened:#?}"))
    };
    assert_eq!(of("shop-api-01")["outcome"], "restored", "{opened:#?}");
    assert_eq!(
        of("shop-api-01")["confirmed_cause"],
        "security-group-blocks-port"
    );
    let outcomes = std::fs::read_to_string(lab.state.path().join("state/outcomes.jsonl"));
    assert!(outcomes.expect("a file").contains("\"verified\""));
}

#[test]
fn instances_that_share_a_group_get_its_rule_once() {
    let lab = Lab::new();
    // Both are bound to one group that lets nobody in on this port.
    let words = |more: &'static str| {
        [
            "act",
            "shop-web-01",
            "render-01",
            "open-port",
            "--set",
            "port=2345",
            "--set",
            "source=203.0.113.7",
            more,
        ]
    };
    let shown = lab.ok(&words("--dry-run"));
    assert!(shown.contains("done by the same rule as"), "{shown}");
    lab.ok(&words("--yes"));
    assert_eq!(lab.gateway.writes(), ["CreateSecurityGroupPolicies"]);
}

#[test]
fn two_operators_see_each_other_and_leave_each_others_work_alone() {
    let lab = Lab::new();
    let mut first = lab
        .command(&["act", "stream-01", "restart", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let started = Instant::now();
    while lab.gateway.writes().is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never begins"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let listed = lab.ok(&["journal", "--format", "json"]);
    let entry: Value = serde_json::from_str(&listed).expect("one entry");
    assert_eq!(
        entry["state"], "in-flight",
        "another program is at work on it"
    );
    let shown = lab.ok(&["act", "stream-01", "vnc-url", "--dry-run"]);
    assert!(shown.contains("is carrying out `restart`"), "{shown}");
    first.wait().expect("it ends");
    let shown = lab.ok(&["act", "stream-01", "vnc-url", "--dry-run"]);
    assert!(shown.contains("did `restart` on stream-01"), "{shown}");
    assert_eq!(lab.entries().len(), 1);
}

#[test]
fn a_cloud_that_offers_less_still_lets_plans_be_made_and_ends_be_seen() {
    let lab = Lab::new();
    let mut faults = Faults::default().without_fields(&[
        "LatestOperation",
        "LatestOperationState",
        "LatestOperationRequestId",
        "LatestOperationErrorMsg",
    ]);
    for action in [
        "DescribeNetworkAccountType",
        "DescribeTaskResult",
        "DescribeTaskInfo",
        "DescribeAutomationAgentStatus",
        "DescribeSecurityGroups",
        "DescribeSecurityGroupAssociationStatistics",
        "InquiryPriceModifyAddressesBandwidth",
        "InquiryPriceResetInstancesInternetMaxBandwidth",
    ] {
        faults = faults.with(action, Fault::NotOffered, u32::MAX);
    }
    lab.demo.set_faults(faults);
    for (words, note) in [
        (
            &["docs-01", "raise-bandwidth", "--set", "mbps=5"][..],
            "could not be read",
        ),
        (
            &["erp-01", "authorize-repair", "--set", "task=rep-abcd1234"],
            "could not be read",
        ),
        (&["pay-01", "guest-allow-port"], "could not be read"),
        (
            &["shop-api-01", "open-port", "--set", "source=here"],
            "on top",
        ),
    ] {
        let words = [&["act"], words, &["--dry-run"]].concat();
        let shown = lab.ok(&words);
        assert!(shown.contains(note), "{words:?}: {shown}");
    }
    for words in [
        &[
            "act",
            "docs-01",
            "raise-bandwidth",
            "--set",
            "mbps=5",
            "--yes",
        ][..],
        &["act", "search-01", "restart", "--yes"],
        &["act", "staging-web-01", "start", "--yes"],
        &[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=here",
            "--yes",
        ],
        &["act", "cache-01", "associate-address", "--yes"],
    ] {
        lab.ok(words);
        assert_eq!(lab.settled()["outcome"], "done", "{words:?}");
    }
}
