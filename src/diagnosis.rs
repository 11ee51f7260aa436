//! Weighs readings into probabilities of causes, explains them, and ranks what to do next.
//!
//! Pure: no I/O, time or randomness; the same case gives the same report bit for bit, whatever
//! the order of its readings. Must not live here: how readings are obtained, how actions are
//! carried out.

mod actions;
mod attribution;
pub mod display;
pub mod explain;
pub mod fleet;
pub mod incident;
pub mod knowledge;
pub mod learn;
mod lint;
mod model;
mod next;
mod posterior;
pub mod replay;
pub mod said;
pub mod score;
mod slot;
mod way_in;
pub mod why_not;

pub use explain::{Explanation, Reason, explain};
pub use knowledge::{Knowledge, KnowledgeError, check_file};
pub use next::is_cut_off;
pub use way_in::asks_for_way;
pub use why_not::{Why, why_not};

use std::collections::HashSet;

use crate::domain::action::SpentAction;
use crate::domain::evidence::state::{name_resolution, text_target};
use crate::domain::evidence::{Path, Reading, Source, State, Tone, group};
use crate::domain::report::{
    AlsoBroken, CauseProbability, InstanceSummary, Report, SCHEMA_VERSION, Vantage, Verdict,
};

/// Cause id of a login path on which nothing is wrong.
pub const NO_FAULT: &str = "no-fault-found";
/// Cause id of everything that the catalogue does not hold.
pub const UNLISTED: &str = "other-unlisted";

/// What `also_broken` lists from.
const ALSO_BROKEN_FROM: f64 = 0.2;

/// Everything that one diagnosis rests on.
#[derive(Debug, Clone, Default)]
pub struct Case<'a> {
    pub instance: InstanceSummary,
    pub vantage: Vantage,
    pub readings: &'a [Reading],
    /// Ids of actions that were carried out and did not bring the login back.
    pub tried: &'a [String],
    /// Actions that need no second try in this incident.
    pub spent: &'a [SpentAction],
    /// Cause that was confirmed on this instance in the last 30 days.
    pub recent_cause: Option<&'a str>,
}

/// Weighs a case. Fills everything of the report but `guides` and `elapsed_ms`.
pub fn diagnose(knowledge: &Knowledge, case: &Case<'_>) -> Report {
    let model = knowledge.model(case.instance.os);
    let mut readings = case.readings.to_vec();
    number_observations(&mut readings);
    let case = Case {
        readings: &readings,
        ..case.clone()
    };
    let selection = posterior::select(knowledge, model, &case);
    let weighed = &selection.weighed;
    let posterior = posterior::infer(knowledge, model, &case, weighed);
    let causes = causes(knowledge, model, &posterior, weighed, &readings);
    let also_broken = also_broken(knowledge, model, &posterior);
    let actions = actions::rank(knowledge, model, &case, &posterior.causes);
    let next_evidence = next::rank(knowledge, model, &case, weighed, &posterior, &actions);
    Report {
        schema_version: SCHEMA_VERSION,
        verdict: verdict(&causes, weighed.len(), &case),
        also_broken,
        coverage: next::coverage(knowledge, model, weighed),
        next_evidence,
        actions,
        guides: Vec::new(),
        guide_steps: Vec::new(),
        elapsed_ms: 0,
        knowledge: knowledge.hash().to_owned(),
        tried: case.tried.to_vec(),
        learnt: knowledge.learnt().to_vec(),
        warnings: selection.warnings,
        conflict: explain::conflict(knowledge, model, weighed, &posterior),
        instance: case.instance,
        vantage: case.vantage,
        causes,
        evidence: readings,
    }
}

/// The posterior alone, by id of the cause in the order of the catalogue: for whoever needs no
/// reasons, ranges or next steps.
pub fn probabilities<'k>(knowledge: &'k Knowledge, case: &Case<'_>) -> Vec<(&'k str, f64)> {
    let model = knowledge.model(case.instance.os);
    let selection = posterior::select(knowledge, model, case);
    let posterior = posterior::infer(knowledge, model, case, &selection.weighed);
    let ids = model
        .causes
        .iter()
        .map(|&c| knowledge.causes[c].id.as_str());
    ids.zip(posterior.causes).collect()
}

/// Gives every reading without a citation key one that is not taken yet.
fn number_observations(readings: &mut [Reading]) {
    let taken: HashSet<String> = readings
        .iter()
        .map(|r| &r.observation)
        .filter(|key| !key.is_empty())
        .cloned()
        .collect();
    let mut fresh = (1..).map(|number| format!("o-{number}"));
    for reading in readings.iter_mut().filter(|r| r.observation.is_empty()) {
        let key = fresh.find(|key| !taken.contains(key));
        reading.observation = key.unwrap_or_default();
    }
}

fn causes(
    knowledge: &Knowledge,
    model: &model::Model,
    posterior: &posterior::Posterior,
    weighed: &[posterior::Weighed],
    readings: &[Reading],
) -> Vec<CauseProbability> {
    let contributions = attribution::contributions(knowledge, model, weighed, posterior, readings);
    let ranges = explain::ranges(model, weighed, posterior);
    let mut causes: Vec<CauseProbability> = model
        .causes
        .iter()
        .zip(contributions)
        .enumerate()
        .map(|(index, (&cause, contributions))| CauseProbability {
            id: knowledge.causes[cause].id.clone(),
            title: knowledge.causes[cause].title.clone(),
            probability: posterior.causes[index],
            range: Some(ranges[index]),
            contributions,
        })
        .collect();
    causes.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then_with(|| a.id.cmp(&b.id))
    });
    causes
}

fn also_broken(
    knowledge: &Knowledge,
    model: &model::Model,
    posterior: &posterior::Posterior,
) -> Vec<AlsoBroken> {
    let mut also: Vec<AlsoBroken> = posterior
        .present
        .iter()
        .enumerate()
        .map(|(i, &p)| (&knowledge.causes[model.causes[i]], p))
        .filter(|(cause, p)| *p >= ALSO_BROKEN_FROM && !cause.alone)
        .map(|(cause, p)| AlsoBroken {
            id: cause.id.clone(),
            probability: p.min(1.0),
        })
        .collect();
    also.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then_with(|| a.id.cmp(&b.id))
    });
    also
}

/// `healthy`: no fault leads with at least 0.4 and twice the next cause, the login service was
/// heard, and nobody reports a failure that this leaves unexplained. `faulty`: a cause of the
/// catalogue leads with at least 0.4. Else `inconclusive`: undecided, outside the catalogue, or
/// it hangs on which way the users come.
fn verdict(causes: &[CauseProbability], weighed: usize, case: &Case<'_>) -> Verdict {
    let readings = case.readings;
    let Some(first) = causes
        .first()
        .filter(|c| weighed > 0 && c.probability >= 0.4)
    else {
        return Verdict::Inconclusive;
    };
    let second = causes.get(1).map_or(0.0, |c| c.probability);
    match first.id.as_str() {
        NO_FAULT
            if first.probability >= 2.0 * second
                && readings.iter().any(is_answer_of_the_service)
                && !readings.iter().any(is_failure_of_a_login)
                && !is_elsewhere(readings) =>
        {
            Verdict::Healthy
        }
        way_in::NO_PUBLIC if way_in::is_open(&case.vantage, readings) => Verdict::Inconclusive,
        NO_FAULT | UNLISTED => Verdict::Inconclusive,
        _ => Verdict::Faulty,
    }
}

/// True if the login service itself said something: an open port is the kernel's word only.
fn is_answer_of_the_service(reading: &Reading) -> bool {
    reading.source == Source::Probe && reading.seen().is_some_and(State::answers)
}

/// True if the user's client talks to something else, and nobody saw a login go through: what this
/// host sees is then not what the user meets.
fn is_elsewhere(readings: &[Reading]) -> bool {
    let elsewhere = |reading: &Reading| match reading.id.as_str() {
        group::TEXT_TARGET => reading.seen().is_some_and(|it| it != text_target::SAME),
        group::NAME_RESOLUTION => reading.seen().is_some_and(|it| it != name_resolution::SAME),
        _ => false,
    };
    let works = |reading: &Reading| reading.seen().and_then(State::works) == Some(true);
    readings.iter().any(elsewhere) && !readings.iter().any(works)
}

/// True if somebody's login is known to have failed: by what the client printed, by the try that
/// was made here, or because the user's own machine does not come through.
fn is_failure_of_a_login(reading: &Reading) -> bool {
    let fails_there = reading.path == Some(Path::User) && reading.tone() == Tone::Bad;
    fails_there || reading.seen().and_then(State::works) == Some(false)
}
