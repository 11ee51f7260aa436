//! Gathers the facts that a plan needs, and only those, all at once.
//!
//! A fact that cannot be read becomes an unknown with its reason, never an empty one. Must not
//! live here: the reads themselves (`read`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Desk, neighbours, network, new_entry_id, read};
use crate::action::before::{Before, shuts_down};
use crate::action::context::{AccountType, Fact, PlanContext};
use crate::action::parameters::Parameters;
use crate::action::plan::{Plan, PlanError};
use crate::action::planner::plan;
use crate::action::{bandwidth, catalog};
use crate::cloud::{Client, CloudError, facts, inventory};
use crate::domain::action::ActionId;
use crate::domain::evidence::Reading;
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::runtime::said;

/// What the caller knows already.
#[derive(Debug, Clone, Default)]
pub struct PrepareOptions {
    /// Address or network that the failing user comes from.
    pub user_source: Option<IpNet>,
    /// This host's address as the instance sees it, where that is certain.
    pub own_source: Option<IpAddr>,
    /// Login port found by the diagnosis.
    pub login_port: Option<u16>,
    /// The instance was read from the cloud a moment ago and need not be read again.
    pub instance_is_fresh: bool,
    /// Readings of a diagnosis of just now, where there was one.
    pub readings: Vec<Reading>,
}

/// A plan and the instance as it was when the plan was made.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub instance: Instance,
}

/// Reads what the plan of `action` needs, and makes it.
///
/// # Errors
/// Why there is no plan.
pub async fn prepare_plan(
    desk: &Desk,
    instance: &Instance,
    action: ActionId,
    parameters: &Parameters,
    options: &PrepareOptions,
) -> Result<Prepared, PlanError> {
    let context = prepare(desk, instance, action, parameters, options).await;
    Ok(Prepared {
        plan: plan(action, parameters, &context)?,
        instance: context.instance,
    })
}

/// The context of a plan for `action`.
pub async fn prepare(
    desk: &Desk,
    instance: &Instance,
    action: ActionId,
    parameters: &Parameters,
    options: &PrepareOptions,
) -> PlanContext {
    let mut context = PlanContext {
        entry: new_entry_id(),
        today: bandwidth::day(desk.client.now()),
        instance: instance.clone(),
        login_port: options.login_port,
        user_source: options.user_source,
        own_source: options.own_source,
        ..PlanContext::default()
    };
    if !options.instance_is_fresh && !instance.is_static {
        refresh(&desk.client, &mut context).await;
    }
    if shuts_down(action) {
        context.before = Before::of(&options.readings);
    }
    match desk
        .journal
        .near(&context.instance.id, jiff::Timestamp::now())
    {
        Ok(contents) => {
            context
                .notes
                .extend(neighbours::notes(desk, &contents, &context.instance));
            context.before.soft_failed = neighbours::soft_failed(&contents, &context.instance.id);
        }
        Err(error) => context.notes.push(said::others_unknown(error.to_string())),
    }
    if !context.instance.is_static {
        read_facts(&desk.client, action, parameters, &mut context).await;
    }
    context
}

/// A list can be minutes old; states, groups and addresses decide what may be sent.
async fn refresh(client: &Client, context: &mut PlanContext) {
    let listed = &context.instance;
    match inventory::refresh(client, &listed.region, &listed.id).await {
        Ok(Some(mut fresh)) => {
            fresh.configured_login_port = listed.configured_login_port;
            context.instance = fresh;
        }
        Ok(None) => context.notes.push(said::not_listed_any_more(&listed.id)),
        Err(error) => context.notes.push(said::shown_as_listed(error.to_string())),
    }
}

async fn read_facts(
    client: &Client,
    action: ActionId,
    parameters: &Parameters,
    context: &mut PlanContext,
) {
    let instance = context.instance.clone();
    let region = &instance.region;
    let absent = catalog::row_of(action).permissions.iter();
    let absent = absent.filter(|call| client.site().is_some_and(|site| site.lacks(call)));
    // Where the account's network type is not told, the address tells where its cap is.
    for call in absent.filter(|call| **call != "vpc:DescribeNetworkAccountType") {
        context.notes.push(said::not_documented(call));
    }
    match action {
        ActionId::OpenPort | ActionId::OpenCommonPorts => {
            context.groups = fact(read::groups(client, &instance).await);
            // The preview judges by the same bodies of templates and groups as the diagnosis.
            if let Some(bound) = context.groups.known() {
                let bound: Vec<_> = bound.iter().map(|facts| facts.group.clone()).collect();
                context.references = facts::references(client, &instance, &bound).await;
            }
        }
        ActionId::AllowAcl => {
            context.acl = fact(network::acl(client, &instance).await);
        }
        ActionId::RestoreRoute => {
            context.routes = fact(network::routes(client, &instance).await);
        }
        ActionId::UnblockAddress => {
            context.block = fact(network::block(client, &instance).await);
        }
        ActionId::RaiseBandwidth => {
            let (account, addresses) = tokio::join!(
                read::account_type(client, region),
                read::bound_addresses(client, &instance),
            );
            context.account_type = fact(account);
            context.addresses = fact(addresses);
            if let Some(mbps) = parameters.number("mbps") {
                context.price = fact(price(client, context, mbps).await);
            }
        }
        ActionId::AssociateAddress => {
            let (account, free) = tokio::join!(
                read::account_type(client, region),
                read::free_addresses(client, region, parameters.text("address")),
            );
            context.account_type = fact(account);
            context.free_addresses = fact(free);
            if context.account_type.known() == Some(&AccountType::Standard) {
                let mbps = parameters.number("mbps").unwrap_or(5);
                context.price = fact(read::price_of_new_address(client, region, mbps).await);
            }
        }
        ActionId::AuthorizeRepair => {
            context.repair_tasks = fact(read::repair_tasks(client, region, &instance.id).await);
        }
        guest if guest.runs_in_guest() => {
            context.agent = fact(read::agent(client, &instance).await);
        }
        _ => {}
    }
}

/// The price of a cap, asked for where the cap lies.
async fn price(client: &Client, context: &PlanContext, mbps: u64) -> Result<Said, CloudError> {
    let nothing = Vec::new();
    let addresses = context.addresses.known().unwrap_or(&nothing);
    let elastic = addresses
        .iter()
        .find(|a| !a.id.is_empty() && a.kind != "WanIP" && a.bandwidth.is_some());
    match elastic {
        Some(address) => {
            read::price_of_address(client, &context.instance.region, address, mbps).await
        }
        None => read::price_of_instance(client, &context.instance, mbps).await,
    }
}

fn fact<T>(result: Result<T, CloudError>) -> Fact<T> {
    match result {
        Ok(value) => Fact::Known(value),
        Err(error) => Fact::Unknown {
            remedy: match error.missing_permission() {
                Some(permission) => said::ask_permission(permission),
                None => said::try_again(),
            },
            why: error.said(),
        },
    }
}
