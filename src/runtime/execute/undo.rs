//! Prepares the undo of a journal entry: re-reads what has to be re-read and plans from it.

use serde_json::json;

use super::{Desk, ExecuteError, network, new_entry_id, read, tasks};
use crate::action::bandwidth;
use crate::action::context::{Fact, PlanContext};
use crate::action::plan::{Plan, PlanError, Undo};
use crate::action::undo::{UndoFacts, timed_undo_plan, undo_plan};
use crate::cloud::inventory;
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::runtime::said;
use crate::store::journal::{Entry, EntryState};

/// The plan that takes `entry` back, made on the rules as they are now, and the instance.
///
/// # Errors
/// When the entry has no way back, was taken back already, or the cloud cannot be read.
pub async fn prepare_undo(desk: &Desk, entry: &Entry) -> Result<(Plan, Instance), ExecuteError> {
    prepare(desk, entry, false).await
}

/// The same for a time box whose time is over: nobody is asked, so only what the catalogue itself
/// would take back.
pub(super) async fn prepare_timed_undo(
    desk: &Desk,
    entry: &Entry,
) -> Result<(Plan, Instance), ExecuteError> {
    prepare(desk, entry, true).await
}

async fn prepare(
    desk: &Desk,
    entry: &Entry,
    timed: bool,
) -> Result<(Plan, Instance), ExecuteError> {
    if let Some(by) = &entry.undone_by {
        return Err(ExecuteError::Busy(said::already_undone(&entry.id, by)));
    }
    if entry.state == EntryState::InFlight && desk.journal.lock_entry(&entry.id)?.is_none() {
        return Err(ExecuteError::Busy(said::being_carried_out(
            &entry.id,
            &entry.author.user,
            &entry.author.host,
        )));
    }
    if !entry.place.may_be(&desk.place().await) {
        return Err(ExecuteError::Elsewhere {
            entry: entry.id.clone(),
            place: entry.place.clone(),
        });
    }
    let target = &entry.plan.target;
    let found = inventory::refresh(&desk.client, &target.region, &target.id).await?;
    let instance = found.unwrap_or_else(|| Instance {
        // The rules of its group can be taken back even when the instance is gone.
        id: target.id.clone(),
        name: target.name.clone(),
        region: target.region.clone(),
        ..Instance::default()
    });
    let mut facts = UndoFacts {
        kept: entry.kept(),
        ..UndoFacts::default()
    };
    if let Undo::RemoveRules { group, .. } = &entry.plan.undo {
        facts.group = Some(read::group_facts(&desk.client, &instance, group).await?);
    }
    if let Undo::RemoveRoute(made) = &entry.plan.undo {
        let table = network::table(&desk.client, &target.region, &made.table).await?;
        facts.routes = Some(table.routes);
    }
    if let Undo::RemoveProbeTask { name } = &entry.plan.undo {
        let found = tasks::named(&desk.client, name).await?;
        facts.tasks = Some(found.into_iter().map(|task| task.id).collect());
    }
    find_lost_address(desk, entry, &mut facts).await;
    let mut context = PlanContext {
        entry: new_entry_id(),
        today: bandwidth::day(desk.now()),
        instance: instance.clone(),
        ..PlanContext::default()
    };
    let plan = if timed {
        match entry.plan.action {
            ActionId::AllowAcl => facts.acl = network::acl(&desk.client, &instance).await?,
            ActionId::RaiseBandwidth => {
                let bound = read::bound_addresses(&desk.client, &instance).await?;
                context.addresses = Fact::Known(bound);
            }
            _ => {}
        }
        timed_undo_plan(&entry.plan, &context, &facts)?
    } else {
        undo_plan(&entry.plan, &context, &facts)?
    };
    still_so(desk, &plan).await?;
    Ok((plan, instance))
}

/// What is taken back has to stand as it was left: what somebody changed since is theirs.
async fn still_so(desk: &Desk, plan: &Plan) -> Result<(), ExecuteError> {
    let region = &plan.target.region;
    for step in &plan.steps {
        let Some(expected) = &step.expects else {
            continue;
        };
        if network::stands_so(&desk.client, region, expected).await? {
            continue;
        }
        if network::stands_after(&desk.client, region, expected, step).await? {
            return Err(PlanError::NothingToDo(said::as_before_already()).into());
        }
        return Err(PlanError::NotApplicable(said::changed_since_done()).into());
    }
    Ok(())
}

/// A crash between sending and answer leaves the id of a bought address unknown; its name has
/// the mark.
async fn find_lost_address(desk: &Desk, entry: &Entry, facts: &mut UndoFacts) {
    let wanted = (0, "/AddressSet/0".to_owned());
    let bought = entry
        .calls
        .iter()
        .any(|call| call.call.action == "AllocateAddresses");
    if !bought || facts.kept.contains_key(&wanted) {
        return;
    }
    let call = crate::domain::api_call::ApiCall::new(
        "vpc",
        "DescribeAddresses",
        &entry.plan.target.region,
        json!({ "Filters": [{ "Name": "address-name", "Values": [entry.plan.mark()] }] }),
    );
    if let Ok(answer) = desk.client.call(&call).await
        && let Ok(found) = read::addresses(&answer.response)
        && let Some(address) = found.first()
    {
        facts.kept.insert(wanted, json!(address.id));
    }
}
