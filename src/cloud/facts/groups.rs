//! `security-group` and `security-group-here`: vpc `DescribeSecurityGroupPolicies` of every bound
//! group, templates resolved and members of other groups looked up where rules refer to them.
//!
//! Must not live here: the evaluation (`domain::security_group`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Gatherer;
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, InstanceSetItem};
use crate::domain::evidence::{Family, Path, Reading, State, Status, group};
use crate::domain::ports::Transport;
use crate::domain::said::Said;
use crate::domain::security_group::{
    self, Decision, References, SecurityGroup, Verdict, evaluate, evaluate_unknown,
};
use crate::domain::text::sanitise;

/// More members than this are not looked up; a rule for such a group stays undecided.
const MAX_MEMBERS: usize = 300;

/// A bound group, for evaluation and for plans.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRules {
    pub group: SecurityGroup,
    /// `SecurityGroupPolicySet` as it was sent.
    pub policy_set: Value,
}

#[derive(Default)]
pub(super) struct Groups {
    pub readings: Vec<Reading>,
    pub rules: Option<Vec<GroupRules>>,
    pub references: References,
    /// Ids of the templates that make up the groups of templates that the rules refer to.
    parts: Vec<String>,
}

impl Groups {
    /// Ids of the templates that the rules refer to, those of groups of templates included;
    /// `None` if the rules, or one of the groups, could not be read.
    pub fn template_ids(&self) -> Option<Vec<String>> {
        let groups = self.rules.as_ref()?.iter().map(|rule| rule.group.clone());
        let (_, addresses, services) = security_group::referenced(&groups.collect::<Vec<_>>());
        let is_known = |id: &String, kind: &TemplateKind, known: &BTreeMap<String, _>| {
            !id.starts_with(kind.group_prefix) || known.contains_key(id)
        };
        let known = &self.references;
        let all_known = addresses
            .iter()
            .all(|id| is_known(id, &ADDRESS, &known.addresses))
            && services
                .iter()
                .all(|id| is_known(id, &SERVICE, &known.services));
        let parts = self.parts.iter().cloned();
        all_known.then(|| addresses.into_iter().chain(services).chain(parts).collect())
    }
}

pub(super) async fn read(gatherer: &Gatherer) -> Groups {
    let started = Instant::now();
    let ids = &gatherer.instance.security_group_ids;
    let names = gatherer.ask(
        "vpc",
        "DescribeSecurityGroups",
        json!({"SecurityGroupIds": ids, "Offset": "0", "Limit": "100"}),
    );
    let rules = join_all(ids.iter().map(|id| policies(gatherer, id)));
    let mut found = Groups::default();
    if ids.is_empty() {
        found.readings = unknown(gatherer, |id| {
            gatherer.without_state(id, Status::NotApplicable, said::no_group_bound())
        });
        found.readings = gatherer.emit(started, found.readings).await;
        return found;
    }
    let (names, rules) = tokio::join!(names, rules);
    let rules: Result<Vec<_>, CloudError> = rules.into_iter().collect();
    found.readings = match rules {
        Err(error) => unknown(gatherer, |id| gatherer.failed(id, &error)),
        Ok(mut rules) => {
            name_groups(&mut rules, names.ok().as_ref());
            let groups: Vec<_> = rules.iter().map(|rule| rule.group.clone()).collect();
            (found.references, found.parts) = references(gatherer, &groups).await;
            found.rules = Some(rules);
            judge(gatherer, &groups, &found.references)
        }
    };
    found.readings = gatherer.emit(started, found.readings).await;
    found
}

/// The same reading for the user's source and for each of ours.
fn unknown(gatherer: &Gatherer, reading: impl Fn(&str) -> Reading) -> Vec<Reading> {
    let mut readings = vec![reading(group::SECURITY_GROUP)];
    for (path, source) in &gatherer.request.own_sources {
        readings.push(
            reading(group::SECURITY_GROUP_HERE)
                .on_path(*path)
                .in_family(Family::of(*source)),
        );
    }
    readings
}

async fn policies(gatherer: &Gatherer, id: &str) -> Result<GroupRules, CloudError> {
    let action = "DescribeSecurityGroupPolicies";
    let mut answer = gatherer
        .ask("vpc", action, json!({"SecurityGroupId": id}))
        .await?;
    let policy_set = answer["SecurityGroupPolicySet"].take();
    let group = policy_set
        .is_object()
        .then(|| wire::security_group(id, "", &policy_set))
        .flatten()
        .ok_or_else(|| CloudError::BadAnswer {
            action: format!("vpc:{action}"),
            host: "the cloud".to_owned(),
            reason: Box::new(said::odd_rules(id)),
        })?;
    Ok(GroupRules { group, policy_set })
}

/// Names are for people only: without them the ids do.
fn name_groups(rules: &mut [GroupRules], answer: Option<&Value>) {
    let rows = answer
        .and_then(|answer| answer["SecurityGroupSet"].as_array())
        .into_iter()
        .flatten();
    for row in rows {
        let (Some(id), Some(name)) = (
            row["SecurityGroupId"].as_str(),
            row["SecurityGroupName"].as_str(),
        ) else {
            continue;
        };
        for rule in rules.iter_mut().filter(|rule| rule.group.id == id) {
            rule.group.name = sanitise(name, 100);
        }
    }
}

/// Bodies of what the rules refer to, and the ids of the templates in groups of templates; what
/// cannot be read stays out, which leaves its rules undecided.
pub(super) async fn references(
    gatherer: &Gatherer,
    groups: &[SecurityGroup],
) -> (References, Vec<String>) {
    let (members, addresses, services) = security_group::referenced(groups);
    let (members, addresses, services) = tokio::join!(
        join_all(members.into_iter().map(|id| async {
            let found = members_of(gatherer, &id).await;
            (id, found)
        })),
        join_all(addresses.into_iter().map(|id| async {
            let found = template(gatherer, &id, &ADDRESS).await;
            (id, found)
        })),
        join_all(services.into_iter().map(|id| async {
            let found = template(gatherer, &id, &SERVICE).await;
            (id, found)
        })),
    );
    let (addresses, services) = (known(addresses), known(services));
    let bodies = addresses.values().chain(services.values());
    let parts = bodies.flat_map(|body| body.parts.clone()).collect();
    let entries = |found: BTreeMap<String, Template>| {
        let entries = found.into_iter().map(|(id, body)| (id, body.entries));
        entries.collect()
    };
    let references = References {
        members: known(members),
        addresses: entries(addresses),
        services: entries(services),
    };
    (references, parts)
}

/// What could be read, by id.
fn known<T>(found: Vec<(String, Option<T>)>) -> BTreeMap<String, T> {
    found
        .into_iter()
        .filter_map(|(id, body)| Some((id, body?)))
        .collect()
}

/// Private addresses of the instances bound to a group.
async fn members_of(gatherer: &Gatherer, group: &str) -> Option<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    let mut offset = 0;
    loop {
        let parameters = json!({
            "Filters": [{"Name": "security-group-id", "Values": [group]}],
            "Offset": offset,
            "Limit": 100,
        });
        let answer = gatherer
            .ask("cvm", "DescribeInstances", parameters)
            .await
            .ok()?;
        let (items, unreadable) = wire::list::<InstanceSetItem>(&answer, "InstanceSet");
        if unreadable > 0 {
            return None;
        }
        offset += items.len();
        addresses.extend(
            items
                .iter()
                .filter(|item| item.security_group_ids.iter().any(|id| id == group))
                .flat_map(|item| item.private_ip_addresses.iter().chain(&item.ipv6_addresses))
                .filter_map(|text| text.parse::<IpAddr>().ok()),
        );
        let total = wire::total(&answer)? as usize;
        if offset >= total || items.is_empty() {
            return Some(addresses);
        }
        if offset >= MAX_MEMBERS {
            return None;
        }
    }
}

/// Names of actions and fields of one kind of template.
struct TemplateKind {
    group_prefix: &'static str,
    one: [&'static str; 4],
    many: [&'static str; 4],
}

/// Action, filter, set, field.
const ADDRESS: TemplateKind = TemplateKind {
    group_prefix: "ipmg-",
    one: [
        "DescribeAddressTemplates",
        "address-template-id",
        "AddressTemplateSet",
        "AddressSet",
    ],
    many: [
        "DescribeAddressTemplateGroups",
        "address-template-group-id",
        "AddressTemplateGroupSet",
        "AddressTemplateIdSet",
    ],
};
const SERVICE: TemplateKind = TemplateKind {
    group_prefix: "ppmg-",
    one: [
        "DescribeServiceTemplates",
        "service-template-id",
        "ServiceTemplateSet",
        "ServiceSet",
    ],
    many: [
        "DescribeServiceTemplateGroups",
        "service-template-group-id",
        "ServiceTemplateGroupSet",
        "ServiceTemplateIdSet",
    ],
};

/// What a template holds.
struct Template {
    entries: Vec<String>,
    /// Ids of its templates, if it is a group of them.
    parts: Vec<String>,
}

/// Entries of a template, or of all templates of a group of them.
async fn template(gatherer: &Gatherer, id: &str, kind: &TemplateKind) -> Option<Template> {
    if !id.starts_with(kind.group_prefix) {
        let (entries, parts) = (entries(gatherer, id, kind.one).await?, Vec::new());
        return Some(Template { entries, parts });
    }
    let parts = entries(gatherer, id, kind.many).await?;
    let bodies = join_all(parts.iter().map(|id| entries(gatherer, id, kind.one))).await;
    let bodies: Option<Vec<Vec<String>>> = bodies.into_iter().collect();
    let entries = bodies?.concat();
    Some(Template { entries, parts })
}

async fn entries(gatherer: &Gatherer, id: &str, names: [&str; 4]) -> Option<Vec<String>> {
    let [action, filter, set, field] = names;
    let parameters = json!({
        "Filters": [{"Name": filter, "Values": [id]}],
        "Offset": "0",
        "Limit": "100",
    });
    let answer = gatherer.ask("vpc", action, parameters).await.ok()?;
    let list = answer[set].get(0)?.get(field)?.as_array()?;
    list.iter()
        .map(|entry| entry.as_str().map(|text| sanitise(text, 100)))
        .collect()
}

fn judge(gatherer: &Gatherer, groups: &[SecurityGroup], references: &References) -> Vec<Reading> {
    let port = gatherer.port();
    let here = |(path, source): &(Path, IpAddr)| {
        let (decision, question) = if *path == Path::Public && is_translated(*source) {
            let decision =
                evaluate_unknown(groups, references, source.is_ipv6(), Transport::Tcp, port);
            (decision, behind_nat(*source, port))
        } else {
            let decision = evaluate(groups, references, *source, Transport::Tcp, port);
            (decision, said::host_tcp(source, port))
        };
        (decision, question, *path, Family::of(*source))
    };
    let mut readings = vec![for_user(gatherer, groups, references)];
    for own in &gatherer.request.own_sources {
        let (decision, question, path, family) = here(own);
        readings.push(
            reading(gatherer, group::SECURITY_GROUP_HERE, &decision, question)
                .on_path(path)
                .in_family(family),
        );
    }
    readings
}

fn for_user(gatherer: &Gatherer, groups: &[SecurityGroup], references: &References) -> Reading {
    let port = gatherer.port();
    let own = |path| {
        let sources = &gatherer.request.own_sources;
        sources
            .iter()
            .find(|(p, _)| *p == path)
            .map(|(_, source)| *source)
    };
    let (source, is_ours) = match (gatherer.request.user_source, own(Path::Public)) {
        (Some(source), _) => (Some(source), false),
        (None, Some(source)) if !is_translated(source) => (Some(source), true),
        _ => (None, false),
    };
    let id = group::SECURITY_GROUP;
    if let Some(source) = source {
        let decision = evaluate(groups, references, source, Transport::Tcp, port);
        let question = said::tcp(source, port);
        let question = if is_ours {
            said::user_unknown_here(question)
        } else {
            question
        };
        reading(gatherer, id, &decision, question).in_family(Family::of(source))
    } else {
        let decision = evaluate_unknown(groups, references, false, Transport::Tcp, port);
        let question = said::source_internet_tcp(port);
        reading(gatherer, id, &decision, question)
    }
}

fn reading(gatherer: &Gatherer, id: &str, decision: &Decision, question: Said) -> Reading {
    let detail = match (decision.verdict, decision.undecided.first()) {
        (Verdict::Unresolved, Some(rule)) => {
            said::depends_rule(question, &rule.group_id, rule.index, &rule.text)
        }
        _ => decision.sentence(question),
    };
    gatherer.observed(State::new(id, decision.verdict.as_str()), detail)
}

/// True for a local address that cannot be what the far side of a public path sees.
fn is_translated(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

fn behind_nat(source: IpAddr, port: u16) -> Said {
    said::host_public_address(source, port)
}
