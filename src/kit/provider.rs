//! The provider's nodes as vantages: which of them could look at the login port, and what their results
//! say (pure).
//!
//! The nodes are those of Cloud Automated Testing (`cat`, version 2018-04-09). What it answers is
//! bounded and cleaned; what its pages leave open is not read. Must not live here: the task that makes
//! them look (`action::provider`), asking (`runtime::providers`).

use std::cmp::Reverse;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::said;
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::state::reach;
use crate::domain::evidence::{Path, Reading, Source, Status, group};
use crate::domain::instance::Instance;
use crate::domain::said::{Figure, Joint, List, Said, Unit};
use crate::domain::text::sanitise;

/// Most nodes of one task.
pub const MOST: usize = 3;
/// `TaskType` of a task that connects to a port, and its word for results.
pub const PORT_TASK: u64 = 4;
const PORT_RESULTS: &str = "AnalyzeTaskType_Transport";
/// Results that are asked for at once, and read.
const PAGE: usize = 100;
/// Nodes of an answer that are read; the service has some hundreds.
const MOST_NODES: usize = 5_000;
const LONGEST: usize = 60;

/// What kind of machine a node is; those in mobile phones take another kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// At home behind a carrier, as users are.
    LastMile,
    /// In a data centre.
    DataCentre,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub code: String,
    pub kind: NodeKind,
    /// Whose network it is in.
    pub carrier: String,
    pub district: String,
    pub city: String,
    /// True where the trial version has it, too.
    pub trial: bool,
    /// `None` where the service does not say whether it runs.
    pub runs: Option<bool>,
}

fn text(row: &Value, name: &str) -> String {
    let text = row.get(name).and_then(Value::as_str).unwrap_or_default();
    sanitise(text, LONGEST)
}

fn rows<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let rows = answer.get(name).and_then(Value::as_array);
    rows.into_iter().flatten().take(MOST_NODES)
}

/// Asks for the nodes that take port tasks, and for those that the service knows of: all, and those of
/// the trial version.
pub fn questions() -> [ApiCall; 3] {
    let call = |action, parameters| ApiCall::new("cat", action, "", parameters);
    [
        call("DescribeNodes", json!({ "TaskType": PORT_TASK })),
        call("DescribeProbeNodes", json!({})),
        call("DescribeProbeNodes", json!({ "PayMode": 1 })),
    ]
}

/// The nodes that take a port task to an IPv4 address, from the answers to these.
pub fn nodes([able, known, trial]: [&Value; 3]) -> Vec<Node> {
    let coded = |answer, code: &str| rows(answer, "NodeSet").find(|row| text(row, "Code") == code);
    let read = |row: &Value| {
        let kind = match row.get("Type").and_then(Value::as_u64)? {
            1 => NodeKind::DataCentre,
            2 => NodeKind::LastMile,
            _ => return None,
        };
        let takes = row.get("TaskTypes").and_then(Value::as_array);
        let takes = takes.is_none_or(|all| all.iter().any(|it| it.as_u64() == Some(PORT_TASK)));
        let v6_only = row.get("IPType").and_then(Value::as_u64) == Some(2);
        let code = text(row, "Code");
        // A code is a number in every example; anything else is not sent back as one.
        let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
        let status = coded(known, &code)
            .and_then(|row| row.get("NodeDefineStatus"))
            .and_then(Value::as_u64);
        (takes && !v6_only && is_code).then(|| Node {
            kind,
            carrier: text(row, "NetService"),
            district: text(row, "District"),
            city: text(row, "City"),
            trial: coded(trial, &code).is_some(),
            runs: status.map(|status| status == 1),
            code,
        })
    };
    rows(able, "NodeSet").filter_map(read).collect()
}

impl Node {
    /// Who it is, for a sentence.
    pub fn who(&self) -> Said {
        let (carrier, district, city) = (&self.carrier, &self.district, &self.city);
        match self.kind {
            NodeKind::LastMile => said::node_at_home(&self.code, carrier, district, city),
            NodeKind::DataCentre => said::node_in_centre(&self.code, carrier, district, city),
        }
    }

    /// How many of the words name its carrier, district or city, in part at least.
    fn hits(&self, near: &[String]) -> usize {
        let own = [&self.carrier, &self.district, &self.city].map(|it| it.to_lowercase());
        let names = |word: &&String| own.iter().any(|it| it.contains(word.as_str()));
        near.iter().filter(names).count()
    }

    fn stands_with(&self, other: &Self) -> bool {
        (&self.carrier, &self.district, &self.city)
            == (&other.carrier, &other.district, &other.city)
    }

    fn is_meant(&self, seen: &Seen) -> bool {
        // The pages call one carrier by a long name among the nodes and a short one among the results.
        let like = |own: &str, told: &str| {
            !told.is_empty() && (own == told || own.contains(told) || told.contains(own))
        };
        like(&self.carrier, &seen.carrier)
            && like(&self.district, &seen.district)
            && like(&self.city, &seen.city)
    }
}

/// The words of `near`, ready to be compared.
pub fn words(near: &str) -> Vec<String> {
    let near = sanitise(near, 200).to_lowercase();
    let words = near.split([' ', ',', '、', '，']);
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The nodes that run, best first, as many as may be asked: those that the words name, then those that
/// stand where users do; each in another carrier's network or place.
pub fn best(nodes: &[Node], near: &[String]) -> Vec<Node> {
    let mut able: Vec<&Node> = nodes.iter().filter(|it| it.runs == Some(true)).collect();
    able.sort_by_key(|it| (Reverse(it.hits(near)), it.kind));
    let mut chosen: Vec<Node> = Vec::new();
    // Other carriers first: what one of them breaks shows beside the rest.
    for another_carrier in [true, false] {
        for node in &able {
            let known =
                |it: &Node| it.stands_with(node) || another_carrier && it.carrier == node.carrier;
            let fits = near.is_empty() || node.hits(near) == able[0].hits(near);
            if chosen.len() < MOST && fits && !chosen.iter().any(known) {
                chosen.push((*node).clone());
            }
        }
    }
    chosen
}

/// Whether the words name any node at all.
pub fn names_any(nodes: &[Node], near: &[String]) -> bool {
    nodes.iter().any(|it| it.hits(near) > 0)
}

/// The nodes of these codes, and why the rest is left out.
pub fn named(nodes: &[Node], codes: &[String]) -> (Vec<Node>, Vec<Said>) {
    let (mut chosen, mut left_out): (Vec<Node>, Vec<Said>) = (Vec::new(), Vec::new());
    for code in codes {
        let code = sanitise(code.trim(), LONGEST);
        match nodes.iter().find(|it| it.code == code) {
            None => left_out.push(said::no_such_node(code)),
            Some(node) if node.runs == Some(false) => left_out.push(said::node_is_off(node.who())),
            Some(node) if chosen.iter().any(|it| it.stands_with(node)) => {
                left_out.push(said::node_repeats(node.who()));
            }
            Some(node) => chosen.push(node.clone()),
        }
    }
    (chosen, left_out)
}

/// The address that the nodes connect to.
pub fn address(instance: &Instance) -> Option<IpAddr> {
    let mut addresses = instance.public_addresses.iter();
    addresses.find(|it| it.is_ipv4()).copied()
}

/// Asks for what the nodes of a task saw between two times.
pub fn results_call(task: &str, from: Timestamp, to: Timestamp) -> ApiCall {
    let fields = [
        "ProbeTime",
        "ErrorId",
        "TargetAddress",
        "District",
        "City",
        "Operator",
        "ProbeIP",
        "ConnectionTime",
    ];
    let parameters = json!({
        "BeginTime": from.as_millisecond().max(0),
        "EndTime": to.as_millisecond().max(0),
        "TaskType": PORT_RESULTS,
        "SortField": "ProbeTime",
        "Ascending": true,
        "SelectedFields": fields,
        "Offset": 0,
        "Limit": PAGE,
        "TaskID": [task],
    });
    ApiCall::new("cat", "DescribeDetailedSingleProbeData", "", parameters)
}

/// What one look of one node came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    carrier: String,
    district: String,
    city: String,
    /// Where it came from, where that was told.
    pub address: Option<IpAddr>,
    error: Option<u64>,
    ms: Option<f64>,
}

/// What a result says of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Connected,
    Not,
    /// The node's own fault, one of the task, or a code that says neither.
    Unknown,
}

impl Seen {
    /// By the vendor's table of errors of port tasks (page 248/87295): 601 is a connection that was not
    /// made in time, 603 and 607 are faults of what came after it. 600 (no name), 602 (network gone),
    /// 604 and 609 (too late), 605 and 606 (the task itself), 608 (TLS) say nothing of the port.
    fn end(&self) -> End {
        match self.error {
            Some(0 | 603 | 607) => End::Connected,
            Some(601) => End::Not,
            _ => End::Unknown,
        }
    }
}

/// The results in an answer; those about another address are none.
pub fn results(answer: &Value, target: &str) -> Vec<Seen> {
    let of = |row: &Value| {
        let label = |name: &str| {
            let labels = row.get("Labels").and_then(Value::as_array)?;
            let label = labels.iter().find(|it| text(it, "Name") == name)?;
            Some(text(label, "Value"))
        };
        let field = |name: &str| {
            let fields = row.get("Fields").and_then(Value::as_array)?;
            let field = fields.iter().find(|it| text(it, "Name") == name)?;
            field.get("Value").and_then(Value::as_f64)
        };
        let error = field("ErrorId").or_else(|| label("ErrorId")?.parse().ok());
        let whole = error.filter(|it| it.fract() == 0.0 && (0.0..1e9).contains(it));
        let about = label("TargetAddress");
        let seen = Seen {
            carrier: label("Operator").unwrap_or_default(),
            district: label("District").unwrap_or_default(),
            city: label("City").unwrap_or_default(),
            address: label("ProbeIP").and_then(|it| it.parse().ok()),
            error: whole.map(|it| it as u64),
            ms: field("ConnectionTime").filter(|it| (0.0..1e6).contains(it)),
        };
        about
            .is_none_or(|it| it.is_empty() || it == target)
            .then_some(seen)
    };
    rows(answer, "DataSet").take(PAGE).filter_map(of).collect()
}

/// True once each node has told something.
pub fn all_told(nodes: &[Node], seen: &[Seen]) -> bool {
    nodes
        .iter()
        .all(|node| seen.iter().any(|it| node.is_meant(it)))
}

/// What the nodes saw, as one reading: the port is open to strangers where one of them was connected;
/// who was not stands in the sentence.
pub fn reading(nodes: &[Node], seen: &[Seen], target: &str) -> Reading {
    let (mut connected, mut not, mut mixed) = (0, 0, 0);
    let each = nodes.iter().map(|node| {
        let own: Vec<&Seen> = seen.iter().filter(|it| node.is_meant(it)).collect();
        let ends = |end| own.iter().filter(|it| it.end() == end).count();
        let who = node.who();
        match (ends(End::Connected), ends(End::Not)) {
            (0, 0) => match own.last().map(|it| it.error) {
                None => said::node_told_nothing(who),
                Some(None) => said::node_unreadable(who),
                Some(Some(code)) => said::node_failed(who, code),
            },
            (good, 0) => {
                connected += 1;
                let ms = own.iter().rev().find_map(|it| it.ms);
                match ms {
                    Some(ms) => said::node_connected_in(who, good, milliseconds(ms)),
                    None => said::node_connected(who, good),
                }
            }
            (0, bad) => {
                not += 1;
                said::node_shut_out(who, bad)
            }
            (good, bad) => {
                mixed += 1;
                said::node_at_times(who, good, good + bad)
            }
        }
    });
    let each = List::said(Joint::Semicolons, each.collect::<Vec<_>>());
    let detail = said::nodes_saw(connected + mixed, nodes.len(), target, each);
    let state = match (connected, not, mixed) {
        (0, 0, 0) => return nothing(Status::ProbeFailed, detail),
        (_, _, 1..) => reach::FLAKY,
        (1.., ..) => reach::OPEN,
        _ => reach::ALL_SILENT,
    };
    Reading::observed(state, Source::Probe, detail).on_path(Path::Provider)
}

fn milliseconds(ms: f64) -> Figure {
    Figure::new(ms, 0, Unit::Milliseconds)
}

/// That they told nothing, and why.
pub fn nothing(status: Status, why: Said) -> Reading {
    Reading::without_state(group::REACH, Source::Probe, status, why).on_path(Path::Provider)
}
