//! Listing over regions and pages, regions that are down, and looking targets up.

use std::time::{Duration, Instant};

use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::inventory::{self, InventoryEvent};
use cvmtop::cloud::throttle::{Throttle, documented_rate};
use cvmtop::cloud::{Client, ClientConfig};
use cvmtop::demo::{self, DemoCloud, DemoOptions};
use cvmtop::domain::api_call::ApiCall;
use serde_json::json;
use tokio::sync::mpsc;

use super::server::{Request, Server, config, ok, refused};

async fn events(client: Client, regions: &[&str]) -> Vec<InventoryEvent> {
    let regions: Vec<String> = regions.iter().map(|r| (*r).to_owned()).collect();
    let (sender, mut receiver) = mpsc::channel(4);
    let task = tokio::spawn(async move { inventory::list(&client, &regions, sender).await });
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        events.push(event);
    }
    task.await.expect("task").expect("regions");
    events
}

fn demo_client(cloud: &DemoCloud) -> Client {
    let keys = Provider::Static(Credentials::new(&*cloud.secret_id, &*cloud.secret_key));
    let mut config = ClientConfig::new(&cloud.endpoint, keys);
    // A debug build on a busy machine answers many pages at once slowly; that is not judged here.
    config.timeout = Duration::from_secs(60);
    Client::new(config).expect("client")
}

fn fleet(request: &Request, size: u64) -> axum::response::Response {
    let offset = request.body["Offset"].as_u64().unwrap_or(0);
    let limit = request.body["Limit"].as_u64().unwrap_or(20);
    let set: Vec<_> = (offset..(offset + limit).min(size))
        .map(|n| json!({"InstanceId": format!("ins-{n}"), "InstanceState": "RUNNING", "New": {"field": null}}))
        .collect();
    ok(json!({"TotalCount": size, "InstanceSet": set}))
}

#[tokio::test]
async fn pages_come_as_they_are_read_and_a_region_that_is_down_stops_no_other() {
    let server = Server::start(|request: &Request| match request.region.as_str() {
        "ap-down" => refused("InternalError"),
        "ap-closed" => refused("UnauthorizedOperation"),
        _ => fleet(request, 250),
    })
    .await;
    let mut quick = config(&server.endpoint);
    quick.attempts = 2;
    let client = Client::new(quick).expect("client");
    let events = events(client, &["ap-down", "ap-seoul", "ap-closed", "ap-seoul"]).await;
    let mut ids = std::collections::HashSet::new();
    let mut failed = Vec::new();
    for event in &events {
        match event {
            InventoryEvent::Page {
                instances, total, ..
            } => {
                assert_eq!(*total, 250);
                ids.extend(instances.iter().map(|instance| instance.id.clone()));
            }
            InventoryEvent::RegionFailed { region, error } => {
                failed.push((region.as_str(), error.missing_permission().is_some()));
            }
            InventoryEvent::RegionDone { region, count } => {
                assert_eq!((region.as_str(), *count), ("ap-seoul", 250));
            }
            InventoryEvent::Started { regions } => assert_eq!(regions.len(), 3),
        }
    }
    failed.sort_unstable();
    assert_eq!(failed, [("ap-closed", true), ("ap-down", false)]);
    assert_eq!(ids.len(), 250);
}

/// Instances in the pages of a listing.
fn listed(events: &[InventoryEvent]) -> usize {
    let pages = events.iter().map(|event| match event {
        InventoryEvent::Page { instances, .. } => instances.len(),
        InventoryEvent::RegionFailed { region, error } => panic!("{region}: {error}"),
        _ => 0,
    });
    pages.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_instances_are_read_within_the_documented_rate() {
    let server = Server::start(|request: &Request| fleet(request, 10_000)).await;
    assert_eq!(
        listed(&events(server.client(), &["ap-seoul"]).await),
        10_000
    );
    let seen = server.seen.lock().expect("log");
    assert_eq!(seen.len(), 100, "no page is read twice");
    // By the client's own clock: on the way, requests may be delayed and arrive together.
    let mut in_second = std::collections::BTreeMap::<String, usize>::new();
    for request in seen.iter() {
        *in_second
            .entry(request.header("x-tc-timestamp"))
            .or_default() += 1;
    }
    assert!(
        in_second.values().all(|count| *count <= 40),
        "{in_second:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_share_a_budget_never_exceed_it_in_any_second() {
    let throttle = std::sync::Arc::new(Throttle::default());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let throttle = throttle.clone();
        tasks.spawn(async move {
            let call = ApiCall::new("cvm", "DescribeInstances", "ap-seoul", json!({}));
            let mut times = Vec::new();
            for _ in 0..15 {
                throttle.acquire(&call).await;
                times.push(Instant::now());
            }
            times
        });
    }
    let mut times: Vec<Instant> = tasks.join_all().await.concat();
    times.sort_unstable();
    let limit = documented_rate("cvm", "DescribeInstances") as usize;
    for window in times.windows(limit + 1) {
        let span = window[limit].duration_since(window[0]);
        assert!(
            span >= Duration::from_secs(1),
            "{} calls in {span:?}",
            limit + 1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_the_rate_holds_back_the_whole_listing() {
    let server = Server::start(|request: &Request| {
        if request.number == 4 {
            refused("RequestLimitExceeded")
        } else {
            fleet(request, 4_000)
        }
    })
    .await;
    assert_eq!(listed(&events(server.client(), &["ap-seoul"]).await), 4_000);
    let seen = server.seen.lock().expect("log");
    assert_eq!(
        seen.len(),
        41,
        "the refused page is read again, and only that one"
    );
    // Requests that were on their way still arrive; then nobody asks for a while.
    let after: Vec<Instant> = seen.iter().skip(3).map(|request| request.at).collect();
    let gaps = after.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    let gap = gaps.max();
    assert!(gap >= Some(Duration::from_millis(80)), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_cloud_never_has_to_refuse_while_a_large_fleet_is_listed_twice_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join("record");
    let cloud = demo::start(DemoOptions {
        hosts: false,
        fleet: 4_000,
        record: Some(record.clone()),
        ..DemoOptions::default()
    })
    .await
    .expect("demo");
    let client = demo_client(&cloud);
    let all = cloud.script().len() + 4_000;
    // The first listing of a console, and the refresh of the fleet that another key starts.
    let (first, second) = tokio::join!(events(client.clone(), &["all"]), events(client, &["all"]));
    assert_eq!((listed(&first), listed(&second)), (all, all));
    let text = std::fs::read_to_string(record).expect("a record");
    let calls = text
        .lines()
        .filter(|line| line.contains("\"DescribeInstances\""))
        .count();
    assert!(calls >= 80, "{calls}");
    let refused = text
        .lines()
        .filter(|line| line.contains("RequestLimitExceeded"))
        .count();
    assert_eq!(refused, 0, "of {calls}");
}

#[tokio::test]
async fn a_receiver_that_goes_ends_the_listing() {
    let server = Server::start(|request: &Request| fleet(request, 100_000)).await;
    let client = server.client();
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    inventory::list(&client, &["ap-seoul".to_owned()], sender)
        .await
        .expect("ends");
    assert!(server.count() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_fleet_is_found_by_region_id_name_and_address() {
    let cloud = demo::start(DemoOptions {
        hosts: false,
        fleet: 230,
        ..DemoOptions::default()
    })
    .await
    .expect("demo");
    let client = demo_client(&cloud);
    let mut regions = inventory::regions(&client).await.expect("regions");
    let mut offered = cloud.regions.clone();
    regions.sort();
    offered.sort();
    assert_eq!(regions, offered);
    let mut all = Vec::new();
    for event in events(client.clone(), &["all"]).await {
        match event {
            InventoryEvent::Page { instances, .. } => all.extend(instances),
            InventoryEvent::RegionFailed { region, error } => panic!("{region}: {error}"),
            _ => {}
        }
    }
    assert_eq!(all.len(), cloud.script().len() + 230);
    let (name, id, _) = cloud.script()[0].clone();
    let instance = all.iter().find(|i| i.id == id).expect("listed");
    let targets = [
        id.clone(),
        name,
        instance.public_addresses[0].to_string(),
        instance.private_addresses[0].to_string(),
    ];
    for target in targets {
        let found = inventory::find(&client, &regions, &target)
            .await
            .expect("found");
        let ids: Vec<_> = found.instances.iter().map(|i| i.id.clone()).collect();
        assert_eq!(ids, std::slice::from_ref(&id), "{target}");
        assert!(found.failures.is_empty());
    }
    for absent in ["ins-zzzzzzzz", "no-such-name", "198.51.100.250"] {
        let found = inventory::find(&client, &regions, absent)
            .await
            .expect("asked");
        assert!(
            found.instances.is_empty() && found.failures.is_empty(),
            "{absent}: {found:?}"
        );
    }
}
