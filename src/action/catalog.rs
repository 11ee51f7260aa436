//! The list of actions: title, parameters, risk and who can use them.
//!
//! One row per action; the command line, the console and `doctor` read it. Must not live here:
//! how an action is turned into calls (one file per family beside this one).

use crate::domain::action::{ActionId, Risk};
use crate::domain::instance::Os;

/// What a parameter may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1 to 65535.
    Port,
    /// A whole number between the two bounds.
    Number(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An address, a network, `user`, `here` or `any`.
    Source,
    /// One address.
    Address,
    /// An account name.
    User,
    /// A resource id that begins with one of these.
    Id(&'static [&'static str]),
}

/// One parameter of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterSpec {
    pub name: &'static str,
    pub kind: Kind,
    /// What it means and what is taken when it is not given.
    pub help: &'static str,
    /// There is no plan without it.
    pub required: bool,
}

/// What is known of an action before any instance is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogRow {
    pub id: ActionId,
    pub title: &'static str,
    pub parameters: &'static [ParameterSpec],
    pub risk: Risk,
    /// `None` for both systems.
    pub only_on: Option<Os>,
    /// API actions that may be sent, in the form of CAM policies.
    pub permissions: &'static [&'static str],
}

const MODE: ParameterSpec = ParameterSpec {
    name: "mode",
    kind: Kind::Choice(&["soft", "soft-first", "hard"]),
    help: "soft asks the system to shut down (default), soft-first cuts the power only if that fails, hard cuts the power",
    required: false,
};
const PORT: ParameterSpec = ParameterSpec {
    name: "port",
    kind: Kind::Port,
    help: "the login port of the instance unless given",
    required: false,
};
const SOURCE: ParameterSpec = ParameterSpec {
    name: "source",
    kind: Kind::Source,
    help: "address or network to let in; user = the failing user's address (default where known), here = this host, any = everyone",
    required: false,
};
const MINUTES: ParameterSpec = ParameterSpec {
    name: "minutes",
    kind: Kind::Number(1, 43_200),
    help: "take the rule away again after this time; it stays for good unless given",
    required: false,
};
const GROUP: ParameterSpec = ParameterSpec {
    name: "group",
    kind: Kind::Id(&["sg-"]),
    help: "security group to change; the one that decides and serves the fewest instances unless given",
    required: false,
};
const USER: ParameterSpec = ParameterSpec {
    name: "user",
    kind: Kind::User,
    help: "account; the default login user of the instance unless given",
    required: false,
};

const RUN: &[&str] = &["tat:RunCommand", "tat:DescribeInvocationTasks"];
const EDIT_RULES: &[&str] = &[
    "vpc:DescribeSecurityGroupPolicies",
    "vpc:CreateSecurityGroupPolicies",
    "vpc:DeleteSecurityGroupPolicies",
];

const fn row(
    id: ActionId,
    title: &'static str,
    risk: Risk,
    parameters: &'static [ParameterSpec],
    permissions: &'static [&'static str],
) -> CatalogRow {
    CatalogRow {
        id,
        title,
        parameters,
        risk,
        only_on: None,
        permissions,
    }
}

const fn on(os: Os, row: CatalogRow) -> CatalogRow {
    CatalogRow {
        only_on: Some(os),
        ..row
    }
}

/// Every action of the contract, in its order.
pub const CATALOG: &[CatalogRow] = &[
    row(
        ActionId::Restart,
        "Restart the instance",
        Risk::High,
        &[MODE],
        &["cvm:RebootInstances"],
    ),
    row(
        ActionId::Start,
        "Start the instance",
        Risk::Low,
        &[],
        &["cvm:StartInstances"],
    ),
    row(
        ActionId::Stop,
        "Stop the instance",
        Risk::High,
        &[MODE],
        &["cvm:StopInstances"],
    ),
    row(
        ActionId::OpenPort,
        "Open the login port in the security group",
        Risk::Low,
        &[
            PORT,
            ParameterSpec {
                name: "protocol",
                kind: Kind::Choice(&["tcp", "udp"]),
                help: "tcp unless given",
                required: false,
            },
            SOURCE,
            MINUTES,
            GROUP,
        ],
        EDIT_RULES,
    ),
    row(
        ActionId::OpenCommonPorts,
        "Open the common ports in the security group",
        Risk::Medium,
        &[SOURCE, MINUTES, GROUP],
        EDIT_RULES,
    ),
    row(
        ActionId::RaiseBandwidth,
        "Raise the public bandwidth cap",
        Risk::Medium,
        &[ParameterSpec {
            name: "mbps",
            kind: Kind::Number(1, 10_000),
            help: "new outbound cap in Mbit/s",
            required: true,
        }],
        &[
            "cvm:ResetInstancesInternetMaxBandwidth",
            "vpc:ModifyAddressesBandwidth",
        ],
    ),
    row(
        ActionId::AssociateSecurityGroup,
        "Bind another security group",
        Risk::Medium,
        &[ParameterSpec {
            name: "group",
            kind: Kind::Id(&["sg-"]),
            help: "security group to bind",
            required: true,
        }],
        &[
            "cvm:AssociateSecurityGroups",
            "cvm:DisassociateSecurityGroups",
        ],
    ),
    row(
        ActionId::AssociateAddress,
        "Bind a public address",
        Risk::Medium,
        &[
            ParameterSpec {
                name: "address",
                kind: Kind::Id(&["eip-"]),
                help: "elastic address to bind; a free one of the region, or else a new one, unless given",
                required: false,
            },
            ParameterSpec {
                name: "mbps",
                kind: Kind::Number(1, 200),
                help: "cap of a new address in Mbit/s; 5 unless given",
                required: false,
            },
        ],
        &[
            "vpc:AllocateAddresses",
            "vpc:AssociateAddress",
            "vpc:DisassociateAddress",
        ],
    ),
    row(
        ActionId::ResetPassword,
        "Reset the login password",
        Risk::High,
        &[USER],
        &["cvm:ResetInstancesPassword"],
    ),
    on(
        Os::Linux,
        row(
            ActionId::BindKeyPair,
            "Bind an SSH key pair",
            Risk::High,
            &[ParameterSpec {
                name: "key",
                kind: Kind::Id(&["skey-"]),
                help: "key pair to bind",
                required: true,
            }],
            &[
                "cvm:AssociateInstancesKeyPairs",
                "cvm:DisassociateInstancesKeyPairs",
            ],
        ),
    ),
    row(
        ActionId::EnterRescue,
        "Boot the rescue system",
        Risk::High,
        &[MODE],
        &["cvm:EnterRescueMode"],
    ),
    row(
        ActionId::ExitRescue,
        "Leave the rescue system and start",
        Risk::Medium,
        &[],
        &["cvm:ExitRescueMode", "cvm:StartInstances"],
    ),
    row(
        ActionId::VncUrl,
        "Get a VNC console address",
        Risk::None,
        &[],
        &["cvm:DescribeInstanceVncUrl"],
    ),
    row(
        ActionId::GuestRestartLoginService,
        "Restart the login service in the guest",
        Risk::Low,
        &[],
        RUN,
    ),
    row(
        ActionId::GuestAllowPort,
        "Allow the login port in the guest's firewall",
        Risk::Medium,
        &[
            PORT,
            ParameterSpec {
                name: "source",
                kind: Kind::Source,
                help: "address or network to let in; the failing user's where known, everyone that the security group lets through where not",
                required: false,
            },
        ],
        RUN,
    ),
    row(
        ActionId::GuestUnblockSource,
        "Lift the guest's ban of a source address",
        Risk::Low,
        &[ParameterSpec {
            name: "source",
            kind: Kind::Address,
            help: "banned address; the failing user's where known",
            required: false,
        }],
        RUN,
    ),
    row(
        ActionId::GuestUnlockAccount,
        "Unlock an account in the guest",
        Risk::Medium,
        &[USER],
        RUN,
    ),
    on(
        Os::Linux,
        row(
            ActionId::GuestRepairSshd,
            "Repair permissions and host keys of the SSH service",
            Risk::Medium,
            &[],
            RUN,
        ),
    ),
    on(
        Os::Linux,
        row(
            ActionId::GuestFreeLoginLog,
            "Set an oversized login log aside",
            Risk::Low,
            &[],
            RUN,
        ),
    ),
    on(
        Os::Windows,
        row(
            ActionId::GuestEnableRdp,
            "Enable Remote Desktop in the guest",
            Risk::Medium,
            &[],
            RUN,
        ),
    ),
    row(
        ActionId::AuthorizeRepair,
        "Authorise a pending platform repair",
        Risk::High,
        &[ParameterSpec {
            name: "task",
            kind: Kind::Id(&["rep-"]),
            help: "repair task; the only pending one unless given",
            required: false,
        }],
        &["cvm:DescribeTaskInfo", "cvm:RepairTaskControl"],
    ),
    row(
        ActionId::Ticket,
        "Write the bundle for a support ticket",
        Risk::None,
        &[],
        &[],
    ),
    row(
        ActionId::Advice,
        "Something only a person can do",
        Risk::None,
        &[],
        &[],
    ),
];

/// The row of an action.
pub fn row_of(id: ActionId) -> &'static CatalogRow {
    CATALOG
        .iter()
        .find(|row| row.id == id)
        .expect("the catalogue has a row for every id: a test counts them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_exactly_one_row_in_the_contract_order() {
        let rows: Vec<_> = CATALOG.iter().map(|row| row.id).collect();
        assert_eq!(rows, ActionId::ALL);
    }

    #[test]
    fn parameter_names_are_unique_within_an_action() {
        for row in CATALOG {
            let mut names: Vec<_> = row.parameters.iter().map(|p| p.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), row.parameters.len(), "{}", row.id);
        }
    }
}
