//! Where a pasted text aimed at, against the instance: evidence group `text-target`.
//!
//! Must not live here: what the text says of the failure (`select`).

use std::net::{IpAddr, Ipv4Addr};

use super::{Stage, recognise, said};
use crate::domain::evidence::state::text_target;
use crate::domain::evidence::{Reading, Source, State, group};
use crate::domain::report::InstanceSummary;
use crate::domain::said::Said;
use crate::kit::is_fake;

/// Group of the reading.
pub const TEXT_TARGET: &str = group::TEXT_TARGET;

/// Words after which programs name the machine that they talk to.
const BEFORE: &[&str] = &[
    "connect to host ",
    "connect to address ",
    "connecting to ",
    "connection closed by authenticating user ",
    "connection closed by ",
    "connection reset by ",
    "connection to ",
    "unable to negotiate with ",
    "received disconnect from ",
    "disconnected from ",
    "authenticated to ",
    "authenticating to ",
    "dial tcp ",
    "connect econnrefused ",
    "connect etimedout ",
    "connect ehostunreach ",
    "failed to connect to ",
    "unable to connect to ",
    "connected to ",
    "ssh: ",
    "/v:",
    "remote computer:",
    "远程计算机:",
    "远程计算机：",
    "遠端電腦:",
    "遠端電腦：",
    "원격 컴퓨터:",
    "リモート コンピューター:",
];

/// What a text names: an address, and the port where it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Aim {
    address: IpAddr,
    port: Option<u16>,
}

/// The state of `text-target`; `None` where the text names nothing that can be compared. An
/// address kept for documentation stands for one that was left out, and an instance that is only
/// known by a loopback address is reached by a way that the text does not show.
pub fn reading(text: &str, instance: &InstanceSummary) -> Option<Reading> {
    let (state, detail) = verdict(text, instance)?;

    Some(Reading::observed(state, Source::Operator, detail))
}

fn verdict(text: &str, instance: &InstanceSummary) -> Option<(State<'static>, Said)> {
    let lower = text.to_lowercase();
    if lower.contains("unknown port 65535") || lower.contains("executing proxy command") {
        return Some((text_target::LOCAL_PROXY, said::own_proxy()));
    }
    let aim = aims(&lower).pop()?;
    let own: Vec<IpAddr> = instance
        .public_addresses
        .iter()
        .chain(&instance.private_addresses)
        .filter_map(|address| address.parse().ok())
        .collect();
    let port = aim.port.unwrap_or(instance.login_port);

    if own.contains(&aim.address) {
        return Some(if port == instance.login_port {
            (text_target::SAME, said::names(aim.address))
        } else {
            let wanted = instance.login_port;
            (
                text_target::OTHER_PORT,
                said::names_port(aim.address, port, wanted),
            )
        });
    }
    if is_fake(aim.address) {
        return Some((text_target::LOCAL_PROXY, said::names_proxy(aim.address)));
    }
    if aim.address.is_loopback() {
        // Behind the far end of a tunnel a login goes on; at the near end nothing answers.
        let ended = recognise(text)
            .into_iter()
            .filter_map(|found| found.stage)
            .max();
        let is_near = ended.is_none_or(|stage| stage <= Stage::Connect);
        return is_near.then(|| (text_target::OWN_MACHINE, said::names_own(aim.address)));
    }
    let comparable = own
        .iter()
        .any(|address| !address.is_loopback() && address.is_ipv4() == aim.address.is_ipv4());
    let is_placeholder = is_documentation(aim.address) && !own.iter().any(|a| is_documentation(*a));
    (comparable && !is_placeholder)
        .then(|| (text_target::OTHER_ADDRESS, said::names_other(aim.address)))
}

/// Every address that the text aims at, in its order.
fn aims(lower: &str) -> Vec<Aim> {
    let mut found: Vec<(usize, Aim)> = Vec::new();
    for mark in BEFORE {
        for (at, _) in lower.match_indices(mark) {
            let rest = lower[at + mark.len()..].split(['\n', '\r']).next();
            found.extend(rest.and_then(aim).map(|aim| (at, aim)));
        }
    }
    // `ssh user@ADDRESS`, and the prompts and refusals that repeat it.
    for (at, _) in lower.match_indices('@') {
        let rest = lower[at + 1..].split(['\n', '\r']).next();
        found.extend(rest.and_then(first_word).map(|aim| (at, aim)));
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, aim)| aim).collect()
}

/// `ADDRESS port N`, `NAME [ADDRESS] port N`, `NAME ([ADDRESS]:N)`, `ADDRESS:N`.
fn aim(rest: &str) -> Option<Aim> {
    let words: Vec<&str> = rest.split_whitespace().take(4).collect();
    let (place, found) = words
        .iter()
        .enumerate()
        .find_map(|(place, word)| Some((place, address_in(word)?)))?;
    let port = match words.get(place + 1..) {
        Some(["port", port, ..]) => digits(port),
        _ => None,
    };
    Some(Aim {
        port: port.or(found.port),
        ..found
    })
}

fn first_word(rest: &str) -> Option<Aim> {
    address_in(rest.split_whitespace().next()?)
}

fn address_in(word: &str) -> Option<Aim> {
    let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name == "localhost" || name.starts_with("localhost:") {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        return Some(Aim {
            address,
            port: None,
        });
    }
    let word = word.trim_matches(|c: char| !c.is_ascii_hexdigit() && !"[]:.".contains(c));
    let word = word.trim_end_matches(['.', ',', ':']);
    if let Some((address, rest)) = word.strip_prefix('[').and_then(|w| w.split_once(']')) {
        let address = address.parse().ok()?;
        let port = rest.strip_prefix(':').and_then(digits);
        return Some(Aim { address, port });
    }
    if let Ok(address) = word.parse() {
        return Some(Aim {
            address,
            port: None,
        });
    }
    let (address, port) = word.split_once(':')?;
    let address = address.parse().ok()?;
    let port = digits(port);
    Some(Aim { address, port })
}

fn digits(text: &str) -> Option<u16> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..end].parse().ok()
}

/// RFC 5737 and RFC 3849.
fn is_documentation(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_documentation(),
        IpAddr::V6(v6) => v6.segments()[..2] == [0x2001, 0xdb8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instance::Os;

    fn instance() -> InstanceSummary {
        InstanceSummary {
            id: "ins-1".to_owned(),
            name: String::new(),
            region: String::new(),
            zone: String::new(),
            os: Os::Linux,
            state: "RUNNING".to_owned(),
            public_addresses: vec!["43.1.2.3".to_owned()],
            private_addresses: vec!["10.0.1.5".to_owned()],
            login_port: 22,
            bandwidth_mbps: None,
            key_pairs: Vec::new(),
        }
    }

    fn state(text: &str) -> Option<State<'static>> {
        verdict(text, &instance()).map(|(state, _)| state)
    }

    #[test]
    fn every_state_of_the_target() {
        for (text, want) in [
            (
                "ssh: connect to host 43.1.2.3 port 22: Connection refused",
                text_target::SAME,
            ),
            (
                "debug1: Connecting to web [10.0.1.5] port 22.",
                text_target::SAME,
            ),
            ("远程计算机: 43.1.2.3", text_target::SAME),
            (
                "ssh: connect to host 43.1.2.3 port 2222: Connection refused",
                text_target::OTHER_PORT,
            ),
            (
                "dial tcp 43.1.2.3:2222: connect: operation timed out",
                text_target::OTHER_PORT,
            ),
            (
                "ssh: connect to host 43.1.2.4 port 22: Connection timed out",
                text_target::OTHER_ADDRESS,
            ),
            (
                "root@10.0.9.9: Permission denied (publickey).",
                text_target::OTHER_ADDRESS,
            ),
            (
                "Connection closed by 198.18.0.107 port 22",
                text_target::LOCAL_PROXY,
            ),
            (
                "Connection closed by UNKNOWN port 65535",
                text_target::LOCAL_PROXY,
            ),
            (
                "ssh: connect to host 127.0.0.1 port 22: Connection refused",
                text_target::OWN_MACHINE,
            ),
            (
                "ssh: connect to host localhost port 22: Connection refused",
                text_target::OWN_MACHINE,
            ),
        ] {
            assert_eq!(state(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_not_told() {
        for text in [
            "ssh: connect to host 192.0.2.10 port 22: Connection refused",
            "ssh: connect to host web.example.com port 22: Connection refused",
            "sshd[812]: Accepted password for root from 43.9.9.9 port 61828 ssh2",
            "op@localhost's password:\nPermission denied, please try again.",
            "Last login: Mon Nov 23 21:02:11 2026 from 43.9.9.9",
        ] {
            assert_eq!(state(text), None, "{text}");
        }
        let mut behind_a_tunnel = instance();
        behind_a_tunnel.public_addresses = vec!["127.0.0.1".to_owned()];
        behind_a_tunnel.private_addresses.clear();
        let text = "ssh: connect to host 43.1.2.4 port 22: Connection timed out";
        assert_eq!(verdict(text, &behind_a_tunnel), None);
    }
}
