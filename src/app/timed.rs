//! Changes that are taken back by themselves unless somebody keeps them.
//!
//! Must not live here: taking them back (`runtime::execute`), or the journal (`store`).

use jiff::Timestamp;

use super::locale::{Texts, fill};
use crate::domain::said::Said;

/// A change with a time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// Journal entry.
    pub entry: String,
    pub instance: String,
    pub title: Said,
    pub at: Timestamp,
}

const MINUTE_S: i64 = 60;

impl Timed {
    /// Whole minutes that are left, rounded up; 0 when the time is over.
    pub fn minutes_left(&self, now: Timestamp) -> i64 {
        let left = self.at.duration_since(now).as_secs();
        (left.max(0) + MINUTE_S - 1) / MINUTE_S
    }

    /// Seconds until that number changes; `None` when it will not.
    pub fn changes_in(&self, now: Timestamp) -> Option<i64> {
        let left = self.at.duration_since(now).as_secs();
        (left > 0).then_some((left - 1) % MINUTE_S + 1)
    }

    /// True when it should have been taken back long ago: then it could not be.
    pub fn has_failed(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).as_secs() > MINUTE_S
    }

    /// What is left, as a sentence.
    pub fn countdown(&self, now: Timestamp, texts: &Texts, read_only: bool) -> String {
        let title = texts.said(&self.title);
        match self.minutes_left(now) {
            0 if read_only => fill(&texts.ui.timed_stays, &[("title", &title)]),
            0 if self.has_failed(now) => fill(
                &texts.ui.timed_failed,
                &[("title", &title), ("entry", &self.entry)],
            ),
            0 => fill(&texts.ui.timed_over, &[("title", &title)]),
            n => fill(
                &texts.ui.timed_left,
                &[("title", &title), ("n", &n.to_string())],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minutes_count_down_and_each_change_is_foretold() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let timed = Timed {
            entry: "e".to_owned(),
            instance: "ins-1".to_owned(),
            title: Said::raw("t"),
            at: at(1_000),
        };
        for (now, minutes, change) in [
            (870, 3, Some(10)),
            (880, 2, Some(60)),
            (940, 1, Some(60)),
            (999, 1, Some(1)),
            (1_000, 0, None),
            (2_000, 0, None),
        ] {
            assert_eq!(timed.minutes_left(at(now)), minutes, "{now}");
            assert_eq!(timed.changes_in(at(now)), change, "{now}");
            if let Some(change) = change {
                assert_eq!(timed.minutes_left(at(now + change)), minutes - 1, "{now}");
            }
        }
    }
}
