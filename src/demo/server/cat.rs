//! Cloud Automated Testing (cat 2018-04-09): nodes, tasks and what they found.
//!
//! Must not live here: what a node meets (`world::probing`).

use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, refuse, spaced};
use crate::demo::world::{NODES, Node, ProbeTask, Probed, node_of};

/// Types of a one-off task: pages, networks and fetched files (`ProbeTask.TaskType`).
const ONE_OFF: [u64; 3] = [1, 3, 5];
const PORT: u64 = 4;
/// What can be asked of a port task (page 248/87308).
const FIELDS: [&str; 18] = [
    "ErrorId",
    "ProbeTime",
    "TargetAddress",
    "District",
    "City",
    "Operator",
    "ProbeIP",
    "ProbeIPV6",
    "ProbeDNS",
    "VisitInfo",
    "ClientName",
    "DTime",
    "VerifyRate",
    "DNSTime",
    "ConnectionTime",
    "RequestTime",
    "ResponseTime",
    "WaitTime",
];
/// Keys of `Parameters` of a port task that have to be there (same page).
const PARAMETERS: [&str; 10] = [
    "ipType",
    "grabBag",
    "protocolRequestType",
    "protocolCharacterEncoding",
    "protocolType",
    "protocolRequestContent",
    "protocolCustomHost",
    "protocolCustomHostIp",
    "protocolVerifyWay",
    "protocolVerifyText",
];

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeNodes" => Ok(nodes(call, true)),
        "DescribeProbeNodes" => Ok(nodes(call, false)),
        "CreateProbeTasks" => create(call),
        "DescribeProbeTasks" => tasks(call),
        "DescribeDetailedSingleProbeData" => results(call),
        "DeleteProbeTask" => delete(call),
        _ => call.unknown(),
    }
}

impl Call<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.parameters.get(name).and_then(Value::as_u64)
    }

    fn numbers(&self, name: &str) -> Vec<u64> {
        let list = self.parameters.get(name).and_then(Value::as_array);
        let list = list.into_iter().flatten();
        list.filter_map(Value::as_u64).collect()
    }
}

fn wrong<T>(what: &str) -> Result<T, Refusal> {
    refuse("InvalidParameterValue", what)
}

/// The nodes; those of the newer action come with what they can do, those of the older with their state.
fn nodes(call: &Call<'_>, newer: bool) -> Value {
    // 0 stands for all in the vendor's own examples.
    let is = |name: &str, own: u64| call.number(name).is_none_or(|it| it == 0 || it == own);
    let fits = |node: &&Node| {
        is("NodeType", node.kind)
            && is("Location", node.location)
            && call
                .number("TaskType")
                .is_none_or(|it| node.task_types.contains(&it))
            && call
                .bool("IsIPv6")
                .is_none_or(|six| six == (node.ip_type == 2))
            && (call.number("PayMode") != Some(1) || node.trial)
            && call
                .str("NodeName")
                .is_none_or(|part| name(node).contains(part))
    };
    let shown = NODES.iter().filter(fits).map(|node| {
        let mut row = json!({
            "Name": name(node), "Code": node.code, "Type": node.kind,
            "NetService": node.carrier, "District": node.district, "City": node.city,
            "IPType": node.ip_type, "Location": node.location, "CodeType": "",
        });
        if newer {
            row["TaskTypes"] = json!(node.task_types);
        } else {
            row["NodeDefineStatus"] = json!(if node.runs { 1 } else { 2 });
        }
        row
    });
    json!({ "NodeSet": shown.collect::<Vec<_>>() })
}

fn name(node: &Node) -> String {
    let kind = match node.kind {
        1 => "IDC",
        2 => "LM",
        _ => "Mobile",
    };
    let Node {
        district,
        city,
        carrier,
        ..
    } = node;
    format!("{district}-{city}-{carrier}[{kind}]")
}

fn create(call: &mut Call<'_>) -> Answer {
    let kind = call.number("TaskType").unwrap_or_default();
    // 0 is a timed task, everything else a one-off.
    if call.number("ProbeType").unwrap_or_default() != 0 && !ONE_OFF.contains(&kind) {
        return wrong("a one-off task loads pages, measures networks or fetches files");
    }
    if call.number("Interval").unwrap_or_default() == 0 {
        return wrong("Interval is in minutes");
    }
    let parameters = call.str("Parameters").unwrap_or_default().to_owned();
    let Ok(asked) = serde_json::from_str::<Map<String, Value>>(&parameters) else {
        return wrong("Parameters is no JSON object");
    };
    if kind == PORT
        && let Some(missing) = PARAMETERS.iter().find(|name| !asked.contains_key(**name))
    {
        return wrong(&format!("Parameters lacks {missing}"));
    }
    let category = call.number("TaskCategory").unwrap_or_default();
    let mut nodes = Vec::new();
    for code in call.list("Nodes").unwrap_or_default() {
        let Some(node) = node_of(&code) else {
            return wrong(&format!("there is no node {code:?}"));
        };
        if !node.task_types.contains(&kind) || (node.kind == 3) != (category == 2) {
            return wrong(&format!("the node {code} takes no such task"));
        }
        if node.runs {
            nodes.push(node);
        }
    }
    if nodes.is_empty() {
        return refuse("FailedOperation.NoValidNodes", "no node of these runs");
    }
    let batch = call.parameters.get("BatchTasks").and_then(Value::as_array);
    let batch = batch.cloned().unwrap_or_default();
    if batch.is_empty() {
        return wrong("BatchTasks names no task");
    }
    let mut ids = Vec::new();
    for one in &batch {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let target = text("TargetAddress");
        if kind == PORT && target.parse::<std::net::SocketAddrV4>().is_err() {
            return wrong("a port task of the demo connects to ADDRESS:PORT");
        }
        let id = call.world.new_id("task");
        call.world.note(
            "ap-guangzhou",
            "cat",
            "CreateProbeTasks",
            &id,
            call.request_id,
        );
        call.world.probe_tasks.push(ProbeTask {
            id: id.clone(),
            name: text("Name"),
            target,
            kind,
            trial: nodes.iter().all(|node| node.trial),
            nodes: nodes.clone(),
            interval: call.number("Interval").unwrap_or_default(),
            parameters: parameters.clone(),
            category,
            created: call.now,
        });
        ids.push(id);
    }
    Ok(json!({ "TaskIDs": ids }))
}

fn tasks(call: &mut Call<'_>) -> Answer {
    const RUNNING: u64 = 2;
    let ids = call.list("TaskIDs").unwrap_or_default();
    let part = |name: &str, own: &str| call.str(name).is_none_or(|part| own.contains(part));
    let among = |name: &str, own: u64| {
        let wanted = call.numbers(name);
        wanted.is_empty() || wanted.contains(&own)
    };
    let mode = |task: &ProbeTask| if task.trial { 1 } else { 2 };
    let fits = |task: &&ProbeTask| {
        (ids.is_empty() || ids.contains(&task.id))
            && part("TaskName", &task.name)
            && part("TargetAddress", &task.target)
            && among("TaskStatus", RUNNING)
            && among("TaskType", task.kind)
            && among("TaskCategory", task.category)
            && call.number("PayMode").is_none_or(|it| it == mode(task))
            && call.number("OrderState").is_none_or(|it| it == 1)
    };
    let found = call.world.probe_tasks.iter().filter(fits);
    let shown: Vec<Value> = found
        .map(|task| {
            let codes: Vec<&str> = task.nodes.iter().map(|node| node.code).collect();
            json!({
                "Name": task.name, "TaskId": task.id, "TaskType": task.kind, "Nodes": codes,
                "NodeIpType": 0, "Interval": task.interval, "Parameters": task.parameters,
                "Status": RUNNING, "TargetAddress": task.target, "PayMode": mode(task),
                "OrderState": 1, "TaskCategory": task.category,
                "CreatedAt": spaced(task.created), "Cron": "", "CronState": 2,
                "TagInfoList": [], "SubSyncFlag": 0,
            })
        })
        .collect();
    let total = shown.len();
    // Without any the service answers null.
    let page = Some(call.page(shown)?).filter(|page| !page.is_empty());
    Ok(json!({ "TaskSet": page, "Total": total }))
}

fn results(call: &mut Call<'_>) -> Answer {
    let selected = call.list("SelectedFields").unwrap_or_default();
    let sort = call.str("SortField").unwrap_or_default();
    if let Some(odd) = selected.iter().find(|it| !FIELDS.contains(&it.as_str())) {
        return wrong(&format!("there is no field {odd}"));
    }
    if sort != "ProbeTime" && !selected.iter().any(|it| it == sort) {
        return wrong("SortField is ProbeTime or a selected field");
    }
    let (from, until) = (call.number("BeginTime"), call.number("EndTime"));
    let (from, until) = (from.unwrap_or_default(), until.unwrap_or_default());
    if from > until {
        return wrong("BeginTime lies behind EndTime");
    }
    let of_ports = call.str("TaskType") == Some("AnalyzeTaskType_Transport");
    let ids = call.list("TaskID").unwrap_or_default();
    let world = &*call.world;
    let tasks = world.probe_tasks.iter();
    let tasks = tasks
        .filter(|it| (it.kind == PORT) == of_ports && (ids.is_empty() || ids.contains(&it.id)));
    let within = |at: jiff::Timestamp| {
        let ms = at.as_millisecond().max(0) as u64;
        (from..=until).contains(&ms)
    };
    let mut found: Vec<(String, Probed)> = tasks
        .flat_map(|task| {
            let probed = world.probed(task, call.now).into_iter();
            probed.map(|it| (task.target.clone(), it))
        })
        .filter(|(_, it)| within(it.at))
        .collect();
    found.sort_by_key(|(_, it)| it.at);
    if call.bool("Ascending") == Some(false) {
        found.reverse();
    }
    let shown: Vec<Value> = found
        .iter()
        .map(|(target, it)| row(target, it, &selected))
        .collect();
    let total = shown.len();
    Ok(json!({ "DataSet": call.page(shown)?, "TotalNumber": total }))
}

/// One result with the selected fields: words as labels, numbers as fields.
fn row(target: &str, it: &Probed, selected: &[String]) -> Value {
    let at = it.at.as_millisecond();
    let address = it.node.address.to_string();
    let chosen = |name: &str| selected.iter().any(|it| it == name);
    let labels = [
        ("TargetAddress", target),
        ("District", it.node.district),
        ("City", it.node.city),
        // One carrier has a short name here.
        ("Operator", it.node.carrier.trim_start_matches("中国")),
        ("ProbeIP", &address),
        ("ClientName", if it.node.kind == 2 { "LM" } else { "IDC" }),
    ];
    let fields = [
        ("ProbeTime", at as f64),
        ("ErrorId", it.error as f64),
        ("DTime", it.ms),
        ("ConnectionTime", it.ms),
    ];
    let labels = labels.iter().filter(|(name, _)| chosen(name)).enumerate();
    let labels = labels.map(|(id, (name, value))| json!({"ID": id, "Name": name, "Value": value}));
    let fields = fields.iter().filter(|(name, _)| chosen(name)).enumerate();
    let fields = fields.map(|(id, (name, value))| json!({"ID": id, "Name": name, "Value": value}));
    json!({
        "ProbeTime": at,
        "Labels": labels.collect::<Vec<_>>(),
        "Fields": fields.collect::<Vec<_>>(),
    })
}

fn delete(call: &mut Call<'_>) -> Answer {
    let ids = call.list("TaskIds").unwrap_or_default();
    let results: Vec<(String, bool)> = ids
        .into_iter()
        .map(|id| {
            let place = call.world.probe_tasks.iter().position(|it| it.id == id);
            if let Some(place) = place {
                call.world.probe_tasks.remove(place);
                call.world.note(
                    "ap-guangzhou",
                    "cat",
                    "DeleteProbeTask",
                    &id,
                    call.request_id,
                );
            }
            (id, place.is_some())
        })
        .collect();
    let done = results.iter().filter(|(_, done)| *done).count();
    let rows = results.iter().map(|(id, done)| {
        let message = if *done { "" } else { "the task does not exist" };
        json!({ "TaskId": id, "Success": done, "ErrorMessage": message })
    });
    Ok(json!({
        "Total": results.len(), "SuccessCount": done, "Results": rows.collect::<Vec<_>>(),
    }))
}
