//! From what an operator typed (id, name, address) to instances.
//!
//! Must not live here: the calls themselves (`cloud::inventory`).

use thiserror::Error;

use super::session::Session;
use crate::cloud::{CloudError, inventory};
use crate::config::StaticHost;
use crate::domain::instance::Instance;

/// Why a target is no single instance.
#[derive(Debug, Error)]
pub enum TargetError {
    #[error("`{target}` was not found in {place}; check id, name or address and --region")]
    NotFound { target: String, place: String },
    #[error("`{target}` was not found, but not every region could be asked: {failures}; try again")]
    Unsure { target: String, failures: String },
    #[error("`{target}` fits several instances: {candidates}; give an id")]
    Ambiguous { target: String, candidates: String },
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("{0}")]
    Host(String),
}

/// The one instance that `target` means.
///
/// # Errors
/// [`TargetError`]: none, several, or the cloud could not be asked.
pub async fn find(session: &Session, target: &str) -> Result<Instance, TargetError> {
    let address: Option<std::net::IpAddr> = target.parse().ok();
    for host in &session.settings.hosts {
        let instance = &host.instance;
        let fits = instance.name == target
            || address.is_some_and(|a| {
                instance.public_addresses.contains(&a) || instance.private_addresses.contains(&a)
            });
        if fits {
            let host = host.clone();
            return tokio::task::spawn_blocking(move || host.resolve())
                .await
                .map_err(|e| TargetError::Host(e.to_string()))?
                .map_err(TargetError::Host);
        }
    }
    let Some(cloud) = &session.cloud else {
        return Err(TargetError::NotFound {
            target: target.to_owned(),
            place: "the hosts of the config".to_owned(),
        });
    };
    let mut lookup = inventory::find(&cloud.client, &cloud.regions, target).await?;
    match lookup.instances.len() {
        1 => Ok(session.adopt(lookup.instances.remove(0))),
        0 => Err(nothing_found(target, &cloud.regions, lookup.failures)),
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

/// Static hosts with their names looked up; those that cannot be are named with the reason.
pub async fn resolve_hosts(hosts: Vec<StaticHost>) -> (Vec<Instance>, Vec<(String, String)>) {
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
            place: regions.join(", "),
        },
        // Nothing could be asked anywhere: the reason is the answer.
        n if n >= regions.len() => TargetError::Cloud(failures.remove(0).1),
        _ => TargetError::Unsure {
            target: target.to_owned(),
            failures: failures
                .iter()
                .map(|(region, error)| format!("{region}: {error}"))
                .collect::<Vec<_>>()
                .join("; "),
        },
    }
}
