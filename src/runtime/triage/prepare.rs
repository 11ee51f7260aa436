//! From an instance and what is wanted of it to plans, requests and questions.
//!
//! Pure but for the routing table of this machine. Must not live here: carrying them out.

use std::net::{IpAddr, SocketAddr};

use super::TriageOptions;
use crate::cloud::facts::{FactRequest, GroupRules, Neighbourhood, RunInGuest};
use crate::config::VantageSetting;
use crate::domain::evidence::Path;
use crate::domain::instance::Instance;
use crate::domain::ports::Transport;
use crate::domain::security_group::{RuleAction, Service};
use crate::guest::GuestQuestion;
use crate::probe::{Consent, Control, Depth, Known, ProbeOptions, ProbePlan, ProbeTarget};
use crate::runtime::session::Session;
use crate::runtime::vantage::{
    certain_own_source, is_global, own_source, own_sources, shares_network,
};

/// Addresses probed per path; more would multiply the load on the target.
const MAX_ADDRESSES: usize = 2;
/// Ports that rules name for something else than logins.
const NOT_LOGINS: &[u16] = &[
    20, 21, 23, 25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 1433, 1521, 3306, 5432, 5672, 6379,
    8000, 8080, 8443, 9090, 9092, 9200, 11211, 27017,
];
/// Longest range of ports in a rule that still reads like a list of logins.
const LONGEST_RANGE: u16 = 3;

/// Paths that are wanted and that the instance has an address on.
pub(super) fn paths(session: &Session, instance: &Instance, options: &TriageOptions) -> Vec<Path> {
    let wanted = options.vantage.unwrap_or(session.settings.probe.vantage);
    let mut paths = Vec::new();
    if wanted != VantageSetting::Private && !instance.public_addresses.is_empty() {
        paths.push(Path::Public);
    }
    if wanted != VantageSetting::Public && !instance.private_addresses.is_empty() {
        paths.push(Path::Private);
    }
    paths
}

pub(super) fn probe_plan(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    paths: &[Path],
) -> ProbePlan {
    let user = login_user(instance, options);
    let settings = &session.settings.probe;
    ProbePlan {
        os: instance.os,
        targets: paths
            .iter()
            .flat_map(|&path| {
                instance
                    .addresses_on(path)
                    .iter()
                    .take(MAX_ADDRESSES)
                    .map(move |&address| ProbeTarget {
                        path,
                        address,
                        port: instance.login_port(),
                    })
            })
            .collect(),
        neighbour_ports: settings.neighbour_ports.clone(),
        other_login_ports: settings.ports.clone(),
        options: ProbeOptions {
            depth: if options.deep {
                Depth::Full
            } else {
                Depth::Quick
            },
            consent: Consent {
                methods_as: (options.deep || options.try_login.is_some()).then(|| user.clone()),
                login_as: options.try_login.clone(),
                ..Consent::default()
            },
            connect_timeout: settings.timeout,
            sparing: options
                .pool
                .as_ref()
                .is_some_and(|pool| pool.targets() > super::AT_ONCE),
            ..ProbeOptions::default()
        },
    }
}

/// The account that a login is tried with, or read about.
pub(super) fn login_user(instance: &Instance, options: &TriageOptions) -> String {
    options
        .try_login
        .clone()
        .or_else(|| options.user.clone())
        .unwrap_or_else(|| instance.usual_user())
}

/// One gate for every way in: also a script that only reads is run as root.
pub(super) fn looks_inside(session: &Session, options: &TriageOptions) -> bool {
    options.deep && session.settings.lets_look_inside()
}

pub(super) fn fact_request(
    session: &Session,
    instance: &Instance,
    options: &TriageOptions,
    user_source: Option<IpAddr>,
) -> FactRequest {
    FactRequest {
        user_source,
        own_sources: own_sources(instance),
        instance_is_fresh: options.instance_is_fresh,
        onset: options.onset,
        own_calls: options.own_calls.clone(),
        self_check: options.self_check,
        run_in_guest: if looks_inside(session, options) {
            RunInGuest::GuestCheck
        } else {
            RunInGuest::Nothing
        },
        ..FactRequest::default()
    }
}

pub(super) fn question(
    instance: &Instance,
    options: &TriageOptions,
    source: Option<IpAddr>,
) -> GuestQuestion {
    GuestQuestion {
        user: login_user(instance, options),
        // Where nobody else is named, the guest is asked about this host.
        source: source.or_else(|| certain_own_source(instance)),
        port: instance.login_port(),
        private_address: instance.private_addresses.first().copied(),
        uses_key: (!instance.key_ids.is_empty()).then_some(true),
        asked_at: None,
    }
}

/// What probes can use of the neighbourhood: peers by the way on which they can be reached from
/// here, controls, and ports on which rules let logins in.
pub(super) fn known(
    session: &Session,
    instance: &Instance,
    paths: &[Path],
    found: &Neighbourhood,
    answered_by: Option<SocketAddr>,
) -> Known {
    let mut known = Known {
        other_login_ports: ports_of_rules(&found.groups, instance.login_port()),
        ..Known::default()
    };
    for peer in &found.peers {
        let other = session.adopt(peer.instance.clone());
        let Some((path, address)) = way_to(&other, paths) else {
            continue;
        };
        let login = SocketAddr::new(address, other.login_port());
        if peer.same_subnet {
            known.peers_subnet.push(login);
        }
        if peer.same_group {
            known.peers_group.push(login);
        }
        known.controls.push(Control {
            path,
            address: login,
            decisive: false,
        });
    }
    // The API is reached by the same way as any public address.
    if let Some(address) = answered_by.filter(|address| is_global(address.ip())) {
        let control = Control {
            path: Path::Public,
            address,
            decisive: true,
        };
        known.controls.insert(0, control);
    }
    known
}

/// The address of a peer that can be reached from here, and the path that it stands for.
fn way_to(peer: &Instance, paths: &[Path]) -> Option<(Path, IpAddr)> {
    if paths.contains(&Path::Public)
        && let Some(&address) = peer.public_addresses.first()
    {
        return Some((Path::Public, address));
    }
    let address = *peer.private_addresses.first()?;
    let reached = paths.contains(&Path::Private) && shares_network(own_source(address), address);
    reached.then_some((Path::Private, address))
}

/// Single ports that accepting TCP rules name, without those that are known for something else.
fn ports_of_rules(groups: &[GroupRules], login: u16) -> Vec<u16> {
    let mut ports = Vec::new();
    let rules = groups.iter().flat_map(|rules| &rules.group.ingress);
    for rule in rules.filter(|rule| rule.action == Some(RuleAction::Accept)) {
        let Service::Plain { protocol, port } = &rule.service else {
            continue;
        };
        if Transport::Tcp.is_covered_by(protocol) != Some(true) {
            continue;
        }
        for part in port.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<u16>()) else {
                continue;
            };
            if last.saturating_sub(first) < LONGEST_RANGE {
                ports.extend((first..=last).filter(|port: &u16| {
                    *port != 0 && *port != login && !NOT_LOGINS.contains(port)
                }));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    ports.retain(|port| seen.insert(*port));
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::wire;
    use serde_json::json;

    #[test]
    fn rules_name_the_ports_of_logins() {
        let rule = |port: &str, protocol: &str, action: &str| json!({"Protocol": protocol, "Port": port, "CidrBlock": "0.0.0.0/0", "Action": action});
        let set = json!({"Ingress": [
            rule("22,20022", "TCP", "ACCEPT"),
            rule("80,443", "tcp", "ACCEPT"),
            rule("2222-2223", "ALL", "ACCEPT"),
            rule("30000-40000", "TCP", "ACCEPT"),
            rule("ALL", "ALL", "ACCEPT"),
            rule("4022", "TCP", "DROP"),
            rule("5022", "UDP", "ACCEPT"),
        ]});
        let group = wire::security_group("sg-1", "", &set).expect("a group");
        let groups = [GroupRules {
            group,
            policy_set: set,
        }];
        assert_eq!(ports_of_rules(&groups, 22), [20022, 2222, 2223]);
    }
}
