//! The gates that the scores have to pass, on the part of the cases that tuning never saw.
//!
//! Lives here: limits and which profile of evidence each is read from. Must not live here: how a
//! figure is counted (`score`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Metrics;

/// A limit on one figure.
struct Gate {
    name: &'static str,
    profile: &'static str,
    figure: fn(&Metrics) -> f64,
    /// At least this, or at most.
    least: bool,
    limit: f64,
}

const fn least(
    name: &'static str,
    profile: &'static str,
    figure: fn(&Metrics) -> f64,
    limit: f64,
) -> Gate {
    Gate {
        name,
        profile,
        figure,
        least: true,
        limit,
    }
}

const fn most(
    name: &'static str,
    profile: &'static str,
    figure: fn(&Metrics) -> f64,
    limit: f64,
) -> Gate {
    Gate {
        name,
        profile,
        figure,
        least: false,
        limit,
    }
}

/// All profiles together.
const ALL: &str = "(all)";

const GATES: [Gate; 17] = [
    least("top-1", "full", |m| m.top1, 0.90),
    least("top-3", "full", |m| m.top3, 0.97),
    least("top-1", "outside-api", |m| m.top1, 0.80),
    least("top-1", "missing-40", |m| m.top1, 0.60),
    least("top-1", "api-refused", |m| m.top1, 0.50),
    most("ECE", "api-refused", |m| m.ece, 0.06),
    most("log loss", "full", |m| m.log_loss, 0.45),
    most("Brier", "full", |m| m.brier, 0.20),
    most("ECE", "full", |m| m.ece, 0.05),
    least("right where sure", "full", |m| m.sure_right, 0.95),
    least("share of sure ones", "full", |m| m.sure_share, 0.40),
    most("distractor flips", "full", |m| m.distractor_flips, 0.02),
    most("false alarms", "full", |m| m.healthy_alarms, 0.02),
    least("modest if unlisted", "full", |m| m.unlisted_modest, 0.90),
    least("both faults named", "full", |m| m.compound_named, 0.85),
    least(
        "first action cures",
        "full",
        |m| m.compound_first_action,
        0.85,
    ),
    most("harmful first", ALL, |m| m.harmful_first, 0.0),
];

/// The gates of one part as text, one a line; what was not counted is left out.
pub(super) fn render(split: &str, by_profile: &BTreeMap<(String, String), Metrics>) -> String {
    let mut out = String::new();
    let (mut met, mut counted) = (0, 0);
    for gate in &GATES {
        let key = (split.to_owned(), gate.profile.to_owned());
        let Some(value) = by_profile.get(&key).map(gate.figure) else {
            continue;
        };
        if value.is_nan() {
            continue;
        }
        let holds = if gate.least {
            value >= gate.limit
        } else {
            value <= gate.limit
        };
        counted += 1;
        met += u32::from(holds);
        let _ = writeln!(
            out,
            "  {:<20} {:<12} {:>6.3} {} {:.2}  {}",
            gate.name,
            gate.profile,
            value,
            if gate.least { ">=" } else { "<=" },
            gate.limit,
            if holds { "met" } else { "MISSED" }
        );
    }
    let part = if split.is_empty() {
        "these cases"
    } else {
        split
    };
    format!("gates on {part}: {met} of {counted} met\n{out}")
}
