//! Networks and addresses (vpc 2017-03-12).
//!
//! Lives here: subnets, networks, interfaces and templates, and who answers for the rest.
//! Must not live here: security-group rules (`vpc_rules`), ACLs (`vpc_acl`), routes (`vpc_route`),
//! addresses (`vpc_address`).

use serde_json::{Value, json};

use super::{Answer, Call, vpc_acl, vpc_address, vpc_route, vpc_rules};
use crate::demo::world::stable_id;

pub(super) const CREATED: &str = "2025-03-04 09:12:40";

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
        "DescribeAddressTemplateGroups" => template_groups(call),
        "DescribeNetworkInterfaces" => interfaces(call),
        "DescribeSubnets" => subnets(call),
        "DescribeVpcs" => vpcs(call),
        "DescribeNetworkAcls"
        | "DescribeNetworkAclQuintupleEntries"
        | "ModifyNetworkAclEntries" => vpc_acl::answer(call),
        "DescribeRouteTables"
        | "EnableRoutes"
        | "DisableRoutes"
        | "CreateRoutes"
        | "DeleteRoutes" => vpc_route::answer(call),
        "DescribeNetworkAccountType" => Ok(json!({"NetworkAccountType": "STANDARD"})),
        _ => vpc_address::answer(call),
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
        .filter(|t| t.region == call.region && t.templates.is_empty())
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

fn template_groups(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &["address-template-group-id", "address-template-group-name"],
        100,
    )?;
    let groups = call.world.address_templates.iter();
    let set: Vec<Value> = groups
        .filter(|t| t.region == call.region && !t.templates.is_empty())
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
            let part = |id: &String| {
                json!({
                    "AddressTemplateId": id, "AddressTemplateName": "", "From": "", "To": "",
                    "Description": "", "UpdatedTime": CREATED,
                })
            };
            let parts: Vec<Value> = t.templates.iter().map(part).collect();
            json!({
                "AddressTemplateGroupId": t.id,
                "AddressTemplateGroupName": t.name,
                "AddressTemplateIdSet": t.templates,
                "AddressTemplateSet": parts,
                "CreatedTime": CREATED,
                "UpdatedTime": CREATED,
            })
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "AddressTemplateGroupSet": call.page(set)?}))
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

pub(super) fn subnet(s: &crate::demo::world::Subnet) -> Value {
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
