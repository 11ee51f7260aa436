//! Every action of the contract on the instance of the demo cloud that it is for: what is sent,
//! how it ends, what takes it back. Walked without a screen and by keys.

use cvmtop::domain::action::ActionId;

use super::lab::Lab;

/// One action on the instance that it is for.
pub struct Deed {
    pub target: &'static str,
    pub action: ActionId,
    pub sets: &'static [&'static str],
    pub calls: &'static [&'static str],
    /// Outcome with `--wait`; `any` where nothing is said but that it took effect.
    pub outcome: &'static str,
    /// Calls of the undo; empty where there is none.
    pub undo: &'static [&'static str],
}

const fn deed(
    target: &'static str,
    action: ActionId,
    sets: &'static [&'static str],
    calls: &'static [&'static str],
    outcome: &'static str,
    undo: &'static [&'static str],
) -> Deed {
    Deed {
        target,
        action,
        sets,
        calls,
        outcome,
        undo,
    }
}

use ActionId as A;

const RUN: &[&str] = &["RunCommand"];

pub const DEEDS: &[Deed] = &[
    deed(
        "sensor-01",
        A::Restart,
        &[],
        &["RebootInstances"],
        "restored",
        &[],
    ),
    deed(
        "staging-web-01",
        A::Start,
        &[],
        &["StartInstances"],
        "restored",
        &["StopInstances"],
    ),
    deed(
        "shop-web-02",
        A::Stop,
        &[],
        &["StopInstances"],
        "done",
        &["StartInstances"],
    ),
    deed(
        "shop-api-01",
        A::OpenPort,
        &["source=here"],
        &["CreateSecurityGroupPolicies"],
        "restored",
        &["DeleteSecurityGroupPolicies"],
    ),
    deed(
        "report-01",
        A::OpenCommonPorts,
        &["source=any"],
        &["CreateSecurityGroupPolicies"],
        "unchanged",
        &["DeleteSecurityGroupPolicies"],
    ),
    deed(
        "shop-api-01",
        A::AssociateSecurityGroup,
        &["group=@shop-web-01"],
        &["AssociateSecurityGroups"],
        "restored",
        &["DisassociateSecurityGroups"],
    ),
    deed(
        "media-01",
        A::RaiseBandwidth,
        &["mbps=80"],
        &["ResetInstancesInternetMaxBandwidth"],
        "any",
        &["ResetInstancesInternetMaxBandwidth"],
    ),
    deed(
        "docs-01",
        A::RaiseBandwidth,
        &["mbps=5"],
        &["ModifyAddressesBandwidth"],
        "restored",
        &["ModifyAddressesBandwidth"],
    ),
    deed(
        "orders-db-01",
        A::AllowAcl,
        &["source=here"],
        &["ModifyNetworkAclEntries"],
        "restored",
        &["ModifyNetworkAclEntries"],
    ),
    deed(
        "batch-01",
        A::AllowAcl,
        &["source=here", "minutes=30"],
        &["ModifyNetworkAclEntries"],
        "restored",
        &["ModifyNetworkAclEntries"],
    ),
    deed(
        "partner-app-01",
        A::RestoreRoute,
        &["source=here"],
        &["EnableRoutes"],
        "restored",
        &["DisableRoutes"],
    ),
    deed(
        "game-01",
        A::UnblockAddress,
        &[],
        &["UnblockResources"],
        "restored",
        &[],
    ),
    deed(
        "cache-01",
        A::AssociateAddress,
        &[],
        &["AssociateAddress"],
        "restored",
        &["DisassociateAddress"],
    ),
    deed(
        "shop-web-01",
        A::ResetPassword,
        &[],
        &["ResetInstancesPassword"],
        "done",
        &[],
    ),
    deed(
        "public-git-01",
        A::BindKeyPair,
        &["key=skey-abcd1234"],
        &["AssociateInstancesKeyPairs"],
        "any",
        &["DisassociateInstancesKeyPairs"],
    ),
    deed(
        "backup-01",
        A::EnterRescue,
        &["mode=soft-first"],
        &["EnterRescueMode"],
        "done",
        &["ExitRescueMode", "StartInstances"],
    ),
    deed(
        "wiki-01",
        A::ExitRescue,
        &[],
        &["ExitRescueMode", "StartInstances"],
        "restored",
        &[],
    ),
    deed(
        "shop-web-02",
        A::VncUrl,
        &[],
        &["DescribeInstanceVncUrl"],
        "done",
        &[],
    ),
    deed(
        "queue-01",
        A::GuestRestartLoginService,
        &[],
        RUN,
        "restored",
        &[],
    ),
    deed(
        "pay-01",
        A::GuestAllowPort,
        &["source=here"],
        RUN,
        "restored",
        RUN,
    ),
    deed(
        "ci-01",
        A::GuestUnblockSource,
        &["source=203.0.113.7"],
        RUN,
        "any",
        RUN,
    ),
    deed("ftp-01", A::GuestUnlockAccount, &[], RUN, "done", RUN),
    deed("clone-07", A::GuestRepairSshd, &[], RUN, "any", RUN),
    deed("audit-01", A::GuestRenewPassword, &[], RUN, "any", RUN),
    deed(
        "audit-01",
        A::GuestAdmitAccount,
        &["source=203.0.113.7"],
        RUN,
        "any",
        RUN,
    ),
    deed(
        "audit-01",
        A::GuestAllowUser,
        &["source=203.0.113.7"],
        RUN,
        "any",
        RUN,
    ),
    deed(
        "keyed-01",
        A::GuestAllowPassword,
        &["source=203.0.113.7"],
        RUN,
        "any",
        RUN,
    ),
    deed("git-01", A::GuestListenPort, &[], RUN, "any", RUN),
    deed("scada-01", A::GuestDefaultAlgorithms, &[], RUN, "any", RUN),
    deed("dns-test-01", A::GuestNoReverseDns, &[], RUN, "any", RUN),
    deed("public-git-01", A::GuestRaiseThrottle, &[], RUN, "any", RUN),
    deed("audit-01", A::GuestRepairKeyLookup, &[], RUN, "any", RUN),
    deed("hardened-01", A::GuestRepairPam, &[], RUN, "any", RUN),
    deed("batch-user-01", A::GuestRepairShell, &[], RUN, "any", RUN),
    deed(
        "audit-01",
        A::GuestAllowForwarding,
        &["source=203.0.113.7"],
        RUN,
        "any",
        RUN,
    ),
    deed("bastion-01", A::GuestFreeLoginLog, &[], RUN, "any", RUN),
    deed("office-rds-01", A::GuestEnableRdp, &[], RUN, "done", RUN),
    deed("logs-01", A::GuestFreeSpace, &[], RUN, "any", &[]),
    deed("backup-01", A::GuestRemountWritable, &[], RUN, "any", RUN),
    deed("shop-web-02", A::GuestRepairNetwork, &[], RUN, "any", RUN),
    deed("shop-web-02", A::GuestMountTerminals, &[], RUN, "any", RUN),
    deed("shop-web-02", A::GuestRepairProfile, &[], RUN, "any", RUN),
    deed("shop-web-02", A::GuestRestoreLabels, &[], RUN, "any", RUN),
    deed(
        "shop-web-02",
        A::GuestRaiseConnections,
        &[],
        RUN,
        "any",
        RUN,
    ),
    deed("vpn-peer-01", A::GuestLowerMtu, &[], RUN, "any", RUN),
    deed("contractor-01", A::GuestAllowRdpUser, &[], RUN, "any", RUN),
    deed("cert-01", A::GuestRenewCertificate, &[], RUN, "any", RUN),
    deed("office-rds-01", A::GuestAllowTls, &[], RUN, "any", RUN),
    deed("proxy-win-01", A::GuestFreePorts, &[], RUN, "any", RUN),
    deed(
        "erp-01",
        A::AuthorizeRepair,
        &[],
        &["RepairTaskControl"],
        "any",
        &[],
    ),
];

impl Deed {
    /// The parameters as words; `@NAME` stands for that instance's first security group.
    pub fn words(&self, lab: &Lab) -> Vec<String> {
        let word = |set: &&str| match set.split_once('@') {
            Some((name, instance)) => {
                let group = &lab.instance(instance)["SecurityGroupIds"][0];
                format!("{name}{}", group.as_str().expect("an id"))
            }
            None => (*set).to_owned(),
        };
        self.sets.iter().map(word).collect()
    }

    /// The command that does it, with `more` at its end.
    #[allow(dead_code, reason = "not every test needs every helper")]
    pub fn command(&self, lab: &Lab, more: &[&str]) -> Vec<String> {
        let mut words = vec!["act", self.target, self.action.as_str()];
        let sets = self.words(lab);
        for set in &sets {
            words.extend(["--set", set]);
        }
        words.extend(more);
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Nothing of the contract is left out but what is no action of the cloud.
pub fn tried() {
    // The probe is a part of a diagnosis: `program providers::`.
    let without = [A::Ticket, A::Advice, A::ProviderProbe];
    for id in ActionId::ALL {
        let told = DEEDS.iter().any(|deed| deed.action == *id);
        assert!(told || without.contains(id), "{id} is not tried");
    }
}
