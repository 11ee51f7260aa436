//! Who acts, and the ids of journal entries.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::secret::random_bytes;
use crate::cloud::Client;
use crate::domain::api_call::{ANY_REGION, ApiCall};
use crate::domain::text::sanitise;
use crate::store::journal::Author;

/// The person and place behind this process.
pub fn author() -> Author {
    let variable = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
            .map(|value| sanitise(&value, 100))
            .unwrap_or_default()
    };
    let named = variable(&["SUDO_USER", "USER", "LOGNAME"]);
    Author {
        user: if named.is_empty() {
            format!("uid {}", rustix::process::getuid().as_raw())
        } else {
            named
        },
        host: sanitise(&rustix::system::uname().nodename().to_string_lossy(), 64),
        from: variable(&["SSH_CLIENT"])
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
        pid: std::process::id(),
        uid: Some(rustix::process::geteuid().as_raw()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The account of these credentials: sts `GetCallerIdentity` takes nothing and needs no permission.
/// Empty where it is not told.
pub async fn account(client: &Client) -> String {
    let call = ApiCall::new("sts", "GetCallerIdentity", ANY_REGION, json!({}));
    match client.call(&call).await {
        Ok(answer) => sanitise(
            answer.response["AccountId"].as_str().unwrap_or_default(),
            40,
        ),
        Err(_) => String::new(),
    }
}

/// A new id: sorts by time, and two programs do not make the same one.
pub fn new_entry_id() -> String {
    let now = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S")
        .to_string();
    let tail = random_bytes::<3>().map_or_else(
        |_| std::process::id() & 0xff_ffff,
        |[a, b, c]| u32::from_be_bytes([0, a, b, c]),
    );
    format!("{now}-{tail:06x}")
}
