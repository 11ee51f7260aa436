//! Services around the machines: attacks, balance, audit log, regions, identity, disks.
//!
//! Lives here: antiddos (both versions), billing, cloudaudit, region, sts, cbs.
//! Must not live here: machines, networks, measurements.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Call, extend, iso, refuse, spaced};
use crate::demo::world::{Machine, stable_id};

/// Number of the demo account.
const ACCOUNT: u64 = 100_000_000_001;

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeIpBlockList" => block_list(call),
        "DescribeBasicDeviceStatus" => device_status(call),
        "DescribePendingRiskInfo" => Ok(json!({
            "IsPaidUsr": true, "AttackingCount": 0,
            "BlockingCount": blocked(call).len(), "ExpiredCount": 0,
            "Total": blocked(call).len(),
        })),
        "DescribeOverviewDDoSEventList" => attacks(call),
        "DescribeDDoSBlockRecords" => block_records(call),
        "UnblockResources" => unblock(call),
        "DescribeAccountBalance" => balance(call),
        "DescribeEvents" => events(call),
        "DescribeRegions" => regions(call),
        "GetCallerIdentity" => Ok(json!({
            "Arn": format!("qcs::cam::uin/{ACCOUNT}:uin/100000000042"),
            "AccountId": ACCOUNT.to_string(), "UserId": "100000000042",
            "PrincipalId": "100000000042", "Type": "SubAccount",
        })),
        "DescribeDisks" => disks(call),
        "CreateSnapshot" => snapshot(call),
        _ => call.unknown(),
    }
}

/// Machines whose public address is blocked.
fn blocked<'a>(call: &'a Call<'_>) -> Vec<&'a Machine> {
    let machines = call.world.machines.iter();
    machines
        .filter(|m| m.public.as_ref().is_some_and(|p| p.blocked))
        .collect()
}

fn public_ip(machine: &Machine) -> String {
    machine
        .public
        .as_ref()
        .map(|p| p.ip.to_string())
        .unwrap_or_default()
}

fn block_time(call: &Call<'_>) -> Timestamp {
    call.world.started.unwrap_or(call.now) - SignedDuration::from_mins(35)
}

fn block_list(call: &mut Call<'_>) -> Answer {
    let since = block_time(call);
    let list: Vec<Value> = blocked(call)
        .iter()
        .map(|m| {
            json!({
                "Status": "Blocked", "Ip": public_ip(m), "BlockTime": spaced(since),
                "UnBlockTime": spaced(since + SignedDuration::from_hours(2)),
                "ActionType": "user", "ProtectFlag": 0,
            })
        })
        .collect();
    Ok(json!({"List": list}))
}

fn device_status(call: &mut Call<'_>) -> Answer {
    let ips = call.list("IpList").unwrap_or_default();
    let blocked: Vec<String> = blocked(call).iter().map(|m| public_ip(m)).collect();
    let data: Vec<Value> = ips
        .iter()
        .map(|ip| json!({"Key": ip, "Value": if blocked.contains(ip) { "1" } else { "2" }}))
        .collect();
    Ok(json!({"Data": data, "CLBData": [], "CnameWafData": []}))
}

fn attacks(call: &mut Call<'_>) -> Answer {
    let since = block_time(call);
    let list: Vec<Value> = blocked(call)
        .iter()
        .map(|m| {
            json!({
                "Id": stable_id("ddos", &m.id), "Vip": public_ip(m),
                "StartTime": spaced(since - SignedDuration::from_mins(6)),
                "EndTime": spaced(since + SignedDuration::from_mins(11)),
                "AttackType": "UDPFLOOD", "AttackStatus": 1, "Mbps": 4_180, "Pps": 612_000,
                "Business": "basic", "InstanceId": m.id, "InstanceName": m.name,
            })
        })
        .collect();
    let asked = call.str("AttackStatus");
    let list = if asked == Some("start") {
        Vec::new()
    } else {
        list
    };
    Ok(json!({"Total": list.len(), "EventList": call.page(list)?}))
}

fn block_records(call: &mut Call<'_>) -> Answer {
    let time = |name: &str| call.str(name).and_then(|t| t.parse::<Timestamp>().ok());
    let (Some(from), Some(until)) = (time("StartTime"), time("EndTime")) else {
        return refuse(
            "InvalidParameterValue",
            "StartTime and EndTime must be ISO 8601 with an offset.",
        );
    };
    if until.as_second() - from.as_second() > 31 * 86_400 {
        return refuse("InvalidParameterValue", "At most 31 days can be listed.");
    }
    let filters = call.filters(&["Resource", "Status"], 20)?;
    let since = block_time(call);
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let stamp = |at: Timestamp| {
        at.to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    };
    let mut records = Vec::new();
    for m in &call.world.machines {
        let Some(public) = &m.public else { continue };
        if !(public.blocked || public.unblocking) || since < from || since > until {
            continue;
        }
        let status = if public.unblocking {
            "Unblocked"
        } else {
            "Blocked"
        };
        let ip = public.ip.to_string();
        let fits = filters
            .iter()
            .all(|f| f.any(&[if f.name == "Resource" { &ip } else { status }]));
        if fits {
            records.push(json!({"Resource": ip, "BlockTime": stamp(since), "Status": status}));
        }
    }
    let today = call.now.to_zoned(zone.clone()).date();
    let midnight = today
        .to_zoned(zone.clone())
        .map_or(call.now, |at| at.timestamp());
    Ok(json!({
        "TotalCount": records.len(), "BlockRecords": call.page(records)?,
        "UnblockQuotaInfo": {
            "TotalQuota": 3, "UsedQuota": call.world.unblock_quota_used,
            "QuotaStartTime": stamp(midnight),
            "QuotaEndTime": stamp(midnight + SignedDuration::from_hours(24)),
        },
    }))
}

fn unblock(call: &mut Call<'_>) -> Answer {
    let resources = call.list("Resources").unwrap_or_default();
    if resources.is_empty() || resources.len() > 10 {
        return refuse(
            "InvalidParameterValue",
            "Between 1 and 10 addresses can be given.",
        );
    }
    if call.world.unblock_quota_used + resources.len() as u64 > 3 {
        return refuse("LimitExceeded", "The quota of today is used up.");
    }
    let known: Vec<String> = blocked(call).iter().map(|m| public_ip(m)).collect();
    if let Some(ip) = resources.iter().find(|ip| !known.contains(ip)) {
        return refuse("FailedOperation", format!("{ip} is not blocked."));
    }
    call.world.unblock_quota_used += resources.len() as u64;
    for machine in &mut call.world.machines {
        if let Some(public) = &mut machine.public
            && resources.contains(&public.ip.to_string())
        {
            public.blocked = false;
            public.unblocking = true;
        }
    }
    for ip in &resources {
        call.world
            .note(call.region, "antiddos", call.action, ip, call.request_id);
    }
    Ok(json!({}))
}

fn balance(call: &mut Call<'_>) -> Answer {
    if !call.shared.options.finance_permission {
        return refuse(
            "UnauthorizedOperation",
            "You are not authorised to perform finance:DescribeAccountBalance.",
        );
    }
    Ok(json!({
        "Balance": 523_400, "Uin": ACCOUNT, "RealBalance": 523_400.0,
        "CashAccountBalance": 523_400.0, "IncomeIntoAccountBalance": 0.0,
        "PresentAccountBalance": 0.0, "FreezeAmount": 0.0, "OweAmount": 0.0,
        "IsAllowArrears": false, "IsCreditLimited": true, "CreditAmount": 0.0,
        "CreditBalance": 0.0, "RealCreditBalance": 523_400.0, "TempCredit": 0.0,
        "TempAmountInfoList": [],
    }))
}

fn events(call: &mut Call<'_>) -> Answer {
    let number = |name: &str| call.parameters.get(name).and_then(Value::as_i64);
    let (from, until) = (
        number("StartTime").unwrap_or(0),
        number("EndTime").unwrap_or(0),
    );
    if until < from || until - from > 30 * 86_400 {
        return refuse(
            "InvalidParameterValue.Time",
            "The range must be ordered and shorter than 30 days.",
        );
    }
    let most = number("MaxResults").unwrap_or(10);
    if !(1..=50).contains(&most) {
        return refuse(
            "InvalidParameterValue.MaxResult",
            "MaxResults must lie between 1 and 50.",
        );
    }
    let skip = number("NextToken").unwrap_or(0).max(0) as usize;
    let attributes: Vec<(String, String)> = call
        .parameters
        .get("LookupAttributes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|a| {
            let text = |name: &str| a[name].as_str().unwrap_or_default().to_owned();
            (text("AttributeKey"), text("AttributeValue"))
        })
        .collect();
    let mut found: Vec<&crate::demo::world::AuditEvent> = call
        .world
        .audit
        .iter()
        .filter(|e| (from..=until).contains(&e.at.as_second()))
        .filter(|e| {
            attributes.iter().all(|(key, value)| match key.as_str() {
                "RequestId" => e.request_id == *value,
                "EventName" => e.name == *value,
                "ResourceId" | "ResourceName" => e.resource == *value,
                "PrincipalId" => e.user == *value,
                "ActionType" => value == "Write",
                "SourceIPAddress" => e.source == *value,
                "ResourceType" => e.service == *value,
                _ => false,
            })
        })
        .collect();
    found.sort_by_key(|e| std::cmp::Reverse(e.at));
    let total = found.len();
    let list: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(most as usize)
        .map(|e| event(e))
        .collect();
    let next = skip + list.len();
    Ok(json!({
        "ListOver": next >= total, "NextToken": next, "Events": list, "TotalCount": total,
    }))
}

fn event(e: &crate::demo::world::AuditEvent) -> Value {
    let detail = json!({
        "eventName": e.name, "userIdentity": {"principalId": e.user},
        // JSON in a text, as in the real log.
        "requestParameters": json!({"resource": e.resource, "CommandName": e.command}).to_string(),
        "sourceIPAddress": e.source,
        "requestID": e.request_id, "apiErrorCode": "",
    });
    json!({
        "EventId": format!("{}-{}", e.request_id, e.at.as_second()), "Username": e.user,
        "EventTime": e.at.as_second().to_string(), "CloudAuditEvent": detail.to_string(),
        "ResourceTypeCn": e.service, "ErrorCode": 0, "EventName": e.name,
        "SecretId": "AKID****", "EventSource": format!("{}.tencentcloudapi.com", e.service),
        "RequestID": e.request_id, "ResourceRegion": e.region, "AccountID": ACCOUNT,
        "SourceIPAddress": e.source, "EventNameCn": e.name,
        "Resources": {"ResourceType": e.service, "ResourceName": e.resource},
        "EventRegion": e.region, "Location": "",
    })
}

fn regions(call: &mut Call<'_>) -> Answer {
    let set: Vec<Value> = call
        .world
        .regions()
        .iter()
        .map(|region| {
            json!({
                "Region": region, "RegionName": region_name(region), "RegionState": "AVAILABLE",
                "RegionTypeMC": Value::Null, "LocationMC": Value::Null,
                "RegionNameMC": Value::Null, "RegionIdMC": Value::Null,
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "RegionSet": set}))
}

fn region_name(region: &str) -> &str {
    match region {
        "ap-seoul" => "Northeast Asia (Seoul)",
        "ap-guangzhou" => "South China (Guangzhou)",
        "ap-singapore" => "Southeast Asia (Singapore)",
        other => other,
    }
}

fn disks(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &["instance-id", "disk-id", "disk-usage", "disk-state", "zone"],
        10,
    )?;
    let ids = call.list("DiskIds").unwrap_or_default();
    let mut set = Vec::new();
    for m in call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region)
    {
        let id = stable_id("disk", &m.name);
        let fits = (ids.is_empty() || ids.contains(&id))
            && filters.iter().all(|f| match f.name.as_str() {
                "instance-id" => f.any(&[&m.id]),
                "disk-id" => f.any(&[&id]),
                "disk-usage" => f.any(&["SYSTEM_DISK"]),
                "disk-state" => f.any(&["ATTACHED"]),
                _ => f.any(&[&m.zone]),
            });
        if fits {
            set.push(disk(m, &id));
        }
    }
    Ok(json!({"TotalCount": set.len(), "DiskSet": call.page(set)?}))
}

fn disk(m: &Machine, id: &str) -> Value {
    let days = m.disk_ends_in_days;
    // What has expired lies in the recycle bin until it is destroyed.
    let state = if days.is_some_and(|days| days < 0) {
        "TORECYCLE"
    } else {
        "ATTACHED"
    };
    let mut value = json!({
        "DeleteWithInstance": true, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW",
        "DiskType": "CLOUD_BSSD", "DiskState": state, "SnapshotCount": 0,
        "AutoRenewFlagError": false, "Rollbacking": false, "InstanceIdList": [m.id],
        "Encrypt": false, "DiskName": format!("{}_SYSTEM", m.name), "BackupDisk": true,
        "Tags": [], "InstanceId": m.id, "AttachMode": "PF", "AutoSnapshotPolicyIds": Value::Null,
        "ThroughputPerformance": 0, "Migrating": false, "DiskId": id, "SnapshotSize": 0,
        "Placement": {
            "Zone": m.zone, "CageId": Value::Null, "CdcId": Value::Null, "CdcName": Value::Null,
            "DedicatedClusterId": "", "ProjectId": 0, "ProjectName": Value::Null,
        },
    });
    let more = json!({
        "IsReturnable": Value::Null, "DeadlineTime": "", "Attached": true, "DiskSize": 50,
        "MigratePercent": 0, "DiskUsage": "SYSTEM_DISK",
        "DiskChargeType": if days.is_some() { "PREPAID" } else { "POSTPAID_BY_HOUR" },
        "Portable": false, "SnapshotAbility": true,
        // Set where the disk would expire before its instance; it works all the same.
        "DeadlineError": m.charge == "PREPAID",
        "RollbackPercent": 100, "DifferDaysOfDeadline": days, "ReturnFailCode": 0,
        "Shareable": false, "CreateTime": iso(m.created), "DeleteSnapshot": 0,
        "DiskBackupQuota": 0, "DiskBackupCount": 0, "InstanceType": "CVM",
        "LastAttachInsId": Value::Null, "ErrorPrompt": "", "BurstPerformance": false,
    });
    extend(&mut value, more);
    value
}

fn snapshot(call: &mut Call<'_>) -> Answer {
    let id = call.str("DiskId").unwrap_or_default().to_owned();
    let machines = call.world.machines.iter();
    let mut machines = machines.filter(|m| m.region == call.region);
    if !machines.any(|m| stable_id("disk", &m.name) == id) {
        return refuse(
            "InvalidDisk.NotSupportSnapshot",
            format!("The disk {id:?} does not exist or takes no snapshots."),
        );
    }
    let snapshot = call.world.new_id("snap");
    call.world
        .note(call.region, "cbs", call.action, &id, call.request_id);
    Ok(json!({"SnapshotId": snapshot}))
}
