//! Incidents: instances that fail for one cause and have something in common that can bring that
//! cause about, so that one repair may help all of them.
//!
//! Lives here: finding them. Must not live here: which instances are weighed, what repairs one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::said;
use crate::domain::evidence::{Change, group};
use crate::domain::history::Onset;
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::{Joint, List, Said};

/// Two looks that lie further apart do not say when a login began to fail.
const SHARP: SignedDuration = SignedDuration::from_mins(15);

/// What can bring one cause about for several instances, beside one change or one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bond {
    SecurityGroup,
    Subnet,
    Address,
    Zone,
}

/// Something that several instances have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Shared {
    pub what: Bond,
    /// The id, or the address itself.
    pub id: String,
}

/// Instances that fail together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Ids, in the order of the list.
    pub instances: Vec<String>,
    /// What all of them have in common, of what can bring the cause about.
    pub shared: Vec<Shared>,
    /// The change that the audit log names for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Between which times all of them can have begun to fail, where the looks are close enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset: Option<Onset>,
}

impl Incident {
    /// The incident as a screen may show it: who changed something names a person.
    #[must_use]
    pub fn shown(&self, privacy: bool) -> Self {
        let change = self.change.clone();
        Self {
            change: change.filter(|_| !privacy),
            ..self.clone()
        }
    }

    /// What they have in common.
    pub fn said(&self) -> Said {
        let bonds = self.shared.iter().map(|shared| match shared.what {
            Bond::SecurityGroup => said::bond_group(&shared.id),
            Bond::Subnet => said::bond_subnet(&shared.id),
            Bond::Address => said::bond_address(&shared.id),
            Bond::Zone => said::bond_zone(&shared.id),
        });
        let change = self.change.iter().map(|change| {
            said::bond_change(&change.action, &change.by, &change.from, short(change.at))
        });
        let onset = self
            .onset
            .iter()
            .map(|onset| said::bond_onset(short(onset.answered), short(onset.failed)));
        let bonds = List::said(Joint::Semicolons, bonds.chain(change).chain(onset));
        said::incident(self.instances.len(), bonds)
    }
}

/// A time in UTC, to the minute.
fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// An instance with its diagnosis, and since when its login fails.
#[derive(Debug, Clone, Copy)]
pub struct Diagnosed<'a> {
    pub instance: &'a Instance,
    pub report: &'a Report,
    pub onset: Option<Onset>,
}

/// What an instance may have in common with another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    Change(Change),
    Shared(Shared),
    /// They can all have begun to fail at that time.
    Onset(Timestamp),
}

/// The incidents among instances of one cause, largest first; an instance is in one at most.
/// `bonds` is what can bring that cause about.
pub fn incidents_of(failing: &[Diagnosed<'_>], bonds: &[Bond]) -> Vec<Incident> {
    let mut left: Vec<&Diagnosed<'_>> = failing.iter().collect();
    let mut found = Vec::new();
    while let Some(members) = largest(&left, bonds) {
        found.push(incident(&members, bonds));
        left.retain(|one| !members.iter().any(|m| m.instance.id == one.instance.id));
    }
    found
}

/// The most instances that have one thing in common, where that is more than one.
fn largest<'a>(left: &[&'a Diagnosed<'a>], bonds: &[Bond]) -> Option<Vec<&'a Diagnosed<'a>>> {
    let mut tied: BTreeMap<Tie, Vec<&Diagnosed<'_>>> = BTreeMap::new();
    for one in left {
        for tie in ties(one, bonds) {
            tied.entry(tie).or_default().push(one);
        }
    }
    // Whoever can have begun to fail at the first failed look of one of them.
    for at in left.iter().filter_map(|one| Some(sharp(one)?.failed)) {
        let then = left.iter().copied().filter(|one| {
            sharp(one).is_some_and(|onset| onset.answered < at && at <= onset.failed)
        });
        tied.insert(Tie::Onset(at), then.collect());
    }
    let several = tied.into_iter().filter(|(_, of)| of.len() > 1);
    let best = several.min_by_key(|(tie, of)| (Reverse(of.len()), tie.clone()));
    best.map(|(_, of)| of)
}

fn sharp(one: &Diagnosed<'_>) -> Option<Onset> {
    one.onset
        .filter(|onset| onset.failed.duration_since(onset.answered) <= SHARP)
}

/// What an instance has that another may have too, each once.
fn ties(one: &Diagnosed<'_>, bonds: &[Bond]) -> Vec<Tie> {
    let shared = bonds.iter().flat_map(|&what| {
        let ids = ids(one.instance, what).into_iter();
        ids.map(move |id| Tie::Shared(Shared { what, id }))
    });
    let mut ties: Vec<Tie> = change(one).cloned().map(Tie::Change).into_iter().collect();
    ties.extend(shared);
    ties.sort();
    ties.dedup();
    ties
}

fn ids(instance: &Instance, what: Bond) -> Vec<String> {
    let mut ids = match what {
        Bond::SecurityGroup => instance.security_group_ids.clone(),
        Bond::Subnet => vec![instance.subnet_id.clone()],
        Bond::Address => {
            let addresses = instance.public_addresses.iter();
            addresses.map(IpAddr::to_string).collect()
        }
        Bond::Zone => vec![instance.zone.clone()],
    };
    ids.retain(|id| !id.is_empty());
    ids
}

fn change<'a>(one: &Diagnosed<'a>) -> Option<&'a Change> {
    let mut evidence = one.report.evidence.iter();
    let reading = evidence.find(|reading| reading.id == group::RECENT_CHANGE)?;
    reading.change.as_deref()
}

fn incident(members: &[&Diagnosed<'_>], bonds: &[Bond]) -> Incident {
    let mut common: Vec<Tie> = members.first().map_or(Vec::new(), |one| ties(one, bonds));
    for one in members {
        let own = ties(one, bonds);
        common.retain(|tie| own.contains(tie));
    }
    let mut incident = Incident {
        instances: members.iter().map(|one| one.instance.id.clone()).collect(),
        onset: members
            .iter()
            .map(|one| sharp(one))
            .reduce(|a, b| overlap(a?, b?))
            .flatten(),
        ..Incident::default()
    };
    for tie in common {
        match tie {
            Tie::Change(change) => incident.change = Some(change),
            Tie::Shared(shared) => incident.shared.push(shared),
            Tie::Onset(_) => {}
        }
    }
    incident
}

/// When both can have begun.
fn overlap(a: Onset, b: Onset) -> Option<Onset> {
    let onset = Onset {
        answered: a.answered.max(b.answered),
        failed: a.failed.min(b.failed),
    };
    (onset.answered < onset.failed).then_some(onset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Reading, Source, Status};

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn instance(id: &str, group: &str, subnet: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            zone: "z-1".to_owned(),
            subnet_id: subnet.to_owned(),
            // A group may be bound twice.
            security_group_ids: vec![group.to_owned(), group.to_owned()],
            ..Instance::default()
        }
    }

    fn report(changed: Option<i64>) -> Report {
        let shipped = crate::diagnosis::Knowledge::shipped();
        let mut report = crate::diagnosis::diagnose(shipped, &crate::diagnosis::Case::default());
        report.evidence.clear();
        if let Some(minute) = changed {
            let status = Status::NotAttempted;
            let why = Said::raw("changed");
            let reading = Reading::without_state(group::RECENT_CHANGE, Source::Cloud, status, why);
            report.evidence.push(Reading {
                change: Some(Box::new(Change {
                    at: at(minute),
                    action: "DeleteSecurityGroupPolicies".to_owned(),
                    by: "operator".to_owned(),
                    from: "198.51.100.7".to_owned(),
                    entry: None,
                })),
                ..reading
            });
        }
        report
    }

    fn onset(answered: i64, failed: i64) -> Onset {
        Onset {
            answered: at(answered),
            failed: at(failed),
        }
    }

    type Row = (Instance, Report, Option<Onset>);

    fn found(rows: &[Row], bonds: &[Bond]) -> Vec<Incident> {
        let failing: Vec<Diagnosed<'_>> = rows
            .iter()
            .map(|(instance, report, onset)| Diagnosed {
                instance,
                report,
                onset: *onset,
            })
            .collect();
        incidents_of(&failing, bonds)
    }

    #[test]
    fn what_can_bring_the_cause_about_ties_instances_and_nothing_else_does() {
        let rows: Vec<Row> = ["i-1", "i-2", "i-3"]
            .into_iter()
            .zip(["sg-1", "sg-1", "sg-2"])
            .map(|(id, group)| (instance(id, group, "s-1"), report(None), None))
            .collect();
        // A full disk has nothing to do with the group.
        assert_eq!(found(&rows, &[]), []);
        let by_group = found(&rows, &[Bond::SecurityGroup]);
        assert_eq!(by_group.len(), 1);
        assert_eq!(by_group[0].instances, ["i-1", "i-2"]);
        let [shared] = &by_group[0].shared[..] else {
            panic!("{by_group:?}")
        };
        assert_eq!(
            (shared.what, shared.id.as_str()),
            (Bond::SecurityGroup, "sg-1")
        );
        let by_subnet = found(&rows, &[Bond::SecurityGroup, Bond::Subnet]);
        assert_eq!(by_subnet[0].instances, ["i-1", "i-2", "i-3"]);
        assert_eq!(by_subnet[0].shared.len(), 1, "{by_subnet:?}");
    }

    #[test]
    fn one_change_ties_instances_and_is_named_with_who_made_it() {
        let rows = [
            (instance("i-1", "sg-1", "s-1"), report(Some(2)), None),
            (instance("i-2", "sg-1", "s-2"), report(Some(2)), None),
            (instance("i-3", "sg-1", "s-2"), report(Some(3)), None),
        ];
        let by_change = found(&rows, &[]);
        assert_eq!(by_change.len(), 1, "{by_change:?}");
        assert_eq!(by_change[0].instances, ["i-1", "i-2"]);
        assert_eq!(
            by_change[0].said().as_str(),
            "2 instances share the change DeleteSecurityGroupPolicies by operator from \
             198.51.100.7 at 1970-01-01 00:02Z"
        );
        // All three have the group; then no change speaks for all.
        let by_group = found(&rows, &[Bond::SecurityGroup]);
        assert_eq!((by_group.len(), by_group[0].instances.len()), (1, 3));
        assert_eq!(by_group[0].change, None);
    }

    #[test]
    fn logins_that_can_have_begun_to_fail_at_one_time_fail_together() {
        let of = |id, onset| (instance(id, id, id), report(None), onset);
        let rows = [
            of("i-1", Some(onset(10, 12))),
            of("i-2", Some(onset(11, 14))),
            of("i-3", Some(onset(12, 13))),
            // A night between two looks says nothing.
            of("i-4", Some(onset(0, 600))),
            of("i-5", None),
        ];
        let together = found(&rows, &[]);
        assert_eq!(together.len(), 1, "{together:?}");
        assert_eq!(together[0].instances, ["i-1", "i-2"]);
        assert_eq!(together[0].onset, Some(onset(11, 12)));
    }

    #[test]
    fn an_instance_is_in_one_incident_only() {
        let rows: Vec<Row> = [
            ("i-1", "sg-1"),
            ("i-2", "sg-1"),
            ("i-3", "sg-2"),
            ("i-4", "sg-2"),
        ]
        .into_iter()
        .map(|(id, group)| (instance(id, group, "s-1"), report(None), None))
        .chain([(
            Instance {
                security_group_ids: vec!["sg-1".to_owned(), "sg-2".to_owned()],
                ..instance("i-5", "sg-1", "s-1")
            },
            report(None),
            None,
        )])
        .collect();
        let both = found(&rows, &[Bond::SecurityGroup]);
        let members: Vec<&[String]> = both.iter().map(|one| &one.instances[..]).collect();
        assert_eq!(members, [&["i-1", "i-2", "i-5"][..], &["i-3", "i-4"]]);
    }
}
