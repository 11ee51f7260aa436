//! The guest's clock against the time of the request that brought the check; both systems tell it.
//!
//! Must not live here: stamps of log lines (`guest::moment`).

use super::answer::Answer;
use super::{Finding, found, missing, said};
use crate::domain::evidence::state::guest_clock;

/// What a clock may differ by and still serve one-time codes and tickets (seconds).
const CLOSE: i64 = 90;
/// What the cloud itself lets the clock of whoever asks differ by: less may be that clock's fault.
const FAR: i64 = 300;
/// A command may wait this long before it runs.
const DELIVERY: i64 = 120;

/// The guest's clock against the time of the request that brought the check.
pub(super) fn clock(a: &Answer) -> Finding {
    let time = |key| a.first("clock", key)?.trim().parse::<i64>().ok();
    let (Some(asked), Some(now)) = (time("asked"), time("now")) else {
        return missing(said::the_clock());
    };
    let ahead = now.saturating_sub(asked);
    if ahead < -FAR {
        return found(guest_clock::WRONG, said::clock_behind(ahead.unsigned_abs()));
    }
    if ahead > FAR + DELIVERY {
        return found(guest_clock::WRONG, said::clock_ahead(ahead));
    }
    if (-CLOSE..=CLOSE + DELIVERY).contains(&ahead) {
        return found(guest_clock::OK, said::clock_agrees());
    }
    Err(said::clock_perhaps(ahead.unsigned_abs()))
}
