//! Carries out approved plans: journal first, each call once, followed to its real end.
//!
//! Lives here: the order of journal and network. What a plan says is decided in `action`, what a
//! line of the journal holds in `store::journal`; nothing is sent that is not in an approved plan.

mod admission;
mod batch;
mod follow;
mod identity;
mod judge;
mod neighbours;
mod network;
mod prepare;
mod read;
mod run;
mod secret;
mod settle;
mod start_up;
pub mod tasks;
mod undo;
mod verify;

pub use batch::{BatchEnd, BatchInputs, ItemEnd, execute_batch, prepare_batch};
pub use identity::{author, new_entry_id};
pub use judge::LoginNow;
pub use neighbours::{failed_cures, soft_failed, spent};
pub use prepare::{PrepareOptions, Prepared, prepare, prepare_plan};
pub(super) use secret::random_bytes;
pub use settle::{Settled, settle};
pub use start_up::{close, has_duties, keep, next_due, overdue, start_up, timed_changes};
pub use undo::prepare_undo;
pub use verify::{LayerState, LoginLook, LoginProbe, LookAgain, look};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedSender;

use run::Run;

use super::said;
use super::shared::{Hold, Shared};
use super::triage::Triage;
use crate::action::gate::ApprovedPlan;
use crate::action::handed::Handed;
use crate::action::plan::{Completion, Plan, Verification};
use crate::action::undo::KeptAnswers;
use crate::cloud::{Client, CloudError, inventory};
use crate::domain::instance::Instance;
use crate::domain::login_layer::BrokenLayer;
use crate::domain::outcome::Outcome;
use crate::domain::report::{Report, Verdict};
use crate::domain::said::Said;
use crate::store::StoreError;
use crate::store::journal::{Author, EntryLock, Event, Journal, Place, Record};

/// Differences of the clocks up to this are taken for the way of an answer.
const DELAY_S: i64 = 5;

/// What executions share.
#[derive(Debug, Clone)]
pub struct Desk {
    pub client: Client,
    pub journal: Journal,
    pub author: Author,
    /// Pause between two looks at an operation.
    pub poll: Duration,
    place: Arc<OnceCell<Place>>,
    /// What operators on several hosts see of each other.
    shared: Option<Arc<Shared>>,
}

impl Desk {
    /// A desk with the usual pace.
    pub fn new(client: Client, journal: Journal) -> Self {
        Self {
            client,
            journal,
            author: author(),
            poll: Duration::from_secs(1),
            place: Arc::default(),
            shared: None,
        }
    }

    /// The same, among other hosts.
    #[must_use]
    pub fn among(self, shared: Option<Arc<Shared>>) -> Self {
        Self { shared, ..self }
    }

    /// The cloud and the account that this desk works on, asked for once.
    pub async fn place(&self) -> Place {
        let ask = || async {
            Place {
                endpoint: self.client.endpoint().to_owned(),
                account: identity::account(&self.client).await,
            }
        };
        self.place.get_or_init(ask).await.clone()
    }

    /// Seconds by which the cloud's clock is ahead of this machine's, where that is more than delay.
    pub fn skew(&self) -> Option<i64> {
        let measured = self.client.clock_offset();
        measured.filter(|seconds| seconds.abs() > DELAY_S)
    }

    /// Has the cloud's clock measured, where no answer has told it yet.
    pub async fn learn_clock(&self) {
        if self.client.clock_offset().is_none() {
            // Any answer does; this one is needed anyway.
            self.place().await;
        }
    }

    /// Now by the cloud's clock, as far as it was measured: what others see of a time box.
    pub fn now(&self) -> Timestamp {
        let ahead = jiff::SignedDuration::from_secs(self.skew().unwrap_or(0));
        let now = Timestamp::now();
        now.checked_add(ahead).unwrap_or(now)
    }

    fn write(&self, entry: &str, event: Event) -> Result<(), StoreError> {
        self.journal
            .append(&Record::new(Timestamp::now(), entry, event))
    }
}

/// News of an execution, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// The intent is on the disk; nothing has been sent yet.
    Journalled { entry: String },
    Sending {
        step: usize,
        of: usize,
        purpose: Said,
    },
    /// Accepted; now its end is waited for.
    Answered { step: usize, request_id: String },
    /// What the operation looks like now.
    Following {
        step: usize,
        state: Said,
        seconds: u64,
    },
    Ended {
        step: usize,
        success: bool,
        detail: Said,
    },
    /// Login is being tried again.
    Verifying { looks: Vec<LoginLook>, seconds: u64 },
}

/// What an execution looks at beside its plan.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    pub instance: &'a Instance,
    /// Set where login is tried before and after.
    pub login: Option<&'a LoginProbe>,
    /// The diagnosis of just now; written down first when the plan destroys evidence.
    pub report: Option<&'a Report>,
    /// How far a look after the action may go for what the short probes do not come to.
    pub again: Option<LookAgain<'a>>,
}

impl<'a> Around<'a> {
    /// Nothing but the instance.
    pub fn only(instance: &'a Instance) -> Self {
        Self {
            instance,
            login: None,
            report: None,
            again: None,
        }
    }
}

/// How an execution ended.
#[derive(Debug)]
pub struct Execution {
    pub entry: String,
    pub outcome: Outcome,
    /// True when another host was at work on the instance, too, while the shared store was away.
    pub contested: bool,
    /// True when the cloud accepted the last call that was sent.
    pub accepted: bool,
    /// True when the cloud refused because the rules had changed since they were shown: plan
    /// again and show the new difference.
    pub stale: bool,
    /// Where the evidence from before was written.
    pub evidence: Option<PathBuf>,
    /// One or two sentences for a person.
    pub detail: Said,
    /// Whether login is back; `NotAsked` where it was not tried.
    pub login: LoginNow,
    /// Layers that did not let a client through before.
    pub broken: Vec<BrokenLayer>,
    pub before: Vec<LoginLook>,
    pub after: Vec<LoginLook>,
    /// The whole look after the action, where the short ones did not tell.
    pub again: Option<Triage>,
    /// From the first call to the last look.
    pub seconds: u64,
    pub handed: Vec<Handed>,
    /// Lines that repairs in the guest printed.
    pub output: Vec<String>,
}

/// Why an execution did not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum ExecuteError {
    Store(#[from] StoreError),
    Cloud(#[from] CloudError),
    Plan(#[from] crate::action::PlanError),
    Busy(Said),
    /// Only the credentials of that place can say what became of it.
    Elsewhere {
        entry: String,
        place: Place,
    },
}

impl ExecuteError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Store(error) => error.said(),
            Self::Cloud(error) => error.said(),
            Self::Plan(error) => error.said(),
            Self::Busy(why) => why.clone(),
            Self::Elsewhere { entry, place } => said::entry_elsewhere(entry, place),
        }
    }
}

/// Carries an approved plan out.
///
/// # Errors
/// Only when nothing was sent; everything later is an outcome.
pub async fn execute(
    desk: &Desk,
    around: Around<'_>,
    approved: ApprovedPlan,
    sink: &UnboundedSender<Progress>,
) -> Result<Execution, ExecuteError> {
    let plan = approved.into_plan();
    let _locks = claim(desk, &plan)?;
    let hold = match &desk.shared {
        Some(shared) => Some(shared.claim(&plan).await?),
        None => None,
    };
    // The future of an execution is large.
    let done = Box::pin(carry_out(desk, around, &plan, sink, hold.as_ref())).await;
    if let Some(hold) = hold {
        hold.release().await;
    }
    done
}

#[allow(
    clippy::too_many_lines,
    reason = "the order of journal and network, in one place"
)]
async fn carry_out(
    desk: &Desk,
    around: Around<'_>,
    plan: &Plan,
    sink: &UnboundedSender<Progress>,
    hold: Option<&Hold>,
) -> Result<Execution, ExecuteError> {
    let instance = around.instance;
    let login = around
        .login
        .filter(|_| plan.verification == Verification::Login);
    let before = match login {
        Some(probe) => verify::look(instance, probe).await,
        None => Vec::new(),
    };
    let broken = match login {
        Some(_) if plan.reverses.is_none() => verify::broken_before(plan, around.report, &before),
        _ => Vec::new(),
    };
    let evidence = match around.report.filter(|_| plan.saves_readings.is_some()) {
        Some(report) => Some(save_evidence(desk, plan, report)?),
        None => None,
    };
    let before_request = last_request(desk, instance, plan).await;
    desk.write(
        &plan.entry,
        Event::Intent {
            author: desk.author.clone(),
            place: desk.place().await,
            plan: Box::new(plan.clone()),
            login_before: verify::sentences(&before),
            broken_before: broken.clone(),
            last_operation_before: before_request.clone(),
        },
    )?;
    tell(
        sink,
        Progress::Journalled {
            entry: plan.entry.clone(),
        },
    );
    if let Some(hold) = hold {
        hold.tell();
    }
    let mut run = Run {
        desk,
        plan,
        sink,
        kept: KeptAnswers::new(),
        handed: Vec::new(),
        output: Vec::new(),
        before_request,
        started: Instant::now(),
        hold,
        accepted: false,
        stale: false,
    };
    let (mut outcome, mut detail) = run.steps().await;
    let mut after = Vec::new();
    let mut again = None;
    let mut now = LoginNow::NotAsked;
    if outcome == Outcome::Done
        && let Some(probe) = login
    {
        let was = (before.as_slice(), broken.as_slice());
        let judgement;
        // The future of looks and reads together is large.
        (after, again, judgement) = Box::pin(verified(&run, around, probe, was, &detail)).await;
        (outcome, now, detail) = (judgement.outcome, judgement.login, judgement.detail);
    }
    let lost = run.lost().await;
    if let Some(why) = lost
        .as_ref()
        .filter(|why| !detail.contains(&why.to_string()))
    {
        detail = detail.and(why.clone());
    }
    run.note(Event::Closed {
        outcome,
        detail: detail.clone(),
    });
    Ok(Execution {
        entry: plan.entry.clone(),
        outcome,
        contested: lost.is_some(),
        accepted: run.accepted,
        stale: run.stale,
        evidence,
        detail,
        login: now,
        broken,
        before,
        after,
        again,
        seconds: run.started.elapsed().as_secs(),
        handed: run.handed,
        output: run.output,
    })
}

/// Login after the calls: looked at until it is back or the time is over, judged and written down.
async fn verified(
    run: &Run<'_>,
    around: Around<'_>,
    probe: &LoginProbe,
    (before, broken): (&[LoginLook], &[BrokenLayer]),
    detail: &Said,
) -> (Vec<LoginLook>, Option<Triage>, judge::Judgement) {
    let (desk, plan) = (run.desk, run.plan);
    let (after, instance) = verify::wait(
        desk,
        around.instance,
        plan,
        probe,
        (before, broken),
        run.sink,
        run.started,
    )
    .await;
    let again = verify::whole_look(around.again, &instance, plan, broken, &after).await;
    let took = run.started.elapsed();
    let source = admission::somebody_else(plan, &instance).filter(|_| plan.reverses.is_none());
    let admission = match source {
        Some(source) => Some(admission::ask(desk, &instance, source).await),
        None => None,
    };
    let judgement = judge::judge(&judge::Looks {
        plan,
        broken,
        before,
        after: &after,
        again: again
            .as_ref()
            .map_or(&[], |triage| triage.readings.as_slice()),
        admission: admission.as_ref(),
        faulty: around
            .report
            .is_some_and(|report| report.verdict == Verdict::Faulty),
        took,
        detail,
    });
    run.note(Event::Verified {
        outcome: judgement.outcome,
        login_after: verify::sentences(&after),
        seconds: took.as_secs(),
    });
    (after, again, judgement)
}

/// Claims the entry and, for an undo, the one that it takes back: of two operators who undo the
/// same, one is told so.
fn claim(desk: &Desk, plan: &Plan) -> Result<Vec<EntryLock>, ExecuteError> {
    let mut locks = Vec::new();
    for entry in std::iter::once(&plan.entry).chain(&plan.reverses) {
        let lock = desk
            .journal
            .lock_entry(entry)?
            .ok_or_else(|| ExecuteError::Busy(said::held_elsewhere(entry)))?;
        locks.push(lock);
    }
    if let Some(original) = &plan.reverses
        && let Some(by) = &desk.journal.entry(original)?.undone_by
    {
        return Err(ExecuteError::Busy(said::already_undone(original, by)));
    }
    Ok(locks)
}

fn save_evidence(desk: &Desk, plan: &Plan, report: &Report) -> Result<PathBuf, ExecuteError> {
    let text = serde_json::to_string(report)
        .map_err(|error| ExecuteError::Busy(said::evidence_unwritable(error)))?;
    Ok(desk.journal.save_evidence(&plan.entry, &text)?)
}

/// `LatestOperationRequestId` just before the first call; what was listed may be older.
async fn last_request(desk: &Desk, instance: &Instance, plan: &Plan) -> String {
    let followed = plan
        .steps
        .iter()
        .any(|step| matches!(step.completion, Completion::Instance { .. }));
    let fresh = if followed {
        inventory::refresh(&desk.client, &instance.region, &instance.id)
            .await
            .ok()
            .flatten()
    } else {
        None
    };
    fresh
        .as_ref()
        .unwrap_or(instance)
        .last_operation
        .as_ref()
        .map(|operation| operation.request_id.clone())
        .unwrap_or_default()
}

fn tell(sink: &UnboundedSender<Progress>, news: Progress) {
    // Whoever listened may have gone; the work goes on.
    let _ = sink.send(news);
}
