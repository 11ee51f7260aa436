//! From the short look at a login port to the word of the list.
//!
//! Must not live here: the look itself (`probe`), the order of the list (`app::health`).

use crate::app::health::{Health, Login};
use crate::probe::{LoginCheck, LoginHealth};

/// The list's word; `None` where this machine could not look, which says nothing.
pub fn login(check: &LoginCheck) -> Option<Login> {
    let (health, word) = match check.health() {
        LoginHealth::Answers => (Health::Healthy, "ok"),
        LoginHealth::Slow => (Health::Impaired, "slow"),
        LoginHealth::Mute => (Health::Failing, "no-answer"),
        LoginHealth::TurnedAway => (Health::Failing, "closed"),
        LoginHealth::WrongAnswer => (Health::Failing, "not-login"),
        LoginHealth::Refused => (Health::Failing, "refused"),
        LoginHealth::Silent => (Health::Failing, "silent"),
        LoginHealth::Prohibited => (Health::Failing, "prohibited"),
        LoginHealth::Unknown => return None,
    };
    Some(Login { health, word })
}
