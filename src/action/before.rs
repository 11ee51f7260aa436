//! What a shutdown would destroy or not survive, from what was read before it.
//!
//! Pure: readings in, sentences out. Must not live here: how they are read (`runtime::triage`).

use super::said;
use crate::domain::action::ActionId;
use crate::domain::evidence::state::{
    agent, console, disk, disk_io, guest_boot, guest_filesystem, guest_sshd_config, platform_event,
    reach, recent_change,
};
use crate::domain::evidence::{Reading, State, group};
use crate::domain::said::Said;

/// What is known of an instance just before an action that shuts it down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Readings that will be written down before the first call; `None` when nothing was read.
    pub readings: Option<usize>,
    /// Why it may not come back by itself.
    pub boot_risks: Vec<Said>,
    /// True when the guest's own boot was looked at.
    pub boot_checked: bool,
    /// Why the guest is known to be gone, so that nothing in it can be lost any more.
    pub guest_gone: Option<Said>,
    /// A soft restart that was accepted and did not end well, a short while ago.
    pub soft_failed: Option<Said>,
}

/// A state, and what it means for the next boot.
type Sign = (State<'static>, fn() -> Said);

/// What speaks against a boot that ends well.
const RISKS: &[Sign] = &[
    (guest_boot::FAILED_UNITS, said::units_failed_last),
    (guest_boot::EMERGENCY, said::last_boot_ended),
    (guest_filesystem::FULL, said::file_system_full),
    (guest_filesystem::INODES_FULL, said::file_system_no),
    (guest_filesystem::READ_ONLY, said::fs_read_only),
    (guest_sshd_config::INVALID, said::ssh_not_start),
    (disk::FULL, said::disks_full),
    (disk::READ_ONLY, said::disk_read_only),
    (disk_io::HANG, said::disk_hangs),
    (console::EMERGENCY_SHELL, said::console_emergency),
    (console::GRUB, said::console_boot_loader),
    (console::INITRAMFS, said::console_initrd),
    (console::FSCK, said::fs_check_running),
    (console::UPDATING, said::updates_installing),
    (console::RECOVERY, said::console_recovery),
    (platform_event::FAULT, said::platform_reports_fault),
    (platform_event::MAINTENANCE, said::platform_maintaining_host),
    (recent_change::RELEVANT_BEFORE_ONSET, said::changed_before),
];

/// States in which the guest is gone, whatever else is seen.
const GONE: &[Sign] = &[
    (console::PANIC, said::console_panic),
    (console::STOP_ERROR, said::console_stop_error),
    (platform_event::GUEST_CRASH, said::guest_crashed),
];

/// True for actions that end what runs in the guest, and with it evidence.
pub fn shuts_down(action: ActionId) -> bool {
    matches!(
        action,
        ActionId::Restart
            | ActionId::Stop
            | ActionId::ResetPassword
            | ActionId::BindKeyPair
            | ActionId::EnterRescue
    )
}

impl Before {
    /// What the readings say; nothing was looked at when there are none.
    pub fn of(readings: &[Reading]) -> Self {
        let told = |(state, words): &Sign| {
            readings
                .iter()
                .find(|reading| reading.seen() == Some(*state))
                .map(|reading| match reading.detail.as_str() {
                    "" => words(),
                    _ => said::told_with(words(), &reading.detail),
                })
        };
        Self {
            readings: (!readings.is_empty()).then_some(readings.len()),
            boot_risks: RISKS.iter().filter_map(told).collect(),
            boot_checked: readings
                .iter()
                .any(|reading| reading.id == group::GUEST_BOOT && reading.seen().is_some()),
            guest_gone: GONE.iter().find_map(told).or_else(|| silent(readings)),
            soft_failed: None,
        }
    }

    /// Sentences for the preview of a plan that shuts the instance down.
    pub fn warnings(&self) -> Vec<Said> {
        let mut warnings: Vec<Said> = self.boot_risks.iter().map(said::may_not_come).collect();
        if !self.boot_checked {
            warnings.push(said::whether_boots_again());
        }
        warnings
    }
}

/// The agent is offline and no probe gets an answer on any path that was tried.
fn silent(readings: &[Reading]) -> Option<Said> {
    let seen = |id: &'static str| {
        let states = readings.iter().filter_map(Reading::seen);
        states.filter(move |state| state.group == id)
    };
    let offline =
        seen(group::AGENT).any(|it| matches!(it, agent::OFFLINE_RECENT | agent::OFFLINE_LONG));
    let mut reached = seen(group::REACH).peekable();
    let nothing_answers = reached.peek().is_some() && reached.all(|it| it == reach::ALL_SILENT);
    (offline && nothing_answers).then(said::agent_off_silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Path, Source, Status};

    fn seen(id: &str, state: &str) -> Reading {
        Reading::observed(State::new(id, state), Source::Cloud, Said::raw("detail"))
    }

    #[test]
    fn a_guest_is_gone_only_when_something_says_so() {
        let reach = |state: &str, path| seen("reach", state).on_path(path);
        let gone = |readings: &[Reading]| Before::of(readings).guest_gone.is_some();
        assert!(!gone(&[]));
        assert!(!gone(&[seen("agent", "offline-long")]));
        assert!(!gone(&[
            seen("agent", "offline-long"),
            reach("all-silent", Path::Public),
            reach("refused", Path::Private),
        ]));
        assert!(gone(&[
            seen("agent", "offline-long"),
            reach("all-silent", Path::Public),
            reach("all-silent", Path::Private),
        ]));
        assert!(gone(&[seen("console", "panic"), seen("agent", "online")]));
        let unknown = Reading::without_state(
            "console",
            Source::Cloud,
            Status::NotPermitted,
            Said::raw(""),
        );
        assert!(!gone(&[unknown]));
    }

    #[test]
    fn what_was_not_looked_at_is_said_not_assumed() {
        let nothing = Before::of(&[]);
        assert_eq!(nothing.readings, None);
        assert!(nothing.warnings()[0].contains("was not looked at"));
        let looked = Before::of(&[seen("guest-boot", "ok")]);
        assert_eq!(looked.warnings(), Vec::<Said>::new());
        let risky = Before::of(&[seen("guest-boot", "emergency")]);
        assert!(risky.warnings()[0].contains("may not come back"));
    }
}
