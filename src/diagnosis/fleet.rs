//! What keeps people out of a whole fleet: which causes, and how often.
//!
//! Lives here: counting reports by cause. Must not live here: which instances are weighed, what
//! instances of one cause share (`incident`), and drawing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::display::Likelihood;
use super::incident::{Diagnosed, Incident, incidents_of};
use super::knowledge::Knowledge;
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
    /// Those of them that fail together, largest first.
    pub incidents: Vec<Incident>,
}

/// The cause that leads in a report: the first one, where it is likely enough to be named.
pub fn leading(report: &Report) -> Option<&CauseProbability> {
    let first = report.causes.first()?;
    let named = Likelihood::of(first.probability) != Likelihood::NotDecided;
    (report.verdict == Verdict::Faulty && named).then_some(first)
}

/// Counts the weighed instances by cause.
pub fn causes_of<'a>(
    knowledge: &Knowledge,
    weighed: impl IntoIterator<Item = Diagnosed<'a>>,
) -> FleetCauses {
    let mut fleet = FleetCauses::default();
    let mut shares: BTreeMap<&str, (&str, f64)> = BTreeMap::new();
    let mut led: BTreeMap<&str, Vec<Diagnosed<'_>>> = BTreeMap::new();
    for one in weighed {
        let Diagnosed {
            instance, report, ..
        } = one;
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
            Some(cause) => led.entry(&cause.id).or_default().push(one),
            None => fleet.undecided.push(instance.id.clone()),
        }
    }
    let failing = (fleet.weighed - fleet.healthy) as f64;
    for (id, members) in led {
        let (title, sum) = shares.get(id).copied().unwrap_or_default();
        fleet.causes.push(CauseShare {
            id: id.to_owned(),
            title: title.to_owned(),
            share: sum / failing,
            incidents: incidents_of(&members, knowledge.bonds_of(id)),
            instances: members.iter().map(|one| one.instance.id.clone()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instance::Instance;

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

    fn instance(id: &str, group: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            security_group_ids: vec![group.to_owned()],
            ..Instance::default()
        }
    }

    #[test]
    fn causes_are_counted_where_they_lead_and_shared_by_their_probability() {
        let cases = [
            (
                instance("i-1", "sg-1"),
                report(
                    Verdict::Faulty,
                    &[("security-group-blocks-port", 0.9), ("hang", 0.1)],
                ),
            ),
            (
                instance("i-2", "sg-1"),
                report(
                    Verdict::Faulty,
                    &[("security-group-blocks-port", 0.6), ("hang", 0.4)],
                ),
            ),
            (
                instance("i-3", "sg-2"),
                report(
                    Verdict::Faulty,
                    &[("hang", 0.7), ("security-group-blocks-port", 0.3)],
                ),
            ),
            (
                instance("i-4", "sg-2"),
                report(
                    Verdict::Faulty,
                    &[("hang", 0.35), ("security-group-blocks-port", 0.3)],
                ),
            ),
            (
                instance("i-5", "sg-2"),
                report(Verdict::Healthy, &[("healthy", 0.99)]),
            ),
            (
                instance("i-6", "sg-2"),
                report(Verdict::Inconclusive, &[("hang", 0.9)]),
            ),
        ];
        let weighed = cases.iter().map(|(instance, report)| Diagnosed {
            instance,
            report,
            onset: None,
        });
        let fleet = causes_of(Knowledge::shipped(), weighed);
        assert_eq!((fleet.weighed, fleet.healthy), (6, 1));
        assert_eq!(fleet.undecided, ["i-4", "i-6"]);
        let told: Vec<(&str, usize)> = fleet
            .causes
            .iter()
            .map(|cause| (cause.title.as_str(), cause.instances.len()))
            .collect();
        assert_eq!(told, [("SECURITY-GROUP-BLOCKS-PORT", 2), ("HANG", 1)]);
        let share = (0.9 + 0.6 + 0.3 + 0.3) / 5.0;
        assert!((fleet.causes[0].share - share).abs() < 1e-9);
        let [incident] = &fleet.causes[0].incidents[..] else {
            panic!("{fleet:?}");
        };
        assert_eq!(incident.instances, ["i-1", "i-2"]);
        assert_eq!(incident.shared[0].id, "sg-1");
        assert_eq!(fleet.causes[1].incidents, []);
    }
}
