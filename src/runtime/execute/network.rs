//! ACLs, routes and blocks as the cloud has them now, for plans and for what a call expects and leaves.
//!
//! Must not live here: security groups and addresses (`read`), what they mean for a login
//! (`cloud::facts`).

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::read::{self, NAMED};
use crate::action::context::{AclFacts, AclLine, BlockFacts, Others, RouteFacts, RouteLine};
use crate::action::expected::{AclEntries, Cap, Expected, RouteIs, RouteState, as_sent};
use crate::action::plan::{Completion, Step};
use crate::action::unblock::VERSION;
use crate::cloud::said as cloud_said;
use crate::cloud::wire::{
    self, BlockRecord, BlockedAddress, InstanceSetItem, NetworkAclItem, QuintupleEntry, SubnetItem,
};
use crate::cloud::{Client, CloudError, inventory};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::network_acl::Entry;
use crate::domain::network_acl::gap::in_order;
use crate::domain::text::sanitise;

/// Most values of a filter in cvm.
const FILTER_VALUES: usize = 5;
/// How far back block records are read.
const RECORDS: SignedDuration = SignedDuration::from_hours(24 * 30);

async fn ask(
    client: &Client,
    region: &str,
    action: &str,
    parameters: Value,
) -> Result<Value, CloudError> {
    let call = ApiCall::new("vpc", action, region, parameters);
    Ok(client.call(&call).await?.response)
}

fn odd(action: &str, what: &str) -> CloudError {
    wire::not_understood(&format!("vpc:{action}"), cloud_said::what_entries(what))
}

async fn subnet(client: &Client, instance: &Instance) -> Result<SubnetItem, CloudError> {
    let id = &instance.subnet_id;
    let parameters = json!({"SubnetIds": [id], "Offset": "0", "Limit": "1"});
    let answer = ask(client, &instance.region, "DescribeSubnets", parameters).await?;
    let found = wire::whole::<SubnetItem>(&answer, "SubnetSet", "vpc:DescribeSubnets")?;
    found
        .into_iter()
        .find(|item| item.subnet_id == *id)
        .ok_or_else(|| odd("DescribeSubnets", id))
}

/// Other instances in these subnets, without this one.
async fn others(client: &Client, instance: &Instance, subnets: &[String]) -> Option<Others> {
    let mut all = Others::default();
    for part in subnets.chunks(FILTER_VALUES) {
        let call = ApiCall::new(
            "cvm",
            "DescribeInstances",
            &instance.region,
            json!({
                "Filters": [{ "Name": "subnet-id", "Values": part }],
                "Limit": NAMED + 1,
            }),
        );
        let answer = client.call(&call).await.ok()?.response;
        let rows =
            wire::whole::<InstanceSetItem>(&answer, "InstanceSet", &call.permission()).ok()?;
        all.count += usize::try_from(wire::total(&answer)?).ok()?;
        let others = rows.iter().filter(|row| row.instance_id != instance.id);
        all.names.extend(others.map(|row| {
            let (name, id) = (&row.instance_name, &row.instance_id);
            format!("{} ({})", sanitise(name, 60), sanitise(id, 60))
        }));
    }
    all.names.truncate(NAMED);
    // This instance is one of them.
    all.count = all.count.saturating_sub(1).max(all.names.len());
    Some(all)
}

/// `name (id)` of each subnet of an answer, and the ids.
fn named_subnets(rows: &Value) -> (Vec<String>, Vec<String>) {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let id = |row: &Value| sanitise(row["SubnetId"].as_str().unwrap_or_default(), 60);
    let shown = |row: &Value| match row["SubnetName"].as_str() {
        Some(name) if !name.is_empty() => format!("{} ({})", sanitise(name, 60), id(row)),
        _ => id(row),
    };
    (
        rows.iter().map(shown).collect(),
        rows.iter().map(id).collect(),
    )
}

/// The ACL of the instance's subnet; `None` where it has none.
pub(super) async fn acl(
    client: &Client,
    instance: &Instance,
) -> Result<Option<AclFacts>, CloudError> {
    if instance.subnet_id.is_empty() {
        return Ok(None);
    }
    let own = subnet(client, instance).await?;
    let id = match own.network_acl_id.as_deref().map(|id| sanitise(id, 64)) {
        None => return Err(odd("DescribeSubnets", &instance.subnet_id)),
        Some(id) if id.is_empty() => return Ok(None),
        Some(id) => id,
    };
    let region = &instance.region;
    let row = acl_row(client, region, &id).await?;
    let (mut subnets, mut ids) = named_subnets(&row["SubnetSet"]);
    if ids.is_empty() {
        subnets.push(instance.subnet_id.clone());
        ids.push(instance.subnet_id.clone());
    }
    let item = item(&row, &id)?;
    let quintuple = item.network_acl_type.eq_ignore_ascii_case("QUINTUPLE");
    let (ingress, egress) = lines(client, region, &id, quintuple, &row).await?;
    Ok(Some(AclFacts {
        name: sanitise(&item.network_acl_name, 60),
        id,
        quintuple,
        ingress,
        egress,
        subnet: own.cidr_block,
        subnets,
        others: others(client, instance, &ids).await,
    }))
}

async fn acl_row(client: &Client, region: &str, id: &str) -> Result<Value, CloudError> {
    let parameters = json!({"NetworkAclIds": [id], "Offset": 0, "Limit": 1});
    let mut answer = ask(client, region, "DescribeNetworkAcls", parameters).await?;
    let row = answer["NetworkAclSet"][0].take();
    if row["NetworkAclId"].as_str() == Some(id) {
        Ok(row)
    } else {
        Err(odd("DescribeNetworkAcls", id))
    }
}

fn item(row: &Value, id: &str) -> Result<NetworkAclItem, CloudError> {
    serde_json::from_value(row.clone()).map_err(|_| odd("DescribeNetworkAcls", id))
}

type Lines = (Vec<AclLine>, Vec<AclLine>);

/// The entries of both directions, each in order of evaluation.
async fn lines(
    client: &Client,
    region: &str,
    id: &str,
    quintuple: bool,
    row: &Value,
) -> Result<Lines, CloudError> {
    if quintuple {
        return quintuple_lines(client, region, id).await;
    }
    let item = item(row, id)?;
    if !item.has_entries() {
        return Err(odd("DescribeNetworkAcls", id));
    }
    let acl = item.into_domain();
    let side = |entries: Vec<Entry>, field: &str| {
        let rows = row[field].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.len() != entries.len() {
            return Err(odd("DescribeNetworkAcls", id));
        }
        let lines = entries.into_iter().zip(rows).map(|(entry, row)| AclLine {
            entry,
            sent: as_sent(row, false),
        });
        Ok(in_order(lines.collect(), |line: &AclLine| &line.entry))
    };
    Ok((
        side(acl.ingress, "IngressEntries")?,
        side(acl.egress, "EgressEntries")?,
    ))
}

async fn quintuple_lines(client: &Client, region: &str, id: &str) -> Result<Lines, CloudError> {
    const ACTION: &str = "DescribeNetworkAclQuintupleEntries";
    let (mut ingress, mut egress): Lines = (Vec::new(), Vec::new());
    let mut offset = 0;
    loop {
        let parameters = json!({"NetworkAclId": id, "Offset": offset, "Limit": 100});
        let answer = ask(client, region, ACTION, parameters).await?;
        let rows = answer["NetworkAclQuintupleSet"].as_array();
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        let items = wire::whole::<QuintupleEntry>(
            &answer,
            "NetworkAclQuintupleSet",
            &format!("vpc:{ACTION}"),
        )?;
        if items.len() != rows.len() || items.iter().any(|item| !item.has_direction()) {
            return Err(odd(ACTION, id));
        }
        for (place, (item, row)) in items.into_iter().zip(rows).enumerate() {
            let side = if item.is_inbound() {
                &mut ingress
            } else {
                &mut egress
            };
            side.push(AclLine {
                entry: item.into_domain(offset + place),
                sent: as_sent(row, true),
            });
        }
        offset += rows.len();
        let total = wire::total(&answer).ok_or_else(|| odd(ACTION, id))?;
        if rows.is_empty() || offset as u64 >= total {
            let sorted = |lines| in_order(lines, |line: &AclLine| &line.entry);
            return Ok((sorted(ingress), sorted(egress)));
        }
    }
}

/// Whether the entries of an ACL are these now.
pub(super) async fn acl_is(
    client: &Client,
    region: &str,
    wanted: &AclEntries,
) -> Result<bool, CloudError> {
    let row = acl_row(client, region, &wanted.acl).await?;
    let (ingress, egress) = lines(client, region, &wanted.acl, wanted.quintuple, &row).await?;
    let sent = |lines: Vec<AclLine>| lines.into_iter().map(|line| line.sent).collect::<Vec<_>>();
    Ok(wanted.are(&sent(ingress), &sent(egress)))
}

/// The route table of the instance's subnet, and the others of its VPC.
pub(super) async fn routes(client: &Client, instance: &Instance) -> Result<RouteFacts, CloudError> {
    let region = &instance.region;
    let own = subnet(client, instance).await?;
    let id = sanitise(&own.route_table_id, 64);
    let vpc = &instance.vpc_id;
    let (facts, networks, siblings) = tokio::join!(
        table(client, region, &id),
        networks(client, region, vpc),
        siblings(client, region, vpc, &id),
    );
    let (mut facts, networks) = (facts?, networks?);
    facts.networks = networks;
    // They only help where no route is there at all.
    facts.siblings = siblings.unwrap_or_default();
    let mut ids = std::mem::take(&mut facts.subnets);
    if ids.is_empty() {
        ids.push(instance.subnet_id.clone());
    }
    facts.others = others(client, instance, &ids).await;
    facts.subnets = ids;
    Ok(facts)
}

/// One route table.
pub(super) async fn table(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<RouteFacts, CloudError> {
    const ACTION: &str = "DescribeRouteTables";
    let parameters = json!({"RouteTableIds": [id], "Offset": "0", "Limit": "1"});
    let answer = ask(client, region, ACTION, parameters).await?;
    let row = &answer["RouteTableSet"][0];
    let routes = route_lines(row).ok_or_else(|| odd(ACTION, id))?;
    if row["RouteTableId"].as_str() != Some(id) {
        return Err(odd(ACTION, id));
    }
    Ok(RouteFacts {
        table: id.to_owned(),
        name: sanitise(row["RouteTableName"].as_str().unwrap_or_default(), 60),
        routes,
        subnets: named_subnets(&row["AssociationSet"]).1,
        ..RouteFacts::default()
    })
}

fn route_lines(row: &Value) -> Option<Vec<RouteLine>> {
    let rows = row["RouteSet"].as_array()?;
    let text = |row: &Value, field: &str| sanitise(row[field].as_str().unwrap_or_default(), 100);
    let line = |row: &Value| {
        let target = text(row, "DestinationCidrBlock");
        RouteLine {
            item: text(row, "RouteItemId"),
            number: row["RouteId"].as_u64().unwrap_or_default(),
            target: if target.is_empty() {
                text(row, "DestinationIpv6CidrBlock")
            } else {
                target
            },
            kind: text(row, "GatewayType"),
            gateway: text(row, "GatewayId"),
            enabled: row["Enabled"].as_bool() != Some(false),
            own: matches!(text(row, "RouteType").as_str(), "USER" | ""),
            description: text(row, "RouteDescription"),
        }
    };
    Some(rows.iter().map(line).collect())
}

/// The other tables of a VPC, as far as one page holds them.
async fn siblings(
    client: &Client,
    region: &str,
    vpc: &str,
    but: &str,
) -> Result<Vec<(String, Vec<RouteLine>)>, CloudError> {
    let parameters = json!({
        "Filters": [{ "Name": "vpc-id", "Values": [vpc] }], "Offset": "0", "Limit": "100",
    });
    let answer = ask(client, region, "DescribeRouteTables", parameters).await?;
    let rows = answer["RouteTableSet"].as_array().into_iter().flatten();
    let table = |row: &Value| {
        let id = sanitise(row["RouteTableId"].as_str()?, 64);
        (id != but).then(|| Some((id, route_lines(row)?)))?
    };
    Ok(rows.filter_map(table).collect())
}

/// Networks of a VPC, which need no route.
async fn networks(client: &Client, region: &str, vpc: &str) -> Result<Vec<String>, CloudError> {
    let parameters = json!({"VpcIds": [vpc], "Offset": "0", "Limit": "1"});
    let answer = ask(client, region, "DescribeVpcs", parameters).await?;
    let row = &answer["VpcSet"][0];
    if !row["CidrBlock"].is_string() {
        return Err(odd("DescribeVpcs", vpc));
    }
    let lists = [
        ("AssistantCidrSet", "CidrBlock"),
        ("Ipv6CidrBlockSet", "Ipv6CidrBlock"),
    ];
    let more = lists.iter().flat_map(|(list, field)| {
        let rows = row[*list].as_array().into_iter().flatten();
        rows.map(|row| &row[*field])
    });
    let all = [&row["CidrBlock"], &row["Ipv6CidrBlock"]]
        .into_iter()
        .chain(more);
    let texts = all.filter_map(Value::as_str).filter(|it| !it.is_empty());
    Ok(texts.map(str::to_owned).collect())
}

/// Whether a route stands so now.
pub(super) async fn route_is(
    client: &Client,
    region: &str,
    wanted: &RouteState,
) -> Result<bool, CloudError> {
    let table = table(client, region, &wanted.table).await?;
    let is_it = |route: &&RouteLine| {
        if !wanted.item.is_empty() {
            route.item == wanted.item
        } else if !wanted.mark.is_empty() {
            route.description == wanted.mark
        } else {
            (&route.target, &route.gateway) == (&wanted.target, &wanted.gateway)
        }
    };
    let found = table.routes.iter().find(is_it);
    Ok(match (found, wanted.is) {
        (None, is) => is == RouteIs::Absent,
        (Some(_), RouteIs::Absent) => false,
        (Some(route), is) => {
            let same = (&route.target, &route.gateway) == (&wanted.target, &wanted.gateway);
            same && route.enabled == (is == RouteIs::Enabled)
        }
    })
}

/// Whether it stands as a call expects it.
pub(super) async fn stands_so(
    client: &Client,
    region: &str,
    expected: &Expected,
) -> Result<bool, CloudError> {
    match expected {
        Expected::Acl(entries) => acl_is(client, region, entries).await,
        Expected::Route(route) => route_is(client, region, route).await,
        Expected::Cap(cap) => Ok(cap_of(client, region, cap).await? == Some(cap.mbps)),
    }
}

/// Whether it stands as a call would leave it.
pub(super) async fn stands_after(
    client: &Client,
    region: &str,
    expected: &Expected,
    step: &Step,
) -> Result<bool, CloudError> {
    match (&step.completion, expected) {
        (Completion::Acl(entries), _) => acl_is(client, region, entries).await,
        (Completion::Route(route), _) => route_is(client, region, route).await,
        (_, Expected::Cap(cap)) => {
            let body = &step.call.parameters;
            let after = body["InternetMaxBandwidthOut"]
                .as_u64()
                .or_else(|| body["InternetAccessible"]["InternetMaxBandwidthOut"].as_u64());
            Ok(cap_of(client, region, cap).await? == after)
        }
        _ => Ok(false),
    }
}

async fn cap_of(client: &Client, region: &str, cap: &Cap) -> Result<Option<u64>, CloudError> {
    match cap {
        Cap {
            address: Some(id), ..
        } => {
            let parameters = json!({ "AddressIds": [id] });
            let answer = ask(client, region, "DescribeAddresses", parameters).await?;
            let found = read::addresses(&answer)?;
            Ok(found.first().and_then(|address| address.bandwidth))
        }
        Cap { instance, .. } => {
            let found = inventory::refresh(client, region, instance).await?;
            Ok(found.and_then(|instance| instance.bandwidth_out_mbps))
        }
    }
}

async fn block_records(client: &Client, addresses: &[IpAddr]) -> Result<Value, CloudError> {
    let now = client.now();
    let stamp = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let parameters = json!({
        "StartTime": stamp(now - RECORDS),
        "EndTime": stamp(now),
        "Filters": [{"Name": "Resource", "Values": addresses}],
        "Limit": 100,
        "Offset": 0,
    });
    let call =
        ApiCall::new("antiddos", "DescribeDDoSBlockRecords", "", parameters).with_version(VERSION);
    Ok(client.call(&call).await?.response)
}

/// The records of an address, newest first.
fn records_of(answer: &Value, address: &str) -> Result<Vec<BlockRecord>, CloudError> {
    let action = "antiddos:DescribeDDoSBlockRecords";
    let mut records = wire::whole::<BlockRecord>(answer, "BlockRecords", action)?;
    records.retain(|record| record.resource.trim() == address);
    let at = |record: &BlockRecord| record.block_time.parse::<Timestamp>().ok();
    records.sort_by_key(|record| std::cmp::Reverse(at(record)));
    Ok(records)
}

/// Blocks of the instance's public addresses, the account's lifts, and when they end by themselves.
pub(super) async fn block(client: &Client, instance: &Instance) -> Result<BlockFacts, CloudError> {
    let addresses = &instance.public_addresses;
    let (records, listed) = tokio::join!(block_records(client, addresses), block_list(client));
    let mut facts = BlockFacts::default();
    let is_own = |row: &&BlockedAddress| {
        let address = row.ip.trim().parse::<IpAddr>();
        address.is_ok_and(|address| addresses.contains(&address))
    };
    let listed: Vec<BlockedAddress> = match (&records, listed) {
        (_, Ok(listed)) => listed.iter().filter(is_own).cloned().collect(),
        // Only a help beside the records: the older version tells when a block ends.
        (Ok(_), Err(_)) => Vec::new(),
        (Err(_), Err(error)) => return Err(error),
    };
    let ends = listed.iter().map(|row| row.un_block_time.trim());
    facts.ends = ends
        .filter(|at| !at.is_empty())
        .map(|at| sanitise(at, 40))
        .next();
    let Ok(records) = records else {
        let blocked = listed.iter().filter(|row| row.status != "UnBlocking");
        let address = |row: &BlockedAddress| Some((row.ip.trim().parse().ok()?, String::new()));
        facts.blocked = blocked.filter_map(address).collect();
        return Ok(facts);
    };
    for address in addresses {
        let found = records_of(&records, &address.to_string())?;
        match found.first().map(|record| record.status.as_str()) {
            Some("Blocked") => {
                let since = sanitise(&found[0].block_time, 40);
                facts.blocked.push((*address, since));
            }
            Some("Unblocking") => facts.lifting.push(*address),
            _ => {}
        }
    }
    let quota = &records["UnblockQuotaInfo"];
    facts.quota = match (quota["TotalQuota"].as_u64(), quota["UsedQuota"].as_u64()) {
        (Some(all), Some(used)) => {
            let until = quota["QuotaEndTime"].as_str().unwrap_or_default();
            Some((all, used, sanitise(until, 40)))
        }
        _ => None,
    };
    Ok(facts)
}

/// Blocked addresses as the older version of antiddos lists them.
async fn block_list(client: &Client) -> Result<Vec<BlockedAddress>, CloudError> {
    let call = ApiCall::new("antiddos", "DescribeIpBlockList", "", json!({}));
    let answer = client.call(&call).await?.response;
    wire::whole::<BlockedAddress>(&answer, "List", &call.permission())
}

/// The newest record of an address, in lower case; empty where there is none.
async fn newest(client: &Client, address: &str) -> Result<String, CloudError> {
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Ok(String::new());
    };
    let records = match block_records(client, &[parsed]).await {
        Ok(answer) => records_of(&answer, address)?,
        Err(error) => {
            let Ok(listed) = block_list(client).await else {
                return Err(error);
            };
            let listed = listed.iter().any(|row| row.ip.trim() == address);
            return Ok(if listed { "blocked" } else { "" }.to_owned());
        }
    };
    let newest = records.first().map(|record| record.status.to_lowercase());
    Ok(newest.unwrap_or_default())
}

/// Whether the newest block of an address is over.
pub(super) async fn is_unblocked(client: &Client, address: &str) -> Result<bool, CloudError> {
    Ok(matches!(
        newest(client, address).await?.as_str(),
        "unblocked" | ""
    ))
}

/// Whether a lift was asked for: it is under way or done.
pub(super) async fn is_being_lifted(client: &Client, address: &str) -> Result<bool, CloudError> {
    Ok(newest(client, address).await? != "blocked")
}
