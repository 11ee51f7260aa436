//! The engine and what it is compared with, in the same harness.
//!
//! Must not live here: figures (`score`).

use super::super::replay::SavedCase;
use super::super::{Knowledge, NO_FAULT};
use super::Answer;
use crate::domain::evidence::state::{
    bandwidth_use, cpu, ddos_block, memory, public_address, public_bandwidth, restriction,
    security_group,
};
use crate::domain::evidence::{Reading, State};

/// Something to compare with, in the same harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The engine as shipped.
    Full,
    /// No evidence at all.
    PriorsOnly,
    /// The vendor's seven verdicts in the order of its tool, the first that is found.
    VendorChecklist,
    /// Every reading on its own: no clusters, no tempering, no pairs.
    UngroupedBayes,
    /// The engine without pairs.
    SinglesOnly,
}

impl Method {
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::PriorsOnly,
        Self::VendorChecklist,
        Self::UngroupedBayes,
        Self::SinglesOnly,
    ];

    /// Name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "cvmtop",
            Self::PriorsOnly => "priors only",
            Self::VendorChecklist => "vendor checklist",
            Self::UngroupedBayes => "ungrouped naive Bayes",
            Self::SinglesOnly => "singles without pairs",
        }
    }

    /// The knowledge that the method weighs with.
    pub fn knowledge(self, shipped: &Knowledge) -> Knowledge {
        let mut settings = shipped.settings.clone();
        match self {
            Self::Full | Self::PriorsOnly | Self::VendorChecklist => return shipped.clone(),
            Self::SinglesOnly => settings.pair_share = 0.0,
            Self::UngroupedBayes => {
                settings.pair_share = 0.0;
                settings.temper = 1.0;
                settings.inside = 1.0;
                let mut copy = shipped.clone();
                copy.clusters.clear();
                for group in &mut copy.evidence {
                    group.temper = 1.0;
                }
                return copy.with_settings(settings);
            }
        }
        shipped.with_settings(settings)
    }

    /// The method's answer to a case.
    pub fn answer(self, knowledge: &Knowledge, case: &SavedCase) -> Answer {
        match self {
            Self::PriorsOnly => {
                let blind = SavedCase {
                    readings: Vec::new(),
                    ..case.clone()
                };
                Answer::from(&blind.diagnose(knowledge))
            }
            Self::VendorChecklist => checklist(knowledge, case),
            _ => Answer::from(&case.diagnose(knowledge)),
        }
    }
}

/// The seven verdicts of the vendor's tool in its order, then "no fault found".
fn checklist(knowledge: &Knowledge, case: &SavedCase) -> Answer {
    let is = |states: &[State<'_>]| {
        let seen = |r: &Reading| r.seen().is_some_and(|state| states.contains(&state));
        case.readings.iter().any(seen)
    };
    let verdicts = [
        (
            is(&[bandwidth_use::SATURATED, bandwidth_use::HIGH]),
            "bandwidth-saturated",
        ),
        (is(&[public_bandwidth::ZERO]), "public-bandwidth-zero"),
        (is(&[cpu::HIGH, cpu::PEGGED, cpu::CAPPED]), "cpu-overload"),
        (is(&[memory::HIGH, memory::EXHAUSTED]), "memory-exhausted"),
        (
            is(&[
                security_group::DENY_EXPLICIT,
                security_group::DENY_DEFAULT,
                security_group::ALLOW_OTHER_SOURCE_ONLY,
            ]),
            "security-group-blocks-port",
        ),
        (is(&[ddos_block::BLOCKED]), "ddos-blocked"),
        (is(&[restriction::ISOLATED]), "security-isolated"),
        (
            is(&[restriction::ARREARS, public_address::ARREARS]),
            "account-in-arrears",
        ),
    ];
    let found = verdicts.iter().find(|v| v.0).map_or(NO_FAULT, |v| v.1);
    let rest = 0.3 / (knowledge.causes.len() - 1) as f64;
    let mut causes: Vec<(String, f64)> = knowledge
        .causes
        .iter()
        .map(|c| (c.id.clone(), if c.id == found { 0.7 } else { rest }))
        .collect();
    causes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Answer {
        causes,
        first_cures: vec![found.to_owned()],
        ..Answer::default()
    }
}
