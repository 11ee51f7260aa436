//! Port lists and protocols as security groups, ACLs and templates write them.
//!
//! Must not live here: the order of rules (`security_group`, `network_acl`).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

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
    let list = list.trim();
    if list.is_empty() || list == "-" || list.eq_ignore_ascii_case("ALL") {
        return Some(true);
    }
    let mut covered = false;
    for part in list.split(',') {
        let (first, last) = part_of_list(part)?;
        covered |= (first..=last).contains(&port);
    }
    Some(covered)
}

/// One element of a list: `22` or `8000-8010`.
fn part_of_list(part: &str) -> Option<(u16, u16)> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// True if a source as written in rules and templates contains `address`: one address, a network
/// (`10.0.0.0/8`), or a range (`10.0.0.1-10.0.0.9`). `None` if it is not understood.
pub fn contains(source: &str, address: IpAddr) -> Option<bool> {
    let source = source.trim();
    if let Some((first, last)) = source.split_once('-') {
        let (first, last): (IpAddr, IpAddr) =
            (first.trim().parse().ok()?, last.trim().parse().ok()?);
        return Some(first.is_ipv4() == address.is_ipv4() && first <= address && address <= last);
    }
    if let Ok(single) = source.parse::<IpAddr>() {
        return Some(single == address);
    }
    source
        .parse::<IpNet>()
        .ok()
        .map(|network| network.contains(&address))
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
