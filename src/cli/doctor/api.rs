//! Checks of the cloud: credentials, identity, clock, and each API action.

use futures_util::future::join_all;
use serde_json::json;

use super::{Check, Level, said};
use crate::cli::open;
use crate::cloud::permissions::{Answered, READS, ReadAction, Sample};
use crate::cloud::{Client, CloudError, wire};
use crate::config::Loaded;
use crate::domain::api_call::{ANY_REGION, ApiCall};
use crate::domain::said::Said;
use crate::domain::site::{NOT_ABROAD, Site};
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
                SessionError::NoRegion => said::region_first(),
                _ => said::see_message(),
            };
            checks.push(Check::new(Level::Fail, "credentials", error.said()).remedy(remedy));
            return checks;
        }
    };
    checks.push(Check::new(
        Level::Ok,
        "credentials",
        said::from_origin(&cloud.origin),
    ));
    checks.push(identity(&cloud.client).await);
    checks.push(clock(&cloud.client));
    checks.extend(permissions(&cloud).await);
    checks
}

/// sts `GetCallerIdentity` takes nothing and needs no permission: a pure test of the keys.
async fn identity(client: &Client) -> Check {
    let call = ApiCall::new("sts", "GetCallerIdentity", ANY_REGION, json!({}));
    match client.call(&call).await {
        Ok(answer) => {
            let text = |name: &str| answer.response[name].as_str().unwrap_or("?").to_owned();
            Check::new(
                Level::Ok,
                "identity",
                said::identity(text("Type"), text("AccountId")),
            )
        }
        Err(error) if error.is_unserved() => Check::new(Level::NotTested, "identity", error.said()),
        Err(error) => {
            let remedy = match &error {
                CloudError::Network { .. } | CloudError::BadAnswer { .. } => said::check_endpoint(),
                CloudError::ClockSkew { .. } => said::set_clock(),
                _ => said::check_keys(),
            };
            Check::new(Level::Fail, "identity", error.said()).remedy(remedy)
        }
    }
}

fn clock(client: &Client) -> Check {
    let remedy = said::set_clock_how();
    match client.clock_offset() {
        None => Check::new(Level::NotTested, "clock", said::no_time()),
        Some(offset) if offset.abs() >= REFUSED_SKEW_SECONDS => {
            Check::new(Level::Fail, "clock", said::clock_far(offset)).remedy(remedy)
        }
        Some(offset) if offset.abs() >= NOTICEABLE_SKEW_SECONDS => {
            Check::new(Level::Warn, "clock", said::clock_off(offset)).remedy(remedy)
        }
        Some(offset) => Check::new(Level::Ok, "clock", said::clock_off(offset)),
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
    let site = cloud.client.site();
    let answers = join_all(READS.iter().map(|read| read.test(&cloud.client, &sample))).await;
    let mut checks: Vec<Check> = READS
        .iter()
        .zip(answers)
        .map(|(read, answer)| match answer {
            Answered::Permitted => Check::new(Level::Ok, read.permission, said::permitted()),
            Answered::Refused(code) => Check::new(
                Level::Warn,
                read.permission,
                said::refused(code, Said::known(read.purpose)),
            )
            .remedy(said::smallest_policy()),
            Answered::Absent(code) => {
                Check::new(Level::NotTested, read.permission, absent(site, read, &code))
            }
            Answered::NotTested(why) => {
                Check::new(Level::NotTested, read.permission, said::not_tested(why))
            }
        })
        .collect();
    checks.insert(0, site_check(&cloud.client, &checks));
    checks.push(Check::new(
        Level::NotTested,
        "monitor quota",
        said::monitor_quota(),
    ));
    checks.push(Check::new(
        Level::NotTested,
        "actions",
        said::actions_untested(),
    ));
    checks
}

/// What is missing where a read is not served.
fn absent(site: Option<Site>, read: &ReadAction, code: &str) -> Said {
    if site.is_some_and(|site| site.lacks(read.permission)) {
        said::not_on_site(code, Said::known(read.purpose))
    } else {
        said::not_served(code, Said::known(read.purpose))
    }
}

/// Which of the vendor's sites answers: by the settings or the endpoint's name, else by what it does
/// not serve.
fn site_check(client: &Client, reads: &[Check]) -> Check {
    let answers = |permission: &str| {
        let check = reads.iter().find(|check| check.subject == permission);
        check.is_some_and(|check| check.level != Level::NotTested)
    };
    let endpoint = client.endpoint();
    let lacking = NOT_ABROAD
        .iter()
        .filter(|name| reads.iter().any(|check| check.subject == **name) && !answers(name));
    let like_abroad = reads.iter().any(|check| check.level == Level::Ok) && lacking.count() > 0;
    let detail = match client.site() {
        Some(site) => said::site_at(site.as_str(), endpoint),
        None if like_abroad => said::site_like_abroad(endpoint),
        None => said::site_untold(endpoint),
    };
    if client.moved_to_other_site() {
        return Check::new(Level::Warn, "site", said::site_moved(detail))
            .remedy(said::set_international());
    }
    match client.site() {
        Some(_) => Check::new(Level::Ok, "site", detail),
        None => Check::new(Level::NotTested, "site", detail).remedy(said::set_site()),
    }
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
