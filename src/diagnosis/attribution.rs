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
use super::posterior::{Hypothesis, Posterior, Weighed};
use crate::domain::evidence::Reading;
use crate::domain::report::Contribution;

/// Decibans below which a term is left to the one named `prior`, which closes the sum.
const UNNAMED_DB: f64 = 0.01;
/// Ends of the parts into which the way from prior to posterior is cut. Most is decided early,
/// where few readings have come in.
const PARTS: [f64; 3] = [0.0, 0.2, 1.0];
/// Part of its cause below which a hypothesis moves no term.
const NEGLIGIBLE: f64 = 1e-3;
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
    let (shares, before) = (way.terms(), &way.before);
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

/// The hypotheses that matter somewhere between prior and posterior.
struct Way {
    observations: usize,
    causes: usize,
    /// Cause of each member.
    members: Vec<usize>,
    /// `member * observations + observation`: log-likelihood.
    weights: Vec<f64>,
    /// Log-odds of each cause before any reading, in decibans.
    before: Vec<f64>,
    stops: Vec<Stop>,
}

/// A place on the way.
struct Stop {
    /// The stretch that it stands for.
    length: f64,
    /// Share of each member.
    shares: Vec<f64>,
}

impl Way {
    fn new(model: &Model, weighed: &[Weighed], posterior: &Posterior) -> Self {
        let all = &posterior.hypotheses;
        let cause_of = |h: &Hypothesis| model.variants[usize::from(h.lead)].cause;
        let causes = model.causes.len();
        let mut stops: Vec<Stop> = Vec::with_capacity((PARTS.len() - 1) * GAUSS.len());
        let mut matters = vec![false; all.len()];
        for ends in PARTS.windows(2) {
            let half = (ends[1] - ends[0]) / 2.0;
            for (place, weight) in GAUSS {
                let shares = shares(all, ends[0] + half * (1.0 + place));
                let mass = masses(all.iter().map(cause_of), &shares, causes);
                for ((matters, h), share) in matters.iter_mut().zip(all).zip(&shares) {
                    *matters |= *share >= NEGLIGIBLE * mass[cause_of(h)];
                }
                stops.push(Stop {
                    length: half * weight,
                    shares,
                });
            }
        }
        let kept = || all.iter().zip(&matters).filter(|(_, matters)| **matters);
        let n = weighed.len();
        let members: Vec<usize> = kept().map(|(h, _)| cause_of(h)).collect();
        let mut weights = Vec::with_capacity(members.len() * n);
        for (h, _) in kept() {
            weights.extend((0..n).map(|o| posterior.weight_of(model, weighed, h, o)));
        }
        for stop in &mut stops {
            let mut matters = matters.iter();
            stop.shares.retain(|_| matters.next() == Some(&true));
        }
        let before = masses(all.iter().map(cause_of), &shares(all, 0.0), causes);
        Self {
            observations: n,
            causes,
            members,
            weights,
            before: before
                .iter()
                .map(|p| DECIBANS * (p / (1.0 - p)).ln())
                .collect(),
            stops,
        }
    }

    /// Each cause's terms, in decibans: `cause * observations + observation`.
    fn terms(&self) -> Vec<f64> {
        let mut terms = vec![0.0; self.causes * self.observations];
        for stop in &self.stops {
            self.add(stop, &mut terms);
        }
        terms
    }

    /// Adds what the stretch around a stop brings.
    fn add(&self, stop: &Stop, terms: &mut [f64]) {
        let n = self.observations;
        let mass = masses(self.members.iter().copied(), &stop.shares, self.causes);
        let mut sums = vec![0.0; self.causes * n];
        for ((&cause, share), weights) in self
            .members
            .iter()
            .zip(&stop.shares)
            .zip(self.weights.chunks_exact(n.max(1)))
        {
            let own = &mut sums[cause * n..(cause + 1) * n];
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
                terms[cause * n + o] += difference * stop.length * DECIBANS;
            }
            gather(&mut after, own, mass[cause]);
        }
    }
}

/// Share of each hypothesis with every log-likelihood scaled by `t`.
fn shares(hypotheses: &[Hypothesis], t: f64) -> Vec<f64> {
    let log = |h: &Hypothesis| h.log_before + t * (h.log_weight - h.log_before);
    let max = hypotheses.iter().map(log).fold(f64::NEG_INFINITY, f64::max);
    let mut shares: Vec<f64> = hypotheses.iter().map(|h| (log(h) - max).exp()).collect();
    let sum: f64 = shares.iter().sum();
    for share in &mut shares {
        *share /= sum;
    }
    shares
}

/// Share of each cause.
fn masses(causes: impl Iterator<Item = usize>, shares: &[f64], count: usize) -> Vec<f64> {
    let mut mass = vec![0.0; count];
    for (cause, share) in causes.zip(shares) {
        mass[cause] += share;
    }
    mass
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
