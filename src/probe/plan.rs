//! What is to be probed, how deep, and what it may cost.
//!
//! Lives here: plain data that a caller fills. Must not live here: sockets or defaults that depend
//! on the machine.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::evidence::{Family, Path};
use crate::domain::instance::Os;

/// Neighbour ports used where the caller names none: common, harmless, and none of them a login
/// port (a security isolation leaves those open).
pub const DEFAULT_NEIGHBOUR_PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Other ports on which a login service is looked for.
pub const DEFAULT_OTHER_LOGIN_PORTS: [u16; 5] = [22, 3389, 36000, 2222, 3390];

/// One address to probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTarget {
    pub path: Path,
    pub address: IpAddr,
    /// The port on which a login is expected.
    pub port: u16,
}

impl ProbeTarget {
    /// The login service's socket address.
    pub fn login(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// The address family of the target.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

/// Something that is expected to answer on a path, to tell our own failure from the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    pub path: Path,
    pub address: SocketAddr,
    /// Its silence means that the path from here is dead. Not so for a peer of the target, which
    /// the same fault may have silenced: only its answer tells anything.
    pub decisive: bool,
}

/// What is known of a target's surroundings, or becomes known while it is probed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub controls: Vec<Control>,
    /// Login ports of other instances in the same subnet.
    pub peers_subnet: Vec<SocketAddr>,
    /// Login ports of other instances bound to the same security groups.
    pub peers_group: Vec<SocketAddr>,
    /// Ports on which rules let logins in, beyond those of the plan.
    pub other_login_ports: Vec<u16>,
}

/// Knowledge that arrives while the probes run: sent at most once, never waited for long.
pub type Arriving = watch::Receiver<Option<Arc<Known>>>;

/// What has arrived within `patience`; nothing if the sender has gone or takes longer.
pub async fn arrived(arriving: &mut Arriving, patience: Duration) -> Arc<Known> {
    let known = tokio::time::timeout(patience, arriving.wait_for(Option::is_some));
    match known.await {
        Ok(Ok(known)) => known.clone().unwrap_or_default(),
        _ => Arc::default(),
    }
}

/// Nothing will arrive.
pub fn nothing_arrives() -> Arriving {
    watch::channel(None).1
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Depth {
    /// Reachability, greeting, key exchange or negotiation, certificate, other login ports.
    #[default]
    Quick,
    /// And path quality, path MTU, and peers even where the login port answers.
    Full,
}

/// What the operator agreed to, because it leaves lines in the target's authentication log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// Ask for the offered methods and the host key as this user (a `none` request).
    pub methods_as: Option<String>,
    /// One real login as this user with the operator's own keys and configuration.
    pub login_as: Option<String>,
    /// A key file to log in with, in place of the agent's keys and the default files.
    pub identity: Option<PathBuf>,
    /// Known hosts to compare with, in place of the operator's own.
    pub known_hosts: Option<PathBuf>,
    /// How the operator's client is told to reach the instance; without it, by the address, and
    /// methods and host key are asked for without the operator's configuration.
    pub called: Option<Called>,
}

/// A name as the operator's OpenSSH knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// A `Host` of the configuration, a host name, or the address.
    pub name: String,
    /// The configuration, where it is not the operator's usual one (`-F`).
    pub config: Option<PathBuf>,
    /// The operator's files of known hosts (`UserKnownHostsFile`).
    pub known_hosts: Vec<String>,
    /// It is reached by another host (`ProxyJump`, `ProxyCommand`).
    pub proxied: bool,
    /// The operator's own login there asks for no terminal (`RequestTTY no`).
    pub plain: bool,
    /// Options (`Name=value`) that keep the attempt to one login which ends by itself.
    pub options: Vec<String>,
}

impl Called {
    /// The name for a login at `address`; one that is an address itself stands for no other one.
    pub fn name_at(&self, address: IpAddr) -> String {
        match self.name.parse::<IpAddr>() {
            Ok(_) => address.to_string(),
            Err(_) => self.name.clone(),
        }
    }
}

/// Limits and extras of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    pub depth: Depth,
    pub consent: Consent,
    /// Controls and peers that are known from the start.
    pub known: Known,
    /// How long a connection may take before it counts as silent.
    pub connect_timeout: Duration,
    /// How long a greeting or an answer may take before it counts as silent.
    pub greeting_timeout: Duration,
    /// One of many targets: neighbour ports are asked one after the other, until one shows that
    /// the host lives or the login port has shown it.
    pub sparing: bool,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            depth: Depth::Quick,
            consent: Consent::default(),
            known: Known::default(),
            connect_timeout: Duration::from_secs(3),
            greeting_timeout: Duration::from_secs(15),
            sparing: false,
        }
    }
}

/// Everything one run needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbePlan {
    pub os: Os,
    pub targets: Vec<ProbeTarget>,
    /// Empty: [`DEFAULT_NEIGHBOUR_PORTS`].
    pub neighbour_ports: Vec<u16>,
    /// Hints beyond [`DEFAULT_OTHER_LOGIN_PORTS`], for example from the config.
    pub other_login_ports: Vec<u16>,
    pub options: ProbeOptions,
}

/// The protocol that a login is expected to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Ssh,
    Rdp,
}

impl Protocol {
    /// Windows speaks RDP; where the system is not known, the port decides.
    pub fn expected(os: Os, port: u16) -> Self {
        match os {
            Os::Windows => Self::Rdp,
            Os::Linux => Self::Ssh,
            Os::Unknown if matches!(port, 3389 | 3390) => Self::Rdp,
            Os::Unknown => Self::Ssh,
        }
    }
}

impl ProbePlan {
    /// Neighbour ports of a target, without its login port.
    pub fn neighbours_of(&self, target: &ProbeTarget) -> Vec<u16> {
        let ports: &[u16] = if self.neighbour_ports.is_empty() {
            &DEFAULT_NEIGHBOUR_PORTS
        } else {
            &self.neighbour_ports
        };
        distinct(ports.iter().copied(), target.port)
    }

    /// Other ports of a target on which a login service may listen.
    pub fn other_logins_of(&self, target: &ProbeTarget) -> Vec<u16> {
        let hints = self.other_login_ports.iter().take(8).copied();
        distinct(hints.chain(DEFAULT_OTHER_LOGIN_PORTS), target.port)
    }
}

fn distinct(ports: impl Iterator<Item = u16>, except: u16) -> Vec<u16> {
    let mut out = Vec::new();
    for port in ports {
        if port != except && port != 0 && !out.contains(&port) {
            out.push(port);
        }
    }
    out
}
