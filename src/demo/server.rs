//! The API of the demo cloud: every service on one address, told apart by the credential scope.
//!
//! Lives here: receiving a request, the checks in the vendor's order, dispatch by action.
//! Must not live here: what an action does (one file a service).

#![allow(
    clippy::unnecessary_wraps,
    reason = "every action answers with the same type"
)]

mod account;
mod auth;
mod cat;
mod check;
mod constraints;
mod cvm;
mod cvm_write;
pub(super) mod faults;
mod limits;
mod monitor;
pub(super) mod record;
mod tat;
mod vpc;
mod vpc_acl;
mod vpc_address;
mod vpc_route;
mod vpc_rules;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::world::World;
use super::{Shared, lock};
use check::Catalogue;
use faults::Fault;
use limits::Limits;
use record::Recorder;

/// An error as API 3.0 reports it (`Response.Error`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: String,
    pub message: String,
}

/// Shorthand for an error answer.
pub(super) fn refuse<T>(code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code: code.to_owned(),
        message: message.into(),
    })
}

/// One accepted request, with the world it acts on.
pub(super) struct Call<'a> {
    pub world: &'a mut World,
    pub shared: &'a Shared,
    pub action: &'a str,
    pub region: &'a str,
    pub parameters: &'a Map<String, Value>,
    pub request_id: &'a str,
    pub now: Timestamp,
}

pub(super) type Answer = Result<Value, Refusal>;

/// Who is asked and how.
#[derive(Debug, Clone, Default)]
struct Request {
    service: String,
    action: String,
    version: String,
    region: String,
}

struct Cloud {
    shared: Arc<Shared>,
    catalogue: Catalogue,
    limits: Mutex<Limits>,
    record: Recorder,
}

/// Answers until the task is ended.
pub(super) async fn serve(
    listener: tokio::net::TcpListener,
    shared: Arc<Shared>,
    record: Recorder,
) {
    let cloud = Arc::new(Cloud {
        shared,
        catalogue: Catalogue::embedded(),
        limits: Mutex::new(Limits::default()),
        record,
    });
    let app = Router::new().fallback(receive).with_state(cloud);
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "the demo cloud stopped answering");
    }
}

async fn receive(
    State(cloud): State<Arc<Cloud>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let action = text(&headers, "x-tc-action");
    let fault = lock(&cloud.shared.faults).take(&action);
    let latency = lock(&cloud.shared.faults).latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if fault == Some(Fault::Timeout) {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    if fault == Some(Fault::ServerError) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "upstream failed").into_response();
    }
    let request_id = cloud.shared.world().new_request_id();
    let answer = match fault {
        Some(fault) => fault.refusal(&action),
        None => cloud.answer(&method, &uri, &headers, &body, &request_id),
    };
    cloud.shared.changed.notify_waiters();
    let mut response = match answer {
        Ok(value) => value,
        Err(refusal) => json!({"Error": {"Code": refusal.code, "Message": refusal.message}}),
    };
    lock(&cloud.shared.faults).strip(&mut response);
    response["RequestId"] = json!(request_id);
    let mut text = json!({ "Response": response }).to_string();
    if fault == Some(Fault::TruncatedBody) {
        text.truncate(text.len() / 2);
    }
    let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
    // The date tells clients by how much their clock is off.
    let date = cloud.now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    ([content_type, (header::DATE, date.to_string())], text).into_response()
}

impl Cloud {
    /// The time by the cloud's own clock.
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.shared.options.clock_offset_s)
    }

    fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        request_id: &str,
    ) -> Answer {
        let now = self.now();
        let service = auth::verify(method, uri, headers, body, now)?;
        let request = Request {
            service,
            action: text(headers, "x-tc-action"),
            version: text(headers, "x-tc-version"),
            region: text(headers, "x-tc-region"),
        };
        let parameters = check::parameters(method, uri, body)?;
        let answer = self.dispatch(&request, &parameters, request_id, now);
        self.record.write(
            &request.service,
            &request.version,
            &request.action,
            &parameters,
            &answer,
        );
        answer
    }

    fn dispatch(
        &self,
        request: &Request,
        parameters: &Map<String, Value>,
        request_id: &str,
        now: Timestamp,
    ) -> Answer {
        let Request {
            service,
            action,
            version,
            region,
        } = request;
        self.catalogue.knows(service, version, action)?;
        if self
            .shared
            .options
            .site
            .lacks(&format!("{service}:{action}"))
        {
            return refuse(
                "InvalidAction",
                format!("The action {action:?} is invalid for {service} {version}."),
            );
        }
        if self.shared.options.rate_limits {
            lock(&self.limits).admit(service, action, region)?;
        }
        let mut world = self.shared.world();
        let served = match service.as_str() {
            "cloudaudit" => AUDIT_REGIONS.contains(&region.as_str()),
            "sts" => !region.is_empty(),
            _ => world.regions().contains(region),
        };
        if regional(service) && !served {
            let code = if region.is_empty() {
                "MissingParameter"
            } else {
                "UnsupportedRegion"
            };
            return refuse(
                code,
                format!("X-TC-Region {region:?} is not a region here."),
            );
        }
        self.catalogue.check(service, version, action, parameters)?;
        let mut call = Call {
            world: &mut world,
            shared: &self.shared,
            action,
            region,
            parameters,
            request_id,
            now,
        };
        match service.as_str() {
            "cvm" => cvm::answer(&mut call),
            "vpc" => vpc::answer(&mut call),
            "monitor" => monitor::answer(&mut call),
            "tat" => tat::answer(&mut call),
            "cat" => cat::answer(&mut call),
            _ => account::answer(&mut call),
        }
    }
}

/// The regions that the audit log is served in; each tells of all (vendor page 1021/42703).
const AUDIT_REGIONS: [&str; 6] = [
    "ap-guangzhou",
    "ap-hongkong",
    "ap-seoul",
    "ap-singapore",
    "ap-tokyo",
    "eu-frankfurt",
];

/// Services whose actions need a region.
fn regional(service: &str) -> bool {
    matches!(
        service,
        "cvm" | "vpc" | "monitor" | "tat" | "cbs" | "sts" | "cloudaudit"
    )
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

impl Call<'_> {
    /// Ends with the answer to an action that no file of the service knows.
    pub fn unknown(&self) -> Answer {
        refuse(
            "InvalidAction",
            format!("{} is not offered by the demo cloud.", self.action),
        )
    }

    pub fn str(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str)
    }

    pub fn bool(&self, name: &str) -> Option<bool> {
        self.parameters.get(name).and_then(Value::as_bool)
    }

    /// Strings of a list parameter; `None` where it was not sent.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let list = self.parameters.get(name)?.as_array()?;
        Some(
            list.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Filters as name and values, checked against the names this action knows.
    pub fn filters(&self, known: &[&str], max_values: usize) -> Result<Vec<Filter>, Refusal> {
        let mut filters = Vec::new();
        let list = self.parameters.get("Filters").and_then(Value::as_array);
        for filter in list.into_iter().flatten() {
            let name = filter["Name"].as_str().unwrap_or_default().to_owned();
            let values: Vec<String> = filter["Values"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            if !known.contains(&name.as_str()) && !name.starts_with("tag:") {
                return refuse(
                    "InvalidFilter",
                    format!("The filter {name:?} is not supported."),
                );
            }
            if values.len() > max_values {
                return refuse(
                    "InvalidFilterValue.LimitExceeded",
                    format!("The filter {name:?} takes at most {max_values} values."),
                );
            }
            filters.push(Filter { name, values });
        }
        if filters.len() > 10 {
            return refuse(
                "InvalidParameterValue.LimitExceeded",
                "At most 10 filters can be given.",
            );
        }
        Ok(filters)
    }

    /// Cuts the page that `Offset` and `Limit` (numbers or strings) ask for.
    pub fn page<T>(&self, items: Vec<T>) -> Result<Vec<T>, Refusal> {
        let number = |name: &str, default: u64| match self.parameters.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::String(digits)) => digits.parse::<u64>().map_err(|_| Refusal {
                code: "InvalidParameterValue".to_owned(),
                message: format!("{name} must be a number."),
            }),
            Some(value) => value.as_u64().ok_or_else(|| Refusal {
                code: format!("InvalidParameterValue.{name}"),
                message: format!("{name} must not be negative."),
            }),
        };
        let offset = number("Offset", 0)?;
        let limit = number("Limit", 20)?;
        if !(1..=100).contains(&limit) {
            return refuse(
                "InvalidParameterValue.Range",
                "Limit must lie between 1 and 100.",
            );
        }
        Ok(items
            .into_iter()
            .skip(offset as usize)
            .take(limit as usize)
            .collect())
    }
}

/// One filter: any of the values may match.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Filter {
    /// Whether any value equals any of the given texts.
    pub fn any(&self, texts: &[&str]) -> bool {
        self.values.iter().any(|v| texts.contains(&v.as_str()))
    }

    /// Whether any value occurs in the text.
    pub fn part_of(&self, text: &str) -> bool {
        self.values.iter().any(|v| text.contains(v.as_str()))
    }
}

/// `2026-02-11T16:20:05Z`, the form of most cvm dates.
pub(super) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-02-11 16:20:05` in UTC+8, the form of vpc dates and tasks.
pub(super) fn spaced(at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Adds the fields of one object to another (objects too large for one `json!`).
pub(super) fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
