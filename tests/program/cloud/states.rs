//! Every state of every group that the cloud tells, from answers of the recorded shape.
//!
//! The base is an instance in order; each row changes one answer and names what must be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use cvmtop::cloud::facts::{self, CloudFacts, FactRequest, GROUPS, RunInGuest};
use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Instance;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::server::{Request, Server, ok, refused};

fn minutes_ago(minutes: i64) -> i64 {
    Timestamp::now().as_second() - minutes * 60
}

/// A series of the last minutes that stays at a value.
fn flat(value: f64) -> Value {
    let times: Vec<i64> = (0..50).rev().map(minutes_ago).collect();
    json!({"DataPoints": [{"Timestamps": times, "Values": vec![value; 50], "Dimensions": []}]})
}

fn nothing() -> Value {
    json!({"DataPoints": [{"Timestamps": [], "Values": []}]})
}

fn address(changes: &Value) -> Value {
    let mut address = json!({"AddressId": "eip-1", "AddressIp": "198.51.100.7", "AddressStatus": "BIND",
        "AddressType": "EIP", "InstanceId": "ins-1", "IsBlocked": false, "IsArrears": false, "Bandwidth": 10});
    merge(&mut address, changes);
    json!({"TotalCount": 1, "AddressSet": [address]})
}

fn merge(into: &mut Value, changes: &Value) {
    for (key, value) in changes.as_object().expect("an object") {
        into[key] = value.clone();
    }
}

fn rule(fields: &Value) -> Value {
    let mut rule = json!({"PolicyIndex": 0, "Protocol": "TCP", "Port": "22", "Action": "ACCEPT"});
    merge(&mut rule, fields);
    json!({"SecurityGroupPolicySet": {"Version": "1", "Egress": [], "Ingress": [rule]}})
}

fn acl(ingress: &[&str], egress: &[&str]) -> Value {
    let side = |list: &[&str]| -> Vec<Value> {
        let entry = |text: &&str| {
            let mut words = text.split(' ');
            let mut next = || words.next().expect("a word").to_owned();
            json!({"Action": next(), "Protocol": next(), "Port": next(), "CidrBlock": next()})
        };
        list.iter().map(entry).collect()
    };
    json!({"NetworkAclSet": [{"NetworkAclId": "acl-1", "NetworkAclType": "TRIPLE",
        "IngressEntries": side(ingress), "EgressEntries": side(egress)}]})
}

fn subnet(acl: &str) -> Value {
    json!({"SubnetSet": [{"SubnetId": "subnet-1", "NetworkAclId": acl, "RouteTableId": "rtb-1",
        "CidrBlock": "10.0.1.0/24"}]})
}

fn routes(list: &Value) -> Value {
    json!({"RouteTableSet": [{"RouteTableId": "rtb-1", "RouteSet": list}]})
}

fn agent(status: &str, minutes: i64) -> Value {
    let last = Timestamp::from_second(minutes_ago(minutes)).expect("a time");
    json!({"AutomationAgentSet": [{"InstanceId": "ins-1", "AgentStatus": status, "Version": "1.0.21",
        "LastHeartbeatTime": last.to_string()}]})
}

fn task(status: &str, exit: i64) -> Value {
    let output = base64::engine::general_purpose::STANDARD.encode("cvmtop\n");
    json!({"InvocationTaskSet": [{"TaskStatus": status, "TaskResult": {"ExitCode": exit, "Output": output}}]})
}

fn repair(kind: u64, status: u64) -> Value {
    json!({"RepairTaskInfoSet": [{"TaskId": "rt-1", "InstanceId": "ins-1", "TaskTypeId": kind, "TaskStatus": status,
        "TaskTypeName": "by the platform", "CreateTime": "2026-01-01 10:00:00"}]})
}

fn event(name: &str) -> Value {
    json!({"Events": [{"EventName": name, "InstanceId": "ins-1", "Status": "-", "StartTime": minutes_ago(20)}]})
}

fn change(minutes: i64) -> Value {
    json!({"Events": [{"EventName": "ModifySecurityGroupPolicies", "EventTime": minutes_ago(minutes).to_string(),
        "Username": "ops", "SourceIPAddress": "203.0.113.9", "CloudAuditEvent": "{\"apiErrorCode\":\"0\"}"}]})
}

/// What an instance in order answers.
pub(crate) fn base() -> Map<String, Value> {
    let answers = json!({
        "DescribeAddresses": address(&json!({})),
        "DescribeNetworkAccountType": {"NetworkAccountType": "STANDARD"},
        "DescribeIpBlockList": {"List": []},
        "DescribeBasicDeviceStatus": {"Data": [{"Key": "198.51.100.7", "Value": "2"}]},
        "DescribeDDoSBlockRecords": {"BlockRecords": []},
        "DescribeSecurityGroups": {"SecurityGroupSet": [{"SecurityGroupId": "sg-1", "SecurityGroupName": "web"}]},
        "DescribeSecurityGroupPolicies": rule(&json!({"CidrBlock": "0.0.0.0/0"})),
        "DescribeSubnets": subnet(""),
        "DescribeRouteTables": routes(&json!([])),
        "DescribeNetworkInterfaces": {"NetworkInterfaceSet": [{"NetworkInterfaceId": "eni-1", "Attachment": {"InstanceId": "ins-1"}}]},
        "DescribeVpcs": {"VpcSet": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]},
        "GetMonitorData": flat(12.0),
        "GetMonitorData/WanOuttraffic": flat(1.0),
        "GetMonitorData/WanIntraffic": flat(1.0),
        "GetMonitorData/DiskAwait": flat(2.0),
        "DescribeDisks": {"DiskSet": [{"DiskId": "disk-1", "InstanceId": "ins-1"}]},
        "DescribeAutomationAgentStatus": agent("Online", 0),
        "RunCommand": {"InvocationId": "inv-1"},
        "DescribeInvocationTasks": task("SUCCESS", 0),
        "DescribeTaskInfo": {"RepairTaskInfoSet": []},
        "DescribeAccidentEventList": {"Alarms": []},
        "DescribeProductEventList": {"Events": []},
        "DescribeEvents": {"Events": []},
        "DescribeAccountBalance": {"RealBalance": 100, "RealCreditBalance": 100},
    });
    answers.as_object().expect("an object").clone()
}

/// The instance in order, as `DescribeInstances` sends it.
fn instance(changes: &Value) -> Value {
    let mut instance = json!({"InstanceId": "ins-1", "InstanceName": "web", "InstanceState": "RUNNING",
        "OsName": "Debian 12", "RestrictState": "NORMAL", "IsolatedSource": "NOTISOLATED",
        "PublicIpAddresses": ["198.51.100.7"], "PrivateIpAddresses": ["10.0.1.5"], "SecurityGroupIds": ["sg-1"],
        "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"}});
    merge(&mut instance, changes);
    instance
}

fn operation(action: &str, state: &str) -> Value {
    json!({"LatestOperation": action, "LatestOperationState": state, "LatestOperationRequestId": "req-1"})
}

/// One row: the group, its state, fields of the instance, answers.
type Row = (&'static str, &'static str, Value, Value);

fn rows() -> Vec<Row> {
    let on = |fields: Value| fields;
    let none = || json!({});
    let mut rows: Vec<Row> = Vec::new();
    let mut instance_row =
        |id, state, fields: Value, answers: Value| rows.push((id, state, fields, answers));
    for (sent, state) in [
        ("RUNNING", "running"),
        ("SERVICE_LIVE_MIGRATE", "running"),
        ("STOPPED", "stopped"),
        ("SHUTDOWN", "stopped"),
        ("PENDING", "transitional"),
        ("REBOOTING", "transitional"),
        ("TERMINATING", "terminating"),
        ("RESCUE_MODE", "rescue"),
        ("LAUNCH_FAILED", "launch-failed"),
    ] {
        instance_row(
            "instance-state",
            state,
            json!({"InstanceState": sent}),
            none(),
        );
    }
    let mut long = operation("StopInstances", "OPERATING");
    merge(&mut long, &json!({"InstanceState": "STOPPING"}));
    let began = json!({"DescribeEvents": change(25)});
    instance_row("instance-state", "stuck", long.clone(), began.clone());
    instance_row("last-operation", "running-too-long", long, began);
    instance_row("last-operation", "none", none(), none());
    instance_row(
        "last-operation",
        "succeeded",
        operation("StartInstances", "SUCCESS"),
        none(),
    );
    instance_row(
        "last-operation",
        "failed",
        operation("StartInstances", "FAILED"),
        none(),
    );
    let password = operation("ResetInstancesPassword", "FAILED");
    instance_row("last-operation", "failed-password-reset", password, none());
    instance_row("restriction", "normal", none(), none());
    instance_row(
        "restriction",
        "expired",
        json!({"RestrictState": "EXPIRED"}),
        none(),
    );
    instance_row(
        "restriction",
        "expired",
        json!({"IsolatedSource": "MANMADE"}),
        none(),
    );
    instance_row(
        "restriction",
        "arrears",
        json!({"IsolatedSource": "ARREAR"}),
        none(),
    );
    let isolated = json!({"RestrictState": "PROTECTIVELY_ISOLATED"});
    instance_row("restriction", "isolated", isolated, none());

    let mut row = |id, state, answers: Value| rows.push((id, state, json!({}), answers));
    row("account-balance", "positive", none());
    let owes = json!({"RealBalance": 5, "RealCreditBalance": "-120.5"});
    row(
        "account-balance",
        "negative",
        json!({"DescribeAccountBalance": owes}),
    );
    let credit = json!({"RealBalance": -500, "RealCreditBalance": 20});
    row(
        "account-balance",
        "positive",
        json!({"DescribeAccountBalance": credit}),
    );
    row("public-address", "present", none());
    row(
        "public-address",
        "arrears",
        json!({"DescribeAddresses": address(&json!({"IsArrears": "true"}))}),
    );
    row("public-bandwidth", "nonzero", none());
    row(
        "public-bandwidth",
        "zero",
        json!({"DescribeAddresses": address(&json!({"Bandwidth": 0}))}),
    );
    row("ddos-block", "none", none());
    let device = |value: &str| json!({"DescribeBasicDeviceStatus": {"Data": [{"Key": "198.51.100.7", "Value": value}]}});
    row("ddos-block", "attacked", device("3"));
    row("ddos-block", "blocked", device("1"));
    row(
        "ddos-block",
        "blocked",
        json!({"DescribeAddresses": address(&json!({"IsBlocked": true}))}),
    );
    let record = json!({"BlockRecords": [{"Resource": "198.51.100.7", "Status": "Blocked", "BlockTime": "now"}]});
    row(
        "ddos-block",
        "blocked",
        json!({"DescribeDDoSBlockRecords": record}),
    );
    let listed =
        json!({"List": [{"Ip": "198.51.100.7", "Status": "Blocked", "UnBlockTime": "later"}]});
    row(
        "ddos-block",
        "blocked",
        json!({"DescribeIpBlockList": listed}),
    );

    for (state, fields) in [
        ("allow", on(json!({"CidrBlock": "203.0.113.0/24"}))),
        (
            "deny-explicit",
            on(json!({"CidrBlock": "0.0.0.0/0", "Action": "DROP"})),
        ),
        (
            "deny-default",
            on(json!({"CidrBlock": "0.0.0.0/0", "Port": "443"})),
        ),
        (
            "allow-other-source-only",
            on(json!({"CidrBlock": "192.0.2.0/24"})),
        ),
        (
            "unresolved",
            on(json!({"AddressTemplate": {"AddressId": "ipm-1"}})),
        ),
    ] {
        let answers = json!({"DescribeSecurityGroupPolicies": rule(&fields)});
        row("security-group", state, answers.clone());
        row("security-group-here", state, answers);
    }
    row("network-acl", "none", none());
    for (state, ingress, egress) in [
        (
            "allow",
            &["ACCEPT TCP 22 0.0.0.0/0"][..],
            &["ACCEPT ALL ALL 0.0.0.0/0"][..],
        ),
        (
            "deny-in",
            &["DROP TCP 22 0.0.0.0/0"],
            &["ACCEPT ALL ALL 0.0.0.0/0"],
        ),
        (
            "deny-return",
            &["ACCEPT ALL ALL 0.0.0.0/0"],
            &["ACCEPT TCP 443 0.0.0.0/0"],
        ),
        (
            "unresolved",
            &["DROP TCP ssh 0.0.0.0/0"],
            &["ACCEPT ALL ALL 0.0.0.0/0"],
        ),
    ] {
        let bound = json!({"DescribeSubnets": subnet("acl-1"), "DescribeNetworkAcls": acl(ingress, egress)});
        row("network-acl", state, bound);
    }
    row("route", "ok", none());
    let to = |enabled: bool| {
        routes(
            &json!([{"DestinationCidrBlock": "172.16.0.0/12", "GatewayType": "NORMAL_CVM",
            "GatewayId": "10.0.9.9", "Enabled": enabled}]),
        )
    };
    // The peer that the route goes to is the instance itself in these answers, under another address.
    row("route", "missing", json!({"from": "172.16.4.4"}));
    row(
        "route",
        "missing",
        json!({"from": "172.16.4.4", "DescribeRouteTables": to(false)}),
    );
    row(
        "route",
        "ok",
        json!({"from": "172.16.4.4", "DescribeRouteTables": to(true)}),
    );
    let hop = json!({"from": "172.16.4.4", "DescribeRouteTables": to(true), "hop": "STOPPED"});
    row("route", "blackhole", hop);
    // The list of instances is read, and nobody in it has the address.
    let gone = json!({"from": "172.16.4.4", "DescribeRouteTables": to(true), "no-hop": true});
    row("route", "blackhole", gone);

    let metric = |name: &str, value: f64| json!({format!("GetMonitorData/{name}"): flat(value)});
    row("bandwidth-use", "low", none());
    row("bandwidth-use", "high", metric("WanOuttraffic", 8.0));
    row("bandwidth-use", "saturated", metric("WanIntraffic", 9.8));
    row(
        "bandwidth-use",
        "no-data",
        json!({"GetMonitorData/WanOuttraffic": nothing(), "GetMonitorData/WanIntraffic": nothing()}),
    );
    row("cpu", "normal", none());
    row("cpu", "high", metric("BaseCpuUsage", 88.0));
    row("cpu", "pegged", metric("BaseCpuUsage", 99.0));
    row(
        "cpu",
        "capped",
        json!({"GetMonitorData/BaseCpuUsage": flat(20.0), "GetMonitorData/CPUUsage": flat(99.0)}),
    );
    row(
        "cpu",
        "no-data",
        json!({"GetMonitorData/BaseCpuUsage": nothing(), "GetMonitorData/CPUUsage": nothing()}),
    );
    row("memory", "normal", none());
    row("memory", "high", metric("MemUsage", 93.0));
    row("memory", "exhausted", metric("MemUsage", 98.5));
    row(
        "memory",
        "exhausted",
        json!({"DescribeProductEventList": event("guest_oom"), "GetMonitorData/MemUsage": nothing()}),
    );
    row(
        "memory",
        "no-data",
        json!({"GetMonitorData/MemUsage": nothing()}),
    );
    row("disk", "normal", none());
    row("disk", "nearly-full", metric("CvmDiskUsage", 94.0));
    row("disk", "full", metric("CvmDiskUsage", 99.6));
    row(
        "disk",
        "read-only",
        json!({"DescribeProductEventList": event("disk_readonly")}),
    );
    row(
        "disk",
        "no-data",
        json!({"GetMonitorData/CvmDiskUsage": nothing()}),
    );
    row("disk-io", "normal", none());
    row("disk-io", "high", metric("DiskUtil", 85.0));
    row("disk-io", "saturated", metric("DiskUtil", 99.0));
    row(
        "disk-io",
        "hang",
        json!({"GetMonitorData/DiskUtil": flat(100.0), "GetMonitorData/DiskAwait": flat(20_000.0)}),
    );
    row(
        "disk-io",
        "no-data",
        json!({"DescribeDisks": {"DiskSet": []}}),
    );
    row("agent", "online", none());
    row(
        "agent",
        "offline-recent",
        json!({"DescribeAutomationAgentStatus": agent("Offline", 12)}),
    );
    row(
        "agent",
        "offline-long",
        json!({"DescribeAutomationAgentStatus": agent("Offline", 300)}),
    );
    row(
        "agent",
        "never",
        json!({"DescribeAutomationAgentStatus": {"AutomationAgentSet": []}}),
    );
    row("agent-exec", "ok", none());
    row(
        "agent-exec",
        "failed",
        json!({"DescribeInvocationTasks": task("FAILED", 126)}),
    );
    row(
        "agent-exec",
        "timeout",
        json!({"DescribeInvocationTasks": task("TASK_TIMEOUT", -1)}),
    );
    row("platform-event", "none", none());
    row(
        "platform-event",
        "none",
        json!({"DescribeTaskInfo": repair(102, 3)}),
    );
    row(
        "platform-event",
        "maintenance-planned",
        json!({"DescribeTaskInfo": repair(107, 4)}),
    );
    row(
        "platform-event",
        "maintenance",
        json!({"DescribeTaskInfo": repair(107, 2)}),
    );
    row(
        "platform-event",
        "fault",
        json!({"DescribeTaskInfo": repair(102, 2)}),
    );
    let incident = json!({"Alarms": [{"AccidentTypeDesc": "run fault", "EventStatus": "1", "AffectResource": "ins-1"}]});
    row(
        "platform-event",
        "fault",
        json!({"DescribeAccidentEventList": incident}),
    );
    row(
        "platform-event",
        "guest-reboot",
        json!({"DescribeProductEventList": event("guest_reboot")}),
    );
    row(
        "platform-event",
        "guest-crash",
        json!({"DescribeProductEventList": event("GuestCoreError")}),
    );
    row("recent-change", "none", none());
    // The program's own checks inside the guest change nothing.
    let looked = json!({"Events": [{"EventName": "RunCommand", "EventTime": minutes_ago(60).to_string(), "Username": "ops",
        "CloudAuditEvent": "{\"requestParameters\":\"{\\\"CommandName\\\":\\\"cvmtop-guest-check\\\"}\"}"}]});
    row("recent-change", "none", json!({"DescribeEvents": looked}));
    row(
        "recent-change",
        "relevant-before-onset",
        json!({"DescribeEvents": change(90)}),
    );
    row(
        "recent-change",
        "after-onset",
        json!({"DescribeEvents": change(5)}),
    );
    rows.push((
        "public-address",
        "none",
        json!({"PublicIpAddresses": []}),
        json!({"DescribeAddresses": {"AddressSet": []}}),
    ));
    let loose = address(&json!({"AddressStatus": "UNBIND"}));
    rows.push((
        "public-address",
        "unbound",
        json!({"PublicIpAddresses": []}),
        json!({"DescribeAddresses": loose}),
    ));
    rows
}

/// Serves the base with changes. `refuse` is an action and the code of its refusal.
pub(crate) async fn serve(fields: &Value, answers: &Value, refuse: Option<(&str, &str)>) -> Server {
    let mut all = base();
    for (key, value) in answers.as_object().expect("an object") {
        all.insert(key.clone(), value.clone());
    }
    let mut listed = vec![instance(fields)];
    if let Some(state) = answers.get("hop") {
        listed.push(json!({"InstanceId": "ins-hop", "InstanceState": state, "PrivateIpAddresses": ["10.0.9.9"]}));
    }
    all.insert(
        "DescribeInstances".into(),
        json!({"TotalCount": listed.len(), "InstanceSet": listed}),
    );
    let all = Arc::new(all);
    let refuse = refuse.map(|(action, code)| (action.to_owned(), code.to_owned()));
    Server::start(move |request: &Request| {
        if let Some((action, code)) = &refuse
            && (*action == request.action
                || (action == ALL_BUT_THE_INSTANCE && request.action != "DescribeInstances"))
        {
            return refused(code);
        }
        let asks_for_the_hop = request.body["Filters"].to_string().contains("10.0.9.9");
        if all.contains_key("no-hop") && asks_for_the_hop {
            return ok(json!({"TotalCount": 0, "InstanceSet": []}));
        }
        let metric = request.body["MetricName"].as_str().unwrap_or_default();
        let particular = all.get(&format!("{}/{metric}", request.action));
        match particular.or_else(|| all.get(&request.action)) {
            Some(answer) => ok(answer.clone()),
            None => refused("ResourceNotFound"),
        }
    })
    .await
}

pub(crate) async fn read(server: &Server, answers: &Value) -> CloudFacts {
    let from = answers["from"].as_str();
    let source = from.unwrap_or("203.0.113.7").parse().expect("an address");
    let request = FactRequest {
        user_source: Some(source),
        own_sources: vec![(Path::Public, "203.0.113.7".parse().expect("an address"))],
        onset: Timestamp::from_second(minutes_ago(60)).ok(),
        run_in_guest: RunInGuest::Trivial,
        time_limit: Duration::from_secs(20),
        ..FactRequest::default()
    };
    let known = Instance {
        id: "ins-1".into(),
        region: "ap-seoul".into(),
        ..Instance::default()
    };
    let (sink, _receiver) = mpsc::channel(64);
    facts::gather(&server.client(), &known, &request, sink).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_the_cloud_is_read_from_an_answer_of_its_shape() {
    let mut wrong = Vec::new();
    let mut produced = Vec::new();
    for (id, want, fields, answers) in rows() {
        let facts = read(&serve(&fields, &answers, None).await, &answers).await;
        let reading = facts
            .readings
            .iter()
            .find(|r| r.id == id)
            .expect("a reading");
        if reading.observed_state() == Some(want) {
            produced.push((id, want));
        } else {
            wrong.push(format!(
                "{id}: {:?} {}, not {want}: {answers}",
                reading.state, reading.detail
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for id in GROUPS {
        let group = Knowledge::shipped().group(id).expect("a group");
        for state in &group.states {
            assert!(
                produced.contains(&(*id, state.as_str())),
                "no row produces {id} = {state}"
            );
        }
    }
}

/// What is refused beside each action alone: all of them but the instance itself, since some groups
/// have several sources.
const ALL_BUT_THE_INSTANCE: &str = "*";

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_each_action_is_never_a_state() {
    let healthy = read(&serve(&json!({}), &json!({}), None).await, &json!({})).await;
    let usual = |reading: &Reading| {
        let usual = healthy.readings.iter().find(|r| r.key() == reading.key());
        usual
            .and_then(|reading| reading.observed_state())
            .map(str::to_owned)
    };
    let base = base();
    let more = ["DescribeInstances", ALL_BUT_THE_INSTANCE];
    let actions = base
        .keys()
        .map(String::as_str)
        .filter(|key| !key.contains('/'));
    let mut produced = BTreeSet::new();
    for action in actions.chain(more) {
        for (code, status) in [
            ("UnauthorizedOperation.CamNoAuth", Status::NotPermitted),
            ("InvalidParameterValue", Status::ProbeFailed),
            ("InvalidAction", Status::ProbeFailed),
        ] {
            let server = serve(&json!({}), &json!({}), Some((action, code))).await;
            let facts = read(&server, &json!({})).await;
            for reading in &facts.readings {
                let told = reading.observed_state().map(str::to_owned);
                // Without the instance itself, groups that need its network do not apply.
                let allowed = [status, Status::NotAttempted];
                if told.is_some() {
                    assert_eq!(told, usual(reading), "{action} {code}: {reading:?}");
                } else if action != "DescribeInstances" {
                    assert!(
                        allowed.contains(&reading.status),
                        "{action} {code}: {reading:?}"
                    );
                }
                produced.insert((reading.id.clone(), reading.status.as_str()));
            }
        }
    }
    for id in GROUPS {
        for status in [Status::NotPermitted, Status::ProbeFailed] {
            assert!(
                produced.contains(&((*id).to_owned(), status.as_str())),
                "no refusal leaves {id} {}",
                status.as_str()
            );
        }
    }
}
