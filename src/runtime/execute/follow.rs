//! Follows one accepted call to its real end, by the completion that its plan names.
//!
//! Only reads are sent here. An answer that cannot be read is not an end: it is tried again
//! until the time is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{Progress, network, read, settle, tasks, tell};
use crate::action::guest::outcome_lines;
use crate::action::plan::{Completion, Plan};
use crate::action::rules::marked_indexes;
use crate::cloud::automation::{self, RunEnd};
use crate::cloud::{Client, CloudError, inventory};
use crate::domain::api_call::ApiCall;
use crate::domain::said::{Figure, List, Said, Unit};
use crate::domain::text::sanitise;
use crate::runtime::said;

/// Synchronous changes are visible at once; this is for slow replicas.
const VISIBLE_WITHIN_S: u64 = 20;

/// A cloud that names no last operation has shown the first change of state by then.
const LEAVES_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// Final states of an invocation that ended without the script's own end.
const AGENT_GAVE_UP: [&str; 2] = ["TIMEOUT", "TASK_TIMEOUT"];

/// What the cloud gave to recognise the operation by.
#[derive(Debug, Clone, Default)]
pub struct Handle {
    pub request_id: Option<String>,
    pub task: Option<Value>,
    pub invocation: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub success: bool,
    /// False when the call was accepted and its end could not be seen.
    pub seen: bool,
    pub detail: Said,
    pub output: Vec<String>,
}

impl End {
    fn unseen(detail: Said) -> Self {
        Self {
            success: false,
            seen: false,
            detail,
            output: Vec::new(),
        }
    }
}

/// One look at an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    Ended(End),
    /// Still under way; in words.
    Pending(Said),
}

fn ended(success: bool, detail: impl Into<Said>) -> Look {
    Look::Ended(End {
        success,
        seen: true,
        detail: detail.into(),
        output: Vec::new(),
    })
}

/// Everything needed to look at an operation.
pub struct Watch<'a> {
    pub client: &'a Client,
    pub plan: &'a Plan,
    pub call: &'a ApiCall,
    pub completion: &'a Completion,
    pub before_request: &'a str,
    pub handle: Handle,
    /// When the call was sent.
    pub sent_at: Timestamp,
    /// Set once the instance was seen in another state than the one it is to end in.
    pub left: AtomicBool,
}

impl Watch<'_> {
    /// Looks until the end or until the time is over.
    pub async fn to_the_end(
        &self,
        poll: Duration,
        step: usize,
        sink: &UnboundedSender<Progress>,
    ) -> End {
        let started = Instant::now();
        let limit = Duration::from_secs(self.limit_s());
        let mut pause = poll.min(Duration::from_millis(250));
        loop {
            let state = match self.look().await {
                Ok(Look::Ended(end)) => return end,
                Ok(Look::Pending(state)) => state,
                Err(error) if is_final(&error) => {
                    return End::unseen(said::end_unseen(error));
                }
                Err(error) => said::not_readable(error),
            };
            if started.elapsed() >= limit {
                return End::unseen(said::not_ended(whole_seconds(limit), state));
            }
            tell(
                sink,
                Progress::Following {
                    step,
                    state,
                    seconds: started.elapsed().as_secs(),
                },
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(poll);
        }
    }

    fn limit_s(&self) -> u64 {
        match self.completion {
            Completion::Instance { limit_s, .. }
            | Completion::Task { limit_s }
            | Completion::Unblocked { limit_s, .. }
            | Completion::Invocation { limit_s } => *limit_s,
            _ => VISIBLE_WITHIN_S,
        }
    }

    /// One look.
    pub async fn look(&self) -> Result<Look, CloudError> {
        match self.completion {
            Completion::Answer => Ok(ended(true, said::answered())),
            Completion::Instance { state, .. } => self.instance(state.as_deref()).await,
            Completion::Rules {
                group,
                mark,
                present,
            } => self.rules(group, mark, *present).await,
            Completion::Bound { group, present } => self.bound(group, *present).await,
            Completion::InstanceBandwidth { mbps } => self.bandwidth(*mbps).await,
            Completion::Task { .. } => self.task().await,
            Completion::Invocation { .. } => self.invocation().await,
            Completion::RepairTask { task } => self.repair_task(task).await,
            Completion::Acl(entries) => {
                let target = &self.plan.target;
                let so = network::acl_is(self.client, &target.region, entries).await?;
                Ok(stands(
                    so,
                    said::acl_is_so(&entries.acl),
                    said::acl_not_yet(&entries.acl),
                ))
            }
            Completion::Route(route) => {
                let target = &self.plan.target;
                let so = network::route_is(self.client, &target.region, route).await?;
                Ok(stands(
                    so,
                    said::route_is_so(&route.table, &route.target),
                    said::route_not_yet(&route.table, &route.target),
                ))
            }
            Completion::ProbeTask { name, present } => {
                let found = tasks::named(self.client, name).await?;
                let so = found.is_empty() != *present;
                let done = match found.first() {
                    Some(task) => said::task_is_there(&task.id, name),
                    None => said::task_is_gone(name),
                };
                Ok(stands(so, done.clone(), done))
            }
            Completion::Unblocked { address, .. } => {
                let so = network::is_unblocked(self.client, address).await?;
                Ok(stands(
                    so,
                    said::address_unblocked(address),
                    said::still_blocked(address),
                ))
            }
        }
    }

    async fn read_instance(&self) -> Result<Option<crate::domain::instance::Instance>, CloudError> {
        let target = &self.plan.target;
        inventory::refresh(self.client, &target.region, &target.id).await
    }

    async fn instance(&self, wanted: Option<&str>) -> Result<Look, CloudError> {
        let Some(instance) = self.read_instance().await? else {
            return Ok(ended(false, said::instance_gone()));
        };
        let state = instance.state.clone();
        let Some(operation) = instance.last_operation.filter(|o| !o.state.is_empty()) else {
            return Ok(self.by_state_alone(&state, wanted));
        };
        // After a crash the request id may be unknown: then it is the operation of the same
        // kind that was not there before.
        let ours = self.handle.request_id.as_ref() == Some(&operation.request_id)
            || (operation.action == self.call.action
                && operation.request_id != self.before_request);
        let in_state = wanted.is_none_or(|wanted| wanted == state);
        Ok(match (ours, operation.state.as_str()) {
            (true, "FAILED") => ended(
                false,
                said::operation_failed(
                    &self.call.action,
                    sanitise(&operation.error_message, 300),
                    state,
                ),
            ),
            (true, "SUCCESS") if in_state => ended(true, said::state_is(state)),
            (_, progress) => Look::Pending(said::operation_pending(
                state,
                operation.action,
                progress.to_lowercase(),
            )),
        })
    }

    /// The end of an operation on a cloud that does not name the last one.
    fn by_state_alone(&self, state: &str, wanted: Option<&str>) -> Look {
        let Some(wanted) = wanted else {
            return ended(true, said::accepted_in_state(state));
        };
        if state != wanted {
            self.left.store(true, Ordering::Relaxed);
            return Look::Pending(Said::raw(state));
        }
        let age = Timestamp::now().duration_since(self.sent_at);
        // A restart ends in the state that it began in.
        let returns = wanted == "RUNNING" && self.call.action != "StartInstances";
        if returns && !self.left.load(Ordering::Relaxed) && age < LEAVES_WITHIN {
            return Look::Pending(said::not_left_yet(state));
        }
        ended(true, said::state_is_untracked(state))
    }

    async fn rules(&self, group: &str, mark: &str, present: bool) -> Result<Look, CloudError> {
        let rules = read::group(self.client, &self.plan.target.region, group).await?;
        let found = marked_indexes(&rules, mark);
        Ok(match (found.is_empty(), present) {
            (false, true) => ended(true, said::rules_in_force(found.len(), group, found[0])),
            (true, false) => ended(true, said::rules_gone(group)),
            (_, true) => Look::Pending(said::rule_not_yet(group)),
            (_, false) => Look::Pending(said::rule_still(group)),
        })
    }

    async fn bound(&self, group: &str, present: bool) -> Result<Look, CloudError> {
        let Some(instance) = self.read_instance().await? else {
            return Ok(ended(false, said::instance_gone()));
        };
        let is_bound = instance.security_group_ids.iter().any(|id| id == group);
        let bound = said::groups_bound(List::names(&instance.security_group_ids));
        Ok(if is_bound == present {
            ended(true, bound)
        } else {
            Look::Pending(bound)
        })
    }

    async fn bandwidth(&self, mbps: u64) -> Result<Look, CloudError> {
        let now = self
            .read_instance()
            .await?
            .and_then(|instance| instance.bandwidth_out_mbps);
        Ok(if now == Some(mbps) {
            ended(true, said::cap_is(mbps))
        } else {
            Look::Pending(said::cap_still(now.unwrap_or_default()))
        })
    }

    async fn task(&self) -> Result<Look, CloudError> {
        let id = match &self.handle.task {
            Some(Value::String(text)) => text.parse::<u64>().ok(),
            Some(other) => other.as_u64(),
            None => None,
        };
        let Some(id) = id else {
            return Ok(ended(true, said::accepted_untracked()));
        };
        let call = ApiCall::new(
            "vpc",
            "DescribeTaskResult",
            &self.plan.target.region,
            json!({ "TaskId": id }),
        );
        let answer = match self.client.call(&call).await {
            Ok(answer) => answer,
            Err(error) if is_final(&error) => return self.address_itself().await,
            Err(error) => return Err(error),
        };
        Ok(match answer.response["Result"].as_str() {
            Some("SUCCESS") => ended(true, said::task_succeeded(id)),
            Some("FAILED") => ended(false, said::task_failed(id)),
            other => Look::Pending(said::task_pending(id, other.unwrap_or("?").to_lowercase())),
        })
    }

    /// Where tasks cannot be read, the address tells.
    async fn address_itself(&self) -> Result<Look, CloudError> {
        let done = settle::address_call_arrived(self.client, self.plan, self.call).await?;
        Ok(if done {
            ended(true, said::address_shows_it())
        } else {
            Look::Pending(said::address_not_yet())
        })
    }

    async fn invocation(&self) -> Result<Look, CloudError> {
        let Some(id) = &self.handle.invocation else {
            return Ok(ended(false, said::no_invocation()));
        };
        let region = &self.plan.target.region;
        let run =
            automation::follow(self.client, region, id, Duration::ZERO, Duration::ZERO).await?;
        let output = outcome_lines(&run.output);
        let line = output
            .iter()
            .rev()
            .find(|line| line.starts_with("failed: ") || line.starts_with("done: "))
            .map(Said::raw);
        let (success, detail) = match &run.end {
            RunEnd::Success => (true, line.unwrap_or_else(said::script_ended_well)),
            RunEnd::Failed { exit_code } => (
                false,
                line.unwrap_or_else(|| said::script_ended(*exit_code)),
            ),
            RunEnd::NotRun { status, why } => (false, said::script_did_not_run(status, why)),
            RunEnd::Timeout { status } if !AGENT_GAVE_UP.contains(&status.as_str()) => {
                return Ok(Look::Pending(said::script_is(status.to_lowercase())));
            }
            RunEnd::Timeout { status } => (false, said::script_not_in_time(status)),
        };
        Ok(Look::Ended(End {
            success,
            seen: true,
            detail,
            output,
        }))
    }

    async fn repair_task(&self, task: &str) -> Result<Look, CloudError> {
        let tasks =
            read::repair_tasks(self.client, &self.plan.target.region, &self.plan.target.id).await?;
        Ok(match tasks.iter().find(|found| found.id == task) {
            Some(found) if found.status == 1 => Look::Pending(said::repair_waits(task)),
            Some(found) => ended(true, said::repair_authorised(task, found.status)),
            None => ended(true, said::repair_not_waiting(task)),
        })
    }
}

/// Ended well, or still under way.
fn stands(so: bool, done: Said, pending: Said) -> Look {
    if so {
        ended(true, done)
    } else {
        Look::Pending(pending)
    }
}

/// So many seconds, as progress counts them.
pub(in crate::runtime) fn whole_seconds(time: Duration) -> Figure {
    Figure::new(time.as_secs() as f64, 0, Unit::Seconds)
}

/// Errors that another look will not mend.
fn is_final(error: &CloudError) -> bool {
    !error.is_transient()
}
