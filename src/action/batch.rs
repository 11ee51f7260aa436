//! One action on several instances: a plan for each, one summary, one confirmation.
//!
//! Pure. Must not live here: the order of sending (`runtime::execute`), or who may (`gate`).

use super::before::shuts_down;
use super::plan::{Confirmation, Plan, PlanError, Target};
use super::preview::risk_word;
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::instance::Instance;
use crate::domain::said::{Joint, List, Said, Table, Word};

/// Most instances of one batch.
pub const LIMIT: usize = 20;

/// What becomes of one instance of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Share {
    Planned(Box<Plan>),
    /// The plan of another instance does it too (the same rule in a group that both use).
    Covered {
        by: String,
    },
    /// There is no plan; why.
    Left(PlanError),
}

/// One instance of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub instance: Instance,
    pub share: Share,
}

/// An action on several instances, as it is shown and confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub action: ActionId,
    pub items: Vec<Item>,
}

/// Why a batch cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("{}", self.said())]
    TooMany { given: usize, limit: usize },
    #[error("{}", self.said())]
    Empty,
    #[error("{}", self.said())]
    Twice(String),
}

impl BatchError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::TooMany { given, limit } => said::too_many(*given, *limit),
            Self::Empty => said::nobody_named(),
            Self::Twice(target) => said::named_twice(target),
        }
    }
}

/// Refuses what is no batch.
pub fn check(instances: &[Instance]) -> Result<(), BatchError> {
    if instances.is_empty() {
        return Err(BatchError::Empty);
    }
    if instances.len() > LIMIT {
        return Err(BatchError::TooMany {
            given: instances.len(),
            limit: LIMIT,
        });
    }
    for (position, instance) in instances.iter().enumerate() {
        if instances[..position].iter().any(|i| i.id == instance.id) {
            return Err(BatchError::Twice(Target::of(instance).label()));
        }
    }
    Ok(())
}

impl Batch {
    /// Puts the plans of a batch together; one whose rules another one adds already is covered
    /// by it.
    pub fn of(action: ActionId, planned: Vec<(Instance, Result<Plan, PlanError>)>) -> Self {
        let mut items: Vec<Item> = Vec::with_capacity(planned.len());
        for (instance, result) in planned {
            let share = match result {
                Err(error) => Share::Left(error),
                Ok(plan) => {
                    let twin = items.iter().find_map(|item| match &item.share {
                        Share::Planned(other) if adds_the_same(other, &plan) => {
                            Some(other.target.label())
                        }
                        _ => None,
                    });
                    twin.map_or_else(
                        || Share::Planned(Box::new(plan)),
                        |by| Share::Covered { by },
                    )
                }
            };
            items.push(Item { instance, share });
        }
        Self { action, items }
    }

    /// The plans, in order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.items.iter().filter_map(|item| match &item.share {
            Share::Planned(plan) => Some(&**plan),
            _ => None,
        })
    }

    /// The confirmation that the riskiest of its plans needs.
    pub fn confirmation(&self) -> Confirmation {
        self.plans()
            .map(|plan| plan.confirmation)
            .max()
            .unwrap_or(Confirmation::None)
    }

    /// The text that confirms a batch whose plans need a typed name: `restart 3`.
    pub fn phrase(&self) -> String {
        format!("{} {}", self.action, self.plans().count())
    }

    /// The whole batch in a few lines; the plans themselves are shown beside it.
    pub fn summary(&self) -> Vec<Said> {
        let plans: Vec<&Plan> = self.plans().collect();
        let calls: usize = plans.iter().map(|plan| plan.steps.len()).sum();
        let risk = plans.iter().map(|plan| plan.risk).max();
        let mut lines = vec![said::batch_head(
            Word::new(Table::Action, self.action.as_str()),
            plans.len(),
            self.items.len(),
            calls,
            risk_word(risk.unwrap_or(Risk::None)),
        )];
        let unseen = plans
            .iter()
            .filter(|plan| shuts_down(plan.action) && plan.downtime != "none")
            .filter(|plan| plan.saves_readings.is_none())
            .count();
        if unseen > 0 {
            lines.push(said::no_evidence_written(unseen));
        }
        for item in &self.items {
            let label = Target::of(&item.instance).label();
            lines.push(match &item.share {
                Share::Planned(plan) => {
                    let changes = List::said(Joint::Semicolons, plan.changes.iter().cloned());
                    match plan.affected.count {
                        Some(0) => said::batch_planned(label, changes),
                        _ => said::batch_planned_others(label, changes, &plan.affected.note),
                    }
                }
                Share::Covered { by } => said::batch_covered(label, by),
                Share::Left(error) => said::batch_left(label, error.said()),
            });
        }
        lines
    }
}

/// True when two plans add the same rules to the same group and send nothing else.
fn adds_the_same(a: &Plan, b: &Plan) -> bool {
    let added = |plan: &Plan| -> Option<(String, Vec<String>)> {
        let rules = plan.rules.as_ref()?;
        let mark = plan.mark();
        let lines = rules.after.iter().filter(|line| line.added);
        Some((
            rules.group.clone(),
            lines.map(|line| line.text.replace(&mark, "")).collect(),
        ))
    };
    a.expires_after_minutes == b.expires_after_minutes && added(a).is_some() && added(a) == added(b)
}

/// True when `fresh` does what `shown` did, on rules that differ only by what this batch itself
/// added meanwhile (rules that carry one of `marks`).
pub fn differs_only_by_own(shown: &Plan, fresh: &Plan, marks: &[String]) -> bool {
    let (Some(old), Some(new)) = (&shown.rules, &fresh.rules) else {
        return false;
    };
    let foreign: Vec<&str> = new
        .before
        .iter()
        .map(|line| line.text.as_str())
        .filter(|text| !marks.iter().any(|mark| text.contains(mark.as_str())))
        .collect();
    let before: Vec<&str> = old.before.iter().map(|line| line.text.as_str()).collect();
    let added = |plan: &Plan, rules: &super::plan::RuleDifference| -> Vec<String> {
        let mark = plan.mark();
        let lines = rules.after.iter().filter(|line| line.added);
        lines.map(|line| line.text.replace(&mark, "")).collect()
    };
    old.group == new.group
        && foreign == before
        && added(shown, old) == added(fresh, new)
        && shown.steps.len() == fresh.steps.len()
}
