//! Reads the facts that a plan needs, and only those, all at once.
//!
//! A fact that cannot be read becomes an unknown with its reason, never an empty one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::new_entry_id;
use crate::action::context::{
    AccountType, AddressFacts, Fact, GroupFacts, Others, PlanContext, RepairTask,
};
use crate::action::parameters::Parameters;
use crate::cloud::{Client, CloudError};
use crate::domain::action::ActionId;
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::security_group::{Peer, Rule, RuleAction, SecurityGroup, Service};
use crate::domain::text::sanitise;

/// How many other users of a group are named.
const NAMED: usize = 8;

/// What the caller knows already.
#[derive(Debug, Clone, Default)]
pub struct PrepareOptions {
    /// Address or network that the failing user comes from.
    pub user_source: Option<IpNet>,
    /// This host's address as the instance sees it, where that is certain.
    pub own_source: Option<IpAddr>,
    /// Login port found by the diagnosis.
    pub login_port: Option<u16>,
    /// Reasons why the instance may not come back from a restart.
    pub boot_risks: Vec<String>,
}

/// The context of a plan for `action`.
pub async fn prepare(
    client: &Client,
    instance: &Instance,
    action: ActionId,
    parameters: &Parameters,
    options: &PrepareOptions,
) -> PlanContext {
    let mut context = PlanContext {
        entry: new_entry_id(),
        instance: instance.clone(),
        login_port: options.login_port,
        user_source: options.user_source,
        own_source: options.own_source,
        boot_risks: options.boot_risks.clone(),
        ..PlanContext::default()
    };
    match action {
        ActionId::OpenPort | ActionId::OpenCommonPorts => {
            context.groups = fact(read_groups(client, instance).await);
        }
        ActionId::RaiseBandwidth => {
            let (account, addresses, price) = tokio::join!(
                read_account_type(client, &instance.region),
                read_bound_addresses(client, instance),
                read_price(client, instance, parameters.number("mbps")),
            );
            context.account_type = fact(account);
            context.addresses = fact(addresses);
            context.price = price;
        }
        ActionId::AssociateAddress => {
            let (account, free) = tokio::join!(
                read_account_type(client, &instance.region),
                read_free_addresses(client, &instance.region),
            );
            context.account_type = fact(account);
            context.free_addresses = fact(free);
        }
        ActionId::AuthorizeRepair => {
            context.repair_tasks =
                fact(read_repair_tasks(client, &instance.region, &instance.id).await);
        }
        ActionId::GuestRestartLoginService
        | ActionId::GuestAllowPort
        | ActionId::GuestUnblockSource
        | ActionId::GuestUnlockAccount
        | ActionId::GuestRepairSshd
        | ActionId::GuestFreeLoginLog
        | ActionId::GuestEnableRdp => context.agent = fact(read_agent(client, instance).await),
        _ => {}
    }
    context
}

fn fact<T>(result: Result<T, CloudError>) -> Fact<T> {
    match result {
        Ok(value) => Fact::Known(value),
        Err(error) => Fact::Unknown {
            remedy: match error.missing_permission() {
                Some(permission) => format!("ask for the permission {permission}"),
                None => "try again".to_owned(),
            },
            why: error.to_string(),
        },
    }
}

fn vpc(action: &str, region: &str, parameters: Value) -> ApiCall {
    ApiCall::new("vpc", action, region, parameters)
}

/// The bound groups with their rules and other users, all at once, in binding order.
async fn read_groups(client: &Client, instance: &Instance) -> Result<Vec<GroupFacts>, CloudError> {
    let reads = instance.security_group_ids.iter().map(|id| async move {
        let (group, others) = tokio::join!(
            read_group(client, &instance.region, id),
            read_others(client, instance, id)
        );
        Ok(GroupFacts {
            group: group?,
            others: others.ok(),
        })
    });
    futures_util::future::join_all(reads)
        .await
        .into_iter()
        .collect()
}

/// A group's rules as they are now (vpc `DescribeSecurityGroupPolicies`, not the cached form).
pub(super) async fn read_group(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<SecurityGroup, CloudError> {
    let rules = vpc(
        "DescribeSecurityGroupPolicies",
        region,
        json!({ "SecurityGroupId": id }),
    );
    let named = vpc(
        "DescribeSecurityGroups",
        region,
        json!({ "SecurityGroupIds": [id] }),
    );
    // The name only serves the reader, so it may be missing.
    let (rules, named) = tokio::join!(client.call(&rules), client.call(&named));
    let set = &rules?.response["SecurityGroupPolicySet"];
    let name = named
        .ok()
        .and_then(|answer| {
            let name = &answer.response["SecurityGroupSet"][0]["SecurityGroupName"];
            Some(sanitise(name.as_str()?, 60))
        })
        .unwrap_or_default();
    let direction = |field: &str| -> Vec<Rule> {
        let rows = set[field].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter()
            .enumerate()
            .map(|(i, row)| rule(row, i))
            .collect()
    };
    Ok(SecurityGroup {
        id: id.to_owned(),
        name,
        version: match &set["Version"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        ingress: direction("Ingress"),
        egress: direction("Egress"),
    })
}

/// A `SecurityGroupPolicy` of the API.
fn rule(row: &Value, position: usize) -> Rule {
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let services = &row["ServiceTemplate"];
    let addresses = &row["AddressTemplate"];
    let service = text(&services["ServiceGroupId"])
        .or_else(|| text(&services["ServiceId"]))
        .map_or_else(
            || Service::Plain {
                protocol: text(&row["Protocol"]).unwrap_or_else(|| "ALL".to_owned()),
                port: text(&row["Port"]).unwrap_or_default(),
            },
            Service::Template,
        );
    let peer = text(&row["CidrBlock"])
        .or_else(|| text(&row["Ipv6CidrBlock"]))
        .map(Peer::Network)
        .or_else(|| text(&row["SecurityGroupId"]).map(Peer::Group))
        .or_else(|| text(&addresses["AddressGroupId"]).map(Peer::Template))
        .or_else(|| text(&addresses["AddressId"]).map(Peer::Template))
        .unwrap_or(Peer::Unknown);
    let action = match row["Action"]
        .as_str()
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("ACCEPT") => Some(RuleAction::Accept),
        Some("DROP") => Some(RuleAction::Drop),
        _ => None,
    };
    Rule {
        index: row["PolicyIndex"]
            .as_i64()
            .unwrap_or_else(|| i64::try_from(position).unwrap_or(i64::MAX)),
        service,
        peer,
        action,
        description: sanitise(row["PolicyDescription"].as_str().unwrap_or_default(), 200),
    }
}

/// Instances bound to a group, without this one.
async fn read_others(
    client: &Client,
    instance: &Instance,
    group: &str,
) -> Result<Others, CloudError> {
    let call = ApiCall::new(
        "cvm",
        "DescribeInstances",
        &instance.region,
        json!({
            "Filters": [{ "Name": "security-group-id", "Values": [group] }],
            "Limit": NAMED + 1,
        }),
    );
    let answer = client.call(&call).await?;
    let rows = answer.response["InstanceSet"].as_array();
    let others: Vec<String> = rows
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|row| row["InstanceId"].as_str() != Some(&instance.id))
        .take(NAMED)
        .map(|row| {
            let text = |field: &str| sanitise(row[field].as_str().unwrap_or_default(), 60);
            format!("{} ({})", text("InstanceName"), text("InstanceId"))
        })
        .collect();
    let total = answer.response["TotalCount"].as_u64().unwrap_or(0) as usize;
    Ok(Others {
        // This instance is one of them.
        count: total.saturating_sub(1).max(others.len()),
        names: others,
    })
}

async fn read_account_type(client: &Client, region: &str) -> Result<AccountType, CloudError> {
    let call = vpc("DescribeNetworkAccountType", region, json!({}));
    let answer = client.call(&call).await?;
    Ok(match answer.response["NetworkAccountType"].as_str() {
        Some("LEGACY") => AccountType::Legacy,
        _ => AccountType::Standard,
    })
}

/// Elastic and ordinary addresses of the instance. Ordinary ones are only given when their type
/// is asked for, hence two reads.
async fn read_bound_addresses(
    client: &Client,
    instance: &Instance,
) -> Result<Vec<AddressFacts>, CloudError> {
    let read = |filters: Value| {
        let call = vpc(
            "DescribeAddresses",
            &instance.region,
            json!({ "Filters": filters, "Limit": 100 }),
        );
        async move { client.call(&call).await.map(|a| addresses(&a.response)) }
    };
    let own = json!({ "Name": "instance-id", "Values": [instance.id] });
    let ordinary = json!({ "Name": "address-type", "Values": ["WanIP"] });
    let (elastic, ordinary) = tokio::join!(read(json!([own])), read(json!([own, ordinary])));
    let mut all = elastic?;
    for address in ordinary? {
        if !all.iter().any(|known| known.ip == address.ip) {
            all.push(address);
        }
    }
    Ok(all)
}

async fn read_free_addresses(
    client: &Client,
    region: &str,
) -> Result<Vec<AddressFacts>, CloudError> {
    let call = vpc(
        "DescribeAddresses",
        region,
        json!({
            "Filters": [{ "Name": "address-status", "Values": ["UNBIND"] }],
            "Limit": 100,
        }),
    );
    Ok(addresses(&client.call(&call).await?.response))
}

pub(super) fn addresses(response: &Value) -> Vec<AddressFacts> {
    let rows = response["AddressSet"].as_array();
    rows.map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|row| {
            let text = |field: &str| sanitise(row[field].as_str().unwrap_or_default(), 80);
            AddressFacts {
                id: text("AddressId"),
                ip: text("AddressIp"),
                kind: text("AddressType"),
                status: text("AddressStatus"),
                bandwidth: row["Bandwidth"].as_u64(),
                charge_type: text("InternetChargeType"),
                is_blocked: row["IsBlocked"].as_bool().unwrap_or(false),
                is_arrears: row["IsArrears"].as_bool().unwrap_or(false),
            }
        })
        .collect()
}

/// The price that the cloud names for a higher cap on the instance, as a sentence.
async fn read_price(client: &Client, instance: &Instance, mbps: Option<u64>) -> Option<String> {
    let call = ApiCall::new(
        "cvm",
        "InquiryPriceResetInstancesInternetMaxBandwidth",
        &instance.region,
        json!({
            "InstanceIds": [instance.id],
            "InternetAccessible": { "InternetMaxBandwidthOut": mbps? },
        }),
    );
    let answer = client.call(&call).await.ok()?;
    let price = &answer.response["Price"]["BandwidthPrice"];
    if let Some(total) = price["DiscountPrice"].as_f64() {
        return Some(format!("{total:.2} once, by the cloud's own inquiry"));
    }
    let unit = price["UnitPriceDiscount"]
        .as_f64()
        .or_else(|| price["UnitPrice"].as_f64())?;
    let per = sanitise(price["ChargeUnit"].as_str().unwrap_or("unit"), 20).to_lowercase();
    Some(format!("{unit:.4} per {per}, by the cloud's own inquiry"))
}

/// `AgentStatus`, or `not installed`.
async fn read_agent(client: &Client, instance: &Instance) -> Result<String, CloudError> {
    let call = ApiCall::new(
        "tat",
        "DescribeAutomationAgentStatus",
        &instance.region,
        json!({ "InstanceIds": [instance.id] }),
    );
    let answer = client.call(&call).await?;
    let row = &answer.response["AutomationAgentSet"][0];
    Ok(sanitise(
        row["AgentStatus"].as_str().unwrap_or("not installed"),
        40,
    ))
}

/// Repair tasks of the last month; the API's own default is today only.
pub(super) async fn read_repair_tasks(
    client: &Client,
    region: &str,
    instance: &str,
) -> Result<Vec<RepairTask>, CloudError> {
    let now = jiff::Timestamp::now();
    let month_ago = now - jiff::SignedDuration::from_hours(24 * 30);
    let shown = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let call = ApiCall::new(
        "cvm",
        "DescribeTaskInfo",
        region,
        json!({
            "Product": "CVM",
            "InstanceIds": [instance],
            "Limit": 100,
            "Offset": 0,
            "StartDate": shown(month_ago),
            "EndDate": shown(now + jiff::SignedDuration::from_hours(24)),
        }),
    );
    let answer = client.call(&call).await?;
    let rows = answer.response["RepairTaskInfoSet"].as_array();
    Ok(rows
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|row| RepairTask {
            id: sanitise(row["TaskId"].as_str().unwrap_or_default(), 80),
            title: sanitise(row["TaskTypeName"].as_str().unwrap_or_default(), 80),
            status: row["TaskStatus"].as_i64().unwrap_or(0),
        })
        .collect())
}
