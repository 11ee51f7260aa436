//! Instances of several regions, page by page, and the look-up of one target.
//!
//! A region that fails is reported and does not stop the others. Must not live here: login
//! health (`probe`), static hosts (`config`).

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::Client;
use super::error::CloudError;
use super::wire::{self, InstanceSetItem, RegionItem};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// Largest page of `DescribeInstances`.
const PAGE: u64 = 100;
/// Pages of one region under way at once; the rate limit bounds them in any case.
const PAGES_AT_ONCE: usize = 8;

/// Progress of a listing.
#[derive(Debug, Clone, PartialEq)]
pub enum InventoryEvent {
    /// The regions that will be read.
    Started { regions: Vec<String> },
    /// Some instances of a region; `loaded` of `total` are there now.
    Page {
        region: String,
        instances: Vec<Instance>,
        loaded: u64,
        total: u64,
    },
    /// A region is complete.
    RegionDone { region: String, count: u64 },
    /// A region could not be read, or not to its end.
    RegionFailed { region: String, error: CloudError },
}

/// Lists the instances of `regions` (`all` stands for every region that has CVM) into `page`.
/// Ends early when the receiver is gone.
///
/// # Errors
/// Only when `all` was asked for and the list of regions cannot be read; failures of single
/// regions are events.
pub async fn list(
    client: &Client,
    regions: &[String],
    page: mpsc::Sender<InventoryEvent>,
) -> Result<(), CloudError> {
    let regions = Arc::new(expand(client, regions).await?);
    let started = InventoryEvent::Started {
        regions: regions.names.clone(),
    };
    if page.send(started).await.is_err() {
        return Ok(());
    }
    let mut tasks = JoinSet::new();
    for region in regions.names.clone() {
        let (client, page, regions) = (client.clone(), page.clone(), regions.clone());
        tasks.spawn(async move { list_region(&client, &region, &regions, &page).await });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Every region with CVM (region `DescribeRegions`, `Product` = `cvm`).
pub async fn regions(client: &Client) -> Result<Vec<String>, CloudError> {
    let call = ApiCall::new("region", "DescribeRegions", "", json!({"Product": "cvm"}));
    let answer = client.call(&call).await?;
    let items = wire::whole::<RegionItem>(&answer.response, "RegionSet", &call.permission())?;
    Ok(items
        .into_iter()
        .filter(|item| item.region_state != "UNAVAILABLE" && !item.region.is_empty())
        .map(|item| item.region)
        .collect())
}

/// Regions that had CVM when this was written, for keys that may not list them.
const KNOWN_REGIONS: &[&str] = &[
    "ap-bangkok",
    "ap-beijing",
    "ap-chengdu",
    "ap-chongqing",
    "ap-guangzhou",
    "ap-hongkong",
    "ap-jakarta",
    "ap-mumbai",
    "ap-nanjing",
    "ap-seoul",
    "ap-shanghai",
    "ap-singapore",
    "ap-tokyo",
    "eu-frankfurt",
    "na-ashburn",
    "na-siliconvalley",
    "sa-saopaulo",
];

/// The regions to read.
struct Regions {
    names: Vec<String>,
    /// The list is ours, not the cloud's: it may name regions that the account does not have.
    guessed: bool,
}

impl Regions {
    /// True if the error only says that a guessed region is not there.
    fn is_absence(&self, error: &CloudError) -> bool {
        self.guessed && error.is_unserved()
    }
}

async fn expand(client: &Client, asked: &[String]) -> Result<Regions, CloudError> {
    let mut guessed = false;
    let listed = if asked.iter().any(|region| region == "all") {
        match regions(client).await {
            // Whoever may not list the regions may still look into the known ones.
            Err(error) if error.is_unserved() || matches!(error, CloudError::Permission { .. }) => {
                tracing::warn!(%error, "the known regions are read instead");
                guessed = true;
                KNOWN_REGIONS.iter().map(|&name| name.to_owned()).collect()
            }
            listed => listed?,
        }
    } else {
        asked.to_vec()
    };
    let mut seen = HashSet::new();
    Ok(Regions {
        names: listed
            .into_iter()
            .filter(|region| seen.insert(region.clone()))
            .collect(),
        guessed,
    })
}

async fn list_region(
    client: &Client,
    region: &str,
    regions: &Regions,
    page: &mpsc::Sender<InventoryEvent>,
) {
    let event = match read_pages(client, region, page).await {
        Ok(Some(count)) => InventoryEvent::RegionDone {
            region: region.to_owned(),
            count,
        },
        Ok(None) => return,
        Err(error) if regions.is_absence(&error) => InventoryEvent::RegionDone {
            region: region.to_owned(),
            count: 0,
        },
        Err(error) => InventoryEvent::RegionFailed {
            region: region.to_owned(),
            error,
        },
    };
    // A receiver that has gone wants no more news.
    let _ = page.send(event).await;
}

/// Reads a region to its end; `None` if the receiver has gone.
async fn read_pages(
    client: &Client,
    region: &str,
    page: &mpsc::Sender<InventoryEvent>,
) -> Result<Option<u64>, CloudError> {
    let mut seen = HashSet::new();
    let mut loaded = 0;
    let mut deliver = |instances: Vec<Instance>, total: u64| {
        // An instance can move between pages while they are read.
        let fresh: Vec<_> = instances
            .into_iter()
            .filter(|instance| seen.insert(instance.id.clone()))
            .collect();
        loaded += fresh.len() as u64;
        InventoryEvent::Page {
            region: region.to_owned(),
            instances: fresh,
            loaded,
            total: total.max(loaded),
        }
    };
    let (first, total) = describe(client, region, json!({"Offset": 0, "Limit": PAGE})).await?;
    let total = total.unwrap_or(first.len() as u64);
    if page.send(deliver(first, total)).await.is_err() {
        return Ok(None);
    }
    let mut offsets = (PAGE..total).step_by(PAGE as usize);
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < PAGES_AT_ONCE {
            let Some(offset) = offsets.next() else { break };
            let (client, region) = (client.clone(), region.to_owned());
            tasks.spawn(async move {
                describe(&client, &region, json!({"Offset": offset, "Limit": PAGE})).await
            });
        }
        let Some(done) = tasks.join_next().await else {
            break;
        };
        let (instances, _) = done.map_err(|error| CloudError::Setup(Said::raw(error)))??;
        if page.send(deliver(instances, total)).await.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(loaded))
}

async fn describe(
    client: &Client,
    region: &str,
    parameters: Value,
) -> Result<(Vec<Instance>, Option<u64>), CloudError> {
    let call = ApiCall::new("cvm", "DescribeInstances", region, parameters);
    let answer = client.call(&call).await?;
    let set = "InstanceSet";
    if !answer.response[set].is_array() {
        return Err(wire::not_understood(&call.permission(), Said::raw(set)));
    }
    let (items, _) = wire::list::<InstanceSetItem>(&answer.response, set);
    let instances = items
        .into_iter()
        .map(|item| item.into_domain(region))
        .collect();
    Ok((instances, wire::total(&answer.response)))
}

/// The instance of an id as it is now; `None` if the region has none of that id.
pub async fn refresh(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<Option<Instance>, CloudError> {
    let instances = look_up(client, region, "instance-id", id).await?;
    Ok(instances.into_iter().find(|instance| instance.id == id))
}

/// What a look-up found, and which regions could not be asked.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// More than one if the target is ambiguous.
    pub instances: Vec<Instance>,
    pub failures: Vec<(String, CloudError)>,
}

/// Looks for an instance by id (`ins-...`), address (public, private, IPv6) or name in all
/// `regions` at once. A name that fits exactly wins over names that contain it.
///
/// # Errors
/// Only when `all` was asked for and the list of regions cannot be read.
pub async fn find(client: &Client, regions: &[String], target: &str) -> Result<Lookup, CloudError> {
    let mut tasks = JoinSet::new();
    let regions = expand(client, regions).await?;
    for region in &regions.names {
        for filter in filters(target) {
            let (client, region, target) = (client.clone(), region.clone(), target.to_owned());
            tasks.spawn(async move {
                let found = look_up(&client, &region, filter, &target).await;
                (region, found)
            });
        }
    }
    let mut lookup = Lookup::default();
    let mut seen = HashSet::new();
    while let Some(done) = tasks.join_next().await {
        let Ok((region, found)) = done else { continue };
        match found {
            Ok(instances) => lookup.instances.extend(
                instances
                    .into_iter()
                    .filter(|instance| seen.insert(instance.id.clone())),
            ),
            Err(error) if regions.is_absence(&error) => {}
            Err(error) if !lookup.failures.iter().any(|(known, _)| *known == region) => {
                lookup.failures.push((region, error));
            }
            Err(_) => {}
        }
    }
    lookup.failures.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(settle(lookup.instances, lookup.failures, target))
}

/// Values that one filter of `DescribeInstances` takes.
const VALUES_A_FILTER: usize = 5;
/// From this many targets on, reading the whole list of a region costs less than looking each up.
const MANY_TARGETS: usize = 25;

/// Looks for several targets as [`find`] does for one, in as few calls as possible. One look-up
/// for each target, in their order.
///
/// # Errors
/// As for [`find`].
pub async fn find_many(
    client: &Client,
    regions: &[String],
    targets: &[String],
) -> Result<Vec<Lookup>, CloudError> {
    if let [target] = targets {
        return Ok(vec![find(client, regions, target).await?]);
    }
    let regions = expand(client, regions).await?;
    let mut tasks = JoinSet::new();
    for region in &regions.names {
        let (client, region, targets) = (client.clone(), region.clone(), targets.to_vec());
        tasks.spawn(async move {
            let found = look_up_many(&client, &region, &targets).await;
            (region, found)
        });
    }
    let mut listed: Vec<Instance> = Vec::new();
    let mut failures = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok((_, Ok(instances))) => listed.extend(instances),
            Ok((_, Err(error))) if regions.is_absence(&error) => {}
            Ok((region, Err(error))) => failures.push((region, error)),
            Err(_) => {}
        }
    }
    failures.sort_by(|a, b| a.0.cmp(&b.0));
    let mut seen = HashSet::new();
    listed.retain(|instance| seen.insert(instance.id.clone()));
    let one = |target: &String| {
        let meant = listed.iter().filter(|it| is_meant(it, target));
        settle(meant.cloned().collect(), failures.clone(), target)
    };
    Ok(targets.iter().map(one).collect())
}

/// Instances of a region among which the targets are, if they are in it.
async fn look_up_many(
    client: &Client,
    region: &str,
    targets: &[String],
) -> Result<Vec<Instance>, CloudError> {
    if targets.len() >= MANY_TARGETS {
        return everything(client, region).await;
    }
    let mut by_filter: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for target in targets {
        for filter in filters(target) {
            by_filter.entry(filter).or_default().push(target);
        }
    }
    let mut found = Vec::new();
    for (filter, values) in by_filter {
        for values in values.chunks(VALUES_A_FILTER) {
            match filtered(client, region, filter, values).await {
                Ok((page, total)) if total.is_none_or(|total| total <= page.len() as u64) => {
                    found.extend(page);
                }
                // The page was cut off, or the filter is not understood: the list has them all.
                Ok(_) => return everything(client, region).await,
                Err(error @ CloudError::Invalid { .. }) if !error.is_unserved() => {
                    return everything(client, region).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// What a look-up came to: a name that fits exactly wins over names that contain it.
fn settle(
    mut instances: Vec<Instance>,
    failures: Vec<(String, CloudError)>,
    target: &str,
) -> Lookup {
    if instances.iter().any(|it| it.name == target) {
        instances.retain(|it| it.name == target);
    }
    instances.sort_by(|a, b| (&a.region, &a.id).cmp(&(&b.region, &b.id)));
    Lookup {
        instances,
        failures,
    }
}

/// Filters to try for a target; filters of one call are all needed, so each is its own call.
fn filters(target: &str) -> &'static [&'static str] {
    match target.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => &["public-ip-address", "private-ip-address"],
        Ok(IpAddr::V6(_)) => &["ipv6-address"],
        Err(_) if target.starts_with("ins-") => &["instance-id"],
        Err(_) => &["instance-name"],
    }
}

/// True if the target means this instance.
fn is_meant(instance: &Instance, target: &str) -> bool {
    if let Ok(address) = target.parse::<IpAddr>() {
        return instance.public_addresses.contains(&address)
            || instance.private_addresses.contains(&address);
    }
    instance.id == target
        || instance
            .name
            .to_lowercase()
            .contains(&target.to_lowercase())
}

/// Instances of a region that the target means. An answer that ignores the filter is sifted here,
/// and where filters are refused the whole list is read.
async fn look_up(
    client: &Client,
    region: &str,
    filter: &str,
    target: &str,
) -> Result<Vec<Instance>, CloudError> {
    let mut found = match filtered(client, region, filter, &[target]).await {
        // A page that is full of others was not filtered, and what is meant may be on a later one.
        Ok((found, total))
            if total.is_some_and(|total| total > found.len() as u64)
                && !found.iter().all(|instance| is_meant(instance, target)) =>
        {
            everything(client, region).await?
        }
        Ok((found, _)) => found,
        Err(error @ CloudError::Invalid { .. }) if !error.is_unserved() => {
            tracing::debug!(%error, "the filter is refused; the whole list is read");
            everything(client, region).await?
        }
        Err(error) => return Err(error),
    };
    found.retain(|instance| is_meant(instance, target));
    Ok(found)
}

/// The whole list of a region.
async fn everything(client: &Client, region: &str) -> Result<Vec<Instance>, CloudError> {
    let mut all = Vec::new();
    loop {
        let page = json!({"Offset": all.len(), "Limit": PAGE});
        let (instances, total) = describe(client, region, page).await?;
        let is_last = instances.is_empty();
        all.extend(instances);
        if is_last || total.is_none_or(|total| all.len() as u64 >= total) {
            return Ok(all);
        }
    }
}

async fn filtered<T: serde::Serialize + Sync>(
    client: &Client,
    region: &str,
    filter: &str,
    values: &[T],
) -> Result<(Vec<Instance>, Option<u64>), CloudError> {
    let parameters = json!({
        "Filters": [{"Name": filter, "Values": values}],
        "Offset": 0,
        "Limit": PAGE,
    });
    match describe(client, region, parameters).await {
        // An id that the region refuses as malformed or unknown is simply not there.
        Err(CloudError::NotFound { .. }) => Ok((Vec::new(), Some(0))),
        Err(CloudError::Invalid { code, .. }) if code.starts_with("InvalidInstanceId") => {
            Ok((Vec::new(), Some(0)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_means_an_id_an_address_or_a_part_of_a_name() {
        let instance = Instance {
            id: "ins-1".to_owned(),
            name: "Web-front".to_owned(),
            public_addresses: vec![IpAddr::from([198, 51, 100, 7])],
            ..Instance::default()
        };
        for (target, meant) in [
            ("ins-1", true),
            ("ins-11", false),
            ("web", true),
            ("198.51.100.7", true),
            ("198.51.100.70", false),
        ] {
            assert_eq!(is_meant(&instance, target), meant, "{target}");
        }
    }
}
