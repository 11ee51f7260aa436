//! What an answer says, as readings of the user's own machine.
//!
//! A field that is missing or not understood is an unknown. Must not live here: finding the answer
//! (`answer`), the weight of a state (`diagnosis`).

use std::net::IpAddr;

use super::answer::Answer;
use super::{Told, said, unknown};
use crate::domain::evidence::state::{
    banner, kex, name_resolution, path_mtu, rdp_negotiation, reach, text_target, user_proxy,
};
use crate::domain::evidence::{Family, Path, Reading, Source, State, Status, group, state_at};
use crate::domain::report::InstanceSummary;
use crate::domain::said::{Arg, Figure, Joint, List, Said, Table, Unit, Word};

/// From here on a greeting is slow; the probe's own measure.
const SLOW_MS: u32 = 2000;
/// Fewer pings say nothing of a path's quality.
const ENOUGH_PINGS: u32 = 20;
/// Largest size that a path of the usual 1500 bytes takes.
const FULL_SIZE: &str = "1472";
/// What an IPv4 header and a ping's own add to its size.
const PING_HEADERS: u32 = 28;

/// What the answer says of this instance.
pub(super) fn of(answer: &Answer, instance: &InstanceSummary) -> Told {
    let Some(to) = answer.get("to").and_then(|to| to.parse::<IpAddr>().ok()) else {
        return unknown(said::no_address());
    };
    let own = addresses(instance);
    if !own.contains(&to) {
        return unknown(said::other_instance(to));
    }
    let from_there = |reading: Reading| reading.on_path(Path::User).in_family(Family::of(to));
    let who = said::the_user();
    let from = From {
        who: &who,
        source: Source::Operator,
    };
    let mut readings: Vec<Reading> = from.login(answer).into_iter().map(from_there).collect();
    if readings.iter().any(is_open) {
        let seen = [exchange(answer), quality(answer), size(answer)];
        readings.extend(seen.into_iter().flatten().map(from_there));
    }
    readings.extend(name(answer, &own));
    readings.extend(target(answer, instance, &own));
    readings.push(proxy(answer));
    Told {
        source: source(answer, to),
        readings,
    }
}

fn addresses(instance: &InstanceSummary) -> Vec<IpAddr> {
    let all = instance
        .public_addresses
        .iter()
        .chain(&instance.private_addresses);
    all.filter_map(|it| it.parse().ok()).collect()
}

/// True if the login port took a connection.
fn is_open(reading: &Reading) -> bool {
    let open = [reach::OPEN, reach::OPEN_LOGIN_ONLY, reach::FLAKY];
    reading.seen().is_some_and(|it| open.contains(&it))
}

/// Who looked, and whose word it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct From<'a> {
    pub who: &'a Said,
    pub source: Source,
}

impl From<'_> {
    /// What is reached, and where the login port is open how the service answers.
    pub fn login(self, answer: &Answer) -> Vec<Reading> {
        let mut readings = vec![self.reach(answer)];
        if readings.iter().any(is_open) {
            let seen = [self.greeting(answer), self.negotiation(answer)];
            readings.extend(seen.into_iter().flatten());
        }
        readings
    }

    /// The login port, its neighbours and the pings, as one state.
    fn reach(self, answer: &Answer) -> Reading {
        let port = answer.get("port").unwrap_or("?");
        let tries = ["tcp", "tcp2"].map(|key| answer.get(key).and_then(outcome));
        let neighbours: Vec<(&str, Option<&str>)> = answer
            .starting("n")
            .filter(|(port, _)| port.parse::<u16>().is_ok())
            .map(|(port, word)| (port, outcome(word)))
            .collect();
        let alive = neighbours
            .iter()
            .any(|(_, word)| matches!(word, Some("open" | "refused")));
        let dead =
            !neighbours.is_empty() && neighbours.iter().all(|(_, word)| *word == Some("silent"));
        let pings = pings(answer);
        let answers = pings.is_some_and(|(back, _)| back > 0);
        let state = match tries {
            [Some(one), Some(other)] if one != other => Some(reach::FLAKY),
            [Some("open"), _] if dead && pings.is_some() && !answers => {
                Some(reach::OPEN_LOGIN_ONLY)
            }
            [Some("open"), _] => Some(reach::OPEN),
            [Some("refused"), _] => Some(reach::REFUSED),
            [Some("prohibited"), _] => Some(reach::ADMIN_PROHIBITED),
            [Some("silent"), _] if alive => Some(reach::SILENT_HOST_ALIVE),
            [Some("silent"), _] if answers => Some(reach::SILENT_ICMP_ONLY),
            [Some("silent"), _] => Some(reach::ALL_SILENT),
            _ => None,
        };
        let Some(state) = state else {
            let (status, why) = (Status::NotAttempted, said::no_tool(self.who));
            return Reading::without_state(group::REACH, self.source, status, why);
        };
        let port_seen = |port: &str, word: Option<&'static str>| match word {
            Some(word) => said::port_seen(port, Word::new(Table::Login, word)),
            None => said::port_unknown(port),
        };
        let made = tries.into_iter().enumerate();
        let made = made.filter(|(n, word)| *n == 0 || word.is_some());
        let ports = made.map(|(_, word)| port_seen(port, word));
        let others = neighbours.iter().map(|(port, word)| port_seen(port, *word));
        let ports = List::said(Joint::Names, ports.chain(others));
        let pings = pings.map_or_else(said::pings_unknown, |(back, sent)| said::pings(back, sent));
        let (by, clock) = (answer.get("by"), answer.get("clock"));
        let detail = said::from_there(
            self.who,
            by.unwrap_or("?"),
            ports,
            pings,
            clock.unwrap_or("?"),
        );
        Reading::observed(state, self.source, detail)
    }

    /// The identification of an SSH server.
    fn greeting(self, answer: &Answer) -> Option<Reading> {
        if answer.get("kind") != Some("ssh") {
            return None;
        }
        let (ms, time) = waited(answer);
        let hello = answer.get("hello")?;
        let state = match hello {
            "closed" => banner::CLOSED,
            "reset" => banner::RESET,
            "silent" => banner::SILENT,
            "throttled" => banner::THROTTLE_NOTICE,
            "other" => banner::WRONG_PROTOCOL,
            // The time holds the exchange, too, and where that hangs it says nothing of the greeting.
            _ if answer.get("kex") == Some("hang") || ms < SLOW_MS => banner::FAST,
            _ => banner::SLOW,
        };
        let detail = match state {
            banner::FAST | banner::SLOW => said::greeted(self.who, hello, time),
            _ => said::not_greeted(self.who, time),
        };
        Some(Reading::observed(state, self.source, detail))
    }

    /// The answer to an X.224 connection request (MS-RDPBCGR 2.2.1.2): its type stands in byte 11, the
    /// protocol or the code of the failure from byte 15 on.
    fn negotiation(self, answer: &Answer) -> Option<Reading> {
        if answer.get("kind") != Some("rdp") {
            return None;
        }
        let word = answer.get("x224")?;
        let (ms, time) = waited(answer);
        let state = match word {
            "closed" => rdp_negotiation::CLOSED,
            "reset" => rdp_negotiation::RESET,
            "silent" => rdp_negotiation::SILENT,
            hex => match confirmed(hex) {
                rdp_negotiation::NLA | rdp_negotiation::TLS if ms >= SLOW_MS => {
                    rdp_negotiation::SLOW
                }
                state => state,
            },
        };
        let detail = said::negotiated(self.who, word, time);
        Some(Reading::observed(state, self.source, detail))
    }
}

fn seen(state: State<'_>, detail: Said) -> Reading {
    Reading::observed(state, Source::Operator, detail)
}

/// What a try came to, in the list's words.
fn outcome(word: &str) -> Option<&'static str> {
    Some(match word {
        "open" => "open",
        "refused" => "refused",
        "silent" => "silent",
        "no-way" | "denied" => "prohibited",
        _ => return None,
    })
}

/// How many pings came back of how many; `None` where nobody could ping.
fn pings(answer: &Answer) -> Option<(u32, u32)> {
    let (back, sent) = answer.get("ping")?.split_once('/')?;
    let (back, sent) = (back.parse().ok()?, sent.parse().ok()?);
    (sent > 0 && back <= sent).then_some((back, sent))
}

fn waited(answer: &Answer) -> (u32, Figure) {
    let ms = answer.number("hms").unwrap_or_default();
    (ms, Figure::new(f64::from(ms), 0, Unit::Milliseconds))
}

fn exchange(answer: &Answer) -> Option<Reading> {
    let state = match answer.get("kex")? {
        "common" => kex::COMMON,
        "none" => kex::NONE,
        "hang" => kex::HANG,
        "closed" => kex::CLOSED,
        _ => return None,
    };
    Some(seen(
        state,
        if state == kex::COMMON {
            said::exchanged()
        } else {
            said::not_exchanged()
        },
    ))
}

fn confirmed(hex: &str) -> State<'static> {
    let digits_at = |at: usize| {
        let digits = hex.get(2 * at..2 * at + 2)?;
        u8::from_str_radix(digits, 16).ok()
    };
    // What follows the packet is no part of it; its length stands in byte 3.
    let length = digits_at(3).map_or(0, usize::from);
    let byte = |at: usize| digits_at(at).filter(|_| at < length);
    if (byte(0), byte(5)) != (Some(3), Some(0xd0)) {
        return rdp_negotiation::WRONG_PROTOCOL;
    }
    match (byte(11), byte(15)) {
        (Some(2), Some(0)) | (None, _) => rdp_negotiation::LEGACY,
        (Some(2), Some(1)) => rdp_negotiation::TLS,
        (Some(2), Some(4)) => rdp_negotiation::RDSTLS,
        (Some(2), Some(16)) => rdp_negotiation::AAD,
        (Some(2), Some(_)) => rdp_negotiation::NLA,
        (Some(3), Some(1)) => rdp_negotiation::FAILURE_1,
        (Some(3), Some(2)) => rdp_negotiation::FAILURE_2,
        (Some(3), Some(3)) => rdp_negotiation::FAILURE_3,
        (Some(3), Some(4)) => rdp_negotiation::FAILURE_4,
        (Some(3), Some(5)) => rdp_negotiation::FAILURE_5,
        (Some(3), Some(6)) => rdp_negotiation::FAILURE_6,
        _ => rdp_negotiation::WRONG_PROTOCOL,
    }
}

/// Loss over enough pings; where none comes back nobody answers them at all.
fn quality(answer: &Answer) -> Option<Reading> {
    let (back, sent) = pings(answer)?;
    if sent < ENOUGH_PINGS || back == 0 {
        return None;
    }
    let lost = 100.0 * f64::from(sent - back) / f64::from(sent);
    let detail = said::lost(Figure::new(lost, 0, Unit::Percent), sent);
    Some(seen(state_at(group::PATH_QUALITY, lost), detail).measured(lost))
}

/// Which sizes pass: `1472n,1372y` (answered, not answered, broken off with a word).
fn size(answer: &Answer) -> Option<Reading> {
    let tries: Vec<(&str, &str)> = answer
        .get("mtu")?
        .split(',')
        .filter_map(|it| it.split_at_checked(it.len().checked_sub(1)?))
        .collect();
    let ended = |word: &str| tries.iter().any(|(_, it)| *it == word);
    if tries.first() == Some(&(FULL_SIZE, "y")) || ended("b") {
        return Some(seen(path_mtu::OK, said::large_pass()));
    }
    // Who answers no ping at all tells nothing of large ones.
    let lost = tries.iter().take_while(|(_, it)| *it == "n").last()?;
    if pings(answer).is_none_or(|(back, _)| back == 0) {
        return None;
    }
    if answer.get("kex") == Some("common") {
        return Some(seen(path_mtu::OK, said::large_pass_exchange()));
    }
    let size = lost.0.parse::<u32>().ok()? + PING_HEADERS;
    Some(seen(path_mtu::BLACK_HOLE, said::large_vanish(size)))
}

/// Addresses that a proxy with a name server of its own hands out: RFC 2544's, and the block
/// 28.0.0.0/8, which nobody announces.
pub fn is_fake(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            (first == 198 && second & 0xfe == 18) || first == 28
        }
        IpAddr::V6(_) => false,
    }
}

/// What the name that the user types stands for there.
fn name(answer: &Answer, own: &[IpAddr]) -> Option<Reading> {
    let word = answer.get("dns")?;
    if word == "failed" {
        let ms = answer.number("dms").unwrap_or_default();
        let time = Figure::new(f64::from(ms), 0, Unit::Milliseconds);
        return Some(seen(name_resolution::FAILED, said::name_failed(time)));
    }
    let found: Vec<IpAddr> = word.split(',').filter_map(|it| it.parse().ok()).collect();
    let first = *found.first()?;
    let state = if found.iter().any(|it| own.contains(it)) {
        name_resolution::SAME
    } else if is_fake(first) {
        name_resolution::FAKE_ADDRESS
    } else {
        name_resolution::OTHER_ADDRESS
    };
    Some(seen(state, said::name_stands_for(List::names(found))))
}

/// Where the client goes, where that is no question of names.
fn target(answer: &Answer, instance: &InstanceSummary, own: &[IpAddr]) -> Option<Reading> {
    let wanted = instance.login_port;
    let port = answer.number("gport").filter(|it| *it != u32::from(wanted));
    let dest = answer.get("dest").and_then(|it| it.parse::<IpAddr>().ok());
    let (state, detail) = match (dest, port) {
        (Some(it), _) if is_fake(it) => (text_target::LOCAL_PROXY, said::types_address(it)),
        (Some(it), _) if it.is_loopback() && !own.contains(&it) => {
            (text_target::OWN_MACHINE, said::types_address(it))
        }
        (Some(it), _) if !own.contains(&it) => {
            (text_target::OTHER_ADDRESS, said::types_address(it))
        }
        (_, Some(port)) => (text_target::OTHER_PORT, said::types_port(port, wanted)),
        // Behind a proxy the right address does not say that the right machine is reached.
        (Some(it), None) if answer.get("command") != Some("yes") => {
            (text_target::SAME, said::types_address(it))
        }
        _ => return None,
    };
    Some(seen(state, detail))
}

/// What the client goes through, with what else of its settings matters.
fn proxy(answer: &Answer) -> Reading {
    let none = |why| {
        let status = Status::NotAttempted;
        Reading::without_state(group::USER_PROXY, Source::Operator, status, why)
    };
    let yes = |key| answer.get(key) == Some("yes");
    let state = match answer.get("command") {
        None => return none(said::setup(setup(answer, said::not_asked()))),
        Some(_) if yes("jump") => return none(said::setup(setup(answer, said::jump_host()))),
        Some("no") => user_proxy::NONE,
        Some(_) => match answer.get("via") {
            Some("works") => user_proxy::WORKS,
            Some("fails") => user_proxy::FAILS,
            _ => return none(said::setup(setup(answer, said::not_asked()))),
        },
    };
    let first = match state {
        user_proxy::WORKS => said::fact_proxy_works(),
        user_proxy::FAILS => said::fact_proxy_fails(),
        _ => said::fact_direct(),
    };
    seen(state, said::setup(setup(answer, first)))
}

/// Settings worth a word.
fn setup(answer: &Answer, first: Said) -> List {
    let mut facts = vec![first];
    facts.extend(answer.get("ver").map(said::fact_version));
    facts.extend(answer.get("user").map(said::fact_user));
    facts.extend(answer.number("keys").map(said::fact_keys));
    facts.extend((answer.get("only") == Some("yes")).then(said::fact_only));
    facts.extend(answer.get("rsa").map(|rsa| match rsa {
        "yes" => said::fact_rsa(),
        _ => said::fact_no_rsa(),
    }));
    let variables = answer.starting("env-").filter(|(_, host)| !host.is_empty());
    facts.extend(variables.map(|(name, host)| said::fact_proxy(name, host)));
    List::of(Joint::Names, facts.into_iter().map(Arg::from))
}

/// The address that the user comes from, where no translation on the way can have changed it: an
/// address of the Internet, or a private one towards a private address.
fn source(answer: &Answer, to: IpAddr) -> Option<IpAddr> {
    let source: IpAddr = answer.get("src")?.parse().ok()?;
    let certain = match source {
        _ if source.is_loopback() || is_fake(source) => to.is_loopback(),
        IpAddr::V4(v4) if v4.is_private() => matches!(to, IpAddr::V4(to) if to.is_private()),
        IpAddr::V4(v4) => {
            !(v4.is_link_local() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => !(v6.is_unique_local() || v6.is_unicast_link_local()),
    };
    (certain && source.is_ipv4() == to.is_ipv4()).then_some(source)
}
