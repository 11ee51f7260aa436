//! Fusion of greetings, key exchanges and negotiations into `banner`, `kex`, `rdp-negotiation`.
//!
//! Lives here: the states of these groups and the limits between fast and slow. Must not live
//! here: parsing or sockets.

use std::time::Duration;

use crate::domain::evidence::State;
use crate::domain::evidence::state::{banner, kex, rdp_negotiation};
use crate::probe::algorithms::{Meeting, compare};
use crate::probe::outcome::{Greeting, KeyExchange, Negotiation, RdpFailure, RdpSecurity};

/// From this on an answer is slow.
pub const SLOW: Duration = Duration::from_secs(2);

/// States of `banner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Banner {
    Fast,
    Slow,
    Silent,
    Closed,
    Reset,
    ThrottleNotice,
    Mixed,
    WrongProtocol,
}

impl Banner {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Fast => banner::FAST,
            Self::Slow => banner::SLOW,
            Self::Silent => banner::SILENT,
            Self::Closed => banner::CLOSED,
            Self::Reset => banner::RESET,
            Self::ThrottleNotice => banner::THROTTLE_NOTICE,
            Self::Mixed => banner::MIXED,
            Self::WrongProtocol => banner::WRONG_PROTOCOL,
        }
    }

    /// True when being turned away may be about our own connections.
    pub fn turned_away(self) -> bool {
        matches!(self, Self::Closed | Self::Reset | Self::Mixed)
    }
}

/// One state from all tries; `None` when no try says anything about the target.
pub fn fuse_banner(tries: &[Greeting]) -> Option<Banner> {
    let (mut good, mut slow, mut silent, mut closed, mut reset, mut wrong) = (0, 0, 0, 0, 0, 0);
    let slowest = tries.iter().filter_map(Greeting::answered_after).max();
    for greeting in tries {
        match greeting {
            Greeting::Identified { after, .. } => {
                good += 1;
                slow += usize::from(*after >= SLOW);
            }
            Greeting::Throttled { .. } => return Some(Banner::ThrottleNotice),
            Greeting::Closed { .. } => closed += 1,
            Greeting::Reset { .. } => reset += 1,
            // A wait shorter than another try's for its answer tells nothing.
            Greeting::Silent { waited, .. } if slowest.is_some_and(|s| *waited < s) => {}
            Greeting::Silent { .. } => silent += 1,
            Greeting::WrongProtocol { .. } => wrong += 1,
            Greeting::Own(_) => {}
        }
    }
    if good + silent + closed + reset + wrong == 0 {
        return None;
    }
    Some(if good > 0 {
        if silent + closed + reset + wrong > 0 {
            Banner::Mixed
        } else if slow > 0 {
            // One that kept its client waiting so long is not fast, however the others fared.
            Banner::Slow
        } else {
            Banner::Fast
        }
    } else if wrong > 0 {
        Banner::WrongProtocol
    } else if silent > closed + reset {
        Banner::Silent
    } else if reset > closed {
        Banner::Reset
    } else {
        Banner::Closed
    })
}

/// States of `kex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kex {
    Common,
    LegacyOnly,
    None,
    HostKeyMissing,
    Hang,
    Closed,
}

impl Kex {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Common => kex::COMMON,
            Self::LegacyOnly => kex::LEGACY_ONLY,
            Self::None => kex::NONE,
            Self::HostKeyMissing => kex::HOST_KEY_MISSING,
            Self::Hang => kex::HANG,
            Self::Closed => kex::CLOSED,
        }
    }
}

/// The state of one exchange.
pub fn fuse_kex(exchange: &KeyExchange) -> Kex {
    match exchange {
        KeyExchange::Lists(lists) => match compare(lists) {
            Meeting::Common => Kex::Common,
            Meeting::LegacyOnly(_) => Kex::LegacyOnly,
            Meeting::NewestOnly(_) | Meeting::None(_) => Kex::None,
            Meeting::HostKeyMissing => Kex::HostKeyMissing,
        },
        KeyExchange::Hang { .. } | KeyExchange::Unheard { .. } => Kex::Hang,
        KeyExchange::Disconnected { text, .. } => {
            let text = text.to_ascii_lowercase();
            if text.contains("no hostkey") || text.contains("no host key") {
                Kex::HostKeyMissing
            } else if text.contains("no matching") {
                Kex::None
            } else {
                Kex::Closed
            }
        }
        // A stream that turns to garbage ends the exchange just as a close does.
        KeyExchange::Closed { .. } | KeyExchange::Malformed => Kex::Closed,
    }
}

/// States of `rdp-negotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdpState {
    Nla,
    Tls,
    Rdstls,
    Aad,
    Legacy,
    Slow,
    Mixed,
    Failure(RdpFailure),
    Closed,
    Reset,
    Silent,
    WrongProtocol,
}

impl RdpState {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Nla => rdp_negotiation::NLA,
            Self::Tls => rdp_negotiation::TLS,
            Self::Rdstls => rdp_negotiation::RDSTLS,
            Self::Aad => rdp_negotiation::AAD,
            Self::Legacy => rdp_negotiation::LEGACY,
            Self::Slow => rdp_negotiation::SLOW,
            Self::Mixed => rdp_negotiation::MIXED,
            Self::Failure(failure) => failure.state(),
            Self::Closed => rdp_negotiation::CLOSED,
            Self::Reset => rdp_negotiation::RESET,
            Self::Silent => rdp_negotiation::SILENT,
            Self::WrongProtocol => rdp_negotiation::WRONG_PROTOCOL,
        }
    }

    /// True when being turned away may be about our own connections.
    pub fn turned_away(self) -> bool {
        matches!(self, Self::Closed | Self::Reset | Self::Mixed)
    }
}

/// One state from all tries; `None` when no try says anything about the target.
pub fn fuse_negotiation(tries: &[Negotiation]) -> Option<RdpState> {
    let (mut slow, mut silent, mut closed, mut reset, mut wrong) = (0, 0, 0, 0, 0);
    let mut selected = None;
    let mut failed = None;
    let slowest = tries.iter().filter_map(Negotiation::answered_after).max();
    for negotiation in tries {
        match negotiation {
            Negotiation::Selected { security, after } => {
                slow += usize::from(*after >= SLOW);
                selected = Some(*security);
            }
            Negotiation::Failed { failure, .. } => failed = Some(*failure),
            Negotiation::Closed { .. } => closed += 1,
            Negotiation::Reset { .. } => reset += 1,
            // A wait shorter than another try's for its answer tells nothing.
            Negotiation::Silent { waited, .. } if slowest.is_some_and(|s| *waited < s) => {}
            Negotiation::Silent { .. } => silent += 1,
            Negotiation::WrongProtocol { .. } => wrong += 1,
            Negotiation::Own(_) => {}
        }
    }
    if let Some(failure) = failed {
        return Some(RdpState::Failure(failure));
    }
    let bad = silent + closed + reset + wrong;
    Some(match selected {
        Some(_) if bad > 0 => RdpState::Mixed,
        Some(_) if slow > 0 => RdpState::Slow,
        Some(RdpSecurity::Nla) => RdpState::Nla,
        Some(RdpSecurity::Tls) => RdpState::Tls,
        Some(RdpSecurity::Rdstls) => RdpState::Rdstls,
        Some(RdpSecurity::Aad) => RdpState::Aad,
        Some(RdpSecurity::Legacy) => RdpState::Legacy,
        None if bad == 0 => return None,
        None if wrong > 0 => RdpState::WrongProtocol,
        None if silent > closed + reset => RdpState::Silent,
        None if reset > closed => RdpState::Reset,
        None => RdpState::Closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::outcome::{OwnFailure, ThrottleNotice};

    const FAST: Duration = Duration::from_millis(40);

    fn hello(after: Duration) -> Greeting {
        Greeting::Identified {
            identification: "SSH-2.0-x".into(),
            after,
        }
    }

    fn closed() -> Greeting {
        Greeting::Closed {
            after: FAST,
            text: String::new(),
        }
    }

    #[test]
    fn every_state_of_banner() {
        let reset = Greeting::Reset { after: FAST };
        let silent = Greeting::Silent {
            waited: FAST,
            bytes: 0,
        };
        let wrong = Greeting::WrongProtocol {
            sample: "HTTP".into(),
            protocol: None,
        };
        let throttled = Greeting::Throttled {
            notice: ThrottleNotice::MaxStartups,
            text: String::new(),
        };
        let own = Greeting::Own(OwnFailure::Resources);
        for (tries, want) in [
            (vec![hello(FAST), hello(FAST)], Some(Banner::Fast)),
            (vec![hello(SLOW), hello(SLOW * 3)], Some(Banner::Slow)),
            (
                vec![hello(SLOW), hello(FAST), hello(FAST)],
                Some(Banner::Slow),
            ),
            (vec![silent.clone(), silent.clone()], Some(Banner::Silent)),
            (vec![closed(), closed()], Some(Banner::Closed)),
            (vec![reset.clone(), reset.clone()], Some(Banner::Reset)),
            (vec![closed(), reset.clone(), reset], Some(Banner::Reset)),
            (vec![hello(FAST), throttled], Some(Banner::ThrottleNotice)),
            (vec![hello(FAST), closed()], Some(Banner::Mixed)),
            (vec![hello(FAST), silent.clone()], Some(Banner::Mixed)),
            (vec![hello(SLOW), silent], Some(Banner::Slow)),
            (vec![wrong], Some(Banner::WrongProtocol)),
            (vec![own.clone(), hello(FAST)], Some(Banner::Fast)),
            (vec![own], None),
            (vec![], None),
        ] {
            assert_eq!(fuse_banner(&tries), want, "{tries:?}");
        }
    }

    #[test]
    fn every_state_of_kex_that_is_not_lists() {
        let said = |text: &str| KeyExchange::Disconnected {
            reason: 3,
            text: text.into(),
        };
        for (exchange, want) in [
            (KeyExchange::Hang { waited: FAST }, Kex::Hang),
            (KeyExchange::Unheard { waited: FAST }, Kex::Hang),
            (KeyExchange::Closed { reset: true }, Kex::Closed),
            (KeyExchange::Malformed, Kex::Closed),
            (said("no matching cipher found"), Kex::None),
            (said("no hostkey alg"), Kex::HostKeyMissing),
            (said("bye"), Kex::Closed),
            (KeyExchange::Lists(Box::default()), Kex::HostKeyMissing),
        ] {
            assert_eq!(fuse_kex(&exchange), want, "{exchange:?}");
        }
    }

    #[test]
    fn every_state_of_negotiation() {
        let selected = |security, after| Negotiation::Selected { security, after };
        let nla = selected(RdpSecurity::Nla, FAST);
        let closed = Negotiation::Closed { after: FAST };
        let silent = Negotiation::Silent {
            waited: FAST,
            bytes: 0,
        };
        for (tries, want) in [
            (vec![nla.clone(); 3], Some(RdpState::Nla)),
            (vec![selected(RdpSecurity::Tls, FAST)], Some(RdpState::Tls)),
            (
                vec![selected(RdpSecurity::Rdstls, FAST)],
                Some(RdpState::Rdstls),
            ),
            (
                vec![selected(RdpSecurity::Legacy, FAST)],
                Some(RdpState::Legacy),
            ),
            (vec![selected(RdpSecurity::Nla, SLOW)], Some(RdpState::Slow)),
            (vec![nla.clone(), closed.clone()], Some(RdpState::Mixed)),
            (vec![closed.clone(); 2], Some(RdpState::Closed)),
            (
                vec![Negotiation::Reset { after: FAST }],
                Some(RdpState::Reset),
            ),
            (vec![silent.clone(), silent], Some(RdpState::Silent)),
            (
                vec![
                    Negotiation::WrongProtocol {
                        sample: "x".into(),
                        protocol: None,
                    },
                    closed,
                ],
                Some(RdpState::WrongProtocol),
            ),
            (vec![Negotiation::Own(OwnFailure::NoRoute)], None),
        ] {
            assert_eq!(fuse_negotiation(&tries), want, "{tries:?}");
        }
        for code in 1..=6 {
            let failure = RdpFailure::from_code(code).unwrap();
            let tries = [Negotiation::Failed {
                failure,
                after: FAST,
            }];
            assert_eq!(
                fuse_negotiation(&tries).map(|state| state.state().id),
                Some(format!("failure-{code}").as_str())
            );
        }
    }
}
