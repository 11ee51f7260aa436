//! Is the account let in once its password or key was right: nologin files, rules of PAM, how many
//! may be logged in at once.
//!
//! Must not live here: the stack itself (`guest::pam`), the account's own state
//! (`guest::linux_account`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, missing, pam, said};
use crate::domain::evidence::state::guest_access;
use crate::domain::said::Said;

/// Modules whose refusal is a rule about who may log in, from where and when.
const RULES: [&str; 6] = [
    "pam_access.so",
    "pam_time.so",
    "pam_listfile.so",
    "pam_succeed_if.so",
    "pam_usertype.so",
    "pam_wheel.so",
];

pub(super) fn access(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(entry) = a.first("account", "passwd") else {
        return missing(said::the_account());
    };
    if entry == "absent" {
        return Err(said::user_absent(&q.user));
    }
    let root = entry.split(':').nth(1) == Some("0");
    if !a.has("policy", "sshd") {
        return missing(said::the_effective_config());
    }
    // An sshd that was built without PAM does not name it.
    if matches!(option(a, "usepam"), None | Some("no")) {
        return without_pam(a, q, root);
    }
    if !a.has("pam", "checked") || !a.has("pam", "stack") {
        return missing(said::the_pam_stack());
    }
    // The account part first: it is asked for everybody, and its refusal is certain.
    let parts: &[&str] = if q.uses_key == Some(true) {
        &["account"]
    } else {
        &["account", "auth"]
    };
    for part in parts {
        let Some(line) = pam::refusal(a, q, part)? else {
            continue;
        };
        if line.contains("pam_nologin") {
            let file = a.first("account", "nologin-file").unwrap_or("/etc/nologin");
            return found(guest_access::NOLOGIN, said::nologin(file));
        }
        if RULES.iter().any(|module| line.contains(module)) {
            return found(guest_access::DENIED, said::pam_refuses(&q.user, line));
        }
        return Err(said::pam_refuses(&q.user, line));
    }
    if let Some((open, limit)) = sessions(a, q, root)? {
        return found(
            guest_access::SESSIONS_FULL,
            said::logins_full(&q.user, open, limit),
        );
    }
    found(guest_access::OK, said::let_in(&q.user))
}

/// sshd looks for one file itself where it does not ask PAM.
fn without_pam(a: &Answer, q: &GuestQuestion, root: bool) -> Finding {
    let file = a.first("account", "nologin-file");
    if !root && file.is_some_and(|f| !f.contains("run")) {
        return found(guest_access::NOLOGIN, said::nologin("/etc/nologin"));
    }
    found(guest_access::OK, said::let_in(&q.user))
}

/// Whom a limit counts. The nearer one wins, as `pam_limits` orders them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Domain {
    User,
    Group,
    MembersOfGroup,
    Everyone,
    Rest,
}

/// A limit that the next login of the user would exceed: how many are open, how many may be.
fn sessions(a: &Answer, q: &GuestQuestion, root: bool) -> Result<Option<(u64, u64)>, Said> {
    let rules = a.all("access", "limit");
    let asked = a.all("access", "module");
    if asked.is_empty() || rules.is_empty() {
        return Ok(None);
    }
    if a.all("access", "cut").iter().any(|k| k == "limit") {
        return Err(said::limits_cut());
    }
    if let Some(line) = asked.iter().find(|l| l.contains("conf=")) {
        return Err(said::pam_unclear(line));
    }
    let early = asked.iter().any(|l| l.contains("utmp_early"));
    let groups = a.all("account", "group");
    let mut nearest: Option<(Domain, Option<u64>, bool, &String)> = None;
    for line in rules {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(&name), Some(&item), Some(&value)) = (words.first(), words.get(2), words.get(3))
        else {
            // `NAME -` lifts every limit of the file that it stands in.
            if words.first() == Some(&q.user.as_str()) {
                return Err(said::pam_unclear(line));
            }
            continue;
        };
        let domain = if name == q.user {
            Domain::User
        } else if root {
            continue;
        } else if name == "*" {
            Domain::Rest
        } else if name == "%" {
            Domain::Everyone
        } else if name.contains(':') {
            return Err(said::pam_unclear(line));
        } else if let Some(group) = name.strip_prefix(['@', '%']) {
            if !groups.iter().any(|g| g == group) {
                continue;
            }
            if name.starts_with('@') {
                Domain::Group
            } else {
                Domain::MembersOfGroup
            }
        } else {
            continue;
        };
        let limit = match value {
            "unlimited" | "infinity" | "-1" => None,
            number => Some(number.parse().map_err(|_| said::pam_unclear(line))?),
        };
        let everybody = item == "maxsyslogins" || domain == Domain::Everyone;
        if nearest.is_none_or(|(had, ..)| domain <= had) {
            nearest = Some((domain, limit, everybody, line));
        }
    }
    let Some((domain, Some(limit), everybody, line)) = nearest else {
        return Ok(None);
    };
    if domain == Domain::MembersOfGroup && limit > 0 {
        return Err(said::pam_unclear(line));
    }
    let (own, all) = a
        .first("access", "logins")
        .and_then(|l| l.split_once(' '))
        .and_then(|(own, all)| Some((own.parse::<u64>().ok()?, all.parse::<u64>().ok()?)))
        .ok_or_else(|| said::not_in_answer(said::the_logins()))?;
    let open = if everybody { all } else { own };
    // The login that asks is counted with those that are open.
    let full = limit == 0 || open.saturating_add(u64::from(!early)) > limit;
    Ok(full.then_some((open, limit)))
}
