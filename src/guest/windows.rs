//! Reads the answer of `assets/guest/check-windows.ps1` as evidence.
//!
//! Must not live here: weighing, or how the script reaches the guest.

use super::answer::Answer;
use super::firewall;
use super::{Finding, GuestQuestion, clock, found, missing, reading, said, windows_session};
use crate::domain::evidence::state::{
    guest_account, guest_auth_log, guest_boot, guest_filesystem, guest_firewall, guest_listener,
    guest_load, guest_malware, guest_network, guest_ports, guest_rdp_certificate,
    guest_rdp_enabled, guest_rdp_license, guest_rdp_port, guest_rdp_rights, guest_rdp_security,
    guest_reset_agent, guest_service,
};
use crate::domain::evidence::{Reading, group};
use crate::domain::said::Said;

/// All Windows groups, in the order of the vocabulary.
pub fn readings(a: &Answer, q: &GuestQuestion) -> Vec<Reading> {
    vec![
        reading(group::GUEST_SERVICE, service(a)),
        reading(group::GUEST_LISTENER, listener(a, q)),
        reading(group::GUEST_FIREWALL, firewall(a, q)),
        reading(group::GUEST_ACCOUNT, account(a)),
        reading(group::GUEST_AUTH_LOG, auth_log(a, q)),
        reading(group::GUEST_RESET_AGENT, reset_agent(a)),
        reading(group::GUEST_FILESYSTEM, filesystem(a)),
        reading(group::GUEST_LOAD, load(a)),
        reading(group::GUEST_BOOT, boot(a)),
        reading(group::GUEST_NETWORK, network(a)),
        reading(group::GUEST_MALWARE, malware(a)),
        reading(group::GUEST_RDP_ENABLED, rdp_enabled(a)),
        reading(group::GUEST_RDP_PORT, rdp_port(a, q)),
        reading(group::GUEST_RDP_SECURITY, rdp_security(a)),
        reading(group::GUEST_RDP_RIGHTS, rdp_rights(a)),
        reading(group::GUEST_RDP_LICENSE, rdp_license(a)),
        reading(group::GUEST_RDP_CERTIFICATE, rdp_certificate(a)),
        reading(group::GUEST_PORTS, ports(a)),
        reading(group::GUEST_ACCESS, windows_session::access(a, q)),
        reading(group::GUEST_CLOCK, clock::clock(a)),
        reading(group::GUEST_RDP_SESSIONS, windows_session::sessions(a)),
        reading(group::GUEST_RDP_TLS, windows_session::tls(a)),
        reading(group::GUEST_DOMAIN, windows_session::domain(a)),
    ]
}

/// A fact that may be said with an empty value, which means that the setting does not exist.
pub(super) fn setting<'a>(a: &'a Answer, group: &str, key: &str) -> Option<&'a str> {
    a.first(group, key).map(str::trim).filter(|v| !v.is_empty())
}

fn number(a: &Answer, group: &str, key: &str) -> Option<u64> {
    setting(a, group, key)?.parse().ok()
}

fn pair(a: &Answer, group: &str, key: &str) -> Option<(u64, u64)> {
    let (first, second) = setting(a, group, key)?.split_once(' ')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn service(a: &Answer) -> Finding {
    match setting(a, "service", "state") {
        Some("Running") => found(guest_service::RUNNING, said::term_runs()),
        Some("Stopped") => found(
            guest_service::STOPPED,
            setting(a, "service", "start")
                .map_or_else(said::term_stopped_unread, said::term_stopped),
        ),
        Some(other) => found(guest_service::HUNG, said::term_is(other)),
        None => missing(said::the_rdp_service()),
    }
}

fn listener(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("listener", "checked") {
        return missing(said::the_sockets());
    }
    let pid = setting(a, "service", "pid").unwrap_or("");
    let mut here = Vec::new();
    let mut elsewhere = None;
    for line in a.all("listener", "netstat") {
        let words: Vec<&str> = line.split(' ').collect();
        let Some((host, port)) = words.get(1).and_then(|l| l.rsplit_once(':')) else {
            continue;
        };
        if port == q.port.to_string() {
            here.push(host.trim_matches(['[', ']']));
        } else if !pid.is_empty() && pid != "0" && words.last() == Some(&pid) {
            elsewhere = Some(port.to_owned());
        }
    }
    if here.is_empty() {
        return match elsewhere {
            Some(port) => found(
                guest_listener::OTHER_PORT,
                said::rdp_elsewhere(port, q.port),
            ),
            None => found(guest_listener::NONE, said::nothing_listens(q.port)),
        };
    }
    let list = here.join(", ");
    let any_v4 = here
        .iter()
        .any(|h| h.contains('.') && !h.starts_with("127."));
    let any_v6 = here.iter().any(|h| h.contains(':') && *h != "::1");
    let user_v6 = q.source.is_some_and(|s| s.is_ipv6());
    match (any_v4, any_v6) {
        (false, false) => found(
            guest_listener::LOOPBACK_ONLY,
            said::bound_only(q.port, list),
        ),
        (true, false) if user_v6 => {
            found(guest_listener::IPV4_ONLY, said::bound_user_v6(q.port, list))
        }
        (false, true) if !user_v6 => {
            found(guest_listener::IPV6_ONLY, said::bound_user_v4(q.port, list))
        }
        _ => found(guest_listener::EXPECTED_PORT, said::bound(q.port, list)),
    }
}

fn firewall(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("firewall", "checked") {
        return missing(said::the_firewall_rules());
    }
    let (open, why) = firewall::windows::judge(a, q)?;
    found(
        if open {
            guest_firewall::ALLOW
        } else {
            guest_firewall::DROP
        },
        why,
    )
}

fn account(a: &Answer) -> Finding {
    match setting(a, "account", "state") {
        None => missing(said::the_account()),
        Some("absent") => found(guest_account::ABSENT, said::no_local_account()),
        Some(state) if state.contains("lockout=True") => {
            found(guest_account::LOCKED, said::account_locked_out())
        }
        Some(state) if state.contains("disabled=True") => {
            found(guest_account::LOCKED, said::account_disabled())
        }
        Some(_) => match windows_session::refused_with(a, &["0xc0000071", "0xc0000224"]) {
            Some(line) => found(guest_account::PASSWORD_EXPIRED, Said::raw(line)),
            None => found(guest_account::OK, said::account_active()),
        },
    }
}

/// Sub-status codes of event 4625 (MS-ERREF NTSTATUS).
fn auth_log(a: &Answer, _q: &GuestQuestion) -> Finding {
    if !a.has("authlog", "checked") {
        return missing(said::the_security_log());
    }
    // The newest event comes first.
    let Some(line) = a.first("authlog", "line") else {
        return found(guest_auth_log::NONE, said::security_log_silent());
    };
    let code = line
        .split_whitespace()
        .filter_map(|w| w.strip_prefix("sub=").or_else(|| w.strip_prefix("status=")))
        .map(str::to_ascii_lowercase)
        .rfind(|c| c.len() > 3)
        .unwrap_or_default();
    if line.starts_with("4624") {
        return found(guest_auth_log::ACCEPTED, Said::raw(line));
    }
    match code.as_str() {
        "0xc0000064" => found(guest_auth_log::INVALID_USER, Said::raw(line)),
        "0xc000015b" | "0xc000006e" | "0xc000006f" | "0xc0000070" | "0xc0000071" | "0xc0000413"
        | "0xc0000224" | "0xc0000234" | "0xc0000072" | "0xc0000193" => {
            found(guest_auth_log::POLICY_REFUSED, Said::raw(line))
        }
        _ => found(guest_auth_log::FAILED_PASSWORD, Said::raw(line)),
    }
}

fn reset_agent(a: &Answer) -> Finding {
    match setting(a, "reset", "agent") {
        None => missing(said::the_reset_agent()),
        Some("missing") => found(guest_reset_agent::MISSING, said::cloudbase_missing()),
        Some(agent) if !agent.contains("start=Auto") => {
            found(guest_reset_agent::STOPPED, said::cloudbase_is(agent))
        }
        Some(_) => match setting(a, "reset", "plugin") {
            Some(value) if value != "2" => {
                found(guest_reset_agent::BLOCKED, said::plugin_is(value))
            }
            _ => found(guest_reset_agent::OK, said::cloudbase_starts()),
        },
    }
}

fn filesystem(a: &Answer) -> Finding {
    match pair(a, "disk", "space") {
        None | Some((_, 0)) => missing(said::the_system_disk()),
        // Nothing has more room left than it has.
        Some((free, size)) if free > size => missing(said::sizes_that_fit()),
        Some((free, size)) => {
            let share = u128::from(free) * 100 / u128::from(size);
            let used = u64::try_from(100 - share).unwrap_or(100);
            let full = share == 0 || free < 50 << 20;
            found(
                if full {
                    guest_filesystem::FULL
                } else {
                    guest_filesystem::OK
                },
                said::disk_used(used),
            )
        }
    }
}

fn load(a: &Answer) -> Finding {
    let Some((free, total)) = pair(a, "load", "memory").filter(|(_, t)| *t > 0) else {
        return missing(said::the_load());
    };
    if let Some((commit_free, commit)) = pair(a, "load", "commit")
        && (free.saturating_mul(100) < total.saturating_mul(3)
            || commit_free.saturating_mul(100) < commit.saturating_mul(3))
    {
        return found(
            guest_load::MEMORY,
            said::memory_free_of(free >> 10, total >> 10),
        );
    }
    match number(a, "load", "cpu") {
        Some(cpu) if cpu >= 95 => found(guest_load::CPU, said::cpu_at(cpu)),
        Some(cpu) => found(guest_load::OK, said::cpu_and_memory(cpu, free >> 10)),
        None => found(guest_load::OK, said::memory_free(free >> 10)),
    }
}

fn boot(a: &Answer) -> Finding {
    if !a.has("boot", "safe") {
        return missing(said::the_boot_state());
    }
    match setting(a, "boot", "safe") {
        Some(mode) => found(guest_boot::EMERGENCY, said::safe_mode(mode)),
        None => found(
            guest_boot::OK,
            setting(a, "boot", "time").map_or_else(said::up_unknown, said::up_since),
        ),
    }
}

fn network(a: &Answer) -> Finding {
    if !a.has("network", "checked") {
        return missing(said::the_network_settings());
    }
    let addresses = a.all("network", "address").join(" ");
    let expected = setting(a, "network", "expected").filter(|e| !e.starts_with("127."));
    if let Some(expected) = expected
        && !addresses.split(' ').any(|w| w == expected)
    {
        return found(
            guest_network::MISCONFIGURED,
            said::address_missing(expected),
        );
    }
    if setting(a, "network", "default").is_none() {
        return found(guest_network::MISCONFIGURED, said::no_default_gateway());
    }
    found(guest_network::OK, Said::raw(addresses))
}

fn malware(a: &Answer) -> Finding {
    if !a.has("malware", "checked") {
        return missing(said::traces_of_intruders());
    }
    match setting(a, "malware", "process") {
        Some(name) => found(guest_malware::SUSPICIOUS, said::process(name)),
        None => found(guest_malware::CLEAN, said::no_names()),
    }
}

fn rdp_enabled(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing(said::the_rdp_settings());
    }
    let deny = setting(a, "rdp", "policydeny").or_else(|| setting(a, "rdp", "deny"));
    match (deny, setting(a, "rdp", "winstation")) {
        (Some("1"), _) => found(guest_rdp_enabled::NO, said::rdp_denied()),
        (_, Some("0")) => found(guest_rdp_enabled::NO, said::rdp_station_off()),
        (Some("0"), _) => found(guest_rdp_enabled::YES, said::rdp_allowed()),
        _ => missing(Said::raw("fDenyTSConnections")),
    }
}

fn rdp_port(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(port) = number(a, "rdp", "port") else {
        return missing(said::the_rdp_port());
    };
    match number(a, "rdp", "port2") {
        Some(second) if second != port => found(
            guest_rdp_port::INCONSISTENT,
            said::rdp_ports_differ(port, second),
        ),
        _ if port != u64::from(q.port) => {
            found(guest_rdp_port::OTHER, said::rdp_port_other(port, q.port))
        }
        _ => found(guest_rdp_port::SAME, said::rdp_port_is(port)),
    }
}

fn rdp_security(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing(said::the_rdp_settings());
    }
    if setting(a, "rdp", "oracle") == Some("0") {
        return found(guest_rdp_security::CREDSSP_GAP, said::oracle_strict());
    }
    match setting(a, "rdp", "nla") {
        Some("1") => found(guest_rdp_security::NLA_REQUIRED, said::nla_is(1)),
        Some("0") => found(guest_rdp_security::NLA_OPTIONAL, said::nla_is(0)),
        _ => missing(said::the_nla_setting()),
    }
}

fn rdp_rights(a: &Answer) -> Finding {
    if !a.has("rights", "checked") {
        return missing(said::the_rights());
    }
    let groups = a.all("rights", "member");
    let sid = setting(a, "rights", "usersid").unwrap_or("");
    let user = setting(a, "check", "user").unwrap_or("");
    let names = |line: &str| {
        line.split_once('=').is_some_and(|(_, list)| {
            list.split(',')
                .map(|w| w.trim().trim_start_matches('*'))
                .any(|w| {
                    (!sid.is_empty() && w == sid)
                        || w.eq_ignore_ascii_case(user)
                        || w == "S-1-1-0"
                        || groups.iter().any(|g| g == w)
                })
        })
    };
    // One line an account, or all accounts in one.
    let holds = |right: &str| {
        a.all("rights", "policy")
            .iter()
            .any(|l| l.starts_with(right) && names(l))
    };
    if holds("SeDenyRemoteInteractiveLogonRight") {
        return found(guest_rdp_rights::DENIED, said::right_denied(user));
    }
    if holds("SeRemoteInteractiveLogonRight") {
        found(guest_rdp_rights::OK, said::right_held(user))
    } else {
        found(guest_rdp_rights::MISSING, said::right_missing(user))
    }
}

fn rdp_license(a: &Answer) -> Finding {
    if !a.has("license", "checked") {
        return missing(said::the_licence());
    }
    // TerminalServerMode 1: the session-host role, which needs licences after 120 days.
    if setting(a, "license", "role") == Some("1") && number(a, "license", "days") == Some(0) {
        return found(guest_rdp_license::GRACE_EXPIRED, said::grace_over());
    }
    let limit = number(a, "license", "limit").filter(|l| *l > 0 && *l < 999_999);
    match (limit, number(a, "license", "sessions")) {
        (Some(limit), Some(open)) if open >= limit => found(
            guest_rdp_license::SESSION_LIMIT,
            said::sessions_of(open, limit),
        ),

        (_, Some(open)) => found(guest_rdp_license::OK, said::sessions_open(open)),
        _ => found(guest_rdp_license::OK, said::no_session_limit()),
    }
}

fn rdp_certificate(a: &Answer) -> Finding {
    let Some(today) = setting(a, "certificate", "today") else {
        return missing(said::the_certificate());
    };
    let certificates = a.all("certificate", "valid");
    if certificates.is_empty() {
        if setting(a, "certificate", "hash").is_some() {
            return found(guest_rdp_certificate::OK, said::certificate_own());
        }
        return found(guest_rdp_certificate::BROKEN, said::no_certificate());
    }
    // ISO dates compare as text.
    let good = certificates.iter().any(|c| {
        let words: Vec<&str> = c.split(' ').collect();
        matches!(words.as_slice(), [from, to, key] if *from <= today && today <= *to && *key == "key=True")
    });
    let list = certificates.join("; ");
    if good {
        found(guest_rdp_certificate::OK, Said::raw(list))
    } else {
        found(guest_rdp_certificate::BROKEN, said::certificates_bad(list))
    }
}

fn ports(a: &Answer) -> Finding {
    if !a.has("ports", "checked") {
        return missing(said::the_ephemeral_ports());
    }
    let Some(used) = number(a, "ports", "used") else {
        return missing(said::the_ports_in_use());
    };
    let range: Vec<u64> = setting(a, "ports", "range")
        .unwrap_or("")
        .split(' ')
        .filter_map(|n| n.parse().ok())
        .collect();
    let available = range.last().copied().filter(|n| *n > 100).unwrap_or(16384);
    let state = if used * 100 >= available * 95 {
        guest_ports::EXHAUSTED
    } else {
        guest_ports::OK
    };
    found(state, said::ports_used(used, available))
}
