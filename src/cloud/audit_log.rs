//! The audit log (cloudaudit `DescribeEvents`): which changes decide about a login, how its pages
//! follow each other, and what a whole stretch of it says about one resource.
//!
//! Must not live here: asking (`facts::changes`, `pool`), what a change means (`facts::changes`).

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::error::CloudError;
use super::said;
use super::wire::{self, AuditEvent};

pub(super) const ACTION: &str = "cloudaudit:DescribeEvents";
/// The most that one answer holds (documented).
pub(super) const PAGE: usize = 50;

/// Kinds of ids that a change which decides about a login is about.
const KINDS: [&str; 12] = [
    "ins", "sg", "eip", "lhip", "eni", "subnet", "acl", "rtb", "ipm", "ipmg", "ppm", "ppmg",
];

/// Calls that change who can log in, or how, and exist in the specification of cvm, vpc or tat.
pub const RELEVANT: &[&str] = &[
    "CreateSecurityGroupPolicies",
    "CreateSecurityGroupWithPolicies",
    "DeleteSecurityGroupPolicies",
    "ModifySecurityGroupPolicies",
    "ReplaceSecurityGroupPolicy",
    "ReplaceSecurityGroupPolicies",
    "ModifySecurityGroupAttribute",
    "AssociateSecurityGroups",
    "DisassociateSecurityGroups",
    "ModifyInstancesAttribute",
    "ResetInstance",
    "StopInstances",
    "AssociateNetworkInterfaceSecurityGroups",
    "DisassociateNetworkInterfaceSecurityGroups",
    "ResetInstancesPassword",
    "AssociateInstancesKeyPairs",
    "DisassociateInstancesKeyPairs",
    "ResetInstancesInternetMaxBandwidth",
    "ResetInstancesType",
    "ModifyInstancesVpcAttribute",
    "ModifyAddressesBandwidth",
    "DisassociateAddress",
    "AssociateAddress",
    "TransformAddress",
    "AdjustPublicAddress",
    "ReleaseAddresses",
    "ReturnNormalAddresses",
    "ModifyAddressInternetChargeType",
    "AddTemplateMember",
    "DeleteTemplateMember",
    "ModifyTemplateMember",
    "ModifyAddressTemplateAttribute",
    "ModifyAddressTemplateGroupAttribute",
    "ModifyServiceTemplateAttribute",
    "ModifyServiceTemplateGroupAttribute",
    "CreateNetworkAclEntries",
    "DeleteNetworkAclEntries",
    "ModifyNetworkAclEntries",
    "ModifyNetworkAclQuintupleEntries",
    "CreateNetworkAclQuintupleEntries",
    "DeleteNetworkAclQuintupleEntries",
    "AssociateNetworkAclSubnets",
    "DisassociateNetworkAclSubnets",
    "CreateRoutes",
    "ReplaceRoutes",
    "ResetRoutes",
    "DeleteRoutes",
    "EnableRoutes",
    "DisableRoutes",
    "CreateHighPriorityRoutes",
    "ReplaceHighPriorityRoutes",
    "DeleteHighPriorityRoutes",
    "DetachNetworkInterface",
    "MigrateNetworkInterface",
    "MigratePrivateIpAddress",
    "UnassignPrivateIpAddresses",
    "ReplaceRouteTableAssociation",
    "EnterRescueMode",
    "ExitRescueMode",
    "RunCommand",
    "InvokeCommand",
];

/// Where the next page begins; `None` at the end of the list.
///
/// # Errors
/// [`CloudError::BadAnswer`] where the answer does not say whether there is more, or where.
pub(super) fn next_page(response: &Value, rows: usize) -> Result<Option<Value>, CloudError> {
    let is_over = match &response["ListOver"] {
        Value::Bool(over) => *over,
        // `null` on a page with room left can only mean the end.
        Value::Null => rows < PAGE,
        _ => return Err(wire::not_understood(ACTION, said::what_more())),
    };
    if is_over {
        return Ok(None);
    }
    match &response["NextToken"] {
        next if next.is_u64() => Ok(Some(next.clone())),
        _ => Err(wire::not_understood(ACTION, said::what_next_page())),
    }
}

/// A stretch of the log that was read to its end, by what its events are about.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Each event, and when it was, in UNIX seconds, where it says so.
    events: Vec<(Value, Option<i64>)>,
    /// Events by the resource that the log files them under.
    filed: HashMap<String, Vec<usize>>,
    /// Ids that a change names beside the resource that it is filed under.
    named: HashSet<String>,
    /// A change that does not say what it is about: it may be about anything.
    has_nameless: bool,
}

impl Stretch {
    /// Takes in one page of raw events.
    ///
    /// # Errors
    /// [`CloudError::BadAnswer`] where an event cannot be read.
    pub(super) fn take(&mut self, response: &Value) -> Result<usize, CloudError> {
        let read = wire::whole::<AuditEvent>(response, "Events", ACTION)?;
        let raw = response["Events"].as_array().map_or(&[][..], Vec::as_slice);
        for (event, raw) in read.iter().zip(raw) {
            let place = self.events.len();
            let time = event.time().map(jiff::Timestamp::as_second);
            self.events.push((raw.clone(), time));
            let details = serde_json::from_str::<Value>(&event.cloud_audit_event);
            let details = details.ok().filter(Value::is_object);
            let mut about = ids(&raw["Resources"]["ResourceName"]);
            if let Some(details) = &details {
                about.extend(ids(&details["resourceName"]));
                about.extend(ids(&details["resourceSet"]));
            }
            if RELEVANT.contains(&event.event_name.as_str()) && !event.was_refused() {
                let named = details.as_ref().map(ids).unwrap_or_default();
                // A record that was cut off may name more than can be read.
                self.has_nameless |= details.is_none() || named.is_empty() && about.is_empty();
                self.named.extend(named.difference(&about).cloned());
            }
            for id in about {
                self.filed.entry(id).or_default().push(place);
            }
        }
        Ok(read.len())
    }

    /// The answer to a look-up of that resource since `from`, as the log itself would give it;
    /// `None` where only the log itself can tell whether a change was about the resource.
    pub(super) fn about(&self, resource: &str, from: i64) -> Option<Value> {
        let is_known_kind = ids(&json!(resource)).contains(resource);
        if self.has_nameless || !is_known_kind || self.named.contains(resource) {
            return None;
        }
        let places = self.filed.get(resource).map_or(&[][..], Vec::as_slice);
        let events: Vec<&Value> = places
            .iter()
            .map(|place| &self.events[*place])
            .filter(|(_, time)| time.is_none_or(|time| time >= from))
            .map(|(event, _)| event)
            .collect();
        Some(json!({"ListOver": true, "NextToken": 0, "Events": events}))
    }
}

/// The ids in every text of a value, JSON within texts included.
fn ids(value: &Value) -> HashSet<String> {
    let mut found = HashSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            let is_id = |word: &&str| {
                let kind = word
                    .split_once('-')
                    .map(|(kind, rest)| (kind, !rest.is_empty()));
                kind.is_some_and(|(kind, has_more)| has_more && KINDS.contains(&kind))
            };
            found.extend(words.filter(is_id).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, filed: &str, parameters: &Value, time: i64) -> Value {
        let details = json!({"requestParameters": parameters.to_string(), "apiErrorCode": 0,
            "resourceName": filed, "eventRegion": "ap-seoul"});
        json!({"EventName": name, "EventTime": time.to_string(), "ErrorCode": 0,
            "CloudAuditEvent": details.to_string(), "Resources": {"ResourceName": filed}})
    }

    fn stretch(events: &[Value]) -> Stretch {
        let mut stretch = Stretch::default();
        let taken = stretch.take(&json!({ "Events": events }));
        assert_eq!(taken.expect("events"), events.len());
        stretch
    }

    fn found(stretch: &Stretch, resource: &str) -> Option<usize> {
        let answer = stretch.about(resource, 100)?;
        assert_eq!(next_page(&answer, 0).expect("an end"), None);
        answer["Events"].as_array().map(Vec::len)
    }

    #[test]
    fn a_resource_gets_what_is_filed_under_it_and_what_others_name_is_left_to_the_log() {
        let rules = json!({"SecurityGroupId": "sg-1"});
        let bound = json!({"InstanceIds": ["ins-1", "ins-2"], "SecurityGroupIds": ["sg-2"]});
        let stretch = stretch(&[
            event("CreateSecurityGroupPolicies", "sg-1", &rules, 200),
            event("CreateSecurityGroupPolicies", "sg-1", &rules, 50),
            event("AssociateSecurityGroups", "ins-1", &bound, 300),
            event("CreateImage", "", &json!({"InstanceId": "ins-3"}), 300),
        ]);
        assert_eq!(found(&stretch, "sg-1"), Some(1), "the other is too old");
        assert_eq!(found(&stretch, "ins-1"), Some(1));
        for named in ["ins-2", "sg-2"] {
            assert_eq!(found(&stretch, named), None, "{named}");
        }
        assert_eq!(
            found(&stretch, "ins-3"),
            Some(0),
            "an image changes no login"
        );
        assert_eq!(found(&stretch, "ins-4"), Some(0));
        assert_eq!(
            found(&stretch, "something"),
            None,
            "of no kind that is known"
        );
    }

    #[test]
    fn a_change_of_nobody_knows_what_may_be_about_anything() {
        let nameless = event(
            "AssociateAddress",
            "",
            &json!({"AddressIp": "192.0.2.1"}),
            200,
        );
        assert_eq!(found(&stretch(&[nameless]), "ins-1"), None);
        let mut cut = event("StopInstances", "ins-2", &json!({}), 200);
        cut["CloudAuditEvent"] = json!("{\"requestParameters\": \"{");
        assert_eq!(found(&stretch(std::slice::from_ref(&cut)), "ins-1"), None);
        cut["ErrorCode"] = json!(7);
        assert_eq!(found(&stretch(&[cut]), "ins-1"), Some(0), "it was refused");
        for odd in [json!({}), json!({"Events": null}), json!({"Events": [7]})] {
            assert!(Stretch::default().take(&odd).is_err(), "{odd}");
        }
    }
}
