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
use crate::cloud::wire::{self, BlockRecord, BlockedAddress, KeyValue};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::{Reading, Status};
use crate::domain::text::sanitise;

const ID: &str = "ddos-block";
/// Version of antiddos with block records.
const NEW_VERSION: &str = "2025-09-03";

/// What one source says; later variants are worse.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    Attacked(String),
    Blocked(String),
}

pub(super) async fn read(
    gatherer: &Gatherer,
    found: &Addresses,
    failure: Option<&CloudError>,
) -> Reading {
    if !has_public(gatherer, found) {
        return gatherer.without_state(ID, Status::NotApplicable, "there is no public address");
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
            Some(address) => Said::Blocked(format!(
                "{} is blocked (DescribeAddresses)",
                sanitise(&address.address_ip, 60)
            )),
            None => Said::Nothing,
        }));
    }
    let worst = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .max();
    match worst {
        Some(Said::Blocked(detail)) => gatherer.observed(ID, "blocked", detail),
        Some(Said::Attacked(detail)) => gatherer.observed(ID, "attacked", detail),
        Some(Said::Nothing) => gatherer.observed(ID, "none", "no source names a block or attack"),
        None => {
            let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
            // A missing permission is what the operator can do something about.
            let error = failure
                .into_iter()
                .chain(errors)
                .max_by_key(|error| error.missing_permission().is_some());
            error.map_or_else(
                || gatherer.without_state(ID, Status::ProbeFailed, "no source answered"),
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

async fn block_records(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Said, CloudError> {
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
    let (records, _) = wire::list::<BlockRecord>(&answer, "BlockRecords");
    Ok(records
        .iter()
        .filter(|record| is_ours(&record.resource, addresses))
        .find(|record| matches!(record.status.as_str(), "Blocked" | "Unblocking"))
        .map_or(Said::Nothing, |record| {
            Said::Blocked(format!(
                "{} is {} since {}",
                sanitise(&record.resource, 60),
                record.status.to_lowercase(),
                sanitise(&record.block_time, 40)
            ))
        }))
}

async fn block_list(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Said, CloudError> {
    let call = ApiCall::new("antiddos", "DescribeIpBlockList", "", json!({}));
    let answer = gatherer.call(&call).await?;
    let (list, _) = wire::list::<BlockedAddress>(&answer, "List");
    Ok(list
        .iter()
        .find(|row| is_ours(&row.ip, addresses))
        .map_or(Said::Nothing, |row| {
            Said::Blocked(format!(
                "{} is {}; release is expected at {}",
                sanitise(&row.ip, 60),
                sanitise(&row.status, 40).to_lowercase(),
                sanitise(&row.un_block_time, 40)
            ))
        }))
}

async fn live_status(gatherer: &Gatherer, addresses: &[IpAddr]) -> Result<Said, CloudError> {
    let call = ApiCall::new(
        "antiddos",
        "DescribeBasicDeviceStatus",
        "",
        json!({"IpList": addresses}),
    );
    let answer = gatherer.call(&call).await?;
    let (rows, _) = wire::list::<KeyValue>(&answer, "Data");
    Ok(rows
        .iter()
        .filter(|row| is_ours(&row.key, addresses))
        .map(|row| match row.value.trim() {
            "1" => Said::Blocked(format!("{} is blocked", sanitise(&row.key, 60))),
            "3" => Said::Attacked(format!("{} is under attack", sanitise(&row.key, 60))),
            _ => Said::Nothing,
        })
        .max()
        .unwrap_or(Said::Nothing))
}
