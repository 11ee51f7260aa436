//! Listing over regions and pages, regions that are down, and looking targets up.

use cvmtop::cloud::inventory::{self, InventoryEvent};
use cvmtop::demo::{self, DemoOptions};
use serde_json::json;
use tokio::sync::mpsc;

use crate::server::{Request, Server, config, ok, refused};

async fn events(client: cvmtop::cloud::Client, regions: &[&str]) -> Vec<InventoryEvent> {
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
    let client = cvmtop::cloud::Client::new(quick).expect("client");
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
    let keys = cvmtop::cloud::credentials::Provider::Static(
        cvmtop::cloud::credentials::Credentials::new(&*cloud.secret_id, &*cloud.secret_key),
    );
    let client =
        cvmtop::cloud::Client::new(cvmtop::cloud::ClientConfig::new(&cloud.endpoint, keys))
            .expect("client");
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
