//! Simple answers to compare with: what one gets without weighing evidence.
//!
//! Lives here: the vendor's checklist as a fixed order of questions. Must not live here: anything
//! that the engine knows.

#![allow(dead_code)] // each test crate uses its own part of this shared module

use super::metrics::Answer;
use super::scenarios::Rows;
use super::vocabulary::CAUSES;

/// The seven verdicts of the vendor's self-diagnosis in the order of its page: the first that
/// applies is the answer, with the share of problems that the page says the tools find.
pub fn vendor_checklist(rows: &Rows, os: &str) -> Answer {
    let is = |id: &str, states: &[&str]| {
        rows.iter()
            .any(|(key, row)| key.id == id && row.state().is_some_and(|s| states.contains(&s)))
    };
    let denied = ["deny-explicit", "deny-default", "allow-other-source-only"];
    let checks = [
        ("bandwidth-saturated", is("bandwidth-use", &["high", "saturated"])),
        ("public-bandwidth-zero", is("public-bandwidth", &["zero"])),
        ("cpu-overload", is("cpu", &["high", "pegged", "capped"])),
        ("memory-exhausted", is("memory", &["high", "exhausted"])),
        ("security-group-blocks-port", is("security-group", &denied)),
        ("ddos-blocked", is("ddos-block", &["blocked"])),
        ("security-isolated", is("restriction", &["isolated"])),
        ("account-in-arrears", is("restriction", &["arrears"]) || is("public-address", &["arrears"])),
    ];
    let found = checks.iter().find(|(_, applies)| *applies).map(|(cause, _)| *cause);
    spread(found.unwrap_or("no-fault-found"), 0.7, os)
}

/// `share` for one cause, the rest in equal parts for all others.
fn spread(leader: &str, share: f64, os: &str) -> Answer {
    let mut causes: Vec<(String, f64)> = CAUSES
        .iter()
        .filter(|(_, systems, _)| systems.includes(os))
        .map(|(cause, _, _)| *cause)
        .chain(["no-fault-found", "other-unlisted"])
        .map(|cause| (cause.to_owned(), 0.0))
        .collect();
    let rest = (1.0 - share) / (causes.len() - 1) as f64;
    for (cause, p) in &mut causes {
        *p = if cause == leader { share } else { rest };
    }
    causes.sort_by(|a, b| b.1.total_cmp(&a.1));
    Answer { causes, also: Vec::new(), first_cures: vec![leader.to_owned()], harmful_first: false }
}
