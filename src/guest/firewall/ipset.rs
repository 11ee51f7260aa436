//! Sets of `ipset` as `ipset save` prints them.
//!
//! Must not live here: the rules that ask them.

use super::packet::Flow;
use super::said;
use super::value::{Pattern, Tri, Value};
use super::walk::Sets;

/// One set; members as printed, without the options behind them.
#[derive(Debug, Clone, Default)]
pub struct Set {
    /// `hash:ip,port` and so on.
    pub kind: String,
    pub v6: bool,
    pub members: Vec<String>,
    /// The check asked for the user's source instead of sending all members.
    pub asked: Option<bool>,
    pub left_out: bool,
    /// Length of the networks that addresses are cut to.
    netmask: Option<String>,
}

/// Reads the part of the check's answer.
pub fn read(lines: &[&str]) -> Sets {
    let mut sets = Sets::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["create", name, kind, options @ ..] => {
                let v6 = options.windows(2).any(|w| w == ["family", "inet6"]);
                let set = sets.entry((*name).to_owned()).or_default();
                (*kind).clone_into(&mut set.kind);
                set.v6 = v6;
                set.netmask = options
                    .windows(2)
                    .find(|w| w[0] == "netmask")
                    .map(|w| format!("/{}", w[1]));
            }
            ["add", name, member, options @ ..] => {
                let set = sets.entry((*name).to_owned()).or_default();
                let exception = if options.contains(&"nomatch") {
                    "!"
                } else {
                    ""
                };
                let mask = set.netmask.as_deref().unwrap_or("");
                set.members.push(format!("{exception}{member}{mask}"));
            }
            ["asked", name, answer] => {
                sets.entry((*name).to_owned()).or_default().asked = Some(*answer == "yes");
            }
            ["left-out", name] => sets.entry((*name).to_owned()).or_default().left_out = true,
            _ => {}
        }
    }
    sets
}

/// `-m set --match-set NAME DIRECTIONS`: is the packet in the set?
pub fn matches(sets: &Sets, name: &str, directions: &str, flow: &Flow<'_>, depth: u32) -> Tri {
    let Some(set) = sets.get(name) else {
        return Tri::maybe(said::set_not_listed(name));
    };
    if depth > 4 {
        return Tri::maybe(said::sets_loop(name));
    }
    if set.kind == "list:set" {
        return set.members.iter().fold(Tri::No, |sum, member| {
            sum.or(matches(sets, member, directions, flow, depth + 1))
        });
    }
    let (_, dimensions) = set.kind.split_once(':').unwrap_or(("", ""));
    let parts: Vec<&str> = dimensions.split(',').collect();
    let sides: Vec<&str> = directions.split(',').collect();
    let by_address = parts.iter().any(|p| *p == "ip" || *p == "net");
    if by_address && set.v6 != flow.v6 {
        return Tri::No;
    }
    if set.left_out {
        // Only the user's source was asked for; whom no rule names is in no set of addresses.
        let source = sides.first() == Some(&"src") && !flow.answer;
        return match set.asked {
            Some(answer) if source && flow.user.is_some() => answer.into(),
            _ if source && flow.user.is_none() && by_address => Tri::No,
            _ => Tri::maybe(said::set_too_long(name)),
        };
    }
    let mut hit = Tri::No;
    for member in &set.members {
        let (exception, member) = match member.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, member.as_str()),
        };
        let fields: Vec<&str> = member.split(',').collect();
        let mut one = Tri::Yes;
        for (at, part) in parts.iter().enumerate() {
            let side = sides.get(at).copied().unwrap_or("src");
            let field = fields.get(at).copied().unwrap_or("");
            one = one.and(part_matches(part, field, side == "src", flow));
        }
        if exception {
            if one != Tri::No {
                // The more special entry takes out of the wider one.
                return if one == Tri::Yes { Tri::No } else { one };
            }
        } else {
            hit = hit.or(one);
        }
    }
    hit
}

fn part_matches(part: &str, field: &str, source: bool, flow: &Flow<'_>) -> Tri {
    match part {
        "ip" | "net" => {
            let value = if source {
                &flow.source
            } else {
                &flow.destination
            };
            Pattern::address(field).matches(value)
        }
        "port" => {
            let value = if source {
                &flow.source_port
            } else {
                &flow.port
            };
            let (protocol, port) = match field.split_once(':') {
                Some((protocol, port)) => (protocol, port),
                None => ("tcp", field),
            };
            if !matches!(protocol, "tcp" | "6") {
                return Tri::No;
            }
            match port.split_once('-') {
                Some((low, high)) => match (low.parse(), high.parse()) {
                    (Ok(low), Ok(high)) => Pattern::Range(low, high).matches(value),
                    _ => Tri::maybe(said::the_port(field)),
                },
                None => match port.parse() {
                    Ok(port) => Pattern::number(port).matches(value),
                    Err(_) => Tri::maybe(said::the_port(field)),
                },
            }
        }
        "iface" => {
            let name = field.strip_prefix("physdev:").unwrap_or(field);
            Pattern::Name(name.to_owned()).matches(&flow.interface_name(source))
        }
        "mac" if source => match super::host::mac(field) {
            Some(mac) => Pattern::number(mac).matches(&flow.sender_mac()),
            None => Tri::maybe(said::the_address(field)),
        },
        "mark" => {
            let number = field.strip_prefix("0x").map_or_else(
                || field.parse().ok(),
                |hex| u128::from_str_radix(hex, 16).ok(),
            );
            number.map_or_else(
                || Tri::maybe(said::the_mark(field)),
                |mark| Pattern::number(mark).matches(&flow.mark),
            )
        }
        _ => match &flow.source {
            Value::Unknown(what) => Tri::maybe(what),
            _ => Tri::maybe(said::set_by(part)),
        },
    }
}
