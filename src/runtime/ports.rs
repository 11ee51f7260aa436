//! Port verification of one instance: its rules read once, each tuple judged, and a real try from
//! this host where one can be made.
//!
//! Must not live here: the judging (`domain::port_check`), how it is shown.

pub mod said;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use ipnet::IpNet;
use jiff::Timestamp;

use super::session::Session;
use crate::cloud::facts::{self, FactRequest, RuleSets};
use crate::cloud::said::host_configuration_no;
use crate::domain::evidence::{Status, group};
use crate::domain::instance::Instance;
use crate::domain::port_check::{Answer, BadTuple, Judged, MOST_TUPLES, Rules, Tuple, common};
use crate::domain::ports::{Direction, Transport};
use crate::domain::said::Said;
use crate::domain::security_group::References;
use crate::probe::outcome::{Connect, Echo};
use crate::probe::{icmp, tcp};

/// Echo requests of one row, and the pause between them.
const ECHOES: u16 = 3;
const SPACING: Duration = Duration::from_millis(200);

/// What was found for every tuple.
#[derive(Debug, Clone)]
pub struct PortReport {
    pub at: Timestamp,
    /// The address that was tried from here; `None` where nothing was tried.
    pub address: Option<IpAddr>,
    pub rows: Vec<Row>,
}

/// One tuple with its answers.
#[derive(Debug, Clone)]
pub struct Row {
    pub tuple: Tuple,
    pub judged: Judged,
    pub seen: Seen,
    /// Words of `cvmtop act TARGET` that would open it, as narrowly as it was asked about; `None`
    /// where it is open, or nothing of ours opens it.
    pub opens: Option<String>,
}

/// What a real try from this host found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Accepted a connection, or answered an echo request.
    Answers,
    Refused,
    Silent,
    Prohibited,
    /// It could not be tried, or was not; see [`Seen::said`].
    Own,
    /// Silence from UDP says nothing: a service need not answer.
    Udp,
    /// A range or every protocol: one try would not speak for it.
    Range,
    /// Only the instance itself could try.
    Outbound,
    NotAsked,
}

impl Seen {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Prohibited => "prohibited",
            Self::Own => "failed-here",
            Self::Udp | Self::Range | Self::Outbound | Self::NotAsked => "not-tried",
        }
    }

    /// For people.
    pub fn said(self) -> Said {
        match self {
            Self::Answers => said::answers(),
            Self::Refused => said::refused(),
            Self::Silent => said::silent(),
            Self::Prohibited => said::prohibited(),
            Self::Own => said::failed_here(),
            Self::Udp => said::not_udp(),
            Self::Range => said::not_range(),
            Self::Outbound => said::not_outbound(),
            Self::NotAsked => said::not_asked(),
        }
    }
}

/// Looks at every tuple. `probe` allows real tries.
pub async fn verify(
    session: &Session,
    instance: &Instance,
    tuples: &[Tuple],
    probe: bool,
) -> PortReport {
    let limit = session.settings.probe.timeout;
    let public = instance.public_addresses.first();
    let address = public.or(instance.private_addresses.first()).copied();
    let address = address.filter(|_| probe);
    let tries = join_all(
        tuples
            .iter()
            .map(|tuple| try_one(tuple, address, probe, limit)),
    );
    let (sets, tries) = tokio::join!(sets(session, instance), tries);
    let groups = sets
        .groups
        .as_ref()
        .map(|groups| groups.iter().map(|of| of.group.clone()).collect::<Vec<_>>());
    let unread = |id: &str| why_unread(&sets, id);
    let (no_groups, no_acl) = (unread(group::SECURITY_GROUP), unread(group::NETWORK_ACL));
    let all = || {
        let public = instance.public_addresses.iter();
        public.chain(&instance.private_addresses)
    };
    let rules = Rules {
        groups: groups.as_deref().ok_or(&no_groups),
        references: &sets.references,
        acl: match &sets.network_acl {
            Some(acl) => Ok(Some(acl)),
            None if has_no_acl(&sets) => Ok(None),
            None => Err(&no_acl),
        },
        local: instance.private_addresses.first().copied(),
        has_v6: all().any(IpAddr::is_ipv6),
    };
    let rows = tuples.iter().zip(tries).map(|(tuple, seen)| {
        let judged = rules.judge(tuple);
        Row {
            opens: opens(tuple, &judged),
            tuple: tuple.clone(),
            judged,
            seen,
        }
    });
    PortReport {
        at: Timestamp::now(),
        address,
        rows: rows.collect(),
    }
}

/// The rules as they are now; readings that say why where there are none.
async fn sets(session: &Session, instance: &Instance) -> RuleSets {
    match &session.cloud {
        Some(cloud) if !instance.is_static => {
            let request = FactRequest {
                instance_is_fresh: true,
                ..FactRequest::default()
            };
            facts::rule_sets(&cloud.client, instance, &request).await
        }
        _ => RuleSets {
            references: References::default(),
            ..RuleSets::default()
        },
    }
}

/// Why a rule set is not there.
fn why_unread(sets: &RuleSets, id: &str) -> Said {
    let mut readings = sets.readings.iter();
    let reading = readings.find(|reading| reading.id == id);
    reading.map_or_else(host_configuration_no, |reading| reading.detail.clone())
}

/// The subnet has no ACL, or the instance no subnet: nothing filters there.
fn has_no_acl(sets: &RuleSets) -> bool {
    let mut readings = sets.readings.iter();
    let reading = readings.find(|reading| reading.id == group::NETWORK_ACL);
    reading.is_some_and(|reading| {
        reading.observed_state() == Some("none") || reading.status == Status::NotApplicable
    })
}

async fn try_one(tuple: &Tuple, address: Option<IpAddr>, probe: bool, limit: Duration) -> Seen {
    if !probe {
        return Seen::NotAsked;
    }
    if tuple.direction == Direction::Out {
        return Seen::Outbound;
    }
    let Some(address) = address else {
        return Seen::Own;
    };
    match (tuple.transport, tuple.port()) {
        (Some(Transport::Tcp), Some(port)) => {
            let (end, _) = tcp::connect(SocketAddr::new(address, port), limit).await;
            match end {
                Connect::Open(_) => Seen::Answers,
                Connect::Refused(_) => Seen::Refused,
                Connect::Silent(_) => Seen::Silent,
                Connect::Prohibited(_) => Seen::Prohibited,
                Connect::Own(_) => Seen::Own,
            }
        }
        (Some(Transport::Icmp | Transport::Icmpv6), _) => {
            match icmp::ping(address, ECHOES, SPACING, 32, limit).await {
                Echo::Replies { .. } => Seen::Answers,
                Echo::Silent { .. } => Seen::Silent,
                Echo::NotPermitted | Echo::Own(_) => Seen::Own,
            }
        }
        (Some(Transport::Udp), _) => Seen::Udp,
        (Some(Transport::Tcp) | None, _) => Seen::Range,
    }
}

/// The narrowest action of ours that opens what was asked about.
fn opens(tuple: &Tuple, judged: &Judged) -> Option<String> {
    if tuple.direction == Direction::Out {
        return None;
    }
    let source = match tuple.remote {
        // Everyone is never filled in: whoever opens it says for whom.
        None => "ADDRESS".to_owned(),
        Some(_) => tuple.far_side(),
    };
    let shut = |answer| matches!(answer, Answer::Closed | Answer::Partly);
    let by_groups = shut(judged.groups.answer);
    let by_acl = judged.acl.as_ref().is_some_and(|acl| shut(acl.answer));
    match (tuple.transport?, tuple.port()) {
        (Transport::Tcp, Some(port)) if by_groups => {
            Some(format!("open-port --set port={port} --set source={source}"))
        }
        (Transport::Udp, Some(port)) if by_groups => Some(format!(
            "open-port --set port={port} --set protocol=udp --set source={source}"
        )),
        (Transport::Icmp | Transport::Icmpv6, _) if by_groups => {
            Some(format!("open-common-ports --set source={source}"))
        }
        (Transport::Tcp, Some(port)) if by_acl => {
            Some(format!("allow-acl --set port={port} --set source={source}"))
        }
        _ => None,
    }
}

impl PortReport {
    /// One answer for the whole: what is shut counts most, then what is not known.
    pub fn answer(&self) -> Answer {
        let is = |wanted: &[Answer]| {
            let mut rows = self.rows.iter();
            rows.any(|row| wanted.contains(&row.judged.answer()))
        };
        if is(&[Answer::Closed, Answer::Partly]) {
            Answer::Closed
        } else if is(&[Answer::Untold]) {
            Answer::Untold
        } else {
            Answer::Open
        }
    }
}

/// The login port of an instance on the way in, before all others, where they lack it.
pub fn with_login(tuples: Vec<Tuple>, instance: &Instance, remote: Option<IpNet>) -> Vec<Tuple> {
    let port = instance.login_port();
    let login = Tuple {
        direction: Direction::In,
        transport: Some(Transport::Tcp),
        ports: Some((port, port)),
        remote,
    };
    let mut all: Vec<Tuple> = Vec::with_capacity(tuples.len() + 1);
    if !tuples.contains(&login) {
        all.push(login);
    }
    all.extend(tuples);
    all
}

/// The tuples of a run: the vendor's rows for one far side, then one's own.
///
/// # Errors
/// The sentence: a tuple that is not understood, or more than the vendor's tool takes.
pub fn tuples(remote: Option<IpNet>, own: &[String]) -> Result<Vec<Tuple>, Said> {
    if own.len() > MOST_TUPLES {
        return Err(said::too_many(own.len(), MOST_TUPLES));
    }
    let mut all = common(remote);
    for text in own {
        let tuple: Tuple = text.parse().map_err(|bad: BadTuple| bad.0)?;
        if !all.contains(&tuple) {
            all.push(tuple);
        }
    }
    Ok(all)
}
