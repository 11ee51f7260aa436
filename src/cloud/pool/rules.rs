//! Which reads can be shared, and how: documented numbers a call, where the ids stand in the
//! request, and which row of the answer is whose.
//!
//! Must not live here: waiting and sending (`pool`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::api_call::ApiCall;
use crate::domain::site::Site;

/// Where a request names what it asks about.
#[derive(Debug, Clone, Copy)]
enum Keys {
    /// A list of texts.
    List(&'static str),
    /// The values of a filter.
    Filter(&'static str),
    /// One text; without it the answer holds everything of the region.
    Dropped(&'static str),
    /// `Instances[].Dimensions[0]` of `GetMonitorData`.
    Dimension,
}

/// How one action takes several.
#[derive(Debug)]
pub(super) struct Rule {
    service: &'static str,
    action: &'static str,
    keys: Keys,
    /// Most a call (documented; 5 for filters and 20 for lists where the pages do not say).
    most: usize,
    /// List of the answer, and the field of a row that says whose it is, with dots into structures.
    set: &'static str,
    row: &'static str,
    paging: Paging,
}

/// How a list that does not fit into one answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paging {
    /// Every row comes at once.
    None,
    /// By `Offset` in rows, 100 a page.
    Rows,
    /// What `Offset` counts is not certain: a list that does not fit is asked for in parts.
    Unclear,
}

const fn rule(
    service: &'static str,
    action: &'static str,
    keys: Keys,
    most: usize,
    (set, row): (&'static str, &'static str),
    paging: Paging,
) -> Rule {
    Rule {
        service,
        action,
        keys,
        most,
        set,
        row,
        paging,
    }
}

/// Instances of one `GetMonitorData`: 50, and 10 on the international site.
const SERIES: usize = 50;
const SERIES_ABROAD: usize = 10;
/// Points of one `GetMonitorData`.
const POINTS: i64 = 7_200;

#[rustfmt::skip] // a table
static RULES: &[Rule] = &[
    rule("vpc", "DescribeAddresses", Keys::Filter("instance-id"), 100, ("AddressSet", "InstanceId"), Paging::Rows),
    rule("vpc", "DescribeNetworkInterfaces", Keys::Filter("attachment.instance-id"), 5, ("NetworkInterfaceSet", "Attachment.InstanceId"), Paging::Rows),
    rule("vpc", "DescribeSecurityGroups", Keys::List("SecurityGroupIds"), 100, ("SecurityGroupSet", "SecurityGroupId"), Paging::Rows),
    rule("vpc", "DescribeSubnets", Keys::List("SubnetIds"), 100, ("SubnetSet", "SubnetId"), Paging::Rows),
    rule("vpc", "DescribeNetworkAcls", Keys::List("NetworkAclIds"), 100, ("NetworkAclSet", "NetworkAclId"), Paging::Rows),
    rule("vpc", "DescribeRouteTables", Keys::List("RouteTableIds"), 100, ("RouteTableSet", "RouteTableId"), Paging::Rows),
    rule("vpc", "DescribeVpcs", Keys::List("VpcIds"), 100, ("VpcSet", "VpcId"), Paging::Rows),
    rule("tat", "DescribeAutomationAgentStatus", Keys::List("InstanceIds"), 100, ("AutomationAgentSet", "InstanceId"), Paging::Rows),
    rule("cvm", "DescribeTaskInfo", Keys::List("InstanceIds"), 100, ("RepairTaskInfoSet", "InstanceId"), Paging::Rows),
    rule("cbs", "DescribeDisks", Keys::Filter("instance-id"), 5, ("DiskSet", "InstanceId"), Paging::Rows),
    rule("monitor", "GetMonitorData", Keys::Dimension, SERIES, ("DataPoints", ""), Paging::None),
    rule("monitor", "DescribeAccidentEventList", Keys::Dropped("AffectResource"), 100, ("Alarms", "AffectResource"), Paging::Unclear),
    rule("monitor", "DescribeProductEventList", Keys::List("InstanceId"), 20, ("Events", "InstanceId"), Paging::Unclear),
    rule("antiddos", "DescribeDDoSBlockRecords", Keys::Filter("Resource"), 20, ("BlockRecords", "Resource"), Paging::Rows),
    rule("antiddos", "DescribeBasicDeviceStatus", Keys::List("IpList"), 20, ("Data", "Key"), Paging::None),
];

/// Reads that say the same to every instance that makes them.
const SHARED: &[(&str, &str)] = &[
    ("cvm", "DescribeInstances"),
    ("cvm", "DescribeZoneInstanceConfigInfos"),
    ("vpc", "DescribeSecurityGroupPolicies"),
    ("vpc", "DescribeNetworkAclQuintupleEntries"),
    ("vpc", "DescribeNetworkAccountType"),
    ("vpc", "DescribeAddressTemplates"),
    ("vpc", "DescribeAddressTemplateGroups"),
    ("vpc", "DescribeServiceTemplates"),
    ("vpc", "DescribeServiceTemplateGroups"),
    ("antiddos", "DescribeIpBlockList"),
    ("billing", "DescribeAccountBalance"),
    ("cloudaudit", "DescribeEvents"),
    ("region", "DescribeRegions"),
];

/// How the action takes several, if it does.
pub(super) fn batch(call: &ApiCall) -> Option<&'static Rule> {
    let mut rules = RULES.iter();
    rules.find(|rule| rule.service == call.service && rule.action == call.action)
}

/// True if the same read again need not be made.
pub(super) fn is_shared(call: &ApiCall) -> bool {
    let this = (call.service.as_str(), call.action.as_str());
    SHARED.contains(&this)
}

/// What must be equal for two reads to be one: all of them but the moment at which they were
/// made, and with a rule but what they ask about.
pub(super) fn identity(call: &ApiCall, rule: Option<&Rule>) -> String {
    let mut parameters = match rule {
        Some(rule) => rule.compose(call, &BTreeSet::new()).parameters,
        None => call.parameters.clone(),
    };
    let seconds = |field: &str| call.parameters[field].as_i64();
    let span = seconds("EndTime").zip(seconds("StartTime"));
    let span = span.map_or(0, |(end, start)| (end - start) / 60);
    if let Some(fields) = parameters.as_object_mut() {
        for moment in ["StartTime", "EndTime", "StartDate", "EndDate"] {
            fields.remove(moment);
        }
    }
    let (action, version, region) = (call.permission(), &call.version, &call.region);
    format!("{action} {version} {region} {span} {parameters}")
}

/// Points of one series of `GetMonitorData`; 1 where the call does not say how many.
fn points(call: &ApiCall) -> i64 {
    let time = |field: &str| call.parameters[field].as_str()?.parse::<Timestamp>().ok();
    let span = time("EndTime").zip(time("StartTime"));
    let seconds = span.map_or(0, |(end, start)| end.as_second() - start.as_second());
    let period = call.parameters["Period"].as_i64().unwrap_or(300);
    (seconds / period.max(1) + 1).max(1)
}

/// A number as text or as a number, as the request had it.
fn like(before: &Value, number: usize) -> Value {
    if before.is_string() {
        json!(number.to_string())
    } else {
        json!(number)
    }
}

impl Rule {
    /// Most of them in one call such as this.
    pub(super) fn most(&self, site: Option<Site>, call: &ApiCall) -> usize {
        match self.keys {
            Keys::Dimension if site == Some(Site::International) => SERIES_ABROAD,
            Keys::Dimension => match usize::try_from(POINTS / points(call)) {
                Ok(most) => most.clamp(1, self.most),
                Err(_) => self.most,
            },
            _ => self.most,
        }
    }

    /// What the call asks about; `None` if it does not say so in the usual way.
    pub(super) fn keys(&self, call: &ApiCall) -> Option<Vec<String>> {
        let texts = |list: &Value| -> Option<Vec<String>> {
            let list = list.as_array()?.iter();
            list.map(|key| key.as_str().map(str::to_owned)).collect()
        };
        let keys = match self.keys {
            Keys::List(field) => texts(&call.parameters[field])?,
            Keys::Dropped(field) => vec![call.parameters[field].as_str()?.to_owned()],
            Keys::Filter(name) => {
                let filters = call.parameters["Filters"].as_array()?;
                texts(&filters.iter().find(|it| it["Name"] == name)?["Values"])?
            }
            Keys::Dimension => {
                let instances = call.parameters["Instances"].as_array()?.iter();
                let key = |it: &Value| it["Dimensions"][0]["Value"].as_str().map(str::to_owned);
                instances.map(key).collect::<Option<_>>()?
            }
        };
        (!keys.is_empty()).then_some(keys)
    }

    /// The same call about `keys`.
    pub(super) fn compose(&self, call: &ApiCall, keys: &BTreeSet<&String>) -> ApiCall {
        let mut call = call.clone();
        let parameters = &mut call.parameters;
        match self.keys {
            Keys::List(field) => parameters[field] = json!(keys),
            Keys::Dropped(field) => {
                if let Some(fields) = parameters.as_object_mut() {
                    fields.remove(field);
                }
            }
            Keys::Filter(name) => {
                let filters = parameters["Filters"].as_array_mut();
                for filter in filters.into_iter().flatten() {
                    if filter["Name"] == name {
                        filter["Values"] = json!(keys);
                    }
                }
            }
            Keys::Dimension => {
                let name = parameters["Instances"][0]["Dimensions"][0]["Name"].clone();
                let one = |key| json!({"Dimensions": [{"Name": name, "Value": key}]});
                // The name stays part of the identity of a call about nothing.
                parameters["Instances"] = if keys.is_empty() {
                    name.clone()
                } else {
                    keys.iter().map(one).collect()
                };
            }
        }
        if self.paging != Paging::None {
            parameters["Limit"] = like(&parameters["Limit"], 100);
        }
        call
    }

    /// Rows of a page; `None` where every row comes at once.
    pub(super) fn page(&self, call: &ApiCall) -> Option<usize> {
        if self.paging == Paging::None {
            return None;
        }
        match &call.parameters["Limit"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().map(|number| number as usize),
        }
    }

    pub(super) fn is_paged(&self) -> bool {
        self.paging == Paging::Rows
    }

    /// The same call from a later row on.
    pub(super) fn at_offset(call: &ApiCall, offset: usize) -> ApiCall {
        let mut call = call.clone();
        call.parameters["Offset"] = like(&call.parameters["Offset"], offset);
        call
    }

    pub(super) fn rows<'a>(&self, response: &'a Value) -> &'a [Value] {
        response[self.set].as_array().map_or(&[], Vec::as_slice)
    }

    pub(super) fn rows_mut<'a>(&self, response: &'a mut Value) -> Option<&'a mut Vec<Value>> {
        response.get_mut(self.set)?.as_array_mut()
    }

    fn owner<'a>(&self, row: &'a Value) -> Option<&'a str> {
        match self.keys {
            Keys::Dimension => row["Dimensions"][0]["Value"].as_str(),
            _ => {
                let mut way = self.row.split('.');
                let owner = way.try_fold(row, |row, field| row.get(field))?;
                owner.as_str().filter(|owner| !owner.is_empty())
            }
        }
    }

    /// True if the answer has its list, and each row says whose it is. Only such an answer can be
    /// given out in parts.
    pub(super) fn is_attributable(&self, response: &Value) -> bool {
        let list = response.get(self.set).and_then(Value::as_array);
        list.is_some_and(|rows| rows.iter().all(|row| self.owner(row).is_some()))
    }

    /// The part of an answer that speaks of `keys`.
    pub(super) fn part(&self, response: &Value, keys: &[String]) -> Value {
        let mine = |row: &&Value| {
            self.owner(row)
                .is_some_and(|owner| keys.iter().any(|key| key == owner))
        };
        let rows: Vec<Value> = self.rows(response).iter().filter(mine).cloned().collect();
        let mut part = serde_json::Map::new();
        for (field, value) in response.as_object().into_iter().flatten() {
            let value = match field.as_str() {
                name if name == self.set => continue,
                "TotalCount" => json!(rows.len()),
                _ => value.clone(),
            };
            part.insert(field.clone(), value);
        }
        part.insert(self.set.to_owned(), Value::Array(rows));
        Value::Object(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &str, action: &str, parameters: Value) -> ApiCall {
        ApiCall::new(service, action, "ap-seoul", parameters)
    }

    fn series(metric: &str, id: &str, end: &str) -> ApiCall {
        let instances = json!([{"Dimensions": [{"Name": "InstanceId", "Value": id}]}]);
        let parameters = json!({"MetricName": metric, "Instances": instances, "EndTime": end});
        call("monitor", "GetMonitorData", parameters)
    }

    #[test]
    fn reads_that_differ_in_what_they_ask_about_are_one() {
        let rule = batch(&series("CPUUsage", "ins-1", "")).expect("a rule");
        let identity = |metric, id, end| identity(&series(metric, id, end), Some(rule));
        let one = identity("CPUUsage", "ins-1", "12:00:00");
        assert_eq!(one, identity("CPUUsage", "ins-2", "12:00:01"));
        assert_ne!(one, identity("MemUsage", "ins-1", "12:00:00"));
        let (one, two) = ("ins-1".to_owned(), "ins-2".to_owned());
        let both = rule.compose(
            &series("CPUUsage", "ins-1", ""),
            &BTreeSet::from([&one, &two]),
        );
        assert_eq!(rule.keys(&both), Some(vec![one, two]));
        let most = |site, call: &ApiCall| rule.most(site, call);
        assert_eq!(most(Some(Site::International), &both), 10);
        assert_eq!(most(Some(Site::China), &both), 50);
        assert_eq!(most(None, &both), 50);
    }

    #[test]
    fn a_call_holds_no_more_points_than_it_may() {
        let mut asked = series("CPUUsage", "ins-1", "2026-01-01T12:00:00+00:00");
        let rule = batch(&asked).expect("a rule");
        for (start, period, most) in [
            ("2026-01-01T11:00:00+00:00", 60, 50),
            ("2026-01-01T00:00:00+00:00", 300, 49),
            ("2026-01-01T00:00:00+00:00", 60, 9),
            ("2025-12-01T00:00:00+00:00", 60, 1),
        ] {
            asked.parameters["StartTime"] = json!(start);
            asked.parameters["Period"] = json!(period);
            assert_eq!(rule.most(None, &asked), most, "{start} {period}");
        }
    }

    #[test]
    fn each_gets_its_own_rows_and_an_answer_without_owners_is_given_to_nobody() {
        let asked = call(
            "tat",
            "DescribeAutomationAgentStatus",
            json!({"InstanceIds": ["ins-1"]}),
        );
        let rule = batch(&asked).expect("a rule");
        let row = |id: Value| json!({"InstanceId": id, "AgentStatus": "Online"});
        let answer = json!({"TotalCount": 2, "AutomationAgentSet": [row(json!("ins-1")), row(json!("ins-2"))]});
        assert!(rule.is_attributable(&answer));
        let part = rule.part(&answer, &["ins-2".to_owned()]);
        assert_eq!(
            part,
            json!({"TotalCount": 1, "AutomationAgentSet": [row(json!("ins-2"))]})
        );
        for odd in [
            json!({"AutomationAgentSet": [row(json!("ins-1")), row(json!(7))]}),
            json!({"AutomationAgentSet": null}),
            json!({}),
        ] {
            assert!(!rule.is_attributable(&odd), "{odd}");
        }
    }

    #[test]
    fn the_audit_log_of_another_time_span_is_another_read() {
        let asked = |start: i64, end: i64| {
            let parameters = json!({"StartTime": start, "EndTime": end, "MaxResults": 50});
            identity(&call("cloudaudit", "DescribeEvents", parameters), None)
        };
        assert_eq!(asked(0, 86_400), asked(1, 86_401));
        assert_ne!(asked(0, 86_400), asked(0, 172_800));
    }
}
