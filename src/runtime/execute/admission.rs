//! Whether the rules let the failing user in, as the cloud tells them after a change.
//!
//! What a probe from this host finds says nothing of a user who comes from elsewhere: the rules
//! decide for each source. Must not live here: the evaluation (`domain`), the reads
//! (`cloud::facts`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::Desk;
use super::verify::judged_source;
use crate::action::plan::Plan;
use crate::cloud::facts::{self, FactRequest};
use crate::domain::evidence::{Path, Reading, Status, group};
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::runtime::vantage::{is_this_host, own_sources};

/// What the rules say of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// By the security groups, and by the ACL unless that could not be read; why not.
    LetIn {
        acl_unread: Option<Said>,
    },
    KeptOut(Said),
    /// They could not be read, or do not decide; why.
    Untold(Said),
}

/// The rules for a user who is not this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admission {
    pub source: IpNet,
    pub verdict: Verdict,
    /// Ways on which the rules keep this host out, so that its silence there says nothing.
    pub keeps_us_out: Vec<Path>,
}

/// The user that a plan is judged for, where that is certainly somebody else than this host.
pub(super) fn somebody_else(plan: &Plan, instance: &Instance) -> Option<IpNet> {
    let source = judged_source(plan)?;
    let own = own_sources(instance);
    let here = source.addr().is_loopback()
        || is_this_host(source.addr())
        || own.iter().any(|(_, own)| source.contains(own));
    (!here).then_some(source)
}

/// Asks the cloud about the rules as they are now. A network is let in only when all of it is; its
/// two ends stand for it.
pub(super) async fn ask(desk: &Desk, instance: &Instance, source: IpNet) -> Admission {
    let ends = [source.network(), source.broadcast()];
    let (first, last) = (ends[0], Some(ends[1]).filter(|last| *last != ends[0]));
    let mut readings = readings(desk, instance, first).await;
    let mut verdict = verdict_of(&readings);
    if let (Verdict::LetIn { .. }, Some(last)) = (&verdict, last) {
        readings = self::readings(desk, instance, last).await;
        verdict = verdict_of(&readings);
    }
    let kept_out =
        |reading: &&Reading| reading.id == group::SECURITY_GROUP_HERE && refuses(reading);
    Admission {
        source,
        verdict,
        keeps_us_out: readings
            .iter()
            .filter(kept_out)
            .filter_map(|reading| reading.path)
            .collect(),
    }
}

async fn readings(desk: &Desk, instance: &Instance, source: IpAddr) -> Vec<Reading> {
    let request = FactRequest {
        user_source: Some(source),
        own_sources: own_sources(instance),
        instance_is_fresh: true,
        ..FactRequest::default()
    };
    facts::rules(&desk.client, instance, &request).await
}

fn refuses(reading: &Reading) -> bool {
    reading
        .observed_state()
        .is_some_and(|state| state.starts_with("deny") || state == "allow-other-source-only")
}

/// Group and ACL together: both must let the source in.
fn verdict_of(readings: &[Reading]) -> Verdict {
    let of = |id: &str| readings.iter().find(|reading| reading.id == id);
    let rules = [of(group::SECURITY_GROUP), of(group::NETWORK_ACL)];
    let rules = || rules.into_iter().flatten();
    if let Some(refusing) = rules().find(|reading| refuses(reading)) {
        return Verdict::KeptOut(refusing.detail.clone());
    }
    let lets_in = |reading: &&Reading| match reading.observed_state() {
        Some(state) => matches!(state, "allow" | "none"),
        // An instance outside a VPC has no ACL.
        None => reading.id == group::NETWORK_ACL && reading.status == Status::NotApplicable,
    };
    match rules().find(|reading| !lets_in(reading)) {
        // An ACL that nobody could read is no refusal: most subnets have none.
        Some(unread) if unread.id == group::NETWORK_ACL && unread.observed_state().is_none() => {
            Verdict::LetIn {
                acl_unread: Some(unread.detail.clone()),
            }
        }
        Some(untold) => Verdict::Untold(untold.detail.clone()),
        None => Verdict::LetIn { acl_unread: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Source, State};

    fn told(verdict: &str, acl: Reading) -> Verdict {
        let group = Reading::observed(
            State::new("security-group", verdict),
            Source::Cloud,
            Said::raw("group"),
        );
        verdict_of(&[group, acl])
    }

    #[test]
    fn the_user_is_let_in_by_both_or_not_at_all() {
        let acl = |state| {
            Reading::observed(
                State::new("network-acl", state),
                Source::Cloud,
                Said::raw("acl"),
            )
        };
        let unread = |status| {
            Reading::without_state("network-acl", Source::Cloud, status, Said::raw("unread"))
        };
        let let_in = Verdict::LetIn { acl_unread: None };
        assert_eq!(told("allow", acl("none")), let_in);
        assert_eq!(told("allow", acl("allow")), let_in);
        assert_eq!(told("allow", unread(Status::NotApplicable)), let_in);
        for group in ["deny-explicit", "deny-default", "allow-other-source-only"] {
            let verdict = told(group, unread(Status::NotPermitted));
            assert_eq!(verdict, Verdict::KeptOut(Said::raw("group")), "{group}");
        }
        let verdict = told("allow", acl("deny-return"));
        assert_eq!(verdict, Verdict::KeptOut(Said::raw("acl")));
        // Unknown is neither a yes nor a no: it is said.
        let verdict = told("allow", unread(Status::NotPermitted));
        let acl_unread = Some(Said::raw("unread"));
        assert_eq!(verdict, Verdict::LetIn { acl_unread });
        let verdict = told("allow", acl("unresolved"));
        assert_eq!(verdict, Verdict::Untold(Said::raw("acl")));
        let verdict = told("unresolved", acl("none"));
        assert_eq!(verdict, Verdict::Untold(Said::raw("group")));
    }
}
