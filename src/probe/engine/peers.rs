//! Other instances that share the subnet or the security groups.
//!
//! Lives here: `peers-subnet` and `peers-group` over the targets that the plan names. Must not live
//! here: choosing the peers, which is the caller's knowledge.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Emitter;
use crate::domain::evidence::{Reading, Source, Status};
use crate::probe::fusion::{describe, fuse_peers};
use crate::probe::outcome::Connect;
use crate::probe::plan::{Depth, ProbePlan};
use crate::probe::tcp;

/// Peers asked in each group.
const MOST: usize = 4;

pub(super) async fn look(plan: &ProbePlan, emitter: &Emitter) {
    tokio::join!(
        group(plan, "peers-subnet", &plan.options.peers_subnet, emitter),
        group(plan, "peers-group", &plan.options.peers_group, emitter),
    );
}

async fn group(plan: &ProbePlan, id: &str, peers: &[SocketAddr], emitter: &Emitter) {
    let started = Instant::now();
    let limit = plan.options.connect_timeout.min(Duration::from_secs(3));
    let reading = if peers.is_empty() {
        missing(id, Status::NotAttempted, "no peer is known".to_owned())
    } else if plan.options.depth == Depth::Quick {
        missing(
            id,
            Status::NotAttempted,
            "not part of a quick look".to_owned(),
        )
    } else {
        let looks = peers
            .iter()
            .take(MOST)
            .map(|peer| async move { (*peer, tcp::connect(*peer, limit).await.0) });
        let ends = join_all(looks).await;
        let parts: Vec<String> = ends
            .iter()
            .map(|(peer, end)| format!("{peer} {}", describe::connect(end)))
            .collect();
        let detail = format!("peers: {}", parts.join(", "));
        // On loopback this machine itself refuses for every port, which says nothing of a peer.
        let outcomes: Vec<Connect> = ends
            .into_iter()
            .filter(|(peer, end)| !(peer.ip().is_loopback() && matches!(end, Connect::Refused(_))))
            .map(|(_, end)| end)
            .collect();
        match fuse_peers(&outcomes) {
            Some(state) => Reading::observed(id, Source::Probe, state.as_str(), detail),
            None if outcomes.is_empty() => missing(id, Status::NotAttempted, detail),
            None => missing(id, Status::ProbeFailed, detail),
        }
    };
    let cost = started.elapsed().as_millis() as u64;
    emitter.emit(reading.at(Timestamp::now(), cost)).await;
}

fn missing(id: &str, status: Status, detail: String) -> Reading {
    Reading::without_state(id, Source::Probe, status, detail)
}
