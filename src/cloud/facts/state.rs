//! `instance-state`, `last-operation`, `restriction`: from cvm `DescribeInstances`.
//!
//! The API does not say when an operation began; the audit log does (cloudaudit
//! `DescribeEvents` by request id). Must not live here: repair tasks (`events`).

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Gatherer, changes};
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::domain::evidence::state::{instance_state, last_operation, restriction};
use crate::domain::evidence::{Reading, Status, group};
use crate::domain::instance::LastOperation;
use crate::domain::said::{Said, Table, Word};

/// Starting, stopping and restarting take minutes; longer means that it hangs.
const TOO_LONG: Duration = Duration::from_secs(600);

pub(super) async fn read(gatherer: &Gatherer, refresh: Option<&CloudError>) -> Vec<Reading> {
    let started = Instant::now();
    if let Some(error) = refresh {
        let groups = [
            group::INSTANCE_STATE,
            group::LAST_OPERATION,
            group::RESTRICTION,
        ];
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
    let transitional = gatherer.instance.state_class() == Some(instance_state::TRANSITIONAL);
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
        Some(instance_state::TRANSITIONAL) if is_too_long(gatherer, since) => {
            let minutes = since.map_or(0, |since| age(gatherer, since).as_secs() / 60);
            gatherer.observed(
                instance_state::STUCK,
                said::state_for_min(Word::new(Table::InstanceState, state.clone()), minutes),
            )
        }
        Some(class) => gatherer.observed(
            class,
            said::instance_is(Word::new(Table::InstanceState, state.clone())),
        ),
        None => gatherer.without_state(
            group::INSTANCE_STATE,
            Status::ProbeFailed,
            said::state_unknown(state),
        ),
    }
}

fn last_operation(gatherer: &Gatherer, since: Option<Timestamp>) -> Reading {
    let id = group::LAST_OPERATION;
    let Some(operation) = &gatherer.instance.last_operation else {
        return gatherer.observed(last_operation::NONE, said::no_operation_recorded());
    };
    let LastOperation {
        action,
        state,
        error_message,
        ..
    } = operation;
    match state.as_str() {
        "SUCCESS" => {
            let keys = gatherer.instance.key_ids.join(", ");
            let detail = if action == "AssociateInstancesKeyPairs" && !keys.is_empty() {
                said::succeeded_and_bound(action, keys)
            } else {
                said::succeeded(action)
            };
            gatherer.observed(last_operation::SUCCEEDED, detail)
        }
        "FAILED" => {
            let kind = if action == "ResetInstancesPassword" {
                last_operation::FAILED_PASSWORD_RESET
            } else {
                last_operation::FAILED
            };
            let why = if error_message.is_empty() {
                said::no_reason_given()
            } else {
                Said::raw(error_message)
            };
            gatherer.observed(kind, said::failed(action, why))
        }
        "OPERATING" if is_too_long(gatherer, since) => gatherer.observed(
            last_operation::RUNNING_TOO_LONG,
            said::been_running_min(
                action,
                since.map_or(0, |since| age(gatherer, since).as_secs() / 60),
            ),
        ),
        "OPERATING" => {
            gatherer.without_state(id, Status::NotAttempted, said::still_running_end(action))
        }
        other => gatherer.without_state(
            id,
            Status::ProbeFailed,
            said::state_of_unknown(action, other),
        ),
    }
}

fn restriction(gatherer: &Gatherer) -> Reading {
    let id = group::RESTRICTION;
    let instance = &gatherer.instance;
    let (restrict, source) = (
        instance.restrict_state.as_str(),
        instance.isolated_source.as_str(),
    );
    match (restrict, source) {
        ("PROTECTIVELY_ISOLATED", _) => gatherer.observed(
            restriction::ISOLATED,
            said::restrictstate_protectively_isolated(),
        ),
        (_, "ARREAR") => {
            gatherer.observed(restriction::ARREARS, said::isolatedsource_arrear_isolated())
        }
        ("EXPIRED", _) | (_, "EXPIRE") => {
            let detail = instance
                .expired_time
                .map_or_else(said::subscription_expired, said::subscription_expired_since);
            gatherer.observed(restriction::EXPIRED, detail)
        }
        (_, "MANMADE") => gatherer.observed(
            restriction::EXPIRED,
            said::isolatedsource_manmade_instance(),
        ),
        ("NORMAL", "NOTISOLATED" | "") => {
            gatherer.observed(restriction::NORMAL, said::restrictstate_normal())
        }
        (restrict, source) => gatherer.without_state(
            id,
            Status::ProbeFailed,
            said::restriction_unknown(restrict, source),
        ),
    }
}
