//! ACLs and routes on the demo cloud: an undo puts back exactly what was, and leaves alone what
//! somebody else has changed since; so does the end of a time.

use crate::support::api;
use crate::support::lab;
use lab::Lab;
use serde_json::{Value, json};

fn ask(lab: &Lab, region: &str, action: &str, parameters: &Value) -> Value {
    let api = api::Api::new(
        &lab.demo.endpoint,
        &lab.demo.secret_id,
        &lab.demo.secret_key,
    );
    let answer = api.call("vpc", region, action, parameters);
    lab.runtime.block_on(answer).expect(action)
}

/// Every entry of every ACL of a region, in order.
fn acls(lab: &Lab, region: &str) -> Value {
    let mut all = ask(lab, region, "DescribeNetworkAcls", &json!({}))["NetworkAclSet"].clone();
    for acl in all.as_array_mut().expect("ACLs") {
        let id = json!({"NetworkAclId": acl["NetworkAclId"], "Limit": 100});
        let five = ask(lab, region, "DescribeNetworkAclQuintupleEntries", &id);
        acl["five"] = five["NetworkAclQuintupleSet"].clone();
    }
    all
}

fn tables(lab: &Lab, region: &str) -> Value {
    ask(lab, region, "DescribeRouteTables", &json!({}))["RouteTableSet"].clone()
}

fn act(lab: &Lab, words: &[&str]) -> String {
    lab.ok(&[&["act"], words, &["--yes"]].concat());
    lab.settled()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_acl_lets_one_service_through_there_and_back_and_is_put_back_as_it_was() {
    let lab = Lab::new();
    for (target, region) in [("orders-db-01", "ap-seoul"), ("batch-01", "ap-guangzhou")] {
        let before = acls(&lab, region);
        for source in ["203.0.113.7", "198.51.100.0/24"] {
            let set = format!("source={source}");
            let words = [target, "allow-acl", "--set", &set];
            let shown = lab.ok(&[&["act"], &words[..], &["--dry-run"]].concat());
            assert!(
                shown.contains("nothing is sent if somebody changed it"),
                "{shown}"
            );
            let id = act(&lab, &words);
            let during = acls(&lab, region);
            assert_ne!(during, before, "{target} {source}");
            // Done is done: the same is nothing to do.
            let (status, said) = lab.said(&[&["act"], &words[..], &["--yes"]].concat());
            assert_eq!(status, Some(3), "{said}");
            assert!(
                said.contains("already") || said.contains("through"),
                "{said}"
            );
            lab.ok(&["journal", "--undo", &id, "--yes"]);
            assert_eq!(acls(&lab, region), before, "{target} {source}");
        }
    }
}

#[test]
fn an_acl_that_somebody_changed_meanwhile_loses_only_what_was_lent_for_a_time() {
    let lab = Lab::new();
    let region = "ap-seoul";
    let before = acls(&lab, region);
    let id = act(
        &lab,
        &[
            "orders-db-01",
            "allow-acl",
            "--set",
            "source=203.0.113.7",
            "--set",
            "minutes=1",
        ],
    );
    let acl = acls(&lab, region)[0].clone();
    let mut ingress: Vec<Value> = acl["IngressEntries"].as_array().expect("entries").clone();
    for entry in &mut ingress {
        let entry = entry.as_object_mut().expect("an entry");
        entry.retain(|name, _| {
            ["Protocol", "Port", "CidrBlock", "Action", "Description"].contains(&name.as_str())
        });
    }
    ingress.push(
        json!({"Protocol": "TCP", "Port": "443", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}),
    );
    let change = json!({
        "NetworkAclId": acl["NetworkAclId"], "NetworkAclEntrySet": {"Ingress": ingress},
    });
    ask(&lab, region, "ModifyNetworkAclEntries", &change);
    let changed = acls(&lab, region);
    let (status, said) = lab.said(&["journal", "--undo", &id, "--yes"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("somebody has changed it since"), "{said}");
    assert_eq!(acls(&lab, region), changed);
    // The end of its time takes its own marked entries, and nothing that the other one wrote.
    lab.an_hour_passes();
    let (_, said) = lab.said(&["list", "--no-probe"]);
    assert!(said.contains("its time is over"), "{said}");
    let written = |acls: &Value, side: &str| -> Vec<Vec<String>> {
        let entries = acls[0][side].as_array().expect("entries").iter();
        let fields = ["Protocol", "Port", "CidrBlock", "Action"];
        let of = |entry: &Value| fields.map(|field| entry[field].to_string().to_uppercase());
        entries.map(|entry| of(entry).to_vec()).collect()
    };
    let left = acls(&lab, region);
    let mut wanted = written(&before, "IngressEntries");
    wanted.push(
        ["TCP", "443", "10.0.0.0/8", "ACCEPT"]
            .map(|word| format!("{word:?}"))
            .to_vec(),
    );
    assert_eq!(written(&left, "IngressEntries"), wanted);
    assert_eq!(
        written(&left, "EgressEntries"),
        written(&before, "EgressEntries")
    );
}

#[test]
fn the_end_of_its_time_puts_an_acl_and_a_cap_back() {
    let lab = Lab::new();
    let region = "ap-seoul";
    let before = acls(&lab, region);
    act(
        &lab,
        &[
            "orders-db-01",
            "allow-acl",
            "--set",
            "source=203.0.113.7",
            "--set",
            "minutes=1",
        ],
    );
    let cap = |lab: &Lab| {
        lab.instance("media-01")["InternetAccessible"]["InternetMaxBandwidthOut"].clone()
    };
    let was = cap(&lab);
    act(
        &lab,
        &[
            "media-01",
            "raise-bandwidth",
            "--set",
            "mbps=80",
            "--set",
            "minutes=1",
        ],
    );
    assert_eq!(cap(&lab), 80);
    lab.an_hour_passes();
    lab.ok(&["list", "--no-probe"]);
    lab.settled();
    assert_eq!(acls(&lab, region), before);
    assert_eq!(cap(&lab), was);
}

#[test]
fn a_route_is_switched_on_or_made_as_the_other_tables_have_it() {
    let lab = Lab::new();
    let region = "ap-singapore";
    let before = tables(&lab, region);
    let id = act(&lab, &["partner-app-01", "restore-route"]);
    assert_ne!(tables(&lab, region), before);
    lab.ok(&["journal", "--undo", &id, "--yes"]);
    assert_eq!(tables(&lab, region), before);
    // The route is gone: the other table of the VPC knows the way.
    let all = before.as_array().expect("tables");
    let table = all
        .iter()
        .find(|t| t["RouteTableName"] == "partner")
        .expect("a table");
    let route = &table["RouteSet"][1];
    let gone = json!({
        "RouteId": route["RouteId"], "DestinationCidrBlock": route["DestinationCidrBlock"],
        "GatewayType": route["GatewayType"], "GatewayId": route["GatewayId"],
    });
    let gone = json!({"RouteTableId": table["RouteTableId"], "Routes": [gone]});
    ask(&lab, region, "DeleteRoutes", &gone);
    let without = tables(&lab, region);
    let said = lab.ok(&["act", "partner-app-01", "restore-route", "--yes", "--wait"]);
    assert!(said.contains("login answers again"), "{said}");
    let id = lab.settled()["id"].as_str().expect("an id").to_owned();
    assert_ne!(tables(&lab, region), without);
    lab.ok(&["journal", "--undo", &id, "--yes"]);
    assert_eq!(tables(&lab, region), without);
    let writes = lab.gateway.writes();
    assert_eq!(
        writes,
        [
            "EnableRoutes",
            "DisableRoutes",
            "CreateRoutes",
            "DeleteRoutes"
        ]
    );
    // Nobody knows the way to a network that no table has.
    let words = [
        "act",
        "partner-app-01",
        "restore-route",
        "--set",
        "source=172.31.0.7",
        "--yes",
    ];
    let (status, said) = lab.said(&words);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("only a person can say"), "{said}");
    assert_eq!(lab.gateway.writes(), writes);
}

#[test]
fn a_block_is_lifted_within_what_the_account_has() {
    let lab = Lab::new();
    let (status, said) = lab.said(&["act", "shop-web-01", "unblock-address", "--yes"]);
    assert_eq!(status, Some(3), "{said}");
    let shown = lab.ok(&["act", "game-01", "unblock-address", "--dry-run"]);
    assert!(shown.contains("3 are left"), "{shown}");
    assert!(shown.contains("end by itself at"), "{shown}");
    act(&lab, &["game-01", "unblock-address"]);
    assert_eq!(lab.gateway.writes(), ["UnblockResources"]);
}
