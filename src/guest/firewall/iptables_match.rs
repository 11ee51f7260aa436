//! The matches of iptables-extensions(8), one module of a rule at a time.
//!
//! An option that is not known here answers `Maybe`: never yes, never no.

use super::host;
use super::ipset;
use super::iptables::{Module, Part};
use super::nft_field::{clock, comes_in, date, field};
use super::said;
use super::value::{Pattern, Tri, Value};
use super::walk::Walk;
use crate::domain::text::sanitise;

/// `0x8000/0x8000` as value and mask.
pub fn mark(text: &str) -> Option<(u128, u128)> {
    let number = |text: &str| {
        text.strip_prefix("0x").map_or_else(
            || text.parse::<u128>().ok(),
            |hex| u128::from_str_radix(hex, 16).ok(),
        )
    };
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, 0xffff_ffff)),
    }
}

fn first(part: &Part) -> &str {
    part.values.first().map_or("", String::as_str)
}

fn unknown(module: &Module, part: &Part) -> Tri {
    let values = part.values.join(" ");
    let name = if module.name.is_empty() {
        String::new()
    } else {
        format!("-m {} ", module.name)
    };
    Tri::maybe(said::part(sanitise(
        &format!("{name}{} {values}", part.name),
        160,
    )))
}

/// `22`, `22:80`, `:1023`, `1024:`; lists are split by commas.
fn ports(text: &str, value: &Value) -> Tri {
    text.split(',').fold(Tri::No, |sum, one| {
        let pattern = match one.split_once([':', '-']) {
            Some((low, high)) => {
                let low = if low.is_empty() { Ok(0) } else { low.parse() };
                let high = if high.is_empty() {
                    Ok(65535)
                } else {
                    high.parse()
                };
                match (low, high) {
                    (Ok(low), Ok(high)) => Pattern::Range(low, high),
                    _ => Pattern::Unknown(said::the_port(one)),
                }
            }
            None => one
                .parse()
                .map_or_else(|_| Pattern::Unknown(said::the_port(one)), Pattern::number),
        };
        sum.or(pattern.matches(value))
    })
}

/// `40:80` or `64`.
fn numbers(text: &str, value: &Value) -> Tri {
    ports(text, value)
}

fn interface(text: &str, value: &Value) -> Tri {
    let pattern = match text.strip_suffix('+') {
        Some(start) => format!("{start}*"),
        None => text.to_owned(),
    };
    Pattern::Name(pattern).matches(value)
}

/// Every option of a module must match; for some modules they belong together.
pub fn module(walk: &mut Walk<'_, '_>, module: &Module) -> Tri {
    match module.name.as_str() {
        "recent" => return recent(walk, module),
        "time" => return time(walk, module),
        "conntrack" | "state" => return connection(walk, module),
        // Nothing of a login comes in by a bridge's port, through IPsec or with extension headers.
        "comment" | "nfacct" => return Tri::Yes,
        "limit" => return Tri::Yes,
        "statistic" => return statistic(module),
        "policy" => return policy(module),
        "hashlimit" => return (module.part("--hashlimit-above").is_none()).into(),
        "connlimit" => {
            let over = module.part("--connlimit-above");
            let upto = module.part("--connlimit-upto");
            return match (over, upto) {
                (Some(part), _) => Tri::from(part.negated),
                (None, Some(part)) => Tri::from(!part.negated),
                _ => Tri::maybe(said::part("-m connlimit")),
            };
        }
        "rpfilter" => {
            let found = field(&walk.flow, "fib saddr . iif oif").0;
            let answer = Pattern::number(1).matches(&found);
            return answer.not_if(module.part("--invert").is_some());
        }
        "quota" => {
            return module
                .part("--quota")
                .map_or(Tri::Yes, |p| Tri::from(first(p) != "0").not_if(p.negated));
        }
        "addrtype" => return address_type(walk, module),
        "udp" | "icmp" | "icmp6" | "sctp" | "dccp" | "udplite" | "esp" | "ah" | "hbh" | "dst"
        | "rt" | "mh" | "eui64" => {
            return Tri::No;
        }
        "" | "tcp" | "multiport" | "string" => {}
        _ if module.parts.is_empty() => {
            return Tri::maybe(said::part(format!("-m {}", module.name)));
        }
        _ => {}
    }
    module
        .parts
        .iter()
        .fold(Tri::Yes, |sum, part| sum.and(option(walk, module, part)))
}

fn option(walk: &Walk<'_, '_>, module: &Module, part: &Part) -> Tri {
    let flow = &walk.flow;
    let value = first(part);
    let plain = match (module.name.as_str(), part.name.as_str()) {
        ("", "-s") => Pattern::address(value).matches(&flow.source),
        ("", "-d") => Pattern::address(value).matches(&flow.destination),
        ("", "-i") => interface(value, &flow.interface_name(true)),
        ("", "-o") => interface(value, &flow.interface_name(false)),
        ("", "-p") => Tri::from(matches!(value, "tcp" | "6" | "all" | "0")),
        ("", "-f") | ("frag" | "ipv4options", _) => Tri::No,
        ("tcp", "--dport" | "--destination-port") => ports(value, &flow.port),
        ("tcp", "--sport" | "--source-port") => ports(value, &flow.source_port),
        ("tcp", "--syn") => Tri::from(!flow.answer),
        ("tcp", "--tcp-flags") => flags(part, &flow.flags()),
        // Every client says its segment size (option 2).
        ("tcp", "--tcp-option") if value == "2" => Tri::Yes,
        ("multiport", "--dports") => ports(value, &flow.port),
        ("multiport", "--sports") => ports(value, &flow.source_port),
        ("multiport", "--ports") => ports(value, &flow.port).or(ports(value, &flow.source_port)),
        ("iprange", "--src-range") => Pattern::address(value).matches(&flow.source),
        ("iprange", "--dst-range") => Pattern::address(value).matches(&flow.destination),
        ("mac", "--mac-source") => match host::mac(value) {
            Some(mac) => match flow.sender_mac() {
                Value::Absent => Tri::No,
                known => Pattern::number(mac).matches(&known),
            },
            None => unknown(module, part),
        },
        ("mark" | "connmark", "--mark") => match mark(value) {
            Some((value, mask)) => {
                let held = if module.name == "mark" {
                    flow.mark.clone()
                } else {
                    flow.tracked(flow.connection_mark.clone())
                };
                // A connection that is not tracked matches no mark, negated or not.
                if held == Value::Absent {
                    return Tri::No;
                }
                Pattern::Bits { value, mask }.matches(&held)
            }
            None => unknown(module, part),
        },
        ("pkttype", "--pkt-type") => Tri::from(matches!(value, "unicast" | "host")),
        ("physdev", _) => Tri::No,
        ("ttl", "--ttl-eq") | ("hl", "--hl-eq") => numbers(value, &flow.hops()),
        ("ttl", "--ttl-gt") | ("hl", "--hl-gt") => compare(value, &flow.hops(), true),
        ("ttl", "--ttl-lt") | ("hl", "--hl-lt") => compare(value, &flow.hops(), false),
        ("length", "--length") => numbers(value, &flow.length()),
        ("tcpmss", "--mss") => numbers(value, &Value::Range(536, 65495)),
        ("dscp" | "tos", "--dscp" | "--tos") => tos(value),
        ("helper" | "connlabel" | "ecn", _) => Tri::No,
        ("owner", _) if comes_in(flow) => Tri::No,
        // The login service listens as root.
        ("owner", "--uid-owner" | "--gid-owner") => ports(value, &Value::number(0, 32)),
        ("owner", "--socket-exists") => Tri::Yes,
        ("socket", "--transparent") => Tri::No,
        ("devgroup", "--src-group") if comes_in(flow) => {
            let group = field(flow, "meta iifgroup").0;
            mark(value).map_or_else(
                || unknown(module, part),
                |(value, mask)| Pattern::Bits { value, mask }.matches(&group),
            )
        }
        ("string", "--string") if value.len() >= 3 => Tri::No,
        ("string", "--algo" | "--to" | "--from" | "--icase") => Tri::Yes,
        ("set", "--match-set") => {
            let directions = part.values.get(1).map_or("", String::as_str);
            let listed = ipset::matches(walk.all_ipsets(), value, directions, flow, 0);
            let added = flow.has_added(&format!("ipset {value}"));
            listed.or(added.unwrap_or(Tri::No))
        }
        ("set", "--return-nomatch" | "! --update-counters" | "--update-counters") => {
            return Tri::Yes;
        }
        _ => return unknown(module, part),
    };
    plain.not_if(part.negated)
}

fn compare(text: &str, value: &Value, more: bool) -> Tri {
    let Ok(limit) = text.parse::<u128>() else {
        return Tri::maybe(said::part(text));
    };
    if more {
        Pattern::Range(limit + 1, u128::MAX).matches(value)
    } else if limit == 0 {
        Tri::No
    } else {
        Pattern::Range(0, limit - 1).matches(value)
    }
}

/// A client marks its first packets with nothing.
fn tos(text: &str) -> Tri {
    match mark(text) {
        Some((value, mask)) => Tri::from(value & mask == 0),
        None => Tri::maybe(said::part(text)),
    }
}

/// `--tcp-flags MASK SET`.
fn flags(part: &Part, held: &Value) -> Tri {
    let bits = |text: &str| -> Option<u128> {
        text.split(',').try_fold(0, |sum, name| {
            Some(
                sum | match name {
                    "FIN" => 1,
                    "SYN" => 2,
                    "RST" => 4,
                    "PSH" => 8,
                    "ACK" => 16,
                    "URG" => 32,
                    "ALL" => 63,
                    "NONE" => 0,
                    _ => return None,
                },
            )
        })
    };
    let (mask, value) = (part.values.first(), part.values.get(1));
    match (mask.and_then(|m| bits(m)), value.and_then(|v| bits(v))) {
        (Some(mask), Some(value)) => Pattern::Bits { value, mask }.matches(held),
        _ => Tri::maybe(said::part("--tcp-flags")),
    }
}

/// Number of an address type as `fib` has it.
fn address_type(walk: &Walk<'_, '_>, module: &Module) -> Tri {
    let flow = &walk.flow;
    let number = |name: &str| {
        [
            "UNSPEC",
            "UNICAST",
            "LOCAL",
            "BROADCAST",
            "ANYCAST",
            "MULTICAST",
            "BLACKHOLE",
            "UNREACHABLE",
            "PROHIBIT",
        ]
        .iter()
        .position(|n| *n == name)
    };
    module.parts.iter().fold(Tri::Yes, |sum, part| {
        let value = match part.name.as_str() {
            "--dst-type" => flow.address_type(false),
            "--src-type" => flow.address_type(true),
            "--limit-iface-in" | "--limit-iface-out" => return sum,
            _ => return sum.and(unknown(module, part)),
        };
        let any = first(part).split(',').fold(Tri::No, |sum, name| {
            sum.or(match number(name) {
                Some(number) => Pattern::number(number as u128).matches(&value),
                None => Tri::maybe(said::address_type(name)),
            })
        });
        sum.and(any.not_if(part.negated))
    })
}

/// `-m conntrack` and `-m state`.
fn connection(walk: &Walk<'_, '_>, module: &Module) -> Tri {
    let flow = &walk.flow;
    let (state, known) = flow.state();
    module.parts.iter().fold(Tri::Yes, |sum, part| {
        let value = first(part);
        let of = |name: &str| field(flow, name).0;
        let test = match part.name.as_str() {
            "--ctstate" | "--state" => {
                let translated = flow.translated.clone();
                value.split(',').fold(Tri::No, |sum, name| {
                    let bit = match name {
                        "INVALID" => 1,
                        "ESTABLISHED" => 2,
                        "RELATED" => 4,
                        "NEW" => 8,
                        "UNTRACKED" => 64,
                        "DNAT" => return sum.or(known.clone().and(translated.clone())),
                        "SNAT" => return sum,
                        _ => return sum.or(Tri::maybe(said::the_state(name))),
                    };
                    sum.or(Pattern::number(bit).matches(&state))
                })
            }
            name => {
                // What follows asks about a connection that tracking knows.
                match &known {
                    Tri::No => return Tri::No,
                    Tri::Maybe(what) => return sum.and(Tri::maybe(what)),
                    Tri::Yes => {}
                }
                match name {
                    "--ctdir" => Tri::from((value == "REPLY") == flow.answer),
                    "--ctproto" => Tri::from(matches!(value, "6" | "tcp")),
                    "--ctorigsrc" => Pattern::address(value).matches(&of("ct original saddr")),
                    "--ctorigdst" => Pattern::address(value).matches(&of("ct original daddr")),
                    "--ctreplsrc" => Pattern::address(value).matches(&of("ct reply saddr")),
                    "--ctrepldst" => Pattern::address(value).matches(&of("ct reply daddr")),
                    "--ctorigsrcport" => ports(value, &of("ct original proto-src")),
                    "--ctorigdstport" => ports(value, &of("ct original proto-dst")),
                    "--ctreplsrcport" => ports(value, &of("ct reply proto-src")),
                    "--ctrepldstport" => ports(value, &of("ct reply proto-dst")),
                    "--ctstatus" => status(value, flow.answer),
                    _ => unknown(module, part),
                }
            }
        };
        sum.and(test.not_if(part.negated))
    })
}

fn status(text: &str, answer: bool) -> Tri {
    text.split(',').fold(Tri::No, |sum, name| {
        sum.or(match name {
            "NONE" => Tri::from(!answer),
            "EXPECTED" | "ASSURED" => Tri::No,
            "SEEN_REPLY" if !answer => Tri::No,
            "CONFIRMED" if !answer => Tri::No,
            _ => Tri::maybe(said::connection_status(name)),
        })
    })
}

/// Packets by chance: only never and always are certain.
fn statistic(module: &Module) -> Tri {
    let every = module.value("--every");
    match module.part("--probability") {
        Some(part) => match first(part).parse::<f64>() {
            Ok(p) if p >= 0.999_999_999 => Tri::from(!part.negated),
            Ok(p) if p <= 0.0 => Tri::from(part.negated),
            _ => Tri::maybe(said::part("-m statistic")),
        },
        None if every == Some("1") => Tri::Yes,
        None => Tri::maybe(said::part("-m statistic")),
    }
}

/// No login comes through IPsec.
fn policy(module: &Module) -> Tri {
    module.part("--pol").map_or_else(
        || Tri::maybe(said::part("-m policy")),
        |part| Tri::from(first(part) == "none").not_if(part.negated),
    )
}

/// Lists of addresses seen lately: the guest told the entries of the user's source.
fn recent(walk: &mut Walk<'_, '_>, module: &Module) -> Tri {
    let list = module.value("--name").unwrap_or("DEFAULT").to_owned();
    if module.part("--rdest").is_some() {
        return Tri::maybe(said::part("-m recent --rdest"));
    }
    let key = format!("recent {list}");
    if let Some(part) = module.part("--set") {
        walk.add_to(&key, &Tri::Yes);
        return Tri::from(!part.negated);
    }
    let negated = module.parts.iter().any(|p| p.negated);
    let added = walk.flow.has_added(&key).is_some();
    let entries = walk.flow.host.recent.get(&list).map_or(0, Vec::len);
    let hits: u32 = module
        .value("--hitcount")
        .and_then(|h| h.parse().ok())
        .unwrap_or(1);
    // Whoever has not come lately is in no list; what the list holds may have grown old.
    let answer = if entries > 0 && walk.flow.user.is_some() {
        Tri::maybe(said::recent_list(&list))
    } else {
        Tri::from(added && hits <= 1)
    };
    answer.not_if(negated)
}

/// `-m time`: the guest's clock, in universal time unless asked otherwise.
fn time(walk: &Walk<'_, '_>, module: &Module) -> Tri {
    let local = module.part("--kerneltz").is_some() || module.part("--localtz").is_some();
    let now = |of: fn(i64) -> i64| {
        clock(&walk.flow, move |zoned, utc| {
            of(if local { zoned } else { utc })
        })
    };
    let of_day = |text: &str| -> Option<u128> {
        text.split(':')
            .zip([3600, 60, 1])
            .try_fold(0, |sum, (part, scale)| {
                Some(sum + part.parse::<u128>().ok()? * scale)
            })
    };
    let seconds = now(|s| s.rem_euclid(86400));
    let mut sum = Tri::Yes;
    if module.part("--timestart").is_some() || module.part("--timestop").is_some() {
        let from = module.value("--timestart").map_or(Some(0), of_day);
        let to = module.value("--timestop").map_or(Some(86399), of_day);
        sum = sum.and(match (from, to) {
            (Some(from), Some(to)) if from <= to => Pattern::Range(from, to).matches(&seconds),
            (Some(from), Some(to)) => Pattern::Range(from, 86399)
                .matches(&seconds)
                .or(Pattern::Range(0, to).matches(&seconds)),
            _ => Tri::maybe(said::part("-m time")),
        });
    }
    for part in &module.parts {
        match part.name.as_str() {
            "--timestart" | "--timestop" | "--kerneltz" | "--utc" | "--contiguous" => {}
            // Without an end iptables prints the last second of the kernel's 32 bits.
            name @ ("--datestart" | "--datestop") => {
                let now = now(|s| s);
                sum = sum.and(match (date(first(part)), name) {
                    (Some(from), "--datestart") => Pattern::Range(from, u128::MAX).matches(&now),
                    (Some(to), _) => Pattern::Range(0, to).matches(&now),
                    (None, _) => unknown(module, part),
                });
            }
            "--weekdays" => {
                let day = now(|s| (s.div_euclid(86400) + 4).rem_euclid(7));
                let any = first(part).split(',').fold(Tri::No, |sum, name| {
                    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
                    let number = names.iter().position(|n| name.starts_with(n));
                    sum.or(number.map_or_else(
                        || Tri::maybe(said::part("--weekdays")),
                        |n| match &day {
                            Value::Range(today, _) => Tri::from(*today == n as u128),
                            _ => Tri::maybe(said::time_in_guest()),
                        },
                    ))
                });
                sum = sum.and(any.not_if(part.negated));
            }
            _ => sum = sum.and(unknown(module, part)),
        }
    }
    sum
}
