//! The documented request rates, per action and region.
//!
//! Lives here: counting calls of the last second. Must not live here: other quotas.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::{Refusal, refuse};

/// Calls of the last second by action and region.
#[derive(Debug, Default)]
pub(super) struct Limits {
    recent: HashMap<(String, String), VecDeque<Instant>>,
}

impl Limits {
    /// Counts the call or refuses it with `RequestLimitExceeded`.
    pub fn admit(&mut self, service: &str, action: &str, region: &str) -> Result<(), Refusal> {
        let limit = per_second(service, action);
        let now = Instant::now();
        let recent = self
            .recent
            .entry((format!("{service}:{action}"), region.to_owned()))
            .or_default();
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            recent.pop_front();
        }
        if recent.len() >= limit {
            return refuse(
                "RequestLimitExceeded",
                format!("{action} may be called {limit} times a second."),
            );
        }
        recent.push_back(now);
        Ok(())
    }
}

/// Requests a second that the API pages allow.
fn per_second(service: &str, action: &str) -> usize {
    match (service, action) {
        ("cvm", "DescribeInstances" | "DescribeInstancesStatus") => 40,
        (
            "cvm",
            "StartInstances"
            | "StopInstances"
            | "RebootInstances"
            | "ResetInstancesPassword"
            | "ModifyInstancesAttribute",
        )
        | (
            "vpc",
            "DescribeAddresses"
            | "ModifyAddressesBandwidth"
            | "AllocateAddresses"
            | "AssociateAddress"
            | "DisassociateAddress",
        ) => 10,
        ("vpc", _) => 100,
        ("monitor", "GetMonitorData") => 50,
        ("tat", "DescribeAutomationAgentStatus") => 60,
        _ => 20,
    }
}
