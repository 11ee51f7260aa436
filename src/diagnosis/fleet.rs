//! What keeps people out of a whole fleet: which causes, and how often.
//!
//! Lives here: counting reports by cause, and finding what instances of one cause share. Must not
//! live here: which instances are weighed, and drawing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::display::Likelihood;
use crate::domain::instance::Instance;
use crate::domain::report::{CauseProbability, Report, Verdict};

/// The causes of the instances that were weighed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FleetCauses {
    /// Instances that were weighed.
    pub weighed: usize,
    /// Those whose login turned out to work.
    pub healthy: usize,
    /// Those of which what was seen names no leading cause.
    pub undecided: Vec<String>,
    /// Most frequent first.
    pub causes: Vec<CauseShare>,
}

/// One cause among the instances that fail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseShare {
    pub id: String,
    pub title: String,
    /// Part of the failing instances, 0 to 1: the mean of its probability over them, so that what is
    /// not certain of one instance counts in part.
    pub share: f64,
    /// Ids of the instances where it leads.
    pub instances: Vec<String>,
    /// What several of these have in common, largest first.
    pub shared: Vec<Shared>,
}

/// Something that several instances of one cause have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shared {
    pub what: Bond,
    pub id: String,
    pub instances: Vec<String>,
}

/// What instances may have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bond {
    SecurityGroup,
    Subnet,
    Zone,
}

/// The cause that leads in a report: the first one, where it is likely enough to be named.
pub fn leading(report: &Report) -> Option<&CauseProbability> {
    let first = report.causes.first()?;
    let named = Likelihood::of(first.probability) != Likelihood::NotDecided;
    (report.verdict == Verdict::Faulty && named).then_some(first)
}

/// Counts the reports by cause.
pub fn causes_of<'a>(reports: impl IntoIterator<Item = (&'a Instance, &'a Report)>) -> FleetCauses {
    let mut fleet = FleetCauses::default();
    let mut shares: BTreeMap<&str, (&str, f64)> = BTreeMap::new();
    let mut led: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for (instance, report) in reports {
        fleet.weighed += 1;
        if report.verdict == Verdict::Healthy {
            fleet.healthy += 1;
            continue;
        }
        for cause in &report.causes {
            let entry = shares.entry(&cause.id).or_insert((&cause.title, 0.0));
            entry.1 += cause.probability;
        }
        match leading(report) {
            Some(cause) => led.entry(&cause.id).or_default().push(instance),
            None => fleet.undecided.push(instance.id.clone()),
        }
    }
    let failing = (fleet.weighed - fleet.healthy) as f64;
    for (id, instances) in led {
        let (title, sum) = shares.get(id).copied().unwrap_or_default();
        fleet.causes.push(CauseShare {
            id: id.to_owned(),
            title: title.to_owned(),
            share: sum / failing,
            shared: shared(&instances),
            instances: instances.iter().map(|one| one.id.clone()).collect(),
        });
    }
    fleet.causes.sort_by(|a, b| {
        let by_count = b.instances.len().cmp(&a.instances.len());
        by_count
            .then(b.share.total_cmp(&a.share))
            .then_with(|| a.id.cmp(&b.id))
    });
    fleet
}

/// What at least two of the instances have in common. A zone is told of only where it holds all of
/// them and nothing narrower does.
fn shared(instances: &[&Instance]) -> Vec<Shared> {
    let mut found: BTreeMap<(Bond, &str), Vec<String>> = BTreeMap::new();
    for instance in instances {
        let groups = instance.security_group_ids.iter();
        let bonds = groups
            .map(|id| (Bond::SecurityGroup, id.as_str()))
            .chain([(Bond::Subnet, instance.subnet_id.as_str())])
            .chain([(Bond::Zone, instance.zone.as_str())]);
        for bond in bonds.filter(|(_, id)| !id.is_empty()) {
            let of_bond = found.entry(bond).or_default();
            // A group may be bound twice.
            if of_bond.last() != Some(&instance.id) {
                of_bond.push(instance.id.clone());
            }
        }
    }
    let narrow = found
        .iter()
        .any(|((bond, _), of)| *bond != Bond::Zone && of.len() > 1);
    let mut shared: Vec<Shared> = found
        .into_iter()
        .filter(|(_, of)| of.len() > 1)
        .filter(|((bond, _), of)| *bond != Bond::Zone || (!narrow && of.len() == instances.len()))
        .map(|((what, id), instances)| Shared {
            what,
            id: id.to_owned(),
            instances,
        })
        .collect();
    shared.sort_by_key(|one| (Reverse(one.instances.len()), one.what));
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict, causes: &[(&str, f64)]) -> Report {
        let mut report = crate::diagnosis::diagnose(
            crate::diagnosis::Knowledge::shipped(),
            &crate::diagnosis::Case::default(),
        );
        report.verdict = verdict;
        report.causes = causes
            .iter()
            .map(|&(id, probability)| CauseProbability {
                id: id.to_owned(),
                title: id.to_uppercase(),
                probability,
                range: None,
                contributions: Vec::new(),
            })
            .collect();
        report
    }

    fn instance(id: &str, group: &str, subnet: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            zone: "z-1".to_owned(),
            subnet_id: subnet.to_owned(),
            security_group_ids: vec![group.to_owned(), group.to_owned()],
            ..Instance::default()
        }
    }

    #[test]
    fn causes_are_counted_where_they_lead_and_shared_by_their_probability() {
        let cases = [
            (
                instance("i-1", "sg-1", "s-1"),
                report(Verdict::Faulty, &[("rules", 0.9), ("hang", 0.1)]),
            ),
            (
                instance("i-2", "sg-1", "s-2"),
                report(Verdict::Faulty, &[("rules", 0.6), ("hang", 0.4)]),
            ),
            (
                instance("i-3", "sg-2", "s-2"),
                report(Verdict::Faulty, &[("hang", 0.7), ("rules", 0.3)]),
            ),
            (
                instance("i-4", "sg-2", "s-2"),
                report(Verdict::Faulty, &[("hang", 0.35), ("rules", 0.3)]),
            ),
            (
                instance("i-5", "sg-2", "s-2"),
                report(Verdict::Healthy, &[("healthy", 0.99)]),
            ),
            (
                instance("i-6", "sg-2", "s-2"),
                report(Verdict::Inconclusive, &[("hang", 0.9)]),
            ),
        ];
        let fleet = causes_of(cases.iter().map(|(instance, report)| (instance, report)));
        assert_eq!((fleet.weighed, fleet.healthy), (6, 1));
        assert_eq!(fleet.undecided, ["i-4", "i-6"]);
        let told: Vec<(&str, usize)> = fleet
            .causes
            .iter()
            .map(|cause| (cause.title.as_str(), cause.instances.len()))
            .collect();
        assert_eq!(told, [("RULES", 2), ("HANG", 1)]);
        let share = (0.9 + 0.6 + 0.3 + 0.3) / 5.0;
        assert!((fleet.causes[0].share - share).abs() < 1e-9);
        let shared = &fleet.causes[0].shared;
        assert_eq!(shared.len(), 1, "{shared:?}");
        assert_eq!(
            (shared[0].what, shared[0].id.as_str()),
            (Bond::SecurityGroup, "sg-1")
        );
        assert_eq!(shared[0].instances, ["i-1", "i-2"]);
    }

    #[test]
    fn a_zone_is_named_only_where_it_holds_all_and_nothing_narrower_does() {
        let apart = [
            instance("i-1", "sg-1", "s-1"),
            instance("i-2", "sg-2", "s-2"),
        ];
        let of_zone = shared(&apart.iter().collect::<Vec<_>>());
        assert_eq!(of_zone.len(), 1);
        assert_eq!(
            (of_zone[0].what, of_zone[0].id.as_str()),
            (Bond::Zone, "z-1")
        );
        let same = [
            instance("i-1", "sg-1", "s-1"),
            instance("i-2", "sg-2", "s-1"),
        ];
        let of_subnet = shared(&same.iter().collect::<Vec<_>>());
        assert_eq!(of_subnet.len(), 1);
        assert_eq!(of_subnet[0].what, Bond::Subnet);
    }
}
