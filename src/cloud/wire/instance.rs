//! cvm `DescribeInstances`, region `DescribeRegions`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::{flexible_integer, loose, loose_text};
use crate::domain::instance::{self as domain, LastOperation, Os};
use crate::domain::text::sanitise;

/// Text; a value of another kind is there and not understood, which is not the same as absent.
fn text_or_odd<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        _ => "an operation that is not understood".to_owned(),
    })
}

/// Longest name, tag or message that is kept.
const MAX_TEXT: usize = 256;

/// An element of `InstanceSet`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InstanceSetItem {
    #[serde(deserialize_with = "loose_text")]
    pub instance_id: String,
    #[serde(deserialize_with = "loose_text")]
    pub instance_name: String,
    #[serde(deserialize_with = "loose")]
    pub placement: Placement,
    #[serde(deserialize_with = "loose_text")]
    pub os_name: String,
    #[serde(deserialize_with = "loose_text")]
    pub instance_type: String,
    #[serde(deserialize_with = "loose_text")]
    pub instance_state: String,
    #[serde(deserialize_with = "loose_text")]
    pub restrict_state: String,
    #[serde(deserialize_with = "loose_text")]
    pub isolated_source: String,
    #[serde(deserialize_with = "text_or_odd")]
    pub latest_operation: String,
    #[serde(deserialize_with = "loose_text")]
    pub latest_operation_state: String,
    #[serde(deserialize_with = "loose_text")]
    pub latest_operation_request_id: String,
    #[serde(deserialize_with = "loose_text")]
    pub latest_operation_error_msg: String,
    #[serde(deserialize_with = "loose")]
    pub private_ip_addresses: Vec<String>,
    #[serde(deserialize_with = "loose")]
    pub public_ip_addresses: Vec<String>,
    #[serde(rename = "IPv6Addresses", deserialize_with = "loose")]
    pub ipv6_addresses: Vec<String>,
    #[serde(rename = "PublicIPv6Addresses", deserialize_with = "loose")]
    pub public_ipv6_addresses: Vec<String>,
    #[serde(deserialize_with = "loose")]
    pub internet_accessible: InternetAccessible,
    #[serde(deserialize_with = "loose")]
    pub virtual_private_cloud: VirtualPrivateCloud,
    #[serde(deserialize_with = "loose")]
    pub security_group_ids: Vec<String>,
    #[serde(deserialize_with = "loose")]
    pub login_settings: LoginSettings,
    #[serde(deserialize_with = "loose_text")]
    pub default_login_user: String,
    #[serde(deserialize_with = "flexible_integer")]
    pub default_login_port: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub instance_charge_type: String,
    #[serde(deserialize_with = "loose_text")]
    pub stop_charging_mode: String,
    #[serde(deserialize_with = "loose")]
    pub expired_time: Option<String>,
    #[serde(deserialize_with = "loose")]
    pub created_time: Option<String>,
    #[serde(deserialize_with = "loose")]
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Placement {
    #[serde(deserialize_with = "loose_text")]
    pub zone: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InternetAccessible {
    #[serde(deserialize_with = "flexible_integer")]
    pub internet_max_bandwidth_out: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub internet_charge_type: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VirtualPrivateCloud {
    #[serde(deserialize_with = "loose_text")]
    pub vpc_id: String,
    #[serde(deserialize_with = "loose_text")]
    pub subnet_id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LoginSettings {
    #[serde(deserialize_with = "loose")]
    pub key_ids: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tag {
    #[serde(deserialize_with = "loose_text")]
    pub key: String,
    #[serde(deserialize_with = "loose_text")]
    pub value: String,
}

/// An element of region `DescribeRegions` `RegionSet`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RegionItem {
    #[serde(deserialize_with = "loose_text")]
    pub region: String,
    #[serde(deserialize_with = "loose_text")]
    pub region_name: String,
    /// `AVAILABLE` or `UNAVAILABLE`.
    #[serde(deserialize_with = "loose_text")]
    pub region_state: String,
}

impl InstanceSetItem {
    /// The instance as the rest of the program sees it; foreign text is cleaned here.
    pub fn into_domain(self, region: &str) -> domain::Instance {
        let clean = |text: &str| sanitise(text, MAX_TEXT);
        let ids = |list: Vec<String>| list.iter().map(|id| sanitise(id, 64)).collect();
        // IPv6Addresses lists the addresses of the interface; PublicIPv6Addresses those of them
        // that are reachable from outside. Each address appears on one side only.
        let public_v6 = addresses(&self.public_ipv6_addresses);
        let mut private_addresses = addresses(&self.private_ip_addresses);
        private_addresses.extend(
            addresses(&self.ipv6_addresses)
                .into_iter()
                .filter(|address| !public_v6.contains(address)),
        );
        let mut public_addresses = addresses(&self.public_ip_addresses);
        public_addresses.extend(public_v6);
        domain::Instance {
            id: clean(&self.instance_id),
            name: clean(&self.instance_name),
            region: region.to_owned(),
            zone: clean(&self.placement.zone),
            os: Os::from_os_name(&self.os_name),
            os_name: clean(&self.os_name),
            instance_type: clean(&self.instance_type),
            state: clean(&self.instance_state),
            restrict_state: clean(&self.restrict_state),
            isolated_source: clean(&self.isolated_source),
            last_operation: (!self.latest_operation.is_empty()).then(|| LastOperation {
                action: clean(&self.latest_operation),
                state: clean(&self.latest_operation_state),
                request_id: clean(&self.latest_operation_request_id),
                error_message: clean(&self.latest_operation_error_msg),
            }),
            public_addresses,
            private_addresses,
            bandwidth_out_mbps: self
                .internet_accessible
                .internet_max_bandwidth_out
                .and_then(|cap| u64::try_from(cap).ok()),
            internet_charge_type: clean(&self.internet_accessible.internet_charge_type),
            vpc_id: clean(&self.virtual_private_cloud.vpc_id),
            subnet_id: clean(&self.virtual_private_cloud.subnet_id),
            security_group_ids: ids(self.security_group_ids),
            key_ids: ids(self.login_settings.key_ids),
            default_login_user: clean(&self.default_login_user),
            default_login_port: self
                .default_login_port
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0),
            configured_login_port: None,
            charge_type: clean(&self.instance_charge_type),
            stop_charging_mode: clean(&self.stop_charging_mode),
            expired_time: time(self.expired_time.as_deref()),
            created_time: time(self.created_time.as_deref()),
            tags: self
                .tags
                .iter()
                .map(|tag| (clean(&tag.key), clean(&tag.value)))
                .collect::<BTreeMap<_, _>>(),
            ssh_name: String::new(),
            is_static: false,
        }
    }
}

/// Texts that are addresses; anything else is dropped.
pub(crate) fn addresses(texts: &[String]) -> Vec<IpAddr> {
    texts
        .iter()
        .filter_map(|text| text.trim().parse().ok())
        .collect()
}

/// RFC 3339 as the API sends it.
pub(crate) fn time(text: Option<&str>) -> Option<jiff::Timestamp> {
    text?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_unknown_fields_and_unknown_values_are_taken() {
        let item: InstanceSetItem = serde_json::from_value(json!({
            "InstanceId": "ins-1", "InstanceName": "a\u{1b}[31mb", "OsName": "Windows Server 2022",
            "InstanceState": "SOMETHING_NEW", "PublicIpAddresses": null, "Brand": {"New": [1]},
            "PrivateIpAddresses": ["10.0.0.4", "not an address"], "Placement": null,
            "IPv6Addresses": ["2001:db8::1", "fd00::1"], "PublicIPv6Addresses": ["2001:db8::1"],
            "InternetAccessible": {"InternetMaxBandwidthOut": 5, "InternetChargeType": null},
            "LatestOperation": null, "DefaultLoginPort": 3390, "ExpiredTime": "2027-01-01T00:00:00Z",
            "Tags": [{"Key": "env", "Value": "prod"}]
        }))
        .expect("tolerant");
        let instance = item.into_domain("ap-seoul");
        assert_eq!(instance.os, Os::Windows);
        assert_eq!(instance.name, "ab");
        assert_eq!(instance.login_port(), 3390);
        assert_eq!(instance.public_addresses.len(), 1);
        assert_eq!(instance.private_addresses.len(), 2);
        assert_eq!(instance.state_class(), None);
        assert_eq!(instance.last_operation, None);
        assert_eq!(instance.bandwidth_out_mbps, Some(5));
        assert!(instance.expired_time.is_some());
        assert_eq!(instance.tags["env"], "prod");
    }
}
