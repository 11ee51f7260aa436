//! A step of a guide that somebody ticked off for an instance.
//!
//! Must not live here: the guides (`guide`), the file that keeps the ticks (`store`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a tick belongs to the case at hand. Older ones are of an earlier trouble and would
/// claim for this one what nobody did.
pub const CASE_DAYS: i64 = 7;

/// One ticked step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickedStep {
    pub guide: String,
    /// From 1.
    pub step: usize,
    pub at: Timestamp,
    /// `user@host`; empty until it is stored.
    pub by: String,
}
