//! The `diagnose --format json` object (schema version 1).
//!
//! Field names and meanings are a contract with scripts: add, never change.
//! Must not live here: how anything in it is computed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::action::Risk;
use super::evidence::{Path, Reading};
use super::guide_step::TickedStep;
use super::instance::{Instance, Os};
use super::said::{self, Arg, Said};

/// Version of the contract.
pub const SCHEMA_VERSION: u32 = 1;

/// What the diagnosis says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Healthy,
    Faulty,
    Inconclusive,
}

/// One diagnosis of one instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub schema_version: u32,
    pub instance: InstanceSummary,
    pub vantage: Vantage,
    pub verdict: Verdict,
    /// Sorted, most probable first; sums to 1.
    pub causes: Vec<CauseProbability>,
    /// Causes at 0.2 or more, counted on their own (does not sum to 1).
    pub also_broken: Vec<AlsoBroken>,
    pub evidence: Vec<Reading>,
    /// Bits obtained over bits obtainable, 0 to 1.
    pub coverage: f64,
    pub next_evidence: Vec<NextEvidence>,
    pub actions: Vec<RankedAction>,
    pub guides: Vec<GuideMatch>,
    /// Steps of guides that were ticked off for this instance in the last days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guide_steps: Vec<TickedStep>,
    pub elapsed_ms: u64,
    /// Hash of the knowledge that weighed the evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub knowledge: String,
    /// Actions of this incident that are counted as not having brought login back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<String>,
    /// What confirmed outcomes did to the priors, one sentence each.
    #[serde(flatten, with = "said::learnt")]
    pub learnt: Vec<Said>,
    #[serde(flatten, with = "said::some_warnings")]
    pub warnings: Vec<Said>,
    /// Set when readings disagree more than the model can explain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
}

/// Who was diagnosed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct InstanceSummary {
    pub id: String,
    pub name: String,
    pub region: String,
    pub zone: String,
    pub os: Os,
    pub state: String,
    pub public_addresses: Vec<String>,
    pub private_addresses: Vec<String>,
    pub login_port: u16,
    /// Cap of the public bandwidth, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_mbps: Option<u64>,
    /// Key pairs that are bound to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_pairs: Vec<String>,
}

impl InstanceSummary {
    /// The instance as reports name it.
    pub fn of(instance: &Instance) -> Self {
        let text = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect();
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            region: instance.region.clone(),
            zone: instance.zone.clone(),
            os: instance.os,
            state: instance.state.clone(),
            public_addresses: text(&instance.public_addresses),
            private_addresses: text(&instance.private_addresses),
            login_port: instance.login_port(),
            bandwidth_mbps: instance.bandwidth_out_mbps,
            key_pairs: instance.key_ids.clone(),
        }
    }
}

/// From where it was looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Vantage {
    pub host: String,
    pub paths: Vec<Path>,
    pub user_source: Option<String>,
    /// The way by which the users come, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_way: Option<Path>,
    /// The account that fails to log in; the system's usual one where nobody named another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Other instances that could be asked to look, the best on each path first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourName>,
    /// True where nodes of the provider could be asked and their silence would say something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provider: bool,
}

/// Another instance, and the path that it would look along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourName {
    pub path: Path,
    pub id: String,
    pub name: String,
}

/// A cause with its share of the probability and the reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CauseProbability {
    pub id: String,
    pub title: String,
    pub probability: f64,
    /// Range from the strength of the knowledge (10th to 90th percentile), where computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    pub contributions: Vec<Contribution>,
}

/// One term of a cause's log-odds, in decibans. The terms and the one named `prior` sum to
/// `10 log10(p / (1 - p))`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contribution {
    /// Evidence group, or `prior`.
    pub evidence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    pub state: String,
    pub weight_db: f64,
    /// The reading it rests on; empty for `prior`.
    pub observation: String,
}

/// Probability that a cause is present at all, first blocker or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlsoBroken {
    pub id: String,
    pub probability: f64,
}

/// Evidence worth getting next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NextEvidence {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    pub bits: f64,
    pub cost_s: f64,
    #[serde(flatten, with = "said::needs")]
    pub needs: Said,
}

/// An action, ranked by probability over cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RankedAction {
    /// An id of `ActionId`; `advice` for what the program cannot do itself.
    pub id: String,
    #[serde(flatten, with = "said::title")]
    pub title: Said,
    pub parameters: Map<String, Value>,
    pub cures: Vec<String>,
    pub probability_cures: f64,
    /// Minute equivalents.
    pub cost: f64,
    pub risk: Risk,
    pub reversible: bool,
}

/// A known-issue guide that fits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuideMatch {
    pub slug: String,
    pub title: String,
    pub score: f64,
    #[serde(flatten, with = "said::maybe_reason")]
    pub reason: Said,
}

impl GuideMatch {
    /// The cause for which it fits best, where a cause is the strongest reason.
    pub fn cause(&self) -> Option<&str> {
        match self.reason.arg("cause")? {
            Arg::Word(cause) => Some(&cause.key),
            _ => None,
        }
    }
}

/// Readings that do not fit together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conflict {
    /// Nats below what independent readings would give; more negative is worse.
    pub score: f64,
    /// Evidence groups that the rest makes improbable.
    pub surprising: Vec<String>,
}
