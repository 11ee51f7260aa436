//! A plan: everything that an action would send, change and cost, as data.
//!
//! Lives here: the types that preview, gate, journal and executor share. Must not live here:
//! making a plan (`planner` and the families), sending, time, randomness.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expected::{AclEntries, Expected, RouteState};
use super::parameters::ParameterError;
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// Everything that an action would do; nothing is sent that is not in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Id of the journal entry; also in the marks left in the cloud, so that they can be found.
    pub entry: String,
    pub action: ActionId,
    pub target: Target,
    /// One line: what will be done, to what.
    #[serde(flatten, with = "crate::domain::said::title")]
    pub title: Said,
    /// Effective parameters, defaults filled in.
    pub parameters: Map<String, Value>,
    /// Parameters as they were asked for, so that the same can be planned anew.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub asked: Map<String, Value>,
    /// Sent in this order; each is followed to its end before the next is sent.
    pub steps: Vec<Step>,
    /// What will be different, in sentences.
    #[serde(flatten, with = "crate::domain::said::changes")]
    pub changes: Vec<Said>,
    /// Rules before and after, for security-group changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleDifference>,
    /// Further tables before and after: the other direction of an ACL, the routes of a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<RuleDifference>,
    #[serde(flatten, with = "crate::domain::said::cost")]
    pub cost: Said,
    #[serde(flatten, with = "crate::domain::said::downtime")]
    pub downtime: Said,
    #[serde(flatten, with = "crate::domain::said::data_risk")]
    pub data_risk: Said,
    /// Who else feels it.
    pub affected: Affected,
    #[serde(flatten, with = "crate::domain::said::warnings")]
    pub warnings: Vec<Said>,
    /// How many readings of the diagnosis are written down before the first call, for actions
    /// that destroy evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves_readings: Option<usize>,
    pub undo: Undo,
    pub risk: Risk,
    pub confirmation: Confirmation,
    pub verification: Verification,
    /// Taken back after this time unless kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_minutes: Option<u64>,
    /// Where the failing user comes from, as far as it was known: for whom the result is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_source: Option<IpAddr>,
    /// Set when this plan takes back an earlier entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<String>,
    /// True when that is done because its time is over: nobody was asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// The instance that a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub name: String,
    pub region: String,
    /// Addresses, so that a confirmation typed as an address is recognised.
    pub addresses: Vec<String>,
}

impl Target {
    /// The target of plans for `instance`.
    pub fn of(instance: &Instance) -> Self {
        let addresses = instance
            .public_addresses
            .iter()
            .chain(&instance.private_addresses)
            .map(ToString::to_string)
            .collect();
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            region: instance.region.clone(),
            addresses,
        }
    }

    /// What is typed to confirm: the name, or the id where there is no name.
    pub fn to_type(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }

    /// `name (id)`.
    pub fn label(&self) -> String {
        if self.name.is_empty() {
            self.id.clone()
        } else {
            format!("{} ({})", self.name, self.id)
        }
    }
}

/// One call and how its end is seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    #[serde(flatten, with = "crate::domain::said::purpose")]
    pub purpose: Said,
    pub call: ApiCall,
    /// Filled in at the moment of sending and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSlot>,
    /// Values that only an earlier step's answer can give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<StepInput>,
    /// Fields of the answer that later steps or the undo need; kept in the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Field of the answer that is handed to the operator and never kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveals: Option<String>,
    pub completion: Completion,
    /// How it has to stand just before the call is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects: Option<Expected>,
    /// What the call runs in the guest, readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
}

impl Step {
    /// A step with nothing special about it.
    pub fn new(purpose: Said, call: ApiCall, completion: Completion) -> Self {
        Self {
            purpose,
            call,
            secret: None,
            inputs: Vec::new(),
            keep: Vec::new(),
            reveals: None,
            completion,
            expects: None,
            script: None,
        }
    }
}

/// Where a generated password goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSlot {
    /// JSON pointer into the parameters.
    pub pointer: String,
    pub length: usize,
    /// Account it is for, told with the secret.
    #[serde(flatten, with = "crate::domain::said::user")]
    pub user: Said,
}

/// A parameter that comes from the answer of an earlier step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInput {
    /// JSON pointer into this step's parameters.
    pub pointer: String,
    /// Index of the step that answers with it.
    pub from_step: usize,
    /// JSON pointer into that answer; must be one of its `keep`.
    pub answer_pointer: String,
}

/// A script that a step runs in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// File under `assets/guest/repair`.
    pub file: String,
    pub text: String,
}

/// How the end of a step is seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Completion {
    /// The answer is the end.
    Answer,
    /// cvm `LatestOperationRequestId` is ours and `LatestOperationState` final; and the state,
    /// where one is named, is reached.
    Instance {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        limit_s: u64,
    },
    /// Rules with this mark in their description are there, or are gone.
    Rules {
        group: String,
        mark: String,
        present: bool,
    },
    /// The instance lists the group among its own, or no longer does.
    Bound { group: String, present: bool },
    /// The instance shows this cap.
    InstanceBandwidth { mbps: u64 },
    /// vpc `DescribeTaskResult` of the answered `TaskId`.
    Task { limit_s: u64 },
    /// tat `DescribeInvocationTasks` of the answered `InvocationId`.
    Invocation { limit_s: u64 },
    /// cvm `DescribeTaskInfo`: the task no longer waits for authorisation.
    RepairTask { task: String },
    /// vpc `DescribeNetworkAcls` or `DescribeNetworkAclQuintupleEntries`: the entries are these.
    Acl(AclEntries),
    /// vpc `DescribeRouteTables`: the route stands so.
    Route(RouteState),
    /// cat `DescribeProbeTasks`: a task of this name is there, or is none.
    ProbeTask { name: String, present: bool },
    /// antiddos `DescribeDDoSBlockRecords`: the address is blocked no longer.
    Unblocked { address: String, limit_s: u64 },
}

/// What a table of rules belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableOf {
    #[default]
    SecurityGroup,
    AclInbound,
    AclOutbound,
    Routes,
}

impl TableOf {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
    fn is_group(&self) -> bool {
        *self == Self::SecurityGroup
    }
}

/// Rules before and after: of a security group, of an ACL in one direction, of a route table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleDifference {
    #[serde(default, skip_serializing_if = "TableOf::is_group")]
    pub of: TableOf,
    /// Id of what they belong to.
    pub group: String,
    pub group_name: String,
    pub version: String,
    /// Which rule decides for the source now.
    #[serde(flatten, with = "crate::domain::said::decided_before")]
    pub decided_before: Said,
    #[serde(flatten, with = "crate::domain::said::decided_after")]
    pub decided_after: Said,
    pub before: Vec<RuleLine>,
    pub after: Vec<RuleLine>,
}

/// One rule as a person reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLine {
    pub index: i64,
    #[serde(flatten, with = "crate::domain::said::text")]
    pub text: Said,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// The rule that decides for the source in question.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decides: bool,
}

/// Who else an action touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Other instances; `None` when that could not be read.
    pub count: Option<usize>,
    /// Some of their names and ids.
    pub names: Vec<String>,
    #[serde(flatten, with = "crate::domain::said::note")]
    pub note: Said,
}

impl Affected {
    /// Only the instance itself.
    pub fn nobody_else() -> Self {
        Self {
            count: Some(0),
            names: Vec::new(),
            note: said::no_other_instance(),
        }
    }
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Undo {
    /// Re-read the group, find the rules by their mark and delete exactly those.
    RemoveRules {
        group: String,
        mark: String,
        count: usize,
    },
    /// Re-read the table, find the route by its mark and delete exactly that one.
    RemoveRoute(RouteState),
    /// Look for the probe tasks of that name and delete exactly those.
    RemoveProbeTask { name: String },
    /// Send these; their inputs come from the answers kept in the original entry.
    Steps {
        #[serde(flatten, with = "crate::domain::said::text")]
        text: Said,
        #[serde(flatten, with = "crate::domain::said::downtime")]
        downtime: Said,
        risk: Risk,
        steps: Vec<Step>,
    },
    /// There is none; why.
    None {
        #[serde(flatten, with = "crate::domain::said::reason")]
        reason: Said,
    },
}

impl Undo {
    /// One sentence for the preview.
    pub fn sentence(&self) -> Said {
        match self {
            Self::RemoveRules { group, mark, count } => {
                said::deletes_marked_nothing(*count, group, mark)
            }
            Self::RemoveRoute(route) => {
                said::deletes_route(&route.target, &route.table, &route.mark)
            }
            Self::RemoveProbeTask { name } => said::deletes_task(name),
            Self::Steps { text, .. } => text.clone(),
            Self::None { reason } => said::none_why(reason),
        }
    }
}

/// What the operator has to do before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// Nothing: nothing changes.
    None,
    /// One key (or `--yes`).
    Key,
    /// The name of the instance, typed.
    TypedName,
}

/// How success is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Verification {
    /// The login probes, from the same vantage as before.
    Login,
    /// Nothing to probe; why.
    None {
        #[serde(flatten, with = "crate::domain::said::reason")]
        reason: Said,
    },
}

/// Why no plan can be made; each is one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("{0}")]
    Missing(Said),
    #[error("{0}")]
    NotApplicable(Said),
    #[error("{}", self.said())]
    NothingToDo(Said),
    /// Something could not be read; what, why, and what to do.
    #[error("{0}")]
    Unknown(Said),
}

impl PlanError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Parameter(error) => error.0.clone(),
            Self::Missing(why) | Self::NotApplicable(why) | Self::Unknown(why) => why.clone(),
            Self::NothingToDo(why) => said::nothing_to_do(why),
        }
    }
}

impl Plan {
    /// Permissions that sending it needs, in the form of CAM policies, without repeats.
    pub fn permissions(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for step in &self.steps {
            let permission = step.call.permission();
            if !all.contains(&permission) {
                all.push(permission);
            }
        }
        all
    }

    /// True when something is sent that changes the world.
    pub fn mutates(&self) -> bool {
        self.steps.iter().any(|step| !step.call.is_read())
    }

    /// Mark that this plan leaves in the cloud (rule descriptions, command and address names).
    pub fn mark(&self) -> String {
        mark(&self.entry)
    }
}

/// Mark of a journal entry.
pub fn mark(entry: &str) -> String {
    format!("cvmtop-{entry}")
}
