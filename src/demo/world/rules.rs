//! Security-group rules of the demo and an evaluator of their own.
//!
//! Lives here: rules as the API takes them, and the verdict for one connection.
//! Must not live here: the client's evaluator; two independent ones check each other in tests.

use std::net::{IpAddr, Ipv4Addr};

use super::World;

/// One rule of a group, in the shape of vpc `SecurityGroupPolicy`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rule {
    pub protocol: String,
    pub port: String,
    pub cidr: String,
    pub cidr6: String,
    pub group: String,
    pub address_template: String,
    pub service_template: String,
    pub action: String,
    pub description: String,
    #[serde(skip)]
    pub modified: String,
}

/// A security group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub region: String,
    pub is_default: bool,
    pub version: u64,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
    pub created: String,
    pub updated: String,
}

impl World {
    /// Whether the bound groups let a protocol from `source` to `port` in: first match in binding order.
    pub fn groups_allow(
        &self,
        groups: &[String],
        source: Ipv4Addr,
        protocol: &str,
        port: u16,
    ) -> bool {
        for id in groups {
            let Some(group) = self.group(id) else {
                continue;
            };
            for rule in &group.ingress {
                if self.matches(rule, source, protocol, port) {
                    return rule.action == "ACCEPT";
                }
            }
        }
        false
    }

    fn matches(&self, rule: &Rule, source: Ipv4Addr, protocol: &str, port: u16) -> bool {
        self.source_matches(rule, source) && self.service_matches(rule, protocol, port)
    }

    fn source_matches(&self, rule: &Rule, source: Ipv4Addr) -> bool {
        if !rule.cidr6.is_empty() {
            return false;
        }
        if !rule.group.is_empty() {
            return self
                .machines
                .iter()
                .any(|m| m.private == source && m.groups.contains(&rule.group));
        }
        if !rule.address_template.is_empty() {
            return self
                .address_templates
                .iter()
                .filter(|t| t.id == rule.address_template)
                .flat_map(|t| &t.members)
                .any(|member| member_matches(member, source));
        }
        cidr_matches(&rule.cidr, source)
    }

    fn service_matches(&self, rule: &Rule, wanted: &str, port: u16) -> bool {
        let port_matches = |ports: &str| wanted == "icmp" || port_matches(ports, port);
        if rule.service_template.is_empty() {
            return protocol_matches(&rule.protocol, wanted) && port_matches(&rule.port);
        }
        self.service_templates
            .iter()
            .filter(|t| t.id == rule.service_template)
            .flat_map(|t| &t.members)
            .any(|member| {
                let (protocol, ports) = member.split_once(':').unwrap_or((member, "all"));
                protocol_matches(protocol, wanted) && port_matches(ports)
            })
    }
}

/// An address template holds addresses, ranges with `-`, and CIDR blocks.
fn member_matches(member: &str, source: Ipv4Addr) -> bool {
    match member.split_once('-') {
        Some((low, high)) => match (low.parse::<Ipv4Addr>(), high.parse::<Ipv4Addr>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&source),
            _ => false,
        },
        None => cidr_matches(member, source),
    }
}

/// Whether `source` lies in the block; an address alone is a block of one.
pub(crate) fn cidr_matches(cidr: &str, source: Ipv4Addr) -> bool {
    let source = IpAddr::V4(source);
    match cidr.parse::<ipnet::IpNet>() {
        Ok(block) => block.contains(&source),
        Err(_) => cidr.parse::<IpAddr>() == Ok(source),
    }
}

fn protocol_matches(protocol: &str, wanted: &str) -> bool {
    protocol.eq_ignore_ascii_case(wanted) || protocol.eq_ignore_ascii_case("all")
}

/// `22`, `80,443`, `8000-8010`, `ALL`.
pub(crate) fn port_matches(ports: &str, port: u16) -> bool {
    if ports.is_empty() || ports.eq_ignore_ascii_case("all") {
        return true;
    }
    ports.split(',').any(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&port),
            _ => false,
        }
    })
}
