//! The quality of a path and the size of its packets.
//!
//! Lives here: `path-quality` and `path-mtu` with their preconditions. Must not live here: samples
//! (`quality`, `mtu`) or their limits (`fusion::path`).

use std::time::{Duration, Instant};

use super::Run;
use crate::domain::evidence::{Reading, Source, Status, group};
use crate::domain::path_series::Series;
use crate::domain::said::Said;
use crate::probe::budget::{Allowance, Ledger};
use crate::probe::fusion::path::{
    Mtu, MtuFacts, describe_mtu, describe_quality, fuse_mtu, fuse_quality, lost_percent,
};
use crate::probe::fusion::{Reach, ReachFacts, ReachUnknown};
use crate::probe::mtu::{self, Large};
use crate::probe::plan::{Depth, Protocol};
use crate::probe::quality;
use crate::probe::said;

/// A repeated handshake may take this long.
const SMALL_AT_MOST: Duration = Duration::from_secs(5);
/// No step begins after this much of a look: whatever the host does, it ends within 20 s.
const WHOLE_LOOK: Duration = Duration::from_secs(15);

impl Run<'_> {
    /// Why nothing further is measured on this path, if so.
    fn not_measured(&self, reach: Result<Reach, ReachUnknown>) -> Option<Said> {
        let login = self.target.login();
        match reach {
            Ok(reach) if !reach.is_open() => Some(said::no_path_to_measure(login, reach.word())),
            Err(_) => Some(said::not_from_here(login)),
            Ok(_) => None,
        }
    }

    /// Why a quick look leaves the quality of the path out: no try lost a packet.
    async fn quality_not_needed(&self) -> Option<Said> {
        if self.options.depth == Depth::Full || self.lost_a_packet().await {
            return None;
        }
        Some(said::quick_look(self.target.login()))
    }

    pub(super) async fn path_quality(
        &self,
        reach: Result<Reach, ReachUnknown>,
        facts: &ReachFacts,
    ) {
        let reason = match self.not_measured(reach) {
            None => self.quality_not_needed().await,
            why => why,
        };
        if let Some(why) = reason {
            return self
                .unknown(group::PATH_QUALITY, Status::NotAttempted, why)
                .await;
        }
        let login = self.target.login();
        let carrier = match quality::choose(facts, login.port(), self.protocol) {
            Ok(carrier) => carrier,
            Err(reason) => {
                let why = said::at(login, reason.said());
                return self
                    .unknown(group::PATH_QUALITY, Status::NotAttempted, why)
                    .await;
            }
        };
        match quality::sample(login, carrier).await {
            Ok(samples) => {
                let detail = said::at(login.ip(), describe_quality(&samples));
                match fuse_quality(&samples.rtts) {
                    Some(state) => {
                        let mut reading = Reading::observed(state.state(), Source::Probe, detail)
                            .measured(lost_percent(&samples.rtts));
                        reading.series = Some(Box::new(Series {
                            target: login.ip(),
                            figures: samples.figures(),
                            earlier: Vec::new(),
                        }));
                        self.emit(reading).await;
                    }
                    None => {
                        self.unknown(group::PATH_QUALITY, Status::ProbeFailed, detail)
                            .await;
                    }
                }
            }
            Err(reason) => {
                let why = said::at(login, reason.said());
                self.unknown(group::PATH_QUALITY, Status::ProbeFailed, why)
                    .await;
            }
        }
    }

    pub(super) async fn path_mtu(&self, reach: Result<Reach, ReachUnknown>, facts: &ReachFacts) {
        if let Some(why) = self.not_measured(reach) {
            return self
                .unknown(group::PATH_MTU, Status::NotAttempted, why)
                .await;
        }
        let login = self.target.login();
        let quick = self.options.depth == Depth::Quick;
        if quick && !self.hearing.end().await.hung {
            let why = said::quick_look(login);
            return self
                .unknown(group::PATH_MTU, Status::NotAttempted, why)
                .await;
        }
        let (mut found, small) = if quick {
            // A handshake hung: one that completes with small packets settles it.
            let small = self.small_segments().await;
            let known = MtuFacts {
                outward: Large::Unknown,
                ping: Large::Unknown,
                small,
                hung: true,
            };
            match fuse_mtu(known) {
                Some(_) => (known, small),
                None => (self.large(facts).await, small),
            }
        } else {
            let large = self.large(facts).await;
            let hung = self.hearing.end().await.hung;
            let settled = fuse_mtu(MtuFacts { hung, ..large }) == Some(Mtu::BlackHole);
            let small = if hung && !settled {
                self.small_segments().await
            } else {
                Large::Unknown
            };
            (large, small)
        };
        found.small = small;
        found.hung = self.hearing.end().await.hung;
        let detail = said::at(login, describe_mtu(found));
        match fuse_mtu(found) {
            Some(state) => self.observed(state.state(), detail).await,
            None => {
                let why = said::mtu_untold(detail);
                self.unknown(group::PATH_MTU, Status::NotAttempted, why)
                    .await;
            }
        }
    }

    /// What became of large packets, both ways at once.
    async fn large(&self, facts: &ReachFacts) -> MtuFacts {
        let login = self.target.login();
        let outward = async {
            if self.protocol != Protocol::Ssh {
                return Large::Unknown;
            }
            self.undisturbed().await;
            let limit = self.left(self.options.connect_timeout);
            if limit.is_zero() || Ledger::shared().allow(login, 1) != Allowance::Granted {
                return Large::Unknown;
            }
            mtu::outward(login, limit).await
        };
        let ping = async {
            if facts.echo.answered() && !facts.loopback {
                mtu::large_ping(login.ip()).await
            } else {
                Large::Unknown
            }
        };
        let (outward, ping) = tokio::join!(outward, ping);
        MtuFacts {
            outward,
            ping,
            small: Large::Unknown,
            hung: false,
        }
    }

    /// The handshake that hung once more, with small packets alone.
    async fn small_segments(&self) -> Large {
        let login = self.target.login();
        let limit = self.left(SMALL_AT_MOST);
        if limit.is_zero() || Ledger::shared().allow(login, 1) != Allowance::Granted {
            return Large::Unknown;
        }
        mtu::small_segments(login, self.protocol, limit).await
    }

    /// At most this much, and no more than a whole look may take.
    fn left(&self, most: Duration) -> Duration {
        (self.started + WHOLE_LOOK)
            .saturating_duration_since(Instant::now())
            .min(most)
    }
}
