//! When the next frame may be drawn: at once after a pause, at most so often in a burst.
//!
//! Must not live here: drawing, or deciding that a frame is needed.

use std::time::{Duration, Instant};

/// Paces frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameClock {
    interval: Duration,
    last: Option<Instant>,
}

impl FrameClock {
    /// At most `per_second` frames a second.
    pub fn new(per_second: u16) -> Self {
        Self {
            interval: Duration::from_secs(1) / u32::from(per_second.max(1)),
            last: None,
        }
    }

    /// When a frame may be drawn; `None` when now. The answer to a key does not wait for the pace
    /// of what arrives by itself, but a held key does not run away with the link either.
    pub fn due(&self, now: Instant, key: bool) -> Option<Instant> {
        let interval = if key {
            self.interval / 4
        } else {
            self.interval
        };
        self.last
            .map(|last| last + interval)
            .filter(|due| *due > now)
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_at_once_and_a_burst_is_paced() {
        let mut clock = FrameClock::new(20);
        let now = Instant::now();
        assert_eq!(clock.due(now, false), None);
        clock.drawn(now);
        assert_eq!(clock.due(now, false), Some(now + Duration::from_millis(50)));
        assert_eq!(clock.due(now + Duration::from_millis(50), false), None);
        assert_eq!(clock.due(now + Duration::from_millis(13), true), None);
    }
}
