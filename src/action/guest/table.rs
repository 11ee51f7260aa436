//! The guest repairs as a table: one row an action, one side a system.
//!
//! A new repair is a row here, a row of the catalogue, its script under `assets/guest/repair` and
//! its sentences. Must not live here: how a row becomes a plan (`guest`).

use super::Inputs;
use crate::action::said;
use crate::domain::action::ActionId;
use crate::domain::instance::Os;
use crate::domain::said::Said;

/// What a script is told beside its mode and mark. What is not taken is empty, or the login port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// `PORT`: of `port`, else the login port.
    Port,
    /// `SOURCE`: the address or network of `source`, else the failing user's; empty for everyone.
    Source,
    /// `SOURCE`: one address, which somebody has to name.
    Banned,
    /// `ACCOUNT`: of `user`, else the usual login account of the system.
    Account,
}

/// What a repair is on one system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub file: &'static str,
    pub body: &'static str,
    /// Text that several scripts share, put between the system's own common part and the body.
    pub shared: &'static [&'static str],
    /// What will be different.
    pub change: fn(&Inputs) -> Said,
    pub downtime: fn() -> Said,
    pub data_risk: fn() -> Said,
    pub back: Back,
}

/// How it is taken back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Back {
    /// The same script in its other mode; how that is said.
    Script(fn() -> Said),
    /// Not at all; why.
    None(fn() -> Said),
}

/// One repair.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub id: ActionId,
    pub takes: &'static [Take],
    pub linux: Option<Side>,
    pub windows: Option<Side>,
}

impl Row {
    /// The side for a system; none for one that is not known.
    pub fn side(&self, os: Os) -> Option<&Side> {
        match os {
            Os::Linux => self.linux.as_ref(),
            Os::Windows => self.windows.as_ref(),
            Os::Unknown => None,
        }
    }
}

/// Files changed so that the undo puts back exactly what was.
const EDIT: &[&str] = &[include_str!("../../../assets/guest/repair/linux-edit.sh")];
/// And the SSH service: its files, what they come to, taking them up.
const SSHD: &[&str] = &[
    EDIT[0],
    include_str!("../../../assets/guest/repair/linux-sshd.sh"),
];

type File = (&'static str, &'static str);

macro_rules! file {
    ($file:literal) => {
        (
            $file,
            include_str!(concat!("../../../assets/guest/repair/", $file)),
        )
    };
}

/// A side that interrupts nobody, edits only what it keeps a copy of, and can be taken back.
const fn side(file: File, change: fn(&Inputs) -> Said) -> Side {
    Side {
        file: file.0,
        body: file.1,
        shared: &[],
        change,
        downtime: said::none,
        data_risk: said::none_what_edited,
        back: Back::Script(said::runs_same_script),
    }
}

impl Side {
    /// Also with what several scripts share.
    const fn with(self, shared: &'static [&'static str]) -> Self {
        Self { shared, ..self }
    }

    const fn interrupts(self, downtime: fn() -> Said) -> Self {
        Self { downtime, ..self }
    }

    const fn loses(self, data_risk: fn() -> Said) -> Self {
        Self { data_risk, ..self }
    }

    const fn no_way_back(self, why: fn() -> Said) -> Self {
        Self {
            back: Back::None(why),
            ..self
        }
    }
}

const FIREWALL: &[&str] = &[file!("linux-firewall.sh").1];

/// Every repair, in the order of the contract.
pub(super) const TABLE: &[Row] = &[
    Row {
        id: ActionId::GuestRestartLoginService,
        takes: &[],
        linux: Some(
            side(file!("linux-restart-login-service.sh"), |_| {
                said::login_service_restarts()
            })
            .with(SSHD)
            .interrupts(said::new_logins_wait)
            .no_way_back(said::restart_service_cannot),
        ),
        windows: Some(
            side(file!("windows-restart-login-service.ps1"), |_| {
                said::desktop_service_restarts()
            })
            .interrupts(said::desktop_sessions_cut)
            .no_way_back(said::restart_service_cannot),
        ),
    },
    Row {
        id: ActionId::GuestAllowPort,
        takes: &[Take::Port, Take::Source],
        linux: Some(
            side(file!("linux-allow-port.sh"), |i| {
                said::one_rule_top(i.from(), i.port)
            })
            .with(FIREWALL),
        ),
        windows: Some(side(file!("windows-allow-port.ps1"), |i| {
            said::one_rule_more(i.from(), i.port)
        })),
    },
    Row {
        id: ActionId::GuestUnblockSource,
        takes: &[Take::Banned],
        linux: Some(
            side(file!("linux-unblock-source.sh"), |i| {
                said::bans_name_exactly(&i.source)
            })
            .with(FIREWALL),
        ),
        windows: Some(side(file!("windows-unblock-source.ps1"), |i| {
            said::bans_name_exactly(&i.source)
        })),
    },
    Row {
        id: ActionId::GuestUnlockAccount,
        takes: &[Take::Account],
        linux: Some(
            side(file!("linux-unlock-account.sh"), |i| {
                said::locks_failure_counters(&i.account)
            })
            .with(EDIT),
        ),
        windows: Some(side(file!("windows-unlock-account.ps1"), |i| {
            said::locks_failure_counters(&i.account)
        })),
    },
    Row {
        id: ActionId::GuestRepairSshd,
        takes: &[Take::Account],
        linux: Some(
            side(file!("linux-repair-sshd.sh"), |i| {
                said::sshd_put_in_order(&i.account)
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestRenewPassword,
        takes: &[Take::Account],
        linux: Some(
            side(file!("linux-renew-password.sh"), |i| {
                said::password_new_term(&i.account)
            })
            .with(EDIT),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestAdmitAccount,
        takes: &[Take::Account, Take::Source],
        linux: Some(
            side(file!("linux-admit-account.sh"), |i| {
                said::account_let_through(&i.account, i.from())
            })
            .with(EDIT),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestAllowUser,
        takes: &[Take::Account, Take::Source],
        linux: Some(
            side(file!("linux-allow-user.sh"), |i| {
                said::lists_let_in(&i.account, i.from())
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestAllowPassword,
        takes: &[Take::Account, Take::Source],
        linux: Some(
            side(file!("linux-allow-password.sh"), |i| {
                said::passwords_let_in(&i.account, i.from())
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestListenPort,
        takes: &[Take::Port],
        linux: Some(
            side(file!("linux-listen-port.sh"), |i| {
                said::port_listened(i.port)
            })
            .with(SSHD),
        ),
        windows: Some(
            side(file!("windows-listen-port.ps1"), |i| {
                said::desktop_listens(i.port)
            })
            .interrupts(said::desktop_sessions_cut),
        ),
    },
    Row {
        id: ActionId::GuestDefaultAlgorithms,
        takes: &[],
        linux: Some(
            side(file!("linux-default-algorithms.sh"), |_| {
                said::algorithms_default()
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestNoReverseDns,
        takes: &[],
        linux: Some(
            side(file!("linux-no-reverse-dns.sh"), |_| {
                said::names_not_looked_up()
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestRaiseThrottle,
        takes: &[Take::Source],
        linux: Some(side(file!("linux-raise-throttle.sh"), |_| said::more_may_wait()).with(SSHD)),
        windows: None,
    },
    Row {
        id: ActionId::GuestRepairKeyLookup,
        takes: &[Take::Account],
        linux: Some(
            side(file!("linux-repair-key-lookup.sh"), |i| {
                said::helper_put_right(&i.account)
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestRepairPam,
        takes: &[],
        linux: Some(side(file!("linux-repair-pam.sh"), |_| said::pam_mended()).with(EDIT)),
        windows: None,
    },
    Row {
        id: ActionId::GuestRepairShell,
        takes: &[Take::Account],
        linux: Some(
            side(file!("linux-repair-shell.sh"), |i| {
                said::shell_given(&i.account)
            })
            .with(EDIT),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestAllowForwarding,
        takes: &[Take::Account, Take::Source],
        linux: Some(
            side(file!("linux-allow-forwarding.sh"), |i| {
                said::forwards_for(&i.account, i.from())
            })
            .with(SSHD),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestFreeLoginLog,
        takes: &[],
        linux: Some(side(file!("linux-free-login-log.sh"), |_| {
            said::login_logs_above()
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestEnableRdp,
        takes: &[],
        linux: None,
        windows: Some(side(file!("windows-enable-rdp.ps1"), |_| {
            said::remote_desktop_switched()
        })),
    },
    Row {
        id: ActionId::GuestFreeSpace,
        takes: &[],
        linux: Some(
            side(file!("linux-free-space.sh"), |_| said::room_is_made())
                .loses(said::removed_for_good)
                .no_way_back(said::removed_not_kept),
        ),
        windows: None,
    },
    Row {
        id: ActionId::GuestRemountWritable,
        takes: &[],
        linux: Some(side(file!("linux-remount-writable.sh"), |_| {
            said::file_systems_writable()
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestRepairNetwork,
        takes: &[Take::Source],
        linux: Some(side(file!("linux-repair-network.sh"), |i| {
            said::answers_leave_right(i.from())
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestMountTerminals,
        takes: &[],
        linux: Some(side(file!("linux-mount-terminals.sh"), |_| {
            said::terminals_are_back()
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestRepairProfile,
        takes: &[Take::Account],
        linux: Some(side(file!("linux-repair-profile.sh"), |i| {
            said::line_becomes_comment(&i.account)
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestRestoreLabels,
        takes: &[Take::Port, Take::Account],
        linux: Some(side(file!("linux-restore-labels.sh"), |i| {
            said::labels_as_policy(&i.account, i.port)
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestRaiseConnections,
        takes: &[],
        linux: Some(side(file!("linux-raise-connections.sh"), |_| {
            said::limits_go_up()
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestLowerMtu,
        takes: &[Take::Source],
        linux: Some(side(file!("linux-lower-mtu.sh"), |i| {
            said::packets_get_smaller(i.from())
        })),
        windows: None,
    },
    Row {
        id: ActionId::GuestAllowRdpUser,
        takes: &[Take::Account],
        linux: None,
        windows: Some(side(file!("windows-allow-rdp-user.ps1"), |i| {
            said::member_of_desktop(&i.account)
        })),
    },
    Row {
        id: ActionId::GuestRenewCertificate,
        takes: &[],
        linux: None,
        windows: Some(
            side(file!("windows-renew-certificate.ps1"), |_| {
                said::certificate_made_anew()
            })
            .interrupts(said::desktop_sessions_cut),
        ),
    },
    Row {
        id: ActionId::GuestAllowTls,
        takes: &[],
        linux: None,
        windows: Some(
            side(file!("windows-allow-tls.ps1"), |_| said::tls_enabled())
                .interrupts(said::desktop_sessions_cut),
        ),
    },
    Row {
        id: ActionId::GuestFreePorts,
        takes: &[],
        linux: None,
        windows: Some(side(file!("windows-free-ports.ps1"), |_| {
            said::range_gets_wider()
        })),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::catalog::{CATALOG, Kind};

    #[test]
    fn every_guest_action_has_a_row_for_the_systems_that_the_catalogue_names() {
        let rows: Vec<_> = TABLE.iter().map(|row| row.id).collect();
        let ids = CATALOG.iter().filter(|row| row.id.runs_in_guest());
        assert_eq!(rows, ids.clone().map(|row| row.id).collect::<Vec<_>>());
        for (row, known) in TABLE.iter().zip(ids) {
            for (os, side) in [(Os::Linux, &row.linux), (Os::Windows, &row.windows)] {
                let wanted = known.only_on.is_none_or(|only| only == os);
                assert_eq!(side.is_some(), wanted, "{} on {os:?}", row.id);
            }
            // What a person can give reaches the script, and nothing is asked for in vain.
            let mut given: Vec<_> = known.parameters.iter().map(|p| p.kind).collect();
            for take in row.takes {
                let kind = match take {
                    Take::Port => Kind::Port,
                    Take::Source | Take::Banned => Kind::Source,
                    Take::Account => Kind::User,
                };
                let at = given.iter().position(|k| *k == kind);
                given.remove(at.unwrap_or_else(|| panic!("{} cannot be given {take:?}", row.id)));
            }
            assert_eq!(given, [], "{}", row.id);
        }
    }

    #[test]
    fn what_is_said_of_windows_speaks_of_windows() {
        for side in TABLE.iter().filter_map(|row| row.windows.as_ref()) {
            let inputs = Inputs::default();
            for said in [
                (side.change)(&inputs),
                (side.downtime)(),
                (side.data_risk)(),
            ] {
                assert!(!said.contains("SSH"), "{}: {said}", side.file);
            }
        }
    }
}
