//! From readings to the posterior: exact enumeration of single causes and pairs.
//!
//! Lives here: which readings weigh and how much, masking along the path, normalisation.
//! Must not live here: explanation, ranking, text for people.

use super::knowledge::{Kind, Knowledge};
use super::model::Model;
use super::slot::Seen;
use super::way_in::WayIn;
use super::{Case, actions, said};
use crate::domain::evidence::state::{reach, security_group};
use crate::domain::evidence::{Family, Path, Reading, State, group};
use crate::domain::said::Said;

/// Weight of a reading of the family that the failing user does not use.
const OTHER_FAMILY: f64 = 0.3;
/// Weight of each family's reading where the user's family is not known.
const EITHER_FAMILY: f64 = 0.6;
/// Weight of a silence that this host's own lack of a rule explains.
const BLIND_PATH: f64 = 0.12;
/// Weight of the readings of the public side where the user comes by a private address.
const OTHER_SIDE: f64 = 0.3;
/// Keeps probabilities off 0 and 1, so that log-odds stay finite.
const EPSILON: f64 = 1e-12;

/// A reading that weighs.
#[derive(Debug, Clone)]
pub(super) struct Weighed {
    pub slot: usize,
    pub state: usize,
    /// The state that its figure is close to, and how far it counts as that one.
    pub toward: Option<(usize, f64)>,
    /// Exponent on the likelihood.
    pub temper: f64,
    /// Index into the case's readings.
    pub reading: usize,
}

impl Weighed {
    /// What was seen.
    pub fn seen(&self) -> Seen {
        Seen {
            state: self.state,
            toward: self.toward,
        }
    }
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
    /// Indices into `Model::variants`.
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
    /// `observation * variants + variant`: log-likelihood ratio to the untouched row, tempered.
    pub delta: Vec<f64>,
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
        let Some(group) = model.group(&reading.id).map(|g| &knowledge.evidence[g]) else {
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
    for of_slot in found.chunk_by(|a, b| a.0 == b.0) {
        let slot = &model.slots[of_slot[0].0];
        let mut kept: Vec<(usize, usize, &Reading, usize)> = Vec::new();
        for &item in of_slot {
            let same_key = |old: &(usize, usize, &Reading, usize)| {
                old.2.family == item.2.family && (slot.kind != Kind::Text || old.1 == item.1)
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
            let both = kept.iter().any(|o| o.2.family != item.2.family);
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
                toward: item
                    .2
                    .figure
                    .and_then(|figure| knowledge.evidence[slot.group].toward(item.1, figure)),
                temper: temper * slot.temper * knowledge.settings.temper,
                reading: item.3,
            });
        }
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
        None if only_private && reading.id != group::SECURITY_GROUP_HERE => Some(Path::Private),
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
    // A reading that counts in part as another state is in part a member of what holds that one.
    let mut apply = |members: Vec<(usize, f64)>, share: f64| {
        let n: f64 = members.iter().map(|(_, part)| part).sum();
        if n > 1.0 {
            let each = (1.0 + share * (n - 1.0)) / n;
            for (member, part) in members {
                factor[member] = factor[member].min(1.0 - part * (1.0 - each));
            }
        }
    };
    let mut members: Vec<Vec<(usize, f64)>> = vec![Vec::new(); knowledge.clusters.len()];
    for (o, w) in weighed.iter().enumerate() {
        let clusters = &model.slots[w.slot].clusters;
        for (cluster, members) in members.iter_mut().enumerate() {
            let part = w
                .seen()
                .of(|state| f64::from(u8::from(clusters[state].contains(&cluster))));
            if part > 0.0 {
                members.push((o, part));
            }
        }
    }
    for (cluster, members) in knowledge.clusters.iter().zip(members) {
        apply(members, cluster.share);
    }
    let texts = weighed
        .iter()
        .enumerate()
        .filter(|(_, w)| model.slots[w.slot].kind == Kind::Text)
        .map(|(o, _)| (o, 1.0))
        .collect();
    apply(texts, 0.4);
    for (w, f) in weighed.iter_mut().zip(factor) {
        w.temper *= f;
    }
}

/// Where the rules do not let this host in, its own silence says next to nothing about the user;
/// nor does another instance's.
fn temper_blind_paths(knowledge: &Knowledge, model: &Model, weighed: &mut [Weighed]) {
    for path in Path::ALL {
        let (Some(probed), Some(here)) = (
            model.slot(group::REACH, Some(path)),
            model.slot(group::SECURITY_GROUP_HERE, Some(path)),
        ) else {
            continue;
        };
        let state_of = |slot: usize| {
            weighed.iter().find(|w| w.slot == slot).map(|w| {
                let group = &knowledge.evidence[model.slots[w.slot].group];
                State::new(&group.id, &group.states[w.state])
            })
        };
        let denied = state_of(here).is_some_and(|state| state.shuts(path.address_side()));
        let silent = matches!(
            state_of(probed),
            Some(reach::SILENT_HOST_ALIVE | reach::SILENT_ICMP_ONLY | reach::ALL_SILENT)
        );
        let user_allowed = model
            .slot(group::SECURITY_GROUP, None)
            .and_then(state_of)
            .is_some_and(|state| state == security_group::ALLOW);
        if denied && silent && (user_allowed || path.is_consented()) {
            for w in weighed
                .iter_mut()
                .filter(|w| w.slot == probed || w.slot == here)
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
        group::PUBLIC_ADDRESS,
        group::PUBLIC_BANDWIDTH,
        group::DDOS_BLOCK,
        group::BANDWIDTH_USE,
    ];
    let private_known = model
        .slot(group::REACH, Some(Path::Private))
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
    let Sums {
        delta,
        totals,
        excess,
        untouched,
    } = Sums::new(model, weighed);
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
    for (pair, excess) in model.pairs.iter().zip(excess) {
        let (l, s) = pair.members();
        let log_before = pair.log_prior + known[model.variants[l].cause];
        hypotheses.push(Hypothesis {
            lead: pair.lead,
            second: Some(pair.second),
            log_before,
            log_weight: log_before + totals[l] + totals[s] - excess,
            probability: 0.0,
        });
    }
    let log_evidence = normalise(&mut hypotheses) + untouched;
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
        delta,
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

/// Logarithms of the likelihoods of everything that was observed.
struct Sums {
    /// See `Posterior::delta`.
    delta: Vec<f64>,
    /// By variant: sum of `delta` over the observations.
    totals: Vec<f64>,
    /// By pair: by how much its members' totals exceed its own.
    excess: Vec<f64>,
    /// Log-likelihood where nothing touches what was observed.
    untouched: f64,
}

impl Sums {
    /// Only variants that touch a slot, and pairs whose members both do, are looked at.
    fn new(model: &Model, weighed: &[Weighed]) -> Self {
        let count = model.variants.len();
        let mut sums = Self {
            delta: vec![0.0; count * weighed.len()],
            totals: vec![0.0; count],
            excess: vec![0.0; model.pairs.len()],
            untouched: 0.0,
        };
        for (o, w) in weighed.iter().enumerate() {
            let slot = &model.slots[w.slot];
            sums.untouched += w.temper * slot.log_untouched(w.seen());
            for &v in &slot.touching {
                let v = usize::from(v);
                let delta = w.temper * slot.log_ratio(v, w.seen());
                sums.delta[o * count + v] = delta;
                sums.totals[v] += delta;
            }
            let excess = slot.excess(&model.pairs, w.seen());
            for (&pair, excess) in slot.shared.iter().zip(excess.iter()) {
                sums.excess[pair as usize] += w.temper * excess;
            }
        }
        sums
    }
}
