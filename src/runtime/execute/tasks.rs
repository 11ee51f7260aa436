//! Reads the probe tasks of the provider's test service that an entry has made.

use serde_json::{Value, json};

use crate::cloud::{Client, CloudError, wire};
use crate::domain::api_call::ApiCall;
use crate::domain::text::sanitise;
use crate::runtime::said;

/// Tasks of one page; an entry makes one.
const PAGE: usize = 100;
/// `Status` of a task that is deleted, if the service lists it at all.
const DELETED: u64 = 9;

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTask {
    pub id: String,
    /// Whether it counts to the trial version, where the service says so.
    pub trial: Option<bool>,
    pub in_arrears: bool,
}

/// The tasks of exactly that name that are not deleted; others may have it as a part of theirs.
///
/// # Errors
/// Those of the call, and an answer without the list.
pub async fn named(client: &Client, name: &str) -> Result<Vec<ProbeTask>, CloudError> {
    let parameters = json!({ "TaskName": name, "Offset": 0, "Limit": PAGE });
    let call = ApiCall::new("cat", "DescribeProbeTasks", "", parameters);
    let answer = client.call(&call).await?.response;
    let rows = match answer.get("TaskSet") {
        Some(Value::Array(rows)) => rows.as_slice(),
        Some(Value::Null) => &[],
        // An absent list is no empty one: a task would be taken for gone.
        _ => {
            let what = said::answer_lacks("TaskSet");
            return Err(wire::not_understood(&call.permission(), what));
        }
    };
    let word = |row: &Value, name: &str| row.get(name).and_then(Value::as_u64);
    let of = |row: &Value| {
        let id = row.get("TaskId").and_then(Value::as_str)?;
        let own = row.get("Name").and_then(Value::as_str) == Some(name);
        (own && word(row, "Status") != Some(DELETED)).then(|| ProbeTask {
            id: sanitise(id, 80),
            trial: word(row, "PayMode").and_then(|mode| match mode {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            }),
            in_arrears: word(row, "OrderState") == Some(2),
        })
    };
    Ok(rows.iter().filter_map(of).collect())
}
