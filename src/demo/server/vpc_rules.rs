//! Security groups and their rules (vpc 2017-03-12).
//!
//! Lives here: reading, adding and deleting rules with index and version as the API defines them.
//! Must not live here: evaluation of rules.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, refuse, spaced};
use crate::demo::world::{Group, Rule};

const MAX_RULES: usize = 100;

pub(super) fn groups(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &[
            "security-group-id",
            "security-group-name",
            "project-id",
            "tag-key",
        ],
        100,
    )?;
    let ids = call.list("SecurityGroupIds").unwrap_or_default();
    for id in &ids {
        position(call, id)?;
    }
    let chosen: Vec<Value> = call
        .world
        .groups
        .iter()
        .filter(|g| g.region == call.region && (ids.is_empty() || ids.contains(&g.id)))
        .filter(|g| {
            filters.iter().all(|filter| match filter.name.as_str() {
                "security-group-id" => filter.any(&[&g.id]),
                "security-group-name" => filter.part_of(&g.name),
                "project-id" => filter.any(&["0"]),
                _ => false,
            })
        })
        .map(|g| {
            json!({
                "SecurityGroupId": g.id, "SecurityGroupName": g.name,
                "SecurityGroupDesc": g.description, "ProjectId": "0", "IsDefault": g.is_default,
                "CreatedTime": g.created, "TagSet": [], "UpdateTime": g.updated,
            })
        })
        .collect();
    Ok(json!({"TotalCount": chosen.len(), "SecurityGroupSet": call.page(chosen)?}))
}

/// Index of a group of this region, or the vendor's error.
fn position(call: &Call<'_>, id: &str) -> Result<usize, Refusal> {
    if !id.starts_with("sg-") {
        return refuse(
            "InvalidParameterValue.Malformed",
            format!("The security group id {id:?} is malformed."),
        );
    }
    call.world
        .groups
        .iter()
        .position(|g| g.id == id && g.region == call.region)
        .map_or_else(
            || {
                refuse(
                    "ResourceNotFound",
                    format!("The security group {id:?} does not exist."),
                )
            },
            Ok,
        )
}

pub(super) fn policies(call: &mut Call<'_>) -> Answer {
    let index = position(call, call.str("SecurityGroupId").unwrap_or_default())?;
    let group = &call.world.groups[index];
    let expanded = call.action == "DescribeSecurityGroupExpandedPolicies";
    let list = |rules: &[Rule]| -> Vec<Value> {
        rules
            .iter()
            .flat_map(|rule| {
                if expanded {
                    expand(call, rule)
                } else {
                    vec![rule.clone()]
                }
            })
            .enumerate()
            .map(|(index, rule)| policy(index, &rule))
            .collect()
    };
    let v6 = |rules: &[Rule]| rules.iter().filter(|r| !r.cidr6.is_empty()).count();
    Ok(json!({"SecurityGroupPolicySet": {
        "Version": group.version.to_string(),
        "Ingress": list(&group.ingress),
        "Egress": list(&group.egress),
        "PolicyStatistics": {
            "IngressIPv4TotalCount": group.ingress.len() - v6(&group.ingress),
            "IngressIPv6TotalCount": v6(&group.ingress),
            "EgressIPv4TotalCount": group.egress.len() - v6(&group.egress),
            "EgressIPv6TotalCount": v6(&group.egress),
        },
    }}))
}

/// One rule for each member of the templates that the rule names.
fn expand(call: &Call<'_>, rule: &Rule) -> Vec<Rule> {
    let members = |templates: &[crate::demo::world::Template], id: &str| -> Vec<String> {
        let found = templates.iter().filter(|t| t.id == id);
        found.flat_map(|t| t.members.clone()).collect()
    };
    if !rule.service_template.is_empty() {
        return members(&call.world.service_templates, &rule.service_template)
            .into_iter()
            .map(|member| {
                let (protocol, port) = member.split_once(':').unwrap_or((&member, "all"));
                Rule {
                    protocol: protocol.to_owned(),
                    port: port.to_owned(),
                    service_template: String::new(),
                    ..rule.clone()
                }
            })
            .collect();
    }
    if !rule.address_template.is_empty() {
        return members(&call.world.address_templates, &rule.address_template)
            .into_iter()
            .map(|cidr| Rule {
                cidr,
                address_template: String::new(),
                ..rule.clone()
            })
            .collect();
    }
    vec![rule.clone()]
}

fn policy(index: usize, rule: &Rule) -> Value {
    let mut value = json!({
        "PolicyIndex": index,
        "Action": rule.action,
        "PolicyDescription": rule.description,
        "ModifyTime": rule.modified,
    });
    if rule.service_template.is_empty() {
        value["Protocol"] = json!(rule.protocol);
        value["Port"] = json!(rule.port);
    } else {
        value["ServiceTemplate"] =
            json!({"ServiceId": rule.service_template, "ServiceGroupId": ""});
    }
    for (field, text) in [
        ("CidrBlock", &rule.cidr),
        ("Ipv6CidrBlock", &rule.cidr6),
        ("SecurityGroupId", &rule.group),
    ] {
        if !text.is_empty() {
            value[field] = json!(text);
        }
    }
    let template = &rule.address_template;
    if !template.is_empty() {
        let (one, group) = if template.starts_with("ipmg-") {
            ("", template.as_str())
        } else {
            (template.as_str(), "")
        };
        value["AddressTemplate"] = json!({"AddressId": one, "AddressGroupId": group});
    }
    value
}

/// The one direction that a change names, its policies and the version it was made on.
struct Change<'a> {
    group: usize,
    ingress: bool,
    policies: Vec<&'a Map<String, Value>>,
}

fn change<'a>(call: &'a Call<'_>) -> Result<Change<'a>, Refusal> {
    let group = position(call, call.str("SecurityGroupId").unwrap_or_default())?;
    let set = &call.parameters["SecurityGroupPolicySet"];
    let list = |name: &str| -> Vec<&Map<String, Value>> {
        let list = set[name].as_array();
        list.into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .collect()
    };
    let (ingress, egress) = (list("Ingress"), list("Egress"));
    if !ingress.is_empty() && !egress.is_empty() {
        return refuse(
            "InvalidParameter.Coexist",
            "Ingress and Egress cannot be changed by one call.",
        );
    }
    if ingress.is_empty() && egress.is_empty() {
        return refuse(
            "MissingParameter",
            "SecurityGroupPolicySet needs Ingress or Egress.",
        );
    }
    if let Some(version) = set["Version"].as_str()
        && version != call.world.groups[group].version.to_string()
    {
        return refuse(
            "UnsupportedOperation.VersionMismatch",
            "The rules were changed since this version was read.",
        );
    }
    Ok(Change {
        group,
        ingress: !ingress.is_empty(),
        policies: if ingress.is_empty() { egress } else { ingress },
    })
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let change = change(call)?;
    let now = spaced(call.now);
    let mut rules = Vec::new();
    let mut indices = Vec::new();
    for policy in &change.policies {
        rules.push(rule(policy, &now)?);
        indices.push(policy.get("PolicyIndex").and_then(Value::as_i64));
    }
    if indices.windows(2).any(|pair| pair[0] != pair[1]) {
        return refuse(
            "InvalidParameterValue",
            "All rules of one call must have the same PolicyIndex.",
        );
    }
    let (group, ingress) = (change.group, change.ingress);
    let list = rules_of(&mut call.world.groups[group], ingress);
    if rules
        .iter()
        .any(|new| list.iter().any(|old| same(old, new)))
    {
        return refuse(
            "UnsupportedOperation.DuplicatePolicy",
            "An identical rule exists already.",
        );
    }
    if list.len() + rules.len() > MAX_RULES {
        return refuse(
            "LimitExceeded.SecurityGroupPolicySet",
            format!("A group takes at most {MAX_RULES} rules in a direction."),
        );
    }
    let at = match indices.first().copied().flatten() {
        None | Some(-1) => list.len(),
        Some(index) if index >= 0 && index as usize <= list.len() => index as usize,
        Some(index) => {
            return refuse(
                "InvalidParameterValue.Range",
                format!("PolicyIndex {index} is outside the rules of the group."),
            );
        }
    };
    list.splice(at..at, rules);
    changed(call, group, now);
    Ok(json!({}))
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let change = change(call)?;
    let now = spaced(call.now);
    let by_index = change.policies.iter().filter_map(|p| p.get("PolicyIndex"));
    let indices: Vec<i64> = by_index.filter_map(Value::as_i64).collect();
    let mut wanted = Vec::new();
    if indices.is_empty() {
        for policy in &change.policies {
            wanted.push(rule(policy, &now)?);
        }
    } else if indices.len() != change.policies.len() {
        return refuse(
            "InvalidParameter.Coexist",
            "Rules are deleted either by index or by content, not both in one call.",
        );
    }
    let (group, ingress) = (change.group, change.ingress);
    let list = rules_of(&mut call.world.groups[group], ingress);
    let mut doomed: Vec<usize> = Vec::new();
    for index in indices {
        match usize::try_from(index).ok().filter(|i| *i < list.len()) {
            Some(index) => doomed.push(index),
            None => {
                return refuse(
                    "ResourceNotFound",
                    format!("There is no rule with the index {index}."),
                );
            }
        }
    }
    for rule in &wanted {
        match list.iter().position(|old| same(old, rule)) {
            Some(index) => doomed.push(index),
            None => return refuse("ResourceNotFound", "The rule to delete does not exist."),
        }
    }
    doomed.sort_unstable();
    doomed.dedup();
    for index in doomed.into_iter().rev() {
        list.remove(index);
    }
    changed(call, group, now);
    Ok(json!({}))
}

fn rules_of(group: &mut Group, ingress: bool) -> &mut Vec<Rule> {
    if ingress {
        &mut group.ingress
    } else {
        &mut group.egress
    }
}

fn changed(call: &mut Call<'_>, group: usize, now: String) {
    let group = &mut call.world.groups[group];
    group.version += 1;
    group.updated = now;
    let id = group.id.clone();
    call.world
        .note(call.region, "vpc", call.action, &id, call.request_id);
}

/// The same rule but for description and time.
fn same(a: &Rule, b: &Rule) -> bool {
    a.protocol.eq_ignore_ascii_case(&b.protocol)
        && a.port.eq_ignore_ascii_case(&b.port)
        && a.cidr == b.cidr
        && a.cidr6 == b.cidr6
        && a.group == b.group
        && a.address_template == b.address_template
        && a.service_template == b.service_template
        && a.action.eq_ignore_ascii_case(&b.action)
}

/// A rule from a request, checked as the API does.
fn rule(policy: &Map<String, Value>, now: &str) -> Result<Rule, Refusal> {
    let text = |name: &str| -> String {
        policy
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let inner = |name: &str, field: &str| -> String {
        policy
            .get(name)
            .and_then(|template| template[field].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let mut rule = Rule {
        protocol: text("Protocol"),
        port: text("Port"),
        cidr: text("CidrBlock"),
        cidr6: text("Ipv6CidrBlock"),
        group: text("SecurityGroupId"),
        address_template: Some(inner("AddressTemplate", "AddressId"))
            .filter(|one| !one.is_empty())
            .unwrap_or_else(|| inner("AddressTemplate", "AddressGroupId")),
        service_template: inner("ServiceTemplate", "ServiceId"),
        action: text("Action").to_ascii_uppercase(),
        description: text("PolicyDescription"),
        modified: now.to_owned(),
    };
    if rule.cidr == "MY_PUBLIC_IP" {
        "127.0.0.1".clone_into(&mut rule.cidr);
        if rule.description.is_empty() {
            "Replaced-From-MY_PUBLIC_IP".clone_into(&mut rule.description);
        }
    }
    if rule.cidr.starts_with("0.0.0.0/") {
        "0.0.0.0/0".clone_into(&mut rule.cidr);
    }
    check(&mut rule)?;
    Ok(rule)
}

fn check(rule: &mut Rule) -> Result<(), Refusal> {
    if !matches!(rule.action.as_str(), "ACCEPT" | "DROP") {
        return refuse("InvalidParameterValue", "Action must be ACCEPT or DROP.");
    }
    let sources = [&rule.cidr, &rule.cidr6, &rule.group, &rule.address_template];
    match sources.iter().filter(|source| !source.is_empty()).count() {
        0 => "0.0.0.0/0".clone_into(&mut rule.cidr),
        1 => {}
        _ => {
            return refuse(
                "InvalidParameter.Coexist",
                "A rule takes one source: CidrBlock, Ipv6CidrBlock, SecurityGroupId or AddressTemplate.",
            );
        }
    }
    let parses = |cidr: &str| {
        cidr.parse::<ipnet::IpNet>().is_ok() || cidr.parse::<std::net::IpAddr>().is_ok()
    };
    for cidr in [&rule.cidr, &rule.cidr6] {
        if !cidr.is_empty() && !parses(cidr) {
            return refuse(
                "InvalidParameterValue.Malformed",
                format!("{cidr:?} is not an address or a CIDR block."),
            );
        }
    }
    if !rule.service_template.is_empty() {
        if !rule.protocol.is_empty() || !rule.port.is_empty() {
            return refuse(
                "InvalidParameter.Coexist",
                "ServiceTemplate excludes Protocol and Port.",
            );
        }
        return Ok(());
    }
    let protocol = rule.protocol.to_ascii_uppercase();
    match protocol.as_str() {
        "TCP" | "UDP" if ports_valid(&rule.port) => Ok(()),
        "TCP" | "UDP" => refuse(
            "InvalidParameterValue",
            format!("{:?} is not a port, a list or a range of ports.", rule.port),
        ),
        "ICMP" | "ICMPV6" | "GRE" | "ALL"
            if rule.port.is_empty() || rule.port.eq_ignore_ascii_case("all") =>
        {
            "ALL".clone_into(&mut rule.port);
            Ok(())
        }
        "ICMP" | "ICMPV6" | "GRE" | "ALL" => refuse(
            "InvalidParameterValue",
            "Port is only for the protocols TCP and UDP.",
        ),
        _ => refuse(
            "InvalidParameterValue",
            format!("Protocol {:?} is not supported.", rule.protocol),
        ),
    }
}

fn ports_valid(ports: &str) -> bool {
    ports.eq_ignore_ascii_case("all")
        || (!ports.is_empty()
            && ports.split(',').all(|part| {
                let (low, high) = part.split_once('-').unwrap_or((part, part));
                match (low.parse::<u16>(), high.parse::<u16>()) {
                    (Ok(low), Ok(high)) => low <= high,
                    _ => false,
                }
            }))
}

pub(super) fn statistics(call: &mut Call<'_>) -> Answer {
    let ids = call.list("SecurityGroupIds").unwrap_or_default();
    let mut set = Vec::new();
    for id in &ids {
        position(call, id)?;
        let bound = call
            .world
            .machines
            .iter()
            .filter(|m| m.groups.contains(id))
            .count();
        let referring = call
            .world
            .groups
            .iter()
            .filter(|g| g.ingress.iter().any(|rule| rule.group == *id))
            .count();
        // A machine's own interface is not counted here; this one stands alone.
        let interfaces = usize::from(bound > 1);
        set.push(json!({
            "SecurityGroupId": id, "CVM": bound, "CDB": 0, "ENI": interfaces, "SG": referring,
            "CLB": 0,
            "InstanceStatistics": [
                {"InstanceType": "CVM", "InstanceCount": bound},
                {"InstanceType": "ENI", "InstanceCount": interfaces},
            ],
            "TotalCount": bound + interfaces,
        }));
    }
    Ok(json!({"SecurityGroupAssociationStatisticsSet": set}))
}
