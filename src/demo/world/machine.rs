//! One demo machine: its cloud side, its guest, and what its sockets do.
//!
//! Lives here: the data and small rules over it.
//! Must not live here: decisions about whole paths (`path`) or about time (`operate`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::{Subnet, stable_id};

/// Over which address a connection arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PathKind {
    Public,
    Private,
}

/// What a client meets on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Face {
    /// Nothing is bound: RST.
    Refused,
    /// The SYN gets no answer.
    Silent,
    /// A port that accepts and greets nobody (a web server waiting for a request).
    Open,
    /// Drops about a quarter of what arrives.
    SshLossy,
    /// Drops more than half of what arrives.
    SshBad,
    Ssh,
    /// SSH of the rescue system, with another key.
    SshRescue,
    /// SSH after a reinstallation, with another key.
    SshReinstalled,
    SshLegacy,
    SshNoCommon,
    SshNoHostKey,
    SshSilent,
    SshClosed,
    SshReset,
    SshThrottle,
    SshMixed,
    SshSlow,
    /// Takes keys and no passwords.
    SshKeyOnly,
    /// Greets at once and names its methods late.
    SshSlowMethods,
    SshKexReset,
    SshKexClosed,
    SshKexHang,
    WrongProtocol,
    RdpNla,
    RdpTls,
    RdpExpired,
    RdpNotYetValid,
    RdpLegacy,
    RdpFailure1,
    RdpFailure2,
    RdpFailure3,
    RdpFailure4,
    RdpFailure5,
    RdpFailure6,
    RdpSilent,
    RdpClosed,
    RdpReset,
    RdpSlow,
    RdpMixed,
}

/// Whether and how the automation agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Agent {
    Online,
    /// Online, but commands never end.
    Hanging,
    OfflineRecent,
    OfflineLong,
    Never,
}

/// Load as the monitoring service reports it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Percent, seen by the host below.
    pub base_cpu: f64,
    /// Percent of memory without cache, as the agent reports it.
    pub memory: f64,
    /// Percent of all disks together.
    pub disk: f64,
    /// Mbit/s out of and into the public address.
    pub wan_out: f64,
    pub wan_in: f64,
    pub connections: f64,
    /// Milliseconds a disk request waits.
    pub disk_await_ms: f64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            base_cpu: 11.0,
            memory: 38.0,
            disk: 41.0,
            wan_out: 0.6,
            wan_in: 0.3,
            connections: 36.0,
            disk_await_ms: 2.0,
        }
    }
}

/// Half an hour, some hours ago, in which a metric stood higher.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spike {
    /// `MemUsage`, as the monitoring service names it.
    pub metric: String,
    pub hours_ago: i64,
    pub value: f64,
}

/// The public address of a machine.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, as the API shows them"
)]
pub(crate) struct PublicAddress {
    pub id: String,
    pub ip: Ipv4Addr,
    /// An elastic address; otherwise the ordinary one that came with the machine.
    pub elastic: bool,
    pub bandwidth: u64,
    pub blocked: bool,
    /// The owner asked for the block to be lifted.
    pub unblocking: bool,
    pub arrears: bool,
}

/// `LatestOperation*`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LatestOperation {
    pub action: String,
    pub state: String,
    pub request_id: String,
    pub error: String,
}

/// A machine with everything that decides about a login to it.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each changed on its own"
)]
pub(crate) struct Machine {
    pub id: String,
    pub name: String,
    pub generated: bool,
    pub region: String,
    pub zone: String,
    pub vpc_id: String,
    pub subnet_id: String,
    pub os_name: String,
    pub windows: bool,
    pub login_user: String,
    pub login_port: u16,
    pub groups: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub private: Ipv4Addr,
    pub public: Option<PublicAddress>,
    pub state: String,
    pub restrict: String,
    pub isolated: String,
    pub charge: String,
    pub stop_mode: String,
    pub expires: Option<Timestamp>,
    pub created: Timestamp,
    pub latest: Option<LatestOperation>,
    pub key_ids: Vec<String>,
    /// Id of the cause that it demonstrates, empty for a healthy one.
    pub cause: String,
    /// What the login service does.
    pub login: Face,
    /// What a client on the public path meets instead, for faults of that path.
    pub public_login: Option<Face>,
    /// The guest is gone: nothing answers on any port.
    pub dead: bool,
    /// A filter in the guest: what it makes of the login port.
    pub firewall: Option<Face>,
    /// A login service on another port.
    pub other_port: Option<u16>,
    pub agent: Agent,
    /// The monitoring component in the guest is mute.
    pub mute: bool,
    pub metrics: Metrics,
    pub spike: Option<Spike>,
    /// Days until its system disk expires, where that is paid in advance.
    pub disk_ends_in_days: Option<i64>,
    /// State of each `guest-*` group that is not in order.
    pub guest: BTreeMap<String, String>,
    /// What removes the fault: `restart`, `hard-restart`, `restart-service`, `allow-port`, ...
    pub cured_by: BTreeSet<String>,
    /// Platform events (monitor) that concern it.
    pub events: Vec<String>,
    /// Why a start fails, as an error code.
    pub start_fails: Option<String>,
    /// A soft stop or restart never ends.
    pub soft_hangs: bool,
    /// Powered on, but the services are not there yet.
    pub booting: bool,
    /// The ordinary address given up by a stop without charges.
    pub lost_address: Option<PublicAddress>,
    /// The cure that removed the fault, and the machine as it was before.
    pub before: Option<(String, Box<Machine>)>,
    /// Time of the last boot or fault.
    pub since: Timestamp,
}

impl Machine {
    /// A running machine in order, without groups and public address.
    pub fn plain(name: &str, subnet: &Subnet, windows: bool, private: Ipv4Addr) -> Self {
        let system = if windows {
            "Windows Server 2022 DataCenter 64bit EN"
        } else {
            "TencentOS Server 4 for x86_64"
        };
        Self {
            id: stable_id("ins", name),
            name: name.to_owned(),
            generated: false,
            region: subnet.region.clone(),
            zone: subnet.zone.clone(),
            vpc_id: subnet.vpc_id.clone(),
            subnet_id: subnet.id.clone(),
            os_name: system.to_owned(),
            windows,
            login_user: if windows { "Administrator" } else { "root" }.to_owned(),
            login_port: if windows { 13389 } else { 10022 },
            groups: Vec::new(),
            tags: BTreeMap::new(),
            private,
            public: None,
            state: "RUNNING".to_owned(),
            restrict: "NORMAL".to_owned(),
            isolated: "NOTISOLATED".to_owned(),
            charge: "POSTPAID_BY_HOUR".to_owned(),
            stop_mode: "NOT_APPLICABLE".to_owned(),
            expires: None,
            created: Timestamp::UNIX_EPOCH,
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
            cured_by: BTreeSet::new(),
            spike: None,
            disk_ends_in_days: None,
            events: Vec::new(),
            start_fails: None,
            soft_hangs: false,
            booting: false,
            lost_address: None,
            before: None,
            since: Timestamp::UNIX_EPOCH,
        }
    }

    /// Whether the machine is powered on and past its boot.
    pub fn is_up(&self) -> bool {
        matches!(
            self.state.as_str(),
            "RUNNING"
                | "RESCUE_MODE"
                | "ENTER_SERVICE_LIVE_MIGRATE"
                | "SERVICE_LIVE_MIGRATE"
                | "EXIT_SERVICE_LIVE_MIGRATE"
        )
    }

    /// What a login service in order looks like.
    pub fn healthy_face(&self) -> Face {
        if self.windows {
            Face::RdpNla
        } else {
            Face::Ssh
        }
    }

    /// Removes the fault if `cure` is among what removes it; true if it did.
    pub fn cure(&mut self, cure: &str) -> bool {
        if !self.cured_by.contains(cure) {
            return false;
        }
        let mut before = self.clone();
        before.before = None;
        self.before = Some((cure.to_owned(), Box::new(before)));
        self.cured_by.clear();
        self.login = self.healthy_face();
        self.public_login = None;
        self.dead = false;
        self.firewall = None;
        self.other_port = None;
        self.mute = false;
        self.metrics = Metrics::default();
        self.guest.clear();
        self.events.clear();
        self.soft_hangs = false;
        if self.agent != Agent::Never {
            self.agent = Agent::Online;
        }
        true
    }

    /// Brings the fault back that `cure` had removed.
    pub fn undo_cure(&mut self, cure: &str) {
        let Some((_, before)) = self.before.take_if(|(name, _)| name == cure) else {
            return;
        };
        self.cured_by = before.cured_by;
        self.login = before.login;
        self.public_login = before.public_login;
        self.dead = before.dead;
        self.firewall = before.firewall;
        self.other_port = before.other_port;
        self.mute = before.mute;
        self.metrics = before.metrics;
        self.guest = before.guest;
        self.events = before.events;
        self.agent = before.agent;
    }
}
