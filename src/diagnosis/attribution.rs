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

/// Decibans below which a term is left to the one named `prior`, which closes the sum, and what all
/// of them together may come to: however many readings there are, that term is the prior.
const UNNAMED_DB: f64 = 0.01;
const UNNAMED_SUM_DB: f64 = 0.05;
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
            let mut terms: Vec<Contribution> = closed(own, after - before[cause])
                .enumerate()
                .filter(|(_, weight_db)| *weight_db != 0.0)
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
            leave_unnamed(&mut terms);
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

/// Takes the weakest terms away, as far as they may be left out.
fn leave_unnamed(terms: &mut Vec<Contribution>) {
    let mut left = 0.0;
    while let Some(last) = terms.last() {
        let weight = last.weight_db.abs();
        left += weight;
        if weight >= UNNAMED_DB || left > UNNAMED_SUM_DB {
            break;
        }
        terms.pop();
    }
}

/// The terms so that they make up the whole change: quadrature is not exact, and log-odds end where
/// a probability is kept off 0 and 1. They are scaled; where they all but cancel there is nothing to
/// scale, and each takes of what is missing by its size.
fn closed(terms: &[f64], change: f64) -> impl Iterator<Item = f64> {
    let sum: f64 = terms.iter().sum();
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    let scale = change / sum;
    let share = (change - sum) / size;
    let (scale, share) =
        if (0.5..=1.5).contains(&scale) || (sum.abs() > 20.0 && (0.0..=1.0).contains(&scale)) {
            (scale, 0.0)
        } else if share.abs() <= 0.5 {
            (1.0, share)
        } else {
            (1.0, 0.0)
        };
    terms
        .iter()
        .map(move |term| term * scale + term.abs() * share)
}

/// Places on the way at which the means are taken.
const STOPS: usize = (PARTS.len() - 1) * GAUSS.len();

/// One figure for each stop.
type Stops = [f64; STOPS];

/// Adds `by` times `of` at every stop. The innermost loop of all.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop)] // release builds are made for size
fn add(to: &mut Stops, of: &Stops, by: f64) {
    for stop in 0..STOPS {
        to[stop] += of[stop] * by;
    }
}

/// The way from prior to posterior.
struct Way {
    observations: usize,
    causes: usize,
    /// Log-odds of each cause before any reading, in decibans.
    before: Vec<f64>,
    /// The stretch that each stop stands for.
    lengths: Stops,
    /// By cause: share of the hypotheses that matter.
    mass: Vec<Stops>,
    /// `cause * observations + observation`: their log-likelihoods, each times its share.
    sums: Vec<Stops>,
}

impl Way {
    fn new(model: &Model, weighed: &[Weighed], posterior: &Posterior) -> Self {
        let all = &posterior.hypotheses;
        let causes = model.causes.len();
        let cause_of: Vec<usize> = all
            .iter()
            .map(|h| model.variants[usize::from(h.lead)].cause)
            .collect();
        let mut lengths = [0.0; STOPS];
        let mut at = vec![[0.0; STOPS]; all.len()];
        let mut matters = vec![false; all.len()];
        let mut mass = vec![0.0; causes];
        for (stop, (place, length)) in stops().enumerate() {
            lengths[stop] = length;
            weigh_at(all, place, &cause_of, &mut mass, |h, weight| {
                at[h][stop] = weight;
            });
            for ((matters, at), &cause) in matters.iter_mut().zip(&at).zip(&cause_of) {
                *matters |= at[stop] >= NEGLIGIBLE * mass[cause];
            }
        }
        weigh_at(all, 0.0, &cause_of, &mut mass, |_, _| {});
        let total: f64 = mass.iter().sum();
        let before = mass.iter().map(|mass| mass / total);
        let mut way = Self {
            observations: weighed.len(),
            causes,
            before: before.map(|p| DECIBANS * (p / (1.0 - p)).ln()).collect(),
            lengths,
            mass: vec![[0.0; STOPS]; causes],
            sums: vec![[0.0; STOPS]; causes * weighed.len()],
        };
        way.gather_shares(model, weighed, posterior, &at, &matters);
        way
    }

    /// Sums up the hypotheses that matter, whose shares are `at`. What a pair says of a reading is
    /// what its members say, less what that counts twice; so members are summed up by cause first.
    fn gather_shares(
        &mut self,
        model: &Model,
        weighed: &[Weighed],
        posterior: &Posterior,
        at: &[Stops],
        matters: &[bool],
    ) {
        let (n, variants) = (self.observations, model.variants.len());
        let cause_of = |variant: u16| model.variants[usize::from(variant)].cause;
        // `cause * variants + variant`: share of the cause's hypotheses that hold the variant.
        let mut holding = vec![[0.0; STOPS]; self.causes * variants];
        for ((h, at), _) in posterior
            .hypotheses
            .iter()
            .zip(at)
            .zip(matters)
            .filter(|m| *m.1)
        {
            let cause = cause_of(h.lead);
            add(&mut self.mass[cause], at, 1.0);
            for member in [Some(h.lead), h.second].into_iter().flatten() {
                add(
                    &mut holding[cause * variants + usize::from(member)],
                    at,
                    1.0,
                );
            }
        }
        let mut touched: Vec<Vec<(usize, f64)>> = vec![Vec::new(); variants];
        for (o, w) in weighed.iter().enumerate() {
            for &v in &model.slots[w.slot].touching {
                let v = usize::from(v);
                touched[v].push((o, posterior.delta[o * variants + v]));
            }
        }
        for (held, sums) in holding
            .chunks_exact(variants)
            .zip(self.sums.chunks_exact_mut(n.max(1)))
        {
            for (held, touched) in held.iter().zip(&touched) {
                if held.iter().any(|share| *share > 0.0) {
                    for &(o, delta) in touched {
                        add(&mut sums[o], held, delta);
                    }
                }
            }
        }
        for (o, w) in weighed.iter().enumerate() {
            let slot = &model.slots[w.slot];
            let excess = slot.excess(&model.pairs, w.seen());
            for (&pair, excess) in slot.shared.iter().zip(excess.iter()) {
                let pair = pair as usize;
                if matters[variants + pair] {
                    let cause = cause_of(model.pairs[pair].lead);
                    add(
                        &mut self.sums[cause * n + o],
                        &at[variants + pair],
                        -w.temper * excess,
                    );
                }
            }
        }
    }

    /// Each cause's terms, in decibans: `cause * observations + observation`.
    fn terms(&self) -> Vec<f64> {
        let n = self.observations;
        // What comes before and after each cause: taking a leading cause's own from the whole
        // would leave nothing but rounding.
        let mut rest = vec![[0.0; STOPS]; self.causes * (n + 1)];
        let mut sum = vec![[0.0; STOPS]; n + 1];
        for cause in 0..self.causes {
            rest[cause * (n + 1)..(cause + 1) * (n + 1)].copy_from_slice(&sum);
            self.gather(&mut sum, cause);
        }
        sum.fill([0.0; STOPS]);
        let mut terms = vec![0.0; self.causes * n];
        for cause in (0..self.causes).rev() {
            let rest = &mut rest[cause * (n + 1)..(cause + 1) * (n + 1)];
            for (rest, after) in rest.iter_mut().zip(&sum) {
                add(rest, after, 1.0);
            }
            let per_own = self.mass[cause].map(inverse);
            let per_rest = rest[n].map(inverse);
            for o in 0..n {
                let own = &self.sums[cause * n + o];
                let differences = (0..STOPS)
                    .map(|s| (own[s] * per_own[s] - rest[o][s] * per_rest[s]) * self.lengths[s]);
                terms[cause * n + o] = DECIBANS * differences.sum::<f64>();
            }
            self.gather(&mut sum, cause);
        }
        terms
    }

    /// Adds a cause's sums, and its mass in the last place.
    fn gather(&self, into: &mut [Stops], cause: usize) {
        let n = self.observations;
        let own = &self.sums[cause * n..(cause + 1) * n];
        for (into, own) in into.iter_mut().zip(own.iter().chain([&self.mass[cause]])) {
            add(into, own, 1.0);
        }
    }
}

/// Places between prior (0) and posterior (1), and the stretch that each stands for.
fn stops() -> impl Iterator<Item = (f64, f64)> {
    PARTS.windows(2).flat_map(|ends| {
        let half = (ends[1] - ends[0]) / 2.0;
        GAUSS.map(|(place, weight)| (ends[0] + half * (1.0 + place), half * weight))
    })
}

/// Weighs each hypothesis with every log-likelihood scaled by `t`, and sums up by cause. Only
/// proportions mean something.
fn weigh_at(
    hypotheses: &[Hypothesis],
    t: f64,
    cause_of: &[usize],
    mass: &mut [f64],
    mut weighed: impl FnMut(usize, f64),
) {
    let log = |h: &Hypothesis| h.log_before + t * (h.log_weight - h.log_before);
    let max = hypotheses.iter().map(log).fold(f64::NEG_INFINITY, f64::max);
    mass.fill(0.0);
    for (index, h) in hypotheses.iter().enumerate() {
        let weight = (log(h) - max).exp();
        mass[cause_of[index]] += weight;
        weighed(index, weight);
    }
}

/// 1 over a mass; a mean over nothing, or next to it, is 0.
fn inverse(mass: f64) -> f64 {
    if mass.is_normal() { 1.0 / mass } else { 0.0 }
}
