//! Builds the world from the fleet file and, where asked, generated machines.
//!
//! Lives here: the file's format and how ids, addresses and dates follow from it.
//! Must not live here: behaviour over time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::machine::{Agent, Face, LatestOperation, Machine, Metrics, PublicAddress};
use super::rules::{Group, Rule};
use super::{
    Acl, AclEntry, AuditEvent, FreeAddress, RepairTask, Subnet, Template, World, stable_id,
};
use crate::demo::DemoError;

const FLEET: &str = include_str!("../../../assets/demo/fleet.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetFile {
    os: BTreeMap<String, OsSpec>,
    subnet: Vec<SubnetSpec>,
    acl: Vec<AclSpec>,
    group: Vec<GroupSpec>,
    template: Vec<TemplateSpec>,
    free_address: Vec<FreeAddressSpec>,
    instance: Vec<InstanceSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OsSpec {
    name: String,
    user: String,
    #[serde(default)]
    windows: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubnetSpec {
    name: String,
    zone: String,
    #[serde(default)]
    acl: String,
    #[serde(default)]
    route_broken: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AclSpec {
    name: String,
    region: String,
    #[serde(default)]
    quintuple: bool,
    ingress: Vec<String>,
    egress: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupSpec {
    name: String,
    description: String,
    ingress: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateSpec {
    name: String,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreeAddressSpec {
    name: String,
    region: String,
    bandwidth: u64,
    #[serde(default)]
    arrears: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceSpec {
    name: String,
    subnet: String,
    os: String,
    groups: Vec<String>,
    #[serde(default)]
    cause: String,
    login: Option<Face>,
    public_login: Option<Face>,
    firewall: Option<Face>,
    other_port: Option<u16>,
    #[serde(default)]
    dead: bool,
    /// `wan` (default), `eip` or `none`.
    #[serde(default = "wan")]
    public: String,
    #[serde(default = "five")]
    bandwidth: u64,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    arrears: bool,
    #[serde(default = "running")]
    state: String,
    #[serde(default = "normal")]
    restrict: String,
    #[serde(default = "not_isolated")]
    isolated: String,
    #[serde(default = "hourly")]
    charge: String,
    #[serde(default)]
    stop_mode: String,
    #[serde(default)]
    expires_in_days: Option<i64>,
    #[serde(default = "online")]
    agent: Agent,
    #[serde(default)]
    mute: bool,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    key: Option<String>,
    /// Action, state and error message of the last operation.
    #[serde(default)]
    latest: Option<(String, String, String)>,
    #[serde(default)]
    guest: BTreeMap<String, String>,
    #[serde(default)]
    cured_by: Vec<String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    start_fails: Option<String>,
    #[serde(default)]
    soft_hangs: bool,
    /// `TaskTypeId`, `TaskStatus` and text of a repair task.
    #[serde(default)]
    repair: Option<(u64, u64, String)>,
    /// Names of changes in the audit log, an hour old.
    #[serde(default)]
    changed: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

fn wan() -> String {
    "wan".to_owned()
}
fn five() -> u64 {
    5
}
fn running() -> String {
    "RUNNING".to_owned()
}
fn normal() -> String {
    "NORMAL".to_owned()
}
fn not_isolated() -> String {
    "NOTISOLATED".to_owned()
}
fn hourly() -> String {
    "POSTPAID_BY_HOUR".to_owned()
}
fn online() -> Agent {
    Agent::Online
}

/// `ap-seoul` of `ap-seoul-1`.
fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

impl World {
    /// The scripted fleet in the given block of loopback addresses, with `fleet` generated machines.
    pub fn load(block: u8, fleet: usize, reboot: Duration) -> Result<Self, DemoError> {
        let file: FleetFile =
            toml::from_str(FLEET).map_err(|error| DemoError::Fleet(error.to_string()))?;
        let now = Timestamp::now();
        let mut world = Self {
            block,
            reboot,
            started: Some(now),
            seed: super::fnv(&format!("{now}{}", std::process::id())),
            ..Self::default()
        };
        world.load_network(&file)?;
        for spec in &file.instance {
            world.add_scripted(spec, &file, now)?;
        }
        for spec in &file.free_address {
            let ip = world.new_public_ip();
            world.free_addresses.push(FreeAddress {
                id: stable_id("eip", &spec.name),
                region: spec.region.clone(),
                ip,
                bandwidth: spec.bandwidth,
                arrears: spec.arrears,
            });
        }
        world.generate(fleet, now);
        world.by_id = world
            .machines
            .iter()
            .enumerate()
            .map(|(index, machine)| (machine.id.clone(), index))
            .collect();
        Ok(world)
    }

    fn load_network(&mut self, file: &FleetFile) -> Result<(), DemoError> {
        for (index, spec) in file.subnet.iter().enumerate() {
            let region = region_of(&spec.zone);
            self.subnets.push(Subnet {
                id: stable_id("subnet", &spec.name),
                name: spec.name.clone(),
                region: region.to_owned(),
                zone: spec.zone.clone(),
                vpc_id: stable_id("vpc", region),
                cidr: format!("127.{}.{}.0/24", private_block(self.block), index + 1),
                acl_id: if spec.acl.is_empty() {
                    String::new()
                } else {
                    stable_id("acl", &spec.acl)
                },
                route_table_id: if spec.route_broken {
                    stable_id("rtb", &spec.name)
                } else {
                    stable_id("rtb", region)
                },
                route_broken: spec.route_broken,
            });
        }
        for spec in &file.acl {
            self.acls.push(Acl {
                id: stable_id("acl", &spec.name),
                name: spec.name.clone(),
                region: spec.region.clone(),
                vpc_id: stable_id("vpc", &spec.region),
                quintuple: spec.quintuple,
                ingress: parse_all(&spec.ingress, parse_acl)?,
                egress: parse_all(&spec.egress, parse_acl)?,
            });
        }
        for region in self.regions() {
            for spec in &file.group {
                let rules = parse_all(&spec.ingress, |line| parse_rule(line, &region))?;
                self.groups.push(Group {
                    id: stable_id("sg", &format!("{region}/{}", spec.name)),
                    name: spec.name.clone(),
                    description: spec.description.clone(),
                    region: region.clone(),
                    is_default: spec.name == "default",
                    version: 3,
                    ingress: rules,
                    egress: parse_all(&["ACCEPT all all 0.0.0.0/0".to_owned()], |line| {
                        parse_rule(line, &region)
                    })?,
                    created: "2025-03-04 09:12:40".to_owned(),
                    updated: "2026-02-11 16:20:05".to_owned(),
                });
            }
            for spec in &file.template {
                let name = format!("{region}/{}", spec.name);
                let (list, prefix, members) = if spec.services.is_empty() {
                    (&mut self.address_templates, "ipm", &spec.addresses)
                } else {
                    (&mut self.service_templates, "ppm", &spec.services)
                };
                list.push(Template {
                    id: stable_id(prefix, &name),
                    name: spec.name.clone(),
                    region: region.clone(),
                    members: members.clone(),
                });
            }
        }
        Ok(())
    }

    fn add_scripted(
        &mut self,
        spec: &InstanceSpec,
        file: &FleetFile,
        now: Timestamp,
    ) -> Result<(), DemoError> {
        let damaged = |what: &str| DemoError::Fleet(format!("{}: unknown {what}", spec.name));
        let os = file.os.get(&spec.os).ok_or_else(|| damaged("os"))?;
        let place = self
            .subnets
            .iter()
            .position(|s| s.name == spec.subnet)
            .ok_or_else(|| damaged("subnet"))?;
        let subnet = self.subnets[place].clone();
        let number = self.machines.len() as u8 + 11;
        let mut groups = Vec::new();
        for name in &spec.groups {
            let id = stable_id("sg", &format!("{}/{name}", subnet.region));
            self.group(&id).ok_or_else(|| damaged("group"))?;
            groups.push(id);
        }
        let elastic = spec.public == "eip";
        let public = (spec.public != "none").then(|| PublicAddress {
            id: stable_id(if elastic { "eip" } else { "lhip" }, &spec.name),
            ip: Ipv4Addr::new(127, self.block, place as u8 + 1, number),
            elastic,
            bandwidth: spec.bandwidth,
            blocked: spec.blocked,
            unblocking: false,
            arrears: spec.arrears,
        });
        let id = stable_id("ins", &spec.name);
        let index = self.machines.len();
        self.note_history(spec, &subnet.region, &id, index, now);
        let healthy = if os.windows { Face::RdpNla } else { Face::Ssh };
        self.machines.push(Machine {
            name: spec.name.clone(),
            generated: false,
            region: subnet.region.clone(),
            zone: subnet.zone.clone(),
            vpc_id: subnet.vpc_id.clone(),
            subnet_id: subnet.id.clone(),
            os_name: os.name.clone(),
            windows: os.windows,
            login_user: os.user.clone(),
            login_port: if os.windows { 13389 } else { 10022 },
            groups,
            tags: spec.tags.clone(),
            private: Ipv4Addr::new(127, private_block(self.block), place as u8 + 1, number),
            public,
            state: spec.state.clone(),
            restrict: spec.restrict.clone(),
            isolated: spec.isolated.clone(),
            charge: spec.charge.clone(),
            stop_mode: if spec.stop_mode.is_empty() {
                "NOT_APPLICABLE".to_owned()
            } else {
                spec.stop_mode.clone()
            },
            expires: spec.expires_in_days.map(|days| shift(now, days * 86_400)),
            created: shift(now, -86_400 * (40 + i64::from(number))),
            latest: spec
                .latest
                .as_ref()
                .map(|(action, state, error)| LatestOperation {
                    action: action.clone(),
                    state: state.clone(),
                    request_id: format!(
                        "{:08x}-1f2e-4d3c-8b4a-{:012x}",
                        super::fnv(&id) >> 32,
                        index
                    ),
                    error: error.clone(),
                }),
            key_ids: spec.key.iter().map(|key| stable_id("skey", key)).collect(),
            cause: spec.cause.clone(),
            login: spec.login.unwrap_or(healthy),
            public_login: spec.public_login,
            dead: spec.dead,
            firewall: spec.firewall,
            other_port: spec.other_port,
            agent: spec.agent,
            mute: spec.mute,
            metrics: spec.metrics,
            guest: spec.guest.clone(),
            cured_by: spec.cured_by.iter().cloned().collect(),
            events: spec.events.clone(),
            start_fails: spec.start_fails.clone(),
            soft_hangs: spec.soft_hangs,
            booting: false,
            lost_address: None,
            before: None,
            since: shift(now, -3_600 * 30),
            id,
        });
        Ok(())
    }

    fn note_history(
        &mut self,
        spec: &InstanceSpec,
        region: &str,
        id: &str,
        index: usize,
        now: Timestamp,
    ) {
        if let Some((kind, status, detail)) = &spec.repair {
            self.repair_tasks.push(RepairTask {
                id: stable_id("rep", &spec.name),
                machine: index,
                kind: *kind,
                status: *status,
                detail: detail.clone(),
                created: shift(now, -1_500),
            });
        }
        for (offset, name) in spec.changed.iter().enumerate() {
            let service = if name.contains("SecurityGroup") || name.contains("Address") {
                "vpc"
            } else {
                "cvm"
            };
            self.audit.push(AuditEvent {
                region: region.to_owned(),
                service: service.to_owned(),
                name: name.clone(),
                resource: id.to_owned(),
                user: "deploy-bot".to_owned(),
                source: "203.0.113.40".to_owned(),
                request_id: format!("{:08x}-0c0d-4a4b-9e9f-{offset:012x}", super::fnv(id) as u32),
                at: shift(now, -3_600 - offset as i64 * 60),
            });
        }
    }

    /// Machines in large numbers: no sockets of their own, one address each.
    fn generate(&mut self, count: usize, now: Timestamp) {
        let places: Vec<Subnet> = self
            .subnets
            .iter()
            .filter(|s| s.name.ends_with("-app"))
            .cloned()
            .collect();
        for number in 0..count {
            let Some(subnet) = places.get(number % places.len().max(1)) else {
                return;
            };
            let windows = number % 7 == 3;
            let name = format!("fleet-{number:05}");
            let (high, low) = ((number / 250) as u8, (number % 250) as u8 + 1);
            let mut machine = Machine {
                id: stable_id("ins", &name),
                name,
                generated: true,
                region: subnet.region.clone(),
                zone: subnet.zone.clone(),
                vpc_id: subnet.vpc_id.clone(),
                subnet_id: subnet.id.clone(),
                os_name: if windows {
                    "Windows Server 2022 DataCenter 64bit EN"
                } else {
                    "TencentOS Server 4 for x86_64"
                }
                .to_owned(),
                windows,
                login_user: if windows { "Administrator" } else { "root" }.to_owned(),
                login_port: if windows { 13389 } else { 10022 },
                groups: vec![stable_id("sg", &format!("{}/login", subnet.region))],
                tags: BTreeMap::from([("env".to_owned(), "fleet".to_owned())]),
                private: Ipv4Addr::new(127, 254, high, low),
                public: None,
                state: running(),
                restrict: normal(),
                isolated: not_isolated(),
                charge: hourly(),
                stop_mode: "NOT_APPLICABLE".to_owned(),
                expires: None,
                created: shift(now, -86_400 * 90),
                latest: None,
                key_ids: Vec::new(),
                cause: String::new(),
                login: if windows { Face::RdpNla } else { Face::Ssh },
                public_login: None,
                dead: false,
                firewall: None,
                other_port: None,
                agent: Agent::Online,
                mute: false,
                metrics: Metrics::default(),
                guest: BTreeMap::new(),
                cured_by: std::collections::BTreeSet::new(),
                events: Vec::new(),
                start_fails: None,
                soft_hangs: false,
                booting: false,
                lost_address: None,
                before: None,
                since: shift(now, -86_400),
            };
            if number % 23 == 5 {
                "STOPPED".clone_into(&mut machine.state);
            }
            machine.public = Some(PublicAddress {
                id: stable_id("lhip", &machine.name),
                ip: Ipv4Addr::new(127, 253, high, low),
                elastic: false,
                bandwidth: 5,
                blocked: false,
                unblocking: false,
                arrears: false,
            });
            self.machines.push(machine);
        }
    }
}

/// The private addresses lie eleven blocks above the public ones.
pub(crate) fn private_block(block: u8) -> u8 {
    block + 11
}

fn shift(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(at)
}

fn parse_all<T>(lines: &[String], parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, DemoError> {
    lines
        .iter()
        .map(|line| parse(line).ok_or_else(|| DemoError::Fleet(format!("rule {line:?}"))))
        .collect()
}

/// `ACCEPT tcp 22,80 10.0.0.0/8 # note`; the source may also be `sg:NAME` or `at:NAME`, the
/// protocol `st:NAME` (with `-` as port).
fn parse_rule(line: &str, region: &str) -> Option<Rule> {
    let (rule, note) = line.split_once('#').unwrap_or((line, ""));
    let [action, protocol, port, source] = fields(rule)?;
    let mut rule = Rule {
        action: action.to_owned(),
        description: note.trim().to_owned(),
        modified: "2026-02-11 16:20:05".to_owned(),
        ..Rule::default()
    };
    if let Some(name) = protocol.strip_prefix("st:") {
        rule.service_template = stable_id("ppm", &format!("{region}/{name}"));
    } else {
        protocol.clone_into(&mut rule.protocol);
        port.clone_into(&mut rule.port);
    }
    if let Some(name) = source.strip_prefix("sg:") {
        rule.group = stable_id("sg", &format!("{region}/{name}"));
    } else if let Some(name) = source.strip_prefix("at:") {
        rule.address_template = stable_id("ipm", &format!("{region}/{name}"));
    } else if source.contains(':') {
        source.clone_into(&mut rule.cidr6);
    } else {
        source.clone_into(&mut rule.cidr);
    }
    Some(rule)
}

fn parse_acl(line: &str) -> Option<AclEntry> {
    let (entry, note) = line.split_once('#').unwrap_or((line, ""));
    let [action, protocol, port, cidr] = fields(entry)?;
    Some(AclEntry {
        action: action.to_owned(),
        protocol: protocol.to_owned(),
        port: port.to_owned(),
        cidr: cidr.to_owned(),
        description: note.trim().to_owned(),
    })
}

fn fields(line: &str) -> Option<[&str; 4]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.try_into().ok()
}
