//! Actions from the command line on the demo cloud, through a gateway that counts what is sent:
//! killed at each step of the journal and settled, taken back exactly, refused when read-only.

use crate::support::gateway;
use crate::support::lab;
use std::path::Path;
use std::process::Command;

use cvmtop::action::gate::{Access, Given, approve};
use cvmtop::action::{self, Parameters};
use cvmtop::cloud::inventory;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::outcome::Outcome;
use cvmtop::runtime::execute::{Around, Desk, PrepareOptions, execute, prepare};
use cvmtop::store::journal::Journal;
use gateway::Moment;
use lab::{Lab, all_files};

/// Target, action and parameters, the call to die at.
const CASES: &[(&[&str], &str)] = &[
    (
        &["act", "shop-web-01", "restart", "--yes"],
        "RebootInstances",
    ),
    (
        &["act", "staging-web-01", "start", "--yes"],
        "StartInstances",
    ),
    (
        &[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=here",
            "--yes",
        ],
        "CreateSecurityGroupPolicies",
    ),
    (
        &[
            "act",
            "shop-web-01",
            "raise-bandwidth",
            "--set",
            "mbps=80",
            "--yes",
        ],
        "ResetInstancesInternetMaxBandwidth",
    ),
    (
        &["act", "cache-01", "associate-address", "--yes"],
        "AssociateAddress",
    ),
    (
        &[
            "act",
            "orders-db-01",
            "allow-acl",
            "--set",
            "source=here",
            "--yes",
        ],
        "ModifyNetworkAclEntries",
    ),
    (
        &["act", "partner-app-01", "restore-route", "--yes"],
        "EnableRoutes",
    ),
    (
        &["act", "game-01", "unblock-address", "--yes"],
        "UnblockResources",
    ),
    (
        &["act", "shop-web-01", "guest-restart-login-service", "--yes"],
        "RunCommand",
    ),
];

/// Calls whose only trace is the instance's last operation.
const OPERATIONS: &[&str] = &["RebootInstances", "StartInstances", "StopInstances"];

#[test]
fn killed_at_any_step_it_is_settled_and_nothing_is_sent_twice() {
    for moment in [Moment::Lost, Moment::Unanswered, Moment::Followed] {
        for (words, call) in CASES {
            let lab = Lab::new();
            lab.run_into(words, call, moment);
            let entry = lab.settled();
            // The answer alone tells whose an operation of an instance was.
            let expected = match moment {
                Moment::Lost => "interrupted",
                Moment::Unanswered if OPERATIONS.contains(call) => "unknown",
                Moment::Unanswered | Moment::Followed => "done",
            };
            assert_eq!(entry["outcome"], expected, "{words:?} {moment:?}: {entry}");
            assert_eq!(lab.gateway.writes(), [*call], "{words:?} {moment:?}");
        }
    }
}

#[test]
fn what_was_not_sent_before_a_crash_stays_unsent() {
    let lab = Lab::new();
    let words = ["act", "wiki-01", "exit-rescue", "--yes"];
    lab.run_into(&words, "StartInstances", Moment::Lost);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "interrupted", "{entry}");
    assert_eq!(lab.gateway.writes(), ["ExitRescueMode", "StartInstances"]);

    let lab = Lab::new();
    lab.run_into(&words, "ExitRescueMode", Moment::Unanswered);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "unknown", "{entry}");
    let detail = entry["detail"].as_str().expect("text");
    assert!(detail.contains("1 further call"), "{detail}");
    assert_eq!(lab.gateway.writes(), ["ExitRescueMode"]);

    // The last call of two that was answered ends the entry well.
    for (moment, outcome) in [(Moment::Unanswered, "unknown"), (Moment::Followed, "done")] {
        let lab = Lab::new();
        lab.run_into(&words, "StartInstances", moment);
        let entry = lab.settled();
        assert_eq!(entry["outcome"], outcome, "{moment:?}: {entry}");
        assert_eq!(lab.gateway.writes(), ["ExitRescueMode", "StartInstances"]);
    }
    // The first of two that was lost is the only one.
    let lab = Lab::new();
    lab.run_into(&words, "ExitRescueMode", Moment::Lost);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "interrupted", "{entry}");
    assert_eq!(lab.gateway.writes(), ["ExitRescueMode"]);
}

#[test]
fn undo_gives_the_rules_back_byte_for_byte() {
    let lab = Lab::new();
    let instance = lab.instance("office-ad-01");
    let groups: Vec<String> =
        serde_json::from_value(instance["SecurityGroupIds"].clone()).expect("ids");
    let region = "ap-guangzhou";
    let before: Vec<_> = groups.iter().map(|g| lab.rules(g, region)).collect();
    for words in [
        &["open-port", "--set", "source=203.0.113.7"][..],
        &["open-port", "--set", "source=2001:db8::7"],
        &["open-common-ports", "--set", "source=any"],
    ] {
        let words: Vec<&str> = [&["act", "office-ad-01"], words, &["--yes"]].concat();
        lab.ok(&words);
        let changed: Vec<_> = groups.iter().map(|g| lab.rules(g, region)).collect();
        assert_ne!(before, changed, "{words:?}");
        let id = lab.entries().last().expect("an entry")["id"].clone();
        lab.ok(&["journal", "--undo", id.as_str().expect("text"), "--yes"]);
        let after: Vec<_> = groups.iter().map(|g| lab.rules(g, region)).collect();
        assert_eq!(
            serde_json::to_string(&before).expect("JSON"),
            serde_json::to_string(&after).expect("JSON"),
            "{words:?}"
        );
    }
    // A second undo of the same entry sends nothing.
    let writes = lab.gateway.writes().len();
    let first = lab.entries()[0]["id"].clone();
    let again = lab.run(&["journal", "--undo", first.as_str().expect("text"), "--yes"]);
    assert_eq!(again.status.code(), Some(3));
    assert_eq!(lab.gateway.writes().len(), writes);
}

#[test]
fn the_common_ports_are_the_vendors_exact_set() {
    let lab = Lab::new();
    let words = [
        "act",
        "shop-api-01",
        "open-common-ports",
        "--set",
        "source=any",
        "--yes",
    ];
    lab.ok(&words);
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let rules = lab.rules(group.as_str().expect("an id"), "ap-seoul");
    let mut added: Vec<_> = rules["Ingress"]
        .as_array()
        .expect("rules")
        .iter()
        .filter(|rule| {
            rule["PolicyDescription"]
                .as_str()
                .is_some_and(|text| text.starts_with("cvmtop-"))
        })
        .map(|rule| {
            let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
            let source = text("CidrBlock") + &text("Ipv6CidrBlock");
            let protocol = text("Protocol").to_uppercase();
            let port = if protocol == "TCP" {
                text("Port")
            } else {
                String::new()
            };
            format!("{protocol} {port} {source}")
        })
        .collect();
    added.sort();
    // The group lets ICMP over IPv4 in from everyone already, so that rule is not added twice.
    let mut expected = vec!["ICMPV6  ::/0".to_owned()];
    for port in [20, 21, 22, 80, 443, 3389] {
        expected.push(format!("TCP {port} 0.0.0.0/0"));
        expected.push(format!("TCP {port} ::/0"));
    }
    expected.sort();
    assert_eq!(added, expected);
}

#[test]
fn read_only_sends_nothing_whatever_is_asked() {
    let lab = Lab::new();
    for id in ActionId::ALL {
        let mut words = vec!["--read-only", "act", "shop-web-01", id.as_str(), "--yes"];
        let sets: &[&str] = match id {
            ActionId::OpenPort | ActionId::OpenCommonPorts | ActionId::GuestUnblockSource => {
                &["--set", "source=203.0.113.9"]
            }
            ActionId::RaiseBandwidth => &["--set", "mbps=90"],
            ActionId::AssociateSecurityGroup => &["--set", "group=sg-abcd1234"],
            ActionId::BindKeyPair => &["--set", "key=skey-abcd1234"],
            _ => &[],
        };
        words.extend(sets);
        let output = lab.run(&words);
        assert_ne!(output.status.code(), Some(0), "{words:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("cvmtop: "), "{words:?}: {said}");
    }
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    assert!(!lab.gateway.seen().is_empty());
}

#[test]
fn without_confirmation_nothing_is_sent() {
    let lab = Lab::new();
    for words in [
        &["act", "shop-web-01", "restart"][..],
        &["act", "staging-web-01", "start"],
        &["act", "shop-web-01", "restart", "--dry-run"],
        &[
            "act",
            "shop-web-01",
            "restart",
            "--dry-run",
            "--format",
            "json",
        ],
    ] {
        let output = lab.run(words);
        let dry = words.contains(&"--dry-run");
        assert_eq!(
            output.status.code(),
            Some(if dry { 0 } else { 3 }),
            "{words:?}"
        );
    }
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
}

#[test]
fn a_generated_password_is_shown_once_and_kept_nowhere() {
    let lab = Lab::new();
    for words in [
        ["act", "shop-web-01", "reset-password", "--yes"],
        ["act", "shop-web-01", "enter-rescue", "--yes"],
    ] {
        let said = lab.ok(&words);
        let line = said
            .lines()
            .find(|line| line.starts_with("password of "))
            .expect("the password is shown");
        let password = line.rsplit(": ").next().expect("a password");
        assert_eq!(password.len(), 20, "{line}");
        let kept = all_files(lab.state.path());
        assert!(
            kept.contains("generated when sent"),
            "the placeholder stands in"
        );
        assert!(!kept.contains(password), "the password is on the disk");
        assert!(!kept.contains(&lab.demo.secret_key));
        assert!(!lab.ok(&["journal", "--format", "json"]).contains(password));
    }
    let said = lab.ok(&["act", "shop-web-02", "vnc-url", "--yes"]);
    let address = said
        .lines()
        .find_map(|line| line.split_once("nowhere): "))
        .expect("the address is shown")
        .1;
    assert!(!all_files(lab.state.path()).contains(address));
}

#[test]
fn rules_that_changed_meanwhile_are_refused_not_overwritten() {
    let lab = Lab::new();
    let client = lab.client();
    lab.runtime.block_on(async {
        let regions = ["all".to_owned()];
        let found = inventory::find(&client, &regions, "shop-api-01")
            .await
            .expect("found");
        let instance = found.instances[0].clone();
        let parameters =
            Parameters::from_words(ActionId::OpenPort, &["source=203.0.113.7"]).expect("good");
        let desk = Desk::new(client.clone(), Journal::in_directory(lab.state.path()));
        let mut plans = Vec::new();
        for _ in 0..2 {
            let options = PrepareOptions::default();
            let context =
                prepare(&desk, &instance, ActionId::OpenPort, &parameters, &options).await;
            plans.push(action::plan(ActionId::OpenPort, &parameters, &context).expect("a plan"));
        }
        let (sink, _news) = tokio::sync::mpsc::unbounded_channel();
        let mut outcomes = Vec::new();
        for plan in plans {
            let approved = approve(plan, &Access::ReadWrite, &Given::Key).expect("approved");
            let execution = execute(&desk, Around::only(&instance), approved, &sink)
                .await
                .expect("ran");
            outcomes.push((execution.outcome, execution.detail));
        }
        assert_eq!(outcomes[0].0, Outcome::Done);
        assert_eq!(outcomes[1].0, Outcome::Failed);
        assert!(
            outcomes[1].1.contains("somebody changed the rules"),
            "{}",
            outcomes[1].1
        );
    });
}

/// The state of one account says nothing of what was done in another.
#[test]
fn another_account_neither_settles_nor_takes_back() {
    const OTHER: &str = "100000000999";
    let lab = Lab::new();
    lab.run_into(
        &["act", "shop-web-01", "restart", "--yes"],
        "RebootInstances",
        Moment::Lost,
    );
    let own = lab.journal_lines();
    let record: serde_json::Value = serde_json::from_str(&own[0]).expect("JSON");
    let account = record["place"]["account"].as_str().expect("an account");
    let of_other = |lines: &[String]| -> Vec<String> {
        lines
            .iter()
            .map(|line| line.replace(account, OTHER))
            .collect()
    };
    lab.write_journal(&of_other(&own));
    let (_, said) = lab.said(&["list", "--no-probe"]);
    assert!(
        said.contains(&format!("belongs to account {OTHER}")),
        "{said}"
    );
    assert_eq!(lab.journal_lines().len(), own.len(), "nothing is written");
    lab.write_journal(&own);
    assert_eq!(lab.settled()["outcome"], "interrupted");

    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    lab.ok(&[
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=here",
        "--yes",
    ]);
    let opened = lab.rules(group, "ap-seoul");
    let id = lab.entries().last().expect("an entry")["id"].clone();
    lab.write_journal(&of_other(&lab.journal_lines()));
    let (status, said) = lab.said(&["journal", "--undo", id.as_str().expect("an id"), "--yes"]);
    assert_ne!(status, Some(0), "{said}");
    assert!(said.contains(OTHER), "{said}");
    assert_eq!(lab.rules(group, "ap-seoul"), opened);
}

#[test]
fn a_time_boxed_rule_is_taken_away_by_a_later_start() {
    let lab = Lab::new();
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    lab.ok(&[
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=here",
        "--set",
        "minutes=30",
        "--yes",
    ]);
    lab.ok(&["journal"]);
    assert_ne!(lab.rules(group, "ap-seoul"), before, "it is not due yet");
    lab.an_hour_passes();
    for words in [
        &["--read-only", "journal"][..],
        &["--read-only", "list", "--no-probe"],
        &["act", "shop-web-01", "vnc-url", "--dry-run"],
        &["doctor"],
    ] {
        let (_, said) = lab.said(words);
        assert!(
            said.contains("is over and it is still in force"),
            "{words:?}: {said}"
        );
        assert!(said.contains("journal --keep"), "{words:?}: {said}");
    }
    assert_ne!(
        lab.rules(group, "ap-seoul"),
        before,
        "read-only takes nothing away"
    );
    lab.run(&["diagnose", "shop-web-01"]);
    assert_eq!(lab.rules(group, "ap-seoul"), before);
    let entries = lab.entries();
    assert_eq!(entries[0]["undone_by"], entries[1]["id"]);
    assert_eq!(
        lab.gateway.writes(),
        ["CreateSecurityGroupPolicies", "DeleteSecurityGroupPolicies"]
    );
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_action_before_it_is_sent() {
    let lab = Lab::new();
    let state = lab.state.path().join("state");
    std::fs::create_dir(&state).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", state.join("journal.jsonl")).expect("a link");
    let output = lab.run(&["act", "shop-web-01", "restart", "--yes"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    // Reading goes on.
    lab.ok(&["act", "shop-web-01", "restart", "--dry-run"]);
}

#[test]
fn a_damaged_or_newer_journal_still_opens_and_takes_new_lines() {
    let lab = Lab::new();
    lab.ok(&["act", "staging-web-01", "start", "--yes"]);
    let path = lab.state.path().join("state/journal.jsonl");
    let mut text = std::fs::read_to_string(&path).expect("a journal");
    text.push_str(
        "{\"v\":99,\"at\":\"2030-01-01T00:00:00Z\",\"entry\":\"x\",\"event\":\"dream\"}\n",
    );
    text.push_str("\u{1b}[2Jgarbage\n{\"v\":1,\"at\":\"2030-01-0");
    std::fs::write(&path, text).expect("writable");
    lab.ok(&["act", "staging-web-01", "restart", "--yes"]);
    let output = lab.run(&["journal", "--format", "json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("3 lines"), "{said}");
    assert!(!said.contains('\u{1b}'));
}

#[test]
fn a_ticket_bundle_holds_the_case_and_can_be_masked() {
    let lab = Lab::new();
    lab.ok(&[
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=203.0.113.7",
        "--yes",
    ]);
    let error = lab.state.path().join("error.txt");
    std::fs::write(
        &error,
        "ssh: connect to host 198.51.100.4 port 22: Connection timed out\n\u{1b}]0;x\u{7}",
    )
    .expect("writable");
    let folder = lab.state.path().join("tickets");
    let folder_text = folder.to_str().expect("text");
    let error_text = error.to_str().expect("text");
    let mut words = vec![
        "ticket",
        "shop-api-01",
        "--output",
        folder_text,
        "--error-text",
        error_text,
        "--deep",
    ];
    let plain = lab.ok(&words);
    let raw = std::fs::read_to_string(Path::new(plain.trim()).join("raw.json")).expect("a file");
    let answers: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    let answers = answers.as_array().expect("answers");
    for action in [
        "cvm:DescribeInstances",
        "vpc:DescribeSecurityGroupPolicies",
        "tat:DescribeInvocationTasks",
    ] {
        let found = answers.iter().filter(|answer| answer["action"] == action);
        assert!(found.count() > 0, "{action}");
    }
    // What the guest printed is there to be read, not as the agent encodes it.
    let printed = answers.iter().any(|answer| {
        let tasks = &answer["response"]["InvocationTaskSet"];
        let output = &tasks[0]["TaskResult"]["Output"];
        output
            .as_str()
            .is_some_and(|text| text.contains("check version"))
    });
    assert!(printed, "{raw}");
    let kept = all_files(Path::new(plain.trim()));
    let id = lab.instance("shop-api-01")["InstanceId"].clone();
    for part in [
        id.as_str().expect("an id"),
        "203.0.113.7",
        "open-port",
        "timed out",
    ] {
        assert!(kept.contains(part), "{part}");
    }
    assert!(!kept.contains('\u{1b}') && !kept.contains(&lab.demo.secret_key));
    // Everything that the journal says about people and machines: names of then, in its sentences.
    let mut lines = lab.journal_lines();
    let edit = |line: &mut String| {
        let mut record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if record["event"] == "intent" {
            // A sentence without its parts is one of an older version, and stands as it is.
            let plan = record["plan"].as_object_mut().expect("a plan");
            plan.remove("title_said");
            record["plan"]["target"]["name"] = "old-name-7".into();
            record["plan"]["title"] =
                "Open TCP 22 of old-name-7 for kim.lee at 203.0.113.99".into();
            record["plan"]["parameters"]["user"] = "kim.lee".into();
            record["plan"]["steps"][0]["call"]["parameters"]["InstanceName"] = "sent-name-8".into();
            record["login_before"] =
                serde_json::json!(["192.0.2.77:22 of old-name-7을 refuses kim.lee"]);
        }
        if record["event"] == "closed" {
            record.as_object_mut().expect("a record").remove("said");
            record["detail"] = "sg-90abcdef of sent-name-8 lets 203.0.113.98 in".into();
        }
        *line = record.to_string();
    };
    lines.iter_mut().for_each(edit);
    lab.write_journal(&lines);
    let plain = lab.ok(&words);
    let told = all_files(Path::new(plain.trim()));
    let of_journal = [
        "old-name-7",
        "kim.lee",
        "sent-name-8",
        "203.0.113.99",
        "203.0.113.98",
        "192.0.2.77",
        "sg-90abcdef",
    ];
    for part in of_journal {
        assert!(told.contains(part), "{part} is not told at all");
    }
    words.push("--mask");
    let masked = all_files(Path::new(lab.ok(&words).trim()));
    for part in [
        id.as_str().expect("an id"),
        "203.0.113.7",
        "198.51.100.4",
        "127.6",
    ]
    .into_iter()
    .chain(of_journal)
    {
        assert!(!masked.contains(part), "{part} is not masked");
    }
    assert!(masked.contains("vpc:DescribeSecurityGroupPolicies"));
    assert!(!masked.contains("shop-api-01") && !masked.contains(&lab.demo.secret_key));
    for word in masked.split(|c: char| !(c.is_ascii_digit() || c == '.')) {
        let address = word.trim_matches('.').parse::<std::net::Ipv4Addr>();
        let line = masked.lines().find(|line| line.contains(word));
        assert!(address.is_err(), "{word} is not masked: {line:?}");
    }
    words.push("--archive");
    let archive = lab.ok(&words);
    let listing = Command::new("tar")
        .args(["-tzf", archive.trim()])
        .output()
        .expect("tar runs");
    assert!(String::from_utf8_lossy(&listing.stdout).contains("report.md"));
}
