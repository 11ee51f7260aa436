//! Actions against a cloud that is not ours, with real servers behind it: what is said of login
//! afterwards, for whom, and with which exit status.

use crate::support::foreign;
use crate::support::netns;
use crate::support::probe as support;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use foreign::{Cloud, ID, Ran, everyone, instance, place, rules, world};
use serde_json::{Value, json};
use support::{Server, listening, sshd};

/// A user whose address is on no interface of this machine.
const USER: &str = "198.51.100.3";

/// Runs an action to its end while `machine` does what it is told as soon as the cloud is.
fn act(
    cloud: &Cloud,
    words: &[&str],
    told: Option<&PathBuf>,
    machine: impl FnOnce() + Send,
) -> Ran {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(told) = told {
                // The diagnosis before the call takes its time.
                let started = Instant::now();
                while !told.exists() {
                    assert!(
                        started.elapsed() < Duration::from_secs(90),
                        "it is never told"
                    );
                    std::thread::sleep(Duration::from_millis(20));
                }
                machine();
            }
        });
        let words = [
            &["act", ID],
            words,
            &["--yes", "--wait", "--format", "json"],
        ]
        .concat();
        cloud.run(&words)
    })
}

/// Where the cloud tells that an action was called.
fn told() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    (folder, file)
}

fn expect(ran: &Ran, status: i32, outcome: &str, back: Value, says: &[&str]) -> Value {
    let report = ran.report();
    let got = (ran.status(), report["outcome"].as_str().unwrap());
    assert_eq!(got, (status, outcome), "{report:#}\n{}", ran.stderr());
    assert_eq!(report["login_back"], back, "{report:#}");
    for words in says {
        let detail = report["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{words:?} is not in: {detail}");
    }
    report
}

fn local_only(login: SocketAddr) -> Value {
    rules(&[("ACCEPT", &login.port().to_string(), "127.0.0.0/8")])
}

#[test]
fn a_server_that_comes_back_is_back_for_this_host_and_only_for_those_whom_the_rules_let_in() {
    for (user, status, outcome, back, says) in [
        (None, 0, "restored", json!(true), "again from this host"),
        (
            Some(USER),
            1,
            "improved",
            json!(false),
            "the rules do not let 198.51.100.3 in",
        ),
    ] {
        let (login, private) = place(21);
        let (_folder, file) = told();
        let stopped = instance(login, private, &json!({"InstanceState": "STOPPED"}));
        let changes = json!({"touch": {"StartInstances": file}});
        let cloud = Cloud::of(&world(stopped, local_only(login), &changes));
        let mut server: Option<Server> = None;
        if support::program("sshd", "openssh-server").is_none() {
            return;
        }
        let mut words = vec!["start"];
        words.extend(user.iter().flat_map(|user| ["--user-source", user]));
        let ran = act(&cloud, &words, Some(&file), || {
            server = sshd(login.ip(), Some(login.port()), "");
        });
        assert!(server.is_some());
        let report = expect(&ran, status, outcome, back, &[says]);
        let never = "login answers again";
        let detail = report["detail"].as_str().unwrap();
        assert_eq!(detail.contains(never), user.is_none(), "{detail}");
    }
}

#[test]
fn a_rule_for_somebody_else_is_judged_by_the_rules_and_taken_back_with_its_verdict() {
    let (login, private) = place(22);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        local_only(login),
        &json!({}),
    ));
    let source = format!("source={USER}");
    let ran = act(&cloud, &["open-port", "--set", &source], None, || {});
    let says = ["let 198.51.100.3 in", "as before"];
    let report = expect(&ran, 0, "done", json!(true), &says);
    let entry = report["entry"].as_str().unwrap().to_owned();
    let undone = cloud.run(&["journal", "--undo", &entry, "--yes"]);
    assert_eq!(undone.status(), 0, "{}", undone.stderr());
    let journal = cloud.run(&["journal"]).stdout();
    let first = journal.lines().next().unwrap();
    assert!(first.ends_with("done, taken back since"), "{journal}");
    // Where the service is down as well, the rule alone brings nobody in, and nothing is said of it.
    let (login, private) = place(23);
    let closed = instance(login, private, &json!({}));
    let cloud = Cloud::of(&world(closed, local_only(login), &json!({})));
    let ran = act(&cloud, &["open-port", "--set", &source], None, || {});
    expect(
        &ran,
        1,
        "done",
        Value::Null,
        &["cannot be tried from this host"],
    );
}

#[test]
fn a_key_exchange_that_failed_is_read_again_before_login_is_said_to_be_back() {
    // base64 of "done: 1 changed"
    let output = json!({"InvocationTaskSet": [{"InvocationTaskId": "invt-1", "TaskStatus": "SUCCESS",
        "TaskResult": {"ExitCode": 0, "Output": "ZG9uZTogMSBjaGFuZ2VkCg=="}}], "TotalCount": 1});
    let agent = json!({"AutomationAgentSet": [{"InstanceId": ID, "AgentStatus": "Online"}], "TotalCount": 1});
    let old = "KexAlgorithms diffie-hellman-group1-sha1";
    for (mended, status, outcome, back, says) in [
        (true, 0, "restored", json!(true), "again from this host"),
        (
            false,
            1,
            "unchanged",
            json!(false),
            "the key exchange still fails",
        ),
    ] {
        let (login, private) = place(if mended { 24 } else { 25 });
        let Some(mut server) = sshd(login.ip(), Some(login.port()), old) else {
            return;
        };
        let (_folder, file) = told();
        let changes = json!({
            "answers": {
                "DescribeAutomationAgentStatus": agent,
                "RunCommand": {"InvocationId": "inv-1", "CommandId": "cmd-1"},
                "DescribeInvocationTasks": output,
            },
            "touch": {"RunCommand": file},
            "looks_by": "cvmtop-guest-check",
        });
        let cloud = Cloud::of(&world(
            instance(login, private, &json!({})),
            everyone(),
            &changes,
        ));
        let ran = act(
            &cloud,
            &["guest-restart-login-service"],
            Some(&file),
            || {
                if mended {
                    server.child.kill().unwrap();
                    server.child.wait().unwrap();
                    server = sshd(login.ip(), Some(login.port()), "").unwrap();
                }
            },
        );
        let report = expect(&ran, status, outcome, back, &[says]);
        let broken = &report["broken_before"][0];
        assert_eq!(broken["layer"], "key-exchange", "{report:#}");
        assert!(listening(login));
    }
}

#[test]
fn every_offer_can_be_given_back_as_it_stands() {
    let (login, private) = place(26);
    let port = login.port().to_string();
    let at = |changes: Value, rules: Value| {
        Cloud::of(&world(
            instance(login, private, &changes),
            rules,
            &json!({}),
        ))
    };
    let mut tried = 0;
    for cloud in [
        at(json!({}), everyone()),
        at(json!({}), rules(&[("ACCEPT", "443", "0.0.0.0/0")])),
        at(json!({}), rules(&[("ACCEPT", &port, "203.0.113.0/24")])),
        at(json!({"InstanceState": "STOPPED"}), everyone()),
        at(json!({"InstanceState": "RESCUE_MODE"}), everyone()),
        at(
            json!({"InternetAccessible": {"InternetMaxBandwidthOut": 0}}),
            everyone(),
        ),
        at(json!({"PublicIpAddresses": null}), everyone()),
        at(json!({"OsName": "Windows Server 2022 64bit"}), everyone()),
    ] {
        let report = cloud.diagnose(&["--user-source", USER]).report();
        for offer in report["actions"].as_array().unwrap() {
            let id = offer["id"].as_str().unwrap();
            // A command of its own writes the bundle.
            if id == "ticket" {
                continue;
            }
            let mut words = vec!["act".to_owned(), ID.to_owned(), id.to_owned()];
            for (name, value) in offer["parameters"].as_object().unwrap() {
                let value = match value {
                    // What is asked for, as a person would fill it in.
                    Value::Null => match name.as_str() {
                        "mbps" => "20".to_owned(),
                        "group" => "sg-bbbb2222".to_owned(),
                        "key" => "skey-bbbb2222".to_owned(),
                        _ => continue,
                    },
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                words.extend(["--set".to_owned(), format!("{name}={value}")]);
            }
            words.extend(["--user-source", USER, "--dry-run"].map(str::to_owned));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = cloud.run(&words);
            // What this cloud does not tell may stand in the way of a plan; an offer's own words
            // never do.
            let lacks = offer["parameters"].as_object().unwrap().is_empty();
            let missing = ran.status() == 2 && lacks && ran.stderr().contains(" needs ");
            assert!(
                matches!(ran.status(), 0 | 3) || missing,
                "{words:?}: {}\n{}",
                ran.status(),
                ran.stderr()
            );
            tried += 1;
        }
    }
    assert!(tried > 8, "only {tried} offers");
}

/// A group that lets nobody in is a filter here, which goes as soon as the cloud has the rule. The user
/// named is this host by the address on its own interface, so that what it finds is the user's, too.
#[test]
fn an_own_address_is_here_and_a_port_that_opens_to_no_service_is_not_login() {
    for (serves, status, outcome, says) in [
        (true, 0, "restored", "again from this host"),
        (
            false,
            1,
            "improved",
            "the port is open now, the service does not run",
        ),
    ] {
        let Some(lab) = netns::Lab::linked() else {
            return;
        };
        let login = SocketAddr::new(lab.host(2).into(), 22);
        lab.filter(&lab.server, "input", "tcp dport 22 drop");
        let server = serves.then(|| netns::probe::sshd_in(Some(&lab.server), login, ""));
        if server.as_ref().is_some_and(Option::is_none) {
            return;
        }
        let (_folder, file) = told();
        let changes = json!({"touch": {"CreateSecurityGroupPolicies": file}});
        let own = lab.host(1).to_string();
        let unfilter = format!("netns exec {} nft delete table inet t", lab.server);
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // The cloud and the program are started from here, and live in the same namespace.
                netns::enter(&lab.client);
                let shut = rules(&[("ACCEPT", "443", "0.0.0.0/0")]);
                let machine = instance(login, login.ip(), &json!({}));
                let cloud = Cloud::of(&world(machine, shut, &changes));
                let source = format!("source={own}");
                let words = ["open-port", "--set", &source, "--user-source", &own];
                let ran = act(&cloud, &words, Some(&file), || netns::must(&unfilter));
                expect(&ran, status, outcome, json!(serves), &[says]);
            });
            inside.join().unwrap();
        });
    }
}
