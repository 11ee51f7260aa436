//! `cvmtop diagnose`: one diagnosis per target, as text or one JSON object a line.
//!
//! Must not live here: collecting (`runtime::triage`) or weighing (`diagnosis`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::args::{
    DiagnoseArgs, GlobalArgs, Scope, TextOrJson, TriageArgs, UserPath, UserWay, VantageChoice,
};
use super::neighbours::Asked;
use super::output::Fault;
use super::page::Page;
use super::report::Shown;
use super::said;
use super::{
    EXIT_FAULT, EXIT_INCONCLUSIVE, EXIT_NOTHING, EXIT_USAGE, again, neighbours, open, output,
    providers, report,
};
use crate::cloud::{CloudError, Pool};
use crate::config::{Loaded, VantageSetting};
use crate::diagnosis::Knowledge;
use crate::domain::evidence::{Path, Reading, Source, Status};
use crate::domain::guide_step::TickedStep;
use crate::domain::instance::Instance;
use crate::domain::report::{Report, Verdict};
use crate::domain::said::{Figure, List, Said, Unit};
use crate::domain::statement::{self, Statements};
use crate::domain::text::sanitise;
use crate::kit::neighbour::MOST;
use crate::kit::provider;
use crate::runtime::past::Past;
use crate::runtime::session::{Session, SessionError};
use crate::runtime::targets::TargetError;
use crate::runtime::triage::{self, Triage, TriageOptions};
use crate::runtime::{diagnose, targets};
use crate::store::guide_steps::GuideSteps;

/// Time to weigh and print what was read until the limit.
const AFTER_LIMIT: Duration = Duration::from_secs(1);
/// Most characters of a pasted error that are read.
const MAX_ERROR_TEXT: u64 = 256 * 1024;

/// Actions that the count of calls names.
const MOST_ACTIONS: usize = 4;

/// Targets that are looked at together: enough for full calls, few enough for one machine.
pub(super) const AT_ONCE: usize = 1_000;

pub async fn run(args: &DiagnoseArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let session = session(&loaded, &args.targets).await?;
    let asked = args.why_not.as_deref();
    if let Some(why) = asked.and_then(|cause| report::unknown_cause(&session.knowledge, cause)) {
        output::warn(&why);
        return Ok(EXIT_USAGE);
    }
    if let Some(why) = wrong_others(args) {
        output::warn(&why);
        return Ok(EXIT_USAGE);
    }
    let named = args.from_neighbours.as_deref();
    let codes = args.from_providers.as_deref();
    let mut options = options(&args.triage, &session.knowledge, &loaded)?;
    let several = args.targets.len() > 1;
    if several {
        options.pool = Some(Pool::of(args.targets.len()));
    }
    let aims = within(args.triage.timeout, async {
        Ok(aim_all(&session, &args.targets, &options).await)
    })
    .await
    .unwrap_or_else(|late| unanswered(&args.targets, &options, &output::sentence(&late)));
    let progress = Progress::of(args.targets.len());
    let told = again::of_triage(&args.triage);
    let work = aims.into_iter().zip(&args.targets).map(|(aimed, target)| {
        let (session, loaded, progress) = (&session, &loaded, &progress);
        let asked = |named| Asked {
            named,
            target,
            told: &told,
        };
        let others = Others {
            neighbours: named.map(asked),
            providers: codes.map(asked),
            near: args.near.as_deref(),
        };
        // What was created is read and deleted, whatever the limit: it has one of its own.
        let limit = args.triage.timeout.filter(|_| !others.create());
        async move {
            let report = match aimed {
                Ok(aimed) => {
                    let one = Box::pin(one(session, loaded, aimed, others));
                    within(limit, one).await
                }
                Err(error) => Err(error.into()),
            };
            progress.one_more();
            report
        }
    });
    let mut work: VecDeque<_> = work.collect();
    let mut targets = args.targets.iter();
    let mut status = 0;
    while !work.is_empty() {
        // Wave by wave: targets that begin one after the other would ask alone.
        let wave = work.drain(..work.len().min(AT_ONCE)).collect::<Vec<_>>();
        let mut reports = futures_util::stream::iter(wave).buffered(AT_ONCE);
        while let (Some(report), Some(target)) = (reports.next().await, targets.next()) {
            match report {
                Ok(mut report) => {
                    report.guide_steps = guide_steps(&loaded, &report.instance.id);
                    status = worse(status, exit_status(&report));
                    tell_flaw_of_kit(&report);
                    print(args, target, &session, &report)?;
                }
                Err(error) => {
                    let why = output::sentence(&error);
                    output::warn(&said::of_target(target, why));
                    status = worse(status, EXIT_NOTHING);
                }
            }
        }
    }
    progress.end(&session, options.pool.as_ref());
    Ok(status)
}

/// Why others cannot look: too many are named, or for several targets.
fn wrong_others(args: &DiagnoseArgs) -> Option<Said> {
    let lacks = |named: &Option<Vec<String>>| {
        let mut named = named.iter().flatten();
        named.any(|one| one.trim().is_empty())
    };
    let wrong = |named: &Option<Vec<String>>, most| {
        let named = named.as_ref().map_or(0, Vec::len);
        named > most || named > 0 && args.targets.len() > 1
    };
    if lacks(&args.from_neighbours) {
        Some(said::neighbours_empty())
    } else if wrong(&args.from_neighbours, MOST) {
        Some(said::neighbours_form(MOST))
    } else if lacks(&args.from_providers) {
        Some(said::providers_empty())
    } else if wrong(&args.from_providers, provider::MOST) {
        Some(said::providers_form(provider::MOST))
    } else {
        None
    }
}

/// A session; where the cloud cannot be asked and an address is among the targets, one that can
/// look from outside all the same.
pub(super) async fn session(loaded: &Loaded, targets: &[String]) -> Result<Session, SessionError> {
    match open::on(loaded).await {
        Err(error) if error.is_lack_of_cloud() && targets.iter().any(|it| is_address(it)) => {
            output::warn(&crate::runtime::said::addresses_only(error.said()));
            Session::without_cloud(loaded, error.said())
        }
        other => other,
    }
}

fn is_address(target: &str) -> bool {
    target.parse::<IpAddr>().is_ok()
}

fn print(
    args: &DiagnoseArgs,
    target: &str,
    session: &Session,
    report: &Report,
) -> anyhow::Result<()> {
    match args.format {
        TextOrJson::Json => output::print(&format!("{}\n", serde_json::to_string(report)?)),
        TextOrJson::Text => {
            let mut page = Page::stdout();
            let shown = Shown {
                target,
                told: &again::of_triage(&args.triage),
                all: args.all,
            };
            report::text(&mut page, report, shown);
            if let Some(cause) = &args.why_not {
                report::why_not_text(&mut page, &session.knowledge, report, cause);
            }
            if args.targets.len() > 1 {
                page.gap();
            }
            output::print(&page.take())
        }
    }
}

/// How far a run over several targets has come, on standard error.
pub(super) struct Progress {
    of: AtomicUsize,
    done: AtomicUsize,
    begun: Instant,
}

impl Progress {
    pub fn of(of: usize) -> Self {
        Self {
            of: AtomicUsize::new(of),
            done: AtomicUsize::new(0),
            begun: Instant::now(),
        }
    }

    /// So many targets more.
    pub fn expect(&self, more: usize) {
        self.of.fetch_add(more, Ordering::Relaxed);
    }

    /// Says so at each tenth of the targets: enough to see that it goes on, little in a log.
    pub fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let of = self.of.load(Ordering::Relaxed);
        let step = of.div_ceil(10);
        if of > 1 && (done.is_multiple_of(step) || done == of) {
            let after = Figure::new(self.begun.elapsed().as_secs_f64(), 1, Unit::Seconds);
            output::warn(&said::progress(done, of, after));
        }
    }

    pub fn end(&self, session: &Session, pool: Option<&Pool>) {
        let (Some(pool), Some(cloud)) = (pool, &session.cloud) else {
            return;
        };
        let mut sent: Vec<(String, usize)> = cloud.client.sent().into_iter().collect();
        sent.sort_by_key(|(_, count)| Reverse(*count));
        let all: usize = sent.iter().map(|(_, count)| count).sum();
        let most = sent.iter().take(MOST_ACTIONS);
        let most = most.map(|(action, n)| format!("{n} {action}"));
        let each = Figure::new(
            all as f64 / self.of.load(Ordering::Relaxed).max(1) as f64,
            1,
            Unit::None,
        );
        output::warn(&said::calls(all, pool.asked(), each, List::names(most)));
    }
}

/// 0 healthy, 1 a fault, 3 when nothing could be observed, 4 when what was observed decides nothing.
fn exit_status(report: &Report) -> u8 {
    let observed = report.evidence.iter().any(|r| r.status == Status::Observed);
    match report.verdict {
        Verdict::Healthy => 0,
        _ if !observed => EXIT_NOTHING,
        Verdict::Faulty => EXIT_FAULT,
        Verdict::Inconclusive => EXIT_INCONCLUSIVE,
    }
}

/// Of several targets the worst counts: no diagnosis, a fault, nothing decided, healthy.
pub(super) fn worse(one: u8, other: u8) -> u8 {
    let rank = |status| match status {
        EXIT_NOTHING => 3,
        EXIT_FAULT => 2,
        EXIT_INCONCLUSIVE => 1,
        _ => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Steps of guides that somebody ticked off for an instance; none where they cannot be read.
pub fn guide_steps(loaded: &Loaded, instance: &str) -> Vec<TickedStep> {
    GuideSteps::in_directory(&loaded.paths.state_dir)
        .of(instance, jiff::Timestamp::now())
        .unwrap_or_else(|error| {
            output::warn(&error.said());
            Vec::new()
        })
}

/// Says so where a look inside the guest was asked for and read-only shuts it out.
pub(super) fn warn_if_shut_out(deep: bool, loaded: &Loaded) {
    if let (true, false, Some(because)) =
        (deep, loaded.settings.lets_look_inside(), &loaded.read_only)
    {
        output::warn(&said::deep_read_only(because));
    }
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
    warn_if_shut_out(args.deep, loaded);
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
        unasked: None,
        pool: None,
        self_check: false,
        own_calls: BTreeMap::new(),
    })
}

/// What the flags say of the failure; a group or state that does not exist is named.
fn statements(args: &TriageArgs, knowledge: &Knowledge) -> anyhow::Result<Statements> {
    let way = args.user_way.map(|way| match way {
        UserWay::Public => Path::Public,
        UserWay::Private => Path::Private,
    });
    let mut statements = Statements {
        way,
        ..Statements::default()
    };
    statements.say(statement::SCOPE, args.scope.map(Scope::as_str));
    statements.say(statement::USER_PATH, args.user_path.map(UserPath::as_str));
    let console = args
        .console
        .iter()
        .map(|state| (statement::CONSOLE, state.as_str()));
    let mut pairs: Vec<(&str, &str)> = console.collect();
    for pair in &args.seen {
        let pair = pair.split_once('=');
        pairs.push(pair.ok_or_else(|| Fault(said::seen_form()))?);
    }
    for (group, state) in pairs {
        let (group, state) = (group.trim(), state.trim());
        let Some(known) = knowledge.group(group) else {
            return Err(Fault(said::no_group(sanitise(group, 60))).into());
        };
        if !known.states.iter().any(|known| known == state) {
            let states = List::names(&known.states);
            let why = said::no_state(sanitise(state, 60), group, states);
            return Err(Fault(why).into());
        }
        statements.say(group, Some(state));
    }
    Ok(statements)
}

/// Ends looking for the target, too, when the time is up.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let Some(limit) = limit else {
        return work.await;
    };
    // The triage ends by itself at the limit; this is for what comes before it.
    match tokio::time::timeout(limit + AFTER_LIMIT, work).await {
        Ok(result) => result,
        Err(_) => {
            let limit = Figure::new(limit.as_secs_f64(), 0, Unit::Seconds);
            Err(Fault(said::no_answer_within(limit)).into())
        }
    }
}

/// Why an answer of the kit in the text that was given says nothing.
fn tell_flaw_of_kit(report: &Report) {
    let of_kit = |reading: &&Reading| {
        reading.source == Source::Operator
            && reading.path == Some(Path::User)
            && reading.status == Status::NotAttempted
    };
    for reading in report.evidence.iter().filter(of_kit) {
        output::warn(&reading.detail);
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
            .map_err(|error| Fault(said::error_text_unread(file.display(), error)))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A target, found, and how it is looked at.
pub(super) struct Aimed {
    pub instance: Instance,
    pub options: TriageOptions,
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

/// Finds all targets with few calls. An address is one even where the cloud cannot say whose.
pub(super) async fn aim_all(
    session: &Session,
    targets: &[String],
    options: &TriageOptions,
) -> Vec<Result<Aimed, TargetError>> {
    let found = targets::find_all(session, targets).await;
    let aimed =
        |(target, found): (&String, Result<Instance, TargetError>)| match (found, target.parse()) {
            (Err(error), Ok(address)) if error.is_lack_of_cloud() => {
                Ok(at_address(address, options, &error.said()))
            }
            (found, _) => Ok(as_asked(found?, options.clone())),
        };
    targets.iter().zip(found).map(aimed).collect()
}

/// The targets when the cloud did not say in time which instances they are.
pub(super) fn unanswered(
    targets: &[String],
    options: &TriageOptions,
    late: &Said,
) -> Vec<Result<Aimed, TargetError>> {
    let aimed = |target: &String| match target.parse() {
        Ok(address) => Ok(at_address(address, options, late)),
        Err(_) => Err(TargetError::Host(late.clone())),
    };
    targets.iter().map(aimed).collect()
}

/// An address that the cloud was not asked about, with the reason.
fn at_address(address: IpAddr, options: &TriageOptions, why: &Said) -> Aimed {
    let mut options = options.clone();
    options.unasked = Some(CloudError::Setup(why.clone()));
    as_asked(targets::bare_address(address), options)
}

fn as_asked(mut instance: Instance, options: TriageOptions) -> Aimed {
    instance.configured_login_port = options.port.or(instance.configured_login_port);
    Aimed { instance, options }
}

/// Who looks beside this host.
#[derive(Debug, Clone, Copy)]
struct Others<'a> {
    neighbours: Option<Asked<'a>>,
    providers: Option<Asked<'a>>,
    near: Option<&'a str>,
}

impl Others<'_> {
    /// True where something is created in the cloud.
    fn create(&self) -> bool {
        self.providers.is_some_and(|it| !it.named.is_empty())
    }
}

/// Triages and weighs one target; where others were asked for, they look, too.
async fn one(
    session: &Session,
    loaded: &Loaded,
    aimed: Aimed,
    others: Others<'_>,
) -> anyhow::Result<Report> {
    let instance = &aimed.instance;
    let (mut triage, past) = look(session, loaded, instance, &aimed.options).await;
    if let Some(asked) = others.neighbours {
        neighbours::join(session, loaded, instance, &mut triage, asked).await;
    }
    if let Some(asked) = others.providers {
        providers::join(session, loaded, instance, &mut triage, asked, others.near).await;
    }
    Ok(diagnose::report(session, instance, &triage, &past))
}

/// Triages and weighs an instance.
pub(super) async fn weigh(
    session: &Session,
    loaded: &Loaded,
    instance: &Instance,
    options: &TriageOptions,
) -> Report {
    let (triage, past) = look(session, loaded, instance, options).await;
    diagnose::report(session, instance, &triage, &past)
}

async fn look(
    session: &Session,
    loaded: &Loaded,
    instance: &Instance,
    options: &TriageOptions,
) -> (Triage, Past) {
    // Nobody watches the readings arrive: the receiver is dropped at once.
    let (sink, _) = mpsc::channel(1);
    let past = past(session, loaded, instance);
    let options = TriageOptions {
        own_calls: past.own_calls.clone(),
        ..options.clone()
    };
    (triage::run(session, instance, &options, sink).await, past)
}

/// What earlier actions and cases say about a diagnosis of now.
pub fn past(session: &Session, loaded: &Loaded, instance: &Instance) -> Past {
    let now = jiff::Timestamp::now();
    let journal = super::acting::journal(loaded);
    Past::of(loaded, &journal, &session.knowledge, &instance.id, now)
}
