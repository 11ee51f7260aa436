//! Is one source shut out inside the guest: TCP wrappers, fail2ban and its like?
//!
//! `hosts_access(5)`: `hosts.allow` is read first, then `hosts.deny`; the first match decides;
//! no match allows. Must not live here: rules that hold for everyone (`guest::firewall`).

use std::net::IpAddr;

use ipnet::IpNet;

/// The daemon names under which sshd is known to TCP wrappers.
const DAEMONS: &[&str] = &["sshd", "in.sshd", "ssh", "ALL"];

/// The line of `hosts.deny` that shuts `source` out, or `None`.
pub fn denied_by_wrappers<'a>(
    allow: &'a [String],
    deny: &'a [String],
    source: IpAddr,
) -> Option<&'a str> {
    for line in allow {
        if line_matches(line, source) {
            // `sshd : host : deny` in hosts.allow is the same as a line in hosts.deny.
            let denies = line
                .rsplit(':')
                .next()
                .is_some_and(|o| o.trim().eq_ignore_ascii_case("deny"));
            return denies.then_some(line.as_str());
        }
    }
    deny.iter()
        .map(String::as_str)
        .find(|line| line_matches(line, source))
}

/// True if an IPv6 address in brackets keeps its colons apart from the field separators.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut depth = 0;
    for c in line.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth == 0 => {
                fields.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = fields.last_mut() {
            last.push(c);
        }
    }
    fields
}

fn line_matches(line: &str, source: IpAddr) -> bool {
    let fields = fields(line);
    let [daemons, clients, ..] = fields.as_slice() else {
        return false;
    };
    let split = |text: &str| -> Vec<String> {
        text.split([',', ' ', '\t'])
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect()
    };
    if !split(daemons)
        .iter()
        .any(|d| DAEMONS.iter().any(|k| d.eq_ignore_ascii_case(k)))
    {
        return false;
    }
    let mut matched = false;
    let mut words = split(clients).into_iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("EXCEPT") {
            return matched && !words.any(|w| client_matches(&w, source));
        }
        matched |= client_matches(&word, source);
    }
    matched
}

fn client_matches(pattern: &str, source: IpAddr) -> bool {
    if pattern.eq_ignore_ascii_case("ALL") {
        return true;
    }
    let bare = pattern.trim_matches(['[', ']']);
    let text = source.to_string();
    if let Some((net, mask)) = bare.split_once('/') {
        if let (Ok(net), Ok(mask)) = (net.parse(), mask.parse()) {
            return IpNet::with_netmask(net, mask).is_ok_and(|n| n.contains(&source));
        }
        let net = net.trim_matches(['[', ']']);
        return format!("{net}/{mask}")
            .parse::<IpNet>()
            .is_ok_and(|n| n.contains(&source));
    }
    // `192.168.` is a prefix; a name would need a look-up that we do not make.
    (bare.ends_with('.') && text.starts_with(bare)) || bare == text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(allow: &[&str], deny: &[&str], source: &str) -> bool {
        let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        denied_by_wrappers(&own(allow), &own(deny), source.parse().expect("address")).is_some()
    }

    #[test]
    fn allow_is_read_before_deny() {
        assert!(denied(&[], &["ALL: ALL"], "203.0.113.7"));
        assert!(!denied(&["sshd: 203.0.113."], &["ALL: ALL"], "203.0.113.7"));
        assert!(denied(&["sshd: 203.0.113.0/24 : deny"], &[], "203.0.113.7"));
    }

    #[test]
    fn patterns_are_matched_as_the_manual_says() {
        assert!(denied(&[], &["in.sshd:ALL"], "203.0.113.7"));
        assert!(denied(
            &[],
            &["sshd: 203.0.113.0/255.255.255.0"],
            "203.0.113.7"
        ));
        assert!(!denied(
            &[],
            &["sshd: ALL EXCEPT 203.0.113.7"],
            "203.0.113.7"
        ));
        assert!(!denied(&[], &["vsftpd: ALL"], "203.0.113.7"));
        assert!(denied(&[], &["sshd: [2001:db8::]/32"], "2001:db8::5"));
    }
}
