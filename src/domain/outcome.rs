//! How an action ended, for journal, console and command line.
//!
//! Must not live here: how that is found out (`runtime::execute`), or the words for it.

use serde::{Deserialize, Serialize};

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done; not verified, or nothing to verify.
    Done,
    /// Login works again.
    Restored,
    /// Not restored, but the probes get further than before.
    Improved,
    Unchanged,
    Worse,
    /// The cloud refused or the operation failed.
    Failed,
    /// It is not known whether it took effect.
    Unknown,
    /// The program ended before everything was sent; what was not sent stays unsent.
    Interrupted,
}

impl Outcome {
    /// True when the action was carried out and login is still broken.
    pub fn did_not_cure(self) -> bool {
        matches!(self, Self::Improved | Self::Unchanged | Self::Worse)
    }

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Restored => "restored",
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Worse => "worse",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
        }
    }
}
