//! How something has to stand in the cloud before a call is sent, and after it.
//!
//! For what the cloud gives no version that could be sent along. Must not live here: reading it
//! (`runtime::execute`).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What has to be so just before a call is sent; where it is not, somebody changed it since the plan
/// was shown, and nothing is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Expected {
    Acl(AclEntries),
    Route(RouteState),
    Cap(Cap),
}

/// The entries of an ACL in each direction that a call is about, as they are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AclEntries {
    pub acl: String,
    pub quintuple: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<Value>>,
}

impl AclEntries {
    /// True if the entries that were read are these.
    pub fn are(&self, ingress: &[Value], egress: &[Value]) -> bool {
        let are = |wanted: &Option<Vec<Value>>, read: &[Value]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| significant(wanted) == significant(read))
        };
        are(&self.ingress, ingress) && are(&self.egress, egress)
    }
}

/// One route of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteState {
    pub table: String,
    /// Its id; empty for one that is known by its description only.
    pub item: String,
    /// Its description, for one that this program made.
    pub mark: String,
    pub target: String,
    pub gateway: String,
    pub is: RouteIs,
}

/// How a route stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteIs {
    #[default]
    Absent,
    Disabled,
    Enabled,
}

/// A cap of public bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Id of the elastic address, where the cap is not the instance's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub instance: String,
    pub mbps: u64,
}

/// What identifies an entry in `ModifyNetworkAclEntries`: the fields that are sent, as they were read.
/// Ids, times and priorities are the cloud's; the order of the list is the order of evaluation.
pub fn as_sent(entry: &Value, quintuple: bool) -> Value {
    let protocol = entry["Protocol"].as_str().unwrap_or_default();
    // A port may not be given with these.
    let portless = ["ALL", "ICMP", "ICMPV6"]
        .iter()
        .any(|word| protocol.eq_ignore_ascii_case(word));
    let fields: &[&str] = if quintuple {
        &[
            "Protocol",
            "SourcePort",
            "SourceCidr",
            "SourceIPv6Cidr",
            "DestinationPort",
            "DestinationCidr",
            "DestinationIPv6Cidr",
            "Action",
            "Description",
        ]
    } else {
        &[
            "Protocol",
            "Port",
            "CidrBlock",
            "Ipv6CidrBlock",
            "Action",
            "Description",
        ]
    };
    let mut sent = Map::new();
    for field in fields {
        let text = entry[*field].as_str().unwrap_or_default();
        let needless = text.is_empty() || (portless && field.ends_with("Port"));
        if !needless {
            sent.insert((*field).to_owned(), text.into());
        }
    }
    Value::Object(sent)
}

/// Entries without those that every ACL ends with, each in one spelling.
fn significant(entries: &[Value]) -> Vec<Map<String, Value>> {
    let mut spelt: Vec<Map<String, Value>> = entries.iter().map(spelling).collect();
    while spelt.last().is_some_and(is_default) {
        spelt.pop();
    }
    spelt
}

fn spelling(entry: &Value) -> Map<String, Value> {
    let fields = entry.as_object().into_iter().flatten();
    let spelt = fields.filter_map(|(name, value)| {
        let text = value.as_str().unwrap_or_default().trim();
        let text = match name.as_str() {
            "Description" => text.to_owned(),
            _ if name.to_ascii_lowercase().contains("cidr") => network(text),
            _ => text.to_ascii_uppercase(),
        };
        let says_nothing = text.is_empty() || (name.ends_with("Port") && text == "ALL");
        (!says_nothing).then(|| (name.clone(), text.into()))
    });
    spelt.collect()
}

fn network(text: &str) -> String {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>()
        .ok()
        .or_else(alone)
        .map_or_else(|| text.to_owned(), |net| net.trunc().to_string())
}

/// The entries that a new ACL is made with and that stay below all others: all of IPv4 is refused, all
/// of IPv6 is not.
fn is_default(entry: &Map<String, Value>) -> bool {
    let is = |field: &str, value: &str| entry.get(field).and_then(Value::as_str) == Some(value);
    let bare = entry.len() == 3 && is("Protocol", "ALL");
    bare && ((is("CidrBlock", "0.0.0.0/0") && is("Action", "DROP"))
        || (is("Ipv6CidrBlock", "::/0") && is("Action", "ACCEPT")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_sent_as_it_was_read_without_what_the_cloud_makes() {
        let read = json!({
            "Protocol": "all", "Port": "ALL", "CidrBlock": "10.0.0.0/8", "Ipv6CidrBlock": "",
            "Action": "Accept", "Description": "office", "ModifyTime": "x", "Priority": 3,
            "NetworkAclIpv4EntryId": "acli43-1",
        });
        let sent = as_sent(&read, false);
        assert_eq!(
            sent,
            json!({"Protocol": "all", "CidrBlock": "10.0.0.0/8", "Action": "Accept", "Description": "office"})
        );
        let five = json!({
            "Protocol": "TCP", "SourcePort": "all", "SourceCidr": "0.0.0.0/0", "DestinationPort": "22",
            "DestinationCidr": "10.0.0.9", "Action": "ACCEPT", "NetworkAclDirection": "INGRESS",
        });
        assert_eq!(as_sent(&five, true)["SourcePort"], "all");
        assert!(as_sent(&five, true).get("NetworkAclDirection").is_none());
    }

    #[test]
    fn lists_are_the_same_in_any_spelling_and_with_or_without_the_last_entry() {
        let entries = |ingress: Value| AclEntries {
            acl: "acl-1".to_owned(),
            quintuple: false,
            ingress: serde_json::from_value(ingress).unwrap(),
            egress: None,
        };
        let read = [
            json!({"Protocol": "tcp", "Port": "22", "CidrBlock": "10.0.0.9", "Action": "Accept"}),
            json!({"Protocol": "all", "CidrBlock": "0.0.0.0/0", "Action": "Drop"}),
        ];
        let same = json!([
            {"Protocol": "TCP", "Port": "22", "CidrBlock": "10.0.0.9/32", "Action": "ACCEPT"},
        ]);
        assert!(entries(same.clone()).are(&read, &[]));
        let other = json!([
            {"Protocol": "TCP", "Port": "22", "CidrBlock": "10.0.0.9/32", "Action": "ACCEPT", "Description": "x"},
        ]);
        assert!(!entries(other).are(&read, &[]));
        assert!(!entries(json!([])).are(&read, &[]));
        assert!(entries(json!([])).are(&read[1..], &[]));
        // The other direction is not asked about.
        assert!(entries(same).are(&read, &read));
    }
}
