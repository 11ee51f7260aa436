//! From readings to the posterior: exact enumeration of single causes and pairs.
//!
//! Lives here: which readings weigh and how much, masking along the path, normalisation.
//! Must not live here: explanation, ranking, text for people.

use super::knowledge::{Kind, Knowledge};
use super::model::{Model, Slot, Variant};
use super::way_in::WayIn;
use super::{Case, actions, said};
use crate::domain::evidence::{Family, Path, Reading};
use crate::domain::said::Said;

/// Weight of a reading of the family that the failing user does not use.
const OTHER_FAMILY: f64 = 0.3;
/// Weight of each family's reading where the user's family is not known.
const EITHER_FAMILY: f64 = 0.6;
/// Weight of a silence that this host's own lack of a rule explains.
const BLIND_PATH: f64 = 0.12;
/// Weight of the readings of the public side where the user comes by a private address.
const OTHER_SIDE: f64 = 0.3;
/// Share of reports without a path that speak of the second of two causes.
const UNMASKED: f64 = 0.25;
/// Keeps probabilities off 0 and 1, so that log-odds stay finite.
const EPSILON: f64 = 1e-12;

/// A reading that weighs.
#[derive(Debug, Clone)]
pub(super) struct Weighed {
    pub slot: usize,
    pub state: usize,
    /// Exponent on the likelihood.
    pub temper: f64,
    /// Index into the case's readings.
    pub reading: usize,
}

/// What came of the selection of readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pub weighed: Vec<Weighed>,
    pub warnings: Vec<Said>,
}

/// A hypothesis with its share of the posterior.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hypothesis {
    pub lead: u16,
    pub second: Option<u16>,
    /// Logarithm of the weight before any reading, with what repairs that failed say.
    pub log_before: f64,
    /// The same with every reading, before the sum over all is made 1.
    pub log_weight: f64,
    pub probability: f64,
}

/// The posterior of one case.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    pub hypotheses: Vec<Hypothesis>,
    /// First blocker, by index into `Model::causes`.
    pub causes: Vec<f64>,
    /// Present at all, first blocker or not.
    pub present: Vec<f64>,
    /// Variants as first blocker.
    pub variants: Vec<f64>,
    /// `variant * weighed.len() + observation`: log-likelihood ratio to the untouched row, tempered.
    pub delta: Vec<f64>,
    /// Per observation: log-likelihood of the untouched row, tempered.
    pub base: Vec<f64>,
    pub log_evidence: f64,
}

/// Picks the readings that weigh: observed, known, the latest of each key, of the right family,
/// tempered where one origin explains several. Independent of the order of the readings.
pub(super) fn select(knowledge: &Knowledge, model: &Model, case: &Case<'_>) -> Selection {
    let mut selection = Selection::default();
    let mut found: Vec<(usize, usize, &Reading, usize)> = Vec::new();
    for (index, reading) in case.readings.iter().enumerate() {
        let Some(state) = reading.observed_state() else {
            continue;
        };
        let Some(group) = knowledge.group(&reading.id) else {
            selection.warnings.push(said::evidence_unknown(&reading.id));
            continue;
        };
        let Some(state) = group.state_index(state) else {
            selection
                .warnings
                .push(said::state_unknown(&reading.id, state));
            continue;
        };
        if let Some(slot) = model.slot(&reading.id, path_of(case, reading)) {
            found.push((slot, state, reading, index));
        }
    }
    selection.warnings.sort_by(|a, b| a.as_str().cmp(b));
    selection.warnings.dedup();
    // Within a key the latest comes last; the state breaks ties so that order never matters.
    found.sort_by_key(rank);
    let user_family = user_family(case);
    let mut kept: Vec<(usize, usize, &Reading, usize)> = Vec::new();
    for item in found {
        let same_key = |old: &(usize, usize, &Reading, usize)| {
            old.0 == item.0
                && old.2.family == item.2.family
                && (model.slots[item.0].kind != Kind::Text || old.1 == item.1)
        };
        match kept.iter().position(same_key) {
            Some(old) => {
                if kept[old].1 != item.1 {
                    selection.warnings.push(said::readings_disagree(&item.2.id));
                }
                kept[old] = item;
            }
            None => kept.push(item),
        }
    }
    for item in &kept {
        let both = kept
            .iter()
            .any(|o| o.0 == item.0 && o.2.family != item.2.family);
        let temper = match user_family {
            Some(family) if family == item.2.family => 1.0,
            Some(_) if both => continue,
            Some(_) => OTHER_FAMILY,
            None if both => EITHER_FAMILY,
            None => 1.0,
        };
        selection.weighed.push(Weighed {
            slot: item.0,
            state: item.1,
            temper: temper * model.slots[item.0].temper * knowledge.settings.temper,
            reading: item.3,
        });
    }
    temper_repeats(knowledge, model, &mut selection.weighed);
    temper_blind_paths(knowledge, model, &mut selection.weighed);
    temper_public_side(knowledge, model, case, &mut selection.weighed);
    selection
}

/// The path that a reading speaks of. One that names none was made along the only path that there
/// is; the evaluation of rules for this host is the public one by contract.
fn path_of(case: &Case<'_>, reading: &Reading) -> Option<Path> {
    let only_private = case.vantage.paths == [Path::Private];
    match reading.path {
        None if only_private && reading.id != "security-group-here" => Some(Path::Private),
        path => path,
    }
}

fn rank(item: &(usize, usize, &Reading, usize)) -> (usize, Family, Option<jiff::Timestamp>, usize) {
    (item.0, item.2.family, item.2.observed_at, item.1)
}

fn user_family(case: &Case<'_>) -> Option<Family> {
    let source = case.vantage.user_source.as_deref()?;
    let address = source.split('/').next().unwrap_or(source);
    address.parse::<std::net::IpAddr>().ok().map(Family::of)
}

/// Readings with one origin share their weight (`[[cluster]]`, and several pasted texts).
fn temper_repeats(knowledge: &Knowledge, model: &Model, weighed: &mut [Weighed]) {
    let mut factor = vec![1.0_f64; weighed.len()];
    let mut apply = |members: Vec<usize>, share: f64| {
        let n = members.len() as f64;
        let each = (1.0 + share * (n - 1.0)) / n;
        for member in members {
            factor[member] = factor[member].min(each);
        }
    };
    for cluster in &knowledge.clusters {
        let members: Vec<usize> = weighed
            .iter()
            .enumerate()
            .filter(|(_, w)| {
                let group = &knowledge.evidence[model.slots[w.slot].group];
                cluster
                    .members
                    .get(&group.id)
                    .is_some_and(|states| states.contains(&group.states[w.state]))
            })
            .map(|(i, _)| i)
            .collect();
        if members.len() > 1 {
            apply(members, cluster.share);
        }
    }
    let texts: Vec<usize> = weighed
        .iter()
        .enumerate()
        .filter(|(_, w)| model.slots[w.slot].kind == Kind::Text)
        .map(|(i, _)| i)
        .collect();
    if texts.len() > 1 {
        apply(texts, 0.4);
    }
    for (w, f) in weighed.iter_mut().zip(factor) {
        w.temper *= f;
    }
}

/// Where the rules do not let this host in, its own silence says next to nothing about the user.
fn temper_blind_paths(knowledge: &Knowledge, model: &Model, weighed: &mut [Weighed]) {
    for path in [Path::Public, Path::Private] {
        let (Some(reach), Some(here)) = (
            model.slot("reach", Some(path)),
            model.slot("security-group-here", Some(path)),
        ) else {
            continue;
        };
        let state_of = |slot: usize| {
            weighed
                .iter()
                .find(|w| w.slot == slot)
                .map(|w| knowledge.evidence[model.slots[slot].group].states[w.state].clone())
        };
        let denied =
            state_of(here).is_some_and(|s| s.starts_with("deny") || s == "allow-other-source-only");
        let silent = state_of(reach).is_some_and(|s| s.contains("silent"));
        let user_allowed = model
            .slot("security-group", None)
            .and_then(state_of)
            .is_some_and(|s| s == "allow");
        if denied && silent && user_allowed {
            for w in weighed
                .iter_mut()
                .filter(|w| w.slot == reach || w.slot == here)
            {
                w.temper *= BLIND_PATH;
            }
        }
    }
}

/// A user who comes by the private network does not come through the public side: what is wrong
/// there does not stop that login. Where only the user's address says so, something must be known
/// of the private path.
fn temper_public_side(
    knowledge: &Knowledge,
    model: &Model,
    case: &Case<'_>,
    weighed: &mut [Weighed],
) {
    const PUBLIC_FACTS: [&str; 4] = [
        "public-address",
        "public-bandwidth",
        "ddos-block",
        "bandwidth-use",
    ];
    let private_known = model
        .slot("reach", Some(Path::Private))
        .is_some_and(|slot| weighed.iter().any(|w| w.slot == slot));
    let facts_weigh = match WayIn::of(&case.vantage) {
        WayIn::Told(Path::Private) => 0.0,
        WayIn::FromAddress if private_known => OTHER_SIDE,
        _ => return,
    };
    for w in weighed {
        let slot = &model.slots[w.slot];
        let id = knowledge.evidence[slot.group].id.as_str();
        if PUBLIC_FACTS.contains(&id) {
            w.temper *= facts_weigh;
        } else if slot.path == Some(Path::Public) && private_known {
            w.temper *= OTHER_SIDE;
        }
    }
}

/// Sums over every hypothesis.
pub(super) fn infer(
    knowledge: &Knowledge,
    model: &Model,
    case: &Case<'_>,
    weighed: &[Weighed],
) -> Posterior {
    let tables = Tables::new(model, weighed);
    let n = weighed.len();
    let totals: Vec<f64> = (0..model.variants.len())
        .map(|v| tables.delta[v * n..(v + 1) * n].iter().sum())
        .collect();
    let known = actions::log_known(knowledge, model, case);
    let mut hypotheses = Vec::with_capacity(model.variants.len() + model.pairs.len());
    for (v, variant) in model.variants.iter().enumerate() {
        let log_before = variant.log_prior + known[variant.cause];
        hypotheses.push(Hypothesis {
            lead: v as u16,
            second: None,
            log_before,
            log_weight: log_before + totals[v],
            probability: 0.0,
        });
    }
    for &(lead, second, log_prior) in &model.pairs {
        let (l, s) = (usize::from(lead), usize::from(second));
        let log_before = log_prior + known[model.variants[l].cause];
        let overlap = tables.overlap(model, weighed, l, s);
        hypotheses.push(Hypothesis {
            lead,
            second: Some(second),
            log_before,
            log_weight: log_before + totals[l] + totals[s] - overlap,
            probability: 0.0,
        });
    }
    let log_evidence = normalise(&mut hypotheses) + tables.base.iter().sum::<f64>();
    let mut causes = vec![0.0; model.causes.len()];
    let mut present = vec![0.0; model.causes.len()];
    let mut variants = vec![0.0; model.variants.len()];
    for h in &hypotheses {
        let lead = model.variants[usize::from(h.lead)].cause;
        causes[lead] += h.probability;
        present[lead] += h.probability;
        variants[usize::from(h.lead)] += h.probability;
        if let Some(second) = h.second {
            present[model.variants[usize::from(second)].cause] += h.probability;
        }
    }
    let total: f64 = causes.iter().map(|p| p + EPSILON).sum();
    for p in &mut causes {
        *p = (*p + EPSILON) / total;
    }
    Posterior {
        hypotheses,
        causes,
        present,
        variants,
        delta: tables.delta,
        base: tables.base,
        log_evidence,
    }
}

/// Makes probabilities of the log-weights; the answer is the logarithm of their sum.
fn normalise(hypotheses: &mut [Hypothesis]) -> f64 {
    let max = hypotheses
        .iter()
        .map(|h| h.log_weight)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for h in hypotheses.iter_mut() {
        h.probability = (h.log_weight - max).exp();
        sum += h.probability;
    }
    for h in hypotheses.iter_mut() {
        h.probability /= sum;
    }
    max + sum.ln()
}

/// Likelihoods of the observed states for every variant.
struct Tables {
    observations: usize,
    delta: Vec<f64>,
    base: Vec<f64>,
    /// Bit per slot that is observed, and the observations of each slot.
    seen: u128,
    by_slot: Vec<Vec<usize>>,
}

impl Tables {
    fn new(model: &Model, weighed: &[Weighed]) -> Self {
        let n = weighed.len();
        let mut tables = Self {
            observations: n,
            delta: vec![0.0; model.variants.len() * n],
            base: Vec::with_capacity(n),
            seen: 0,
            by_slot: vec![Vec::new(); model.slots.len()],
        };
        for (o, w) in weighed.iter().enumerate() {
            let base = w.temper * model.slots[w.slot].default[w.state].ln();
            tables.base.push(base);
            tables.seen |= 1 << w.slot;
            tables.by_slot[w.slot].push(o);
            for (v, variant) in model.variants.iter().enumerate() {
                if let Some((p, _)) = &variant.rows[w.slot] {
                    tables.delta[v * n + o] = w.temper * p[w.state].ln() - base;
                }
            }
        }
        tables
    }

    /// What a pair's sum counts too much where both members have a row.
    fn overlap(&self, model: &Model, weighed: &[Weighed], lead: usize, second: usize) -> f64 {
        let (a, b) = (&model.variants[lead], &model.variants[second]);
        let mut shared = a.touch & b.touch & self.seen;
        let mut excess = 0.0;
        while shared != 0 {
            let slot = shared.trailing_zeros() as usize;
            shared &= shared - 1;
            for &o in &self.by_slot[slot] {
                let both = self.delta[lead * self.observations + o]
                    + self.delta[second * self.observations + o];
                excess += both - self.combined(&model.slots[slot], a, b, &weighed[o], o, lead);
            }
        }
        excess
    }

    fn combined(
        &self,
        slot: &Slot,
        a: &Variant,
        b: &Variant,
        w: &Weighed,
        o: usize,
        lead: usize,
    ) -> f64 {
        match pair_probability(slot, a, b, w) {
            None => self.delta[lead * self.observations + o],
            Some(p) => w.temper * p.ln() - self.base[o],
        }
    }
}

/// Probability of a state where two causes are present and both touch the slot; `None` where the
/// first blocker alone decides.
fn pair_probability(slot: &Slot, a: &Variant, b: &Variant, w: &Weighed) -> Option<f64> {
    let row = |v: &Variant| match &v.rows[w.slot] {
        Some((p, _)) => (p[w.state], slot.normal.map_or(0.0, |n| p[n])),
        None => (
            slot.default[w.state],
            slot.normal.map_or(0.0, |n| slot.default[n]),
        ),
    };
    let ((pa, na), (pb, nb)) = (row(a), row(b));
    match (slot.kind, slot.normal) {
        // The earlier one decides; what lies behind it is masked.
        (Kind::Stage, _) if slot.path.is_some() => None,
        // What people and attempts report may have come over another path or the console.
        (Kind::Stage | Kind::Text, _) => Some((1.0 - UNMASKED) * pa + UNMASKED * pb),
        (Kind::Fact | Kind::Graded, Some(normal)) => {
            // Each member that is present shows by itself, so a normal state has to get past both;
            // the leak is counted once, because the untouched row is in both members.
            let both_normal = (na * nb / slot.default[normal]).clamp(1e-3, 0.999);
            Some(if w.state == normal {
                both_normal
            } else {
                (1.0 - both_normal) * (pa + pb) / (2.0 - na - nb).max(1e-3)
            })
        }
        (Kind::Fact | Kind::Graded, None) => Some(0.5 * (pa + pb)),
    }
}

impl Posterior {
    /// Log-likelihood of an observation under a hypothesis, relative to the untouched row.
    pub fn weight_of(&self, model: &Model, weighed: &[Weighed], h: &Hypothesis, o: usize) -> f64 {
        let n = weighed.len();
        let lead = usize::from(h.lead);
        let first = self.delta[lead * n + o];
        let Some(second) = h.second.map(usize::from) else {
            return first;
        };
        let slot = weighed[o].slot;
        let bit = 1_u128 << slot;
        let (a, b) = (&model.variants[lead], &model.variants[second]);
        if a.touch & b.touch & bit == 0 {
            return first + self.delta[second * n + o];
        }
        match pair_probability(&model.slots[slot], a, b, &weighed[o]) {
            None => first,
            Some(p) => weighed[o].temper * p.ln() - self.base[o],
        }
    }
}
