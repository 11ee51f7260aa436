//! Settles what a crash or hang-up left in flight, from the cloud's own state.
//!
//! Only reads are sent here: a call whose fate is unknown is looked for, never repeated, and a
//! call that was not sent stays unsent.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::json;

use super::follow::{Handle, Look, Watch};
use super::{Desk, ExecuteError};
use super::{network, read, tasks};
use crate::action::plan::{Completion, Plan, Step};
use crate::action::rules::marked_indexes;
use crate::cloud::{Client, CloudError, inventory};
use crate::domain::api_call::ApiCall;
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;
use crate::runtime::said;
use crate::store::StoreError;
use crate::store::journal::{CallResult, CallState, Entry, EntryState, Event};

/// Looks for a call that was just sent, with pauses between.
const LOOKS: u32 = 4;

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub entry: String,
    pub title: Said,
    /// `None` while the operation is still under way in the cloud, or could not be read.
    pub outcome: Option<Outcome>,
    pub detail: Said,
}

/// Settles every entry in flight that no other program is at work on.
///
/// # Errors
/// Only when the journal cannot be read or written.
pub async fn settle(desk: &Desk) -> Result<Vec<Settled>, ExecuteError> {
    let contents = desk.journal.pending()?;
    let open: Vec<_> = contents
        .entries
        .into_iter()
        .filter(|entry| entry.state == EntryState::InFlight || entry.is_untold())
        .collect();
    let mut settled = Vec::new();
    for entry in open {
        if let Some(elsewhere) = elsewhere(desk, &entry).await {
            settled.push(elsewhere);
            continue;
        }
        // Held: the program that began it is alive.
        let Some(_lock) = desk.journal.lock_entry(&entry.id)? else {
            continue;
        };
        // It may have been closed between the read and the lock.
        let now = desk.journal.entry(&entry.id)?;
        if now.state == EntryState::Closed && !now.is_untold() {
            continue;
        }
        let (outcome, detail) = one(desk, &entry).await?;
        if outcome.is_none() && entry.is_untold() {
            // It was said when it was closed; there is nothing new.
            continue;
        }
        settled.push(Settled {
            entry: entry.id,
            title: entry.plan.title,
            outcome,
            detail,
        });
    }
    Ok(settled)
}

/// What is said of an entry of another cloud or account: the state of this one tells nothing of it.
pub async fn elsewhere(desk: &Desk, entry: &Entry) -> Option<Settled> {
    (!entry.place.may_be(&desk.place().await)).then(|| Settled {
        entry: entry.id.clone(),
        title: entry.plan.title.clone(),
        outcome: None,
        detail: said::other_place(&entry.place),
    })
}

/// What settling one entry comes to.
type Settling = Result<(Option<Outcome>, Said), StoreError>;

fn close(desk: &Desk, entry: &Entry, outcome: Outcome, detail: Said) -> Settling {
    desk.write(
        &entry.id,
        Event::Closed {
            outcome,
            detail: detail.clone(),
        },
    )?;
    Ok((Some(outcome), detail))
}

/// Writes down what the cloud's own state says of a call.
fn settled_as(desk: &Desk, entry: &Entry, step: usize, arrived: bool) -> Result<(), StoreError> {
    let detail = if arrived {
        said::found_in_state()
    } else {
        said::no_trace_in_state()
    };
    desk.write(
        &entry.id,
        Event::Called {
            step,
            result: CallResult::Settled { arrived, detail },
        },
    )
}

async fn one(desk: &Desk, entry: &Entry) -> Settling {
    let Some(last) = entry.calls.last() else {
        return close(
            desk,
            entry,
            Outcome::Interrupted,
            said::ended_before_sending(),
        );
    };
    let Some(step) = entry.plan.steps.get(last.step) else {
        return close(desk, entry, Outcome::Unknown, said::no_such_call());
    };
    match trace(desk, entry, last, step).await {
        Ok(Trace::Ours(handle)) => finish(desk, entry, last, step, handle).await,
        Ok(Trace::Anyones) => {
            let detail = said::anyones(&last.call.action).and(unsent_note(entry, last));
            let detail = detail.and(password_note(entry, last));
            close(desk, entry, Outcome::Unknown, detail)
        }
        Ok(Trace::Covered) => {
            let detail = said::covered(&last.call.action).and(unsent_note(entry, last));
            let detail = detail.and(password_note(entry, last));
            close(desk, entry, Outcome::Unknown, detail)
        }
        // One look can be stale; a time box is looked for until its time, and taken back then.
        Ok(Trace::None { .. }) if entry.expires_at.is_some() => {
            Ok((None, said::looked_for_again(&last.call.action)))
        }
        Ok(Trace::None { since }) => {
            settled_as(desk, entry, last.step, false)?;
            let lost = if since {
                said::lost_or_undone(&last.call.action)
            } else {
                said::lost_in_sending(&last.call.action)
            };
            let detail = lost.and(unsent_note(entry, last));
            close(desk, entry, Outcome::Interrupted, detail)
        }
        Err(error) => Ok((None, said::not_settled_yet(error))),
    }
}

/// What the cloud shows of a call.
enum Trace {
    /// It arrived: a request id, a mark or the state that only it makes says so.
    Ours(Handle),
    /// An operation of its kind was carried out since, by whomever.
    Anyones,
    /// Another operation was carried out since; the cloud names only the last one.
    Covered,
    /// Nothing; `since` where somebody may have taken it back.
    None { since: bool },
}

/// Looks for a call without claiming what another hand may have done.
async fn trace(
    desk: &Desk,
    entry: &Entry,
    last: &CallState,
    step: &Step,
) -> Result<Trace, CloudError> {
    let refused = matches!(
        last.result,
        Some(CallResult::Failed { .. } | CallResult::Settled { arrived: false, .. })
    );
    let lost = matches!(last.result, None | Some(CallResult::Unknown { .. }));
    if lost && let Completion::Instance { .. } = &step.completion {
        let target = &entry.plan.target;
        let instance = inventory::refresh(&desk.client, &target.region, &target.id).await?;
        let operation = instance.unwrap_or_default().last_operation;
        let operation = operation.unwrap_or_default();
        if !operation.state.is_empty() {
            // An earlier step of the same entry is no other hand.
            let mut own = entry.calls.iter().filter_map(|call| match &call.result {
                Some(CallResult::Answered { request_id, .. }) => Some(request_id.as_str()),
                _ => None,
            });
            let before = own.next_back().unwrap_or(&entry.last_operation_before);
            return Ok(if operation.request_id == before {
                Trace::None { since: false }
            } else if operation.action == last.call.action {
                Trace::Anyones
            } else {
                Trace::Covered
            });
        }
    }
    Ok(match find_handle(desk, entry, last, step).await? {
        Some(handle) => Trace::Ours(handle),
        None => Trace::None { since: !refused },
    })
}

/// A password that was made for a call that arrived, or may have, was shown to nobody.
fn password_note(entry: &Entry, last: &CallState) -> Said {
    let sent = entry.plan.steps.iter().take(last.step + 1);
    let slot = sent.filter_map(|step| step.secret.as_ref()).next_back();
    slot.map_or_else(Said::default, |slot| {
        said::password_lost(&slot.user, &entry.plan.target.id)
    })
}

/// Calls of the plan that come after the last one that was begun.
fn unsent(entry: &Entry, last: &CallState) -> usize {
    entry.plan.steps.len() - last.step - 1
}

fn unsent_note(entry: &Entry, last: &CallState) -> Said {
    match unsent(entry, last) {
        0 => Said::default(),
        count => said::never_sent(count),
    }
}

/// The last call arrived: closes the entry if it has ended by now.
async fn finish(
    desk: &Desk,
    entry: &Entry,
    last: &CallState,
    step: &Step,
    handle: Handle,
) -> Settling {
    if matches!(last.result, None | Some(CallResult::Unknown { .. })) {
        settled_as(desk, entry, last.step, true)?;
    }
    let watch = Watch {
        client: &desk.client,
        plan: &entry.plan,
        call: &last.call,
        completion: &step.completion,
        before_request: &entry.last_operation_before,
        handle,
        sent_at: last.sent_at,
        left: AtomicBool::default(),
    };
    let end = match watch.look().await {
        Ok(Look::Ended(end)) => end,
        Ok(Look::Pending(state)) => return Ok((None, said::under_way(state))),
        Err(error) => return Ok((None, said::not_settled_yet(error))),
    };
    let outcome = match (end.success, unsent(entry, last)) {
        (false, _) if !end.seen => Outcome::Unknown,
        (false, _) => Outcome::Failed,
        // Done for the cloud, not for the person who waits for the password.
        (true, 0) if !password_note(entry, last).is_empty() => Outcome::Interrupted,
        (true, 0) => Outcome::Done,
        (true, _) => Outcome::Interrupted,
    };
    let detail = said::settled(&end.detail).and(unsent_note(entry, last));
    let detail = if end.success {
        detail.and(password_note(entry, last))
    } else {
        detail
    };
    desk.write(
        &entry.id,
        Event::Ended {
            step: last.step,
            success: end.success,
            detail: end.detail,
            output: end.output,
        },
    )?;
    close(desk, entry, outcome, detail)
}

/// What to recognise the last call by; `None` when it never arrived.
async fn find_handle(
    desk: &Desk,
    entry: &Entry,
    last: &CallState,
    step: &Step,
) -> Result<Option<Handle>, CloudError> {
    match &last.result {
        Some(CallResult::Answered { request_id, kept }) => {
            let invocation = kept
                .get("/InvocationId")
                .and_then(|id| id.as_str())
                .map(str::to_owned);
            let handle = Handle {
                request_id: Some(request_id.clone()),
                // A task id is not kept: the state itself tells.
                task: None,
                invocation,
            };
            if matches!(step.completion, Completion::Task { .. }) {
                return arrived(desk, &entry.plan, step, &last.call, "").await;
            }
            Ok(Some(handle))
        }
        Some(CallResult::Failed { .. } | CallResult::Settled { arrived: false, .. }) => Ok(None),
        Some(CallResult::Settled { arrived: true, .. } | CallResult::Unknown { .. }) | None => {
            arrived(
                desk,
                &entry.plan,
                step,
                &last.call,
                &entry.last_operation_before,
            )
            .await
        }
    }
}

/// Looks several times for a call whose answer was lost a moment ago.
pub(super) async fn arrived_soon(
    desk: &Desk,
    plan: &Plan,
    step: &Step,
    call: &ApiCall,
    before_request: &str,
) -> Result<Option<Handle>, CloudError> {
    let mut result = Ok(None);
    for look in 0..LOOKS {
        tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(look)).await;
        result = arrived(desk, plan, step, call, before_request).await;
        if matches!(result, Ok(Some(_))) {
            break;
        }
    }
    result
}

/// Whether the cloud's own state shows that `call` took effect.
async fn arrived(
    desk: &Desk,
    plan: &Plan,
    step: &Step,
    call: &ApiCall,
    before_request: &str,
) -> Result<Option<Handle>, CloudError> {
    let client = &desk.client;
    let target = &plan.target;
    let region = &target.region;
    let found = |yes: bool| Ok(yes.then(Handle::default));
    match &step.completion {
        // Nothing was changed by it, so nothing has to be found.
        Completion::Answer => found(true),
        Completion::Rules {
            group,
            mark,
            present,
        } => {
            let rules = read::group(client, region, group).await?;
            found(marked_indexes(&rules, mark).is_empty() != *present)
        }
        Completion::Instance { state: wanted, .. } => {
            let instance = inventory::refresh(client, region, &target.id).await?;
            let instance = instance.unwrap_or_default();
            let state_tells = shows_itself(&instance.state, wanted.as_deref(), call);
            let operation = instance.last_operation.unwrap_or_default();
            // A cloud that names no last operation shows at least the state.
            if operation.state.is_empty() {
                return found(state_tells);
            }
            let ours = operation.action == call.action && operation.request_id != before_request;
            Ok(ours.then(|| Handle {
                request_id: Some(operation.request_id),
                ..Handle::default()
            }))
        }
        Completion::Bound { group, present } => {
            let instance = inventory::refresh(client, region, &target.id).await?;
            let bound = instance.is_some_and(|i| i.security_group_ids.contains(group));
            found(bound == *present)
        }
        Completion::InstanceBandwidth { mbps } => {
            let instance = inventory::refresh(client, region, &target.id).await?;
            found(instance.and_then(|i| i.bandwidth_out_mbps) == Some(*mbps))
        }
        Completion::Task { .. } => found(address_call_arrived(client, plan, call).await?),
        Completion::Invocation { .. } => find_invocation(desk, plan, step).await,
        Completion::RepairTask { task } => {
            let tasks = read::repair_tasks(client, region, &target.id).await?;
            found(!tasks.iter().any(|t| t.id == *task && t.status == 1))
        }
        Completion::Acl(entries) => found(network::acl_is(client, region, entries).await?),
        Completion::Route(route) => found(network::route_is(client, region, route).await?),
        Completion::ProbeTask { name, present } => {
            found(tasks::named(client, name).await?.is_empty() != *present)
        }
        Completion::Unblocked { address, .. } => {
            found(network::is_being_lifted(client, address).await?)
        }
    }
}

/// True when the state alone shows that an operation began: the instance is on its way, or where
/// only this operation leads.
fn shows_itself(state: &str, wanted: Option<&str>, call: &ApiCall) -> bool {
    let settled = matches!(state, "RUNNING" | "STOPPED" | "RESCUE_MODE");
    let leads_there =
        wanted == Some(state) && (state != "RUNNING" || call.action == "StartInstances");
    !state.is_empty() && (!settled || leads_there)
}

/// A command in the guest is found by the name that it was given.
async fn find_invocation(
    desk: &Desk,
    plan: &Plan,
    step: &Step,
) -> Result<Option<Handle>, CloudError> {
    let target = &plan.target;
    let call = ApiCall::new(
        "tat",
        "DescribeInvocationTasks",
        &target.region,
        json!({
            "Filters": [{ "Name": "instance-id", "Values": [target.id] }],
            "Limit": 100,
        }),
    );
    let answer = desk.client.call(&call).await?;
    let wanted = step.call.parameters["CommandName"].as_str();
    let rows = answer.response["InvocationTaskSet"].as_array();
    let id = rows
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .find(|row| wanted.is_some() && row["CommandName"].as_str() == wanted)
        .and_then(|row| row["InvocationId"].as_str());
    Ok(id.map(|id| Handle {
        invocation: Some(id.to_owned()),
        ..Handle::default()
    }))
}

/// Calls on elastic addresses leave their trace in `DescribeAddresses`.
pub(super) async fn address_call_arrived(
    client: &Client,
    plan: &Plan,
    call: &ApiCall,
) -> Result<bool, CloudError> {
    let body = &call.parameters;
    let id = body["AddressId"]
        .as_str()
        .or_else(|| body["AddressIds"][0].as_str());
    let filter = match id {
        Some(id) => json!({ "Name": "address-id", "Values": [id] }),
        None => json!({ "Name": "address-name", "Values": [plan.mark()] }),
    };
    let read = ApiCall::new(
        "vpc",
        "DescribeAddresses",
        &plan.target.region,
        json!({ "Filters": [filter] }),
    );
    let answer = match client.call(&read).await {
        Ok(answer) => answer,
        Err(CloudError::NotFound { .. }) if call.action == "ReleaseAddresses" => return Ok(true),
        Err(error) => return Err(error),
    };
    let first = read::addresses(&answer.response)?.into_iter().next();
    let bound_to = answer.response["AddressSet"][0]["InstanceId"]
        .as_str()
        .unwrap_or_default();
    Ok(match call.action.as_str() {
        "AssociateAddress" => bound_to == plan.target.id,
        "DisassociateAddress" => first.is_some() && bound_to != plan.target.id,
        "ReleaseAddresses" => first.is_none(),
        "ModifyAddressesBandwidth" => {
            first.and_then(|a| a.bandwidth) == body["InternetMaxBandwidthOut"].as_u64()
        }
        // AllocateAddresses: found by the name that it was given.
        _ => first.is_some(),
    })
}
