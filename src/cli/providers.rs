//! `diagnose --from-providers`: nodes of the provider's test service look at the login port. Without
//! codes it only says which could and what that costs; an operator agrees by naming their codes.
//!
//! Must not live here: choosing and asking (`runtime::providers`).

use tokio::signal::unix::{SignalKind, signal};

use super::neighbours::Asked;
use super::{acting, output, said};
use crate::config::Loaded;
use crate::domain::evidence::place;
use crate::domain::instance::Instance;
use crate::runtime::providers::{ask, choose};
use crate::runtime::session::Session;
use crate::runtime::triage::Triage;

/// Adds what they saw to a triage, or says whom to name.
pub async fn join(
    session: &Session,
    loaded: &Loaded,
    instance: &Instance,
    triage: &mut Triage,
    asked: Asked<'_>,
    near: Option<&str>,
) {
    let codes = asked.named;
    let facts = triage.facts.as_ref();
    let now = facts.and_then(|facts| facts.instance.as_ref());
    let now = now.unwrap_or(instance).clone();
    let access = acting::access(loaded);
    let choice = match choose(session, &access, &now, facts, codes, near).await {
        Ok(choice) => choice,
        Err(why) => return output::warn(&said::providers_not(why)),
    };
    for note in &choice.notes {
        output::warn(&said::providers_note(note));
    }
    if choice.nodes.is_empty() {
        return;
    }
    if codes.is_empty() {
        let codes = choice.nodes.iter().map(|it| it.code.as_str());
        let option = format!("--from-providers={}", codes.collect::<Vec<_>>().join(","));
        let command = asked.again(&option);
        output::warn(&said::providers_could(
            choice.who(),
            choice.price(),
            command,
        ));
        return;
    }
    let desk = match acting::desk(session, loaded) {
        Ok(desk) => desk,
        Err(error) => return output::warn(&said::providers_not(output::sentence(&error))),
    };
    output::warn(&said::providers_asked(choice.who(), choice.price()));
    let looked = ask(&desk, &access, &now, facts, &choice, interrupted()).await;
    acting::exchange(loaded).await;
    for told in &looked.told {
        output::warn(told);
    }
    for reading in looked.readings {
        place(&mut triage.readings, reading);
    }
}

/// Ends when somebody wants the run to end: the task is deleted first.
async fn interrupted() {
    let on = |kind| signal(kind).ok();
    let (Some(mut interrupt), Some(mut terminate), Some(mut hangup)) = (
        on(SignalKind::interrupt()),
        on(SignalKind::terminate()),
        on(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
