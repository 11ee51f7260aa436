//! Priors that move with confirmed outcomes.
//!
//! Lives here: counts, their decay, and the priors that follow. Pure; the file with the counts
//! belongs to the store. Must not live here: the clock (ages are handed in).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::knowledge::{ActionEntry, Knowledge};
use super::{NO_FAULT, UNLISTED, said};
use crate::domain::history::PastCase;
use crate::domain::report::Report;
use crate::domain::said::{Figure, Said, Unit, Word};

/// Days after which a confirmed case counts half.
const HALF_LIFE_DAYS: f64 = 180.0;
/// A learnt prior never falls below this share of the shipped one.
const FLOOR: f64 = 0.3;

/// How an outcome came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// The repair was applied and the same probes went from failing to passing.
    Verified,
    /// The operator says so.
    Asserted,
    /// The login came back by itself.
    Recovered,
    /// Solved elsewhere or handed over; counts towards `other-unlisted`.
    Unresolved,
    /// Only the program's own opinion: never counted.
    Unverified,
}

impl Confirmation {
    /// Cases that one outcome is worth.
    pub fn weight(self) -> f64 {
        match self {
            Self::Verified => 1.0,
            Self::Asserted => 0.5,
            Self::Recovered | Self::Unresolved => 0.25,
            Self::Unverified => 0.0,
        }
    }
}

/// One outcome; holds no address, name or id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub cause: String,
    pub confirmation: Confirmation,
    pub age_days: f64,
}

/// The cause that a cure has confirmed: the one that the action cures and that held most before,
/// when the others that it cures were much less likely together. `None` where it could have
/// been any of several, as with a restart.
pub fn confirmed_by<'a>(before: &'a Report, action: &str) -> Option<&'a str> {
    const SHARE: f64 = 0.7;
    const LEAST: f64 = 0.3;
    let ranked = before.actions.iter().find(|a| a.id == action)?;
    let cured: Vec<_> = before
        .causes
        .iter()
        .filter(|cause| ranked.cures.contains(&cause.id))
        .collect();
    let together: f64 = cured.iter().map(|cause| cause.probability).sum();
    let first = cured.first()?;
    (first.probability >= LEAST && first.probability >= SHARE * together)
        .then_some(first.id.as_str())
}

/// Days in which a confirmed cause of an instance still speaks for itself.
const LATELY_DAYS: f64 = 30.0;
/// An action confirms a cause that it cures at least this often.
const CONFIRMS: f64 = 0.5;

/// The cause that was found on an instance and cured in the last weeks, by an action that really
/// cures it. `past` is in any order.
pub fn confirmed_lately<'a>(
    knowledge: &Knowledge,
    past: &'a [PastCase],
    at: Timestamp,
) -> Option<&'a str> {
    let confirmed = |case: &&PastCase| {
        let days = at.duration_since(case.at).as_secs_f64() / 86_400.0;
        let cures = |action: &ActionEntry| {
            action.id == case.cured_by
                && action
                    .cures
                    .get(&case.cause)
                    .is_some_and(|q| *q >= CONFIRMS)
        };
        (0.0..LATELY_DAYS).contains(&days) && knowledge.actions.iter().any(cures)
    };
    let last = past.iter().filter(confirmed).max_by_key(|case| case.at)?;
    Some(&last.cause)
}

/// A prior and what moved it.
#[derive(Debug, Clone, PartialEq)]
pub struct LearntPrior {
    pub cause: String,
    pub shipped: f64,
    pub learnt: f64,
    /// Outcomes of this cause, whatever their weight.
    pub cases: usize,
}

/// Priors after the outcomes, in the order of the catalogue. Outcomes of unknown causes are
/// left out; those that stayed unresolved count as `other-unlisted`.
pub fn priors(knowledge: &Knowledge, outcomes: &[Outcome]) -> Vec<LearntPrior> {
    let strength = knowledge.settings.prior_strength;
    let shipped: Vec<f64> = {
        let raw: Vec<f64> = knowledge
            .causes
            .iter()
            .map(|c| c.prior[0].max(c.prior[1]))
            .collect();
        let total: f64 = raw.iter().sum();
        raw.iter().map(|p| p / total).collect()
    };
    let mut counts = vec![(0.0, 0_usize); knowledge.causes.len()];
    for outcome in outcomes {
        let id = match outcome.confirmation {
            Confirmation::Unresolved => UNLISTED,
            _ => outcome.cause.as_str(),
        };
        if let Some(index) = knowledge.causes.iter().position(|c| c.id == id) {
            let decay = 0.5_f64.powf(outcome.age_days.max(0.0) / HALF_LIFE_DAYS);
            counts[index].0 += outcome.confirmation.weight() * decay;
            counts[index].1 += 1;
        }
    }
    let cases: f64 = counts.iter().map(|c| c.0).sum();
    knowledge
        .causes
        .iter()
        .zip(&shipped)
        .zip(&counts)
        .map(|((cause, &shipped), &(weight, number))| LearntPrior {
            cause: cause.id.clone(),
            shipped,
            learnt: ((strength * shipped + weight) / (strength + cases)).max(FLOOR * shipped),
            cases: number,
        })
        .collect()
}

/// The knowledge with learnt priors and the sentences that say so.
#[must_use]
pub fn apply(knowledge: &Knowledge, outcomes: &[Outcome]) -> Knowledge {
    if outcomes.iter().all(|o| o.confirmation.weight() == 0.0) {
        return knowledge.clone();
    }
    let learnt = priors(knowledge, outcomes);
    let notes = notes(&learnt);
    let factors: BTreeMap<String, f64> = learnt
        .into_iter()
        .map(|p| (p.cause, p.learnt / p.shipped))
        .collect();
    knowledge.with_moved_priors(&factors, notes)
}

/// `disk-full: this prior moved from 1.6% to 3.1% because of 7 confirmed cases`, for the causes
/// that have any.
pub fn notes(priors: &[LearntPrior]) -> Vec<Said> {
    let share = |p: f64| Figure::new(p * 100.0, 1, Unit::Share);
    priors
        .iter()
        .filter(|p| p.cases > 0 && p.cause != NO_FAULT)
        .map(|p| {
            said::prior_moved(
                Word::cause(&p.cause, ""),
                share(p.shipped),
                share(p.learnt),
                p.cases,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_confirmed_by_an_action_that_really_cures_it_and_only_for_a_month() {
        let at = |days: i64| Timestamp::from_second(1_700_000_000 + days * 86_400).unwrap();
        let case = |days, cause: &str, cured_by: &str| PastCase {
            on: String::new(),
            at: at(days),
            instance: "ins-1".to_owned(),
            verdict: "faulty".to_owned(),
            cause: cause.to_owned(),
            probability: 0.9,
            cured_by: cured_by.to_owned(),
        };
        let past = [
            case(0, "security-group-blocks-port", "open-port"),
            case(5, "no-public-ip", "associate-address"),
            case(6, "boot-failure", "restart"),
            case(7, "disk-full", ""),
        ];
        let lately = |day| confirmed_lately(Knowledge::shipped(), &past, at(day));
        assert_eq!(lately(8), Some("no-public-ip"));
        assert_eq!(lately(4), Some("security-group-blocks-port"));
        assert_eq!(lately(40), None);
    }
}
