//! The format of the fleet file, `assets/demo/fleet.toml`.
//!
//! Lives here: what the file may say and the defaults. Must not live here: what follows from it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::machine::{Agent, Face, Metrics, Spike};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetFile {
    pub os: BTreeMap<String, OsSpec>,
    pub subnet: Vec<SubnetSpec>,
    pub acl: Vec<AclSpec>,
    pub group: Vec<GroupSpec>,
    pub template: Vec<TemplateSpec>,
    pub free_address: Vec<FreeAddressSpec>,
    pub instance: Vec<InstanceSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OsSpec {
    pub name: String,
    pub user: String,
    #[serde(default)]
    pub windows: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubnetSpec {
    pub name: String,
    pub zone: String,
    #[serde(default)]
    pub acl: String,
    #[serde(default)]
    pub route_broken: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AclSpec {
    pub name: String,
    pub region: String,
    #[serde(default)]
    pub quintuple: bool,
    pub ingress: Vec<String>,
    pub egress: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSpec {
    pub name: String,
    pub description: String,
    pub ingress: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateSpec {
    pub name: String,
    #[serde(default)]
    pub addresses: Vec<String>,
    #[serde(default)]
    pub services: Vec<String>,
    /// Names of address templates before this one: a group of templates.
    #[serde(default)]
    pub templates: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeAddressSpec {
    pub name: String,
    pub region: String,
    pub bandwidth: u64,
    #[serde(default)]
    pub arrears: bool,
    #[serde(default = "plain")]
    pub kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the file"
)]
pub(super) struct InstanceSpec {
    pub name: String,
    pub subnet: String,
    pub os: String,
    pub groups: Vec<String>,
    #[serde(default)]
    pub cause: String,
    pub login: Option<Face>,
    pub public_login: Option<Face>,
    pub firewall: Option<Face>,
    pub other_port: Option<u16>,
    #[serde(default)]
    pub dead: bool,
    /// `wan` (default), `eip` or `none`.
    #[serde(default = "wan")]
    pub public: String,
    #[serde(default = "five")]
    pub bandwidth: u64,
    #[serde(default)]
    pub blocked: bool,
    #[serde(default)]
    pub arrears: bool,
    #[serde(default = "running")]
    pub state: String,
    #[serde(default = "normal")]
    pub restrict: String,
    #[serde(default = "not_isolated")]
    pub isolated: String,
    #[serde(default = "hourly")]
    pub charge: String,
    #[serde(default)]
    pub stop_mode: String,
    #[serde(default)]
    pub expires_in_days: Option<i64>,
    #[serde(default = "online")]
    pub agent: Agent,
    #[serde(default)]
    pub mute: bool,
    #[serde(default)]
    pub metrics: Metrics,
    /// A figure that was higher some hours ago.
    #[serde(default)]
    pub spike: Option<Spike>,
    /// Days until a system disk that is paid in advance expires.
    #[serde(default)]
    pub disk_ends_in_days: Option<i64>,
    #[serde(default)]
    pub key: Option<String>,
    /// Action, state and error message of the last operation.
    #[serde(default)]
    pub latest: Option<(String, String, String)>,
    #[serde(default)]
    pub guest: BTreeMap<String, String>,
    #[serde(default)]
    pub cured_by: Vec<String>,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub start_fails: Option<String>,
    #[serde(default)]
    pub soft_hangs: bool,
    /// `TaskTypeId`, `TaskStatus` and text of a repair task.
    #[serde(default)]
    pub repair: Option<(u64, u64, String)>,
    /// `AuthType` of the repair.
    #[serde(default = "shut_down")]
    pub repair_auth: u64,
    /// Names of changes in the audit log, an hour old.
    #[serde(default)]
    pub changed: Vec<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn plain() -> String {
    "EIP".to_owned()
}
fn shut_down() -> u64 {
    2
}
fn wan() -> String {
    "wan".to_owned()
}
fn five() -> u64 {
    5
}
pub(super) fn running() -> String {
    "RUNNING".to_owned()
}
pub(super) fn normal() -> String {
    "NORMAL".to_owned()
}
pub(super) fn not_isolated() -> String {
    "NOTISOLATED".to_owned()
}
pub(super) fn hourly() -> String {
    "POSTPAID_BY_HOUR".to_owned()
}
fn online() -> Agent {
    Agent::Online
}
