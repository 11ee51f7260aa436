//! The provider's nodes are made to look at the login port, by one probe task that an operator agreed
//! to: created, read, deleted.
//!
//! The task goes through the same gate, journal and undo as every change, with a time box: what is left
//! of it when this program ends is deleted by the next start. Must not live here: who can look and what
//! the results say (`kit::provider`), the plan (`action::provider`).

use std::time::{Duration, Instant};

use futures_util::future::try_join3;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::unbounded_channel;

use super::execute::{Around, Desk, ExecuteError, execute, new_entry_id, prepare_undo, tasks};
use super::said;
use super::session::{Cloud, Session};
use crate::action::context::PlanContext;
use crate::action::gate::{Access, Given, approve};
use crate::action::plan::Plan;
use crate::action::provider::{self as task, Probe};
use crate::cloud::facts::CloudFacts;
use crate::cloud::said as cloud_said;
use crate::cloud::{Client, CloudError};
use crate::config::ProbeSettings;
use crate::domain::evidence::state::reach;
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::ports::Transport;
use crate::domain::said::{Figure, Joint, List, Said, Unit};
use crate::domain::security_group::{self, SecurityGroup, Verdict};
use crate::kit::provider::{self, Node, Seen};

/// How often the results are asked for.
const PAUSE: Duration = Duration::from_secs(5);
/// Minutes that a task may outlive the reading before it is due to be taken back.
const GRACE_MINUTES: u64 = 2;
/// Clocks may differ by so much; results are of this task alone all the same.
const AROUND: SignedDuration = SignedDuration::from_mins(10);

/// Who would look, and what it costs.
#[derive(Debug, Clone)]
pub struct Choice {
    pub nodes: Vec<Node>,
    /// What else is to be said: who is left out, and why.
    pub notes: Vec<Said>,
    every_minutes: u64,
    minutes: u64,
    wait: Duration,
    /// By which the reading has to end, from the creation of the task on.
    pause: Duration,
}

impl Choice {
    fn of(settings: &ProbeSettings, nodes: Vec<Node>, notes: Vec<Said>) -> Self {
        let minutes = |time: Duration| time.as_secs().div_ceil(60);
        Self {
            nodes,
            notes,
            every_minutes: minutes(settings.provider_interval).max(1),
            minutes: minutes(settings.provider_wait) + GRACE_MINUTES,
            wait: settings.provider_wait,
            pause: PAUSE.min(settings.provider_wait / 10),
        }
    }

    /// Single probes that the task can come to before it is due to be deleted, and who has to pay.
    pub fn price(&self) -> Said {
        let (nodes, every) = (self.nodes.len(), self.every_minutes);
        let most = nodes as u64 * (self.minutes / every + 1);
        let trial = self.nodes.iter().filter(|it| it.trial).count();
        let mode = match trial {
            0 => said::providers_trial_none(),
            n if n == nodes => said::providers_trial_all(),
            n => said::providers_trial_some(n, nodes),
        };
        said::providers_price(nodes, every, most, self.minutes).and(mode)
    }

    /// Who they are.
    pub fn who(&self) -> List {
        List::said(Joint::Names, self.nodes.iter().map(Node::who))
    }
}

/// True where nodes of the provider could be asked and, were they not let in, that would say something.
pub fn could_look(session: &Session, instance: &Instance, facts: &CloudFacts) -> bool {
    !session.settings.read_only
        && !instance.is_static
        && provider::address(instance).is_some()
        && !rules(instance, facts).is_some_and(|(verdict, _)| is_shut(verdict))
}

fn is_shut(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Allow | Verdict::Unresolved)
}

/// What the rules make of a stranger, and the sentence that says so.
fn rules(instance: &Instance, facts: &CloudFacts) -> Option<(Verdict, Said)> {
    let groups = facts.groups.as_ref()?;
    let groups: Vec<SecurityGroup> = groups.iter().map(|it| it.group.clone()).collect();
    let port = instance.login_port();
    let references = &facts.references;
    let found = security_group::evaluate_unknown(&groups, references, false, Transport::Tcp, port);
    let question = cloud_said::source_internet_tcp(port);
    Some((found.verdict, found.sentence(question)))
}

/// Chooses who looks: those of these codes, or those near the words. Nothing is created.
///
/// # Errors
/// One sentence: nobody may be asked here.
pub async fn choose(
    session: &Session,
    access: &Access,
    instance: &Instance,
    facts: Option<&CloudFacts>,
    codes: &[String],
    near: Option<&str>,
) -> Result<Choice, Said> {
    if *access != Access::ReadWrite {
        return Err(said::providers_read_only());
    }
    let cloud = cloud(session, instance)?;
    if provider::address(instance).is_none() {
        return Err(said::providers_no_address());
    }
    let all = nodes(&cloud.client).await.map_err(|error| error.said())?;
    let settings = &session.settings.probe;
    let near = near.unwrap_or(&settings.provider_near);
    let words = provider::words(near);
    let (nodes, mut notes) = if codes.is_empty() {
        let nowhere = !words.is_empty() && !provider::names_any(&all, &words);
        let note = nowhere.then(|| said::no_node_near(crate::domain::text::sanitise(near, 80)));
        let words = if nowhere { &[][..] } else { &words };
        (provider::best(&all, words), note.into_iter().collect())
    } else {
        provider::named(&all, codes)
    };
    if nodes.is_empty() && notes.is_empty() {
        return Err(said::no_provider_node());
    }
    let verdict = facts.and_then(|facts| rules(instance, facts));
    if verdict.is_some_and(|(verdict, _)| is_shut(verdict)) {
        notes.push(said::providers_shut_out());
    }
    Ok(Choice::of(settings, nodes, notes))
}

fn cloud<'a>(session: &'a Session, instance: &Instance) -> Result<&'a Cloud, Said> {
    let cloud = session.cloud.as_ref().filter(|_| !instance.is_static);
    cloud.ok_or_else(cloud_said::host_configuration_no)
}

async fn nodes(client: &Client) -> Result<Vec<Node>, CloudError> {
    let [able, known, trial] = provider::questions();
    let ask = async |call| Ok::<_, CloudError>(client.call(call).await?.response);
    let (able, known, trial) = try_join3(ask(&able), ask(&known), ask(&trial)).await?;
    Ok(provider::nodes([&able, &known, &trial]))
}

fn target(instance: &Instance) -> Option<String> {
    let address = provider::address(instance)?;
    Some(task::target(address, instance.login_port()))
}

/// What would be created.
///
/// # Errors
/// There is no address to connect to.
pub fn plan(instance: &Instance, choice: &Choice, context: &PlanContext) -> Result<Plan, Said> {
    let address = provider::address(instance).ok_or_else(said::providers_no_address)?;
    let probe = Probe {
        address,
        port: instance.login_port(),
        codes: choice.nodes.iter().map(|it| it.code.clone()).collect(),
        nodes: choice.who(),
        every_minutes: choice.every_minutes,
        minutes: choice.minutes,
        price: choice.price(),
    };
    Ok(task::plan(&probe, context))
}

/// What came of it.
#[derive(Debug)]
pub struct Looked {
    pub readings: Vec<Reading>,
    /// What has to be said of the task itself.
    pub told: Vec<Said>,
}

impl Looked {
    fn nothing(status: Status, why: Said) -> Self {
        Self {
            readings: vec![provider::nothing(status, why)],
            told: Vec::new(),
        }
    }
}

/// Creates the task, reads it until each node has told something or `stop` ends, and deletes it.
pub async fn ask(
    desk: &Desk,
    access: &Access,
    instance: &Instance,
    facts: Option<&CloudFacts>,
    choice: &Choice,
    stop: impl Future<Output = ()>,
) -> Looked {
    let started = Instant::now();
    let context = PlanContext {
        entry: new_entry_id(),
        instance: instance.clone(),
        ..PlanContext::default()
    };
    let plan = match plan(instance, choice, &context) {
        Ok(plan) => plan,
        Err(why) => return Looked::nothing(Status::NotApplicable, why),
    };
    let (entry, name) = (plan.entry.clone(), plan.mark());
    // Consent was given to these nodes by their codes, or to the question that named them.
    let approved = match approve(plan, access, &Given::Key) {
        Ok(approved) => approved,
        Err(refusal) => return Looked::nothing(Status::NotPermitted, refusal.said()),
    };
    let (sink, _) = unbounded_channel();
    // The futures of executions are large.
    let made = match Box::pin(execute(desk, Around::only(instance), approved, &sink)).await {
        Ok(made) => made,
        Err(error) => {
            let why = said::providers_unnoted(error.said());
            return Looked::nothing(Status::ProbeFailed, why);
        }
    };
    if made.outcome == Outcome::Failed && !made.accepted {
        let why = said::providers_unnoted(made.detail);
        return Looked::nothing(Status::ProbeFailed, why);
    }
    let mut looked = match made.outcome {
        Outcome::Done => {
            let target = target(instance).unwrap_or_default();
            Box::pin(read(desk, &name, &entry, choice, &target, stop)).await
        }
        _ => Looked::nothing(Status::ProbeFailed, made.detail),
    };
    looked
        .told
        .extend(Box::pin(delete(desk, access, &entry)).await);
    let silent = |it: &Reading| it.seen() == Some(reach::ALL_SILENT);
    if looked.readings.iter().any(silent) {
        looked.readings.extend(of_rules(instance, facts));
    }
    let (now, cost) = (Timestamp::now(), started.elapsed().as_millis() as u64);
    let readings = std::mem::take(&mut looked.readings).into_iter();
    looked.readings = readings.map(|reading| reading.at(now, cost)).collect();
    looked
}

/// Reads what the nodes saw.
async fn read(
    desk: &Desk,
    name: &str,
    entry: &str,
    choice: &Choice,
    target: &str,
    stop: impl Future<Output = ()>,
) -> Looked {
    let mut told = Vec::new();
    let found = match tasks::named(&desk.client, name).await {
        Ok(found) => found.into_iter().next(),
        Err(error) => {
            let why = said::providers_unread(error.said());
            return Looked::nothing(Status::ProbeFailed, why);
        }
    };
    let Some(found) = found else {
        return Looked::nothing(Status::ProbeFailed, said::task_is_gone(name));
    };
    told.extend(found.trial.map(|trial| {
        if trial {
            said::task_trial(entry)
        } else {
            said::task_paid(entry)
        }
    }));
    if found.in_arrears {
        told.push(said::task_arrears(entry));
    }
    let mut stop = std::pin::pin!(stop);
    let begun = Instant::now();
    let mut seen: Vec<Seen> = Vec::new();
    let failed = loop {
        let now = desk.now();
        let call = provider::results_call(&found.id, now - AROUND, now + AROUND);
        let failed = match desk.client.call(&call).await {
            Ok(answer) => {
                seen = provider::results(&answer.response, target);
                None
            }
            Err(error) if error.is_transient() => Some(said::providers_unread(error.said())),
            Err(error) => break Some(said::providers_unread(error.said())),
        };
        if provider::all_told(&choice.nodes, &seen) {
            break None;
        }
        if begun.elapsed() >= choice.wait {
            let limit = Figure::new(choice.wait.as_secs_f64(), 0, Unit::Seconds);
            break Some(failed.unwrap_or_else(|| said::providers_late(limit)));
        }
        tokio::select! {
            () = tokio::time::sleep(choice.pause) => {}
            () = &mut stop => break Some(said::providers_stopped()),
        }
    };
    let readings = match failed {
        Some(why) if seen.is_empty() => vec![provider::nothing(Status::ProbeFailed, why)],
        _ => vec![provider::reading(&choice.nodes, &seen, target)],
    };
    Looked { readings, told }
}

/// Deletes the task of an entry; what there is to say.
async fn delete(desk: &Desk, access: &Access, entry: &str) -> Vec<Said> {
    let stays = |why: Said| vec![said::task_stays(why, entry)];
    let original = match desk.journal.entry(entry) {
        Ok(original) => original,
        Err(error) => return stays(error.said()),
    };
    let (plan, instance) = match prepare_undo(desk, &original).await {
        Ok(prepared) => prepared,
        // Somebody else has deleted it.
        Err(ExecuteError::Plan(crate::action::PlanError::NothingToDo(why))) => return vec![why],
        Err(error) => return stays(error.said()),
    };
    let approved = match approve(plan, access, &Given::Key) {
        Ok(approved) => approved,
        Err(refusal) => return stays(refusal.said()),
    };
    let (sink, _) = unbounded_channel();
    match Box::pin(execute(desk, Around::only(&instance), approved, &sink)).await {
        Ok(done) if done.outcome == Outcome::Done => vec![said::task_deleted(entry)],
        Ok(done) => stays(done.detail),
        Err(error) => stays(error.said()),
    }
}

/// Where nobody was connected: what the rules of the groups make of strangers.
fn of_rules(instance: &Instance, facts: Option<&CloudFacts>) -> Option<Reading> {
    let (verdict, sentence) = rules(instance, facts?)?;
    let state = State::new(group::SECURITY_GROUP_HERE, verdict.as_str());
    let reading = Reading::observed(state, Source::Cloud, sentence);
    Some(reading.on_path(Path::Provider))
}
