//! Faults that a test may inject into the demo cloud's answers.
//!
//! Lives here: which action fails how and how often. Must not live here: anything on by default.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

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
    /// `InvalidAction`, as of a cloud that does not offer it.
    NotOffered,
    /// A refusal with this code.
    Refused(&'static str),
}

impl Fault {
    /// The answer in place of the real one.
    ///
    /// CAM has names of its own: `finance` for billing, and those of `cvm` for disks.
    pub(super) fn refusal(self, action: &str) -> Answer {
        match self {
            Self::Throttled => refuse("RequestLimitExceeded", "Injected: too many requests."),
            Self::Refused(code) => refuse(code, "Injected: refused."),
            Self::NotOffered => refuse("InvalidAction", format!("{action} is not offered here.")),
            Self::Unauthorised => {
                let granted_as = match action {
                    "DescribeAccountBalance" => "finance:DescribeAccountBalance",
                    "DescribeDisks" => "name/cvm:DescribeDisks",
                    other => other,
                };
                refuse(
                    "UnauthorizedOperation.CamNoAuth",
                    format!("You are not authorised to perform {granted_as}."),
                )
            }
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
    /// Fields that are left out of every answer, wherever they stand.
    left_out: Vec<String>,
}

impl Faults {
    /// The next `times` calls of `action` (`*` for any) fail so.
    #[must_use]
    pub fn with(mut self, action: &str, fault: Fault, times: u32) -> Self {
        self.by_action.insert(action.to_owned(), (fault, times));
        self
    }

    /// Answers leave these fields out, as a cloud may that does not know them.
    #[must_use]
    pub fn without_fields(mut self, names: &[&str]) -> Self {
        self.left_out
            .extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// Takes the fields out that are to be left out.
    pub(super) fn strip(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !self.left_out.contains(name));
                fields.values_mut().for_each(|inner| self.strip(inner));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.strip(item)),
            _ => {}
        }
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
