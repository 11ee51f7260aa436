//! Port verification: whether the rules let a kind of traffic through, either way.
//!
//! Lives here: the questions (the vendor's rows, and those of the operator), and what security groups
//! and network ACL say to a whole range of ports and a whole network. Must not live here: reading
//! rules, probing.

pub mod said;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Serialize;

use super::network_acl::{self, NetworkAcl};
use super::ports::{Direction, Edges, Transport};
use super::said::Said;
use super::security_group::{self, References, SecurityGroup};

/// Tuples of an operator's own that are looked at in one run, as the vendor's tool has it.
pub const MOST_TUPLES: usize = 15;
/// Every port.
const ALL_PORTS: (u16, u16) = (1, u16::MAX);
/// Ports times addresses that one question is asked for.
const MOST_SAMPLES: usize = 2_000;

/// One kind of traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    pub direction: Direction,
    /// `None`: every protocol.
    pub transport: Option<Transport>,
    /// First and last port of the side that is called; `None`: all, or a protocol without ports.
    pub ports: Option<(u16, u16)>,
    /// The far side; `None`: everyone.
    pub remote: Option<IpNet>,
}

/// The rows of the vendor's tool.
pub const COMMON: &[(Direction, Option<Transport>, Option<u16>)] = &[
    (Direction::In, Some(Transport::Icmp), None),
    (Direction::In, Some(Transport::Tcp), Some(20)),
    (Direction::In, Some(Transport::Tcp), Some(21)),
    (Direction::In, Some(Transport::Tcp), Some(22)),
    (Direction::In, Some(Transport::Tcp), Some(80)),
    (Direction::In, Some(Transport::Tcp), Some(443)),
    (Direction::In, Some(Transport::Tcp), Some(3389)),
    (Direction::Out, None, None),
];

/// The vendor's rows for one far side.
pub fn common(remote: Option<IpNet>) -> Vec<Tuple> {
    let rows = COMMON.iter();
    rows.map(|&(direction, transport, port)| Tuple {
        direction,
        transport,
        ports: port.map(|port| (port, port)),
        remote,
    })
    .collect()
}

impl Tuple {
    /// The port, where it is one.
    pub fn port(&self) -> Option<u16> {
        self.ports
            .filter(|(first, last)| first == last)
            .map(|(port, _)| port)
    }

    /// `TCP 22`, `UDP 8000-8010`, `ICMP`, `ALL`.
    pub fn service(&self) -> String {
        let word = self.transport.map_or("ALL", Transport::as_str);
        match self.ports {
            None => word.to_owned(),
            Some((first, last)) if first == last => format!("{word} {first}"),
            Some((first, last)) => format!("{word} {first}-{last}"),
        }
    }

    /// `ALL`, or the network; a single address without its prefix.
    pub fn far_side(&self) -> String {
        match self.remote {
            None => "ALL".to_owned(),
            Some(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            Some(net) => net.to_string(),
        }
    }

    /// Protocols that are asked about, in the family of the far side.
    fn transports(&self, is_v6: bool) -> Vec<Transport> {
        let icmp = if is_v6 {
            Transport::Icmpv6
        } else {
            Transport::Icmp
        };
        match self.transport {
            None => vec![Transport::Tcp, Transport::Udp, icmp],
            Some(Transport::Icmp | Transport::Icmpv6) => vec![icmp],
            Some(other) => vec![other],
        }
    }

    /// The networks that are asked about: those of the families that the instance has.
    fn networks(&self, has_v6: bool) -> Vec<IpNet> {
        let everyone = |v6| {
            if v6 {
                IpNet::from(ipnet::Ipv6Net::default())
            } else {
                IpNet::from(ipnet::Ipv4Net::default())
            }
        };
        match self.remote {
            Some(net) => vec![net],
            None if has_v6 => vec![everyone(false), everyone(true)],
            None => vec![everyone(false)],
        }
    }
}

impl fmt::Display for Tuple {
    /// As it is written in the config and on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        write!(f, "{way} {}", self.service().to_lowercase())?;
        match self.remote {
            None => Ok(()),
            Some(_) => write!(f, " {}", self.far_side()),
        }
    }
}

/// Why a text is no tuple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTuple(pub Said);

impl FromStr for Tuple {
    type Err = BadTuple;

    /// `in tcp 22`, `in udp 8000-8010 203.0.113.0/24`, `out tcp 443 192.0.2.7`, `in icmp`, `out all`.
    fn from_str(text: &str) -> Result<Self, BadTuple> {
        let mut words = text.split_whitespace();
        let direction = match words.next().map(str::to_ascii_lowercase).as_deref() {
            Some("in") => Direction::In,
            Some("out") => Direction::Out,
            _ => return Err(BadTuple(said::bad_direction(text))),
        };
        let transport = match words.next().map(str::to_ascii_lowercase).as_deref() {
            Some("tcp") => Some(Transport::Tcp),
            Some("udp") => Some(Transport::Udp),
            Some("icmp" | "icmpv6") => Some(Transport::Icmp),
            Some("all") => None,
            _ => return Err(BadTuple(said::bad_protocol(text))),
        };
        let mut rest: Vec<&str> = words.collect();
        let ports = if transport.is_some_and(Transport::has_ports) {
            if rest.is_empty() {
                return Err(BadTuple(said::lacks_port(text)));
            }
            ports(rest.remove(0)).ok_or_else(|| BadTuple(said::bad_ports(text)))?
        } else {
            None
        };
        let remote = match rest.as_slice() {
            [] => None,
            [word] if word.eq_ignore_ascii_case("all") => None,
            [word] => Some(network(word).ok_or_else(|| BadTuple(said::bad_remote(text)))?),
            _ => return Err(BadTuple(said::too_many_words(text))),
        };
        Ok(Self {
            direction,
            transport,
            ports,
            remote,
        })
    }
}

/// `22`, `8000-8010`, or `all`.
#[allow(clippy::option_option)] // not understood, all of them, or a range
fn ports(word: &str) -> Option<Option<(u16, u16)>> {
    if word.eq_ignore_ascii_case("all") {
        return Some(None);
    }
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then_some(Some((first, last)))
}

fn network(word: &str) -> Option<IpNet> {
    let address = word.parse::<IpAddr>().map(IpNet::from);
    let net = address.or_else(|_| word.parse::<IpNet>()).ok()?.trunc();
    Some(net)
}

/// Whether traffic gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Open,
    /// Some of the ports or of the far side.
    Partly,
    Closed,
    /// What was read does not decide it, or could not be read.
    Untold,
}

impl Answer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Partly => "partly",
            Self::Closed => "closed",
            Self::Untold => "untold",
        }
    }

    /// Of two filters in a row: what one refuses the other cannot let through.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed, _) | (_, Self::Closed) => Self::Closed,
            (Self::Untold, _) | (_, Self::Untold) => Self::Untold,
            (Self::Partly, _) | (_, Self::Partly) => Self::Partly,
            (Self::Open, Self::Open) => Self::Open,
        }
    }
}

/// What one filter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub answer: Answer,
    /// The rule that decides.
    pub why: Said,
}

/// What all that was read says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub groups: Part,
    /// `None` where the subnet has none.
    pub acl: Option<Part>,
}

impl Judged {
    pub fn answer(&self) -> Answer {
        let acl = self.acl.as_ref().map_or(Answer::Open, |acl| acl.answer);
        self.groups.answer.and(acl)
    }

    /// What decides: the filter that stops it, else both. Where it is not known, what is known of
    /// the other one stays worth reading.
    pub fn why(&self) -> Vec<&Said> {
        let parts = std::iter::once(&self.groups).chain(&self.acl);
        let answer = self.answer();
        let deciding = parts.filter(|part| answer == Answer::Untold || part.answer == answer);
        deciding.map(|part| &part.why).collect()
    }
}

/// The rules of an instance, as far as they could be read.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// In binding order, or why they could not be read.
    pub groups: Result<&'a [SecurityGroup], &'a Said>,
    pub references: &'a References,
    /// `None` where the subnet has none, or why it could not be read.
    pub acl: Result<Option<&'a NetworkAcl>, &'a Said>,
    /// The instance's address inside the subnet.
    pub local: Option<IpAddr>,
    /// The instance has an IPv6 address.
    pub has_v6: bool,
}

impl Rules<'_> {
    /// Judges a tuple: for each range of ports and each network in which nothing can change, once.
    pub fn judge(&self, tuple: &Tuple) -> Judged {
        let untold = |why: &Said| Part {
            answer: Answer::Untold,
            why: why.clone(),
        };
        let groups = match self.groups {
            Ok(groups) => {
                let edges = security_group::edges(groups, self.references, tuple.direction);
                self.over(tuple, &edges, |transport, remote, port| {
                    let decision = security_group::evaluate_way(
                        groups,
                        self.references,
                        tuple.direction,
                        remote,
                        transport,
                        port,
                    );
                    let answer = match decision.verdict {
                        security_group::Verdict::Allow => Answer::Open,
                        security_group::Verdict::Unresolved => Answer::Untold,
                        security_group::Verdict::DenyExplicit
                        | security_group::Verdict::DenyDefault
                        | security_group::Verdict::AllowOtherSourceOnly => Answer::Closed,
                    };
                    let service = if tuple.ports.is_none() && port == ALL_PORTS.0 {
                        // The first of all: it stands for those that no rule singles out.
                        transport.as_str().to_owned()
                    } else {
                        transport.with_port(port)
                    };
                    let who = named(remote);
                    let question = match tuple.direction {
                        Direction::In => network_acl::said::subject_in(who, service),
                        Direction::Out => network_acl::said::subject_out(who, service),
                    };
                    Part {
                        answer,
                        why: decision.sentence(question),
                    }
                })
            }
            Err(why) => untold(why),
        };
        let acl = match self.acl {
            Ok(None) => None,
            Ok(Some(acl)) => {
                let edges = network_acl::edges(acl, tuple.direction);
                Some(self.over(tuple, &edges, |transport, remote, port| {
                    let decision = network_acl::evaluate_way(
                        acl,
                        tuple.direction,
                        transport,
                        remote,
                        self.local
                            .filter(|local| local.is_ipv4() == remote.is_ipv4()),
                        port,
                    );
                    let answer = match decision.verdict {
                        network_acl::Verdict::Allow => Answer::Open,
                        network_acl::Verdict::Unresolved => Answer::Untold,
                        network_acl::Verdict::DenyIn | network_acl::Verdict::DenyReturn => {
                            Answer::Closed
                        }
                    };
                    Part {
                        answer,
                        why: decision.sentence,
                    }
                }))
            }
            Err(why) => Some(untold(why)),
        };
        Judged { groups, acl }
    }

    /// Asks for everything that can differ, and puts the answers together.
    fn over(
        &self,
        tuple: &Tuple,
        edges: &Edges,
        ask: impl Fn(Transport, IpAddr, u16) -> Part,
    ) -> Part {
        let (first, last) = tuple.ports.unwrap_or(ALL_PORTS);
        let mut parts = Vec::new();
        for net in tuple.networks(self.has_v6) {
            let addresses = edges.addresses_within(net);
            for transport in tuple.transports(net.addr().is_ipv6()) {
                let ports = if transport.has_ports() {
                    edges.ports_within(first, last)
                } else {
                    vec![0]
                };
                for port in &ports {
                    for address in &addresses {
                        if parts.len() >= MOST_SAMPLES {
                            return Part {
                                answer: Answer::Untold,
                                why: said::too_many_rules(MOST_SAMPLES),
                            };
                        }
                        parts.push(ask(transport, *address, *port));
                    }
                }
            }
        }
        together(&parts)
    }
}

/// An address as rules name it: the first of a family stands for whoever is not singled out.
fn named(address: IpAddr) -> String {
    if address.is_unspecified() {
        format!("{address}/0")
    } else {
        address.to_string()
    }
}

/// One answer for all that was asked: open or closed only where all of it is.
fn together(parts: &[Part]) -> Part {
    let first = |answer| parts.iter().find(|part| part.answer == answer);
    let (open, closed, untold) = (
        first(Answer::Open),
        first(Answer::Closed),
        first(Answer::Untold),
    );
    match (open, closed, untold) {
        (Some(open), Some(closed), _) => Part {
            answer: Answer::Partly,
            why: said::in_part(&open.why, &closed.why),
        },
        (_, _, Some(untold)) => untold.clone(),
        (Some(one), None, None) | (None, Some(one), None) => one.clone(),
        (None, None, None) => Part {
            answer: Answer::Untold,
            why: said::nothing_asked(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::security_group::{Peer, Rule, RuleAction, Service};
    use super::*;

    fn rule(index: i64, action: RuleAction, protocol: &str, port: &str, peer: &str) -> Rule {
        Rule {
            index,
            service: Service::Plain {
                protocol: protocol.to_owned(),
                port: port.to_owned(),
            },
            peer: Peer::Network(peer.to_owned()),
            action: Some(action),
            description: String::new(),
        }
    }

    fn judged(ingress: Vec<Rule>, egress: Vec<Rule>, tuple: &str) -> Answer {
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            ingress,
            egress,
            ..SecurityGroup::default()
        };
        let rules = Rules {
            groups: Ok(std::slice::from_ref(&group)),
            references: &References::default(),
            acl: Ok(None),
            local: None,
            has_v6: false,
        };
        rules.judge(&tuple.parse().unwrap()).answer()
    }

    #[test]
    fn a_tuple_is_read_as_it_is_written() {
        for text in [
            "in tcp 22",
            "in udp 8000-8010 203.0.113.0/24",
            "out tcp 443 192.0.2.7",
            "in icmp",
            "out all",
            "in tcp 22 2001:db8::1",
        ] {
            let tuple: Tuple = text.parse().unwrap();
            assert_eq!(tuple.to_string(), text);
        }
        let all: Tuple = "IN TCP all ALL".parse().unwrap();
        assert_eq!((all.ports, all.remote), (None, None));
        for wrong in [
            "",
            "tcp 22",
            "in tcp",
            "in tcp 0",
            "in tcp 9-5",
            "in tcp 70000",
            "in sctp 22",
            "in tcp 22 somewhere",
            "in tcp 22 10.0.0.1 more",
        ] {
            assert!(wrong.parse::<Tuple>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_is_open_only_where_all_of_it_is() {
        use RuleAction::{Accept, Drop};
        let all = |ingress: Vec<Rule>, tuple: &str| judged(ingress, Vec::new(), tuple);
        let one = || vec![rule(0, Accept, "TCP", "22,8000-8010", "0.0.0.0/0")];
        assert_eq!(all(one(), "in tcp 22"), Answer::Open);
        assert_eq!(all(one(), "in tcp 8000-8010"), Answer::Open);
        assert_eq!(all(one(), "in tcp 8000-8011"), Answer::Partly);
        assert_eq!(all(one(), "in udp 22"), Answer::Closed);
        assert_eq!(all(one(), "in tcp 443"), Answer::Closed);
        let inside = || vec![rule(0, Accept, "TCP", "22", "10.0.0.0/8")];
        assert_eq!(all(inside(), "in tcp 22"), Answer::Partly);
        assert_eq!(all(inside(), "in tcp 22 10.1.2.3"), Answer::Open);
        assert_eq!(all(inside(), "in tcp 22 203.0.113.0/24"), Answer::Closed);
        let but_one = || {
            vec![
                rule(0, Drop, "ALL", "ALL", "198.51.100.7"),
                rule(1, Accept, "ALL", "ALL", "0.0.0.0/0"),
            ]
        };
        assert_eq!(all(but_one(), "in icmp"), Answer::Partly);
        assert_eq!(all(but_one(), "in icmp 198.51.100.8"), Answer::Open);
        assert_eq!(all(but_one(), "in icmp 198.51.100.7"), Answer::Closed);
        // A rule that is not understood decides nothing.
        let odd = vec![rule(0, Accept, "TCP", "ssh", "0.0.0.0/0")];
        assert_eq!(all(odd, "in tcp 22"), Answer::Untold);
    }

    #[test]
    fn the_way_out_has_rules_of_its_own() {
        use RuleAction::{Accept, Drop};
        let open = || vec![rule(0, Accept, "ALL", "ALL", "0.0.0.0/0")];
        assert_eq!(judged(open(), Vec::new(), "out all"), Answer::Closed);
        assert_eq!(judged(Vec::new(), open(), "out all"), Answer::Open);
        let no_mail = || {
            let mut rules = open();
            rules.insert(0, rule(-1, Drop, "TCP", "25", "0.0.0.0/0"));
            rules
        };
        assert_eq!(judged(Vec::new(), no_mail(), "out all"), Answer::Partly);
        assert_eq!(judged(Vec::new(), no_mail(), "out tcp 25"), Answer::Closed);
        assert_eq!(judged(Vec::new(), no_mail(), "out tcp 443"), Answer::Open);
    }

    #[test]
    fn the_acl_counts_both_ways_and_what_was_not_read_decides_nothing() {
        let open = SecurityGroup {
            ingress: vec![rule(0, RuleAction::Accept, "ALL", "ALL", "0.0.0.0/0")],
            egress: vec![rule(0, RuleAction::Accept, "ALL", "ALL", "0.0.0.0/0")],
            ..SecurityGroup::default()
        };
        let entry = |port: &str, remote_port: &str, action| network_acl::Entry {
            priority: 1,
            protocol: "TCP".to_owned(),
            local_port: port.to_owned(),
            remote_port: remote_port.to_owned(),
            action: Some(action),
            ..network_acl::Entry::default()
        };
        let acl = NetworkAcl {
            id: "acl-1".to_owned(),
            ingress: vec![
                entry("22", "", RuleAction::Accept),
                entry("", "443", RuleAction::Accept),
            ],
            egress: vec![
                entry("", "1024-65535", RuleAction::Accept),
                entry("", "443", RuleAction::Accept),
            ],
            ..NetworkAcl::default()
        };
        let unread = Said::raw("not permitted");
        let of = |acl, tuple: &str| {
            let rules = Rules {
                groups: Ok(std::slice::from_ref(&open)),
                references: &References::default(),
                acl,
                local: None,
                has_v6: false,
            };
            rules.judge(&tuple.parse().unwrap()).answer()
        };
        for (tuple, want) in [
            ("in tcp 22", Answer::Open),
            ("in tcp 23", Answer::Closed),
            ("in icmp", Answer::Closed),
            ("out tcp 443", Answer::Open),
            ("out tcp 25", Answer::Closed),
        ] {
            assert_eq!(of(Ok(Some(&acl)), tuple), want, "{tuple}");
        }
        assert_eq!(of(Err(&unread), "in tcp 22"), Answer::Untold);
        assert_eq!(of(Ok(None), "in tcp 22"), Answer::Open);
    }
}
