//! What `act`, `journal` and `ticket` share: access, journal, start-up duties, progress.
//!
//! Must not live here: plans (`action`) and their execution (`runtime::execute`).

use std::io::{IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::page::Page;
use super::{output, said};
use crate::action::batch::Batch;
use crate::action::gate::{Access, Given};
use crate::action::plan::{Completion, Confirmation, Plan, Step};
use crate::config::Loaded;
use crate::domain::outcome::Outcome;
use crate::domain::said::{Figure, Joint, List, Said, Unit};
use crate::runtime::execute::{self, Desk, Execution, LoginLook, LoginNow, Progress};
use crate::runtime::session::Session;
use crate::runtime::shared::Shared;
use crate::store::journal::{Contents, Journal};

/// Whether this run may change anything, and who said so if not.
pub fn access(loaded: &Loaded) -> Access {
    match &loaded.read_only {
        Some(because) => Access::ReadOnly {
            because: because.clone(),
        },
        None => Access::ReadWrite,
    }
}

/// The journal of this user's state directory.
pub fn journal(loaded: &Loaded) -> Journal {
    if let Some(shared) = shared(loaded) {
        return shared.journal();
    }
    Journal::in_directory(&loaded.paths.state_dir).shared(loaded.settings.shared_state)
}

/// The store of several hosts, where the settings name one: the same for the whole command, so that
/// it is told once that it does not answer.
pub fn shared(loaded: &Loaded) -> Option<Arc<Shared>> {
    static SHARED: OnceLock<Option<Arc<Shared>>> = OnceLock::new();
    loaded.settings.shared_store.as_ref()?;
    let of = || Shared::of(loaded, Some(output::warn));
    SHARED.get_or_init(of).clone()
}

/// Passes on what was done here and takes what was done on other hosts.
pub async fn exchange(loaded: &Loaded) {
    if let Some(shared) = shared(loaded) {
        shared.exchange().await;
    }
}

/// A desk on the session's cloud; an error when there is none.
pub fn desk(session: &Session, loaded: &Loaded) -> anyhow::Result<Desk> {
    let Some(cloud) = &session.cloud else {
        return Err(output::Fault(crate::runtime::said::no_credentials()).into());
    };
    Ok(Desk::new(cloud.client.clone(), journal(loaded)).among(shared(loaded)))
}

/// Settles what an earlier run left in flight and takes back what is due; says so. Every command
/// that talks to the cloud does this first; a read-only one says what it leaves alone.
pub async fn start_up(session: &Session, loaded: &Loaded) {
    exchange(loaded).await;
    let access = access(loaded);
    // Without a cloud nothing can be settled; what is in flight stays in the journal.
    let (Access::ReadWrite, Ok(desk)) = (&access, desk(session, loaded)) else {
        left_alone(loaded, Some(session)).await;
        return;
    };
    let news = match execute::start_up(&desk, &access).await {
        Ok(news) => news,
        Err(error) => {
            output::warn(&said::earlier_unsettled(error.said()));
            return;
        }
    };
    if !news.is_empty() {
        exchange(loaded).await;
    }
    for one in news {
        let outcome = one.outcome.map_or_else(said::open, Outcome::said);
        output::warn(&said::entry_settled(
            one.entry, one.title, outcome, one.detail,
        ));
    }
}

/// Says which changes are past their time although a start has just tried to take them back; the exit
/// status for that, 0 without any.
pub fn overdue(contents: &Contents, now: jiff::Timestamp) -> u8 {
    let mut status = 0;
    for entry in execute::overdue(contents, now) {
        let since = entry.expires_at.unwrap_or(now);
        let since = since.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let title = &entry.plan.title;
        output::warn(&crate::runtime::said::not_taken_back(
            title, &entry.id, &entry.id, since,
        ));
        status = super::EXIT_FAULT;
    }
    status
}

/// The same after the start-up of a session. A read-only run has said what it leaves alone.
pub fn overdue_of(session: &Session, loaded: &Loaded) -> u8 {
    let (Access::ReadWrite, Ok(desk)) = (access(loaded), desk(session, loaded)) else {
        return 0;
    };
    // What cannot be read has been told by the start-up.
    overdue(&desk.journal.pending().unwrap_or_default(), desk.now())
}

/// Says which changes are past their time and stay, because nothing may or can be sent. By the
/// cloud's clock, where a session can be asked for it.
pub async fn left_alone(loaded: &Loaded, session: Option<&Session>) {
    let contents = journal(loaded).pending().unwrap_or_default();
    let mut now = jiff::Timestamp::now();
    if let Some(desk) = session.and_then(|session| desk(session, loaded).ok())
        && !execute::timed_changes(&contents).is_empty()
    {
        desk.learn_clock().await;
        now = desk.now();
    }
    for entry in contents.entries {
        if entry.is_due(now) {
            output::warn(&said::still_in_force(
                &entry.id,
                entry.plan.title,
                &entry.id,
            ));
        }
    }
}

/// What the operator gave: `--yes`, or an answer typed now. `None` when nobody can be asked.
pub fn confirm(
    plan: &Plan,
    yes: bool,
    target: &str,
    preview_is_shown: bool,
) -> anyhow::Result<Option<Given>> {
    if yes {
        return Ok(Some(Given::CommandLine {
            target: target.to_owned(),
        }));
    }
    if plan.confirmation == Confirmation::None {
        return Ok(Some(Given::Nothing));
    }
    if !preview_is_shown {
        show(plan);
    }
    let name = (plan.confirmation == Confirmation::TypedName).then(|| plan.target.to_type());
    ask(name)
}

/// Shows a plan on standard error.
pub fn show(plan: &Plan) {
    let mut page = Page::stderr();
    super::act::report::preview(&mut page, plan);
    output::progress(&page.take());
}

/// The same for a batch: every plan and the summary are shown, one answer is asked for.
pub fn confirm_batch(batch: &Batch, yes: bool) -> anyhow::Result<Option<Given>> {
    if yes {
        // Each plan is confirmed by the text that named its own target.
        return Ok(Some(Given::CommandLine {
            target: String::new(),
        }));
    }
    for plan in batch.plans() {
        show(plan);
        output::progress("\n");
    }
    for line in batch.summary() {
        output::note(&line);
    }
    let phrase = batch.phrase();
    ask((batch.confirmation() == Confirmation::TypedName).then_some(phrase.as_str()))
}

/// Asks on the terminal; `None` when there is none.
fn ask(name: Option<&str>) -> anyhow::Result<Option<Given>> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    match name {
        Some(name) => output::progress(&format!("{} ", output::said(&said::type_to_go_on(name)))),
        None => output::progress(&format!("{} ", output::said(&said::go_on()))),
    }
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(Some(if name.is_some() {
        Given::Typed(answer.to_owned())
    } else if answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes") {
        Given::Key
    } else {
        Given::Nothing
    }))
}

/// How often what has not changed is said again, with the time that has passed.
pub const STILL: Duration = Duration::from_secs(5);

/// Progress as lines on standard error; what does not change is said again now and then.
#[derive(Debug, Default)]
pub struct Printer {
    last: Said,
    printed: Option<Instant>,
    /// When what is being waited for began, and how long it may take.
    waiting: Option<(Instant, Option<Duration>)>,
    /// Longest time of each step, and of the login after them.
    steps: Vec<Option<Duration>>,
    login: Option<Duration>,
}

impl Printer {
    /// One that knows how long the steps of a plan may take, and the login after a boot.
    pub fn of(plan: &Plan, boot: Option<Duration>) -> Self {
        let limit = |step: &Step| match &step.completion {
            Completion::Instance { limit_s, .. }
            | Completion::Task { limit_s }
            | Completion::Invocation { limit_s }
            | Completion::Unblocked { limit_s, .. } => Some(Duration::from_secs(*limit_s)),
            _ => None,
        };
        let boots = |step: &Step| matches!(&step.completion, Completion::Instance { .. });
        Self {
            steps: plan.steps.iter().map(limit).collect(),
            login: boot.filter(|_| plan.steps.iter().any(boots)),
            ..Self::default()
        }
    }

    /// Nothing was heard for a while: says again what is waited for.
    pub fn still(&mut self) {
        let Some((since, limit)) = self.waiting else {
            return;
        };
        let waited = whole_seconds(since.elapsed());
        let line = match limit {
            Some(limit) => said::still_of(&self.last, waited, whole_seconds(limit)),
            None => said::still(&self.last, waited),
        };
        output::note(&line);
        self.printed = Some(Instant::now());
    }

    fn begin(&mut self, limit: Option<Duration>) {
        self.waiting = Some((Instant::now(), limit));
    }

    /// Prints one piece of news.
    pub fn print(&mut self, news: &Progress) {
        match news {
            Progress::Answered { step, .. } => {
                let limit = self.steps.get(*step).copied().flatten();
                self.begin(limit);
            }
            Progress::Ended { .. } => self.begin(self.login),
            _ => {}
        }
        let line = match news {
            Progress::Journalled { entry } => said::entry(entry),
            Progress::Sending { step, of, purpose } => said::call(step + 1, *of, purpose),
            Progress::Answered { request_id, .. } => said::accepted(request_id),
            Progress::Following { state, .. } => said::waiting(state),
            Progress::Ended {
                success, detail, ..
            } => {
                if *success {
                    said::done(detail)
                } else {
                    said::failed(detail)
                }
            }
            Progress::Verifying { looks, .. } => said::logins(List::said(
                Joint::Semicolons,
                looks.iter().map(LoginLook::sentence),
            )),
        };
        if line != self.last {
            output::note(&line);
            self.last = line;
            self.printed = Some(Instant::now());
        } else if self.printed.is_some_and(|at| at.elapsed() >= STILL) {
            self.still();
        }
    }
}

fn whole_seconds(time: Duration) -> Figure {
    Figure::new(time.as_secs() as f64, 0, Unit::Seconds)
}

/// Exit status of an execution. `waited`: the verification was asked for, so that 0 says that login
/// is back, or that there was nothing to verify.
pub fn exit_status(execution: &Execution, waited: bool) -> u8 {
    match execution.outcome {
        Outcome::Failed | Outcome::Unknown | Outcome::Interrupted => 1,
        // What is seen may be another host's work.
        _ if execution.contested => 1,
        _ if waited => u8::from(matches!(
            execution.login,
            LoginNow::Broken | LoginNow::Untold
        )),
        _ => 0,
    }
}
