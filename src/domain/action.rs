//! Names and risk classes of actions, as the JSON contract has them.
//!
//! Must not live here: how an action is planned (`action`) or carried out (`runtime`).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Risk of an action; decides how it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    None,
    Low,
    Medium,
    High,
}

impl Risk {
    /// The word used in the JSON contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

macro_rules! action_ids {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// Every action of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ActionId {
            $(#[doc = $text] #[serde(rename = $text)] $variant,)+
        }

        impl ActionId {
            /// All ids in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The id as written in JSON, keys and commands.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The action of that id.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

action_ids! {
    Restart = "restart",
    Start = "start",
    Stop = "stop",
    OpenPort = "open-port",
    OpenCommonPorts = "open-common-ports",
    AllowAcl = "allow-acl",
    RestoreRoute = "restore-route",
    UnblockAddress = "unblock-address",
    RaiseBandwidth = "raise-bandwidth",
    AssociateSecurityGroup = "associate-security-group",
    AssociateAddress = "associate-address",
    ResetPassword = "reset-password",
    BindKeyPair = "bind-key-pair",
    EnterRescue = "enter-rescue",
    ExitRescue = "exit-rescue",
    VncUrl = "vnc-url",
    GuestRestartLoginService = "guest-restart-login-service",
    GuestAllowPort = "guest-allow-port",
    GuestUnblockSource = "guest-unblock-source",
    GuestUnlockAccount = "guest-unlock-account",
    GuestRepairSshd = "guest-repair-sshd",
    GuestRenewPassword = "guest-renew-password",
    GuestAdmitAccount = "guest-admit-account",
    GuestAllowUser = "guest-allow-user",
    GuestAllowPassword = "guest-allow-password",
    GuestListenPort = "guest-listen-port",
    GuestDefaultAlgorithms = "guest-default-algorithms",
    GuestNoReverseDns = "guest-no-reverse-dns",
    GuestRaiseThrottle = "guest-raise-throttle",
    GuestRepairKeyLookup = "guest-repair-key-lookup",
    GuestRepairPam = "guest-repair-pam",
    GuestRepairShell = "guest-repair-shell",
    GuestAllowForwarding = "guest-allow-forwarding",
    GuestFreeLoginLog = "guest-free-login-log",
    GuestEnableRdp = "guest-enable-rdp",
    GuestFreeSpace = "guest-free-space",
    GuestRemountWritable = "guest-remount-writable",
    GuestRepairNetwork = "guest-repair-network",
    GuestMountTerminals = "guest-mount-terminals",
    GuestRepairProfile = "guest-repair-profile",
    GuestRestoreLabels = "guest-restore-labels",
    GuestRaiseConnections = "guest-raise-connections",
    GuestLowerMtu = "guest-lower-mtu",
    GuestAllowRdpUser = "guest-allow-rdp-user",
    GuestRenewCertificate = "guest-renew-certificate",
    GuestAllowTls = "guest-allow-tls",
    GuestFreePorts = "guest-free-ports",
    AuthorizeRepair = "authorize-repair",
    ProviderProbe = "provider-probe",
    Ticket = "ticket",
    Advice = "advice",
}

impl ActionId {
    /// One script in the guest, run by the automation agent.
    pub fn runs_in_guest(self) -> bool {
        self.as_str().starts_with("guest-")
    }

    /// Its rule or repair is for one source.
    pub fn is_for_a_source(self) -> bool {
        matches!(
            self,
            Self::OpenPort
                | Self::OpenCommonPorts
                | Self::AllowAcl
                | Self::GuestAllowPort
                | Self::GuestUnblockSource
        )
    }
}

/// Words of `cvmtop act TARGET` for an action and its parameters; what only a person knows stands in
/// capitals.
pub fn act_words(action: &str, parameters: &Map<String, Value>) -> String {
    let open = |name: &str| match name {
        "source" => "ADDRESS".to_owned(),
        other => other.to_uppercase(),
    };
    let mut words = action.to_owned();
    for (name, value) in parameters {
        let value = match value {
            Value::Null => open(name),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        words.push_str(&format!(" --set {name}={value}"));
    }
    // Everyone is never filled in: whoever opens it says for whom.
    let for_a_source = ActionId::parse(action).is_some_and(ActionId::is_for_a_source);
    if for_a_source && !parameters.contains_key("source") {
        words.push_str(&format!(" --set source={}", open("source")));
    }
    words
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An action that needs no second try in this incident: it did not bring login back, it failed, or
/// the cloud refused it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpentAction {
    pub action: String,
    /// As they were asked for, and as they were carried out.
    pub parameters: Map<String, Value>,
}

impl SpentAction {
    /// True if an offer would do the same again: what both name is the same.
    pub fn is(&self, action: &str, parameters: &Map<String, Value>) -> bool {
        let agrees = |(name, value): (&String, &Value)| {
            let was = self.parameters.get(name);
            value.is_null() || was.is_none_or(|was| same_value(was, value))
        };
        self.action == action && parameters.iter().all(agrees)
    }
}

/// Numbers may be written as text, an address as the network of it alone.
fn same_value(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    };
    let net = |text: &str| {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().or_else(alone)
    };
    let (one, other) = (text(one), text(other));
    one == other || net(&one).is_some_and(|one| net(&other) == Some(one))
}
