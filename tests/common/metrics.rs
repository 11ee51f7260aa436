//! Scores of answers against labels, as the table of quality prints them.
//!
//! Lives here: what each figure means, computed from the report alone. Must not live here: how a
//! report is made, which figures are good enough.

#![allow(dead_code)] // each test crate uses its own part of this shared module

use cvmtop::domain::action::Risk;
use cvmtop::domain::report::{RankedAction, Report};

use super::variants::Case;

/// What one answer said, reduced to what is scored.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Causes, most probable first.
    pub causes: Vec<(String, f64)>,
    pub also: Vec<(String, f64)>,
    /// What the first action cures, where there is one.
    pub first_cures: Vec<String>,
    /// The first action costs more than another that would serve better, and may do harm.
    pub harmful_first: bool,
}

impl Answer {
    pub fn of(report: &Report) -> Self {
        let pairs = report.causes.iter().map(|c| (c.id.clone(), c.probability)).collect();
        let also = report.also_broken.iter().map(|c| (c.id.clone(), c.probability)).collect();
        Self {
            causes: pairs,
            also,
            first_cures: report.actions.first().map(|a| a.cures.clone()).unwrap_or_default(),
            harmful_first: harmful_first(&report.actions),
        }
    }

    fn probability(&self, cause: &str) -> f64 {
        self.causes.iter().find(|(id, _)| id == cause).map_or(0.0, |(_, p)| *p)
    }

    fn leader(&self) -> (&str, f64) {
        self.causes.first().map_or(("", 0.0), |(id, p)| (id.as_str(), *p))
    }

    /// Among the first three, or named beside them at 0.3 or more.
    fn names(&self, cause: &str) -> bool {
        self.causes.iter().take(3).any(|(id, _)| id == cause)
            || self.also.iter().any(|(id, p)| id == cause && *p >= 0.3)
    }

    /// The largest share that any fault of the catalogue gets.
    fn largest_fault(&self) -> f64 {
        let listed = |id: &str| id != "no-fault-found" && id != "other-unlisted";
        self.causes.iter().filter(|(id, _)| listed(id)).map(|(_, p)| *p).fold(0.0, f64::max)
    }
}

/// Downtime, exposure or data loss first, while a gentler action offers more for its cost.
fn harmful_first(actions: &[RankedAction]) -> bool {
    let Some(first) = actions.first() else {
        return false;
    };
    let worth = |action: &RankedAction| action.probability_cures / action.cost.max(0.01);
    let gentle = |risk: Risk| matches!(risk, Risk::None | Risk::Low);
    !gentle(first.risk)
        && actions.iter().any(|other| gentle(other.risk) && worth(other) > worth(first))
}

/// Sums over the cases of one profile.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Cases with one definite label: single, compound and healthy.
    pub definite: u32,
    top1: u32,
    top3: u32,
    log_loss: f64,
    brier: f64,
    /// For each of ten bins of the leading probability: cases, sum of it, hits.
    bins: [(u32, f64, u32); 10],
    sure: u32,
    sure_right: u32,
    distracted: u32,
    flips: u32,
    healthy: u32,
    false_alarms: u32,
    unlisted: u32,
    unlisted_modest: u32,
    compound: u32,
    compound_named: u32,
    ambiguous: u32,
    ambiguous_honest: u32,
    cases: u32,
    harmful: u32,
}

impl Tally {
    pub fn add(&mut self, case: &Case<'_>, answer: &Answer) {
        let label = &case.scenario.written;
        self.cases += 1;
        self.harmful += u32::from(answer.harmful_first);
        let truth = answer.probability(&label.cause);
        if !label.distractors.is_empty() && label.kind != "out-of-catalogue" {
            let flipped = label.distractors.iter().any(|d| answer.probability(d) > truth);
            self.distracted += 1;
            self.flips += u32::from(flipped);
        }
        match label.kind.as_str() {
            "ambiguous" => {
                let (leader, p) = answer.leader();
                let within = p <= label.lead_at_most.unwrap_or(1.0);
                let honest = within && label.acceptable.iter().any(|c| c == leader);
                self.ambiguous += 1;
                self.ambiguous_honest += u32::from(honest);
                return;
            }
            "out-of-catalogue" => {
                self.unlisted += 1;
                self.unlisted_modest += u32::from(answer.largest_fault() <= 0.6);
                return;
            }
            "healthy" => {
                self.healthy += 1;
                self.false_alarms += u32::from(answer.largest_fault() >= 0.5);
            }
            "compound" => {
                let both = answer.names(&label.cause) && label.also.iter().all(|c| answer.names(c));
                let cured = answer.first_cures.contains(&label.cause);
                self.compound += 1;
                self.compound_named += u32::from(both && cured);
            }
            _ => {}
        }
        self.add_definite(&label.cause, truth, answer);
    }

    fn add_definite(&mut self, cause: &str, truth: f64, answer: &Answer) {
        let (leader, p) = answer.leader();
        let right = leader == cause;
        self.definite += 1;
        self.top1 += u32::from(right);
        self.top3 += u32::from(answer.causes.iter().take(3).any(|(id, _)| id == cause));
        self.log_loss -= truth.max(1e-6).ln();
        self.brier += answer
            .causes
            .iter()
            .map(|(id, p)| (p - f64::from(u8::from(id == cause))).powi(2))
            .sum::<f64>();
        let bin = &mut self.bins[((p * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += p;
        bin.2 += u32::from(right);
        if p >= 0.9 {
            self.sure += 1;
            self.sure_right += u32::from(right);
        }
    }

    /// The figures; `None` where no case asks for one.
    pub fn figures(&self) -> Figures {
        let share = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
        let mean = |sum: f64| (self.definite > 0).then(|| sum / f64::from(self.definite));
        let ece: f64 = self.bins.iter().map(|(_, sum, hits)| (sum - f64::from(*hits)).abs()).sum();
        Figures {
            cases: self.cases,
            top1: share(self.top1, self.definite),
            top3: share(self.top3, self.definite),
            log_loss: mean(self.log_loss),
            brier: mean(self.brier),
            ece: mean(ece),
            sure_accuracy: share(self.sure_right, self.sure),
            sure_share: share(self.sure, self.definite),
            distractor_flips: share(self.flips, self.distracted),
            false_alarms: share(self.false_alarms, self.healthy),
            unlisted_modest: share(self.unlisted_modest, self.unlisted),
            compound_named: share(self.compound_named, self.compound),
            ambiguous_honest: share(self.ambiguous_honest, self.ambiguous),
            harmful: share(self.harmful, self.cases),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine = (mine.0 + theirs.0, mine.1 + theirs.1, mine.2 + theirs.2);
        }
        self.log_loss += other.log_loss;
        self.brier += other.brier;
        for (mine, theirs) in [
            (&mut self.definite, other.definite),
            (&mut self.top1, other.top1),
            (&mut self.top3, other.top3),
            (&mut self.sure, other.sure),
            (&mut self.sure_right, other.sure_right),
            (&mut self.distracted, other.distracted),
            (&mut self.flips, other.flips),
            (&mut self.healthy, other.healthy),
            (&mut self.false_alarms, other.false_alarms),
            (&mut self.unlisted, other.unlisted),
            (&mut self.unlisted_modest, other.unlisted_modest),
            (&mut self.compound, other.compound),
            (&mut self.compound_named, other.compound_named),
            (&mut self.ambiguous, other.ambiguous),
            (&mut self.ambiguous_honest, other.ambiguous_honest),
            (&mut self.cases, other.cases),
            (&mut self.harmful, other.harmful),
        ] {
            *mine += theirs;
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub cases: u32,
    pub top1: Option<f64>,
    pub top3: Option<f64>,
    pub log_loss: Option<f64>,
    pub brier: Option<f64>,
    pub ece: Option<f64>,
    pub sure_accuracy: Option<f64>,
    pub sure_share: Option<f64>,
    pub distractor_flips: Option<f64>,
    pub false_alarms: Option<f64>,
    pub unlisted_modest: Option<f64>,
    pub compound_named: Option<f64>,
    pub ambiguous_honest: Option<f64>,
    pub harmful: Option<f64>,
}

impl Figures {
    pub const HEAD: &str = "cases  top1  top3  logl brier   ece  P>=.9 (share) flips alarm ooc<.6  both honest harm";

    pub fn row(&self) -> String {
        let f = |value: Option<f64>| value.map_or("    -".to_owned(), |v| format!("{v:5.3}"));
        format!(
            "{:5} {} {} {} {} {} {}  ({}) {} {} {} {} {} {}",
            self.cases,
            f(self.top1),
            f(self.top3),
            f(self.log_loss),
            f(self.brier),
            f(self.ece),
            f(self.sure_accuracy),
            f(self.sure_share),
            f(self.distractor_flips),
            f(self.false_alarms),
            f(self.unlisted_modest),
            f(self.compound_named),
            f(self.ambiguous_honest),
            f(self.harmful),
        )
    }
}
