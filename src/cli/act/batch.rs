//! `act` with several targets: a plan for each, one summary, one confirmation, one report each.
//!
//! Must not live here: the rules of a batch (`action::batch`, `runtime::execute`).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::report::{Told, plan_json, preview};
use super::{Taught, Work, acting, printing, refuse};
use crate::action::batch::{self, Batch, Share};
use crate::action::gate::{Access, ApprovedPlan, Given, approve_batch};
use crate::action::plan::Target;
use crate::cli::args::TextOrJson;
use crate::cli::output::{hand_over, print, print_done, said};
use crate::cli::page::{Page, Tone};
use crate::cli::said as words;
use crate::cli::{EXIT_NOTHING, EXIT_USAGE};
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::runtime::execute::{
    BatchEnd, BatchInputs, ItemEnd, LoginProbe, execute_batch, prepare_batch,
};

pub(super) async fn run(work: &Work<'_>, instances: &[Instance]) -> anyhow::Result<u8> {
    // Refused before anything is looked at.
    if let Err(error) = batch::check(instances) {
        return refuse(EXIT_USAGE, error.said());
    }
    let reports = futures_util::future::join_all(instances.iter().map(|i| work.before(i))).await;
    let each = instances.iter().zip(&reports);
    let inputs = BatchInputs {
        action: work.action,
        parameters: work.parameters.clone(),
        instances: instances.to_vec(),
        options: each
            .map(|(instance, report)| work.options(instance, report.as_ref()))
            .collect(),
        reports,
    };
    let batch = match prepare_batch(&work.desk, &inputs).await {
        Ok(batch) => batch,
        Err(error) => return refuse(EXIT_USAGE, error.said()),
    };
    let args = work.args;
    if args.dry_run {
        print(&shown(&batch, &work.command(), args.format))?;
        return Ok(0);
    }
    if batch.plans().next().is_none() {
        return refuse(EXIT_NOTHING, nothing_sent(&batch));
    }
    let given = if matches!(work.access, Access::ReadOnly { .. }) {
        Some(Given::Nothing)
    } else {
        acting::confirm_batch(&batch, args.yes)?
    };
    let Some(given) = given else {
        return refuse(EXIT_NOTHING, words::batch_unconfirmed());
    };
    let approved = match approve_batch(batch, &work.access, &given, work.targets) {
        Ok(approved) => approved,
        Err(refusal) => return refuse(EXIT_NOTHING, refusal.said()),
    };
    let (sink, task) = printing(acting::Printer::default());
    let probe = |instance: &Instance| {
        args.wait
            .then(|| LoginProbe::new(instance.os, instance.login_port()))
    };
    let told = |instance: &Instance| {
        crate::cli::output::progress(&format!("-- {}\n", Target::of(instance).label()));
    };
    let end = execute_batch(&work.desk, &approved, &inputs, probe, told, &sink).await;
    drop(sink);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), task).await;
    let plans: Vec<_> = (0..end.items.len())
        .map(|index| approved.plan_of(index))
        .collect();
    let taught = taught(work, &inputs, &end, &plans).await;
    let out = outcome(&end, &plans, &taught, args.format);
    let handed = end.items.iter().filter_map(|(_, ended)| match ended {
        ItemEnd::Executed(execution) if args.format == TextOrJson::Text => Some(&execution.handed),
        _ => None,
    });
    Ok(print_done(&out, status(&end, args.wait), handed.flatten()))
}

/// What each item teaches, as after an action on one instance alone.
async fn taught(
    work: &Work<'_>,
    inputs: &BatchInputs,
    end: &BatchEnd,
    plans: &[Option<ApprovedPlan>],
) -> Vec<Taught> {
    let each = end.items.iter().zip(plans).enumerate();
    let each = each.map(
        async |(index, ((instance, ended), plan))| match (ended, plan) {
            (ItemEnd::Executed(execution), Some(plan)) => {
                let before = inputs.reports.get(index).and_then(Option::as_ref);
                work.taught(instance, plan.plan(), execution, before).await
            }
            _ => Taught::default(),
        },
    );
    futures_util::future::join_all(each).await
}

/// What came of every item; secrets that JSON must not hold are handed over beside it.
fn outcome(
    end: &BatchEnd,
    plans: &[Option<ApprovedPlan>],
    taught: &[Taught],
    format: TextOrJson,
) -> String {
    let mut out = String::new();
    for (((instance, ended), plan), taught) in end.items.iter().zip(plans).zip(taught) {
        let told = match (ended, plan) {
            (ItemEnd::Executed(execution), Some(plan)) => {
                Some(taught.told(plan.plan(), execution, &instance.id))
            }
            _ => None,
        };
        match format {
            TextOrJson::Text => out.push_str(&item_text(instance, ended, told.as_ref())),
            TextOrJson::Json => {
                if let ItemEnd::Executed(execution) = ended {
                    hand_over(&execution.handed);
                }
                let _ = writeln!(out, "{}", item_json(instance, ended, told.as_ref()));
            }
        }
    }
    out.push_str(&closing(end, format));
    out
}

/// That there was nothing to send, and the summary that says why.
fn nothing_sent(batch: &Batch) -> Said {
    Said::raw(format!(
        "{}\n{}",
        said(&words::nothing_sent()),
        lines(batch)
    ))
}

/// The summary, one item a line.
fn lines(batch: &Batch) -> String {
    let lines: Vec<String> = batch.summary().iter().map(said).collect();
    lines.join("\n")
}

/// Every plan, then the summary.
fn shown(batch: &Batch, command: &[String], format: TextOrJson) -> String {
    match format {
        TextOrJson::Text => {
            let mut page = Page::stdout();
            for plan in batch.plans() {
                preview(&mut page, plan);
                page.gap();
            }
            for line in batch.summary() {
                page.put(0, Tone::Plain, &said(&line));
            }
            page.gap();
            page.put(0, Tone::Strong, &said(&words::to_carry_out()));
            page.command(2, command);
            page.take()
        }
        TextOrJson::Json => {
            let mut text = String::new();
            for plan in batch.plans() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}", plan_json(plan));
            }
            let left: Vec<Value> = batch
                .items
                .iter()
                .filter_map(|item| {
                    let why = match &item.share {
                        Share::Planned(_) => return None,
                        Share::Covered { by } => format!("done by the same rule as {by}"),
                        Share::Left(error) => error.to_string(),
                    };
                    Some(json!({ "instance": Target::of(&item.instance), "why": why }))
                })
                .collect();
            let closing = json!({
                "schema_version": 1,
                "dry_run": true,
                "summary": batch.summary().iter().map(Said::as_str).collect::<Vec<_>>(),
                "without_plan": left,
            });
            let _ = writeln!(text, "{closing}");
            text
        }
    }
}

fn item_text(instance: &Instance, ended: &ItemEnd, told: Option<&Told<'_>>) -> String {
    let label = Target::of(instance).label();
    match (ended, told) {
        (_, Some(told)) => told.text(),
        (ItemEnd::NotNeeded(why), _) => said(&words::not_needed(label, why)) + "\n",
        (ItemEnd::Refused(why), _) => said(&words::refused(label, why)) + "\n",
        _ => said(&words::not_reached(label)) + "\n",
    }
}

fn item_json(instance: &Instance, ended: &ItemEnd, told: Option<&Told<'_>>) -> Value {
    let without = |outcome: &str, detail: &str| {
        json!({
            "schema_version": 1,
            "instance": Target::of(instance),
            "outcome": outcome,
            "detail": detail,
        })
    };
    match (ended, told) {
        (_, Some(told)) => told.json(),
        (ItemEnd::NotNeeded(why), _) => without("not-needed", why),
        (ItemEnd::Refused(why), _) => without("refused", why),
        _ => without("not-reached", "the batch had stopped before"),
    }
}

fn closing(end: &BatchEnd, format: TextOrJson) -> String {
    let reached =
        |wanted: fn(&ItemEnd) -> bool| end.items.iter().filter(|(_, ended)| wanted(ended)).count();
    let executed = reached(|e| matches!(e, ItemEnd::Executed(_)));
    let left = reached(|e| matches!(e, ItemEnd::NotReached));
    match format {
        TextOrJson::Json => {
            let object = json!({
                "schema_version": 1,
                "executed": executed,
                "not_reached": left,
                "stopped": end.stopped.as_deref(),
            });
            format!("{object}\n")
        }
        TextOrJson::Text => {
            let of = end.items.len();
            let text = match &end.stopped {
                Some(why) => words::stopped_at(executed, of, why, left),
                None => words::carried_out(executed, of),
            };
            said(&text) + "\n"
        }
    }
}

fn status(end: &BatchEnd, waited: bool) -> u8 {
    let each = end.items.iter().map(|(_, ended)| match ended {
        ItemEnd::Executed(execution) => acting::exit_status(execution, waited),
        ItemEnd::NotNeeded(_) => 0,
        ItemEnd::Refused(_) | ItemEnd::NotReached => 1,
    });
    each.max().unwrap_or(0)
}
