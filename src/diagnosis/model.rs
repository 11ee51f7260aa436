//! Knowledge compiled for one system: likelihood tables, priors and pairs, ready to be summed.
//!
//! Lives here: resolution of rows, floors, noise, bit masks of what each hypothesis touches.
//! Must not live here: readings (`posterior`), text formats (`knowledge`).

use std::collections::{BTreeMap, HashMap};

use super::knowledge::{Cause, Evidence, Kind, Knowledge, Row};
use crate::domain::evidence::Path;
use crate::domain::instance::Os;

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
    /// Probability of each state where nothing touches the group.
    pub default: Vec<f64>,
    /// Expected bits about the cause before anything is known.
    pub worth_bits: f64,
}

/// One way in which a cause shows itself.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// Index into `Model::causes`.
    pub cause: usize,
    pub stage: u32,
    pub log_prior: f64,
    /// Bit per slot that the variant has a row for.
    pub touch: u128,
    /// Per slot: probabilities of the states and their equivalent sample size.
    pub rows: Vec<Option<(Vec<f64>, f64)>>,
}

impl Variant {
    /// Probabilities of the states of a slot.
    pub fn states<'a>(&'a self, slots: &'a [Slot], slot: usize) -> &'a [f64] {
        match &self.rows[slot] {
            Some((p, _)) => p,
            None => &slots[slot].default,
        }
    }
}

/// Tables of one system.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// Indices into `Knowledge::causes`, in the order of the catalogue.
    pub causes: Vec<usize>,
    pub priors: Vec<f64>,
    pub slots: Vec<Slot>,
    pub variants: Vec<Variant>,
    /// First blocker, second cause, logarithm of the prior.
    pub pairs: Vec<(u16, u16, f64)>,
    /// Slots of a group: without path or public, and private.
    index: HashMap<String, [Option<usize>; 2]>,
}

impl Model {
    /// Builds the tables.
    pub fn compile(knowledge: &Knowledge, os: Os) -> Self {
        let mut model = Self {
            causes: (0..knowledge.causes.len())
                .filter(|&i| {
                    knowledge.causes[i].applies_to(os) && prior_of(&knowledge.causes[i], os) > 0.0
                })
                .collect(),
            ..Self::default()
        };
        let total: f64 = model
            .causes
            .iter()
            .map(|&i| prior_of(&knowledge.causes[i], os))
            .sum();
        model.priors = model
            .causes
            .iter()
            .map(|&i| prior_of(&knowledge.causes[i], os) / total)
            .collect();
        for (group, evidence) in knowledge.evidence.iter().enumerate() {
            if !evidence.applies_to(os) {
                continue;
            }
            let paths: &[Option<Path>] = if evidence.paths {
                &[Some(Path::Public), Some(Path::Private)]
            } else {
                &[None]
            };
            for &path in paths {
                let entry = model.index.entry(evidence.id.clone()).or_default();
                entry[usize::from(path == Some(Path::Private))] = Some(model.slots.len());
                let default = default_row(knowledge, evidence, path, os);
                model.slots.push(Slot {
                    group,
                    path,
                    kind: evidence.kind,
                    normal: evidence
                        .normal
                        .as_deref()
                        .and_then(|n| evidence.state_index(n))
                        .or_else(|| usual_state(&default)),
                    temper: evidence.temper,
                    default,
                    worth_bits: 0.0,
                });
            }
        }
        model.add_variants(knowledge, os);
        model.add_pairs(knowledge);
        for slot in 0..model.slots.len() {
            let weights: Vec<f64> = model.variants.iter().map(|v| v.log_prior.exp()).collect();
            model.slots[slot].worth_bits = model.expected_bits(slot, &weights);
        }
        model
    }

    /// The slot of a group on a path.
    ///
    /// A group with paths that is read without one is taken as public; a path on a group that
    /// has none is ignored.
    pub fn slot(&self, id: &str, path: Option<Path>) -> Option<usize> {
        let [first, private] = self.index.get(id)?;
        match path {
            Some(Path::Private) if private.is_some() => *private,
            _ => *first,
        }
    }

    /// Expected drop of the entropy over causes, in bits, when the slot is read; `weights` hold
    /// one (unnormalised) probability for each variant.
    pub fn expected_bits(&self, slot: usize, weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let mut by_cause = vec![0.0; self.causes.len()];
        for (variant, w) in self.variants.iter().zip(weights) {
            by_cause[variant.cause] += w / total;
        }
        let before = entropy_bits(&by_cause, 1.0);
        let mut after = 0.0;
        for state in 0..self.slots[slot].default.len() {
            by_cause.fill(0.0);
            let mut mass = 0.0;
            for (variant, w) in self.variants.iter().zip(weights) {
                let joint = w / total * variant.states(&self.slots, slot)[state];
                by_cause[variant.cause] += joint;
                mass += joint;
            }
            if mass > 0.0 {
                after += mass * entropy_bits(&by_cause, mass);
            }
        }
        (before - after).max(0.0)
    }

    fn add_variants(&mut self, knowledge: &Knowledge, os: Os) {
        for (index, &cause_index) in self.causes.iter().enumerate() {
            let cause = &knowledge.causes[cause_index];
            for (name, weight) in &cause.variants {
                let rows: Vec<_> = self
                    .slots
                    .iter()
                    .map(|slot| {
                        let evidence = &knowledge.evidence[slot.group];
                        find_row(knowledge, &cause.id, name, evidence, slot.path, os).map(|row| {
                            let mut p = distribution(knowledge, evidence, &row.p, os);
                            for (value, state) in p.iter_mut().zip(&evidence.states) {
                                // The rest of the row is the case in which nothing is read.
                                *value =
                                    (*value * (1.0 - row.absent)).max(evidence.floor_of(state));
                            }
                            (p, row.ess)
                        })
                    })
                    .collect();
                let touch = rows
                    .iter()
                    .enumerate()
                    .filter(|(_, row)| row.is_some())
                    .fold(0_u128, |mask, (slot, _)| mask | 1 << slot);
                self.variants.push(Variant {
                    cause: index,
                    stage: cause.stages.get(name).copied().unwrap_or(cause.stage),
                    log_prior: (self.priors[index] * weight).ln(),
                    touch,
                    rows,
                });
            }
        }
    }

    /// All pairs that can exist, the earlier stage first. Together they hold `pair_share` of the
    /// prior; each is proportional to the product of its members' priors.
    fn add_pairs(&mut self, knowledge: &Knowledge) {
        let cause_of = |v: &Variant| &knowledge.causes[self.causes[v.cause]];
        let mut pairs = Vec::new();
        for (i, a) in self.variants.iter().enumerate() {
            for (j, b) in self.variants.iter().enumerate().skip(i + 1) {
                let (ca, cb) = (cause_of(a), cause_of(b));
                let apart = a.cause != b.cause
                    && !ca.alone
                    && !cb.alone
                    && !ca.excludes.contains(&cb.id)
                    && !cb.excludes.contains(&ca.id);
                if apart {
                    let (lead, second) = if b.stage < a.stage { (j, i) } else { (i, j) };
                    let together = ca.likely_with(&cb.id).max(cb.likely_with(&ca.id)).ln();
                    let prior = a.log_prior + b.log_prior + together;
                    pairs.push((lead as u16, second as u16, prior));
                }
            }
        }
        let mass: f64 = pairs.iter().map(|p| p.2.exp()).sum();
        let share = knowledge.settings.pair_share;
        if share > 0.0 && mass > 0.0 {
            let shift = (share / mass).ln();
            for pair in &mut pairs {
                pair.2 += shift;
            }
            for variant in &mut self.variants {
                variant.log_prior += (1.0 - share).ln();
            }
            self.pairs = pairs;
        }
    }
}

fn prior_of(cause: &Cause, os: Os) -> f64 {
    match os {
        Os::Linux => cause.prior[0],
        Os::Windows => cause.prior[1],
        // Linux is the more frequent system in fleets.
        Os::Unknown => 0.6 * cause.prior[0] + 0.4 * cause.prior[1],
    }
}

/// The most specific row wins: variant before cause, then path, then system; among equals the
/// later one, so that an override replaces a shipped row.
fn find_row<'k>(
    knowledge: &'k Knowledge,
    cause: &str,
    variant: &str,
    evidence: &Evidence,
    path: Option<Path>,
    os: Os,
) -> Option<&'k Row> {
    knowledge
        .rows
        .iter()
        .filter(|row| {
            row.on == evidence.id
                && row.cause.as_slice().iter().any(|c| c == cause)
                && row.variant.as_deref().is_none_or(|v| v == variant)
                && row.path.is_none_or(|p| Some(p) == path)
                && row.os.is_none_or(|o| o == os)
        })
        .max_by_key(|row| {
            u8::from(row.variant.is_some()) * 4
                + u8::from(row.path.is_some()) * 2
                + u8::from(row.os.is_some())
        })
}

fn default_row(knowledge: &Knowledge, evidence: &Evidence, path: Option<Path>, os: Os) -> Vec<f64> {
    let p = match (&evidence.default_private, path) {
        (Some(private), Some(Path::Private)) => private,
        _ => &evidence.default,
    };
    distribution(knowledge, evidence, p, os)
}

fn usual_state(default: &[f64]) -> Option<usize> {
    (0..default.len()).max_by(|&a, &b| default[a].total_cmp(&default[b]))
}

/// Spreads the remainder over the states that are not listed, drops states of the other system,
/// mixes in the noise and applies the floor.
fn distribution(
    knowledge: &Knowledge,
    evidence: &Evidence,
    p: &BTreeMap<String, f64>,
    os: Os,
) -> Vec<f64> {
    let listed: f64 = p.values().sum();
    let unlisted = evidence.states.len() - p.len();
    let rest = if unlisted == 0 {
        0.0
    } else {
        (1.0 - listed).max(0.0) / unlisted as f64
    };
    let applies: Vec<bool> = evidence
        .states
        .iter()
        .map(|s| evidence.state_applies_to(s, os))
        .collect();
    let mut row: Vec<f64> = evidence
        .states
        .iter()
        .zip(&applies)
        .map(|(state, &applies)| {
            if applies {
                p.get(state).copied().unwrap_or(rest)
            } else {
                0.0
            }
        })
        .collect();
    normalise(&mut row);
    let count = applies.iter().filter(|a| **a).count() as f64;
    let noise = knowledge.settings.noise;
    for (value, state) in row.iter_mut().zip(&evidence.states) {
        // States of the other system keep the floor: `os` itself may be wrong.
        *value = ((1.0 - noise) * *value + noise / count).max(evidence.floor_of(state));
    }
    normalise(&mut row);
    row
}

fn normalise(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    if sum > 0.0 {
        for value in row {
            *value /= sum;
        }
    }
}

/// Entropy in bits of `weights`, which sum to `total`.
pub(super) fn entropy_bits(weights: &[f64], total: f64) -> f64 {
    weights
        .iter()
        .filter(|w| **w > 0.0)
        .map(|w| {
            let p = w / total;
            -p * p.log2()
        })
        .sum()
}
