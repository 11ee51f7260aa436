//! Builds the world from the fleet file and, where asked, generated machines.
//!
//! Lives here: the file's format and how ids, addresses and dates follow from it.
//! Must not live here: behaviour over time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::machine::{LatestOperation, Machine, PublicAddress};
use super::rules::{Group, Rule};
use super::spec::{FleetFile, InstanceSpec, SubnetSpec};
use super::{
    Acl, AclEntry, AuditEvent, FreeAddress, RepairTask, Route, RouteTable, Subnet, Template, World,
    stable_id,
};
use crate::demo::DemoError;
use jiff::{SignedDuration, Timestamp};

const FLEET: &str = include_str!("../../../assets/demo/fleet.toml");

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
                name: String::new(),
                id: stable_id("eip", &spec.name),
                region: spec.region.clone(),
                ip,
                bandwidth: spec.bandwidth,
                arrears: spec.arrears,
                kind: spec.kind.clone(),
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
            });
            self.add_route_table(spec, region);
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
                let mut template = Template {
                    id: stable_id("ipm", &name),
                    name: spec.name.clone(),
                    region: region.clone(),
                    members: spec.addresses.clone(),
                    templates: Vec::new(),
                };
                if !spec.services.is_empty() {
                    template.id = stable_id("ppm", &name);
                    template.members.clone_from(&spec.services);
                    self.service_templates.push(template);
                    continue;
                }
                let parts: Vec<&Template> = self
                    .address_templates
                    .iter()
                    .filter(|t| t.region == *region && spec.templates.contains(&t.name))
                    .collect();
                if !parts.is_empty() {
                    template.id = stable_id("ipmg", &name);
                    template.members = parts.iter().flat_map(|t| t.members.clone()).collect();
                    template.templates = parts.iter().map(|t| t.id.clone()).collect();
                }
                self.address_templates.push(template);
            }
        }
        Ok(())
    }

    /// The table of a subnet, once. The jump host's network is reached over a VPN; a broken table has
    /// that route switched off.
    fn add_route_table(&mut self, spec: &SubnetSpec, region: &str) {
        let (id, main) = if spec.route_broken {
            (stable_id("rtb", &spec.name), false)
        } else {
            (stable_id("rtb", region), true)
        };
        if self.route_tables.iter().any(|table| table.id == id) {
            return;
        }
        let route = |number, target: &str, kind: &str, gateway: &str, enabled| Route {
            number,
            target: target.to_owned(),
            kind: kind.to_owned(),
            gateway: gateway.to_owned(),
            enabled,
            description: String::new(),
        };
        self.route_tables.push(RouteTable {
            id,
            name: if main { "default" } else { "partner" }.to_owned(),
            region: region.to_owned(),
            vpc_id: stable_id("vpc", region),
            main,
            routes: vec![
                route(1, "10.0.0.0/8", "PEERCONNECTION", "pcx-3b7wq0da", true),
                route(2, "127.0.0.0/16", "VPN", "vpngw-5k2m8c1d", main),
            ],
        });
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
        let index = self.machines.len();
        let private = Ipv4Addr::new(127, private_block(self.block), place as u8 + 1, number);
        let mut machine = Machine::plain(&spec.name, &subnet, os.windows, private);
        machine.created = shift(now, -86_400 * (40 + i64::from(number)));
        machine.since = shift(now, -3_600 * 30);
        machine.os_name.clone_from(&os.name);
        machine.login_user.clone_from(&os.user);
        machine.groups = groups;
        machine.public = public;
        machine.expires = spec.expires_in_days.map(|days| shift(now, days * 86_400));
        // Rules and addresses are changed on what the machine has.
        self.note_history(spec, &machine, index, now);
        apply(&mut machine, spec, index);
        self.machines.push(machine);
        Ok(())
    }

    fn note_history(
        &mut self,
        spec: &InstanceSpec,
        machine: &Machine,
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
                auth_type: spec.repair_auth,
            });
        }
        for (offset, name) in (0_i64..).zip(&spec.changed) {
            let of_vpc = [
                "SecurityGroup",
                "NetworkInterface",
                "Address",
                "NetworkAcl",
                "Routes",
                "Template",
            ];
            let service = if of_vpc.iter().any(|part| name.contains(part)) {
                "vpc"
            } else {
                "cvm"
            };
            self.audit.push(AuditEvent {
                region: machine.region.clone(),
                service: service.to_owned(),
                name: name.clone(),
                resource: self.changed_resource(machine, name),
                user: "deploy-bot".to_owned(),
                source: "203.0.113.40".to_owned(),
                request_id: format!(
                    "{:08x}-0c0d-4a4b-9e9f-{offset:012x}",
                    super::fnv(&machine.id) as u32
                ),
                command: None,
                at: shift(now, -3_600 - offset * 60),
            });
        }
    }

    /// Id of what a change is about: rules, entries, routes and addresses have their own.
    fn changed_resource(&self, machine: &Machine, name: &str) -> String {
        let subnet = self.subnets.iter().find(|s| s.id == machine.subnet_id);
        let of_subnet = |id: fn(&Subnet) -> &String| subnet.map(id).cloned();
        let found = if name.contains("SecurityGroupPolic") {
            machine.groups.first().cloned()
        } else if name.contains("NetworkInterface") {
            Some(stable_id("eni", &machine.id))
        } else if name.contains("NetworkAcl") {
            of_subnet(|subnet| &subnet.acl_id)
        } else if name.contains("Routes") {
            of_subnet(|subnet| &subnet.route_table_id)
        } else if name.contains("Template") {
            let mut templates = self.address_templates.iter();
            let here = templates.find(|template| template.region == machine.region);
            here.map(|template| template.id.clone())
        } else if name.contains("Address") {
            machine.public.as_ref().map(|public| public.id.clone())
        } else {
            None
        };
        found.unwrap_or_else(|| machine.id.clone())
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
            let private = Ipv4Addr::new(127, 254, high, low);
            let mut machine = Machine::plain(&name, subnet, windows, private);
            machine.generated = true;
            machine.created = shift(now, -86_400 * 90);
            machine.since = shift(now, -86_400);
            machine.groups = vec![stable_id("sg", &format!("{}/login", subnet.region))];
            machine.tags = BTreeMap::from([("env".to_owned(), "fleet".to_owned())]);
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

/// What the file says about one machine, beyond its place.
fn apply(machine: &mut Machine, spec: &InstanceSpec, index: usize) {
    machine.tags.clone_from(&spec.tags);
    machine.cause.clone_from(&spec.cause);
    machine.state.clone_from(&spec.state);
    machine.restrict.clone_from(&spec.restrict);
    machine.isolated.clone_from(&spec.isolated);
    machine.charge.clone_from(&spec.charge);
    if !spec.stop_mode.is_empty() {
        machine.stop_mode.clone_from(&spec.stop_mode);
    }
    machine.latest = spec
        .latest
        .as_ref()
        .map(|(action, state, error)| LatestOperation {
            action: action.clone(),
            state: state.clone(),
            request_id: format!(
                "{:08x}-1f2e-4d3c-8b4a-{index:012x}",
                super::fnv(&machine.id) >> 32
            ),
            error: error.clone(),
        });
    machine.key_ids = spec.key.iter().map(|key| stable_id("skey", key)).collect();
    machine.login = spec.login.unwrap_or(machine.login);
    machine.public_login = spec.public_login;
    machine.dead = spec.dead;
    machine.firewall = spec.firewall;
    machine.other_port = spec.other_port;
    machine.agent = spec.agent;
    machine.mute = spec.mute;
    machine.metrics = spec.metrics;
    machine.guest.clone_from(&spec.guest);
    machine.cured_by = spec.cured_by.iter().cloned().collect();
    machine.events.clone_from(&spec.events);
    machine.spike.clone_from(&spec.spike);
    machine.disk_ends_in_days = spec.disk_ends_in_days;
    machine.start_fails.clone_from(&spec.start_fails);
    machine.soft_hangs = spec.soft_hangs;
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
/// protocol `st:NAME` (with `-` as port); `atg:NAME` is a group of address templates.
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
    } else if let Some(name) = source.strip_prefix("atg:") {
        rule.address_template = stable_id("ipmg", &format!("{region}/{name}"));
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
        ..AclEntry::default()
    })
}

fn fields(line: &str) -> Option<[&str; 4]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.try_into().ok()
}
