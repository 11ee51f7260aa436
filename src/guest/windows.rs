//! Reads the answer of `assets/guest/check-windows.ps1` as evidence.
//!
//! Must not live here: weighing, or how the script reaches the guest.

use super::answer::Answer;
use super::firewall;
use super::{Finding, GuestQuestion, found, missing, reading, said};
use crate::domain::evidence::Reading;
use crate::domain::said::Said;

/// All Windows groups, in the order of the vocabulary.
pub fn readings(a: &Answer, q: &GuestQuestion) -> Vec<Reading> {
    vec![
        reading("guest-service", service(a)),
        reading("guest-listener", listener(a, q)),
        reading("guest-firewall", firewall(a, q)),
        reading("guest-account", account(a)),
        reading("guest-auth-log", auth_log(a, q)),
        reading("guest-reset-agent", reset_agent(a)),
        reading("guest-filesystem", filesystem(a)),
        reading("guest-load", load(a)),
        reading("guest-boot", boot(a)),
        reading("guest-network", network(a)),
        reading("guest-malware", malware(a)),
        reading("guest-rdp-enabled", rdp_enabled(a)),
        reading("guest-rdp-port", rdp_port(a, q)),
        reading("guest-rdp-security", rdp_security(a)),
        reading("guest-rdp-rights", rdp_rights(a)),
        reading("guest-rdp-license", rdp_license(a)),
        reading("guest-rdp-certificate", rdp_certificate(a)),
        reading("guest-ports", ports(a)),
    ]
}

/// A fact that may be said with an empty value, which means that the setting does not exist.
fn setting<'a>(a: &'a Answer, group: &str, key: &str) -> Option<&'a str> {
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
        Some("Running") => found("running", said::term_runs()),
        Some("Stopped") => found(
            "stopped",
            setting(a, "service", "start")
                .map_or_else(said::term_stopped_unread, said::term_stopped),
        ),
        Some(other) => found("hung", said::term_is(other)),
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
            Some(port) => found("other-port", said::rdp_elsewhere(port, q.port)),
            None => found("none", said::nothing_listens(q.port)),
        };
    }
    let list = here.join(", ");
    let any_v4 = here
        .iter()
        .any(|h| h.contains('.') && !h.starts_with("127."));
    let any_v6 = here.iter().any(|h| h.contains(':') && *h != "::1");
    let user_v6 = q.source.is_some_and(|s| s.is_ipv6());
    match (any_v4, any_v6) {
        (false, false) => found("loopback-only", said::bound_only(q.port, list)),
        (true, false) if user_v6 => found("ipv4-only", said::bound_user_v6(q.port, list)),
        (false, true) if !user_v6 => found("ipv6-only", said::bound_user_v4(q.port, list)),
        _ => found("expected-port", said::bound(q.port, list)),
    }
}

fn firewall(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("firewall", "checked") {
        return missing(said::the_firewall_rules());
    }
    let (open, why) = firewall::windows::judge(a, q)?;
    found(if open { "allow" } else { "drop" }, why)
}

fn account(a: &Answer) -> Finding {
    match setting(a, "account", "state") {
        None => missing(said::the_account()),
        Some("absent") => found("absent", said::no_local_account()),
        Some(state) if state.contains("lockout=True") => {
            found("locked", said::account_locked_out())
        }
        Some(state) if state.contains("disabled=True") => found("locked", said::account_disabled()),
        Some(_) => found("ok", said::account_active()),
    }
}

/// Sub-status codes of event 4625 (MS-ERREF NTSTATUS).
fn auth_log(a: &Answer, _q: &GuestQuestion) -> Finding {
    if !a.has("authlog", "checked") {
        return missing(said::the_security_log());
    }
    // The newest event comes first.
    let Some(line) = a.first("authlog", "line") else {
        return found("none", said::security_log_silent());
    };
    let code = line
        .split_whitespace()
        .filter_map(|w| w.strip_prefix("sub=").or_else(|| w.strip_prefix("status=")))
        .map(str::to_ascii_lowercase)
        .rfind(|c| c.len() > 3)
        .unwrap_or_default();
    if line.starts_with("4624") {
        return found("accepted", Said::raw(line));
    }
    match code.as_str() {
        "0xc0000064" => found("invalid-user", Said::raw(line)),
        "0xc000015b" | "0xc000006e" | "0xc0000413" | "0xc0000234" | "0xc0000072" | "0xc0000193" => {
            found("policy-refused", Said::raw(line))
        }
        _ => found("failed-password", Said::raw(line)),
    }
}

fn reset_agent(a: &Answer) -> Finding {
    match setting(a, "reset", "agent") {
        None => missing(said::the_reset_agent()),
        Some("missing") => found("missing", said::cloudbase_missing()),
        Some(agent) if !agent.contains("start=Auto") => found("stopped", said::cloudbase_is(agent)),
        Some(_) => match setting(a, "reset", "plugin") {
            Some(value) if value != "2" => found("blocked", said::plugin_is(value)),
            _ => found("ok", said::cloudbase_starts()),
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
            found(if full { "full" } else { "ok" }, said::disk_used(used))
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
        return found("memory", said::memory_free_of(free >> 10, total >> 10));
    }
    match number(a, "load", "cpu") {
        Some(cpu) if cpu >= 95 => found("cpu", said::cpu_at(cpu)),
        Some(cpu) => found("ok", said::cpu_and_memory(cpu, free >> 10)),
        None => found("ok", said::memory_free(free >> 10)),
    }
}

fn boot(a: &Answer) -> Finding {
    if !a.has("boot", "safe") {
        return missing(said::the_boot_state());
    }
    match setting(a, "boot", "safe") {
        Some(mode) => found("emergency", said::safe_mode(mode)),
        None => found(
            "ok",
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
        return found("misconfigured", said::address_missing(expected));
    }
    if setting(a, "network", "default").is_none() {
        return found("misconfigured", said::no_default_gateway());
    }
    found("ok", Said::raw(addresses))
}

fn malware(a: &Answer) -> Finding {
    if !a.has("malware", "checked") {
        return missing(said::traces_of_intruders());
    }
    match setting(a, "malware", "process") {
        Some(name) => found("suspicious", said::process(name)),
        None => found("clean", said::no_names()),
    }
}

fn rdp_enabled(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing(said::the_rdp_settings());
    }
    let deny = setting(a, "rdp", "policydeny").or_else(|| setting(a, "rdp", "deny"));
    match (deny, setting(a, "rdp", "winstation")) {
        (Some("1"), _) => found("no", said::rdp_denied()),
        (_, Some("0")) => found("no", said::rdp_station_off()),
        (Some("0"), _) => found("yes", said::rdp_allowed()),
        _ => missing(Said::raw("fDenyTSConnections")),
    }
}

fn rdp_port(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(port) = number(a, "rdp", "port") else {
        return missing(said::the_rdp_port());
    };
    match number(a, "rdp", "port2") {
        Some(second) if second != port => {
            found("inconsistent", said::rdp_ports_differ(port, second))
        }
        _ if port != u64::from(q.port) => found("other", said::rdp_port_other(port, q.port)),
        _ => found("same", said::rdp_port_is(port)),
    }
}

fn rdp_security(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing(said::the_rdp_settings());
    }
    if setting(a, "rdp", "oracle") == Some("0") {
        return found("credssp-gap", said::oracle_strict());
    }
    match setting(a, "rdp", "nla") {
        Some("1") => found("nla-required", said::nla_is(1)),
        Some("0") => found("nla-optional", said::nla_is(0)),
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
        return found("denied", said::right_denied(user));
    }
    if holds("SeRemoteInteractiveLogonRight") {
        found("ok", said::right_held(user))
    } else {
        found("missing", said::right_missing(user))
    }
}

fn rdp_license(a: &Answer) -> Finding {
    if !a.has("license", "checked") {
        return missing(said::the_licence());
    }
    // TerminalServerMode 1: the session-host role, which needs licences after 120 days.
    if setting(a, "license", "role") == Some("1") && number(a, "license", "days") == Some(0) {
        return found("grace-expired", said::grace_over());
    }
    let limit = number(a, "license", "limit").filter(|l| *l > 0 && *l < 999_999);
    match (limit, number(a, "license", "sessions")) {
        (Some(limit), Some(open)) if open >= limit => {
            found("session-limit", said::sessions_of(open, limit))
        }

        (_, Some(open)) => found("ok", said::sessions_open(open)),
        _ => found("ok", said::no_session_limit()),
    }
}

fn rdp_certificate(a: &Answer) -> Finding {
    let Some(today) = setting(a, "certificate", "today") else {
        return missing(said::the_certificate());
    };
    let certificates = a.all("certificate", "valid");
    if certificates.is_empty() {
        if setting(a, "certificate", "hash").is_some() {
            return found("ok", said::certificate_own());
        }
        return found("broken", said::no_certificate());
    }
    // ISO dates compare as text.
    let good = certificates.iter().any(|c| {
        let words: Vec<&str> = c.split(' ').collect();
        matches!(words.as_slice(), [from, to, key] if *from <= today && today <= *to && *key == "key=True")
    });
    let list = certificates.join("; ");
    if good {
        found("ok", Said::raw(list))
    } else {
        found("broken", said::certificates_bad(list))
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
        "exhausted"
    } else {
        "ok"
    };
    found(state, said::ports_used(used, available))
}
