//! The steps of one execution: each written down, sent once, and followed to its end.
//!
//! Must not live here: what comes before the first call and after the last (`execute`).

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

use super::{Desk, Progress, follow, network, secret, settle, tell};
use crate::action::handed::Handed;
use crate::action::plan::{Plan, Step};
use crate::action::support::vnc_page;
use crate::action::undo::KeptAnswers;
use crate::cloud::CloudError;
use crate::domain::api_call::ApiCall;
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::runtime::said;
use crate::runtime::shared::Hold;
use crate::store::journal::{CallResult, Event};

/// Progress of one execution, filled step by step.
pub(super) struct Run<'a> {
    pub desk: &'a Desk,
    pub plan: &'a Plan,
    pub sink: &'a UnboundedSender<Progress>,
    pub kept: KeptAnswers,
    pub handed: Vec<Handed>,
    pub output: Vec<String>,
    pub before_request: String,
    pub started: Instant,
    /// What is held among the hosts.
    pub hold: Option<&'a Hold>,
    pub accepted: bool,
    pub stale: bool,
}

/// Somebody changed the rules since they were read.
fn is_stale(error: &CloudError) -> bool {
    error.code() == Some("UnsupportedOperation.VersionMismatch")
}

/// How one step ended.
enum StepEnd {
    Done(Said),
    Stop(Outcome, Said),
}

impl Run<'_> {
    /// Sends every step until one stops the rest; the outcome and a sentence.
    pub async fn steps(&mut self) -> (Outcome, Said) {
        let plan = self.plan;
        let mut last = said::nothing_sent();
        for (number, step) in plan.steps.iter().enumerate() {
            if let Some(why) = self.lost().await {
                let left = plan.steps.len() - number;
                return (Outcome::Interrupted, said::left_unsent(why, left));
            }
            match self.step(number, step).await {
                StepEnd::Done(detail) => last = detail,
                StepEnd::Stop(outcome, detail) => {
                    let left = plan.steps.len() - number - 1;
                    let detail = if left > 0 {
                        said::left_unsent(detail, left)
                    } else {
                        detail
                    };
                    return (outcome, detail);
                }
            }
        }
        (Outcome::Done, last)
    }

    /// Why nothing more may be sent, where another host holds the instance by now.
    pub async fn lost(&self) -> Option<Said> {
        match self.hold {
            Some(hold) => hold.lost().await,
            None => None,
        }
    }

    async fn step(&mut self, number: usize, step: &Step) -> StepEnd {
        let call = match self.fill_inputs(step) {
            Ok(call) => call,
            Err(why) => return StepEnd::Stop(Outcome::Failed, why),
        };
        // The cloud has no version for it that could be sent along, so it is looked at now.
        if let Some(expected) = &step.expects {
            let region = &self.plan.target.region;
            match network::stands_so(&self.desk.client, region, expected).await {
                Ok(true) => {}
                Ok(false) => {
                    self.stale = true;
                    return StepEnd::Stop(Outcome::Failed, said::changed_since_shown());
                }
                Err(error) => {
                    return StepEnd::Stop(Outcome::Failed, said::not_read_before(error));
                }
            }
        }
        let event = Event::Sending {
            step: number,
            call: call.clone(),
            clock_offset_s: self.desk.skew(),
        };
        if let Err(error) = self.desk.write(&self.plan.entry, event) {
            // What is not in the journal is not sent.
            return StepEnd::Stop(Outcome::Interrupted, error.said());
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

    fn fill_inputs(&self, step: &Step) -> Result<ApiCall, Said> {
        let mut call = step.call.clone();
        for input in &step.inputs {
            let key = (input.from_step, input.answer_pointer.clone());
            let slot = call.parameters.pointer_mut(&input.pointer);
            let (Some(value), Some(slot)) = (self.kept.get(&key), slot) else {
                return Err(said::input_missing(
                    input.from_step + 1,
                    &input.answer_pointer,
                    call.action,
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
            .map_err(|reason| CloudError::Setup(crate::cloud::said::setup_password(reason)))?;
        let mut filled = call.clone();
        secret::put(&mut filled.parameters, &slot.pointer, &password);
        self.handed.push(Handed {
            what: said::password_of(&slot.user),
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
        let handed_before = self.handed.len();
        if let Some(pointer) = &step.reveals
            && let Some(Value::String(text)) = answer.response.pointer_mut(pointer).map(Value::take)
            && !text.trim().is_empty()
        {
            self.handed.push(Handed {
                what: said::vnc_address(),
                value: SecretString::from(vnc_page(&text)),
            });
        }
        let lacks = step
            .reveals
            .as_ref()
            .filter(|_| self.handed.len() == handed_before)
            .map(|pointer| pointer.trim_start_matches('/'));
        self.accepted = true;
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
        if let Some(field) = lacks {
            let detail = said::answer_lacks(field);
            self.note(Event::Ended {
                step: number,
                success: false,
                detail: detail.clone(),
                output: Vec::new(),
            });
            tell(
                self.sink,
                Progress::Ended {
                    step: number,
                    success: false,
                    detail: detail.clone(),
                },
            );
            return StepEnd::Stop(Outcome::Failed, detail);
        }
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
            sent_at: Timestamp::now(),
            left: AtomicBool::default(),
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
            let outcome = if end.seen {
                Outcome::Failed
            } else {
                Outcome::Unknown
            };
            StepEnd::Stop(outcome, end.detail)
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
        self.accepted = false;
        // What hands something out changes nothing: without its answer it simply failed.
        let only_hands_out = step.reveals.is_some();
        if only_hands_out || !error.outcome_unknown() {
            self.note(Event::Called {
                step: number,
                result: CallResult::Failed {
                    error: text.clone(),
                    request_id: error.request_id().unwrap_or_default().to_owned(),
                    passing: error.is_transient() || is_stale(error),
                },
            });
            self.stale = is_stale(error);
            let text = if self.stale {
                said::rules_changed(text)
            } else {
                error.said()
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
                        detail: said::found_in_state(),
                    },
                });
                self.follow(number, step, call, handle).await
            }
            Ok(None) => StepEnd::Stop(Outcome::Unknown, said::no_trace(text)),
            Err(second) => StepEnd::Stop(Outcome::Unknown, said::fate_unread(text, second)),
        }
    }

    /// Adds a line about what has happened. When the disk fails now, the work is not undone by
    /// stopping: it is logged, and the next start settles the entry.
    pub fn note(&self, event: Event) {
        if let Err(error) = self.desk.write(&self.plan.entry, event) {
            tracing::error!(entry = %self.plan.entry, %error, "the journal lacks a line");
        }
    }
}
