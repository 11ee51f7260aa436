//! The engine and what it is compared with, in the same harness.
//!
//! Must not live here: figures (`score`).

use super::super::replay::SavedCase;
use super::super::{Knowledge, NO_FAULT};
use super::Answer;
use crate::domain::evidence::Reading;

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
    let is = |id: &str, states: &[&str]| {
        case.readings
            .iter()
            .any(|r| r.id == id && Reading::observed_state(r).is_some_and(|s| states.contains(&s)))
    };
    let verdicts = [
        (
            is("bandwidth-use", &["saturated", "high"]),
            "bandwidth-saturated",
        ),
        (is("public-bandwidth", &["zero"]), "public-bandwidth-zero"),
        (is("cpu", &["high", "pegged", "capped"]), "cpu-overload"),
        (is("memory", &["high", "exhausted"]), "memory-exhausted"),
        (
            is(
                "security-group",
                &["deny-explicit", "deny-default", "allow-other-source-only"],
            ),
            "security-group-blocks-port",
        ),
        (is("ddos-block", &["blocked"]), "ddos-blocked"),
        (is("restriction", &["isolated"]), "security-isolated"),
        (
            is("restriction", &["arrears"]) || is("public-address", &["arrears"]),
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
