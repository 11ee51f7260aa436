//! Sentences about outcomes, for the `detail` of a reading.
//!
//! Lives here: wording with addresses, ports, tries and times. Must not live here: decisions; what
//! a server said arrives here already made safe for display.

use super::reach::{Reach, ReachFacts, ReachUnknown};
use crate::domain::said::{Figure, Joint, List, Said};
use crate::probe::algorithms::{Meeting, compare};
use crate::probe::outcome::{
    Connect, Echo, Greeting, KeyExchange, Negotiation, RdpSecurity, ThrottleNotice,
};
use crate::probe::said;

/// One connection attempt in a few words.
pub fn connect(outcome: &Connect) -> Said {
    match outcome {
        Connect::Open(t) => said::open_in(Figure::time(*t)),
        Connect::Refused(t) => said::refused_in(Figure::time(*t)),
        Connect::Silent(t) => said::silent_for(Figure::time(*t)),
        Connect::Prohibited(t) => said::prohibited_in(Figure::time(*t)),
        Connect::Own(failure) => said::not_tried_for(failure.said()),
    }
}

/// Equal ones counted, in order of first appearance.
fn tally(all: impl Iterator<Item = Said>) -> Vec<(Said, usize)> {
    let mut seen: Vec<(Said, usize)> = Vec::new();
    for one in all {
        match seen.iter_mut().find(|(known, _)| *known == one) {
            Some((_, count)) => *count += 1,
            None => seen.push((one, 1)),
        }
    }
    seen
}

fn kind(outcome: &Connect) -> Said {
    match outcome {
        Connect::Open(_) if outcome.took_a_retransmission() => said::open_after_loss(),
        Connect::Open(_) => said::open(),
        Connect::Refused(_) => said::refused(),
        Connect::Silent(_) => said::silent(),
        Connect::Prohibited(_) => said::prohibited(),
        Connect::Own(_) => said::not_tried(),
    }
}

/// The reason for `reach`, without the address.
pub fn reach(facts: &ReachFacts, state: Result<Reach, ReachUnknown>) -> Said {
    match state {
        Err(ReachUnknown::Own(failure)) => return failure.said(),
        Err(ReachUnknown::NoAttempt) => return said::no_attempt(),
        _ => {}
    }
    let kinds = tally(facts.login.iter().map(kind)).into_iter();
    let kinds = kinds.map(|(what, count)| said::counted(count, what));
    let kinds = List::said(Joint::Commas, kinds);
    let tries = facts.login.len();
    let mut parts = vec![match facts.login.iter().find_map(|o| o.rtt()) {
        Some(rtt) => said::tries_first(tries, kinds, Figure::time(rtt)),
        None => said::tries(tries, kinds),
    }];
    if !facts.neighbours.is_empty() {
        let ports = facts.neighbours.iter();
        let ports = ports.map(|(port, outcome)| said::port_is(*port, kind(outcome)));
        parts.push(said::other_ports(List::said(Joint::Commas, ports)));
    }
    parts.push(echo(&facts.echo));
    if facts.loopback {
        parts.push(said::loopback_note());
    } else if matches!(state, Ok(Reach::AllSilent)) && !facts.echo.was_sent() {
        parts.push(said::without_ping());
    }
    match state {
        Err(_) => parts.push(said::nothing_answers(controls(facts))),
        Ok(state)
            if state.rests_on_silence() && state != Reach::SilentHostAlive && !facts.loopback =>
        {
            parts.push(if facts.controls.is_empty() {
                said::no_control()
            } else {
                said::control(controls(facts))
            });
        }
        Ok(_) => {}
    }
    Said::all(Joint::Semicolons, parts)
}

fn controls(facts: &ReachFacts) -> List {
    let all = facts.controls.iter().map(|(address, answered)| {
        if *answered {
            said::control_answers(address)
        } else {
            said::control_silent(address)
        }
    });
    List::said(Joint::Commas, all)
}

/// A series of pings in a few words.
pub fn echo(echo: &Echo) -> Said {
    match echo {
        Echo::Replies { sent, rtts } => {
            let best = rtts.iter().min().copied().unwrap_or_default();
            said::ping_answered(rtts.len(), *sent, Figure::time(best))
        }
        Echo::Silent { sent } => said::ping_none(*sent),
        Echo::NotPermitted => said::ping_not_permitted(),
        Echo::Own(failure) => said::ping_not_sent(failure.said()),
    }
}

/// One greeting in a few words.
pub fn greeting(greeting: &Greeting) -> Said {
    match greeting {
        Greeting::Identified {
            identification,
            after,
        } => said::identified(identification, Figure::time(*after)),
        Greeting::Throttled { notice, text } => {
            let who = match notice {
                ThrottleNotice::MaxStartups => said::too_many_unfinished(),
                ThrottleNotice::SourcePenalty => said::source_penalty(),
                ThrottleNotice::Other => said::connection_limit(),
            };
            said::quoted_turned_away(who, text)
        }
        Greeting::Closed { after, text } if text.is_empty() => {
            said::closed_without_word(Figure::time(*after))
        }
        Greeting::Closed { after, text } => said::closed_saying(Figure::time(*after), text),
        Greeting::Reset { after } => said::reset_after(Figure::time(*after)),
        Greeting::Silent { waited, bytes: 0 } => said::nothing_in(Figure::time(*waited)),
        Greeting::Silent { waited, bytes } => {
            said::no_identification(Figure::time(*waited), *bytes)
        }
        Greeting::WrongProtocol { sample, protocol } => other_protocol("SSH", *protocol, sample),
        Greeting::Own(failure) => said::not_tried_for(failure.said()),
    }
}

/// What answers in place of the login service.
fn other_protocol(expected: &str, protocol: Option<&str>, sample: &str) -> Said {
    match protocol {
        Some(name) if sample.is_empty() => said::answers_not(name, expected),
        Some(name) => said::answers_not_saying(name, expected, sample),
        None => said::not_expected(expected, sample),
    }
}

/// All greetings of a target.
pub fn greetings(tries: &[Greeting]) -> Said {
    each_once(tries.iter().map(greeting))
}

/// A key exchange in one sentence.
pub fn key_exchange(exchange: &KeyExchange) -> Said {
    match exchange {
        KeyExchange::Lists(lists) => match compare(lists) {
            Meeting::Common => said::clients_share_all(),
            Meeting::LegacyOnly(kind) => {
                said::only_legacy(kind.said(), some(lists_of(lists, kind)))
            }
            Meeting::NewestOnly(kind) => {
                said::only_newest(kind.said(), some(lists_of(lists, kind)))
            }
            Meeting::None(kind) => said::no_known(kind.said(), some(lists_of(lists, kind))),
            Meeting::HostKeyMissing => said::offers_no_host_key(),
        },
        KeyExchange::Hang { waited } => said::nothing_after_proposal(Figure::time(*waited)),
        KeyExchange::Unheard { waited } => said::proposal_unheard(Figure::time(*waited)),
        KeyExchange::Closed { reset: true } => said::reset_for_proposal(),
        KeyExchange::Closed { reset: false } => said::closed_for_proposal(),
        KeyExchange::Disconnected { reason, text } => said::disconnected(*reason, text),
        KeyExchange::Malformed => said::no_kex_packet(),
    }
}

fn lists_of(
    lists: &crate::probe::algorithms::KexInit,
    kind: crate::probe::algorithms::Kind,
) -> &[String] {
    use crate::probe::algorithms::Kind;
    match kind {
        Kind::KeyExchange => &lists.kex,
        Kind::HostKey => &lists.host_key,
        Kind::Cipher => &lists.cipher_to_server,
        Kind::Mac => &lists.mac_to_server,
    }
}

/// The first of the names; a hostile one is cut.
fn some(names: &[String]) -> List {
    let first = names.iter().take(6);
    List::names(first.map(|name| crate::domain::text::sanitise(name, 80)))
}

/// One negotiation in a few words.
pub fn negotiation(negotiation: &Negotiation) -> Said {
    match negotiation {
        Negotiation::Selected { security, after } => {
            let what = match security {
                RdpSecurity::Nla => said::nla(),
                RdpSecurity::Tls => said::tls_without_nla(),
                RdpSecurity::Rdstls => said::rdstls(),
                RdpSecurity::Aad => said::rdsaad(),
                RdpSecurity::Legacy => said::standard_rdp(),
            };
            said::selected(what, Figure::time(*after))
        }
        Negotiation::Failed { failure, after } => {
            said::failed_after(failure.name(), Figure::time(*after))
        }
        Negotiation::Closed { after } => said::closed_without_confirm(Figure::time(*after)),
        Negotiation::Reset { after } => said::reset_without_confirm(Figure::time(*after)),
        Negotiation::Silent { waited, bytes: 0 } => said::nothing_in(Figure::time(*waited)),
        Negotiation::Silent { waited, bytes } => {
            said::no_whole_confirm(Figure::time(*waited), *bytes)
        }
        Negotiation::WrongProtocol { sample, protocol } => other_protocol("RDP", *protocol, sample),
        Negotiation::Own(failure) => said::not_tried_for(failure.said()),
    }
}

/// All negotiations of a target.
pub fn negotiations(tries: &[Negotiation]) -> Said {
    each_once(tries.iter().map(negotiation))
}

/// What came of several tries, the same words once.
fn each_once(tries: impl Iterator<Item = Said>) -> Said {
    let parts = tally(tries).into_iter().map(|(what, count)| match count {
        1 => what,
        _ => said::times(what, count),
    });
    Said::all(Joint::Semicolons, parts)
}
