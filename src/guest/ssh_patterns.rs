//! Patterns of `ssh_config(5)` section PATTERNS as sshd matches them: users, hosts, addresses.
//!
//! Must not live here: which option uses which kind of match (`guest::sshd_policy`).

use std::net::IpAddr;

use ipnet::IpNet;

/// Outcome of a comma-separated list with negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    No,
    Yes,
    /// A negated entry matched: the list does not match, whatever else stands in it.
    Negated,
}

/// Where a login comes from, as sshd sees it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The canonical host name with `UseDNS yes`, else the address as text.
    pub host: &'a str,
    /// `None` while nobody said where the user comes from.
    pub address: Option<IpAddr>,
}

/// `*` is any text, `?` any one character; nothing else is special.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => {
                // The last star takes one character more.
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or(&[]).iter().all(|c| *c == b'*')
}

/// A list of patterns for a name in lower case, as `Match Host` has it.
pub fn host_list(list: &str, host: &str) -> Hit {
    let host = host.to_ascii_lowercase();
    let mut hit = Hit::No;
    for entry in list.split(',') {
        let (negated, pattern) = negation(entry);
        if matches(&pattern.to_ascii_lowercase(), &host) {
            if negated {
                return Hit::Negated;
            }
            hit = Hit::Yes;
        }
    }
    hit
}

/// A list of addresses, networks and patterns of addresses. `None`: the list is malformed (an
/// empty entry, a network with host bits), which sshd answers with an error.
pub fn address_list(list: &str, address: IpAddr) -> Option<Hit> {
    let text = address.to_string();
    let mut hit = Hit::No;
    for entry in list.split(',') {
        let (negated, entry) = negation(entry);
        if entry.is_empty() {
            return None;
        }
        let matched = match network(entry) {
            Some(Err(())) => return None,
            Some(Ok(net)) => net.contains(&address),
            None => matches(entry, &text),
        };
        if matched {
            if negated {
                return Some(Hit::Negated);
            }
            hit = Hit::Yes;
        }
    }
    Some(hit)
}

/// An entry as a network; `Some(Err)` when bits are set behind its mask.
fn network(entry: &str) -> Option<Result<IpNet, ()>> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some(Ok(address.into()));
    }
    let net = entry.parse::<IpNet>().ok()?;
    Some(if net.trunc() == net { Ok(net) } else { Err(()) })
}

fn negation(entry: &str) -> (bool, &str) {
    match entry.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, entry),
    }
}

/// A list that may match by name or by address (`user@list`, `from="list"`). `None` while the
/// origin is not known, or where the list is malformed.
pub fn origin_list(list: &str, origin: Origin<'_>) -> Option<bool> {
    let by_address = address_list(list, origin.address?)?;
    if by_address == Hit::Negated {
        return Some(false);
    }
    let by_name = host_list(list, origin.host);
    Some(by_name != Hit::Negated && (by_name == Hit::Yes || by_address == Hit::Yes))
}

/// One entry of `AllowUsers` or `DenyUsers`: `USER` or `USER@HOST`. There is no negation of the
/// user part and a comma is nothing special in it. `None`: the origin decides and is not known.
pub fn names_user(entry: &str, user: &str, origin: Origin<'_>) -> Option<bool> {
    match entry.rsplit_once('@') {
        None => Some(matches(entry, user)),
        Some((name, _)) if !matches(name, user) => Some(false),
        Some((_, hosts)) => origin_list(hosts, origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Origin<'_> {
        Origin {
            host: address,
            address: address.parse().ok(),
        }
    }

    #[test]
    fn entries_are_matched_as_sshd_matches_them() {
        let at = from("203.0.113.7");
        for (entry, user, hit) in [
            ("alice", "alice", true),
            ("al*", "alice", true),
            ("alice,bob", "alice", false),
            ("!bob", "alice", false),
            ("alice@203.0.113.*", "alice", true),
            ("alice@10.0.0.0/8", "alice", false),
            ("alice@!203.0.113.7,*", "alice", false),
            ("*@203.0.113.0/24", "bob", true),
            ("bob@*", "alice", false),
        ] {
            assert_eq!(names_user(entry, user, at), Some(hit), "{entry}");
        }
        let nowhere = Origin {
            host: "",
            address: None,
        };
        assert_eq!(names_user("alice@10.*", "alice", nowhere), None);
        assert_eq!(names_user("bob@10.*", "alice", nowhere), Some(false));
        assert_eq!(origin_list("10.0.0.1/8", at), None);
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
        assert!(matches("a*b?d", "axxbcd"));
    }
}
