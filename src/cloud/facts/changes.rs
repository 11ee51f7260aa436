//! `recent-change`: who changed what about the instance (cloudaudit `DescribeEvents`), against
//! the time since when login fails.
//!
//! Must not live here: changes inside the guest.

use std::time::Instant;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Gatherer;
use crate::cloud::automation;
use crate::cloud::error::CloudError;
use crate::cloud::wire::{self, AuditEvent};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::{Reading, Status};
use crate::domain::text::sanitise;

const ID: &str = "recent-change";
/// How far back a change can still be why login began to fail.
const BEFORE_SECONDS: i64 = 24 * 3600;
/// The audit log answers for less than 30 days at once.
const MOST_SECONDS: i64 = 29 * 24 * 3600;

/// Calls that change who can log in, or how.
const RELEVANT: &[&str] = &[
    "CreateSecurityGroupPolicies",
    "CreateSecurityGroupWithPolicies",
    "DeleteSecurityGroupPolicies",
    "ModifySecurityGroupPolicies",
    "ReplaceSecurityGroupPolicy",
    "ReplaceSecurityGroupPolicies",
    "ModifySecurityGroupAttribute",
    "AssociateSecurityGroups",
    "DisassociateSecurityGroups",
    "ModifyInstancesAttribute",
    "ModifyInstanceAttributes",
    "ResetInstance",
    "ResetInstances",
    "ResetInstancesPassword",
    "AssociateInstancesKeyPairs",
    "DisassociateInstancesKeyPairs",
    "ResetInstancesInternetMaxBandwidth",
    "ResetInstancesType",
    "ModifyInstancesVpcAttribute",
    "ModifyAddressesBandwidth",
    "DisassociateAddress",
    "AssociateAddress",
    "TransformAddress",
    "ModifyNetworkAclEntries",
    "ModifyNetworkAclQuintupleEntries",
    "CreateNetworkAclQuintupleEntries",
    "DeleteNetworkAclQuintupleEntries",
    "AssociateNetworkAclSubnets",
    "ReplaceRoutes",
    "DeleteRoutes",
    "DisableRoutes",
    "ReplaceRouteTableAssociation",
    "EnterRescueMode",
    "ExitRescueMode",
    "RunCommand",
    "InvokeCommand",
];

pub(super) async fn read(gatherer: &Gatherer) -> Vec<Reading> {
    let started = Instant::now();
    let now = gatherer.now();
    let onset = gatherer.request.onset;
    let from = onset.unwrap_or(now).as_second() - BEFORE_SECONDS;
    let from = from.max(now.as_second() - MOST_SECONDS);
    let instance = &gatherer.instance;
    let resources = std::iter::once(instance.id.as_str())
        .chain(instance.security_group_ids.iter().map(String::as_str));
    let answers = join_all(resources.map(|id| events(gatherer, id, from, now.as_second()))).await;
    let answers: Result<Vec<_>, CloudError> = answers.into_iter().collect();
    let reading = match answers {
        Err(error) => gatherer.failed(ID, &error),
        Ok(lists) => judge(gatherer, &lists.concat(), onset),
    };
    gatherer.emit(started, vec![reading]).await
}

async fn events(
    gatherer: &Gatherer,
    resource: &str,
    from: i64,
    until: i64,
) -> Result<Vec<AuditEvent>, CloudError> {
    let attributes = json!([
        {"AttributeKey": "ResourceId", "AttributeValue": resource},
        {"AttributeKey": "ActionType", "AttributeValue": "Write"},
    ]);
    look_up(gatherer, &attributes, from, until).await
}

async fn look_up(
    gatherer: &Gatherer,
    attributes: &Value,
    from: i64,
    until: i64,
) -> Result<Vec<AuditEvent>, CloudError> {
    let parameters = json!({
        "StartTime": from,
        "EndTime": until,
        "MaxResults": 50,
        "LookupAttributes": attributes,
    });
    let region = &gatherer.instance.region;
    let call = ApiCall::new("cloudaudit", "DescribeEvents", region, parameters);
    let answer = gatherer.call(&call).await?;
    Ok(wire::list(&answer, "Events").0)
}

/// When the request of that id was made, if the audit log tells.
pub(super) async fn time_of_request(gatherer: &Gatherer, request_id: &str) -> Option<Timestamp> {
    let attributes = json!([{"AttributeKey": "RequestId", "AttributeValue": request_id}]);
    let now = gatherer.now().as_second();
    let events = look_up(gatherer, &attributes, now - 7 * 24 * 3600, now).await;
    events.ok()?.iter().find_map(AuditEvent::time)
}

fn judge(gatherer: &Gatherer, events: &[AuditEvent], onset: Option<Timestamp>) -> Reading {
    let mut relevant: Vec<(Timestamp, &AuditEvent)> = events
        .iter()
        .filter(|event| RELEVANT.contains(&event.event_name.as_str()))
        .filter(|event| !event.was_refused() && !only_looked(event))
        .filter_map(|event| Some((event.time()?, event)))
        .collect();
    relevant.sort_by_key(|(time, _)| *time);
    let Some(last) = relevant.last() else {
        return gatherer.observed(
            ID,
            "none",
            "the audit log names no change of rules, addresses, keys or passwords in the last day",
        );
    };
    let Some(onset) = onset else {
        return gatherer
            .without_state(
                ID,
                Status::NotAttempted,
                format!(
                    "{} changes in the last day, last {}; not weighed, since it is not known when \
                     login began to fail",
                    relevant.len(),
                    named(last)
                ),
            )
            .needing("the time since when login fails");
    };
    match relevant.iter().rev().find(|(time, _)| *time <= onset) {
        Some(before) => gatherer.observed(
            ID,
            "relevant-before-onset",
            format!("before login began to fail at {onset}: {}", named(before)),
        ),
        None => gatherer.observed(
            ID,
            "after-onset",
            format!("only after login began to fail at {onset}: {}", named(last)),
        ),
    }
}

/// A check of this program's own ran in the guest and changed nothing.
fn only_looked(event: &AuditEvent) -> bool {
    event.event_name == "RunCommand"
        && [automation::GUEST_CHECK, automation::AGENT_CHECK]
            .iter()
            .any(|name| event.mentions(name))
}

fn named((time, event): &(Timestamp, &AuditEvent)) -> String {
    format!(
        "{} by {} from {} at {time}",
        sanitise(&event.event_name, 60),
        sanitise(&event.username, 60),
        sanitise(&event.source_ip_address, 60)
    )
}
