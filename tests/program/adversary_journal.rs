//! Attacks on the journal and on what a start does by it: lines of another hand, answers that are
//! lost after the cloud has applied, colleagues who act in between, killed programs, kept locks.
//!
//! Must not live here: a journal cut without anybody else (`actions_each`), damaged files
//! (`faults_state`).

use crate::support::gateway;
use crate::support::lab;
use crate::support::terminal::Terminal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cvmtop::domain::api_call::ApiCall;
use gateway::Moment;
use lab::Lab;
use serde_json::{Value, json};

const LIST: &[&str] = &["list", "--no-probe"];
/// Opens a port for half an hour.
#[rustfmt::skip]
const OPEN: &[&str] =
    &["act", "shop-api-01", "open-port", "--set", "source=203.0.113.7", "--set", "minutes=30", "--yes"];

fn open_for_half_an_hour(lab: &Lab) -> String {
    lab.ok(OPEN);
    last_id(lab)
}

fn last_id(lab: &Lab) -> String {
    let lines = lab.journal_lines();
    let last: Value = serde_json::from_str(lines.last().expect("a line")).expect("JSON");
    last["entry"].as_str().expect("an id").to_owned()
}

fn journal(lab: &Lab) -> PathBuf {
    lab.state.path().join("state/journal.jsonl")
}

/// Rewrites the first line, which holds the plan and its author.
fn edit_intent(lab: &Lab, edit: impl Fn(&mut Value)) {
    let mut lines = lab.journal_lines();
    let mut intent: Value = serde_json::from_str(&lines[0]).expect("JSON");
    edit(&mut intent);
    lines[0] = intent.to_string();
    lab.write_journal(&lines);
}

/// What a colleague does, past the program.
fn colleague(lab: &Lab, region: &str, service: &str, action: &str, parameters: Value) {
    let call = ApiCall::new(service, action, region, parameters);
    let client = lab.client();
    let sent = lab.runtime.block_on(client.call(&call));
    sent.expect("the colleague may");
}

/// Waits until the instance has this state and no operation under way.
fn until(lab: &Lab, name: &str, state: &str) {
    let began = Instant::now();
    loop {
        let instance = lab.instance(name);
        let ended = instance["LatestOperationState"] != "OPERATING";
        if instance["InstanceState"] == state && ended {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{instance}");
    }
}

#[test]
fn a_line_of_another_hand_makes_no_start_send_its_call() {
    let lab = Lab::new();
    lab.ok(&[
        "act",
        "docs-01",
        "raise-bandwidth",
        "--set",
        "mbps=5",
        "--set",
        "minutes=30",
        "--yes",
    ]);
    let id = last_id(&lab);
    let writes = lab.gateway.writes();
    let victim = lab.instance("shop-web-01")["InstanceId"].clone();
    edit_intent(&lab, |intent| {
        let call = &mut intent["plan"]["undo"]["steps"][0]["call"];
        call["service"] = json!("cvm");
        call["action"] = json!("TerminateInstances");
        call["parameters"] = json!({ "InstanceIds": [victim] });
    });
    lab.an_hour_passes();
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(1), "what stays in force is a fault: {said}");
    assert!(said.contains("STILL IN FORCE"), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
    // Nor does a person who confirms unseen.
    let (status, said) = lab.said(&["journal", "--undo", &id, "--yes"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("TerminateInstances"), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
}

#[test]
fn a_time_box_is_planned_anew_whatever_the_line_says() {
    let lab = Lab::new();
    let words = |name, action| {
        let set = "source=203.0.113.7";
        [
            "act",
            name,
            action,
            "--set",
            set,
            "--set",
            "minutes=30",
            "--yes",
        ]
    };
    for (words, call) in [
        (
            words("orders-db-01", "allow-acl"),
            "ModifyNetworkAclEntries",
        ),
        (
            words("shop-api-01", "open-port"),
            "DeleteSecurityGroupPolicies",
        ),
    ] {
        lab.ok(&words);
        let before = lab.gateway.writes().len();
        // The mark of a colleague's rule, or a list of the writer's own.
        edit_intent(&lab, |intent| {
            let undo = &mut intent["plan"]["undo"];
            if undo["kind"] == "steps" {
                let parameters = &mut undo["steps"][0]["call"]["parameters"];
                for set in ["NetworkAclEntrySet", "NetworkAclQuintupleSet"] {
                    if parameters[set].is_object() {
                        parameters[set]["Ingress"] = json!([]);
                    }
                }
            } else {
                undo["mark"] = json!("cvmtop-of-a-colleague");
            }
        });
        lab.an_hour_passes();
        let (status, said) = lab.said(LIST);
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(lab.gateway.writes()[before..], [call.to_owned()], "{said}");
        std::fs::remove_file(journal(&lab)).expect("a journal");
    }
}

#[test]
fn a_journal_that_others_could_write_is_refused_unless_shared_and_then_only_ones_own_is_taken_back()
{
    let lab = Lab::new();
    let id = open_for_half_an_hour(&lab);
    lab.an_hour_passes();
    let writes = lab.gateway.writes();
    let allow = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(journal(&lab), mode).expect("own");
    };
    allow(0o666);
    let (_, said) = lab.said(LIST);
    assert!(said.contains("others could have written"), "{said}");
    let (status, said) = lab.said(&["act", "shop-web-01", "restart", "--yes"]);
    assert_ne!(status, Some(0), "{said}");
    assert!(said.contains("shared_state"), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
    if rustix::process::geteuid().is_root() {
        allow(0o600);
        std::os::unix::fs::chown(journal(&lab), Some(4242), None).expect("root");
        let (_, said) = lab.said(LIST);
        assert!(said.contains("4242"), "{said}");
        std::os::unix::fs::chown(journal(&lab), Some(0), None).expect("root");
    }
    // Shared on purpose: a colleague's time box is shown, and taken back by nobody unasked.
    allow(0o660);
    edit_intent(&lab, |intent| intent["author"]["uid"] = json!(4242));
    let shared = |words: &[&str]| {
        let mut command = lab.command(words);
        command.env("CVMTOP_SHARED_STATE", "true");
        let output = command.output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (status, said) = shared(LIST);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("journal --undo {id}")), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
    let own = rustix::process::geteuid().as_raw();
    edit_intent(&lab, |intent| intent["author"]["uid"] = json!(own));
    let (status, said) = shared(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(lab.gateway.writes().len(), writes.len() + 1);
}

/// While set, rules can neither be changed with an answer nor read.
static RULES_ARE_DOWN: AtomicBool = AtomicBool::new(false);

fn rules_fail(action: &str, body: Vec<u8>) -> Vec<u8> {
    if RULES_ARE_DOWN.load(Ordering::SeqCst) && action.contains("SecurityGroupPolicies") {
        let error = json!({ "Code": "InternalError", "Message": "try again" });
        return json!({ "Response": { "Error": error, "RequestId": "r" } })
            .to_string()
            .into();
    }
    body
}

#[test]
fn a_time_box_whose_answer_was_lost_in_an_outage_still_ends() {
    let lab = Lab::new();
    lab.gateway.alter(rules_fail);
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    // The preview reads; the outage begins with the change itself.
    lab.run_into(OPEN, "CreateSecurityGroupPolicies", Moment::Unanswered);
    RULES_ARE_DOWN.store(true, Ordering::SeqCst);
    lab.run(LIST);
    RULES_ARE_DOWN.store(false, Ordering::SeqCst);
    assert_ne!(lab.rules(group, "ap-seoul"), before, "it was applied");
    lab.an_hour_passes();
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(lab.rules(group, "ap-seoul"), before);
}

/// While set, an old copy of the rules is answered: without what is marked.
static RULES_ARE_STALE: AtomicBool = AtomicBool::new(false);

fn stale_rules(action: &str, body: Vec<u8>) -> Vec<u8> {
    let stale = RULES_ARE_STALE.load(Ordering::SeqCst);
    if !stale || action != "DescribeSecurityGroupPolicies" {
        return body;
    }
    let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
    let rules = answer["Response"]["SecurityGroupPolicySet"]["Ingress"].as_array_mut();
    let marked = |rule: &Value| {
        let text = rule["PolicyDescription"].as_str();
        text.is_some_and(|text| text.starts_with("cvmtop-"))
    };
    rules.expect("rules").retain(|rule| !marked(rule));
    answer.to_string().into()
}

#[test]
fn one_stale_look_does_not_make_a_time_box_forgotten() {
    let lab = Lab::new();
    lab.gateway.alter(stale_rules);
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    lab.run_into(OPEN, "CreateSecurityGroupPolicies", Moment::Unanswered);
    RULES_ARE_STALE.store(true, Ordering::SeqCst);
    let (_, said) = lab.said(LIST);
    assert!(said.contains("looked for at every start"), "{said}");
    RULES_ARE_STALE.store(false, Ordering::SeqCst);
    lab.an_hour_passes();
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(lab.rules(group, "ap-seoul"), before);
}

/// 0: as it is; 1: a colleague added words to our descriptions; 2: put their own in place.
static DESCRIBED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

fn edited_descriptions(action: &str, body: Vec<u8>) -> Vec<u8> {
    let how = DESCRIBED.load(Ordering::SeqCst);
    if how == 0 || action != "DescribeSecurityGroupPolicies" {
        return body;
    }
    let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
    let rules = answer["Response"]["SecurityGroupPolicySet"]["Ingress"].as_array_mut();
    for rule in rules.expect("rules") {
        let text = rule["PolicyDescription"].as_str().unwrap_or_default();
        if text.starts_with("cvmtop-") {
            rule["PolicyDescription"] = json!(match how {
                1 => format!("{text} (ticket 4711)"),
                _ => "for the auditors".to_owned(),
            });
        }
    }
    answer.to_string().into()
}

#[test]
fn words_added_to_the_mark_hide_nothing_and_a_rule_made_ones_own_is_shouted_about_until_closed() {
    let lab = Lab::new();
    lab.gateway.alter(edited_descriptions);
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    open_for_half_an_hour(&lab);
    lab.an_hour_passes();
    DESCRIBED.store(1, Ordering::SeqCst);
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(lab.rules(group, "ap-seoul"), before);

    DESCRIBED.store(0, Ordering::SeqCst);
    let id = open_for_half_an_hour(&lab);
    lab.an_hour_passes();
    DESCRIBED.store(2, Ordering::SeqCst);
    let writes = lab.gateway.writes();
    for _ in 0..2 {
        let (status, said) = lab.said(LIST);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("for the auditors"), "{said}");
        assert!(said.contains("STILL IN FORCE"), "{said}");
    }
    let (status, _) = lab.said(&["journal", "--close", &id]);
    assert_eq!(status, Some(2), "a reason is asked for");
    let close = ["journal", "--close", &id, "--why", "theirs now"];
    let mut forbidden = vec!["--read-only"];
    forbidden.extend(close);
    assert_eq!(lab.said(&forbidden).0, Some(3));
    lab.ok(&close);
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("STILL IN FORCE"), "{said}");
    assert!(lab.ok(&["journal"]).contains("theirs now"));
    let (status, said) = lab.said(&close);
    assert_eq!(status, Some(3), "it is closed: {said}");
    assert_eq!(lab.gateway.writes(), writes);
}

/// The first rule of ours has a description of somebody else's.
fn one_is_theirs(action: &str, body: Vec<u8>) -> Vec<u8> {
    if action != "DescribeSecurityGroupPolicies" {
        return body;
    }
    let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
    let rules = answer["Response"]["SecurityGroupPolicySet"]["Ingress"].as_array_mut();
    let ours = rules.expect("rules").iter_mut().find(|rule| {
        let text = rule["PolicyDescription"].as_str();
        text.is_some_and(|text| text.starts_with("cvmtop-"))
    });
    if let Some(rule) = ours {
        rule["PolicyDescription"] = json!("for the auditors");
    }
    answer.to_string().into()
}

#[test]
fn of_rules_that_were_partly_removed_and_partly_renamed_each_is_told() {
    for timed in [true, false] {
        let lab = Lab::new();
        let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
        let source = "source=203.0.113.7";
        let mut open = vec!["act", "shop-api-01", "open-common-ports", "--set", source];
        open.push("--yes");
        if timed {
            open.extend(["--set", "minutes=30"]);
        }
        lab.ok(&open);
        let id = last_id(&lab);
        let first = lab.rules(group.as_str().expect("an id"), "ap-seoul")["Ingress"][0].clone();
        colleague(
            &lab,
            "ap-seoul",
            "vpc",
            "DeleteSecurityGroupPolicies",
            json!({ "SecurityGroupId": group,
                    "SecurityGroupPolicySet": { "Ingress": [{ "PolicyIndex": 0 }] } }),
        );
        lab.gateway.alter(one_is_theirs);
        let (_, said) = if timed {
            lab.an_hour_passes();
            lab.said(LIST)
        } else {
            lab.said(&["journal", "--undo", &id, "--yes"])
        };
        assert!(said.contains("for the auditors"), "{said}");
        let protocol = first["Protocol"].as_str().expect("text").to_uppercase();
        let gone = format!(
            "1 rule of this entry had left {}",
            group.as_str().expect("text")
        );
        let (_, gone) = said.split_once(&gone).expect(&said);
        assert!(
            gone.contains(&protocol) && gone.contains("203.0.113.7"),
            "{said}"
        );
        // One was gone, one is theirs; the rest is taken back.
        assert_eq!(
            lab.gateway.writes().last().expect("calls"),
            "DeleteSecurityGroupPolicies"
        );
        let left = lab
            .rules(group.as_str().expect("an id"), "ap-seoul")
            .to_string();
        assert_eq!(left.matches("203.0.113.7").count(), 1, "{left}");
    }
}

#[test]
fn what_a_colleague_did_since_is_not_told_as_ones_own() {
    let lab = Lab::new();
    let web = lab.instance("shop-web-01")["InstanceId"].clone();
    let restart = ["act", "shop-web-01", "restart", "--yes"];
    // It never arrived; a colleague restarts.
    lab.run_into(&restart, "RebootInstances", Moment::Lost);
    colleague(
        &lab,
        "ap-seoul",
        "cvm",
        "RebootInstances",
        json!({ "InstanceIds": [web] }),
    );
    until(&lab, "shop-web-01", "RUNNING");
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "unknown", "{entry}");
    assert!(
        entry["detail"].to_string().contains("somebody else"),
        "{entry}"
    );
    // It arrived; a colleague does something else, which hides it.
    let reset = ["act", "shop-web-01", "reset-password", "--yes"];
    lab.run_into(&reset, "ResetInstancesPassword", Moment::Unanswered);
    until(&lab, "shop-web-01", "RUNNING");
    colleague(
        &lab,
        "ap-seoul",
        "cvm",
        "RebootInstances",
        json!({ "InstanceIds": [web] }),
    );
    until(&lab, "shop-web-01", "RUNNING");
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "unknown", "{entry}");
    let detail = entry["detail"].to_string();
    assert!(detail.contains("hides whether it arrived"), "{entry}");
    assert!(detail.contains("is lost"), "{entry}");
    // Nobody did anything: that much is known.
    lab.run_into(&restart, "RebootInstances", Moment::Lost);
    let entry = lab.settled();
    assert_eq!(entry["outcome"], "interrupted", "{entry}");
    assert!(
        entry["detail"].to_string().contains("did not take effect"),
        "{entry}"
    );
}

#[test]
fn a_password_that_nobody_saw_is_said_to_be_lost() {
    let lab = Lab::new();
    lab.run_into(
        &["act", "shop-web-01", "reset-password", "--yes"],
        "ResetInstancesPassword",
        Moment::Followed,
    );
    until(&lab, "shop-web-01", "RUNNING");
    let entry = lab.settled();
    assert_ne!(entry["outcome"], "done", "{entry}");
    let detail = entry["detail"].to_string();
    assert!(
        detail.contains("is lost") && detail.contains("reset-password"),
        "{entry}"
    );
}

#[test]
fn what_never_ends_is_closed_by_a_person() {
    let lab = Lab::new();
    lab.run_into(
        &[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=203.0.113.7",
            "--yes",
        ],
        "CreateSecurityGroupPolicies",
        Moment::Followed,
    );
    let id = last_id(&lab);
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    colleague(
        &lab,
        "ap-seoul",
        "vpc",
        "DeleteSecurityGroupPolicies",
        json!({ "SecurityGroupId": group,
                "SecurityGroupPolicySet": { "Ingress": [{ "PolicyIndex": 0 }] } }),
    );
    for _ in 0..2 {
        assert!(lab.said(LIST).1.contains("still under way"));
    }
    lab.ok(&[
        "journal",
        "--close",
        &id,
        "--why",
        "a colleague took it away",
    ]);
    assert!(!lab.said(LIST).1.contains(&id));
    assert_eq!(lab.settled()["outcome"], "unknown");
}

#[test]
fn an_undo_does_not_overwrite_what_a_colleague_set_since() {
    let lab = Lab::new();
    lab.ok(&[
        "act",
        "docs-01",
        "raise-bandwidth",
        "--set",
        "mbps=5",
        "--yes",
    ]);
    let id = last_id(&lab);
    let call = lab.settled()["plan"]["steps"][0]["call"].clone();
    let mut parameters = call["parameters"].clone();
    parameters["InternetMaxBandwidthOut"] = json!(50);
    let region = call["region"].as_str().expect("a region");
    colleague(&lab, region, "vpc", "ModifyAddressesBandwidth", parameters);
    let writes = lab.gateway.writes();
    let (status, said) = lab.said(&["journal", "--undo", &id, "--yes"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("changed it since"), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
}

#[test]
fn a_lock_that_another_program_keeps_holds_nothing_up() {
    let lab = Lab::new();
    open_for_half_an_hour(&lab);
    let held = std::fs::File::open(journal(&lab)).expect("a journal");
    held.lock().expect("free");
    let writes = lab.gateway.writes();
    let began = Instant::now();
    let (status, said) = lab.said(&["act", "shop-web-01", "restart", "--yes"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("for longer than 3 s"), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
    for words in [LIST, &["journal"], &["doctor"]] {
        lab.run(words);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    drop(held);
    lab.ok(&["act", "shop-web-01", "restart", "--yes"]);
}

#[test]
fn a_time_box_ends_by_the_clock_of_the_cloud() {
    let hours = jiff::SignedDuration::from_hours;
    let lab = Lab::new();
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    // This machine is two days late: the box counts from the cloud's now.
    lab.gateway.set_clock_ahead(hours(48));
    open_for_half_an_hour(&lab);
    let writes = lab.gateway.writes().len();
    for words in [LIST, &["journal"]] {
        let (status, said) = lab.said(words);
        assert_eq!(status, Some(0), "{said}");
    }
    assert_eq!(lab.gateway.writes().len(), writes, "it is not over");
    // By this machine's clock it would last two more days.
    lab.gateway.set_clock_ahead(hours(49));
    assert_eq!(lab.said(LIST).0, Some(0));
    assert_eq!(lab.rules(group, "ap-seoul"), before);

    // A command that only reads the journal knows it, too; and one that may not send says it.
    lab.gateway.set_clock_ahead(hours(0));
    open_for_half_an_hour(&lab);
    lab.gateway.set_clock_ahead(hours(1));
    let (_, said) = lab.said(&["--read-only", "journal"]);
    assert!(
        said.contains("still in force: this run changes nothing"),
        "{said}"
    );
    let (_, said) = lab.said(&["--read-only", "list", "--no-probe"]);
    assert!(
        said.contains("still in force: this run changes nothing"),
        "{said}"
    );
    assert_ne!(lab.rules(group, "ap-seoul"), before);
    assert_eq!(lab.said(&["journal"]).0, Some(0));
    assert_eq!(lab.rules(group, "ap-seoul"), before);

    // This machine is ahead: what it takes for over is not.
    lab.gateway.set_clock_ahead(hours(0));
    open_for_half_an_hour(&lab);
    lab.an_hour_passes();
    lab.gateway.set_clock_ahead(hours(-1));
    let writes = lab.gateway.writes().len();
    for words in [LIST, &["journal"]] {
        let (status, said) = lab.said(words);
        assert_eq!(status, Some(0), "{said}");
    }
    assert_eq!(lab.gateway.writes().len(), writes);
}

/// The console on the lab, about the instance that is opened.
fn console(lab: &Lab) -> Terminal {
    let state = lab.state.path().join("state");
    Terminal::start(
        &["--region", "all", "shop-api-01"],
        160,
        50,
        &[
            ("CVMTOP_STATE_DIR", &state.display().to_string()),
            ("CVMTOP_ENDPOINT", &lab.gateway.endpoint),
            ("TENCENTCLOUD_SECRET_ID", &lab.demo.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", &lab.demo.secret_key),
        ],
    )
}

#[test]
fn a_console_takes_back_by_the_clock_of_the_cloud() {
    let lab = Lab::new();
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    open_for_half_an_hour(&lab);
    lab.gateway
        .set_clock_ahead(jiff::SignedDuration::from_hours(1));
    let mut terminal = console(&lab);
    terminal.wait_for("its time is over");
    assert_eq!(lab.rules(group, "ap-seoul"), before);
    terminal.keys("q");
    terminal.wait_exit();
}

#[test]
fn what_cannot_be_taken_back_is_shouted_everywhere_until_a_person_closes_it() {
    let lab = Lab::new();
    lab.gateway.refuse("DeleteSecurityGroupPolicies");
    let id = open_for_half_an_hour(&lab);
    lab.an_hour_passes();
    for words in [LIST, &["journal"]] {
        let (status, said) = lab.said(words);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("STILL IN FORCE"), "{said}");
        assert!(said.contains(&format!("journal --close {id}")), "{said}");
    }
    let mut terminal = console(&lab);
    terminal.wait_for("STILL IN FORCE");
    terminal.keys("q");
    terminal.wait_exit();
    lab.ok(&[
        "journal",
        "--close",
        &id,
        "--why",
        "removed in the web console",
    ]);
    for words in [LIST, &["journal"]] {
        let (status, said) = lab.said(words);
        assert_eq!(status, Some(0), "{said}");
        assert!(!said.contains("STILL IN FORCE"), "{said}");
    }
}

#[test]
fn one_start_takes_back_no_more_than_twenty_changes_and_names_the_others() {
    let lab = Lab::new();
    let group = lab.instance("shop-api-01")["SecurityGroupIds"][0].clone();
    let group = group.as_str().expect("an id");
    let before = lab.rules(group, "ap-seoul");
    let mut ids = Vec::new();
    for host in 1..=22 {
        let source = format!("source=203.0.113.{host}");
        #[rustfmt::skip]
        lab.ok(&["act", "shop-api-01", "open-port", "--set", &source, "--set", "minutes=30", "--yes"]);
        ids.push(last_id(&lab));
    }
    lab.an_hour_passes();
    let earlier = lab.gateway.writes().len();
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(1), "{said}");
    let sent = lab.gateway.writes().split_off(earlier);
    assert_eq!(sent, vec!["DeleteSecurityGroupPolicies"; 20], "{said}");
    let named = |id: &&String| said.contains(&format!("journal --undo {id}"));
    assert_eq!(
        ids.iter().filter(named).collect::<Vec<_>>(),
        ids[20..].iter().collect::<Vec<_>>()
    );
    // The next start goes on where this one ended.
    let (status, said) = lab.said(LIST);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(lab.gateway.writes().len(), earlier + 22);
    assert_eq!(lab.rules(group, "ap-seoul"), before);
}
