//! Networks and addresses (vpc 2017-03-12).
//!
//! Lives here: subnets, ACLs, routes, interfaces, addresses and the tasks that change addresses.
//! Must not live here: security-group rules (`vpc_rules`).

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, cvm, cvm_write, refuse, vpc_rules};
use crate::demo::world::machine::PublicAddress;
use crate::demo::world::{FreeAddress, stable_id};

const CREATED: &str = "2025-03-04 09:12:40";

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeSecurityGroups" => vpc_rules::groups(call),
        "DescribeSecurityGroupPolicies" | "DescribeSecurityGroupExpandedPolicies" => {
            vpc_rules::policies(call)
        }
        "CreateSecurityGroupPolicies" => vpc_rules::create(call),
        "DeleteSecurityGroupPolicies" => vpc_rules::delete(call),
        "DescribeSecurityGroupAssociationStatistics" => vpc_rules::statistics(call),
        "DescribeSecurityGroupLimits" => Ok(json!({"SecurityGroupLimitSet": {
            "SecurityGroupLimit": 50, "SecurityGroupPolicyLimit": 100,
            "ReferedSecurityGroupLimit": 10, "SecurityGroupInstanceLimit": 2000,
            "InstanceSecurityGroupLimit": 5, "SecurityGroupExtendedPolicyLimit": 2000,
            "SecurityGroupReferedCvmAndEniLimit": 2000, "SecurityGroupReferedSvcLimit": 10,
        }})),
        "DescribeServiceTemplates" | "DescribeAddressTemplates" => templates(call),
        "DescribeServiceTemplateGroups" => {
            Ok(json!({"TotalCount": 0, "ServiceTemplateGroupSet": []}))
        }
        "DescribeAddressTemplateGroups" => {
            Ok(json!({"TotalCount": 0, "AddressTemplateGroupSet": []}))
        }
        "DescribeNetworkInterfaces" => interfaces(call),
        "DescribeSubnets" => subnets(call),
        "DescribeVpcs" => vpcs(call),
        "DescribeNetworkAcls" => acls(call),
        "DescribeNetworkAclQuintupleEntries" => quintuple(call),
        "DescribeRouteTables" => route_tables(call),
        "DescribeAddresses" => addresses(call),
        "DescribeNetworkAccountType" => Ok(json!({"NetworkAccountType": "STANDARD"})),
        "DescribeAddressBandwidthRange" => bandwidth_range(call),
        "ModifyAddressesBandwidth" => modify_bandwidth(call),
        "AllocateAddresses" => allocate(call),
        "AssociateAddress" => associate(call),
        "DisassociateAddress" => disassociate(call),
        "ReleaseAddresses" => release(call),
        "DescribeTaskResult" => task_result(call),
        _ => call.unknown(),
    }
}

fn templates(call: &mut Call<'_>) -> Answer {
    let service = call.action == "DescribeServiceTemplates";
    let (list, prefix) = if service {
        (&call.world.service_templates, "Service")
    } else {
        (&call.world.address_templates, "Address")
    };
    let filters = call.filters(
        &[
            "service-template-id",
            "service-template-name",
            "address-template-id",
            "address-template-name",
        ],
        100,
    )?;
    let set: Vec<Value> = list
        .iter()
        .filter(|t| t.region == call.region)
        .filter(|t| {
            filters.iter().all(|f| {
                if f.name.ends_with("-id") {
                    f.any(&[&t.id])
                } else {
                    f.any(&[&t.name])
                }
            })
        })
        .map(|t| {
            let extra: Vec<Value> = t
                .members
                .iter()
                .map(|member| json!({prefix: member, "Description": "", "UpdatedTime": CREATED}))
                .collect();
            json!({
                format!("{prefix}TemplateId"): t.id,
                format!("{prefix}TemplateName"): t.name,
                format!("{prefix}Set"): t.members,
                format!("{prefix}ExtraSet"): extra,
                "CreatedTime": CREATED,
                "UpdatedTime": CREATED,
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), format!("{prefix}TemplateSet"): call.page(set)?}))
}

fn interfaces(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &[
            "attachment.instance-id",
            "vpc-id",
            "subnet-id",
            "groups.security-group-id",
        ],
        100,
    )?;
    let set: Vec<Value> = call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region)
        .filter(|m| {
            filters.iter().all(|f| match f.name.as_str() {
                "attachment.instance-id" => f.any(&[&m.id]),
                "vpc-id" => f.any(&[&m.vpc_id]),
                "subnet-id" => f.any(&[&m.subnet_id]),
                _ => m.groups.iter().any(|g| f.any(&[g])),
            })
        })
        .map(|m| {
            json!({
                "NetworkInterfaceId": stable_id("eni", &m.id), "NetworkInterfaceName": m.name,
                "NetworkInterfaceDescription": "", "SubnetId": m.subnet_id, "VpcId": m.vpc_id,
                "GroupSet": m.groups, "Primary": true, "MacAddress": "52:54:00:7A:10:2B",
                "State": "AVAILABLE",
                "PrivateIpAddressSet": [{
                    "PrivateIpAddress": m.private.to_string(), "Primary": true,
                    "PublicIpAddress": m.public.as_ref().map(|p| p.ip.to_string()).unwrap_or_default(),
                    "AddressId": m.public.as_ref().filter(|p| p.elastic).map(|p| p.id.clone()).unwrap_or_default(),
                    "Description": "",
                    "IsWanIpBlocked": m.public.as_ref().is_some_and(|p| p.blocked),
                    "State": "AVAILABLE",
                }],
                "Attachment": {
                    "DeviceIndex": 0, "InstanceAccountId": "100000000001",
                    "AttachTime": CREATED, "InstanceId": m.id,
                },
                "Zone": m.zone, "CreatedTime": CREATED, "Ipv6AddressSet": [], "TagSet": [],
                "EniType": 0,
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "NetworkInterfaceSet": call.page(set)?}))
}

fn subnets(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(&["subnet-id", "vpc-id", "zone", "subnet-name"], 100)?;
    let ids = call.list("SubnetIds").unwrap_or_default();
    let set: Vec<Value> = call
        .world
        .subnets
        .iter()
        .filter(|s| s.region == call.region && (ids.is_empty() || ids.contains(&s.id)))
        .filter(|s| {
            filters.iter().all(|f| match f.name.as_str() {
                "subnet-id" => f.any(&[&s.id]),
                "vpc-id" => f.any(&[&s.vpc_id]),
                "zone" => f.any(&[&s.zone]),
                _ => f.part_of(&s.name),
            })
        })
        .map(subnet)
        .collect();
    Ok(json!({"TotalCount": set.len(), "SubnetSet": call.page(set)?}))
}

fn subnet(s: &crate::demo::world::Subnet) -> Value {
    json!({
        "VpcId": s.vpc_id, "SubnetId": s.id, "SubnetName": s.name, "CidrBlock": s.cidr,
        "IsDefault": false, "EnableBroadcast": false, "Zone": s.zone,
        "RouteTableId": s.route_table_id, "CreatedTime": CREATED,
        "AvailableIpAddressCount": 200, "Ipv6CidrBlock": "", "NetworkAclId": s.acl_id,
        "IsRemoteVpcSnat": false, "TotalIpAddressCount": 253, "TagSet": [],
    })
}

fn vpcs(call: &mut Call<'_>) -> Answer {
    let id = stable_id("vpc", call.region);
    let wanted = call.list("VpcIds").unwrap_or_default();
    let octets = call
        .world
        .subnets
        .first()
        .and_then(|s| s.cidr.split('.').nth(1))
        .unwrap_or("77")
        .to_owned();
    let mut set = vec![json!({
        "VpcName": format!("demo-{}", call.region), "VpcId": id,
        "CidrBlock": format!("127.{octets}.0.0/16"), "IsDefault": true, "EnableMulticast": false,
        "CreatedTime": CREATED, "DnsServerSet": ["183.60.83.19", "183.60.82.98"],
        "DomainName": "", "DhcpOptionsId": "", "EnableDhcp": true, "Ipv6CidrBlock": "",
        "TagSet": [], "EnableRouteVpcPublish": false, "Ipv6CidrBlockSet": [],
    })];
    if !wanted.is_empty() && !wanted.contains(&id) {
        set.clear();
    }
    Ok(json!({"TotalCount": set.len(), "VpcSet": call.page(set)?}))
}

fn acls(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(&["vpc-id", "network-acl-id", "network-acl-name"], 100)?;
    let ids = call.list("NetworkAclIds").unwrap_or_default();
    let entries = |list: &[crate::demo::world::AclEntry]| -> Vec<Value> {
        let numbered = list.iter().enumerate();
        numbered
            .map(|(index, e)| {
                json!({
                    "Protocol": e.protocol, "Port": e.port, "CidrBlock": e.cidr,
                    "Ipv6CidrBlock": "", "Action": e.action, "Description": e.description,
                    "ModifyTime": CREATED, "Priority": index + 1,
                })
            })
            .collect()
    };
    let set: Vec<Value> = call
        .world
        .acls
        .iter()
        .filter(|a| a.region == call.region && (ids.is_empty() || ids.contains(&a.id)))
        .filter(|a| {
            filters.iter().all(|f| match f.name.as_str() {
                "vpc-id" => f.any(&[&a.vpc_id]),
                "network-acl-id" => f.any(&[&a.id]),
                _ => f.part_of(&a.name),
            })
        })
        .map(|a| {
            let bound = call.world.subnets.iter().filter(|s| s.acl_id == a.id);
            let (ingress, egress) = if a.quintuple {
                (Vec::new(), Vec::new())
            } else {
                (entries(&a.ingress), entries(&a.egress))
            };
            json!({
                "VpcId": a.vpc_id, "NetworkAclId": a.id, "NetworkAclName": a.name,
                "CreatedTime": CREATED, "SubnetSet": bound.map(subnet).collect::<Vec<_>>(),
                "IngressEntries": ingress, "EgressEntries": egress,
                "NetworkAclType": if a.quintuple { "QUINTUPLE" } else { "TRIPLE" }, "TagSet": [],
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "NetworkAclSet": call.page(set)?}))
}

fn quintuple(call: &mut Call<'_>) -> Answer {
    let id = call.str("NetworkAclId").unwrap_or_default().to_owned();
    let acl = call
        .world
        .acls
        .iter()
        .find(|a| a.id == id && a.region == call.region);
    let Some(acl) = acl else {
        return refuse(
            "ResourceNotFound",
            format!("The network ACL {id:?} does not exist."),
        );
    };
    let mut set = Vec::new();
    if acl.quintuple {
        for (direction, list) in [("INGRESS", &acl.ingress), ("EGRESS", &acl.egress)] {
            for (index, e) in list.iter().enumerate() {
                // The entry's address is the far end: the source inbound, the target outbound.
                let (source, target) = if direction == "INGRESS" {
                    (e.cidr.as_str(), "0.0.0.0/0")
                } else {
                    ("0.0.0.0/0", e.cidr.as_str())
                };
                set.push(json!({
                    "Protocol": e.protocol, "Description": e.description,
                    "SourcePort": "ALL", "SourceCidr": source,
                    "DestinationPort": e.port, "DestinationCidr": target, "Action": e.action,
                    "NetworkAclQuintupleEntryId": stable_id("acl5", &format!("{id}{direction}{index}")),
                    "Priority": index + 1, "CreateTime": CREATED,
                    "NetworkAclDirection": direction,
                }));
            }
        }
    }
    Ok(json!({"TotalCount": set.len(), "NetworkAclQuintupleSet": call.page(set)?}))
}

fn route_tables(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &[
            "route-table-id",
            "vpc-id",
            "association.main",
            "route-table-name",
        ],
        100,
    )?;
    let ids = call.list("RouteTableIds").unwrap_or_default();
    let mut set = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for s in call
        .world
        .subnets
        .iter()
        .filter(|s| s.region == call.region)
    {
        if seen.contains(&s.route_table_id.as_str())
            || !(ids.is_empty() || ids.contains(&s.route_table_id))
        {
            continue;
        }
        seen.push(&s.route_table_id);
        let main = !s.route_broken;
        let fits = filters.iter().all(|f| match f.name.as_str() {
            "route-table-id" => f.any(&[&s.route_table_id]),
            "vpc-id" => f.any(&[&s.vpc_id]),
            "association.main" => f.any(&[if main { "true" } else { "false" }]),
            _ => true,
        });
        if !fits {
            continue;
        }
        let route = |target: &str, kind: &str, gateway: &str, number: u64, enabled: bool| {
            json!({
                "DestinationCidrBlock": target, "GatewayType": kind, "GatewayId": gateway,
                "RouteId": number, "RouteDescription": "", "Enabled": enabled,
                "RouteType": "USER",
                "RouteTableId": s.route_table_id,
                "RouteItemId": stable_id("rti", &format!("{}{number}", s.route_table_id)),
                "PublishedToVbc": false, "CreatedTime": CREATED,
            })
        };
        let bound: Vec<Value> = call
            .world
            .subnets
            .iter()
            .filter(|other| other.route_table_id == s.route_table_id)
            .map(|o| json!({"SubnetId": o.id, "RouteTableId": o.route_table_id}))
            .collect();
        // The jump host's network is reached over a VPN; a broken table has that route switched off.
        let routes = vec![
            route("10.0.0.0/8", "PEERCONNECTION", "pcx-3b7wq0da", 1, true),
            route("127.0.0.0/16", "VPN", "vpngw-5k2m8c1d", 2, main),
        ];
        set.push(json!({
            "VpcId": s.vpc_id, "RouteTableId": s.route_table_id,
            "RouteTableName": if main { "default" } else { "partner" },
            "AssociationSet": bound, "RouteSet": routes, "Main": main, "CreatedTime": CREATED,
            "TagSet": [], "LocalCidrForCcn": [],
        }));
    }
    Ok(json!({"TotalCount": set.len(), "RouteTableSet": call.page(set)?}))
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
        types.map_or(kind == "EIP", |f| f.any(&[kind]))
            && (ids.is_empty() || ids.contains(&text("AddressId")))
            && filters.iter().all(|f| match f.name.as_str() {
                "address-id" => f.any(&[&text("AddressId")]),
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
        .filter(|mbps| (1..=200).contains(mbps));
    let Some(bandwidth) = bandwidth else {
        return refuse(
            "InvalidParameterValue.BandwidthOutOfRange",
            "InternetMaxBandwidthOut must lie between 1 and 200.",
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
    let mut ids = Vec::new();
    for _ in 0..count {
        let (id, ip) = (call.world.new_id("eip"), call.world.new_public_ip());
        call.world.free_addresses.push(FreeAddress {
            id: id.clone(),
            region: region.clone(),
            ip,
            bandwidth,
            arrears: false,
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
            ip: a.ip,
            bandwidth: a.bandwidth,
            arrears: a.arrears,
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
