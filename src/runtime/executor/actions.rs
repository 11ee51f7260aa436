//! Previews and executions for the console, on the desk that headless commands use too.
//!
//! Must not live here: planning (`action`), or the order of journal and network (`execute`).

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::action::before::shuts_down;
use crate::action::gate::ApprovedPlan;
use crate::action::offer::is_soft_restart;
use crate::action::parameters::Parameters;
use crate::action::plan::{Plan, Undo};
use crate::app::case::RunId;
use crate::app::jobs::Executed;
use crate::app::locale::Texts;
use crate::app::message::{Acted, Message, Recorded};
use crate::app::notices::Severity;
use crate::domain::action::ActionId;
use crate::domain::evidence::{Reading, Source};
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::report::Report;
use crate::domain::said::{Figure, Joint, List, Said, Unit};
use crate::runtime::backend::Backend;
use crate::runtime::execute::{
    self, Around, Desk, Execution, LoginLook, LoginProbe, LookAgain, PrepareOptions, Progress,
    prepare_plan, prepare_undo,
};
use crate::runtime::past::Past;
use crate::runtime::session::Session;
use crate::runtime::triage::{self, TriageOptions};
use crate::runtime::vantage::certain_own_source;
use crate::runtime::{deed, diagnose, said};

/// Longest look at an instance before its preview is shown without one.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Everything that a preview needs to be made.
#[derive(Debug)]
pub struct Wanted {
    pub instance: Option<Instance>,
    pub action: ActionId,
    pub parameters: Map<String, Value>,
    pub user_source: Option<IpAddr>,
    pub login_port: Option<u16>,
}

/// Reads what the preview needs and plans. An action that ends what runs in the guest is
/// preceded by a look at what it would destroy, unless there was one a short while ago.
pub async fn preview(backend: &Backend, wanted: &Wanted) -> Result<Box<Plan>, Said> {
    let desk = backend.desk().await?;
    let instance = wanted.instance.as_ref().ok_or_else(said::not_listed)?;
    let parameters =
        Parameters::from_json(wanted.action, &wanted.parameters).map_err(|error| error.said())?;
    let readings = if shuts_down(wanted.action) {
        readings_before(backend, instance, wanted.user_source).await
    } else {
        Vec::new()
    };
    let options = PrepareOptions {
        user_source: wanted.user_source.map(IpNet::from),
        own_source: certain_own_source(instance),
        login_port: wanted.login_port,
        readings,
        ..PrepareOptions::default()
    };
    let prepared = prepare_plan(&desk, instance, wanted.action, &parameters, &options)
        .await
        .map_err(|error| error.said())?;
    backend.remember([prepared.instance.into()]);
    Ok(Box::new(prepared.plan))
}

pub(super) async fn readings_before(
    backend: &Backend,
    instance: &Instance,
    user_source: Option<IpAddr>,
) -> Vec<Reading> {
    if let Some(triage) = backend.recent_triage(&instance.id) {
        return triage.readings;
    }
    let Ok(session) = backend.session().await else {
        return Vec::new();
    };
    let options = TriageOptions {
        user_source,
        timeout: Some(LOOK_LIMIT),
        ..TriageOptions::default()
    };
    // Nobody watches the readings arrive: the receiver is dropped at once.
    let (sink, _) = mpsc::channel(1);
    let triage = triage::run(session, instance, &options, sink).await;
    backend.keep_triage(&instance.id, triage.clone());
    triage.readings
}

/// Plans to take a journal entry back.
pub async fn preview_undo(backend: &Backend, entry: &str) -> Result<Box<Plan>, Said> {
    let desk = backend.desk().await?;
    let entry = desk.journal.entry(entry).map_err(|error| error.said())?;
    let (plan, instance) = prepare_undo(&desk, &entry)
        .await
        .map_err(|error| error.said())?;
    backend.remember([instance.into()]);
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
        (Ok(desk), Some(instance)) => {
            // The future of looks and calls together is large.
            Box::pin(follow(backend, &desk, run, &instance, approved, out)).await
        }
        (Err(why), _) => Err(why),
        (Ok(_), None) => Err(said::not_listed()),
    };
    let _ = out
        .send(Message::Acted(Acted::Executed { run, result }))
        .await;
}

async fn follow(
    backend: &Backend,
    desk: &Desk,
    run: RunId,
    instance: &Instance,
    approved: ApprovedPlan,
    out: &mpsc::Sender<Message>,
) -> Result<Box<Executed>, Said> {
    let plan = approved.plan().clone();
    let login = LoginProbe::new(instance.os, instance.login_port());
    let report = report_before(backend, instance).await;
    let options = look_again(report.as_ref(), instance, &plan);
    let session = backend.session().await.ok();
    let around = Around {
        instance,
        login: Some(&login),
        report: report.as_ref(),
        again: session.map(|session| LookAgain {
            session,
            options: &options,
        }),
    };
    let (sink, mut news) = mpsc::unbounded_channel();
    let working = async {
        let result = execute::execute(desk, around, approved, &sink).await;
        drop(sink);
        result
    };
    let telling = async {
        while let Some(progress) = news.recv().await {
            if let Some(note) = sentence(&progress) {
                let _ = out
                    .send(Message::Acted(Acted::Progressed { run, note }))
                    .await;
            }
        }
    };
    let (result, ()) = tokio::join!(working, telling);
    let execution = result.map_err(|error| error.said())?;
    let state_dir = &backend.loaded.paths.state_dir;
    if let Err(error) = deed::learn(state_dir, &plan, &execution, report.as_ref()) {
        tracing::warn!(%error, "a confirmed cause was not kept");
    }
    let replanned = if execution.stale {
        Some(plan_anew(desk, instance, &plan).await)
    } else {
        None
    };
    Ok(Box::new(Executed {
        replanned,
        ..executed(&plan, execution)
    }))
}

/// How far the look after an action goes: inside the guest only where that was consented to, for
/// the look before it or with the action itself. A login was consented to once and is not tried again.
fn look_again(report: Option<&Report>, instance: &Instance, plan: &Plan) -> TriageOptions {
    let inside = |report: &Report| {
        let mut readings = report.evidence.iter();
        readings.any(|reading| reading.source == Source::Guest && reading.seen().is_some())
    };
    TriageOptions {
        deep: plan.action.runs_in_guest() || report.is_some_and(inside),
        user: report.and_then(|report| report.vantage.account.clone()),
        user_source: plan.user_source,
        port: instance.configured_login_port,
        timeout: Some(deed::PATIENCE),
        ..TriageOptions::default()
    }
}

/// What came of an execution, as the console keeps it.
pub fn executed(plan: &Plan, execution: Execution) -> Executed {
    let undoable = !matches!(plan.undo, Undo::None { .. });
    let took_effect = !matches!(execution.outcome, Outcome::Failed);
    Executed {
        ending: execution.outcome,
        contested: execution.contested,
        soft_restart_failed: execution.outcome == Outcome::Failed
            && execution.accepted
            && is_soft_restart(plan),
        replanned: None,
        detail: execution.detail,
        undo_entry: (undoable && took_effect).then_some(execution.entry),
        handed: execution.handed,
        output: execution.output,
    }
}

/// The diagnosis from before, which the action's own success confirms or refutes.
pub(super) async fn report_before(backend: &Backend, instance: &Instance) -> Option<Report> {
    let triage = backend.recent_triage(&instance.id)?;
    let session = backend.session().await.ok()?;
    let past = past(backend, session, &instance.id);
    Some(diagnose::report(session, instance, &triage, &past))
}

/// What earlier actions and cases say about a diagnosis of now.
pub(super) fn past(backend: &Backend, session: &Session, instance: &str) -> Past {
    let loaded = &backend.loaded;
    let journal = backend.journal();
    let now = Timestamp::now();
    Past::of(loaded, &journal, &session.knowledge, instance, now)
}

/// The same action on the rules as they are now; it is shown, not sent.
async fn plan_anew(desk: &Desk, instance: &Instance, plan: &Plan) -> Result<Box<Plan>, Said> {
    if let Some(original) = &plan.reverses {
        let entry = desk.journal.entry(original);
        let entry = entry.map_err(|error| error.said())?;
        let prepared = prepare_undo(desk, &entry).await;
        return prepared
            .map(|(plan, _)| Box::new(plan))
            .map_err(|error| error.said());
    }
    let parameters = plan.asked.clone();
    let parameters =
        Parameters::from_json(plan.action, &parameters).map_err(|error| error.said())?;
    prepare_plan(
        desk,
        instance,
        plan.action,
        &parameters,
        &PrepareOptions {
            own_source: certain_own_source(instance),
            ..PrepareOptions::default()
        },
    )
    .await
    .map(|prepared| Box::new(prepared.plan))
    .map_err(|error| error.said())
}

fn seconds_of(seconds: u64) -> Figure {
    Figure::new(seconds as f64, 0, Unit::Seconds)
}

#[allow(clippy::unnecessary_wraps)] // the shape of its siblings
pub fn sentence(progress: &Progress) -> Option<Said> {
    Some(match progress {
        Progress::Journalled { entry } => said::journalled(entry),
        Progress::Sending { step, of, purpose } => said::sending(step + 1, *of, purpose),
        Progress::Answered { request_id, .. } => said::accepted(request_id),
        Progress::Following { state, seconds, .. } => said::waiting(state, seconds_of(*seconds)),
        Progress::Ended {
            detail, success, ..
        } => {
            if *success {
                said::ended(detail)
            } else {
                said::ended_badly(detail)
            }
        }
        Progress::Verifying { looks, seconds } => {
            let looks = looks.iter().map(LoginLook::in_short);
            said::login_after(seconds_of(*seconds), List::said(Joint::Commas, looks))
        }
    })
}

/// Most entries that the console shows at once; the command shows all of them.
const MOST_SHOWN: usize = 1_000;

/// The journal as a text, newest first.
pub async fn read_journal(backend: &Backend, title: String, out: &mpsc::Sender<Message>) {
    let texts = Texts::of(backend.loaded.settings.ui.lang);
    let now = backend.now();
    let mut shown = Vec::new();
    let read = backend.journal().each(MOST_SHOWN, |entry| {
        shown.push(entry_text(entry, now, texts));
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
    let message = match read {
        Ok(ControlFlow::Continue(contents)) => {
            shown.reverse();
            let mut body = shown.concat();
            if contents.earlier > 0 {
                body.push_str(&texts.said(&said::journal_before_these(contents.earlier)));
                body.push('\n');
            }
            if contents.skipped > 0 {
                body.push_str(&texts.said(&said::journal_damaged(contents.skipped)));
                body.push('\n');
            }
            if body.is_empty() {
                body.clone_from(&texts.ui.journal_none);
            }
            Message::Recorded(Recorded::Fetched { title, body })
        }
        Err(error) => Message::Told {
            severity: Severity::Error,
            text: error.said(),
        },
    };
    let _ = out.send(message).await;
}

fn entry_text(entry: &crate::store::journal::Entry, now: Timestamp, texts: &Texts) -> String {
    let outcome = entry.standing();
    let (user, host) = (&entry.author.user, &entry.author.host);
    let began = entry.began.strftime("%Y-%m-%d %H:%M:%SZ");
    let by = if entry.plan.unasked {
        said::journal_by_itself(began, user, host, outcome)
    } else {
        said::journal_by(began, user, host, outcome)
    };
    let mut lines = vec![texts.said(&by), texts.said(&entry.detail)];
    lines.retain(|line| !line.is_empty());
    let before = entry.login_before.iter().map(said::journal_before);
    let after = entry.login_after.iter().map(said::journal_after);
    let mut points: Vec<Said> = before.chain(after).collect();
    if let Some(by) = &entry.undone_by {
        points.push(said::journal_taken_back(by));
    }
    if entry.can_be_undone() {
        if let Some(at) = entry.expires_at {
            let left = at.duration_since(now).as_mins().max(0) + 1;
            points.push(said::journal_timed(
                at.strftime("%H:%M:%SZ"),
                left,
                &entry.id,
            ));
        }
        points.push(said::journal_undo(&entry.id));
    }
    lines.extend(
        points
            .iter()
            .map(|point| format!("- {}", texts.said(point))),
    );
    let title = texts.said(&entry.plan.title);
    format!("# {} {title}\n{}\n\n", entry.id, lines.join("\n"))
}
