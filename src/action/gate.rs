//! The one door to the world: only here does a plan become an [`ApprovedPlan`].
//!
//! Read-only mode and the confirmation level are enforced here and nowhere else, so that no
//! key, screen or command can get round them.

use super::batch::{Batch, Item, Share, differs_only_by_own};
use super::plan::{Confirmation, Plan};
use super::said;
use crate::domain::said::Said;

/// Whether this run may change anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// Nothing may be sent that changes something; who or what said so.
    ReadOnly {
        because: Said,
    },
}

/// What the operator gave as a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Nothing,
    /// One key on the preview.
    Key,
    /// Text typed on the preview.
    Typed(String),
    /// `--yes` on a command line that names the target with this text.
    CommandLine {
        target: String,
    },
}

/// A plan that may be carried out. Cannot be made but by [`approve`].
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovedPlan {
    plan: Plan,
}

impl ApprovedPlan {
    /// What was approved.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Hands the plan over.
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// Why a plan may not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{}", self.said())]
    ReadOnly { action: String, because: Said },
    #[error("{}", self.said())]
    NotConfirmed { action: String },
    #[error("{}", self.said())]
    WrongName { label: Said, expected: String },
}

impl Refusal {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::ReadOnly { action, because } => said::read_only(because, action),
            Self::NotConfirmed { action } => said::not_confirmed_nothing(action),
            Self::WrongName { label, expected } => said::wrong_name(label, expected),
        }
    }
}

/// Lets a plan through when access and confirmation suffice.
pub fn approve(plan: Plan, access: &Access, given: &Given) -> Result<ApprovedPlan, Refusal> {
    if let Access::ReadOnly { because } = access
        && plan.steps.iter().any(|step| !step.call.is_read())
    {
        return Err(Refusal::ReadOnly {
            action: plan.action.to_string(),
            because: because.clone(),
        });
    }
    let confirmed = match plan.confirmation {
        Confirmation::None => true,
        Confirmation::Key => *given != Given::Nothing,
        Confirmation::TypedName => match given {
            Given::Typed(text) | Given::CommandLine { target: text } => {
                if !names_target(&plan, text) {
                    return Err(Refusal::WrongName {
                        label: Said::raw(plan.target.label()),
                        expected: plan.target.to_type().to_owned(),
                    });
                }
                true
            }
            Given::Nothing | Given::Key => false,
        },
    };
    if confirmed {
        Ok(ApprovedPlan { plan })
    } else {
        Err(Refusal::NotConfirmed {
            action: plan.action.to_string(),
        })
    }
}

/// A batch that may be carried out. Cannot be made but by [`approve_batch`].
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovedBatch {
    batch: Batch,
}

impl ApprovedBatch {
    /// Instances in order.
    pub fn items(&self) -> &[Item] {
        &self.batch.items
    }

    /// The approved plan of an item, where it has one.
    pub fn plan_of(&self, index: usize) -> Option<ApprovedPlan> {
        match &self.batch.items.get(index)?.share {
            Share::Planned(plan) => Some(ApprovedPlan {
                plan: (**plan).clone(),
            }),
            _ => None,
        }
    }

    /// A plan made anew for an item because this batch itself has changed the rules meanwhile;
    /// `None` when it differs by anything else, for that was not shown.
    pub fn renewed(&self, index: usize, fresh: Plan, marks: &[String]) -> Option<ApprovedPlan> {
        let shown = self.plan_of(index)?;
        differs_only_by_own(shown.plan(), &fresh, marks).then_some(ApprovedPlan { plan: fresh })
    }
}

/// Lets a batch through when access suffices and the confirmation fits the riskiest of its
/// plans. `targets` are the texts that a command line named the instances with, in order; on a
/// screen the batch's own phrase is typed instead.
pub fn approve_batch(
    batch: Batch,
    access: &Access,
    given: &Given,
    targets: &[String],
) -> Result<ApprovedBatch, Refusal> {
    for (index, item) in batch.items.iter().enumerate() {
        let Share::Planned(plan) = &item.share else {
            continue;
        };
        let typed = batch.confirmation() == Confirmation::TypedName;
        let given = match given {
            Given::CommandLine { .. } => Given::CommandLine {
                target: targets.get(index).cloned().unwrap_or_default(),
            },
            Given::Typed(text) if text.trim() == batch.phrase() => {
                Given::Typed(plan.target.id.clone())
            }
            Given::Typed(_) if typed => {
                return Err(Refusal::WrongName {
                    label: said::this_batch(batch.items.len()),
                    expected: batch.phrase(),
                });
            }
            other => other.clone(),
        };
        approve((**plan).clone(), access, &given)?;
    }
    Ok(ApprovedBatch { batch })
}

fn names_target(plan: &Plan, text: &str) -> bool {
    let text = text.trim();
    let target = &plan.target;
    !text.is_empty()
        && (text == target.name || text == target.id || target.addresses.iter().any(|a| a == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::context::PlanContext;
    use crate::action::parameters::Parameters;
    use crate::action::planner::plan;
    use crate::domain::action::ActionId;
    use crate::domain::instance::{Instance, Os};

    fn plan_of(action: ActionId, state: &str) -> Plan {
        let context = PlanContext {
            entry: "e1".to_owned(),
            instance: Instance {
                id: "ins-1".to_owned(),
                name: "web-1".to_owned(),
                region: "ap-seoul".to_owned(),
                state: state.to_owned(),
                os: Os::Linux,
                public_addresses: vec!["203.0.113.9".parse().unwrap()],
                ..Instance::default()
            },
            ..PlanContext::default()
        };
        plan(action, &Parameters::none(), &context).unwrap()
    }

    #[test]
    fn read_only_stops_everything_that_is_sent() {
        let access = Access::ReadOnly {
            because: Said::raw("--read-only"),
        };
        for (action, state) in [
            (ActionId::Restart, "RUNNING"),
            (ActionId::Start, "STOPPED"),
            (ActionId::VncUrl, "RUNNING"),
        ] {
            let given = Given::Typed("web-1".to_owned());
            let refusal = approve(plan_of(action, state), &access, &given).unwrap_err();
            assert!(matches!(refusal, Refusal::ReadOnly { .. }), "{action}");
        }
        let ticket = plan_of(ActionId::Ticket, "RUNNING");
        assert!(approve(ticket, &access, &Given::Nothing).is_ok());
    }

    #[test]
    fn a_key_is_enough_for_small_risks_only() {
        let start = plan_of(ActionId::Start, "STOPPED");
        assert!(approve(start.clone(), &Access::ReadWrite, &Given::Key).is_ok());
        assert!(approve(start, &Access::ReadWrite, &Given::Nothing).is_err());
        let restart = plan_of(ActionId::Restart, "RUNNING");
        assert!(matches!(
            approve(restart, &Access::ReadWrite, &Given::Key),
            Err(Refusal::NotConfirmed { .. })
        ));
    }

    #[test]
    fn downtime_takes_the_name_id_or_address_exactly() {
        let restart = plan_of(ActionId::Restart, "RUNNING");
        for text in ["web-1", "ins-1", "203.0.113.9", " web-1 "] {
            let given = Given::Typed(text.to_owned());
            assert!(
                approve(restart.clone(), &Access::ReadWrite, &given).is_ok(),
                "{text}"
            );
        }
        for text in ["", "web", "WEB-1", "web-11", "ins-2"] {
            let given = Given::Typed(text.to_owned());
            assert!(
                matches!(
                    approve(restart.clone(), &Access::ReadWrite, &given),
                    Err(Refusal::WrongName { .. })
                ),
                "{text}"
            );
        }
        let given = Given::CommandLine {
            target: "ins-1".to_owned(),
        };
        assert!(approve(restart, &Access::ReadWrite, &given).is_ok());
    }
}
