//! The state behind the demo: machines, groups, addresses, tasks, and how time moves them.
//!
//! Lives here: the world as plain data, its clock and look-ups.
//! Must not live here: sockets (`hosts`) and the API's wire format (`server`).

mod load;
pub(crate) mod machine;
mod operate;
mod path;
mod probing;
pub(crate) mod rules;
mod spec;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub(crate) use machine::{Face, Machine};
pub(crate) use operate::Operation;
pub(crate) use probing::{NODES, Node, ProbeTask, Probed, node_of};
pub(crate) use rules::{Group, Rule};

/// A subnet with what filters and routes it.
#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    pub id: String,
    pub name: String,
    pub region: String,
    pub zone: String,
    pub vpc_id: String,
    pub cidr: String,
    /// Empty where no ACL is bound.
    pub acl_id: String,
    pub route_table_id: String,
}

/// A route table of a VPC.
#[derive(Debug, Clone)]
pub(crate) struct RouteTable {
    pub id: String,
    pub name: String,
    pub region: String,
    pub vpc_id: String,
    pub main: bool,
    pub routes: Vec<Route>,
}

/// One route, made by a user.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub number: u64,
    pub target: String,
    pub kind: String,
    pub gateway: String,
    pub enabled: bool,
    pub description: String,
}

/// A network ACL (`TRIPLE`: one list per direction; `QUINTUPLE`: one list with five fields).
#[derive(Debug, Clone)]
pub(crate) struct Acl {
    pub id: String,
    pub name: String,
    pub region: String,
    pub vpc_id: String,
    pub quintuple: bool,
    pub ingress: Vec<AclEntry>,
    pub egress: Vec<AclEntry>,
}

/// One line of an ACL, in order of evaluation.
#[derive(Debug, Clone, Default)]
pub(crate) struct AclEntry {
    pub protocol: String,
    /// The destination's.
    pub port: String,
    /// Network of the far end.
    pub cidr: String,
    pub cidr6: String,
    /// Of five fields: the source's port, and the network inside; empty for all.
    pub source_port: String,
    pub near: String,
    pub action: String,
    pub description: String,
}

/// An address or service template that rules may name.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub id: String,
    pub name: String,
    pub region: String,
    /// With those of its templates, for a group of templates.
    pub members: Vec<String>,
    /// Ids of the templates of a group of templates; empty for a template.
    pub templates: Vec<String>,
}

/// A repair task of the platform (cvm `DescribeTaskInfo`).
#[derive(Debug, Clone)]
pub(crate) struct RepairTask {
    pub id: String,
    pub machine: usize,
    pub kind: u64,
    /// 1 to authorise, 2 in progress, 3 ended, 4 scheduled.
    pub status: u64,
    pub detail: String,
    pub created: Timestamp,
    /// Which ways of repair it offers, 1 to 8.
    pub auth_type: u64,
}

/// An elastic address that is bound to nothing.
#[derive(Debug, Clone)]
pub(crate) struct FreeAddress {
    pub id: String,
    pub region: String,
    /// `AddressName`, as it was given when it was bought.
    pub name: String,
    pub ip: std::net::Ipv4Addr,
    pub bandwidth: u64,
    pub arrears: bool,
    /// `EIP`, `AnycastEIP`, `AntiDDoSEIP`, ...
    pub kind: String,
}

/// A command that the automation agent was asked to run.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub id: String,
    pub task_id: String,
    pub command_id: String,
    pub command_name: String,
    pub machine: usize,
    pub script: String,
    pub command_type: String,
    pub user: String,
    pub directory: String,
    pub timeout_s: u64,
    /// The script is never reached.
    pub hangs: bool,
    pub created: Timestamp,
    pub due: Instant,
    pub ended: Option<Timestamp>,
    pub status: &'static str,
    pub exit_code: i64,
    pub output: Vec<u8>,
}

/// An entry of the audit log (cloudaudit `DescribeEvents`).
#[derive(Debug, Clone)]
pub(crate) struct AuditEvent {
    pub region: String,
    pub service: String,
    pub name: String,
    pub resource: String,
    pub user: String,
    pub source: String,
    pub request_id: String,
    /// Name of the command, where one was run in the guest.
    pub command: Option<String>,
    pub at: Timestamp,
}

/// Something that becomes true later.
#[derive(Debug, Clone)]
struct Pending {
    at: Instant,
    machine: usize,
    operation: Operation,
    step: u8,
}

/// Everything that the demo cloud knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub machines: Vec<Machine>,
    by_id: HashMap<String, usize>,
    pub groups: Vec<Group>,
    pub subnets: Vec<Subnet>,
    pub acls: Vec<Acl>,
    pub route_tables: Vec<RouteTable>,
    pub address_templates: Vec<Template>,
    pub service_templates: Vec<Template>,
    pub repair_tasks: Vec<RepairTask>,
    pub free_addresses: Vec<FreeAddress>,
    pub invocations: Vec<Invocation>,
    pub probe_tasks: Vec<ProbeTask>,
    pub audit: Vec<AuditEvent>,
    /// Asynchronous vpc tasks: number to result.
    pub vpc_tasks: BTreeMap<u64, &'static str>,
    pub unblock_quota_used: u64,
    pub started: Option<Timestamp>,
    pending: Vec<Pending>,
    reboot: Duration,
    block: u8,
    counter: u64,
    seed: u64,
}

impl World {
    /// Index of an instance.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The group with this id.
    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.id == id)
    }

    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.id == id)
    }

    /// Regions that have at least one instance, in the fleet's order.
    pub fn regions(&self) -> Vec<String> {
        let mut regions: Vec<String> = Vec::new();
        for subnet in &self.subnets {
            if !regions.contains(&subnet.region) {
                regions.push(subnet.region.clone());
            }
        }
        regions
    }

    /// Carries out everything that has become due.
    pub fn advance(&mut self, now: Instant) {
        while let Some(position) = self.pending.iter().position(|p| p.at <= now) {
            let pending = self.pending.swap_remove(position);
            self.step(pending.machine, pending.operation, pending.step, pending.at);
        }
        self.finish_invocations(now);
    }

    /// When something next becomes due.
    pub fn next_due(&self) -> Option<Instant> {
        let operations = self.pending.iter().map(|p| p.at);
        let commands = self
            .invocations
            .iter()
            .filter(|i| i.ended.is_none())
            .map(|i| i.due);
        operations.chain(commands).min()
    }

    /// A number that no earlier call returned.
    pub fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A new id with a vendor-like prefix.
    pub fn new_id(&mut self, prefix: &str) -> String {
        let number = self.next_number();
        stable_id(prefix, &format!("{}/{number}", self.seed))
    }

    /// A request id in the form of a UUID.
    pub fn new_request_id(&mut self) -> String {
        let number = self.next_number();
        let a = fnv(&format!("{}:{number}", self.seed));
        let b = fnv(&format!("{number}:{}", self.seed));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 52) & 0xfff,
            b & 0xffff_ffff_ffff
        )
    }
}

/// FNV-1a over the text, spread once more so that short texts differ in all bits.
pub(crate) fn fnv(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// `prefix-xxxxxxxx`, the same for the same name in every run.
pub(crate) fn stable_id(prefix: &str, name: &str) -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut hash = fnv(&format!("{prefix}/{name}"));
    let mut id = format!("{prefix}-");
    for _ in 0..8 {
        id.push(char::from(DIGITS[(hash % 36) as usize]));
        hash /= 36;
    }
    id
}
