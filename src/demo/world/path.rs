//! What a client meets on each address and port: everything between it and the login service.
//!
//! Lives here: the one function from the world's state to the faces of its sockets.
//! Must not live here: the sockets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::machine::{Face, Machine, PathKind};
use super::rules::{cidr_matches, port_matches};
use super::{AclEntry, World};

/// Where every client of the demo comes from.
const CLIENT: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// A port that clients use.
const CLIENT_PORT: u16 = 50_000;
/// A second service of each machine, so that a filtered port can be told from a dead host.
pub(crate) const NEIGHBOUR_PORT: u16 = 8080;

impl World {
    /// Every socket that should exist and what it should do.
    pub fn faces(&self) -> BTreeMap<SocketAddrV4, (usize, Face)> {
        let mut faces = BTreeMap::new();
        for (index, machine) in self.machines.iter().enumerate() {
            if machine.generated {
                continue;
            }
            let mut paths = vec![(PathKind::Private, machine.private)];
            if let Some(public) = &machine.public {
                paths.push((PathKind::Public, public.ip));
            }
            for (path, address) in paths {
                for port in ports(machine) {
                    let face = self.face(machine, path, port);
                    if face != Face::Refused {
                        faces.insert(SocketAddrV4::new(address, port), (index, face));
                    }
                }
            }
        }
        faces
    }

    fn face(&self, machine: &Machine, path: PathKind, port: u16) -> Face {
        if !machine.is_up() || machine.dead || !self.path_open(machine, path, port) {
            return Face::Silent;
        }
        if machine.state == "RESCUE_MODE" {
            return if port == 10022 {
                Face::SshRescue
            } else {
                Face::Refused
            };
        }
        if machine.booting {
            return Face::Refused;
        }
        if port == machine.login_port {
            if let Some(face) = machine.firewall {
                return face;
            }
            if path == PathKind::Public
                && let Some(face) = machine.public_login
            {
                return face;
            }
            return machine.login;
        }
        if machine.other_port == Some(port) {
            return machine.healthy_face();
        }
        if port == NEIGHBOUR_PORT {
            return Face::Open;
        }
        Face::Refused
    }

    /// Whether a SYN from the client reaches the guest.
    fn path_open(&self, machine: &Machine, path: PathKind, port: u16) -> bool {
        let isolated = machine.restrict == "PROTECTIVELY_ISOLATED";
        if path == PathKind::Public {
            let dead = machine
                .public
                .as_ref()
                .is_none_or(|address| address.blocked || address.arrears || address.bandwidth == 0);
            if dead || machine.restrict != "NORMAL" {
                return false;
            }
        } else if isolated {
            return port == machine.login_port;
        }
        if let Some(subnet) = self.subnet(&machine.subnet_id) {
            if path == PathKind::Private && !self.leads_back(&subnet.route_table_id) {
                return false;
            }
            if let Some(acl) = self.acls.iter().find(|a| a.id == subnet.acl_id)
                && !(acl_allows(&acl.ingress, machine.private, CLIENT_PORT, port)
                    && acl_allows(&acl.egress, machine.private, port, CLIENT_PORT))
            {
                return false;
            }
        }
        self.groups_allow(&machine.groups, CLIENT, port)
    }
}

impl World {
    /// Whether a table has a route to the client that is on.
    fn leads_back(&self, table: &str) -> bool {
        let found = self.route_tables.iter().find(|t| t.id == table);
        found.is_none_or(|table| {
            let mut routes = table.routes.iter();
            routes.any(|route| route.enabled && cidr_matches(&route.target, CLIENT))
        })
    }
}

/// Ports of a machine that may carry a socket.
fn ports(machine: &Machine) -> Vec<u16> {
    let mut ports = vec![machine.login_port, NEIGHBOUR_PORT];
    ports.extend(machine.other_port);
    if machine.state == "RESCUE_MODE" && machine.login_port != 10022 {
        ports.push(10022);
    }
    ports
}

/// First match decides; an ACL ends with a denial of everything.
fn acl_allows(entries: &[AclEntry], near: Ipv4Addr, source_port: u16, port: u16) -> bool {
    let or_all = |list: &str, port| list.is_empty() || port_matches(list, port);
    entries
        .iter()
        .find(|entry| {
            let protocol = entry.protocol.to_ascii_lowercase();
            (protocol == "tcp" || protocol == "all")
                && cidr_matches(&entry.cidr, CLIENT)
                && (entry.near.is_empty() || cidr_matches(&entry.near, near))
                && or_all(&entry.source_port, source_port)
                && port_matches(&entry.port, port)
        })
        .is_some_and(|entry| entry.action.eq_ignore_ascii_case("accept"))
}
