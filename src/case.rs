//! One case, one road: what is known of an instance's login becomes a report here and nowhere
//! else, so that the console and a script that know the same say the same (pure).
//!
//! Lives here: which reading stays when another run ends, and the step from readings to causes,
//! actions and guides. Must not live here: taking readings (`probe`, `cloud`, `guest`), what they
//! are worth (`diagnosis`), files and clocks (`runtime`).

use std::time::Duration;

use jiff::Timestamp;

use crate::action::offer;
use crate::diagnosis::{self, Knowledge};
use crate::domain::action::SpentAction;
use crate::domain::evidence::{Path, Reading, Source, Status, place, table::Group};
use crate::domain::guide_step::TickedStep;
use crate::domain::report::{InstanceSummary, Report, Vantage};
use crate::guide::{self, Lang};
use crate::kit;

/// How long a reading counts that a later run could not take again. It keeps its own time, and
/// what was done to the instance since then ends it at once.
pub const KEPT: Duration = Duration::from_secs(15 * 60);

/// True if a reading would have to be taken anew for a user who comes from elsewhere.
pub fn is_of_a_source(reading: &Reading) -> bool {
    reading.source == Source::Guest && Group::of(&reading.id).is_some_and(|it| it.of_a_source)
}

/// Everything that a report is made of.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    pub knowledge: &'a Knowledge,
    pub instance: InstanceSummary,
    pub vantage: Vantage,
    pub readings: &'a [Reading],
    /// What the user's client printed, as pasted.
    pub pasted: &'a str,
    /// Actions of this incident that did not bring login back.
    pub tried: &'a [String],
    /// Actions that need no second try in this incident.
    pub spent: &'a [SpentAction],
    /// A cause that a cure confirmed lately.
    pub recent_cause: Option<&'a str>,
    /// A soft restart of a short while ago did not get through.
    pub soft_restart_failed: bool,
    pub guide_steps: &'a [TickedStep],
    pub lang: Lang,
}

/// Puts readings in order, whichever way they arrived, and gives each the key under which
/// explanations cite it.
pub fn number(readings: &mut [Reading]) {
    readings.sort_by(|a, b| {
        (a.source as u8, a.key(), &a.state).cmp(&(b.source as u8, b.key(), &b.state))
    });
    for (n, reading) in readings.iter_mut().enumerate() {
        reading.observation = format!("o-{}", n + 1);
    }
}

/// Weighs what is known, ranks what to do, and matches the guides.
pub fn report(known: &Known<'_>) -> Report {
    let mut readings = known.readings.to_vec();
    number(&mut readings);
    let case = diagnosis::Case {
        instance: known.instance.clone(),
        vantage: known.vantage.clone(),
        readings: &readings,
        tried: known.tried,
        spent: known.spent,
        recent_cause: known.recent_cause,
    };
    let mut report = diagnosis::diagnose(known.knowledge, &case);
    if known.soft_restart_failed {
        offer::hard_restart(&mut report.actions);
    }
    let wanted = guide::MatchInput {
        pasted: kit::without(known.pasted).into_owned(),
        ..guide::MatchInput::from_report(&report)
    };
    report.guides = guide::match_guides(guide::library(), &wanted, known.lang);
    report.guide_steps = known.guide_steps.to_vec();
    report
}

/// The readings of a case once a run has ended: what the run has read, what a person said before,
/// and what the run could not take again, while it counts.
///
/// A reading that needed consent (inside the guest, a login attempt) is not lost because a later
/// run had none. `changed_at` is when something was last done to the instance.
pub fn renewed(
    before: Vec<Reading>,
    run: Vec<Reading>,
    now: Timestamp,
    changed_at: Option<Timestamp>,
) -> Vec<Reading> {
    let mut readings = Vec::new();
    for reading in run {
        place(&mut readings, reading);
    }
    for old in before {
        if old.source == Source::Operator {
            place(&mut readings, old);
        } else if counts(&old, now, changed_at) {
            let new = readings.iter_mut().find(|new| new.key() == old.key());
            match new {
                Some(new) if was_not_read(new) => *new = old,
                Some(_) => {}
                // The guest, other instances and the provider's nodes say nothing at all where nobody
                // agreed to ask them.
                None if old.source == Source::Guest || was_consented(&old) => readings.push(old),
                None => {}
            }
        }
    }
    readings
}

fn was_consented(reading: &Reading) -> bool {
    reading.path.is_some_and(Path::is_consented)
}

/// True if the run wanted the reading and came away without it.
fn was_not_read(reading: &Reading) -> bool {
    let failed = matches!(
        reading.status,
        Status::NotAttempted | Status::NotPermitted | Status::ProbeFailed
    );
    failed && !reading.set_aside
}

fn counts(reading: &Reading, now: Timestamp, changed_at: Option<Timestamp>) -> bool {
    let Some(at) = reading.observed_at else {
        return false;
    };
    let is_fresh = now.duration_since(at).unsigned_abs() <= KEPT;
    let still_true = changed_at.is_none_or(|changed| at > changed);
    reading.status == Status::Observed && is_fresh && still_true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::State;
    use crate::domain::said::Said;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn seen(id: &str, source: Source, state: &str, at: i64) -> Reading {
        Reading::observed(State::new(id, state), source, Said::raw("")).at(second(at), 0)
    }

    fn unseen(id: &str, source: Source, status: Status, at: i64) -> Reading {
        Reading::without_state(id, source, status, Said::raw("")).at(second(at), 0)
    }

    fn states(readings: &[Reading]) -> Vec<(&str, Option<&str>)> {
        let mut states: Vec<_> = readings
            .iter()
            .map(|r| (r.id.as_str(), r.observed_state()))
            .collect();
        states.sort_unstable();
        states
    }

    #[test]
    fn what_the_operator_consented_to_survives_a_look_without_consent() {
        let before = vec![
            seen("guest-sshd", Source::Guest, "running", 100),
            seen("auth-methods", Source::Probe, "key-only", 100),
            seen("banner", Source::Probe, "slow", 100),
        ];
        let run = vec![
            unseen("auth-methods", Source::Probe, Status::NotAttempted, 200),
            seen("banner", Source::Probe, "fast", 200),
        ];
        let after = renewed(before, run, second(201), None);
        assert_eq!(
            states(&after),
            [
                ("auth-methods", Some("key-only")),
                ("banner", Some("fast")),
                ("guest-sshd", Some("running")),
            ]
        );
        // Each keeps its own time.
        let kept = after.iter().find(|r| r.id == "guest-sshd").expect("kept");
        assert_eq!(kept.observed_at, Some(second(100)));
    }

    #[test]
    fn what_is_old_or_was_read_before_something_was_done_goes() {
        let before = || vec![seen("guest-sshd", Source::Guest, "running", 100)];
        let late = second(100 + KEPT.as_secs() as i64 + 1);
        assert!(renewed(before(), Vec::new(), late, None).is_empty());
        assert!(renewed(before(), Vec::new(), second(160), Some(second(150))).is_empty());
        assert_eq!(
            renewed(before(), Vec::new(), second(160), Some(second(50))).len(),
            1
        );
    }

    #[test]
    fn what_no_longer_applies_and_what_was_set_aside_is_no_lack() {
        let old = |path| seen("reach", Source::Probe, "open", 100).on_path(path);
        let gone = unseen("reach", Source::Probe, Status::NotApplicable, 200).on_path(Path::Public);
        let mut aside = seen("reach", Source::Probe, "all-silent", 200).on_path(Path::Private);
        aside.put_aside(Status::NotAttempted, Said::raw(""));
        let before = vec![old(Path::Public), old(Path::Private)];
        let after = renewed(before, vec![gone, aside], second(201), None);
        assert_eq!(states(&after), [("reach", None), ("reach", None)]);
        // An address that is gone takes its readings with it.
        let before = vec![old(Path::Public)];
        assert!(renewed(before, Vec::new(), second(201), None).is_empty());
    }

    #[test]
    fn what_a_person_said_stays() {
        let before = vec![seen("failure-scope", Source::Operator, "one-user", 100)];
        let after = renewed(before, Vec::new(), second(100_000), Some(second(500)));
        assert_eq!(states(&after), [("failure-scope", Some("one-user"))]);
    }
}
