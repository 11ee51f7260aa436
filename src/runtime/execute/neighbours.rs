//! What others (and earlier runs) did or are doing on an instance, by the journal they share.
//!
//! Must not live here: settling entries (`settle`).

use jiff::{SignedDuration, Timestamp};

use super::Desk;
use crate::domain::action::{ActionId, SpentAction};
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::said::{Said, Table, Word};
use crate::runtime::said;
use crate::store::journal::{CallResult, Contents, Entry, EntryState};
use crate::store::said::outcome_done;

/// How far back an action still matters to the next one.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// How far back a cure that failed still speaks against what it cures.
const SAME_INCIDENT: SignedDuration = SignedDuration::from_hours(12);
/// Most sentences for one preview.
const MOST: usize = 5;

/// Sentences for the preview: who is at work on the instance now, and who was a short while ago.
pub(super) fn notes(desk: &Desk, contents: &Contents, instance: &Instance) -> Vec<Said> {
    let now = Timestamp::now();
    contents
        .entries
        .iter()
        .rev()
        .filter(|entry| entry.plan.target.id == instance.id || shares_group(entry, instance))
        .filter_map(|entry| note(desk, entry, now))
        .take(MOST)
        .collect()
}

/// True while an entry changes rules that this instance uses too.
fn shares_group(entry: &Entry, instance: &Instance) -> bool {
    entry.state == EntryState::InFlight
        && entry
            .plan
            .rules
            .as_ref()
            .is_some_and(|rules| instance.security_group_ids.contains(&rules.group))
}

fn note(desk: &Desk, entry: &Entry, now: Timestamp) -> Option<Said> {
    let author = &entry.author;
    let same = author.pid == desk.author.pid && author.host == desk.author.host;
    let own = same && !entry.elsewhere;
    let who = if own {
        said::this_console()
    } else {
        said::author(&author.user, &author.host, author.pid)
    };
    let action = Word::new(Table::Action, entry.plan.action.as_str());
    let what = said::action_on(action, entry.plan.target.label());
    if entry.state == EntryState::InFlight {
        // A lock that cannot be asked for is taken for held: better one warning too many.
        let held = desk.journal.is_under_way(entry).unwrap_or(true);
        return Some(if held {
            said::under_way_by(who, what, &entry.id)
        } else {
            said::interrupted_of(what, who, &entry.id)
        });
    }
    let ended = entry.ended?;
    let ago = now.duration_since(ended);
    (ago < RECENT && !own).then(|| {
        let outcome = entry.outcome.map_or_else(outcome_done, Outcome::said);
        said::did_ago(who, what, ago.as_mins().max(0), outcome, &entry.id)
    })
}

/// How the last soft restart of the instance failed, when it was accepted and did not end well.
pub fn soft_failed(contents: &Contents, instance: &str) -> Option<Said> {
    let now = Timestamp::now();
    let last = contents.entries.iter().rev().find(|entry| {
        entry.plan.target.id == instance
            && entry.plan.action == ActionId::Restart
            && now.duration_since(entry.began) < RECENT
    })?;
    let call = last.calls.last()?;
    let accepted = matches!(
        call.result,
        Some(CallResult::Answered { .. } | CallResult::Settled { arrived: true, .. })
    );
    let soft = last
        .plan
        .parameters
        .get("mode")
        .and_then(|mode| mode.as_str())
        == Some("soft");
    (soft && accepted && call.ended == Some(false))
        .then(|| said::detail_of_entry(&call.detail, &last.id))
}

/// Actions that were carried out on the instance in the incident that lasted at `at`, and did not
/// bring login back. A restored login ends an incident: what came before the last one, and after
/// the next one, belongs to others.
pub fn failed_cures(contents: &Contents, instance: &str, at: Timestamp) -> Vec<String> {
    let mut failed = Vec::new();
    for entry in &contents.entries {
        let apart = at.duration_since(entry.began).abs();
        if entry.plan.target.id != instance || apart > SAME_INCIDENT {
            continue;
        }
        match entry.outcome {
            // One that was taken back left the incident as it was.
            Some(Outcome::Restored) if entry.undone_by.is_some() => {}
            Some(Outcome::Restored) if entry.began > at => break,
            Some(Outcome::Restored) => failed.clear(),
            Some(Outcome::Improved | Outcome::Unchanged | Outcome::Worse)
                if entry.undone_by.is_none() && entry.plan.reverses.is_none() =>
            {
                let id = entry.plan.action.to_string();
                if !failed.contains(&id) {
                    failed.push(id);
                }
            }
            _ => {}
        }
    }
    failed
}

/// Actions on the instance that need no second try in the incident that lasted at `at`: they did not
/// bring login back, failed in the guest or the cloud, or were refused a short while ago. A soft
/// restart that did not get through is followed by the hard one, which is not the same.
pub fn spent(contents: &Contents, instance: &str, at: Timestamp) -> Vec<SpentAction> {
    let mut spent = Vec::new();
    for entry in &contents.entries {
        let apart = at.duration_since(entry.began).abs();
        let other = entry.plan.target.id != instance || entry.plan.reverses.is_some();
        if other || apart > SAME_INCIDENT {
            continue;
        }
        let refused = entry.calls.last().and_then(|call| match call.result {
            Some(CallResult::Failed { passing, .. }) => Some(passing),
            _ => None,
        });
        let counts = match entry.outcome {
            Some(Outcome::Restored) if entry.undone_by.is_some() => false,
            Some(Outcome::Restored) if entry.began > at => break,
            Some(Outcome::Restored) => {
                spent.clear();
                false
            }
            Some(Outcome::Improved | Outcome::Unchanged | Outcome::Worse) => true,
            Some(Outcome::Failed) => match refused {
                // What the cloud lacks now it may have again.
                Some(passing) => !passing && apart < RECENT,
                None => entry.plan.action != ActionId::Restart,
            },
            _ => false,
        };
        if counts {
            let mut parameters = entry.plan.parameters.clone();
            parameters.extend(entry.plan.asked.clone());
            spent.push(SpentAction {
                action: entry.plan.action.to_string(),
                parameters,
            });
        }
    }
    spent
}
