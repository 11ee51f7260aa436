//! Does sshd let this user in, decided as sshd decides: lists of users and groups, root, methods,
//! keys, the lock of the account (`sshd_config(5)`; order of `allowed_user()`).
//!
//! Must not live here: PAM and the account itself (`guest::pam`, `guest::linux_account`).

use super::answer::Answer;
use super::linux::option;
use super::login_keys::{Keys, User, keys};
use super::ssh_patterns::{Origin, matches, names_user};
use super::{Finding, GuestQuestion, found, linux_account, missing, pam, said};
use crate::domain::evidence::state::{guest_account, guest_auth_policy, guest_pam};
use crate::domain::evidence::{State, group};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Why a way in is closed, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Closed {
    No(State<'static>, Said),
    Unknown(Said),
}

type Way = Result<(), Closed>;

fn no(state: State<'static>, detail: Said) -> Way {
    Err(Closed::No(state, detail))
}

fn unknown(detail: Said) -> Way {
    Err(Closed::Unknown(detail))
}

/// Entries of a list option: `sshd -T` prints one a line, and an entry may hold a blank.
fn entries<'a>(a: &'a Answer, name: &str) -> Vec<&'a str> {
    a.all("policy", "sshd")
        .iter()
        .filter_map(|l| l.strip_prefix(name)?.strip_prefix(' '))
        .collect()
}

/// A list as the configuration has it.
fn list_text(list: &[&str]) -> String {
    sanitise(&list.join(" "), 200)
}

/// Facts of the case that every step asks for.
struct Case<'a> {
    a: &'a Answer,
    q: &'a GuestQuestion,
    origin: Origin<'a>,
    uid: Option<u32>,
}

impl Case<'_> {
    fn is(&self, name: &str, value: &str) -> bool {
        option(self.a, name) == Some(value)
    }

    fn is_root(&self) -> bool {
        self.q.user == "root" || self.uid == Some(0)
    }
}

/// Policy of sshd for the failing user and the kind of credential that the user relies on.
pub(super) fn auth_policy(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("policy", "sshd") {
        return missing(said::the_effective_config());
    }
    let source = q.source.map(|s| s.to_string()).unwrap_or_default();
    let case = Case {
        a,
        q,
        origin: Origin {
            host: a.first("policy", "host").unwrap_or(&source),
            address: q.source,
        },
        uid: a
            .first("account", "passwd")
            .and_then(|p| p.split(':').nth(1)?.parse().ok()),
    };
    if let Err(closed) = lists(&case) {
        return finding(closed);
    }
    match a.first("account", "passwd") {
        None => return missing(said::the_account()),
        Some("absent") => {
            return Err(said::user_absent(&q.user));
        }
        Some(_) => {}
    }
    let methods = ways(&case).and_then(|text| session(&case).map(|()| text));
    match methods {
        Ok(text) => found(guest_auth_policy::OK, text),
        Err(closed) => finding(closed),
    }
}

fn finding(closed: Closed) -> Finding {
    match closed {
        Closed::No(state, detail) => found(state, detail),
        Closed::Unknown(why) => Err(why),
    }
}

/// `DenyUsers`, `AllowUsers`, `DenyGroups`, `AllowGroups`, in sshd's order.
fn lists(case: &Case<'_>) -> Way {
    let (a, user) = (case.a, case.q.user.as_str());
    if a.all("policy", "cut").iter().any(|k| k == "sshd") {
        return unknown(said::lists_cut());
    }
    let by_user = |list: &[&str]| -> Option<bool> {
        let mut unsure = false;
        for entry in list {
            match names_user(entry, user, case.origin) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unsure = true,
            }
        }
        (!unsure).then_some(false)
    };
    let (deny, allow) = (entries(a, "denyusers"), entries(a, "allowusers"));
    match by_user(&deny) {
        Some(true) => {
            return no(
                guest_auth_policy::USER_DENIED,
                said::deny_users(list_text(&deny), user),
            );
        }
        None => {
            return unknown(said::deny_users_hosts());
        }
        Some(false) => {}
    }
    if !allow.is_empty() {
        match by_user(&allow) {
            Some(false) => {
                return no(
                    guest_auth_policy::USER_DENIED,
                    said::allow_users(list_text(&allow), user),
                );
            }
            None => {
                return unknown(said::allow_users_hosts());
            }
            Some(true) => {}
        }
    }
    let (deny, allow) = (entries(a, "denygroups"), entries(a, "allowgroups"));
    if deny.is_empty() && allow.is_empty() {
        return Ok(());
    }
    let groups: Vec<&str> = match a.all("account", "group") {
        [] => a
            .first("account", "groups")
            .unwrap_or("")
            .split_whitespace()
            .collect(),
        groups => groups.iter().map(String::as_str).collect(),
    };
    if groups.is_empty() {
        return unknown(said::groups_unread(user));
    }
    let named = |list: &[&str]| list.iter().any(|p| groups.iter().any(|g| matches(p, g)));
    if named(&deny) {
        return no(
            guest_auth_policy::USER_DENIED,
            said::deny_groups(list_text(&deny), user),
        );
    }
    if !allow.is_empty() && !named(&allow) {
        return no(
            guest_auth_policy::USER_DENIED,
            said::allow_groups(list_text(&allow), user),
        );
    }
    Ok(())
}

/// Which kinds of credential get in, or why the one that matters does not.
fn ways(case: &Case<'_>) -> Result<Said, Closed> {
    let (a, q) = (case.a, case.q);
    if case.is("usepam", "no") && a.first("account", "lock") == Some("!") {
        return Err(Closed::No(
            guest_auth_policy::USER_DENIED,
            said::user_locked_no_pam(&q.user),
        ));
    }
    if let Some(tries) = option(a, "maxauthtries").and_then(|t| t.parse::<u32>().ok())
        && (tries == 0 || tries < 6 && ran_out_of_tries(a))
    {
        return Err(Closed::No(
            guest_auth_policy::TOO_FEW_TRIES,
            said::max_tries(tries),
        ));
    }
    if case.is_root() && case.is("permitrootlogin", "no") {
        let why = if q.user == "root" {
            said::root_no()
        } else {
            said::root_no_by_number(&q.user)
        };
        return Err(Closed::No(guest_auth_policy::ROOT_DENIED, why));
    }
    let key = by_key(case);
    let password = by_password(case);
    let user = &q.user;
    let text = match (&key, &password) {
        (Ok(()), Ok(())) => said::may_both(user),
        (Ok(()), Err(_)) => said::may_key(user),
        (Err(Closed::No(_, why)), Ok(())) => said::may_password_only(user, why.clone()),
        (Err(_), _) => said::may_password(user),
    };
    match q.uses_key {
        Some(true) => key.map(|()| text),
        Some(false) => password.map(|()| text),
        None if key.is_ok() || password.is_ok() => Ok(text),
        None => Err(match (key, password) {
            (Err(unknown @ Closed::Unknown(_)), _) | (_, Err(unknown @ Closed::Unknown(_))) => {
                unknown
            }
            // The password's reason is the one to mend where there is no key to rely on.
            (Err(key), Err(password))
                if has_keys(a)
                    || matches!(password, Closed::No(guest_auth_policy::USER_DENIED, _)) =>
            {
                key
            }
            (_, Err(password)) => password,
            (Err(key), Ok(())) => key,
            (Ok(()), Ok(())) => return Ok(text),
        }),
    }
}

fn has_keys(a: &Answer) -> bool {
    a.has("account", "key")
}

/// True if the log says that the user's client used up its tries.
fn ran_out_of_tries(a: &Answer) -> bool {
    a.all("authlog", "line").iter().any(|l| {
        l.contains("maximum authentication attempts exceeded")
            || l.contains("Too many authentication failures")
    })
}

/// `AuthenticationMethods`: is there a list that only the given methods satisfy, each once?
fn list_of(case: &Case<'_>, methods: &[&str]) -> Result<(), String> {
    let value = option(case.a, "authenticationmethods").unwrap_or("any");
    let satisfied = |list: &str| {
        let mut seen: Vec<&str> = Vec::new();
        list.split(',').all(|method| {
            let name = method.split(':').next().unwrap_or(method);
            let fresh = !seen.contains(&name);
            seen.push(name);
            fresh && methods.contains(&name)
        })
    };
    if value == "any" || value.split_whitespace().any(satisfied) {
        Ok(())
    } else {
        Err(sanitise(value, 200))
    }
}

/// The account in question, where it was read.
fn user<'q>(a: &Answer, q: &'q GuestQuestion) -> Option<User<'q>> {
    let passwd = a.first("account", "passwd")?;
    let gids = a.first("account", "gids");
    Some(User {
        uid: passwd.split(':').nth(1)?.parse().ok()?,
        name: &q.user,
        gids: gids
            .map(|g| g.split(' ').filter_map(|n| n.parse().ok()).collect())
            .unwrap_or_default(),
    })
}

/// Why sshd does not read the user's keys, where owner or mode of a file is the reason.
pub(super) fn unsafe_files(a: &Answer, q: &GuestQuestion) -> Option<Said> {
    if option(a, "pubkeyauthentication") != Some("yes") {
        return None;
    }
    let source = q.source.map(|s| s.to_string()).unwrap_or_default();
    let origin = Origin {
        host: a.first("policy", "host").unwrap_or(&source),
        address: q.source,
    };
    match keys(a, &user(a, q)?, origin) {
        Keys::Unsafe(why) => Some(why),
        _ => None,
    }
}

fn by_key(case: &Case<'_>) -> Way {
    let (a, q) = (case.a, case.q);
    if case.is("pubkeyauthentication", "no") {
        return no(guest_auth_policy::USER_DENIED, said::keys_off());
    }
    if let Err(value) = list_of(case, &["publickey"]) {
        return no(guest_auth_policy::USER_DENIED, said::key_not_enough(value));
    }
    let Some(user) = user(a, q) else {
        return unknown(said::account_unread());
    };
    let forced_only = case.is_root() && case.is("permitrootlogin", "forced-commands-only");
    match keys(a, &user, case.origin) {
        Keys::Usable if forced_only => no(guest_auth_policy::ROOT_DENIED, said::forced_only()),
        Keys::Usable => Ok(()),
        Keys::Forced(why) if case.is_root() => no(guest_auth_policy::ROOT_DENIED, why),
        Keys::Refused(why) | Keys::Unsafe(why) | Keys::Forced(why) => {
            no(guest_auth_policy::USER_DENIED, why)
        }
        Keys::None(why) if by_password_is_off(case) => no(
            guest_auth_policy::PASSWORD_DISABLED,
            said::no_key_no_password(&q.user, why),
        ),
        Keys::None(why) => no(
            guest_auth_policy::USER_DENIED,
            said::finds_no_key(&q.user, why),
        ),
        Keys::Unknown(why) => unknown(why),
    }
}

fn interactive(case: &Case<'_>) -> bool {
    let asked = option(case.a, "kbdinteractiveauthentication")
        .or_else(|| option(case.a, "challengeresponseauthentication"));
    asked == Some("yes") && !case.is("usepam", "no")
}

fn by_password_is_off(case: &Case<'_>) -> bool {
    case.is("passwordauthentication", "no") && !interactive(case)
}

fn by_password(case: &Case<'_>) -> Way {
    let (a, user) = (case.a, &case.q.user);
    let mut methods = Vec::new();
    if !case.is("passwordauthentication", "no") {
        methods.push("password");
    }
    if interactive(case) {
        methods.push("keyboard-interactive");
    }
    if methods.is_empty() {
        let why = if has_keys(a) {
            said::password_off()
        } else {
            said::password_off_no_key()
        };
        return no(guest_auth_policy::PASSWORD_DISABLED, why);
    }
    if let Err(value) = list_of(case, &methods) {
        return no(
            guest_auth_policy::PASSWORD_DISABLED,
            said::password_not_enough(value),
        );
    }
    if case.is_root()
        && let Some(value) = option(a, "permitrootlogin").filter(|v| *v != "yes")
    {
        return no(guest_auth_policy::ROOT_DENIED, said::root_key_only(value));
    }
    let directory = ["pam_sss", "pam_ldap", "pam_winbind", "pam_krb5"]
        .into_iter()
        .find(|m| {
            a.all("pam", "stack")
                .iter()
                .any(|l| l.starts_with("auth ") && l.contains(m))
        });
    let lock = a
        .first("account", "lock")
        .or(match a.first("account", "status") {
            Some("L" | "LK") => Some("!"),
            Some("NP") => Some("empty"),
            _ => None,
        });
    match (lock, directory) {
        (Some("!" | "*"), Some(module)) => unknown(said::no_local_password(user, module)),
        (Some("!" | "*"), None) => no(
            guest_auth_policy::PASSWORD_DISABLED,
            said::password_locked_of(user),
        ),
        (Some("empty"), _) => empty_password(case),
        _ => second_factor(a),
    }
}

fn empty_password(case: &Case<'_>) -> Way {
    let (a, user) = (case.a, &case.q.user);
    if !case.is("permitemptypasswords", "yes") {
        return no(
            guest_auth_policy::PASSWORD_DISABLED,
            said::empty_password_off(user),
        );
    }
    let unix = a
        .all("pam", "stack")
        .iter()
        .find(|l| l.starts_with("auth ") && l.contains("pam_unix"));
    match unix {
        _ if case.is("usepam", "no") => Ok(()),
        Some(line) if line.contains("nullok") => Ok(()),
        Some(_) => no(
            guest_auth_policy::PASSWORD_DISABLED,
            said::empty_without_nullok(user),
        ),
        None => unknown(said::empty_unread()),
    }
}

/// A module that asks for more than the password.
fn second_factor(a: &Answer) -> Way {
    const MODULES: [&str; 7] = [
        "pam_google_authenticator",
        "pam_duo",
        "pam_oath",
        "pam_radius",
        "pam_yubico",
        "pam_u2f",
        "pam_exec",
    ];
    let found = a.all("pam", "stack").iter().find(|l| {
        l.starts_with("auth ") && !l.contains(" optional ") && MODULES.iter().any(|m| l.contains(m))
    });
    match found {
        Some(line) => unknown(said::more_asked(sanitise(line, 200))),
        None => Ok(()),
    }
}

/// What decides after sshd has accepted the credential: the account, PAM, forced commands.
fn session(case: &Case<'_>) -> Way {
    let (a, q) = (case.a, case.q);
    for name in ["forcecommand", "chrootdirectory"] {
        if let Some(value) = option(a, name).filter(|v| *v != "none") {
            let program = value.split_whitespace().next().unwrap_or("");
            let ends = ["/false", "/nologin"]
                .iter()
                .any(|end| program.ends_with(end));
            if name == "forcecommand" && ends && program.starts_with('/') {
                return no(
                    guest_auth_policy::USER_DENIED,
                    said::forced_to_end(&q.user, sanitise(value, 160)),
                );
            }
            return unknown(said::session_option(&q.user, name, sanitise(value, 160)));
        }
    }
    let others = [
        (group::GUEST_ACCOUNT, linux_account::account(a, q)),
        (group::GUEST_PAM, pam::pam(a, q)),
    ];
    for (group, finding) in others {
        match finding {
            Ok((guest_account::OK | guest_pam::OK, _)) => {}
            Ok((_, why)) => {
                return unknown(said::rules_let_in(&q.user, group, why));
            }
            Err(why) if a.has("pam", "stack") => return unknown(why),
            Err(_) => {}
        }
    }
    Ok(())
}
