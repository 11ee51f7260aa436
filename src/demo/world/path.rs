//! What a client meets on each address and port: everything between it and the login service.
//!
//! Lives here: the one function from the world's state to the faces of its sockets.
//! Must not live here: the sockets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::machine::{Face, Machine, PathKind};
use super::rules::{cidr_matches, port_matches};
use super::{Acl, AclEntry, Subnet, World};

/// Whoever connects to a machine.
#[derive(Debug, Clone, Copy)]
struct Caller<'a> {
    address: Ipv4Addr,
    /// Its subnet, where it is a machine of the same network.
    subnet: Option<&'a Subnet>,
}

/// Where every client of the demo comes from.
const CLIENT: Caller<'_> = Caller {
    address: Ipv4Addr::LOCALHOST,
    subnet: None,
};
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
                    let face = self.face(machine, path, port, CLIENT);
                    if face != Face::Refused {
                        faces.insert(SocketAddrV4::new(address, port), (index, face));
                    }
                }
            }
        }
        faces
    }

    fn face(&self, machine: &Machine, path: PathKind, port: u16, caller: Caller<'_>) -> Face {
        let opens = || self.path_open(machine, path, ("tcp", port), caller);
        if !machine.is_up() || machine.dead || !opens() {
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

    /// Whether a packet of a protocol to a port reaches the guest, and its answer the caller.
    fn path_open(
        &self,
        machine: &Machine,
        path: PathKind,
        (protocol, port): (&str, u16),
        caller: Caller<'_>,
    ) -> bool {
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
        let inside = caller.subnet.filter(|_| path == PathKind::Private);
        // What stays inside a subnet passes no ACL, and inside a VPC no route of a user.
        if let Some(subnet) = self.subnet(&machine.subnet_id)
            && inside.is_none_or(|it| it.id != subnet.id)
        {
            let table = &subnet.route_table_id;
            if path == PathKind::Private && inside.is_none() && !self.leads_back(table) {
                return false;
            }
            let (own, far) = (machine.private, caller.address);
            let lets = |at: &Subnet, way: Way| self.acl_of(at).is_none_or(|acl| way.open(acl));
            let coming = Way {
                protocol,
                port,
                near: own,
                far,
                comes: true,
            };
            let going = Way {
                near: far,
                far: own,
                comes: false,
                ..coming
            };
            if !lets(subnet, coming) || inside.is_some_and(|it| !lets(it, going)) {
                return false;
            }
        }
        self.groups_allow(&machine.groups, caller.address, protocol, port)
    }

    fn acl_of(&self, subnet: &Subnet) -> Option<&Acl> {
        self.acls.iter().find(|acl| acl.id == subnet.acl_id)
    }
}

/// What another machine meets.
impl World {
    /// What a machine meets at a port of an address.
    pub fn face_from(&self, from: usize, to: Ipv4Addr, port: u16) -> Face {
        match self.way_from(from, to) {
            Some((machine, path, caller)) => self.face(machine, path, port, caller),
            None => Face::Silent,
        }
    }

    /// What somebody on the Internet meets at a port of a public address.
    pub fn face_of_stranger(&self, from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Face {
        let at = |m: &&Machine| m.public.as_ref().is_some_and(|it| it.ip == to);
        let caller = Caller {
            address: from,
            subnet: None,
        };
        self.machines.iter().find(at).map_or(Face::Silent, |m| {
            self.face(m, PathKind::Public, port, caller)
        })
    }

    /// Whether a ping from a machine to an address is answered.
    pub fn ping_from(&self, from: usize, to: Ipv4Addr) -> bool {
        self.way_from(from, to)
            .is_some_and(|(machine, path, caller)| {
                machine.is_up()
                    && !machine.dead
                    && self.path_open(machine, path, ("icmp", 0), caller)
            })
    }

    /// The machine at an address, and how another one comes to it; `None` where it cannot.
    fn way_from(&self, from: usize, to: Ipv4Addr) -> Option<(&Machine, PathKind, Caller<'_>)> {
        let own = &self.machines[from];
        let public = |m: &Machine| m.public.as_ref().map(|address| address.ip);
        let mut machines = self.machines.iter();
        let machine = machines.find(|m| m.private == to || public(m) == Some(to))?;
        if machine.private == to {
            let caller = Caller {
                address: own.private,
                subnet: self.subnet(&own.subnet_id),
            };
            return (machine.vpc_id == own.vpc_id).then_some((machine, PathKind::Private, caller));
        }
        // Without a public address of its own there is no way out.
        let working = own
            .public
            .as_ref()
            .filter(|it| it.bandwidth > 0 && !it.blocked)?;
        let caller = Caller {
            address: working.ip,
            subnet: None,
        };
        Some((machine, PathKind::Public, caller))
    }

    /// Whether a table has a route to the client that is on.
    fn leads_back(&self, table: &str) -> bool {
        let found = self.route_tables.iter().find(|t| t.id == table);
        found.is_none_or(|table| {
            let mut routes = table.routes.iter();
            routes.any(|route| route.enabled && cidr_matches(&route.target, CLIENT.address))
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

/// A connection as the ACL of a subnet sees it.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    protocol: &'a str,
    /// Of whoever is connected to.
    port: u16,
    near: Ipv4Addr,
    far: Ipv4Addr,
    /// Whether it is made from outside the subnet.
    comes: bool,
}

impl Way<'_> {
    /// An ACL knows no connections: both directions have to be let through.
    fn open(self, acl: &Acl) -> bool {
        let (there, back) = if self.comes {
            (&acl.ingress, &acl.egress)
        } else {
            (&acl.egress, &acl.ingress)
        };
        self.passes(there, CLIENT_PORT, self.port) && self.passes(back, self.port, CLIENT_PORT)
    }

    /// First match decides; an ACL ends with a denial of everything.
    fn passes(self, entries: &[AclEntry], source_port: u16, port: u16) -> bool {
        let or_all = |list: &str, port| list.is_empty() || port_matches(list, port);
        let fits = |entry: &&AclEntry| {
            let protocol = entry.protocol.to_ascii_lowercase();
            (protocol == self.protocol || protocol == "all")
                && cidr_matches(&entry.cidr, self.far)
                && (entry.near.is_empty() || cidr_matches(&entry.near, self.near))
                && (self.protocol == "icmp"
                    || or_all(&entry.source_port, source_port) && port_matches(&entry.port, port))
        };
        let found = entries.iter().find(fits);
        found.is_some_and(|entry| entry.action.eq_ignore_ascii_case("accept"))
    }
}
