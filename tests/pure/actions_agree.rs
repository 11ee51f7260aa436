//! What the knowledge says of an action, and what its plan does, are the same: where it can be
//! used, and whether it can be taken back.

use cvmtop::action::context::{
    AccountType, AclFacts, AddressFacts, BlockFacts, Fact, GroupFacts, Others, PlanContext,
    RepairTask, RouteFacts, RouteLine,
};
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::{Plan, PlanError, Undo};
use cvmtop::action::planner::plan;
use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::domain::security_group::SecurityGroup;

/// Classes of `instance-state` in the knowledge, and a state of the cloud in each.
const STATES: &[(&str, &str)] = &[
    ("running", "RUNNING"),
    ("stopped", "STOPPED"),
    ("rescue", "RESCUE_MODE"),
    ("transitional", "STARTING"),
    ("stuck", "REBOOTING"),
    ("terminating", "TERMINATING"),
    ("launch-failed", "LAUNCH_FAILED"),
];

fn address(id: &str, status: &str) -> AddressFacts {
    AddressFacts {
        id: id.to_owned(),
        ip: "203.0.113.8".to_owned(),
        kind: "EIP".to_owned(),
        status: status.to_owned(),
        bandwidth: Some(1),
        ..AddressFacts::default()
    }
}

/// An instance with everything that any plan may want to know.
fn context(state: &str, os: Os, public: bool) -> PlanContext {
    let public_addresses = if public {
        vec!["203.0.113.8".parse().unwrap()]
    } else {
        Vec::new()
    };
    PlanContext {
        entry: "e1".to_owned(),
        instance: Instance {
            id: "ins-1".to_owned(),
            name: "web-1".to_owned(),
            region: "ap-seoul".to_owned(),
            state: state.to_owned(),
            os,
            public_addresses,
            private_addresses: vec!["10.0.0.9".parse().unwrap()],
            bandwidth_out_mbps: Some(1),
            security_group_ids: vec!["sg-11111111".to_owned()],
            ..Instance::default()
        },
        user_source: "198.51.100.4/32".parse().ok(),
        groups: Fact::Known(vec![GroupFacts {
            group: SecurityGroup {
                id: "sg-11111111".to_owned(),
                version: "7".to_owned(),
                ..SecurityGroup::default()
            },
            others: Some(Others::default()),
            ..GroupFacts::default()
        }]),
        account_type: Fact::Known(AccountType::Standard),
        addresses: Fact::Known(vec![address("eip-11111111", "BIND")]),
        free_addresses: Fact::Known(vec![address("eip-22222222", "UNBIND")]),
        acl: Fact::Known(Some(AclFacts {
            id: "acl-11111111".into(),
            subnet: "10.0.0.0/24".into(),
            subnets: vec!["subnet-11111111".into()],
            ..AclFacts::default()
        })),
        routes: Fact::Known(RouteFacts {
            table: "rtb-11111111".into(),
            routes: vec![RouteLine {
                item: "rti-11111111".into(),
                target: "198.51.100.0/24".into(),
                kind: "VPN".into(),
                gateway: "vpngw-11111111".into(),
                own: true,
                ..RouteLine::default()
            }],
            ..RouteFacts::default()
        }),
        block: Fact::Known(BlockFacts {
            blocked: vec![("203.0.113.8".parse().unwrap(), String::new())],
            quota: Some((3, 1, "midnight".into())),
            ..BlockFacts::default()
        }),
        agent: Fact::Known("Online".to_owned()),
        repair_tasks: Fact::Known(vec![RepairTask {
            id: "rep-11111111".to_owned(),
            title: "host".to_owned(),
            status: 1,
            auth_type: Some(2),
        }]),
        ..PlanContext::default()
    }
}

fn planned(action: ActionId, state: &str, os: Os) -> Result<Plan, PlanError> {
    let words: &[&str] = match action {
        ActionId::OpenCommonPorts => &["source=any"],
        ActionId::RaiseBandwidth => &["mbps=20"],
        ActionId::AssociateSecurityGroup => &["group=sg-22222222"],
        ActionId::BindKeyPair => &["key=skey-11111111"],
        _ => &[],
    };
    let parameters = Parameters::from_words(action, words).unwrap();
    // An address is only bound where there is none.
    let public = action != ActionId::AssociateAddress;
    plan(action, &parameters, &context(state, os, public))
}

#[test]
fn an_action_is_offered_in_the_states_that_its_plan_accepts() {
    let mut wrong = Vec::new();
    for entry in &Knowledge::shipped().actions {
        let action = ActionId::parse(&entry.id).unwrap();
        if action == ActionId::Advice {
            continue;
        }
        for os in &entry.os {
            for (class, state) in STATES {
                let offered = entry.states.is_empty() || entry.states.iter().any(|s| s == class);
                let result = planned(action, state, *os);
                // The wrong state is the only thing that can be in the way here.
                if offered != result.is_ok() {
                    wrong.push(format!(
                        "{action} {}: offered {offered} while {class}, and the plan says {:?}",
                        entry.key,
                        result.map(|plan| plan.title)
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What a list says of the risk is what its preview says; everyone is let in by the one-click set only.
#[test]
fn the_risk_in_the_list_is_the_one_of_the_preview() {
    let mut wrong = Vec::new();
    for entry in &Knowledge::shipped().actions {
        let action = ActionId::parse(&entry.id).unwrap();
        if action == ActionId::Advice {
            continue;
        }
        let plans = entry.os.iter().flat_map(|os| {
            let of_state = |(_, state): &(&str, &str)| planned(action, state, *os).ok();
            STATES.iter().filter_map(of_state).collect::<Vec<_>>()
        });
        let most = plans.map(|plan| plan.risk).max();
        if most.is_some_and(|risk| risk != entry.risk) {
            wrong.push(format!(
                "{action} {}: {:?}, {most:?}",
                entry.key, entry.risk
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_is_said_to_be_reversible_has_an_undo_and_the_rest_has_none() {
    let mut wrong = Vec::new();
    for entry in &Knowledge::shipped().actions {
        let action = ActionId::parse(&entry.id).unwrap();
        if matches!(
            action,
            ActionId::Advice | ActionId::ProviderProbe | ActionId::Ticket
        ) {
            continue;
        }
        for os in &entry.os {
            for plan in STATES
                .iter()
                .filter_map(|(_, state)| planned(action, state, *os).ok())
            {
                let undo = !matches!(plan.undo, Undo::None { .. });
                if undo != entry.reversible {
                    wrong.push(format!(
                        "{action}: reversible {}, undo: {}",
                        entry.reversible,
                        plan.undo.sentence()
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
