//! Other instances that tell more by being reachable or not: of the same subnet, and of the same
//! security groups.
//!
//! Their login is probed by `probe`; only the choice is made here (cvm `DescribeInstances`).

use std::collections::HashSet;

use serde_json::json;

use super::Gatherer;
use crate::cloud::wire::{self, InstanceSetItem};
use crate::domain::evidence::state::instance_state;
use crate::domain::instance::Instance;

/// Peers of each kind; more add little.
const MOST: usize = 3;

/// A neighbour and what it has in common with the instance.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerInstance {
    pub instance: Instance,
    pub same_subnet: bool,
    pub same_group: bool,
}

/// What was found of the instances around one.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Up to three of the subnet, those with other groups first, and up to three of the groups,
    /// those of other subnets first.
    pub chosen: Vec<PeerInstance>,
    /// All of them, each once.
    pub all: Vec<Instance>,
}

/// Running peers. Without permission there are none.
pub(super) async fn read(gatherer: &Gatherer) -> Peers {
    let instance = &gatherer.instance;
    let group = instance.security_group_ids.first();
    let (subnet, group) = tokio::join!(
        query(gatherer, "subnet-id", Some(&instance.subnet_id)),
        query(gatherer, "security-group-id", group),
    );
    let mut seen = HashSet::new();
    let both = subnet.iter().chain(&group).map(|peer| &peer.instance);
    let all: Vec<Instance> = both
        .filter(|it| seen.insert(it.id.clone()))
        .cloned()
        .collect();
    seen.clear();
    let mut peers = Vec::new();
    let mut candidates: Vec<PeerInstance> = subnet;
    candidates.sort_by_key(|peer| peer.same_group);
    let of_subnet = candidates
        .into_iter()
        .filter(|peer| peer.same_subnet)
        .take(MOST);
    let mut candidates: Vec<PeerInstance> = group;
    candidates.sort_by_key(|peer| peer.same_subnet);
    let of_group = candidates
        .into_iter()
        .filter(|peer| peer.same_group)
        .take(MOST);
    for peer in of_subnet.chain(of_group) {
        if seen.insert(peer.instance.id.clone()) {
            peers.push(peer);
        }
    }
    Peers { chosen: peers, all }
}

async fn query(gatherer: &Gatherer, filter: &str, value: Option<&String>) -> Vec<PeerInstance> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Vec::new();
    };
    let parameters = json!({
        "Filters": [
            {"Name": filter, "Values": [value]},
            {"Name": "instance-state", "Values": ["RUNNING"]},
        ],
        "Offset": 0,
        "Limit": 20,
    });
    let Ok(answer) = gatherer.ask("cvm", "DescribeInstances", parameters).await else {
        return Vec::new();
    };
    let here = &gatherer.instance;
    let (items, _) = wire::list::<InstanceSetItem>(&answer, "InstanceSet");
    items
        .into_iter()
        .map(|item| item.into_domain(&here.region))
        .filter(|peer| peer.id != here.id && peer.state_class() == Some(instance_state::RUNNING))
        .map(|peer| PeerInstance {
            same_subnet: !peer.subnet_id.is_empty() && peer.subnet_id == here.subnet_id,
            same_group: peer
                .security_group_ids
                .iter()
                .any(|group| here.security_group_ids.contains(group)),
            instance: peer,
        })
        .collect()
}
