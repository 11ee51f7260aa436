//! Does PAM refuse the user: the stack of sshd walked as `pam.conf(5)` says, with the modules
//! whose verdict follows from what the guest told.
//!
//! Must not live here: sshd's own rules (`guest::sshd_policy`).

use super::answer::Answer;
use super::linux::option;
use super::pam_rules::{access_refuses, time_refuses};
use super::{Finding, GuestQuestion, found, missing, said};
use crate::domain::evidence::state::guest_pam;
use crate::domain::said::Said;

/// What one module answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModuleSays {
    Success,
    Ignore,
    UserUnknown,
    Refused,
    Unknown,
}

/// Who asks, for the modules.
struct Who<'a> {
    a: &'a Answer,
    q: &'a GuestQuestion,
    uid: u32,
}

pub(super) fn pam(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("pam", "checked") {
        return missing(said::the_pam_stack());
    }
    let uid = a
        .first("account", "passwd")
        .and_then(|p| p.split(':').nth(1)?.parse().ok());
    let root = uid.map_or(q.user == "root", |uid: u32| uid == 0);
    let nologin = a.first("account", "nologin-file").filter(|_| !root);
    if option(a, "usepam") == Some("no") {
        return match nologin.filter(|f| !f.contains("run")) {
            Some(_) => found(guest_pam::RESTRICTS, said::nologin("/etc/nologin")),
            None => found(guest_pam::OK, said::pam_not_asked()),
        };
    }
    if let Some(module) = a.first("pam", "missing") {
        return found(guest_pam::BROKEN, said::pam_module_missing(module));
    }
    let logs = a.all("pam", "log");
    let stack = a.all("pam", "stack");
    if let Some(line) = logs.iter().find(|line| names_a_broken_module(line, stack)) {
        return found(guest_pam::BROKEN, Said::raw(line));
    }
    if stack.is_empty() {
        if let Some(file) = nologin {
            let file = if file == "yes" { "/etc/nologin" } else { file };
            return found(guest_pam::RESTRICTS, said::nologin(file));
        }
        if let Some(line) = logs.iter().find(|l| {
            (l.contains("pam_listfile") || l.contains("not met by user")) && l.contains(&q.user)
        }) {
            return found(guest_pam::RESTRICTS, said::pam_refuses(&q.user, line));
        }
        return found(guest_pam::OK, said::pam_whole());
    }
    if a.all("pam", "cut").iter().any(|k| k == "stack") {
        return Err(said::pam_cut());
    }
    let Some(uid) = uid else {
        return Err(said::pam_without_account());
    };
    let who = Who { a, q, uid };
    // Keys pass the authentication part by; the account part is asked for everybody.
    let parts: &[&str] = if q.uses_key == Some(true) {
        &["account"]
    } else {
        &["auth", "account"]
    };
    for part in parts {
        match walk(&who, stack, part) {
            Ok(()) => {}
            Err(Fault::Refused(line)) if line.contains("pam_nologin") => {
                let file = nologin.unwrap_or("/etc/nologin");
                return found(guest_pam::RESTRICTS, said::nologin(file));
            }
            Err(Fault::Refused(_)) if a.has("pam", "other") => {
                return found(guest_pam::BROKEN, said::pam_other());
            }
            Err(Fault::Refused(line)) => {
                return found(guest_pam::RESTRICTS, said::pam_refuses(&q.user, line));
            }
            Err(Fault::Unclear(line)) => {
                return Err(said::pam_unclear(line));
            }
        }
    }
    found(guest_pam::OK, said::pam_whole())
}

/// True for a line of the log about a module that cannot be used. One that the stack no longer
/// asks for was mended since.
fn names_a_broken_module(line: &str, stack: &[String]) -> bool {
    let module = if let Some((_, rest)) = line.split_once("dlopen(") {
        rest.split(')').next()
    } else if let Some((_, rest)) = line.split_once("faulty module: ") {
        rest.split_whitespace().next()
    } else {
        return line.contains("Module is unknown") && stack.is_empty();
    };
    let asked = |module: &str| {
        let mut words = stack.iter().flat_map(|rule| rule.split_whitespace());
        words.any(|word| word == module)
    };
    stack.is_empty() || module.is_none_or(asked)
}

/// The line of a part of the stack that refuses the user, whatever the credential is.
pub(super) fn refusal(a: &Answer, q: &GuestQuestion, part: &str) -> Result<Option<String>, Said> {
    if a.has("pam", "missing") {
        return Err(said::pam_broken());
    }
    if a.all("pam", "cut").iter().any(|k| k == "stack") {
        return Err(said::pam_cut());
    }
    let Some(uid) = a
        .first("account", "passwd")
        .and_then(|p| p.split(':').nth(1)?.parse().ok())
    else {
        return Err(said::pam_without_account());
    };
    match walk(&Who { a, q, uid }, a.all("pam", "stack"), part) {
        Ok(()) => Ok(None),
        Err(Fault::Refused(line)) => Ok(Some(line)),
        Err(Fault::Unclear(line)) => Err(said::pam_unclear(line)),
    }
}

enum Fault {
    Refused(String),
    Unclear(String),
}

/// Type, control and the rest of a line; a control in brackets may hold blanks.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = line.split_once(' ')?;
    if let Some(inner) = rest.strip_prefix('[') {
        let (control, rest) = inner.split_once(']')?;
        return Some((kind, control, rest.trim_start()));
    }
    let (control, rest) = rest.split_once(' ')?;
    Some((kind, control, rest))
}

/// What a control does with an answer, in the words of `pam.conf(5)`.
fn action(control: &str, verdict: ModuleSays) -> &str {
    let key = match verdict {
        ModuleSays::Success => "success",
        ModuleSays::Ignore => "ignore",
        ModuleSays::UserUnknown => "user_unknown",
        ModuleSays::Refused | ModuleSays::Unknown => "perm_denied",
    };
    match control {
        "required" | "requisite" => match verdict {
            ModuleSays::Success => "ok",
            ModuleSays::Ignore => "ignore",
            _ if control == "requisite" => "die",
            _ => "bad",
        },
        "sufficient" if verdict == ModuleSays::Success => "done",
        "optional" if verdict == ModuleSays::Success => "ok",
        "sufficient" | "optional" => "ignore",
        bracket => {
            let value = |name: &str| {
                bracket
                    .split_whitespace()
                    .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            };
            value(key).or_else(|| value("default")).unwrap_or("bad")
        }
    }
}

fn walk(who: &Who<'_>, stack: &[String], part: &str) -> Result<(), Fault> {
    let lines: Vec<(&str, &str)> = stack
        .iter()
        .filter_map(|l| split(l))
        .filter(|(kind, ..)| *kind == part)
        .map(|(_, control, rest)| (control, rest))
        .collect();
    let mut refused: Option<String> = None;
    let mut unclear: Option<String> = None;
    let mut at = 0;
    while let Some((control, rest)) = lines.get(at) {
        at += 1;
        let verdict = module(who, rest);
        let step = action(control, verdict);
        if verdict == ModuleSays::Unknown {
            // Without effect if it does the same whatever the module says.
            let same = action(control, ModuleSays::Success);
            if step != same && !(step == "ignore" && same == "ok") {
                unclear.get_or_insert_with(|| (*rest).to_owned());
            }
            if let Ok(jump) = same.parse::<usize>() {
                at += jump;
            }
            continue;
        }
        match step {
            "ok" | "ignore" | "reset" => {}
            "done" => break,
            "bad" => {
                refused.get_or_insert_with(|| (*rest).to_owned());
            }
            "die" => {
                refused.get_or_insert_with(|| (*rest).to_owned());
                break;
            }
            jump => at += jump.parse::<usize>().unwrap_or(0),
        }
    }
    match (refused, unclear) {
        // An unclear line before it may have jumped over a refusal that seems certain.
        (Some(line), None) => Err(Fault::Refused(line)),
        (_, Some(line)) => Err(Fault::Unclear(line)),
        (None, None) => Ok(()),
    }
}

fn yes(hit: bool) -> ModuleSays {
    if hit {
        ModuleSays::Success
    } else {
        ModuleSays::Refused
    }
}

fn module(who: &Who<'_>, rest: &str) -> ModuleSays {
    let mut words = rest.split_whitespace();
    let name = words.next().unwrap_or("");
    let name = name.rsplit('/').next().unwrap_or(name);
    let arguments: Vec<&str> = words.collect();
    let has = |word: &str| arguments.contains(&word);
    match name {
        // The credential is taken for right: what the account's dates say is told elsewhere.
        "pam_unix.so" | "pam_permit.so" | "pam_env.so" | "pam_localuser.so" | "pam_rootok.so"
        | "pam_tally2.so" | "pam_tally.so" | "pam_pwdb.so" => ModuleSays::Success,
        "pam_faillock.so" if has("authfail") => ModuleSays::Refused,
        "pam_faillock.so" if has("preauth") => ModuleSays::Ignore,
        "pam_faillock.so" => ModuleSays::Success,
        "pam_deny.so" => ModuleSays::Refused,
        "pam_faildelay.so"
        | "pam_cap.so"
        | "pam_sepermit.so"
        | "pam_group.so"
        | "pam_warn.so"
        | "pam_echo.so"
        | "pam_debug.so"
        | "pam_keyinit.so"
        | "pam_ecryptfs.so"
        | "pam_motd.so"
        | "pam_gnome_keyring.so"
        | "pam_mail.so"
        | "pam_lastlog.so" => ModuleSays::Ignore,
        "pam_sss.so" | "pam_ldap.so" | "pam_winbind.so" | "pam_krb5.so" => {
            // A local account is none that a directory answers for.
            if who.a.has("account", "lock") {
                ModuleSays::UserUnknown
            } else {
                ModuleSays::Unknown
            }
        }
        "pam_nologin.so" => {
            if who.uid != 0 && who.a.has("account", "nologin-file") {
                ModuleSays::Refused
            } else {
                ModuleSays::Ignore
            }
        }
        "pam_usertype.so" => yes((who.uid >= 1000) == has("isregular")),
        "pam_shells.so" => yes(!who.a.has("account", "shell-unlisted")),
        "pam_access.so" => access_refuses(who.a, who.q).map_or(ModuleSays::Unknown, |r| yes(!r)),
        "pam_time.so" => time_refuses(who.a, who.q).map_or(ModuleSays::Unknown, |r| yes(!r)),
        "pam_listfile.so" => listfile(who, &arguments),
        "pam_succeed_if.so" => succeed_if(who, &arguments),
        _ => ModuleSays::Unknown,
    }
}

/// `pam_listfile(8)`, for lists of users.
fn listfile(who: &Who<'_>, arguments: &[&str]) -> ModuleSays {
    let value = |name: &str| {
        arguments
            .iter()
            .find_map(|a| a.strip_prefix(name)?.strip_prefix('='))
    };
    let (Some("user"), Some(file)) = (value("item"), value("file")) else {
        return ModuleSays::Unknown;
    };
    if value("apply").is_some() {
        return ModuleSays::Unknown;
    }
    let told = who
        .a
        .all("pam", "listfile")
        .iter()
        .find_map(|l| l.strip_prefix(file)?.strip_prefix(' '));
    let allow = value("sense") == Some("allow");
    match told {
        Some("yes") => yes(allow),
        Some("no") => yes(!allow),
        Some("absent") => yes(value("onerr") == Some("succeed")),
        _ => ModuleSays::Unknown,
    }
}

/// `pam_succeed_if(8)`: conditions about number, name and groups.
fn succeed_if(who: &Who<'_>, arguments: &[&str]) -> ModuleSays {
    let words: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|w| {
            !matches!(
                *w,
                "debug" | "use_uid" | "quiet" | "quiet_fail" | "quiet_success" | "audit"
            )
        })
        .collect();
    if words.is_empty() || !words.len().is_multiple_of(3) {
        return ModuleSays::Unknown;
    }
    let groups: Vec<&str> = who
        .a
        .all("account", "group")
        .iter()
        .map(String::as_str)
        .collect();
    let shell = who
        .a
        .first("account", "passwd")
        .and_then(|p| p.rsplit(':').next())
        .unwrap_or("");
    let mut all = true;
    for condition in words.chunks(3) {
        let [subject, operator, value] = condition else {
            return ModuleSays::Unknown;
        };
        let text = match *subject {
            "user" => who.q.user.as_str(),
            "shell" => shell,
            "service" => "sshd",
            "uid" => {
                let Ok(limit) = value.parse::<u32>() else {
                    return ModuleSays::Unknown;
                };
                all &= match *operator {
                    "eq" | "=" => who.uid == limit,
                    "ne" | "!=" => who.uid != limit,
                    "ge" | ">=" => who.uid >= limit,
                    "gt" | ">" => who.uid > limit,
                    "le" | "<=" => who.uid <= limit,
                    "lt" | "<" => who.uid < limit,
                    _ => return ModuleSays::Unknown,
                };
                continue;
            }
            _ => return ModuleSays::Unknown,
        };
        all &= match *operator {
            "=" | "eq" => text == *value,
            "!=" | "ne" => text != *value,
            "in" => value.split(':').any(|v| v == text),
            "notin" => value.split(':').all(|v| v != text),
            "ingroup" => value.split(':').any(|v| groups.contains(&v)),
            "notingroup" => value.split(':').all(|v| !groups.contains(&v)),
            _ => return ModuleSays::Unknown,
        };
    }
    yes(all)
}
