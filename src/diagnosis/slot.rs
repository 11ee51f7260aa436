//! One evidence group on one path: the likelihood of each of its states under each variant, and of a
//! reading close to the figure at which another state begins.
//!
//! Must not live here: how the tables are made (`model`), or which readings weigh (`posterior`).

use std::borrow::Cow;
use std::sync::OnceLock;

use super::knowledge::Kind;
use super::model::Pair;
use crate::domain::evidence::Path;

/// Share of reports without a path that speak of the second of two causes.
const UNMASKED: f64 = 0.25;

/// The probabilities of the states of a group.
#[derive(Debug, Clone)]
pub(super) struct Likelihood {
    pub p: Vec<f64>,
    /// Natural logarithms of `p`.
    pub log: Vec<f64>,
    /// Equivalent sample size.
    pub ess: f64,
}

impl Likelihood {
    pub fn new(p: Vec<f64>, ess: f64) -> Self {
        let log = p.iter().map(|p| p.ln()).collect();
        Self { p, log, ess }
    }
}

/// A state that was seen; close to the figure at which another one begins, that one in part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub state: usize,
    /// The other state and its share, at most a half.
    pub toward: Option<(usize, f64)>,
}

impl Seen {
    /// The logarithm (or another linear measure) of what was seen, of those of the states: between two
    /// states log-odds move evenly with the figure.
    pub fn of(self, of: impl Fn(usize) -> f64) -> f64 {
        match self.toward {
            None => of(self.state),
            Some((other, share)) => (1.0 - share) * of(self.state) + share * of(other),
        }
    }
}

/// An evidence group on one path.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Index into `Knowledge::evidence`.
    pub group: usize,
    pub path: Option<Path>,
    pub kind: Kind,
    /// The state of a sound instance: as named, else the likeliest one.
    pub normal: Option<usize>,
    pub temper: f64,
    /// Expected bits about the cause before anything is known.
    pub worth_bits: f64,
    /// Each likelihood once; the first holds where nothing touches the group.
    pub rows: Vec<Likelihood>,
    /// By variant: index into `rows`.
    pub row_of: Vec<u16>,
    /// Variants that have a row of their own.
    pub touching: Vec<u16>,
    /// Causes with such a variant, by index into `Model::causes`.
    pub touched: Vec<usize>,
    /// By state: logarithm of its probability before any reading.
    pub log_marginal: Vec<f64>,
    /// By state: the clusters that hold it.
    pub clusters: Vec<Vec<usize>>,
    /// Pairs both of whose members have a row of their own, by index into `Model::pairs`.
    pub shared: Vec<u32>,
    /// By state, made when it is first seen: see `excess`.
    pub excess: Vec<OnceLock<Box<[f64]>>>,
}

impl Slot {
    /// Number of states.
    pub fn states(&self) -> usize {
        self.rows[0].p.len()
    }

    /// Probability of a state under a variant.
    pub fn p(&self, variant: usize, state: usize) -> f64 {
        self.rows[usize::from(self.row_of[variant])].p[state]
    }

    /// Log-likelihood ratio of a variant to the untouched row.
    pub fn log_ratio(&self, variant: usize, seen: Seen) -> f64 {
        self.log_of_single(variant, seen) - self.log_untouched(seen)
    }

    /// Logarithm of the probability of what was seen where nothing touches the group.
    pub fn log_untouched(&self, seen: Seen) -> f64 {
        self.log_of(0, seen)
    }

    fn log_of(&self, row: usize, seen: Seen) -> f64 {
        seen.of(|state| self.rows[row].log[state])
    }

    /// Logarithm of the probability of what was seen before any reading.
    pub fn log_marginal_of(&self, seen: Seen) -> f64 {
        seen.of(|state| self.log_marginal[state])
    }

    /// For each of `shared`: by how much the sum of the members' log-ratios exceeds the pair's own.
    pub fn excess(&self, pairs: &[Pair], seen: Seen) -> Cow<'_, [f64]> {
        let all = || {
            let of = |&pair: &u32| self.excess_of(pairs[pair as usize], seen);
            self.shared.iter().map(of)
        };
        match seen.toward {
            None => Cow::Borrowed(self.excess[seen.state].get_or_init(|| all().collect())),
            Some(_) => Cow::Owned(all().collect()),
        }
    }

    fn excess_of(&self, pair: Pair, seen: Seen) -> f64 {
        let (lead, second) = pair.members();
        let both = self.log_ratio(lead, seen) + self.log_ratio(second, seen);
        let own = self.log_of_pair(lead, second, seen) - self.log_untouched(seen);
        both - own
    }

    /// Logarithm of the probability of what was seen under a variant.
    pub fn log_of_single(&self, variant: usize, seen: Seen) -> f64 {
        self.log_of(usize::from(self.row_of[variant]), seen)
    }

    /// Logarithm of the probability of what was seen under a pair.
    pub fn log_of_pair(&self, lead: usize, second: usize, seen: Seen) -> f64 {
        let p = |state| match (self.row_of[lead], self.row_of[second]) {
            (_, 0) => self.p(lead, state),
            (0, _) => self.p(second, state),
            _ => self
                .pair_probability(lead, second, state)
                .unwrap_or_else(|| self.p(lead, state)),
        };
        seen.of(|state| p(state).ln())
    }

    /// Probability of a state where two causes are present and both touch the slot; `None` where
    /// the first blocker alone decides.
    fn pair_probability(&self, lead: usize, second: usize, state: usize) -> Option<f64> {
        let row = |variant: usize| {
            let p = &self.rows[usize::from(self.row_of[variant])].p;
            (p[state], self.normal.map_or(0.0, |normal| p[normal]))
        };
        let ((pa, na), (pb, nb)) = (row(lead), row(second));
        match (self.kind, self.normal) {
            // The earlier one decides; what lies behind it is masked.
            (Kind::Stage, _) if self.path.is_some() => None,
            // What people and attempts report may have come over another path or the console.
            (Kind::Stage | Kind::Text, _) => Some((1.0 - UNMASKED) * pa + UNMASKED * pb),
            (Kind::Fact | Kind::Graded, Some(normal)) => {
                // Each member that is present shows by itself, so a normal state has to get past
                // both; the leak is counted once, because the untouched row is in both members.
                let both_normal = (na * nb / self.rows[0].p[normal]).clamp(1e-3, 0.999);
                Some(if state == normal {
                    both_normal
                } else {
                    (1.0 - both_normal) * (pa + pb) / (2.0 - na - nb).max(1e-3)
                })
            }
            (Kind::Fact | Kind::Graded, None) => Some(0.5 * (pa + pb)),
        }
    }
}
