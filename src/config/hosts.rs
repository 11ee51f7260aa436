//! Instances without a cloud: `[[host]]` of the config and hosts of an OpenSSH client config.
//!
//! Everything that needs no API works for them. Must not live here: probing them.

use std::collections::HashSet;
use std::net::{IpAddr, ToSocketAddrs};

use strsim::levenshtein;

use super::file::HostTable;
use super::problem::{Problem, Severity};
use super::said;
use super::value::Raw;
use crate::domain::instance::{Instance, Os};
use crate::domain::said::{List, Said};
use crate::domain::text::sanitise;

const FIELDS: &[&str] = &[
    "name",
    "address",
    "private_address",
    "os",
    "port",
    "user",
    "tags",
];

/// A host that the operator listed.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticHost {
    pub instance: Instance,
    /// Set while the address is a name that nobody has looked up.
    pub host_name: Option<String>,
}

impl StaticHost {
    /// A host by address or name.
    pub fn new(name: &str, address: &str, os: Os, port: Option<u16>, user: &str) -> Self {
        let mut host = Self {
            instance: Instance {
                id: sanitise(name, 128),
                name: sanitise(name, 128),
                os,
                configured_login_port: port,
                default_login_user: sanitise(user, 64),
                is_static: true,
                ..Instance::default()
            },
            host_name: None,
        };
        match address.parse() {
            Ok(address) => host.add(address),
            Err(_) => {
                let name = sanitise(address, 255);
                host.instance.ssh_name.clone_from(&name);
                host.host_name = Some(name);
            }
        }
        host
    }

    /// The instance with its addresses; a name is looked up in the system's resolver, which may
    /// block for seconds.
    ///
    /// # Errors
    /// One sentence if the name has no address.
    pub fn resolve(&self) -> Result<Instance, Said> {
        let Some(name) = &self.host_name else {
            return Ok(self.instance.clone());
        };
        let mut host = self.clone();
        let port = host.instance.login_port();
        let found = (name.as_str(), port)
            .to_socket_addrs()
            .map_err(|error| said::host_without_address(name, error))?;
        for address in found {
            host.add(address.ip());
        }
        Ok(host.instance)
    }

    fn add(&mut self, address: IpAddr) {
        let list = if is_private(address) {
            &mut self.instance.private_addresses
        } else {
            &mut self.instance.public_addresses
        };
        if !list.contains(&address) {
            list.push(address);
        }
    }
}

/// RFC 1918, RFC 6598 and RFC 4193 networks: reached along the private path.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// Reads the `[[host]]` tables; one that cannot be used is reported and left out.
pub(super) fn read(
    tables: &[HostTable],
    file: &str,
    problems: &mut Vec<Problem>,
) -> Vec<StaticHost> {
    let mut hosts: Vec<StaticHost> = Vec::new();
    let mut taken = HashSet::new();
    for table in tables {
        match read_one(table, file, problems) {
            Ok(host) if !taken.insert(host.instance.id.clone()) => {
                problems.push(problem(
                    Severity::Warning,
                    file,
                    table.line,
                    "host.name",
                    said::twice(&host.instance.id),
                ));
            }
            Ok(host) => hosts.push(host),
            Err((line, key, message)) => problems.push(problem(
                Severity::Error,
                file,
                line,
                &key,
                said::host_left_out(message),
            )),
        }
    }
    hosts
}

fn problem(severity: Severity, file: &str, line: usize, key: &str, message: Said) -> Problem {
    Problem {
        severity,
        place: format!("{file}:{line}"),
        key: sanitise(key, 100),
        message: message.clean(),
    }
}

type Refusal = (usize, String, Said);

fn read_one(
    table: &HostTable,
    file: &str,
    problems: &mut Vec<Problem>,
) -> Result<StaticHost, Refusal> {
    let get = |field: &str| {
        table
            .entries
            .iter()
            .find(|leaf| leaf.key == format!("host.{field}"))
    };
    let text = |field: &str| match get(field) {
        None => Ok(None),
        Some(leaf) => leaf
            .value
            .text()
            .map(Some)
            .map_err(|message| (leaf.line, leaf.key.clone(), message)),
    };
    let missing = |field: &str| (table.line, format!("host.{field}"), said::missing());
    for leaf in &table.entries {
        let field = leaf.key.trim_start_matches("host.");
        if !FIELDS.contains(&field.split('.').next().unwrap_or_default()) {
            let near = FIELDS.iter().min_by_key(|known| levenshtein(known, field));
            let hint = near
                .filter(|known| levenshtein(known, field) <= 2)
                .map_or_else(said::unknown_key, said::unknown_key_near);
            problems.push(problem(Severity::Warning, file, leaf.line, &leaf.key, hint));
        }
    }
    let name = text("name")?.ok_or_else(|| missing("name"))?;
    let address = text("address")?.ok_or_else(|| missing("address"))?;
    let os = match text("os")?.as_deref() {
        None => Os::Unknown,
        Some("linux") => Os::Linux,
        Some("windows") => Os::Windows,
        Some(other) => {
            let line = get("os").map_or(table.line, |leaf| leaf.line);
            return Err((
                line,
                "host.os".to_owned(),
                said::none_of(other, List::names(["linux", "windows"])),
            ));
        }
    };
    let port = match get("port") {
        None => None,
        Some(leaf) => Some(
            leaf.value
                .integer(1, 65535)
                .map_err(|message| (leaf.line, leaf.key.clone(), message))? as u16,
        ),
    };
    let user = text("user")?.unwrap_or_default();
    let mut host = StaticHost::new(&name, &address, os, port, &user);
    if let Some(leaf) = get("private_address") {
        let address = leaf
            .value
            .address()
            .map_err(|message| (leaf.line, leaf.key.clone(), message))?;
        host.instance.private_addresses.push(address);
    }
    for leaf in &table.entries {
        if let (Some(key), Raw::Text(value)) = (leaf.key.strip_prefix("host.tags."), &leaf.value) {
            host.instance
                .tags
                .insert(sanitise(key, 128), sanitise(value, 256));
        }
    }
    Ok(host)
}
