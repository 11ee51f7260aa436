//! A batch: planned at once, carried out one instance after the other, stopped at the first
//! failure.
//!
//! Must not live here: what a batch shows (`action::batch`) or who may (`action::gate`).

use tokio::sync::mpsc::UnboundedSender;

use super::{Around, Desk, Execution, LoginProbe, PrepareOptions, Progress, execute, prepare_plan};
use crate::action::batch::{self, Batch, BatchError, Share};
use crate::action::gate::{ApprovedBatch, ApprovedPlan};
use crate::action::parameters::Parameters;
use crate::action::plan::PlanError;
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::report::Report;
use crate::domain::said::Said;
use crate::runtime::said;

/// Plans made at the same time; each needs a handful of reads.
const AT_ONCE: usize = 4;

/// What is to be done, and what is known beforehand of each instance.
#[derive(Debug, Clone)]
pub struct BatchInputs {
    pub action: ActionId,
    pub parameters: Parameters,
    pub instances: Vec<Instance>,
    /// One for each instance, in order.
    pub options: Vec<PrepareOptions>,
    /// The diagnosis from before of each, where there was one; written down where the action
    /// destroys evidence.
    pub reports: Vec<Option<Report>>,
}

/// How one instance of a batch ended.
#[derive(Debug)]
pub enum ItemEnd {
    Executed(Box<Execution>),
    /// Nothing had to be sent for it, or there was no plan; why.
    NotNeeded(Said),
    /// It could not begin; nothing was sent for it.
    Refused(Said),
    /// The batch had stopped before.
    NotReached,
}

/// How a batch ended.
#[derive(Debug)]
pub struct BatchEnd {
    /// One for each instance, in order.
    pub items: Vec<(Instance, ItemEnd)>,
    /// Why it stopped before its end, if it did.
    pub stopped: Option<Said>,
}

/// Plans an action for each instance.
///
/// # Errors
/// When the instances are no batch; an instance without a plan is part of one.
pub async fn prepare_batch(desk: &Desk, inputs: &BatchInputs) -> Result<Batch, BatchError> {
    batch::check(&inputs.instances)?;
    let each: Vec<_> = inputs.instances.iter().zip(&inputs.options).collect();
    let mut planned = Vec::with_capacity(each.len());
    for some in each.chunks(AT_ONCE) {
        let plans = some.iter().map(|(instance, options)| {
            prepare_plan(desk, instance, inputs.action, &inputs.parameters, options)
        });
        let plans = futures_util::future::join_all(plans).await;
        for ((listed, _), result) in some.iter().zip(plans) {
            planned.push(match result {
                Ok(prepared) => (prepared.instance, Ok(prepared.plan)),
                Err(error) => ((*listed).clone(), Err(error)),
            });
        }
    }
    Ok(Batch::of(inputs.action, planned))
}

/// Carries a batch out. `login` gives the probe of an instance where login is verified; `told`
/// hears which instance is next.
pub async fn execute_batch(
    desk: &Desk,
    approved: &ApprovedBatch,
    inputs: &BatchInputs,
    login: impl Fn(&Instance) -> Option<LoginProbe>,
    told: impl Fn(&Instance),
    sink: &UnboundedSender<Progress>,
) -> BatchEnd {
    let mut end = BatchEnd {
        items: Vec::new(),
        stopped: None,
    };
    // Groups that this batch has changed, and the marks that it has left there.
    let mut changed: Vec<(String, String)> = Vec::new();
    for (index, item) in approved.items().iter().enumerate() {
        let instance = &item.instance;
        if end.stopped.is_some() {
            end.items.push((instance.clone(), ItemEnd::NotReached));
            continue;
        }
        let next = match &item.share {
            Share::Covered { by } => Next::Skip(said::done_by_rule_of(by)),
            Share::Left(error) => Next::Skip(error.said()),
            Share::Planned(_) => {
                told(instance);
                current(desk, approved, index, inputs, &changed).await
            }
        };
        let ended = match next {
            Next::Skip(why) => ItemEnd::NotNeeded(why),
            Next::Stop(why) => ItemEnd::Refused(why),
            Next::Go(plan) => {
                if let Some(rules) = &plan.plan().rules {
                    changed.push((rules.group.clone(), plan.plan().mark()));
                }
                let probe = login(instance);
                let around = Around {
                    instance,
                    login: probe.as_ref(),
                    report: inputs.reports.get(index).and_then(Option::as_ref),
                    again: None,
                };
                match execute(desk, around, *plan, sink).await {
                    Ok(execution) => ItemEnd::Executed(Box::new(execution)),
                    Err(error) => ItemEnd::Refused(error.said()),
                }
            }
        };
        end.stopped = failure(instance, &ended);
        end.items.push((instance.clone(), ended));
    }
    end
}

enum Next {
    Go(Box<ApprovedPlan>),
    Skip(Said),
    Stop(Said),
}

/// The plan of an item as it can be sent now: made anew when this batch itself has changed the
/// group that it was made on.
async fn current(
    desk: &Desk,
    approved: &ApprovedBatch,
    index: usize,
    inputs: &BatchInputs,
    changed: &[(String, String)],
) -> Next {
    let Some(shown) = approved.plan_of(index) else {
        return Next::Skip(said::no_plan());
    };
    let marks: Vec<String> = match &shown.plan().rules {
        Some(rules) => changed
            .iter()
            .filter(|(group, _)| *group == rules.group)
            .map(|(_, mark)| mark.clone())
            .collect(),
        None => Vec::new(),
    };
    if marks.is_empty() {
        return Next::Go(Box::new(shown));
    }
    let instance = &approved.items()[index].instance;
    let options = inputs.options.get(index).cloned().unwrap_or_default();
    match prepare_plan(desk, instance, inputs.action, &inputs.parameters, &options).await {
        Ok(fresh) => match approved.renewed(index, fresh.plan, &marks) {
            Some(plan) => Next::Go(Box::new(plan)),
            None => Next::Stop(said::rules_changed_meanwhile()),
        },
        Err(PlanError::NothingToDo(why)) => Next::Skip(why),
        Err(error) => Next::Stop(error.said()),
    }
}

/// What ends a batch: the cloud refused, the end is not known, or login got worse.
fn failure(instance: &Instance, ended: &ItemEnd) -> Option<Said> {
    let name = instance.label();
    match ended {
        ItemEnd::Refused(why) => Some(said::of_instance(name, why)),
        ItemEnd::Executed(execution) => matches!(
            execution.outcome,
            Outcome::Failed | Outcome::Unknown | Outcome::Interrupted | Outcome::Worse
        )
        .then(|| said::of_instance(name, &execution.detail)),
        ItemEnd::NotNeeded(_) | ItemEnd::NotReached => None,
    }
}
