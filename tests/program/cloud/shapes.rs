//! An answer of a wrong shape is an unknown: each read with each wrong shape.

use cvmtop::domain::evidence::Status;
use serde_json::{Value, json};

use super::states::{base, read, serve};

/// What a list must not be; `None` is a field that is not there.
fn shapes() -> Vec<Option<Value>> {
    vec![
        None,
        Some(Value::Null),
        Some(json!({})),
        Some(json!("x")),
        Some(json!(7)),
        Some(json!(true)),
        Some(json!([7])),
        Some(json!(["x"])),
        Some(json!([[]])),
    ]
}

/// Action, field, answers beside the base, groups that rest on the field.
fn rows() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    let acl = json!({
        "DescribeSubnets": {"SubnetSet": [{"SubnetId": "subnet-1", "NetworkAclId": "acl-1",
            "RouteTableId": "rtb-1", "CidrBlock": "10.0.1.0/24"}]},
        "DescribeNetworkAcls": {"NetworkAclSet": [{"NetworkAclId": "acl-1", "NetworkAclType": "TRIPLE",
            "IngressEntries": [], "EgressEntries": []}]},
    });
    let five = json!({
        "DescribeSubnets": acl["DescribeSubnets"],
        "DescribeNetworkAcls": {"NetworkAclSet": [{"NetworkAclId": "acl-1", "NetworkAclType": "QUINTUPLE",
            "IngressEntries": [], "EgressEntries": []}]},
        "DescribeNetworkAclQuintupleEntries": {"TotalCount": 0, "NetworkAclQuintupleSet": []},
    });
    let inside = json!({"from": "10.9.0.1"});
    let none = || json!({});
    vec![
        (
            "DescribeSecurityGroupPolicies",
            "/SecurityGroupPolicySet",
            none(),
            &["security-group", "security-group-here"],
        ),
        (
            "DescribeSecurityGroupPolicies",
            "/SecurityGroupPolicySet/Ingress",
            none(),
            &["security-group", "security-group-here"],
        ),
        (
            "DescribeSubnets",
            "/SubnetSet",
            none(),
            &["network-acl", "route"],
        ),
        (
            "DescribeNetworkAcls",
            "/NetworkAclSet",
            acl.clone(),
            &["network-acl"],
        ),
        (
            "DescribeNetworkAcls",
            "/NetworkAclSet/0/IngressEntries",
            acl.clone(),
            &["network-acl"],
        ),
        (
            "DescribeNetworkAcls",
            "/NetworkAclSet/0/EgressEntries",
            acl,
            &["network-acl"],
        ),
        (
            "DescribeNetworkAclQuintupleEntries",
            "/NetworkAclQuintupleSet",
            five,
            &["network-acl"],
        ),
        (
            "DescribeRouteTables",
            "/RouteTableSet",
            inside.clone(),
            &["route"],
        ),
        (
            "DescribeRouteTables",
            "/RouteTableSet/0/RouteSet",
            inside.clone(),
            &["route"],
        ),
        ("DescribeVpcs", "/VpcSet", inside, &["route"]),
        (
            "DescribeAddresses",
            "/AddressSet",
            none(),
            &["public-address", "public-bandwidth"],
        ),
        (
            "DescribeAutomationAgentStatus",
            "/AutomationAgentSet",
            none(),
            &["agent"],
        ),
        (
            "DescribeTaskInfo",
            "/RepairTaskInfoSet",
            none(),
            &["platform-event"],
        ),
        (
            "DescribeAccidentEventList",
            "/Alarms",
            none(),
            &["platform-event"],
        ),
        ("DescribeEvents", "/Events", none(), &["recent-change"]),
        (
            "DescribeNetworkInterfaces",
            "/NetworkInterfaceSet",
            none(),
            &["recent-change"],
        ),
        (
            "DescribeNetworkInterfaces",
            "/NetworkInterfaceSet/0/NetworkInterfaceId",
            none(),
            &["recent-change"],
        ),
        ("DescribeDisks", "/DiskSet", none(), &["disk-io"]),
        (
            "GetMonitorData",
            "/DataPoints",
            none(),
            &["cpu", "memory", "disk"],
        ),
    ]
}

/// Puts a value, or nothing, in a place of an answer.
fn put(answer: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = answer.pointer_mut(parent).expect("a parent");
    match value {
        Some(value) => parent[field] = value,
        None => drop(parent.as_object_mut().expect("an object").remove(field)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_wrong_shape_is_never_a_state() {
    let mut wrong = Vec::new();
    for (action, pointer, beside, groups) in rows() {
        for shape in shapes() {
            let mut answers = beside.clone();
            let mut answer = answers
                .get(action)
                .or(base().get(action))
                .expect(action)
                .clone();
            put(&mut answer, pointer, shape.clone());
            answers[action] = answer;
            let facts = read(&serve(&json!({}), &answers, None).await, &answers).await;
            // The audit log was read; what it could not be asked about is named.
            let status = match action {
                "DescribeNetworkInterfaces" => Status::NotAttempted,
                _ => Status::ProbeFailed,
            };
            for group in groups {
                for reading in facts.readings.iter().filter(|r| r.id == *group) {
                    if reading.status != status || reading.state.is_some() {
                        wrong.push(format!("{action}{pointer} = {shape:?}: {reading:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_not_understood_is_never_a_refusal() {
    let rule = json!({"PolicyIndex": 0, "Protocol": "TCP", "Port": "22", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"});
    for (field, value) in [
        ("Protocol", Some(json!("SCTP"))),
        ("Protocol", Some(json!(""))),
        ("Protocol", Some(Value::Null)),
        ("Protocol", None),
        ("Port", Some(Value::Null)),
        ("Port", None),
        ("CidrBlock", Some(Value::Null)),
        ("CidrBlock", Some(json!("somewhere"))),
        ("CidrBlock", None),
        ("Action", Some(json!("MAYBE"))),
        ("Action", None),
    ] {
        let mut rule = rule.clone();
        put(&mut rule, &format!("/{field}"), value.clone());
        let set = json!({"Version": "1", "Egress": [], "Ingress": [rule]});
        let answers = json!({"DescribeSecurityGroupPolicies": {"SecurityGroupPolicySet": set}});
        let facts = read(&serve(&json!({}), &answers, None).await, &answers).await;
        let reading = facts.readings.iter().find(|r| r.id == "security-group");
        let reading = reading.expect("a reading");
        assert_eq!(
            reading.observed_state(),
            Some("unresolved"),
            "{field} = {value:?}: {reading:?}"
        );
    }
}
