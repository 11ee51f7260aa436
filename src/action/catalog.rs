//! The list of actions: title, parameters, risk and who can use them.
//!
//! One row per action; the command line, the console and `doctor` read it. Must not live here:
//! how an action is turned into calls (one file per family beside this one).

mod shared;

use self::shared::{ADDRESSED, ADMIT, GROUP, MINUTES, MODE, PEER, PORT, SOURCE, USER};
use super::{provider, said};
use crate::domain::action::{ActionId, Risk};
use crate::domain::instance::Os;
use crate::domain::said::Said;

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
#[derive(Debug, Clone, Copy)]
pub struct ParameterSpec {
    pub name: &'static str,
    pub kind: Kind,
    /// What it means and what is taken when it is not given.
    pub help: fn() -> Said,
    /// There is no plan without it.
    pub required: bool,
}

/// What is known of an action before any instance is looked at.
#[derive(Debug, Clone, Copy)]
pub struct CatalogRow {
    pub id: ActionId,
    pub title: fn() -> Said,
    pub parameters: &'static [ParameterSpec],
    pub risk: Risk,
    /// `None` for both systems.
    pub only_on: Option<Os>,
    /// API actions that the plan, its price inquiry, the calls, following them, settling them after
    /// a crash and the undo may send, as `service:Action`, beside [`EVERY`]. The diagnosis around an
    /// action is not among them.
    pub permissions: &'static [&'static str],
}

const MINUTES_OF_CAP: ParameterSpec = ParameterSpec {
    help: said::set_cap_back_after,
    ..MINUTES
};

/// What every action sends to find its instance and to read it again. sts `GetCallerIdentity`, which
/// tells the account for the journal, needs no permission.
pub const EVERY: &[&str] = &["cvm:DescribeInstances", "region:DescribeRegions"];
const RUN: &[&str] = &[
    "tat:DescribeAutomationAgentStatus",
    "tat:RunCommand",
    "tat:DescribeInvocationTasks",
];
const EDIT_RULES: &[&str] = &[
    "vpc:DescribeSecurityGroups",
    "vpc:DescribeSecurityGroupAssociationStatistics",
    "vpc:DescribeSecurityGroupPolicies",
    "vpc:CreateSecurityGroupPolicies",
    "vpc:DeleteSecurityGroupPolicies",
    "vpc:DescribeAddressTemplates",
    "vpc:DescribeAddressTemplateGroups",
    "vpc:DescribeServiceTemplates",
    "vpc:DescribeServiceTemplateGroups",
];

/// A repair of a Linux guest.
const fn linux(
    id: ActionId,
    title: fn() -> Said,
    risk: Risk,
    parameters: &'static [ParameterSpec],
) -> CatalogRow {
    on(Os::Linux, row(id, title, risk, parameters, RUN))
}

/// A repair of a Windows guest.
const fn windows(
    id: ActionId,
    title: fn() -> Said,
    risk: Risk,
    parameters: &'static [ParameterSpec],
) -> CatalogRow {
    on(Os::Windows, row(id, title, risk, parameters, RUN))
}

const fn row(
    id: ActionId,
    title: fn() -> Said,
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
        said::title_restart,
        Risk::High,
        &[MODE],
        &["cvm:RebootInstances"],
    ),
    row(
        ActionId::Start,
        said::title_start,
        Risk::Low,
        &[],
        &["cvm:StartInstances", "cvm:StopInstances"],
    ),
    row(
        ActionId::Stop,
        said::title_stop,
        Risk::High,
        &[MODE],
        &["cvm:StopInstances", "cvm:StartInstances"],
    ),
    row(
        ActionId::OpenPort,
        said::title_open_port,
        Risk::Low,
        &[
            PORT,
            ParameterSpec {
                name: "protocol",
                kind: Kind::Choice(&["tcp", "udp"]),
                help: said::tcp_unless_given,
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
        said::title_open_common,
        Risk::Medium,
        &[SOURCE, MINUTES, GROUP],
        EDIT_RULES,
    ),
    row(
        ActionId::AllowAcl,
        said::title_acl,
        Risk::Medium,
        &[PORT, ADMIT, MINUTES],
        &[
            "vpc:DescribeSubnets",
            "vpc:DescribeNetworkAcls",
            "vpc:DescribeNetworkAclQuintupleEntries",
            "vpc:ModifyNetworkAclEntries",
        ],
    ),
    row(
        ActionId::RestoreRoute,
        said::title_route,
        Risk::Medium,
        &[
            ParameterSpec {
                name: "source",
                kind: Kind::Source,
                help: said::route_source,
                required: false,
            },
            ParameterSpec {
                name: "route",
                kind: Kind::Id(&["rti-"]),
                help: said::route_to_enable,
                required: false,
            },
        ],
        &[
            "vpc:DescribeSubnets",
            "vpc:DescribeVpcs",
            "vpc:DescribeRouteTables",
            "vpc:EnableRoutes",
            "vpc:DisableRoutes",
            "vpc:CreateRoutes",
            "vpc:DeleteRoutes",
        ],
    ),
    row(
        ActionId::UnblockAddress,
        said::title_unblock,
        Risk::Medium,
        &[ParameterSpec {
            name: "address",
            kind: Kind::Address,
            help: said::address_to_lift,
            required: false,
        }],
        &[
            "antiddos:DescribeDDoSBlockRecords",
            "antiddos:DescribeIpBlockList",
            "antiddos:UnblockResources",
        ],
    ),
    row(
        ActionId::RaiseBandwidth,
        said::title_bandwidth,
        Risk::Medium,
        &[
            ParameterSpec {
                name: "mbps",
                kind: Kind::Number(1, 10_000),
                help: said::new_outbound_cap,
                required: true,
            },
            MINUTES_OF_CAP,
        ],
        &[
            "vpc:DescribeNetworkAccountType",
            "vpc:DescribeAddresses",
            "cvm:InquiryPriceResetInstancesInternetMaxBandwidth",
            "vpc:InquiryPriceModifyAddressesBandwidth",
            "cvm:ResetInstancesInternetMaxBandwidth",
            "vpc:ModifyAddressesBandwidth",
            "vpc:DescribeTaskResult",
        ],
    ),
    row(
        ActionId::AssociateSecurityGroup,
        said::title_group,
        Risk::Medium,
        &[ParameterSpec {
            name: "group",
            kind: Kind::Id(&["sg-"]),
            help: said::security_group_bind,
            required: true,
        }],
        &[
            "cvm:AssociateSecurityGroups",
            "cvm:DisassociateSecurityGroups",
        ],
    ),
    row(
        ActionId::AssociateAddress,
        said::title_address,
        Risk::Medium,
        &[
            ParameterSpec {
                name: "address",
                kind: Kind::Id(&["eip-"]),
                help: said::elastic_address_bind,
                required: false,
            },
            ParameterSpec {
                name: "mbps",
                kind: Kind::Number(1, 200),
                help: said::cap_new_address,
                required: false,
            },
        ],
        &[
            "vpc:DescribeNetworkAccountType",
            "vpc:DescribeAddresses",
            "vpc:InquiryPriceAllocateAddresses",
            "vpc:AllocateAddresses",
            "vpc:AssociateAddress",
            "vpc:DescribeTaskResult",
            "vpc:DisassociateAddress",
            "vpc:ReleaseAddresses",
        ],
    ),
    row(
        ActionId::ResetPassword,
        said::title_password,
        Risk::High,
        &[USER],
        &["cvm:ResetInstancesPassword"],
    ),
    on(
        Os::Linux,
        row(
            ActionId::BindKeyPair,
            said::title_key,
            Risk::High,
            &[ParameterSpec {
                name: "key",
                kind: Kind::Id(&["skey-"]),
                help: said::key_pair_bind,
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
        said::title_rescue,
        Risk::High,
        &[MODE],
        &[
            "cvm:EnterRescueMode",
            "cvm:ExitRescueMode",
            "cvm:StartInstances",
        ],
    ),
    row(
        ActionId::ExitRescue,
        said::title_leave_rescue,
        Risk::High,
        &[],
        &["cvm:ExitRescueMode", "cvm:StartInstances"],
    ),
    row(
        ActionId::VncUrl,
        said::title_vnc,
        Risk::None,
        &[],
        &["cvm:DescribeInstanceVncUrl"],
    ),
    row(
        ActionId::GuestRestartLoginService,
        said::restart_login_service,
        Risk::Low,
        &[],
        RUN,
    ),
    row(
        ActionId::GuestAllowPort,
        said::allow_login_port,
        Risk::Medium,
        &[PORT, ADDRESSED],
        RUN,
    ),
    row(
        ActionId::GuestUnblockSource,
        said::lift_guest_ban,
        Risk::Low,
        &[ParameterSpec {
            name: "source",
            kind: Kind::Source,
            help: said::banned_address_failing,
            required: false,
        }],
        RUN,
    ),
    row(
        ActionId::GuestUnlockAccount,
        said::unlock_account_guest,
        Risk::Medium,
        &[USER],
        RUN,
    ),
    linux(
        ActionId::GuestRepairSshd,
        said::repair_permissions_host,
        Risk::Medium,
        &[USER],
    ),
    linux(
        ActionId::GuestRenewPassword,
        said::title_renew_password,
        Risk::Low,
        &[USER],
    ),
    linux(
        ActionId::GuestAdmitAccount,
        said::title_admit_account,
        Risk::Medium,
        &[USER, ADDRESSED],
    ),
    linux(
        ActionId::GuestAllowUser,
        said::title_allow_user,
        Risk::Medium,
        &[USER, ADDRESSED],
    ),
    linux(
        ActionId::GuestAllowPassword,
        said::title_allow_password,
        Risk::Medium,
        &[USER, ADDRESSED],
    ),
    row(
        ActionId::GuestListenPort,
        said::title_listen_port,
        Risk::Medium,
        &[PORT],
        RUN,
    ),
    linux(
        ActionId::GuestDefaultAlgorithms,
        said::title_default_algorithms,
        Risk::Medium,
        &[],
    ),
    linux(
        ActionId::GuestNoReverseDns,
        said::title_no_reverse_dns,
        Risk::Low,
        &[],
    ),
    linux(
        ActionId::GuestRaiseThrottle,
        said::title_raise_throttle,
        Risk::Low,
        &[ADDRESSED],
    ),
    linux(
        ActionId::GuestRepairKeyLookup,
        said::title_key_lookup,
        Risk::Medium,
        &[USER],
    ),
    linux(
        ActionId::GuestRepairPam,
        said::title_repair_pam,
        Risk::Medium,
        &[],
    ),
    linux(
        ActionId::GuestRepairShell,
        said::title_repair_shell,
        Risk::Medium,
        &[USER],
    ),
    linux(
        ActionId::GuestAllowForwarding,
        said::title_allow_forwarding,
        Risk::Low,
        &[USER, ADDRESSED],
    ),
    linux(
        ActionId::GuestFreeLoginLog,
        said::set_oversized_login,
        Risk::Low,
        &[],
    ),
    windows(
        ActionId::GuestEnableRdp,
        said::enable_remote_desktop,
        Risk::Medium,
        &[],
    ),
    linux(
        ActionId::GuestFreeSpace,
        said::free_disk_space,
        Risk::Medium,
        &[],
    ),
    linux(
        ActionId::GuestRemountWritable,
        said::remount_writable,
        Risk::Medium,
        &[],
    ),
    linux(
        ActionId::GuestRepairNetwork,
        said::repair_guest_network,
        Risk::Medium,
        &[PEER],
    ),
    linux(
        ActionId::GuestMountTerminals,
        said::mount_terminals,
        Risk::Low,
        &[],
    ),
    linux(
        ActionId::GuestRepairProfile,
        said::repair_profile,
        Risk::Medium,
        &[USER],
    ),
    linux(
        ActionId::GuestRestoreLabels,
        said::restore_labels,
        Risk::Low,
        &[PORT, USER],
    ),
    linux(
        ActionId::GuestRaiseConnections,
        said::raise_connections,
        Risk::Low,
        &[],
    ),
    linux(
        ActionId::GuestLowerMtu,
        said::lower_packet_size,
        Risk::Low,
        &[PEER],
    ),
    windows(
        ActionId::GuestAllowRdpUser,
        said::allow_desktop_user,
        Risk::Medium,
        &[USER],
    ),
    windows(
        ActionId::GuestRenewCertificate,
        said::renew_certificate,
        Risk::Medium,
        &[],
    ),
    windows(ActionId::GuestAllowTls, said::allow_tls, Risk::Medium, &[]),
    windows(
        ActionId::GuestFreePorts,
        said::widen_port_range,
        Risk::Low,
        &[],
    ),
    row(
        ActionId::AuthorizeRepair,
        said::title_repair,
        Risk::High,
        &[ParameterSpec {
            name: "task",
            kind: Kind::Id(&["rep-"]),
            help: said::repair_task_only,
            required: false,
        }],
        &["cvm:DescribeTaskInfo", "cvm:RepairTaskControl"],
    ),
    row(
        ActionId::ProviderProbe,
        said::title_provider_probe,
        Risk::Low,
        &[],
        provider::CALLS,
    ),
    row(ActionId::Ticket, said::title_ticket, Risk::None, &[], &[]),
    row(ActionId::Advice, said::title_advice, Risk::None, &[], &[]),
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
