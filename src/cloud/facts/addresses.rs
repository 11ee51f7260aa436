//! `public-address`, `public-bandwidth`, and with `attack` `ddos-block`: vpc `DescribeAddresses`,
//! `DescribeNetworkAccountType`.
//!
//! Ordinary public addresses (`WanIP`) are only listed when asked for by type, so two queries
//! make the whole. Must not live here: use of the bandwidth (`metrics`).

use std::time::Instant;

use serde_json::json;

use super::{Gatherer, attack};
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, AddressItem};
use crate::domain::evidence::state::{public_address, public_bandwidth};
use crate::domain::evidence::{Reading, Status, group};
use crate::domain::said::{List, Said};

/// Addresses and what follows from them.
#[derive(Default)]
pub(super) struct Addresses {
    pub readings: Vec<Reading>,
    pub bound: Option<Vec<AddressItem>>,
    pub account_type: Option<String>,
    /// Why the addresses could not be read.
    pub failure: Option<CloudError>,
}

impl Addresses {
    /// Ids of the addresses, for the audit log; `None` if they could not be read.
    pub fn ids(&self) -> Option<Vec<String>> {
        let ids = self
            .bound
            .as_ref()?
            .iter()
            .map(|address| &address.address_id);
        Some(ids.filter(|id| !id.is_empty()).cloned().collect())
    }

    /// Bandwidth caps in Mbit/s that apply to the instance; empty if none is known.
    pub fn caps(&self, gatherer: &Gatherer) -> Vec<u64> {
        let bound = self.bound.as_deref().unwrap_or_default();
        let on_address: Vec<u64> = bound
            .iter()
            .filter_map(|address| u64::try_from(address.bandwidth?).ok())
            .collect();
        let legacy = self.account_type.as_deref() == Some("LEGACY");
        if on_address.is_empty() || legacy {
            // On a standard account with an address of unknown cap the instance's 0 says nothing.
            let unknown_elastic =
                bound.iter().any(|address| address.address_type == "EIP") && !legacy;
            return gatherer
                .instance
                .bandwidth_out_mbps
                .filter(|cap| *cap > 0 || !unknown_elastic)
                .into_iter()
                .collect();
        }
        on_address
    }
}

pub(super) async fn read(gatherer: &Gatherer) -> Addresses {
    let started = Instant::now();
    let (elastic, ordinary, account) = tokio::join!(
        query(gatherer, None),
        query(gatherer, Some("WanIP")),
        gatherer.ask("vpc", "DescribeNetworkAccountType", json!({})),
    );
    let account_type = account
        .ok()
        .and_then(|answer| answer["NetworkAccountType"].as_str().map(str::to_owned));
    let bound = elastic.and_then(|mut list| {
        for address in ordinary? {
            if !list
                .iter()
                .any(|known| known.address_ip == address.address_ip)
            {
                list.push(address);
            }
        }
        Ok(list)
    });
    let (addresses, failure) = match bound {
        Ok(list) => (Some(list), None),
        Err(error) => (None, Some(error)),
    };
    let mut found = Addresses {
        readings: Vec::new(),
        bound: addresses,
        account_type,
        failure,
    };
    let first = vec![
        public_address(gatherer, &found, found.failure.as_ref()),
        public_bandwidth(gatherer, &found, found.failure.as_ref()),
    ];
    found.readings = gatherer.emit(started, first).await;
    let block = attack::read(gatherer, &found, found.failure.as_ref()).await;
    found
        .readings
        .extend(gatherer.emit(started, vec![block]).await);
    found
}

async fn query(gatherer: &Gatherer, kind: Option<&str>) -> Result<Vec<AddressItem>, CloudError> {
    let mut filters = vec![json!({"Name": "instance-id", "Values": [gatherer.instance.id]})];
    if let Some(kind) = kind {
        filters.push(json!({"Name": "address-type", "Values": [kind]}));
    }
    let parameters = json!({"Filters": filters, "Offset": 0, "Limit": 100});
    let answer = gatherer.ask("vpc", "DescribeAddresses", parameters).await?;
    let mut list = wire::whole::<AddressItem>(&answer, "AddressSet", "vpc:DescribeAddresses")?;
    // An answer that ignores the filter holds the addresses of others too.
    let instance = &gatherer.instance;
    list.retain(|address| match address.instance_id.as_str() {
        "" => {
            let ip = address.address_ip.parse::<std::net::IpAddr>();
            ip.is_ok_and(|ip| instance.public_addresses.contains(&ip))
        }
        bound_to => bound_to == instance.id,
    });
    Ok(list)
}

/// True if the instance has a public address by either API.
pub(super) fn has_public(gatherer: &Gatherer, found: &Addresses) -> bool {
    !gatherer.instance.public_addresses.is_empty() || found.bound.iter().flatten().any(is_bound)
}

fn is_bound(address: &AddressItem) -> bool {
    matches!(address.address_status.as_str(), "BIND" | "BIND_ENI")
}

fn public_address(gatherer: &Gatherer, found: &Addresses, failure: Option<&CloudError>) -> Reading {
    let id = group::PUBLIC_ADDRESS;
    let addresses = found.bound.as_deref().unwrap_or_default();
    if let Some(address) = addresses.iter().find(|a| a.is_arrears == Some(true)) {
        return gatherer.observed(
            public_address::ARREARS,
            said::address_arrears(named(address)),
        );
    }
    if !has_public(gatherer, found) {
        if let Some(address) = addresses.first() {
            let status = crate::domain::text::sanitise(&address.address_status, 40);
            let how = match status.as_str() {
                "UNBIND" => None,
                // States of seconds; what comes of them is not known yet.
                "CREATING" | "BINDING" | "UNBINDING" | "OFFLINING" => Some(Status::NotAttempted),
                _ => Some(Status::ProbeFailed),
            };
            if let Some(how) = how {
                let detail = said::address_changing(named(address), &status);
                return gatherer.without_state(id, how, detail);
            }
            return gatherer.observed(
                public_address::UNBOUND,
                said::not_bound(named(address), &address.address_status),
            );
        }
        if let Some(error) = failure {
            return gatherer.failed(id, error);
        }
        let released = gatherer.instance.stop_charging_mode == "STOP_CHARGING";
        let detail = if released {
            said::no_public_released()
        } else {
            said::no_public_bound()
        };
        return gatherer.observed(public_address::NONE, detail);
    }
    if let Some(error) = failure {
        // That there is one is known, but not whether it works.
        return gatherer.failed(id, error);
    }
    let list: Vec<String> = gatherer
        .instance
        .public_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let list = if list.is_empty() {
        addresses.iter().map(named).collect()
    } else {
        list
    };
    gatherer.observed(
        public_address::PRESENT,
        said::public_address(List::names(list)),
    )
}

/// An elastic address with a cap of its own (vpc `DescribeAddresses`, `AddressType` other than `WanIP`).
fn carries_its_own_cap(address: &AddressItem) -> bool {
    address.bandwidth.is_some() && address.address_type != "WanIP"
}

fn public_bandwidth(
    gatherer: &Gatherer,
    found: &Addresses,
    failure: Option<&CloudError>,
) -> Reading {
    let id = group::PUBLIC_BANDWIDTH;
    if !has_public(gatherer, found) {
        return gatherer.without_state(id, Status::NotApplicable, said::there_no_public());
    }
    let capped: fn(u64) -> Said = match found.account_type.as_deref() {
        Some("LEGACY") => said::cap_legacy,
        // An ordinary public address carries a figure, too, and is changed on its instance.
        _ if found.bound.iter().flatten().any(carries_its_own_cap) => said::cap_on_address,
        _ => said::cap_on_instance,
    };
    let caps = found.caps(gatherer);
    match (caps.iter().max(), failure) {
        (Some(0), None) => gatherer.observed(public_bandwidth::ZERO, capped(0)),
        // Without the addresses a 0 on the instance may be overruled by one of them.
        (Some(0) | None, Some(error)) => gatherer.failed(id, error),
        (Some(cap), _) => gatherer.observed(public_bandwidth::NONZERO, capped(*cap)),
        (None, None) => gatherer.without_state(id, Status::ProbeFailed, said::cloud_names_no()),
    }
}

fn named(address: &AddressItem) -> String {
    let text = if address.address_id.is_empty() {
        address.address_ip.clone()
    } else {
        format!("{} ({})", address.address_ip, address.address_id)
    };
    crate::domain::text::sanitise(&text, 100)
}
