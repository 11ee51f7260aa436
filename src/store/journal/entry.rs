//! Lines of the journal put together into entries.
//!
//! Pure: records in, entries out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::record::{Author, CallResult, Event, Place, Record, VERSION};
use crate::action::plan::Plan;
use crate::action::undo::KeptAnswers;
use crate::domain::api_call::ApiCall;
use crate::domain::login_layer::BrokenLayer;
use crate::domain::outcome::Outcome;
use crate::domain::said::{self, Said};
use crate::store::said as words;

/// One action from intent to end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub id: String,
    pub began: Timestamp,
    pub author: Author,
    pub place: Place,
    pub plan: Plan,
    #[serde(flatten, with = "said::login_before")]
    pub login_before: Vec<Said>,
    /// Layers of login that did not let a client through before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken_before: Vec<BrokenLayer>,
    #[serde(flatten, with = "said::login_after")]
    pub login_after: Vec<Said>,
    pub last_operation_before: String,
    pub calls: Vec<CallState>,
    pub state: EntryState,
    pub outcome: Option<Outcome>,
    #[serde(flatten, with = "said::detail")]
    pub detail: Said,
    /// Time from the first call to the verification, seconds.
    pub seconds: Option<u64>,
    pub ended: Option<Timestamp>,
    /// When a time-boxed change is due to be taken back, by the cloud's clock.
    pub expires_at: Option<Timestamp>,
    /// Entry that took this one back.
    pub undone_by: Option<String>,
    /// Another host did it: nothing is done about it here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    InFlight,
    Closed,
}

/// One call of an entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallState {
    pub step: usize,
    pub call: ApiCall,
    pub sent_at: Timestamp,
    /// `None`: written down as about to be sent, and nothing since.
    pub result: Option<CallResult>,
    pub ended: Option<bool>,
    #[serde(flatten, with = "said::detail")]
    pub detail: Said,
    pub output: Vec<String>,
}

impl Entry {
    /// Values kept from answers, for the undo.
    pub fn kept(&self) -> KeptAnswers {
        let mut kept = BTreeMap::new();
        for call in &self.calls {
            if let Some(CallResult::Answered { kept: fields, .. }) = &call.result {
                for (pointer, value) in fields {
                    kept.insert((call.step, pointer.clone()), value.clone());
                }
            }
        }
        kept
    }

    /// How it ended, as far as that still holds.
    pub fn standing(&self) -> Said {
        match (self.state, self.outcome, &self.undone_by) {
            (EntryState::InFlight, ..) => words::in_flight(),
            (EntryState::Closed, outcome, Some(_)) => {
                words::outcome_taken_back(outcome.map_or_else(words::closed, Outcome::said))
            }
            (EntryState::Closed, outcome, None) => {
                outcome.map_or_else(words::closed, Outcome::said)
            }
        }
    }

    /// True when it changed something that has not been taken back, and can be from here.
    pub fn can_be_undone(&self) -> bool {
        let sent = self.calls.iter().any(|call| {
            !matches!(
                call.result,
                Some(CallResult::Failed { .. } | CallResult::Settled { arrived: false, .. })
            )
        });
        sent && !self.elsewhere
            && self.undone_by.is_none()
            && !matches!(self.plan.undo, crate::action::plan::Undo::None { .. })
    }

    /// True when what it was to do was done, whatever became of login: an undo like that took its
    /// original back.
    pub(super) fn took_effect(&self) -> bool {
        matches!(
            self.outcome,
            Some(
                Outcome::Done
                    | Outcome::Restored
                    | Outcome::Improved
                    | Outcome::Unchanged
                    | Outcome::Worse
            )
        )
    }

    /// True when it is closed, but whether its last call arrived is not known, and a time box makes
    /// it worth looking again.
    pub fn is_untold(&self) -> bool {
        let lost =
            |call: &CallState| matches!(call.result, None | Some(CallResult::Unknown { .. }));
        self.state == EntryState::Closed
            && self.outcome == Some(Outcome::Unknown)
            && self.expires_at.is_some()
            && self.undone_by.is_none()
            && self.calls.last().is_some_and(lost)
    }

    /// True when its time is over and nobody has taken it back or kept it.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now) && self.can_be_undone()
    }
}

/// The record of a line; `None` when it cannot be understood.
pub(super) fn read_line(line: &[u8]) -> Option<Record> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if value["v"].as_u64()? > u64::from(VERSION) {
        return None;
    }
    serde_json::from_value(value).ok()
}

/// The record of a line, if it is about this entry.
pub(super) fn read_line_of(entry: &str, line: &[u8]) -> Option<Record> {
    let named = |line: &[u8]| {
        let mut parts = line.windows(entry.len());
        parts.any(|part| part == entry.as_bytes())
    };
    // Cheaper than reading a plan that is then thrown away.
    if entry.is_empty() || !named(line) {
        return None;
    }
    read_line(line).filter(|record| record.entry == entry)
}

impl Entry {
    /// The entry that an intent begins; `None` of any other record.
    pub(super) fn begun(record: Record) -> Option<Self> {
        let Event::Intent {
            author,
            place,
            plan,
            login_before,
            broken_before,
            last_operation_before,
        } = record.event
        else {
            return None;
        };
        Some(Self {
            id: record.entry,
            began: record.at,
            author,
            place,
            plan: *plan,
            login_before,
            broken_before,
            login_after: Vec::new(),
            last_operation_before,
            calls: Vec::new(),
            state: EntryState::InFlight,
            outcome: None,
            detail: Said::default(),
            seconds: None,
            ended: None,
            expires_at: None,
            undone_by: None,
            elsewhere: false,
        })
    }

    /// Adds what a later line says.
    pub(super) fn apply(&mut self, record: Record) {
        let at = record.at;
        match record.event {
            Event::Intent { .. } => {}
            Event::Sending {
                step,
                call,
                clock_offset_s,
            } => {
                // From here on it may be in force, whatever is heard of it.
                if let Some(minutes) = self.plan.expires_after_minutes {
                    let ahead = SignedDuration::from_secs(clock_offset_s.unwrap_or(0));
                    let span = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
                    let sent = at.checked_add(ahead).ok();
                    self.expires_at = sent.and_then(|sent| sent.checked_add(span).ok());
                }
                self.calls.push(CallState {
                    step,
                    call,
                    sent_at: at,
                    result: None,
                    ended: None,
                    detail: Said::default(),
                    output: Vec::new(),
                });
            }
            Event::Called { step, result } => {
                if let Some(call) = self.call_of(step) {
                    call.result = Some(result);
                }
            }
            Event::Ended {
                step,
                success,
                detail,
                output,
            } => {
                if let Some(call) = self.call_of(step) {
                    call.ended = Some(success);
                    call.detail = detail;
                    call.output = output;
                }
            }
            Event::Verified {
                outcome,
                login_after,
                seconds,
            } => {
                self.outcome = Some(outcome);
                self.login_after = login_after;
                self.seconds = Some(seconds);
            }
            Event::Closed { outcome, detail } => {
                self.state = EntryState::Closed;
                self.outcome = Some(outcome);
                self.detail = detail;
                self.ended = Some(at);
            }
            Event::Kept => self.expires_at = None,
        }
    }

    fn call_of(&mut self, step: usize) -> Option<&mut CallState> {
        self.calls.iter_mut().rev().find(|call| call.step == step)
    }
}
