//! Facts of the demo's instances: the state that each shows, and what becomes of calls that fail.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::facts::{self, CloudFacts, FactRequest, GROUPS, RunInGuest};
use cvmtop::cloud::{Client, ClientConfig, inventory};
use cvmtop::demo::{self, DemoCloud, DemoOptions, Fault, Faults};
use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Instance;
use jiff::{Timestamp, ToSpan};
use tokio::sync::mpsc;

fn slow(latency: Duration) -> Faults {
    let mut faults = Faults::default();
    faults.latency = latency;
    faults
}

struct Lab {
    cloud: DemoCloud,
    client: Client,
}

impl Lab {
    async fn start(options: DemoOptions) -> Self {
        let cloud = demo::start(DemoOptions {
            hosts: false,
            rate_limits: false,
            ..options
        })
        .await
        .expect("demo");
        let keys = Provider::Static(Credentials::new(&*cloud.secret_id, &*cloud.secret_key));
        let client = Client::new(ClientConfig::new(&cloud.endpoint, keys)).expect("client");
        Self { cloud, client }
    }

    async fn instance(&self, name: &str) -> Instance {
        let found = inventory::find(&self.client, &self.cloud.regions, name)
            .await
            .expect("find");
        found
            .instances
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no {name}"))
    }

    async fn facts(&self, name: &str, request: &FactRequest) -> CloudFacts {
        let instance = self.instance(name).await;
        let (sender, mut receiver) = mpsc::channel(64);
        let facts = facts::gather(&self.client, &instance, request, sender).await;
        let mut sent = Vec::new();
        while let Some(reading) = receiver.recv().await {
            sent.push(reading);
        }
        let key = |r: &Reading| (r.id.clone(), r.path);
        let (mut a, mut b): (Vec<_>, Vec<_>) = (
            sent.iter().map(key).collect(),
            facts.readings.iter().map(key).collect(),
        );
        a.sort();
        b.sort();
        assert_eq!(a, b, "the sink gets each reading of the result once");
        facts
    }
}

fn request() -> FactRequest {
    let here = IpAddr::from([127, 0, 0, 1]);
    FactRequest {
        own_sources: vec![(Path::Public, here), (Path::Private, here)],
        time_limit: Duration::from_secs(20),
        ..FactRequest::default()
    }
}

fn find<'a>(facts: &'a CloudFacts, id: &str) -> &'a Reading {
    facts
        .readings
        .iter()
        .find(|r| r.id == id)
        .unwrap_or_else(|| panic!("no {id}"))
}

fn state(facts: &CloudFacts, id: &str) -> String {
    let reading = find(facts, id);
    reading
        .observed_state()
        .map_or_else(|| reading.status.as_str().to_owned(), str::to_owned)
}

/// Instance, and the states that its groups must show.
const CASES: &[(&str, &[(&str, &str)])] = &[
    (
        "shop-web-01",
        &[
            ("instance-state", "running"),
            ("restriction", "normal"),
            ("public-address", "present"),
            ("public-bandwidth", "nonzero"),
            ("ddos-block", "none"),
            ("security-group", "allow"),
            ("security-group-here", "allow"),
            ("network-acl", "none"),
            ("route", "ok"),
            ("cpu", "normal"),
            ("memory", "normal"),
            ("disk", "normal"),
            ("disk-io", "normal"),
            ("agent", "online"),
            ("agent-exec", "not-attempted"),
            ("platform-event", "none"),
            ("bandwidth-use", "low"),
            ("account-balance", "positive"),
        ],
    ),
    ("shop-api-01", &[("security-group", "deny-default")]),
    ("office-ad-01", &[("security-group", "deny-explicit")]),
    (
        "report-01",
        &[("security-group", "allow-other-source-only")],
    ),
    ("orders-db-01", &[("network-acl", "deny-in")]),
    ("batch-01", &[("network-acl", "deny-return")]),
    (
        "cache-01",
        &[
            ("public-address", "none"),
            ("public-bandwidth", "not-applicable"),
            ("ddos-block", "not-applicable"),
            ("bandwidth-use", "not-applicable"),
        ],
    ),
    ("analytics-01", &[("public-bandwidth", "zero")]),
    ("docs-01", &[("public-bandwidth", "zero")]),
    ("media-01", &[("bandwidth-use", "saturated")]),
    ("game-01", &[("ddos-block", "blocked")]),
    ("forum-01", &[("restriction", "isolated")]),
    (
        "trial-01",
        &[
            ("restriction", "arrears"),
            ("public-address", "arrears"),
            ("instance-state", "stopped"),
            ("cpu", "not-applicable"),
            ("agent", "offline-long"),
        ],
    ),
    (
        "archive-01",
        &[("restriction", "expired"), ("instance-state", "stopped")],
    ),
    ("partner-app-01", &[("route", "missing")]),
    (
        "staging-web-01",
        &[
            ("instance-state", "stopped"),
            ("last-operation", "succeeded"),
            ("agent", "offline-recent"),
        ],
    ),
    ("wiki-01", &[("instance-state", "rescue")]),
    (
        "erp-01",
        &[("platform-event", "fault"), ("memory", "no-data")],
    ),
    ("mail-01", &[("platform-event", "guest-reboot")]),
    ("stream-01", &[("platform-event", "guest-crash")]),
    ("render-01", &[("cpu", "pegged")]),
    ("search-01", &[("memory", "exhausted")]),
    ("logs-01", &[("disk", "full")]),
    ("backup-01", &[("disk", "read-only")]),
    ("etl-01", &[("disk-io", "saturated")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_of_the_demo_shows_the_facts_of_its_cause() {
    let lab = Lab::start(DemoOptions {
        finance_permission: true,
        ..DemoOptions::default()
    })
    .await;
    let mut wrong = Vec::new();
    for (name, wants) in CASES {
        let facts = lab.facts(name, &request()).await;
        for (id, want) in *wants {
            let got = state(&facts, id);
            if got != *want {
                wrong.push(format!(
                    "{name} {id}: {got}, not {want}: {}",
                    find(&facts, id).detail
                ));
            }
        }
        let groups: Vec<_> = facts.readings.iter().map(|r| r.id.as_str()).collect();
        for group in GROUPS {
            assert!(groups.contains(group), "{name} says nothing about {group}");
        }
        for reading in &facts.readings {
            assert_eq!(
                reading.status == Status::Observed,
                reading.state.is_some(),
                "{reading:?}"
            );
            assert!(
                !reading.detail.is_empty() && reading.observed_at.is_some(),
                "{reading:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_address_decides_where_it_is_known() {
    let lab = Lab::start(DemoOptions::default()).await;
    let mut asked = request();
    let facts = lab.facts("report-01", &asked).await;
    assert!(
        find(&facts, "security-group")
            .detail
            .contains("user's address is not known")
    );
    let rule = facts.groups.expect("groups")[0]
        .group
        .ingress
        .iter()
        .find_map(|rule| match &rule.peer {
            cvmtop::domain::security_group::Peer::Network(network) => {
                network.split('/').next().map(str::to_owned)
            }
            _ => None,
        });
    asked.user_source = rule.expect("a network").parse().ok();
    let facts = lab.facts("report-01", &asked).await;
    assert_eq!(state(&facts, "security-group"), "allow");
    assert_eq!(
        state(&facts, "security-group-here"),
        "allow-other-source-only"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_weighed_against_the_onset() {
    let lab = Lab::start(DemoOptions::default()).await;
    let mut asked = request();
    let facts = lab.facts("shop-api-01", &asked).await;
    assert_eq!(state(&facts, "recent-change"), "not-attempted");
    let now = Timestamp::now();
    asked.onset = Some(now);
    assert_eq!(
        state(&lab.facts("shop-api-01", &asked).await, "recent-change"),
        "relevant-before-onset"
    );
    asked.onset = now.checked_sub(5.hours()).ok();
    assert_eq!(
        state(&lab.facts("shop-api-01", &asked).await, "recent-change"),
        "after-onset"
    );
    assert_eq!(
        state(&lab.facts("shop-web-01", &asked).await, "recent-change"),
        "none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_in_the_guest_only_with_consent() {
    let lab = Lab::start(DemoOptions::default()).await;
    let mut asked = request();
    let facts = lab.facts("shop-web-01", &asked).await;
    assert!(
        find(&facts, "agent-exec")
            .needs
            .as_deref()
            .is_some_and(|n| n.contains("consent"))
    );
    asked.run_in_guest = RunInGuest::Trivial;
    lab.facts("shop-web-01", &asked).await;
    asked.onset = Some(Timestamp::now());
    let facts = lab.facts("shop-web-01", &asked).await;
    // The audit log names the first look, which changed nothing.
    assert_eq!(state(&facts, "recent-change"), "none");
    assert_eq!(
        state(&facts, "agent-exec"),
        "ok",
        "{}",
        find(&facts, "agent-exec").detail
    );
}

/// Each action that fails leaves just its groups unknown: not permitted with what to ask for, or
/// failed; never a state.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_or_failing_call_leaves_its_groups_unknown() {
    let lab = Lab::start(DemoOptions {
        finance_permission: true,
        ..DemoOptions::default()
    })
    .await;
    let rows: &[(&str, &[&str])] = &[
        (
            "DescribeSecurityGroupPolicies",
            &["security-group", "security-group-here"],
        ),
        ("DescribeSubnets", &["network-acl", "route"]),
        ("DescribeAccountBalance", &["account-balance"]),
        ("DescribeAutomationAgentStatus", &["agent"]),
        (
            "GetMonitorData",
            &["cpu", "memory", "disk", "disk-io", "bandwidth-use"],
        ),
        ("DescribeDisks", &["disk-io"]),
        ("DescribeTaskInfo", &["platform-event"]),
        ("DescribeEvents", &["recent-change"]),
        ("DescribeAddresses", &["public-address"]),
    ];
    let healthy = lab.facts("shop-web-01", &request()).await;
    for (fault, status) in [
        (Fault::Unauthorised, Status::NotPermitted),
        (Fault::InternalError, Status::ProbeFailed),
    ] {
        for (action, groups) in rows {
            lab.cloud
                .set_faults(Faults::default().with(action, fault, 1000));
            let mut asked = request();
            asked.time_limit = Duration::from_secs(4);
            let facts = lab.facts("shop-web-01", &asked).await;
            for reading in &facts.readings {
                if groups.contains(&reading.id.as_str()) {
                    assert_eq!(reading.status, status, "{action}: {reading:?}");
                    if status == Status::NotPermitted {
                        let needs = reading.needs.clone().unwrap_or_default();
                        assert!(
                            needs.ends_with(&format!(":{action}")),
                            "{action}: {reading:?}"
                        );
                    }
                } else {
                    let before: BTreeMap<_, _> = healthy
                        .readings
                        .iter()
                        .map(|r| ((&r.id, r.path), &r.state))
                        .collect();
                    let usual = before.get(&(&reading.id, reading.path));
                    let fell = reading.state.is_some() && usual != Some(&&reading.state);
                    assert!(!fell, "{action} turned {reading:?} from {usual:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_seen_through_any_source_that_answers() {
    let lab = Lab::start(DemoOptions::default()).await;
    lab.cloud.set_faults(
        Faults::default()
            .with("DescribeDDoSBlockRecords", Fault::Unauthorised, 99)
            .with("DescribeIpBlockList", Fault::Unauthorised, 99)
            .with("DescribeAddresses", Fault::Unauthorised, 99),
    );
    assert_eq!(
        state(&lab.facts("game-01", &request()).await, "ddos-block"),
        "blocked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_calls_run_at_once_and_a_slow_cloud_is_cut_off() {
    let lab = Lab::start(DemoOptions::default()).await;
    lab.cloud.set_faults(slow(Duration::from_millis(50)));
    let started = Instant::now();
    lab.facts("shop-web-01", &request()).await;
    let took = started.elapsed();
    println!("facts of one instance at 50 ms an answer: {took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    lab.cloud.set_faults(slow(Duration::from_secs(30)));
    let instance = Instance {
        id: "ins-x".into(),
        region: "ap-seoul".into(),
        ..Instance::default()
    };
    let (sender, _receiver) = mpsc::channel(64);
    let mut asked = request();
    asked.time_limit = Duration::from_millis(300);
    let started = Instant::now();
    let facts = facts::gather(&lab.client, &instance, &asked, sender).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(state(&facts, "instance-state"), "probe-failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_share_the_subnet_or_the_groups() {
    let lab = Lab::start(DemoOptions::default()).await;
    let facts = lab.facts("shop-api-01", &request()).await;
    assert!(!facts.peers.is_empty());
    for peer in &facts.peers {
        assert_ne!(peer.instance.name, "shop-api-01");
        assert!(peer.same_subnet || peer.same_group);
        assert_eq!(peer.instance.state, "RUNNING");
    }
}

#[tokio::test]
async fn a_static_host_has_no_cloud_facts() {
    let lab = Lab::start(DemoOptions::default()).await;
    let host = Instance {
        is_static: true,
        name: "legacy".into(),
        ..Instance::default()
    };
    let (sender, _receiver) = mpsc::channel(64);
    let facts = facts::gather(&lab.client, &host, &request(), sender).await;
    assert!(
        facts
            .readings
            .iter()
            .all(|r| r.status == Status::NotApplicable)
    );
}

/// `doctor` and its policy name every read that facts make, and nothing is sent that they do not.
#[tokio::test(flavor = "multi_thread")]
async fn every_read_that_is_sent_is_one_that_doctor_names() {
    let record = tempfile::NamedTempFile::new().expect("file");
    let lab = Lab::start(DemoOptions {
        record: Some(record.path().to_owned()),
        ..DemoOptions::default()
    })
    .await;
    for name in [
        "shop-web-01",
        "partner-gw-01",
        "batch-01",
        "partner-app-01",
        "ledger-01",
    ] {
        lab.facts(name, &request()).await;
    }
    let text = std::fs::read_to_string(record.path()).expect("record");
    let sent: std::collections::BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON line"))
        .map(|line| line["action"].as_str().expect("action").to_owned())
        .collect();
    assert!(sent.len() > 15, "{sent:?}");
    let named: Vec<&str> = cvmtop::cloud::permissions::READS
        .iter()
        .filter_map(|read| read.permission.split(':').nth(1))
        .collect();
    for action in &sent {
        assert!(
            named.contains(&action.as_str()),
            "doctor does not name {action}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_found_by_the_id_of_what_was_changed() {
    let lab = Lab::start(DemoOptions::default()).await;
    for (name, action) in [
        ("orders-db-01", "ModifyNetworkAclEntries"),
        ("partner-app-01", "ReplaceRoutes"),
        ("docs-01", "ModifyAddressesBandwidth"),
        ("office-ad-01", "CreateSecurityGroupPolicies"),
        ("shop-api-01", "DisassociateSecurityGroups"),
        ("report-01", "AssociateNetworkInterfaceSecurityGroups"),
        ("partner-gw-01", "ModifyAddressTemplateAttribute"),
    ] {
        let onset = Timestamp::now();
        let request = FactRequest {
            onset: Some(onset),
            ..request()
        };
        let facts = lab.facts(name, &request).await;
        let change = facts.readings.iter().find(|r| r.id == "recent-change");
        let change = change.expect("a reading");
        assert_eq!(
            change.state.as_deref(),
            Some("relevant-before-onset"),
            "{name}: {change:?}"
        );
        assert!(
            change.detail.to_string().contains(action),
            "{name}: {change:?}"
        );
    }
    // What could not be read could not be looked up, so that nothing is denied.
    let refused = Faults::default().with("DescribeSubnets", Fault::Unauthorised, 99);
    lab.cloud.set_faults(refused);
    let facts = lab.facts("shop-web-02", &request()).await;
    let change = facts.readings.iter().find(|r| r.id == "recent-change");
    let change = change.expect("a reading");
    assert_eq!(
        (change.state.as_deref(), change.status),
        (None, Status::NotAttempted),
        "{change:?}"
    );
    // The platform's own events that nobody may see any more are said to be unseen.
    let offline = Faults::default().with(
        "DescribeProductEventList",
        Fault::Refused("ActionOffline"),
        99,
    );
    lab.cloud.set_faults(offline);
    let facts = lab.facts("shop-web-02", &request()).await;
    let event = facts
        .readings
        .iter()
        .find(|r| r.id == "platform-event")
        .expect("a reading");
    assert_eq!(event.state.as_deref(), Some("none"), "{event:?}");
    assert!(
        event.detail.to_string().contains("could not be seen"),
        "{event:?}"
    );
}
