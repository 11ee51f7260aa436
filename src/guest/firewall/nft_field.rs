//! The fields that a rule of nftables may ask for, and how their constants are written.
//!
//! Must not live here: sets and statements.

use super::nft::{Constant, Operator};
use super::packet::{ESTABLISHED, Flow, Hook, INVALID, NEW, RELATED, UNTRACKED};
use super::said;
use super::value::{Pattern, Tri, Value, address_bits};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// How a field's constants are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Address,
    Protocol,
    State,
    Status,
    Flags,
    Direction,
    PacketType,
    AddressType,
    Family,
    EtherType,
    Name,
    Mac,
    Hour,
    Day,
    /// Seconds since 1970.
    Time,
    Exists,
    Dscp,
    Label,
}

impl Kind {
    /// Fields of single bits: a plain constant asks for any of them.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::State | Self::Status | Self::Flags | Self::Label)
    }
}

const STATES: &[(&str, u128)] = &[
    ("invalid", INVALID),
    ("established", ESTABLISHED),
    ("related", RELATED),
    ("new", NEW),
    ("untracked", UNTRACKED),
];
const STATUSES: &[(&str, u128)] = &[
    ("expected", 1),
    ("seen-reply", 2),
    ("assured", 4),
    ("confirmed", 8),
    ("snat", 16),
    ("dnat", 32),
    ("dying", 512),
];
const FLAGS: &[(&str, u128)] = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 16),
    ("urg", 32),
    ("ecn", 64),
    ("cwr", 128),
];
const PROTOCOLS: &[(&str, u128)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipv4", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("comp", 108),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];
const ADDRESS_TYPES: &[(&str, u128)] = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];
const PACKET_TYPES: &[(&str, u128)] = &[
    ("host", 0),
    ("unicast", 0),
    ("broadcast", 1),
    ("multicast", 2),
    ("other", 3),
];
const FAMILIES: &[(&str, u128)] = &[("ipv4", 2), ("ipv6", 10)];
const DIRECTIONS: &[(&str, u128)] = &[("original", 0), ("reply", 1)];
const ETHER_TYPES: &[(&str, u128)] = &[
    ("ip", 0x0800),
    ("arp", 0x0806),
    ("ip6", 0x86dd),
    ("vlan", 0x8100),
    ("8021q", 0x8100),
    ("8021ad", 0x88a8),
];
const DAYS: &[(&str, u128)] = &[
    ("Sunday", 0),
    ("Monday", 1),
    ("Tuesday", 2),
    ("Wednesday", 3),
    ("Thursday", 4),
    ("Friday", 5),
    ("Saturday", 6),
];
const DSCPS: &[(&str, u128)] = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("df", 0),
    ("be", 0),
    ("lephb", 1),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

fn word_number(word: &str, kind: Kind, v6: bool) -> Option<u128> {
    let named = |table: &[(&str, u128)]| table.iter().find(|(n, _)| *n == word).map(|(_, v)| *v);
    let plain = word.strip_prefix("0x").map_or_else(
        || word.parse().ok(),
        |hex| u128::from_str_radix(hex, 16).ok(),
    );
    match kind {
        Kind::Address => {
            let address: std::net::IpAddr = word.parse().ok()?;
            Some(address_bits(address).0)
        }
        Kind::Mac => super::host::mac(word),
        Kind::State => named(STATES).or(plain),
        Kind::Status => named(STATUSES).or(plain),
        Kind::Flags => named(FLAGS).or(plain),
        Kind::Protocol => named(PROTOCOLS).or(plain),
        Kind::AddressType => named(ADDRESS_TYPES).or(plain),
        Kind::PacketType => named(PACKET_TYPES).or(plain),
        Kind::Family => named(FAMILIES).or(plain),
        Kind::Direction => named(DIRECTIONS).or(plain),
        // Some versions print the number with its octets the other way round.
        Kind::EtherType => named(ETHER_TYPES).or(match plain? {
            8 => Some(0x0800),
            0xdd86 => Some(0x86dd),
            other => Some(other),
        }),
        Kind::Day => named(DAYS).or(plain),
        Kind::Dscp => named(DSCPS).or(plain),
        Kind::Hour => clock_time(word),
        Kind::Time => date(word).or(plain),
        Kind::Exists => match word {
            "exists" => Some(1),
            "missing" => Some(0),
            _ => plain,
        },
        Kind::Name => None,
        Kind::Label => plain.or(Some(u128::MAX)),
        Kind::Number => {
            let _ = v6;
            plain.or(match word {
                "default" => Some(0),
                "ether" => Some(1),
                "loopback" => Some(772),
                "ppp" => Some(512),
                "true" => Some(1),
                "false" => Some(0),
                _ => None,
            })
        }
    }
}

/// `12:30` or `12:30:05` in seconds of the day.
fn clock_time(word: &str) -> Option<u128> {
    let mut seconds = 0;
    for (at, part) in word.split(':').enumerate() {
        let scale = [3600, 60, 1].get(at)?;
        seconds += part.parse::<u128>().ok()? * scale;
    }
    Some(seconds)
}

/// `2020-01-01 00:00:00` as seconds since 1970, in the guest's local time.
pub fn date(word: &str) -> Option<u128> {
    let time: jiff::civil::DateTime = word.replace(' ', "T").parse().ok()?;
    let stamp = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u128::try_from(stamp.as_second()).ok()
}

/// The number that a constant stands for; the sum of its bits where it has several.
pub fn number(constant: &Constant, kind: Kind, v6: bool) -> Option<u128> {
    match constant {
        Constant::Word(word) => word_number(word, kind, v6),
        Constant::Flags(words) => words
            .iter()
            .try_fold(0, |sum, word| Some(sum | word_number(word, kind, v6)?)),
        Constant::Range(..) => None,
    }
}

/// What a constant matches.
pub fn pattern(constant: &Constant, kind: Kind, v6: bool) -> Pattern {
    let range = |low: &str, high: &str| {
        let ends = word_number(low, kind, v6).zip(word_number(high, kind, v6));
        ends.map_or_else(
            || Pattern::Unknown(Said::raw(format!("{low}-{high}"))),
            |(low, high)| Pattern::Range(low, high),
        )
    };
    match constant {
        Constant::Word(word) if word == "*" => Pattern::Any,
        Constant::Word(word) if kind == Kind::Name => Pattern::Name(word.clone()),
        Constant::Word(word) if kind == Kind::Address => Pattern::address(word),
        Constant::Range(low, high) => range(low, high),
        Constant::Word(word) => match (number(constant, kind, v6), word.split_once('-')) {
            (Some(number), _) => Pattern::number(number),
            (None, Some((low, high))) => range(low, high),
            (None, None) => Pattern::Unknown(Said::raw(sanitise(word, 80))),
        },
        Constant::Flags(words) => number(constant, kind, v6).map_or_else(
            || Pattern::Unknown(Said::raw(sanitise(&words.join(","), 80))),
            Pattern::number,
        ),
    }
}

/// `<`, `>` and their like.
pub fn ordered(value: &Value, operator: Operator, limit: u128) -> Tri {
    let range = match operator {
        Operator::Less if limit == 0 => return Tri::No,
        Operator::Less => Pattern::Range(0, limit - 1),
        Operator::AtMost => Pattern::Range(0, limit),
        Operator::More => Pattern::Range(limit.saturating_add(1), u128::MAX),
        _ => Pattern::Range(limit, u128::MAX),
    };
    match value {
        Value::Elsewhere { .. } => Tri::maybe(said::source_unnamed()),
        value => range.matches(value),
    }
}

fn exact(number: u128) -> Value {
    Value::number(number, 32)
}

fn unknown(name: &str) -> Value {
    Value::Unknown(said::field_of_packet(name))
}

/// What is known of a field, and how its constants are written.
pub fn field(flow: &Flow<'_>, name: &str) -> (Value, Kind) {
    let (group, key) = name.split_once(' ').unwrap_or((name, ""));
    match group {
        "ip" | "ip6" => network(flow, group == "ip6", key),
        "tcp" | "th" => transport(flow, name, key),
        "meta" => meta(flow, key),
        "ct" => connection(flow, key),
        "fib" => route(flow, key),
        "ether" => match key {
            "saddr" => (flow.sender_mac(), Kind::Mac),
            "daddr" if !flow.answer => (
                flow.interface
                    .and_then(|i| i.mac)
                    .map_or_else(|| unknown(name), |mac| Value::number(mac, 48)),
                Kind::Mac,
            ),
            "type" => (ether_type(flow), Kind::EtherType),
            _ => (unknown(name), Kind::Number),
        },
        "rt" if key == "ipsec" => (exact(0), Kind::Exists),
        "rt" => (unknown(name), Kind::Number),
        "exthdr" => (exact(0), Kind::Exists),
        "socket" => match (key, flow.host.listens(None, flow.asked_port)) {
            (_, Some(false)) => (Value::Absent, Kind::Number),
            // sshd asks for no mark and for no transparent socket.
            ("transparent" | "mark", Some(true)) => (exact(0), Kind::Number),
            _ => (unknown(name), Kind::Number),
        },
        "osf" => (unknown("the system"), Kind::Name),
        raw if raw.starts_with('@') => raw_field(flow, raw),
        // Headers that a login does not have.
        "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp" | "arp" | "vlan"
        | "esp" | "ah" | "comp" | "gre" | "frag" | "hbh" | "dst" | "mh" | "srh" | "rt0" | "rt2"
        | "rt4" | "ipsec" | "geneve" | "vxlan" => (Value::Absent, Kind::Number),
        _ => (unknown(name), Kind::Number),
    }
}

fn ether_type(flow: &Flow<'_>) -> Value {
    Value::number(if flow.v6 { 0x86dd } else { 0x0800 }, 16)
}

fn network(flow: &Flow<'_>, v6: bool, key: &str) -> (Value, Kind) {
    let kind = match key {
        "saddr" | "daddr" => Kind::Address,
        "protocol" | "nexthdr" => Kind::Protocol,
        "dscp" => Kind::Dscp,
        key if key.starts_with("option ") => Kind::Exists,
        _ => Kind::Number,
    };
    if v6 != flow.v6 {
        return (Value::Absent, kind);
    }
    let value = match key {
        "saddr" => flow.source.clone(),
        "daddr" => flow.destination.clone(),
        "protocol" | "nexthdr" => exact(6),
        "ttl" | "hoplimit" => flow.hops(),
        "length" if v6 => Value::Range(20, 60),
        "length" => flow.length(),
        "version" => exact(if v6 { 6 } else { 4 }),
        "hdrlength" => exact(5),
        // A client marks its first packets with nothing.
        "dscp" | "ecn" => exact(0),
        // No fragment; whether it may be made one is not known.
        "frag-off" => Value::Bits {
            value: 0,
            known: 0xbfff,
            width: 16,
        },
        key if key.starts_with("option ") => exact(0),
        _ => unknown(key),
    };
    (value, kind)
}

fn transport(flow: &Flow<'_>, name: &str, key: &str) -> (Value, Kind) {
    match key {
        "sport" => (flow.source_port.clone(), Kind::Number),
        "dport" => (flow.port.clone(), Kind::Number),
        "flags" => (flow.flags(), Kind::Flags),
        "doff" => (Value::Range(5, 15), Kind::Number),
        "ackseq" if !flow.answer => (exact(0), Kind::Number),
        "urgptr" => (exact(0), Kind::Number),
        // Every client says its segment size (RFC 9293, 3.7.1), at least the smallest of all.
        "option maxseg" => (exact(1), Kind::Exists),
        "option maxseg size" => (Value::Range(536, 65495), Kind::Number),
        key if key.starts_with("option ") => (unknown(name), Kind::Exists),
        _ => (unknown(name), Kind::Number),
    }
}

fn meta(flow: &Flow<'_>, key: &str) -> (Value, Kind) {
    let inbound = !flow.answer;
    match key {
        "l4proto" => (exact(6), Kind::Protocol),
        "nfproto" => (exact(if flow.v6 { 10 } else { 2 }), Kind::Family),
        "protocol" => (ether_type(flow), Kind::EtherType),
        "iif" | "iifname" => (flow.interface_name(true), Kind::Name),
        "oif" | "oifname" => (flow.interface_name(false), Kind::Name),
        "iiftype" | "oiftype" if (key == "iiftype") == inbound => match flow.interface {
            Some(i) if i.mac.is_some() => (exact(1), Kind::Number),
            _ => (unknown(key), Kind::Number),
        },
        "iifgroup" | "oifgroup" if (key == "iifgroup") == inbound => {
            let group = flow.interface.and_then(|i| i.group.as_deref());
            let number = match group {
                Some("default") => Some(0),
                Some(text) => text.parse().ok(),
                None => None,
            };
            (number.map_or_else(|| unknown(key), exact), Kind::Number)
        }
        "iiftype" | "oiftype" | "iifgroup" | "oifgroup" => (exact(0), Kind::Number),
        "mark" => (flow.mark.clone(), Kind::Number),
        "pkttype" => (exact(0), Kind::PacketType),
        "length" => (flow.length(), Kind::Number),
        // No socket belongs to a packet that comes in.
        "skuid" | "skgid" | "cgroup" if inbound => (Value::Absent, Kind::Number),
        // The login service listens as root.
        "skuid" | "skgid" => (exact(0), Kind::Number),
        "secpath" | "ipsec" => (exact(0), Kind::Exists),
        "ibrname" | "obrname" | "ibriport" | "obriport" | "sdifname" | "sdif" => {
            (Value::Name(String::new()), Kind::Name)
        }
        "hour" => (clock(flow, |local, _| local.rem_euclid(86400)), Kind::Hour),
        // 1970-01-01 was a Thursday.
        "day" => (
            clock(flow, |local, _| (local.div_euclid(86400) + 4).rem_euclid(7)),
            Kind::Day,
        ),
        "time" => (clock(flow, |local, _| local), Kind::Time),
        _ => (unknown(key), Kind::Number),
    }
}

/// Something of the guest's own clock: local and universal seconds since 1970.
pub fn clock(flow: &Flow<'_>, of: impl Fn(i64, i64) -> i64) -> Value {
    match flow.host.clock {
        Some((seconds, zone)) => {
            let at = |seconds: i64| u128::try_from(of(seconds + zone, seconds)).ok();
            // The check and the login are some time apart.
            match (at(seconds), at(seconds + 5)) {
                (Some(from), Some(to)) if from <= to => Value::Range(from, to),
                _ => Value::Unknown(said::time_in_guest()),
            }
        }
        None => Value::Unknown(said::time_in_guest()),
    }
}

fn connection(flow: &Flow<'_>, key: &str) -> (Value, Kind) {
    let mut words: Vec<&str> = key.split(' ').collect();
    let direction = ["original", "reply"].iter().position(|d| *d == words[0]);
    if let Some(direction) = direction {
        words.remove(0);
        if words.len() == 2 && matches!(words[0], "ip" | "ip6") {
            if (words[0] == "ip6") != flow.v6 {
                return (Value::Absent, Kind::Address);
            }
            words.remove(0);
        }
        let (user, user_port, own, own_port) = if flow.answer {
            (
                &flow.destination,
                &flow.port,
                &flow.source,
                &flow.source_port,
            )
        } else {
            (
                &flow.source,
                &flow.source_port,
                &flow.destination,
                &flow.port,
            )
        };
        let asked_port = Value::number(flow.asked_port.into(), 16);
        let (value, kind) = match (words[0], direction) {
            ("saddr", 0) | ("daddr", 1) => (user.clone(), Kind::Address),
            ("daddr", 0) => (flow.asked_address.clone(), Kind::Address),
            ("saddr", 1) => (own.clone(), Kind::Address),
            ("proto-src", 0) | ("proto-dst", 1) => (user_port.clone(), Kind::Number),
            ("proto-dst", 0) => (asked_port, Kind::Number),
            ("proto-src", 1) => (own_port.clone(), Kind::Number),
            ("l3proto", _) => (exact(if flow.v6 { 10 } else { 2 }), Kind::Family),
            ("protocol", _) => (exact(6), Kind::Protocol),
            ("zone", _) => (exact(0), Kind::Number),
            _ => (unknown(key), Kind::Number),
        };
        return (flow.tracked(value), kind);
    }
    match key {
        "state" => (flow.state().0, Kind::State),
        "status" => (flow.status(), Kind::Status),
        "direction" => (flow.tracked(exact(flow.answer.into())), Kind::Direction),
        "mark" => (flow.tracked(flow.connection_mark.clone()), Kind::Number),
        "label" => (flow.tracked(Value::number(0, 128)), Kind::Label),
        "zone" => (flow.tracked(exact(0)), Kind::Number),
        "helper" => (Value::Absent, Kind::Name),
        "l3proto" => (
            flow.tracked(exact(if flow.v6 { 10 } else { 2 })),
            Kind::Family,
        ),
        "protocol" => (flow.tracked(exact(6)), Kind::Protocol),
        _ => (flow.tracked(unknown(key)), Kind::Number),
    }
}

fn route(flow: &Flow<'_>, key: &str) -> (Value, Kind) {
    let words: Vec<&str> = key.split(' ').filter(|w| *w != ".").collect();
    let (result, flags) = words.split_last().unwrap_or((&"", &[]));
    let source = flags.contains(&"saddr");
    match *result {
        "type" => (flow.address_type(source), Kind::AddressType),
        "oif" | "oifname" => {
            let device = flow
                .host
                .route
                .split_whitespace()
                .skip_while(|w| *w != "dev")
                .nth(1);
            let here = flow.interface.map(|i| i.name.as_str());
            let reverse = source && !flow.answer;
            match (device, here) {
                // The way back to the user leads out where the packet came in.
                (Some(device), Some(here)) if reverse && flow.user.is_some() => {
                    let found = !flags.contains(&"iif") || device == here;
                    (exact(found.into()), Kind::Exists)
                }
                (_, Some(here)) if reverse && flow.host.default_device.as_deref() == Some(here) => {
                    (exact(1), Kind::Exists)
                }
                _ => (unknown("the route"), Kind::Exists),
            }
        }
        _ => (unknown("the route"), Kind::Exists),
    }
}

/// `@th,16,16`: bits by their place, where these are a field.
fn raw_field(flow: &Flow<'_>, raw: &str) -> (Value, Kind) {
    let parts: Vec<&str> = raw.split(',').collect();
    let place = (
        parts[0],
        parts.get(1).copied().unwrap_or(""),
        parts.get(2).copied().unwrap_or(""),
        flow.v6,
    );
    let value = match place {
        ("@th", "0", "16", _) => flow.source_port.clone(),
        ("@th", "16", "16", _) => flow.port.clone(),
        ("@th", "104", "8", _) => flow.flags(),
        ("@nh", "96", "32", false) | ("@nh", "64", "128", true) => flow.source.clone(),
        ("@nh", "128", "32", false) | ("@nh", "192", "128", true) => flow.destination.clone(),
        ("@nh", "0", "4", v6) => exact(if v6 { 6 } else { 4 }),
        ("@nh", "0", "8", false) => exact(0x45),
        ("@nh", "0", "8", true) => Value::Bits {
            value: 0x60,
            known: 0xf0,
            width: 8,
        },
        ("@nh", "72", "8", false) | ("@nh", "48", "8", true) => exact(6),
        ("@nh", "64", "8", false) | ("@nh", "56", "8", true) => flow.hops(),
        _ => unknown(raw),
    };
    (value, Kind::Number)
}

/// Does the packet come in from outside here? What the hook says, for rules of both tools.
pub fn comes_in(flow: &Flow<'_>) -> bool {
    !matches!(flow.hook, Hook::Output | Hook::Postrouting | Hook::Egress)
}
