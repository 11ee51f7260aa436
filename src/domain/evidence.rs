//! One reading of one evidence group, with its status kept apart from its state.
//!
//! Lives here: the types that every producer (probe, cloud, guest, operator) fills and that
//! inference reads. Must not live here: how a reading is obtained or weighed.

pub mod table;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::path_series::Series;
use super::said::Said;
pub use table::{State, Tone, group, state, state_at};

/// From where, and which way to the instance, a reading speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// From this host, through the public address.
    Public,
    /// From this host, through the private (VPC) address.
    Private,
    /// From the failing user's own machine, as its answer to the kit says (`kit`).
    User,
    /// From another instance of its subnet, to the private address.
    Subnet,
    /// From another instance of its VPC, in another subnet, to the private address.
    Vpc,
    /// From another instance, to the public address.
    Elsewhere,
    /// From nodes of the provider's test service, to the public address.
    Provider,
}

impl Path {
    /// Every vantage, this host's first.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::Private,
        Self::User,
        Self::Subnet,
        Self::Vpc,
        Self::Elsewhere,
        Self::Provider,
    ];
    /// Those of other instances that were asked to look (`kit::neighbour`).
    pub const NEIGHBOURS: [Self; 3] = [Self::Subnet, Self::Vpc, Self::Elsewhere];

    /// The word used in the JSON contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::User => "user",
            Self::Subnet => "subnet",
            Self::Vpc => "vpc",
            Self::Elsewhere => "elsewhere",
            Self::Provider => "provider",
        }
    }

    /// True for what this host sees itself.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Public | Self::Private)
    }

    /// True for what another instance saw.
    pub fn is_neighbours(self) -> bool {
        Self::NEIGHBOURS.contains(&self)
    }

    /// True for what was seen only because somebody agreed to have it looked at from there.
    pub fn is_consented(self) -> bool {
        self.is_neighbours() || self == Self::Provider
    }

    /// The address that is meant, whoever looks.
    #[must_use]
    pub fn address_side(self) -> Self {
        match self {
            Self::Public | Self::User | Self::Elsewhere | Self::Provider => Self::Public,
            Self::Private | Self::Subnet | Self::Vpc => Self::Private,
        }
    }

    /// The path of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.as_str() == word)
    }

    /// The same where a way to the instance is meant; from where somebody looks is none.
    pub fn parse_way(word: &str) -> Option<Self> {
        Self::parse(word).filter(|path| path.is_own())
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

/// A change that the audit log holds (cloudaudit `DescribeEvents`). Two readings that name equal ones
/// name the same change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    pub at: Timestamp,
    /// The API action, for example `DeleteSecurityGroupPolicies`.
    pub action: String,
    /// Who called it, as the log names them.
    pub by: String,
    /// The address that the call came from.
    pub from: String,
    /// The journal's entry where this program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
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
    #[serde(flatten, with = "super::said::detail")]
    pub detail: Said,
    pub source: Source,
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
    #[serde(default)]
    pub cost_ms: u64,
    /// Citation key, unique in a report (`o-1`). Empty until the report is put together.
    #[serde(default)]
    pub observation: String,
    /// For `NotPermitted`: what would permit it (an API action, a kernel setting, consent).
    #[serde(flatten, with = "super::said::maybe_needs")]
    pub needs: Option<Said>,
    /// What was measured, where the state is a step of a scale (`scale` in the table of groups).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<f64>,
    /// The figures behind `path-quality`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Box<Series>>,
    /// The change that `recent-change` names, weighed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<Change>>,
    /// True for a value that was read and then found to say nothing about the instance; `status`
    /// says in which way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
}

impl Reading {
    /// A reading that holds `state`.
    pub fn observed(state: State<'_>, source: Source, detail: impl Into<Said>) -> Self {
        Self {
            state: Some(state.id.to_owned()),
            ..Self::without_state(state.group, source, Status::Observed, detail)
        }
    }

    /// A reading that holds no state; `detail` says why.
    pub fn without_state(
        id: &str,
        source: Source,
        status: Status,
        detail: impl Into<Said>,
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
            figure: None,
            series: None,
            change: None,
            set_aside: false,
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

    /// The same reading with the figure behind its state.
    #[must_use]
    pub fn measured(mut self, figure: f64) -> Self {
        self.figure = figure.is_finite().then_some(figure);
        self
    }

    /// The same reading, naming what would permit it.
    #[must_use]
    pub fn needing(mut self, what: impl Into<Said>) -> Self {
        self.needs = Some(what.into());
        self
    }

    /// What was observed, to be compared with the constants of [`state`].
    pub fn seen(&self) -> Option<State<'_>> {
        let state = self.observed_state()?;
        Some(State::new(&self.id, state))
    }

    /// How it is drawn; what was not observed is unknown, never bad.
    pub fn tone(&self) -> Tone {
        self.seen().map_or(Tone::Unknown, State::tone)
    }

    /// The id of the state, if one was observed.
    pub fn observed_state(&self) -> Option<&str> {
        match self.status {
            Status::Observed => self.state.as_deref(),
            _ => None,
        }
    }

    /// Takes the value away, because it says nothing about the instance.
    pub fn put_aside(&mut self, status: Status, why: impl Into<Said>) {
        self.status = status;
        self.state = None;
        self.set_aside = true;
        self.detail = self.detail.clone().and(why);
    }

    /// Readings with equal keys speak of the same thing; [`place`] decides between them.
    /// `pasted-error` is the exception: several of its states may hold at once.
    pub fn key(&self) -> (&str, Option<Path>, Family) {
        (&self.id, self.path, self.family)
    }

    /// True if this reading takes the place of `old`, which speaks of the same thing: a value (or
    /// one that was set aside) beats the lack of one, newer beats older, and a value that was set
    /// aside beats the one it was made of.
    fn supersedes(&self, old: &Self) -> bool {
        let looked = |it: &Self| it.status == Status::Observed || it.set_aside;
        let rank = |it: &Self| (looked(it), it.observed_at, it.set_aside);
        rank(self) >= rank(old)
    }
}

/// Takes a reading into those of one case, the same whatever the order of arrival.
pub fn place(readings: &mut Vec<Reading>, new: Reading) {
    let same = |old: &Reading| {
        old.key() == new.key() && (new.id != group::PASTED_ERROR || old.state == new.state)
    };
    match readings.iter_mut().find(|old| same(old)) {
        Some(old) if new.supersedes(old) => *old = new,
        Some(_) => {}
        None => readings.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::state::pasted_error::{BANNER_TIMEOUT, SLOW_LOGIN};
    use super::state::reach::{ALL_SILENT, OPEN, REFUSED};
    use super::*;

    fn at(second: i64, mut reading: Reading) -> Reading {
        reading.observed_at = Timestamp::from_second(second).ok();
        reading.on_path(Path::Private)
    }

    fn reach(second: i64, state: State<'_>) -> Reading {
        at(
            second,
            Reading::observed(state, Source::Probe, Said::raw("")),
        )
    }

    fn lack(second: i64) -> Reading {
        let status = Status::ProbeFailed;
        at(
            second,
            Reading::without_state(group::REACH, Source::Probe, status, Said::raw("")),
        )
    }

    fn aside(second: i64) -> Reading {
        let mut reading = reach(second, ALL_SILENT);
        reading.put_aside(Status::NotAttempted, Said::raw("this host is elsewhere"));
        reading
    }

    #[test]
    fn the_order_of_arrival_does_not_decide() {
        let given = [lack(4), reach(1, REFUSED), reach(2, ALL_SILENT), aside(2)];
        let orders: [[usize; 4]; 6] = [
            [0, 1, 2, 3],
            [3, 2, 1, 0],
            [2, 0, 3, 1],
            [3, 0, 1, 2],
            [1, 3, 2, 0],
            [2, 3, 0, 1],
        ];
        for order in orders {
            let mut readings = Vec::new();
            for index in order {
                place(&mut readings, given[index].clone());
            }
            assert_eq!(readings, [aside(2)], "{order:?}");
            // What is seen later counts again.
            place(&mut readings, reach(3, OPEN));
            place(&mut readings, aside(2));
            assert_eq!(readings, [reach(3, OPEN)], "{order:?}");
        }
    }

    #[test]
    fn what_was_not_observed_is_never_bad() {
        for status in [
            Status::NotAttempted,
            Status::NotPermitted,
            Status::ProbeFailed,
            Status::NotApplicable,
            Status::Stale,
            Status::Void,
        ] {
            let mut reading = lack(1);
            reading.status = status;
            reading.state = Some("all-silent".into());
            assert_eq!(reading.tone(), Tone::Unknown);
        }
    }

    #[test]
    fn several_pasted_errors_stand_side_by_side() {
        let pasted = |state| Reading::observed(state, Source::Operator, Said::raw(""));
        let mut readings = Vec::new();
        for state in [BANNER_TIMEOUT, SLOW_LOGIN, SLOW_LOGIN] {
            place(&mut readings, pasted(state));
        }
        assert_eq!(readings.len(), 2);
    }
}
