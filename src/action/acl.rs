//! Plan of `allow-acl`: the login port through the ACL of the subnet, there and back.
//!
//! An ACL keeps no state, so the answers need an entry of their own. It has no version either, and the
//! one call that keeps the order of evaluation sends every entry of a direction: what was read is sent
//! again around the new entry, and only if it still stands so.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::blank::blank;
use super::context::{AclFacts, AclLine, Others, PlanContext};
use super::expected::{AclEntries, Expected};
use super::parameters::{Parameters, SourceChoice};
use super::plan::{
    Completion, Confirmation, Plan, PlanError, RuleDifference, RuleLine, Step, TableOf, Target,
    Undo,
};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::network_acl::gap::{Gap, Wanted, gap};
use crate::domain::network_acl::{Entry, NetworkAcl, evaluate};
use crate::domain::said::{List, Said};
use crate::domain::security_group::RuleAction;

/// A direction of the ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// One direction, before and after.
struct Side {
    way: Way,
    before: Vec<AclLine>,
    after: Vec<AclLine>,
    /// Places of the new entries in `after`.
    added: Vec<usize>,
}

impl Side {
    fn sent(lines: &[AclLine]) -> Vec<Value> {
        lines.iter().map(|line| line.sent.clone()).collect()
    }
}

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let facts = context.acl.required(said::subnet_acl())?;
    let Some(facts) = facts else {
        return Err(PlanError::NothingToDo(said::no_acl_bound(label)));
    };
    let port = parameters.port("port").unwrap_or_else(|| context.port());
    let sources = sources(parameters, context)?;
    let inside = |source: &IpNet| {
        let subnet = facts.subnet.parse::<IpNet>();
        subnet.is_ok_and(|subnet| subnet.contains(source))
    };
    if let [only] = sources.as_slice()
        && inside(only)
    {
        return Err(PlanError::NothingToDo(said::acl_not_inside(
            &facts.id, only,
        )));
    }
    let mark = super::plan::mark(&context.entry);
    let mut sides = vec![side(Way::In, &facts.ingress), side(Way::Out, &facts.egress)];
    for source in &sources {
        for side in &mut sides {
            widen(side, facts, context, *source, port, &mark);
        }
    }
    sides.retain(|side| !side.added.is_empty());
    let shown = List::names(&sources);
    if sides.is_empty() {
        return Err(PlanError::NothingToDo(said::acl_lets_through(
            &facts.id, port, shown,
        )));
    }
    let mut plan = blank(
        ActionId::AllowAcl,
        context,
        said::allow_in_acl(port, shown.clone(), label),
    );
    plan.parameters.insert("port".to_owned(), port.into());
    let given = match sources.as_slice() {
        [one] if one.prefix_len() > 0 => one.to_string(),
        _ => "any".to_owned(),
    };
    plan.parameters.insert("source".to_owned(), given.into());
    plan.changes = changes(facts, &sides);
    let (before, after) = (entries(facts, &sides, true), entries(facts, &sides, false));
    plan.steps.push(step(
        context,
        said::put_acl_entries(&facts.id),
        &before,
        &after,
    ));
    plan.undo = Undo::Steps {
        text: said::acl_as_before(&facts.id),
        downtime: said::none(),
        risk: Risk::Medium,
        steps: vec![step(
            context,
            said::put_acl_back(&facts.id),
            &after,
            &before,
        )],
    };
    tables(&mut plan, facts, &sides, context, sources[0], port);
    plan.affected = Others::affected(facts.others.as_ref(), facts.subnets.len(), &facts.id);
    plan.warnings
        .push(said::acl_of_subnets(&facts.id, List::names(&facts.subnets)));
    plan.warnings.push(said::acl_no_version());
    guard_width(&mut plan, &sources);
    if let Some(minutes) = parameters.number("minutes") {
        plan.expires_after_minutes = Some(minutes);
        plan.parameters.insert("minutes".to_owned(), minutes.into());
    }
    Ok(plan)
}

/// Whom to let through: as asked for, or the failing user; never everyone by default.
fn sources(parameters: &Parameters, context: &PlanContext) -> Result<Vec<IpNet>, PlanError> {
    let own = context.own_source;
    let missing = || {
        let host = own.map_or_else(said::host_2, said::host);
        PlanError::Missing(said::needs_failing_user(ActionId::AllowAcl, host))
    };
    let one = |source: Option<IpNet>| source.map(|it| vec![it.trunc()]).ok_or_else(missing);
    match parameters.source("source") {
        Some(SourceChoice::Net(net)) => one(Some(net)),
        Some(SourceChoice::User) | None => one(context.user_source),
        Some(SourceChoice::Here) => one(own.map(IpNet::from)),
        Some(SourceChoice::Any) => {
            let instance = &context.instance;
            let mut addresses = instance
                .public_addresses
                .iter()
                .chain(&instance.private_addresses);
            let mut all = vec![IpNet::from_zero(false)];
            if addresses.any(std::net::IpAddr::is_ipv6) {
                all.push(IpNet::from_zero(true));
            }
            Ok(all)
        }
    }
}

/// The whole of a family.
trait Zero {
    fn from_zero(six: bool) -> Self;
}

impl Zero for IpNet {
    fn from_zero(six: bool) -> Self {
        if six {
            ipnet::Ipv6Net::default().into()
        } else {
            ipnet::Ipv4Net::default().into()
        }
    }
}

fn side(way: Way, lines: &[AclLine]) -> Side {
    let mut after = lines.to_vec();
    renumber(&mut after);
    Side {
        way,
        before: lines.to_vec(),
        after,
        added: Vec::new(),
    }
}

fn renumber(lines: &mut [AclLine]) {
    for (place, line) in (1_i64..).zip(lines) {
        line.entry.priority = place;
    }
}

/// Puts the entries in that a source lacks on one side, above what refuses.
fn widen(
    side: &mut Side,
    facts: &AclFacts,
    context: &PlanContext,
    source: IpNet,
    port: u16,
    mark: &str,
) {
    let local = local(context, source);
    let wanted = Wanted {
        source,
        local,
        port,
    };
    let lines: Vec<&Entry> = side.after.iter().map(|line| &line.entry).collect();
    let Some(Gap { place, ports }) = gap(&lines, &wanted) else {
        return;
    };
    let new: Vec<AclLine> = match (facts.quintuple, side.way) {
        // Three fields: the client's own port cannot be named on the way in.
        (false, Way::In) => vec![triple(source, Way::In, (port, port), mark)],
        (false, Way::Out) => ports
            .iter()
            .map(|range| triple(source, Way::Out, *range, mark))
            .collect(),
        (true, way) => ports
            .iter()
            .map(|range| quintuple(source, local, port, way, *range, mark))
            .collect(),
    };
    for place in &mut side.added {
        *place += new.len();
    }
    side.added.extend(place..place + new.len());
    side.after.splice(place..place, new);
    renumber(&mut side.after);
}

/// The instance's own address of the source's family.
fn local(context: &PlanContext, source: IpNet) -> Option<std::net::IpAddr> {
    let mut addresses = context.instance.private_addresses.iter();
    let same = |it: &&std::net::IpAddr| it.is_ipv4() == source.addr().is_ipv4();
    addresses.find(same).copied()
}

fn range((first, last): (u16, u16)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

fn triple(source: IpNet, way: Way, ports: (u16, u16), mark: &str) -> AclLine {
    let field = match source {
        IpNet::V4(_) => "CidrBlock",
        IpNet::V6(_) => "Ipv6CidrBlock",
    };
    let port = range(ports);
    let (local_port, remote_port) = match way {
        Way::In => (port.clone(), String::new()),
        Way::Out => (String::new(), port.clone()),
    };
    AclLine {
        entry: Entry {
            remote_port,
            local_port,
            ..accept(source)
        },
        sent: json!({
            "Protocol": "TCP",
            "Port": port,
            field: source.to_string(),
            "Action": "ACCEPT",
            "Description": mark,
        }),
    }
}

fn quintuple(
    source: IpNet,
    local: Option<std::net::IpAddr>,
    port: u16,
    way: Way,
    ports: (u16, u16),
    mark: &str,
) -> AclLine {
    let family = if source.addr().is_ipv4() {
        "Cidr"
    } else {
        "IPv6Cidr"
    };
    let whole = IpNet::from_zero(source.addr().is_ipv6());
    let inside = local.map_or(whole, IpNet::from).to_string();
    let (remote_port, outside) = (range(ports), source.to_string());
    let (far, near) = match way {
        Way::In => ("Source", "Destination"),
        Way::Out => ("Destination", "Source"),
    };
    AclLine {
        entry: Entry {
            local: inside.clone(),
            local_port: port.to_string(),
            remote_port: remote_port.clone(),
            ..accept(source)
        },
        sent: json!({
            "Protocol": "TCP",
            format!("{far}Port"): remote_port,
            format!("{far}{family}"): outside,
            format!("{near}Port"): port.to_string(),
            format!("{near}{family}"): inside,
            "Action": "ACCEPT",
            "Description": mark,
        }),
    }
}

fn accept(source: IpNet) -> Entry {
    Entry {
        protocol: "TCP".to_owned(),
        remote: source.to_string(),
        action: Some(RuleAction::Accept),
        ..Entry::default()
    }
}

/// The lists of the directions that change, as they are or as they will be. A direction without an
/// entry is written as what it means, as an empty list could be taken for one that is not given.
fn entries(facts: &AclFacts, sides: &[Side], before: bool) -> AclEntries {
    let list = |way: Way| {
        let side = sides.iter().find(|side| side.way == way)?;
        let lines = if before { &side.before } else { &side.after };
        Some(Side::sent(lines))
    };
    AclEntries {
        acl: facts.id.clone(),
        quintuple: facts.quintuple,
        ingress: list(Way::In),
        egress: list(Way::Out),
    }
}

fn step(context: &PlanContext, purpose: Said, from: &AclEntries, to: &AclEntries) -> Step {
    let mut set = json!({});
    for (name, list) in [("Ingress", &to.ingress), ("Egress", &to.egress)] {
        match list {
            None => {}
            Some(list) if list.is_empty() => set[name] = json!([nothing(to.quintuple, name)]),
            Some(list) => set[name] = json!(list),
        }
    }
    let field = if to.quintuple {
        "NetworkAclQuintupleSet"
    } else {
        "NetworkAclEntrySet"
    };
    let mut step = Step::new(
        purpose,
        ApiCall::new(
            "vpc",
            "ModifyNetworkAclEntries",
            &context.instance.region,
            json!({ "NetworkAclId": to.acl, field: set }),
        ),
        Completion::Acl(to.clone()),
    );
    step.expects = Some(Expected::Acl(from.clone()));
    step
}

/// The change that removes every entry with this mark, in both directions, and nothing else.
pub(super) fn without_marked(
    context: &PlanContext,
    facts: &AclFacts,
    mark: &str,
) -> Result<Step, PlanError> {
    let mut sides = vec![side(Way::In, &facts.ingress), side(Way::Out, &facts.egress)];
    let marked = |line: &AclLine| {
        let description = line.sent["Description"].as_str().unwrap_or_default();
        super::rules::carries(description, mark)
    };
    for side in &mut sides {
        side.after.retain(|line| !marked(line));
    }
    sides.retain(|side| side.after.len() < side.before.len());
    if sides.is_empty() {
        return Err(PlanError::NothingToDo(said::no_entry_carries(
            &facts.id, mark,
        )));
    }
    let (before, after) = (entries(facts, &sides, true), entries(facts, &sides, false));
    let purpose = said::put_acl_back(&facts.id);
    Ok(step(context, purpose, &before, &after))
}

/// The entry that says what an empty direction does.
fn nothing(quintuple: bool, direction: &str) -> Value {
    let far = match (quintuple, direction) {
        (false, _) => "CidrBlock",
        (true, "Ingress") => "SourceCidr",
        (true, _) => "DestinationCidr",
    };
    json!({ "Protocol": "ALL", far: "0.0.0.0/0", "Action": "DROP" })
}

fn changes(facts: &AclFacts, sides: &[Side]) -> Vec<Said> {
    let mut all = Vec::new();
    for side in sides {
        for &place in &side.added {
            // The mark stands in the table below.
            let mut bare = side.after[place].clone();
            bare.sent["Description"] = Value::Null;
            let what = shown(&bare, facts.quintuple, side.way);
            let at = i64::try_from(place + 1).unwrap_or(i64::MAX);
            all.push(match side.way {
                Way::In => said::acl_gets_in(&facts.id, what, at),
                Way::Out => said::acl_gets_out(&facts.id, what, at),
            });
        }
    }
    all
}

/// An entry as a person reads it.
fn shown(line: &AclLine, quintuple: bool, way: Way) -> String {
    let text = |field: &str| line.sent[field].as_str().unwrap_or_default();
    let first = |fields: [&str; 2]| {
        let found = fields.into_iter().map(text).find(|it| !it.is_empty());
        found.unwrap_or("ALL").to_owned()
    };
    let action = text("Action").to_uppercase();
    let protocol = text("Protocol").to_uppercase();
    let port = |field: &str| first([field, field]);
    let note = text("Description");
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("  # {note}")
    };
    if quintuple {
        let from = first(["SourceCidr", "SourceIPv6Cidr"]);
        let to = first(["DestinationCidr", "DestinationIPv6Cidr"]);
        let (from_port, to_port) = (port("SourcePort"), port("DestinationPort"));
        return format!("{action} {protocol} {from} {from_port} -> {to} {to_port}{note}");
    }
    let net = first(["CidrBlock", "Ipv6CidrBlock"]);
    let arrow = if way == Way::In { "<-" } else { "->" };
    format!("{action} {protocol} {} {arrow} {net}{note}", port("Port"))
}

fn tables(
    plan: &mut Plan,
    facts: &AclFacts,
    sides: &[Side],
    context: &PlanContext,
    source: IpNet,
    port: u16,
) {
    let decided = |after: bool| {
        let list = |way: Way, lines: &[AclLine]| -> Vec<Entry> {
            let changed = sides.iter().find(|side| side.way == way && after);
            let lines = changed.map_or(lines, |side| &side.after);
            let mut lines = lines.to_vec();
            renumber(&mut lines);
            lines.into_iter().map(|line| line.entry).collect()
        };
        let acl = NetworkAcl {
            id: facts.id.clone(),
            name: facts.name.clone(),
            ingress: list(Way::In, &facts.ingress),
            egress: list(Way::Out, &facts.egress),
        };
        evaluate(&acl, source.network(), local(context, source), port, None).sentence
    };
    let (now, then) = (decided(false), decided(true));
    let mut differences = sides.iter().map(|side| {
        let lines = |lines: &[AclLine], added: &[usize]| -> Vec<RuleLine> {
            let numbered = (1_i64..).zip(lines).enumerate();
            numbered
                .map(|(place, (index, line))| RuleLine {
                    index,
                    text: Said::raw(shown(line, facts.quintuple, side.way)),
                    added: added.contains(&place),
                    ..RuleLine::default()
                })
                .collect()
        };
        RuleDifference {
            of: match side.way {
                Way::In => TableOf::AclInbound,
                Way::Out => TableOf::AclOutbound,
            },
            group: facts.id.clone(),
            group_name: facts.name.clone(),
            version: String::new(),
            decided_before: now.clone(),
            decided_after: then.clone(),
            before: lines(&side.before, &[]),
            after: lines(&side.after, &side.added),
        }
    });
    plan.rules = differences.next();
    plan.tables = differences.collect();
}

/// What lets much of the Internet in takes the typed name.
fn guard_width(plan: &mut Plan, sources: &[IpNet]) {
    let width = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 7,
    };
    if sources.iter().any(|net| net.prefix_len() == 0) {
        plan.warnings.push(said::open_whole_internet());
    } else if sources.iter().any(width) {
        plan.warnings.push(said::open_large_part());
    } else {
        return;
    }
    plan.risk = Risk::High;
    plan.confirmation = Confirmation::TypedName;
}
