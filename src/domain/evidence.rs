//! One reading of one evidence group, with its status kept apart from its state.
//!
//! Lives here: the types that every producer (probe, cloud, guest, operator) fills and that
//! inference reads. Must not live here: how a reading is obtained or weighed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::path_series::Series;

/// Which way to the instance a reading speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Through the public address.
    Public,
    /// Through the private (VPC) address.
    Private,
}

impl Path {
    /// The word used in the JSON contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Address family of a reading. Absent in JSON means IPv4.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    #[default]
    Ipv4,
    Ipv6,
}

impl Family {
    /// True for the default, so that serialisation can leave it out.
    #[allow(clippy::trivially_copy_pass_by_ref)] // signature demanded by serde
    pub fn is_ipv4(&self) -> bool {
        *self == Self::Ipv4
    }

    /// The family of an address.
    pub fn of(address: std::net::IpAddr) -> Self {
        if address.is_ipv4() {
            Self::Ipv4
        } else {
            Self::Ipv6
        }
    }
}

/// Whether a reading holds a value, and if not, why not.
///
/// Only `Observed` weighs. All others are unknowns: never a negative finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A state was read.
    Observed,
    /// Nobody looked, or a precondition failed.
    NotAttempted,
    /// The cloud, the kernel or the operator's consent did not allow it.
    NotPermitted,
    /// Our own side failed (own network, API 5xx, rate limit).
    ProbeFailed,
    /// Makes no sense for this instance.
    NotApplicable,
    /// Too old, or older than the last change.
    Stale,
    /// Superseded by an action of ours.
    Void,
}

impl Status {
    /// The word used in the JSON contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::NotAttempted => "not-attempted",
            Self::NotPermitted => "not-permitted",
            Self::ProbeFailed => "probe-failed",
            Self::NotApplicable => "not-applicable",
            Self::Stale => "stale",
            Self::Void => "void",
        }
    }
}

/// Where a reading came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Probe,
    Cloud,
    Guest,
    Operator,
}

/// One reading of one evidence group (`assets/knowledge/evidence.toml` lists groups and states).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Evidence group, for example `reach`.
    pub id: String,
    /// Set for groups that exist once per path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    #[serde(default, skip_serializing_if = "Family::is_ipv4")]
    pub family: Family,
    pub status: Status,
    /// Only set when `status` is `Observed`.
    #[serde(default)]
    pub state: Option<String>,
    /// One sentence for a person: what was seen, on what, with figures. Already free of secrets.
    #[serde(default)]
    pub detail: String,
    pub source: Source,
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
    #[serde(default)]
    pub cost_ms: u64,
    /// Citation key, unique in a report (`o-1`). Empty until the report is put together.
    #[serde(default)]
    pub observation: String,
    /// For `NotPermitted`: what would permit it (an API action, a kernel setting, consent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The figures behind `path-quality`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Box<Series>>,
}

impl Reading {
    /// A reading that holds `state`.
    pub fn observed(id: &str, source: Source, state: &str, detail: impl Into<String>) -> Self {
        Self {
            state: Some(state.to_owned()),
            ..Self::without_state(id, source, Status::Observed, detail)
        }
    }

    /// A reading that holds no state; `detail` says why.
    pub fn without_state(
        id: &str,
        source: Source,
        status: Status,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            path: None,
            family: Family::Ipv4,
            status,
            state: None,
            detail: detail.into(),
            source,
            observed_at: None,
            cost_ms: 0,
            observation: String::new(),
            needs: None,
            series: None,
        }
    }

    /// The same reading, bound to a path.
    #[must_use]
    pub fn on_path(mut self, path: Path) -> Self {
        self.path = Some(path);
        self
    }

    /// The same reading, bound to an address family.
    #[must_use]
    pub fn in_family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// The same reading with its time and cost.
    #[must_use]
    pub fn at(mut self, when: Timestamp, cost_ms: u64) -> Self {
        self.observed_at = Some(when);
        self.cost_ms = cost_ms;
        self
    }

    /// The same reading, naming what would permit it.
    #[must_use]
    pub fn needing(mut self, what: impl Into<String>) -> Self {
        self.needs = Some(what.into());
        self
    }

    /// The state, if one was observed.
    pub fn observed_state(&self) -> Option<&str> {
        match self.status {
            Status::Observed => self.state.as_deref(),
            _ => None,
        }
    }

    /// Readings with equal keys speak of the same thing; the later one wins.
    /// `pasted-error` is the exception: several of its states may hold at once.
    pub fn key(&self) -> (&str, Option<Path>, Family) {
        (&self.id, self.path, self.family)
    }
}
