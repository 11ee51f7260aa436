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
