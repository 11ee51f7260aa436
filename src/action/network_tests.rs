//! Plan tables of `allow-acl`, `restore-route`, `unblock-address` and of a cap for a time.

use serde_json::{Value, json};

use super::context::{
    AclFacts, AclLine, AddressFacts, BlockFacts, Fact, Others, PlanContext, RouteFacts, RouteLine,
};
use super::expected::as_sent;
use super::parameters::Parameters;
use super::plan::{Confirmation, Plan, PlanError, Undo};
use super::planner::plan;
use crate::domain::action::ActionId;
use crate::domain::instance::{Instance, Os};
use crate::domain::network_acl::Entry;
use crate::domain::security_group::RuleAction;

fn context() -> PlanContext {
    PlanContext {
        entry: "e1".to_owned(),
        instance: Instance {
            id: "ins-1".to_owned(),
            name: "web-1".to_owned(),
            region: "ap-seoul".to_owned(),
            state: "RUNNING".to_owned(),
            os: Os::Linux,
            public_addresses: vec!["203.0.113.9".parse().unwrap()],
            private_addresses: vec!["10.0.0.9".parse().unwrap()],
            bandwidth_out_mbps: Some(5),
            ..Instance::default()
        },
        user_source: Some("198.51.100.7/32".parse().unwrap()),
        ..PlanContext::default()
    }
}

/// `ACTION protocol port network`, as a triple ACL writes it.
fn triple(line: &str, inbound: bool) -> AclLine {
    let words: Vec<&str> = line.split_whitespace().collect();
    let port = words[2].to_owned();
    let (local_port, remote_port) = if inbound {
        (port.clone(), String::new())
    } else {
        (String::new(), port.clone())
    };
    AclLine {
        entry: Entry {
            protocol: words[1].to_owned(),
            remote: words[3].to_owned(),
            remote_port,
            local_port,
            action: Some(if words[0] == "ACCEPT" {
                RuleAction::Accept
            } else {
                RuleAction::Drop
            }),
            ..Entry::default()
        },
        sent: as_sent(
            &json!({"Protocol": words[1], "Port": port, "CidrBlock": words[3], "Action": words[0]}),
            false,
        ),
    }
}

fn acl(ingress: &[&str], egress: &[&str]) -> AclFacts {
    AclFacts {
        id: "acl-1".to_owned(),
        name: "data".to_owned(),
        ingress: ingress.iter().map(|line| triple(line, true)).collect(),
        egress: egress.iter().map(|line| triple(line, false)).collect(),
        subnet: "10.0.0.0/24".to_owned(),
        subnets: vec!["data (subnet-1)".to_owned()],
        others: Some(Others {
            count: 4,
            names: vec!["db-2 (ins-2)".to_owned()],
        }),
        ..AclFacts::default()
    }
}

fn allow(facts: Option<AclFacts>, words: &[&str]) -> Result<Plan, PlanError> {
    let context = PlanContext {
        acl: Fact::Known(facts),
        ..context()
    };
    let parameters = Parameters::from_words(ActionId::AllowAcl, words).unwrap();
    plan(ActionId::AllowAcl, &parameters, &context)
}

const OPEN: &str = "ACCEPT ALL ALL 0.0.0.0/0";

#[test]
fn the_entry_is_the_narrowest_and_stands_right_above_what_refuses() {
    let facts = acl(
        &[
            "ACCEPT TCP 8080 0.0.0.0/0",
            "DROP TCP 1-17999 0.0.0.0/0",
            OPEN,
        ],
        &[OPEN],
    );
    let plan = allow(Some(facts), &[]).unwrap();
    let call = &plan.steps[0].call;
    assert_eq!(call.permission(), "vpc:ModifyNetworkAclEntries");
    let new = json!({
        "Protocol": "TCP", "Port": "22", "CidrBlock": "198.51.100.7/32", "Action": "ACCEPT",
        "Description": "cvmtop-e1",
    });
    let set = &call.parameters["NetworkAclEntrySet"];
    let ports: Vec<&Value> = set["Ingress"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["Port"])
        .collect();
    assert_eq!(json!(ports), json!(["8080", "22", "1-17999", null]));
    assert_eq!(set["Ingress"][1], new);
    // The answers are let out already, so that side is not touched.
    assert!(set.get("Egress").is_none());
    let Undo::Steps { steps, .. } = &plan.undo else {
        panic!("{:?}", plan.undo)
    };
    let back = &steps[0].call.parameters["NetworkAclEntrySet"]["Ingress"];
    assert_eq!(back.as_array().unwrap().len(), 3);
    assert_eq!(plan.affected.count, Some(4));
    assert_eq!(plan.confirmation, Confirmation::Key);
    let rules = plan.rules.as_ref().unwrap();
    assert!(rules.after[1].added);
    assert!(rules.decided_before.contains("refuses"));
    assert!(
        rules.decided_after.contains("allows"),
        "{}",
        rules.decided_after
    );
}

#[test]
fn the_answers_get_only_the_ports_that_a_rule_refuses() {
    let facts = acl(
        &[OPEN],
        &[
            "ACCEPT TCP 443 0.0.0.0/0",
            "DROP TCP 30000-60000 0.0.0.0/0",
            OPEN,
        ],
    );
    let plan = allow(Some(facts), &[]).unwrap();
    let set = &plan.steps[0].call.parameters["NetworkAclEntrySet"];
    assert!(set.get("Ingress").is_none());
    assert_eq!(set["Egress"][1]["Port"], "30000-60000");
    assert_eq!(set["Egress"][1]["CidrBlock"], "198.51.100.7/32");
    let closed = allow(Some(acl(&[], &[])), &["minutes=30"]).unwrap();
    let set = &closed.steps[0].call.parameters["NetworkAclEntrySet"];
    assert_eq!(set["Ingress"][0]["Port"], "22");
    assert_eq!(set["Egress"][0]["Port"], "1024-65535");
    assert_eq!(closed.expires_after_minutes, Some(30));
    assert_eq!(closed.tables.len(), 1);
    // An empty list could be taken for one that is not given.
    let Undo::Steps { steps, .. } = &closed.undo else {
        panic!("{:?}", closed.undo)
    };
    let back = &steps[0].call.parameters["NetworkAclEntrySet"];
    assert_eq!(
        back["Ingress"],
        json!([{"Protocol": "ALL", "CidrBlock": "0.0.0.0/0", "Action": "DROP"}])
    );
}

#[test]
fn five_fields_name_the_instance_itself() {
    let facts = AclFacts {
        quintuple: true,
        ..acl(&[], &[OPEN])
    };
    let plan = allow(Some(facts), &["port=2222"]).unwrap();
    let set = &plan.steps[0].call.parameters["NetworkAclQuintupleSet"];
    assert_eq!(
        set["Ingress"],
        json!([{
            "Protocol": "TCP", "SourceCidr": "198.51.100.7/32", "SourcePort": "1024-65535",
            "DestinationCidr": "10.0.0.9/32", "DestinationPort": "2222", "Action": "ACCEPT",
            "Description": "cvmtop-e1",
        }])
    );
}

#[test]
fn what_needs_no_entry_gets_none_and_much_of_the_internet_takes_the_typed_name() {
    let nothing = |result: Result<Plan, PlanError>| {
        assert!(
            matches!(result, Err(PlanError::NothingToDo(_))),
            "{result:?}"
        );
    };
    nothing(allow(None, &[]));
    nothing(allow(Some(acl(&[OPEN], &[OPEN])), &[]));
    nothing(allow(Some(acl(&[], &[])), &["source=10.0.0.77"]));
    let wide = allow(Some(acl(&[], &[OPEN])), &["source=any"]).unwrap();
    assert_eq!(wide.confirmation, Confirmation::TypedName);
    assert_eq!(wide.parameters["source"], "any");
    let mut unknown = context();
    unknown.user_source = None;
    unknown.acl = Fact::Known(Some(acl(&[], &[])));
    let asked = plan(ActionId::AllowAcl, &Parameters::none(), &unknown);
    assert!(matches!(asked, Err(PlanError::Missing(_))), "{asked:?}");
}

fn route(item: &str, target: &str, kind: &str, gateway: &str, enabled: bool) -> RouteLine {
    RouteLine {
        item: item.to_owned(),
        number: 7,
        target: target.to_owned(),
        kind: kind.to_owned(),
        gateway: gateway.to_owned(),
        enabled,
        own: true,
        description: String::new(),
    }
}

fn restore(
    routes: Vec<RouteLine>,
    siblings: Vec<RouteLine>,
    words: &[&str],
) -> Result<Plan, PlanError> {
    let context = PlanContext {
        routes: Fact::Known(RouteFacts {
            table: "rtb-1".to_owned(),
            networks: vec!["10.0.0.0/16".to_owned()],
            routes,
            siblings: vec![("rtb-2".to_owned(), siblings)],
            ..RouteFacts::default()
        }),
        user_source: Some("172.16.0.7/32".parse().unwrap()),
        ..context()
    };
    let parameters = Parameters::from_words(ActionId::RestoreRoute, words).unwrap();
    plan(ActionId::RestoreRoute, &parameters, &context)
}

#[test]
fn a_route_that_is_off_is_switched_on_the_narrowest_first() {
    let wide = route("rti-w", "172.16.0.0/12", "VPN", "vpngw-1", false);
    let narrow = route("rti-n", "172.16.0.0/24", "DIRECTCONNECT", "dcg-1", false);
    let nat = route("rti-x", "0.0.0.0/0", "NAT", "nat-1", true);
    let plan = restore(vec![nat.clone(), wide.clone(), narrow], vec![], &[]).unwrap();
    assert_eq!(
        plan.steps[0].call.parameters,
        json!({"RouteTableId": "rtb-1", "RouteItemIds": ["rti-n"]})
    );
    assert_eq!(plan.parameters["route"], "rti-n");
    let twin = route("rti-t", "172.16.0.0/12", "VPN", "vpngw-2", false);
    let asked = restore(vec![wide.clone(), twin], vec![], &[]);
    assert!(matches!(asked, Err(PlanError::Missing(_))), "{asked:?}");
    let on = route("rti-o", "172.16.0.0/12", "EIP", "0", true);
    let blocked = restore(vec![on, wide.clone()], vec![], &[]).unwrap_err();
    assert!(
        blocked.to_string().contains("same destination"),
        "{blocked}"
    );
    let leads = RouteLine {
        enabled: true,
        ..wide
    };
    let nothing = restore(vec![nat, leads], vec![], &[]);
    assert!(
        matches!(nothing, Err(PlanError::NothingToDo(_))),
        "{nothing:?}"
    );
}

#[test]
fn a_route_is_made_only_where_the_other_tables_agree() {
    let way = route("rti-a", "172.16.0.0/12", "VPN", "vpngw-1", true);
    let plan = restore(vec![], vec![way.clone()], &[]).unwrap();
    assert_eq!(plan.steps[0].call.action, "CreateRoutes");
    assert_eq!(
        plan.steps[0].call.parameters["Routes"],
        json!([{
            "DestinationCidrBlock": "172.16.0.0/12", "GatewayType": "VPN", "GatewayId": "vpngw-1",
            "RouteDescription": "cvmtop-e1",
        }])
    );
    assert!(matches!(plan.undo, Undo::RemoveRoute(_)));
    for siblings in [
        vec![],
        vec![route("rti-n", "0.0.0.0/0", "NAT", "nat-1", true)],
    ] {
        let refused = restore(vec![], siblings, &[]).unwrap_err();
        assert!(refused.to_string().contains("only a person"), "{refused}");
    }
    let internet = restore(vec![], vec![], &["source=198.51.100.7"]).unwrap_err();
    assert!(
        internet.to_string().contains("public address"),
        "{internet}"
    );
    let inside = restore(vec![], vec![], &["source=10.0.7.7"]);
    assert!(
        matches!(inside, Err(PlanError::NothingToDo(_))),
        "{inside:?}"
    );
}

#[test]
fn a_lift_is_asked_for_where_there_is_one() {
    let own: std::net::IpAddr = "203.0.113.9".parse().unwrap();
    let lift = |facts: BlockFacts| {
        let context = PlanContext {
            block: Fact::Known(facts),
            ..context()
        };
        plan(ActionId::UnblockAddress, &Parameters::none(), &context)
    };
    let blocked = BlockFacts {
        blocked: vec![(own, "2026-02-04T11:30:00+08:00".to_owned())],
        quota: Some((3, 1, "2026-02-05T00:00:00+08:00".to_owned())),
        ends: Some("2026-02-04 13:30:00".to_owned()),
        ..BlockFacts::default()
    };
    let plan = lift(blocked.clone()).unwrap();
    assert_eq!(plan.steps[0].call.version, "2025-09-03");
    assert_eq!(plan.steps[0].call.parameters, json!({"Resources": [own]}));
    assert!(plan.cost.contains("2 are left"), "{}", plan.cost);
    for (quota, words) in [((0, 0), "paid"), ((3, 3), "used until")] {
        let refused = lift(BlockFacts {
            quota: Some((quota.0, quota.1, "midnight".to_owned())),
            ..blocked.clone()
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
        assert!(refused.contains("13:30:00"), "{refused}");
    }
    let lifting = BlockFacts {
        blocked: Vec::new(),
        lifting: vec![own],
        ..blocked
    };
    for facts in [BlockFacts::default(), lifting] {
        let nothing = lift(facts);
        assert!(
            matches!(nothing, Err(PlanError::NothingToDo(_))),
            "{nothing:?}"
        );
    }
}

#[test]
fn a_cap_for_a_time_is_one_that_can_be_set_back() {
    let raise = |charge: &str, words: &[&str]| {
        let mut context = context();
        context.instance.internet_charge_type = charge.to_owned();
        context.instance.expired_time = "2030-01-01T00:00:00Z".parse().ok();
        context.addresses = Fact::Known(Vec::<AddressFacts>::new());
        let parameters = Parameters::from_words(ActionId::RaiseBandwidth, words).unwrap();
        plan(ActionId::RaiseBandwidth, &parameters, &context)
    };
    let hourly = raise("TRAFFIC_POSTPAID_BY_HOUR", &["mbps=50", "minutes=60"]).unwrap();
    assert_eq!(hourly.expires_after_minutes, Some(60));
    assert!(hourly.steps[0].expects.is_some());
    let prepaid = raise("BANDWIDTH_PREPAID", &["mbps=50", "minutes=60"]).unwrap_err();
    assert!(
        prepaid.to_string().contains("cannot be lowered"),
        "{prepaid}"
    );
    assert!(raise("BANDWIDTH_PREPAID", &["mbps=50"]).is_ok());
}
