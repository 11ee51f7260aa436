//! The quality of a path and the size of its packets.
//!
//! Lives here: `path-quality` and `path-mtu` with their preconditions. Must not live here: samples
//! (`quality`, `mtu`) or their limits (`fusion::path`).

use super::Run;
use crate::domain::evidence::{Reading, Source, Status};
use crate::domain::path_series::Series;
use crate::probe::budget::{Allowance, Ledger};
use crate::probe::fusion::path::{
    MtuFacts, describe_mtu, describe_quality, fuse_mtu, fuse_quality,
};
use crate::probe::fusion::{Reach, ReachFacts, ReachUnknown};
use crate::probe::mtu::{self, Large};
use crate::probe::plan::{Depth, Protocol};
use crate::probe::quality;

impl Run<'_> {
    /// Why nothing further is measured on this path, if so.
    fn not_measured(&self, reach: Result<Reach, ReachUnknown>) -> Option<String> {
        let login = self.target.login();
        match reach {
            Ok(reach) if !reach.is_open() => Some(format!(
                "{login} is {}, so there is no path to measure",
                reach.as_str()
            )),
            Err(_) => Some(format!("{login} could not be tried from here")),
            Ok(_) if self.options.depth == Depth::Quick => {
                Some(format!("{login}: not part of a quick look"))
            }
            Ok(_) => None,
        }
    }

    pub(super) async fn path_quality(
        &self,
        reach: Result<Reach, ReachUnknown>,
        facts: &ReachFacts,
    ) {
        if let Some(why) = self.not_measured(reach) {
            return self
                .unknown("path-quality", Status::NotAttempted, why)
                .await;
        }
        let login = self.target.login();
        let carrier = match quality::choose(facts, login.port(), self.protocol) {
            Ok(carrier) => carrier,
            Err(reason) => {
                let why = format!("{login}: {reason}");
                return self
                    .unknown("path-quality", Status::NotAttempted, why)
                    .await;
            }
        };
        match quality::sample(login, carrier).await {
            Ok(samples) => {
                let detail = format!("{}: {}", login.ip(), describe_quality(&samples));
                match fuse_quality(&samples.rtts) {
                    Some(state) => {
                        let mut reading = Reading::observed(
                            "path-quality",
                            Source::Probe,
                            state.as_str(),
                            detail,
                        );
                        reading.series = Some(Box::new(Series {
                            target: login.ip(),
                            figures: samples.figures(),
                            earlier: Vec::new(),
                        }));
                        self.emit(reading).await;
                    }
                    None => {
                        self.unknown("path-quality", Status::ProbeFailed, detail)
                            .await;
                    }
                }
            }
            Err(reason) => {
                let why = format!("{login}: {reason}");
                self.unknown("path-quality", Status::ProbeFailed, why).await;
            }
        }
    }

    pub(super) async fn path_mtu(&self, reach: Result<Reach, ReachUnknown>, facts: &ReachFacts) {
        if let Some(why) = self.not_measured(reach) {
            return self.unknown("path-mtu", Status::NotAttempted, why).await;
        }
        let login = self.target.login();
        let outward = async {
            if self.protocol != Protocol::Ssh {
                return Large::Unknown;
            }
            self.undisturbed().await;
            if Ledger::shared().allow(login, 1) == Allowance::Granted {
                mtu::outward(login, self.options.connect_timeout).await
            } else {
                Large::Unknown
            }
        };
        let ping = async {
            if facts.echo.answered() && !facts.loopback {
                mtu::large_ping(login.ip()).await
            } else {
                Large::Unknown
            }
        };
        let (outward, ping) = tokio::join!(outward, ping);
        let facts = |hung| MtuFacts {
            outward,
            ping,
            hung,
        };
        // Where the end of the conversation decides nothing, it need not be waited for.
        let decides = fuse_mtu(facts(true)) != fuse_mtu(facts(false));
        let facts = facts(decides && self.hearing.end().await.hung);
        let detail = format!("{login}: {}", describe_mtu(facts));
        match fuse_mtu(facts) {
            Some(state) => self.observed("path-mtu", state.as_str(), detail).await,
            None => {
                let why = format!("{detail}; it cannot be told from here");
                self.unknown("path-mtu", Status::NotAttempted, why).await;
            }
        }
    }
}
