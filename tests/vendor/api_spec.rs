//! Every request that the client sends and every answer of the demo cloud agrees with the vendor's
//! specification: names, types, required fields, documented values.

use crate::support::python;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cvmtop::action::catalog::{CATALOG, Kind, ParameterSpec};
use cvmtop::action::context::PlanContext;
use cvmtop::action::plan::{Plan, Step, Undo};
use cvmtop::action::provider::Probe;
use cvmtop::action::{self, Parameters, catalog};
use cvmtop::cloud::client::{Client, ClientConfig};
use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::facts::{self, FactRequest, RELEVANT_CHANGES, RunInGuest};
use cvmtop::cloud::inventory;
use cvmtop::cloud::permissions::{DEEP, READS, Sample};
use cvmtop::demo::{self, DemoCloud, DemoOptions};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::api_call::ApiCall;
use cvmtop::domain::evidence::Path as NetworkPath;
use cvmtop::domain::instance::Instance;
use cvmtop::domain::said::{Joint, List, Said};
use cvmtop::domain::site::NOT_ABROAD;
use cvmtop::kit::provider::{self, Node};
use cvmtop::runtime::execute::{Desk, PrepareOptions, prepare_plan};
use cvmtop::store::journal::Journal;
use serde_json::{Value, json};

struct Run {
    client: Client,
}

impl Run {
    async fn send(&self, service: &str, action: &str, parameters: Value) -> Value {
        self.send_as("", service, action, parameters).await
    }

    async fn send_as(
        &self,
        version: &str,
        service: &str,
        action: &str,
        parameters: Value,
    ) -> Value {
        let mut call = ApiCall::new(service, action, "ap-seoul", parameters);
        if !version.is_empty() {
            call = call.with_version(version);
        }
        match self.client.call(&call).await {
            Ok(answer) => answer.response,
            Err(error) => panic!("{action} was refused: {error}"),
        }
    }

    /// The instance with this name in Seoul.
    async fn instance(&self, name: &str) -> Value {
        let filter = json!({"Filters": [{"Name": "instance-name", "Values": [name]}]});
        let answer = self.send("cvm", "DescribeInstances", filter).await;
        answer["InstanceSet"][0].clone()
    }

    async fn id(&self, name: &str) -> Value {
        self.instance(name).await["InstanceId"].clone()
    }

    async fn settled(&self, name: &str) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while self.instance(name).await["LatestOperationState"] == "OPERATING" {
            assert!(std::time::Instant::now() < deadline, "{name} never settled");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

async fn read_machines(run: &Run) {
    let web = run.instance("shop-web-01").await;
    let id = &web["InstanceId"];
    let page = json!({"Limit": 100});
    run.send("cvm", "DescribeInstances", page.clone()).await;
    run.send("cvm", "DescribeInstancesStatus", page.clone())
        .await;
    run.send("cvm", "DescribeZones", json!({})).await;
    let of_type = json!({"Filters": [
        {"Name": "zone", "Values": ["ap-seoul-1"]},
        {"Name": "instance-type", "Values": [web["InstanceType"]]},
        {"Name": "instance-charge-type", "Values": ["POSTPAID_BY_HOUR"]},
    ]});
    run.send("cvm", "DescribeZoneInstanceConfigInfos", of_type)
        .await;
    run.send("cvm", "DescribeKeyPairs", json!({})).await;
    for name in [
        "DescribeInstanceInternetBandwidthConfigs",
        "DescribeInstanceVncUrl",
    ] {
        run.send("cvm", name, json!({"InstanceId": id})).await;
    }
    let price = json!({"InstanceIds": [id], "InternetAccessible": {"InternetMaxBandwidthOut": 10}});
    run.send(
        "cvm",
        "InquiryPriceResetInstancesInternetMaxBandwidth",
        price,
    )
    .await;
    run.send("cbs", "DescribeDisks", page.clone()).await;
    run.send("tat", "DescribeAutomationAgentStatus", page.clone())
        .await;
    for metric in ["CPUUsage", "BaseCpuUsage", "WanOuttraffic"] {
        let instances: Vec<Value> = [id.clone(), run.id("mail-01").await]
            .iter()
            .map(|id| json!({"Dimensions": [{"Name": "InstanceId", "Value": id}]}))
            .collect();
        let query = json!({
            "Namespace": "QCE/CVM", "MetricName": metric, "Period": 60, "Instances": instances,
            "SpecifyStatistics": 7,
        });
        run.send("monitor", "GetMonitorData", query).await;
    }
    run.send(
        "monitor",
        "DescribeBaseMetrics",
        json!({"Namespace": "QCE/CVM"}),
    )
    .await;
    for action in ["DescribeAccidentEventList", "DescribeProductEventList"] {
        run.send("monitor", action, json!({"Module": "monitor"}))
            .await;
    }
}

async fn read_networks(run: &Run) {
    let web = run.instance("shop-web-01").await;
    let group = &web["SecurityGroupIds"][0];
    for action in [
        "DescribeSecurityGroups",
        "DescribeServiceTemplates",
        "DescribeAddressTemplates",
        "DescribeServiceTemplateGroups",
        "DescribeAddressTemplateGroups",
        "DescribeSecurityGroupLimits",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "DescribeVpcs",
        "DescribeNetworkAcls",
        "DescribeRouteTables",
        "DescribeAddresses",
        "DescribeNetworkAccountType",
    ] {
        run.send("vpc", action, json!({})).await;
    }
    for wanted in ["office-only", "bastion-members"] {
        let filter = json!({"Filters": [{"Name": "security-group-name", "Values": [wanted]}]});
        let groups = run.send("vpc", "DescribeSecurityGroups", filter).await;
        let id = &groups["SecurityGroupSet"][0]["SecurityGroupId"];
        for action in [
            "DescribeSecurityGroupPolicies",
            "DescribeSecurityGroupExpandedPolicies",
        ] {
            run.send("vpc", action, json!({"SecurityGroupId": id}))
                .await;
        }
    }
    let statistics = json!({"SecurityGroupIds": [group]});
    run.send(
        "vpc",
        "DescribeSecurityGroupAssociationStatistics",
        statistics,
    )
    .await;
    let ordinary = json!({"Filters": [{"Name": "address-type", "Values": ["WanIP"]}]});
    run.send("vpc", "DescribeAddresses", ordinary).await;
    let acls = run.send("vpc", "DescribeNetworkAcls", json!({})).await;
    let acl = &acls["NetworkAclSet"][0]["NetworkAclId"];
    run.send(
        "vpc",
        "DescribeNetworkAclQuintupleEntries",
        json!({"NetworkAclId": acl}),
    )
    .await;
}

fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

async fn read_account(run: &Run) {
    for action in ["DescribeIpBlockList", "DescribePendingRiskInfo"] {
        run.send("antiddos", action, json!({})).await;
    }
    run.send(
        "antiddos",
        "DescribeBasicDeviceStatus",
        json!({"IpList": ["127.0.0.9"]}),
    )
    .await;
    let range = json!({"StartTime": "2026-01-01 00:00:00", "EndTime": "2026-12-31 00:00:00"});
    run.send("antiddos", "DescribeOverviewDDoSEventList", range)
        .await;
    let now = jiff::Timestamp::now();
    let day = jiff::SignedDuration::from_hours(24);
    let range = json!({"StartTime": iso(now - day), "EndTime": iso(now)});
    let records = run
        .send_as("2025-09-03", "antiddos", "DescribeDDoSBlockRecords", range)
        .await;
    let blocked = records["BlockRecords"][0]["Resource"].clone();
    let resources = json!({"Resources": [blocked]});
    run.send_as("2025-09-03", "antiddos", "UnblockResources", resources)
        .await;
    run.send("billing", "DescribeAccountBalance", json!({}))
        .await;
    let seconds = now.as_second();
    let range = json!({"StartTime": seconds - 86_400, "EndTime": seconds, "MaxResults": 50});
    run.send("cloudaudit", "DescribeEvents", range).await;
    run.send("region", "DescribeRegions", json!({"Product": "cvm"}))
        .await;
    run.send("sts", "GetCallerIdentity", json!({})).await;
}

async fn change_machines(run: &Run) {
    let (web, staging) = (run.id("shop-web-01").await, run.id("staging-web-01").await);
    let one = |id: &Value| json!({"InstanceIds": [id]});
    run.send("cvm", "StartInstances", one(&staging)).await;
    run.send("cvm", "RebootInstances", one(&web)).await;
    run.settled("shop-web-01").await;
    run.send("cvm", "StopInstances", one(&web)).await;
    run.settled("shop-web-01").await;
    let password = json!({"InstanceIds": [web], "Password": "Correct-Horse-9"});
    run.send("cvm", "ResetInstancesPassword", password).await;
    run.settled("shop-web-01").await;
    let keys = json!({"InstanceIds": [web], "KeyIds": ["skey-abcdefgh"]});
    for action in [
        "AssociateInstancesKeyPairs",
        "DisassociateInstancesKeyPairs",
    ] {
        run.send("cvm", action, keys.clone()).await;
        run.settled("shop-web-01").await;
    }
    let groups = run.send("vpc", "DescribeSecurityGroups", json!({})).await;
    let group = groups["SecurityGroupSet"][0]["SecurityGroupId"].clone();
    let bind = json!({"InstanceIds": [web], "SecurityGroupIds": [group]});
    for action in ["AssociateSecurityGroups", "DisassociateSecurityGroups"] {
        run.send("cvm", action, bind.clone()).await;
    }
    let name = json!({"InstanceIds": [web], "InstanceName": "shop-web-01"});
    run.send("cvm", "ModifyInstancesAttribute", name).await;
    let more = json!({"InstanceIds": [web], "InternetAccessible": {"InternetMaxBandwidthOut": 20}});
    run.send("cvm", "ResetInstancesInternetMaxBandwidth", more)
        .await;
    run.send(
        "cvm",
        "EnterRescueMode",
        json!({"InstanceId": web, "Password": "Correct-Horse-9"}),
    )
    .await;
    run.settled("shop-web-01").await;
    run.send("cvm", "ExitRescueMode", json!({"InstanceId": web}))
        .await;
    let disks = run.send("cbs", "DescribeDisks", json!({})).await;
    let disk = disks["DiskSet"][0]["DiskId"].clone();
    run.send("cbs", "CreateSnapshot", json!({"DiskId": disk}))
        .await;
}

async fn change_networks(run: &Run) {
    let group = run.instance("shop-api-01").await["SecurityGroupIds"][0].clone();
    let rule = json!({
        "SecurityGroupId": group,
        "SecurityGroupPolicySet": {"Ingress": [{
            "PolicyIndex": 0, "Protocol": "TCP", "Port": "10022",
            "CidrBlock": "198.51.100.4/32", "Action": "ACCEPT",
        }]},
    });
    run.send("vpc", "CreateSecurityGroupPolicies", rule).await;
    let index = json!({
        "SecurityGroupId": group, "SecurityGroupPolicySet": {"Ingress": [{"PolicyIndex": 0}]},
    });
    run.send("vpc", "DeleteSecurityGroupPolicies", index).await;
    change_acls(run).await;
    change_routes(run).await;
    let new = json!({"AddressCount": 1, "InternetMaxBandwidthOut": 5});
    let new = run.send("vpc", "AllocateAddresses", new).await;
    let address = new["AddressSet"][0].clone();
    let task: u64 = new["TaskId"]
        .as_str()
        .expect("a task")
        .parse()
        .expect("well formed");
    run.send("vpc", "DescribeTaskResult", json!({"TaskId": task}))
        .await;
    run.send(
        "vpc",
        "DescribeAddressBandwidthRange",
        json!({"AddressIds": [address]}),
    )
    .await;
    let wider = json!({"AddressIds": [address], "InternetMaxBandwidthOut": 10});
    run.send("vpc", "InquiryPriceModifyAddressesBandwidth", wider.clone())
        .await;
    let new = json!({
        "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5,
    });
    run.send("vpc", "InquiryPriceAllocateAddresses", new).await;
    run.send("vpc", "ModifyAddressesBandwidth", wider).await;
    let bind = json!({"AddressId": address, "InstanceId": run.id("cache-01").await});
    run.send("vpc", "AssociateAddress", bind).await;
    run.send("vpc", "DisassociateAddress", json!({"AddressId": address}))
        .await;
    run.send("vpc", "ReleaseAddresses", json!({"AddressIds": [address]}))
        .await;
}

async fn change_acls(run: &Run) {
    let acls = run.send("vpc", "DescribeNetworkAcls", json!({})).await;
    let acl = &acls["NetworkAclSet"][0]["NetworkAclId"];
    let entry = json!({
        "Protocol": "TCP", "Port": "10022", "CidrBlock": "198.51.100.7/32", "Action": "ACCEPT",
        "Description": "test",
    });
    let entries = json!({"NetworkAclId": acl, "NetworkAclEntrySet": {"Ingress": [entry]}});
    run.send("vpc", "ModifyNetworkAclEntries", entries).await;
}

async fn change_routes(run: &Run) {
    let tables = run.send("vpc", "DescribeRouteTables", json!({})).await;
    let table = &tables["RouteTableSet"][0];
    let (id, route) = (&table["RouteTableId"], &table["RouteSet"][0]);
    let items = json!({"RouteTableId": id, "RouteItemIds": [route["RouteItemId"]]});
    run.send("vpc", "DisableRoutes", items.clone()).await;
    run.send("vpc", "EnableRoutes", items).await;
    let new = json!({
        "DestinationCidrBlock": "192.168.77.0/24", "GatewayType": "VPN", "GatewayId": "vpngw-1",
        "RouteDescription": "test",
    });
    let new = json!({"RouteTableId": id, "Routes": [new]});
    let made = run.send("vpc", "CreateRoutes", new).await;
    let made = &made["RouteTableSet"][0]["RouteSet"][0];
    let gone = json!({
        "RouteId": made["RouteId"], "DestinationCidrBlock": made["DestinationCidrBlock"],
        "GatewayType": made["GatewayType"], "GatewayId": made["GatewayId"],
    });
    let gone = json!({"RouteTableId": id, "Routes": [gone]});
    run.send("vpc", "DeleteRoutes", gone).await;
}

/// The provider's nodes: what the program itself would send, and what the service has to refuse.
async fn probe_by_provider(run: &Run) {
    // Where logins of the demo are.
    const LOGIN: u16 = 10022;
    let web = run.instance("clone-07").await;
    let address = web["PublicIpAddresses"][0].as_str().expect("an address");
    let address: std::net::IpAddr = address.parse().expect("an address");
    let [able, known, trial] = provider::questions();
    let mut answers = Vec::new();
    for call in [&able, &known, &trial] {
        answers.push(run.client.call(call).await.expect("nodes").response);
    }
    let nodes = provider::nodes([&answers[0], &answers[1], &answers[2]]);
    let chosen = provider::best(&nodes, &provider::words("广东"));
    assert!(chosen.len() > 1, "{nodes:?}");
    let probe = Probe {
        address,
        port: LOGIN,
        codes: chosen.iter().map(|it| it.code.clone()).collect(),
        nodes: List::said(Joint::Names, chosen.iter().map(Node::who)),
        every_minutes: 1,
        minutes: 7,
        price: Said::default(),
    };
    let context = PlanContext {
        entry: "20260101-000000-abcdef".into(),
        ..PlanContext::default()
    };
    let plan = action::provider::plan(&probe, &context);
    let create = &plan.steps[0].call;
    // What the texts of the specification forbid.
    for (change, code) in [
        (json!({"ProbeType": 1}), "InvalidParameterValue"),
        (json!({"TaskType": 0}), "InvalidParameterValue.Range"),
        (json!({"TaskType": 8}), "InvalidParameterValue.Range"),
        (json!({"Nodes": ["99999"]}), "InvalidParameterValue"),
        (json!({"Nodes": ["10411"]}), "InvalidParameterValue"),
        (json!({"Nodes": ["10310"]}), "FailedOperation.NoValidNodes"),
        (json!({"Parameters": "port 22"}), "InvalidParameterValue"),
        (json!({"Parameters": "{}"}), "InvalidParameterValue"),
        (json!({"Interval": null}), "MissingParameter"),
        (json!({"Nodes": null}), "MissingParameter"),
        (json!({"Price": 1}), "UnknownParameter"),
        (json!({"TaskCategory": "PC"}), "InvalidParameter"),
    ] {
        let mut call = create.clone();
        for (name, value) in change.as_object().expect("an object") {
            call.parameters[name] = value.clone();
        }
        let refused = run.client.call(&call).await.expect_err(code);
        assert_eq!(refused.code(), Some(code), "{change}: {refused}");
    }
    let made = run.client.call(create).await.expect("created").response;
    let id = made["TaskIDs"][0].as_str().expect("an id").to_owned();
    let listed = json!({"TaskName": plan.mark(), "Offset": 0, "Limit": 100});
    let listed = run.send("cat", "DescribeProbeTasks", listed).await;
    assert_eq!(listed["TaskSet"][0]["TaskId"], id.as_str());
    let target = action::provider::target(address, LOGIN);
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    let seen = loop {
        let now = jiff::Timestamp::now();
        let minute = jiff::SignedDuration::from_mins(1);
        let call = provider::results_call(&id, now - minute, now + minute);
        let answer = run.client.call(&call).await.expect("results").response;
        let seen = provider::results(&answer, &target);
        if provider::all_told(&chosen, &seen) {
            break seen;
        }
        assert!(std::time::Instant::now() < limit, "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let reading = provider::reading(&chosen, &seen, &target);
    assert_eq!(reading.observed_state(), Some("open"), "{reading:?}");
    for (name, value) in [
        ("SelectedFields", json!(["Colour"])),
        ("TaskType", json!("AnalyzeTaskType_Port")),
        ("SortField", json!("TransferTime")),
        ("BeginTime", Value::Null),
    ] {
        let now = jiff::Timestamp::now();
        let mut call = provider::results_call(&id, now, now);
        call.parameters[name] = value;
        let refused = run.client.call(&call).await.expect_err(name);
        assert!(
            is_about_parameters(refused.code().expect("a code")),
            "{refused}"
        );
    }
    run.send(
        "cat",
        "DeleteProbeTask",
        json!({"TaskIds": [id, "task-gone0000"]}),
    )
    .await;
    let gone = run.send("cat", "DescribeProbeTasks", json!({})).await;
    assert_eq!(gone["TaskSet"], Value::Null);
}

async fn run_commands(run: &Run) {
    let command = json!({
        "Content": "ZWNobyBoaQo=", "InstanceIds": [run.id("logs-01").await], "Timeout": 5,
    });
    let sent = run.send("tat", "RunCommand", command).await;
    let id = sent["InvocationId"].clone();
    let filter =
        json!({"Filters": [{"Name": "invocation-id", "Values": [id]}], "HideOutput": false});
    run.send("tat", "DescribeInvocationTasks", filter.clone())
        .await;
    run.send("tat", "DescribeInvocations", json!({"InvocationIds": [id]}))
        .await;
    run.send("tat", "CancelInvocation", json!({"InvocationId": id}))
        .await;
    run.send("tat", "DescribeInvocationTasks", filter).await;
}

/// The repair task lives in another region.
async fn authorise_a_repair(run: &Run) {
    let send = async |action: &str, parameters: Value| {
        let call = ApiCall::new("cvm", action, "ap-guangzhou", parameters);
        run.client.call(&call).await.expect(action).response
    };
    let range = json!({
        "Limit": 20, "Offset": 0, "StartDate": "2020-01-01 00:00:00", "EndDate": "2099-01-01 00:00:00",
    });
    let tasks = send("DescribeTaskInfo", range).await;
    let task = &tasks["RepairTaskInfoSet"][0];
    let parameters = json!({
        "Product": "CVM", "InstanceIds": [task["InstanceId"]], "TaskId": task["TaskId"],
        "Operate": "AuthorizeRepair",
    });
    send("RepairTaskControl", parameters).await;
}

async fn sdk_calls(cloud: &DemoCloud) {
    let interpreter = tokio::task::spawn_blocking(python::sdk)
        .await
        .expect("the task ends");
    let mut command = Command::new(interpreter);
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/sdk/contract.py"
        ))
        .env("DEMO_ENDPOINT", &cloud.endpoint)
        .env("DEMO_SECRET_ID", &cloud.secret_id)
        .env("DEMO_SECRET_KEY", &cloud.secret_key);
    tokio::task::spawn_blocking(move || python::run(&mut command))
        .await
        .expect("the task ends");
}

async fn start(record: &Path, rate_limits: bool) -> DemoCloud {
    demo::start(DemoOptions {
        reboot: Duration::from_millis(600),
        rate_limits,
        finance_permission: true,
        hosts: false,
        record: Some(record.to_owned()),
        ..DemoOptions::default()
    })
    .await
    .expect("the demo starts")
}

fn validate(record: &Path) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let printed = python::run(
        Command::new("python3")
            .arg(root.join("tests/sdk/validate.py"))
            .arg(python::specification())
            .arg(record)
            .arg(root.join("assets/demo/parameters.toml"))
            .arg(root.join("assets/demo/constraints.toml")),
    );
    print!("{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_agree_with_the_official_specification() {
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("exchanges.jsonl");
    let cloud = start(&record, false).await;
    let provider = Provider::Static(Credentials::new(&cloud.secret_id, &cloud.secret_key));
    let run = Run {
        client: Client::new(ClientConfig::new(&cloud.endpoint, provider)).expect("a client"),
    };
    read_machines(&run).await;
    read_networks(&run).await;
    change_machines(&run).await;
    change_networks(&run).await;
    run_commands(&run).await;
    probe_by_provider(&run).await;
    read_account(&run).await;
    authorise_a_repair(&run).await;
    drop(cloud);
    let throttled = start(&record, true).await;
    sdk_calls(&throttled).await;
    tokio::task::spawn_blocking(move || validate(&record))
        .await
        .expect("the task ends");
}

/// What the documentation of a parameter forbids is refused with one of these, before the cloud looks
/// at anything else.
fn is_about_parameters(code: &str) -> bool {
    [
        "InvalidParameter",
        "MissingParameter",
        "UnknownParameter",
        "InvalidFilter",
    ]
    .iter()
    .any(|head| code.starts_with(head))
}

/// The edges of what a parameter may hold.
fn edges(spec: &ParameterSpec) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    match spec.kind {
        Kind::Port => texts(&["1", "65535"]),
        Kind::Number(low, high) => vec![low.to_string(), high.to_string()],
        Kind::Choice(words) => texts(words),
        Kind::Source => texts(&[
            "any",
            "198.51.100.7",
            "10.0.0.0/8",
            "0.0.0.0/1",
            "2001:db8::/32",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        ]),
        Kind::Address => texts(&["198.51.100.7", "2001:db8::7"]),
        Kind::User => vec!["a".to_owned(), "u".repeat(64)],
        Kind::Id(prefixes) => prefixes.iter().map(|p| format!("{p}abcdefgh")).collect(),
    }
}

/// Every parameter at each of its edges, the required others at their first one.
fn cases(action: ActionId) -> Vec<Vec<String>> {
    let specs = catalog::row_of(action).parameters;
    let word = |spec: &ParameterSpec, value: &str| format!("{}={value}", spec.name);
    let mut all = Vec::new();
    for spec in specs {
        for edge in edges(spec) {
            let others = specs
                .iter()
                .filter(|other| other.required && other.name != spec.name);
            let mut words: Vec<String> = others.map(|o| word(o, &edges(o)[0])).collect();
            words.push(word(spec, &edge));
            all.push(words);
        }
    }
    if !specs.iter().any(|spec| spec.required) {
        all.push(Vec::new());
    }
    // The one network whose route is switched off somewhere.
    if action == ActionId::RestoreRoute {
        all.push(vec!["source=127.0.0.1".to_owned()]);
    }
    all
}

/// Puts in what is only known when a step is sent.
fn filled(step: &Step, answers: &[Value]) -> ApiCall {
    let mut call = step.call.clone();
    if let Some(secret) = &step.secret {
        let place = call
            .parameters
            .pointer_mut(&secret.pointer)
            .expect("a place");
        *place = json!("Correct-Horse-9-Stapl");
    }
    for input in &step.inputs {
        let answer = answers
            .get(input.from_step)
            .and_then(|a| a.pointer(&input.answer_pointer));
        let place = call
            .parameters
            .pointer_mut(&input.pointer)
            .expect("a place");
        *place = answer.cloned().unwrap_or_else(|| json!("eip-abcdefgh"));
    }
    call
}

/// Sends a plan and its undo; what was refused for its parameters although the plan did not say so.
async fn send_plan(client: &Client, plan: &Plan, words: &[String]) -> Vec<String> {
    let undo = match &plan.undo {
        Undo::Steps { steps, .. } => steps.as_slice(),
        _ => &[],
    };
    let (mut answers, mut wrong) = (Vec::new(), Vec::new());
    for step in plan.steps.iter().chain(undo) {
        let call = filled(step, &answers);
        match client.call(&call).await {
            Ok(answer) => answers.push(answer.response),
            Err(error) => {
                let code = error.code().unwrap_or("none");
                let told = plan
                    .warnings
                    .iter()
                    .any(|warning| warning.contains("may refuse"));
                if is_about_parameters(code) && !told {
                    wrong.push(format!("{} {words:?}: {error}", plan.action));
                }
                answers.push(Value::Null);
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plan_at_every_edge_and_every_read_is_taken_by_a_cloud_that_keeps_the_documentation()
{
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("exchanges.jsonl");
    let cloud = start(&record, false).await;
    let provider = Provider::Static(Credentials::new(&cloud.secret_id, &cloud.secret_key));
    let client = Client::new(ClientConfig::new(&cloud.endpoint, provider)).expect("a client");
    let mut instances: Vec<Instance> = Vec::new();
    for (name, ..) in cloud.script() {
        let found = inventory::find(&client, &cloud.regions, &name).await;
        instances.extend(found.expect("found").instances);
    }
    assert!(instances.len() > 60, "{}", instances.len());
    // Reads first, while the world is whole: facts of instances of each kind, doctor's harmless calls.
    let gathered = instances.iter().step_by(4).map(async |instance| {
        let (sink, mut readings) = tokio::sync::mpsc::channel(256);
        let here = "203.0.113.9".parse().expect("an address");
        let request = FactRequest {
            user_source: Some("198.51.100.7".parse().expect("an address")),
            own_sources: vec![(NetworkPath::Public, here)],
            run_in_guest: RunInGuest::Nothing,
            time_limit: Duration::from_secs(60),
            ..FactRequest::default()
        };
        let drain = async { while readings.recv().await.is_some() {} };
        tokio::join!(facts::gather(&client, instance, &request, sink), drain);
    });
    futures_util::future::join_all(gathered).await;
    let sample = Sample {
        region: instances[0].region.clone(),
        instance_id: instances[0].id.clone(),
        security_group_id: instances[0].security_group_ids[0].clone(),
    };
    // The cloud does refuse what the documentation forbids.
    let forbidden = json!({
        "CommandName": "two words", "Content": "ZWNobyBoaQo=", "InstanceIds": [instances[0].id],
    });
    let forbidden = ApiCall::new("tat", "RunCommand", &instances[0].region, forbidden);
    let refused = client
        .call(&forbidden)
        .await
        .expect_err("a name with a blank");
    assert!(
        is_about_parameters(refused.code().expect("a code")),
        "{refused}"
    );
    let mut wrong = Vec::new();
    for read in READS {
        let Some(call) = read.call(&sample) else {
            continue;
        };
        if let Err(error) = client.call(&call).await
            && error.code().is_some_and(is_about_parameters)
        {
            wrong.push(error.to_string());
        }
    }
    let text = std::fs::read_to_string(&record).expect("a record");
    for line in text.lines() {
        let exchange: Value = serde_json::from_str(line).expect("JSON");
        let code = exchange["outcome"]["error"]["code"]
            .as_str()
            .unwrap_or_default();
        if is_about_parameters(code) && !line.contains("two words") {
            wrong.push(line.to_owned());
        }
    }
    // Then plans: each action on a few instances of each system, at each edge.
    let desk = Desk::new(client.clone(), Journal::in_directory(directory.path()));
    let options = PrepareOptions {
        user_source: "198.51.100.7/32".parse().ok(),
        instance_is_fresh: true,
        ..PrepareOptions::default()
    };
    let mut sent = 0;
    let mut without: Vec<&str> = Vec::new();
    for row in CATALOG {
        // The first instances that the action is for serve all its cases.
        let mut fit: Vec<&Instance> = Vec::new();
        let mut planned = 0;
        for words in cases(row.id) {
            let Ok(parameters) = Parameters::from_words(row.id, &words) else {
                continue;
            };
            let all = fit.is_empty();
            let candidates: Vec<&Instance> = if all {
                instances.iter().collect()
            } else {
                fit.clone()
            };
            for instance in candidates {
                let prepared = prepare_plan(&desk, instance, row.id, &parameters, &options).await;
                let Ok(prepared) = prepared else { continue };
                wrong.extend(send_plan(&client, &prepared.plan, &words).await);
                planned += 1;
                if all {
                    fit.push(instance);
                }
                if all && fit.len() == 2 {
                    break;
                }
            }
        }
        if planned == 0 {
            without.push(row.id.as_str());
        }
        sent += planned;
    }
    println!("{sent} plans sent; none of {without:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(without, ["provider-probe", "advice"], "{without:?}");
}

#[test]
fn what_the_international_site_lacks_and_what_counts_as_a_change_is_as_the_specification_has_it() {
    let script = r#"
import json, sys, zipfile
tccli, abroad, calls, changes = sys.argv[1:]
with zipfile.ZipFile(tccli) as wheel:
    offered = {n.split("/")[2] for n in wheel.namelist() if n.startswith("tccli/services/")}
with zipfile.ZipFile(abroad) as wheel:
    names, missing = wheel.namelist(), []
    for call in calls.split(","):
        service, action = call.split(":")
        clients = [n for n in names if n.startswith("tencentcloud/%s/v" % service) and n.endswith("_client.py")]
        assert clients or service in offered, "no client of " + service
        if not any("def %s(" % action in wheel.read(n).decode() for n in clients):
            missing.append(call)
known = set()
with zipfile.ZipFile(tccli) as wheel:
    for n in wheel.namelist():
        if n.endswith("/api.json") and n.split("/")[2] in ("cvm", "vpc", "tat"):
            known |= set(json.loads(wheel.read(n))["actions"])
print(",".join(sorted(missing)) + ";" + ",".join(sorted(set(changes.split(",")) - known)))
"#;
    let mut calls: BTreeSet<&str> = READS.iter().map(|read| read.permission).collect();
    calls.extend(DEEP);
    calls.extend(CATALOG.iter().flat_map(|row| row.permissions));
    calls.insert("sts:GetCallerIdentity");
    let calls: Vec<&str> = calls.into_iter().collect();
    let printed = python::run(
        Command::new("python3")
            .args(["-c", script])
            .arg(python::specification())
            .arg(python::international())
            .arg(calls.join(","))
            .arg(RELEVANT_CHANGES.join(",")),
    );
    let (missing, unknown) = printed.trim().split_once(';').expect("two lists");
    assert_eq!(
        missing,
        NOT_ABROAD.join(","),
        "what the international site lacks"
    );
    assert_eq!(unknown, "", "names of changes that no action has");
}
