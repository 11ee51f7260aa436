//! `network-acl` and `route`: vpc `DescribeSubnets`, then the subnet's ACL and route table.
//!
//! Must not live here: the evaluation of ACLs (`domain::network_acl`).

use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Value, json};

use super::Gatherer;
use crate::cloud::error::CloudError;
use crate::cloud::wire::{self, NetworkAclItem, QuintupleEntry, RouteItem, SubnetItem};
use crate::domain::evidence::{Family, Path, Reading, Status};
use crate::domain::network_acl::{self, NetworkAcl};
use crate::domain::ports::contains;
use crate::domain::text::sanitise;

const ACL: &str = "network-acl";
const ROUTE: &str = "route";

#[derive(Default)]
pub(super) struct Subnet {
    pub readings: Vec<Reading>,
    pub acl: Option<NetworkAcl>,
}

pub(super) async fn read(gatherer: &Gatherer) -> Subnet {
    let started = Instant::now();
    let id = &gatherer.instance.subnet_id;
    if id.is_empty() {
        let why = "the instance is in no VPC subnet";
        let readings = [ACL, ROUTE]
            .map(|group| gatherer.without_state(group, Status::NotApplicable, why))
            .to_vec();
        return Subnet {
            readings: gatherer.emit(started, readings).await,
            acl: None,
        };
    }
    let subnet = match subnet(gatherer, id).await {
        Ok(subnet) => subnet,
        Err(error) => {
            let readings = [ACL, ROUTE]
                .map(|group| gatherer.failed(group, &error))
                .to_vec();
            return Subnet {
                readings: gatherer.emit(started, readings).await,
                acl: None,
            };
        }
    };
    let ((acl_reading, acl), route) =
        tokio::join!(network_acl(gatherer, &subnet), route(gatherer, &subnet));
    Subnet {
        readings: gatherer.emit(started, vec![acl_reading, route]).await,
        acl,
    }
}

async fn subnet(gatherer: &Gatherer, id: &str) -> Result<SubnetItem, CloudError> {
    let parameters = json!({"SubnetIds": [id], "Offset": "0", "Limit": "1"});
    let answer = gatherer.ask("vpc", "DescribeSubnets", parameters).await?;
    let (items, _) = wire::list::<SubnetItem>(&answer, "SubnetSet");
    let asked = |item: &SubnetItem| item.subnet_id.is_empty() || item.subnet_id == id;
    items
        .into_iter()
        .find(asked)
        .ok_or_else(|| CloudError::BadAnswer {
            action: "vpc:DescribeSubnets".to_owned(),
            host: "the cloud".to_owned(),
            reason: format!("subnet {} is not in it", sanitise(id, 40)),
        })
}

/// The source to judge for, with words for it: the user's, else ours, else anybody's.
fn source(gatherer: &Gatherer) -> (IpAddr, String) {
    let request = &gatherer.request;
    if let Some(source) = request.user_source {
        return (source, String::new());
    }
    let own = request
        .own_sources
        .iter()
        .find(|(path, _)| *path == Path::Public)
        .or(request.own_sources.first());
    match own {
        Some((_, source)) => (
            *source,
            " (the user's address is not known; judged for this host instead)".to_owned(),
        ),
        // From a documentation network (RFC 5737), which no entry names.
        None => (
            IpAddr::from([192, 0, 2, 251]),
            " (the user's address is not known; judged for a source on the Internet)".to_owned(),
        ),
    }
}

async fn network_acl(gatherer: &Gatherer, subnet: &SubnetItem) -> (Reading, Option<NetworkAcl>) {
    let id = sanitise(&subnet.network_acl_id, 64);
    if id.is_empty() {
        let detail = "no network ACL is bound to the subnet";
        return (gatherer.observed(ACL, "none", detail), None);
    }
    let acl = match load_acl(gatherer, &id).await {
        Ok(acl) => acl,
        Err(error) => return (gatherer.failed(ACL, &error), None),
    };
    let (source, note) = source(gatherer);
    let reading = if contains(&subnet.cidr_block, source) == Some(true) {
        // An ACL filters at the subnet's edge only.
        let detail = format!("{id} does not filter {source}, which is in the same subnet");
        gatherer.observed(ACL, "allow", detail)
    } else {
        let local = gatherer
            .instance
            .private_addresses
            .iter()
            .find(|address| address.is_ipv4() == source.is_ipv4())
            .copied();
        let decision = network_acl::evaluate(&acl, source, local, gatherer.port(), None);
        let detail = format!("{}{note}", decision.sentence);
        gatherer.observed(ACL, decision.verdict.as_str(), detail)
    };
    (reading.in_family(Family::of(source)), Some(acl))
}

async fn load_acl(gatherer: &Gatherer, id: &str) -> Result<NetworkAcl, CloudError> {
    let parameters = json!({"NetworkAclIds": [id], "Offset": 0, "Limit": 1});
    let answer = gatherer
        .ask("vpc", "DescribeNetworkAcls", parameters)
        .await?;
    let (mut items, unreadable) = wire::list::<NetworkAclItem>(&answer, "NetworkAclSet");
    let unreadable_acl = || CloudError::BadAnswer {
        action: "vpc:DescribeNetworkAcls".to_owned(),
        host: "the cloud".to_owned(),
        reason: format!("the entries of {id} are not understood"),
    };
    if unreadable > 0 {
        return Err(unreadable_acl());
    }
    let item = items.pop().ok_or_else(unreadable_acl)?;
    let quintuple = item.network_acl_type.eq_ignore_ascii_case("QUINTUPLE");
    let mut acl = item.into_domain();
    if quintuple {
        (acl.ingress, acl.egress) = quintuple_entries(gatherer, id).await?;
    }
    Ok(acl)
}

type Entries = Vec<network_acl::Entry>;

async fn quintuple_entries(
    gatherer: &Gatherer,
    id: &str,
) -> Result<(Entries, Entries), CloudError> {
    let action = "DescribeNetworkAclQuintupleEntries";
    let (mut ingress, mut egress) = (Vec::new(), Vec::new());
    let mut offset = 0;
    loop {
        let parameters = json!({"NetworkAclId": id, "Offset": offset, "Limit": 100});
        let answer = gatherer.ask("vpc", action, parameters).await?;
        let (items, unreadable) = wire::list::<QuintupleEntry>(&answer, "NetworkAclQuintupleSet");
        if unreadable > 0 {
            return Err(CloudError::BadAnswer {
                action: format!("vpc:{action}"),
                host: "the cloud".to_owned(),
                reason: format!("the entries of {id} are not understood"),
            });
        }
        let count = items.len();
        for (place, item) in items.into_iter().enumerate() {
            let side = if item.is_inbound() {
                &mut ingress
            } else {
                &mut egress
            };
            side.push(item.into_domain(offset + place));
        }
        offset += count;
        let total = wire::total(&answer).unwrap_or(0) as usize;
        if count == 0 || offset >= total {
            return Ok((ingress, egress));
        }
    }
}

/// Whether answers find their way back. A bound public address needs no route; a source on the
/// private path needs one that covers it.
async fn route(gatherer: &Gatherer, subnet: &SubnetItem) -> Reading {
    let request = &gatherer.request;
    let private = request
        .own_sources
        .iter()
        .filter(|(path, _)| *path == Path::Private)
        .map(|(_, source)| *source);
    let user = request.user_source.filter(|source| is_inside(*source));
    let Some(source) = user.or_else(|| private.into_iter().next()) else {
        return if gatherer.instance.public_addresses.is_empty() {
            let why = "nobody is known to come along the private path";
            gatherer.without_state(ROUTE, Status::NotAttempted, why)
        } else {
            let why = "a bound public address needs no route back";
            gatherer.observed(ROUTE, "ok", why)
        };
    };
    if contains(&subnet.cidr_block, source) == Some(true) {
        return gatherer.observed(ROUTE, "ok", format!("{source} is in the same subnet"));
    }
    let table = sanitise(&subnet.route_table_id, 64);
    let parameters = json!({"RouteTableIds": [table], "Offset": "0", "Limit": "1"});
    match gatherer.ask("vpc", "DescribeRouteTables", parameters).await {
        Err(error) => gatherer.failed(ROUTE, &error),
        Ok(answer) => judge_routes(gatherer, &answer, &table, source).await,
    }
}

async fn judge_routes(gatherer: &Gatherer, answer: &Value, table: &str, source: IpAddr) -> Reading {
    let routes = answer["RouteTableSet"].get(0).cloned().unwrap_or_default();
    let (routes, unreadable) = wire::list::<RouteItem>(&routes, "RouteSet");
    let mut covering: Vec<&RouteItem> = routes
        .iter()
        .filter(|route| {
            contains(&route.destination_cidr_block, source) == Some(true)
                || contains(&route.destination_ipv6_cidr_block, source) == Some(true)
        })
        .collect();
    // The longest prefix decides.
    covering.sort_by_key(|route| std::cmp::Reverse(prefix_length(route)));
    if let Some(route) = covering.iter().find(|route| route.enabled != Some(false)) {
        let hop = format!(
            "{} goes to {} {}",
            named(route),
            sanitise(&route.gateway_type, 40),
            sanitise(&route.gateway_id, 60)
        );
        return if next_hop_is_down(gatherer, route).await {
            gatherer.observed(ROUTE, "blackhole", format!("{hop}, which does not run"))
        } else {
            gatherer.observed(ROUTE, "ok", format!("{table}: {hop}"))
        };
    }
    if let Some(route) = covering.first() {
        let detail = format!("{table}: {} for {source} is switched off", named(route));
        return gatherer.observed(ROUTE, "missing", detail);
    }
    if unreadable > 0 {
        let why = format!("a route of {table} is not understood");
        return gatherer.without_state(ROUTE, Status::ProbeFailed, why);
    }
    match in_vpc(gatherer, source).await {
        Ok(true) => gatherer.observed(ROUTE, "ok", format!("{source} is in the same VPC")),
        Ok(false) => gatherer.observed(
            ROUTE,
            "missing",
            format!("{table} has no route back to {source}"),
        ),
        Err(error) => gatherer.failed(ROUTE, &error),
    }
}

fn named(route: &RouteItem) -> String {
    let target = if route.destination_cidr_block.is_empty() {
        &route.destination_ipv6_cidr_block
    } else {
        &route.destination_cidr_block
    };
    format!("the route {}", sanitise(target, 60))
}

fn prefix_length(route: &RouteItem) -> u8 {
    [
        &route.destination_cidr_block,
        &route.destination_ipv6_cidr_block,
    ]
    .iter()
    .find_map(|text| text.parse::<ipnet::IpNet>().ok())
    .map_or(0, |network| network.prefix_len())
}

/// True if the route points to an instance that is known not to run.
async fn next_hop_is_down(gatherer: &Gatherer, route: &RouteItem) -> bool {
    let filter = match route.gateway_type.as_str() {
        "NORMAL_CVM" => "private-ip-address",
        "CVM" => "instance-id",
        _ => return false,
    };
    let parameters = json!({
        "Filters": [
            {"Name": filter, "Values": [route.gateway_id]},
            {"Name": "vpc-id", "Values": [gatherer.instance.vpc_id]},
        ],
        "Offset": 0,
        "Limit": 1,
    });
    let Ok(answer) = gatherer.ask("cvm", "DescribeInstances", parameters).await else {
        return false;
    };
    let (items, _) = wire::list::<wire::InstanceSetItem>(&answer, "InstanceSet");
    items
        .iter()
        .find(|item| {
            item.instance_id == route.gateway_id
                || item.private_ip_addresses.contains(&route.gateway_id)
        })
        .is_some_and(|item| matches!(item.instance_state.as_str(), "STOPPED" | "SHUTDOWN"))
}

/// The VPC's own networks are routed without an entry in the table.
async fn in_vpc(gatherer: &Gatherer, source: IpAddr) -> Result<bool, CloudError> {
    let parameters = json!({"VpcIds": [gatherer.instance.vpc_id], "Offset": "0", "Limit": "1"});
    let answer = gatherer.ask("vpc", "DescribeVpcs", parameters).await?;
    let vpc = answer["VpcSet"].get(0).cloned().unwrap_or_default();
    let assistant = vpc["AssistantCidrSet"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok([&vpc["CidrBlock"], &vpc["Ipv6CidrBlock"]]
        .into_iter()
        .chain(assistant.iter().map(|item| &item["CidrBlock"]))
        .filter_map(Value::as_str)
        .any(|network| contains(network, source) == Some(true)))
}

fn is_inside(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
