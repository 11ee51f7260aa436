//! `instance-state`, `last-operation`, `restriction`: from cvm `DescribeInstances`.
//!
//! The API does not say when an operation began; the audit log does (cloudaudit
//! `DescribeEvents` by request id). Must not live here: repair tasks (`events`).

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Gatherer, changes};
use crate::cloud::error::CloudError;
use crate::domain::evidence::{Reading, Status};
use crate::domain::instance::LastOperation;

/// Starting, stopping and restarting take minutes; longer means that it hangs.
const TOO_LONG: Duration = Duration::from_secs(600);

pub(super) async fn read(gatherer: &Gatherer, refresh: Option<&CloudError>) -> Vec<Reading> {
    let started = Instant::now();
    if let Some(error) = refresh {
        let groups = ["instance-state", "last-operation", "restriction"];
        let readings = groups.map(|id| gatherer.failed(id, error)).to_vec();
        return gatherer.emit(started, readings).await;
    }
    let since = operation_since(gatherer).await;
    let readings = vec![
        instance_state(gatherer, since),
        last_operation(gatherer, since),
        restriction(gatherer),
    ];
    gatherer.emit(started, readings).await
}

/// When the operation under way began, where anybody knows.
async fn operation_since(gatherer: &Gatherer) -> Option<Timestamp> {
    let operating = gatherer
        .instance
        .last_operation
        .as_ref()
        .filter(|operation| operation.state == "OPERATING");
    let transitional = gatherer.instance.state_class() == Some("transitional");
    if operating.is_none() && !transitional {
        return None;
    }
    let request_id = operating.map(|operation| operation.request_id.as_str());
    let logged = match request_id.filter(|id| !id.is_empty()) {
        Some(id) => changes::time_of_request(gatherer, id).await,
        None => None,
    };
    logged.or(gatherer.request.transitional_since)
}

fn is_too_long(gatherer: &Gatherer, since: Option<Timestamp>) -> bool {
    since.is_some_and(|since| age(gatherer, since) > TOO_LONG)
}

fn age(gatherer: &Gatherer, since: Timestamp) -> Duration {
    Duration::try_from(gatherer.now() - since).unwrap_or_default()
}

fn instance_state(gatherer: &Gatherer, since: Option<Timestamp>) -> Reading {
    let instance = &gatherer.instance;
    let state = &instance.state;
    match instance.state_class() {
        Some("transitional") if is_too_long(gatherer, since) => {
            let minutes = since.map_or(0, |since| age(gatherer, since).as_secs() / 60);
            gatherer.observed(
                "instance-state",
                "stuck",
                format!("{state} for {minutes} min; it normally takes less than ten"),
            )
        }
        Some(class) => {
            gatherer.observed("instance-state", class, format!("the instance is {state}"))
        }
        None => gatherer.without_state(
            "instance-state",
            Status::ProbeFailed,
            format!("the cloud gives a state that is not known here: `{state}`"),
        ),
    }
}

fn last_operation(gatherer: &Gatherer, since: Option<Timestamp>) -> Reading {
    let id = "last-operation";
    let Some(operation) = &gatherer.instance.last_operation else {
        return gatherer.observed(id, "none", "no operation is recorded");
    };
    let LastOperation {
        action,
        state,
        error_message,
        ..
    } = operation;
    match state.as_str() {
        "SUCCESS" => gatherer.observed(id, "succeeded", format!("{action} succeeded")),
        "FAILED" => {
            let kind = if action == "ResetInstancesPassword" {
                "failed-password-reset"
            } else {
                "failed"
            };
            let why = if error_message.is_empty() {
                "no reason given"
            } else {
                error_message.as_str()
            };
            gatherer.observed(id, kind, format!("{action} failed: {why}"))
        }
        "OPERATING" if is_too_long(gatherer, since) => gatherer.observed(
            id,
            "running-too-long",
            format!(
                "{action} has been running for {} min",
                since.map_or(0, |since| age(gatherer, since).as_secs() / 60)
            ),
        ),
        "OPERATING" => gatherer.without_state(
            id,
            Status::NotAttempted,
            format!("{action} is still running; its end is not known yet"),
        ),
        other => gatherer.without_state(
            id,
            Status::ProbeFailed,
            format!("{action} is in a state that is not known here: `{other}`"),
        ),
    }
}

fn restriction(gatherer: &Gatherer) -> Reading {
    let id = "restriction";
    let instance = &gatherer.instance;
    let (restrict, source) = (
        instance.restrict_state.as_str(),
        instance.isolated_source.as_str(),
    );
    match (restrict, source) {
        ("PROTECTIVELY_ISOLATED", _) => gatherer.observed(
            id,
            "isolated",
            "RestrictState is PROTECTIVELY_ISOLATED: the vendor's security isolation",
        ),
        (_, "ARREAR") => gatherer.observed(
            id,
            "arrears",
            "IsolatedSource is ARREAR: isolated because the account is in arrears",
        ),
        ("EXPIRED", _) | (_, "EXPIRE") => {
            let when = instance
                .expired_time
                .map_or(String::new(), |time| format!(" since {time}"));
            gatherer.observed(id, "expired", format!("the subscription has expired{when}"))
        }
        (_, "MANMADE") => gatherer.observed(
            id,
            "expired",
            "IsolatedSource is MANMADE: the instance was returned and waits in the recycle bin",
        ),
        ("NORMAL", _) => gatherer.observed(id, "normal", "RestrictState is NORMAL"),
        (other, _) => gatherer.without_state(
            id,
            Status::ProbeFailed,
            format!("the cloud gives a restriction that is not known here: `{other}`"),
        ),
    }
}
