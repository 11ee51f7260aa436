//! Scores of the shipped knowledge on the labelled suite, against the committed scoreboard.
//!
//! Lives here: the run and the comparison. Must not live here: what a figure means
//! (`diagnosis::score`), the cases (`tests/scenarios/`).
//!
//! `cargo test --release --test pure scores::` prints the table with every baseline;
//! without `--release` the slow baselines are left out unless `CVMTOP_BASELINES=all` asks for
//! them. `CVMTOP_SCOREBOARD=write` renews the marks of the scoreboard that have become better.

use crate::support::scenarios;
use crate::support::variants;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use cvmtop::diagnosis::Knowledge;
use cvmtop::diagnosis::replay::SavedCase;
use cvmtop::diagnosis::score::{Answer, Label, Method, Metrics, Table, metrics};
use serde::Deserialize;

/// More than this is a loss.
const TOLERANCE: f64 = 0.02;

/// What an earlier state of the knowledge reached.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    top1: f64,
    ece: f64,
}

/// By half, then by profile.
type Scoreboard = BTreeMap<String, BTreeMap<String, Mark>>;

fn scoreboard_path() -> PathBuf {
    scenarios::directory().join("scoreboard.toml")
}

fn labelled() -> Vec<(Label, SavedCase)> {
    let suite = scenarios::Suite::load();
    variants::expand(&suite)
        .iter()
        .map(|case| {
            let json = case.json();
            let label = Label::from_json(&json).expect("every case has a label");
            let saved = SavedCase::from_json(&json).expect("every case can be replayed");
            assert!(
                saved.warnings.is_empty(),
                "{}: {:?}",
                case.id(),
                saved.warnings
            );
            (label, saved)
        })
        .collect()
}

/// Answers of one method, in the order of the cases, on all processors.
fn answers(base: &Knowledge, method: Method, cases: &[(Label, SavedCase)]) -> Vec<(Label, Answer)> {
    let knowledge = method.knowledge(base);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = cases.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(size)
            .map(|part| {
                let knowledge = &knowledge;
                scope.spawn(move || {
                    let answer = |(label, case): &(Label, SavedCase)| {
                        (label.clone(), method.answer(knowledge, case))
                    };
                    part.iter().map(answer).collect::<Vec<_>>()
                })
            })
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("no answer panics"))
            .collect()
    })
}

/// Each case with its lead, how sure of it, and whether it is right, one a line.
fn tell_leads(cases: &[(Label, SavedCase)], answers: &[(Label, Answer)]) {
    let mut text = String::new();
    for ((_, case), (label, answer)) in cases.iter().zip(answers) {
        let Some((lead, p)) = answer.causes.first() else {
            continue;
        };
        let right = *lead == label.cause || label.acceptable.contains(lead);
        let truth = answer.causes.iter().find(|c| c.0 == label.cause);
        let case = case
            .case_id
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        writeln!(
            text,
            "{} {} {} {} {case}: {lead} {p:.3}, {} {:.3}",
            if right { "right" } else { "wrong" },
            label.split,
            label.profile,
            label.kind,
            label.cause,
            truth.map_or(0.0, |c| c.1)
        )
        .expect("a String takes any text");
    }
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// What chance alone does to the calibration error without API, where every lead were held exactly
/// as often right as it says: variants of one scenario are right or wrong together, so that there
/// are half as many draws as cases. Ten thousand fixed draws a half.
fn tell_luck(cases: &[(Label, SavedCase)], answers: &[(Label, Answer)]) {
    let mut halves: BTreeMap<&str, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    let mut counted: BTreeMap<&str, Vec<(Label, Answer)>> = BTreeMap::new();
    for ((_, case), (label, answer)) in cases.iter().zip(answers) {
        let is_counted = label.profile == "api-refused"
            && !matches!(
                label.kind.as_str(),
                "unlisted" | "out-of-catalogue" | "ambiguous"
            );
        if let (true, Some(lead), Some(id)) = (is_counted, answer.causes.first(), &case.case_id) {
            let scenario = id.to_string();
            let scenario = scenario.split('#').next().unwrap_or_default().to_owned();
            for half in [label.split.as_str(), "both"] {
                let scenarios = halves.entry(half).or_default();
                scenarios.entry(scenario.clone()).or_default().push(lead.1);
                counted
                    .entry(half)
                    .or_default()
                    .push((label.clone(), answer.clone()));
            }
        }
    }
    let mut seed = 1_u64;
    let mut text =
        String::from("calibration error without API of one that is calibrated exactly\n");
    for (half, scenarios) in &halves {
        let mut errors: Vec<f64> = (0..10_000).map(|_| lucky(scenarios, &mut seed)).collect();
        errors.sort_by(f64::total_cmp);
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let met = errors.iter().filter(|e| **e <= 0.06).count();
        writeln!(
            text,
            "  {half:<5} {} scenarios: {:.3}; exactly: mean {mean:.3}, nine in ten below {:.3}, at most 0.060 in {} of 100",
            scenarios.len(),
            metrics(&counted[half]).ece,
            errors[9_000],
            met / 100
        )
        .expect("a String takes any text");
    }
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// The error of one draw of what is right.
fn lucky(scenarios: &BTreeMap<String, Vec<f64>>, seed: &mut u64) -> f64 {
    let (mut bins, mut all) = ([0.0; 10], 0.0);
    for leads in scenarios.values() {
        // xorshift64: fixed, and even enough for this.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        let drawn = (*seed >> 11) as f64 / (1_u64 << 53) as f64;
        for lead in leads {
            let right = f64::from(u8::from(drawn < *lead));
            bins[((lead * 10.0) as usize).min(9)] += lead - right;
            all += 1.0;
        }
    }
    bins.iter().map(|b: &f64| b.abs()).sum::<f64>() / all
}

fn by_profile(answers: &[(Label, Answer)]) -> BTreeMap<(String, String), Metrics> {
    let mut parts: BTreeMap<(String, String), Vec<(Label, Answer)>> = BTreeMap::new();
    for (label, answer) in answers {
        for profile in [label.profile.as_str(), "(all)"] {
            let key = (label.split.clone(), profile.to_owned());
            parts
                .entry(key)
                .or_default()
                .push((label.clone(), answer.clone()));
        }
    }
    parts
        .into_iter()
        .map(|(key, part)| (key, metrics(&part)))
        .collect()
}

fn read_scoreboard() -> Scoreboard {
    let text = std::fs::read_to_string(scoreboard_path()).expect("scoreboard.toml is committed");
    toml::from_str(&text).expect("scoreboard.toml is well formed")
}

/// Writes the better of each mark, the old one or the new one.
fn write_scoreboard(found: &BTreeMap<(String, String), Metrics>) {
    let old = read_scoreboard();
    let mut text = String::from(
        "# The best that the shipped knowledge reached on the labelled suite; a change that falls behind by more than 0.02 fails.\n\
         # Written by `CVMTOP_SCOREBOARD=write cargo test --release --test pure scores::`.\n",
    );
    let mut half = "";
    for ((split, profile), m) in found.iter().filter(|((_, profile), _)| profile != "(all)") {
        if split != half {
            write!(text, "\n[{split}]\n").expect("a String takes any text");
            half = split;
        }
        let mark = old.get(split).and_then(|marks| marks.get(profile));
        writeln!(
            text,
            "{profile} = {{ top1 = {:.3}, ece = {:.3} }}",
            mark.map_or(m.top1, |mark| mark.top1.max(m.top1)),
            mark.map_or(m.ece, |mark| mark.ece.min(m.ece))
        )
        .expect("a String takes any text");
    }
    std::fs::write(scoreboard_path(), text).expect("the scoreboard can be written");
}

/// Where the figures fall behind the scoreboard.
fn losses(found: &BTreeMap<(String, String), Metrics>) -> Vec<String> {
    let board = read_scoreboard();
    let mut losses = Vec::new();
    for (split, profiles) in &board {
        for (profile, mark) in profiles {
            let Some(m) = found.get(&(split.clone(), profile.clone())) else {
                losses.push(format!(
                    "{split} {profile}: on the scoreboard, not in the suite"
                ));
                continue;
            };
            if m.top1 < mark.top1 - TOLERANCE {
                losses.push(format!(
                    "{split} {profile}: top-1 {:.3}, was {:.3}",
                    m.top1, mark.top1
                ));
            }
            if m.ece > mark.ece + TOLERANCE {
                losses.push(format!(
                    "{split} {profile}: ECE {:.3}, was {:.3}",
                    m.ece, mark.ece
                ));
            }
        }
    }
    losses
}

#[test]
fn the_knowledge_does_not_fall_behind_the_scoreboard_nor_the_baselines() {
    let cases = labelled();
    let own = std::env::var("CVMTOP_KNOWLEDGE").ok().map(|path| {
        let text = std::fs::read_to_string(&path).expect("CVMTOP_KNOWLEDGE can be read");
        Knowledge::parse(&path, &text).expect("CVMTOP_KNOWLEDGE is sound")
    });
    let base = own.as_ref().unwrap_or(Knowledge::shipped());
    let quick = cfg!(debug_assertions) && std::env::var_os("CVMTOP_BASELINES").is_none();
    let methods: &[Method] = if own.is_some() {
        &[Method::Full]
    } else if quick {
        &[Method::Full, Method::VendorChecklist]
    } else {
        &Method::ALL
    };
    let mut results = Vec::new();
    let mut profiles = BTreeMap::new();
    for &method in methods {
        let answers = answers(base, method, &cases);
        if method == Method::Full {
            profiles = by_profile(&answers);
            tell_luck(&cases, &answers);
            if own.is_some() {
                tell_leads(&cases, &answers);
            }
        }
        results.push((method, metrics(&answers)));
    }
    let table = Table {
        by_profile: profiles,
        methods: results,
        cases: cases.len(),
    };
    // Past the capture of a passing test: every run shows what it reached.
    std::io::stdout()
        .write_all(format!("{}\n", table.render()).as_bytes())
        .unwrap();
    if own.is_some() {
        return;
    }
    if std::env::var("CVMTOP_SCOREBOARD").is_ok_and(|value| value == "write") {
        write_scoreboard(&table.by_profile);
    }
    let mut wrong = losses(&table.by_profile);
    let ours = table.methods[0].1;
    for (method, theirs) in &table.methods[1..] {
        // Leaving pairs out may win a case here and there; the simple answers may not.
        let margin = if *method == Method::SinglesOnly {
            TOLERANCE
        } else {
            0.0
        };
        if ours.top1 + margin < theirs.top1 || ours.log_loss > theirs.log_loss + margin {
            wrong.push(format!("{} does better than the engine", method.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
