//! One call of the cloud's API as data.
//!
//! The same value is shown in a preview, written to the journal and sent; nothing is sent that
//! is not such a value. Must not live here: signing, transport, retry.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
        // cvm, vpc and cbs share their version date.
        _ => "2017-03-12",
    }
}
