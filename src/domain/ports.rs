//! Port lists and protocols as security groups, ACLs and templates write them.
//!
//! Must not live here: the order of rules (`security_group`, `network_acl`).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which way traffic goes, as the instance sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
}

/// Transport of a question to a rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
}

impl Transport {
    /// The word used in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPV6",
        }
    }

    /// `TCP 22`, `ICMP`.
    pub fn with_port(self, port: u16) -> String {
        if self.has_ports() {
            format!("{} {port}", self.as_str())
        } else {
            self.as_str().to_owned()
        }
    }

    /// True for protocols that have ports.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }

    /// Whether a rule's protocol word covers this one; the case of the word does not matter. `None`
    /// for a word that is not known: the rule may be for this protocol.
    pub fn is_covered_by(self, word: &str) -> Option<bool> {
        const KNOWN: [&str; 5] = ["TCP", "UDP", "ICMP", "ICMPV6", "GRE"];
        let word = word.trim();
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("ALL") || is(self.as_str()) {
            Some(true)
        } else {
            KNOWN.into_iter().any(is).then_some(false)
        }
    }
}

/// True if a port list covers `port`: `22`, `80,443`, `8000-8010`, `ALL`, and the empty list of
/// rules for every protocol. `None` if the list is not understood.
pub fn covers_port(list: &str, port: u16) -> Option<bool> {
    let within = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
    Some(ranges(list)?.iter().any(within))
}

/// The ranges that a port list covers, both ends included; see [`covers_port`].
pub fn ranges(list: &str) -> Option<Vec<(u16, u16)>> {
    let list = list.trim();
    if list.is_empty() || list == "-" || list.eq_ignore_ascii_case("ALL") {
        return Some(vec![(0, u16::MAX)]);
    }
    list.split(',').map(part_of_list).collect()
}

/// The addresses of a source as written, first and last; `None` if it is not understood.
pub fn span(source: &str) -> Option<(IpAddr, IpAddr)> {
    let source = source.trim();
    if let Some((first, last)) = source.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    if let Ok(single) = source.parse::<IpAddr>() {
        return Some((single, single));
    }
    let net = source.parse::<IpNet>().ok()?;
    Some((net.network(), net.broadcast()))
}

/// The address behind one; `None` behind the last of its family.
pub fn next_address(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(IpAddr::V4(u32::from(v4).checked_add(1)?.into())),
        IpAddr::V6(v6) => Some(IpAddr::V6(u128::from(v6).checked_add(1)?.into())),
    }
}

/// Where the answer to a question can change: the ends of what rules are written for. Between two
/// neighbours every port and every address is treated alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edges {
    pub ports: Vec<u16>,
    pub addresses: Vec<IpAddr>,
}

impl Edges {
    /// Takes in the ends of a port list.
    pub fn of_ports(&mut self, list: &str) {
        for (first, last) in ranges(list).unwrap_or_default() {
            self.ports.push(first);
            self.ports.extend(last.checked_add(1));
        }
    }

    /// Takes in the ends of a source.
    pub fn of_source(&mut self, source: &str) {
        if let Some((first, last)) = span(source) {
            self.addresses.push(first);
            self.addresses.extend(next_address(last));
        }
    }

    /// Ports between two, both included, that stand for all of them.
    pub fn ports_within(&self, first: u16, last: u16) -> Vec<u16> {
        let mut ports = vec![first];
        let inside = |port: &&u16| (first..=last).contains(*port);
        ports.extend(self.ports.iter().filter(inside));
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Addresses of a network that stand for all of it.
    pub fn addresses_within(&self, net: IpNet) -> Vec<IpAddr> {
        let mut addresses = vec![net.network()];
        let inside = self
            .addresses
            .iter()
            .filter(|address| net.contains(*address));
        addresses.extend(inside);
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

/// One element of a list: `22` or `8000-8010`.
fn part_of_list(part: &str) -> Option<(u16, u16)> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// True if a source as written in rules and templates contains `address`: one address, a network
/// (`10.0.0.0/8`), or a range (`10.0.0.1-10.0.0.9`). `None` if it is not understood.
pub fn contains(source: &str, address: IpAddr) -> Option<bool> {
    let (first, last) = span(source)?;
    Some(first.is_ipv4() == address.is_ipv4() && first <= address && address <= last)
}

/// True if a source is the whole of IPv4 or of IPv6.
pub fn is_everyone(source: &str) -> bool {
    source
        .trim()
        .parse::<IpNet>()
        .is_ok_and(|network| network.prefix_len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_lists_are_read_as_the_api_writes_them() {
        for (list, port, want) in [
            ("22", 22, Some(true)),
            ("80,443", 443, Some(true)),
            ("80, 443", 22, Some(false)),
            ("8000-8010", 8010, Some(true)),
            ("8000-8010", 8011, Some(false)),
            ("22,8000-8010", 8005, Some(true)),
            ("ALL", 1, Some(true)),
            ("all", 65535, Some(true)),
            ("", 22, Some(true)),
            ("ssh", 22, None),
            ("70000", 22, None),
        ] {
            assert_eq!(covers_port(list, port), want, "{list} {port}");
        }
    }

    #[test]
    fn sources_are_read_as_the_api_writes_them() {
        let address: IpAddr = "10.0.0.5".parse().unwrap();
        assert_eq!(contains("10.0.0.0/8", address), Some(true));
        assert_eq!(contains("10.0.0.5", address), Some(true));
        assert_eq!(contains("10.0.0.1-10.0.0.4", address), Some(false));
        assert_eq!(contains("::/0", address), Some(false));
        assert_eq!(contains("anything", address), None);
        assert!(is_everyone("0.0.0.0/0") && is_everyone("::/0") && !is_everyone("10.0.0.0/8"));
    }

    #[test]
    fn edges_stand_for_everything_between_them() {
        let mut edges = Edges::default();
        edges.of_ports("22,8000-8010");
        edges.of_source("10.0.0.0/8");
        edges.of_source("192.0.2.1-192.0.2.9");
        assert_eq!(edges.ports_within(20, 30), [20, 22, 23]);
        assert_eq!(edges.ports_within(8005, 8005), [8005]);
        assert_eq!(edges.ports_within(8005, 9000), [8005, 8011]);
        let of = |net: &str| -> Vec<String> {
            let found = edges.addresses_within(net.parse().unwrap());
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of("10.1.0.0/16"), ["10.1.0.0"]);
        assert_eq!(
            of("0.0.0.0/0"),
            ["0.0.0.0", "10.0.0.0", "11.0.0.0", "192.0.2.1", "192.0.2.10"]
        );
        assert_eq!(of("::/0"), ["::"]);
    }

    proptest::proptest! {
        #[test]
        fn no_list_makes_it_panic(list in ".{0,40}", port: u16) {
            covers_port(&list, port);
            contains(&list, IpAddr::from([10, 0, 0, 1]));
        }

        #[test]
        fn a_list_covers_exactly_what_is_in_it(a in 1u16..60000, n in 0u16..100, port: u16) {
            let list = format!("{a}-{}", a + n);
            proptest::prop_assert_eq!(covers_port(&list, port), Some(port >= a && port <= a + n));
        }
    }
}
