//! Port verification of one instance: its rules read once, each tuple judged, and a real try from
//! this host where one can be made.
//!
//! Must not live here: the judging (`domain::port_check`), how it is shown.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::session::Session;
use super::triage::inside::firewall;
use super::triage::said;
use super::vantage::own_sources;
use crate::cloud::facts::{self, FactRequest, RuleSets};
use crate::cloud::said::host_configuration_no;
use crate::domain::evidence::{Reading, Source, Status, group};
use crate::domain::instance::Instance;
use crate::domain::port_check::{Rules, Tuple};
use crate::domain::port_report::{Opening, PortReport, Row, Seen};
use crate::domain::ports::{Direction, Transport};
use crate::domain::said::Said;
use crate::domain::security_group::References;
use crate::probe::outcome::{Connect, Echo};
use crate::probe::{icmp, tcp};

/// Echo requests of one row, and the pause between them.
const ECHOES: u16 = 3;
const SPACING: Duration = Duration::from_millis(200);

/// How closely ports are looked at.
#[derive(Debug, Clone, Copy)]
pub struct PortLook {
    /// Real tries from this host.
    pub probe: bool,
    /// The packet filter in the guest, through the automation agent.
    pub deep: bool,
}

/// Looks at every tuple; the route is judged for `source`, else for this
/// host.
pub async fn verify(
    session: &Session,
    instance: &Instance,
    tuples: &[Tuple],
    source: Option<IpAddr>,
    look: PortLook,
) -> PortReport {
    let probe = look.probe;
    let limit = session.settings.probe.timeout;
    let public = instance.public_addresses.first();
    let address = public.or(instance.private_addresses.first()).copied();
    let address = address.filter(|_| probe);
    let tries = join_all(
        tuples
            .iter()
            .map(|tuple| try_one(tuple, address, probe, limit)),
    );
    let attempts: Vec<Option<(Option<IpAddr>, u16)>> = tuples.iter().map(attempt).collect();
    let inside = inside(session, instance, &attempts, look.deep);
    let (sets, tries, guest) = tokio::join!(sets(session, instance, source), tries, inside);
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
    let rows = tuples
        .iter()
        .zip(tries)
        .zip(guest)
        .map(|((tuple, seen), guest)| {
            let judged = rules.judge(tuple);
            Row {
                opens: Opening::of(tuple, &judged),
                tuple: tuple.clone(),
                judged,
                seen,
                guest,
            }
        });
    PortReport {
        at: Timestamp::now(),
        address,
        route: sets
            .readings
            .iter()
            .find(|reading| reading.id == group::ROUTE)
            .cloned(),
        rows: rows.collect(),
    }
}

/// A tuple as an attempt that the guest's packet filter can be asked about: one TCP port on the way in,
/// from one address or from one that no rule names.
fn attempt(tuple: &Tuple) -> Option<(Option<IpAddr>, u16)> {
    let fits = tuple.direction == Direction::In && tuple.transport == Some(Transport::Tcp);
    let source = match tuple.remote {
        None => None,
        Some(net) if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
        // What holds for one address of a network need not hold for the next.
        Some(_) => return None,
    };
    Some((source, tuple.port()?)).filter(|_| fits)
}

/// What the guest makes of each attempt, or why it was not asked; nothing where nobody may look inside.
async fn inside(
    session: &Session,
    instance: &Instance,
    attempts: &[Option<(Option<IpAddr>, u16)>],
    deep: bool,
) -> Vec<Option<Reading>> {
    if !deep || !session.settings.lets_look_inside() {
        return vec![None; attempts.len()];
    }
    let asked: Vec<_> = attempts.iter().flatten().copied().collect();
    let mut found = firewall(session, instance, &asked).await.into_iter();
    let unasked = || {
        let why = said::firewall_of_one_attempt();
        Reading::without_state(
            group::GUEST_FIREWALL,
            Source::Guest,
            Status::NotAttempted,
            why,
        )
    };
    let one = |it: &Option<_>| it.and_then(|_| found.next()).or_else(|| Some(unasked()));
    attempts.iter().map(one).collect()
}

/// The rules as they are now; readings that say why where there are none.
async fn sets(session: &Session, instance: &Instance, source: Option<IpAddr>) -> RuleSets {
    match &session.cloud {
        Some(cloud) if !instance.is_static => {
            let request = FactRequest {
                instance_is_fresh: true,
                user_source: source,
                own_sources: own_sources(instance),
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
