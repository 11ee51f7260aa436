//! Security groups: which rule decides for a source, protocol and port.
//!
//! Rules are tried from the top, groups in binding order, the first match decides, and what no
//! rule matches is refused (vpc `DescribeSecurityGroupPolicies`). Must not live here: reading
//! groups from the cloud, changing them.

pub mod said;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ports::{Direction, Edges, Transport, contains, covers_port};
use super::said::Said;

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleAction {
    Accept,
    Drop,
}

/// Whom a rule is about. Exactly one kind is set on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// An address, network or range, as written (`0.0.0.0/0`, `2001:db8::/32`).
    Network(String),
    /// The private addresses of another group's members.
    Group(String),
    /// An address template (`ipm-`) or a group of them (`ipmg-`).
    Template(String),
    /// Nothing that we know.
    Unknown,
}

/// What traffic a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Protocol word and port list, as written.
    Plain { protocol: String, port: String },
    /// A service template (`ppm-`) or a group of them (`ppmg-`).
    Template(String),
}

/// One rule of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `PolicyIndex`: position from the top; changes with every change of the group.
    pub index: i64,
    pub service: Service,
    pub peer: Peer,
    /// `None` for an action word that we do not know.
    pub action: Option<RuleAction>,
    pub description: String,
}

/// A group as read at one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    /// Counts every change; a change made on an old version is refused by the cloud.
    pub version: String,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
}

/// Bodies of what rules refer to. What is missing leaves a rule undecided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct References {
    /// Private addresses of the members, by group id.
    pub members: BTreeMap<String, Vec<IpAddr>>,
    /// Addresses, networks and ranges, by id of an address template or template group.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Entries such as `tcp:80,443`, by id of a service template or template group.
    pub services: BTreeMap<String, Vec<String>>,
}

/// The answer, in the words of the evidence group `security-group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Allow,
    /// A DROP rule matches first.
    DenyExplicit,
    /// No rule matches, and none lets anybody else in either.
    DenyDefault,
    /// No rule matches, but other sources are let in on the same port.
    AllowOtherSourceOnly,
    /// A rule that could not be read would have decided.
    Unresolved,
}

impl Verdict {
    /// The state of the evidence group.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::DenyExplicit => "deny-explicit",
            Self::DenyDefault => "deny-default",
            Self::AllowOtherSourceOnly => "allow-other-source-only",
            Self::Unresolved => "unresolved",
        }
    }
}

/// A rule and the group that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReference {
    pub group_id: String,
    pub index: i64,
    /// The rule as one line for people.
    pub text: Said,
}

/// What the groups say about one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub verdict: Verdict,
    /// The rule that decided; `None` when it was the default.
    pub rule: Option<RuleReference>,
    /// For [`Verdict::AllowOtherSourceOnly`]: the first rule that lets others in.
    pub others: Option<RuleReference>,
    /// Rules that could not be decided and could have changed the answer.
    pub undecided: Vec<RuleReference>,
}

impl Decision {
    /// One sentence for people; `question` says what was asked, such as `203.0.113.7 to TCP 22`.
    pub fn sentence(&self, question: impl Into<Said>) -> Said {
        let named = |rule: &Option<RuleReference>| {
            rule.as_ref().map_or_else(said::no_rule, |rule| {
                said::rule_of(&rule.group_id, rule.index, &rule.text)
            })
        };
        match self.verdict {
            Verdict::Allow => said::allowed_by(question, named(&self.rule)),
            Verdict::DenyExplicit => said::refused_by(question, named(&self.rule)),
            Verdict::DenyDefault => said::matches_none(question),
            Verdict::AllowOtherSourceOnly => said::others_allowed_by(question, named(&self.others)),
            Verdict::Unresolved => {
                said::depends_on(question, named(&self.undecided.first().cloned()))
            }
        }
    }
}

/// Judges inbound traffic of `source` to `port` (ignored for ICMP) against groups in binding
/// order.
pub fn evaluate(
    groups: &[SecurityGroup],
    references: &References,
    source: IpAddr,
    transport: Transport,
    port: u16,
) -> Decision {
    evaluate_way(groups, references, Direction::In, source, transport, port)
}

/// The same for either direction: of outbound traffic `remote` is the destination, and `port` the
/// port there.
pub fn evaluate_way(
    groups: &[SecurityGroup],
    references: &References,
    direction: Direction,
    remote: IpAddr,
    transport: Transport,
    port: u16,
) -> Decision {
    let mut undecided: Vec<(RuleReference, Option<RuleAction>)> = Vec::new();
    let mut others = None;
    let mut decided = None;
    for (group, rule) in in_order(groups, direction) {
        let service = matches_service(&rule.service, references, transport, port);
        if service == Some(false) {
            continue;
        }
        match both(service, matches_peer(&rule.peer, references, remote)) {
            Some(true) if rule.action.is_some() => {
                decided = Some((reference(group, rule, direction), rule.action));
                break;
            }
            Some(false) => {
                if service == Some(true) && rule.action == Some(RuleAction::Accept) {
                    others = others.or_else(|| Some(reference(group, rule, direction)));
                }
            }
            _ => undecided.push((reference(group, rule, direction), rule.action)),
        }
    }
    let outcome = match &decided {
        Some((_, action)) => *action,
        None => Some(RuleAction::Drop),
    };
    // A rule that may or may not match only matters if it would have said something else.
    undecided.retain(|(_, action)| *action != outcome);
    let verdict = match outcome {
        _ if !undecided.is_empty() => Verdict::Unresolved,
        Some(RuleAction::Accept) => Verdict::Allow,
        _ if decided.is_some() => Verdict::DenyExplicit,
        _ if others.is_some() => Verdict::AllowOtherSourceOnly,
        _ => Verdict::DenyDefault,
    };
    Decision {
        verdict,
        rule: decided.map(|(rule, _)| rule),
        others,
        undecided: undecided.into_iter().map(|(rule, _)| rule).collect(),
    }
}

/// Judges a source on the Internet whose address nobody knows: the verdict for an address that no
/// rule singles out, or `Unresolved` where a rule for some public network could say otherwise.
pub fn evaluate_unknown(
    groups: &[SecurityGroup],
    references: &References,
    family_v6: bool,
    transport: Transport,
    port: u16,
) -> Decision {
    // From the documentation networks (RFC 5737, RFC 3849), which no rule names.
    let anybody = if family_v6 {
        IpAddr::from([0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1])
    } else {
        IpAddr::from([192, 0, 2, 251])
    };
    let mut decision = evaluate(groups, references, anybody, transport, port);
    if decision.verdict == Verdict::Unresolved {
        return decision;
    }
    let outcome = if decision.verdict == Verdict::Allow {
        RuleAction::Accept
    } else {
        RuleAction::Drop
    };
    for (group, rule) in inbound(groups) {
        let here = reference(group, rule, Direction::In);
        if Some(&here) == decision.rule.as_ref() {
            break;
        }
        let on_the_way = matches_service(&rule.service, references, transport, port) != Some(false)
            && rule.action != Some(outcome)
            && names_public_network(&rule.peer, references, family_v6);
        if on_the_way {
            decision.undecided.push(here);
        }
    }
    if !decision.undecided.is_empty() {
        decision.verdict = Verdict::Unresolved;
    }
    decision
}

/// True if a rule may single out some public address of the family.
fn names_public_network(peer: &Peer, references: &References, family_v6: bool) -> bool {
    let is_public = |text: &str| {
        let first = text.split(['/', '-']).next().unwrap_or_default();
        match first.trim().parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => {
                // 100.64.0.0/10 is the carriers' (RFC 6598): no source on the Internet has it.
                let carrier = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
                !(family_v6 || v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier)
            }
            Ok(IpAddr::V6(v6)) => family_v6 && !v6.is_unique_local(),
            Err(_) => true,
        }
    };
    match peer {
        Peer::Network(text) => is_public(text),
        Peer::Group(_) => false,
        Peer::Template(id) => references
            .addresses
            .get(id)
            .is_none_or(|entries| entries.iter().any(|entry| is_public(entry))),
        Peer::Unknown => true,
    }
}

/// Where the answer of the groups can change, one way.
pub fn edges(groups: &[SecurityGroup], references: &References, direction: Direction) -> Edges {
    let mut edges = Edges::default();
    for (_, rule) in in_order(groups, direction) {
        match &rule.service {
            Service::Plain { port, .. } => edges.of_ports(port),
            Service::Template(id) => {
                for entry in references.services.get(id).into_iter().flatten() {
                    edges.of_ports(entry.split_once(':').map_or("", |(_, list)| list));
                }
            }
        }
        match &rule.peer {
            Peer::Network(network) => edges.of_source(network),
            Peer::Template(id) => {
                for entry in references.addresses.get(id).into_iter().flatten() {
                    edges.of_source(entry);
                }
            }
            Peer::Group(id) => {
                for member in references.members.get(id).into_iter().flatten() {
                    edges.of_source(&member.to_string());
                }
            }
            Peer::Unknown => {}
        }
    }
    edges
}

/// Inbound rules in the order in which they are tried.
fn inbound(groups: &[SecurityGroup]) -> Vec<(&SecurityGroup, &Rule)> {
    in_order(groups, Direction::In)
}

/// Rules of one direction in the order in which they are tried.
fn in_order(groups: &[SecurityGroup], direction: Direction) -> Vec<(&SecurityGroup, &Rule)> {
    let mut ordered = Vec::new();
    for group in groups {
        let rules = match direction {
            Direction::In => &group.ingress,
            Direction::Out => &group.egress,
        };
        let mut rules: Vec<&Rule> = rules.iter().collect();
        rules.sort_by_key(|rule| rule.index);
        ordered.extend(rules.into_iter().map(|rule| (group, rule)));
    }
    ordered
}

/// `None` as soon as one side is unknown and the other does not rule the match out.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn matches_service(
    service: &Service,
    references: &References,
    transport: Transport,
    port: u16,
) -> Option<bool> {
    match service {
        Service::Plain {
            protocol,
            port: list,
        } => plain_service(protocol, list, transport, port),
        Service::Template(id) => any(references.services.get(id)?, |entry| {
            let (protocol, list) = entry.split_once(':').unwrap_or((entry, ""));
            plain_service(protocol, list, transport, port)
        }),
    }
}

fn plain_service(protocol: &str, list: &str, transport: Transport, port: u16) -> Option<bool> {
    if !transport.is_covered_by(protocol)? {
        return Some(false);
    }
    if !transport.has_ports() || protocol.trim().eq_ignore_ascii_case("ALL") {
        return Some(true);
    }
    covers_port(list, port)
}

fn matches_peer(peer: &Peer, references: &References, source: IpAddr) -> Option<bool> {
    match peer {
        Peer::Network(network) if network.eq_ignore_ascii_case("ALL") => Some(true),
        Peer::Network(network) => contains(network, source),
        // Members are known by their private addresses only, so a source from the Internet is
        // never one of them.
        Peer::Group(_) if !may_be_private(source) => Some(false),
        Peer::Group(id) => Some(references.members.get(id)?.contains(&source)),
        Peer::Template(id) => any(references.addresses.get(id)?, |entry| {
            contains(entry, source)
        }),
        Peer::Unknown => None,
    }
}

/// True if one entry matches; unknown if none does and one is not understood.
fn any(entries: &[String], matches: impl Fn(&str) -> Option<bool>) -> Option<bool> {
    let answers: Vec<_> = entries.iter().map(|entry| matches(entry)).collect();
    if answers.contains(&Some(true)) {
        Some(true)
    } else if answers.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Addresses that a VPC can use inside: RFC 1918, RFC 6598, loopback, and all of IPv6, whose
/// addresses are the same inside and outside.
fn may_be_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(_) => true,
    }
}

fn reference(group: &SecurityGroup, rule: &Rule, direction: Direction) -> RuleReference {
    RuleReference {
        group_id: group.id.clone(),
        index: rule.index,
        text: rule.said_of(direction),
    }
}

impl Rule {
    /// The rule as one line: `DROP TCP 22 from 0.0.0.0/0 "no ssh"`.
    pub fn said(&self) -> Said {
        self.said_of(Direction::In)
    }

    /// The same for either direction: what goes out goes to its peer.
    pub fn said_of(&self, direction: Direction) -> Said {
        let action = match self.action {
            Some(RuleAction::Accept) => "ACCEPT",
            Some(RuleAction::Drop) => "DROP",
            None => "?",
        };
        let service = match &self.service {
            Service::Plain { protocol, port } if port.trim().is_empty() => protocol.to_uppercase(),
            Service::Plain { protocol, port } => format!("{} {port}", protocol.to_uppercase()),
            Service::Template(id) => id.clone(),
        };
        let peer = match &self.peer {
            Peer::Network(text) | Peer::Group(text) | Peer::Template(text) => text.as_str(),
            Peer::Unknown => "?",
        };
        match (direction, self.description.as_str()) {
            (Direction::In, "") => said::rule(action, service, peer),
            (Direction::In, what) => said::rule_described(action, service, peer, what),
            (Direction::Out, "") => said::rule_out(action, service, peer),
            (Direction::Out, what) => said::rule_out_described(action, service, peer, what),
        }
    }
}

/// Ids that the inbound rules refer to: other groups, address templates, service templates.
pub fn referenced(groups: &[SecurityGroup]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut members, mut addresses, mut services) = (Vec::new(), Vec::new(), Vec::new());
    for (_, rule) in inbound(groups) {
        match &rule.peer {
            Peer::Group(id) => members.push(id.clone()),
            Peer::Template(id) => addresses.push(id.clone()),
            Peer::Network(_) | Peer::Unknown => {}
        }
        if let Service::Template(id) = &rule.service {
            services.push(id.clone());
        }
    }
    for list in [&mut members, &mut addresses, &mut services] {
        list.sort_unstable();
        list.dedup();
    }
    (members, addresses, services)
}

#[cfg(test)]
#[path = "security_group_tests.rs"]
mod tests;
