//! Reads that plans and settling rest on; each gives a fact or the error, never an empty fact.
//!
//! Must not live here: which action needs which fact (`prepare`).

use serde_json::{Value, json};

use crate::action::address::NEW_CHARGE_TYPE;
use crate::action::bandwidth::{day, on_instance_body};
use crate::action::context::{AccountType, AddressFacts, GroupFacts, Others, RepairTask};
use crate::cloud::said as cloud_said;
use crate::cloud::wire::{self, AddressItem, AgentItem, InstanceSetItem, RepairTaskItem};
use crate::cloud::{Client, CloudError};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::domain::security_group::SecurityGroup;
use crate::domain::site::Site;
use crate::domain::text::sanitise;
use crate::runtime::said;

/// How many other users of a group are named.
pub(super) const NAMED: usize = 8;
/// Most pages of a list that are read.
const MOST_PAGES: usize = 50;

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
    let name = named
        .ok()
        .and_then(|answer| {
            let name = &answer.response["SecurityGroupSet"][0]["SecurityGroupName"];
            Some(sanitise(name.as_str()?, 60))
        })
        .unwrap_or_default();
    wire::security_group(id, &name, &rules?.response["SecurityGroupPolicySet"]).ok_or_else(|| {
        wire::not_understood(
            "vpc:DescribeSecurityGroupPolicies",
            cloud_said::what_rule(id),
        )
    })
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
    let action = call.permission();
    let rows = wire::whole::<InstanceSetItem>(&answer.response, "InstanceSet", &action)?;
    let others: Vec<String> = rows
        .iter()
        .filter(|row| row.instance_id != instance.id)
        .take(NAMED)
        .map(|row| {
            format!(
                "{} ({})",
                sanitise(&row.instance_name, 60),
                sanitise(&row.instance_id, 60)
            )
        })
        .collect();
    let total = wire::total(&answer.response)
        .ok_or_else(|| wire::not_understood(&action, cloud_said::what_instances()))?
        as usize;
    Ok(Others {
        // This instance is one of them.
        count: total.saturating_sub(1).max(others.len()),
        names: others,
    })
}

/// What else a group is bound to (`2 CLB`), where the cloud counts it.
async fn other_users(client: &Client, region: &str, group: &str) -> Result<Vec<Said>, CloudError> {
    let call = vpc(
        "DescribeSecurityGroupAssociationStatistics",
        region,
        json!({ "SecurityGroupIds": [group] }),
    );
    let answer = client.call(&call).await?;
    let row = &answer.response["SecurityGroupAssociationStatisticsSet"][0];
    // Instances are counted and named from their own list. `InstanceStatistics` holds every kind,
    // newer ones too, and not the groups whose rules refer to this one.
    let mut users: Vec<(String, u64)> = Vec::new();
    for one in row["InstanceStatistics"].as_array().into_iter().flatten() {
        let kind = sanitise(one["InstanceType"].as_str().unwrap_or_default(), 40);
        if let Some(count) = one["InstanceCount"].as_u64().filter(|_| !kind.is_empty()) {
            users.push((kind, count));
        }
    }
    for kind in ["CLB", "CDB", "ENI", "SG"] {
        if let Some(count) = row[kind].as_u64()
            && !users.iter().any(|(known, _)| known == kind)
        {
            users.push((kind.to_owned(), count));
        }
    }
    users.retain(|(kind, count)| *count > 0 && kind != "CVM");
    let shown = |(kind, count): (String, u64)| match kind.as_str() {
        "SG" => said::referring_groups(count),
        _ => Said::raw(format!("{count} {kind}")),
    };
    Ok(users.into_iter().map(shown).collect())
}

pub(super) async fn account_type(client: &Client, region: &str) -> Result<AccountType, CloudError> {
    let call = vpc("DescribeNetworkAccountType", region, json!({}));
    let answer = client.call(&call).await?;
    match answer.response["NetworkAccountType"].as_str() {
        Some("LEGACY") => Ok(AccountType::Legacy),
        Some("STANDARD") => Ok(AccountType::Standard),
        _ => Err(wire::not_understood(
            &call.permission(),
            cloud_said::what_type(),
        )),
    }
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
        async move { addresses(&client.call(&call).await?.response) }
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

/// The elastic address of that id, or without one the plain addresses that are bound to nothing, page
/// by page until one of them can be bound.
pub(super) async fn free_addresses(
    client: &Client,
    region: &str,
    wanted: Option<&str>,
) -> Result<Vec<AddressFacts>, CloudError> {
    const ACTION: &str = "vpc:DescribeAddresses";
    if let Some(id) = wanted {
        let call = vpc("DescribeAddresses", region, json!({ "AddressIds": [id] }));
        return match client.call(&call).await {
            Err(CloudError::NotFound { .. }) => Ok(Vec::new()),
            answer => addresses(&answer?.response),
        };
    }
    let mut all: Vec<AddressFacts> = Vec::new();
    for _ in 0..MOST_PAGES {
        let call = vpc(
            "DescribeAddresses",
            region,
            json!({
                // Without the type, dear kinds such as Anti-DDoS addresses are listed too.
                "Filters": [
                    { "Name": "address-status", "Values": ["UNBIND"] },
                    { "Name": "address-type", "Values": ["EIP"] },
                ],
                "Offset": all.len(),
                "Limit": 100,
            }),
        );
        let answer = client.call(&call).await?.response;
        let page = addresses(&answer)?;
        let is_last = page.is_empty();
        all.extend(page);
        let total = wire::total(&answer)
            .ok_or_else(|| wire::not_understood(ACTION, cloud_said::what_addresses()))?;
        if is_last || all.len() as u64 >= total || all.iter().any(AddressFacts::is_free) {
            return Ok(all);
        }
    }
    Err(wire::not_understood(
        ACTION,
        cloud_said::what_many_addresses(),
    ))
}

pub(super) fn addresses(response: &Value) -> Result<Vec<AddressFacts>, CloudError> {
    let rows = wire::whole::<AddressItem>(response, "AddressSet", "vpc:DescribeAddresses")?;
    let text = |text: &str| sanitise(text, 80);
    Ok(rows
        .iter()
        .map(|row| AddressFacts {
            id: text(&row.address_id),
            ip: text(&row.address_ip),
            kind: text(&row.address_type),
            status: text(&row.address_status),
            bandwidth: row.bandwidth.and_then(|mbps| u64::try_from(mbps).ok()),
            charge_type: text(&row.internet_charge_type),
            is_blocked: row.is_blocked == Some(true),
            is_arrears: row.is_arrears == Some(true),
        })
        .collect())
}

/// The price of a cap on the instance.
pub(super) async fn price_of_instance(
    client: &Client,
    instance: &Instance,
    mbps: u64,
) -> Result<Said, CloudError> {
    let call = ApiCall::new(
        "cvm",
        "InquiryPriceResetInstancesInternetMaxBandwidth",
        &instance.region,
        on_instance_body(instance, &day(client.now()), mbps),
    );
    let answer = client.call(&call).await?;
    let price = &answer.response["Price"]["BandwidthPrice"];
    let charge = &instance.internet_charge_type;
    Ok(price_sentence(price, charge, client.site()))
}

/// The price of a cap on an elastic address.
pub(super) async fn price_of_address(
    client: &Client,
    region: &str,
    address: &AddressFacts,
    mbps: u64,
) -> Result<Said, CloudError> {
    let call = vpc(
        "InquiryPriceModifyAddressesBandwidth",
        region,
        json!({ "AddressIds": [address.id], "InternetMaxBandwidthOut": mbps }),
    );
    let answer = client.call(&call).await?;
    let price = &answer.response["Price"]["AddressPrice"];
    Ok(price_sentence(price, &address.charge_type, client.site()))
}

/// The price of a new elastic address.
pub(super) async fn price_of_new_address(
    client: &Client,
    region: &str,
    mbps: u64,
) -> Result<Said, CloudError> {
    let call = vpc(
        "InquiryPriceAllocateAddresses",
        region,
        json!({ "InternetChargeType": NEW_CHARGE_TYPE, "InternetMaxBandwidthOut": mbps }),
    );
    let answer = client.call(&call).await?;
    let price = &answer.response["Price"]["AddressPrice"];
    Ok(price_sentence(price, NEW_CHARGE_TYPE, client.site()))
}

/// What is paid by an `ItemPrice` of cvm or an `InternetPriceDetail` of vpc, in words. `charge` is how
/// it is charged: vpc names the hour as the unit of traffic too, which is charged by the gigabyte.
fn price_sentence(price: &Value, charge: &str, site: Option<Site>) -> Said {
    let first = |fields: &[&str]| fields.iter().find_map(|field| price[*field].as_f64());
    let currency = site.map_or(String::new(), |site| format!(" {}", site.currency()));
    let Some(list) = first(&["UnitPrice"]) else {
        // Prepaid: one sum, with its list price beside it.
        let Some(paid) = first(&["DiscountPrice", "OriginalPrice"]) else {
            return said::no_figure();
        };
        let sum = format!("{paid:.2}{currency}");
        let beside = other(paid, first(&["OriginalPrice"]), 2);
        return match (price["ChargeUnit"].as_str().map(unit), beside) {
            (Some(unit), None) => said::price_per(sum, unit),
            (Some(unit), Some(list)) => said::price_per_listed(sum, unit, list),
            (None, None) => said::price_once(sum),
            (None, Some(list)) => said::price_once_listed(sum, list),
        };
    };
    // cvm names what is paid a unit `UnitPriceDiscount`, vpc `DiscountPrice`.
    let paid = first(&["UnitPriceDiscount", "DiscountPrice"]).unwrap_or(list);
    let unit = if charge.starts_with("TRAFFIC") {
        said::a_gigabyte()
    } else {
        unit(price["ChargeUnit"].as_str().unwrap_or("unit"))
    };
    let sum = format!("{paid:.4}{currency}");
    match other(paid, Some(list), 4) {
        Some(list) => said::price_per_listed(sum, unit, list),
        None => said::price_per(sum, unit),
    }
}

/// `ChargeUnit` in words; one that is not known is shown as the cloud names it.
fn unit(name: &str) -> Said {
    match name.to_ascii_uppercase().as_str() {
        "HOUR" => said::an_hour(),
        "DAY" => said::a_day(),
        "MONTH" => said::a_month(),
        "GB" => said::a_gigabyte(),
        _ => Said::raw(sanitise(name, 20).to_lowercase()),
    }
}

/// The list price, where it is another one.
fn other(paid: f64, list: Option<f64>, decimals: usize) -> Option<String> {
    list.filter(|list| (list - paid).abs() > f64::EPSILON)
        .map(|list| format!("{list:.decimals$}"))
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
    let action = call.permission();
    let rows = wire::whole::<AgentItem>(&answer.response, "AutomationAgentSet", &action)?;
    let row = rows.iter().find(|row| row.instance_id == instance.id);
    Ok(row.map_or_else(
        || "not installed".to_owned(),
        |row| sanitise(&row.agent_status, 40),
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
    let action = call.permission();
    let rows = wire::whole::<RepairTaskItem>(&answer.response, "RepairTaskInfoSet", &action)?;
    Ok(rows
        .iter()
        .map(|row| RepairTask {
            id: sanitise(&row.task_id, 80),
            title: sanitise(&row.task_type_name, 80),
            status: row.task_status.unwrap_or(0),
            auth_type: row.auth_type,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_names_what_is_paid_by_which_unit_and_in_what() {
        let vpc = json!({"UnitPrice": 0.8, "DiscountPrice": 0.72, "ChargeUnit": "HOUR"});
        let cvm = json!({
            "UnitPrice": 0.063, "UnitPriceDiscount": 0.063, "ChargeUnit": "HOUR",
            "OriginalPrice": null, "DiscountPrice": null,
        });
        let month = json!({"OriginalPrice": 100.0, "DiscountPrice": 85.0, "ChargeUnit": "MONTH"});
        let once = json!({"UnitPrice": null, "OriginalPrice": 20.0, "DiscountPrice": 20.0});
        let (china, abroad) = (Some(Site::China), Some(Site::International));
        for (price, charge, site, want) in [
            (
                &vpc,
                NEW_CHARGE_TYPE,
                china,
                "0.7200 CNY per GB (list price 0.8000)",
            ),
            (
                &vpc,
                "BANDWIDTH_POSTPAID_BY_HOUR",
                abroad,
                "0.7200 USD per hour (list price 0.8000)",
            ),
            (&cvm, "BANDWIDTH_POSTPAID_BY_HOUR", None, "0.0630 per hour"),
            (&month, "", china, "85.00 CNY per month (list price 100.00)"),
            (&once, "BANDWIDTH_PREPAID", china, "20.00 CNY once"),
            (&json!({}), "", china, "no figure was named"),
        ] {
            assert_eq!(price_sentence(price, charge, site), want);
        }
    }
}
