//! Plans of `open-port` and `open-common-ports`.
//!
//! Rules are added on top of one bound group, carry a mark in their description and the version
//! of the rule set that was shown; nothing here replaces or reorders a rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::context::{GroupFacts, PlanContext};
use super::parameters::{Parameters, SourceChoice};
use super::plan::{
    Affected, Completion, Confirmation, Plan, PlanError, RuleDifference, RuleLine, Step, Target,
    Undo, blank,
};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;

/// The vendor's one-click set: FTP, SSH, HTTP, HTTPS and RDP.
pub const COMMON_PORTS: &str = "20,21,22,80,443,3389";
/// Stands for the caller's public address in a rule; the cloud replaces it.
pub const CALLERS_ADDRESS: &str = "MY_PUBLIC_IP";
/// Rules per direction and group that the vendor allows by default.
const RULE_QUOTA: usize = 100;

/// One side that new rules let in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Admitted {
    Net(IpNet),
    /// The address that the cloud sees this program at.
    Caller,
}

/// What `decide` found: the verdict (`None` where templates or other groups leave it open),
/// and the rule.
struct Decided {
    allows: Option<bool>,
    group: usize,
    rule: Option<usize>,
    text: String,
}

pub(super) fn plan(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let groups = context.groups.required("the security groups")?;
    let (admitted, source_note) = admitted(action, parameters, context)?;
    let port = parameters.port("port").unwrap_or_else(|| context.port());
    let protocol = parameters.text("protocol").unwrap_or("tcp");
    let before: Vec<_> = admitted
        .iter()
        .map(|side| decide(groups, side, protocol, port))
        .collect();
    if action == ActionId::OpenPort && before.iter().all(|d| d.allows == Some(true)) {
        return Err(PlanError::NothingToDo(format!(
            "the security groups of {label} already let {source_note} in on {protocol} {port}: {}",
            before[0].text
        )));
    }
    let index = choose_group(parameters.text("group"), groups, &before)?;
    let group = &groups[index];
    let title = if action == ActionId::OpenPort {
        format!("Open {protocol} {port} of {label} for {source_note}")
    } else {
        format!("Open the common ports of {label} for {source_note}")
    };
    let mut plan = blank(action, context, title);
    let mark = plan.mark();
    let new = if action == ActionId::OpenPort {
        admitted
            .iter()
            .map(|side| {
                rule(
                    side,
                    &protocol.to_ascii_uppercase(),
                    Some(&port.to_string()),
                    &mark,
                )
            })
            .collect::<Vec<_>>()
    } else {
        admitted
            .iter()
            .flat_map(|side| common(side, &mark))
            .collect()
    };
    fill_parameters(&mut plan, action, protocol, port, &source_note, group);
    plan.steps.push(add_step(context, group, &new, &mark));
    plan.undo = Undo::RemoveRules {
        group: group.id.clone(),
        mark,
        count: new.len(),
    };
    let mut after_groups = groups.clone();
    after_groups[index].ingress = with_added(&group.ingress, &new);
    let after = decide(&after_groups, &admitted[0], protocol, port);
    plan.rules = Some(difference(group, &new, index, &before[0], &after));
    describe(&mut plan, action, parameters, group, &new, &source_note);
    warn(&mut plan, context, parameters, group, &admitted, &after);
    Ok(plan)
}

/// Whom to let in: as asked for, or the failing user; never everyone by default.
fn admitted(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<(Vec<Admitted>, String), PlanError> {
    let one = |net: IpNet| Ok((vec![Admitted::Net(net)], net.to_string()));
    let own = || match context.own_source {
        Some(address) => format!("this host ({address})"),
        None => "this host".to_owned(),
    };
    let missing = || {
        PlanError::Missing(format!(
            "{action} needs the failing user's address: give source=ADDRESS (or --user-source). source=here lets in {} only, source=any lets in everyone",
            own()
        ))
    };
    match parameters.source("source") {
        Some(SourceChoice::Net(net)) => one(net),
        Some(SourceChoice::User) => context.user_source.map_or_else(|| Err(missing()), one),
        None => context.user_source.map_or_else(|| Err(missing()), one),
        Some(SourceChoice::Here) => Ok(match context.own_source {
            Some(address) => (vec![Admitted::Net(IpNet::from(address))], own()),
            None => (vec![Admitted::Caller], own()),
        }),
        Some(SourceChoice::Any) => Ok((
            vec![
                Admitted::Net(everyone(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
                Admitted::Net(everyone(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
            ],
            "everyone".to_owned(),
        )),
    }
}

fn everyone(address: IpAddr) -> IpNet {
    IpNet::new(address, 0).expect("a prefix of zero fits every address")
}

/// The group to change: on the way to the deciding rule, with the fewest other users.
fn choose_group(
    wanted: Option<&str>,
    groups: &[GroupFacts],
    before: &[Decided],
) -> Result<usize, PlanError> {
    if groups.is_empty() {
        return Err(PlanError::NotApplicable(
            "no security group is bound to the instance; bind one with associate-security-group"
                .to_owned(),
        ));
    }
    if let Some(wanted) = wanted {
        return groups.iter().position(|g| g.id == wanted).ok_or_else(|| {
            let ids: Vec<_> = groups.iter().map(|g| g.id.as_str()).collect();
            PlanError::NotApplicable(format!(
                "{wanted} is not bound to the instance; bound are {}",
                ids.join(", ")
            ))
        });
    }
    // A rule below the one that refuses would never be reached.
    let last = before.iter().map(|d| d.group).min().unwrap_or(0);
    let users = |group: &GroupFacts| group.others.as_ref().map_or(usize::MAX, |o| o.count);
    Ok((0..=last.min(groups.len() - 1))
        .min_by_key(|&i| (users(&groups[i]), i))
        .unwrap_or(0))
}

fn rule(side: &Admitted, protocol: &str, port: Option<&str>, mark: &str) -> Value {
    let mut rule = json!({
        "PolicyIndex": 0,
        "Protocol": protocol,
        "Action": "ACCEPT",
        "PolicyDescription": mark,
    });
    if let Some(port) = port {
        rule["Port"] = json!(port);
    }
    match side {
        Admitted::Net(net @ IpNet::V4(_)) => rule["CidrBlock"] = json!(net.to_string()),
        Admitted::Net(net @ IpNet::V6(_)) => rule["Ipv6CidrBlock"] = json!(net.to_string()),
        Admitted::Caller => rule["CidrBlock"] = json!(CALLERS_ADDRESS),
    }
    rule
}

fn common(side: &Admitted, mark: &str) -> [Value; 2] {
    let icmp = match side {
        Admitted::Net(IpNet::V6(_)) => "ICMPV6",
        _ => "ICMP",
    };
    [
        rule(side, "TCP", Some(COMMON_PORTS), mark),
        rule(side, icmp, None, mark),
    ]
}

fn add_step(context: &PlanContext, group: &GroupFacts, new: &[Value], mark: &str) -> Step {
    Step::new(
        format!("add {} rule(s) on top of {}", new.len(), group.id),
        ApiCall::new(
            "vpc",
            "CreateSecurityGroupPolicies",
            &context.instance.region,
            json!({
                "SecurityGroupId": group.id,
                // The optimistic lock: refused if anybody changed the rules meanwhile.
                "SecurityGroupPolicySet": { "Version": group.version, "Ingress": new },
            }),
        ),
        Completion::Rules {
            group: group.id.clone(),
            mark: mark.to_owned(),
            present: true,
        },
    )
}

fn fill_parameters(
    plan: &mut Plan,
    action: ActionId,
    protocol: &str,
    port: u16,
    source: &str,
    group: &GroupFacts,
) {
    let set = &mut plan.parameters;
    if action == ActionId::OpenPort {
        set.insert("port".to_owned(), port.into());
        set.insert("protocol".to_owned(), protocol.into());
    }
    set.insert("source".to_owned(), source.into());
    set.insert("group".to_owned(), group.id.as_str().into());
}

fn describe(
    plan: &mut Plan,
    action: ActionId,
    parameters: &Parameters,
    group: &GroupFacts,
    new: &[Value],
    source: &str,
) {
    let what = if action == ActionId::OpenPort {
        "the port".to_owned()
    } else {
        format!("TCP {COMMON_PORTS} and ICMP")
    };
    plan.changes = vec![format!(
        "{} gets {} rule(s) on top that let {source} in on {what}, at once",
        group.id,
        new.len()
    )];
    plan.affected = affected(group);
    if let Some(minutes) = parameters.number("minutes") {
        plan.expires_after_minutes = Some(minutes);
        plan.parameters.insert("minutes".to_owned(), minutes.into());
    }
}

fn warn(
    plan: &mut Plan,
    context: &PlanContext,
    parameters: &Parameters,
    group: &GroupFacts,
    admitted: &[Admitted],
    after: &Decided,
) {
    let everyone = admitted
        .iter()
        .any(|side| matches!(side, Admitted::Net(net) if net.prefix_len() == 0));
    if everyone {
        plan.risk = Risk::High;
        plan.confirmation = Confirmation::TypedName;
        plan.warnings.push(
            "open to the whole Internet: password guessing begins within minutes; give source=ADDRESS for the narrow rule, or minutes=N to have it taken away again".to_owned(),
        );
    } else if plan.action == ActionId::OpenCommonPorts {
        plan.warnings.push(
            "six TCP ports and ping where a login needs one: open-port is narrower".to_owned(),
        );
    }
    if admitted.contains(&Admitted::Caller) {
        plan.warnings.push(
            "the cloud fills in the address that it sees this program at; the failing user comes in only from there".to_owned(),
        );
    } else if parameters.source("source") == Some(SourceChoice::Here) {
        plan.warnings
            .push("this lets in this host, not the failing user".to_owned());
    }
    let only_v6 = admitted
        .iter()
        .all(|side| matches!(side, Admitted::Net(IpNet::V6(_))));
    let has_v6 = context
        .instance
        .public_addresses
        .iter()
        .chain(&context.instance.private_addresses)
        .any(IpAddr::is_ipv6);
    if only_v6 && !has_v6 {
        plan.warnings
            .push("the instance has no IPv6 address, so this rule lets nobody in".to_owned());
    }
    if after.allows == Some(false) {
        plan.warnings.push(format!(
            "it would still be refused: {}; choose that group with group=",
            after.text
        ));
    }
    if group.ingress.len() + 1 > RULE_QUOTA {
        plan.warnings.push(format!(
            "{} already has {} inbound rules; the default limit is {RULE_QUOTA}, so the cloud may refuse",
            group.id,
            group.ingress.len()
        ));
    }
    if group.others.is_none() {
        plan.warnings
            .push("which other instances use this group could not be read".to_owned());
    }
}

/// Other users of a group as the preview names them.
pub(super) fn affected(group: &GroupFacts) -> Affected {
    match &group.others {
        Some(others) if others.count == 0 => Affected::nobody_else(),
        Some(others) => Affected {
            count: Some(others.count),
            names: others.names.clone(),
            note: format!("{} other instance(s) bound to {}", others.count, group.id),
        },
        None => Affected {
            count: None,
            names: Vec::new(),
            note: format!(
                "every instance bound to {}; how many could not be read",
                group.id
            ),
        },
    }
}

/// Indexes of the inbound rules that carry `mark`, lowest first.
pub fn marked_indexes(ingress: &[Value], mark: &str) -> Vec<i64> {
    ingress
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule["PolicyDescription"].as_str() == Some(mark))
        .map(|(position, rule)| index_of(rule, position))
        .collect()
}

fn index_of(rule: &Value, position: usize) -> i64 {
    rule["PolicyIndex"].as_i64().unwrap_or(position as i64)
}

fn with_added(ingress: &[Value], new: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = new.iter().chain(ingress).cloned().collect();
    for (position, rule) in all.iter_mut().enumerate() {
        rule["PolicyIndex"] = json!(position);
    }
    all
}

fn difference(
    group: &GroupFacts,
    new: &[Value],
    group_index: usize,
    before: &Decided,
    after: &Decided,
) -> RuleDifference {
    let deciding = |decided: &Decided| (decided.group == group_index).then_some(decided.rule)?;
    let mut lines_after = rule_lines(&with_added(&group.ingress, new), deciding(after));
    for line in lines_after.iter_mut().take(new.len()) {
        line.added = true;
    }
    RuleDifference {
        group: group.id.clone(),
        group_name: group.name.clone(),
        version: group.version.clone(),
        decided_before: before.text.clone(),
        decided_after: after.text.clone(),
        before: rule_lines(&group.ingress, deciding(before)),
        after: lines_after,
    }
}

/// The difference that deleting `indexes` makes.
pub(super) fn removal_difference(group: &GroupFacts, indexes: &[i64]) -> RuleDifference {
    let mut before = rule_lines(&group.ingress, None);
    for line in &mut before {
        line.removed = indexes.contains(&line.index);
    }
    let kept: Vec<Value> = group
        .ingress
        .iter()
        .enumerate()
        .filter(|(position, rule)| !indexes.contains(&index_of(rule, *position)))
        .map(|(_, rule)| rule.clone())
        .collect();
    RuleDifference {
        group: group.id.clone(),
        group_name: group.name.clone(),
        version: group.version.clone(),
        decided_before: "see the rules".to_owned(),
        decided_after: "see the rules".to_owned(),
        before,
        after: rule_lines(&with_added(&kept, &[]), None),
    }
}

fn rule_lines(ingress: &[Value], deciding: Option<usize>) -> Vec<RuleLine> {
    ingress
        .iter()
        .enumerate()
        .map(|(position, rule)| RuleLine {
            index: index_of(rule, position),
            text: rule_text(rule),
            added: false,
            removed: false,
            decides: deciding == Some(position),
        })
        .collect()
}

/// `ACCEPT TCP 22 from 203.0.113.0/24 (office)`.
pub fn rule_text(rule: &Value) -> String {
    let text = |name: &str| rule[name].as_str().filter(|t| !t.is_empty());
    let service = match (text("Protocol"), text("Port")) {
        (Some(protocol), Some(port)) => format!("{} {port}", protocol.to_ascii_uppercase()),
        (Some(protocol), None) => protocol.to_ascii_uppercase(),
        (None, _) => {
            let template = &rule["ServiceTemplate"];
            let id = template["ServiceGroupId"]
                .as_str()
                .filter(|t| !t.is_empty())
                .or_else(|| template["ServiceId"].as_str())
                .unwrap_or("?");
            format!("service template {id}")
        }
    };
    let address = &rule["AddressTemplate"];
    let source = text("CidrBlock")
        .or_else(|| text("Ipv6CidrBlock"))
        .or_else(|| text("SecurityGroupId"))
        .or_else(|| address["AddressGroupId"].as_str().filter(|t| !t.is_empty()))
        .or_else(|| address["AddressId"].as_str().filter(|t| !t.is_empty()))
        .unwrap_or("anywhere");
    let action = text("Action").unwrap_or("?").to_ascii_uppercase();
    match text("PolicyDescription") {
        Some(description) => format!("{action} {service} from {source} ({description})"),
        None => format!("{action} {service} from {source}"),
    }
}

/// Which rule decides for one side, over all groups in binding order.
fn decide(groups: &[GroupFacts], side: &Admitted, protocol: &str, port: u16) -> Decided {
    let undecided = |text: &str| Decided {
        allows: None,
        group: groups.len().saturating_sub(1),
        rule: None,
        text: text.to_owned(),
    };
    let Admitted::Net(net) = side else {
        return undecided("not known beforehand: the cloud fills the address in");
    };
    for (position, group) in groups.iter().enumerate() {
        for (row, rule) in group.ingress.iter().enumerate() {
            match matches(rule, *net, protocol, port) {
                Some(false) => {}
                Some(true) => {
                    return Decided {
                        allows: Some(rule["Action"].as_str() == Some("ACCEPT")),
                        group: position,
                        rule: Some(row),
                        text: format!(
                            "{} rule {}: {}",
                            group.id,
                            index_of(rule, row),
                            rule_text(rule)
                        ),
                    };
                }
                None => {
                    return Decided {
                        text: format!(
                            "not certain: {} rule {} names a template or another group ({})",
                            group.id,
                            index_of(rule, row),
                            rule_text(rule)
                        ),
                        group: position,
                        ..undecided("")
                    };
                }
            }
        }
    }
    Decided {
        allows: Some(false),
        text: "no rule matches, so it is refused".to_owned(),
        ..undecided("")
    }
}

/// Whether a rule matches; `None` when that depends on a template or another group.
fn matches(rule: &Value, net: IpNet, protocol: &str, port: u16) -> Option<bool> {
    let text = |name: &str| rule[name].as_str().filter(|t| !t.is_empty());
    let service = text("Protocol").map(|found| {
        found.eq_ignore_ascii_case("all")
            || (found.eq_ignore_ascii_case(protocol)
                && text("Port").is_none_or(|ports| port_in(ports, port)))
    });
    if service == Some(false) {
        return Some(false);
    }
    let source = text("CidrBlock")
        .or_else(|| text("Ipv6CidrBlock"))
        .map(|cidr| {
            cidr.parse::<IpNet>()
                .or_else(|_| cidr.parse::<IpAddr>().map(IpNet::from))
                .is_ok_and(|found| found.contains(&net))
        });
    match (service, source) {
        (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn port_in(ports: &str, port: u16) -> bool {
    ports.split(',').map(str::trim).any(|part| {
        if part.eq_ignore_ascii_case("all") {
            return true;
        }
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&port),
            _ => false,
        }
    })
}
