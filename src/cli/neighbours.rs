//! `diagnose --from-neighbours`: other instances look at the login port. Without names it only says
//! which could; an operator agrees by naming them.
//!
//! Must not live here: choosing and asking (`runtime::neighbours`).

use super::{again, output, said};
use crate::config::Loaded;
use crate::domain::evidence::place;
use crate::domain::instance::Instance;
use crate::runtime::neighbours::{ask, choose};
use crate::runtime::session::Session;
use crate::runtime::triage::Triage;

/// What the command line says of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who was named; empty to be told who could look.
    pub named: &'a [String],
    /// The instance as it was typed, and the options of this run that hold for the next.
    pub target: &'a str,
    pub told: &'a [String],
}

impl Asked<'_> {
    /// The command of this run with one option more.
    pub fn again(&self, option: &str) -> String {
        let told = self.told.iter().map(String::as_str);
        let words = ["diagnose", self.target].into_iter().chain(told);
        let words = again::command(words.chain([option]));
        let words = words.iter().map(|word| again::quoted(word));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Adds what they saw to a triage, or says whom to name.
pub async fn join(
    session: &Session,
    loaded: &Loaded,
    instance: &Instance,
    triage: &mut Triage,
    asked: Asked<'_>,
) {
    let named = asked.named;
    let facts = triage.facts.as_ref();
    let now = facts.and_then(|facts| facts.instance.as_ref());
    let now = now.unwrap_or(instance).clone();
    let choice = match choose(session, &now, facts, named, &[]).await {
        Ok(choice) => choice,
        Err(why) => return output::warn(&said::neighbours_not(why)),
    };
    for why in &choice.left_out {
        output::warn(&said::neighbours_not(why));
    }
    if choice.neighbours.is_empty() {
        return;
    }
    if named.is_empty() {
        let ids = choice.neighbours.iter().map(|it| it.instance.id.as_str());
        let option = format!("--from-neighbours={}", ids.collect::<Vec<_>>().join(","));
        let command = asked.again(&option);
        output::warn(&said::neighbours_could(
            choice.who(),
            choice.price(),
            command,
        ));
        return;
    }
    output::warn(&said::neighbours_asked(choice.who(), choice.price()));
    let journal = super::acting::journal(loaded);
    let seen = ask(session, &journal, &now, facts, &choice.neighbours).await;
    for reading in seen {
        place(&mut triage.readings, reading);
    }
}
