//! Fusion of the TLS handshake into `rdp-tls` and `rdp-certificate`.
//!
//! Lives here: the states of both and their words for a sentence. Must not live here: the handshake.

use crate::domain::evidence::State;
use crate::domain::evidence::state::{rdp_certificate, rdp_tls};
use crate::domain::said::{Figure, Said};
use crate::probe::outcome::{CertificateSummary, Tls};
use crate::probe::said;
use crate::probe::tls_hello::{self, version_name};

/// A certificate that ends within this many days is worth a warning.
const SOON_DAYS: i64 = 14;
const DAY: i64 = 86_400;

/// States of `rdp-tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdpTls {
    Ok,
    Failed,
    Closed,
    Hang,
    Garbage,
    NoCommonVersion,
}

impl RdpTls {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Ok => rdp_tls::OK,
            Self::Failed => rdp_tls::FAILED,
            Self::Closed => rdp_tls::CLOSED,
            Self::Hang => rdp_tls::HANG,
            Self::Garbage => rdp_tls::GARBAGE,
            Self::NoCommonVersion => rdp_tls::NO_COMMON_VERSION,
        }
    }
}

/// The state of one handshake.
pub fn fuse_tls(tls: &Tls) -> RdpTls {
    match tls {
        Tls::Complete(_) => RdpTls::Ok,
        // A suite of TLS 1.2 that clients offer and this program does not: they get on.
        Tls::WentOn { version, suite, .. } if !tls_hello::outdated(*version, *suite) => RdpTls::Ok,
        Tls::WentOn { .. } => RdpTls::NoCommonVersion,
        Tls::Hang(_) => RdpTls::Hang,
        Tls::Closed { .. } => RdpTls::Closed,
        Tls::Garbage => RdpTls::Garbage,
        Tls::KeyMismatch(_) | Tls::Alert { .. } | Tls::Incompatible | Tls::Failed(_) => {
            RdpTls::Failed
        }
    }
}

/// States of `rdp-certificate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    Valid,
    /// In order for at most two weeks more.
    EndsSoon,
    Expired,
    NotYetValid,
    Absent,
    KeyMismatch,
}

impl Certificate {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Valid => rdp_certificate::VALID,
            Self::EndsSoon => rdp_certificate::ENDS_SOON,
            Self::Expired => rdp_certificate::EXPIRED,
            Self::NotYetValid => rdp_certificate::NOT_YET_VALID,
            Self::Absent => rdp_certificate::ABSENT,
            Self::KeyMismatch => rdp_certificate::KEY_MISMATCH,
        }
    }
}

/// The state of a certificate at `now` (seconds since 1970); `None` when the handshake did not show
/// one.
pub fn fuse_certificate(tls: &Tls, now: i64) -> Option<Certificate> {
    match (tls, tls.certificate()) {
        (Tls::KeyMismatch(_), _) => Some(Certificate::KeyMismatch),
        (_, Some(c)) if now > c.not_after => Some(Certificate::Expired),
        (_, Some(c)) if now < c.not_before => Some(Certificate::NotYetValid),
        (_, Some(c)) if c.not_after - now <= SOON_DAYS * DAY => Some(Certificate::EndsSoon),
        (_, Some(_)) => Some(Certificate::Valid),
        (Tls::Complete(None), None) => Some(Certificate::Absent),
        (_, None) => None,
    }
}

/// The handshake in one sentence, without the certificate.
pub fn describe_tls(tls: &Tls) -> Said {
    match tls {
        Tls::Complete(_) => said::tls_completes(),
        Tls::WentOn { version, suite, .. } => {
            let version_said =
                version_name(*version).map_or_else(said::tls_unknown_version, Said::raw);
            let went = said::tls_went_on(version_said, format!("0x{suite:04x}"));
            if tls_hello::outdated(*version, *suite) {
                went.and(said::clients_may_refuse())
            } else {
                went
            }
        }
        Tls::KeyMismatch(_) => said::tls_key_mismatch(),
        Tls::Alert { code, name } => said::tls_alert(*code, name),
        Tls::Closed { reset: true } => said::tls_reset(),
        Tls::Closed { reset: false } => said::tls_closed(),
        Tls::Garbage => said::tls_garbage(),
        Tls::Incompatible => said::tls_incompatible(),
        Tls::Failed(reason) => said::tls_failed(reason),
        Tls::Hang(waited) => said::tls_hangs(Figure::time(*waited)),
    }
}

/// Name and dates of a certificate at `now` (seconds since 1970).
pub fn describe_certificate(certificate: &CertificateSummary, now: i64) -> Said {
    let day = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map_or_else(
            |_| said::unreadable_date(),
            |t| Said::raw(t.strftime("%Y-%m-%d")),
        )
    };
    let dates = said::certificate(
        &certificate.subject,
        day(certificate.not_before),
        day(certificate.not_after),
    );
    match (certificate.not_after - now).div_euclid(DAY) {
        0 => dates.and(said::ends_today()),
        left @ 1..=SOON_DAYS => dates.and(said::ends_in(left)),
        _ => dates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn certificate() -> CertificateSummary {
        CertificateSummary {
            subject: "host".into(),
            not_before: 100,
            not_after: 200 + 30 * DAY,
        }
    }

    fn went_on(version: u16, suite: u16) -> Tls {
        Tls::WentOn {
            version,
            suite,
            certificate: None,
        }
    }

    #[test]
    fn every_end_of_a_handshake_has_its_state() {
        let alert = Tls::Alert {
            code: 80,
            name: "InternalError".into(),
        };
        for (tls, want) in [
            (Tls::Complete(None), RdpTls::Ok),
            (went_on(0x0303, 0xc027), RdpTls::Ok),
            (went_on(0x0303, 0x000a), RdpTls::NoCommonVersion),
            (went_on(0x0301, 0xc014), RdpTls::NoCommonVersion),
            (Tls::KeyMismatch(None), RdpTls::Failed),
            (alert, RdpTls::Failed),
            (Tls::Closed { reset: false }, RdpTls::Closed),
            (Tls::Garbage, RdpTls::Garbage),
            (Tls::Incompatible, RdpTls::Failed),
            (Tls::Failed("x".into()), RdpTls::Failed),
            (Tls::Hang(Duration::from_secs(4)), RdpTls::Hang),
        ] {
            assert_eq!(fuse_tls(&tls), want, "{tls:?}");
        }
    }

    #[test]
    fn every_state_of_certificate() {
        let whole = Tls::Complete(Some(certificate()));
        for (now, want) in [
            (50, Certificate::NotYetValid),
            (150, Certificate::Valid),
            (200 + 16 * DAY, Certificate::EndsSoon),
            (250 + 30 * DAY, Certificate::Expired),
        ] {
            assert_eq!(fuse_certificate(&whole, now), Some(want));
        }
        let other_key = Tls::KeyMismatch(Some(certificate()));
        assert_eq!(
            fuse_certificate(&other_key, 150),
            Some(Certificate::KeyMismatch)
        );
        assert_eq!(
            fuse_certificate(&Tls::Complete(None), 0),
            Some(Certificate::Absent)
        );
        assert_eq!(fuse_certificate(&Tls::Failed("x".into()), 0), None);
    }

    #[test]
    fn a_certificate_that_ends_soon_is_said_so() {
        let mut certificate = certificate();
        certificate.not_after = 40 * DAY;
        assert!(!describe_certificate(&certificate, 0).contains("ends"));
        let text = describe_certificate(&certificate, 37 * DAY);
        assert!(
            text.ends_with("it ends in 3 days: renew it before then"),
            "{text}"
        );
    }
}
