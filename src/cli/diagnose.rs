//! `cvmtop diagnose`: one diagnosis per target, as text or one JSON object a line.
//!
//! Must not live here: collecting (`runtime::triage`) or weighing (`diagnosis`).

use std::io::Read as _;
use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::args::{
    DiagnoseArgs, GlobalArgs, Scope, TextOrJson, TriageArgs, UserPath, VantageChoice,
};
use super::{EXIT_NOTHING, open, output, report};
use crate::config::{Loaded, VantageSetting};
use crate::diagnosis::Knowledge;
use crate::domain::evidence::Status;
use crate::domain::guide_step::TickedStep;
use crate::domain::instance::Instance;
use crate::domain::report::{Report, Verdict};
use crate::domain::statement::{self, Statements};
use crate::domain::text::sanitise;
use crate::runtime::past::Past;
use crate::runtime::session::Session;
use crate::runtime::targets::TargetError;
use crate::runtime::triage::{self, TriageOptions};
use crate::runtime::{diagnose, targets};
use crate::store::guide_steps::GuideSteps;

/// Time to weigh and print what was read until the limit.
const AFTER_LIMIT: Duration = Duration::from_secs(1);
/// Most characters of a pasted error that are read.
const MAX_ERROR_TEXT: u64 = 256 * 1024;

pub async fn run(args: &DiagnoseArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let session = open::on(&loaded).await?;
    let options = options(&args.triage, &session.knowledge, &loaded)?;
    let reports = join_all(args.targets.iter().map(|target| {
        within(
            args.triage.timeout,
            one(&session, &loaded, target, &options),
        )
    }))
    .await;
    let mut status = 0;
    for (target, report) in args.targets.iter().zip(reports) {
        match report {
            Ok(mut report) => {
                report.guide_steps = guide_steps(&loaded, &report.instance.id);
                status = status.max(exit_status(&report));
                match args.format {
                    TextOrJson::Json => {
                        output::print(&format!("{}\n", serde_json::to_string(&report)?))?;
                    }
                    TextOrJson::Text => {
                        let mut text = report::text(&report);
                        if let Some(cause) = &args.why_not {
                            text += &report::why_not_text(&session.knowledge, &report, cause);
                        }
                        output::print(&text)?;
                    }
                }
            }
            Err(error) => {
                output::warn(format_args!("{target}: {error:#}"));
                status = EXIT_NOTHING;
            }
        }
    }
    Ok(status)
}

/// 0 healthy, 1 a fault, 3 when nothing could be observed.
fn exit_status(report: &Report) -> u8 {
    let observed = report.evidence.iter().any(|r| r.status == Status::Observed);
    match report.verdict {
        Verdict::Healthy => 0,
        _ if !observed => EXIT_NOTHING,
        Verdict::Faulty | Verdict::Inconclusive => 1,
    }
}

/// Steps of guides that somebody ticked off for an instance; none where they cannot be read.
pub fn guide_steps(loaded: &Loaded, instance: &str) -> Vec<TickedStep> {
    GuideSteps::in_directory(&loaded.paths.state_dir)
        .of(instance, jiff::Timestamp::now())
        .unwrap_or_else(|error| {
            eprintln!("cvmtop: {error}");
            Vec::new()
        })
}

/// What the flags allow the triage to do, and what they tell it.
///
/// # Errors
/// A file that cannot be read, or a statement about something that does not exist.
pub fn options(
    args: &TriageArgs,
    knowledge: &Knowledge,
    loaded: &Loaded,
) -> anyhow::Result<TriageOptions> {
    Ok(TriageOptions {
        memory: Some(loaded.paths.state_dir.clone()),
        onset: args.since,
        deep: args.deep,
        try_login: args.try_login.clone(),
        user: args.user.clone(),
        port: args.port,
        user_source: args.user_source,
        error_text: args.error_text.as_deref().map(error_text).transpose()?,
        vantage: args.vantage.map(|v| match v {
            VantageChoice::Public => VantageSetting::Public,
            VantageChoice::Private => VantageSetting::Private,
            VantageChoice::Both => VantageSetting::Both,
        }),
        instance_is_fresh: true,
        timeout: args.timeout,
        statements: statements(args, knowledge)?,
    })
}

/// What the flags say of the failure; a group or state that does not exist is named.
fn statements(args: &TriageArgs, knowledge: &Knowledge) -> anyhow::Result<Statements> {
    let mut statements = Statements::default();
    statements.say(statement::SCOPE, args.scope.map(Scope::as_str));
    statements.say(statement::USER_PATH, args.user_path.map(UserPath::as_str));
    let console = args
        .console
        .iter()
        .map(|state| (statement::CONSOLE, state.as_str()));
    let mut pairs: Vec<(&str, &str)> = console.collect();
    for pair in &args.seen {
        let pair = pair.split_once('=');
        pairs.push(pair.context("--seen takes GROUP=STATE")?);
    }
    for (group, state) in pairs {
        let (group, state) = (group.trim(), state.trim());
        let Some(known) = knowledge.group(group) else {
            anyhow::bail!("there is no evidence group `{}`", sanitise(group, 60));
        };
        if !known.states.iter().any(|known| known == state) {
            anyhow::bail!(
                "`{}` is no state of {group}; there are {}",
                sanitise(state, 60),
                known.states.join(", ")
            );
        }
        statements.say(group, Some(state));
    }
    Ok(statements)
}

/// Ends looking for the target, too, when the time is up.
async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let Some(limit) = limit else {
        return work.await;
    };
    // The triage ends by itself at the limit; this is for what comes before it.
    match tokio::time::timeout(limit + AFTER_LIMIT, work).await {
        Ok(result) => result,
        Err(_) => anyhow::bail!("no answer within {} s", limit.as_secs_f32()),
    }
}

fn error_text(file: &FilePath) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == FilePath::new("-") {
        std::io::stdin()
            .take(MAX_ERROR_TEXT)
            .read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)
            .and_then(|f| f.take(MAX_ERROR_TEXT).read_to_end(&mut bytes))
            .with_context(|| format!("error text {}", file.display()))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The instance that is meant, with the login port that was asked for.
///
/// # Errors
/// None, several, or the cloud could not be asked.
pub async fn aim(
    session: &Session,
    target: &str,
    options: &TriageOptions,
) -> Result<Instance, TargetError> {
    let mut instance = targets::find(session, target).await?;
    instance.configured_login_port = options.port.or(instance.configured_login_port);
    Ok(instance)
}

/// Finds, triages and weighs one target.
async fn one(
    session: &Session,
    loaded: &Loaded,
    target: &str,
    options: &TriageOptions,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let instance = aim(session, target, options).await?;
    let mut options = options.clone();
    options.timeout = options.timeout.map(|t| t.saturating_sub(started.elapsed()));
    // Nobody watches the readings arrive: the receiver is dropped at once.
    let (sink, _) = mpsc::channel(1);
    let triage = triage::run(session, &instance, &options, sink).await;
    Ok(diagnose::report(
        session,
        &instance,
        &triage,
        &past(session, loaded, &instance),
    ))
}

/// What earlier actions and cases say about a diagnosis of now.
pub fn past(session: &Session, loaded: &Loaded, instance: &Instance) -> Past {
    let now = jiff::Timestamp::now();
    Past::of(
        &loaded.paths.state_dir,
        &session.knowledge,
        &instance.id,
        now,
    )
}
