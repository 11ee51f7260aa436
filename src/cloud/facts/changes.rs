//! `recent-change`: who changed what about the instance (cloudaudit `DescribeEvents`), against
//! the time since when login fails.
//!
//! A resource is asked about by its own id: instance, network interfaces, groups, templates,
//! addresses, subnet, ACL, route table. Must not live here: changes inside the guest.

use std::time::Instant;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Gatherer;
use crate::cloud::audit_log::{self, ACTION, PAGE, RELEVANT};
use crate::cloud::automation;
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, AuditEvent, InterfaceItem};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::state::recent_change;
use crate::domain::evidence::{Change, Reading, Status, group};
use crate::domain::said::{Joint, List, Said};
use crate::domain::text::sanitise;

const ID: &str = group::RECENT_CHANGE;
/// How far back a change can still be why login began to fail.
const BEFORE_SECONDS: i64 = 24 * 3600;
/// The audit log answers for less than 30 days at once.
const MOST_SECONDS: i64 = 29 * 24 * 3600;

const MOST_PAGES: usize = 10;
/// The regions that the audit log is served in; each tells of all regions (vendor page 1021/42703).
const AUDIT_REGIONS: [&str; 6] = [
    "ap-guangzhou",
    "ap-hongkong",
    "ap-seoul",
    "ap-singapore",
    "ap-tokyo",
    "eu-frankfurt",
];

/// Ids of what else decides about a login; `None` where they could not be read.
type Ids = Option<Vec<String>>;

/// Where the other facts tell them, as soon as they know.
pub(super) struct Tell {
    pub addresses: oneshot::Sender<Ids>,
    pub subnet: oneshot::Sender<Ids>,
    pub templates: oneshot::Sender<Ids>,
}

/// Where they are waited for; a teller that is gone told nothing.
pub(super) struct Related {
    addresses: oneshot::Receiver<Ids>,
    subnet: oneshot::Receiver<Ids>,
    templates: oneshot::Receiver<Ids>,
}

pub(super) fn related() -> (Tell, Related) {
    let (addresses, from_addresses) = oneshot::channel();
    let (subnet, from_subnet) = oneshot::channel();
    let (templates, from_templates) = oneshot::channel();
    (
        Tell {
            addresses,
            subnet,
            templates,
        },
        Related {
            addresses: from_addresses,
            subnet: from_subnet,
            templates: from_templates,
        },
    )
}

pub(super) async fn read(gatherer: &Gatherer, related: Related) -> Vec<Reading> {
    let started = Instant::now();
    let now = gatherer.now();
    let onset = gatherer.request.onset;
    let from = onset.unwrap_or(now).as_second() - BEFORE_SECONDS;
    let from = from.max(now.as_second() - MOST_SECONDS);
    let instance = &gatherer.instance;
    let until = now.as_second();
    let of = async |ids: Vec<String>| {
        let each = ids.iter().map(|id| events(gatherer, id, from, until));
        let lists: Result<Vec<_>, CloudError> = join_all(each).await.into_iter().collect();
        lists.map(|lists| lists.concat())
    };
    // Conditions are ANDed, so each resource is asked about by its own id, as soon as it is known.
    let later = async |ids: oneshot::Receiver<Ids>| match ids.await {
        Ok(Some(ids)) => of(ids).await.map(Some),
        _ => Ok(None),
    };
    let own = std::iter::once(&instance.id).chain(&instance.security_group_ids);
    // Groups are bound to interfaces, too, and such a change is filed under the interface.
    let interfaces = async {
        match interface_ids(gatherer).await {
            Ok(ids) => of(ids).await.map(Some),
            Err(_) => Ok(None),
        }
    };
    let (own, interfaces, addresses, subnet, templates) = tokio::join!(
        of(own.cloned().collect()),
        interfaces,
        later(related.addresses),
        later(related.subnet),
        later(related.templates),
    );
    let related = [
        (interfaces, said::the_interfaces()),
        (addresses, said::the_addresses()),
        (subnet, said::the_subnet()),
        (templates, said::the_templates()),
    ];
    let reading = match whole(own, related) {
        Err(error) => gatherer.failed(ID, &error),
        Ok((events, unseen)) => judge(gatherer, &events, unseen, onset),
    };
    gatherer.emit(started, vec![reading]).await
}

type Found = Result<Option<Vec<AuditEvent>>, CloudError>;

/// All events, and what could not be looked up.
fn whole(
    own: Result<Vec<AuditEvent>, CloudError>,
    related: [(Found, Said); 4],
) -> Result<(Vec<AuditEvent>, Vec<Said>), CloudError> {
    let (mut events, mut unseen) = (own?, Vec::new());
    for (found, what) in related {
        match found? {
            Some(found) => events.extend(found),
            None => unseen.push(what),
        }
    }
    Ok((events, unseen))
}

/// Ids of the network interfaces that the instance has.
async fn interface_ids(gatherer: &Gatherer) -> Result<Vec<String>, CloudError> {
    const ACTION: &str = "DescribeNetworkInterfaces";
    let parameters = json!({
        "Filters": [{"Name": "attachment.instance-id", "Values": [gatherer.instance.id]}],
        "Offset": 0,
        "Limit": 100,
    });
    let answer = gatherer.ask("vpc", ACTION, parameters).await?;
    let items = wire::whole::<InterfaceItem>(&answer, "NetworkInterfaceSet", ACTION)?;
    // An instance has one at least, and each has an id.
    let is_id = |item: &InterfaceItem| item.network_interface_id.starts_with("eni-");
    if items.is_empty() || !items.iter().all(is_id) {
        return Err(wire::not_understood(
            ACTION,
            Said::raw("NetworkInterfaceSet"),
        ));
    }
    let ids = items.into_iter().map(|item| item.network_interface_id);
    Ok(ids.collect())
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
        "MaxResults": PAGE,
        "LookupAttributes": attributes,
    });
    let own = gatherer.instance.region.as_str();
    let tries = if AUDIT_REGIONS.contains(&own) {
        vec![own]
    } else {
        vec![AUDIT_REGIONS[0], "ap-singapore"]
    };
    let mut last = None;
    for region in tries {
        match pages(gatherer, region, parameters.clone()).await {
            Err(error) if error.is_unserved() => last = Some(error),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| wire::not_understood(ACTION, said::what_region())))
}

/// Every page of an answer.
async fn pages(
    gatherer: &Gatherer,
    region: &str,
    mut parameters: Value,
) -> Result<Vec<AuditEvent>, CloudError> {
    let mut events: Vec<AuditEvent> = Vec::new();
    for _ in 0..MOST_PAGES {
        let call = ApiCall::new("cloudaudit", "DescribeEvents", region, parameters.clone());
        let answer = gatherer.call(&call).await?;
        let page = wire::whole::<AuditEvent>(&answer, "Events", ACTION)?;
        let next = audit_log::next_page(&answer, page.len())?;
        events.extend(page);
        match next {
            Some(next) => parameters["NextToken"] = next,
            None => return Ok(events),
        }
    }
    Err(wire::not_understood(ACTION, said::what_long_log()))
}

/// When the request of that id was made, if the audit log tells.
pub(super) async fn time_of_request(gatherer: &Gatherer, request_id: &str) -> Option<Timestamp> {
    let attributes = json!([{"AttributeKey": "RequestId", "AttributeValue": request_id}]);
    let now = gatherer.now().as_second();
    let events = look_up(gatherer, &attributes, now - 7 * 24 * 3600, now).await;
    events.ok()?.iter().find_map(AuditEvent::time)
}

fn judge(
    gatherer: &Gatherer,
    events: &[AuditEvent],
    unseen: Vec<Said>,
    onset: Option<Timestamp>,
) -> Reading {
    // The log tells whole seconds and lists the newest first, so that of two changes of one second
    // the one listed first is the later one: reversed, the stable sort keeps it last.
    let mut relevant: Vec<(Timestamp, &AuditEvent)> = events
        .iter()
        .rev()
        .filter(|event| RELEVANT.contains(&event.event_name.as_str()))
        .filter(|event| !event.was_refused() && !only_looked(event))
        .filter_map(|event| Some((event.time()?, event)))
        .collect();
    relevant.sort_by_key(|(time, _)| *time);
    let relevant: Vec<Change> = relevant
        .into_iter()
        .map(|(at, event)| change_of(gatherer, at, event))
        .collect();
    let said_of = |change: &Change| said_of(gatherer, change);
    let Some(last) = relevant.last() else {
        if unseen.is_empty() {
            return gatherer.observed(recent_change::NONE, said::no_change());
        }
        let unseen = said::change_unseen(List::said(Joint::Commas, unseen));
        return gatherer.without_state(ID, Status::NotAttempted, unseen);
    };
    let (named, reading) = match onset {
        None => {
            let detail = said::changes_not_weighed(relevant.len(), said_of(last));
            let reading = gatherer.without_state(ID, Status::NotAttempted, detail);
            (last, reading.needing(said::onset_needed()))
        }
        Some(onset) => match relevant.iter().rev().find(|change| change.at <= onset) {
            Some(before) => {
                let detail = said::change_before(onset, said_of(before));
                let state = recent_change::RELEVANT_BEFORE_ONSET;
                (before, gatherer.observed(state, detail))
            }
            None => {
                let detail = said::change_after(onset, said_of(last));
                (last, gatherer.observed(recent_change::AFTER_ONSET, detail))
            }
        },
    };
    Reading {
        change: Some(Box::new(named.clone())),
        ..reading
    }
}

/// A check of this program's own ran in the guest and changed nothing.
fn only_looked(event: &AuditEvent) -> bool {
    event.event_name == "RunCommand"
        && automation::ONLY_LOOK
            .iter()
            .any(|name| event.mentions(name))
}

fn change_of(gatherer: &Gatherer, at: Timestamp, event: &AuditEvent) -> Change {
    let own = gatherer.request.own_calls.get(&event.request_id);
    Change {
        at,
        action: sanitise(&event.event_name, 60),
        by: sanitise(&event.username, 60),
        from: sanitise(&event.source_ip_address, 60),
        entry: own.map(|own| own.entry.clone()),
    }
}

fn said_of(gatherer: &Gatherer, change: &Change) -> Said {
    let mut own = gatherer.request.own_calls.values();
    if let Some(own) = own.find(|own| Some(&own.entry) == change.entry.as_ref()) {
        return said::change_own(&own.what, &own.entry, change.at);
    }
    said::change_by(&change.action, &change.by, &change.from, change.at)
}
