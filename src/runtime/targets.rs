//! From what an operator typed (id, name, address) to instances.
//!
//! Must not live here: the calls themselves (`cloud::inventory`).

use std::net::IpAddr;

use thiserror::Error;

use super::said;
use super::session::Session;
use super::vantage::is_private;
use crate::cloud::CloudError;
use crate::cloud::inventory::{self, Lookup};
use crate::config::StaticHost;
use crate::domain::instance::Instance;
use crate::domain::said::{Joint, List, Said};

/// Why a target is no single instance.
#[derive(Debug, Error)]
#[error("{}", self.said())]
pub enum TargetError {
    NotFound {
        target: String,
        place: Said,
    },
    /// Not found, but not every region could be asked.
    Unsure {
        target: String,
        failures: Vec<(String, CloudError)>,
    },
    Ambiguous {
        target: String,
        candidates: String,
    },
    NoCloud {
        target: String,
        why: Said,
    },
    Cloud(#[from] CloudError),
    /// The name of a host of the config has no address.
    Host(Said),
}

impl TargetError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::NotFound { target, place } => said::not_found(target, place),
            Self::Unsure { target, failures } => {
                let failures = failures
                    .iter()
                    .map(|(region, error)| said::region_failed(region, error.said()));
                said::not_found_surely(target, List::said(Joint::Semicolons, failures))
            }
            Self::Ambiguous { target, candidates } => said::ambiguous_target(target, candidates),
            Self::NoCloud { target, why } => said::no_cloud_for(target, why),
            Self::Cloud(error) => error.said(),
            Self::Host(why) => why.clone(),
        }
    }

    /// True if the cloud could not be asked, or not everywhere: an address may still be one.
    pub fn is_lack_of_cloud(&self) -> bool {
        matches!(
            self,
            Self::Cloud(_) | Self::Unsure { .. } | Self::NoCloud { .. }
        )
    }
}

/// The one instance that `target` means.
///
/// # Errors
/// [`TargetError`]: none, several, or the cloud could not be asked.
pub async fn find(session: &Session, target: &str) -> Result<Instance, TargetError> {
    let mut found = find_all(session, &[target.to_owned()]).await;
    found.swap_remove(0)
}

/// The instance that each target means, in their order, with as few calls as possible.
pub async fn find_all(session: &Session, targets: &[String]) -> Vec<Result<Instance, TargetError>> {
    let mut found: Vec<Option<Result<Instance, TargetError>>> = Vec::new();
    for target in targets {
        found.push(host_of_config(session, target).await);
    }
    let open: Vec<String> = targets
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(target, _)| target.clone())
        .collect();
    let mut looked_up = in_cloud(session, &open).await.into_iter();
    found
        .into_iter()
        .zip(targets)
        .map(|(found, target)| {
            let not_found = || TargetError::NotFound {
                target: target.clone(),
                place: said::the_cloud(),
            };
            found.unwrap_or_else(|| looked_up.next().unwrap_or_else(|| Err(not_found())))
        })
        .collect()
}

/// A `[[host]]` of the config that the target means.
async fn host_of_config(session: &Session, target: &str) -> Option<Result<Instance, TargetError>> {
    let address: Option<IpAddr> = target.parse().ok();
    let host = session.settings.hosts.iter().find(|host| {
        let instance = &host.instance;
        instance.name == target
            || address.is_some_and(|a| {
                instance.public_addresses.contains(&a) || instance.private_addresses.contains(&a)
            })
    })?;
    let host = host.clone();
    let resolved = tokio::task::spawn_blocking(move || host.resolve()).await;
    Some(match resolved {
        Ok(resolved) => resolved.map_err(TargetError::Host),
        Err(error) => Err(TargetError::Host(Said::raw(error))),
    })
}

async fn in_cloud(session: &Session, targets: &[String]) -> Vec<Result<Instance, TargetError>> {
    if targets.is_empty() {
        return Vec::new();
    }
    let Some(cloud) = &session.cloud else {
        let missing = |target: &String| match &session.no_cloud {
            Some(why) => Err(TargetError::NoCloud {
                target: target.clone(),
                why: why.clone(),
            }),
            None => Err(TargetError::NotFound {
                target: target.clone(),
                place: said::hosts_of_config(),
            }),
        };
        return targets.iter().map(missing).collect();
    };
    match inventory::find_many(&cloud.client, &cloud.regions, targets).await {
        Ok(lookups) => lookups
            .into_iter()
            .zip(targets)
            .map(|(lookup, target)| meant(session, lookup, target, &cloud.regions))
            .collect(),
        Err(error) => targets
            .iter()
            .map(|_| Err(TargetError::Cloud(error.clone())))
            .collect(),
    }
}

fn meant(
    session: &Session,
    mut lookup: Lookup,
    target: &str,
    regions: &[String],
) -> Result<Instance, TargetError> {
    match lookup.instances.len() {
        1 => Ok(session.adopt(lookup.instances.remove(0))),
        0 => Err(nothing_found(target, regions, lookup.failures)),
        _ => Err(TargetError::Ambiguous {
            target: target.to_owned(),
            candidates: lookup
                .instances
                .iter()
                .take(8)
                .map(|i| format!("{} ({}, {})", i.id, i.name, i.region))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// An address as the instance behind it, of which nothing else is known.
pub fn bare_address(address: IpAddr) -> Instance {
    let mut instance = Instance {
        id: address.to_string(),
        name: address.to_string(),
        ..Instance::default()
    };
    if is_private(address) {
        instance.private_addresses.push(address);
    } else {
        instance.public_addresses.push(address);
    }
    instance
}

/// Static hosts with their names looked up; those that cannot be are named with the reason.
pub async fn resolve_hosts(hosts: Vec<StaticHost>) -> (Vec<Instance>, Vec<(String, Said)>) {
    let resolved = tokio::task::spawn_blocking(move || {
        hosts
            .iter()
            .map(|host| (host.instance.name.clone(), host.resolve()))
            .collect::<Vec<_>>()
    })
    .await
    .unwrap_or_default();
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for (name, result) in resolved {
        match result {
            Ok(instance) => found.push(instance),
            Err(why) => failures.push((name, why)),
        }
    }
    (found, failures)
}

fn nothing_found(
    target: &str,
    regions: &[String],
    mut failures: Vec<(String, CloudError)>,
) -> TargetError {
    match failures.len() {
        0 => TargetError::NotFound {
            target: target.to_owned(),
            place: Said::raw(regions.join(", ")),
        },
        // Nothing could be asked anywhere: the reason is the answer.
        n if n >= regions.len() => TargetError::Cloud(failures.remove(0).1),
        _ => TargetError::Unsure {
            target: target.to_owned(),
            failures,
        },
    }
}
