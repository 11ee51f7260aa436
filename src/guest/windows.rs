//! Reads the answer of `assets/guest/check-windows.ps1` as evidence.
//!
//! Must not live here: weighing, or how the script reaches the guest.

use super::answer::Answer;
use super::{Finding, GuestQuestion, found, missing, reading};
use crate::domain::evidence::Reading;

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
        Some("Running") => found("running", "TermService runs"),
        Some("Stopped") => found(
            "stopped",
            format!(
                "TermService is stopped, start type {}",
                setting(a, "service", "start").unwrap_or("unknown")
            ),
        ),
        Some(other) => found("hung", format!("TermService is {other}")),
        None => missing("the Remote Desktop service"),
    }
}

fn listener(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("listener", "checked") {
        return missing("the listening sockets");
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
                "other-port",
                format!("Remote Desktop listens on port {port}, not on {}", q.port),
            ),
            None => found("none", format!("nothing listens on TCP port {}", q.port)),
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
            "loopback-only",
            format!("port {} is bound to {list} only", q.port),
        ),
        (true, false) if user_v6 => found(
            "ipv4-only",
            format!("port {} is bound to {list}; the user comes by IPv6", q.port),
        ),
        (false, true) if !user_v6 => found(
            "ipv6-only",
            format!("port {} is bound to {list}; the user comes by IPv4", q.port),
        ),
        _ => found(
            "expected-port",
            format!("port {} is bound to {list}", q.port),
        ),
    }
}

fn firewall(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("firewall", "checked") {
        return missing("the host firewall's rules");
    }
    let networks = a.all("firewall", "network");
    let category = networks.first().map_or("Public", String::as_str);
    let category = if category.starts_with("Domain") {
        "Domain"
    } else {
        category
    };
    let Some(profile) = a
        .all("firewall", "profile")
        .iter()
        .find(|p| p.starts_with(category))
    else {
        return missing("the active firewall profile");
    };
    if profile.contains("enabled=False") {
        return found(
            "allow",
            format!("the {category} profile of the firewall is off"),
        );
    }
    let source = q.source.map(|s| s.to_string());
    let mut allowed = profile
        .contains("in=Allow")
        .then(|| "default of the profile".to_owned());
    for rule in a.all("firewall", "rule") {
        let parts: Vec<&str> = rule.splitn(4, '|').collect();
        let [action, profiles, remote, name] = parts.as_slice() else {
            continue;
        };
        if !(profiles.contains(category) || *profiles == "Any") {
            continue;
        }
        let everyone = *remote == "Any";
        let hit = everyone
            || remote
                .split(',')
                .any(|r| source.as_deref() == Some(r) || in_net(r, q));
        match (*action, hit) {
            ("Block", true) => {
                return found("drop", format!("rule `{name}` blocks TCP port {}", q.port));
            }
            ("Allow", true) => allowed = Some(format!("rule `{name}`")),
            _ => {}
        }
    }
    match allowed {
        Some(by) => found(
            "allow",
            format!("TCP port {} is let in by the {by}", q.port),
        ),
        None => found(
            "drop",
            format!(
                "no rule of the {category} profile lets TCP port {} in",
                q.port
            ),
        ),
    }
}

fn in_net(range: &str, q: &GuestQuestion) -> bool {
    let Some(source) = q.source else {
        return false;
    };
    if let Some((net, mask)) = range.split_once('/') {
        return match (net.parse(), mask.parse()) {
            (Ok(net), Ok(mask)) => {
                ipnet::IpNet::with_netmask(net, mask).is_ok_and(|n| n.contains(&source))
            }
            _ => range
                .parse::<ipnet::IpNet>()
                .is_ok_and(|n| n.contains(&source)),
        };
    }
    false
}

fn account(a: &Answer) -> Finding {
    match setting(a, "account", "state") {
        None => missing("the account"),
        Some("absent") => found("absent", "there is no local account of that name"),
        Some(state) if state.contains("lockout=True") => {
            found("locked", "the account is locked out")
        }
        Some(state) if state.contains("disabled=True") => {
            found("locked", "the account is disabled")
        }
        Some(_) => found("ok", "the account is active"),
    }
}

/// Sub-status codes of event 4625 (MS-ERREF NTSTATUS).
fn auth_log(a: &Answer, _q: &GuestQuestion) -> Finding {
    if !a.has("authlog", "checked") {
        return missing("the security log");
    }
    // The newest event comes first.
    let Some(line) = a.first("authlog", "line") else {
        return found(
            "none",
            "the security log since boot does not speak of this user",
        );
    };
    let code = line
        .split_whitespace()
        .filter_map(|w| w.strip_prefix("sub=").or_else(|| w.strip_prefix("status=")))
        .map(str::to_ascii_lowercase)
        .rfind(|c| c.len() > 3)
        .unwrap_or_default();
    if line.starts_with("4624") {
        return found("accepted", line);
    }
    match code.as_str() {
        "0xc0000064" => found("invalid-user", line),
        "0xc000015b" | "0xc000006e" | "0xc0000413" | "0xc0000234" | "0xc0000072" | "0xc0000193" => {
            found("policy-refused", line)
        }
        _ => found("failed-password", line),
    }
}

fn reset_agent(a: &Answer) -> Finding {
    match setting(a, "reset", "agent") {
        None => missing("what applies a password reset"),
        Some("missing") => found("missing", "cloudbase-init is not installed"),
        Some(agent) if !agent.contains("start=Auto") => {
            found("stopped", format!("cloudbase-init: {agent}"))
        }
        Some(_) => match setting(a, "reset", "plugin") {
            Some(value) if value != "2" => found(
                "blocked",
                format!("LocalScriptsPlugin is {value}, expected 2"),
            ),
            _ => found("ok", "cloudbase-init starts by itself"),
        },
    }
}

fn filesystem(a: &Answer) -> Finding {
    match pair(a, "disk", "space") {
        None | Some((_, 0)) => missing("the system disk"),
        // Nothing has more room left than it has.
        Some((free, size)) if free > size => missing("sizes of the system disk that fit"),
        Some((free, size)) => {
            let share = u128::from(free) * 100 / u128::from(size);
            let used = 100 - share;
            let full = share == 0 || free < 50 << 20;
            found(
                if full { "full" } else { "ok" },
                format!("the system disk is {used}% used"),
            )
        }
    }
}

fn load(a: &Answer) -> Finding {
    let Some((free, total)) = pair(a, "load", "memory").filter(|(_, t)| *t > 0) else {
        return missing("the load");
    };
    if let Some((commit_free, commit)) = pair(a, "load", "commit")
        && (free.saturating_mul(100) < total.saturating_mul(3)
            || commit_free.saturating_mul(100) < commit.saturating_mul(3))
    {
        return found(
            "memory",
            format!("{} of {} MiB memory free", free >> 10, total >> 10),
        );
    }
    match number(a, "load", "cpu") {
        Some(cpu) if cpu >= 95 => found("cpu", format!("CPU at {cpu}%")),
        Some(cpu) => found(
            "ok",
            format!("CPU at {cpu}%, {} MiB memory free", free >> 10),
        ),
        None => found("ok", format!("{} MiB memory free", free >> 10)),
    }
}

fn boot(a: &Answer) -> Finding {
    if !a.has("boot", "safe") {
        return missing("the boot state");
    }
    match setting(a, "boot", "safe") {
        Some(mode) => found("emergency", format!("started in safe mode ({mode})")),
        None => found(
            "ok",
            format!(
                "up since {}",
                setting(a, "boot", "time").unwrap_or("unknown")
            ),
        ),
    }
}

fn network(a: &Answer) -> Finding {
    if !a.has("network", "checked") {
        return missing("the network settings");
    }
    let addresses = a.all("network", "address").join(" ");
    let expected = setting(a, "network", "expected").filter(|e| !e.starts_with("127."));
    if let Some(expected) = expected
        && !addresses.split(' ').any(|w| w == expected)
    {
        return found(
            "misconfigured",
            format!("no interface has {expected}, which the cloud assigned"),
        );
    }
    if setting(a, "network", "default").is_none() {
        return found("misconfigured", "there is no default gateway");
    }
    found("ok", addresses)
}

fn malware(a: &Answer) -> Finding {
    if !a.has("malware", "checked") {
        return missing("traces of intruders");
    }
    match setting(a, "malware", "process") {
        Some(name) => found("suspicious", format!("process {name}")),
        None => found("clean", "none of the known names"),
    }
}

fn rdp_enabled(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing("the Remote Desktop settings");
    }
    let deny = setting(a, "rdp", "policydeny").or_else(|| setting(a, "rdp", "deny"));
    match (deny, setting(a, "rdp", "winstation")) {
        (Some("1"), _) => found("no", "fDenyTSConnections is 1"),
        (_, Some("0")) => found("no", "fEnableWinStation of RDP-Tcp is 0"),
        (Some("0"), _) => found("yes", "remote connections are allowed"),
        _ => missing("fDenyTSConnections"),
    }
}

fn rdp_port(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(port) = number(a, "rdp", "port") else {
        return missing("PortNumber of RDP-Tcp");
    };
    match number(a, "rdp", "port2") {
        Some(second) if second != port => found(
            "inconsistent",
            format!("PortNumber is {port} in RDP-Tcp and {second} in Tds\\tcp"),
        ),
        _ if port != u64::from(q.port) => found(
            "other",
            format!("PortNumber is {port}, expected {}", q.port),
        ),
        _ => found("same", format!("PortNumber is {port}")),
    }
}

fn rdp_security(a: &Answer) -> Finding {
    if !a.has("rdp", "checked") {
        return missing("the Remote Desktop settings");
    }
    if setting(a, "rdp", "oracle") == Some("0") {
        return found(
            "credssp-gap",
            "AllowEncryptionOracle is 0: clients without the 2018 CredSSP update are refused",
        );
    }
    match setting(a, "rdp", "nla") {
        Some("1") => found("nla-required", "UserAuthentication is 1"),
        Some("0") => found("nla-optional", "UserAuthentication is 0"),
        _ => missing("UserAuthentication of RDP-Tcp"),
    }
}

fn rdp_rights(a: &Answer) -> Finding {
    if !a.has("rights", "checked") {
        return missing("the user's rights");
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
        return found(
            "denied",
            format!("{user} is denied logging on through Remote Desktop Services"),
        );
    }
    if holds("SeRemoteInteractiveLogonRight") {
        found(
            "ok",
            format!("{user} may log on through Remote Desktop Services"),
        )
    } else {
        found(
            "missing",
            format!("{user} has no right to log on through Remote Desktop Services"),
        )
    }
}

fn rdp_license(a: &Answer) -> Finding {
    if !a.has("license", "checked") {
        return missing("the licence state");
    }
    // TerminalServerMode 1: the session-host role, which needs licences after 120 days.
    if setting(a, "license", "role") == Some("1") && number(a, "license", "days") == Some(0) {
        return found(
            "grace-expired",
            "the session-host role is installed and its grace period is over",
        );
    }
    let limit = number(a, "license", "limit").filter(|l| *l > 0 && *l < 999_999);
    match (limit, number(a, "license", "sessions")) {
        (Some(limit), Some(open)) if open >= limit => found(
            "session-limit",
            format!("{open} sessions of {limit} allowed"),
        ),
        (_, Some(1)) => found("ok", "1 session open"),
        (_, Some(open)) => found("ok", format!("{open} sessions open")),
        _ => found("ok", "no session limit is reached"),
    }
}

fn rdp_certificate(a: &Answer) -> Finding {
    let Some(today) = setting(a, "certificate", "today") else {
        return missing("the listener's certificate");
    };
    let certificates = a.all("certificate", "valid");
    if certificates.is_empty() {
        if setting(a, "certificate", "hash").is_some() {
            return found("ok", "the listener uses a certificate of its own choosing");
        }
        return found("broken", "the Remote Desktop store holds no certificate");
    }
    // ISO dates compare as text.
    let good = certificates.iter().any(|c| {
        let words: Vec<&str> = c.split(' ').collect();
        matches!(words.as_slice(), [from, to, key] if *from <= today && today <= *to && *key == "key=True")
    });
    let list = certificates.join("; ");
    if good {
        found("ok", list)
    } else {
        found("broken", format!("expired or without a key: {list}"))
    }
}

fn ports(a: &Answer) -> Finding {
    if !a.has("ports", "checked") {
        return missing("the ephemeral ports");
    }
    let Some(used) = number(a, "ports", "used") else {
        return missing("the ports in use");
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
    found(
        state,
        format!("{used} of {available} ephemeral ports in use"),
    )
}
