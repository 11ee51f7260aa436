//! Other instances are asked to look at the login port, each by one command of the automation agent
//! that an operator agreed to by its name.
//!
//! `RunCommand` is a write: it is journalled before it is sent, and sent once. Must not live here:
//! who can look, the script and the reading of its answer (`kit::neighbour`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use super::execute::{author, new_entry_id};
use super::session::{Cloud, Session};
use super::{clock, said, targets};
use crate::action::session::looks_at;
use crate::cloud::automation::{self, Run, RunEnd};
use crate::cloud::facts::CloudFacts;
use crate::cloud::said::host_configuration_no;
use crate::cloud::wire::{self, AgentItem, InstanceSetItem};
use crate::cloud::{CloudError, said as cloud_said};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::ports::Transport;
use crate::domain::report::NeighbourName;
use crate::domain::said::{Joint, List, Said};
use crate::domain::security_group::{self, SecurityGroup, Verdict};
use crate::kit::neighbour::{self, Neighbour};
use crate::store::journal::{Event, Journal, Place, Record};

/// The agent ends the script by then; one that meets silence everywhere takes some six seconds.
const LIMIT: Duration = Duration::from_secs(25);
/// How often the service is asked whether the script has ended.
const PAUSE: Duration = Duration::from_secs(1);
/// Instances whose agents are asked about: the best of those that could look on each path, and of
/// those that are far away the best of each region.
const MOST_ASKED: usize = 10;
/// Regions whose agents are asked about, one by one until somebody is online.
const MOST_REGIONS: usize = 3;
/// Calls and seconds that a look mostly takes, for each instance and in all.
const USUAL_CALLS: usize = 7;
const USUAL_SECONDS: usize = 8;

/// Who would look, and who would not.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Two at most, each on a path of its own.
    pub neighbours: Vec<Neighbour>,
    /// Why somebody that was named, or everybody, is left out.
    pub left_out: Vec<Said>,
}

impl Choice {
    /// What is asked of them, and its price.
    pub fn price(&self) -> Said {
        let n = self.neighbours.len();
        said::neighbours_price(n, n * USUAL_CALLS, USUAL_SECONDS, LIMIT.as_secs())
    }

    /// Their names, each with where it stands.
    pub fn who(&self) -> List {
        List::said(Joint::Names, self.neighbours.iter().map(Neighbour::who))
    }
}

/// Instances that could be proposed, the best on each path; nobody has asked for their agents yet.
pub fn names(session: &Session, instance: &Instance, facts: &CloudFacts) -> Vec<NeighbourName> {
    if !session.settings.lets_look_inside() {
        return Vec::new();
    }
    let best = neighbour::best(instance, ranked(session, instance, facts, &[]));
    let of = |it: Neighbour| NeighbourName {
        path: it.path,
        id: it.instance.id.clone(),
        name: it.instance.label().to_owned(),
    };
    best.into_iter().map(of).collect()
}

fn ranked(
    session: &Session,
    instance: &Instance,
    facts: &CloudFacts,
    listed: &[Arc<Instance>],
) -> Vec<Neighbour> {
    let groups = groups_of(facts);
    let let_in = |it: &Neighbour| {
        let other = &it.instance;
        let source = match it.path {
            Path::Elsewhere => *other.public_addresses.first()?,
            _ => *other.private_addresses.first()?,
        };
        match verdict(instance, facts, groups.as_deref()?, source).0 {
            Verdict::Unresolved => None,
            verdict => Some(verdict == Verdict::Allow),
        }
    };
    let mut seen = BTreeSet::new();
    let others = facts.around.iter().chain(listed.iter().map(AsRef::as_ref));
    let others = others.filter(|it| seen.insert(it.id.as_str()));
    let production = &session.settings.probe.production_tags;
    neighbour::ranked(instance, others, production, let_in)
}

fn groups_of(facts: &CloudFacts) -> Option<Vec<SecurityGroup>> {
    let groups = facts.groups.as_ref()?;
    Some(groups.iter().map(|rules| rules.group.clone()).collect())
}

/// What the rules make of a source, and the sentence that says so.
fn verdict(
    instance: &Instance,
    facts: &CloudFacts,
    groups: &[SecurityGroup],
    source: IpAddr,
) -> (Verdict, Said) {
    let port = instance.login_port();
    let references = &facts.references;
    let found = security_group::evaluate(groups, references, source, Transport::Tcp, port);
    let question = cloud_said::tcp(source, port);
    (found.verdict, found.sentence(question))
}

/// Chooses who looks: those that are named, or the best that are online, of those around the instance
/// and of those that are `listed` already. Nothing is run.
///
/// # Errors
/// One sentence: nobody may be asked here.
pub async fn choose(
    session: &Session,
    instance: &Instance,
    facts: Option<&CloudFacts>,
    named: &[String],
    listed: &[Arc<Instance>],
) -> Result<Choice, Said> {
    if !session.settings.lets_look_inside() {
        return Err(said::neighbours_read_only());
    }
    let cloud = session.cloud.as_ref().filter(|_| !instance.is_static);
    let cloud = cloud.ok_or_else(host_configuration_no)?;
    let mut choice = Choice::default();
    if named.is_empty() {
        let able = match facts {
            Some(facts) => could_look(session, cloud, instance, facts, listed).await,
            None => Vec::new(),
        };
        let any = !able.is_empty();
        let online = best_online(cloud, able).await;
        let online = online.map_err(|error| error.said())?;
        choice.neighbours = neighbour::best(instance, online);
        if choice.neighbours.is_empty() {
            let why = if any {
                said::no_neighbour_online()
            } else {
                said::no_neighbour()
            };
            choice.left_out.push(why);
        }
        return Ok(choice);
    }
    let able: Vec<Neighbour> = {
        let found = targets::find_all(session, named).await;
        let able = found.into_iter().map(|found| {
            let other = found.map_err(|error| error.said())?;
            Neighbour::of(instance, &other)
        });
        let (able, not): (Vec<_>, Vec<_>) = able.partition(Result::is_ok);
        choice
            .left_out
            .extend(not.into_iter().filter_map(Result::err));
        able.into_iter().filter_map(Result::ok).collect()
    };
    let online = online(cloud, &able).await.map_err(|error| error.said())?;
    let (able, offline): (Vec<_>, Vec<_>) = able
        .into_iter()
        .partition(|it| online.contains(&it.instance.id));
    let kept = able.clone();
    choice.neighbours = neighbour::best(instance, able);
    let label = |it: Neighbour| it.instance.label().to_owned();
    let offline = offline
        .into_iter()
        .map(|it| said::neighbour_offline(label(it)));
    choice.left_out.extend(offline);
    let is_chosen = |it: &Neighbour| {
        let mut chosen = choice.neighbours.iter();
        chosen.any(|other| other.instance.id == it.instance.id)
    };
    let spare: Vec<Said> = kept
        .into_iter()
        .filter(|it| !is_chosen(it))
        .map(|it| said::neighbour_repeats(label(it)))
        .collect();
    choice.left_out.extend(spare);
    Ok(choice)
}

/// Those that could look, the best first on each path. Where nothing is listed, the other subnets of
/// the VPC are asked for once, and other regions only for a path that these leave.
async fn could_look(
    session: &Session,
    cloud: &Cloud,
    instance: &Instance,
    facts: &CloudFacts,
    listed: &[Arc<Instance>],
) -> Vec<Neighbour> {
    let mut able = ranked(session, instance, facts, listed);
    let paths = |able: &[Neighbour]| able.iter().map(|it| it.path).collect::<BTreeSet<_>>();
    if !listed.is_empty() {
        return able;
    }
    let mut more = Vec::new();
    if !instance.vpc_id.is_empty() && !paths(&able).contains(&Path::Vpc) {
        let of_vpc = json!({"Name": "vpc-id", "Values": [instance.vpc_id]});
        more.extend(running(cloud, &instance.region, Some(of_vpc)).await);
        able = ranked(session, instance, facts, &more);
    }
    let is_public = instance.public_addresses.iter().any(IpAddr::is_ipv4);
    // Of `all` regions most hold nothing: there somebody can be named.
    let other = |region: &&String| **region != instance.region && **region != "all";
    for region in cloud.regions.iter().filter(other).take(MOST_REGIONS) {
        if !is_public || paths(&able).len() >= neighbour::MOST {
            break;
        }
        more.extend(running(cloud, region, None).await);
        able = ranked(session, instance, facts, &more);
    }
    able
}

/// Some that run in a region. What cannot be read is nobody.
async fn running(
    cloud: &Cloud,
    region: &str,
    filter: Option<serde_json::Value>,
) -> Vec<Arc<Instance>> {
    let state = json!({"Name": "instance-state", "Values": ["RUNNING"]});
    let filters: Vec<_> = filter.into_iter().chain([state]).collect();
    let parameters = json!({"Filters": filters, "Offset": 0, "Limit": 50});
    let call = ApiCall::new("cvm", "DescribeInstances", region, parameters);
    let Ok(answer) = cloud.client.call(&call).await else {
        return Vec::new();
    };
    let (items, _) = wire::list::<InstanceSetItem>(&answer.response, "InstanceSet");
    let items = items.into_iter().map(|item| item.into_domain(region));
    items.map(Arc::new).collect()
}

/// The best whose agents are online: those of the own network by one question, others only for a
/// path that these leave.
async fn best_online(cloud: &Cloud, able: Vec<Neighbour>) -> Result<Vec<Neighbour>, CloudError> {
    let mut near: BTreeMap<Path, Vec<Neighbour>> = BTreeMap::new();
    let mut far: Vec<(String, Vec<Neighbour>)> = Vec::new();
    for it in able {
        let region = it.instance.region.clone();
        let of = if it.path == Path::Elsewhere {
            let at = far.iter().position(|(known, _)| *known == region);
            let at = at.unwrap_or_else(|| {
                far.push((region, Vec::new()));
                far.len() - 1
            });
            &mut far[at].1
        } else {
            near.entry(it.path).or_default()
        };
        if of.len() < MOST_ASKED {
            of.push(it);
        }
    }
    let kept = async |asked: Vec<Neighbour>| {
        let online = online(cloud, &asked).await?;
        let is_online = |it: &Neighbour| online.contains(&it.instance.id);
        Ok::<_, CloudError>(asked.into_iter().filter(is_online).collect::<Vec<_>>())
    };
    let mut found = kept(near.into_values().flatten().collect()).await?;
    let paths: BTreeSet<Path> = found.iter().map(|it| it.path).collect();
    if paths.len() < neighbour::MOST {
        for (_, asked) in far.into_iter().take(MOST_REGIONS) {
            let online = kept(asked).await?;
            if !online.is_empty() {
                found.extend(online);
                break;
            }
        }
    }
    Ok(found)
}

/// Ids of those whose agents are online.
async fn online(cloud: &Cloud, able: &[Neighbour]) -> Result<BTreeSet<String>, CloudError> {
    let mut by_region: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for it in able {
        let ids = by_region.entry(&it.instance.region).or_default();
        ids.push(&it.instance.id);
    }
    let mut found = BTreeSet::new();
    for (region, ids) in by_region {
        let parameters = json!({"InstanceIds": ids, "Limit": ids.len(), "Offset": 0});
        let call = ApiCall::new("tat", "DescribeAutomationAgentStatus", region, parameters);
        let answer = cloud.client.call(&call).await?.response;
        let (rows, _) = wire::list::<AgentItem>(&answer, "AutomationAgentSet");
        let online = rows.into_iter().filter(|row| row.agent_status == "Online");
        found.extend(online.map(|row| row.instance_id));
    }
    Ok(found)
}

/// Makes them look, all at once: their readings, and what the rules say where nothing came back.
pub async fn ask(
    session: &Session,
    journal: &Journal,
    instance: &Instance,
    facts: Option<&CloudFacts>,
    chosen: &[Neighbour],
) -> Vec<Reading> {
    let Some(cloud) = session
        .cloud
        .as_ref()
        .filter(|_| session.settings.lets_look_inside())
    else {
        return Vec::new();
    };
    let looks = chosen.iter().take(neighbour::MOST).map(|it| async move {
        let started = Instant::now();
        let readings = look(cloud, journal, instance, it).await;
        let readings = with_rules(instance, facts, it, readings);
        let cost = started.elapsed().as_millis() as u64;
        let now = Timestamp::now();
        let readings = readings.into_iter().map(|reading| reading.at(now, cost));
        readings.collect::<Vec<_>>()
    });
    join_all(looks).await.concat()
}

async fn look(
    cloud: &Cloud,
    journal: &Journal,
    instance: &Instance,
    neighbour: &Neighbour,
) -> Vec<Reading> {
    let nothing = |status, why: Said| neighbour.told_nothing(instance, status, &why);
    let script = neighbour.script(instance);
    let name = automation::NEIGHBOUR_LOOK;
    let call = automation::run_call(&neighbour.instance, name, &script, LIMIT);
    if let Err(why) = note(cloud, journal, instance, neighbour) {
        return nothing(Status::ProbeFailed, why);
    }
    match automation::run_asking(&cloud.client, &call, LIMIT, PAUSE).await {
        Err(error) => {
            let readings = nothing(error.status(), error.said());
            match error.missing_permission() {
                Some(it) => readings
                    .into_iter()
                    .map(|one| one.needing(Said::raw(&it)))
                    .collect(),
                None => readings,
            }
        }
        Ok(Run { end, output, .. }) => match end {
            RunEnd::Success | RunEnd::Failed { .. } => neighbour.read(instance, &output),
            RunEnd::NotRun { status, why } => {
                nothing(Status::ProbeFailed, said::neighbour_not_run(status, why))
            }
            RunEnd::Timeout { status } => {
                nothing(Status::ProbeFailed, said::neighbour_late(status))
            }
        },
    }
}

/// Written before anything is sent; an entry of its own, closed at once, as nothing is changed.
fn note(
    cloud: &Cloud,
    journal: &Journal,
    instance: &Instance,
    neighbour: &Neighbour,
) -> Result<(), Said> {
    let entry = new_entry_id();
    let call = format!("tat:RunCommand {}", automation::NEIGHBOUR_LOOK);
    let intent = Event::Intent {
        author: author(),
        place: Place {
            endpoint: cloud.client.endpoint().to_owned(),
            account: String::new(),
        },
        plan: Box::new(looks_at(&entry, &neighbour.instance, instance, &call)),
        login_before: Vec::new(),
        broken_before: Vec::new(),
        last_operation_before: String::new(),
    };
    let closed = Event::Closed {
        outcome: Outcome::Done,
        detail: Said::raw(call),
    };
    for event in [intent, closed] {
        let record = Record::new(clock::now(), &entry, event);
        journal.append(&record).map_err(|error| error.said())?;
    }
    Ok(())
}

/// Where the private address was silent: what the rules of the groups make of this neighbour.
fn with_rules(
    instance: &Instance,
    facts: Option<&CloudFacts>,
    neighbour: &Neighbour,
    mut readings: Vec<Reading>,
) -> Vec<Reading> {
    let silent = |it: &Reading| it.path == Some(neighbour.path) && neighbour::is_silent(it);
    if neighbour.path == Path::Elsewhere || !readings.iter().any(silent) {
        return readings;
    }
    let rules = || {
        let facts = facts?;
        let source = *neighbour.instance.private_addresses.first()?;
        let (verdict, sentence) = verdict(instance, facts, &groups_of(facts)?, source);
        let state = State::new(group::SECURITY_GROUP_HERE, verdict.as_str());
        Some(Reading::observed(
            state,
            Source::Cloud,
            neighbour.who().and(sentence),
        ))
    };
    readings.extend(rules().map(|reading| reading.on_path(neighbour.path)));
    readings
}
