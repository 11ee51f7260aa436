//! Previews and executions for the console, on the desk that headless commands use too.
//!
//! Must not live here: planning (`action`), or the order of journal and network (`execute`).

use std::fmt::Write as _;

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::action::gate::ApprovedPlan;
use crate::action::parameters::Parameters;
use crate::action::plan::Plan;
use crate::action::plan::plan;
use crate::app::case::RunId;
use crate::app::jobs::{Ending, Executed, Handed};
use crate::app::message::Message;
use crate::app::notices::Severity;
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::runtime::backend::Backend;
use crate::runtime::execute::{
    self, Desk, LoginProbe, PrepareOptions, Progress, prepare_undo, settle,
};
use crate::store::journal::Outcome;

/// Everything that a preview needs to be made.
#[derive(Debug)]
pub struct Wanted {
    pub instance: Option<Instance>,
    pub action: ActionId,
    pub parameters: Map<String, Value>,
    pub user_source: Option<IpAddr>,
    pub login_port: Option<u16>,
}

/// Reads what the preview needs and plans.
pub async fn preview(backend: &Backend, wanted: &Wanted) -> Result<Box<Plan>, String> {
    let desk = backend.desk().await?;
    let instance = wanted
        .instance
        .as_ref()
        .ok_or("the instance is not listed any more; r lists again")?;
    let parameters = Parameters::from_json(wanted.action, &wanted.parameters)
        .map_err(|error| error.to_string())?;
    let options = PrepareOptions {
        user_source: wanted.user_source.map(IpNet::from),
        login_port: wanted.login_port,
        ..PrepareOptions::default()
    };
    let context =
        execute::prepare(&desk.client, instance, wanted.action, &parameters, &options).await;
    plan(wanted.action, &parameters, &context)
        .map(Box::new)
        .map_err(|error| error.to_string())
}

/// Plans to take a journal entry back.
pub async fn preview_undo(backend: &Backend, entry: &str) -> Result<Box<Plan>, String> {
    let desk = backend.desk().await?;
    let contents = desk.journal.read().map_err(|error| error.to_string())?;
    let entry = contents.find(entry).map_err(|error| error.to_string())?;
    let (plan, instance) = prepare_undo(&desk, entry)
        .await
        .map_err(|error| error.to_string())?;
    backend.remember(&[instance]);
    Ok(Box::new(plan))
}

/// Carries an approved plan out and tells each step.
pub async fn carry_out(
    backend: &Backend,
    run: RunId,
    instance: Option<Instance>,
    approved: ApprovedPlan,
    out: &mpsc::Sender<Message>,
) {
    let result = match (backend.desk().await, instance) {
        (Ok(desk), Some(instance)) => follow(&desk, run, &instance, approved, out).await,
        (Err(why), _) => Err(why),
        (Ok(_), None) => Err("the instance is not listed any more; r lists again".to_owned()),
    };
    let _ = out.send(Message::Executed { run, result }).await;
}

async fn follow(
    desk: &Desk,
    run: RunId,
    instance: &Instance,
    approved: ApprovedPlan,
    out: &mpsc::Sender<Message>,
) -> Result<Box<Executed>, String> {
    let undoable = !matches!(approved.plan().undo, crate::action::plan::Undo::None { .. });
    let login = LoginProbe::new(instance.os, instance.login_port());
    let (sink, mut news) = mpsc::unbounded_channel();
    let working = async {
        let result = execute::execute(desk, instance, approved, Some(login), &sink).await;
        drop(sink);
        result
    };
    let telling = async {
        while let Some(progress) = news.recv().await {
            if let Some(note) = sentence(&progress) {
                let _ = out.send(Message::Progressed { run, note }).await;
            }
        }
    };
    let (result, ()) = tokio::join!(working, telling);
    let execution = result.map_err(|error| error.to_string())?;
    let took_effect = !matches!(execution.outcome, Outcome::Failed);
    Ok(Box::new(Executed {
        ending: ending(execution.outcome),
        detail: execution.detail,
        undo_entry: (undoable && took_effect).then_some(execution.entry),
        handed: execution
            .handed
            .into_iter()
            .map(|handed| Handed {
                what: handed.what,
                value: handed.value,
            })
            .collect(),
        output: execution.output,
    }))
}

fn ending(outcome: Outcome) -> Ending {
    match outcome {
        Outcome::Done => Ending::Done,
        Outcome::Restored => Ending::Restored,
        Outcome::Improved => Ending::Improved,
        Outcome::Unchanged => Ending::Unchanged,
        Outcome::Worse => Ending::Worse,
        Outcome::Failed => Ending::Failed,
        Outcome::Unknown | Outcome::Interrupted => Ending::Unknown,
    }
}

#[allow(clippy::unnecessary_wraps)] // the shape of its siblings
fn sentence(progress: &Progress) -> Option<String> {
    Some(match progress {
        Progress::Journalled { entry } => format!("journalled as {entry}"),
        Progress::Sending { step, of, purpose } => format!("{}/{of} {purpose}", step + 1),
        Progress::Answered { request_id, .. } => format!("accepted (request {request_id})"),
        Progress::Following { state, seconds, .. } => format!("{state} ({seconds} s)"),
        Progress::Ended {
            detail, success, ..
        } => {
            if *success {
                format!("ended: {detail}")
            } else {
                format!("ended without success: {detail}")
            }
        }
        Progress::Verifying { looks, seconds } => {
            let looks: Vec<String> = looks
                .iter()
                .map(|look| format!("{} {}", look.path, look.health))
                .collect();
            format!("login after {seconds} s: {}", looks.join(", "))
        }
    })
}

/// Settles what an earlier run left in flight, and says what was found.
pub async fn settle_earlier(backend: &Backend, out: &mpsc::Sender<Message>) {
    // Without a cloud there is nothing to ask; what is in flight stays in the journal.
    let Ok(desk) = backend.desk().await else {
        return;
    };
    let told = match settle(&desk).await {
        Ok(settled) => settled
            .into_iter()
            .map(|entry| {
                let text = format!(
                    "{} (entry {}, begun by an earlier run): {}",
                    entry.title, entry.entry, entry.detail
                );
                (Severity::Warning, text)
            })
            .collect(),
        Err(error) => vec![(Severity::Error, error.to_string())],
    };
    for (severity, text) in told {
        let _ = out.send(Message::Told { severity, text }).await;
    }
}

/// The journal as a text, newest first.
pub async fn read_journal(backend: &Backend, title: String, out: &mpsc::Sender<Message>) {
    let message = match backend.journal().read() {
        Ok(contents) => {
            let mut body = String::new();
            for entry in contents.entries.iter().rev() {
                body.push_str(&entry_text(entry));
            }
            if contents.skipped > 0 {
                let _ = writeln!(
                    body,
                    "{} damaged line(s) of the journal were left out",
                    contents.skipped
                );
            }
            Message::Fetched { title, body }
        }
        Err(error) => Message::Told {
            severity: Severity::Error,
            text: error.to_string(),
        },
    };
    let _ = out.send(message).await;
}

fn entry_text(entry: &crate::store::journal::Entry) -> String {
    let outcome = entry.outcome.map_or("in flight", Outcome::as_str);
    let mut text = format!(
        "# {} {}\n{} by {} on {}: {outcome}\n",
        entry.id,
        entry.plan.title,
        entry.began.strftime("%Y-%m-%d %H:%M:%SZ"),
        entry.author.user,
        entry.author.host,
    );
    if !entry.detail.is_empty() {
        let _ = writeln!(text, "{}", entry.detail);
    }
    for (lead, looks) in [
        ("before", &entry.login_before),
        ("after", &entry.login_after),
    ] {
        for look in looks {
            let _ = writeln!(text, "- {lead}: {look}");
        }
    }
    if entry.can_be_undone() {
        let _ = writeln!(
            text,
            "- to take it back: cvmtop journal --undo {}",
            entry.id
        );
    }
    text.push('\n');
    text
}
