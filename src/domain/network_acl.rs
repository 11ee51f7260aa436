//! Network ACLs of a subnet: stateless, so both directions are judged.
//!
//! Entries are tried by priority from 1, the first match decides, and what none matches is
//! refused (vpc `DescribeNetworkAcls`, `DescribeNetworkAclQuintupleEntries`). An ACL filters at
//! the subnet's edge. Must not live here: reading ACLs from the cloud.

pub mod gap;
pub mod said;

use super::evidence::State;
use super::evidence::state::network_acl;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ports::{Direction, Edges, Transport, contains, covers_port, ranges};
use super::said::Said;
use super::security_group::RuleAction;

/// Ports that clients use for their own end; the answers go there.
pub const EPHEMERAL: (u16, u16) = (1024, 65535);

/// One entry. Entries of triple ACLs have no local network and no second port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1; smaller is tried first.
    pub priority: i64,
    pub protocol: String,
    /// Network of the far side; empty or missing means everyone.
    pub remote: String,
    /// Ports of the far side; empty means all. Triple ACLs set it in neither direction.
    pub remote_port: String,
    /// Network inside the subnet; empty means all.
    pub local: String,
    /// Ports inside the subnet; empty means all.
    pub local_port: String,
    /// `None` for an action word that we do not know.
    pub action: Option<RuleAction>,
}

/// An ACL as read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    pub id: String,
    pub name: String,
    pub ingress: Vec<Entry>,
    pub egress: Vec<Entry>,
}

/// The answer, in the words of the evidence group `network-acl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Allow,
    /// The port is refused on the way in.
    DenyIn,
    /// The answers are refused on the way out.
    DenyReturn,
    Unresolved,
}

impl Verdict {
    /// The state of the evidence group.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Allow => network_acl::ALLOW,
            Self::DenyIn => network_acl::DENY_IN,
            Self::DenyReturn => network_acl::DENY_RETURN,
            Self::Unresolved => network_acl::UNRESOLVED,
        }
    }
}

/// What an ACL says about one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// One sentence for people: which entry decided.
    pub sentence: Said,
}

/// What one direction says; the text names the entry.
enum Side {
    Accept,
    Refuse(Said),
    Unknown(Said),
}

/// Judges a TCP connection from `source` to `local` on `port`, with its answers to the client's
/// ephemeral ports. `source_port` narrows the return direction where the client's port is known.
pub fn evaluate(
    acl: &NetworkAcl,
    source: IpAddr,
    local: Option<IpAddr>,
    port: u16,
    source_port: Option<u16>,
) -> Decision {
    let question = Question {
        direction: Direction::In,
        transport: Transport::Tcp,
        remote: source,
        local,
        port,
        client_ports: source_port.map_or(EPHEMERAL, |port| (port, port)),
    };
    question.decide(acl)
}

/// Judges traffic either way, answers included: `port` is the port of whoever is called (ignored for
/// ICMP), `remote` the far side.
pub fn evaluate_way(
    acl: &NetworkAcl,
    direction: Direction,
    transport: Transport,
    remote: IpAddr,
    local: Option<IpAddr>,
    port: u16,
) -> Decision {
    let question = Question {
        direction,
        transport,
        remote,
        local,
        port,
        client_ports: if transport.has_ports() {
            EPHEMERAL
        } else {
            (0, 0)
        },
    };
    question.decide(acl)
}

/// Where the answer of an ACL can change, one way.
pub fn edges(acl: &NetworkAcl, direction: Direction) -> Edges {
    let mut edges = Edges::default();
    for entry in acl.ingress.iter().chain(&acl.egress) {
        edges.of_source(&entry.remote);
        edges.of_ports(match direction {
            Direction::In => &entry.local_port,
            Direction::Out => &entry.remote_port,
        });
    }
    edges
}

struct Question {
    direction: Direction,
    transport: Transport,
    remote: IpAddr,
    local: Option<IpAddr>,
    /// Of the side that is called.
    port: u16,
    /// Of the side that calls.
    client_ports: (u16, u16),
}

/// Share of the client's ports that may be decided otherwise without changing what is told: a
/// connection seldom gets one of them.
const FEW: f64 = 0.05;

impl Question {
    fn decide(&self, acl: &NetworkAcl) -> Decision {
        let decide = |verdict, sentence| Decision { verdict, sentence };
        let (way, answers) = match self.direction {
            Direction::In => (&acl.ingress, &acl.egress),
            Direction::Out => (&acl.egress, &acl.ingress),
        };
        let (id, remote) = (&acl.id, self.remote);
        let service = self.transport.with_port(self.port);
        let subject = match self.direction {
            Direction::In if self.transport == Transport::Tcp => said::subject(remote, self.port),
            Direction::In => said::subject_in(remote, service),
            Direction::Out => said::subject_out(remote, service),
        };
        match self.side(way) {
            Side::Refuse(what) => {
                let told = match self.direction {
                    Direction::In => said::refuses_way(id, subject, what),
                    Direction::Out => said::refuses_out(id, subject, what),
                };
                return decide(Verdict::DenyIn, told);
            }
            Side::Unknown(what) => {
                let told = match self.direction {
                    Direction::In => said::inbound_cannot_told(id, subject, what),
                    Direction::Out => said::out_cannot_told(id, subject, what),
                };
                return decide(Verdict::Unresolved, told);
            }
            Side::Accept => {}
        }
        match (self.side(answers), self.direction) {
            (Side::Refuse(what), Direction::In) => {
                decide(Verdict::DenyReturn, said::refuses_answers(id, remote, what))
            }
            (Side::Refuse(what), Direction::Out) => decide(
                Verdict::DenyReturn,
                said::refuses_answers_of(id, remote, what),
            ),
            (Side::Unknown(what), Direction::In) => decide(
                Verdict::Unresolved,
                said::outbound_cannot_told(id, remote, what),
            ),
            (Side::Unknown(what), Direction::Out) => decide(
                Verdict::Unresolved,
                said::answers_cannot_told(id, remote, what),
            ),
            (Side::Accept, _) => decide(Verdict::Allow, said::allows_answers(id, subject)),
        }
    }

    /// The ports of an entry for whoever calls, and for whoever is called.
    fn ports_of<'e>(&self, entry: &'e Entry) -> (&'e str, &'e str) {
        match self.direction {
            Direction::In => (&entry.remote_port, &entry.local_port),
            Direction::Out => (&entry.local_port, &entry.remote_port),
        }
    }

    fn side(&self, entries: &[Entry]) -> Side {
        let mut ordered: Vec<&Entry> = entries.iter().collect();
        ordered.sort_by_key(|entry| entry.priority);
        let (first, last) = self.client_ports;
        let mut open: Vec<u16> = (first..=last).collect();
        let all = open.len().max(1) as f64;
        let mut accepted = 0;
        let mut refused: Vec<(&Entry, usize)> = Vec::new();
        for entry in ordered {
            if open.is_empty() {
                break;
            }
            let unclear = || Side::Unknown(said::entry_odd(entry.priority));
            match self.is_for(entry) {
                Some(false) => continue,
                None => return unclear(),
                Some(true) => {}
            }
            let before = open.len();
            let callers = if self.transport.has_ports() {
                ranges(self.ports_of(entry).0)
            } else {
                ranges("")
            };
            let Some(covered) = callers else {
                return unclear();
            };
            open.retain(|port| {
                let mut ranges = covered.iter();
                !ranges.any(|(first, last)| (*first..=*last).contains(port))
            });
            match entry.action {
                _ if open.len() == before => {}
                None => return unclear(),
                Some(RuleAction::Accept) => accepted += before - open.len(),
                Some(RuleAction::Drop) => refused.push((entry, before - open.len())),
            }
        }
        let share = f64::from(u32::try_from(accepted).unwrap_or(u32::MAX)) / all;
        if accepted == 0 {
            return Side::Refuse(
                refused
                    .first()
                    .filter(|_| open.is_empty())
                    .map_or_else(said::no_entry_allows, |(entry, _)| {
                        said::acl_entry(entry.priority)
                    }),
            );
        }
        if share > 1.0 - FEW {
            return Side::Accept;
        }
        let partial = refused.iter().max_by_key(|(_, ports)| *ports);
        Side::Unknown(match partial {
            Some((entry, ports)) if *ports > open.len() => said::entry_part(entry.priority),
            _ => said::entries_part(),
        })
    }

    /// Whether an entry is for this connection, its client's port apart; `None` where that is not
    /// understood.
    fn is_for(&self, entry: &Entry) -> Option<bool> {
        let within = |network: &str, address: Option<IpAddr>| match address {
            _ if network.trim().is_empty() || network.trim().eq_ignore_ascii_case("ALL") => {
                Some(true)
            }
            Some(address) => contains(network, address),
            None => None,
        };
        let parts = [
            self.transport.is_covered_by(&entry.protocol),
            within(&entry.remote, Some(self.remote)),
            within(&entry.local, self.local),
            if self.transport.has_ports() {
                covers_port(self.ports_of(entry).1, self.port)
            } else {
                Some(true)
            },
        ];
        if parts.contains(&Some(false)) {
            return Some(false);
        }
        parts.iter().all(Option::is_some).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `priority ACTION protocol remote remote-port local-port`
    fn entry(line: &str) -> Entry {
        let words: Vec<&str> = line.split_whitespace().collect();
        let field = |i: usize| words[i].replace('*', "");
        Entry {
            priority: words[0].parse().unwrap(),
            action: Some(if words[1] == "ACCEPT" {
                RuleAction::Accept
            } else {
                RuleAction::Drop
            }),
            protocol: field(2),
            remote: field(3),
            remote_port: field(4),
            local: String::new(),
            local_port: field(5),
        }
    }

    fn judge(ingress: &[&str], egress: &[&str]) -> Verdict {
        let acl = NetworkAcl {
            id: "acl-1".into(),
            ingress: ingress.iter().map(|line| entry(line)).collect(),
            egress: egress.iter().map(|line| entry(line)).collect(),
            ..NetworkAcl::default()
        };
        evaluate(&acl, "203.0.113.7".parse().unwrap(), None, 22, None).verdict
    }

    #[test]
    fn both_directions_need_an_entry() {
        let open_in = ["1 ACCEPT TCP 0.0.0.0/0 * 22"];
        let open_out = ["1 ACCEPT ALL 0.0.0.0/0 all all"];
        assert_eq!(judge(&open_in, &open_out), Verdict::Allow);
        assert_eq!(judge(&[], &open_out), Verdict::DenyIn);
        assert_eq!(judge(&open_in, &[]), Verdict::DenyReturn);
        assert_eq!(
            judge(&["1 ACCEPT TCP 10.0.0.0/8 * 22"], &open_out),
            Verdict::DenyIn
        );
        assert_eq!(
            judge(&["1 ACCEPT UDP 0.0.0.0/0 * 22"], &open_out),
            Verdict::DenyIn
        );
    }

    #[test]
    fn priority_orders_not_the_place_in_the_answer() {
        let open_out = ["1 ACCEPT ALL * * *"];
        let ingress = [
            "2 ACCEPT ALL 0.0.0.0/0 all all",
            "1 DROP TCP 203.0.113.0/24 * 20-30",
        ];
        assert_eq!(judge(&ingress, &open_out), Verdict::DenyIn);
        let ingress = [
            "1 ACCEPT ALL 0.0.0.0/0 all all",
            "2 DROP TCP 203.0.113.0/24 * 20-30",
        ];
        assert_eq!(judge(&ingress, &open_out), Verdict::Allow);
    }

    #[test]
    fn the_return_needs_the_clients_ephemeral_ports() {
        let open_in = ["1 ACCEPT TCP 0.0.0.0/0 * 22"];
        assert_eq!(
            judge(&open_in, &["1 ACCEPT TCP 0.0.0.0/0 1024-65535 *"]),
            Verdict::Allow
        );
        assert_eq!(
            judge(&open_in, &["1 ACCEPT TCP 0.0.0.0/0 80,443 *"]),
            Verdict::DenyReturn
        );
        assert_eq!(
            judge(&open_in, &["1 ACCEPT TCP 0.0.0.0/0 32768-60999 *"]),
            Verdict::Unresolved
        );
        assert_eq!(
            judge(
                &open_in,
                &["1 DROP TCP 0.0.0.0/0 445 *", "2 ACCEPT ALL * * *"]
            ),
            Verdict::Allow
        );
        assert_eq!(
            judge(
                &open_in,
                &["1 DROP TCP 0.0.0.0/0 3389-4000 *", "2 ACCEPT ALL * * *"]
            ),
            Verdict::Allow,
            "one connection in a hundred"
        );
        for (dropped, want) in [
            ("20000-23000", Verdict::Allow),
            ("20000-23500", Verdict::Unresolved),
            ("32768-60999", Verdict::Unresolved),
            ("1024-65000", Verdict::Unresolved),
            ("1024-65535", Verdict::DenyReturn),
        ] {
            let drop = format!("1 DROP TCP 0.0.0.0/0 {dropped} *");
            let said = judge(&open_in, &[&drop, "2 ACCEPT ALL * * *"]);
            assert_eq!(said, want, "{dropped}");
        }
    }

    #[test]
    fn an_entry_that_is_not_understood_leaves_it_open() {
        let open_out = ["1 ACCEPT ALL * * *"];
        assert_eq!(
            judge(&["1 ACCEPT TCP somewhere * 22"], &open_out),
            Verdict::Unresolved
        );
        assert_eq!(
            judge(
                &["1 ACCEPT TCP somewhere * 80", "2 ACCEPT ALL * * *"],
                &open_out
            ),
            Verdict::Allow
        );
    }

    proptest::proptest! {
        #[test]
        fn no_entry_makes_it_panic(remote in ".{0,20}", port in ".{0,20}", protocol in ".{0,5}") {
            let entry = Entry { priority: 1, protocol, remote, remote_port: port.clone(), local_port: port, local: String::new(), action: None };
            let acl = NetworkAcl { ingress: vec![entry.clone()], egress: vec![entry], ..NetworkAcl::default() };
            evaluate(&acl, "203.0.113.7".parse().unwrap(), None, 22, Some(50000));
        }
    }
}
