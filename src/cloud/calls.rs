//! The calls of this process, newest last: when, which, where, how long, with what result. Never what
//! was sent or answered.
//!
//! Must not live here: answers (`tap`), numbers of calls (`client`).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, CloudError};
use crate::domain::api_call::ApiCall;

/// Calls that are kept; the oldest go first.
const MOST: usize = 500;

/// One request that left, repetitions each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub at: Timestamp,
    /// `service:Action`.
    pub action: String,
    /// Empty for actions that take none.
    pub region: String,
    pub took: Duration,
    /// The cloud's code where it refused.
    pub code: Option<String>,
    /// Absent where nothing answered.
    pub request_id: Option<String>,
}

/// Where they are kept.
#[derive(Debug, Default)]
pub struct Calls(Mutex<VecDeque<Call>>);

impl Calls {
    pub(super) fn keep(&self, call: &ApiCall, took: Duration, result: &Result<Answer, CloudError>) {
        let (code, request_id) = match result {
            Ok(answer) => (None, Some(answer.request_id.clone())),
            Err(error) => (
                error.code().map(str::to_owned),
                error.request_id().map(str::to_owned),
            ),
        };
        let elapsed = SignedDuration::try_from(took).unwrap_or_default();
        let mut kept = self.locked();
        kept.push_back(Call {
            at: Timestamp::now() - elapsed,
            action: call.permission(),
            region: call.region.clone(),
            took,
            code,
            request_id,
        });
        if kept.len() > MOST {
            kept.pop_front();
        }
    }

    /// Those that are kept, oldest first.
    pub fn all(&self) -> Vec<Call> {
        self.locked().iter().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_calls_are_kept_without_what_was_sent_or_answered() {
        let calls = Calls::default();
        let sent = json!({"Password": "hunter2"});
        for n in 0..MOST + 3 {
            let call = ApiCall::new("cvm", "ResetInstancesPassword", "ap-seoul", sent.clone());
            let answer = Answer {
                response: json!({"Token": "hunter2"}),
                request_id: format!("r-{n}"),
            };
            calls.keep(&call, Duration::from_millis(7), &Ok(answer));
        }
        let kept = calls.all();
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept[0].request_id.as_deref(), Some("r-3"));
        assert!(!format!("{kept:?}").contains("hunter2"));
        let refused = CloudError::from_code("cvm:X", "UnauthorizedOperation", "no", "r-x");
        let call = ApiCall::new("cvm", "X", "", json!({}));
        calls.keep(&call, Duration::ZERO, &Err(refused));
        let last = calls.all().pop().unwrap();
        assert_eq!(last.code.as_deref(), Some("UnauthorizedOperation"));
        assert_eq!(last.request_id.as_deref(), Some("r-x"));
    }
}
