//! vpc: security groups, templates, addresses, subnets, ACLs, routes.

use serde::Deserialize;
use serde_json::Value;

use super::{flexible_flag, flexible_integer, given_text, null_default, objects, text};
use crate::domain::network_acl::{Entry, NetworkAcl};
use crate::domain::security_group::{Peer, Rule, RuleAction, SecurityGroup, Service};
use crate::domain::text::sanitise;

/// Longest description that is kept.
const MAX_TEXT: usize = 200;

/// An element of `Ingress` or `Egress` of `DescribeSecurityGroupPolicies`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PolicyItem {
    #[serde(deserialize_with = "flexible_integer")]
    pub policy_index: Option<i64>,
    #[serde(deserialize_with = "given_text")]
    pub protocol: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub port: Option<String>,
    #[serde(deserialize_with = "null_default")]
    pub service_template: ServiceTemplateReference,
    #[serde(deserialize_with = "given_text")]
    pub cidr_block: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub ipv6_cidr_block: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub security_group_id: Option<String>,
    #[serde(deserialize_with = "null_default")]
    pub address_template: AddressTemplateReference,
    #[serde(deserialize_with = "text")]
    pub action: String,
    #[serde(deserialize_with = "text")]
    pub policy_description: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceTemplateReference {
    #[serde(deserialize_with = "text")]
    pub service_id: String,
    #[serde(deserialize_with = "text")]
    pub service_group_id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressTemplateReference {
    #[serde(deserialize_with = "text")]
    pub address_id: String,
    #[serde(deserialize_with = "text")]
    pub address_group_id: String,
}

/// The first text that is not empty.
fn first<'a>(texts: &[&'a String]) -> Option<&'a String> {
    texts.iter().copied().find(|text| !text.trim().is_empty())
}

/// What stands for a part of a rule that the answer does not give, so that the rule stays undecided.
const NOT_GIVEN: &str = "?";

/// The network of a rule: the first that is not empty; `ALL` where all that are given are empty, which
/// the vendor documents as every address (213/10145); not given where no field is.
fn network(fields: &[&Option<String>]) -> String {
    let mut given = fields
        .iter()
        .filter_map(|field| field.as_deref())
        .peekable();
    if given.peek().is_none() {
        return NOT_GIVEN.to_owned();
    }
    given
        .find(|text| !text.trim().is_empty())
        .map_or_else(|| "ALL".to_owned(), |text| sanitise(text, MAX_TEXT))
}

/// The ports of a rule; a field that is not given says nothing unless the protocol has no ports.
fn ports(field: Option<&String>, protocol: &str) -> String {
    let has_ports = ["TCP", "UDP"]
        .iter()
        .any(|p| protocol.trim().eq_ignore_ascii_case(p));
    match field {
        Some(text) => sanitise(text, MAX_TEXT),
        None if has_ports => NOT_GIVEN.to_owned(),
        None => String::new(),
    }
}

pub(crate) fn rule_action(word: &str) -> Option<RuleAction> {
    match word.trim().to_ascii_uppercase().as_str() {
        "ACCEPT" => Some(RuleAction::Accept),
        "DROP" => Some(RuleAction::Drop),
        _ => None,
    }
}

impl PolicyItem {
    /// The rule; `place` is its place in the answer, for rules without an index.
    pub fn into_domain(self, place: usize) -> Rule {
        let clean = |text: &String| sanitise(text, MAX_TEXT);
        let service = first(&[
            &self.service_template.service_id,
            &self.service_template.service_group_id,
        ])
        .map_or_else(
            || {
                let port = self.port.as_deref().unwrap_or(NOT_GIVEN).trim();
                let protocol = match self.protocol.as_deref().map(str::trim) {
                    // Empty together, they are every protocol (213/10145).
                    Some("") if port.is_empty() => "ALL".to_owned(),
                    Some(word) => sanitise(word, MAX_TEXT),
                    None => NOT_GIVEN.to_owned(),
                };
                let port = ports(self.port.as_ref(), &protocol);
                Service::Plain { protocol, port }
            },
            |id| Service::Template(clean(id)),
        );
        let template = first(&[
            &self.address_template.address_id,
            &self.address_template.address_group_id,
        ]);
        let group = self.security_group_id.as_ref();
        let addresses = [
            &self.cidr_block,
            &self.ipv6_cidr_block,
            &self.security_group_id,
        ];
        let peer = match network(&addresses[..2]) {
            text if text != NOT_GIVEN && text != "ALL" => Peer::Network(text),
            _ => match (group.filter(|id| !id.trim().is_empty()), template) {
                (Some(id), _) => Peer::Group(clean(id)),
                (None, Some(id)) => Peer::Template(clean(id)),
                (None, None) if addresses.iter().any(|field| field.is_some()) => {
                    Peer::Network("ALL".to_owned())
                }
                (None, None) => Peer::Unknown,
            },
        };
        Rule {
            index: self
                .policy_index
                .unwrap_or_else(|| i64::try_from(place).unwrap_or(i64::MAX)),
            service,
            peer,
            action: rule_action(&self.action),
            description: clean(&self.policy_description),
        }
    }
}

/// A group from `SecurityGroupPolicySet`. `None` if it holds an entry that cannot be read: a rule
/// that is missing would change every verdict below it.
pub fn security_group(id: &str, name: &str, set: &Value) -> Option<SecurityGroup> {
    let direction = |field: &str| {
        // Outbound rules are shown, not judged, and some answers leave them out.
        if field == "Egress" && set.get(field).is_none_or(Value::is_null) {
            return Some(Vec::new());
        }
        let (items, unreadable) = super::list::<PolicyItem>(set, field);
        (unreadable == 0).then(|| {
            items
                .into_iter()
                .enumerate()
                .map(|(place, item)| item.into_domain(place))
                .collect::<Vec<_>>()
        })
    };
    let version = match set.get("Version") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    Some(SecurityGroup {
        id: id.to_owned(),
        name: name.to_owned(),
        version: sanitise(&version, 40),
        ingress: direction("Ingress")?,
        egress: direction("Egress")?,
    })
}

/// An element of `NetworkInterfaceSet` of `DescribeNetworkInterfaces`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InterfaceItem {
    #[serde(deserialize_with = "text")]
    pub network_interface_id: String,
}

/// An element of `AddressSet` of `DescribeAddresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressItem {
    #[serde(deserialize_with = "text")]
    pub address_id: String,
    #[serde(deserialize_with = "text")]
    pub address_ip: String,
    /// `BIND`, `UNBIND`, `BIND_ENI`, ...
    #[serde(deserialize_with = "text")]
    pub address_status: String,
    /// `EIP`, `WanIP`, ...
    #[serde(deserialize_with = "text")]
    pub address_type: String,
    #[serde(deserialize_with = "text")]
    pub instance_id: String,
    #[serde(deserialize_with = "flexible_flag")]
    pub is_blocked: Option<bool>,
    #[serde(deserialize_with = "flexible_flag")]
    pub is_arrears: Option<bool>,
    /// Mbit/s; not set on legacy accounts.
    #[serde(deserialize_with = "flexible_integer")]
    pub bandwidth: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub internet_charge_type: String,
    #[serde(deserialize_with = "text")]
    pub bandwidth_package_id: String,
}

/// An element of `SubnetSet`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SubnetItem {
    #[serde(deserialize_with = "text")]
    pub subnet_id: String,
    /// Empty where no ACL is bound; `None` where the answer does not say.
    #[serde(deserialize_with = "given_text")]
    pub network_acl_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub route_table_id: String,
    #[serde(deserialize_with = "text")]
    pub cidr_block: String,
}

/// An element of `RouteSet` of `DescribeRouteTables`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RouteItem {
    #[serde(deserialize_with = "text")]
    pub destination_cidr_block: String,
    #[serde(deserialize_with = "text")]
    pub destination_ipv6_cidr_block: String,
    #[serde(deserialize_with = "text")]
    pub gateway_type: String,
    #[serde(deserialize_with = "text")]
    pub gateway_id: String,
    #[serde(deserialize_with = "flexible_flag")]
    pub enabled: Option<bool>,
}

/// An element of `NetworkAclSet`, triple form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAclItem {
    #[serde(deserialize_with = "text")]
    pub network_acl_id: String,
    #[serde(deserialize_with = "text")]
    pub network_acl_name: String,
    /// `TRIPLE` or `QUINTUPLE`.
    #[serde(deserialize_with = "text")]
    pub network_acl_type: String,
    /// `None` where the answer does not hold them.
    #[serde(deserialize_with = "objects")]
    pub ingress_entries: Option<Vec<TripleEntry>>,
    #[serde(deserialize_with = "objects")]
    pub egress_entries: Option<Vec<TripleEntry>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TripleEntry {
    #[serde(deserialize_with = "text")]
    pub protocol: String,
    #[serde(deserialize_with = "given_text")]
    pub port: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub cidr_block: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub ipv6_cidr_block: Option<String>,
    #[serde(deserialize_with = "text")]
    pub action: String,
    #[serde(deserialize_with = "flexible_integer")]
    pub priority: Option<i64>,
}

impl TripleEntry {
    /// The entry; a triple entry's port is the destination's, which is inside the subnet on the
    /// way in and outside on the way out.
    fn into_domain(self, place: usize, inbound: bool) -> Entry {
        let clean = |text: &String| sanitise(text, MAX_TEXT);
        let port = ports(self.port.as_ref(), &self.protocol);
        let (local_port, remote_port) = if inbound {
            (port, String::new())
        } else {
            (String::new(), port)
        };
        Entry {
            priority: self
                .priority
                .unwrap_or_else(|| i64::try_from(place + 1).unwrap_or(i64::MAX)),
            protocol: clean(&self.protocol),
            remote: network(&[&self.cidr_block, &self.ipv6_cidr_block]),
            remote_port,
            local: String::new(),
            local_port,
            action: rule_action(&self.action),
        }
    }
}

impl NetworkAclItem {
    /// True if the answer holds the triple entries of both directions.
    pub fn has_entries(&self) -> bool {
        self.ingress_entries.is_some() && self.egress_entries.is_some()
    }

    /// The ACL with its triple entries.
    pub fn into_domain(self) -> NetworkAcl {
        let side = |entries: Option<Vec<TripleEntry>>, inbound| {
            entries
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(place, entry)| entry.into_domain(place, inbound))
                .collect()
        };
        NetworkAcl {
            id: sanitise(&self.network_acl_id, 64),
            name: sanitise(&self.network_acl_name, MAX_TEXT),
            ingress: side(self.ingress_entries, true),
            egress: side(self.egress_entries, false),
        }
    }
}

/// An element of `NetworkAclQuintupleSet`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QuintupleEntry {
    #[serde(deserialize_with = "text")]
    pub protocol: String,
    #[serde(deserialize_with = "given_text")]
    pub source_port: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub source_cidr: Option<String>,
    #[serde(rename = "SourceIPv6Cidr", deserialize_with = "given_text")]
    pub source_ipv6_cidr: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub destination_port: Option<String>,
    #[serde(deserialize_with = "given_text")]
    pub destination_cidr: Option<String>,
    #[serde(rename = "DestinationIPv6Cidr", deserialize_with = "given_text")]
    pub destination_ipv6_cidr: Option<String>,
    #[serde(deserialize_with = "text")]
    pub action: String,
    #[serde(deserialize_with = "flexible_integer")]
    pub priority: Option<i64>,
    /// `INGRESS` or `EGRESS`.
    #[serde(deserialize_with = "text")]
    pub network_acl_direction: String,
}

impl QuintupleEntry {
    pub fn is_inbound(&self) -> bool {
        self.network_acl_direction.eq_ignore_ascii_case("INGRESS")
    }

    /// True if it says which way it is for.
    pub fn has_direction(&self) -> bool {
        self.is_inbound() || self.network_acl_direction.eq_ignore_ascii_case("EGRESS")
    }

    /// The entry with its sides named from the subnet's view.
    pub fn into_domain(self, place: usize) -> Entry {
        let inbound = self.is_inbound();
        let clean = |text: &String| sanitise(text, MAX_TEXT);
        let source = (
            network(&[&self.source_cidr, &self.source_ipv6_cidr]),
            ports(self.source_port.as_ref(), &self.protocol),
        );
        let destination = (
            network(&[&self.destination_cidr, &self.destination_ipv6_cidr]),
            ports(self.destination_port.as_ref(), &self.protocol),
        );
        let (remote, local) = if inbound {
            (source, destination)
        } else {
            (destination, source)
        };
        Entry {
            priority: self
                .priority
                .unwrap_or_else(|| i64::try_from(place + 1).unwrap_or(i64::MAX)),
            protocol: clean(&self.protocol),
            remote: remote.0,
            remote_port: remote.1,
            local: local.0,
            local_port: local.1,
            action: rule_action(&self.action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_read_in_each_of_their_forms() {
        let set = json!({"Version": "12", "Egress": null, "Ingress": [
            {"PolicyIndex": 0, "Protocol": "tcp", "Port": "22", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT", "PolicyDescription": "x\u{1b}[2J"},
            {"PolicyIndex": "1", "Protocol": "", "Port": "", "ServiceTemplate": {"ServiceId": "ppm-1", "ServiceGroupId": ""}, "AddressTemplate": {"AddressGroupId": "ipmg-1"}, "Action": "drop"},
            {"Protocol": "ALL", "Port": "all", "CidrBlock": "", "SecurityGroupId": "sg-2", "Action": "ACCEPT"},
            {"Protocol": "TCP", "Port": "22", "Ipv6CidrBlock": "::/0", "Action": "MAYBE"}
        ]});
        let group = security_group("sg-1", "web", &set).expect("readable");
        assert_eq!(group.version, "12");
        assert_eq!(
            group.ingress[0].said(),
            "ACCEPT TCP 22 from 10.0.0.0/8 \"x\""
        );
        assert_eq!(group.ingress[1].service, Service::Template("ppm-1".into()));
        assert_eq!(group.ingress[1].peer, Peer::Template("ipmg-1".into()));
        assert_eq!(group.ingress[1].action, Some(RuleAction::Drop));
        assert_eq!(group.ingress[2].peer, Peer::Group("sg-2".into()));
        assert_eq!(group.ingress[2].index, 2);
        assert_eq!(group.ingress[3].action, None);
    }

    #[test]
    fn a_group_with_an_unreadable_rule_is_not_judged() {
        let set = json!({"Ingress": [{"Protocol": ["TCP"]}]});
        assert_eq!(security_group("sg-1", "", &set), None);
    }

    #[test]
    fn acl_entries_keep_their_sides() {
        let entry: QuintupleEntry = serde_json::from_value(json!({
            "Protocol": "TCP", "SourcePort": "all", "SourceCidr": "10.0.0.0/24", "DestinationPort": "1024-65535",
            "DestinationCidr": "0.0.0.0/0", "Action": "ACCEPT", "Priority": 3, "NetworkAclDirection": "EGRESS"
        })).expect("entry");
        let entry = entry.into_domain(0);
        assert_eq!(
            (entry.remote.as_str(), entry.remote_port.as_str()),
            ("0.0.0.0/0", "1024-65535")
        );
        assert_eq!((entry.local.as_str(), entry.priority), ("10.0.0.0/24", 3));
        let acl: NetworkAclItem = serde_json::from_value(json!({
            "NetworkAclId": "acl-1", "NetworkAclType": "TRIPLE",
            "IngressEntries": [{"Protocol": "TCP", "Port": "22", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT", "Priority": 1}],
            "EgressEntries": [{"Protocol": "TCP", "Port": "1024-65535", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}]
        })).expect("acl");
        let acl = acl.into_domain();
        assert_eq!(acl.ingress[0].local_port, "22");
        assert_eq!(acl.egress[0].remote_port, "1024-65535");
    }
}
