//! When the next frame may be drawn, and how much of it: at once after a pause, at most so often in a
//! burst, and over a link that lags in small pieces, so that the answer to a key never queues behind them.
//!
//! Must not live here: drawing, or deciding that a frame is needed.

use std::time::{Duration, Instant};

/// A write that takes longer has met a queue that was full.
const BLOCKED: Duration = Duration::from_millis(20);
/// About what the kernel holds of a terminal's output before a write blocks.
const QUEUE: f64 = 16.0 * 1024.0;
/// What one piece of a frame may take of a slow link.
const PIECE: f64 = 0.1;
/// The part of a slow link that is used: one in so many. The rest is room for a rate that is taken too high.
const SHARE: f64 = 1.5;
/// Bytes a second that a link from afar is trusted with, as long as nothing is known of it. A terminal's
/// queue tells nothing before it is full.
const MODEST: f64 = 2.0 * 1024.0;
/// Bytes that may be on their way beyond that: while the first picture comes, and later, when a key
/// would have to wait for them.
const FIRST: usize = 4 * 1024;
const LATER: usize = 128;
/// What one piece of a picture may hold that no key asked for.
const UNASKED: usize = 384;
/// So long after a key its consequences are waited for, and nothing is held back.
const AWAITED: Duration = Duration::from_secs(10);
/// So long after a key in a line of text the next one is expected.
const TYPING: Duration = Duration::from_secs(1);
/// From this rate on (bytes a second) a link is not felt.
const FAST: f64 = 64.0 * 1024.0;
/// After so long without a write that blocked, a link is taken to be twice as fast; at first, and at most.
/// Each time it is found slow again, it takes twice as long.
const HOPE: Duration = Duration::from_secs(15);
const DOUBT: Duration = Duration::from_secs(600);
/// Two writes that blocked within this time measure the link.
const MEASURED: Duration = Duration::from_secs(20);
/// The longest that anything waits for a slow link.
const LONGEST: Duration = Duration::from_secs(8);

/// Paces frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameClock {
    interval: Duration,
    /// The session comes over a network.
    remote: bool,
    /// Bytes a second that the terminal takes, where writes have had to wait.
    rate: Option<f64>,
    /// When the terminal's queue was last seen full, and the bytes it has taken since. One such write
    /// may have met a busy host; between two of them the link has carried exactly these bytes.
    full: Option<(Instant, usize)>,
    /// When the last write ended.
    written: Option<Instant>,
    /// In what time the rate is taken to be twice as high; `None` before a link was found slow.
    hope: Option<Duration>,
    /// When what was sent leaves the link free.
    free: Option<Instant>,
    last: Option<Instant>,
    /// Bytes of all frames.
    sent: usize,
    /// The last frame that answered a key.
    answered: Option<Instant>,
    /// That one showed a line of text being typed.
    typed: bool,
}

impl FrameClock {
    /// At most `per_second` frames a second.
    pub fn new(per_second: u16, remote: bool) -> Self {
        Self {
            interval: Duration::from_secs(1) / u32::from(per_second.max(1)),
            remote,
            rate: None,
            full: None,
            written: None,
            hope: None,
            free: None,
            last: None,
            sent: 0,
            answered: None,
            typed: false,
        }
    }

    /// When a frame may be drawn; `None` when now. The answer to a key does not wait for the pace
    /// of what arrives by itself, but a held key does not run away with the link either.
    pub fn due(&self, now: Instant, key: bool) -> Option<Instant> {
        let due = if key {
            self.answered.map(|answered| answered + self.interval / 4)
        } else {
            self.last.map(|last| last + self.interval).max(self.open())
        };
        due.filter(|due| *due > now)
    }

    /// From when on the link takes what no key waits for.
    fn open(&self) -> Option<Instant> {
        let free = self.free?;
        if self.rate.is_some() {
            return Some(free);
        }
        match self.answered {
            // While somebody types, the list waits for the letters, but not for longer than a pause.
            Some(at) if self.typed => Some(free.min(at + TYPING)),
            Some(at) if self.last.is_some_and(|last| last < at + AWAITED) => None,
            _ => {
                let ahead = if self.is_first() { FIRST } else { LATER };
                free.checked_sub(Duration::from_secs_f64(ahead as f64 / MODEST))
            }
        }
    }

    /// True as long as the first picture was not begun.
    fn is_first(&self) -> bool {
        self.sent < FIRST
    }

    /// How many bytes of a frame may be sent now; `None` for all. The rows that come first always go.
    /// `key` for the answer to a key, `typing` where that is a letter in a line of text.
    pub fn budget(&self, now: Instant, key: bool, typing: bool) -> Option<usize> {
        let asked = key || self.answered.is_some_and(|at| now < at + AWAITED);
        let paused = || self.answered.is_some_and(|at| at + TYPING <= now);
        let rate = match self.rate {
            // A terminal on this machine that stops is busy, not far away: its frames go whole.
            Some(_) if !self.remote => return None,
            Some(rate) => rate,
            None if self.remote && typing && !paused() => MODEST,
            None if self.remote && !asked && !self.is_first() => return Some(UNASKED),
            None => return None,
        };
        let busy = self.free.is_some_and(|free| free > now);
        Some(if busy { 0 } else { (rate * PIECE) as usize })
    }

    /// True of a link that lags behind what is drawn.
    pub fn is_slow(&self) -> bool {
        self.rate.is_some()
    }

    /// The terminal has now taken so many bytes, in that time.
    pub fn taken(&mut self, now: Instant, bytes: usize, took: Duration) {
        let since = self.written.replace(now);
        if took >= BLOCKED {
            let before = self.full.replace((now, 0));
            if let Some((full, taken)) = before
                && let within = now.saturating_duration_since(full)
                && within <= MEASURED
            {
                let rate = (taken + bytes) as f64 / within.max(BLOCKED).as_secs_f64();
                // What did not fit into the queue went while this one waited.
                let rate = rate.max((bytes as f64 - QUEUE) / took.as_secs_f64());
                let trusted = self.rate.unwrap_or(FAST) > rate * SHARE;
                self.hope = match self.hope {
                    Some(hope) if trusted => Some((hope * 2).min(DOUBT)),
                    hope => hope.or(Some(HOPE)),
                };
                self.rate = Some(rate.max(1.0)).filter(|rate| *rate < FAST);
                self.occupy(now, QUEUE);
            }
            return;
        }
        if let Some((_, taken)) = &mut self.full {
            *taken += bytes;
        }
        if let Some(since) = since {
            let quiet = now.saturating_duration_since(since).min(LONGEST);
            let hope = self.hope.unwrap_or(HOPE);
            let hope = (quiet.as_secs_f64() / hope.as_secs_f64()).exp2();
            self.rate = self
                .rate
                .map(|rate| rate * hope)
                .filter(|rate| *rate < FAST);
        }
    }

    /// A frame of so many bytes was drawn; `typing` when it holds a line of text being typed.
    pub fn drawn(&mut self, now: Instant, key: bool, typing: bool, bytes: usize) {
        self.last = Some(now);
        self.sent = self.sent.saturating_add(bytes);
        self.typed = typing;
        if key {
            self.answered = Some(now);
        }
        self.occupy(now, bytes as f64);
    }

    fn occupy(&mut self, now: Instant, bytes: f64) {
        let pace = match self.rate {
            Some(rate) => rate / SHARE,
            None if self.remote => MODEST,
            None => {
                self.free = None;
                return;
            }
        };
        let takes = Duration::try_from_secs_f64(bytes / pace).unwrap_or(LONGEST);
        let from = self.free.map_or(now, |free| free.max(now));
        self.free = Some((from + takes).min(now + LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_at_once_and_a_burst_is_paced() {
        let mut clock = FrameClock::new(20, false);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        assert_eq!(clock.due(now, false), None);
        clock.drawn(now, false, false, 100);
        assert_eq!(clock.due(now, false), Some(after(50)));
        assert_eq!(clock.due(after(50), false), None);
    }

    #[test]
    fn a_key_waits_for_the_answer_to_a_key_only() {
        let mut clock = FrameClock::new(20, false);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        clock.drawn(now, false, false, 100);
        assert_eq!(clock.due(after(1), true), None);
        clock.drawn(after(1), true, false, 100);
        assert_eq!(
            clock.due(after(2), true),
            Some(after(1) + clock.interval / 4)
        );
        assert_eq!(clock.due(after(14), true), None);
        assert_eq!(clock.due(after(14), false), Some(after(51)));
    }

    #[test]
    fn over_a_link_that_lags_a_frame_goes_in_pieces_that_leave_a_key_its_way() {
        let mut clock = FrameClock::new(20, true);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        assert_eq!(clock.budget(now, false, false), None);
        clock.drawn(now, false, false, 6_000);
        // The queue is full, or this host was busy.
        clock.taken(after(2_000), 6_000, Duration::from_secs(2));
        assert!(!clock.is_slow());
        // 4,000 bytes more within two seconds, and the queue is full again.
        clock.taken(after(2_000), 1_000, Duration::ZERO);
        clock.taken(after(4_000), 3_000, Duration::from_secs(2));
        assert!(clock.is_slow());
        // What is queued is waited for; only the first rows of the answer to a key are sent meanwhile.
        assert_eq!(clock.due(after(4_001), false), Some(after(4_000) + LONGEST));
        assert_eq!(clock.due(after(4_001), true), None);
        assert_eq!(clock.budget(after(4_001), false, false), Some(0));
        // Then a tenth of a second of it at once, one after the other.
        assert_eq!(clock.due(after(12_001), false), None);
        assert_eq!(clock.budget(after(12_001), false, false), Some(200));
        clock.drawn(after(12_001), false, false, 200);
        let due = clock.due(after(12_002), false).expect("a wait");
        assert_eq!((due - after(12_001)).as_millis(), 150);
        assert_eq!(clock.due(after(12_002), true), None);
    }

    #[test]
    fn a_link_that_takes_everything_is_trusted_again_and_later_each_time() {
        let mut clock = FrameClock::new(20, false);
        let began = Instant::now();
        let mut at = began;
        let mut slow_for = Vec::new();
        for _ in 0..3 {
            for _ in 0..2 {
                at += Duration::from_secs(1);
                clock.taken(at, 2_048, Duration::from_secs(1));
            }
            assert!(clock.is_slow());
            let found = at;
            while clock.is_slow() {
                at += Duration::from_secs(1);
                clock.taken(at, 100, Duration::ZERO);
            }
            slow_for.push((at - found).as_secs());
            at += MEASURED;
        }
        // Five doublings from 2 to 64 KiB/s, of 15 seconds each.
        assert!((75..=76).contains(&slow_for[0]), "{slow_for:?}");
        assert!(slow_for.is_sorted_by(|a, b| a * 3 / 2 < *b), "{slow_for:?}");
    }

    #[test]
    fn one_stop_of_the_terminal_is_no_slow_link() {
        let mut clock = FrameClock::new(20, false);
        let began = Instant::now();
        let after = |secs| began + Duration::from_secs(secs);
        clock.taken(after(10), 900, Duration::from_secs(10));
        clock.taken(after(11), 900, Duration::ZERO);
        clock.taken(after(60), 900, Duration::from_secs(30));
        assert!(!clock.is_slow());
        assert_eq!(clock.budget(after(60), false, false), None);
    }

    #[test]
    fn from_afar_what_nobody_waits_for_is_modest() {
        let mut clock = FrameClock::new(20, true);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        // A screenful goes at once; what follows by itself waits until as much may have arrived.
        clock.drawn(now, false, false, 2_048);
        assert_eq!(clock.due(after(60), false), None);
        assert_eq!(clock.budget(after(60), false, false), None);
        clock.drawn(after(60), false, false, 6_144);
        // Then a key would have to wait for it: in pieces, of which a fifth of a second is on its way.
        let due = clock.due(after(70), false).expect("a wait");
        assert_eq!((due - now).as_micros(), 4_000_000 - 62_500);
        assert_eq!(clock.budget(after(4_000), false, false), Some(UNASKED));
        assert_eq!(clock.budget(after(4_000), true, false), None);
        // What a key brought about is not held back.
        clock.drawn(after(100), true, false, 8_192);
        clock.drawn(after(2_000), false, false, 8_192);
        assert_eq!(clock.due(after(2_050), false), None);
        assert_eq!(clock.due(after(2_049), false), Some(after(2_050)));
    }

    #[test]
    fn from_afar_letters_go_before_a_list_of_which_nobody_knows_what_it_costs() {
        let mut clock = FrameClock::new(20, true);
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        clock.drawn(now, false, false, 8_192);
        // A letter does not wait for that, and takes no other row along.
        assert_eq!(clock.due(after(500), true), None);
        assert_eq!(clock.budget(after(500), true, true), Some(0));
        clock.drawn(after(500), true, true, 40);
        // The list follows, whole, when the letters pause.
        assert_eq!(clock.due(after(600), false), Some(after(1_500)));
        assert_eq!(clock.budget(after(1_500), true, true), None);
        // On a link at rest it follows in pieces at once.
        let mut clock = FrameClock::new(20, true);
        clock.drawn(now, true, true, 2_048);
        assert_eq!(clock.due(now, false), Some(after(1_000)));
        let mut clock = FrameClock::new(20, true);
        clock.drawn(now, true, true, 204);
        assert_eq!(clock.budget(after(100), true, true), Some(204));
        assert_eq!(clock.budget(after(1_000), true, true), None);
    }
}
