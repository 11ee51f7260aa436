//! Why a cause does not lead: what speaks against it, what would have to be true, and the
//! cheapest reading that would show it.
//!
//! Must not live here: the terms of what was read (`explain`), prices of readings (`next`).

use super::explain::{DECIBANS, Reason, explain, place};
use super::knowledge::Knowledge;
use super::model::Model;
use super::next::{Prices, obtainable};
use super::posterior::{self, Posterior};
use super::{Case, display, said};
use crate::domain::evidence::{Path, Status};
use crate::domain::report::Report;
use crate::domain::said::{Figure, Said, Unit, Word};

/// States that would bring less are not worth naming.
const WORTH_DB: f64 = 3.0;
/// Most entries of each list.
const MAX_ENTRIES: usize = 5;

/// What would have to be true for a cause that does not lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    pub cause: String,
    pub title: String,
    pub probability: f64,
    /// The cause that leads instead; `None` where this one does.
    pub leader: Option<Word>,
    /// The readings that speak against it most, worst first.
    pub against: Vec<Reason>,
    /// What these readings would have to show instead, worst first.
    pub would_have_to_be: Vec<Contradiction>,
    /// Readings not taken, and the state that would bring the cause up, best per second first.
    pub would_need: Vec<WouldNeed>,
    /// The same for readings that are not permitted.
    pub not_permitted: Vec<WouldNeed>,
}

/// A reading that contradicts a cause, and what the cause would show there.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradiction {
    pub evidence: String,
    pub path: Option<Path>,
    pub state: String,
    pub needed: String,
    pub weight_db: f64,
    pub observation: String,
}

/// A reading that would raise a cause.
#[derive(Debug, Clone, PartialEq)]
pub struct WouldNeed {
    pub evidence: String,
    pub path: Option<Path>,
    pub state: String,
    pub weight_db: f64,
    pub cost_s: f64,
    pub needs: Said,
}

/// Answers "why not this cause"; `None` if the report does not hold it.
pub fn why_not(knowledge: &Knowledge, report: &Report, cause: &str) -> Option<Why> {
    let explanation = explain(report, cause)?;
    let model = knowledge.model(report.instance.os);
    let index = model
        .causes
        .iter()
        .position(|&c| knowledge.causes[c].id == cause)?;
    let case = Case {
        instance: report.instance.clone(),
        vantage: report.vantage.clone(),
        readings: &report.evidence,
        ..Case::default()
    };
    let selection = posterior::select(knowledge, model, &case);
    let posterior = posterior::infer(knowledge, model, &case, &selection.weighed);
    let mut against = explanation.opposing;
    against.sort_by(|a, b| a.weight_db.total_cmp(&b.weight_db));
    let would_have_to_be = against
        .iter()
        .filter_map(|reason| {
            let slot = model.slot(&reason.evidence, reason.path)?;
            let (state, _) = best_state(model, &posterior, index, slot);
            let needed = &knowledge.evidence[model.slots[slot].group].states[state];
            (needed != &reason.state).then(|| Contradiction {
                evidence: reason.evidence.clone(),
                path: reason.path,
                state: reason.state.clone(),
                needed: needed.clone(),
                weight_db: reason.weight_db,
                observation: reason.observation.clone(),
            })
        })
        .take(MAX_ENTRIES)
        .collect();
    let (would_need, not_permitted) = unread(
        knowledge,
        model,
        &case,
        &posterior,
        &selection.weighed,
        index,
    );
    let leader = report.causes.first().filter(|c| c.id != cause);
    Some(Why {
        cause: cause.to_owned(),
        title: explanation.title,
        probability: explanation.probability,
        leader: leader.map(|c| Word::cause(&c.id, &c.title)),
        against,
        would_have_to_be,
        would_need,
        not_permitted,
    })
}

/// Readings that were not taken and would bring the cause up: obtainable ones, and those that
/// were refused.
fn unread(
    knowledge: &Knowledge,
    model: &Model,
    case: &Case<'_>,
    posterior: &Posterior,
    weighed: &[posterior::Weighed],
    cause: usize,
) -> (Vec<WouldNeed>, Vec<WouldNeed>) {
    let prices = Prices::of(case);
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    for (s, slot) in model.slots.iter().enumerate() {
        if weighed.iter().any(|w| w.slot == s) {
            continue;
        }
        let group = &knowledge.evidence[slot.group];
        let (state, gain) = best_state(model, posterior, cause, s);
        let weight_db = gain * slot.temper;
        if weight_db < WORTH_DB {
            continue;
        }
        let price = prices.price(group, slot.path);
        let refusal = case
            .readings
            .iter()
            .find(|r| r.id == group.id && r.path == slot.path && r.status == Status::NotPermitted);
        let entry = WouldNeed {
            evidence: group.id.clone(),
            path: slot.path,
            state: group.states[state].clone(),
            weight_db,
            cost_s: price.cost_s,
            needs: refusal
                .and_then(|r| r.needs.clone())
                .unwrap_or_else(|| price.needs.clone()),
        };
        let per_second = weight_db / (price.cost_s + price.consent_s + 1.0);
        if refusal.is_some() {
            refused.push((per_second, entry));
        } else if obtainable(case, group, slot.path) {
            open.push((per_second, entry));
        }
    }
    (best(open), best(refused))
}

fn best(mut entries: Vec<(f64, WouldNeed)>) -> Vec<WouldNeed> {
    entries.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| (&a.1.evidence, a.1.path).cmp(&(&b.1.evidence, b.1.path)))
    });
    entries.truncate(MAX_ENTRIES);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The state of a slot that would help a cause most, and the decibans that it would bring.
fn best_state(model: &Model, posterior: &Posterior, cause: usize, slot: usize) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for state in 0..model.slots[slot].states() {
        let gain = gain_db(model, posterior, cause, slot, state);
        if gain > best.1 {
            best = (state, gain);
        }
    }
    best
}

impl Why {
    /// The answer as lines of text, the first a heading.
    pub fn lines(&self) -> Vec<Said> {
        let share = display::percent(self.probability);
        let title = Word::cause(&self.cause, &self.title);
        let mut lines = vec![match &self.leader {
            Some(leader) => said::why_not(title, share, leader.clone()),
            None => said::leads(title, share),
        }];
        for reason in self.against.iter().take(MAX_ENTRIES) {
            let weight = format!("{:+.1}", reason.weight_db);
            lines.push(said::against(&reason.text, &reason.observation, weight));
        }
        for c in &self.would_have_to_be {
            lines.push(said::would_have_to_be(
                place(&c.evidence, c.path),
                Word::state(&c.evidence, &c.needed),
                Word::state(&c.evidence, &c.state),
                &c.observation,
            ));
        }
        let missing = |need: &WouldNeed| {
            (
                place(&need.evidence, need.path),
                Word::state(&need.evidence, &need.state),
                format!("{:+.0}", need.weight_db),
                Figure::new(need.cost_s, 0, Unit::Seconds),
            )
        };
        for need in &self.would_need {
            let (place, state, weight, cost) = missing(need);
            lines.push(said::would_show(place, state, weight, cost, &need.needs));
        }
        for need in &self.not_permitted {
            let (place, state, weight, cost) = missing(need);
            lines.push(said::not_permitted(place, state, weight, cost, &need.needs));
        }
        lines
    }
}

/// Decibans that a state would add to a cause against all others.
fn gain_db(model: &Model, posterior: &Posterior, cause: usize, slot: usize, state: usize) -> f64 {
    let (mut own, mut own_mass, mut rest, mut rest_mass) = (0.0, 0.0, 0.0, 0.0);
    for (v, variant) in model.variants.iter().enumerate() {
        let p = model.slots[slot].p(v, state);
        // An improbable cause may have lost its weight in one variant only: mix in the prior.
        let w = posterior.variants[v].max(variant.log_prior.exp() * 1e-6);
        if variant.cause == cause {
            own += w * p;
            own_mass += w;
        } else {
            rest += w * p;
            rest_mass += w;
        }
    }
    DECIBANS * ((own / own_mass).ln() - (rest / rest_mass).ln())
}
