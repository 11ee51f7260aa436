//! What is said of readings that a look did not wait for, because the host took too long.
//!
//! Must not live here: what was read. Nothing here is a finding: whoever was not waited for may have
//! been about to answer.

use jiff::Timestamp;

use super::consented::METHOD_GROUPS;
use super::{Emitter, path_word};
use crate::domain::evidence::{Family, Path, Reading, Source, Status, group};
use crate::domain::said::Figure;
use crate::probe::plan::{ProbePlan, Protocol};
use crate::probe::said;

/// Says of each reading that is still missing that it was not waited for.
pub(super) async fn tell(plan: &ProbePlan, emitter: &Emitter) {
    let mut ssh = false;
    for target in &plan.targets {
        let talk = match Protocol::expected(plan.os, target.port) {
            Protocol::Ssh => [group::BANNER, group::KEX],
            Protocol::Rdp => [group::RDP_NEGOTIATION, group::RDP_TLS],
        };
        ssh |= talk[0] == group::BANNER;
        let others = [
            group::REACH,
            group::OTHER_LOGIN_PORT,
            group::PATH_QUALITY,
            group::PATH_MTU,
        ];
        for id in talk.into_iter().chain(others) {
            if !is_there(emitter, id, Some((target.path, target.family()))) {
                let why = said::not_waited_on_path(
                    target.login(),
                    path_word(target.path),
                    Figure::time(emitter.started.elapsed()),
                );
                let reading = Reading::without_state(id, Source::Probe, Status::NotAttempted, why)
                    .on_path(target.path)
                    .in_family(target.family());
                emitter
                    .emit(reading.at(Timestamp::now(), cost(emitter)))
                    .await;
            }
        }
    }
    let consent = &plan.options.consent;
    let methods = METHOD_GROUPS
        .into_iter()
        .filter(|_| ssh && consent.methods_as.is_some());
    let login = [group::LOGIN_ATTEMPT]
        .into_iter()
        .filter(|_| ssh && consent.login_as.is_some());
    let peers = [group::PEERS_SUBNET, group::PEERS_GROUP];
    for id in methods.chain(login).chain(peers) {
        if !is_there(emitter, id, None) {
            not_waited(emitter, id).await;
        }
    }
}

/// Says of a reading that exists once for an instance that it was not waited for.
pub(super) async fn not_waited(emitter: &Emitter, id: &str) {
    let why = said::not_waited(Figure::time(emitter.started.elapsed()));
    let reading = Reading::without_state(id, Source::Probe, Status::NotAttempted, why);
    emitter
        .emit(reading.at(Timestamp::now(), cost(emitter)))
        .await;
}

pub(super) fn is_there(emitter: &Emitter, id: &str, place: Option<(Path, Family)>) -> bool {
    let sent = emitter.sent();
    sent.iter().any(|reading| {
        let fits = |(path, family)| reading.path == Some(path) && reading.family == family;
        reading.id == id && place.is_none_or(fits)
    })
}

fn cost(emitter: &Emitter) -> u64 {
    emitter.started.elapsed().as_millis() as u64
}
