//! Short messages at the foot of the screen, and the log that keeps all of them.
//!
//! Must not live here: drawing, or errors that belong to a place (those are shown there).

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// Lines that the log keeps.
const LOG_LINES: usize = 1_000;

/// Seconds for which the answer to a key stays before what merely arrived takes its place.
const ANSWER_STAYS: i64 = 4;

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The shown one answers a key.
    answers: bool,
    /// What arrived while an answer stood at the foot.
    waiting: Option<Notice>,
    log: VecDeque<Notice>,
}

impl Notices {
    /// Shows the answer to a key at once, and logs it.
    pub fn answer(&mut self, at: Timestamp, severity: Severity, text: impl Into<String>) {
        let notice = Notice {
            at,
            severity,
            text: text.into(),
        };
        self.log(notice.clone());
        self.shown = Some(notice);
        self.answers = true;
    }

    /// Shows a message that nobody asked for just now, and logs it.
    ///
    /// The answer to a key is read first, unless this weighs more: of several that wait, the last
    /// of the gravest is shown.
    pub fn push(&mut self, at: Timestamp, severity: Severity, text: impl Into<String>) {
        let notice = Notice {
            at,
            severity,
            text: text.into(),
        };
        self.log(notice.clone());
        let answer = self.shown.as_ref().filter(|_| self.answers);
        if answer.is_none_or(|answer| severity > answer.severity || stays_until(answer) <= at) {
            self.shown = Some(notice);
            self.answers = false;
        } else if self
            .waiting
            .as_ref()
            .is_none_or(|waiting| waiting.severity <= severity)
        {
            self.waiting = Some(notice);
        }
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

    /// Takes the shown message away, and what waited behind it.
    pub fn dismiss(&mut self) -> bool {
        self.waiting = None;
        self.shown.take().is_some()
    }

    /// When the shown message has to go.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.shown.as_ref().map(|notice| {
            if self.waiting.is_some() {
                stays_until(notice)
            } else {
                after(notice, notice.severity.seconds())
            }
        })
    }

    /// Drops the message if its time is over. True when something changed.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        // A clock that was put back must not keep a message for as long as it was put back.
        if let Some(notice) = self.shown.as_mut().filter(|notice| notice.at > now) {
            notice.at = now;
        }
        if self.expires_at().is_none_or(|at| at > now) {
            return false;
        }
        self.shown = self.waiting.take().map(|mut notice| {
            notice.at = now;
            notice
        });
        self.answers = false;
        true
    }
}

/// Until when an answer is not displaced by what weighs no more.
fn stays_until(answer: &Notice) -> Timestamp {
    after(answer, ANSWER_STAYS)
}

fn after(notice: &Notice, seconds: i64) -> Timestamp {
    notice
        .at
        .saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(notice.at)
}

#[cfg(test)]
mod tests {
    use super::{Notices, Severity};
    use jiff::{SignedDuration, Timestamp};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn shown(notices: &Notices) -> Option<&str> {
        notices.shown().map(|notice| notice.text.as_str())
    }

    #[test]
    fn the_answer_to_a_key_is_read_before_what_arrived_meanwhile() {
        let mut notices = Notices::default();
        notices.answer(at(0), Severity::Warning, "refused");
        notices.push(at(0), Severity::Warning, "ap-seoul: no answer");
        notices.push(at(1), Severity::Info, "listed");
        assert_eq!(shown(&notices), Some("refused"));
        assert!(!notices.expire(at(3)));
        assert!(notices.expire(at(4)));
        assert_eq!(shown(&notices), Some("ap-seoul: no answer"));
        assert!(!notices.expire(at(15)));
        assert!(notices.expire(at(16)));
        assert_eq!(shown(&notices), None);
        assert_eq!(notices.all().count(), 3);
    }

    #[test]
    fn what_weighs_more_and_the_next_answer_are_shown_at_once() {
        let mut notices = Notices::default();
        notices.answer(at(0), Severity::Info, "copied");
        notices.push(at(0), Severity::Error, "the link is gone");
        assert_eq!(shown(&notices), Some("the link is gone"));
        notices.answer(at(1), Severity::Info, "copied again");
        assert_eq!(shown(&notices), Some("copied again"));
        // An answer that was there for long enough gives way.
        notices.push(at(6), Severity::Info, "listed");
        assert_eq!(shown(&notices), Some("listed"));
    }

    #[test]
    fn esc_takes_all_of_it_away() {
        let mut notices = Notices::default();
        notices.answer(at(0), Severity::Warning, "refused");
        notices.push(at(0), Severity::Info, "listed");
        assert!(notices.dismiss());
        assert!(!notices.expire(at(9)));
        assert_eq!(shown(&notices), None);
        assert!(!notices.dismiss());
    }
}
