//! Answers of the cloud kept as they came, for a ticket: bounded, and without what opens a door.
//!
//! Must not live here: what an answer means (`facts`), or where it is written (`runtime::ticket`).

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Answer, CloudError};
use crate::domain::api_call::ApiCall;
use crate::domain::text::sanitise_block;

/// Answers that are kept of one run.
const MOST_ANSWERS: usize = 200;
/// Characters of one text.
const MOST_TEXT: usize = 8_000;
/// Entries of one list.
const MOST_ITEMS: usize = 30;
/// Bytes of one answer; a longer one is left out, and said to be.
const MOST_BYTES: usize = 48 * 1024;
/// A text of at least so many characters that is base64 is not a word.
const LEAST_ENCODED: usize = 64;
/// Fields that may hold what opens a door.
const SECRETS: [&str; 5] = ["password", "secret", "token", "vncurl", "userdata"];

/// One answer, or why there was none.
#[derive(Debug, Clone, Serialize)]
pub struct RawAnswer {
    pub at: Timestamp,
    /// `service:Action`.
    pub action: String,
    pub region: String,
    pub request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RawAnswer {
    /// What the cloud answered, as it is kept.
    pub fn value(&self) -> Option<Value> {
        serde_json::from_str(self.response.as_ref()?.get()).ok()
    }
}

/// Where answers are kept; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Mutex<Vec<RawAnswer>>>);

impl Tap {
    /// What was kept, in the order of arrival; the tap is empty then.
    pub fn take(&self) -> Vec<RawAnswer> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn keep(&self, call: &ApiCall, result: &Result<Answer, CloudError>) {
        let (request_id, response, error) = match result {
            Ok(answer) => (answer.request_id.clone(), bounded(&answer.response), None),
            Err(error) => (
                error.request_id().unwrap_or_default().to_owned(),
                None,
                Some(sanitise_block(&error.to_string(), MOST_TEXT)),
            ),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_ANSWERS {
            kept.push(RawAnswer {
                at: Timestamp::now(),
                action: call.permission(),
                region: call.region.clone(),
                request_id,
                response,
                error,
            });
        }
    }
}

/// What is kept of an answer, as text: as a tree it takes four times the memory.
fn bounded(response: &Value) -> Option<Box<RawValue>> {
    let mut text = trimmed("", response).to_string();
    if text.len() > MOST_BYTES {
        text = json!({ "left_out": format!("{} bytes", text.len()) }).to_string();
    }
    text.shrink_to_fit();
    RawValue::from_string(text).ok()
}

/// Texts cut, lists shortened, secrets out; base64 as the text that it stands for.
fn trimmed(name: &str, value: &Value) -> Value {
    let lower = name.to_ascii_lowercase();
    if SECRETS.iter().any(|secret| lower.contains(secret)) && !value.is_null() {
        return Value::from("(left out)");
    }
    match value {
        Value::String(text) => Value::from(plain(text)),
        Value::Array(items) => {
            let mut kept: Vec<Value> = items
                .iter()
                .take(MOST_ITEMS)
                .map(|item| trimmed(name, item))
                .collect();
            if items.len() > MOST_ITEMS {
                let left = items.len() - MOST_ITEMS;
                kept.push(Value::from(format!("({left} more left out)")));
            }
            Value::from(kept)
        }
        Value::Object(fields) => Value::from(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), trimmed(name, value)))
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

fn plain(text: &str) -> String {
    let decoded = (text.len() >= LEAST_ENCODED && text.len().is_multiple_of(4))
        .then(|| STANDARD.decode(text).ok())
        .flatten();
    match decoded.map(String::from_utf8) {
        Some(Ok(decoded)) => sanitise_block(&decoded, MOST_TEXT),
        Some(Err(_)) => "(encoded, left out)".to_owned(),
        None => sanitise_block(text, MOST_TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_readable_and_without_secrets() {
        let guest = "sshd: no hostkeys available -- exiting.\n".repeat(3);
        let answer = json!({
            "LoginSettings": { "Password": "hunter2", "KeyIds": ["skey-1"] },
            "InstanceVncUrl": "wss://x",
            "TaskResult": { "Output": STANDARD.encode(&guest) },
            "Many": (0..100).collect::<Vec<_>>(),
            "Long": "ab ".repeat(9_000),
            "Odd": "\u{1b}[2Jx",
        });
        let read = |answer: &Value| bounded(answer).unwrap().get().to_owned();
        let text = read(&answer);
        let kept: Value = serde_json::from_str(&text).unwrap();
        for gone in ["hunter2", "wss://x", "\u{1b}", "\\u001b"] {
            assert!(!text.contains(gone), "{gone}");
        }
        assert_eq!(kept["TaskResult"]["Output"], *guest);
        assert_eq!(kept["Many"].as_array().unwrap().len(), MOST_ITEMS + 1);
        assert!(kept["Long"].as_str().unwrap().chars().count() <= MOST_TEXT + 1);
        let huge = json!({ "A": vec!["x ".repeat(4_000); 20] });
        assert!(read(&huge).starts_with(r#"{"left_out":""#));
    }
}
