//! Reading actions of cvm (2017-03-12).
//!
//! Lives here: instances, tasks, keys and the console's address as the API shows them.
//! Must not live here: changes (`cvm_write`).

use serde_json::{Value, json};

use super::{Answer, Call, Filter, Refusal, cvm_write, extend, iso, refuse, spaced};
use crate::demo::world::{Machine, stable_id};

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeInstances" => instances(call),
        "DescribeInstancesStatus" => statuses(call),
        "DescribeTaskInfo" => tasks(call),
        "DescribeInstanceInternetBandwidthConfigs" => bandwidth_configs(call),
        "DescribeInstanceVncUrl" => vnc_url(call),
        "DescribeKeyPairs" => key_pairs(call),
        "DescribeZoneInstanceConfigInfos" => types(call),
        "DescribeZones" => zones(call),
        "InquiryPriceResetInstancesInternetMaxBandwidth" => bandwidth_price(call),
        _ => cvm_write::answer(call),
    }
}

fn zones(call: &mut Call<'_>) -> Answer {
    let mut set: Vec<Value> = Vec::new();
    for subnet in &call.world.subnets {
        if subnet.region == call.region && !set.iter().any(|z| z["Zone"] == subnet.zone) {
            set.push(json!({
                "Zone": subnet.zone, "ZoneName": subnet.zone,
                "ZoneId": (200_001 + set.len()).to_string(), "ZoneState": "AVAILABLE",
            }));
        }
    }
    Ok(json!({"TotalCount": set.len(), "ZoneSet": set}))
}

/// The demo's tariff: 0.063 per Mbit/s and hour up to five, 0.25 beyond.
fn bandwidth_price(call: &mut Call<'_>) -> Answer {
    for id in call.list("InstanceIds").unwrap_or_default() {
        known(call, &id)?;
    }
    let wanted = &call.parameters["InternetAccessible"]["InternetMaxBandwidthOut"];
    let mbps = wanted.as_f64().unwrap_or(0.0);
    let price = mbps.min(5.0) * 0.063 + (mbps - 5.0).max(0.0) * 0.25;
    let price = (price * 1000.0).round() / 1000.0;
    Ok(json!({"Price": {"BandwidthPrice": {
        "UnitPrice": price, "ChargeUnit": "HOUR", "Discount": 100.0, "UnitPriceDiscount": price,
    }}}))
}

const FILTERS: &[&str] = &[
    "zone",
    "project-id",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "uuid",
    "security-group-id",
    "instance-name",
    "instance-charge-type",
    "instance-state",
    "private-ip-address",
    "public-ip-address",
    "ipv6-address",
    "tag-key",
    "tag-value",
];

/// The type of every machine, and what it may carry on the private network, in Gbit/s.
const TYPE: &str = "S6.MEDIUM4";
const TYPE_GBPS: f64 = 1.5;

/// What can be bought: the one type, in the zones of the region.
fn types(call: &mut Call<'_>) -> Answer {
    let names = [
        "zone",
        "instance-family",
        "instance-type",
        "instance-charge-type",
        "sort-keys",
    ];
    let filters = call.filters(&names, 100)?;
    let mut set = Vec::new();
    let mut zones: Vec<&str> = call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region)
        .map(|m| m.zone.as_str())
        .collect();
    zones.sort_unstable();
    zones.dedup();
    for zone in zones {
        for charge in ["PREPAID", "POSTPAID_BY_HOUR"] {
            let fits = filters.iter().all(|filter| match filter.name.as_str() {
                "zone" => filter.any(&[zone]),
                "instance-family" => filter.any(&["S6"]),
                "instance-type" => filter.any(&[TYPE]),
                "instance-charge-type" => filter.any(&[charge]),
                _ => true,
            });
            if fits {
                set.push(offered(zone, charge));
            }
        }
    }
    Ok(json!({"InstanceTypeQuotaSet": set}))
}

fn offered(zone: &str, charge: &str) -> Value {
    json!({
        "Zone": zone, "InstanceType": TYPE, "InstanceChargeType": charge, "NetworkCard": 25,
        "Externals": {}, "Cpu": 2, "Memory": 4, "InstanceFamily": "S6",
        "TypeName": "Standard S6", "LocalDiskTypeList": [], "Status": "SELL", "Price": {},
        "SoldOutReason": "", "InstanceBandwidth": TYPE_GBPS, "InstancePps": 30,
        "StorageBlockAmount": 0, "CpuType": "Intel Ice Lake", "Gpu": 0, "Fpga": 0, "Remark": "",
        "GpuCount": 0.0, "Frequency": "2.7GHz/3.3GHz", "StatusCategory": "EnoughStock",
    })
}

fn instances(call: &mut Call<'_>) -> Answer {
    let chosen = select(call)?;
    let total = chosen.len();
    let page = call.page(chosen)?;
    let set: Vec<Value> = page.iter().map(|m| instance(m)).collect();
    Ok(json!({"TotalCount": total, "InstanceSet": set}))
}

fn statuses(call: &mut Call<'_>) -> Answer {
    let chosen = select(call)?;
    let total = chosen.len();
    let page = call.page(chosen)?;
    let set: Vec<Value> = page
        .iter()
        .map(|m| json!({"InstanceId": m.id, "InstanceState": m.state}))
        .collect();
    Ok(json!({"TotalCount": total, "InstanceStatusSet": set}))
}

/// The instances of the region that the ids or filters choose.
fn select<'a>(call: &'a Call<'_>) -> Result<Vec<&'a Machine>, Refusal> {
    let filters = call.filters(FILTERS, 5)?;
    let ids = call.list("InstanceIds").unwrap_or_default();
    if !ids.is_empty() && !filters.is_empty() {
        return refuse(
            "InvalidParameter",
            "InstanceIds and Filters cannot be given together.",
        );
    }
    if ids.len() > 100 {
        return refuse(
            "InvalidParameterValue.LimitExceeded",
            "At most 100 instance ids can be given.",
        );
    }
    for id in &ids {
        known(call, id)?;
    }
    let matches = |m: &&Machine| {
        m.region == call.region
            && (ids.is_empty() || ids.contains(&m.id))
            && filters.iter().all(|filter| fits(m, filter))
    };
    Ok(call.world.machines.iter().filter(matches).collect())
}

/// Index of an instance of this region, or the vendor's error.
pub(super) fn known(call: &Call<'_>, id: &str) -> Result<usize, Refusal> {
    if !id.starts_with("ins-") || id.len() != 12 {
        return refuse(
            "InvalidInstanceId.Malformed",
            format!("The instance id {id:?} is malformed."),
        );
    }
    match call.world.find(id) {
        Some(index) if call.world.machines[index].region == call.region => Ok(index),
        _ => refuse(
            "InvalidInstanceId.NotFound",
            format!("The instance {id:?} does not exist."),
        ),
    }
}

fn fits(machine: &Machine, filter: &Filter) -> bool {
    let public = machine
        .public
        .as_ref()
        .map(|p| p.ip.to_string())
        .unwrap_or_default();
    match filter.name.as_str() {
        "zone" => filter.any(&[&machine.zone]),
        "project-id" => filter.any(&["0"]),
        "vpc-id" => filter.any(&[&machine.vpc_id]),
        "subnet-id" => filter.any(&[&machine.subnet_id]),
        "instance-id" => filter.any(&[&machine.id]),
        "uuid" => filter.any(&[&uuid(machine)]),
        "security-group-id" => machine.groups.iter().any(|group| filter.any(&[group])),
        "instance-name" => filter.part_of(&machine.name),
        "instance-charge-type" => filter.any(&[&machine.charge]),
        "instance-state" => filter.any(&[&machine.state]),
        "private-ip-address" => filter.any(&[&machine.private.to_string()]),
        "public-ip-address" => !public.is_empty() && filter.any(&[&public]),
        "tag-key" => machine.tags.keys().any(|key| filter.any(&[key])),
        "tag-value" => machine.tags.values().any(|value| filter.any(&[value])),
        name => name
            .strip_prefix("tag:")
            .and_then(|key| machine.tags.get(key))
            .is_some_and(|value| filter.any(&[value])),
    }
}

fn uuid(machine: &Machine) -> String {
    let hash = crate::demo::world::fnv(&machine.id);
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        hash >> 32,
        hash & 0xffff,
        hash >> 16
    )
}

fn instance(machine: &Machine) -> Value {
    let public: Vec<String> = machine.public.iter().map(|p| p.ip.to_string()).collect();
    // The cap of an elastic address is shown with the address, not with the instance.
    let bandwidth = match &machine.public {
        Some(public) if !public.elastic => public.bandwidth,
        _ => 0,
    };
    let charge = if bandwidth == 0 && machine.public.is_none() {
        "TRAFFIC_POSTPAID_BY_HOUR"
    } else if bandwidth > 0 && machine.charge == "PREPAID" {
        "BANDWIDTH_PREPAID"
    } else {
        "BANDWIDTH_POSTPAID_BY_HOUR"
    };
    let tags: Vec<Value> = machine
        .tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let prepaid = machine.charge == "PREPAID";
    let mut value = json!({
        "Placement": {"Zone": machine.zone, "ProjectId": 0},
        "InstanceId": machine.id,
        "InstanceType": TYPE,
        "CPU": 2,
        "Memory": 4,
        "RestrictState": machine.restrict,
        "InstanceName": machine.name,
        "InstanceChargeType": machine.charge,
        "SystemDisk": {
            "DiskType": "CLOUD_BSSD", "DiskId": stable_id("disk", &machine.name),
            "DiskSize": 50, "Encrypt": false, "KmsKeyId": "",
        },
        "DataDisks": [],
        "PrivateIpAddresses": [machine.private.to_string()],
        "PublicIpAddresses": if public.is_empty() { Value::Null } else { json!(public) },
        "InternetAccessible": {
            "InternetChargeType": charge,
            "InternetMaxBandwidthOut": bandwidth,
            "PublicIpAssigned": !public.is_empty(),
        },
        "VirtualPrivateCloud": {
            "VpcId": machine.vpc_id, "SubnetId": machine.subnet_id, "AsVpcGateway": false,
        },
    });
    extend(&mut value, operation_fields(machine));
    extend(
        &mut value,
        json!({
        "ImageId": stable_id("img", &machine.os_name),
        "RenewFlag": if prepaid { json!("NOTIFY_AND_MANUAL_RENEW") } else { Value::Null },
        "CreatedTime": iso(machine.created),
        "ExpiredTime": machine.expires.map(iso),
        "OsName": machine.os_name,
        "SecurityGroupIds": machine.groups,
        "LoginSettings": {
            "KeyIds": if machine.key_ids.is_empty() { Value::Null } else { json!(machine.key_ids) },
        },
        "InstanceState": machine.state,
        "Tags": tags,
        }),
    );
    value
}

/// The fields that came to the API later: last operation, isolation, defaults for a login.
fn operation_fields(machine: &Machine) -> Value {
    let latest = machine.latest.clone().unwrap_or_default();
    json!({
        "StopChargingMode": machine.stop_mode,
        "Uuid": uuid(machine),
        "LatestOperation": optional(&latest.action),
        "LatestOperationState": optional(&latest.state),
        "LatestOperationRequestId": optional(&latest.request_id),
        "LatestOperationErrorMsg": optional(&latest.error),
        "DisasterRecoverGroupId": "",
        "IPv6Addresses": Value::Null,
        "CamRoleName": "",
        "HpcClusterId": "",
        "RdmaIpAddresses": Value::Null,
        "DedicatedClusterId": "",
        "IsolatedSource": machine.isolated,
        "DisasterRecoverGroupIds": [],
        "LicenseType": if machine.windows { "TencentCloud" } else { "" },
        "DisableApiTermination": false,
        "HostName": machine.name,
        "DefaultLoginUser": machine.login_user,
        "DefaultLoginPort": machine.login_port,
    })
}

fn optional(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    }
}

fn tasks(call: &mut Call<'_>) -> Answer {
    let ids = call.list("InstanceIds");
    let numbers = |name: &str| -> Option<Vec<u64>> {
        let list = call.parameters.get(name)?.as_array()?;
        Some(list.iter().filter_map(Value::as_u64).collect())
    };
    let (statuses, kinds) = (numbers("TaskStatus"), numbers("TaskTypeIds"));
    // Without a range only the tasks of today are listed (UTC+8).
    let from = call.str("StartDate").map_or_else(
        || format!("{} 00:00:00", &spaced(call.now)[..10]),
        str::to_owned,
    );
    let until = call
        .str("EndDate")
        .map_or_else(|| spaced(call.now), str::to_owned);
    let mut set = Vec::new();
    for task in &call.world.repair_tasks {
        let machine = &call.world.machines[task.machine];
        let created = spaced(task.created);
        if machine.region != call.region
            || ids.as_ref().is_some_and(|ids| !ids.contains(&machine.id))
            || statuses.as_ref().is_some_and(|s| !s.contains(&task.status))
            || kinds.as_ref().is_some_and(|k| !k.contains(&task.kind))
            || created < from
            || created > until
        {
            continue;
        }
        let public = machine.public.as_ref().map(|p| p.ip.to_string());
        set.push(json!({
            "TaskId": task.id, "InstanceId": machine.id, "Alias": machine.name,
            "TaskTypeId": task.kind, "TaskTypeName": task_name(task.kind),
            "TaskStatus": task.status,
            "DeviceStatus": if task.status == 3 { 3 } else { 1 },
            "OperateStatus": if task.status == 1 { 1 } else { 2 },
            "CreateTime": created, "AuthTime": Value::Null, "EndTime": Value::Null,
            "TaskDetail": task.detail, "Zone": machine.zone, "Region": machine.region,
            "VpcId": machine.vpc_id, "VpcName": "demo", "SubnetId": machine.subnet_id,
            "SubnetName": "demo", "WanIp": public, "LanIp": machine.private.to_string(),
            "Product": "CVM", "TaskSubType": "", "AuthType": task.auth_type, "AuthSource": if task.status == 1 { "Waiting_auth" } else { "Customer_auth" },
        }));
    }
    let total = set.len();
    Ok(json!({"TotalCount": total, "RepairTaskInfoSet": call.page(set)?}))
}

fn task_name(kind: u64) -> &'static str {
    match kind {
        101 => "Instance running risk",
        102 => "Instance running fault",
        103 => "Instance disk fault",
        104 => "Instance network connection fault",
        105 => "Instance running warning",
        106 => "Instance disk warning",
        _ => "Instance maintenance",
    }
}

fn bandwidth_configs(call: &mut Call<'_>) -> Answer {
    let index = known(call, call.str("InstanceId").unwrap_or_default())?;
    let machine = &call.world.machines[index];
    if machine.charge != "PREPAID" {
        return Ok(json!({"InternetBandwidthConfigSet": []}));
    }
    let bandwidth = machine.public.as_ref().map_or(0, |p| p.bandwidth);
    Ok(json!({"InternetBandwidthConfigSet": [{
        "StartTime": iso(machine.created),
        "EndTime": machine.expires.map(iso).unwrap_or_default(),
        "InternetAccessible": {
            "InternetChargeType": "BANDWIDTH_PREPAID",
            "InternetMaxBandwidthOut": bandwidth,
            "PublicIpAssigned": machine.public.is_some(),
        },
    }]}))
}

fn vnc_url(call: &mut Call<'_>) -> Answer {
    let index = known(call, call.str("InstanceId").unwrap_or_default())?;
    if call.world.machines[index].state == "STOPPED" {
        return refuse(
            "InvalidInstanceState",
            "The instance is stopped; its console cannot be shown.",
        );
    }
    let token = call.world.new_request_id();
    Ok(
        // Percent-encoded, as the real one.
        json!({"InstanceVncUrl": format!(
            "wss%3A%2F%2Fvnc.demo.invalid%3A26789%2Fvnc%3Fs%3D{token}%26password%3D%26isWindows%3Dfalse%26isUbuntu%3Dtrue"
        )}),
    )
}

fn key_pairs(call: &mut Call<'_>) -> Answer {
    let name = "team-key";
    let id = stable_id("skey", name);
    let bound: Vec<&String> = call
        .world
        .machines
        .iter()
        .filter(|m| m.key_ids.contains(&id))
        .map(|m| &m.id)
        .collect();
    let all = json!({
        "KeyId": id, "KeyName": name, "ProjectId": 0, "Description": "",
        "PublicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemo team",
        "AssociatedInstanceIds": bound, "CreatedTime": "2025-03-04T01:12:40Z", "Tags": [],
    });
    let wanted = call.list("KeyIds");
    let set = if wanted.is_none_or(|ids| ids.is_empty() || ids.contains(&id)) {
        vec![all]
    } else {
        Vec::new()
    };
    Ok(json!({"TotalCount": set.len(), "KeyPairSet": call.page(set)?}))
}
