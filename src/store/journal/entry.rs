//! Lines of the journal put together into entries.
//!
//! Pure: text in, entries out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Contents;
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
    /// When a time-boxed change is due to be taken back.
    pub expires_at: Option<Timestamp>,
    /// Entry that took this one back.
    pub undone_by: Option<String>,
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

    /// True when it changed something that has not been taken back.
    pub fn can_be_undone(&self) -> bool {
        let took_effect = self.calls.iter().any(|call| {
            !matches!(
                call.result,
                Some(CallResult::Failed { .. } | CallResult::Settled { arrived: false, .. })
            )
        });
        took_effect
            && self.undone_by.is_none()
            && !matches!(self.plan.undo, crate::action::plan::Undo::None { .. })
    }

    /// True when its time is over and nobody has taken it back or kept it.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now) && self.can_be_undone()
    }
}

/// Reads lines in order; what cannot be understood is counted.
pub fn fold(text: &str) -> Contents {
    let mut order: Vec<String> = Vec::new();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut skipped = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some(record) = read_line(line) else {
            skipped += 1;
            continue;
        };
        if let Event::Intent { .. } = record.event {
            if entries.contains_key(&record.entry) {
                skipped += 1;
                continue;
            }
            order.push(record.entry.clone());
            if let Some(entry) = begin(record) {
                entries.insert(entry.id.clone(), entry);
            }
        } else if let Some(entry) = entries.get_mut(&record.entry) {
            apply(entry, record);
        } else {
            skipped += 1;
        }
    }
    link_undos(&mut entries);
    let entries = order.iter().filter_map(|id| entries.remove(id)).collect();
    Contents { entries, skipped }
}

fn read_line(line: &str) -> Option<Record> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value["v"].as_u64()? > u64::from(VERSION) {
        return None;
    }
    serde_json::from_value(value).ok()
}

fn begin(record: Record) -> Option<Entry> {
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
    Some(Entry {
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
    })
}

fn apply(entry: &mut Entry, record: Record) {
    let at = record.at;
    match record.event {
        Event::Intent { .. } => {}
        Event::Sending { step, call } => entry.calls.push(CallState {
            step,
            call,
            sent_at: at,
            result: None,
            ended: None,
            detail: Said::default(),
            output: Vec::new(),
        }),
        Event::Called { step, result } => {
            if let Some(call) = call_of(entry, step) {
                call.result = Some(result);
            }
        }
        Event::Ended {
            step,
            success,
            detail,
            output,
        } => {
            if let Some(call) = call_of(entry, step) {
                call.ended = Some(success);
                call.detail = detail;
                call.output = output;
            }
            if let Some(minutes) = entry.plan.expires_after_minutes {
                let span = jiff::SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
                entry.expires_at = at.checked_add(span).ok();
            }
        }
        Event::Verified {
            outcome,
            login_after,
            seconds,
        } => {
            entry.outcome = Some(outcome);
            entry.login_after = login_after;
            entry.seconds = Some(seconds);
        }
        Event::Closed { outcome, detail } => {
            entry.state = EntryState::Closed;
            entry.outcome = Some(outcome);
            entry.detail = detail;
            entry.ended = Some(at);
        }
        Event::Kept => entry.expires_at = None,
    }
}

fn call_of(entry: &mut Entry, step: usize) -> Option<&mut CallState> {
    entry.calls.iter_mut().rev().find(|call| call.step == step)
}

/// An undo that took effect marks the entry it reverses.
fn link_undos(entries: &mut BTreeMap<String, Entry>) {
    let links: Vec<(String, String)> = entries
        .values()
        .filter(|entry| {
            matches!(
                entry.outcome,
                Some(
                    Outcome::Done
                        | Outcome::Restored
                        | Outcome::Improved
                        | Outcome::Unchanged
                        | Outcome::Worse
                )
            )
        })
        .filter_map(|entry| Some((entry.plan.reverses.clone()?, entry.id.clone())))
        .collect();
    for (original, undo) in links {
        if let Some(entry) = entries.get_mut(&original) {
            entry.undone_by = Some(undo);
        }
    }
}
