//! From the short look at a login port to the word of the list.
//!
//! Must not live here: the look itself (`probe`), the order of the list (`app::health`).

use crate::app::health::Login;
use crate::domain::evidence::table::LoginWord;
use crate::probe::{LoginCheck, LoginHealth};

/// The list's word; `None` where this machine could not look, which says nothing.
pub fn login(check: &LoginCheck) -> Option<Login> {
    let word = match check.health() {
        LoginHealth::Answers => LoginWord::Ok,
        LoginHealth::Slow => LoginWord::Slow,
        LoginHealth::Mute => LoginWord::NoAnswer,
        LoginHealth::TurnedAway => LoginWord::Closed,
        LoginHealth::WrongAnswer => LoginWord::NotLogin,
        LoginHealth::Refused => LoginWord::Refused,
        LoginHealth::Silent => LoginWord::Silent,
        LoginHealth::Prohibited => LoginWord::Prohibited,
        LoginHealth::Unknown => return None,
    };
    Some(Login::of(word))
}
