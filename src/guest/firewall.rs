//! Would the host firewall let a new TCP connection in? Reads `iptables-save` and
//! `nft list ruleset` the way the kernel walks them.
//!
//! A match that is not understood is never taken for a yes or a no: if it could have decided,
//! there is no verdict. Must not live here: running the commands.

use std::net::IpAddr;

use ipnet::IpNet;

mod iptables;
mod nft;

pub use iptables::iptables;
pub use nft::nft;

/// What happens to the connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Accept,
    Drop,
    Reject,
}

/// The decision and the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub fate: Fate,
    /// The deciding rule as printed, or the chain's policy.
    pub rule: String,
    /// True if the deciding rule names a source, so that others may fare differently.
    pub names_source: bool,
}

/// A connection attempt from outside.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub source: IpAddr,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unknown,
}

/// What a walk through a chain came to.
enum Walk {
    Decided(Ruling),
    /// The end of the chain, or a return.
    Through,
    /// A rule that was not understood could have decided.
    Unclear,
}

fn decided(fate: Fate, rule: &str, names_source: bool) -> Walk {
    Walk::Decided(Ruling {
        fate,
        rule: rule.trim().to_owned(),
        names_source,
    })
}

fn skip_quoted<'a>(words: &mut impl Iterator<Item = &'a str>) {
    if let Some(first) = words.next()
        && first.starts_with('"')
        && !(first.len() > 1 && first.ends_with('"'))
    {
        for word in words {
            if word.ends_with('"') {
                break;
            }
        }
    }
}

fn yes_no(value: bool) -> Match {
    if value { Match::Yes } else { Match::No }
}

fn not(value: Match) -> Match {
    match value {
        Match::Yes => Match::No,
        Match::No => Match::Yes,
        Match::Unknown => Match::Unknown,
    }
}

fn both(a: Match, b: Match) -> Match {
    match (a, b) {
        (Match::No, _) | (_, Match::No) => Match::No,
        (Match::Yes, Match::Yes) => Match::Yes,
        _ => Match::Unknown,
    }
}

fn in_net(text: &str, address: IpAddr) -> Match {
    if let Ok(net) = text.parse::<IpNet>() {
        yes_no(net.contains(&address))
    } else if let Ok(one) = text.parse::<IpAddr>() {
        yes_no(one == address)
    } else if let Some((low, high)) = text.split_once('-') {
        match (low.parse::<IpAddr>(), high.parse::<IpAddr>()) {
            (Ok(low), Ok(high)) => yes_no(low <= address && address <= high),
            _ => Match::Unknown,
        }
    } else {
        Match::Unknown
    }
}

fn in_ports(text: &str, port: u16) -> bool {
    text.split(',').any(|part| {
        let part = part.trim();
        match part.split_once([':', '-']) {
            Some((low, high)) => matches!(
                (low.trim().parse::<u16>(), high.trim().parse::<u16>()),
                (Ok(low), Ok(high)) if (low..=high).contains(&port)
            ),
            None => part.parse() == Ok(port),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn from(source: &str, port: u16) -> Attempt {
        Attempt {
            source: source.parse().expect("address"),
            port,
        }
    }

    #[test]
    fn iptables_walks_chains_in_order() {
        let rules = lines(
            ":INPUT DROP [0:0]\n:f2b-sshd - [0:0]\n\
             -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n\
             -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A INPUT -i lo -j ACCEPT\n\
             -A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"let ssh in\" -j ACCEPT\n\
             -A f2b-sshd -s 203.0.113.7/32 -j REJECT --reject-with icmp-port-unreachable\n\
             -A f2b-sshd -j RETURN",
        );
        let banned = iptables(&rules, from("203.0.113.7", 22)).expect("clear");
        assert_eq!((banned.fate, banned.names_source), (Fate::Reject, true));
        let other = iptables(&rules, from("198.51.100.1", 22)).expect("clear");
        assert_eq!(other.fate, Fate::Accept);
        let web = iptables(&rules, from("198.51.100.1", 80)).expect("clear");
        assert_eq!(
            (web.fate, web.rule.as_str()),
            (Fate::Drop, "policy of INPUT: DROP")
        );
    }

    #[test]
    fn iptables_does_not_guess_a_match_it_does_not_know() {
        let rules = lines(":INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set bad src -j DROP");
        assert_eq!(iptables(&rules, from("198.51.100.1", 22)), None);
    }

    #[test]
    fn nft_reads_sets_ports_and_policies() {
        let rules = lines(
            "table inet filter {\n set banned {\n type ipv4_addr\n elements = { 203.0.113.7, 203.0.113.9 }\n }\n\
             chain input {\n type filter hook input priority 0; policy drop;\n\
             iifname \"lo\" accept\n ct state established,related accept\n\
             ip saddr @banned drop\n tcp dport { 22, 443 } counter packets 3 bytes 180 accept\n }\n}",
        );
        let banned = nft(&rules, from("203.0.113.9", 22)).expect("clear");
        assert_eq!((banned.fate, banned.names_source), (Fate::Drop, true));
        assert_eq!(
            nft(&rules, from("198.51.100.1", 22)).expect("clear").fate,
            Fate::Accept
        );
        assert_eq!(
            nft(&rules, from("198.51.100.1", 8080)).expect("clear").fate,
            Fate::Drop
        );
    }

    #[test]
    fn nft_follows_jumps_and_every_base_chain() {
        let rules = lines(
            "table inet a {\n chain input {\n type filter hook input priority 0; policy accept;\n jump ssh\n }\n\
             chain ssh {\n tcp dport 22 ct state new accept\n }\n}\n\
             table ip b {\n chain INPUT {\n type filter hook input priority 10; policy accept;\n\
             ip saddr != 10.0.0.0/8 tcp dport 22 reject with icmp type host-prohibited\n }\n}",
        );
        assert_eq!(
            nft(&rules, from("10.1.2.3", 22)).expect("clear").fate,
            Fate::Accept
        );
        assert_eq!(
            nft(&rules, from("198.51.100.1", 22)).expect("clear").fate,
            Fate::Reject
        );
    }
}
