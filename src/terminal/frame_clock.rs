//! When the next frame may be drawn: at once after a pause, at most so often in a burst, and over a link
//! that lags no more of what nobody asked for than leaves the answer to a key its way.
//!
//! Must not live here: drawing, or deciding that a frame is needed.

use std::time::{Duration, Instant};

/// A write that takes longer has met a queue that was full.
const BLOCKED: Duration = Duration::from_millis(20);
/// What the kernel holds of a terminal's output before a write blocks.
const QUEUE: usize = 4_096;
/// The part of a slow link that frames may take which answer no key: one in so many.
const SHARE: f64 = 3.0;
/// From this rate on (bytes a second) a link is not felt.
const FAST: f64 = 64.0 * 1024.0;
/// How much faster a link is taken to be after each write that did not block.
const HOPE: f64 = 1.05;
/// The longest that anything waits for a slow link.
const LONGEST: Duration = Duration::from_secs(5);

/// Paces frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameClock {
    interval: Duration,
    /// Bytes a second that the terminal takes, where a write has ever had to wait.
    rate: Option<f64>,
    /// The last write had to wait. One alone may have met a busy host, not a slow link.
    blocked: bool,
    /// Bytes that may be on their way since the last frame.
    under_way: usize,
    last: Option<Instant>,
    /// The last frame that answered a key.
    answered: Option<Instant>,
}

impl FrameClock {
    /// At most `per_second` frames a second.
    pub fn new(per_second: u16) -> Self {
        Self {
            interval: Duration::from_secs(1) / u32::from(per_second.max(1)),
            rate: None,
            blocked: false,
            under_way: 0,
            last: None,
            answered: None,
        }
    }

    /// When a frame may be drawn; `None` when now. The answer to a key does not wait for the pace
    /// of what arrives by itself, but a held key does not run away with the link either.
    pub fn due(&self, now: Instant, key: bool) -> Option<Instant> {
        let (last, interval) = if key {
            (self.answered, self.interval / 4)
        } else {
            (self.last, self.interval.max(self.way_kept_free()))
        };
        last.map(|last| last + interval).filter(|due| *due > now)
    }

    /// How long after the last frame nothing else is sent that no key asked for.
    fn way_kept_free(&self) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let seconds = self.under_way as f64 * SHARE / rate;
        Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST))
    }

    /// True of a link that lags behind what is drawn.
    pub fn is_slow(&self) -> bool {
        self.rate.is_some()
    }

    /// The terminal took so many bytes in that time.
    pub fn taken(&mut self, bytes: usize, took: Duration) {
        let blocked = took >= BLOCKED;
        let again = std::mem::replace(&mut self.blocked, blocked);
        if blocked && again {
            let seen = bytes as f64 / took.as_secs_f64();
            self.rate = Some(self.rate.map_or(seen, |rate| rate.min(seen)).max(1.0));
            self.under_way = self.under_way.max(QUEUE);
        } else if !blocked {
            self.rate = self.rate.map(|rate| rate * HOPE);
        }
        self.rate = self.rate.filter(|rate| *rate < FAST);
    }

    /// A frame of so many bytes was drawn.
    pub fn drawn(&mut self, now: Instant, key: bool, bytes: usize) {
        self.under_way = bytes;
        self.last = Some(now);
        if key {
            self.answered = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_at_once_and_a_burst_is_paced() {
        let mut clock = FrameClock::new(20);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        assert_eq!(clock.due(now, false), None);
        clock.drawn(now, false, 100);
        assert_eq!(clock.due(now, false), Some(after(50)));
        assert_eq!(clock.due(after(50), false), None);
    }

    #[test]
    fn a_key_waits_for_the_answer_to_a_key_only() {
        let mut clock = FrameClock::new(20);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        clock.drawn(now, false, 100);
        assert_eq!(clock.due(after(1), true), None);
        clock.drawn(after(1), true, 100);
        assert_eq!(
            clock.due(after(2), true),
            Some(after(1) + clock.interval / 4)
        );
        assert_eq!(clock.due(after(14), true), None);
        assert_eq!(clock.due(after(14), false), Some(after(51)));
    }

    #[test]
    fn over_a_link_that_lags_what_nobody_asked_for_leaves_a_key_its_way() {
        let mut clock = FrameClock::new(20);
        let now = Instant::now();
        clock.drawn(now, false, 6_000);
        assert!(!clock.is_slow());
        // 6,000 bytes in two seconds: the queue behind them is full, or this host was busy.
        clock.taken(6_000, Duration::from_secs(2));
        assert!(!clock.is_slow());
        clock.taken(6_000, Duration::from_secs(2));
        assert!(clock.is_slow());
        let due = clock.due(now, false).expect("a wait");
        assert!(due >= now + Duration::from_secs(5), "{:?}", due - now);
        // A key does not wait for that.
        assert_eq!(clock.due(now, true), None);
        clock.drawn(now, true, 100);
        let due = clock.due(now, false).expect("a wait");
        assert_eq!((due - now).as_millis(), 100);
        // A link that takes everything again is trusted again, little by little.
        for _ in 0..70 {
            clock.taken(100, Duration::ZERO);
        }
        assert!(!clock.is_slow());
    }
}
