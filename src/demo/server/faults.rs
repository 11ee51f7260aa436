//! Faults that a test may inject into the demo cloud's answers.
//!
//! Lives here: which action fails how and how often. Must not live here: anything on by default.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, refuse};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `RequestLimitExceeded`.
    Throttled,
    /// HTTP 500 with a body that is no JSON.
    ServerError,
    /// `InternalError` in a proper answer.
    InternalError,
    /// No answer for ten minutes.
    Timeout,
    /// The body ends half-way.
    TruncatedBody,
    /// `UnauthorizedOperation`.
    Unauthorised,
}

impl Fault {
    /// The answer in place of the real one.
    pub(super) fn refusal(self, action: &str) -> Answer {
        match self {
            Self::Throttled => refuse("RequestLimitExceeded", "Injected: too many requests."),
            Self::Unauthorised => refuse(
                "UnauthorizedOperation.CamNoAuth",
                format!("You are not authorised to perform {action}."),
            ),
            Self::ServerError | Self::InternalError | Self::Timeout | Self::TruncatedBody => {
                refuse("InternalError", "Injected: an internal error.")
            }
        }
    }
}

/// Faults by action; `*` stands for every action.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Waited before every answer.
    pub latency: Duration,
    by_action: BTreeMap<String, (Fault, u32)>,
}

impl Faults {
    /// The next `times` calls of `action` (`*` for any) fail so.
    #[must_use]
    pub fn with(mut self, action: &str, fault: Fault, times: u32) -> Self {
        self.by_action.insert(action.to_owned(), (fault, times));
        self
    }

    /// The fault for this call, if any is left.
    pub(super) fn take(&mut self, action: &str) -> Option<Fault> {
        for name in [action, "*"] {
            if let Some((fault, times)) = self.by_action.get_mut(name)
                && *times > 0
            {
                *times -= 1;
                return Some(*fault);
            }
        }
        None
    }
}
