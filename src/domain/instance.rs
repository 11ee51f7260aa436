//! A CVM instance (or a static host) as the rest of the program sees it.
//!
//! Lives here: normalised fields of `DescribeInstances` and what follows from them alone.
//! Must not live here: wire types, API calls, judgement about causes.

use super::evidence::state::instance_state;
use super::evidence::{Path, State};
use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Operating-system family; decides the login protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    Linux,
    Windows,
    #[default]
    Unknown,
}

impl Os {
    /// The word used in the JSON contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
            Self::Unknown => "unknown",
        }
    }

    /// The port that a login uses unless something says otherwise.
    pub fn default_login_port(self) -> u16 {
        match self {
            Self::Windows => 3389,
            Self::Linux | Self::Unknown => 22,
        }
    }

    /// Family from `OsName` (the vendor's own test: the name contains "Windows").
    pub fn from_os_name(name: &str) -> Self {
        if name.trim().is_empty() {
            Self::Unknown
        } else if name.to_ascii_lowercase().contains("windows") {
            Self::Windows
        } else {
            Self::Linux
        }
    }
}

/// Outcome of the last operation on an instance (`LatestOperation*`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastOperation {
    /// API action, for example `ResetInstancesPassword`.
    pub action: String,
    /// `SUCCESS`, `OPERATING`, `FAILED` or a value not known to us.
    pub state: String,
    pub request_id: String,
    pub error_message: String,
}

/// An instance as listed by cvm `DescribeInstances`, or a `[[host]]` of the config.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub id: String,
    pub name: String,
    pub region: String,
    pub zone: String,
    pub os: Os,
    pub os_name: String,
    /// `InstanceType`, for example `S6.MEDIUM4`; empty where not sent.
    #[serde(default)]
    pub instance_type: String,
    /// `InstanceState` as sent (`RUNNING`, ...); unknown values are kept. Empty for static hosts.
    pub state: String,
    /// `RestrictState`: `NORMAL`, `EXPIRED`, `PROTECTIVELY_ISOLATED`.
    pub restrict_state: String,
    /// `IsolatedSource`: `ARREAR`, `EXPIRE`, `MANMADE`, `NOTISOLATED`.
    pub isolated_source: String,
    pub last_operation: Option<LastOperation>,
    pub public_addresses: Vec<IpAddr>,
    pub private_addresses: Vec<IpAddr>,
    /// `InternetAccessible.InternetMaxBandwidthOut` in Mbit/s, `None` where not sent.
    pub bandwidth_out_mbps: Option<u64>,
    pub internet_charge_type: String,
    pub vpc_id: String,
    pub subnet_id: String,
    /// In binding order, which is the order of evaluation.
    pub security_group_ids: Vec<String>,
    /// Bound key pairs; a bound key normally switches password login off.
    pub key_ids: Vec<String>,
    pub default_login_user: String,
    /// `DefaultLoginPort`, where sent.
    pub default_login_port: Option<u16>,
    /// Set by the operator (`[[host]] port`), wins over everything else.
    pub configured_login_port: Option<u16>,
    pub charge_type: String,
    pub stop_charging_mode: String,
    pub expired_time: Option<Timestamp>,
    pub created_time: Option<Timestamp>,
    pub tags: BTreeMap<String, String>,
    /// The name that the operator's own `ssh` is given for it: a `Host` of an OpenSSH
    /// configuration, or the host name of a `[[host]]`. Empty where only the address is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ssh_name: String,
    /// True for instances that come from the config and have no cloud behind them.
    pub is_static: bool,
}

/// Tags that name the login port, and the system that they speak of; `_` counts as `-`.
pub const PORT_TAGS: &[(Option<Os>, &str)] = &[
    (None, "cvmtop:login-port"),
    (None, "login-port"),
    (Some(Os::Linux), "ssh-port"),
    (Some(Os::Linux), "sshd-port"),
    (Some(Os::Windows), "rdp-port"),
];

/// A name that cannot be taken for an option or carry anything but a login name.
pub fn is_login_name(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= 104
        && !user.starts_with('-')
        && !user.chars().any(|c| c.is_control() || c.is_whitespace())
}

impl Instance {
    /// The account that a login uses unless something says otherwise.
    pub fn usual_user(&self) -> String {
        if !self.default_login_user.is_empty() {
            return self.default_login_user.clone();
        }
        match self.os {
            Os::Windows => "Administrator",
            _ if self.os_name.to_ascii_lowercase().contains("ubuntu") => "ubuntu",
            _ => "root",
        }
        .to_owned()
    }

    /// What people call it: the name, or the id where it has none.
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }

    /// The network by which ways in are remembered: the VPC, or the machine itself where there is
    /// none.
    pub fn network(&self) -> &str {
        if self.vpc_id.is_empty() {
            &self.id
        } else {
            &self.vpc_id
        }
    }

    /// The addresses that this host reaches on a path; from where a user looks is none of them.
    pub fn addresses_on(&self, path: Path) -> &[IpAddr] {
        match path {
            Path::Public => &self.public_addresses,
            Path::Private => &self.private_addresses,
            _ => &[],
        }
    }

    /// The address that stands for it: the first public one, else the first private one.
    pub fn address(&self) -> Option<IpAddr> {
        let mut all = self.public_addresses.iter().chain(&self.private_addresses);
        all.next().copied()
    }

    /// The port a login is expected on: what the operator set, what a tag says, what the cloud
    /// says, else the system's own.
    pub fn login_port(&self) -> u16 {
        self.stated_login_port()
            .unwrap_or_else(|| self.os.default_login_port())
    }

    /// The login port, where anybody states one.
    pub fn stated_login_port(&self) -> Option<u16> {
        self.configured_login_port
            .or_else(|| self.tagged_login_port())
            .or(self.default_login_port)
    }

    /// The port that a tag names ([`PORT_TAGS`]); the one of the other system does not count.
    pub fn tagged_login_port(&self) -> Option<u16> {
        let tag = |wanted: &str| {
            self.tags
                .iter()
                .find(|(key, _)| key.trim().replace('_', "-").eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.trim().parse().ok())
                .filter(|port| *port != 0)
        };
        PORT_TAGS
            .iter()
            .filter(|(os, _)| os.is_none_or(|os| os == self.os))
            .find_map(|(_, key)| tag(key))
    }

    /// State of the evidence group `instance-state`, `None` for a value not known to us.
    /// Time decides between `transitional` and `stuck`; that is the caller's knowledge.
    pub fn state_class(&self) -> Option<State<'static>> {
        Some(match self.state.as_str() {
            "RUNNING"
            | "ENTER_SERVICE_LIVE_MIGRATE"
            | "SERVICE_LIVE_MIGRATE"
            | "EXIT_SERVICE_LIVE_MIGRATE" => instance_state::RUNNING,
            "STOPPED" | "SHUTDOWN" => instance_state::STOPPED,
            "PENDING" | "STARTING" | "STOPPING" | "REBOOTING" => instance_state::TRANSITIONAL,
            "TERMINATING" => instance_state::TERMINATING,
            "ENTER_RESCUE_MODE" | "RESCUE_MODE" | "EXIT_RESCUE_MODE" => instance_state::RESCUE,
            "LAUNCH_FAILED" => instance_state::LAUNCH_FAILED,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(os: Os, tags: &[(&str, &str)]) -> Instance {
        Instance {
            os,
            tags: tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            default_login_port: Some(4022),
            ..Instance::default()
        }
    }

    #[test]
    fn the_login_port_is_the_most_particular_one_that_is_stated() {
        for (os, tags, want) in [
            (Os::Linux, &[][..], 4022),
            (Os::Linux, &[("login-port", "5022")], 5022),
            (Os::Linux, &[("SSH_Port", "5022")], 5022),
            (Os::Linux, &[("rdp-port", "5389")], 4022),
            (Os::Windows, &[("rdp-port", "5389")], 5389),
            (
                Os::Linux,
                &[("login-port", "none"), ("ssh-port", "70000")],
                4022,
            ),
        ] {
            assert_eq!(instance(os, tags).login_port(), want, "{tags:?}");
        }
        let set = Instance {
            configured_login_port: Some(6022),
            ..instance(Os::Linux, &[("login-port", "5022")])
        };
        assert_eq!(set.login_port(), 6022);
        assert_eq!(Instance::default().stated_login_port(), None);
    }
}
