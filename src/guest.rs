//! Read-only checks inside the guest: the scripts that are run with consent, and the reading of
//! their answers as `guest-*` evidence. Pure.
//!
//! Must not live here: how a script reaches the guest (`cloud`), or what its answer means for
//! the causes (`diagnosis`).

pub mod answer;
pub mod firewall;
pub mod linux;
mod linux_account;
mod linux_system;
pub mod source_block;
pub mod windows;

use std::net::IpAddr;

use crate::domain::evidence::{Reading, Source, Status};
use crate::domain::instance::Os;

/// The Linux check (POSIX shell), as shown to the operator before consent.
pub const LINUX_SCRIPT: &str = include_str!("../assets/guest/check-linux.sh");
/// The Windows check (PowerShell 4 and later), as shown to the operator before consent.
pub const WINDOWS_SCRIPT: &str = include_str!("../assets/guest/check-windows.ps1");

/// What the checks are about.
#[derive(Debug, Clone)]
pub struct GuestQuestion {
    /// The failing user; `root` or `Administrator` when nobody said.
    pub user: String,
    /// Where the failing user comes from.
    pub source: Option<IpAddr>,
    pub port: u16,
    /// The private address that the cloud knows.
    pub private_address: Option<IpAddr>,
    /// True when the user is known to rely on a key, false for a password, `None` if unknown.
    pub uses_key: Option<bool>,
}

/// The whole text to run in the guest, with the question filled in.
pub fn script(os: Os, question: &GuestQuestion) -> String {
    let source = question.source.map(|a| a.to_string()).unwrap_or_default();
    let address = question
        .private_address
        .map(|a| a.to_string())
        .unwrap_or_default();
    if os == Os::Windows {
        let quote = |text: &str| text.replace('\'', "''");
        format!(
            "$CvmtopUser = '{}'\n$CvmtopSource = '{source}'\n$CvmtopPort = {}\n\
             $CvmtopAddress = '{address}'\n{WINDOWS_SCRIPT}",
            quote(&question.user),
            question.port,
        )
    } else {
        let quote = |text: &str| text.replace('\'', r"'\''");
        format!(
            "CVMTOP_USER='{}'\nCVMTOP_SOURCE='{source}'\nCVMTOP_PORT='{}'\n\
             CVMTOP_ADDRESS='{address}'\n{LINUX_SCRIPT}",
            quote(&question.user),
            question.port,
        )
    }
}

/// Readings from the answer of the script. Groups whose part of the answer is missing (cut
/// output, missing tool) are `not-attempted`, never a finding.
pub fn readings(os: Os, output: &str, question: &GuestQuestion) -> Vec<Reading> {
    let answer = answer::Answer::parse(output);
    if os == Os::Windows {
        windows::readings(&answer, question)
    } else {
        linux::readings(&answer, question)
    }
}

/// A finding, or the reason why there is none.
pub(crate) type Finding = Result<(&'static str, String), String>;

pub(crate) fn reading(id: &str, finding: Finding) -> Reading {
    match finding {
        Ok((state, detail)) => Reading::observed(id, Source::Guest, state, detail),
        Err(why) => Reading::without_state(id, Source::Guest, Status::NotAttempted, why),
    }
}

#[allow(clippy::unnecessary_wraps)] // one shape for a finding and for its absence
pub(crate) fn found(state: &'static str, detail: impl Into<String>) -> Finding {
    Ok((state, detail.into()))
}

pub(crate) fn missing(what: &str) -> Finding {
    Err(format!("the guest's answer does not hold {what}"))
}
