//! Checks parameters against the API's own list of names, types and required fields.
//!
//! Lives here: the catalogue in `assets/demo/parameters.toml` and the vendor's errors for misfits.
//! Must not live here: limits that belong to one action.

use std::collections::BTreeMap;

use axum::http::{Method, Uri};
use serde_json::{Map, Value};

use super::constraints::Constraints;
use super::{Refusal, refuse};

type Fields = BTreeMap<String, String>;

/// Request shapes per `service version`.
#[derive(Debug, serde::Deserialize)]
struct Shapes {
    actions: BTreeMap<String, BTreeMap<String, Fields>>,
    types: BTreeMap<String, BTreeMap<String, Fields>>,
}

/// Everything that can be told of a request without the world.
#[derive(Debug)]
pub(super) struct Catalogue {
    shapes: Shapes,
    constraints: Constraints,
}

/// What one service knows while a request of it is checked.
struct Checker<'a> {
    service: &'a str,
    types: &'a BTreeMap<String, Fields>,
    constraints: &'a Constraints,
}

impl Catalogue {
    pub fn embedded() -> Self {
        Self {
            shapes: toml::from_str(include_str!("../../../assets/demo/parameters.toml"))
                .expect("the embedded catalogue of parameters is well formed, as its test shows"),
            constraints: Constraints::embedded(),
        }
    }

    /// Whether this version of the service has the action.
    pub fn knows(&self, service: &str, version: &str, action: &str) -> Result<(), Refusal> {
        let versions: Vec<&String> = self
            .shapes
            .actions
            .keys()
            .filter(|key| key.split(' ').next() == Some(service))
            .collect();
        if versions.is_empty() {
            return refuse(
                "AuthFailure.InvalidAuthorization",
                format!("The service {service:?} of the credential scope is not offered here."),
            );
        }
        let Some(actions) = self.shapes.actions.get(&format!("{service} {version}")) else {
            return refuse(
                "NoSuchVersion",
                format!("{service} has no version {version:?}."),
            );
        };
        if actions.contains_key(action) {
            Ok(())
        } else {
            refuse(
                "InvalidAction",
                format!("The action {action:?} is invalid for {service} {version}."),
            )
        }
    }

    /// Names, types and required fields of one request.
    pub fn check(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let key = format!("{service} {version}");
        let fields = &self.shapes.actions[&key][action];
        let empty = BTreeMap::new();
        let checker = Checker {
            service,
            types: self.shapes.types.get(&key).unwrap_or(&empty),
            constraints: &self.constraints,
        };
        checker.object("", fields, parameters)?;
        self.constraints
            .check(&format!("{service}:{action}"), parameters)
    }
}

impl Checker<'_> {
    fn object(
        &self,
        at: &str,
        fields: &Fields,
        object: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        for (name, value) in object {
            let path = join(at, name);
            let Some(kind) = fields.get(name) else {
                return refuse(
                    "UnknownParameter",
                    format!("The parameter `{path}` is not recognized."),
                );
            };
            self.value(&path, kind.trim_end_matches('!'), value)?;
        }
        for (name, kind) in fields {
            if kind.ends_with('!') && object.get(name).is_none_or(Value::is_null) {
                return refuse(
                    "MissingParameter",
                    format!(
                        "The request is missing the required parameter `{}`.",
                        join(at, name)
                    ),
                );
            }
        }
        Ok(())
    }

    fn value(&self, path: &str, kind: &str, value: &Value) -> Result<(), Refusal> {
        let fits = match (kind, value) {
            (_, Value::Null)
            | ("string", Value::String(_))
            | ("bool", Value::Bool(_))
            | ("float", Value::Number(_)) => true,
            ("int", Value::Number(number)) => number.is_i64() || number.is_u64(),
            (list, Value::Array(items)) if list.starts_with('[') => {
                let element = list.trim_start_matches('[').trim_end_matches(']');
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{path}.{index}"), element, item)?;
                }
                true
            }
            (name, Value::Object(object)) => match self.types.get(name) {
                Some(fields) => {
                    self.object(path, fields, object)?;
                    let key = format!("{}#{name}", self.service);
                    return self.constraints.check(&key, object);
                }
                None => false,
            },
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            refuse(
                "InvalidParameter",
                format!("The type of the parameter `{path}` is wrong: {kind} is needed."),
            )
        }
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

/// The parameters of a POST with a JSON object, or of a GET with a flat query (`Ids.0=...`).
pub(super) fn parameters(
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Result<Map<String, Value>, Refusal> {
    if method == Method::GET {
        return Ok(from_query(uri.query().unwrap_or_default()));
    }
    if method != Method::POST {
        return refuse("InvalidParameter", "Only GET and POST are supported.");
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => refuse("InvalidParameter", "The body must be one JSON object."),
    }
}

/// `Filters.0.Name=zone&Limit=5` as the JSON that a POST would carry.
fn from_query(query: &str) -> Map<String, Value> {
    let mut root = Value::Object(Map::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode(value);
        let mut at = &mut root;
        for part in percent_decode(name).split('.') {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at
                .as_object_mut()
                .expect("made an object just above")
                .entry(part)
                .or_insert(Value::Null);
        }
        *at = match value.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            digits => digits
                .parse::<i64>()
                .map_or(Value::String(value.clone()), Value::from),
        };
    }
    match listed(root) {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Turns objects whose keys are 0, 1, 2, ... into lists.
fn listed(value: Value) -> Value {
    let Value::Object(object) = value else {
        return value;
    };
    let is_list =
        !object.is_empty() && (0..object.len()).all(|i| object.contains_key(&i.to_string()));
    if is_list {
        let mut object = object;
        let items = (0..object.len())
            .filter_map(|i| object.remove(&i.to_string()))
            .map(listed)
            .collect();
        return Value::Array(items);
    }
    Value::Object(object.into_iter().map(|(k, v)| (k, listed(v))).collect())
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (hex, bytes[at]) {
            (Some(byte), _) => {
                out.push(byte);
                at += 3;
            }
            (None, b'+') => {
                out.push(b' ');
                at += 1;
            }
            (None, byte) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
