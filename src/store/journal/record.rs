//! One line of the journal.
//!
//! Fields are only ever added; readers skip what they do not know. No field holds a secret.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::plan::Plan;
use crate::domain::api_call::ApiCall;
use crate::domain::login_layer::BrokenLayer;
use crate::domain::outcome::Outcome;
use crate::domain::said::{self, Said};
use crate::store::said as words;

/// Version of the lines written here.
pub const VERSION: u32 = 1;

/// One line: something that happened to an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub v: u32,
    pub at: Timestamp,
    pub entry: String,
    #[serde(flatten)]
    pub event: Event,
}

impl Record {
    /// A line of this version.
    pub fn new(at: Timestamp, entry: &str, event: Event) -> Self {
        Self {
            v: VERSION,
            at,
            entry: entry.to_owned(),
            event,
        }
    }
}

/// Who acted, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub user: String,
    pub host: String,
    /// `SSH_CLIENT` of the session, where there is one.
    pub from: String,
    pub pid: u32,
    /// Account of the operating system; lines of an earlier version name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    pub version: String,
}

/// The cloud and the account in which something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub endpoint: String,
    /// sts `GetCallerIdentity`; empty where it was not told.
    #[serde(default)]
    pub account: String,
}

impl Place {
    /// Whether the other's cloud can tell what became of something done here. A place that is not
    /// known, as in lines of an earlier version, may be any.
    pub fn may_be(&self, other: &Self) -> bool {
        let known = |text: &str| !text.is_empty();
        if known(&self.account) && known(&other.account) {
            return self.account == other.account;
        }
        !known(&self.endpoint) || !known(&other.endpoint) || self.endpoint == other.endpoint
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account.as_str() {
            "" => f.write_str(&self.endpoint),
            account => write!(f, "account {account} at {}", self.endpoint),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Written and synced before the first call: everything that will be sent.
    Intent {
        author: Author,
        #[serde(default)]
        place: Place,
        plan: Box<Plan>,
        /// Login as the probes saw it before, in words; empty when not probed.
        #[serde(flatten, with = "said::login_before")]
        login_before: Vec<Said>,
        /// Layers of login that did not let a client through before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        broken_before: Vec<BrokenLayer>,
        /// `LatestOperationRequestId` before, to tell our operation from an older one.
        #[serde(default)]
        last_operation_before: String,
    },
    /// About to send this step, with its inputs filled in and its secrets not.
    Sending {
        step: usize,
        call: ApiCall,
        /// Seconds by which the cloud's clock is ahead of the one that `at` was read from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_offset_s: Option<i64>,
    },
    /// What became of a call.
    Called { step: usize, result: CallResult },
    /// The step reached its end state, or did not.
    Ended {
        step: usize,
        success: bool,
        #[serde(flatten, with = "said::detail")]
        detail: Said,
        #[serde(default)]
        output: Vec<String>,
    },
    /// The login probes after the action.
    Verified {
        outcome: Outcome,
        #[serde(flatten, with = "said::login_after")]
        login_after: Vec<Said>,
        seconds: u64,
    },
    /// Nothing more will be done for this entry.
    Closed {
        outcome: Outcome,
        #[serde(flatten, with = "said::detail")]
        detail: Said,
    },
    /// A time-boxed change is to stay.
    Kept,
}

/// The result of sending one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum CallResult {
    Answered {
        request_id: String,
        /// Fields of the answer that the plan asked to keep, by JSON pointer.
        #[serde(default)]
        kept: serde_json::Map<String, Value>,
    },
    /// The cloud refused, or it certainly never got there.
    Failed {
        error: String,
        request_id: String,
        /// The same may be taken a moment later: too many requests, rules that had changed.
        #[serde(default)]
        passing: bool,
    },
    /// It may or may not have arrived.
    Unknown { error: String },
    /// Found by looking at the cloud's own state after a crash.
    Settled {
        arrived: bool,
        #[serde(flatten, with = "said::detail")]
        detail: Said,
    },
}

/// The words for how an entry ended.
impl Outcome {
    /// The word for it.
    pub fn said(self) -> Said {
        match self {
            Self::Done => words::outcome_done(),
            Self::Restored => words::outcome_restored(),
            Self::Improved => words::outcome_improved(),
            Self::Unchanged => words::outcome_unchanged(),
            Self::Worse => words::outcome_worse(),
            Self::Failed => words::outcome_failed(),
            Self::Unknown => words::outcome_unknown(),
            Self::Interrupted => words::outcome_interrupted(),
        }
    }
}
