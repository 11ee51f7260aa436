//! Public addresses and the tasks that change them (vpc 2017-03-12).
//!
//! Lives here: elastic and ordinary addresses, their bandwidth and binding.
//! Must not live here: networks (`vpc`) and rules (`vpc_rules`).

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, cvm, cvm_write, refuse};
use crate::demo::world::FreeAddress;
use crate::demo::world::machine::PublicAddress;

/// Most Mbit/s of an address that is charged by the hour, as those of the demo are.
const MOST_BY_HOUR: u64 = 100;
/// What is paid of the list price.
const DISCOUNT: f64 = 0.9;

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeAddresses" => addresses(call),
        "DescribeAddressBandwidthRange" => bandwidth_range(call),
        "ModifyAddressesBandwidth" => modify_bandwidth(call),
        "InquiryPriceModifyAddressesBandwidth" | "InquiryPriceAllocateAddresses" => price(call),
        "AllocateAddresses" => allocate(call),
        "AssociateAddress" => associate(call),
        "DisassociateAddress" => disassociate(call),
        "ReleaseAddresses" => release(call),
        "DescribeTaskResult" => task_result(call),
        _ => call.unknown(),
    }
}

fn address(public: &PublicAddress, instance: &str, private: &str) -> Value {
    json!({
        "AddressId": public.id, "AddressName": "", "AddressStatus": "BIND",
        "AddressIp": public.ip.to_string(), "InstanceId": instance,
        "CreatedTime": "2025-03-04T01:12:40Z", "NetworkInterfaceId": "",
        "PrivateAddressIp": private, "IsArrears": public.arrears, "IsBlocked": public.blocked,
        "IsEipDirectConnection": false, "AddressType": if public.elastic { "EIP" } else { "WanIP" },
        "CascadeRelease": false, "EipAlgType": {"Ftp": true, "Sip": true},
        "InternetServiceProvider": "BGP", "LocalBgp": false, "Bandwidth": public.bandwidth,
        "InternetChargeType": "BANDWIDTH_POSTPAID_BY_HOUR", "TagSet": [],
        "DeadlineDate": Value::Null, "InstanceType": "CVM", "Egress": Value::Null,
        "AntiDDoSPackageId": "", "RenewFlag": "",
    })
}

fn free(a: &FreeAddress) -> Value {
    let mut value = address(
        &PublicAddress {
            id: a.id.clone(),
            ip: a.ip,
            elastic: true,
            bandwidth: a.bandwidth,
            blocked: false,
            unblocking: false,
            arrears: a.arrears,
        },
        "",
        "",
    );
    value["AddressName"] = json!(a.name);
    value["AddressType"] = json!(a.kind);
    value["AddressStatus"] = json!("UNBIND");
    value["InstanceType"] = Value::Null;
    value
}

fn addresses(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &[
            "address-id",
            "address-name",
            "address-ip",
            "address-status",
            "instance-id",
            "private-ip-address",
            "network-interface-id",
            "is-arrears",
            "address-type",
            "address-isp",
            "dedicated-cluster-id",
            "tag-key",
            "tag-value",
            "instance-type",
        ],
        100,
    )?;
    let ids = call.list("AddressIds").unwrap_or_default();
    // Ordinary addresses are only listed when their type is asked for.
    let types = filters.iter().find(|f| f.name == "address-type");
    let mut all: Vec<Value> = Vec::new();
    for m in call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region)
    {
        if let Some(public) = &m.public {
            all.push(address(public, &m.id, &m.private.to_string()));
        }
    }
    let unbound = call.world.free_addresses.iter();
    all.extend(unbound.filter(|a| a.region == call.region).map(free));
    all.retain(|a| {
        let kind = a["AddressType"].as_str().unwrap_or_default();
        let text = |name: &str| a[name].as_str().unwrap_or_default().to_owned();
        types.map_or(kind != "WanIP", |f| f.any(&[kind]))
            && (ids.is_empty() || ids.contains(&text("AddressId")))
            && filters.iter().all(|f| match f.name.as_str() {
                "address-id" => f.any(&[&text("AddressId")]),
                "address-name" => f.any(&[&text("AddressName")]),
                "address-ip" => f.any(&[&text("AddressIp")]),
                "address-status" => f.any(&[&text("AddressStatus")]),
                "instance-id" => f.any(&[&text("InstanceId")]),
                "private-ip-address" => f.any(&[&text("PrivateAddressIp")]),
                "instance-type" => f.any(&[&text("InstanceType")]),
                "is-arrears" => f.any(&[
                    &a["IsArrears"].to_string(),
                    &a["IsArrears"].to_string().to_uppercase(),
                ]),
                "address-type" => true,
                _ => false,
            })
    });
    Ok(json!({"TotalCount": all.len(), "AddressSet": call.page(all)?}))
}

fn bandwidth_range(call: &mut Call<'_>) -> Answer {
    let ids = call.list("AddressIds").unwrap_or_default();
    if ids.is_empty() || ids.len() > 20 {
        return refuse(
            "InvalidParameterValue.LimitExceeded",
            "Between 1 and 20 addresses can be given.",
        );
    }
    let set: Vec<Value> = ids
        .iter()
        .map(|id| json!({"ResourceId": id, "BandwidthLowerLimit": 1, "BandwidthUpperLimit": 100}))
        .collect();
    Ok(json!({"BandwidthRangeSet": set}))
}

/// The machine whose elastic address has this id.
fn holder(call: &Call<'_>, id: &str) -> Option<usize> {
    call.world.machines.iter().position(|m| {
        m.region == call.region && m.public.as_ref().is_some_and(|p| p.elastic && p.id == id)
    })
}

fn new_task(call: &mut Call<'_>) -> Value {
    let number = 80_000_000 + call.world.next_number();
    call.world.vpc_tasks.insert(number, "SUCCESS");
    json!(number.to_string())
}

fn not_found<T>(id: &str) -> Result<T, Refusal> {
    refuse(
        "InvalidAddressId.NotFound",
        format!("The address {id:?} does not exist."),
    )
}

fn modify_bandwidth(call: &mut Call<'_>) -> Answer {
    let ids = call.list("AddressIds").unwrap_or_default();
    let bandwidth = call.parameters["InternetMaxBandwidthOut"]
        .as_u64()
        .filter(|mbps| (1..=MOST_BY_HOUR).contains(mbps));
    let Some(bandwidth) = bandwidth else {
        return refuse(
            "InvalidParameterValue.BandwidthOutOfRange",
            format!("InternetMaxBandwidthOut must lie between 1 and {MOST_BY_HOUR}."),
        );
    };
    for id in &ids {
        if let Some(index) = holder(call, id) {
            let machine = &mut call.world.machines[index];
            if let Some(public) = &mut machine.public {
                public.bandwidth = bandwidth;
            }
            cvm_write::relieve(machine, bandwidth);
        } else if let Some(a) = call.world.free_addresses.iter_mut().find(|a| a.id == *id) {
            a.bandwidth = bandwidth;
        } else {
            return not_found(id);
        }
        call.world
            .note(call.region, "vpc", call.action, id, call.request_id);
    }
    Ok(json!({"TaskId": new_task(call)}))
}

/// The demo's tariff by the hour; traffic has one price whatever the cap.
fn price(call: &mut Call<'_>) -> Answer {
    for id in call.list("AddressIds").unwrap_or_default() {
        if holder(call, &id).is_none() && !call.world.free_addresses.iter().any(|a| a.id == id) {
            return not_found(&id);
        }
    }
    let wanted = call.parameters.get("InternetMaxBandwidthOut");
    let mbps = wanted.and_then(Value::as_f64).unwrap_or(1.0);
    let by_traffic = call.str("InternetChargeType") == Some("TRAFFIC_POSTPAID_BY_HOUR");
    let price = if by_traffic {
        0.8
    } else {
        mbps.min(5.0) * 0.063 + (mbps - 5.0).max(0.0) * 0.25
    };
    let price = (price * 1000.0).round() / 1000.0;
    Ok(json!({"Price": {"AddressPrice": {
        "UnitPrice": price, "DiscountPrice": (price * DISCOUNT * 10_000.0).round() / 10_000.0,
        "ChargeUnit": "HOUR",
    }}}))
}

fn allocate(call: &mut Call<'_>) -> Answer {
    let count = call.parameters.get("AddressCount").and_then(Value::as_u64);
    let count = count.unwrap_or(1);
    let region = call.region.to_owned();
    let held = call.world.free_addresses.iter();
    let held = held.filter(|a| a.region == region).count() as u64;
    if count == 0 || held + count > 20 {
        return refuse(
            "AddressQuotaLimitExceeded",
            "At most 20 elastic addresses can be held in a region.",
        );
    }
    let wanted = call.parameters.get("InternetMaxBandwidthOut");
    let bandwidth = wanted.and_then(Value::as_u64).unwrap_or(1);
    let name = call.str("AddressName").unwrap_or_default().to_owned();
    let mut ids = Vec::new();
    for _ in 0..count {
        let (id, ip) = (call.world.new_id("eip"), call.world.new_public_ip());
        call.world.free_addresses.push(FreeAddress {
            id: id.clone(),
            region: region.clone(),
            name: name.clone(),
            ip,
            bandwidth,
            arrears: false,
            kind: "EIP".to_owned(),
        });
        call.world
            .note(&region, "vpc", call.action, &id, call.request_id);
        ids.push(id);
    }
    Ok(json!({"AddressSet": ids, "TaskId": new_task(call)}))
}

fn associate(call: &mut Call<'_>) -> Answer {
    let id = call.str("AddressId").unwrap_or_default().to_owned();
    let Some(instance) = call.str("InstanceId") else {
        return refuse("MissingParameter", "InstanceId is needed.");
    };
    let index = cvm::known(call, instance)?;
    if holder(call, &id).is_some() {
        return refuse(
            "InvalidAddressIdStatus.NotPermit",
            "The address is bound already.",
        );
    }
    let position = call
        .world
        .free_addresses
        .iter()
        .position(|a| a.id == id && a.region == call.region);
    let Some(position) = position else {
        return not_found(&id);
    };
    if call.world.free_addresses[position].arrears {
        return refuse(
            "InvalidAddressIdState.InArrears",
            "The address is in arrears.",
        );
    }
    let machine = &call.world.machines[index];
    if machine.state == "STOPPED" && machine.stop_mode == "STOP_CHARGING" {
        return refuse(
            "UnsupportedOperation.InstanceStatusNotPermit",
            "The instance is stopped without charge; no address can be bound.",
        );
    }
    if call.world.machines[index].public.is_some() {
        return refuse(
            "InvalidInstanceId.AlreadyBindEip",
            "The instance has a public address already.",
        );
    }
    let a = call.world.free_addresses.remove(position);
    call.world.machines[index].public = Some(PublicAddress {
        id: a.id,
        ip: a.ip,
        elastic: true,
        bandwidth: a.bandwidth,
        blocked: false,
        unblocking: false,
        arrears: false,
    });
    call.world
        .note(call.region, "vpc", call.action, &id, call.request_id);
    Ok(json!({"TaskId": new_task(call)}))
}

fn disassociate(call: &mut Call<'_>) -> Answer {
    let id = call.str("AddressId").unwrap_or_default().to_owned();
    let Some(index) = holder(call, &id) else {
        return not_found(&id);
    };
    if let Some(a) = call.world.machines[index].public.take() {
        call.world.free_addresses.push(FreeAddress {
            id: a.id,
            region: call.region.to_owned(),
            name: String::new(),
            ip: a.ip,
            bandwidth: a.bandwidth,
            arrears: a.arrears,
            kind: "EIP".to_owned(),
        });
    }
    call.world
        .note(call.region, "vpc", call.action, &id, call.request_id);
    Ok(json!({"TaskId": new_task(call)}))
}

fn release(call: &mut Call<'_>) -> Answer {
    for id in call.list("AddressIds").unwrap_or_default() {
        if holder(call, &id).is_some() {
            return refuse("InvalidAddressState", "A bound address cannot be released.");
        }
        let before = call.world.free_addresses.len();
        call.world.free_addresses.retain(|a| a.id != id);
        if call.world.free_addresses.len() == before {
            return not_found(&id);
        }
        call.world
            .note(call.region, "vpc", call.action, &id, call.request_id);
    }
    Ok(json!({"TaskId": new_task(call)}))
}

fn task_result(call: &mut Call<'_>) -> Answer {
    let asked = call.parameters.get("TaskId").and_then(Value::as_u64);
    match asked.and_then(|number| call.world.vpc_tasks.get(&number).map(|r| (number, *r))) {
        Some((number, result)) => Ok(json!({
            "TaskId": number, "Result": result,
        })),
        None => refuse("ResourceNotFound", "The task does not exist."),
    }
}
