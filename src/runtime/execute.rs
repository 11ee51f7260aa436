//! Carries out approved plans: journal first, each call once, followed to its real end.
//!
//! Lives here: the order of journal and network. What a plan says is decided in `action`, what a
//! line of the journal holds in `store::journal`; nothing is sent that is not in an approved plan.

mod follow;
mod identity;
mod prepare;
mod secret;
mod settle;
mod undo;
mod verify;

pub use identity::{author, new_entry_id};
pub use prepare::{PrepareOptions, prepare};
pub use settle::{Settled, due, expire, settle};
pub use undo::prepare_undo;
pub use verify::{LoginLook, LoginProbe, look};

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::action::gate::ApprovedPlan;
use crate::action::plan::{Plan, Step, Verification};
use crate::action::undo::KeptAnswers;
use crate::cloud::{Client, CloudError};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::text::sanitise;
use crate::store::StoreError;
use crate::store::journal::{Author, CallResult, EntryLock, Event, Journal, Outcome, Record};

/// What executions share.
#[derive(Debug, Clone)]
pub struct Desk {
    pub client: Client,
    pub journal: Journal,
    pub author: Author,
    /// Pause between two looks at an operation.
    pub poll: Duration,
}

impl Desk {
    /// A desk with the usual pace.
    pub fn new(client: Client, journal: Journal) -> Self {
        Self {
            client,
            journal,
            author: author(),
            poll: Duration::from_secs(1),
        }
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
        purpose: String,
    },
    /// Accepted; now its end is waited for.
    Answered { step: usize, request_id: String },
    /// What the operation looks like now.
    Following {
        step: usize,
        state: String,
        seconds: u64,
    },
    Ended {
        step: usize,
        success: bool,
        detail: String,
    },
    /// Login is being tried again.
    Verifying { looks: Vec<LoginLook>, seconds: u64 },
}

/// A value that is handed over once and kept nowhere.
#[derive(Debug)]
pub struct Handed {
    /// What it is, for example `password of root`.
    pub what: String,
    pub value: SecretString,
}

/// How an execution ended.
#[derive(Debug)]
pub struct Execution {
    pub entry: String,
    pub outcome: Outcome,
    /// One or two sentences for a person.
    pub detail: String,
    pub before: Vec<LoginLook>,
    pub after: Vec<LoginLook>,
    /// From the first call to the last look.
    pub seconds: u64,
    pub handed: Vec<Handed>,
    /// Lines that repairs in the guest printed.
    pub output: Vec<String>,
}

/// Why an execution did not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Plan(#[from] crate::action::PlanError),
    #[error("{0}")]
    Busy(String),
}

/// Progress of one execution, filled step by step.
struct Run<'a> {
    desk: &'a Desk,
    plan: &'a Plan,
    sink: &'a UnboundedSender<Progress>,
    kept: KeptAnswers,
    handed: Vec<Handed>,
    output: Vec<String>,
    before_request: String,
    started: Instant,
}

/// How one step ended.
enum StepEnd {
    Done(String),
    Stop(Outcome, String),
}

/// Carries an approved plan out. `login` says whether the login probes are run before and after.
///
/// # Errors
/// Only when nothing was sent; everything later is an outcome.
pub async fn execute(
    desk: &Desk,
    instance: &Instance,
    approved: ApprovedPlan,
    login: Option<verify::LoginProbe>,
    sink: &UnboundedSender<Progress>,
) -> Result<Execution, ExecuteError> {
    let plan = approved.into_plan();
    let _lock = claim(desk, &plan)?;
    let login = login.filter(|_| plan.verification == Verification::Login);
    let before = match &login {
        Some(probe) => verify::look(instance, probe).await,
        None => Vec::new(),
    };
    let before_request = instance
        .last_operation
        .as_ref()
        .map(|operation| operation.request_id.clone())
        .unwrap_or_default();
    desk.write(
        &plan.entry,
        Event::Intent {
            author: desk.author.clone(),
            plan: Box::new(plan.clone()),
            login_before: verify::sentences(&before),
            last_operation_before: before_request.clone(),
        },
    )?;
    tell(
        sink,
        Progress::Journalled {
            entry: plan.entry.clone(),
        },
    );
    let mut run = Run {
        desk,
        plan: &plan,
        sink,
        kept: KeptAnswers::new(),
        handed: Vec::new(),
        output: Vec::new(),
        before_request,
        started: Instant::now(),
    };
    let (mut outcome, mut detail) = run.steps().await;
    let mut after = Vec::new();
    if outcome == Outcome::Done
        && let Some(probe) = &login
    {
        after = verify::wait(desk, instance, &plan, probe, &before, sink, run.started).await;
        (outcome, detail) = verify::judge(&plan, &before, &after, run.started.elapsed(), &detail);
        let seconds = run.started.elapsed().as_secs();
        run.note(Event::Verified {
            outcome,
            login_after: verify::sentences(&after),
            seconds,
        });
    }
    run.note(Event::Closed {
        outcome,
        detail: detail.clone(),
    });
    Ok(Execution {
        entry: plan.entry.clone(),
        outcome,
        detail,
        before,
        after,
        seconds: run.started.elapsed().as_secs(),
        handed: run.handed,
        output: run.output,
    })
}

fn claim(desk: &Desk, plan: &Plan) -> Result<EntryLock, ExecuteError> {
    desk.journal.lock_entry(&plan.entry)?.ok_or_else(|| {
        ExecuteError::Busy(format!(
            "entry {} is being carried out by another program",
            plan.entry
        ))
    })
}

fn tell(sink: &UnboundedSender<Progress>, news: Progress) {
    // Whoever listened may have gone; the work goes on.
    let _ = sink.send(news);
}

impl Run<'_> {
    async fn steps(&mut self) -> (Outcome, String) {
        let plan = self.plan;
        let mut last = "nothing was sent".to_owned();
        for (number, step) in plan.steps.iter().enumerate() {
            match self.step(number, step).await {
                StepEnd::Done(detail) => last = detail,
                StepEnd::Stop(outcome, detail) => {
                    let left = plan.steps.len() - number - 1;
                    let detail = if left > 0 {
                        format!("{detail}; {left} further call(s) were not sent")
                    } else {
                        detail
                    };
                    return (outcome, detail);
                }
            }
        }
        (Outcome::Done, last)
    }

    async fn step(&mut self, number: usize, step: &Step) -> StepEnd {
        let call = match self.fill_inputs(step) {
            Ok(call) => call,
            Err(why) => return StepEnd::Stop(Outcome::Failed, why),
        };
        let event = Event::Sending {
            step: number,
            call: call.clone(),
        };
        if let Err(error) = self.desk.write(&self.plan.entry, event) {
            // What is not in the journal is not sent.
            return StepEnd::Stop(Outcome::Interrupted, error.to_string());
        }
        tell(
            self.sink,
            Progress::Sending {
                step: number,
                of: self.plan.steps.len(),
                purpose: step.purpose.clone(),
            },
        );
        let answer = self.send(step, &call).await;
        match answer {
            Ok(answer) => self.answered(number, step, &call, answer).await,
            Err(error) => self.refused(number, step, &call, &error).await,
        }
    }

    fn fill_inputs(&self, step: &Step) -> Result<ApiCall, String> {
        let mut call = step.call.clone();
        for input in &step.inputs {
            let key = (input.from_step, input.answer_pointer.clone());
            let slot = call.parameters.pointer_mut(&input.pointer);
            let (Some(value), Some(slot)) = (self.kept.get(&key), slot) else {
                return Err(format!(
                    "the answer of call {} lacks {}, so {} was not sent",
                    input.from_step + 1,
                    input.answer_pointer,
                    call.action
                ));
            };
            *slot = value.clone();
        }
        Ok(call)
    }

    /// Sends the call, with its secret where it has one. Exactly once.
    async fn send(
        &mut self,
        step: &Step,
        call: &ApiCall,
    ) -> Result<crate::cloud::Answer, CloudError> {
        let Some(slot) = &step.secret else {
            return self.desk.client.call(call).await;
        };
        let password = secret::password(slot.length)
            .map_err(|reason| CloudError::Setup(format!("a random password: {reason}")))?;
        let mut filled = call.clone();
        secret::put(&mut filled.parameters, &slot.pointer, &password);
        self.handed.push(Handed {
            what: format!("password of {}", slot.user),
            value: password,
        });
        let answer = self.desk.client.call(&filled).await;
        secret::wipe(&mut filled.parameters, &slot.pointer);
        answer
    }

    async fn answered(
        &mut self,
        number: usize,
        step: &Step,
        call: &ApiCall,
        mut answer: crate::cloud::Answer,
    ) -> StepEnd {
        if let Some(pointer) = &step.reveals
            && let Some(Value::String(text)) = answer.response.pointer_mut(pointer).map(Value::take)
        {
            self.handed.push(Handed {
                what: "VNC address (15 s, once)".to_owned(),
                value: SecretString::from(text),
            });
        }
        let mut kept = Map::new();
        for pointer in &step.keep {
            if let Some(value) = answer.response.pointer(pointer) {
                kept.insert(pointer.clone(), value.clone());
                self.kept.insert((number, pointer.clone()), value.clone());
            }
        }
        let request_id = sanitise(&answer.request_id, 100);
        self.note(Event::Called {
            step: number,
            result: CallResult::Answered {
                request_id: request_id.clone(),
                kept,
            },
        });
        tell(
            self.sink,
            Progress::Answered {
                step: number,
                request_id: request_id.clone(),
            },
        );
        let task = answer.response.get("TaskId").cloned();
        let invocation = answer.response["InvocationId"].as_str().map(str::to_owned);
        self.follow(
            number,
            step,
            call,
            follow::Handle {
                request_id: Some(request_id),
                task,
                invocation,
            },
        )
        .await
    }

    async fn follow(
        &mut self,
        number: usize,
        step: &Step,
        call: &ApiCall,
        handle: follow::Handle,
    ) -> StepEnd {
        let watch = follow::Watch {
            client: &self.desk.client,
            plan: self.plan,
            call,
            completion: &step.completion,
            before_request: &self.before_request,
            handle,
        };
        let end = watch.to_the_end(self.desk.poll, number, self.sink).await;
        self.output.extend(end.output.iter().cloned());
        self.note(Event::Ended {
            step: number,
            success: end.success,
            detail: end.detail.clone(),
            output: end.output,
        });
        tell(
            self.sink,
            Progress::Ended {
                step: number,
                success: end.success,
                detail: end.detail.clone(),
            },
        );
        if end.success {
            StepEnd::Done(end.detail)
        } else {
            StepEnd::Stop(Outcome::Failed, end.detail)
        }
    }

    async fn refused(
        &mut self,
        number: usize,
        step: &Step,
        call: &ApiCall,
        error: &CloudError,
    ) -> StepEnd {
        let text = sanitise(&error.to_string(), 600);
        if !error.outcome_unknown() {
            self.note(Event::Called {
                step: number,
                result: CallResult::Failed {
                    error: text.clone(),
                    request_id: error.request_id().unwrap_or_default().to_owned(),
                },
            });
            let text = match error.code() {
                Some("UnsupportedOperation.VersionMismatch") => format!(
                    "somebody changed the rules since they were shown, so the cloud refused and nothing changed; plan again to see the new difference ({text})"
                ),
                _ => text,
            };
            return StepEnd::Stop(Outcome::Failed, text);
        }
        // It may have arrived. It is not sent again; the cloud's own state tells.
        self.note(Event::Called {
            step: number,
            result: CallResult::Unknown {
                error: text.clone(),
            },
        });
        let arrived =
            settle::arrived_soon(self.desk, self.plan, step, call, &self.before_request).await;
        match arrived {
            Ok(Some(handle)) => {
                self.note(Event::Called {
                    step: number,
                    result: CallResult::Settled {
                        arrived: true,
                        detail: "found in the cloud's own state".to_owned(),
                    },
                });
                self.follow(number, step, call, handle).await
            }
            Ok(None) => StepEnd::Stop(
                Outcome::Unknown,
                format!("{text}; no trace of the call was found, look again before you repeat it"),
            ),
            Err(second) => StepEnd::Stop(
                Outcome::Unknown,
                format!("{text}; whether it took effect could not be read either ({second})"),
            ),
        }
    }

    /// Adds a line about what has happened. When the disk fails now, the work is not undone by
    /// stopping: it is logged, and the next start settles the entry.
    fn note(&self, event: Event) {
        if let Err(error) = self.desk.write(&self.plan.entry, event) {
            tracing::error!(entry = %self.plan.entry, %error, "the journal lacks a line");
        }
    }
}
