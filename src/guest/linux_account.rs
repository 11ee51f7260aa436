//! Reads the part of the Linux answer that is about the failing user: the account and the log.
//!
//! Must not live here: the service itself (`guest::linux`), the machine (`guest::linux_system`),
//! what sshd and PAM allow (`guest::sshd_policy`, `guest::pam`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, missing, said};
use crate::domain::evidence::State;
use crate::domain::evidence::state::{guest_account, guest_auth_log};
use crate::domain::said::Said;

pub(super) fn account(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(entry) = a.first("account", "passwd") else {
        return missing(said::the_account());
    };
    if entry == "absent" {
        return found(guest_account::ABSENT, said::no_account());
    }
    let shell = entry.rsplit(':').next().unwrap_or("");
    if shell.ends_with("nologin") || shell.ends_with("/false") {
        return found(guest_account::NO_SHELL, said::shell_is(shell));
    }
    if let Some(shell) = a.first("account", "shell-missing") {
        return found(guest_account::NO_SHELL, said::shell_missing(shell));
    }
    if let Some(why) = failures(a, q) {
        return found(guest_account::LOCKED, why);
    }
    if let Some(since) = a.first("account", "expired") {
        return found(guest_account::EXPIRED, said::account_ended_on(since));
    }
    if let Some((state, why)) = password_age(a) {
        return found(state, why);
    }
    if let Some(expiry) = a
        .all("account", "expiry")
        .iter()
        .find(|l| l.contains("password must be changed"))
    {
        return found(guest_account::PASSWORD_EXPIRED, Said::raw(expiry));
    }
    if let Some(why) = lock(a, q) {
        return found(guest_account::LOCKED, why);
    }
    if let Some(limit) = bad_limit(a) {
        return found(guest_account::LIMITS, limit);
    }
    found(guest_account::OK, said::account_usable(shell))
}

/// A password that is locked (`passwd -S`: L) stops whoever relies on it; with `UsePAM no` sshd
/// refuses a locked account whatever the credential.
fn lock(a: &Answer, q: &GuestQuestion) -> Option<Said> {
    let lock = a.first("account", "lock");
    if lock == Some("!") && option(a, "usepam") == Some("no") {
        return Some(said::account_locked_no_pam());
    }
    let locked = match lock {
        Some(how) => matches!(how, "!" | "*"),
        None => matches!(a.first("account", "status"), Some("L" | "LK")),
    };
    let relies_on_password = match q.uses_key {
        Some(uses_key) => !uses_key,
        // Cloud images lock the password on purpose and rely on the key on file.
        None => a.has("account", "keys-read") && !a.has("account", "key") && !keys_elsewhere(a),
    };
    (locked && relies_on_password).then(said::password_locked)
}

/// Keys may come from elsewhere than the files, or the settings that say so were not read.
fn keys_elsewhere(a: &Answer) -> bool {
    let others = ["authorizedkeyscommand", "trustedusercakeys"];
    let named = |name: &&str| option(a, name).is_some_and(|value| value != "none");
    !a.has("policy", "sshd") || others.iter().any(named)
}

/// Settings of the module that counts failures: its arguments win over its file.
fn counter(a: &Answer, name: &str) -> Option<String> {
    let find = |words: &str| {
        words.split_whitespace().find_map(|w| {
            w.strip_prefix(name)
                .map(|rest| rest.trim_start_matches('=').to_owned())
        })
    };
    a.all("pam", "stack")
        .iter()
        .filter(|l| l.contains("pam_faillock"))
        .find_map(|l| find(l))
        .or_else(|| a.all("pam", "faillock").iter().find_map(|l| find(l)))
}

/// Too many failures of late. Only passwords are counted and refused; root only when told so.
fn failures(a: &Answer, q: &GuestQuestion) -> Option<Said> {
    let number = |key| a.first("account", key)?.trim().parse::<u32>().ok();
    let count = number("faillock").unwrap_or(0);
    let stack = a.all("pam", "stack");
    let by_faillock = stack.is_empty() || stack.iter().any(|l| l.contains("pam_faillock"));
    let root = a
        .first("account", "passwd")
        .and_then(|p| p.split(':').nth(1))
        .is_some_and(|uid| uid == "0");
    let spared = !stack.is_empty() && root && counter(a, "even_deny_root").is_none();
    let told = a
        .first("account", "deny")
        .and_then(|d| d.strip_prefix("deny=")?.trim().parse::<u32>().ok());
    // faillock.conf(5): three failures, for ten minutes.
    let limit = counter(a, "deny")
        .and_then(|d| d.parse().ok())
        .or(told)
        .or((!stack.is_empty()).then_some(3));
    let over = match (
        counter(a, "unlock_time").as_deref(),
        a.first("account", "faillock-age")
            .and_then(|s| s.parse::<u64>().ok()),
    ) {
        (Some("never" | "0"), _) | (_, None) => false,
        (Some(time), Some(age)) => time.parse().is_ok_and(|time: u64| age > time),
        (None, Some(age)) => age > 600,
    };
    if let Some(limit) = limit.filter(|l| *l > 0 && count >= *l)
        && by_faillock
        && !spared
        && !over
        && q.uses_key != Some(true)
    {
        return Some(said::too_many_failures(count, limit));
    }
    let tally = number("tally").unwrap_or(0);
    told.filter(|limit| *limit > 0 && tally >= *limit)
        .map(|limit| said::too_many_failures(tally, limit))
}

/// The dates of the shadow entry, as pam_unix judges them (days since 1970-01-01).
fn password_age(a: &Answer) -> Option<(State<'static>, Said)> {
    let today: i64 = a.first("account", "today")?.trim().parse().ok()?;
    let days: Vec<Option<i64>> = a
        .first("account", "aging")?
        .split_whitespace()
        .map(|d| d.parse().ok().filter(|d| *d >= 0))
        .collect();
    let [changed, _least, most, _warn, inactive, ends] = days.as_slice() else {
        return None;
    };
    if ends.is_some_and(|end| today >= end) {
        return Some((guest_account::EXPIRED, said::account_ended()));
    }
    let changed = (*changed)?;
    if changed == 0 {
        return Some((
            guest_account::PASSWORD_EXPIRED,
            said::password_must_change(),
        ));
    }
    let most = (*most)?;
    let old = today.saturating_sub(changed);
    if old <= most {
        return None;
    }
    Some(match inactive {
        Some(more) if old > most.saturating_add(*more) => (
            guest_account::EXPIRED,
            said::password_shut(old, *more, most),
        ),
        _ => (
            guest_account::PASSWORD_EXPIRED,
            said::password_old(old, most),
        ),
    })
}

/// The least with which a shell starts, as `limits.conf(5)` counts: files, processes, kilobytes.
const LEAST: &[(&str, u64)] = &[
    ("nofile", 10),
    ("nproc", 2),
    ("as", 20_000),
    ("data", 2_000),
    ("stack", 64),
];

/// A limit of the user with which no session starts: `nofile` above `fs.nr_open`, which pam_limits
/// refuses, or too little for a shell. The line that names the user counts before one of a group,
/// that before one for everybody, which spares root.
fn bad_limit(a: &Answer) -> Option<Said> {
    let passwd = a.first("account", "passwd")?;
    let mut fields = passwd.split(':');
    let (name, uid) = (fields.next()?, fields.next()?);
    let groups: Vec<&str> = match a.all("account", "group") {
        [] => a
            .first("account", "groups")
            .unwrap_or("")
            .split_whitespace()
            .collect(),
        groups => groups.iter().map(String::as_str).collect(),
    };
    let closeness = |domain: &str| match domain.strip_prefix('@') {
        _ if domain == name => Some(3),
        Some(group) => groups.contains(&group).then_some(2),
        None => (domain == "*" && uid != "0").then_some(1),
    };
    let nr_open = a
        .first("account", "nr_open")
        .and_then(|most| most.trim().parse::<u64>().ok());
    let mut best: std::collections::BTreeMap<(&str, &str), (u8, &str, &str)> =
        std::collections::BTreeMap::new();
    for line in a.all("account", "limit") {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [domain, kind, item, value] = words.as_slice() else {
            continue;
        };
        let Some(close) = closeness(domain) else {
            continue;
        };
        let kinds: &[&str] = if *kind == "-" {
            &["soft", "hard"]
        } else {
            &[kind]
        };
        for kind in kinds {
            let entry = best.entry((item, kind)).or_insert((close, value, line));
            if close >= entry.0 {
                *entry = (close, value, line);
            }
        }
    }
    best.into_iter().find_map(|((item, _), (_, value, line))| {
        let number = value.parse::<u64>().ok();
        let endless = matches!(value, "unlimited" | "infinity" | "-1");
        match (item, nr_open) {
            ("nofile", Some(most)) if endless || number.is_some_and(|n| n > most) => {
                Some(said::limit_too_high(line, most))
            }
            _ => {
                let least = LEAST.iter().find(|(name, _)| *name == item)?.1;
                (number? < least).then(|| said::limit_too_low(line))
            }
        }
    })
}

pub(super) fn auth_log(a: &Answer, q: &GuestQuestion) -> Finding {
    match a.first("authlog", "checked") {
        None => return missing(said::the_login_log()),
        Some("0") => return Err(said::log_unread()),
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
    let exists = a.first("account", "passwd").is_some_and(|p| p != "absent");
    let refused = lines
        .iter()
        .rev()
        .find(|l| exists && l.contains("not allowed because"));
    let mut closed_after = false;
    for line in from_source.iter().rev() {
        if line.contains("session closed") || line.contains("Disconnected from user") {
            closed_after = true;
        }
        let state = if line.contains("not allowed because")
            || line.contains("ROOT LOGIN REFUSED")
            || line.contains("Refused user")
        {
            guest_auth_log::POLICY_REFUSED
        } else if line.contains("nvalid user") {
            // sshd calls a user that its lists refuse invalid in every later line.
            match refused {
                Some(refusal) => return found(guest_auth_log::POLICY_REFUSED, Said::raw(refusal)),
                None => guest_auth_log::INVALID_USER,
            }
        } else if line.contains("Failed password") || line.contains("authentication failure") {
            guest_auth_log::FAILED_PASSWORD
        } else if line.contains("Failed publickey") || line.contains("Authentication refused") {
            guest_auth_log::FAILED_KEY
        } else if line.contains("Accepted ") {
            if closed_after {
                guest_auth_log::ACCEPTED_THEN_CLOSED
            } else {
                guest_auth_log::ACCEPTED
            }
        } else {
            continue;
        };
        return found(state, Said::raw(line));
    }
    found(guest_auth_log::NONE, said::log_silent(&q.user))
}
