//! Knowledge compiled for one system: likelihood tables, priors and pairs, ready to be summed.
//!
//! Lives here: resolution of rows, floors, noise, bit masks of what each hypothesis touches.
//! Must not live here: readings (`posterior`), text formats (`knowledge`).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::OnceLock;

use super::knowledge::{Cause, Evidence, Knowledge, Row};
use super::slot::{Likelihood, Slot};
use crate::domain::evidence::{Path, Source, table::Group};
use crate::domain::instance::Os;

/// How far a measurement counts that a person brings: nobody signs it. As much as a pasted text.
const USER_STATEMENT: f64 = 0.8;

/// How far a look of another instance counts: it shares most of the way with this host's own. To the
/// public address it may be short-cut inside the cloud, past caps and blocks.
const NEIGHBOUR: f64 = 0.8;
const NEIGHBOUR_PUBLIC: f64 = 0.5;

/// How far a look of the provider's nodes counts: they are strangers on the public Internet, and whose
/// fault it is that one of them does not get through, it cannot tell.
const PROVIDER: f64 = 0.8;

/// One way in which a cause shows itself.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// Index into `Model::causes`.
    pub cause: usize,
    pub stage: u32,
    pub log_prior: f64,
}

/// Two causes at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// The first blocker, by index into `Model::variants`.
    pub lead: u16,
    pub second: u16,
    pub log_prior: f64,
}

impl Pair {
    /// Both variants, the first blocker first.
    pub fn members(&self) -> (usize, usize) {
        (usize::from(self.lead), usize::from(self.second))
    }
}

/// How probable each variant and each cause is, in the form that `Model::expected_bits` needs.
#[derive(Debug)]
pub(super) struct Shares {
    variants: Vec<f64>,
    pub causes: Vec<f64>,
    /// Sum of p log2 p over the causes.
    sum_p_log_p: f64,
}

/// Where a group is found.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Index into `Knowledge::evidence`.
    group: usize,
    /// By [`place_of`]; none where the system does not know the group, or nobody can read it there.
    slots: [Option<usize>; Path::ALL.len()],
}

/// Tables of one system.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// Indices into `Knowledge::causes`, in the order of the catalogue.
    pub causes: Vec<usize>,
    pub priors: Vec<f64>,
    pub slots: Vec<Slot>,
    pub variants: Vec<Variant>,
    pub pairs: Vec<Pair>,
    /// By action of the knowledge: the causes that it cures, by index into `causes`, and how often.
    pub cures: Vec<Vec<(usize, f64)>>,
    /// Variants of each cause.
    ways: Vec<Range<usize>>,
    index: HashMap<String, Place>,
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
            let mut place = Place {
                group,
                slots: [None; Path::ALL.len()],
            };
            if !evidence.applies_to(os) {
                model.index.insert(evidence.id.clone(), place);
                continue;
            }
            for path in evidence.on_paths() {
                place.slots[place_of(path)] = Some(model.slots.len());
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
                    temper: trust(knowledge, evidence, path),
                    worth_bits: 0.0,
                    row_of: Vec::new(),
                    touching: Vec::new(),
                    touched: Vec::new(),
                    log_marginal: Vec::new(),
                    clusters: clusters_of(knowledge, evidence),
                    shared: Vec::new(),
                    excess: vec![OnceLock::new(); default.len()],
                    rows: vec![Likelihood::new(default, 0.0)],
                });
            }
            model.index.insert(evidence.id.clone(), place);
        }
        model.add_variants(knowledge);
        model.add_rows(knowledge, os);
        model.add_pairs(knowledge);
        model.add_marginals();
        model.cures = cures(knowledge, &model.causes);
        model
    }

    /// The index of a group, whether the system knows it or not.
    pub fn group(&self, id: &str) -> Option<usize> {
        self.index.get(id).map(|place| place.group)
    }

    /// The slot of a group on a path.
    ///
    /// A group with paths that is read without one is taken as public; a path on a group that
    /// has none is ignored. What another machine says of a group that is not read there is no word
    /// of this host's.
    pub fn slot(&self, id: &str, path: Option<Path>) -> Option<usize> {
        let slots = &self.index.get(id)?.slots;
        let own = slots[place_of(path)];
        if path.is_none_or(Path::is_own) {
            own.or(slots[place_of(None)])
        } else {
            own
        }
    }

    /// Makes shares of one (unnormalised) probability for each variant.
    pub fn shares(&self, weights: &[f64]) -> Shares {
        let total: f64 = weights.iter().sum();
        let variants: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let causes: Vec<f64> = self
            .ways
            .iter()
            .map(|ways| variants[ways.clone()].iter().sum())
            .collect();
        Shares {
            sum_p_log_p: causes.iter().map(|&p| p_log_p(p)).sum(),
            variants,
            causes,
        }
    }

    /// Expected drop of the entropy over causes, in bits, when the slot is read.
    ///
    /// Causes that do not touch the slot keep their proportions, so each state only needs a look at
    /// those that do.
    pub fn expected_bits(&self, slot: usize, shares: &Shares) -> f64 {
        let slot = &self.slots[slot];
        let touched = || slot.touched.iter().map(|&cause| shares.causes[cause]);
        let rest = 1.0 - touched().sum::<f64>();
        let rest_p_log_p = shares.sum_p_log_p - touched().map(p_log_p).sum::<f64>();
        let mut after = 0.0;
        for state in 0..slot.states() {
            let untouched = slot.rows[0].p[state];
            let mut mass = untouched * rest;
            let mut sum_p_log_p = untouched * (rest_p_log_p + rest * untouched.log2());
            for &cause in &slot.touched {
                let joint = self.joint(slot, cause, state, shares);
                mass += joint;
                sum_p_log_p += p_log_p(joint);
            }
            after += p_log_p(mass) - sum_p_log_p;
        }
        (-shares.sum_p_log_p - after).max(0.0)
    }

    /// Probability of a cause together with a state of a slot.
    fn joint(&self, slot: &Slot, cause: usize, state: usize, shares: &Shares) -> f64 {
        let ways = self.ways[cause].clone();
        ways.map(|v| shares.variants[v] * slot.p(v, state)).sum()
    }

    /// Fills `causes` with the probability of each cause together with a state of a slot; the
    /// answer is their sum.
    pub fn joints(&self, slot: usize, state: usize, shares: &Shares, causes: &mut [f64]) -> f64 {
        let slot = &self.slots[slot];
        let untouched = slot.rows[0].p[state];
        for (joint, share) in causes.iter_mut().zip(&shares.causes) {
            *joint = untouched * share;
        }
        for &cause in &slot.touched {
            causes[cause] = self.joint(slot, cause, state, shares);
        }
        causes.iter().sum()
    }

    fn add_variants(&mut self, knowledge: &Knowledge) {
        for (index, &cause) in self.causes.iter().enumerate() {
            let cause = &knowledge.causes[cause];
            let first = self.variants.len();
            for (name, weight) in &cause.variants {
                self.variants.push(Variant {
                    cause: index,
                    stage: cause.stages.get(name).copied().unwrap_or(cause.stage),
                    log_prior: (self.priors[index] * weight).ln(),
                });
            }
            self.ways.push(first..self.variants.len());
        }
    }

    /// Finds each variant's row in each slot.
    fn add_rows(&mut self, knowledge: &Knowledge, os: Os) {
        let mut by_group: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, row) in knowledge.rows.iter().enumerate() {
            by_group.entry(&row.on).or_default().push(index);
        }
        for slot in &mut self.slots {
            let evidence = &knowledge.evidence[slot.group];
            let of_group = by_group.get(evidence.id.as_str());
            let of_group = of_group.map_or(&[][..], Vec::as_slice);
            let mut known: HashMap<usize, u16> = HashMap::new();
            for (index, &cause) in self.causes.iter().enumerate() {
                let cause = &knowledge.causes[cause];
                for (name, _) in &cause.variants {
                    let found = find_row(knowledge, of_group, &cause.id, name, slot.path, os);
                    let row = found.map_or(0, |found| {
                        *known.entry(found).or_insert_with(|| {
                            let row = &knowledge.rows[found];
                            let row = likelihood(knowledge, evidence, row, slot.path, os);
                            slot.rows.push(row);
                            (slot.rows.len() - 1) as u16
                        })
                    });
                    if row != 0 {
                        slot.touching.push(slot.row_of.len() as u16);
                        if slot.touched.last() != Some(&index) {
                            slot.touched.push(index);
                        }
                    }
                    slot.row_of.push(row);
                }
            }
        }
    }

    /// What each state and each slot is worth before anything is known.
    fn add_marginals(&mut self) {
        let weights: Vec<f64> = self.variants.iter().map(|v| v.log_prior.exp()).collect();
        let shares = self.shares(&weights);
        for index in 0..self.slots.len() {
            let bits = self.expected_bits(index, &shares);
            let slot = &mut self.slots[index];
            let p = |state| {
                let of = |(v, share): (usize, &f64)| share * slot.p(v, state);
                shares.variants.iter().enumerate().map(of).sum::<f64>()
            };
            slot.log_marginal = (0..slot.states()).map(|state| p(state).ln()).collect();
            slot.worth_bits = bits;
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
                    pairs.push(Pair {
                        lead: lead as u16,
                        second: second as u16,
                        log_prior: prior,
                    });
                }
            }
        }
        let mass: f64 = pairs.iter().map(|p| p.log_prior.exp()).sum();
        let share = knowledge.settings.pair_share;
        if share > 0.0 && mass > 0.0 {
            let shift = (share / mass).ln();
            for pair in &mut pairs {
                pair.log_prior += shift;
            }
            for variant in &mut self.variants {
                variant.log_prior += (1.0 - share).ln();
            }
            self.pairs = pairs;
        }
        for slot in &mut self.slots {
            for (index, pair) in self.pairs.iter().enumerate() {
                let (lead, second) = pair.members();
                if slot.row_of[lead] != 0 && slot.row_of[second] != 0 {
                    slot.shared.push(index as u32);
                }
            }
        }
    }
}

/// Where a path's slot stands in `Place::slots`; what has no path stands where the public one would.
fn place_of(path: Option<Path>) -> usize {
    path.map_or(0, |path| path as usize)
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
/// later one, so that an override replaces a shipped row. What another machine sees follows, where
/// there are no rows of its own, those of the address that it looks at. `of_group` are the rows of
/// the group.
fn find_row(
    knowledge: &Knowledge,
    of_group: &[usize],
    cause: &str,
    variant: &str,
    path: Option<Path>,
    os: Os,
) -> Option<usize> {
    let fitting = of_group.iter().copied().filter(|&index| {
        let row = &knowledge.rows[index];
        row.cause.as_slice().iter().any(|c| c == cause)
            && row.variant.as_deref().is_none_or(|v| v == variant)
            && nearness(row.path, path).is_some()
            && row.os.is_none_or(|o| o == os)
    });
    fitting.max_by_key(|&index| {
        let row = &knowledge.rows[index];
        (
            row.variant.is_some(),
            nearness(row.path, path),
            row.os.is_some(),
        )
    })
}

/// How closely a row's path fits a slot's; `None` where it does not.
fn nearness(row: Option<Path>, slot: Option<Path>) -> Option<u8> {
    match (row, slot) {
        (None, _) => Some(0),
        (row, slot) if row == slot => Some(2),
        (row, Some(slot)) => (row == Some(slot.address_side())).then_some(1),
        _ => None,
    }
}

fn likelihood(
    knowledge: &Knowledge,
    evidence: &Evidence,
    row: &Row,
    path: Option<Path>,
    os: Os,
) -> Likelihood {
    let p = distribution(knowledge, evidence, &row.p, os);
    let mut p = as_told(evidence, path, p);
    for (value, state) in p.iter_mut().zip(&evidence.states) {
        // The rest of the row is the case in which nothing is read.
        *value = (*value * (1.0 - row.absent)).max(evidence.floor_of(state));
    }
    Likelihood::new(p, row.ess)
}

/// By state of a group: the clusters that hold it.
fn clusters_of(knowledge: &Knowledge, evidence: &Evidence) -> Vec<Vec<usize>> {
    let holding = |state: &String| {
        let all = knowledge.clusters.iter().enumerate();
        let held = all.filter(|(_, cluster)| {
            let states = cluster.members.get(&evidence.id);
            states.is_some_and(|states| states.contains(state))
        });
        held.map(|(index, _)| index).collect()
    };
    evidence.states.iter().map(holding).collect()
}

/// By action: the causes that it cures, as far as they exist here.
fn cures(knowledge: &Knowledge, causes: &[usize]) -> Vec<Vec<(usize, f64)>> {
    let index: HashMap<&str, usize> = causes
        .iter()
        .enumerate()
        .map(|(index, &cause)| (knowledge.causes[cause].id.as_str(), index))
        .collect();
    let of = |(id, &often): (&String, &f64)| Some((*index.get(id.as_str())?, often));
    let actions = knowledge.actions.iter();
    actions
        .map(|action| action.cures.iter().filter_map(of).collect())
        .collect()
}

/// How far a reading of the group is trusted, beside the exponent that all share.
fn trust(knowledge: &Knowledge, evidence: &Evidence, path: Option<Path>) -> f64 {
    let inside = Group::of(&evidence.id).is_some_and(|group| group.source == Source::Guest);
    let further = match path {
        Some(Path::User) => USER_STATEMENT,
        Some(Path::Subnet | Path::Vpc) => NEIGHBOUR,
        Some(Path::Elsewhere) => NEIGHBOUR_PUBLIC,
        Some(Path::Provider) => PROVIDER,
        _ if inside => knowledge.settings.inside,
        _ => 1.0,
    };
    evidence.temper * further
}

fn default_row(knowledge: &Knowledge, evidence: &Evidence, path: Option<Path>, os: Os) -> Vec<f64> {
    let own = match path {
        Some(Path::Private) => evidence.default_private.as_ref(),
        Some(Path::User) => evidence.default_user.as_ref(),
        Some(path) if path.is_neighbours() => evidence.default_neighbour.as_ref(),
        Some(Path::Provider) => evidence.default_provider.as_ref(),
        _ => None,
    };
    let p = own.unwrap_or(&evidence.default);
    as_told(evidence, path, distribution(knowledge, evidence, p, os))
}

/// What a vantage can tell of a row: a node of the provider says whether it was connected, and not
/// whether it was refused or met silence.
fn as_told(evidence: &Evidence, path: Option<Path>, mut row: Vec<f64>) -> Vec<f64> {
    if path != Some(Path::Provider) {
        return row;
    }
    for (told, others) in &evidence.provider_sees {
        let Some(told) = evidence.state_index(told) else {
            continue;
        };
        for other in others.iter().filter_map(|it| evidence.state_index(it)) {
            let floor = evidence.floor_of(&evidence.states[other]);
            row[told] += (row[other] - floor).max(0.0);
            row[other] = row[other].min(floor);
        }
    }
    normalise(&mut row);
    row
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

/// p log2 p, which is 0 where p is.
fn p_log_p(p: f64) -> f64 {
    if p > 0.0 { p * p.log2() } else { 0.0 }
}
