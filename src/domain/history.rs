//! What is remembered of an instance between two runs of the program.
//!
//! Must not live here: where it is kept (`store::history`), how it is shown (`view`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::{Report, Verdict};

/// A diagnosis that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastCase {
    pub at: Timestamp,
    pub instance: String,
    /// `healthy`, `faulty` or `inconclusive`.
    pub verdict: String,
    /// Most probable cause and its share.
    pub cause: String,
    pub probability: f64,
    /// Id of the action that cured it; empty where none did.
    pub cured_by: String,
    /// Name of the host where it was made; empty for this one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub on: String,
}

/// A diagnosis that says the same as the last one is another case only after this time.
pub const SAME_CASE_S: i64 = 3_600;

impl PastCase {
    /// What a diagnosis comes to; `None` where it names no cause.
    pub fn of(report: &Report, at: Timestamp) -> Option<Self> {
        let top = report.causes.first()?;
        Some(Self {
            at,
            instance: report.instance.id.clone(),
            verdict: match report.verdict {
                Verdict::Healthy => "healthy",
                Verdict::Faulty => "faulty",
                Verdict::Inconclusive => "inconclusive",
            }
            .to_owned(),
            cause: top.id.clone(),
            probability: top.probability,
            cured_by: String::new(),
            on: String::new(),
        })
    }

    /// True when this diagnosis only says again what `last` said a while ago.
    pub fn repeats(&self, last: &Self) -> bool {
        let age = self.at.as_second() - last.at.as_second();
        self.verdict == last.verdict
            && self.cause == last.cause
            && last.cured_by.is_empty()
            && age.abs() < SAME_CASE_S
    }
}

/// Since when the login of an instance is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginSpan {
    pub instance: String,
    /// Whether the login service answers.
    pub answers: bool,
    /// The first look that found it so.
    pub since: Timestamp,
    /// The last look before that found it otherwise; `None` when nobody had looked.
    pub before: Option<Timestamp>,
}

impl LoginSpan {
    /// Between which looks the login began to fail; `None` where it answers, or was never seen to.
    pub fn onset(&self) -> Option<Onset> {
        let answered = self.before.filter(|_| !self.answers)?;
        Some(Onset {
            answered,
            failed: self.since,
        })
    }
}

/// The two looks between which a login began to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Onset {
    /// The last look that it answered.
    pub answered: Timestamp,
    /// The first look that it did not.
    pub failed: Timestamp,
}
