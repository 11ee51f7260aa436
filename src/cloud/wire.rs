//! Answers of the API as they are sent, read tolerantly: unknown fields are ignored, `null` and
//! absent are the same, enumerations stay text.
//!
//! Must not live here: what a value means (`inventory`, `facts`). Field names are the vendor's.

mod instance;
mod network;
mod watch;

pub use instance::*;
pub use network::*;
pub use watch::*;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::CloudError;
use super::said;
use crate::domain::said::Said;

/// `null` counts as the type's default.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an object; a list is no object, though serde would take its elements for the fields.
fn object<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    if value.is_object() {
        T::deserialize(value)
    } else {
        Err(serde::de::Error::custom("not an object"))
    }
}

/// A list of objects; `None` where the field is absent or `null`.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Some(items) = Option::<Vec<Value>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let read: Result<Vec<T>, _> = items.iter().map(object).collect();
    read.map(Some).map_err(serde::de::Error::custom)
}

/// Whole numbers that some actions send as text.
pub(crate) fn flexible_integer<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|f| f as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// A value of the wrong kind counts as absent, so that one odd field does not cost the whole
/// object. Only for objects in which an absent field is harmless: never for rules.
pub(crate) fn loose<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Text that some implementations send as a number; anything else counts as absent.
pub(crate) fn loose_text<'de, D>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

/// Text that may be sent as a number, in objects whose meaning hangs on it: other kinds are
/// refused, `null` is empty.
pub(crate) fn text<'de, D>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        other => Err(serde::de::Error::custom(format!(
            "{other} is neither text nor a number"
        ))),
    }
}

/// Text as [`text`], where an absent or `null` field is told apart from an empty one.
pub(crate) fn given_text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Null => Ok(None),
        other => Err(serde::de::Error::custom(format!(
            "{other} is neither text nor a number"
        ))),
    }
}

/// A flag that may be sent as `true`, `"true"`, `1` or `"1"`; `None` for anything else.
pub(crate) fn flexible_flag<'de, D>(deserializer: D) -> Result<Option<bool>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Some(flag),
        Value::Number(number) => number.as_i64().map(|n| n != 0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    })
}

/// The objects of a list field that can be read, and how many could not. A list that is absent,
/// `null` or of another kind counts as one that could not: nobody said that it is empty.
pub fn list<T: DeserializeOwned>(response: &Value, field: &str) -> (Vec<T>, usize) {
    let mut read = Vec::new();
    let Some(items) = response.get(field).and_then(Value::as_array) else {
        tracing::warn!(field, "the answer holds no such list");
        return (read, 1);
    };
    let mut unreadable = 0;
    for item in items {
        match object(item) {
            Ok(item) => read.push(item),
            Err(error) => {
                unreadable += 1;
                tracing::warn!(field, %error, "an entry of the answer is not understood");
            }
        }
    }
    (read, unreadable)
}

/// The objects of a list field, where every one of them can be read.
///
/// # Errors
/// [`CloudError::BadAnswer`] for a list that is not there or holds something that is not understood.
pub fn whole<T: DeserializeOwned>(
    response: &Value,
    field: &str,
    action: &str,
) -> Result<Vec<T>, CloudError> {
    match list(response, field) {
        (items, 0) => Ok(items),
        _ => Err(not_understood(action, Said::raw(field))),
    }
}

/// The error of an answer whose `what` has a shape that is not understood.
pub fn not_understood(action: &str, what: Said) -> CloudError {
    CloudError::BadAnswer {
        action: action.to_owned(),
        host: "the cloud".to_owned(),
        reason: Box::new(said::odd(what)),
    }
}

/// `TotalCount`, whichever way it is written; `None` where it is missing.
pub fn total(response: &Value) -> Option<u64> {
    match response.get("TotalCount")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
