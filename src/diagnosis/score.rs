//! How good the answers are on labelled cases.
//!
//! Lives here: the label of a case, the metrics, the table.
//! Must not live here: limits (`score::gates`), baselines (`score::methods`), cases themselves, files.

mod gates;
mod methods;

pub use methods::Method;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use serde::Deserialize;
use serde_json::Value;

use super::replay::SavedCase;
use super::{Knowledge, NO_FAULT, UNLISTED};
use crate::domain::report::Report;

/// What a labelled case says about itself, under `expected`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Label {
    /// The first blocker.
    pub cause: String,
    /// What is broken besides.
    #[serde(default)]
    pub also: Vec<String>,
    /// Leading causes that are as good an answer.
    #[serde(default)]
    pub acceptable: Vec<String>,
    /// `single`, `compound`, `healthy`, `unlisted` (or `out-of-catalogue`), `ambiguous`.
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub distractors: Vec<String>,
    #[serde(default)]
    pub family: String,
    #[serde(default)]
    pub split: String,
    #[serde(default)]
    pub profile: String,
    /// For ambiguous cases: the most that an honest leading cause may hold.
    #[serde(default)]
    pub lead_at_most: Option<f64>,
}

impl Label {
    /// Reads `expected` of a case, if it has one.
    pub fn from_json(value: &Value) -> Option<Self> {
        serde_json::from_value(value.get("expected")?.clone()).ok()
    }

    fn accepts(&self, id: &str) -> bool {
        self.cause == id || self.acceptable.iter().any(|a| a == id)
    }

    fn is_unlisted(&self) -> bool {
        self.kind == "unlisted" || self.kind == "out-of-catalogue" || self.cause == UNLISTED
    }
}

/// The part of a report that is scored.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Causes, most probable first.
    pub causes: Vec<(String, f64)>,
    pub also_broken: Vec<(String, f64)>,
    /// What the first action cures.
    pub first_cures: Vec<String>,
    pub harmful_first: bool,
}

impl From<&Report> for Answer {
    fn from(report: &Report) -> Self {
        let first = report.actions.first();
        // Harmful: downtime, exposure or loss first, while something cheaper has the better ratio.
        let harmful_first = first.is_some_and(|f| {
            let ratio = f.probability_cures / f.cost;
            f.risk >= crate::domain::action::Risk::High
                && report.actions[1..].iter().any(|other| {
                    other.id != "ticket"
                        && other.cost < f.cost
                        && other.risk < f.risk
                        && other.probability_cures / other.cost >= ratio
                })
        });
        Self {
            causes: report
                .causes
                .iter()
                .map(|c| (c.id.clone(), c.probability))
                .collect(),
            also_broken: report
                .also_broken
                .iter()
                .map(|a| (a.id.clone(), a.probability))
                .collect(),
            first_cures: first.map(|f| f.cures.clone()).unwrap_or_default(),
            harmful_first,
        }
    }
}

impl Answer {
    fn probability(&self, id: &str) -> f64 {
        self.causes.iter().find(|c| c.0 == id).map_or(0.0, |c| c.1)
    }

    fn lead(&self) -> (&str, f64) {
        self.causes
            .first()
            .map_or(("", 0.0), |c| (c.0.as_str(), c.1))
    }

    fn names(&self, id: &str) -> bool {
        self.causes.iter().take(3).any(|c| c.0 == id)
            || self.also_broken.iter().any(|a| a.0 == id && a.1 >= 0.3)
    }
}

/// Figures over a set of labelled answers. Shares are 0 to 1, `NaN` where nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    pub cases: usize,
    pub top1: f64,
    pub top3: f64,
    /// Nats.
    pub log_loss: f64,
    /// 0 to 2.
    pub brier: f64,
    /// Ten bins on the leading cause.
    pub ece: f64,
    /// Mean confidence of the lead less how often it is right: above 0 is too sure.
    pub bias: f64,
    /// Right where the lead holds 0.9 or more, and how often it does.
    pub sure_right: f64,
    pub sure_share: f64,
    pub distractor_flips: f64,
    pub healthy_alarms: f64,
    pub unlisted_modest: f64,
    pub compound_named: f64,
    pub compound_first_action: f64,
    pub ambiguous_honest: f64,
    pub harmful_first: f64,
}

/// Scores answers against their labels.
#[allow(clippy::too_many_lines)] // one metric after the other, over the same pass
pub fn metrics(answers: &[(Label, Answer)]) -> Metrics {
    let listed: Vec<&(Label, Answer)> = answers
        .iter()
        .filter(|(l, _)| !l.is_unlisted() && l.kind != "ambiguous")
        .collect();
    let share = |hits: usize, of: usize| hits as f64 / of as f64;
    let count =
        |f: &dyn Fn(&Label, &Answer) -> bool| listed.iter().filter(|(l, a)| f(l, a)).count();
    let n = listed.len();
    let sure = |a: &Answer| a.lead().1 >= 0.9;
    let of_kind = |kind: &'static str| answers.iter().filter(move |(l, _)| l.kind == kind);
    let ratio = |hits: usize, all: usize| share(hits, all);
    let healthy = of_kind("healthy").count();
    let compound = of_kind("compound").count();
    let ambiguous: Vec<_> = of_kind("ambiguous").collect();
    let unlisted: Vec<_> = answers.iter().filter(|(l, _)| l.is_unlisted()).collect();
    let distracted: Vec<_> = answers
        .iter()
        .filter(|(l, _)| !l.distractors.is_empty())
        .collect();
    let fault = |a: &Answer| {
        a.causes
            .iter()
            .filter(|c| c.0 != NO_FAULT && c.0 != UNLISTED)
            .map(|c| c.1)
            .fold(0.0, f64::max)
    };
    Metrics {
        cases: answers.len(),
        top1: share(count(&|l, a| l.accepts(a.lead().0)), n),
        top3: share(
            count(&|l, a| a.causes.iter().take(3).any(|c| l.accepts(&c.0))),
            n,
        ),
        log_loss: listed
            .iter()
            .map(|(l, a)| -a.probability(&l.cause).max(1e-12).ln())
            .sum::<f64>()
            / n as f64,
        brier: listed.iter().map(|(l, a)| brier(l, a)).sum::<f64>() / n as f64,
        ece: calibration_error(&listed),
        bias: listed.iter().map(|(_, a)| a.lead().1).sum::<f64>() / n as f64
            - share(count(&|l, a| l.accepts(a.lead().0)), n),
        sure_right: ratio(
            count(&|l, a| sure(a) && l.accepts(a.lead().0)),
            count(&|_, a| sure(a)),
        ),
        sure_share: share(count(&|_, a| sure(a)), n),
        distractor_flips: ratio(
            distracted
                .iter()
                .filter(|(l, a)| {
                    l.distractors
                        .iter()
                        .any(|d| a.probability(d) > a.probability(&l.cause))
                })
                .count(),
            distracted.len(),
        ),
        healthy_alarms: ratio(
            of_kind("healthy").filter(|(_, a)| fault(a) >= 0.5).count(),
            healthy,
        ),
        unlisted_modest: ratio(
            unlisted.iter().filter(|(_, a)| fault(a) <= 0.6).count(),
            unlisted.len(),
        ),
        compound_named: ratio(
            of_kind("compound")
                .filter(|(l, a)| a.names(&l.cause) && l.also.iter().all(|c| a.names(c)))
                .count(),
            compound,
        ),
        compound_first_action: ratio(
            of_kind("compound")
                .filter(|(l, a)| a.first_cures.contains(&l.cause))
                .count(),
            compound,
        ),
        ambiguous_honest: ratio(
            ambiguous
                .iter()
                .filter(|(l, a)| {
                    l.accepts(a.lead().0) && a.lead().1 <= l.lead_at_most.unwrap_or(1.0)
                })
                .count(),
            ambiguous.len(),
        ),
        harmful_first: share(
            answers.iter().filter(|(_, a)| a.harmful_first).count(),
            answers.len(),
        ),
    }
}

fn brier(label: &Label, answer: &Answer) -> f64 {
    let others: f64 = answer
        .causes
        .iter()
        .filter(|c| c.0 != label.cause)
        .map(|c| c.1 * c.1)
        .sum();
    others + (1.0 - answer.probability(&label.cause)).powi(2)
}

fn calibration_error(answers: &[&(Label, Answer)]) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for (label, answer) in answers {
        let (id, p) = answer.lead();
        let bin = &mut bins[((p * 10.0) as usize).min(9)];
        bin.0 += 1.0;
        bin.1 += p;
        bin.2 += f64::from(u8::from(label.accepts(id)));
    }
    let all: f64 = bins.iter().map(|b| b.0).sum();
    bins.iter()
        .filter(|b| b.0 > 0.0)
        .map(|b| (b.1 - b.2).abs())
        .sum::<f64>()
        / all
}

/// Metrics by split and profile of evidence, then the baselines over all cases.
#[derive(Debug, Clone)]
pub struct Table {
    pub by_profile: BTreeMap<(String, String), Metrics>,
    pub methods: Vec<(Method, Metrics)>,
    pub cases: usize,
}

/// A method's answers in the order of the cases, worked out on every core.
fn answers(
    method: Method,
    knowledge: &Knowledge,
    cases: &[(Label, SavedCase)],
) -> Vec<(Label, Answer)> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let answer =
        |(label, case): &(Label, SavedCase)| (label.clone(), method.answer(knowledge, case));
    thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(cores).max(1))
            .map(|part| scope.spawn(move || part.iter().map(answer).collect::<Vec<_>>()))
            .collect();
        let ended = parts.into_iter().map(thread::ScopedJoinHandle::join);
        let answers = ended.flat_map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)));
        answers.collect()
    })
}

/// Scores labelled cases; those without a label are left out.
pub fn table(knowledge: &Knowledge, cases: &[(Label, SavedCase)], methods: &[Method]) -> Table {
    let mut by_profile: BTreeMap<(String, String), Vec<(Label, Answer)>> = BTreeMap::new();
    let mut results = Vec::new();
    for &method in methods {
        let with = method.knowledge(knowledge);
        let answers = answers(method, &with, cases);
        results.push((method, metrics(&answers)));
        if method == Method::Full {
            for (label, answer) in answers {
                let key = (label.split.clone(), label.profile.clone());
                by_profile.entry(key).or_default().push((label, answer));
            }
        }
    }
    let mut summed = BTreeMap::new();
    let splits: BTreeSet<String> = by_profile.keys().map(|k| k.0.clone()).collect();
    for split in splits {
        let all: Vec<(Label, Answer)> = by_profile
            .iter()
            .filter(|(k, _)| k.0 == split)
            .flat_map(|(_, answers)| answers.iter().cloned())
            .collect();
        summed.insert((split, "(all)".to_owned()), metrics(&all));
    }
    for (key, answers) in by_profile {
        summed.insert(key, metrics(&answers));
    }
    Table {
        by_profile: summed,
        methods: results,
        cases: cases.len(),
    }
}

impl Table {
    /// The table as text, one line a profile.
    pub fn render(&self) -> String {
        let mut out = format!("{} labelled cases\n\n", self.cases);
        let _ = writeln!(
            out,
            "{:<6} {:<14} {:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "split",
            "profile",
            "cases",
            "top-1",
            "top-3",
            "loss",
            "Brier",
            "ECE",
            "bias",
            "sure",
            "right",
            "distr",
            "alarm",
            "modest",
            "both",
            "first",
            "honest",
            "harm"
        );
        for ((split, profile), m) in &self.by_profile {
            let _ = writeln!(out, "{split:<6} {profile:<14} {}", line(m));
        }
        out.push('\n');
        for (method, m) in &self.methods {
            let _ = writeln!(out, "{:<21} {}", method.as_str(), line(m));
        }
        out.push_str(
            "\nbias: mean confidence of the lead less how often it is right\n\
             sure/right: share with a lead of 0.9 or more, and how many of these are right\n\
             distr: a marked distractor above the truth; alarm: a fault at 0.5 or more on a healthy instance\n\
             modest: no cause above 0.6 where the fault is outside the catalogue\n\
             both/first: both of two faults named; the first action cures the first blocker\n\
             honest: ambiguous cases with an acceptable lead that is not too sure; harm: harmful first action\n",
        );
        let splits: BTreeSet<&str> = self.by_profile.keys().map(|k| k.0.as_str()).collect();
        for split in splits {
            out.push('\n');
            out.push_str(&gates::render(split, &self.by_profile));
        }
        out
    }
}

fn line(m: &Metrics) -> String {
    let cell = |v: f64| {
        if v.is_nan() {
            "-".to_owned()
        } else {
            format!("{v:.3}")
        }
    };
    let mut out = format!("{:>5}", m.cases);
    for v in [
        m.top1,
        m.top3,
        m.log_loss,
        m.brier,
        m.ece,
        m.bias,
        m.sure_share,
        m.sure_right,
        m.distractor_flips,
        m.healthy_alarms,
        m.unlisted_modest,
        m.compound_named,
        m.compound_first_action,
        m.ambiguous_honest,
        m.harmful_first,
    ] {
        let _ = write!(out, " {:>6}", cell(v));
    }
    out
}
