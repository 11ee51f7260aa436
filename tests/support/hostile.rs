//! A cloud whose every free text would take over a terminal.
//!
//! Must not live here: what must come of it.

use serde_json::Value;

/// Moves the cursor, sets the clipboard, rings, turns the direction, breaks the line.
pub const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{9b}31m\u{202e}\u{200b}\r\n\u{0}\u{8}{\"x\":1}|<b>'`$(id)";

/// Fields that people or guests fill in.
const FREE_TEXT: &[&str] = &[
    "InstanceName",
    "OsName",
    "Message",
    "LatestOperationErrorMsg",
    "SecurityGroupName",
    "SecurityGroupDesc",
    "PolicyDescription",
    "Description",
    "SubnetName",
    "VpcName",
    "RouteTableName",
    "NetworkAclName",
    "Username",
    "TaskDetail",
    "TaskTitle",
    "EventMessage",
    "Value",
    "Key",
    "AddressName",
    "LoginName",
    "DefaultLoginUser",
    "ErrorInfo",
    "ProductName",
];

fn poison(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if FREE_TEXT.contains(&name.as_str()) => {
                        text.push_str(HOSTILE);
                    }
                    other => poison(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(poison),
        _ => {}
    }
}

/// Hostile text behind every free text of an answer, a field and an enum value nobody knows.
pub fn hostile(action: &str, body: Vec<u8>) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
        return body;
    };
    poison(&mut answer);
    answer["Response"]["FieldOfTomorrow"] = serde_json::json!({"a": [1, HOSTILE]});
    if action == "DescribeInstances" {
        let set = answer["Response"]["InstanceSet"].as_array_mut();
        for (number, instance) in set.into_iter().flatten().enumerate() {
            if number % 9 == 8 {
                instance["InstanceState"] = format!("TOMORROW{HOSTILE}").into();
            }
        }
    }
    answer.to_string().into_bytes()
}
