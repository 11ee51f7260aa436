//! What has been heard on a login port so far, for the steps that go on beside the conversation.
//!
//! Lives here: when a further connection would not disturb the tries, and when it is known whether
//! the server can be asked more. Must not live here: the steps themselves.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::talk::Heard;
use crate::probe::login::Talk;

/// A server that turns tries away does so by then; one that is waited for longer just says nothing.
const TURNED_AWAY_BY: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy, Default)]
struct SoFar {
    /// A try was turned away, so that further ones follow.
    turned_away: bool,
    /// The step after the first answer is over on one try.
    went_on: bool,
    /// Everything, once the conversation has ended.
    end: Option<Heard>,
}

/// One conversation as others see it.
#[derive(Debug)]
pub(super) struct Hearing(watch::Sender<SoFar>);

impl Default for Hearing {
    fn default() -> Self {
        Self(watch::Sender::new(SoFar::default()))
    }
}

impl Hearing {
    /// Notes one try that ended.
    pub fn heard(&self, talk: &Talk) {
        self.0.send_modify(|so_far| {
            so_far.turned_away |= talk.turned_away();
            so_far.went_on |= talk.went_on();
        });
    }

    /// Notes that the conversation has ended.
    pub fn ended(&self, heard: Heard) {
        self.0.send_modify(|so_far| so_far.end = Some(heard));
    }

    /// What the whole conversation came to.
    pub async fn end(&self) -> Heard {
        self.wait(|so_far| so_far.end.is_some())
            .await
            .end
            .unwrap_or_default()
    }

    /// Returns when a further connection changes nothing for the tries, the last of which starts at
    /// `all_started`: soon where they only wait, else at their end.
    pub async fn undisturbed(&self, all_started: Instant) {
        let soon = (all_started + TURNED_AWAY_BY).into();
        let ended = tokio::time::timeout_at(soon, self.end()).await;
        if ended.is_err() && self.0.borrow().turned_away {
            self.end().await;
        }
    }

    /// True as soon as it is known that the server got past its first answer and may be asked more.
    pub async fn can_be_asked(&self) -> bool {
        let so_far = self
            .wait(|so_far| so_far.end.is_some() || (so_far.went_on && !so_far.turned_away))
            .await;
        match so_far.end {
            Some(heard) => heard.identified && !heard.throttled && !heard.hung,
            None => true,
        }
    }

    async fn wait(&self, until: impl FnMut(&SoFar) -> bool) -> SoFar {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as this value: the wait cannot fail.
        receiver
            .wait_for(until)
            .await
            .map_or_else(|_| SoFar::default(), |so_far| *so_far)
    }
}
