//! `route`, and whether this host is on the private path at all: vpc `DescribeRouteTables`,
//! `DescribeVpcs`, cvm `DescribeInstances` for a next hop.
//!
//! A route that is missing for this host only says that this host is elsewhere; for the user's
//! address it is a finding. Must not live here: the subnet and its ACL (`subnet`).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::Gatherer;
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, RouteItem, SubnetItem};
use crate::domain::evidence::state::route;
use crate::domain::evidence::{Path, Reading, Status, group};
use crate::domain::ports::contains;
use crate::domain::private_way::{NextHop, PrivateWay};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

const ROUTE: &str = group::ROUTE;

/// What decides about the way back from a subnet.
pub(super) struct Routes {
    table: String,
    entries: Result<(Vec<RouteItem>, usize), CloudError>,
    /// The VPC's own networks, which need no entry in the table.
    networks: Result<Vec<String>, CloudError>,
}

/// How answers to a source leave the subnet.
enum Back<'a> {
    /// Within the subnet or the VPC.
    Local(fn(IpAddr) -> Said),
    Route(&'a RouteItem),
    SwitchedOff(&'a RouteItem),
    Nowhere,
    /// It could not be read or understood.
    Unread(Option<&'a CloudError>),
}

/// The user's address, where it is one of a private network.
pub(super) fn users_source(gatherer: &Gatherer) -> Option<IpAddr> {
    gatherer.request.user_source.filter(|it| is_inside(*it))
}

impl Routes {
    /// Reads them where somebody outside of the subnet comes along the private path.
    pub(super) async fn of(gatherer: &Gatherer, subnet: &SubnetItem) -> Option<Self> {
        let sources = [users_source(gatherer), gatherer.own_source(Path::Private)];
        let outside = |source: &IpAddr| contains(&subnet.cidr_block, *source) != Some(true);
        if !sources.iter().flatten().any(outside) {
            return None;
        }
        let table = sanitise(&subnet.route_table_id, 64);
        let parameters = json!({"RouteTableIds": [table], "Offset": "0", "Limit": "1"});
        let (routes, networks) = tokio::join!(
            gatherer.ask("vpc", "DescribeRouteTables", parameters),
            networks(gatherer),
        );
        let routes = routes.and_then(|answer| entries(&answer, &table));
        Some(Self {
            table,
            entries: routes,
            networks,
        })
    }

    fn back_to(&self, source: IpAddr) -> Back<'_> {
        if let Ok(networks) = &self.networks
            && networks.iter().any(|it| contains(it, source) == Some(true))
        {
            return Back::Local(said::same_vpc);
        }
        let (routes, unreadable) = match &self.entries {
            Ok((routes, unreadable)) => (routes, *unreadable),
            Err(error) => return Back::Unread(Some(error)),
        };
        let mut covering: Vec<&RouteItem> = routes
            .iter()
            .filter(|route| {
                contains(&route.destination_cidr_block, source) == Some(true)
                    || contains(&route.destination_ipv6_cidr_block, source) == Some(true)
            })
            .collect();
        // The longest prefix decides.
        covering.sort_by_key(|route| std::cmp::Reverse(prefix_length(route)));
        let (on, off): (Vec<_>, Vec<_>) = covering
            .into_iter()
            .partition(|route| route.enabled != Some(false));
        if let Some(route) = on.first() {
            match NextHop::of(&route.gateway_type) {
                NextHop::Network => return Back::Route(route),
                // A default route to an instance is a way out, which says nothing of a way in.
                NextHop::Machine if prefix_length(route) > 0 => return Back::Route(route),
                NextHop::Unknown => return Back::Unread(None),
                NextHop::Machine | NextHop::Internet => {}
            }
        }
        let meant = |route: &&RouteItem| NextHop::of(&route.gateway_type) != NextHop::Internet;
        if let Some(route) = off.into_iter().find(meant) {
            return Back::SwitchedOff(route);
        }
        match &self.networks {
            Err(error) => Back::Unread(Some(error)),
            Ok(_) if unreadable > 0 => Back::Unread(None),
            Ok(_) => Back::Nowhere,
        }
    }
}

fn back<'a>(routes: Option<&'a Routes>, subnet: &SubnetItem, source: IpAddr) -> Back<'a> {
    if contains(&subnet.cidr_block, source) == Some(true) {
        return Back::Local(said::same_subnet);
    }
    routes.map_or(Back::Unread(None), |routes| routes.back_to(source))
}

/// Whether this host is on the private path; `None` if it has no address there or nobody can say.
pub(super) fn own_way(
    gatherer: &Gatherer,
    subnet: &SubnetItem,
    routes: Option<&Routes>,
) -> Option<PrivateWay> {
    let source = gatherer.own_source(Path::Private)?;
    match back(routes, subnet, source) {
        Back::Local(_) | Back::Route(_) | Back::SwitchedOff(_) => Some(PrivateWay::On),
        Back::Unread(_) => None,
        Back::Nowhere => {
            let table =
                routes.map_or_else(said::the_route_table, |routes| Said::raw(&routes.table));
            Some(PrivateWay::Off(said::off_path(source, table)))
        }
    }
}

/// Whether answers find their way back. A bound public address needs no route; a source on the
/// private path needs one that covers it.
pub(super) async fn read(
    gatherer: &Gatherer,
    subnet: &SubnetItem,
    routes: Option<&Routes>,
    way: Option<&PrivateWay>,
) -> Reading {
    let user = users_source(gatherer);
    let Some(source) = user.or_else(|| gatherer.own_source(Path::Private)) else {
        return if gatherer.instance.public_addresses.is_empty() {
            let why = said::nobody_known_come();
            gatherer.without_state(ROUTE, Status::NotAttempted, why)
        } else {
            let why = said::bound_public_address();
            gatherer.observed(route::OK, why)
        };
    };
    let table = sanitise(&subnet.route_table_id, 64);
    match back(routes, subnet, source) {
        Back::Local(where_) => gatherer.observed(route::OK, where_(source)),
        Back::Route(route) => through(gatherer, &table, route).await,
        Back::SwitchedOff(route) => {
            let detail = said::route_off(&table, target(route), source);
            gatherer.observed(route::MISSING, detail)
        }
        Back::Nowhere => match (user, way) {
            (None, Some(PrivateWay::Off(why))) => {
                gatherer.without_state(ROUTE, Status::NotAttempted, why.clone())
            }
            _ => {
                let detail = said::no_route_back(table, source);
                gatherer.observed(route::MISSING, detail)
            }
        },
        Back::Unread(Some(error)) => gatherer.failed(ROUTE, error),
        Back::Unread(None) => {
            let why = said::route_odd(table);
            gatherer.without_state(ROUTE, Status::ProbeFailed, why)
        }
    }
}

async fn through(gatherer: &Gatherer, table: &str, route: &RouteItem) -> Reading {
    let hop = said::route_goes(
        target(route),
        sanitise(&route.gateway_type, 40),
        sanitise(&route.gateway_id, 60),
    );
    match next_hop_is_down(gatherer, route).await {
        Some(why) => gatherer.observed(route::BLACKHOLE, why(hop)),
        None => gatherer.observed(route::OK, said::route_in(table, hop)),
    }
}

/// The entries of the table that was asked for, and how many could not be read.
fn entries(answer: &Value, table: &str) -> Result<(Vec<RouteItem>, usize), CloudError> {
    let listed = answer["RouteTableSet"].as_array();
    let found = listed.into_iter().flatten().find(|row| {
        let id = row["RouteTableId"].as_str();
        id.is_none_or(|id| id.is_empty() || id == table)
    });
    match found {
        Some(found) if found["RouteSet"].is_array() => Ok(wire::list(found, "RouteSet")),
        _ => Err(CloudError::BadAnswer {
            action: "vpc:DescribeRouteTables".to_owned(),
            host: "the cloud".to_owned(),
            reason: Box::new(said::routes_absent(table)),
        }),
    }
}

fn target(route: &RouteItem) -> String {
    let target = if route.destination_cidr_block.is_empty() {
        &route.destination_ipv6_cidr_block
    } else {
        &route.destination_cidr_block
    };
    sanitise(target, 60)
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

/// Why the instance that the route goes to forwards nothing; `None` if it may, or nobody knows.
async fn next_hop_is_down(gatherer: &Gatherer, route: &RouteItem) -> Option<fn(Said) -> Said> {
    let filter = match route.gateway_type.as_str() {
        "NORMAL_CVM" => "private-ip-address",
        "CVM" => "instance-id",
        _ => return None,
    };
    let parameters = json!({
        "Filters": [
            {"Name": filter, "Values": [route.gateway_id]},
            {"Name": "vpc-id", "Values": [gatherer.instance.vpc_id]},
        ],
        "Offset": 0,
        "Limit": 1,
    });
    let answer = gatherer.ask("cvm", "DescribeInstances", parameters).await;
    let answer = answer.ok()?;
    if answer["InstanceSet"].as_array().is_some_and(Vec::is_empty) {
        return Some(said::hop_missing);
    }
    let (items, _) = wire::list::<wire::InstanceSetItem>(&answer, "InstanceSet");
    let hop = items.iter().find(|item| {
        item.instance_id == route.gateway_id
            || item.private_ip_addresses.contains(&route.gateway_id)
    })?;
    matches!(hop.instance_state.as_str(), "STOPPED" | "SHUTDOWN").then_some(said::hop_off)
}

/// The VPC's own networks (`CidrBlock`, IPv6 and auxiliary ones).
async fn networks(gatherer: &Gatherer) -> Result<Vec<String>, CloudError> {
    let parameters = json!({"VpcIds": [gatherer.instance.vpc_id], "Offset": "0", "Limit": "1"});
    let answer = gatherer.ask("vpc", "DescribeVpcs", parameters).await?;
    let listed = answer["VpcSet"].as_array().and_then(|list| list.first());
    let vpc = listed.filter(|vpc| vpc["CidrBlock"].is_string());
    let vpc = vpc.ok_or_else(|| CloudError::BadAnswer {
        action: "vpc:DescribeVpcs".to_owned(),
        host: "the cloud".to_owned(),
        reason: Box::new(said::vpc_absent()),
    })?;
    let more = |list: &str, field: &str| -> Vec<Value> {
        let rows = vpc[list].as_array().into_iter().flatten();
        rows.map(|row| row[field].clone()).collect()
    };
    Ok([vpc["CidrBlock"].clone(), vpc["Ipv6CidrBlock"].clone()]
        .into_iter()
        .chain(more("AssistantCidrSet", "CidrBlock"))
        .chain(more("Ipv6CidrBlockSet", "Ipv6CidrBlock"))
        .filter_map(|network| network.as_str().map(str::to_owned))
        .collect())
}

fn is_inside(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
