//! `network-acl` and `route`: vpc `DescribeSubnets`, then the subnet's ACL and route table.
//!
//! Must not live here: the evaluation of ACLs (`domain::network_acl`), the judgement of routes
//! (`route`).

use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::Gatherer;
use super::route::{self, Routes};
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, NetworkAclItem, QuintupleEntry, SubnetItem};
use crate::domain::evidence::state::network_acl as acl_state;
use crate::domain::evidence::{Family, Path, Reading, Status, group};
use crate::domain::network_acl::{self, NetworkAcl};
use crate::domain::ports::contains;
use crate::domain::private_way::PrivateWay;
use crate::domain::text::sanitise;

const ACL: &str = group::NETWORK_ACL;
const ROUTE: &str = group::ROUTE;

#[derive(Default)]
pub(super) struct Subnet {
    pub readings: Vec<Reading>,
    pub acl: Option<NetworkAcl>,
    /// Whether this host is on the private path; `None` if nobody can say.
    pub way: Option<PrivateWay>,
    /// True if `route` speaks of the way back to this host, not to the user.
    pub route_is_ours: bool,
    /// Ids of the subnet, its ACL and its route table; `None` if the subnet could not be read.
    pub ids: Option<Vec<String>>,
}

pub(super) async fn read(gatherer: &Gatherer) -> Subnet {
    let started = Instant::now();
    let id = &gatherer.instance.subnet_id;
    if id.is_empty() {
        let why = said::instance_no_vpc();
        let readings = [ACL, ROUTE]
            .map(|group| gatherer.without_state(group, Status::NotApplicable, &why))
            .to_vec();
        return Subnet {
            readings: gatherer.emit(started, readings).await,
            ids: Some(Vec::new()),
            ..Subnet::default()
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
                ..Subnet::default()
            };
        }
    };
    let (acl, routes) = tokio::join!(
        load_bound_acl(gatherer, &subnet),
        Routes::of(gatherer, &subnet)
    );
    let way = route::own_way(gatherer, &subnet, routes.as_ref());
    let route_is_ours = route::users_source(gatherer).is_none();
    let route = route::read(gatherer, &subnet, routes.as_ref(), way.as_ref()).await;
    let (acl_reading, acl) = match acl {
        Ok(Some(acl)) => (judge_acl(gatherer, &subnet, &acl, way.as_ref()), Some(acl)),
        Ok(None) => {
            let detail = said::no_network_acl();
            (gatherer.observed(acl_state::NONE, detail), None)
        }
        Err(error) => (gatherer.failed(ACL, &error), None),
    };
    let acl_id = subnet.network_acl_id.as_ref();
    let ids = acl_id.map(|acl_id| vec![id.clone(), acl_id.clone(), subnet.route_table_id.clone()]);
    Subnet {
        readings: gatherer.emit(started, vec![acl_reading, route]).await,
        ids: ids.map(|ids| ids.into_iter().filter(|id| !id.is_empty()).collect()),
        acl,
        way,
        route_is_ours,
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
            reason: Box::new(said::subnet_absent(sanitise(id, 40))),
        })
}

/// Whose address an ACL is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JudgedFor {
    User,
    ThisHost,
    Anybody,
}

/// The source to judge for: the user's, else ours, else anybody's.
fn source(gatherer: &Gatherer) -> (IpAddr, JudgedFor) {
    if let Some(source) = gatherer.request.user_source {
        return (source, JudgedFor::User);
    }
    let own = gatherer
        .own_source(Path::Public)
        .or(gatherer.own_source(Path::Private));
    match own {
        Some(source) => (source, JudgedFor::ThisHost),
        // From a documentation network (RFC 5737), which no entry names.
        None => (IpAddr::from([192, 0, 2, 251]), JudgedFor::Anybody),
    }
}

/// True if the only source to judge for is this host's, on a private path that it is not on.
fn only_off_path(gatherer: &Gatherer, way: Option<&PrivateWay>) -> bool {
    gatherer.request.user_source.is_none()
        && gatherer.own_source(Path::Public).is_none()
        && gatherer.own_source(Path::Private).is_some()
        && matches!(way, Some(PrivateWay::Off(_)))
}

fn judge_acl(
    gatherer: &Gatherer,
    subnet: &SubnetItem,
    acl: &NetworkAcl,
    way: Option<&PrivateWay>,
) -> Reading {
    let id = sanitise(&acl.id, 64);
    if only_off_path(gatherer, way) {
        let why = said::acl_not_judged(id);
        return gatherer.without_state(ACL, Status::NotAttempted, why);
    }
    let (source, judged_for) = source(gatherer);
    let reading = if contains(&subnet.cidr_block, source) == Some(true) {
        // An ACL filters at the subnet's edge only.
        let detail = said::does_not_filter(id, source);
        gatherer.observed(acl_state::ALLOW, detail)
    } else {
        let local = gatherer
            .instance
            .private_addresses
            .iter()
            .find(|address| address.is_ipv4() == source.is_ipv4())
            .copied();
        let decision = network_acl::evaluate(acl, source, local, gatherer.port(), None);
        let detail = match judged_for {
            JudgedFor::User => decision.sentence,
            JudgedFor::ThisHost => said::user_unknown_here(decision.sentence),
            JudgedFor::Anybody => said::user_unknown_internet(decision.sentence),
        };
        gatherer.observed(decision.verdict.state(), detail)
    };
    reading.in_family(Family::of(source))
}

/// The ACL of the subnet; `None` if none is bound.
async fn load_bound_acl(
    gatherer: &Gatherer,
    subnet: &SubnetItem,
) -> Result<Option<NetworkAcl>, CloudError> {
    let Some(id) = &subnet.network_acl_id else {
        return Err(wire::not_understood(
            "vpc:DescribeSubnets",
            said::what_subnet_acl(),
        ));
    };
    let id = sanitise(id, 64);
    if id.is_empty() {
        return Ok(None);
    }
    load_acl(gatherer, &id).await.map(Some)
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
        reason: Box::new(said::odd_entries(id)),
    };
    if unreadable > 0 {
        return Err(unreadable_acl());
    }
    let item = items.pop().ok_or_else(unreadable_acl)?;
    let quintuple = item.network_acl_type.eq_ignore_ascii_case("QUINTUPLE");
    // The official example names the type `1`, so the entries themselves tell a triple one.
    if !quintuple && !item.has_entries() {
        return Err(unreadable_acl());
    }
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
        let entries = || said::what_entries(id);
        if unreadable > 0 || items.iter().any(|item| !item.has_direction()) {
            return Err(wire::not_understood(&format!("vpc:{action}"), entries()));
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
        let Some(total) = wire::total(&answer) else {
            return Err(wire::not_understood(&format!("vpc:{action}"), entries()));
        };
        if count == 0 || offset >= total as usize {
            return Ok((ingress, egress));
        }
    }
}
