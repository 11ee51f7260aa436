//! What an ACL refuses of one service, and where an entry that lets it through has to stand.
//!
//! Must not live here: the verdict for a diagnosis (the parent module), calls (`action`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{EPHEMERAL, Entry, FEW};
use crate::domain::ports::{Transport, contains, covers_port};
use crate::domain::security_group::RuleAction;

/// More parts than this are named as one.
const MOST_PARTS: usize = 3;

/// A TCP service inside the subnet, and who is to reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub source: IpNet,
    /// The address inside, where it is known.
    pub local: Option<IpAddr>,
    pub port: u16,
}

/// What one direction refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Place, in order of evaluation, of the first entry that refuses; the number of entries where none
    /// lets it through and none refuses.
    pub place: usize,
    /// The clients' ports that are refused, first to last.
    pub ports: Vec<(u16, u16)>,
}

/// Whether an entry is for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// For a part of it, or nobody can say.
    Part,
    Whole,
}

/// The entries as they are evaluated.
pub fn in_order<T>(mut entries: Vec<T>, entry: impl Fn(&T) -> &Entry) -> Vec<T> {
    entries.sort_by_key(|one| entry(one).priority);
    entries
}

/// What entries, given in order of evaluation, refuse of a service; `None` where they let all of it
/// through, or all but what a connection seldom meets. What is not understood counts as refused.
pub fn gap(entries: &[&Entry], wanted: &Wanted) -> Option<Gap> {
    let mut open: Vec<u16> = (EPHEMERAL.0..=EPHEMERAL.1).collect();
    let all = open.len();
    let mut refused: Vec<u16> = Vec::new();
    let mut place = None;
    for (index, entry) in entries.iter().enumerate() {
        let fit = wanted.fit(entry);
        if fit == Fit::No {
            continue;
        }
        let covered = |port: &u16| covers_port(&entry.remote_port, *port);
        if entry.action == Some(RuleAction::Accept) {
            if fit == Fit::Whole {
                open.retain(|port| covered(port) != Some(true));
            }
            continue;
        }
        let before = refused.len();
        refused.extend(open.iter().filter(|port| covered(port) != Some(false)));
        open.retain(|port| covered(port) == Some(false));
        if refused.len() > before {
            place.get_or_insert(index);
        }
    }
    refused.append(&mut open);
    if refused.len() as f64 <= FEW * all as f64 {
        return None;
    }
    Some(Gap {
        place: place.unwrap_or(entries.len()),
        ports: parts(refused),
    })
}

/// Ports as ranges.
fn parts(mut ports: Vec<u16>) -> Vec<(u16, u16)> {
    ports.sort_unstable();
    let mut parts: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => parts.push((port, port)),
        }
    }
    if parts.len() > MOST_PARTS {
        parts = vec![EPHEMERAL];
    }
    parts
}

impl Wanted {
    fn fit(&self, entry: &Entry) -> Fit {
        let known = |covered: Option<bool>| match covered {
            Some(true) => Fit::Whole,
            Some(false) => Fit::No,
            None => Fit::Part,
        };
        let local = match self.local {
            _ if is_all(&entry.local) => Fit::Whole,
            Some(address) => known(contains(&entry.local, address)),
            None => Fit::Part,
        };
        let fits = [
            known(Transport::Tcp.is_covered_by(&entry.protocol)),
            known(covers_port(&entry.local_port, self.port)),
            local,
            self.remote(&entry.remote),
        ];
        if fits.contains(&Fit::No) {
            Fit::No
        } else if fits.contains(&Fit::Part) {
            Fit::Part
        } else {
            Fit::Whole
        }
    }

    fn remote(&self, remote: &str) -> Fit {
        if is_all(remote) {
            return Fit::Whole;
        }
        let ends = [self.source.network(), self.source.broadcast()];
        let held = ends.map(|end| contains(remote, end));
        if held == [Some(true); 2] {
            return Fit::Whole;
        }
        let inside = remote.trim().parse::<IpNet>().ok().or_else(|| {
            let alone = remote.trim().parse::<IpAddr>().ok();
            alone.map(IpNet::from)
        });
        match inside {
            Some(net) if self.source.contains(&net) => Fit::Part,
            Some(_) => Fit::No,
            None if held == [Some(false); 2]
                && self.source.network() == self.source.broadcast() =>
            {
                Fit::No
            }
            None => Fit::Part,
        }
    }
}

fn is_all(network: &str) -> bool {
    network.trim().is_empty() || network.trim().eq_ignore_ascii_case("ALL")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ACTION protocol remote remote-port local-port`
    fn entry(line: &str) -> Entry {
        let words: Vec<&str> = line.split_whitespace().collect();
        let field = |i: usize| words[i].replace('*', "");
        Entry {
            action: Some(if words[0] == "ACCEPT" {
                RuleAction::Accept
            } else {
                RuleAction::Drop
            }),
            protocol: field(1),
            remote: field(2),
            remote_port: field(3),
            local_port: field(4),
            ..Entry::default()
        }
    }

    fn found(source: &str, lines: &[&str]) -> Option<Gap> {
        let entries: Vec<Entry> = lines.iter().map(|line| entry(line)).collect();
        let wanted = Wanted {
            source: source.parse().unwrap(),
            local: None,
            port: 22,
        };
        gap(&entries.iter().collect::<Vec<_>>(), &wanted)
    }

    #[test]
    fn the_first_entry_that_refuses_is_what_a_new_one_has_to_stand_above() {
        let one = "203.0.113.7/32";
        let at = |lines: &[&str]| found(one, lines).map(|gap| gap.place);
        assert_eq!(at(&["ACCEPT TCP 0.0.0.0/0 * 22"]), None);
        assert_eq!(at(&[]), Some(0));
        assert_eq!(at(&["ACCEPT TCP 10.0.0.0/8 * 22"]), Some(1));
        let web = "ACCEPT TCP 0.0.0.0/0 * 80";
        assert_eq!(at(&[web, "DROP TCP 0.0.0.0/0 * 1-1024"]), Some(1));
        // Another address of the same network, another port and another protocol are not met.
        for other in [
            "DROP TCP 203.0.113.8 * 22",
            "DROP UDP 0.0.0.0/0 * 22",
            "DROP TCP 0.0.0.0/0 * 80",
        ] {
            assert_eq!(at(&[other, "DROP ALL 0.0.0.0/0 * *"]), Some(1), "{other}");
        }
        // What is not understood is stood above, too.
        assert_eq!(at(&["DROP TCP somewhere * 22", web]), Some(0));
    }

    #[test]
    fn a_network_is_let_through_when_all_of_it_is() {
        let all = "ACCEPT ALL 0.0.0.0/0 * *";
        let part = ["DROP TCP 203.0.113.128/25 * 22", all];
        assert_eq!(found("203.0.113.0/24", &part).unwrap().place, 0);
        assert_eq!(found("203.0.113.0/25", &part), None);
        let half = ["ACCEPT TCP 203.0.113.0/25 * 22", "DROP ALL * * *"];
        assert_eq!(found("203.0.113.0/24", &half).unwrap().place, 1);
    }

    #[test]
    fn only_the_ports_that_are_refused_are_named() {
        let one = "203.0.113.7/32";
        let all = "ACCEPT ALL * * *";
        let ports = |lines: &[&str]| found(one, lines).map(|gap| gap.ports);
        assert_eq!(ports(&["ACCEPT TCP * 443 *"]), Some(vec![(1024, 65535)]));
        assert_eq!(
            ports(&["DROP TCP * 32768-60999 *", all]),
            Some(vec![(32768, 60999)])
        );
        assert_eq!(
            ports(&["ACCEPT TCP * 32768-60999 *"]),
            Some(vec![(1024, 32767), (61000, 65535)])
        );
        assert_eq!(ports(&["DROP TCP * 3389 *", all]), None, "one in 64,000");
    }
}
