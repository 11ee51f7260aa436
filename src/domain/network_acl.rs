//! Network ACLs of a subnet: stateless, so both directions are judged.
//!
//! Entries are tried by priority from 1, the first match decides, and what none matches is
//! refused (vpc `DescribeNetworkAcls`, `DescribeNetworkAclQuintupleEntries`). An ACL filters at
//! the subnet's edge. Must not live here: reading ACLs from the cloud.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ports::{Transport, contains, covers_port, covers_range};
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
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::DenyIn => "deny-in",
            Self::DenyReturn => "deny-return",
            Self::Unresolved => "unresolved",
        }
    }
}

/// What an ACL says about one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// One sentence for people: which entry decided.
    pub sentence: String,
}

/// What one direction says; the text names the entry.
enum Side {
    Accept,
    Refuse(String),
    Unknown(String),
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
    let remote_ports = source_port.map_or(EPHEMERAL, |port| (port, port));
    let question = Question {
        source,
        local,
        port,
        remote_ports,
    };
    let decide = |verdict, sentence| Decision { verdict, sentence };
    let subject = format!("{source} to TCP {port}");
    match question.side(&acl.ingress) {
        Side::Refuse(what) => {
            return decide(
                Verdict::DenyIn,
                format!("{} refuses {subject} on the way in: {what}", acl.id),
            );
        }
        Side::Unknown(what) => {
            return decide(
                Verdict::Unresolved,
                format!("{} inbound for {subject} cannot be told: {what}", acl.id),
            );
        }
        Side::Accept => {}
    }
    match question.side(&acl.egress) {
        Side::Refuse(what) => decide(
            Verdict::DenyReturn,
            format!("{} refuses the answers to {source}: {what}", acl.id),
        ),
        Side::Unknown(what) => decide(
            Verdict::Unresolved,
            format!("{} outbound to {source} cannot be told: {what}", acl.id),
        ),
        Side::Accept => decide(
            Verdict::Allow,
            format!("{} allows {subject} and the answers", acl.id),
        ),
    }
}

struct Question {
    source: IpAddr,
    local: Option<IpAddr>,
    port: u16,
    remote_ports: (u16, u16),
}

/// How an entry's ports relate to the ports that may occur.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coverage {
    All,
    Some,
    None,
}

impl Question {
    fn side(&self, entries: &[Entry]) -> Side {
        let mut ordered: Vec<&Entry> = entries.iter().collect();
        ordered.sort_by_key(|entry| entry.priority);
        let mut unsure: Option<(&Entry, RuleAction)> = None;
        for entry in ordered {
            let coverage = self.coverage(entry);
            let (Some(coverage), Some(action)) = (coverage, entry.action) else {
                if coverage == Some(Coverage::None) {
                    continue;
                }
                return Side::Unknown(format!("entry {} is not understood", entry.priority));
            };
            match coverage {
                Coverage::None => {}
                // A refusal of some of the client's ports loses some connections only; whether
                // this one, nobody can tell before it is made.
                Coverage::Some => unsure = unsure.or(Some((entry, action))),
                Coverage::All => {
                    return match unsure {
                        Some((other, first)) if first != action => Side::Unknown(format!(
                            "entry {} decides for a part of the client's ports",
                            other.priority
                        )),
                        _ if action == RuleAction::Accept => Side::Accept,
                        _ => Side::Refuse(format!("entry {}", entry.priority)),
                    };
                }
            }
        }
        match unsure {
            Some((entry, RuleAction::Accept)) => Side::Unknown(format!(
                "entry {} allows only a part of the client's ports",
                entry.priority
            )),
            _ => Side::Refuse("no entry allows it, so the last one refuses it".to_owned()),
        }
    }

    fn coverage(&self, entry: &Entry) -> Option<Coverage> {
        if !Transport::Tcp.is_covered_by(&entry.protocol) {
            return Some(Coverage::None);
        }
        let within = |network: &str, address: Option<IpAddr>| match address {
            _ if network.trim().is_empty() || network.trim().eq_ignore_ascii_case("ALL") => {
                Some(true)
            }
            Some(address) => contains(network, address),
            None => None,
        };
        let remote = within(&entry.remote, Some(self.source));
        let local = within(&entry.local, self.local);
        let port = covers_port(&entry.local_port, self.port);
        let (first, last) = self.remote_ports;
        let client = match covers_range(&entry.remote_port, first, last) {
            Some(true) => Some(Coverage::All),
            Some(false) => Some(partly(&entry.remote_port, first, last)),
            None => None,
        };
        let ruled_out =
            [remote, local, port].contains(&Some(false)) || client == Some(Coverage::None);
        if ruled_out {
            return Some(Coverage::None);
        }
        if remote? && local? && port? {
            return client;
        }
        None
    }
}

/// Whether a port list that does not cover the range touches it at all.
fn partly(list: &str, first: u16, last: u16) -> Coverage {
    let touches = list.split(',').any(|part| {
        let (a, b) = part.split_once('-').unwrap_or((part, part));
        match (a.trim().parse::<u16>(), b.trim().parse::<u16>()) {
            (Ok(a), Ok(b)) => a <= last && b >= first,
            _ => false,
        }
    });
    if touches {
        Coverage::Some
    } else {
        Coverage::None
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
            Verdict::Unresolved
        );
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
