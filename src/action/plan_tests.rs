//! Plan tables: for each action the calls, refusals and confirmations that follow from facts.

use crate::domain::said::Said;
use serde_json::{Value, json};

use super::*;
use crate::action::context::{AccountType, AddressFacts, Fact, GroupFacts, Others, RepairTask};
use crate::action::plan::{Confirmation, Undo};
use crate::domain::instance::Instance;
use crate::domain::instance::Os;
use crate::domain::security_group::{Peer, Rule, RuleAction, SecurityGroup, Service};

fn instance(state: &str) -> Instance {
    Instance {
        id: "ins-1".to_owned(),
        name: "web-1".to_owned(),
        region: "ap-seoul".to_owned(),
        state: state.to_owned(),
        os: Os::Linux,
        public_addresses: vec!["203.0.113.9".parse().unwrap()],
        private_addresses: vec!["10.0.0.9".parse().unwrap()],
        bandwidth_out_mbps: Some(5),
        ..Instance::default()
    }
}

fn context(state: &str) -> PlanContext {
    PlanContext {
        entry: "e1".to_owned(),
        instance: instance(state),
        user_source: Some("198.51.100.7/32".parse().unwrap()),
        ..PlanContext::default()
    }
}

fn rule(index: i64, action: RuleAction, port: &str, source: &str) -> Rule {
    Rule {
        index,
        service: Service::Plain {
            protocol: "TCP".to_owned(),
            port: port.to_owned(),
        },
        peer: Peer::Network(source.to_owned()),
        action: Some(action),
        description: String::new(),
    }
}

fn group(id: &str, others: usize, ingress: Vec<Rule>) -> GroupFacts {
    GroupFacts {
        group: SecurityGroup {
            id: id.to_owned(),
            version: "7".to_owned(),
            ingress,
            ..SecurityGroup::default()
        },
        others: Some(Others {
            count: others,
            names: Vec::new(),
        }),
        ..GroupFacts::default()
    }
}

fn with_groups(groups: Vec<GroupFacts>) -> PlanContext {
    PlanContext {
        groups: Fact::Known(groups),
        ..context("RUNNING")
    }
}

fn set(action: ActionId, words: &[&str]) -> Parameters {
    Parameters::from_words(action, words).unwrap()
}

fn open_port(context: &PlanContext, words: &[&str]) -> Result<Plan, PlanError> {
    plan(ActionId::OpenPort, &set(ActionId::OpenPort, words), context)
}

fn added(plan: &Plan) -> &Value {
    &plan.steps[0].call.parameters["SecurityGroupPolicySet"]["Ingress"]
}

#[test]
fn open_port_is_the_narrowest_rule_on_top_with_lock_and_mark() {
    let context = with_groups(vec![group(
        "sg-a",
        3,
        vec![rule(0, RuleAction::Accept, "80", "0.0.0.0/0")],
    )]);
    let plan = open_port(&context, &[]).unwrap();
    let call = &plan.steps[0].call;
    assert_eq!(call.permission(), "vpc:CreateSecurityGroupPolicies");
    assert_eq!(call.parameters["SecurityGroupPolicySet"]["Version"], "7");
    assert_eq!(
        *added(&plan),
        json!([{"PolicyIndex": 0, "Protocol": "TCP", "Port": "22", "Action": "ACCEPT",
                "CidrBlock": "198.51.100.7/32", "PolicyDescription": "cvmtop-e1"}])
    );
    assert_eq!(plan.affected.count, Some(3));
    let rules = plan.rules.as_ref().unwrap();
    assert!(rules.after[0].added && rules.after[0].decides);
    assert!(!rules.before[0].decides);
    assert_eq!(plan.confirmation, Confirmation::Key);
}

#[test]
fn open_port_takes_ipv6_and_a_given_port() {
    let context = with_groups(vec![group("sg-a", 0, Vec::new())]);
    let plan = open_port(&context, &["source=2001:db8::1", "port=2222"]).unwrap();
    assert_eq!(added(&plan)[0]["Ipv6CidrBlock"], "2001:db8::1/128");
    assert_eq!(added(&plan)[0]["Port"], "2222");
    assert!(added(&plan)[0].get("CidrBlock").is_none());
}

#[test]
fn without_a_source_it_is_asked_for_and_everyone_is_never_the_default() {
    let mut context = with_groups(vec![group("sg-a", 0, Vec::new())]);
    context.user_source = None;
    context.own_source = Some("192.0.2.3".parse().unwrap());
    for action in [ActionId::OpenPort, ActionId::OpenCommonPorts] {
        let error = plan(action, &Parameters::none(), &context).unwrap_err();
        assert!(matches!(error, PlanError::Missing(_)));
        assert!(
            error.to_string().contains("this host (192.0.2.3)"),
            "{error}"
        );
    }
    let here = open_port(&context, &["source=here"]).unwrap();
    assert_eq!(added(&here)[0]["CidrBlock"], "192.0.2.3/32");
    context.own_source = None;
    let here = open_port(&context, &["source=here"]).unwrap();
    assert_eq!(added(&here)[0]["CidrBlock"], "MY_PUBLIC_IP");
}

#[test]
fn everyone_takes_the_typed_name_and_a_warning() {
    let context = with_groups(vec![group("sg-a", 0, Vec::new())]);
    for source in [
        "source=any",
        "source=0.0.0.0/0",
        "source=::/0",
        "source=0.0.0.0/1",
        "source=10.1.2.3/4",
    ] {
        let plan = open_port(&context, &[source]).unwrap();
        assert_eq!(plan.confirmation, Confirmation::TypedName, "{source}");
        assert!(plan.warnings.iter().any(|w| w.contains("whole Internet")));
        let stored = ["CidrBlock", "Ipv6CidrBlock"].map(|field| added(&plan)[0][field].clone());
        assert!(
            stored.contains(&json!("0.0.0.0/0")) || stored.contains(&json!("::/0")),
            "{source}: {stored:?}"
        );
    }
    let half = open_port(&context, &["source=128.0.0.0/1"]).unwrap();
    assert_eq!(half.confirmation, Confirmation::TypedName);
    assert!(half.warnings.iter().any(|w| w.contains("large part")));
}

#[test]
fn the_rule_goes_where_it_is_reached() {
    let drop = || vec![rule(0, RuleAction::Drop, "ALL", "0.0.0.0/0")];
    // The deny is in the first group: a rule in the second would never be reached.
    let context = with_groups(vec![group("sg-a", 9, drop()), group("sg-b", 0, Vec::new())]);
    let plan = open_port(&context, &[]).unwrap();
    assert_eq!(plan.steps[0].call.parameters["SecurityGroupId"], "sg-a");
    // No rule matches: the group with the fewest other users.
    let context = with_groups(vec![
        group("sg-a", 9, Vec::new()),
        group("sg-b", 0, Vec::new()),
    ]);
    let plan = open_port(&context, &[]).unwrap();
    assert_eq!(plan.steps[0].call.parameters["SecurityGroupId"], "sg-b");
    // Asked for by name behind the deny: done as asked, and warned about.
    let context = with_groups(vec![group("sg-a", 9, drop()), group("sg-b", 0, Vec::new())]);
    let plan = open_port(&context, &["group=sg-b"]).unwrap();
    assert!(plan.warnings.iter().any(|w| w.contains("still be refused")));
    assert!(open_port(&context, &["group=sg-zzz"]).is_err());
}

#[test]
fn what_is_open_already_is_nothing_to_do_and_half_open_networks_are_not() {
    let accept = vec![rule(0, RuleAction::Accept, "20-25", "198.51.100.0/25")];
    let context = with_groups(vec![group("sg-a", 0, accept)]);
    assert!(matches!(
        open_port(&context, &[]),
        Err(PlanError::NothingToDo(_))
    ));
    assert!(open_port(&context, &["source=198.51.100.0/24"]).is_ok());
}

#[test]
fn rules_that_could_not_be_read_are_no_empty_rules() {
    let mut context = context("RUNNING");
    context.groups = Fact::Unknown {
        why: Said::raw("no permission for vpc:DescribeSecurityGroupPolicies"),
        remedy: Said::raw("ask for it"),
    };
    assert!(matches!(
        open_port(&context, &[]),
        Err(PlanError::Unknown(_))
    ));
}

#[test]
fn power_actions_refuse_what_the_cloud_would_refuse() {
    let none = Parameters::none();
    for (action, state, expected) in [
        (ActionId::Restart, "RUNNING", None),
        (ActionId::Restart, "STOPPED", Some("start it")),
        (ActionId::Restart, "REBOOTING", Some("wait for its end")),
        (ActionId::Start, "STOPPED", None),
        (ActionId::Start, "RUNNING", Some("already runs")),
        (ActionId::Stop, "STOPPED", Some("already stopped")),
        (ActionId::Stop, "RUNNING", None),
        (ActionId::ExitRescue, "RUNNING", Some("RESCUE_MODE")),
        (ActionId::EnterRescue, "STOPPED", None),
    ] {
        let result = plan(action, &none, &context(state));
        match expected {
            None => assert!(result.is_ok(), "{action} {state}"),
            Some(part) => {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(part), "{action} {state}: {error}");
            }
        }
    }
    let mut isolated = context("STOPPED");
    isolated.instance.isolated_source = "ARREAR".to_owned();
    let error = plan(ActionId::Start, &none, &isolated).unwrap_err();
    assert!(error.to_string().contains("arrears"));
}

#[test]
fn restart_modes_become_the_apis_words() {
    for (word, wire) in [
        ("soft", "SOFT"),
        ("soft-first", "SOFT_FIRST"),
        ("hard", "HARD"),
    ] {
        let parameters = set(ActionId::Restart, &[&format!("mode={word}")]);
        let plan = plan(ActionId::Restart, &parameters, &context("RUNNING")).unwrap();
        assert_eq!(plan.steps[0].call.parameters["StopType"], wire);
        assert_eq!(plan.confirmation, Confirmation::TypedName);
    }
    let soft = plan(ActionId::Restart, &Parameters::none(), &context("RUNNING")).unwrap();
    assert_eq!(soft.steps[0].call.parameters["StopType"], "SOFT");
}

#[test]
fn bandwidth_is_raised_where_the_cap_lies() {
    let address = AddressFacts {
        id: "eip-1".to_owned(),
        ip: "203.0.113.9".to_owned(),
        kind: "EIP".to_owned(),
        bandwidth: Some(10),
        ..AddressFacts::default()
    };
    let parameters = set(ActionId::RaiseBandwidth, &["mbps=20"]);
    for (account, addresses, expected) in [
        (
            AccountType::Standard,
            vec![address.clone()],
            "ModifyAddressesBandwidth",
        ),
        (
            AccountType::Legacy,
            vec![address.clone()],
            "ResetInstancesInternetMaxBandwidth",
        ),
        (
            AccountType::Standard,
            Vec::new(),
            "ResetInstancesInternetMaxBandwidth",
        ),
    ] {
        let mut context = context("RUNNING");
        context.account_type = Fact::Known(account);
        context.addresses = Fact::Known(addresses);
        let plan = plan(ActionId::RaiseBandwidth, &parameters, &context).unwrap();
        assert_eq!(plan.steps[0].call.action, expected);
        assert!(matches!(plan.undo, Undo::Steps { .. }));
        context.instance.internet_charge_type = "BANDWIDTH_PREPAID".to_owned();
        if expected.starts_with("Reset") {
            let prepaid =
                |context: &PlanContext| super::plan(ActionId::RaiseBandwidth, &parameters, context);
            let no_end = prepaid(&context);
            assert!(matches!(no_end, Err(PlanError::NotApplicable(_))));
            context.today = "2026-11-28".to_owned();
            // 07:00 on the next day where the vendor is.
            context.instance.expired_time = "2027-01-31T23:00:00Z".parse().ok();
            let plan = prepaid(&context).unwrap();
            let body = &plan.steps[0].call.parameters;
            assert_eq!(body["StartTime"], "2026-11-28");
            assert_eq!(body["EndTime"], "2027-02-01");
            assert!(
                matches!(plan.undo, Undo::None { .. }),
                "prepaid caps only rise"
            );
            context.instance.internet_charge_type = "BANDWIDTH_POSTPAID_BY_MONTH".to_owned();
            let monthly = prepaid(&context);
            assert!(matches!(monthly, Err(PlanError::NotApplicable(_))));
        }
    }
}

#[test]
fn a_new_address_is_bought_only_when_none_is_free() {
    let free = |status: &str, arrears: bool| AddressFacts {
        id: "eip-1".to_owned(),
        status: status.to_owned(),
        is_arrears: arrears,
        ..AddressFacts::default()
    };
    for (addresses, expected) in [
        (vec![free("UNBIND", false)], vec!["AssociateAddress"]),
        (
            vec![free("UNBIND", true)],
            vec!["AllocateAddresses", "AssociateAddress"],
        ),
        (Vec::new(), vec!["AllocateAddresses", "AssociateAddress"]),
    ] {
        let mut context = context("RUNNING");
        context.instance.public_addresses.clear();
        context.account_type = Fact::Known(AccountType::Standard);
        context.free_addresses = Fact::Known(addresses);
        let plan = plan(ActionId::AssociateAddress, &Parameters::none(), &context).unwrap();
        let calls: Vec<_> = plan.steps.iter().map(|s| s.call.action.as_str()).collect();
        assert_eq!(calls, expected);
    }
}

#[test]
fn secrets_are_slots_and_a_repair_never_gives_up_local_disks() {
    let none = Parameters::none();
    let reset = plan(ActionId::ResetPassword, &none, &context("RUNNING")).unwrap();
    assert_eq!(
        reset.steps[0].call.parameters["Password"],
        said::generated_when_sent().as_str()
    );
    assert_eq!(reset.steps[0].call.parameters["ForceStop"], true);
    let mut waiting = context("RUNNING");
    waiting.repair_tasks = Fact::Known(vec![RepairTask {
        id: "rep-1".to_owned(),
        title: String::new(),
        status: 1,
        auth_type: Some(5),
    }]);
    let repair = plan(ActionId::AuthorizeRepair, &none, &waiting).unwrap();
    assert!(
        repair.steps[0]
            .call
            .parameters
            .get("TaskSubMethod")
            .is_none()
    );
    // Each documented AuthType says its own consequences, and what is not documented is not known.
    let of = |auth_type| {
        let mut one = waiting.clone();
        one.repair_tasks = Fact::Known(vec![RepairTask {
            id: "rep-1".to_owned(),
            title: String::new(),
            status: 1,
            auth_type,
        }]);
        plan(ActionId::AuthorizeRepair, &none, &one)
    };
    for auth_type in 1..=7 {
        let plan = of(Some(auth_type)).unwrap();
        assert!(!plan.data_risk.contains("not known"), "{auth_type}");
        let swaps = matches!(auth_type, 3 | 4);
        assert_eq!(plan.data_risk.contains("is lost"), swaps, "{auth_type}");
    }
    assert!(matches!(of(Some(8)), Err(PlanError::NotApplicable(_))));
    for unknown in [None, Some(9)] {
        assert!(of(unknown).unwrap().data_risk.contains("not known"));
    }
}

#[test]
fn every_call_of_a_plan_and_of_its_undo_is_among_the_permissions_of_its_row() {
    let named = |plan: &Plan| {
        let row = super::super::catalog::row_of(plan.action);
        let undo = match &plan.undo {
            Undo::Steps { steps, .. } => steps.clone(),
            _ => Vec::new(),
        };
        for step in plan.steps.iter().chain(&undo) {
            let call = step.call.permission();
            assert!(row.permissions.contains(&call.as_str()), "{call}");
        }
    };
    let mut stopped = context("STOPPED");
    // A new address is bought where none is free, and given back by the undo.
    stopped.instance.public_addresses.clear();
    stopped.free_addresses = Fact::Known(Vec::new());
    stopped.account_type = Fact::Known(AccountType::Standard);
    let bought = plan(ActionId::AssociateAddress, &Parameters::none(), &stopped).unwrap();
    assert_eq!(bought.steps.len(), 2);
    named(&bought);
    for action in [ActionId::Start, ActionId::EnterRescue] {
        named(&plan(action, &Parameters::none(), &stopped).unwrap());
    }
}

#[test]
fn every_plan_survives_the_journal_and_names_its_permissions() {
    let mut full = with_groups(vec![group("sg-a", 0, Vec::new())]);
    full.agent = Fact::Known("Online".to_owned());
    full.account_type = Fact::Known(AccountType::Standard);
    full.addresses = Fact::Known(Vec::new());
    for id in ActionId::ALL {
        let words: &[&str] = match id {
            ActionId::RaiseBandwidth => &["mbps=50"],
            ActionId::AssociateSecurityGroup => &["group=sg-zz"],
            ActionId::BindKeyPair => &["key=skey-zz"],
            _ => &[],
        };
        let mut context = full.clone();
        if *id == ActionId::Start {
            "STOPPED".clone_into(&mut context.instance.state);
        }
        if let Some(os) = crate::action::catalog::row_of(*id).only_on {
            context.instance.os = os;
        }
        let Ok(plan) = plan(*id, &set(*id, words), &context) else {
            continue;
        };
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{id}");
        let row = crate::action::catalog::row_of(*id);
        for permission in plan.permissions() {
            assert!(
                row.permissions.contains(&permission.as_str()),
                "{id}: {permission}"
            );
        }
    }
}
