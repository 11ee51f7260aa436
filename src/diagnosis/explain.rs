//! Why the probabilities are what they are: ranges, conflicts, sentences.
//!
//! Lives here: how sure a probability is, what speaks for and against a cause, what was not seen
//! and why. Must not live here: how much each reading moved a cause (`attribution`), layout.

use super::knowledge::{Kind, Knowledge};
use super::model::Model;
use super::posterior::{Posterior, Weighed};
use super::said;
use crate::domain::evidence::{Path, Reading, Status};
use crate::domain::report::{Conflict, Contribution, Report};
use crate::domain::said::{Figure, Said, Table, Unit, Word};

/// Nats to decibans.
pub(super) const DECIBANS: f64 = 10.0 / std::f64::consts::LN_10;
/// Share of a whole below which a hypothesis is left out of sums that explain.
const NEGLIGIBLE: f64 = 1e-4;
/// A reading that the rest gives less than this is surprising.
const SURPRISE: f64 = 0.045;

/// 10th to 90th percentile of each first-blocker probability over draws from the rows' counts.
///
/// The logarithm of a Dirichlet component with mean `p` and size `s` has a variance of about
/// `(1 - p) / (p s + 1)`; a variant's variances add up over its readings, and each draw shifts the
/// variants' weights together. The generator is seeded by a constant, so a case always gets the
/// same range.
pub(super) fn ranges(model: &Model, weighed: &[Weighed], posterior: &Posterior) -> Vec<[f64; 2]> {
    const DRAWS: usize = 80;
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let spread = |v: usize| {
        let sum: f64 = weighed
            .iter()
            .map(|w| {
                let slot = &model.slots[w.slot];
                match slot.row_of[v] {
                    0 => 0.0,
                    row => {
                        let row = &slot.rows[usize::from(row)];
                        let p = w.seen().of(|state| row.log[state]).exp();
                        w.temper * w.temper * (1.0 - p) / (p * row.ess + 1.0)
                    }
                }
            })
            .sum();
        sum.sqrt()
    };
    // Cause, probability and spread of each variant that can move anything.
    let relevant: Vec<(usize, f64, f64)> = (0..model.variants.len())
        .filter(|&v| posterior.variants[v] > 1e-4)
        .map(|v| (model.variants[v].cause, posterior.variants[v], spread(v)))
        .collect();
    let mut moved = vec![false; model.causes.len()];
    for &(cause, ..) in &relevant {
        moved[cause] = true;
    }
    let mut generator = Generator(SEED);
    let mut draws: Vec<Vec<f64>> = vec![Vec::with_capacity(DRAWS); model.causes.len()];
    let mut totals = Vec::with_capacity(DRAWS);
    let mut by_cause = vec![0.0; model.causes.len()];
    for _ in 0..DRAWS {
        by_cause.copy_from_slice(&posterior.causes);
        for &(cause, p, spread) in &relevant {
            by_cause[cause] += p * ((generator.normal() * spread).exp() - 1.0);
        }
        let total: f64 = by_cause.iter().sum();
        totals.push(total);
        for (cause, draw) in draws.iter_mut().enumerate() {
            if moved[cause] {
                draw.push((by_cause[cause] / total).clamp(0.0, 1.0));
            }
        }
    }
    // A cause that no draw moves only follows the total.
    totals.sort_by(|a, b| b.total_cmp(a));
    draws
        .iter_mut()
        .zip(&posterior.causes)
        .map(|(draw, &p)| {
            draw.sort_by(f64::total_cmp);
            let at = |place: usize| match draw.get(place) {
                Some(drawn) => *drawn,
                None => (p / totals[place]).clamp(0.0, 1.0),
            };
            [at(DRAWS / 10).min(p), at(DRAWS - 1 - DRAWS / 10).max(p)]
        })
        .collect()
}

/// SplitMix64; only for the draws of `ranges`.
struct Generator(u64);

impl Generator {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sum of twelve uniforms less six: close enough to normal for a range.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Readings that the others make improbable, and how far all of them are from agreeing.
pub(super) fn conflict(
    knowledge: &Knowledge,
    model: &Model,
    weighed: &[Weighed],
    posterior: &Posterior,
) -> Option<Conflict> {
    let apart: f64 = weighed
        .iter()
        .map(|w| w.temper * model.slots[w.slot].log_marginal_of(w.seen()))
        .sum();
    let score = posterior.log_evidence - apart;
    let hypotheses: Vec<_> = posterior
        .hypotheses
        .iter()
        .filter(|h| h.probability > NEGLIGIBLE)
        .map(|h| {
            (
                usize::from(h.lead),
                h.second.map(usize::from),
                h.probability,
            )
        })
        .collect();
    let mut surprising = Vec::new();
    for w in weighed {
        let slot = &model.slots[w.slot];
        if slot.kind == Kind::Text || w.temper < 0.3 {
            continue;
        }
        // P(v | others) = 1 / E[1 / P(v | h)] over the posterior.
        let inverse: f64 = hypotheses
            .iter()
            .map(|&(lead, second, probability)| {
                let log = match second {
                    Some(second) => slot.log_of_pair(lead, second, w.seen()),
                    None => slot.log_of_single(lead, w.seen()),
                };
                probability / log.exp()
            })
            .sum();
        if 1.0 / inverse < SURPRISE * (6.0 / slot.states() as f64).min(1.0) {
            let id = &knowledge.evidence[slot.group].id;
            surprising.push(
                slot.path
                    .map_or_else(|| id.clone(), |p| format!("{id} ({p})")),
            );
        }
    }
    surprising.sort();
    surprising.dedup();
    (!surprising.is_empty() || score < -1.0).then_some(Conflict { score, surprising })
}

/// One sentence of an explanation and the reading it cites.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub text: Said,
    pub evidence: String,
    pub path: Option<Path>,
    pub state: String,
    pub weight_db: f64,
    pub observation: String,
}

/// Why a cause has the probability that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub cause: String,
    pub title: String,
    pub probability: f64,
    /// Log-odds before any reading.
    pub prior_db: f64,
    pub supporting: Vec<Reason>,
    pub opposing: Vec<Reason>,
    /// Not looked at; `weight_db` holds the expected bits times ten.
    pub not_observed: Vec<Reason>,
    pub not_permitted: Vec<Reason>,
    pub stale: Vec<Reason>,
}

/// Terms below this are not worth a sentence.
const AUDIBLE_DB: f64 = 0.5;

/// Explains a cause of a report; `None` if the report does not hold it.
pub fn explain(report: &Report, cause: &str) -> Option<Explanation> {
    let entry = report.causes.iter().find(|c| c.id == cause)?;
    let reason = |term: &Contribution| {
        let reading = report
            .evidence
            .iter()
            .find(|r| r.observation == term.observation);
        Reason {
            text: sentence(&term.evidence, term.path, &term.state, reading),
            evidence: term.evidence.clone(),
            path: term.path,
            state: term.state.clone(),
            weight_db: term.weight_db,
            observation: term.observation.clone(),
        }
    };
    let terms = || entry.contributions.iter().filter(|t| t.evidence != "prior");
    let prior_db = entry
        .contributions
        .iter()
        .find(|t| t.evidence == "prior")
        .map_or(0.0, |t| t.weight_db);
    Some(Explanation {
        cause: entry.id.clone(),
        title: entry.title.clone(),
        probability: entry.probability,
        prior_db,
        supporting: terms()
            .filter(|t| t.weight_db >= AUDIBLE_DB)
            .map(reason)
            .collect(),
        opposing: terms()
            .filter(|t| t.weight_db <= -AUDIBLE_DB)
            .map(reason)
            .collect(),
        not_observed: report
            .next_evidence
            .iter()
            .map(|next| Reason {
                text: said::needing(
                    said::would_bring(
                        place(&next.id, next.path),
                        Figure::new(next.bits, 1, Unit::None),
                        Figure::new(next.cost_s, 0, Unit::Seconds),
                    ),
                    &next.needs,
                ),
                evidence: next.id.clone(),
                path: next.path,
                state: String::new(),
                weight_db: next.bits * 10.0,
                observation: String::new(),
            })
            .collect(),
        not_permitted: without_state(report, Status::NotPermitted),
        stale: without_state(report, Status::Stale),
    })
}

fn sentence(id: &str, path: Option<Path>, state: &str, reading: Option<&Reading>) -> Said {
    let state = Word::state(id, state);
    match reading.map(|r| &r.detail).filter(|d| !d.trim().is_empty()) {
        Some(detail) => said::shows_how(place(id, path), state, detail),
        None => said::shows(place(id, path), state),
    }
}

/// A group, and the path on which it was read.
pub fn place(id: &str, path: Option<Path>) -> Said {
    let group = Word::evidence(id);
    match path {
        Some(path) => said::over(group, Word::new(Table::Path, path.as_str())),
        None => said::group(group),
    }
}

fn without_state(report: &Report, status: Status) -> Vec<Reason> {
    let word = || Word::new(Table::Status, status.as_str());
    let text = |r: &Reading| {
        let what = if r.detail.is_empty() {
            said::without_state(place(&r.id, r.path), word())
        } else {
            said::without_state_why(place(&r.id, r.path), word(), &r.detail)
        };
        match &r.needs {
            Some(needs) => said::needing(what, needs),
            None => what,
        }
    };
    report
        .evidence
        .iter()
        .filter(|r| r.status == status)
        .map(|r| Reason {
            text: text(r),
            evidence: r.id.clone(),
            path: r.path,
            state: String::new(),
            weight_db: 0.0,
            observation: r.observation.clone(),
        })
        .collect()
}
