//! Each scripted instance is looked at as an operator would, and its cause must come out on top.

use crate::support;
use crate::support::probe as servers;
use std::sync::Arc;

use cvmtop::cloud::facts::{self, FactRequest, RunInGuest};
use cvmtop::cloud::inventory;
use cvmtop::demo::{self, DemoOptions};
use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::{Path, Reading};
use cvmtop::domain::instance::Instance;
use cvmtop::domain::report::{InstanceSummary, Report, Vantage};
use cvmtop::guest::{self, GuestQuestion};
use cvmtop::probe::{self, Consent, Depth, ProbeOptions, ProbePlan, ProbeTarget};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use support::api::{Api, REGIONS};

/// Causes that no observation from outside and inside can tell without the user's own words.
const NEEDS_THE_USER: &[&str] = &[
    "client-network-fault",
    // Told by a key recorded earlier.
    "ssh-host-key-changed",
];

/// Told by the pause before the methods, which only the system's own client can see.
const NEEDS_A_CLIENT: &str = "ssh-slow-dns";

/// The account whose methods are asked for.
const NOBODY: &str = "nobody";

async fn probes(instance: &Instance) -> Vec<Reading> {
    let target = |path: Path, address: &std::net::IpAddr| ProbeTarget {
        path,
        address: *address,
        port: instance.login_port(),
    };
    let public = instance.public_addresses.iter();
    let private = instance.private_addresses.iter();
    let plan = ProbePlan {
        os: instance.os,
        targets: public
            .map(|a| target(Path::Public, a))
            .chain(private.map(|a| target(Path::Private, a)))
            .collect(),
        options: ProbeOptions {
            depth: Depth::Full,
            consent: Consent {
                methods_as: Some(NOBODY.to_owned()),
                known_hosts: Some("/dev/null".into()),
                ..Consent::default()
            },
            ..ProbeOptions::default()
        },
        ..ProbePlan::default()
    };
    let (sink, mut drain) = mpsc::channel(64);
    let reader = tokio::spawn(async move { while drain.recv().await.is_some() {} });
    let readings = probe::run(&plan, sink).await;
    reader.await.expect("the reader ends");
    readings
}

async fn cloud(api: &Api, instance: &Instance) -> Vec<Reading> {
    let request = FactRequest {
        own_sources: vec![
            (Path::Public, [127, 0, 0, 1].into()),
            (Path::Private, [127, 0, 0, 1].into()),
        ],
        run_in_guest: RunInGuest::Trivial,
        time_limit: std::time::Duration::from_secs(120),
        ..FactRequest::default()
    };
    let (sink, mut drain) = mpsc::channel(64);
    let reader = tokio::spawn(async move { while drain.recv().await.is_some() {} });
    let found = facts::gather(&api.client, instance, &request, sink).await;
    reader.await.expect("the reader ends");
    found.readings
}

async fn inside(api: &Api, instance: &Instance, readings: &[Reading]) -> Vec<Reading> {
    let online = readings
        .iter()
        .any(|r| r.id == "agent" && r.state.as_deref() == Some("online"));
    if !online {
        return Vec::new();
    }
    let question = GuestQuestion {
        user: instance.default_login_user.clone(),
        source: Some([127, 0, 0, 1].into()),
        port: instance.login_port(),
        private_address: instance.private_addresses.first().copied(),
        uses_key: Some(false),
        asked_at: None,
    };
    let text = guest::script(instance.os, &question);
    let id = json!(instance.id);
    let output = api
        .run_in_guest(&instance.region, &id, instance.os, &text)
        .await;
    guest::readings(instance.os, &output, &question)
}

async fn look(api: &Api, instance: &Instance) -> Report {
    let (mut readings, facts) = tokio::join!(probes(instance), Box::pin(cloud(api, instance)));
    readings.extend(facts);
    let guest = inside(api, instance, &readings).await;
    readings.extend(guest);
    let case = Case {
        instance: InstanceSummary::of(instance),
        vantage: Vantage::default(),
        readings: &readings,
        ..Case::default()
    };
    diagnose(Knowledge::shipped(), &case)
}

fn describe(report: &Report) -> String {
    let causes: Vec<String> = report.causes[..3]
        .iter()
        .map(|c| format!("{} {:.2}", c.id, c.probability))
        .collect();
    let odd: Vec<String> = report
        .evidence
        .iter()
        .filter_map(|r| Some((r, r.state.as_deref()?)))
        .map(|(r, state)| format!("{}={state}", r.id))
        .collect();
    format!("{}\n      {}", causes.join(", "), odd.join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_that_an_instance_demonstrates_comes_out_on_top() {
    let cloud = demo::start(DemoOptions {
        // The script is reached, for what it finds: whether it is on a real guest is open.
        profile_first: false,
        rate_limits: false,
        ..DemoOptions::default()
    })
    .await
    .expect("the demo starts");
    let api = Arc::new(Api::new(
        &cloud.endpoint,
        &cloud.secret_id,
        &cloud.secret_key,
    ));
    let regions: Vec<String> = REGIONS.iter().map(ToString::to_string).collect();
    let gate = Arc::new(Semaphore::new(8));
    let mut tasks = Vec::new();
    for (name, _, cause) in cloud.script() {
        let (api, gate, regions) = (Arc::clone(&api), Arc::clone(&gate), regions.clone());
        tasks.push(tokio::spawn(async move {
            let _turn = gate.acquire().await.expect("the gate stays open");
            let found = inventory::find(&api.client, &regions, &name).await;
            let instances = found.expect("instances are found").instances;
            let instance = instances
                .iter()
                .find(|i| i.name == name)
                .unwrap_or_else(|| panic!("{name} is not listed"));
            let report = Box::pin(look(&api, instance)).await;
            (name, cause, report)
        }));
    }
    let has_client = servers::program("ssh", "openssh-client").is_some();
    let mut wrong = Vec::new();
    let mut right = 0;
    for task in tasks {
        let (name, cause, report) = task.await.expect("a look at one instance");
        let untold =
            NEEDS_THE_USER.contains(&cause.as_str()) || (cause == NEEDS_A_CLIENT && !has_client);
        let expected = if cause.is_empty() || untold {
            "no-fault-found"
        } else {
            &cause
        };
        if report.causes[0].id == expected {
            right += 1;
        } else {
            wrong.push(format!("{name}: {expected}: {}", describe(&report)));
        }
    }
    println!("{right} right");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    );
}
