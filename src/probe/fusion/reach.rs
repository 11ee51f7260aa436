//! Fusion of connection attempts, neighbours and pings into `reach`.
//!
//! Lives here: the states of `reach` and the rule for loopback, where our own kernel answers for
//! every port. Must not live here: how attempts are made.

use std::net::SocketAddr;
use std::time::Duration;

use crate::domain::evidence::State;
use crate::domain::evidence::state::reach;
use crate::domain::said::Word;
use crate::probe::outcome::{Connect, Echo, OwnFailure, RETRANSMITTED};

/// Ports that a security isolation leaves open; their answers do not contradict it.
pub const LOGIN_PORTS: [u16; 3] = [22, 3389, 36000];

/// States of `reach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Open,
    OpenLoginOnly,
    Refused,
    SilentHostAlive,
    SilentIcmpOnly,
    AllSilent,
    AdminProhibited,
    Flaky,
}

impl Reach {
    /// The word of the vocabulary, to be looked up.
    pub fn word(self) -> Word {
        Word::of(self.state())
    }

    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Open => reach::OPEN,
            Self::OpenLoginOnly => reach::OPEN_LOGIN_ONLY,
            Self::Refused => reach::REFUSED,
            Self::SilentHostAlive => reach::SILENT_HOST_ALIVE,
            Self::SilentIcmpOnly => reach::SILENT_ICMP_ONLY,
            Self::AllSilent => reach::ALL_SILENT,
            Self::AdminProhibited => reach::ADMIN_PROHIBITED,
            Self::Flaky => reach::FLAKY,
        }
    }

    /// True where a conversation on the login port can be attempted.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenLoginOnly | Self::Flaky)
    }

    /// True for the states that rest on hearing nothing, which need a control target.
    pub fn rests_on_silence(self) -> bool {
        matches!(
            self,
            Self::SilentHostAlive | Self::SilentIcmpOnly | Self::AllSilent
        )
    }
}

/// Why nothing can be said about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReachUnknown {
    /// No attempt left this machine.
    Own(OwnFailure),
    /// Everything is silent, and so are all control targets on this path.
    ControlsSilent,
    /// There was no attempt.
    NoAttempt,
}

/// Everything that was observed on one path.
#[derive(Debug, Clone)]
pub struct ReachFacts {
    pub loopback: bool,
    pub login: Vec<Connect>,
    pub neighbours: Vec<(u16, Connect)>,
    pub echo: Echo,
    /// Control targets on this path and whether each answered. Empty: none known.
    pub controls: Vec<(SocketAddr, bool)>,
}

impl ReachFacts {
    /// A sign of life from a neighbour port. On loopback our own kernel sends the resets.
    fn neighbour_alive(&self) -> bool {
        self.neighbours.iter().any(|(_, outcome)| match outcome {
            Connect::Open(_) => true,
            Connect::Refused(_) => !self.loopback,
            _ => false,
        })
    }

    fn echo_alive(&self) -> bool {
        !self.loopback && self.echo.answered()
    }

    /// Every port that an isolation would cut is dead, at least one such port was tried, and so is ICMP.
    fn all_but_login_dead(&self) -> bool {
        let mut tried = 0;
        for (port, outcome) in &self.neighbours {
            match outcome {
                Connect::Silent(_) => tried += usize::from(!LOGIN_PORTS.contains(port)),
                Connect::Refused(_) if self.loopback => {}
                Connect::Own(_) => {}
                _ if LOGIN_PORTS.contains(port) => {}
                _ => return false,
            }
        }
        let echo_dead = self.loopback || matches!(self.echo, Echo::Silent { .. });
        tried > 0 && echo_dead
    }
}

impl ReachFacts {
    /// True when a try was answered only after its first packet was lost. Where nothing on the path
    /// answers any faster, the path may just be that long.
    pub fn lost_a_packet(&self) -> bool {
        let quick = |rtt: Duration| rtt < RETRANSMITTED / 2;
        let echo = match &self.echo {
            Echo::Replies { rtts, .. } => rtts.iter().min().copied(),
            _ => None,
        };
        let others = self
            .login
            .iter()
            .chain(self.neighbours.iter().map(|(_, c)| c));
        let fastest = others.filter_map(|c| c.rtt()).chain(echo).min();
        let late = |c: &Connect| c.took_a_retransmission();
        // Each retransmission waits twice as long as the one before: an answer right after one of
        // them came to it.
        self.login.iter().any(late)
            && (fastest.is_some_and(quick) || fastest.is_some_and(just_after_a_retransmission))
    }
}

/// True for a time that is hardly longer than the first wait for an answer.
fn just_after_a_retransmission(rtt: Duration) -> bool {
    rtt >= RETRANSMITTED && rtt < RETRANSMITTED + RETRANSMITTED / 2
}

/// One state for one path.
///
/// # Errors
/// [`ReachUnknown`] when the fault may be on our own side.
pub fn fuse_reach(facts: &ReachFacts) -> Result<Reach, ReachUnknown> {
    let (mut open, mut refused, mut silent, mut prohibited) = (0, 0, 0, 0);
    let mut own = None;
    for outcome in &facts.login {
        match outcome {
            Connect::Open(_) => open += 1,
            Connect::Refused(_) => refused += 1,
            Connect::Silent(_) => silent += 1,
            Connect::Prohibited(_) => prohibited += 1,
            Connect::Own(failure) => own = Some(*failure),
        }
    }
    if open + refused + silent + prohibited == 0 {
        return Err(own.map_or(ReachUnknown::NoAttempt, ReachUnknown::Own));
    }
    Ok(if open > 0 {
        if refused + silent + prohibited > 0 || facts.lost_a_packet() {
            Reach::Flaky
        } else if facts.all_but_login_dead() {
            Reach::OpenLoginOnly
        } else {
            Reach::Open
        }
    } else if refused > 0 {
        // One reset proves the way; resets and ICMP errors are rate-limited, so silence beside them
        // says little.
        Reach::Refused
    } else if prohibited > 0 {
        Reach::AdminProhibited
    } else if facts.neighbour_alive() {
        Reach::SilentHostAlive
    } else if !facts.controls.is_empty()
        && facts.controls.iter().all(|(_, answered)| !answered)
        && !facts.echo_alive()
    {
        return Err(ReachUnknown::ControlsSilent);
    } else if facts.echo_alive() {
        Reach::SilentIcmpOnly
    } else {
        Reach::AllSilent
    })
}

/// States of `peers-subnet` and `peers-group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    Reachable,
    Failing,
}

impl Peers {
    /// The state of the vocabulary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Failing => "failing",
        }
    }
}

/// Reachable when any peer sends anything back; `None` when no attempt left this machine.
pub fn fuse_peers(outcomes: &[Connect]) -> Option<Peers> {
    if outcomes.iter().any(|c| c.rtt().is_some()) {
        Some(Peers::Reachable)
    } else if outcomes.iter().any(|c| !matches!(c, Connect::Own(_))) {
        Some(Peers::Failing)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const T: Duration = Duration::from_millis(3);
    const OPEN: Connect = Connect::Open(T);
    const REFUSED: Connect = Connect::Refused(T);
    const SILENT: Connect = Connect::Silent(T);
    const PROHIBITED: Connect = Connect::Prohibited(T);
    const OWN: Connect = Connect::Own(OwnFailure::Resources);

    fn facts(login: &[Connect], neighbours: &[Connect], echo: Echo) -> ReachFacts {
        ReachFacts {
            loopback: false,
            login: login.to_vec(),
            neighbours: neighbours.iter().map(|n| (80, *n)).collect(),
            echo,
            controls: vec![],
        }
    }

    fn silent_echo() -> Echo {
        Echo::Silent { sent: 3 }
    }

    fn replies() -> Echo {
        Echo::Replies {
            sent: 3,
            rtts: vec![T],
        }
    }

    type Row = (Vec<Connect>, Vec<Connect>, Echo, Reach);

    fn check(rows: &[Row]) {
        for (login, neighbours, echo, want) in rows {
            let facts = facts(login, neighbours, echo.clone());
            assert_eq!(fuse_reach(&facts), Ok(*want), "{facts:?}");
        }
    }

    #[test]
    fn every_state_in_which_the_port_answers() {
        check(&[
            (vec![OPEN; 3], vec![REFUSED], silent_echo(), Reach::Open),
            (vec![OPEN; 3], vec![SILENT; 4], replies(), Reach::Open),
            (
                vec![OPEN; 3],
                vec![SILENT; 4],
                silent_echo(),
                Reach::OpenLoginOnly,
            ),
            (
                vec![OPEN; 3],
                vec![SILENT; 4],
                Echo::NotPermitted,
                Reach::Open,
            ),
            (vec![OPEN; 3], vec![], silent_echo(), Reach::Open),
            (
                vec![OPEN, SILENT, OPEN],
                vec![],
                silent_echo(),
                Reach::Flaky,
            ),
            (
                vec![OPEN, Connect::Open(RETRANSMITTED), OPEN],
                vec![REFUSED],
                silent_echo(),
                Reach::Flaky,
            ),
            (
                vec![Connect::Open(RETRANSMITTED); 3],
                vec![REFUSED],
                silent_echo(),
                Reach::Flaky,
            ),
            (
                vec![Connect::Open(RETRANSMITTED * 11 / 10); 3],
                vec![SILENT],
                Echo::NotPermitted,
                Reach::Flaky,
            ),
            (
                vec![Connect::Open(RETRANSMITTED * 2); 3],
                vec![Connect::Refused(RETRANSMITTED * 2)],
                Echo::NotPermitted,
                Reach::Open,
            ),
            (
                vec![OPEN, REFUSED, OPEN],
                vec![],
                silent_echo(),
                Reach::Flaky,
            ),
            (vec![OWN, OPEN, OPEN], vec![], silent_echo(), Reach::Open),
        ]);
    }

    #[test]
    fn every_state_in_which_it_does_not() {
        check(&[
            (
                vec![REFUSED; 3],
                vec![SILENT],
                silent_echo(),
                Reach::Refused,
            ),
            (
                vec![SILENT, REFUSED, SILENT],
                vec![],
                silent_echo(),
                Reach::Refused,
            ),
            (
                vec![SILENT; 3],
                vec![REFUSED],
                silent_echo(),
                Reach::SilentHostAlive,
            ),
            (
                vec![SILENT; 3],
                vec![OPEN],
                silent_echo(),
                Reach::SilentHostAlive,
            ),
            (
                vec![SILENT; 3],
                vec![SILENT],
                replies(),
                Reach::SilentIcmpOnly,
            ),
            (
                vec![SILENT; 3],
                vec![SILENT],
                silent_echo(),
                Reach::AllSilent,
            ),
            (
                vec![SILENT; 3],
                vec![SILENT],
                Echo::NotPermitted,
                Reach::AllSilent,
            ),
            (
                vec![PROHIBITED; 3],
                vec![SILENT],
                silent_echo(),
                Reach::AdminProhibited,
            ),
            (
                vec![PROHIBITED, SILENT],
                vec![],
                silent_echo(),
                Reach::AdminProhibited,
            ),
        ]);
    }

    #[test]
    fn our_own_failure_is_never_silence() {
        assert_eq!(
            fuse_reach(&facts(&[OWN; 3], &[SILENT], silent_echo())),
            Err(ReachUnknown::Own(OwnFailure::Resources))
        );
        let mut dead = facts(&[SILENT; 3], &[SILENT], silent_echo());
        dead.controls = vec![(([192, 0, 2, 9], 443).into(), false)];
        assert_eq!(fuse_reach(&dead), Err(ReachUnknown::ControlsSilent));
        dead.controls.push((([192, 0, 2, 8], 443).into(), true));
        assert_eq!(fuse_reach(&dead), Ok(Reach::AllSilent));
    }

    #[test]
    fn on_loopback_only_syn_ack_and_silence_count() {
        for (login, neighbours, want) in [
            (vec![SILENT; 3], vec![REFUSED; 4], Reach::AllSilent),
            (vec![SILENT; 3], vec![OPEN], Reach::SilentHostAlive),
            (vec![OPEN; 3], vec![REFUSED; 4], Reach::Open),
            (vec![OPEN; 3], vec![SILENT; 4], Reach::OpenLoginOnly),
            (vec![OPEN; 3], vec![SILENT, OPEN], Reach::Open),
        ] {
            let mut facts = facts(&login, &neighbours, replies());
            facts.loopback = true;
            assert_eq!(fuse_reach(&facts), Ok(want), "{facts:?}");
        }
    }

    #[test]
    fn every_state_of_peers() {
        assert_eq!(fuse_peers(&[SILENT, REFUSED]), Some(Peers::Reachable));
        assert_eq!(fuse_peers(&[SILENT, PROHIBITED, OWN]), Some(Peers::Failing));
        assert_eq!(fuse_peers(&[OWN]), None);
        assert_eq!(fuse_peers(&[]), None);
    }

    #[test]
    fn an_isolation_may_leave_other_login_ports() {
        let mut facts = facts(&[OPEN; 3], &[SILENT; 3], silent_echo());
        facts.neighbours.push((3389, REFUSED));
        assert_eq!(fuse_reach(&facts), Ok(Reach::OpenLoginOnly));
    }
}
