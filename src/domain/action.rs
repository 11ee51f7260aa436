//! Names and risk classes of actions, as the JSON contract has them.
//!
//! Must not live here: how an action is planned (`action`) or carried out (`runtime`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Risk of an action; decides how it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    None,
    Low,
    Medium,
    High,
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
    GuestFreeLoginLog = "guest-free-login-log",
    GuestEnableRdp = "guest-enable-rdp",
    AuthorizeRepair = "authorize-repair",
    Ticket = "ticket",
    Advice = "advice",
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
