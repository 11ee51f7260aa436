//! One call of the cloud's API as data.
//!
//! The same value is shown in a preview, written to the journal and sent; nothing is sent that
//! is not such a value. Must not live here: signing, transport, retry.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The region for services that are the same everywhere and yet demand one (sts).
pub const ANY_REGION: &str = "ap-guangzhou";

/// A request to API 3.0, complete but for credentials and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiCall {
    /// First label of the host, for example `cvm`.
    pub service: String,
    /// `X-TC-Version`, for example `2017-03-12`.
    pub version: String,
    /// `X-TC-Action`, for example `DescribeInstances`.
    pub action: String,
    /// `X-TC-Region`; empty for actions that take none.
    pub region: String,
    /// The JSON body.
    pub parameters: Value,
}

impl ApiCall {
    /// A call of `action`; the version follows from the service's current one.
    pub fn new(service: &str, action: &str, region: &str, parameters: Value) -> Self {
        Self {
            service: service.to_owned(),
            version: default_version(service).to_owned(),
            action: action.to_owned(),
            region: region.to_owned(),
            parameters,
        }
    }

    /// The same call with another API version (antiddos has two).
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// True if the call changes nothing and hands out nothing, so that it may be sent again: by the
    /// vendor's naming, except for `DescribeInstanceVncUrl`, which hands out a session.
    pub fn is_read(&self) -> bool {
        const READS: [&str; 6] = ["Describe", "Get", "Inquiry", "List", "Lookup", "LookUp"];
        self.action != "DescribeInstanceVncUrl"
            && READS.iter().any(|prefix| self.action.starts_with(prefix))
    }

    /// `cvm:DescribeInstances`, the form that CAM policies use.
    pub fn permission(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }
}

/// The API version used for a service.
pub fn default_version(service: &str) -> &'static str {
    match service {
        "monitor" => "2018-07-24",
        "tat" => "2020-10-28",
        "antiddos" => "2020-03-09",
        "billing" => "2018-07-09",
        "lighthouse" => "2020-03-24",
        "cloudaudit" => "2019-03-19",
        "region" => "2022-06-27",
        "sts" => "2018-08-13",
        "cat" => "2018-04-09",
        // cvm, vpc and cbs share their version date.
        _ => "2017-03-12",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_or_hands_out_something_is_no_read() {
        let is_read = |action| ApiCall::new("cvm", action, "", Value::Null).is_read();
        for action in [
            "DescribeInstances",
            "GetMonitorData",
            "InquiryPriceResetInstancesInternetMaxBandwidth",
            "LookUpEvents",
        ] {
            assert!(is_read(action), "{action}");
        }
        for action in [
            "RebootInstances",
            "CreateSecurityGroupPolicies",
            "RunCommand",
            "ResetInstancesPassword",
            "DescribeInstanceVncUrl",
        ] {
            assert!(!is_read(action), "{action}");
        }
    }
}
