//! The time, for the console's messages.
//!
//! Must not live here: timers of the event loop.

use jiff::Timestamp;

/// The time now, to the millisecond.
pub fn now() -> Timestamp {
    Timestamp::now()
}
