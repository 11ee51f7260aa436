//! How much each reading moved each cause: terms that sum to the log-odds.
//!
//! A cause is a mixture of hypotheses, and so is the rest, so what one reading is worth depends on
//! which others were read before it. Two readings that each prove a cause would either share
//! nothing (whichever is taken last finds the answer decided) or depend on their order. Therefore
//! all readings are let in together, little by little: with every log-likelihood scaled by `t`,
//! the log-odds change at the rate of the difference between the cause's and the rest's mean
//! log-likelihoods, reading by reading, and the integral over `t` from 0 to 1 is each reading's
//! term (Aumann and Shapley, "Values of Non-Atomic Games", 1974). The terms do not depend on an
//! order, add up to posterior less prior log-odds, and leave the prior what it is.
//!
//! Must not live here: weights themselves (`posterior`), sentences (`explain`).

use super::explain::DECIBANS;
use super::knowledge::Knowledge;
use super::model::Model;
use super::posterior::{Posterior, Weighed};
use crate::domain::evidence::Reading;
use crate::domain::report::Contribution;

/// Decibans below which a term is left to the one named `prior`, which closes the sum.
const UNNAMED_DB: f64 = 0.01;
/// Ends of the parts into which the way from prior to posterior is cut. Most is decided early,
/// where few readings have come in.
const PARTS: [f64; 4] = [0.0, 0.1, 0.35, 1.0];
/// Places and weights of three-point Gauss-Legendre quadrature on [-1, 1].
const GAUSS: [(f64, f64); 3] = [
    (-0.774_596_669_241_483_4, 5.0 / 9.0),
    (0.0, 8.0 / 9.0),
    (0.774_596_669_241_483_4, 5.0 / 9.0),
];

/// The terms of every cause, `prior` first, then the strongest, in the order of `Model::causes`.
pub(super) fn contributions(
    knowledge: &Knowledge,
    model: &Model,
    weighed: &[Weighed],
    posterior: &Posterior,
    readings: &[Reading],
) -> Vec<Vec<Contribution>> {
    let n = weighed.len();
    let way = Way::new(model, weighed, posterior);
    let mut shares = vec![0.0; model.causes.len() * n];
    for ends in PARTS.windows(2) {
        let half = (ends[1] - ends[0]) / 2.0;
        for (place, weight) in GAUSS {
            way.add(ends[0] + half * (1.0 + place), half * weight, &mut shares);
        }
    }
    let before = way.log_odds_before();
    (0..model.causes.len())
        .map(|cause| {
            let p = posterior.causes[cause];
            let after = DECIBANS * (p / (1.0 - p)).ln();
            let own = &shares[cause * n..(cause + 1) * n];
            let scale = closing(own.iter().sum::<f64>(), after - before[cause]);
            let mut terms: Vec<Contribution> = own
                .iter()
                .map(|share| share * scale)
                .enumerate()
                .filter(|(_, weight_db)| weight_db.abs() >= UNNAMED_DB)
                .map(|(o, weight_db)| {
                    let slot = &model.slots[weighed[o].slot];
                    let evidence = &knowledge.evidence[slot.group];
                    Contribution {
                        evidence: evidence.id.clone(),
                        path: slot.path,
                        state: evidence.states[weighed[o].state].clone(),
                        weight_db,
                        observation: readings[weighed[o].reading].observation.clone(),
                    }
                })
                .collect();
            strongest_first(&mut terms);
            let named: f64 = terms.iter().map(|term| term.weight_db).sum();
            terms.insert(
                0,
                Contribution {
                    evidence: "prior".to_owned(),
                    path: None,
                    state: String::new(),
                    weight_db: after - named,
                    observation: String::new(),
                },
            );
            terms
        })
        .collect()
}

fn strongest_first(terms: &mut [Contribution]) {
    terms.sort_by(|a, b| {
        b.weight_db
            .abs()
            .total_cmp(&a.weight_db.abs())
            .then_with(|| (&a.evidence, a.path, &a.state).cmp(&(&b.evidence, b.path, &b.state)))
    });
}

/// By what the terms are multiplied so that they make up the whole change: quadrature is not
/// exact, and log-odds end where a probability is kept off 0 and 1. Where the terms all but cancel
/// there is nothing to scale.
fn closing(sum: f64, change: f64) -> f64 {
    let scale = change / sum;
    if (0.5..=1.5).contains(&scale) || (sum.abs() > 20.0 && (0.0..=1.0).contains(&scale)) {
        scale
    } else {
        1.0
    }
}

/// Every hypothesis by cause, from the prior to the posterior.
struct Way {
    observations: usize,
    causes: usize,
    members: Vec<Member>,
    /// `member * observations + observation`: log-likelihood.
    weights: Vec<f64>,
}

struct Member {
    cause: usize,
    /// Logarithm of the weight before any reading.
    before: f64,
    /// Sum of its log-likelihoods.
    total: f64,
}

impl Way {
    fn new(model: &Model, weighed: &[Weighed], posterior: &Posterior) -> Self {
        let n = weighed.len();
        let mut members = Vec::with_capacity(posterior.hypotheses.len());
        let mut weights = Vec::with_capacity(posterior.hypotheses.len() * n);
        for h in &posterior.hypotheses {
            let from = weights.len();
            weights.extend((0..n).map(|o| posterior.weight_of(model, weighed, h, o)));
            let total: f64 = weights[from..].iter().sum();
            members.push(Member {
                cause: model.variants[usize::from(h.lead)].cause,
                before: h.log_weight - total,
                total,
            });
        }
        Self {
            observations: n,
            causes: model.causes.len(),
            members,
            weights,
        }
    }

    /// Share of each member with every log-likelihood scaled by `t`.
    fn shares(&self, t: f64) -> Vec<f64> {
        let logs = || self.members.iter().map(|m| m.before + t * m.total);
        let max = logs().fold(f64::NEG_INFINITY, f64::max);
        let mut shares: Vec<f64> = logs().map(|log| (log - max).exp()).collect();
        let sum: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= sum;
        }
        shares
    }

    /// Adds to each cause's terms, in decibans, what the stretch around `t` brings.
    fn add(&self, t: f64, length: f64, terms: &mut [f64]) {
        let n = self.observations;
        let mut mass = vec![0.0; self.causes];
        let mut sums = vec![0.0; self.causes * n];
        for ((member, share), weights) in self
            .members
            .iter()
            .zip(self.shares(t))
            .zip(self.weights.chunks_exact(n.max(1)))
        {
            mass[member.cause] += share;
            let own = &mut sums[member.cause * n..(member.cause + 1) * n];
            for (sum, weight) in own.iter_mut().zip(weights) {
                *sum += share * weight;
            }
        }
        // What comes before and after each cause: taking a leading cause's own from the whole
        // would leave nothing but rounding.
        let mut before = vec![0.0; n + 1];
        let mut rest = vec![0.0; self.causes * (n + 1)];
        for cause in 0..self.causes {
            rest[cause * (n + 1)..(cause + 1) * (n + 1)].copy_from_slice(&before);
            gather(&mut before, &sums[cause * n..(cause + 1) * n], mass[cause]);
        }
        let mut after = vec![0.0; n + 1];
        for cause in (0..self.causes).rev() {
            let rest = &mut rest[cause * (n + 1)..(cause + 1) * (n + 1)];
            let own = &sums[cause * n..(cause + 1) * n];
            for (rest, after) in rest.iter_mut().zip(&after) {
                *rest += after;
            }
            for o in 0..n {
                let difference = mean(own[o], mass[cause]) - mean(rest[o], rest[n]);
                terms[cause * n + o] += difference * length * DECIBANS;
            }
            gather(&mut after, own, mass[cause]);
        }
    }

    /// Log-odds of each cause before any reading, in decibans.
    fn log_odds_before(&self) -> Vec<f64> {
        let mut mass = vec![0.0; self.causes];
        for (member, share) in self.members.iter().zip(self.shares(0.0)) {
            mass[member.cause] += share;
        }
        let odds = |p: &f64| DECIBANS * (p / (1.0 - p)).ln();
        mass.iter().map(odds).collect()
    }
}

/// Adds a cause's sums, and its mass in the last place.
fn gather(into: &mut [f64], sums: &[f64], mass: f64) {
    for (into, sum) in into.iter_mut().zip(sums.iter().chain([&mass])) {
        *into += sum;
    }
}

fn mean(sum: f64, mass: f64) -> f64 {
    if mass > 0.0 { sum / mass } else { 0.0 }
}
