//! What a shutdown would destroy or not survive, from what was read before it.
//!
//! Pure: readings in, sentences out. Must not live here: how they are read (`runtime::triage`).

use crate::domain::action::ActionId;
use crate::domain::evidence::{Reading, Status};

/// What is known of an instance just before an action that shuts it down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Readings that will be written down before the first call; `None` when nothing was read.
    pub readings: Option<usize>,
    /// Why it may not come back by itself.
    pub boot_risks: Vec<String>,
    /// True when the guest's own boot was looked at.
    pub boot_checked: bool,
    /// Why the guest is known to be gone, so that nothing in it can be lost any more.
    pub guest_gone: Option<String>,
    /// A soft restart that was accepted and did not end well, a short while ago.
    pub soft_failed: Option<String>,
}

/// Group, state, and what it means for the next boot.
const RISKS: &[(&str, &str, &str)] = &[
    (
        "guest-boot",
        "failed-units",
        "units failed at the last boot",
    ),
    (
        "guest-boot",
        "emergency",
        "the last boot ended in the emergency shell",
    ),
    ("guest-filesystem", "full", "a file system is full"),
    (
        "guest-filesystem",
        "inodes-full",
        "a file system has no inodes left",
    ),
    (
        "guest-filesystem",
        "read-only",
        "a file system is read-only, which a check at boot may have to mend",
    ),
    (
        "guest-sshd-config",
        "invalid",
        "the SSH service would not start with its present configuration",
    ),
    ("disk", "full", "the disks are full"),
    ("disk", "read-only", "a disk is read-only"),
    ("disk-io", "hang", "a disk hangs"),
    (
        "console",
        "emergency-shell",
        "the console shows the emergency shell",
    ),
    ("console", "grub", "the console shows the boot loader"),
    (
        "console",
        "initramfs",
        "the console shows the initial ramdisk",
    ),
    ("console", "fsck", "a file-system check is running"),
    ("console", "updating", "updates are being installed"),
    ("console", "recovery", "the console shows the recovery menu"),
    (
        "platform-event",
        "fault",
        "the platform reports a fault of the host",
    ),
    (
        "platform-event",
        "maintenance",
        "the platform is maintaining the host",
    ),
    (
        "recent-change",
        "relevant-before-onset",
        "something was changed shortly before the fault began",
    ),
];

/// States in which the guest is gone, whatever else is seen.
const GONE: &[(&str, &str, &str)] = &[
    ("console", "panic", "the console shows a kernel panic"),
    ("console", "stop-error", "the console shows a stop error"),
    (
        "platform-event",
        "guest-crash",
        "the platform reports that the guest crashed",
    ),
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
        let observed = |id: &'static str| {
            readings
                .iter()
                .filter(move |reading| reading.id == id && reading.status == Status::Observed)
        };
        let told = |(id, state, words): &(&'static str, &str, &str)| {
            observed(id)
                .find(|reading| reading.observed_state() == Some(state))
                .map(|reading| match reading.detail.as_str() {
                    "" => (*words).to_owned(),
                    detail => format!("{words} ({detail})"),
                })
        };
        Self {
            readings: (!readings.is_empty()).then_some(readings.len()),
            boot_risks: RISKS.iter().filter_map(told).collect(),
            boot_checked: observed("guest-boot").next().is_some(),
            guest_gone: GONE.iter().find_map(told).or_else(|| silent(readings)),
            soft_failed: None,
        }
    }

    /// Sentences for the preview of a plan that shuts the instance down.
    pub fn warnings(&self) -> Vec<String> {
        let mut said: Vec<String> = self
            .boot_risks
            .iter()
            .map(|risk| format!("it may not come back by itself: {risk}"))
            .collect();
        if !self.boot_checked {
            said.push(
                "whether it boots again was not looked at in the guest (fstab, kernel, pending updates): `cvmtop diagnose --deep` does".to_owned(),
            );
        }
        said
    }
}

/// The agent is offline and no probe gets an answer on any path that was tried.
fn silent(readings: &[Reading]) -> Option<String> {
    let state = |id: &'static str| {
        readings
            .iter()
            .filter(move |reading| reading.id == id)
            .filter_map(Reading::observed_state)
    };
    let offline = state("agent").any(|state| state.starts_with("offline"));
    let mut reached = state("reach").peekable();
    let nothing_answers = reached.peek().is_some() && reached.all(|state| state == "all-silent");
    (offline && nothing_answers).then(|| {
        "the automation agent is offline and nothing answers on any path that was tried".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Path, Source};

    fn seen(id: &str, state: &str) -> Reading {
        Reading::observed(id, Source::Cloud, state, "detail")
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
        let unknown = Reading::without_state("console", Source::Cloud, Status::NotPermitted, "");
        assert!(!gone(&[unknown]));
    }

    #[test]
    fn what_was_not_looked_at_is_said_not_assumed() {
        let nothing = Before::of(&[]);
        assert_eq!(nothing.readings, None);
        assert!(nothing.warnings()[0].contains("was not looked at"));
        let looked = Before::of(&[seen("guest-boot", "ok")]);
        assert_eq!(looked.warnings(), Vec::<String>::new());
        let risky = Before::of(&[seen("guest-boot", "emergency")]);
        assert!(risky.warnings()[0].contains("may not come back"));
    }
}
