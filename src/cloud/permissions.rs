//! The reads that the program makes, what each is for, and the smallest policy that permits them.
//!
//! Each has a harmless call to find out whether it is permitted. Must not live here: what actions send
//! (`action::catalog`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::Client;
use super::error::CloudError;
use super::said;
use crate::domain::api_call::{ANY_REGION, ApiCall};
use crate::domain::said::Said;

/// Ids that some calls need, from the first instance of a region.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    pub region: String,
    pub instance_id: String,
    pub security_group_id: String,
}

/// One read.
pub struct ReadAction {
    /// `cvm:DescribeInstances`, as in CAM policies.
    pub permission: &'static str,
    /// What cannot be told without it.
    pub purpose: &'static str,
    /// Parameters of a harmless call; `None` if it needs an id that is not there.
    parameters: fn(&Sample) -> Option<Value>,
}

impl std::fmt::Debug for ReadAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.permission)
    }
}

/// What a harmless call showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    Permitted,
    /// With the cloud's code.
    Refused(String),
    /// The site or endpoint does not serve it, with the cloud's code.
    Absent(String),
    /// With the reason.
    NotTested(Said),
}

/// The parameters if the id that they need is there.
fn with(id: &str, parameters: Value) -> Option<Value> {
    (!id.is_empty()).then_some(parameters)
}

#[allow(clippy::unnecessary_wraps)] // one signature for the whole table
fn one_page(_: &Sample) -> Option<Value> {
    Some(json!({"Offset": 0, "Limit": 1}))
}

/// vpc takes paging as text in some actions.
#[allow(clippy::unnecessary_wraps)] // one signature for the whole table
fn one_page_as_text(_: &Sample) -> Option<Value> {
    Some(json!({"Offset": "0", "Limit": "1"}))
}

#[allow(clippy::unnecessary_wraps)] // one signature for the whole table
fn nothing(_: &Sample) -> Option<Value> {
    Some(json!({}))
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn iso(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

macro_rules! reads {
    ($($permission:literal, $purpose:literal, $parameters:expr;)+) => {
        &[$(ReadAction { permission: $permission, purpose: $purpose, parameters: $parameters }),+]
    };
}

/// Every read of inventory, facts and preparation of plans.
pub static READS: &[ReadAction] = reads! {
    "cvm:DescribeInstances", "the list of instances, their state and restriction", one_page;
    "region:DescribeRegions", "regions = \"all\"", |_| Some(json!({"Product": "cvm"}));
    "cvm:DescribeTaskInfo", "repair tasks of the platform", one_page;
    "vpc:DescribeSecurityGroups", "names of security groups", one_page_as_text;
    "vpc:DescribeSecurityGroupPolicies", "whether a security group lets the user in",
        |s| with(&s.security_group_id, json!({"SecurityGroupId": s.security_group_id}));
    "vpc:DescribeAddressTemplates", "rules that use address templates", one_page_as_text;
    "vpc:DescribeAddressTemplateGroups", "rules that use groups of address templates", one_page_as_text;
    "vpc:DescribeServiceTemplates", "rules that use service templates", one_page_as_text;
    "vpc:DescribeServiceTemplateGroups", "rules that use groups of service templates", one_page_as_text;
    "vpc:DescribeAddresses", "public addresses, arrears, blocks and bandwidth", one_page;
    "vpc:DescribeNetworkInterfaces", "changes of the network interfaces in the audit log", one_page;
    "vpc:DescribeNetworkAccountType", "whether bandwidth is set on the address or the instance", nothing;
    "vpc:DescribeSubnets", "network ACL and route table of the subnet", one_page_as_text;
    "vpc:DescribeVpcs", "networks that need no route", one_page_as_text;
    "vpc:DescribeNetworkAcls", "whether a network ACL lets the user in and the answers out", one_page;
    "vpc:DescribeNetworkAclQuintupleEntries", "network ACLs with five fields an entry", |_| None;
    "vpc:DescribeRouteTables", "whether answers find their way back", one_page_as_text;
    "monitor:GetMonitorData", "CPU, memory, disk and traffic",
        |s| with(&s.instance_id, json!({
            "Namespace": "QCE/CVM", "MetricName": "BaseCpuUsage", "Period": 60,
            "Instances": [{"Dimensions": [{"Name": "InstanceId", "Value": s.instance_id}]}],
            "StartTime": iso(now() - 300), "EndTime": iso(now()),
        }));
    "monitor:DescribeAccidentEventList", "incidents of the platform", |_| Some(json!({"Module": "monitor", "Limit": 1, "Offset": 0}));
    "monitor:DescribeProductEventList", "restarts, crashes and lack of memory in the guest", |_| Some(json!({"Module": "monitor", "Limit": 1, "Offset": 0}));
    "tat:DescribeAutomationAgentStatus", "whether the guest's agent is alive", one_page;
    "cbs:DescribeDisks", "state and load of the disks", one_page;
    "cvm:DescribeZoneInstanceConfigInfos", "what the type of an instance may carry on the private network",
        |s| with(&s.region, json!({"Filters": [{"Name": "zone", "Values": [format!("{}-1", s.region)]}]}));
    "antiddos:DescribeDDoSBlockRecords", "DDoS blocks (newer version)",
        |_| Some(json!({"StartTime": iso(now() - 3600), "EndTime": iso(now()), "Limit": 1, "Offset": 0}));
    "antiddos:DescribeIpBlockList", "DDoS blocks (older version)", nothing;
    "antiddos:DescribeBasicDeviceStatus", "attacks under way", |_| Some(json!({"IpList": ["192.0.2.1"]}));
    "cloudaudit:DescribeEvents", "who changed what before login began to fail",
        |_| Some(json!({"StartTime": now() - 3600, "EndTime": now(), "MaxResults": 1}));
    "billing:DescribeAccountBalance", "arrears of the account", nothing;
};

/// Reads that a check inside the guest needs beside [`READS`]; the first one runs a command.
pub const DEEP: &[&str] = &["tat:RunCommand", "tat:DescribeInvocationTasks"];

impl ReadAction {
    /// The harmless call, where it can be made.
    pub fn call(&self, sample: &Sample) -> Option<ApiCall> {
        let (service, action) = self.permission.split_once(':')?;
        let parameters = (self.parameters)(sample)?;
        // These take no region.
        let region = match service {
            "region" | "billing" | "antiddos" => "",
            // Served in a few regions, each of which tells of all.
            "cloudaudit" => ANY_REGION,
            _ => sample.region.as_str(),
        };
        let call = ApiCall::new(service, action, region, parameters);
        Some(match action {
            "DescribeDDoSBlockRecords" => call.with_version("2025-09-03"),
            _ => call,
        })
    }

    /// Makes the harmless call.
    pub async fn test(&self, client: &Client, sample: &Sample) -> Answered {
        let Some(call) = self.call(sample) else {
            return Answered::NotTested(said::needs_an_id());
        };
        match client.call(&call).await {
            // Whether it is permitted is not known where nobody serves it.
            Err(error) if error.is_unserved() => {
                let code = error.code().unwrap_or_default();
                Answered::Absent(code.to_owned())
            }
            // A complaint about parameters or ids comes after the permission is checked.
            Ok(_)
            | Err(
                CloudError::Invalid { .. }
                | CloudError::NotFound { .. }
                | CloudError::Conflict { .. }
                | CloudError::Resource { .. },
            ) => Answered::Permitted,
            Err(CloudError::Permission { code, .. }) => Answered::Refused(code),
            Err(error) => Answered::NotTested(error.said()),
        }
    }
}

/// What CAM calls an action: billing's product is `finance` there, and disks are granted by the names
/// of `cvm` in the vendor's pages, so both are named.
pub fn cam_names(permission: &str) -> Vec<String> {
    match permission.split_once(':') {
        Some(("billing", action)) => vec![format!("finance:{action}")],
        Some(("cbs", action)) => vec![permission.to_owned(), format!("cvm:{action}")],
        _ => vec![permission.to_owned()],
    }
}

/// The smallest CAM policy that permits `actions`, in the form of the CAM console.
pub fn policy(actions: &[&str]) -> Value {
    let mut actions: Vec<String> = actions.iter().flat_map(|name| cam_names(name)).collect();
    actions.sort_unstable();
    actions.dedup();
    json!({
        "version": "2.0",
        "statement": [{"effect": "allow", "action": actions, "resource": ["*"]}],
    })
}
