//! Sentences about outcomes, for the `detail` of a reading.
//!
//! Lives here: wording with addresses, ports, tries and times. Must not live here: decisions; what
//! a server said arrives here already made safe for display.

use std::time::Duration;

use super::reach::{Reach, ReachFacts, ReachUnknown};
use crate::probe::algorithms::{Meeting, compare};
use crate::probe::outcome::{
    Connect, Echo, Greeting, KeyExchange, Negotiation, RdpSecurity, ThrottleNotice, Tls,
};

/// A duration as an operator reads it.
pub fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// One connection attempt in a few words.
pub fn connect(outcome: &Connect) -> String {
    match outcome {
        Connect::Open(t) => format!("open in {}", time(*t)),
        Connect::Refused(t) => format!("refused in {}", time(*t)),
        Connect::Silent(t) => format!("silent for {}", time(*t)),
        Connect::Prohibited(t) => format!("ICMP unreachable or prohibited in {}", time(*t)),
        Connect::Own(failure) => format!("not tried: {failure}"),
    }
}

/// Equal outcomes counted, in order of first appearance.
fn tally(outcomes: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<(String, usize)> = Vec::new();
    for outcome in outcomes {
        match seen.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => seen.push((outcome, 1)),
        }
    }
    let parts: Vec<String> = seen
        .into_iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    parts.join(", ")
}

fn kind(outcome: &Connect) -> String {
    match outcome {
        Connect::Open(_) if outcome.took_a_retransmission() => "open only after a lost packet",
        Connect::Open(_) => "open",
        Connect::Refused(_) => "refused",
        Connect::Silent(_) => "silent",
        Connect::Prohibited(_) => "prohibited",
        Connect::Own(_) => "not tried",
    }
    .to_owned()
}

/// The reason for `reach`, without the address.
pub fn reach(facts: &ReachFacts, state: Result<Reach, ReachUnknown>) -> String {
    let mut text = match facts.login.iter().find_map(|o| o.rtt()) {
        Some(rtt) => format!(
            "{} tries: {} (first answer in {})",
            facts.login.len(),
            tally(facts.login.iter().map(kind)),
            time(rtt)
        ),
        None => format!(
            "{} tries: {}",
            facts.login.len(),
            tally(facts.login.iter().map(kind))
        ),
    };
    if !facts.neighbours.is_empty() {
        text.push_str("; other ports");
        let parts: Vec<String> = facts
            .neighbours
            .iter()
            .map(|(port, outcome)| format!(" {port} {}", kind(outcome)))
            .collect();
        text.push_str(&parts.join(","));
    }
    text.push_str("; ");
    text.push_str(&echo(&facts.echo));
    if facts.loopback {
        text.push_str(
            "; loopback address: resets of other ports and ping answers are this machine's own and say nothing",
        );
    } else if matches!(state, Ok(Reach::AllSilent)) && !facts.echo.was_sent() {
        text.push_str("; without ping a host that only answers ICMP looks the same");
    }
    match state {
        Err(ReachUnknown::Own(failure)) => text = failure.to_string(),
        Err(ReachUnknown::NoAttempt) => "no attempt was made".clone_into(&mut text),
        Err(ReachUnknown::ControlsSilent) => {
            text.push_str("; nor does anything that should answer on this path, so the fault may be on this side: ");
            text.push_str(&controls(facts));
        }
        Ok(state)
            if state.rests_on_silence() && state != Reach::SilentHostAlive && !facts.loopback =>
        {
            if facts.controls.is_empty() {
                text.push_str("; no control target was known on this path");
            } else {
                text.push_str("; control on this path: ");
                text.push_str(&controls(facts));
            }
        }
        Ok(_) => {}
    }
    text
}

fn controls(facts: &ReachFacts) -> String {
    let parts: Vec<String> = facts
        .controls
        .iter()
        .map(|(address, answered)| {
            format!("{address} {}", if *answered { "answers" } else { "silent" })
        })
        .collect();
    parts.join(", ")
}

/// A series of pings in a few words.
pub fn echo(echo: &Echo) -> String {
    match echo {
        Echo::Replies { sent, rtts } => {
            let best = rtts.iter().min().copied().unwrap_or_default();
            format!("ping {}/{sent} answered, best {}", rtts.len(), time(best))
        }
        Echo::Silent { sent } => format!("ping 0/{sent} answered"),
        Echo::NotPermitted => format!(
            "ping not permitted for this user ({})",
            crate::probe::icmp::NEEDS
        ),
        Echo::Own(failure) => format!("ping not sent: {failure}"),
    }
}

/// One greeting in a few words.
pub fn greeting(greeting: &Greeting) -> String {
    match greeting {
        Greeting::Identified {
            identification,
            after,
        } => format!("\"{identification}\" after {}", time(*after)),
        Greeting::Throttled { notice, text } => {
            let who = match notice {
                ThrottleNotice::MaxStartups => "too many unfinished logins at once",
                ThrottleNotice::SourcePenalty => "a penalty for this source",
                ThrottleNotice::Other => "a connection limit",
            };
            format!("turned away for {who}: \"{text}\"")
        }
        Greeting::Closed { after, text } if text.is_empty() => {
            format!("closed after {} without a word", time(*after))
        }
        Greeting::Closed { after, text } => format!("closed after {}: \"{text}\"", time(*after)),
        Greeting::Reset { after } => format!("reset after {}", time(*after)),
        Greeting::Silent { waited, bytes: 0 } => format!("nothing in {}", time(*waited)),
        Greeting::Silent { waited, bytes } => {
            format!("no identification in {}, only {bytes} bytes", time(*waited))
        }
        Greeting::WrongProtocol { sample } => format!("not SSH: \"{sample}\""),
        Greeting::Own(failure) => format!("not tried: {failure}"),
    }
}

/// All greetings of a target.
pub fn greetings(tries: &[Greeting]) -> String {
    each_once(tries.iter().map(greeting))
}

/// A key exchange in one sentence.
pub fn key_exchange(exchange: &KeyExchange) -> String {
    match exchange {
        KeyExchange::Lists(lists) => match compare(lists) {
            Meeting::Common => "current clients share an algorithm of every kind".to_owned(),
            Meeting::LegacyOnly(kind) => format!(
                "only {} algorithms that current clients switch off: {}",
                kind.as_str(),
                some(lists_of(lists, kind))
            ),
            Meeting::None(kind) => format!(
                "no {} algorithm that any client knows: {}",
                kind.as_str(),
                some(lists_of(lists, kind))
            ),
            Meeting::HostKeyMissing => "the server offers no host key".to_owned(),
        },
        KeyExchange::Hang { waited } => format!("nothing in {} after our proposal", time(*waited)),
        KeyExchange::Closed { reset } => format!(
            "the server {} the connection in place of a proposal",
            if *reset { "reset" } else { "closed" }
        ),
        KeyExchange::Disconnected { reason, text } => {
            format!("the server disconnected with reason {reason}: \"{text}\"")
        }
        KeyExchange::Malformed => {
            "the server sent bytes that are no key-exchange packet".to_owned()
        }
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

fn some(names: &[String]) -> String {
    let text = names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
    crate::domain::text::sanitise(&text, 160)
}

/// One negotiation in a few words.
pub fn negotiation(negotiation: &Negotiation) -> String {
    match negotiation {
        Negotiation::Selected { security, after } => {
            let what = match security {
                RdpSecurity::Nla => "network level authentication (CredSSP)",
                RdpSecurity::Tls => "TLS without network level authentication",
                RdpSecurity::Legacy => "standard RDP security",
            };
            format!("{what} selected after {}", time(*after))
        }
        Negotiation::Failed { failure, after } => {
            format!("{} after {}", failure.name(), time(*after))
        }
        Negotiation::Closed { after } => format!("closed after {} without a confirm", time(*after)),
        Negotiation::Reset { after } => format!("reset after {} without a confirm", time(*after)),
        Negotiation::Silent { waited, bytes: 0 } => format!("nothing in {}", time(*waited)),
        Negotiation::Silent { waited, bytes } => {
            format!("no whole confirm in {}, only {bytes} bytes", time(*waited))
        }
        Negotiation::WrongProtocol { sample } => format!("not RDP: \"{sample}\""),
        Negotiation::Own(failure) => format!("not tried: {failure}"),
    }
}

/// All negotiations of a target.
pub fn negotiations(tries: &[Negotiation]) -> String {
    each_once(tries.iter().map(negotiation))
}

/// What came of several tries, the same words once.
fn each_once(tries: impl Iterator<Item = String>) -> String {
    let mut found: Vec<(String, usize)> = Vec::new();
    for what in tries {
        match found.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => found.push((what, 1)),
        }
    }
    let parts = found.into_iter().map(|(what, count)| match count {
        1 => what,
        _ => format!("{what}, {count} times"),
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// A TLS handshake in one sentence.
pub fn tls(tls: &Tls) -> String {
    match tls {
        Tls::Certificate(certificate) => {
            let day = |seconds: i64| {
                jiff::Timestamp::from_second(seconds).map_or_else(
                    |_| "an unreadable date".to_owned(),
                    |t| t.strftime("%Y-%m-%d").to_string(),
                )
            };
            format!(
                "certificate of \"{}\", valid from {} to {}",
                certificate.subject,
                day(certificate.not_before),
                day(certificate.not_after)
            )
        }
        Tls::Unreadable => "the TLS handshake showed no certificate that can be read".to_owned(),
        Tls::Failed(reason) => format!("the TLS handshake failed: {reason}"),
        Tls::Hang(waited) => format!("the TLS handshake did not end in {}", time(*waited)),
    }
}
