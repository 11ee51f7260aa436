//! `ddos-block`: from vpc `IsBlocked` and antiddos, in both of its versions.
//!
//! Any source that answers is enough to see a block; which of them a key may use differs.
//! Must not live here: lifting a block.

use std::net::IpAddr;

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::Gatherer;
use super::addresses::{Addresses, has_public};
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, BlockRecord, BlockedAddress, KeyValue};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::state::ddos_block;
use crate::domain::evidence::{Reading, Status, group};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

const ID: &str = group::DDOS_BLOCK;
/// Version of antiddos with block records.
const NEW_VERSION: &str = "2025-09-03";

/// What one source says; later variants are worse.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Attacked(Said),
    Blocked(Said),
}

impl Told {
    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Attacked(_) => 1,
            Self::Blocked(_) => 2,
        }
    }
}

pub(super) async fn read(
    gatherer: &Gatherer,
    found: &Addresses,
    failure: Option<&CloudError>,
) -> Reading {
    if !has_public(gatherer, found) {
        return gatherer.without_state(ID, Status::NotApplicable, said::there_no_public());
    }
    let addresses = public_addresses(gatherer, found);
    let (records, list, status) = tokio::join!(
        block_records(gatherer, &addresses),
        block_list(gatherer, &addresses),
        live_status(gatherer, &addresses),
    );
    let mut answers = vec![records, list, status];
    if let Some(list) = &found.bound {
        answers.push(Ok(match list.iter().find(|a| a.is_blocked == Some(true)) {
            Some(address) => Told::Blocked(said::blocked_describeaddresses(sanitise(
                &address.address_ip,
                60,
            ))),
            None => Told::Nothing,
        }));
    }
    let worst = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .max_by_key(|told| told.rank());
    match worst {
        Some(Told::Blocked(detail)) => gatherer.observed(ddos_block::BLOCKED, detail),
        Some(Told::Attacked(detail)) => gatherer.observed(ddos_block::ATTACKED, detail),
        Some(Told::Nothing) => gatherer.observed(ddos_block::NONE, said::no_source_names()),
        None => {
            let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
            // A missing permission is what the operator can do something about.
            let error = failure
                .into_iter()
                .chain(errors)
                .max_by_key(|error| error.missing_permission().is_some());
            error.map_or_else(
                || gatherer.without_state(ID, Status::ProbeFailed, said::no_source_answered()),
                |error| gatherer.failed(ID, error),
            )
        }
    }
}

fn public_addresses(gatherer: &Gatherer, found: &Addresses) -> Vec<IpAddr> {
    let mut list = gatherer.instance.public_addresses.clone();
    for address in found.bound.iter().flatten() {
        if let Ok(address) = address.address_ip.parse::<IpAddr>()
            && !list.contains(&address)
        {
            list.push(address);
        }
    }
    list
}

fn is_ours(text: &str, addresses: &[IpAddr]) -> bool {
    text.trim()
        .parse::<IpAddr>()
        .is_ok_and(|address| addresses.contains(&address))
}

async fn block_records(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Told, CloudError> {
    let now = gatherer.now();
    let start = now.checked_sub((24 * 30).hours()).unwrap_or(now);
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let parameters = json!({
        "StartTime": stamp(start),
        "EndTime": stamp(now),
        "Filters": [{"Name": "Resource", "Values": addresses}],
        "Limit": 100,
        "Offset": 0,
    });
    let call = ApiCall::new("antiddos", "DescribeDDoSBlockRecords", "", parameters)
        .with_version(NEW_VERSION);
    let answer = gatherer.call(&call).await?;
    let action = call.permission();
    let records = wire::whole::<BlockRecord>(&answer, "BlockRecords", &action)?;
    let ours: Vec<&BlockRecord> = records
        .iter()
        .filter(|record| is_ours(&record.resource, addresses))
        .collect();
    let is_blocked =
        |record: &&&BlockRecord| matches!(record.status.as_str(), "Blocked" | "Unblocking");
    let blocked = ours.iter().find(is_blocked);
    if blocked.is_none() && ours.iter().any(|record| record.status != "Unblocked") {
        return Err(wire::not_understood(&action, said::what_block_status()));
    }
    Ok(blocked.map_or(Told::Nothing, |record| {
        Told::Blocked(said::block_since(
            sanitise(&record.resource, 60),
            record.status.to_lowercase(),
            sanitise(&record.block_time, 40),
        ))
    }))
}

async fn block_list(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Told, CloudError> {
    let call = ApiCall::new("antiddos", "DescribeIpBlockList", "", json!({}));
    let answer = gatherer.call(&call).await?;
    let list = wire::whole::<BlockedAddress>(&answer, "List", &call.permission())?;
    Ok(list
        .iter()
        .find(|row| is_ours(&row.ip, addresses))
        .map_or(Told::Nothing, |row| {
            Told::Blocked(said::block_until(
                sanitise(&row.ip, 60),
                sanitise(&row.status, 40).to_lowercase(),
                sanitise(&row.un_block_time, 40),
            ))
        }))
}

async fn live_status(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Told, CloudError> {
    let call = ApiCall::new(
        "antiddos",
        "DescribeBasicDeviceStatus",
        "",
        json!({"IpList": addresses}),
    );
    let answer = gatherer.call(&call).await?;
    let action = call.permission();
    let rows = wire::whole::<KeyValue>(&answer, "Data", &action)?;
    // 1 blocked, 2 in order, 3 attacked.
    let said = rows
        .iter()
        .filter(|row| is_ours(&row.key, addresses))
        .filter_map(|row| match row.value.trim() {
            "1" => Some(Told::Blocked(said::blocked(sanitise(&row.key, 60)))),
            "2" => Some(Told::Nothing),
            "3" => Some(Told::Attacked(said::under_attack(sanitise(&row.key, 60)))),
            _ => None,
        });
    said.max_by_key(Told::rank)
        .ok_or_else(|| wire::not_understood(&action, said::what_address_status()))
}
