//! Whether a state of an evidence group is as it should be, in trouble, or says nothing.
//!
//! For colour and sign only; what it means for causes is the knowledge's business (`diagnosis`).

use crate::domain::evidence::{Reading, Status};

/// How a reading is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warn,
    Bad,
    /// Observed, but neither good nor bad.
    Neutral,
    /// Not observed; see the status.
    Unknown,
}

const GOOD: &[&str] = &[
    "open",
    "fast",
    "common",
    "password-and-key",
    "key-only",
    "prompt",
    "same",
    "nla",
    "tls",
    "valid",
    "clean",
    "ok",
    "reachable",
    "accepted",
    "running",
    "succeeded",
    "normal",
    "positive",
    "present",
    "nonzero",
    "allow",
    "low",
    "online",
    "login-prompt",
    "expected-port",
    "yes",
    "nla-required",
    "nla-optional",
    "better",
];
const WARN: &[&str] = &[
    "open-login-only",
    "flaky",
    "slow",
    "throttle-notice",
    "mixed",
    "legacy-only",
    "legacy",
    "password-only",
    "lossy",
    "transitional",
    "rescue",
    "high",
    "attacked",
    "nearly-full",
    "maintenance-planned",
    "maintenance",
    "relevant-before-onset",
    "allow-other-source-only",
    "accepted-slow",
    "changed",
    "offline-recent",
    "capped",
    "found",
    "not-yet-valid",
    "suspicious",
    "worse",
    "intermittent",
    "guest-reboot",
];
const NEUTRAL: &[&str] = &[
    "none",
    "no-data",
    "unresolved",
    "new",
    "unrecognised",
    "after-onset",
    "never",
    "everyone",
    "one-user",
    "one-network",
    "blank",
    "grub",
];

/// Tone of a state of a group.
pub fn tone_of(id: &str, state: &str) -> Tone {
    match (id, state) {
        ("kex" | "guest-listener" | "public-address", "none")
        | ("host-key", "changed")
        | ("login-attempt", "closed-after-auth") => Tone::Bad,
        ("ddos-block" | "platform-event" | "guest-source-block" | "network-acl", "none") => {
            Tone::Good
        }
        (_, state) if GOOD.contains(&state) => Tone::Good,
        (_, state) if WARN.contains(&state) => Tone::Warn,
        (_, state) if NEUTRAL.contains(&state) => Tone::Neutral,
        _ => Tone::Bad,
    }
}

/// Tone of a reading; everything that was not observed is unknown, never bad.
pub fn tone(reading: &Reading) -> Tone {
    match (reading.status, reading.state.as_deref()) {
        (Status::Observed, Some(state)) => tone_of(&reading.id, state),
        _ => Tone::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::Source;
    use crate::domain::said::Said;

    #[test]
    fn what_was_not_observed_is_never_bad() {
        for status in [
            Status::NotAttempted,
            Status::NotPermitted,
            Status::ProbeFailed,
            Status::NotApplicable,
            Status::Stale,
            Status::Void,
        ] {
            let mut reading = Reading::without_state("reach", Source::Probe, status, Said::raw(""));
            reading.state = Some("all-silent".into());
            assert_eq!(tone(&reading), Tone::Unknown);
        }
    }

    #[test]
    fn the_same_word_can_be_good_or_bad() {
        assert_eq!(tone_of("ddos-block", "none"), Tone::Good);
        assert_eq!(tone_of("kex", "none"), Tone::Bad);
        assert_eq!(tone_of("recent-change", "none"), Tone::Neutral);
    }
}
