//! Batches for the console: plans for all marked instances, and their execution in order.
//!
//! Must not live here: planning (`action::batch`), the order of sending (`runtime::execute`).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use tokio::sync::mpsc;

use super::actions::{executed, readings_before, report_before, sentence};
use crate::action::batch::{Batch, Share};
use crate::action::before::shuts_down;
use crate::action::gate::ApprovedBatch;
use crate::action::parameters::Parameters;
use crate::action::plan::Plan;
use crate::app::batch::Choice;
use crate::app::case::RunId;
use crate::app::message::{Acted, Message};
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::Said;
use crate::runtime::backend::Backend;
use crate::runtime::deed;
use crate::runtime::execute::{
    BatchInputs, Desk, Execution, ItemEnd, LoginProbe, PrepareOptions, Progress, execute_batch,
    prepare_batch,
};
use crate::runtime::said;
use crate::runtime::vantage::certain_own_source;

/// Instances that are looked at at the same time.
const AT_ONCE: usize = 4;

/// An approved batch and what it was planned with.
#[derive(Debug)]
pub struct Work {
    pub approved: ApprovedBatch,
    pub choice: Choice,
    pub user_source: Option<IpAddr>,
    /// The job of each instance, by its id.
    pub jobs: Vec<(String, RunId)>,
    pub title: String,
}

async fn inputs(
    backend: &Backend,
    choice: &Choice,
    instances: Vec<Instance>,
    user_source: Option<IpAddr>,
) -> Result<BatchInputs, Said> {
    let parameters =
        Parameters::from_json(choice.action, &choice.parameters).map_err(|error| error.said())?;
    if shuts_down(choice.action) {
        // What it would destroy is looked at first, unless that was done a short while ago.
        for some in instances.chunks(AT_ONCE) {
            let looks = some
                .iter()
                .map(|instance| readings_before(backend, instance, user_source));
            futures_util::future::join_all(looks).await;
        }
    }
    let mut reports = Vec::with_capacity(instances.len());
    for instance in &instances {
        reports.push(report_before(backend, instance).await);
    }
    let options = instances.iter().zip(&reports).map(|(instance, report)| {
        let readings = report.as_ref().map(|report| report.evidence.clone());
        PrepareOptions {
            user_source: user_source.map(IpNet::from),
            own_source: certain_own_source(instance),
            login_port: Some(instance.login_port()),
            readings: readings.unwrap_or_default(),
            ..PrepareOptions::default()
        }
    });
    Ok(BatchInputs {
        action: choice.action,
        parameters,
        options: options.collect(),
        instances,
        reports,
    })
}

/// Plans the action for each of the instances.
pub async fn plan(
    backend: &Backend,
    ids: &[String],
    choice: &Choice,
    user_source: Option<IpAddr>,
) -> Result<Box<Batch>, Said> {
    let desk = backend.desk().await?;
    let instances = ids
        .iter()
        .filter_map(|id| backend.instance(id))
        .map(Arc::unwrap_or_clone)
        .collect();
    let inputs = inputs(backend, choice, instances, user_source).await?;
    prepare_batch(&desk, &inputs)
        .await
        .map(Box::new)
        .map_err(|error| error.said())
}

/// What the batch is carried out with.
async fn begin(
    backend: &Backend,
    work: &Work,
    instances: Vec<Instance>,
) -> Result<(Desk, BatchInputs), Said> {
    let desk = backend.desk().await?;
    let inputs = inputs(backend, &work.choice, instances, work.user_source).await?;
    Ok((desk, inputs))
}

/// Carries the batch out and tells each step of each instance.
pub async fn carry_out(backend: &Backend, work: Work, out: &mpsc::Sender<Message>) {
    let items = work.approved.items().iter();
    let instances: Vec<Instance> = items.map(|item| item.instance.clone()).collect();
    let run_of = |id: &str| {
        let job = work.jobs.iter().find(|(instance, _)| instance == id);
        job.map(|(_, run)| *run)
    };
    let begun = begin(backend, &work, instances).await;
    let (desk, inputs) = match begun {
        Ok(begun) => begun,
        Err(why) => {
            for (_, run) in &work.jobs {
                let result = Err(why.clone());
                let _ = out
                    .send(Message::Acted(Acted::Executed { run: *run, result }))
                    .await;
            }
            return;
        }
    };
    let latest = AtomicU64::new(0);
    let (sink, mut news) = mpsc::unbounded_channel();
    let working = async {
        let login = |instance: &Instance| Some(LoginProbe::new(instance.os, instance.login_port()));
        let told = |instance: &Instance| {
            if let Some(run) = run_of(&instance.id) {
                latest.store(run.0, Ordering::Relaxed);
            }
        };
        let end = execute_batch(&desk, &work.approved, &inputs, login, told, &sink).await;
        drop(sink);
        end
    };
    let telling = async {
        // News of an instance may be read after the next one was begun; its first news says so.
        let mut run = None;
        while let Some(progress) = news.recv().await {
            if matches!(progress, Progress::Journalled { .. }) {
                run = Some(RunId(latest.load(Ordering::Relaxed)));
            }
            if let (Some(run), Some(note)) = (run, sentence(&progress)) {
                let _ = out
                    .send(Message::Acted(Acted::Progressed { run, note }))
                    .await;
            }
        }
    };
    let (end, ()) = tokio::join!(working, telling);
    let (mut done, all) = (0, work.jobs.len());
    for (index, (instance, ended)) in end.items.into_iter().enumerate() {
        let (Some(run), Some(plan)) = (run_of(&instance.id), work.approved.plan_of(index)) else {
            continue;
        };
        let result = match ended {
            ItemEnd::Executed(execution) => {
                done += 1;
                let before = inputs.reports.get(index).and_then(Option::as_ref);
                learn(backend, plan.plan(), &execution, before);
                Ok(Box::new(executed(plan.plan(), *execution)))
            }
            ItemEnd::NotNeeded(why) | ItemEnd::Refused(why) => Err(why),
            ItemEnd::NotReached => Err(said::batch_had_stopped()),
        };
        let _ = out
            .send(Message::Acted(Acted::Executed { run, result }))
            .await;
    }
    let message = Message::Acted(Acted::BatchEnded {
        covered: covered(&work.approved),
        title: work.title,
        done,
        all,
        stopped: end.stopped,
    });
    let _ = out.send(message).await;
}

/// Keeps the cause that a cure confirmed.
fn learn(backend: &Backend, plan: &Plan, execution: &Execution, before: Option<&Report>) {
    let state_dir = &backend.loaded.paths.state_dir;
    if let Err(error) = deed::learn(state_dir, plan, execution, before) {
        tracing::warn!(%error, "a confirmed cause was not kept");
    }
}

/// Ids of the instances that another one's plan is for, too.
fn covered(approved: &ApprovedBatch) -> Vec<String> {
    let items = approved.items().iter();
    let covered = items.filter(|item| matches!(item.share, Share::Covered { .. }));
    covered.map(|item| item.instance.id.clone()).collect()
}
