//! Reads the part of the Windows answer that is about who gets a desktop: refusals of the account,
//! sessions, TLS of the listener, the domain.
//!
//! Must not live here: the service and its settings (`guest::windows`).

use super::answer::Answer;
use super::windows::setting;
use super::{Finding, GuestQuestion, found, missing, said};
use crate::domain::evidence::state::{
    guest_access, guest_domain, guest_rdp_sessions, guest_rdp_tls,
};
use crate::domain::said::Said;

/// Whether the newest event of the user carries one of these codes (MS-ERREF NTSTATUS).
pub(super) fn refused_with<'a>(a: &'a Answer, codes: &[&str]) -> Option<&'a str> {
    let line = a.first("authlog", "line")?;
    let lower = line.to_ascii_lowercase();
    let carried = codes.iter().any(|code| {
        lower
            .split_whitespace()
            .any(|w| w.split_once('=').is_some_and(|(_, value)| value == *code))
    });
    (line.starts_with("4625") && carried).then_some(line)
}

/// Rules about the account, once its password was right: account restriction, hours, workstation,
/// disabled, authentication firewall.
const RULES: [&str; 5] = [
    "0xc000006e",
    "0xc000006f",
    "0xc0000070",
    "0xc0000072",
    "0xc0000413",
];

pub(super) fn access(a: &Answer, q: &GuestQuestion) -> Finding {
    if setting(a, "account", "state").is_some_and(|s| s.contains("disabled=True")) {
        return found(guest_access::DENIED, said::account_disabled());
    }
    if !a.has("authlog", "checked") {
        return missing(said::the_security_log());
    }
    if let Some(line) = refused_with(a, &RULES) {
        return found(guest_access::DENIED, Said::raw(line));
    }
    match setting(a, "account", "state") {
        None => missing(said::the_account()),
        // Nobody here knows the rules of a domain; only a refusal shows them.
        Some("absent") => Err(said::no_local_account()),
        Some(_) => found(guest_access::OK, said::let_in(&q.user)),
    }
}

/// Does somebody else hold the desktops that there are?
pub(super) fn sessions(a: &Answer) -> Finding {
    if !a.has("sessions", "checked") {
        return missing(said::the_sessions());
    }
    let counts: Option<Vec<u64>> = setting(a, "sessions", "open")
        .map(|l| l.split(' ').map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    let Some([own, active, left, console]) = counts.as_deref() else {
        return missing(said::the_sessions());
    };
    let told = setting(a, "license", "limit")
        .and_then(|l| l.parse::<u64>().ok())
        .filter(|l| *l > 0 && *l < 999_999);
    let role = setting(a, "license", "role");
    let allowed = match (role, setting(a, "sessions", "product")) {
        (Some("1"), _) => told,
        (_, Some("1")) => Some(1),
        // Without the session-host role two may work at once, for administration.
        (Some("0"), Some("2" | "3")) => Some(told.map_or(2, |l| l.min(2))),
        _ => return missing(said::the_sessions()),
    };
    let Some(allowed) = allowed else {
        return found(guest_rdp_sessions::FREE, said::no_session_limit());
    };
    if active >= &allowed {
        return found(
            guest_rdp_sessions::IN_USE,
            said::desktops_taken(*active, allowed),
        );
    }
    let others = active.saturating_add(*left).saturating_add(*console);
    // A session of the user's own is taken up again. One that was left, or the console, may count.
    if *own == 0 && others >= allowed {
        return Err(said::desktops_perhaps_taken(others, allowed));
    }
    found(
        guest_rdp_sessions::FREE,
        said::desktops_taken(*active, allowed),
    )
}

/// Which versions and ciphers of TLS the system offers.
pub(super) fn tls(a: &Answer) -> Finding {
    if !a.has("tls", "checked") {
        return missing(said::the_tls_settings());
    }
    let Some(line) = a
        .all("tls", "protocol")
        .iter()
        .find_map(|l| l.strip_prefix("TLS 1.2 "))
    else {
        return missing(said::the_tls_settings());
    };
    let value = |name: &str| {
        line.split(' ')
            .find_map(|w| w.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or("")
    };
    if value("enabled") == "0" {
        return found(guest_rdp_tls::RESTRICTED, said::tls_off("TLS 1.2"));
    }
    if let Some((all, usable)) = setting(a, "tls", "suites").and_then(|l| l.split_once(' '))
        && all != "0"
        && usable == "0"
    {
        return found(guest_rdp_tls::RESTRICTED, said::tls_no_suite());
    }
    match (value("enabled"), value("off")) {
        ("", "1") => Err(said::tls_off_by_default("TLS 1.2")),
        _ => found(guest_rdp_tls::OK, said::tls_offered("TLS 1.2")),
    }
}

/// Codes of a channel that has no controller, or whose trust is lost (MS-ERREF, Win32).
const NO_DOMAIN: [&str; 8] = [
    "0x51f", "0x54b", "0x6ba", "0x6fa", "0x6fb", "0x6fc", "0x6fd", "0x6fe",
];

/// Does the guest reach a controller of its domain?
pub(super) fn domain(a: &Answer) -> Finding {
    match setting(a, "domain", "member") {
        None => return missing(said::the_domain()),
        Some("False") => return found(guest_domain::OK, said::no_domain_member()),
        Some(_) => {}
    }
    let lines = a.all("domain", "query");
    let has = |line: &str, code: &str| {
        line.to_ascii_lowercase()
            .split_whitespace()
            .any(|w| w == code)
    };
    if let Some(line) = lines
        .iter()
        .find(|l| NO_DOMAIN.iter().any(|code| has(l, code)))
    {
        return found(guest_domain::UNREACHABLE, Said::raw(line));
    }
    match lines.first() {
        None => missing(said::the_domain()),
        Some(line) if lines.iter().all(|l| has(l, "0x0")) => {
            found(guest_domain::OK, Said::raw(line))
        }
        Some(_) => Err(said::domain_unclear(lines.join("; "))),
    }
}
