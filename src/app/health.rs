//! What the last look at the login port says about one instance, in one word.
//!
//! Lives here: the fold from readings to a word and its rank in the problem-first list.
//! Must not live here: causes and probabilities (`diagnosis`).

use crate::domain::evidence::{Path, Reading, Status};
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
    /// How many there are.
    pub const COUNT: usize = Self::Healthy as usize + 1;
}

/// Result of the last look at the login port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub health: Health,
    /// Key of the word shown (`login.<word>` in the catalogue), for example `silent`.
    pub word: &'static str,
}

impl Login {
    const fn new(health: Health, word: &'static str) -> Self {
        Self { health, word }
    }

    /// Folds the probe's readings. The public path decides where there is one, because that is
    /// where users come from; a private path that works does not make up for it, and one that
    /// does not is normal from outside the VPC.
    pub fn from_readings(readings: &[Reading], os: Os) -> Option<Self> {
        on_path(readings, Path::Public, os).or_else(|| on_path(readings, Path::Private, os))
    }
}

fn state_of<'a>(readings: &'a [Reading], id: &str, path: Path) -> Option<&'a str> {
    readings
        .iter()
        .find(|r| r.id == id && r.path == Some(path) && r.status == Status::Observed)
        .and_then(|r| r.state.as_deref())
}

fn on_path(readings: &[Reading], path: Path, os: Os) -> Option<Login> {
    use Health::{Failing, Healthy, Impaired};
    let reach = state_of(readings, "reach", path)?;
    let blocked = match reach {
        "open" | "open-login-only" | "flaky" => None,
        "refused" => Some("refused"),
        "admin-prohibited" => Some("prohibited"),
        _ => Some("silent"),
    };
    if let Some(word) = blocked {
        return Some(Login::new(Failing, word));
    }
    let ssh = state_of(readings, "banner", path);
    let rdp = state_of(readings, "rdp-negotiation", path);
    let spoken = if os == Os::Windows {
        rdp.or(ssh)
    } else {
        ssh.or(rdp)
    };
    let kex = state_of(readings, "kex", path);
    Some(match (spoken, kex) {
        (_, Some("none" | "host-key-missing" | "hang" | "closed")) => {
            Login::new(Failing, "handshake")
        }
        (_, Some("legacy-only")) => Login::new(Impaired, "legacy"),
        (Some("fast" | "nla" | "tls" | "legacy"), _) if reach == "flaky" => {
            Login::new(Impaired, "flaky")
        }
        (Some("fast" | "nla" | "tls" | "legacy"), _) => Login::new(Healthy, "ok"),
        (Some("slow"), _) => Login::new(Impaired, "slow"),
        (Some("mixed" | "throttle-notice"), _) => Login::new(Impaired, "throttled"),
        (Some("silent"), _) => Login::new(Failing, "no-answer"),
        (Some("closed"), _) => Login::new(Failing, "closed"),
        (Some("reset"), _) => Login::new(Failing, "reset"),
        (Some("wrong-protocol"), _) => Login::new(Failing, "not-login"),
        (Some(_), _) => Login::new(Failing, "handshake"),
        (None, _) => Login::new(Health::Unknown, "open"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::Source;
    use crate::domain::said::Said;

    fn reading(id: &str, path: Path, state: &str) -> Reading {
        Reading::observed(id, Source::Probe, state, Said::raw("")).on_path(path)
    }

    #[test]
    fn the_public_path_decides_where_there_is_one() {
        let mut readings = vec![
            reading("reach", Path::Private, "open"),
            reading("banner", Path::Private, "fast"),
        ];
        let login = Login::from_readings(&readings, Os::Linux).unwrap();
        assert_eq!((login.health, login.word), (Health::Healthy, "ok"));
        readings.push(reading("reach", Path::Public, "all-silent"));
        let login = Login::from_readings(&readings, Os::Linux).unwrap();
        assert_eq!((login.health, login.word), (Health::Failing, "silent"));
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
        assert_eq!((login.health, login.word), (Health::Failing, "no-answer"));
    }
}
