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

/// `null` counts as the type's default.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
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

/// The objects of a list field that can be read, and how many could not. An absent or `null`
/// list is empty.
pub fn list<T: DeserializeOwned>(response: &Value, field: &str) -> (Vec<T>, usize) {
    let mut read = Vec::new();
    let mut unreadable = 0;
    for item in response
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        match T::deserialize(item) {
            Ok(item) => read.push(item),
            Err(error) => {
                unreadable += 1;
                tracing::warn!(field, %error, "an entry of the answer is not understood");
            }
        }
    }
    (read, unreadable)
}

/// `TotalCount`, whichever way it is written; `None` where it is missing.
pub fn total(response: &Value) -> Option<u64> {
    match response.get("TotalCount")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
