//! The self-diagnosis of one instance: read as a triage reads, with what only it needs, and judged.
//!
//! Must not live here: judging (`check`), how it is shown.

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::session::Session;
use super::triage::{self, Triage, TriageOptions};
use crate::check::{Book, Input, judge};
use crate::domain::check::CheckReport;
use crate::domain::instance::Instance;

/// Reads and judges.
pub async fn run(session: &Session, instance: &Instance, options: &TriageOptions) -> CheckReport {
    // Nobody watches the readings arrive: the receiver is dropped at once.
    let (sink, _) = mpsc::channel(1);
    let options = TriageOptions {
        self_check: true,
        ..options.clone()
    };
    let triage = triage::run(session, instance, &options, sink).await;
    let deep = options.deep && session.settings.lets_look_inside();
    judged(session, instance, &triage, deep)
}

fn judged(session: &Session, instance: &Instance, triage: &Triage, deep: bool) -> CheckReport {
    let facts = triage.facts.as_ref();
    // What was read meanwhile is newer than what the list said.
    let now = facts.and_then(|facts| facts.instance.as_ref());
    let cloud = session.cloud.as_ref();
    let input = Input {
        instance: now.unwrap_or(instance),
        readings: &triage.readings,
        facts: facts.and_then(|facts| facts.check.as_ref()),
        guest: triage.guest.as_ref(),
        deep,
        cut_short: triage.cut_short,
        user_source: triage.vantage.user_source.as_deref(),
        site: cloud.and_then(|cloud| cloud.client.site()),
        at: Timestamp::now(),
    };
    judge(Book::shipped(), &input)
}
