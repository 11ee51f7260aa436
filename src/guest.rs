//! Read-only checks inside the guest: the scripts that are run with consent, and the reading of
//! their answers as `guest-*` evidence. Pure.
//!
//! Must not live here: how a script reaches the guest (`cloud`), or what its answer means for
//! the causes (`diagnosis`).

pub mod answer;
mod clock;
pub mod firewall;
mod key_lookup;
pub mod linux;
mod linux_access;
mod linux_account;
mod linux_kernel;
mod linux_system;
mod login_keys;
mod moment;
mod pam;
mod pam_rules;
pub mod said;
pub mod source_block;
mod ssh_patterns;
mod sshd_policy;
pub mod windows;
mod windows_session;

use std::net::IpAddr;

use crate::domain::check::GuestCounts;
use crate::domain::evidence::{Reading, Source, State, Status};
use crate::domain::instance::Os;
use crate::domain::said::Said;
use crate::domain::script_data;

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
    /// When the check was asked for, in seconds since 1970: what the guest's clock is held against.
    pub asked_at: Option<i64>,
}

/// Whether the question can be put into a script at all.
///
/// # Errors
/// One sentence that names the value and what is wrong with it.
pub fn check(os: Os, question: &GuestQuestion) -> Result<(), Said> {
    script_data::check_account(os, &question.user)
}

/// The whole text to run in the guest. Every value goes in as data and never as text, so that
/// even one that [`check`] refuses runs nothing; the script checks it again.
pub fn script(os: Os, question: &GuestQuestion) -> String {
    let source = question.source.map(|a| a.to_string()).unwrap_or_default();
    let address = question
        .private_address
        .map(|a| a.to_string())
        .unwrap_or_default();
    let port = question.port;
    let time = question.asked_at.map(|t| t.to_string()).unwrap_or_default();
    if os == Os::Windows {
        let data = script_data::powershell;
        format!(
            "$CvmtopUser = {}\n$CvmtopSource = {}\n$CvmtopPort = {port}\n$CvmtopAddress = {}\n$CvmtopTime = {}\n{WINDOWS_SCRIPT}",
            data(&question.user),
            data(&source),
            data(&address),
            data(&time),
        )
    } else {
        let data = script_data::shell;
        format!(
            "CVMTOP_USER={}\nCVMTOP_SOURCE={}\nCVMTOP_PORT='{port}'\nCVMTOP_ADDRESS={}\nCVMTOP_TIME={}\n{LINUX_SCRIPT}",
            data(&question.user),
            data(&source),
            data(&address),
            data(&time),
        )
    }
}

/// Readings from the answer of the script. Groups whose part of the answer is missing (cut
/// output, missing tool) are `not-attempted`, never a finding.
pub fn readings(os: Os, output: &str, question: &GuestQuestion) -> Vec<Reading> {
    let mut answer = answer::Answer::parse(output);
    if let Some(what) = answer.first("check", "refused") {
        let why = said::check_refused(what);
        // Without facts every group says why it has none.
        answer = answer::Answer::default();
        let all = read(os, &answer, question);
        return all
            .into_iter()
            .map(|r| {
                Reading::without_state(&r.id, Source::Guest, Status::NotAttempted, why.clone())
            })
            .collect();
    }
    read(os, &answer, question)
}

/// What the guest's kernel counted, from the same answer; `None` on a system that has no such counters.
pub fn counts(os: Os, output: &str) -> Option<GuestCounts> {
    let answer = answer::Answer::parse(output);
    (os == Os::Linux && !answer.has("check", "refused")).then(|| linux_kernel::counts(&answer))
}

fn read(os: Os, answer: &answer::Answer, question: &GuestQuestion) -> Vec<Reading> {
    if os == Os::Windows {
        windows::readings(answer, question)
    } else {
        linux::readings(answer, question)
    }
}

/// A finding, or the reason why there is none.
pub(crate) type Finding = Result<(State<'static>, Said), Said>;

pub(crate) fn reading(id: &str, finding: Finding) -> Reading {
    match finding {
        Ok((state, detail)) => {
            debug_assert_eq!(state.group, id);
            Reading::observed(state, Source::Guest, detail)
        }
        Err(why) => Reading::without_state(id, Source::Guest, Status::NotAttempted, why),
    }
}

#[allow(clippy::unnecessary_wraps)] // one shape for a finding and for its absence
pub(crate) fn found(state: State<'static>, detail: impl Into<Said>) -> Finding {
    Ok((state, detail.into()))
}

pub(crate) fn missing(what: Said) -> Finding {
    Err(said::not_in_answer(what))
}
