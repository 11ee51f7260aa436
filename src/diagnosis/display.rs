//! Probabilities as people may read them: capped, rounded, in words.
//!
//! Lives here: how sure a figure on a screen may look. Must not live here: the exact figures
//! (`posterior`), sentences of a language (`app::locale`, `cli`).

use super::said;
use crate::domain::evidence::{Path, Reading, Source, State, Tone, group};
use crate::domain::instance::Os;
use crate::domain::report::{CauseProbability, Report, Verdict};
use crate::domain::said::{Joint, List, Said};

/// Most that is shown while only symptoms speak for a cause.
const CAP: f64 = 0.97;
/// Most that is shown where mechanism and symptom were both seen; certainty comes with the
/// verification after the repair.
const MECHANISM_CAP: f64 = 0.99;
/// Decibans from which a reading of the cloud or the guest counts as the mechanism.
const MECHANISM_DB: f64 = 5.0;
/// Decibans from which a reading of the path or the client counts as its symptom.
const SYMPTOM_DB: f64 = 1.0;
/// Below this nothing leads.
const UNDECIDED: f64 = 0.4;
/// Evidence that promises less than this does not change that.
const WORTH_BITS: f64 = 0.1;

/// How likely something is, in steps that have a word (`app::locale`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likelihood {
    NotDecided,
    Leading,
    Likely,
    VeryLikely,
}

impl Likelihood {
    /// The step of a probability.
    pub fn of(p: f64) -> Self {
        match p {
            p if p >= 0.9 => Self::VeryLikely,
            p if p >= 0.7 => Self::Likely,
            p if p >= UNDECIDED => Self::Leading,
            _ => Self::NotDecided,
        }
    }
}

/// Whether both the configuration that blocks and the symptom that it brings about were seen.
pub fn has_mechanism_pair(report: &Report, cause: &CauseProbability) -> bool {
    let seen = |from: f64, wanted: &dyn Fn(Source) -> bool| {
        cause.contributions.iter().any(|term| {
            term.weight_db >= from
                && report
                    .evidence
                    .iter()
                    .any(|r| r.observation == term.observation && wanted(r.source))
        })
    };
    seen(MECHANISM_DB, &|s| {
        matches!(s, Source::Cloud | Source::Guest)
    }) && seen(SYMPTOM_DB, &|s| {
        matches!(s, Source::Probe | Source::Operator)
    })
}

/// The most that a cause may be shown with.
pub fn capped(report: &Report, cause: &CauseProbability) -> f64 {
    let cap = if has_mechanism_pair(report, cause) {
        MECHANISM_CAP
    } else {
        CAP
    };
    cause.probability.min(cap)
}

/// Rounded to 5 per cent; `<5%` below that, and the cap itself above 95.
pub fn percent(p: f64) -> String {
    match p {
        p if p < 0.05 => "<5%".to_owned(),
        p if p >= 0.96 => format!("{:.0}%", (p * 100.0).floor()),
        p => format!("{:.0}%", (p * 20.0).round() * 5.0),
    }
}

/// `81% (70-89)` as people see it: `80% (70-90)`.
pub fn with_range(report: &Report, cause: &CauseProbability) -> String {
    let p = capped(report, cause);
    let fives = |p: f64| (p.clamp(0.0, MECHANISM_CAP) * 20.0).round() * 5.0;
    match cause.range {
        Some([low, high]) if fives(high) > fives(low) && p >= 0.05 => {
            format!(
                "{} ({:.0}-{:.0})",
                percent(p),
                fives(low),
                fives(high).min(99.0)
            )
        }
        _ => percent(p),
    }
}

/// What does not fit the rest: `surprising` of a conflict names it by id and path.
pub fn surprising(report: &Report) -> Vec<(&str, Option<Path>)> {
    let named = report
        .conflict
        .iter()
        .flat_map(|conflict| &conflict.surprising);
    let places = named.map(|name| {
        let mut readings = report.evidence.iter();
        let reading = readings.find(|r| match r.path {
            Some(path) => *name == format!("{} ({path})", r.id),
            None => *name == r.id,
        });
        reading.map_or((name.as_str(), None), |r| (r.id.as_str(), r.path))
    });
    places.collect()
}

/// From how many vantages the way in looks sound, and from which it does not; `None` where nobody but
/// this host looked.
pub fn vantages(report: &Report) -> Option<Said> {
    let on = |path: Path| {
        let seen = report.evidence.iter().filter(move |r| r.path == Some(path));
        seen.filter(|r| r.observed_state().is_some())
    };
    let mut others = Path::ALL.into_iter().filter(|path| !path.is_own());
    others.find(|&path| on(path).next().is_some())?;
    let looked = Path::ALL
        .into_iter()
        .filter(|&path| on(path).any(|r| r.id == group::REACH));
    let (sound, bad): (Vec<Path>, Vec<Path>) =
        looked.partition(|path| on(*path).all(|r| r.tone() != Tone::Bad));
    let (n, all) = (sound.len(), sound.len() + bad.len());
    let named = bad.iter().map(|path| match path {
        Path::Public => said::the_public(),
        Path::Private => said::the_private(),
        Path::User => said::the_user(),
        Path::Subnet => said::the_subnet(),
        Path::Vpc => said::the_vpc(),
        Path::Elsewhere => said::elsewhere(),
        Path::Provider => said::the_provider(),
    });
    Some(if bad.is_empty() {
        said::vantages(n, all)
    } else {
        said::vantages_not(n, all, List::said(Joint::Names, named))
    })
}

/// The key pairs that are bound to an instance whose way in is healthy, where nobody saw a login go
/// through: which key the user holds, the cloud cannot tell.
pub fn unproven_keys(report: &Report) -> Option<String> {
    let keys = &report.instance.key_pairs;
    let went_through = |r: &Reading| r.seen().and_then(State::works) == Some(true);
    let open = report.verdict == Verdict::Healthy
        && report.instance.os != Os::Windows
        && !keys.is_empty()
        && !report.evidence.iter().any(went_through);
    open.then(|| keys.join(" "))
}

/// Whether nothing leads and nothing that could still be read would change that: the time for a
/// ticket with all findings.
pub fn abstains(report: &Report) -> bool {
    let lead = report.causes.first().map_or(0.0, |c| c.probability);
    lead < UNDECIDED
        && report
            .next_evidence
            .iter()
            .all(|next| next.bits < WORTH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Case, Knowledge, diagnose};
    use crate::domain::evidence::state::login_attempt;
    use crate::domain::said::Said;

    #[test]
    fn a_bound_key_leaves_the_sign_in_open_until_a_login_went_through() {
        let mut report = diagnose(Knowledge::shipped(), &Case::default());
        report.verdict = Verdict::Healthy;
        assert_eq!(unproven_keys(&report), None);
        report.instance.os = Os::Linux;
        report.instance.key_pairs = vec!["skey-1".into(), "skey-2".into()];
        assert_eq!(unproven_keys(&report).as_deref(), Some("skey-1 skey-2"));
        let went = Reading::observed(login_attempt::ACCEPTED, Source::Probe, Said::raw(""));
        report.evidence.push(went);
        assert_eq!(unproven_keys(&report), None);
        report.evidence.clear();
        report.verdict = Verdict::Faulty;
        assert_eq!(unproven_keys(&report), None);
    }

    #[test]
    fn figures_are_rounded_and_never_certain() {
        assert_eq!(percent(0.03), "<5%");
        assert_eq!(percent(0.81), "80%");
        assert_eq!(percent(0.83), "85%");
        assert_eq!(percent(0.955), "95%");
        assert_eq!(percent(0.97), "97%");
        assert_eq!(percent(0.99), "99%");
        assert_eq!(Likelihood::of(0.92), Likelihood::VeryLikely);
        assert_eq!(Likelihood::of(0.39), Likelihood::NotDecided);
    }
}
