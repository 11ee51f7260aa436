//! Which repair to try first.
//!
//! Lives here: probability that an action cures over its price, parameters from the case, the
//! rule that a restart is never first without cause. Must not live here: plans and calls.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Case;
use super::knowledge::{ActionEntry, Knowledge};
use super::model::Model;
use crate::domain::action::SpentAction;
use crate::domain::evidence::state::public_bandwidth;
use crate::domain::evidence::{Path, Reading, Status, group};
use crate::domain::instance::Os;
use crate::domain::report::RankedAction;
use crate::domain::said::Said;

/// Actions that cure with less than this are not proposed.
const MIN_CURES: f64 = 0.02;
/// An action really cures what it cures at least this often.
const REALLY_CURES: f64 = 0.5;

/// A cap under which a login is no pleasure, in Mbit/s.
const LEAST_MBPS: u64 = 5;

/// What is left of a cause that is on the public side only, where the users come by the private one.
const NOT_IN_THE_WAY: f64 = 0.001;

/// Causes by index into `Model::causes`, and how often an action cures each.
type Cures<'k> = &'k [(usize, f64)];

/// Logarithm of what is known of each cause before any reading, by index into `Model::causes`: an
/// action that did not cure makes what it cures less likely, not impossible; so does a way in on
/// which the cause does not lie.
pub(super) fn log_known(knowledge: &Knowledge, model: &Model, case: &Case<'_>) -> Vec<f64> {
    model
        .causes
        .iter()
        .map(|&cause| {
            let id = &knowledge.causes[cause].id;
            let tried: f64 = case
                .tried
                .iter()
                .map(|action| {
                    let efficacy = knowledge
                        .actions
                        .iter()
                        .filter(|a| &a.id == action || (!a.key.is_empty() && &a.key == action))
                        .filter_map(|a| a.cures.get(id))
                        .fold(0.0, |best: f64, q| best.max(*q));
                    (1.0 - efficacy).max(0.01).ln()
                })
                .sum();
            let recent = if case.recent_cause == Some(id) {
                2.0_f64.ln()
            } else {
                0.0
            };
            let by_private = case.vantage.user_way == Some(Path::Private);
            let aside = if by_private && knowledge.causes[cause].public_side {
                NOT_IN_THE_WAY.ln()
            } else {
                0.0
            };
            tried + recent + aside
        })
        .collect()
}

/// All actions that may cure, best first; the ticket closes the list.
pub(super) fn rank(
    knowledge: &Knowledge,
    model: &Model,
    case: &Case<'_>,
    causes: &[f64],
) -> Vec<RankedAction> {
    let present = Present::of(case);
    let mut scored: Vec<(bool, f64, &ActionEntry, Cures<'_>, f64)> = Vec::new();
    for (entry, of_entry) in knowledge.actions.iter().zip(&model.cures) {
        if !present.allows(entry) {
            continue;
        }
        let sum = |wanted: &dyn Fn(f64) -> f64| -> f64 {
            let each = of_entry.iter().map(|&(cause, q)| wanted(q) * causes[cause]);
            each.sum()
        };
        let cures = sum(&|q| q);
        let last = entry.id == "ticket";
        if cures < MIN_CURES && !last {
            continue;
        }
        // A gated action goes behind every other one until what it really cures is likely enough.
        let held = sum(&|q| f64::from(u8::from(q >= REALLY_CURES)));
        let held_back = entry.first_above > 0.0 && held <= entry.first_above;
        let score = if last { -1.0 } else { cures / price(entry) };
        scored.push((held_back, score, entry, of_entry, cures));
    }
    scored.sort_by(|a, b| {
        b.1.total_cmp(&a.1)
            .then_with(|| (&a.2.id, &a.2.key).cmp(&(&b.2.id, &b.2.key)))
    });
    if let Some(first) = scored.iter().position(|s| !s.0)
        && first > 0
    {
        scored[..=first].rotate_right(1);
    }
    scored
        .into_iter()
        .map(|(_, _, entry, of_entry, cures)| RankedAction {
            id: entry.id.clone(),
            title: Said::known(&entry.title),
            parameters: parameters(entry, case),
            cures: curing(knowledge, model, of_entry, causes),
            probability_cures: cures,
            cost: price(entry),
            risk: entry.risk,
            reversible: entry.reversible,
        })
        .collect()
}

/// Minute equivalents of an action with the check after it.
fn price(entry: &ActionEntry) -> f64 {
    entry.cost + entry.verify
}

/// Which entry comes first for each set of probabilities: what more evidence could change.
pub(super) struct FirstAction<'k> {
    candidates: Vec<Candidate<'k>>,
}

struct Candidate<'k> {
    entry: &'k ActionEntry,
    price: f64,
    cures: Cures<'k>,
}

impl<'k> FirstAction<'k> {
    /// The usable entries of a case.
    pub fn new(knowledge: &'k Knowledge, model: &'k Model, case: &Case<'_>) -> Self {
        let present = Present::of(case);
        let candidates = knowledge
            .actions
            .iter()
            .zip(&model.cures)
            .filter(|(entry, _)| entry.id != "ticket" && present.allows(entry))
            .map(|(entry, cures)| Candidate {
                entry,
                price: price(entry),
                cures,
            })
            .collect();
        Self { candidates }
    }

    /// Position of the entry that comes first; `total` is the sum of `causes`.
    pub fn of(&self, causes: &[f64], total: f64) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (number, candidate) in self.candidates.iter().enumerate() {
            let Candidate {
                entry,
                price,
                cures,
            } = candidate;
            let mut sum = 0.0;
            let mut held = 0.0;
            for &(cause, q) in *cures {
                sum += q * causes[cause];
                held += f64::from(u8::from(q >= REALLY_CURES)) * causes[cause];
            }
            let may_lead = entry.first_above <= 0.0 || held > entry.first_above * total;
            if may_lead && sum >= MIN_CURES * total && best.is_none_or(|b| sum / price > b.0) {
                best = Some((sum / price, number));
            }
        }
        best.map(|b| b.1)
    }
}

/// The causes that an entry cures, most probable first.
fn curing(knowledge: &Knowledge, model: &Model, cures: Cures<'_>, causes: &[f64]) -> Vec<String> {
    let id = |cause: usize| &knowledge.causes[model.causes[cause]].id;
    let mut curing: Vec<usize> = cures.iter().map(|&(cause, _)| cause).collect();
    curing.sort_by(|&a, &b| {
        let by_probability = causes[b].total_cmp(&causes[a]);
        by_probability.then_with(|| id(a).cmp(id(b)))
    });
    curing.into_iter().map(|cause| id(cause).clone()).collect()
}

/// What decides whether an action makes sense here.
struct Present<'a> {
    case: &'a Case<'a>,
    os: Os,
    has_agent: bool,
    state: Option<&'a str>,
}

impl<'a> Present<'a> {
    fn of(case: &'a Case<'a>) -> Self {
        let state = |id: &str| {
            let mut readings = case.readings.iter();
            readings.find(|r| r.id == id)?.observed_state()
        };
        // A command that was refused once is refused again.
        let mut readings = case.readings.iter();
        let refused =
            readings.any(|r| r.id == group::AGENT_EXEC && r.status == Status::NotPermitted);
        Self {
            case,
            os: case.instance.os,
            has_agent: !refused
                && state("agent").is_none_or(|s| s == "online")
                && state("agent-exec").is_none_or(|s| s == "ok"),
            state: state("instance-state"),
        }
    }

    fn allows(&self, entry: &ActionEntry) -> bool {
        let system = self.os == Os::Unknown || entry.os.contains(&self.os);
        let agent = !entry.agent || self.has_agent;
        let in_state = entry.states.is_empty()
            || self
                .state
                .is_none_or(|s| entry.states.iter().any(|e| e == s));
        // Only what was read counts: an unknown neither rules out nor asks for anything.
        let read = |facts: &BTreeMap<String, Vec<String>>| {
            facts.iter().any(|(id, states)| {
                let readings = self.case.readings.iter().filter(|r| &r.id == id);
                let mut seen = readings.filter_map(Reading::observed_state);
                seen.any(|state| states.iter().any(|s| s == state))
            })
        };
        let of_port =
            entry.ports.is_empty() || entry.ports.contains(&self.case.instance.login_port);
        let asked_for = entry.only_if.is_empty() || read(&entry.only_if);
        let fits = system && agent && in_state && of_port && asked_for && !read(&entry.unless);
        fits && !self.is_spent(entry)
    }

    /// It was done in this incident with what it would be done with now, to no avail.
    fn is_spent(&self, entry: &ActionEntry) -> bool {
        let of_its_id = |spent: &&SpentAction| spent.action == entry.id;
        let mut spent = self.case.spent.iter().filter(of_its_id).peekable();
        spent.peek().is_some() && {
            let now = parameters(entry, self.case);
            spent.any(|spent| spent.is(&entry.id, &now))
        }
    }
}

/// Fills a template: `login_port`, `login_user` (left out where nobody looked), `more_bandwidth`, `user_source` (null where it is not known: it has to be asked
/// for, never everyone), `instance_address` (public before private), `asked` (always null: only a
/// person knows), anything else as it stands.
fn parameters(entry: &ActionEntry, case: &Case<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, template) in &entry.parameters {
        let value = match template.as_str() {
            Some("login_user") => match &case.vantage.account {
                Some(account) => json!(account),
                None => continue,
            },
            Some("login_port") => json!(case.instance.login_port),
            Some("user_source") => source(case),
            Some("instance_address") => address(case),
            Some("more_bandwidth") => more_bandwidth(case),
            // Only a person knows.
            Some("asked") => Value::Null,
            Some(text) => json!(text),
            None => serde_json::to_value(template).unwrap_or(Value::Null),
        };
        map.insert(name.clone(), value);
    }
    map
}

/// More than the present cap, never the same or less; null where that is not known.
fn more_bandwidth(case: &Case<'_>) -> Value {
    let is_zero = || {
        let mut zero = case
            .readings
            .iter()
            .filter(|r| r.id == group::PUBLIC_BANDWIDTH);
        zero.any(|r| r.observed_state() == Some(public_bandwidth::ZERO.id))
    };
    match case.instance.bandwidth_mbps {
        Some(now) => json!((now * 2).max(LEAST_MBPS)),
        None if is_zero() => json!(LEAST_MBPS),
        None => Value::Null,
    }
}

/// The address that a client should name.
fn address(case: &Case<'_>) -> Value {
    let instance = &case.instance;
    let all = instance
        .public_addresses
        .iter()
        .chain(&instance.private_addresses);
    all.into_iter().next().map_or(Value::Null, |a| json!(a))
}

/// The failing user's address as the narrowest range.
fn source(case: &Case<'_>) -> Value {
    let Some(text) = case.vantage.user_source.as_deref().map(str::trim) else {
        return Value::Null;
    };
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return json!(format!(
            "{address}/{}",
            if address.is_ipv4() { 32 } else { 128 }
        ));
    }
    match text.parse::<ipnet::IpNet>() {
        Ok(net) if net.prefix_len() > 0 => json!(net.to_string()),
        _ => Value::Null,
    }
}
