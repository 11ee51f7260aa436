//! Network ACLs (vpc 2017-03-12).
//!
//! Lives here: reading them in both of their forms, and the call that replaces a direction.
//! Must not live here: what they do to a connection (`world::path`).

use serde_json::{Value, json};

use super::vpc::{CREATED, subnet};
use super::{Answer, Call, Refusal, refuse};
use crate::demo::world::{Acl, AclEntry, stable_id};

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeNetworkAcls" => acls(call),
        "DescribeNetworkAclQuintupleEntries" => quintuple(call),
        _ => modify(call),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn acls(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(&["vpc-id", "network-acl-id", "network-acl-name"], 100)?;
    let ids = call.list("NetworkAclIds").unwrap_or_default();
    let entries = |list: &[AclEntry]| -> Vec<Value> {
        let numbered = list.iter().enumerate();
        numbered
            .map(|(index, e)| {
                json!({
                    "Protocol": e.protocol, "Port": e.port, "CidrBlock": e.cidr,
                    "Ipv6CidrBlock": e.cidr6, "Action": e.action, "Description": e.description,
                    "ModifyTime": CREATED, "Priority": index + 1,
                })
            })
            .collect()
    };
    let set: Vec<Value> = call
        .world
        .acls
        .iter()
        .filter(|a| a.region == call.region && (ids.is_empty() || ids.contains(&a.id)))
        .filter(|a| {
            filters.iter().all(|f| match f.name.as_str() {
                "vpc-id" => f.any(&[&a.vpc_id]),
                "network-acl-id" => f.any(&[&a.id]),
                _ => f.part_of(&a.name),
            })
        })
        .map(|a| {
            let bound = call.world.subnets.iter().filter(|s| s.acl_id == a.id);
            let (ingress, egress) = if a.quintuple {
                (Vec::new(), Vec::new())
            } else {
                (entries(&a.ingress), entries(&a.egress))
            };
            json!({
                "VpcId": a.vpc_id, "NetworkAclId": a.id, "NetworkAclName": a.name,
                "CreatedTime": CREATED, "SubnetSet": bound.map(subnet).collect::<Vec<_>>(),
                "IngressEntries": ingress, "EgressEntries": egress,
                "NetworkAclType": if a.quintuple { "QUINTUPLE" } else { "TRIPLE" }, "TagSet": [],
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "NetworkAclSet": call.page(set)?}))
}

/// Index of an ACL of this region, or the vendor's error.
fn position(call: &Call<'_>) -> Result<usize, Refusal> {
    let id = call.str("NetworkAclId").unwrap_or_default();
    let mut acls = call.world.acls.iter();
    match acls.position(|a| a.id == id && a.region == call.region) {
        Some(index) => Ok(index),
        None => refuse(
            "ResourceNotFound",
            format!("The network ACL {id:?} does not exist."),
        ),
    }
}

fn quintuple(call: &mut Call<'_>) -> Answer {
    let acl: &Acl = &call.world.acls[position(call)?];
    let mut set = Vec::new();
    if acl.quintuple {
        for (direction, list) in [("INGRESS", &acl.ingress), ("EGRESS", &acl.egress)] {
            for (index, e) in list.iter().enumerate() {
                // The entry's address is the far end: the source inbound, the target outbound.
                let near = or(&e.near, "0.0.0.0/0");
                let (source, target) = if direction == "INGRESS" {
                    (e.cidr.as_str(), near)
                } else {
                    (near, e.cidr.as_str())
                };
                set.push(json!({
                    "Protocol": e.protocol, "Description": e.description,
                    "SourcePort": or(&e.source_port, "ALL"), "SourceCidr": source,
                    "DestinationPort": e.port, "DestinationCidr": target, "Action": e.action,
                    "NetworkAclQuintupleEntryId":
                        stable_id("acl5", &format!("{}{direction}{index}", acl.id)),
                    "Priority": index + 1, "CreateTime": CREATED,
                    "NetworkAclDirection": direction,
                }));
            }
        }
    }
    Ok(json!({"TotalCount": set.len(), "NetworkAclQuintupleSet": call.page(set)?}))
}

/// Replaces each direction that is given; the order of the list is the order of evaluation.
fn modify(call: &mut Call<'_>) -> Answer {
    let index = position(call)?;
    let quintuple = call.world.acls[index].quintuple;
    if call.bool("EnableUpdateAclEntries") == Some(true) {
        return refuse(
            "UnsupportedOperation",
            "The demo cloud takes whole directions only.",
        );
    }
    let set = |name: &str| call.parameters.get(name).filter(|set| set.is_object());
    let (given, other) = if quintuple {
        (set("NetworkAclQuintupleSet"), set("NetworkAclEntrySet"))
    } else {
        (set("NetworkAclEntrySet"), set("NetworkAclQuintupleSet"))
    };
    if other.is_some() {
        return refuse(
            "InvalidParameter.AclTypeMismatch",
            "The entries are not of the ACL's type.",
        );
    }
    let Some(given) = given else {
        return refuse("MissingParameter", "No entries were given.");
    };
    let direction = |name: &str| -> Result<Option<Vec<AclEntry>>, Refusal> {
        let list = given[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        // An empty list is one that was not given.
        if list.is_empty() {
            return Ok(None);
        }
        let inbound = name == "Ingress";
        let entries = list.iter().map(|e| entry(e, quintuple, inbound));
        entries.collect::<Result<Vec<_>, _>>().map(Some)
    };
    let (ingress, egress) = (direction("Ingress")?, direction("Egress")?);
    if ingress.is_none() && egress.is_none() {
        return refuse("MissingParameter", "No entries were given.");
    }
    let acl = &mut call.world.acls[index];
    acl.ingress = ingress.unwrap_or_else(|| std::mem::take(&mut acl.ingress));
    acl.egress = egress.unwrap_or_else(|| std::mem::take(&mut acl.egress));
    let id = acl.id.clone();
    call.world
        .note(call.region, "vpc", call.action, &id, call.request_id);
    Ok(json!({}))
}

fn entry(given: &Value, quintuple: bool, inbound: bool) -> Result<AclEntry, Refusal> {
    let text = |name: &str| given[name].as_str().unwrap_or_default().to_owned();
    let wrong = |what: String| refuse("InvalidParameterValue", what);
    let (protocol, action) = (text("Protocol"), text("Action"));
    if protocol.is_empty() || action.is_empty() {
        return refuse(
            "MissingParameter",
            "An entry needs a protocol and an action.",
        );
    }
    let portless = matches!(protocol.to_ascii_uppercase().as_str(), "ALL" | "ICMP");
    let port = |name: &str| -> Result<String, Refusal> {
        let port = text(name);
        if portless && !port.is_empty() {
            return wrong(format!("{name} cannot be given with {protocol}."));
        }
        let one = |part: &str| part.parse::<u16>().is_ok();
        let fits = port.is_empty()
            || port.eq_ignore_ascii_case("all")
            || port
                .split_once('-')
                .map_or_else(|| one(&port), |(a, b)| one(a) && one(b));
        if fits {
            Ok(if port.is_empty() {
                "ALL".to_owned()
            } else {
                port
            })
        } else {
            wrong(format!("{name} {port:?} is no port, range or ALL."))
        }
    };
    let net = |name: &str| -> Result<String, Refusal> {
        let net = text(name);
        let fits = net.is_empty()
            || net.parse::<ipnet::IpNet>().is_ok()
            || net.parse::<std::net::IpAddr>().is_ok();
        if fits {
            Ok(net)
        } else {
            wrong(format!("{name} {net:?} is no network."))
        }
    };
    let mut made = AclEntry {
        protocol: protocol.clone(),
        action,
        description: text("Description"),
        ..AclEntry::default()
    };
    if !quintuple {
        (made.cidr, made.cidr6) = (net("CidrBlock")?, net("Ipv6CidrBlock")?);
        made.port = port("Port")?;
        if made.cidr.is_empty() && made.cidr6.is_empty() {
            return refuse("MissingParameter", "An entry needs a network.");
        }
        return Ok(made);
    }
    let (source, target) = (net("SourceCidr")?, net("DestinationCidr")?);
    let six = (net("SourceIPv6Cidr")?, net("DestinationIPv6Cidr")?);
    (made.cidr, made.near) = if inbound {
        (source, target)
    } else {
        (target, source)
    };
    made.cidr6 = if inbound { six.0 } else { six.1 };
    if made.cidr.is_empty() && made.cidr6.is_empty() {
        "0.0.0.0/0".clone_into(&mut made.cidr);
    }
    made.source_port = port("SourcePort")?;
    made.port = port("DestinationPort")?;
    Ok(made)
}
