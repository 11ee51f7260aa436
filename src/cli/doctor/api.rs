//! Checks of the cloud: credentials, identity, clock, and each API action.

use futures_util::future::join_all;
use serde_json::json;

use super::{Check, Level};
use crate::cli::open;
use crate::cloud::permissions::{Answered, READS, Sample};
use crate::cloud::{Client, CloudError, wire};
use crate::config::Loaded;
use crate::domain::api_call::ApiCall;
use crate::runtime::session::{Cloud, SessionError};

/// Above this the cloud refuses every request (`AuthFailure.SignatureExpire`).
const REFUSED_SKEW_SECONDS: i64 = 300;
const NOTICEABLE_SKEW_SECONDS: i64 = 30;

pub(super) async fn checks(loaded: &Loaded) -> Vec<Check> {
    let mut checks = Vec::new();
    let opened = open::cloud(loaded, &mut |warning| {
        checks.push(Check::new(Level::Warn, "credentials", warning));
    })
    .await;
    let cloud = match opened.map(|session| session.cloud) {
        Ok(Some(cloud)) => cloud,
        Ok(None) => return checks,
        Err(error) => {
            let remedy = match &error {
                SessionError::NoRegion => "cvmtop --region ap-guangzhou doctor",
                _ => "see the message; `cvmtop --demo` works without an account",
            };
            checks.push(Check::new(Level::Fail, "credentials", error.to_string()).remedy(remedy));
            return checks;
        }
    };
    checks.push(Check::new(
        Level::Ok,
        "credentials",
        format!("from {}", cloud.origin),
    ));
    checks.push(identity(&cloud.client).await);
    checks.push(clock(&cloud.client));
    checks.extend(permissions(&cloud).await);
    checks
}

/// sts `GetCallerIdentity` takes nothing and needs no permission: a pure test of the keys.
async fn identity(client: &Client) -> Check {
    let call = ApiCall::new("sts", "GetCallerIdentity", "", json!({}));
    match client.call(&call).await {
        Ok(answer) => {
            let text = |name: &str| answer.response[name].as_str().unwrap_or("?").to_owned();
            Check::new(
                Level::Ok,
                "identity",
                format!("{} of account {}", text("Type"), text("AccountId")),
            )
        }
        Err(error) if error.is_unserved() => {
            Check::new(Level::NotTested, "identity", error.to_string())
        }
        Err(error) => {
            let remedy = match &error {
                CloudError::Network { .. } | CloudError::BadAnswer { .. } => {
                    "check cloud.endpoint, the network and HTTPS_PROXY"
                }
                CloudError::ClockSkew { .. } => "set this machine's clock",
                _ => "check the secret id and key in the CAM console",
            };
            Check::new(Level::Fail, "identity", error.to_string()).remedy(remedy)
        }
    }
}

fn clock(client: &Client) -> Check {
    let remedy = "set the clock, for example with chrony or `timedatectl set-ntp true`";
    match client.clock_offset() {
        None => Check::new(Level::NotTested, "clock", "the cloud gave no time"),
        Some(offset) if offset.abs() >= REFUSED_SKEW_SECONDS => Check::new(
            Level::Fail,
            "clock",
            format!(
                "{offset} s off the cloud's; corrected while running, but other tools are refused"
            ),
        )
        .remedy(remedy),
        Some(offset) if offset.abs() >= NOTICEABLE_SKEW_SECONDS => {
            Check::new(Level::Warn, "clock", format!("{offset} s off the cloud's")).remedy(remedy)
        }
        Some(offset) => Check::new(Level::Ok, "clock", format!("{offset} s off the cloud's")),
    }
}

/// Each read by a harmless call in the first region; writes are never tried.
async fn permissions(cloud: &Cloud) -> Vec<Check> {
    let mut sample = Sample {
        region: cloud
            .regions
            .iter()
            .find(|region| *region != "all")
            .cloned()
            .unwrap_or_else(|| "ap-guangzhou".to_owned()),
        ..Sample::default()
    };
    fill(&cloud.client, &mut sample).await;
    let answers = join_all(READS.iter().map(|read| read.test(&cloud.client, &sample))).await;
    let mut checks: Vec<Check> = READS
        .iter()
        .zip(answers)
        .map(|(read, answer)| match answer {
            Answered::Permitted => Check::new(Level::Ok, read.permission, "permitted"),
            Answered::Refused(code) => Check::new(
                Level::Warn,
                read.permission,
                format!("refused ({code}); cannot be told: {}", read.purpose),
            )
            .remedy("cvmtop doctor --policy read prints the smallest policy"),
            Answered::NotTested(why) => Check::new(
                Level::NotTested,
                read.permission,
                format!("not tested: {why}"),
            ),
        })
        .collect();
    checks.push(Check::new(
        Level::NotTested,
        "actions",
        "not tested, since that would change something; `doctor --policy ACTION` prints what each needs",
    ));
    checks
}

/// Ids of some instance, for calls that need them.
async fn fill(client: &Client, sample: &mut Sample) {
    let call = ApiCall::new(
        "cvm",
        "DescribeInstances",
        &sample.region,
        json!({"Offset": 0, "Limit": 1}),
    );
    let Ok(answer) = client.call(&call).await else {
        return;
    };
    let (items, _) = wire::list::<wire::InstanceSetItem>(&answer.response, "InstanceSet");
    if let Some(item) = items.into_iter().next() {
        let instance = item.into_domain(&sample.region);
        sample.security_group_id = instance
            .security_group_ids
            .first()
            .cloned()
            .unwrap_or_default();
        sample.instance_id = instance.id;
    }
}
