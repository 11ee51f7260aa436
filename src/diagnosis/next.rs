//! Which reading to get next, and how much has been read.
//!
//! Lives here: expected information per second, the price of consent, the stop rule, coverage.
//! Must not live here: how a reading is obtained.

use super::actions::FirstAction;
use super::knowledge::{Evidence, Knowledge};
use super::model::{Model, Shares};
use super::posterior::{Posterior, Weighed};
use super::slot::Slot;
use super::{Case, NO_FAULT, said};
use crate::domain::evidence::state::{agent, reach};
use crate::domain::evidence::table::{Group, OpenPort, Protocol, Tone, Way};
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::instance::Os;
use crate::domain::report::{NextEvidence, RankedAction};
use crate::domain::said::{List, Said};

/// Seconds that asking for consent, or leaving a line in a log, is worth.
const CONSENT_S: f64 = 15.0;
const LOG_LINE_S: f64 = 3.0;
/// Readings that promise less are not worth asking for.
const MIN_BITS: f64 = 0.02;
const MAX_ENTRIES: usize = 16;
/// Opening a console session costs once; each further look at it is cheap.
const NO_AGENT_S: f64 = 60.0;
/// The user is sent a script, runs it, and sends back what it prints.
const KIT_S: f64 = 60.0;
/// Other instances are asked to look, once.
const NEIGHBOURS_S: f64 = 12.0;
/// The provider's nodes are asked to look, in a round of their own.
const PROVIDER_S: f64 = 90.0;
/// From this lead on, only what may change the first action is worth getting.
const NEARLY_DECIDED: f64 = 0.85;
/// A change of the first action that is less probable than this is not worth a look.
const MIN_CHANGE: f64 = 0.02;

/// Readings worth getting, best per second first. What another machine can tell comes with one
/// answer, so the best of it stands for all. Empty once nothing can change the next step:
/// the leading cause is all but certain, it holds 0.85 and its repair is cheap and reversible, or
/// no reading could bring another action to the top.
pub(super) fn rank(
    knowledge: &Knowledge,
    model: &Model,
    case: &Case<'_>,
    weighed: &[Weighed],
    posterior: &Posterior,
    actions: &[RankedAction],
) -> Vec<NextEvidence> {
    if decided(knowledge, model, posterior, actions) {
        return Vec::new();
    }
    let nearly = posterior.causes.iter().any(|p| *p >= NEARLY_DECIDED);
    let first_action = nearly.then(|| FirstAction::new(knowledge, model, case));
    let prices = Prices::of(case);
    let shares = model.shares(&posterior.variants);
    let mut seen = vec![false; model.slots.len()];
    for w in weighed {
        seen[w.slot] = true;
    }
    let mut entries: Vec<(f64, NextEvidence)> = Vec::new();
    for (s, slot) in model.slots.iter().enumerate() {
        let group = &knowledge.evidence[slot.group];
        if seen[s] {
            continue;
        }
        let bits = model.expected_bits(s, &shares);
        if bits < MIN_BITS || !obtainable(case, group, slot.path) {
            continue;
        }
        if let Some(first) = &first_action
            && chance_of_change(model, posterior, &shares, first, s) < MIN_CHANGE
        {
            continue;
        }
        let price = prices.price(group, slot.path);
        entries.push((
            bits / (price.cost_s + price.consent_s),
            NextEvidence {
                id: group.id.clone(),
                path: slot.path,
                bits,
                cost_s: price.cost_s,
                needs: price.needs,
            },
        ));
    }
    entries.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| (&a.1.id, a.1.path).cmp(&(&b.1.id, b.1.path)))
    });
    let mut asked = Vec::new();
    entries.retain(|(_, entry)| {
        let from = from_elsewhere(&entry.id, entry.path);
        let again = from.is_some() && asked.contains(&from);
        asked.push(from);
        !again
    });
    entries.truncate(MAX_ENTRIES);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// A machine that is not this host, and is asked everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    User,
    Neighbours,
    Provider,
}

/// Who has to be asked, where it is not this host.
fn from_elsewhere(id: &str, path: Option<Path>) -> Option<Other> {
    match path {
        Some(Path::User) => Some(Other::User),
        Some(path) if path.is_neighbours() => Some(Other::Neighbours),
        Some(Path::Provider) => Some(Other::Provider),
        _ => {
            let of_the_kit = Group::of(id).is_some_and(|group| group.way == Way::Kit);
            of_the_kit.then_some(Other::User)
        }
    }
}

/// What a reading costs here.
#[derive(Debug, Clone)]
pub(super) struct Price {
    pub cost_s: f64,
    /// Seconds that asking for consent or leaving a trace is worth.
    pub consent_s: f64,
    pub needs: Said,
}

/// What bears on the price of every reading of a case.
pub(super) struct Prices {
    agent_gone: bool,
    consent_given: bool,
    /// Other instances that could be asked.
    neighbours: Vec<String>,
}

impl Prices {
    pub fn of(case: &Case<'_>) -> Self {
        Self {
            agent_gone: observed(case.readings, group::AGENT, None)
                .is_some_and(|s| s != agent::ONLINE.id),
            consent_given: case
                .readings
                .iter()
                .any(|r| r.source == Source::Guest && r.status == Status::Observed),
            neighbours: case
                .vantage
                .neighbours
                .iter()
                .map(|it| it.name.clone())
                .collect(),
        }
    }

    /// Time, consent and needs of a group on a path.
    pub fn price(&self, group: &Evidence, path: Option<Path>) -> Price {
        match from_elsewhere(&group.id, path) {
            Some(Other::User) => {
                return Price {
                    cost_s: KIT_S,
                    consent_s: 0.0,
                    needs: said::the_kit(),
                };
            }
            Some(Other::Neighbours) => {
                return Price {
                    cost_s: NEIGHBOURS_S,
                    consent_s: CONSENT_S,
                    needs: said::the_neighbours(List::names(&self.neighbours)),
                };
            }
            Some(Other::Provider) => {
                return Price {
                    cost_s: PROVIDER_S,
                    consent_s: CONSENT_S,
                    needs: said::the_providers(),
                };
            }
            None => {}
        }
        let by_console =
            self.agent_gone && Group::of(&group.id).is_some_and(|it| it.source == Source::Guest);
        Price {
            cost_s: if by_console { NO_AGENT_S } else { group.cost_s },
            consent_s: match group.intrusive {
                0 => 0.0,
                1 => LOG_LINE_S,
                _ if self.consent_given => 0.0,
                _ => CONSENT_S,
            },
            needs: if by_console {
                said::through_the_console()
            } else {
                Said::known(&group.needs)
            },
        }
    }
}

/// Probability that reading a slot brings another action to the top.
fn chance_of_change(
    model: &Model,
    posterior: &Posterior,
    shares: &Shares,
    first: &FirstAction<'_>,
    slot: usize,
) -> f64 {
    let now = first.of(&posterior.causes, 1.0);
    let mut causes = vec![0.0; model.causes.len()];
    let mut chance = 0.0;
    for state in 0..model.slots[slot].states() {
        let mass = model.joints(slot, state, shares, &mut causes);
        if mass > 0.0 && first.of(&causes, mass) != now {
            chance += mass;
        }
    }
    chance
}

fn decided(
    knowledge: &Knowledge,
    model: &Model,
    posterior: &Posterior,
    actions: &[RankedAction],
) -> bool {
    let Some((top, &p)) = posterior
        .causes
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
    else {
        return true;
    };
    let id = &knowledge.causes[model.causes[top]].id;
    let easy = actions
        .first()
        .is_some_and(|a| a.cost <= 5.0 && a.reversible && a.cures.contains(id));
    p >= 0.97 || (p >= NEARLY_DECIDED && (easy || id == NO_FAULT))
}

fn observed<'a>(readings: &'a [Reading], id: &str, path: Option<Path>) -> Option<&'a str> {
    readings
        .iter()
        .find(|r| r.id == id && r.path == path)
        .and_then(Reading::observed_state)
}

/// Whether a group can be read at all here: permitted, applicable, and its precondition met.
pub(super) fn obtainable(case: &Case<'_>, group: &Evidence, path: Option<Path>) -> bool {
    let refused = case.readings.iter().any(|r| {
        r.id == group.id
            && r.path == path
            && matches!(r.status, Status::NotPermitted | Status::NotApplicable)
    });
    if let Some(path) = path.filter(|path| path.is_consented()) {
        // All else comes with what is reached.
        let could_look = if path == Path::Provider {
            case.vantage.provider
        } else {
            case.vantage.neighbours.iter().any(|it| it.path == path)
        };
        return could_look && !refused && group.id == group::REACH;
    }
    if refused
        || (path.is_some_and(|path| path != Path::User)
            && !case.vantage.paths.is_empty()
            && !case.vantage.paths.iter().any(|p| Some(*p) == path))
    {
        return false;
    }
    // A Windows instance speaks SSH only in rescue mode, and then it has greeted.
    let speaks_ssh = case.instance.os != Os::Windows
        || case
            .readings
            .iter()
            .any(|r| r.id == group::BANNER && r.status == Status::Observed);
    let Some(table) = Group::of(&group.id) else {
        return true;
    };
    if table.protocol == Some(Protocol::Ssh) && !speaks_ssh {
        return false;
    }
    !is_shut_off(case.readings, table, path) && !is_behind_a_fault(case.readings, table.id, path)
}

/// True for what no look can read while things stand as they do: the login port is shut, or the
/// conversation ends before it comes to that.
pub fn is_cut_off(readings: &[Reading], id: &str, path: Option<Path>) -> bool {
    Group::of(id).is_some_and(|table| is_shut_off(readings, table, path))
        || is_behind_a_fault(readings, id, path)
}

/// What one side says first decides whether there is a next: no key exchange after a greeting that is
/// none, no TLS that was not agreed to.
const CONVERSATIONS: [&[&str]; 2] = [
    &[group::BANNER, group::KEX],
    &[
        group::RDP_NEGOTIATION,
        group::RDP_TLS,
        group::RDP_CERTIFICATE,
    ],
];

fn is_behind_a_fault(readings: &[Reading], id: &str, path: Option<Path>) -> bool {
    let before = CONVERSATIONS.iter().find_map(|talk| {
        let place = talk.iter().position(|it| *it == id)?;
        Some(&talk[..place])
    });
    before.into_iter().flatten().any(|earlier| {
        let mut heard = readings
            .iter()
            .filter(|r| r.id == *earlier && (path.is_none() || r.path == path))
            .filter(|r| r.path != Some(Path::User) && r.seen().is_some())
            .peekable();
        heard.peek().is_some() && heard.all(|r| r.tone() == Tone::Bad)
    })
}

fn is_shut_off(readings: &[Reading], table: &Group, path: Option<Path>) -> bool {
    let open = |p: Option<Path>| {
        let state = observed(readings, group::REACH, p);
        state.is_none_or(|state| {
            matches!(
                State::new(group::REACH, state),
                reach::OPEN | reach::OPEN_LOGIN_ONLY | reach::FLAKY
            )
        })
    };
    match table.open_port {
        Some(OpenPort::OnThisPath) => !open(path),
        Some(OpenPort::OnAnyPath) => !open(Some(Path::Public)) && !open(Some(Path::Private)),
        None => false,
    }
}

/// Bits of the groups that were read over the bits of all groups, weighed before any evidence. A
/// second vantage mostly repeats the first, and nothing is missing where nobody asked for it.
pub(super) fn coverage(knowledge: &Knowledge, model: &Model, weighed: &[Weighed]) -> f64 {
    let counts =
        |slot: &Slot| from_elsewhere(&knowledge.evidence[slot.group].id, slot.path).is_none();
    let own = model.slots.iter().filter(|slot| counts(slot));
    let total: f64 = own.map(|s| s.worth_bits).sum();
    let mut seen = vec![false; model.slots.len()];
    for w in weighed {
        seen[w.slot] = true;
    }
    let got: f64 = model
        .slots
        .iter()
        .zip(&seen)
        .filter(|(slot, seen)| **seen && counts(slot))
        .map(|(s, _)| s.worth_bits)
        .sum();
    if total > 0.0 {
        (got / total).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::state::{banner, rdp_negotiation};

    fn seen(state: State<'static>, path: Path) -> Reading {
        Reading::observed(state, Source::Probe, Said::raw("")).on_path(path)
    }

    #[test]
    fn nothing_is_asked_for_behind_the_point_at_which_a_login_fails() {
        let public = Some(Path::Public);
        let cut = |readings: &[Reading], id| is_cut_off(readings, id, public);
        assert!(!cut(&[], group::KEX));
        assert!(cut(&[seen(reach::REFUSED, Path::Public)], group::BANNER));
        assert!(!cut(&[seen(reach::REFUSED, Path::Private)], group::BANNER));
        let reset = [
            seen(reach::OPEN, Path::Public),
            seen(banner::RESET, Path::Public),
        ];
        assert!(cut(&reset, group::KEX) && !cut(&reset, group::PATH_QUALITY));
        assert!(!cut(&[seen(banner::SLOW, Path::Public)], group::KEX));
        let no_tls = [seen(rdp_negotiation::FAILURE_2, Path::Public)];
        assert!(cut(&no_tls, group::RDP_TLS));
        // The certificate is read over either path.
        let either = |private| {
            let both = [
                seen(rdp_negotiation::FAILURE_2, Path::Public),
                seen(private, Path::Private),
            ];
            is_cut_off(&both, group::RDP_CERTIFICATE, None)
        };
        assert!(!either(rdp_negotiation::NLA) && either(rdp_negotiation::CLOSED));
    }
}
