//! A series of probes along one path as figures, and what earlier series along it came to.
//!
//! Must not live here: taking the probes (`probe`), keeping the figures (`store`).

use super::plain_said as said;
use super::said::{Figure, Said, Unit};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Figures of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub sent: u32,
    pub lost: u32,
    /// Typical round trip in microseconds; `None` when nothing came back.
    pub median_us: Option<u32>,
}

/// A series that was taken at another time from the same vantage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    pub at: Timestamp,
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures behind one `path-quality` reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    pub target: IpAddr,
    #[serde(flatten)]
    pub figures: Figures,
    /// Newest first; empty where nobody looked before.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
}

impl Series {
    /// What was before, in one clause; `None` where nothing was.
    pub fn before(&self) -> Option<Said> {
        let first = self.earlier.last()?.at;
        let sum =
            |of: fn(&Figures) -> u32| self.earlier.iter().map(|e| of(&e.figures)).sum::<u32>();
        let (sent, lost) = (sum(|f| f.sent), sum(|f| f.lost));
        let share = f64::from(lost) * 100.0 / f64::from(sent.max(1));
        let mut medians: Vec<u32> = self
            .earlier
            .iter()
            .filter_map(|earlier| earlier.figures.median_us)
            .collect();
        medians.sort_unstable();
        let share = Figure::new(share, 0, Unit::Percent);
        let since = first.strftime("%Y-%m-%d %H:%M");
        Some(match medians.get(medians.len() / 2) {
            Some(us) => {
                let typical = Figure::new(f64::from(*us) / 1000.0, 1, Unit::Milliseconds);
                said::path_before_typical(since, lost, sent, share, typical)
            }
            None => said::path_before(since, lost, sent, share),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier(second: i64, lost: u32, median_us: Option<u32>) -> Earlier {
        Earlier {
            at: Timestamp::from_second(second).unwrap(),
            figures: Figures {
                sent: 20,
                lost,
                median_us,
            },
        }
    }

    #[test]
    fn earlier_series_are_told_together() {
        let mut series = Series {
            target: [192, 0, 2, 1].into(),
            figures: Figures {
                sent: 20,
                lost: 9,
                median_us: Some(80_000),
            },
            earlier: Vec::new(),
        };
        assert_eq!(series.before(), None);
        series.earlier = vec![earlier(120, 1, Some(2_000)), earlier(60, 1, Some(1_000))];
        assert_eq!(
            series.before().as_deref(),
            Some("before, since 1970-01-01 00:01 UTC: 2 of 40 lost (5 %), 2.0 ms typical")
        );
        series.earlier = vec![earlier(60, 20, None)];
        let text = series.before().unwrap();
        assert!(text.ends_with("20 of 20 lost (100 %)"), "{text}");
    }
}
