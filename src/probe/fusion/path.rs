//! Fusion of sample series into `path-quality`, and of large packets into `path-mtu`.
//!
//! Lives here: the limits of loss, and what may honestly be said about packet sizes. Must not live
//! here: taking samples.

use std::time::Duration;

use crate::domain::evidence::State;
use crate::domain::evidence::state::{path_mtu, path_quality};
use crate::domain::said::{Figure, Said, Unit};
use crate::probe::mtu::Large;
use crate::probe::quality::{Carrier, Samples};
use crate::probe::said;

/// States of `path-quality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    Clean,
    Lossy,
    Bad,
}

impl Quality {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Clean => path_quality::CLEAN,
            Self::Lossy => path_quality::LOSSY,
            Self::Bad => path_quality::BAD,
        }
    }
}

/// Fewer samples than this say nothing.
const FEWEST: usize = 20;

/// The state of a series; `None` when it is too short.
pub fn fuse_quality(rtts: &[Option<Duration>]) -> Option<Quality> {
    if rtts.len() < FEWEST {
        return None;
    }
    let lost = rtts.iter().filter(|rtt| rtt.is_none()).count();
    // In whole numbers: 5 % and 30 %.
    Some(if lost * 100 > rtts.len() * 30 {
        Quality::Bad
    } else if lost * 100 >= rtts.len() * 5 {
        Quality::Lossy
    } else {
        Quality::Clean
    })
}

/// The share of samples that were lost, in percent.
pub fn lost_percent(rtts: &[Option<Duration>]) -> f64 {
    let lost = rtts.iter().filter(|rtt| rtt.is_none()).count();
    lost as f64 * 100.0 / rtts.len().max(1) as f64
}

/// Loss, round-trip times and jitter in one sentence.
pub fn describe_quality(samples: &Samples) -> Said {
    let mut good: Vec<Duration> = samples.rtts.iter().flatten().copied().collect();
    let all = samples.rtts.len();
    let lost = all - good.len();
    let loss = Figure::new(lost_percent(&samples.rtts), 0, Unit::Percent);
    let count = match samples.carrier {
        Carrier::Ping => said::quality(all, lost, loss),
        Carrier::Connect(port) => said::quality_port(all, port, lost, loss),
    };
    let jitter = jitter(&good);
    good.sort_unstable();
    match (good.first(), good.get(good.len() / 2), good.last()) {
        (Some(best), Some(median), Some(worst)) => count.and(said::round_trip(
            Figure::time(*best),
            Figure::time(*median),
            Figure::time(*worst),
            Figure::time(jitter),
        )),
        _ => count,
    }
}

/// Mean difference of neighbouring round-trip times.
fn jitter(rtts: &[Duration]) -> Duration {
    let sum: Duration = rtts.windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum();
    sum / (rtts.len().saturating_sub(1).max(1) as u32)
}

/// States of `path-mtu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mtu {
    Ok,
    BlackHole,
}

impl Mtu {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Ok => path_mtu::OK,
            Self::BlackHole => path_mtu::BLACK_HOLE,
        }
    }
}

/// What large packets did on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MtuFacts {
    /// A large proposal towards the server.
    pub outward: Large,
    /// Large pings there and back, to a host that answers small ones.
    pub ping: Large,
    /// The handshake that hung, once more with small packets alone.
    pub small: Large,
    /// The key exchange or TLS handshake hung after small packets had passed.
    pub hung: bool,
}

/// One state, or `None` where it cannot be told: a filter may drop large pings alone, and a proposal
/// only shows one direction.
pub fn fuse_mtu(facts: MtuFacts) -> Option<Mtu> {
    match (facts.outward, facts.ping) {
        _ if facts.hung && facts.small == Large::Passed => Some(Mtu::BlackHole),
        (Large::Lost, _) => Some(Mtu::BlackHole),
        // A handshake that hangs with small packets, too, does not hang for the size of them.
        (_, Large::Lost) if facts.small == Large::Lost => None,
        (_, Large::Lost) => facts.hung.then_some(Mtu::BlackHole),
        (_, Large::Passed) => Some(Mtu::Ok),
        (Large::Passed, Large::Unknown) if !facts.hung => Some(Mtu::Ok),
        (_, Large::Unknown) => None,
    }
}

/// The same in words.
pub fn describe_mtu(facts: MtuFacts) -> Said {
    let outward = match facts.outward {
        Large::Passed => said::outward_passed(),
        Large::Lost => said::outward_lost(),
        Large::Unknown => said::outward_unknown(),
    };
    let ping = match facts.ping {
        Large::Passed => said::large_ping_passed(),
        Large::Lost => said::large_ping_lost(),
        Large::Unknown => said::large_ping_unknown(),
    };
    let both = outward.and(ping);
    match (facts.hung, facts.small) {
        (true, Large::Passed) => both.and(said::hung_small_passed()),
        (true, Large::Lost) => both.and(said::hung_small_lost()),
        (true, Large::Unknown) => both.and(said::hung_after_small()),
        (false, _) => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(total: usize, lost: usize) -> Vec<Option<Duration>> {
        (0..total)
            .map(|i| (i >= lost).then_some(Duration::from_millis(10 + i as u64)))
            .collect()
    }

    #[test]
    fn every_state_of_quality_and_its_limits() {
        for (total, lost, want) in [
            (20, 0, Some(Quality::Clean)),
            (40, 1, Some(Quality::Clean)),
            (20, 1, Some(Quality::Lossy)),
            (20, 6, Some(Quality::Lossy)),
            (20, 7, Some(Quality::Bad)),
            (20, 20, Some(Quality::Bad)),
            (19, 0, None),
        ] {
            assert_eq!(
                fuse_quality(&series(total, lost)),
                want,
                "{lost} of {total}"
            );
        }
    }

    #[test]
    fn a_series_is_described_with_its_figures() {
        let text = describe_quality(&Samples {
            carrier: Carrier::Ping,
            rtts: series(20, 2),
        });
        assert!(text.starts_with("20 pings, 2 lost (10 %)"), "{text}");
        assert!(text.contains("jitter 1.0 ms"), "{text}");
        let dead = describe_quality(&Samples {
            carrier: Carrier::Connect(22),
            rtts: series(20, 20),
        });
        assert_eq!(dead, "20 connections to port 22, 20 lost (100 %)");
    }

    #[test]
    fn every_state_of_mtu_and_the_honest_unknown() {
        use Large::{Lost, Passed, Unknown};
        for (outward, ping, hung, want) in [
            (Passed, Passed, false, Some(Mtu::Ok)),
            (Passed, Unknown, false, Some(Mtu::Ok)),
            (Unknown, Passed, false, Some(Mtu::Ok)),
            (Lost, Lost, true, Some(Mtu::BlackHole)),
            (Lost, Unknown, false, Some(Mtu::BlackHole)),
            (Passed, Lost, true, Some(Mtu::BlackHole)),
            (Unknown, Lost, true, Some(Mtu::BlackHole)),
            (Passed, Lost, false, None),
            (Unknown, Lost, false, None),
            (Unknown, Unknown, true, None),
            (Passed, Unknown, true, None),
        ] {
            let facts = MtuFacts {
                outward,
                ping,
                small: Unknown,
                hung,
            };
            assert_eq!(fuse_mtu(facts), want, "{facts:?}");
        }
    }

    #[test]
    fn a_handshake_that_completes_with_small_packets_proves_a_black_hole() {
        use Large::{Lost, Passed, Unknown};
        for (small, ping, want) in [
            (Passed, Unknown, Some(Mtu::BlackHole)),
            (Passed, Passed, Some(Mtu::BlackHole)),
            (Lost, Lost, None),
            (Lost, Passed, Some(Mtu::Ok)),
            (Lost, Unknown, None),
            (Unknown, Lost, Some(Mtu::BlackHole)),
        ] {
            let facts = MtuFacts {
                outward: Unknown,
                ping,
                small,
                hung: true,
            };
            assert_eq!(fuse_mtu(facts), want, "{facts:?}");
        }
    }
}
