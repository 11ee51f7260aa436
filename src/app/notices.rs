//! Short messages at the foot of the screen, and the log that keeps all of them.
//!
//! Must not live here: drawing, or errors that belong to a place (those are shown there).

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// Lines that the log keeps.
const LOG_LINES: usize = 1_000;

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Info,
    Good,
    Warning,
    Error,
}

impl Severity {
    /// How long it stays at the foot.
    fn seconds(self) -> i64 {
        match self {
            Self::Info | Self::Good => 6,
            Self::Warning => 12,
            Self::Error => 30,
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub at: Timestamp,
    pub severity: Severity,
    pub text: String,
}

/// What is shown at the foot, and everything that was.
#[derive(Debug, Default)]
pub struct Notices {
    shown: Option<Notice>,
    log: VecDeque<Notice>,
}

impl Notices {
    /// Shows a message and logs it.
    pub fn push(&mut self, at: Timestamp, severity: Severity, text: impl Into<String>) {
        let notice = Notice {
            at,
            severity,
            text: text.into(),
        };
        self.log(notice.clone());
        self.shown = Some(notice);
    }

    /// Logs without showing.
    pub fn log(&mut self, notice: Notice) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(notice);
    }

    pub fn shown(&self) -> Option<&Notice> {
        self.shown.as_ref()
    }

    /// The log, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Notice> {
        self.log.iter()
    }

    pub fn dismiss(&mut self) -> bool {
        self.shown.take().is_some()
    }

    /// When the shown message has to go.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.shown.as_ref().map(|notice| {
            notice
                .at
                .saturating_add(SignedDuration::from_secs(notice.severity.seconds()))
                .unwrap_or(notice.at)
        })
    }

    /// Drops the message if its time is over. True when something changed.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        // A clock that was put back must not keep a message for as long as it was put back.
        if let Some(notice) = self.shown.as_mut().filter(|notice| notice.at > now) {
            notice.at = now;
        }
        if self.expires_at().is_some_and(|at| at <= now) {
            return self.dismiss();
        }
        false
    }
}
