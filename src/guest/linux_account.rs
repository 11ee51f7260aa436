//! Reads the part of the Linux answer that is about the failing user: policy of sshd, account,
//! log and PAM.
//!
//! Must not live here: the service itself (`guest::linux`), the machine (`guest::linux_system`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, missing};

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

pub(super) fn auth_policy(a: &Answer, q: &GuestQuestion) -> Finding {
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
    if let Some(tries) = option(a, "maxauthtries").and_then(|t| t.parse::<u32>().ok())
        && tries < 3
    {
        return found("too-few-tries", format!("MaxAuthTries {tries}"));
    }
    let method = if password_off {
        "keys only"
    } else {
        "passwords and keys"
    };
    found("ok", format!("{} may log in with {method}", q.user))
}

pub(super) fn account(a: &Answer) -> Finding {
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
    if let Some(since) = a.first("account", "expired") {
        return found("expired", format!("the account has expired, {since}"));
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

pub(super) fn auth_log(a: &Answer, q: &GuestQuestion) -> Finding {
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

pub(super) fn pam(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("pam", "checked") {
        return missing("the PAM stack");
    }
    if let Some(module) = a.first("pam", "missing") {
        return found(
            "broken",
            format!("PAM names {module}, which does not exist"),
        );
    }
    if a.has("account", "nologin-file") && q.user != "root" {
        return found("restricts", "/etc/nologin is there: only root may log in");
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
