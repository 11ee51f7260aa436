//! Which way the users come, and what follows: an instance that is private by design is not broken
//! because it has no public address.
//!
//! Must not live here: how a person is asked, or where the answer is kept.

use std::net::IpAddr;

use super::{NO_FAULT, is_answer_of_the_service};
use crate::domain::evidence::state::public_address;
use crate::domain::evidence::{Path, Reading};
use crate::domain::report::{Report, Vantage, Verdict};

/// Cause id of an instance without an address on the Internet.
pub(super) const NO_PUBLIC: &str = "no-public-ip";

/// The way in, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayIn {
    /// A person said so.
    Told(Path),
    /// The failing user has a private address.
    FromAddress,
    Unknown,
}

impl WayIn {
    pub fn of(vantage: &Vantage) -> Self {
        if let Some(path) = vantage.user_way {
            return Self::Told(path);
        }
        let source = vantage.user_source.as_deref();
        let address = source.and_then(|s| s.split('/').next()?.parse::<IpAddr>().ok());
        let private = address.is_some_and(|address| match address {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        });
        if private {
            Self::FromAddress
        } else {
            Self::Unknown
        }
    }
}

/// True where what is wrong may be as it was meant: there is no public address, the login service
/// answers over the private path, and nobody said which way the users come.
pub(super) fn is_open(vantage: &Vantage, readings: &[Reading]) -> bool {
    // A host that looks along one path only may not name it.
    let only_private = vantage.paths == [Path::Private];
    let by_private = |r: &Reading| match r.path {
        Some(path) => path == Path::Private,
        None => only_private,
    };
    let no_public = |r: &Reading| {
        matches!(
            r.seen(),
            Some(public_address::NONE | public_address::UNBOUND)
        )
    };
    vantage.user_source.is_none()
        && vantage.user_way.is_none()
        && readings.iter().any(no_public)
        && readings
            .iter()
            .any(|r| by_private(r) && is_answer_of_the_service(r))
}

/// Whether the question that is left of a report is which way the users come.
pub fn asks_for_way(report: &Report) -> bool {
    let lead = report.causes.first().map_or("", |cause| cause.id.as_str());
    report.verdict == Verdict::Inconclusive
        && matches!(lead, NO_PUBLIC | NO_FAULT)
        && is_open(&report.vantage, &report.evidence)
}
