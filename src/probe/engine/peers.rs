//! Other instances that share the subnet or the security groups.
//!
//! Lives here: `peers-subnet` and `peers-group` over the targets that the plan names. Must not live
//! here: choosing the peers, which is the caller's knowledge.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use super::Emitter;
use crate::domain::evidence::{Reading, Source, State, Status, group};
use crate::domain::said::Said;
use crate::domain::said::{Joint, List};
use crate::probe::fusion::{describe, fuse_peers};
use crate::probe::outcome::Connect;
use crate::probe::plan::{self, Arriving, Depth, ProbePlan};
use crate::probe::{said, shared};

/// Peers asked in each group.
const MOST: usize = 4;

/// Where the login port answers by then, a quick look needs no peers.
const BEFORE_PEERS: Duration = Duration::from_millis(950);
/// How long the names of peers may take from then on.
const PATIENCE: Duration = Duration::from_millis(1500);

pub(super) async fn look(plan: &ProbePlan, mut arriving: Arriving, emitter: &Emitter) {
    let known = &plan.options.known;
    let quick = plan.options.depth == Depth::Quick;
    let needed = async {
        if !quick {
            return true;
        }
        tokio::time::sleep(BEFORE_PEERS).await;
        let open = emitter.open.load(Ordering::Relaxed);
        // A private path that is silent beside a public one that answers says nothing of peers.
        open < plan.targets.len() && !emitter.public_open.load(Ordering::Relaxed)
    };
    if !needed.await {
        for id in [group::PEERS_SUBNET, group::PEERS_GROUP] {
            let why = said::quick_look_peers();
            let reading = missing(id, Status::NotAttempted, why);
            emitter.emit(reading.at(Timestamp::now(), 0)).await;
        }
        return;
    }
    let late = plan::arrived(&mut arriving, PATIENCE).await;
    let of_subnet = [&known.peers_subnet[..], &late.peers_subnet[..]].concat();
    let of_group = [&known.peers_group[..], &late.peers_group[..]].concat();
    tokio::join!(
        group(plan, group::PEERS_SUBNET, &of_subnet, emitter),
        group(plan, group::PEERS_GROUP, &of_group, emitter),
    );
}

async fn group(plan: &ProbePlan, id: &str, peers: &[SocketAddr], emitter: &Emitter) {
    let started = Instant::now();
    let limit = plan.options.connect_timeout.min(Duration::from_secs(3));
    let sparing = plan.options.sparing;
    let reading = if peers.is_empty() {
        missing(id, Status::NotAttempted, said::no_peer())
    } else {
        let mut looks: FuturesUnordered<_> = peers
            .iter()
            .take(MOST)
            .map(|peer| async move { (*peer, shared::connect(sparing, *peer, limit).await) })
            .collect();
        let mut ends = Vec::new();
        while let Some(end) = looks.next().await {
            ends.push(end);
            // One that answers settles it; the others need not be waited for.
            if says_something(&end) && end.1.rtt().is_some() {
                break;
            }
        }
        let told = ends.iter();
        let told = told.map(|(peer, end)| said::peer(peer, describe::connect(end)));
        let detail = said::peers(List::said(Joint::Commas, told));
        let outcomes: Vec<Connect> = ends
            .into_iter()
            .filter(says_something)
            .map(|(_, end)| end)
            .collect();
        match fuse_peers(&outcomes) {
            Some(state) => Reading::observed(State::new(id, state.as_str()), Source::Probe, detail),
            None if outcomes.is_empty() => missing(id, Status::NotAttempted, detail),
            None => missing(id, Status::ProbeFailed, detail),
        }
    };
    let cost = started.elapsed().as_millis() as u64;
    emitter.emit(reading.at(Timestamp::now(), cost)).await;
}

/// On loopback this machine itself refuses for every port, which says nothing of a peer.
fn says_something((peer, end): &(SocketAddr, Connect)) -> bool {
    !(peer.ip().is_loopback() && matches!(end, Connect::Refused(_)))
}

fn missing(id: &str, status: Status, detail: impl Into<Said>) -> Reading {
    Reading::without_state(id, Source::Probe, status, detail)
}
