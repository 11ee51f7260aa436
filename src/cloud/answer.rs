//! The body of an answer, or what came in its place.
//!
//! Must not live here: sending and repeating (`client`), the meaning of an answer (`wire`).

use serde_json::Value;

use super::client::Answer;
use super::error::{CloudError, NetworkFailure};
use super::said;
use super::transport::chain;
use crate::domain::api_call::ApiCall;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Code of an answer that is no API answer, but an HTTP refusal (404 and the like).
const HTTP_REFUSED: &str = "HttpRefused";

/// Reads the body of an answer with its HTTP status.
///
/// # Errors
/// What the cloud refused, or why the body is not an answer.
pub fn read_answer(
    call: &ApiCall,
    host: &str,
    status: u16,
    body: &[u8],
) -> Result<Answer, CloudError> {
    let action = call.permission();
    let bad = |reason: Said| CloudError::BadAnswer {
        action: action.clone(),
        host: host.to_owned(),
        reason: Box::new(reason),
    };
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let response = match parsed {
        Ok(mut value) => value.get_mut("Response").map(Value::take),
        Err(error) => {
            return Err(match status {
                429 => CloudError::from_code(&action, "RequestLimitExceeded", "HTTP 429", ""),
                500..=599 => CloudError::from_code(
                    &action,
                    "InternalError",
                    &format!("HTTP status {status}"),
                    "",
                ),
                200 => bad(said::net_json(error)),
                // Whoever answers does not serve this action; asking again changes nothing.
                refused @ 400..=499 if refused != 408 => CloudError::from_code(
                    &action,
                    HTTP_REFUSED,
                    &format!("HTTP status {refused} from {host}; check the endpoint"),
                    "",
                ),
                other => bad(said::net_status(other)),
            });
        }
    };
    let Some(response) = response.filter(Value::is_object) else {
        return Err(if (500..600).contains(&status) {
            CloudError::from_code(&action, "InternalError", "HTTP status", "")
        } else {
            bad(said::net_no_response(status))
        });
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let request_id = sanitise(&text(response.get("RequestId")), 100);
    match response.get("Error").filter(|error| !error.is_null()) {
        Some(error) => Err(CloudError::from_code(
            &action,
            &text(error.get("Code")),
            &text(error.get("Message")),
            &request_id,
        )),
        None => Ok(Answer {
            response,
            request_id,
        }),
    }
}

/// What kept a request from its answer.
pub(super) fn network_error(call: &ApiCall, host: &str, error: &reqwest::Error) -> CloudError {
    let why = || chain(error);
    let (failure, reason) = if error.is_dns() {
        (NetworkFailure::Name, said::net_name(why()))
    } else if error.is_connect() && error.is_timeout() {
        (NetworkFailure::Connect, said::net_late_connection(why()))
    } else if error.is_connect() {
        (NetworkFailure::Connect, said::net_no_connection(why()))
    } else if error.is_timeout() {
        (NetworkFailure::Timeout, said::net_late())
    } else {
        (NetworkFailure::Broken, said::net_broken(why()))
    };
    CloudError::Network {
        action: call.permission(),
        host: host.to_owned(),
        failure,
        reason: Box::new(reason),
    }
}
