//! When the next frame may be drawn: at once after a pause, at most so often in a burst.
//!
//! Must not live here: drawing, or deciding that a frame is needed.

use std::time::{Duration, Instant};

/// Paces frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameClock {
    interval: Duration,
    last: Option<Instant>,
    /// The last frame that answered a key.
    answered: Option<Instant>,
}

impl FrameClock {
    /// At most `per_second` frames a second.
    pub fn new(per_second: u16) -> Self {
        Self {
            interval: Duration::from_secs(1) / u32::from(per_second.max(1)),
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
            (self.last, self.interval)
        };
        last.map(|last| last + interval).filter(|due| *due > now)
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Instant, key: bool) {
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
        clock.drawn(now, false);
        assert_eq!(clock.due(now, false), Some(after(50)));
        assert_eq!(clock.due(after(50), false), None);
    }

    #[test]
    fn a_key_waits_for_the_answer_to_a_key_only() {
        let mut clock = FrameClock::new(20);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        clock.drawn(now, false);
        assert_eq!(clock.due(after(1), true), None);
        clock.drawn(after(1), true);
        assert_eq!(
            clock.due(after(2), true),
            Some(after(1) + clock.interval / 4)
        );
        assert_eq!(clock.due(after(14), true), None);
        assert_eq!(clock.due(after(14), false), Some(after(51)));
    }
}
