//! Reads that plans and settling rest on; each gives a fact or the error, never an empty fact.
//!
//! Must not live here: which action needs which fact (`prepare`).

use serde_json::{Value, json};

use crate::action::address::NEW_CHARGE_TYPE;
use crate::action::context::{AccountType, AddressFacts, GroupFacts, Others, RepairTask};
use crate::cloud::{Client, CloudError};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::security_group::{Peer, Rule, RuleAction, SecurityGroup, Service};
use crate::domain::text::sanitise;

/// How many other users of a group are named.
const NAMED: usize = 8;

fn vpc(action: &str, region: &str, parameters: Value) -> ApiCall {
    ApiCall::new("vpc", action, region, parameters)
}

/// The bound groups with their rules and other users, all at once, in binding order.
pub(super) async fn groups(
    client: &Client,
    instance: &Instance,
) -> Result<Vec<GroupFacts>, CloudError> {
    let ids = instance.security_group_ids.iter();
    let reads = ids.map(|id| group_facts(client, instance, id));
    futures_util::future::join_all(reads)
        .await
        .into_iter()
        .collect()
}

/// One group with its rules and other users.
pub(super) async fn group_facts(
    client: &Client,
    instance: &Instance,
    id: &str,
) -> Result<GroupFacts, CloudError> {
    let (group, others, users) = tokio::join!(
        group(client, &instance.region, id),
        others(client, instance, id),
        other_users(client, &instance.region, id),
    );
    Ok(GroupFacts {
        group: group?,
        others: others.ok(),
        // Only a help: the instances themselves are named and counted above.
        other_users: users.unwrap_or_default(),
    })
}

/// A group's rules as they are now (vpc `DescribeSecurityGroupPolicies`, not the cached form).
pub(super) async fn group(
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
            Value::Null => String::new(),
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
async fn others(client: &Client, instance: &Instance, group: &str) -> Result<Others, CloudError> {
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

/// What else a group is bound to (`2 CLB`), where the cloud counts it.
async fn other_users(
    client: &Client,
    region: &str,
    group: &str,
) -> Result<Vec<String>, CloudError> {
    let call = vpc(
        "DescribeSecurityGroupAssociationStatistics",
        region,
        json!({ "SecurityGroupIds": [group] }),
    );
    let answer = client.call(&call).await?;
    let row = &answer.response["SecurityGroupAssociationStatisticsSet"][0];
    Ok(["CLB", "CDB"]
        .iter()
        .filter_map(|kind| {
            let count = row[*kind].as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {kind}"))
        })
        .collect())
}

pub(super) async fn account_type(client: &Client, region: &str) -> Result<AccountType, CloudError> {
    let call = vpc("DescribeNetworkAccountType", region, json!({}));
    let answer = client.call(&call).await?;
    Ok(match answer.response["NetworkAccountType"].as_str() {
        Some("LEGACY") => AccountType::Legacy,
        _ => AccountType::Standard,
    })
}

/// Elastic and ordinary addresses of the instance. Ordinary ones are only given when their type
/// is asked for, hence two reads.
pub(super) async fn bound_addresses(
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

pub(super) async fn free_addresses(
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

/// The price of a cap on the instance.
pub(super) async fn price_of_instance(
    client: &Client,
    instance: &Instance,
    mbps: u64,
) -> Result<String, CloudError> {
    let call = ApiCall::new(
        "cvm",
        "InquiryPriceResetInstancesInternetMaxBandwidth",
        &instance.region,
        json!({
            "InstanceIds": [instance.id],
            "InternetAccessible": { "InternetMaxBandwidthOut": mbps },
        }),
    );
    let answer = client.call(&call).await?;
    Ok(price_sentence(&answer.response["Price"]["BandwidthPrice"]))
}

/// The price of a cap on an elastic address.
pub(super) async fn price_of_address(
    client: &Client,
    region: &str,
    address: &str,
    mbps: u64,
) -> Result<String, CloudError> {
    let call = vpc(
        "InquiryPriceModifyAddressesBandwidth",
        region,
        json!({ "AddressIds": [address], "InternetMaxBandwidthOut": mbps }),
    );
    let answer = client.call(&call).await?;
    Ok(price_sentence(&answer.response["Price"]["AddressPrice"]))
}

/// The price of a new elastic address.
pub(super) async fn price_of_new_address(
    client: &Client,
    region: &str,
    mbps: u64,
) -> Result<String, CloudError> {
    let call = vpc(
        "InquiryPriceAllocateAddresses",
        region,
        json!({ "InternetChargeType": NEW_CHARGE_TYPE, "InternetMaxBandwidthOut": mbps }),
    );
    let answer = client.call(&call).await?;
    Ok(price_sentence(&answer.response["Price"]["AddressPrice"]))
}

/// An `ItemPrice` of cvm or an `InternetPriceDetail` of vpc in words.
fn price_sentence(price: &Value) -> String {
    let unit = ["UnitPriceDiscount", "UnitPrice"]
        .iter()
        .find_map(|field| price[*field].as_f64());
    if let Some(unit) = unit {
        let per = sanitise(price["ChargeUnit"].as_str().unwrap_or("unit"), 20).to_lowercase();
        return format!("{unit:.4} per {per}");
    }
    let once = ["DiscountPrice", "OriginalPrice"]
        .iter()
        .find_map(|field| price[*field].as_f64());
    match once {
        Some(total) => format!("{total:.2} once"),
        None => "no figure was named".to_owned(),
    }
}

/// `AgentStatus`, or `not installed`.
pub(super) async fn agent(client: &Client, instance: &Instance) -> Result<String, CloudError> {
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
pub(super) async fn repair_tasks(
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
