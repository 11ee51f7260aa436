//! Reads the answer of `assets/guest/check-linux.sh` as evidence.
//!
//! Each function is one evidence group: facts in, state and sentence out, `Err` with the reason
//! where the facts do not suffice. Must not live here: weighing.

use std::net::IpAddr;

use super::answer::Answer;
use super::firewall::{self, Attempt, Fate};
use super::source_block::denied_by_wrappers;
use super::{Finding, GuestQuestion, linux_system, reading};
use crate::domain::evidence::Reading;

/// A source that no rule names: documentation range TEST-NET-2 (RFC 5737).
const NEUTRAL_SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 77));

/// All Linux groups, in the order of the vocabulary.
pub fn readings(a: &Answer, q: &GuestQuestion) -> Vec<Reading> {
    vec![
        reading("guest-service", service(a)),
        reading("guest-listener", listener(a, q)),
        reading("guest-sshd-config", sshd_config(a)),
        reading("guest-auth-policy", auth_policy(a, q)),
        reading("guest-firewall", host_firewall(a, q)),
        reading("guest-source-block", source_block(a, q)),
        reading("guest-throttle", throttle(a)),
        reading("guest-account", account(a)),
        reading("guest-auth-log", auth_log(a, q)),
        reading("guest-reset-agent", reset_agent(a)),
        reading("guest-pam", pam(a, q)),
        reading("guest-filesystem", linux_system::filesystem(a)),
        reading("guest-load", linux_system::load(a)),
        reading("guest-boot", linux_system::boot(a)),
        reading("guest-profile", linux_system::profile(a)),
        reading("guest-network", linux_system::network(a)),
        reading("guest-dns", linux_system::dns(a)),
        reading("guest-login-log", linux_system::login_log(a)),
        reading("guest-malware", linux_system::malware(a)),
    ]
}

pub(super) fn missing(what: &str) -> Finding {
    Err(format!("the guest's answer does not hold {what}"))
}

pub(super) fn found(state: &'static str, detail: impl Into<String>) -> Finding {
    Ok((state, detail.into()))
}

/// Processes of sshd that listen: state letter and command line.
fn listeners_processes(a: &Answer) -> Vec<(&str, &str)> {
    a.all("service", "process")
        .iter()
        .filter_map(|p| {
            let mut words = p.splitn(3, ' ');
            let (state, _parent, command) = (words.next()?, words.next()?, words.next()?);
            // Sessions call themselves `sshd: user [...]`; the listener keeps its path.
            let session = command.starts_with("sshd: ") && !command.contains("listener");
            (!session).then_some((state, command))
        })
        .collect()
}

fn service(a: &Answer) -> Finding {
    if !a.has("service", "binary") {
        return missing("the login service");
    }
    let processes = listeners_processes(a);
    let stuck = processes
        .iter()
        .filter(|(s, _)| matches!(*s, "D" | "T" | "t"))
        .count();
    if stuck > 0 && stuck == processes.len() {
        return found(
            "hung",
            "sshd is there but stopped or in uninterruptible sleep (D/T)",
        );
    }
    if !processes.is_empty() {
        return found(
            "running",
            format!("sshd runs ({} listening process(es))", processes.len()),
        );
    }
    let units = a.all("service", "unit");
    let unit = |name: &str, what: &str| {
        units
            .iter()
            .any(|u| u.starts_with(name) && u.contains(what))
    };
    for socket in ["ssh.socket", "sshd.socket"] {
        if unit(socket, "ActiveState=active") {
            return found(
                "running",
                format!("{socket} starts sshd for each connection"),
            );
        }
    }
    let library = a.first("service", "missing-library");
    if units
        .iter()
        .any(|u| u.contains("ActiveState=failed") || u.contains("SubState=auto-restart"))
        || library.is_some()
    {
        let why = library.or_else(|| a.all("service", "log").last().map(String::as_str));
        return found(
            "failed",
            format!("sshd failed to start: {}", why.unwrap_or("no reason given")),
        );
    }
    if a.first("service", "binary") == Some("missing") {
        return found("failed", "there is no sshd program on this system");
    }
    found("stopped", "no sshd process is running")
}

/// Local address and port of a listening socket as `ss`, `netstat` or `/proc` print it.
fn local_address(text: &str) -> Option<(String, u16)> {
    let first = text.split_whitespace().next()?;
    let (host, port) = first.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let host = host.split('%').next().unwrap_or(host);
    Some((host.to_owned(), port.parse().ok()?))
}

/// Address and port of a `/proc/net/tcp` entry: hex in host byte order, port in hex.
fn proc_address(text: &str, v6: bool) -> Option<(String, u16)> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let name = if v6 {
        match host {
            "00000000000000000000000000000000" => "::",
            "00000000000000000000000001000000" => "::1",
            _ => "other",
        }
    } else if host == "00000000" {
        "0.0.0.0"
    } else if host.ends_with("7F") {
        "127.0.0.1"
    } else {
        "other"
    };
    Some((name.to_owned(), port))
}

fn listener(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("listener", "checked") {
        return missing("the listening sockets");
    }
    let named: Vec<&String> = a
        .all("listener", "ss")
        .iter()
        .chain(a.all("listener", "netstat"))
        .collect();
    let mut sockets: Vec<(String, u16)> = named
        .iter()
        .filter(|l| l.contains("sshd") || l.contains("systemd") || !l.contains("users:"))
        .filter_map(|l| local_address(l))
        .collect();
    // Without process names only the expected port can be spoken of.
    for (key, v6) in [("proc4", false), ("proc6", true)] {
        sockets.extend(
            a.all("listener", key)
                .iter()
                .filter_map(|l| proc_address(l, v6))
                .filter(|(_, port)| *port == q.port),
        );
    }
    let here: Vec<&String> = sockets
        .iter()
        .filter(|(_, p)| *p == q.port)
        .map(|(h, _)| h)
        .collect();
    if here.is_empty() {
        let other = named
            .iter()
            .filter(|l| l.contains("sshd"))
            .find_map(|l| local_address(l));
        return match other {
            Some((host, port)) => found(
                "other-port",
                format!("sshd listens on {host} port {port}, not on {}", q.port),
            ),
            None => found("none", format!("nothing listens on TCP port {}", q.port)),
        };
    }
    let loopback = |h: &str| h.starts_with("127.") || h == "::1";
    let list = here
        .iter()
        .map(|h| h.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    if here.iter().all(|h| loopback(h)) {
        return found(
            "loopback-only",
            format!("port {} is bound to {list} only", q.port),
        );
    }
    let v4 = here
        .iter()
        .any(|h| h.as_str() == "*" || (h.contains('.') && !loopback(h)) || *h == "other");
    let v6 = here
        .iter()
        .any(|h| h.as_str() == "*" || (h.contains(':') && !loopback(h)));
    let user_v6 = q.source.is_some_and(|s| s.is_ipv6());
    if user_v6 && !v6 {
        return found(
            "ipv4-only",
            format!("port {} is bound to {list}; the user comes by IPv6", q.port),
        );
    }
    if !user_v6 && !v4 {
        return found(
            "ipv6-only",
            format!("port {} is bound to {list}; the user comes by IPv4", q.port),
        );
    }
    found(
        "expected-port",
        format!("port {} is bound to {list}", q.port),
    )
}

fn sshd_config(a: &Answer) -> Finding {
    let Some(code) = a.first("config", "test") else {
        return missing("a configuration test");
    };
    let messages = a.all("config", "message").join("; ");
    if a.first("config", "hostkeys") == Some("missing")
        || messages.contains("no hostkeys available")
    {
        return found("host-keys-missing", "there is no host key in /etc/ssh");
    }
    if code == "0" {
        return found("valid", "sshd -t finds nothing wrong");
    }
    // Debian makes /run/sshd when the service starts: its absence while stopped is no fault.
    let only_run_dir = messages.contains("/run/sshd") && a.all("config", "message").len() == 1;
    if only_run_dir && listeners_processes(a).is_empty() {
        return Err(
            "sshd -t cannot tell while the service is stopped (/run/sshd is made at start)".into(),
        );
    }
    let permissions = [
        "too open",
        "must be owned by",
        "bad permissions",
        "privilege separation directory",
        "UNPROTECTED",
    ];
    if permissions.iter().any(|p| messages.contains(p)) {
        return found("permissions", format!("sshd -t: {messages}"));
    }
    if messages.contains("could not load host key") || messages.contains("Could not load host key")
    {
        return found("host-keys-missing", format!("sshd -t: {messages}"));
    }
    found("invalid", format!("sshd -t: {messages}"))
}

/// Value of an option of `sshd -T`.
pub(super) fn option<'a>(a: &'a Answer, name: &str) -> Option<&'a str> {
    a.all("policy", "sshd")
        .iter()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))
}

/// Does a name match a pattern list of sshd_config(5) (`*`, `?`, `!`, `user@host`)?
fn in_patterns(list: &str, name: &str) -> bool {
    let mut hit = false;
    for pattern in list.split([' ', ',']).filter(|p| !p.is_empty()) {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let user = pattern.split('@').next().unwrap_or(pattern);
        if glob(user.as_bytes(), name.as_bytes()) {
            if negated {
                return false;
            }
            hit = true;
        }
    }
    hit
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..]))
        }
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) if p == t => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

/// `sshd -T` repeats an option for each name; the lines are one list.
fn name_list(a: &Answer, name: &str) -> String {
    a.all("policy", "sshd")
        .iter()
        .filter_map(|l| l.strip_prefix(name)?.strip_prefix(' '))
        .collect::<Vec<_>>()
        .join(" ")
}

fn auth_policy(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("policy", "sshd") {
        return missing("the effective configuration (sshd -T)");
    }
    let groups: Vec<&str> = a
        .first("account", "groups")
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let lists =
        |name: &str| -> Option<String> { Some(name_list(a, name)).filter(|l| !l.is_empty()) };
    if let Some(deny) = lists("denyusers").filter(|l| in_patterns(l, &q.user)) {
        return found("user-denied", format!("DenyUsers {deny} names {}", q.user));
    }
    if let Some(allow) = lists("allowusers").filter(|l| !in_patterns(l, &q.user)) {
        return found(
            "user-denied",
            format!("AllowUsers {allow} does not name {}", q.user),
        );
    }
    if let Some(deny) = lists("denygroups").filter(|l| groups.iter().any(|g| in_patterns(l, g))) {
        return found(
            "user-denied",
            format!("DenyGroups {deny} names a group of {}", q.user),
        );
    }
    if let Some(allow) = lists("allowgroups").filter(|l| !groups.iter().any(|g| in_patterns(l, g)))
    {
        return found(
            "user-denied",
            format!("AllowGroups {allow} names no group of {}", q.user),
        );
    }
    let has_keys = a
        .all("account", "keyfile")
        .iter()
        .any(|f| f.ends_with("authorized_keys"));
    let relies_on_key = q.uses_key.unwrap_or(has_keys);
    if q.user == "root" {
        match option(a, "permitrootlogin") {
            Some("no") => return found("root-denied", "PermitRootLogin no"),
            Some(value @ ("prohibit-password" | "without-password")) if !relies_on_key => {
                return found(
                    "root-denied",
                    format!("PermitRootLogin {value}: root may use a key only"),
                );
            }
            _ => {}
        }
    }
    let interactive = option(a, "kbdinteractiveauthentication")
        .or_else(|| option(a, "challengeresponseauthentication"));
    let password_off =
        option(a, "passwordauthentication") == Some("no") && interactive != Some("yes");
    if password_off && !relies_on_key {
        return found(
            "password-disabled",
            format!(
                "PasswordAuthentication no, and {} has no key on file",
                q.user
            ),
        );
    }
    if let Some(tries) = option(a, "maxauthtries").and_then(|t| t.parse::<u32>().ok()) {
        if tries < 3 {
            return found("too-few-tries", format!("MaxAuthTries {tries}"));
        }
    }
    let method = if password_off {
        "keys only"
    } else {
        "passwords and keys"
    };
    found("ok", format!("{} may log in with {method}", q.user))
}

/// The first ruling that shuts the attempt out, or an accepting one; `None` when unclear.
fn ruling(a: &Answer, attempt: Attempt) -> Option<firewall::Ruling> {
    let iptables = a.all("firewall", "iptables");
    let nft = a.all("firewall", "nft");
    let rulings = [
        (!iptables.is_empty()).then(|| firewall::iptables(iptables, attempt)),
        nft.iter()
            .any(|l| l.contains("hook input"))
            .then(|| firewall::nft(nft, attempt)),
    ];
    let mut accepted = None;
    for ruling in rulings.into_iter().flatten() {
        let ruling = ruling?;
        if ruling.fate != Fate::Accept {
            return Some(ruling);
        }
        accepted = Some(ruling);
    }
    accepted.or_else(|| {
        Some(firewall::Ruling {
            fate: Fate::Accept,
            rule: "no filter rules".to_owned(),
            names_source: false,
        })
    })
}

fn host_firewall(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("firewall", "checked") {
        return missing("the host firewall's rules");
    }
    if a.has("check", "unprivileged") {
        return Err("the firewall's rules can only be read as root".into());
    }
    let mut decided = ruling(
        a,
        Attempt {
            source: q.source.unwrap_or(NEUTRAL_SOURCE),
            port: q.port,
        },
    );
    if decided
        .as_ref()
        .is_some_and(|r| r.fate != Fate::Accept && r.names_source)
    {
        // One source shut out is a block of that source; what holds for everyone else?
        decided = ruling(
            a,
            Attempt {
                source: NEUTRAL_SOURCE,
                port: q.port,
            },
        );
    }
    match decided {
        None => {
            Err("a firewall rule uses a match that cannot be judged from outside the kernel".into())
        }
        Some(r) => {
            let state = match r.fate {
                Fate::Accept => "allow",
                Fate::Drop => "drop",
                Fate::Reject => "reject",
            };
            found(state, format!("TCP port {}: {}", q.port, r.rule))
        }
    }
}

fn source_block(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("source", "checked") {
        return missing("the lists of blocked sources");
    }
    let Some(source) = q.source else {
        return Err("the failing user's source address is not known".into());
    };
    if a.first("source", "libwrap") != Some("no") {
        let (allow, deny) = (
            a.all("source", "hosts.allow"),
            a.all("source", "hosts.deny"),
        );
        if let Some(line) = denied_by_wrappers(allow, deny, source) {
            return found("blocked", format!("hosts.deny: {line}"));
        }
    }
    let text = source.to_string();
    if let Some(jail) = a
        .all("source", "fail2ban")
        .iter()
        .find(|l| l.split_whitespace().skip(1).any(|w| w == text))
    {
        let name = jail.split_whitespace().next().unwrap_or("");
        return found(
            "blocked",
            format!("fail2ban jail {name} has banned {source}"),
        );
    }
    if let Some(set) = a.first("source", "ipset") {
        return found("blocked", format!("{source} is in the set {set}"));
    }
    match ruling(
        a,
        Attempt {
            source,
            port: q.port,
        },
    ) {
        Some(r) if r.fate != Fate::Accept && r.names_source => {
            found("blocked", format!("host firewall: {}", r.rule))
        }
        _ => found("none", format!("no list names {source}")),
    }
}

fn throttle(a: &Answer) -> Finding {
    if !a.has("authlog", "checked") {
        return missing("the login service's log");
    }
    let lines = a.all("throttle", "line");
    if let Some(line) = lines
        .iter()
        .rev()
        .find(|l| l.to_ascii_lowercase().contains("penalty"))
    {
        return found("source-penalty", line.clone());
    }
    if let Some(line) = lines
        .iter()
        .rev()
        .find(|l| l.contains("MaxStartups") || l.contains("drop connection"))
    {
        return found("max-startups", line.clone());
    }
    found("ok", "no dropped connections in the log")
}

fn account(a: &Answer) -> Finding {
    let Some(entry) = a.first("account", "passwd") else {
        return missing("the account");
    };
    if entry == "absent" {
        return found("absent", "the account does not exist");
    }
    let shell = entry.rsplit(':').next().unwrap_or("");
    if shell.ends_with("nologin") || shell.ends_with("/false") {
        return found("no-shell", format!("the login shell is {shell}"));
    }
    if let Some(shell) = a.first("account", "shell-missing") {
        return found(
            "no-shell",
            format!("the login shell {shell} does not exist"),
        );
    }
    let failures = a
        .first("account", "faillock")
        .or_else(|| a.first("account", "tally"));
    let failures = failures
        .and_then(|n| n.trim().parse::<u32>().ok())
        .unwrap_or(0);
    let limit = a
        .first("account", "deny")
        .and_then(|d| d.strip_prefix("deny=")?.trim().parse::<u32>().ok());
    if let Some(limit) = limit.filter(|l| *l > 0 && failures >= *l) {
        return found(
            "locked",
            format!("{failures} failed logins, the limit is {limit}"),
        );
    }
    if let Some(expiry) = a
        .all("account", "expiry")
        .iter()
        .find(|l| l.contains("password must be changed"))
    {
        return found("expired", expiry.clone());
    }
    if let Some(limit) = bad_limit(a) {
        return found("limits", limit);
    }
    found("ok", format!("the account is usable, its shell is {shell}"))
}

/// A `nofile` limit above `fs.nr_open` makes pam_limits refuse the session.
fn bad_limit(a: &Answer) -> Option<String> {
    let nr_open: u64 = a.first("account", "nr_open")?.trim().parse().ok()?;
    a.all("account", "limit").iter().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, item, value] = words.as_slice() else {
            return None;
        };
        let too_much = match *value {
            "unlimited" | "infinity" | "-1" => true,
            number => number.parse::<u64>().is_ok_and(|n| n > nr_open),
        };
        (*item == "nofile" && too_much)
            .then(|| format!("limit `{line}` is above fs.nr_open = {nr_open}"))
    })
}

fn auth_log(a: &Answer, q: &GuestQuestion) -> Finding {
    match a.first("authlog", "checked") {
        None => return missing("the login service's log"),
        Some("0") => return Err("the login service's log is empty or cannot be read".into()),
        Some(_) => {}
    }
    let lines = a.all("authlog", "line");
    let source = q.source.map(|s| s.to_string());
    let from_source: Vec<&String> = match &source {
        Some(s) if lines.iter().any(|l| l.contains(s.as_str())) => lines
            .iter()
            .filter(|l| l.contains(s.as_str()) || l.contains("session closed"))
            .collect(),
        _ => lines.iter().collect(),
    };
    let mut closed_after = false;
    for line in from_source.iter().rev() {
        if line.contains("session closed") || line.contains("Disconnected from user") {
            closed_after = true;
        }
        let state = if line.contains("not allowed because")
            || line.contains("ROOT LOGIN REFUSED")
            || line.contains("Refused user")
        {
            "policy-refused"
        } else if line.contains("nvalid user") {
            "invalid-user"
        } else if line.contains("Failed password") || line.contains("authentication failure") {
            "failed-password"
        } else if line.contains("Failed publickey") || line.contains("Authentication refused") {
            "failed-key"
        } else if line.contains("Accepted ") {
            if closed_after {
                "accepted-then-closed"
            } else {
                "accepted"
            }
        } else {
            continue;
        };
        return found(state, line.as_str());
    }
    found(
        "none",
        format!("the log since boot does not speak of {}", q.user),
    )
}

fn reset_agent(a: &Answer) -> Finding {
    match a.first("reset", "agent") {
        None => missing("what applies a password reset"),
        Some("missing") => found("missing", "cloud-init is not installed"),
        Some(_) if a.has("reset", "disabled") => found(
            "stopped",
            "cloud-init is switched off by /etc/cloud/cloud-init.disabled",
        ),
        Some(_) if a.first("reset", "enabled") == Some("disabled") => {
            found("stopped", "cloud-init.service is disabled")
        }
        Some(_) => found("ok", "cloud-init is there"),
    }
}

fn pam(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("pam", "checked") {
        return missing("the PAM stack");
    }
    if let Some(module) = a.first("pam", "missing") {
        return found(
            "broken",
            format!("PAM names {module}, which does not exist"),
        );
    }
    let logs = a.all("pam", "log");
    if let Some(line) = logs
        .iter()
        .find(|l| l.contains("dlopen") || l.contains("faulty") || l.contains("Module is unknown"))
    {
        return found("broken", line.clone());
    }
    let uid: u32 = a
        .first("account", "passwd")
        .and_then(|p| p.split(':').nth(1)?.parse().ok())
        .unwrap_or(0);
    let restricting = a.all("pam", "line").iter().find(|l| {
        let demanded = l.contains("required") || l.contains("requisite");
        let listfile = l.contains("pam_listfile") && l.contains("sense=allow");
        let uid_rule = l.contains("pam_succeed_if") && l.contains("uid >= 1000") && uid < 1000;
        demanded && (listfile || uid_rule)
    });
    if let Some(line) = logs
        .iter()
        .find(|l| l.contains("pam_listfile") || l.contains("not met by user"))
        .or(restricting)
    {
        return found("restricts", format!("{}: {line}", q.user));
    }
    found("ok", "every PAM module of the login services is there")
}
