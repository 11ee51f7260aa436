//! What the last look at the login port says about one instance, in one word.
//!
//! Lives here: the fold from readings to a word and its rank in the problem-first list.
//! Must not live here: causes and probabilities (`diagnosis`).

use crate::domain::evidence::table::{Group, LoginWord, Protocol, layers};
use crate::domain::evidence::{Path, Reading, group};
use crate::domain::instance::Os;

/// Rank of an instance in the problem-first order; lower comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Login fails.
    Failing,
    /// Login works with trouble: slow, throttled, lossy.
    Impaired,
    /// Not running, so no login is expected.
    Off,
    /// Nobody has looked yet, or looking was not possible.
    Unknown,
    /// The login service answers as it should.
    Healthy,
}

impl Health {
    pub const ALL: [Self; Self::COUNT] = [
        Self::Failing,
        Self::Impaired,
        Self::Off,
        Self::Unknown,
        Self::Healthy,
    ];

    /// What a filter calls it; first the word of the header.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Failing => &["failing"],
            Self::Impaired => &["impaired"],
            Self::Off => &["off"],
            Self::Unknown => &["unknown"],
            Self::Healthy => &["answering", "ok", "healthy"],
        }
    }

    /// How many there are.
    pub const COUNT: usize = Self::Healthy as usize + 1;
}

/// Result of the last look at the login port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    pub health: Health,
    /// The word shown.
    pub word: LoginWord,
}

impl Login {
    /// What a word means for the order of the list.
    pub fn of(word: LoginWord) -> Self {
        let health = match word {
            LoginWord::Greets | LoginWord::Answers | LoginWord::LogsIn => Health::Healthy,
            LoginWord::Open => Health::Unknown,
            LoginWord::Slow | LoginWord::Flaky | LoginWord::Throttled | LoginWord::Legacy => {
                Health::Impaired
            }
            LoginWord::Refused
            | LoginWord::Silent
            | LoginWord::Prohibited
            | LoginWord::NoAnswer
            | LoginWord::Closed
            | LoginWord::Reset
            | LoginWord::NotLogin
            | LoginWord::Handshake => Health::Failing,
        };
        Self { health, word }
    }

    /// Folds the probe's readings. The public path decides where there is one, because that is
    /// where users come from; a private path that works does not make up for it, and one that
    /// does not is normal from outside the VPC.
    pub fn from_readings(readings: &[Reading], os: Os) -> Option<Self> {
        let login =
            on_path(readings, Path::Public, os).or_else(|| on_path(readings, Path::Private, os))?;
        // Only what was tried is promised, and a trouble that was seen is not taken back by it.
        let attempt = readings.iter().find(|r| r.id == group::LOGIN_ATTEMPT);
        let got_in = attempt.and_then(|r| r.seen()?.works()) == Some(true);
        Some(if got_in && login.health == Health::Healthy {
            Self::of(LoginWord::LogsIn)
        } else {
            login
        })
    }
}

/// The worst word of the layers of a login, the later one where two are as bad. A layer nobody
/// reached says nothing; an open port is a word only while nothing was said through it.
fn on_path(readings: &[Reading], path: Path, os: Os) -> Option<Login> {
    let word = |group: &Group| {
        let of_layer = |r: &&Reading| r.id == group.id && r.path == Some(path);
        let state = readings.iter().find(of_layer)?.seen()?;
        state.row()?.word.map(Login::of)
    };
    let spoken = |protocol: Protocol| -> Vec<Login> {
        let layers = layers(protocol).into_iter().skip(1);
        layers.filter_map(word).collect()
    };
    let (first, second) = match os {
        Os::Windows => (Protocol::Rdp, Protocol::Ssh),
        Os::Linux | Os::Unknown => (Protocol::Ssh, Protocol::Rdp),
    };
    let reach = word(layers(first).first()?)?;
    let mut conversation = spoken(first);
    if conversation.is_empty() {
        conversation = spoken(second);
    }
    let worse = |so_far: Login, next: Login| {
        if so_far.health == Health::Unknown || next.health <= so_far.health {
            next
        } else {
            so_far
        }
    };
    Some(conversation.into_iter().fold(reach, worse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Source, State, Status};
    use crate::domain::said::Said;

    fn reading(id: &str, path: Path, state: &str) -> Reading {
        Reading::observed(State::new(id, state), Source::Probe, Said::raw("")).on_path(path)
    }

    #[test]
    fn the_public_path_decides_where_there_is_one() {
        let mut readings = vec![
            reading("reach", Path::Private, "open"),
            reading("banner", Path::Private, "fast"),
        ];
        let login = Login::from_readings(&readings, Os::Linux).unwrap();
        assert_eq!(
            (login.health, login.word),
            (Health::Healthy, LoginWord::Greets)
        );
        readings.push(reading("reach", Path::Public, "all-silent"));
        let login = Login::from_readings(&readings, Os::Linux).unwrap();
        assert_eq!(
            (login.health, login.word),
            (Health::Failing, LoginWord::Silent)
        );
    }

    #[test]
    fn the_worst_layer_is_the_word() {
        let word = |states: &[(&str, &str)], os| {
            let on_path = |(id, state): &(&str, &str)| reading(id, Path::Public, state);
            let readings: Vec<Reading> = states.iter().map(on_path).collect();
            Login::from_readings(&readings, os).map(|login| login.word)
        };
        for (states, os, expected) in [
            (
                &[("reach", "open"), ("banner", "slow"), ("kex", "none")][..],
                Os::Linux,
                LoginWord::Handshake,
            ),
            (
                &[("reach", "open"), ("banner", "fast")],
                Os::Linux,
                LoginWord::Greets,
            ),
            (
                &[("reach", "open"), ("banner", "fast"), ("kex", "common")],
                Os::Linux,
                LoginWord::Answers,
            ),
            (
                &[("reach", "flaky"), ("banner", "fast"), ("kex", "common")],
                Os::Linux,
                LoginWord::Flaky,
            ),
            (
                &[
                    ("reach", "open"),
                    ("banner", "fast"),
                    ("kex", "legacy-only"),
                ],
                Os::Linux,
                LoginWord::Legacy,
            ),
            (
                &[
                    ("reach", "open"),
                    ("rdp-negotiation", "nla"),
                    ("rdp-tls", "hang"),
                ],
                Os::Windows,
                LoginWord::Handshake,
            ),
            (
                &[("reach", "open"), ("rdp-negotiation", "failure-5")],
                Os::Windows,
                LoginWord::Handshake,
            ),
            // In rescue mode a Windows instance speaks SSH.
            (
                &[("reach", "open"), ("banner", "fast"), ("kex", "common")],
                Os::Windows,
                LoginWord::Answers,
            ),
            (&[("reach", "open-login-only")], Os::Linux, LoginWord::Open),
            (
                &[("reach", "admin-prohibited")],
                Os::Linux,
                LoginWord::Prohibited,
            ),
        ] {
            assert_eq!(word(states, os), Some(expected), "{states:?}");
        }
    }

    #[test]
    fn only_a_real_attempt_promises_a_login_and_takes_no_trouble_back() {
        for (banner, expected) in [("fast", LoginWord::LogsIn), ("slow", LoginWord::Slow)] {
            let readings = [
                reading("reach", Path::Public, "open"),
                reading("banner", Path::Public, banner),
                reading("kex", Path::Public, "common"),
                reading("login-attempt", Path::Public, "accepted"),
            ];
            let login = Login::from_readings(&readings, Os::Linux).unwrap();
            assert_eq!(login.word, expected);
        }
    }

    #[test]
    fn what_was_not_permitted_is_no_result() {
        let reading =
            Reading::without_state("reach", Source::Probe, Status::NotPermitted, Said::raw(""))
                .on_path(Path::Public);
        assert_eq!(Login::from_readings(&[reading], Os::Linux), None);
    }

    #[test]
    fn an_open_port_that_says_nothing_is_a_failure() {
        let readings = [
            reading("reach", Path::Public, "open"),
            reading("banner", Path::Public, "silent"),
        ];
        let login = Login::from_readings(&readings, Os::Linux).unwrap();
        assert_eq!(
            (login.health, login.word),
            (Health::Failing, LoginWord::NoAnswer)
        );
    }
}
