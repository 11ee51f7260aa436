//! Plans of `open-port` and `open-common-ports`.
//!
//! Rules are added on top of one bound group, carry a mark in their description and the version
//! of the rule set that was shown; nothing here replaces or reorders a rule.

mod difference;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::blank::blank;
use super::context::{GroupFacts, PlanContext};
use super::parameters::{Parameters, SourceChoice, as_stored};
use super::plan::{Completion, Confirmation, Plan, PlanError, Step, Target, Undo};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::ports::Transport;
use crate::domain::said::{List, Said};
use crate::domain::security_group::{
    Peer, Rule, RuleAction, SecurityGroup, Service, Verdict, evaluate,
};

pub(super) use difference::{affected, removal_difference};
use difference::{difference, with_added};

/// The vendor's one-click set: FTP, SSH, HTTP, HTTPS and RDP; ICMP goes with it. One rule each,
/// as the action documents a single port or a range, not a list.
pub const COMMON_PORTS: [u16; 6] = [20, 21, 22, 80, 443, 3389];
/// Stands for the caller's public address in a rule; the cloud replaces it.
pub const CALLERS_ADDRESS: &str = "MY_PUBLIC_IP";
/// Rules per direction and group that the vendor allows by default.
const RULE_QUOTA: usize = 100;

/// One side that new rules let in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Admitted {
    Net(IpNet),
    /// The address that the cloud sees this program at.
    Caller,
}

/// Which rule decides for one side, over all groups in binding order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decided {
    /// `None` where templates or other groups leave it open.
    allows: Option<bool>,
    /// Group and index of the rule that decides or leaves it open.
    rule: Option<(String, i64)>,
    text: Said,
}

pub(super) fn plan(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let groups = context.groups.required(said::security_groups())?;
    let (admitted, source_note) = admitted(action, parameters, context)?;
    let port = parameters.port("port").unwrap_or_else(|| context.port());
    let protocol = parameters.text("protocol").unwrap_or("tcp");
    let question = Question {
        transport: if protocol == "udp" {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        port,
    };
    let rules_now: Vec<_> = groups.iter().map(|facts| facts.group.clone()).collect();
    let before: Vec<_> = admitted
        .iter()
        .map(|side| decide(context, &rules_now, side, question))
        .collect();
    if action == ActionId::OpenPort && before.iter().all(|d| d.allows == Some(true)) {
        return Err(PlanError::NothingToDo(said::security_groups_already(
            label,
            source_note,
            protocol.to_uppercase(),
            port,
            &before[0].text,
        )));
    }
    let index = choose_group(parameters.text("group"), groups, &before)?;
    let facts = &groups[index];
    let title = if action == ActionId::OpenPort {
        said::open(protocol.to_uppercase(), port, label, &source_note)
    } else {
        said::open_common_ports(label, &source_note)
    };
    let mut plan = blank(action, context, title);
    let mark = plan.mark();
    let new: Vec<Rule> = if action == ActionId::OpenPort {
        let word = question.transport.as_str();
        admitted
            .iter()
            .map(|side| rule(side, word, &port.to_string(), &mark))
            .collect()
    } else {
        admitted
            .iter()
            .flat_map(|side| common(side, &mark))
            .collect()
    };
    let (new, held) = without_duplicates(new, &facts.group, &before[0])?;
    if held > 0 {
        plan.warnings.push(said::rules_there_already(held));
    }
    fill_parameters(&mut plan, question, &source_note, &facts.group.id);
    plan.steps
        .push(add_step(context, &facts.group, &new, &mark));
    plan.undo = Undo::RemoveRules {
        group: facts.group.id.clone(),
        mark,
        count: new.len(),
    };
    let mut rules_then = rules_now.clone();
    rules_then[index].ingress = with_added(&facts.group.ingress, &new);
    let after = decide(context, &rules_then, &admitted[0], question);
    plan.rules = Some(difference(&facts.group, &new, &before[0], &after));
    describe(
        &mut plan,
        parameters,
        question,
        facts,
        new.len(),
        &source_note,
    );
    warn(&mut plan, context, parameters, &admitted, &after);
    warn_of_group(&mut plan, facts);
    Ok(plan)
}

/// What is asked of the rules.
#[derive(Debug, Clone, Copy)]
struct Question {
    transport: Transport,
    port: u16,
}

/// Whom to let in: as asked for, or the failing user; never everyone by default.
fn admitted(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<(Vec<Admitted>, Said), PlanError> {
    let one = |net: IpNet| {
        let stored = as_stored(net);
        let note = if stored == net {
            Said::raw(net)
        } else {
            said::stored_so(stored, net)
        };
        Ok((vec![Admitted::Net(stored)], note))
    };
    let own = || match context.own_source {
        Some(address) => said::host(address),
        None => said::host_2(),
    };
    let missing = || PlanError::Missing(said::needs_failing_user(action, own()));
    match parameters.source("source") {
        Some(SourceChoice::Net(net)) => one(net),
        Some(SourceChoice::User) => context.user_source.map_or_else(|| Err(missing()), one),
        None => context.user_source.map_or_else(|| Err(missing()), one),
        Some(SourceChoice::Here) => Ok(match context.own_source {
            Some(address) => (vec![Admitted::Net(IpNet::from(address))], own()),
            None => (vec![Admitted::Caller], own()),
        }),
        Some(SourceChoice::Any) => Ok((
            vec![
                Admitted::Net(everyone(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
                Admitted::Net(everyone(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
            ],
            said::everyone(),
        )),
    }
}

fn everyone(address: IpAddr) -> IpNet {
    IpNet::new(address, 0).expect("a prefix of zero fits every address")
}

/// The group to change: on the way to the deciding rule, with the fewest other users.
fn choose_group(
    wanted: Option<&str>,
    groups: &[GroupFacts],
    before: &[Decided],
) -> Result<usize, PlanError> {
    if groups.is_empty() {
        return Err(PlanError::NotApplicable(said::no_security_group()));
    }
    let position = |id: &str| groups.iter().position(|facts| facts.group.id == id);
    if let Some(wanted) = wanted {
        return position(wanted).ok_or_else(|| {
            let ids: Vec<_> = groups.iter().map(|facts| facts.group.id.as_str()).collect();
            PlanError::NotApplicable(said::not_bound_instance(wanted, ids.join(", ")))
        });
    }
    // A rule in a group behind the one that refuses would never be reached.
    let last = before
        .iter()
        .filter_map(|decided| position(&decided.rule.as_ref()?.0))
        .min()
        .unwrap_or(groups.len() - 1);
    let users = |facts: &GroupFacts| facts.others.as_ref().map_or(usize::MAX, |o| o.count);
    Ok((0..=last)
        .min_by_key(|&i| (users(&groups[i]), i))
        .unwrap_or(0))
}

fn rule(side: &Admitted, protocol: &str, port: &str, mark: &str) -> Rule {
    Rule {
        index: 0,
        service: Service::Plain {
            protocol: protocol.to_owned(),
            port: port.to_owned(),
        },
        peer: Peer::Network(match side {
            Admitted::Net(net) => net.to_string(),
            Admitted::Caller => CALLERS_ADDRESS.to_owned(),
        }),
        action: Some(RuleAction::Accept),
        description: mark.to_owned(),
    }
}

fn common(side: &Admitted, mark: &str) -> Vec<Rule> {
    let icmp = match side {
        Admitted::Net(IpNet::V6(_)) => Transport::Icmpv6,
        _ => Transport::Icmp,
    };
    COMMON_PORTS
        .iter()
        .map(|port| rule(side, Transport::Tcp.as_str(), &port.to_string(), mark))
        // ICMP has no ports, so the field is left out.
        .chain([rule(side, icmp.as_str(), "", mark)])
        .collect()
}

/// True for rules that the cloud takes for the same (`DuplicatePolicy`): all but the description.
fn same_rule(a: &Rule, b: &Rule) -> bool {
    let service = |rule: &Rule| match &rule.service {
        Service::Plain { protocol, port } => {
            let port = port.trim().to_ascii_lowercase();
            let port = if port == "all" { String::new() } else { port };
            Some((protocol.trim().to_ascii_uppercase(), port))
        }
        Service::Template(_) => None,
    };
    service(a).is_some() && service(a) == service(b) && a.peer == b.peer && a.action == b.action
}

/// Leaves out what the group already holds; says so, or why that is no help.
fn without_duplicates(
    new: Vec<Rule>,
    group: &SecurityGroup,
    decided: &Decided,
) -> Result<(Vec<Rule>, usize), PlanError> {
    let wanted = new.len();
    let (held, fresh): (Vec<Rule>, Vec<Rule>) = new
        .into_iter()
        .partition(|rule| group.ingress.iter().any(|other| same_rule(rule, other)));
    match (fresh.is_empty(), held.first()) {
        (true, Some(rule)) if decided.allows != Some(true) => Err(PlanError::NotApplicable(
            said::already_holds_same(&group.id, rule.said(), &decided.text),
        )),
        (true, _) => Err(PlanError::NothingToDo(said::already_holds_every(&group.id))),
        _ => Ok((fresh.clone(), wanted - fresh.len())),
    }
}

/// A new rule as `CreateSecurityGroupPolicies` takes it.
fn wire(rule: &Rule) -> Value {
    let mut wire = json!({
        "PolicyIndex": 0,
        "Action": "ACCEPT",
        "PolicyDescription": rule.description,
    });
    if let Service::Plain { protocol, port } = &rule.service {
        wire["Protocol"] = json!(protocol);
        if !port.is_empty() {
            wire["Port"] = json!(port);
        }
    }
    if let Peer::Network(network) = &rule.peer {
        let field = if network.contains(':') {
            "Ipv6CidrBlock"
        } else {
            "CidrBlock"
        };
        wire[field] = json!(network);
    }
    wire
}

fn add_step(context: &PlanContext, group: &SecurityGroup, new: &[Rule], mark: &str) -> Step {
    let ingress: Vec<_> = new.iter().map(wire).collect();
    Step::new(
        said::add_top(new.len(), &group.id),
        ApiCall::new(
            "vpc",
            "CreateSecurityGroupPolicies",
            &context.instance.region,
            json!({
                "SecurityGroupId": group.id,
                "SecurityGroupPolicySet": locked(group, json!({ "Ingress": ingress })),
            }),
        ),
        Completion::Rules {
            group: group.id.clone(),
            mark: mark.to_owned(),
            present: true,
        },
    )
}

/// A change of rules with its optimistic lock: the cloud refuses it if anybody changed the rules
/// since they were read. Nothing is sent as a version where none was given.
pub(super) fn locked(group: &SecurityGroup, mut set: Value) -> Value {
    if !group.version.is_empty() {
        set["Version"] = json!(group.version);
    }
    set
}

fn fill_parameters(plan: &mut Plan, question: Question, source: &Said, group: &str) {
    let open_port = plan.action == ActionId::OpenPort;
    let set = &mut plan.parameters;
    if open_port {
        set.insert("port".to_owned(), question.port.into());
        let protocol = question.transport.as_str().to_lowercase();
        set.insert("protocol".to_owned(), protocol.into());
    }
    set.insert("source".to_owned(), source.to_string().into());
    set.insert("group".to_owned(), group.into());
}

fn describe(
    plan: &mut Plan,
    parameters: &Parameters,
    question: Question,
    facts: &GroupFacts,
    count: usize,
    source: &Said,
) {
    let what = if plan.action == ActionId::OpenPort {
        said::protocol_port(question.transport.as_str(), question.port)
    } else {
        said::tcp_icmp(List::names(COMMON_PORTS))
    };
    plan.changes = vec![said::gets_top_let(&facts.group.id, count, source, what)];
    plan.affected = affected(facts);
    if let Some(minutes) = parameters.number("minutes") {
        plan.expires_after_minutes = Some(minutes);
        plan.parameters.insert("minutes".to_owned(), minutes.into());
    }
}

fn warn(
    plan: &mut Plan,
    context: &PlanContext,
    parameters: &Parameters,
    admitted: &[Admitted],
    after: &Decided,
) {
    let everyone = admitted
        .iter()
        .any(|side| matches!(side, Admitted::Net(net) if net.prefix_len() == 0));
    if everyone {
        plan.risk = Risk::High;
        plan.confirmation = Confirmation::TypedName;
        plan.warnings.push(said::open_whole_internet());
    } else if admitted.iter().any(is_wide) {
        plan.risk = Risk::High;
        plan.confirmation = Confirmation::TypedName;
        plan.warnings.push(said::open_large_part());
    } else if plan.action == ActionId::OpenCommonPorts {
        plan.warnings.push(said::six_tcp_ports());
    }
    if admitted.contains(&Admitted::Caller) {
        plan.warnings.push(said::cloud_fills_address());
    } else if parameters.source("source") == Some(SourceChoice::Here) {
        plan.warnings.push(said::lets_host_not());
    }
    let only_v6 = admitted
        .iter()
        .all(|side| matches!(side, Admitted::Net(IpNet::V6(_))));
    let mut addresses = context
        .instance
        .public_addresses
        .iter()
        .chain(&context.instance.private_addresses);
    if only_v6 && !addresses.any(IpAddr::is_ipv6) {
        plan.warnings.push(said::instance_no_ipv6());
    }
    if after.allows == Some(false) {
        plan.warnings.push(said::would_still_refused(&after.text));
    }
}

/// True for networks larger than any private one (10.0.0.0/8, fc00::/7).
fn is_wide(side: &Admitted) -> bool {
    match side {
        Admitted::Net(IpNet::V4(net)) => net.prefix_len() < 8,
        Admitted::Net(IpNet::V6(net)) => net.prefix_len() < 7,
        Admitted::Caller => false,
    }
}

fn warn_of_group(plan: &mut Plan, facts: &GroupFacts) {
    let group = &facts.group;
    if group.ingress.len() + 1 > RULE_QUOTA {
        plan.warnings.push(said::already_inbound_rules(
            &group.id,
            group.ingress.len(),
            RULE_QUOTA,
        ));
    }
    if facts.others.is_none() {
        plan.warnings.push(said::other_instances_use());
    }
    if group.version.is_empty() {
        plan.warnings.push(said::rules_no_version());
    }
}

/// True where a description carries the mark: alone, or with words that somebody added to it.
pub(super) fn carries(description: &str, mark: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    description.match_indices(mark).any(|(at, _)| {
        let before = description[..at].chars().next_back();
        let after = description[at + mark.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// What became of the rules that an entry added, beside those that still carry its mark.
#[derive(Debug)]
pub(super) struct Remains<'a> {
    /// They say what the entry's said, and somebody gave them a description of their own.
    pub renamed: Vec<&'a Rule>,
    /// How many are in the group no more.
    pub gone: usize,
    /// Which ones; empty where the cloud's spelling leaves that open.
    pub gone_ones: Vec<String>,
}

/// Looks for each rule of `sent` in the group; a rule there stands for one that was sent.
pub(super) fn remains<'a>(group: &'a SecurityGroup, sent: &Value, mark: &str) -> Remains<'a> {
    let sent = sent["SecurityGroupPolicySet"]["Ingress"].as_array();
    let sent = sent.map_or(&[][..], Vec::as_slice);
    let accepts = |rule: &&Rule| rule.action == Some(RuleAction::Accept);
    let (mut marked, mut others): (Vec<&Rule>, Vec<&Rule>) = group
        .ingress
        .iter()
        .filter(accepts)
        .partition(|rule| carries(&rule.description, mark));
    let still = marked.len();
    let take = |from: &mut Vec<&'a Rule>, wanted: &str| {
        let at = from
            .iter()
            .position(|rule| content(&wire(rule)) == wanted)?;
        Some(from.remove(at))
    };
    let (mut renamed, mut gone_ones) = (Vec::new(), Vec::new());
    for rule in sent {
        let wanted = content(rule);
        if take(&mut marked, &wanted).is_some() {
            continue;
        }
        match take(&mut others, &wanted) {
            Some(theirs) => renamed.push(theirs),
            None => gone_ones.push(in_short(rule)),
        }
    }
    let gone = sent.len().saturating_sub(still + renamed.len());
    if gone_ones.len() != gone {
        gone_ones.clear();
    }
    Remains {
        renamed,
        gone,
        gone_ones,
    }
}

/// A rule as the cloud takes it, without its place and its description. The cloud answers in another
/// spelling than it is asked in.
fn content(rule: &Value) -> String {
    let mut rule = rule.clone();
    if let Some(rule) = rule.as_object_mut() {
        rule.remove("PolicyIndex");
        rule.remove("PolicyDescription");
        // What has no ports is asked for without them, and answered as all of them.
        let port = rule.get("Port").and_then(Value::as_str);
        if port.is_some_and(|port| port.eq_ignore_ascii_case("all")) {
            rule.remove("Port");
        }
    }
    rule.to_string().to_lowercase()
}

/// `TCP 22 203.0.113.7/32`.
fn in_short(rule: &Value) -> String {
    let fields = ["Protocol", "Port", "CidrBlock", "Ipv6CidrBlock"];
    let words: Vec<&str> = fields.iter().filter_map(|f| rule[f].as_str()).collect();
    words.join(" ")
}

/// Indexes of the inbound rules that carry `mark`, lowest first.
pub fn marked_indexes(group: &SecurityGroup, mark: &str) -> Vec<i64> {
    group
        .ingress
        .iter()
        .filter(|rule| carries(&rule.description, mark))
        .map(|rule| rule.index)
        .collect()
}

/// The inbound rules that carry `mark`, as `DeleteSecurityGroupPolicies` takes them by content.
pub(super) fn marked_by_content(group: &SecurityGroup, mark: &str) -> Vec<Value> {
    group
        .ingress
        .iter()
        .filter(|rule| carries(&rule.description, mark))
        .map(|rule| {
            let mut wire = wire(rule);
            if let Some(wire) = wire.as_object_mut() {
                wire.remove("PolicyIndex");
                wire.remove("PolicyDescription");
            }
            wire
        })
        .collect()
}

fn decide(
    context: &PlanContext,
    groups: &[SecurityGroup],
    side: &Admitted,
    question: Question,
) -> Decided {
    let Admitted::Net(net) = side else {
        return Decided {
            allows: None,
            rule: None,
            text: said::not_known_beforehand(),
        };
    };
    let Question { transport, port } = question;
    let judge = |address| evaluate(groups, &context.references, address, transport, port);
    let mut decision = judge(net.network());
    let last = judge(net.broadcast());
    if decision.verdict == Verdict::Allow && last.verdict != Verdict::Allow {
        // A network is let in only when all of it is; its two ends stand for it.
        decision = last;
    }
    let deciding = decision.undecided.first().or(decision.rule.as_ref());
    Decided {
        allows: match decision.verdict {
            Verdict::Unresolved => None,
            verdict => Some(verdict == Verdict::Allow),
        },
        rule: deciding.map(|rule| (rule.group_id.clone(), rule.index)),
        text: decision.sentence(said::net_to(net, transport.as_str(), port)),
    }
}
