//! What stands between a key that is on file and its use: its type, the program that looks keys
//! up, certificates, the first boot, SELinux.
//!
//! Must not live here: files of keys and their modes (`guest::login_keys`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, login_keys, missing, moment, said};
use crate::domain::evidence::state::{guest_key_algorithms, guest_key_lookup, guest_selinux};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Does sshd take the type and size of the user's keys?
pub(super) fn algorithms(a: &Answer) -> Finding {
    if let Some(line) = a.all("algorithms", "log").last() {
        return found(
            guest_key_algorithms::REFUSED,
            Said::raw(sanitise(line, 200)),
        );
    }
    if !a.has("policy", "sshd") {
        return missing(said::the_effective_config());
    }
    if !a.has("account", "keys-read") {
        return Err(said::keys_unread());
    }
    let mut refused: Option<Said> = None;
    let mut accepted = 0;
    for line in a.all("account", "key") {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let (Some(state), Some(size), Some(kind)) = (words.get(1), words.get(2), words.get(3))
        else {
            continue;
        };
        match login_keys::refused_kind(a, size, kind)? {
            Some(why) => refused = Some(why),
            // A line that is no key at all tells nothing of its type.
            None if *state == "bad" => return Err(said::key_broken()),
            None => accepted += 1,
        }
    }
    match (refused, accepted) {
        (Some(why), 0) => found(guest_key_algorithms::REFUSED, why),
        (Some(why), _) => Err(said::some_keys_refused(why)),
        (None, 0) => Err(said::no_key_to_judge()),
        (None, n) => match elsewhere(a) {
            Some(name) => Err(said::keys_elsewhere(name)),
            None => found(guest_key_algorithms::OK, said::kinds_accepted(n)),
        },
    }
}

/// The option by which keys come that are in no file.
fn elsewhere(a: &Answer) -> Option<&'static str> {
    ["authorizedkeyscommand", "trustedusercakeys"]
        .into_iter()
        .find(|name| option(a, name).is_some_and(|v| v != "none"))
}

/// Does sshd get at the user's keys?
pub(super) fn lookup(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(account) = a.first("account", "passwd") else {
        return missing(said::the_account());
    };
    let booting = a.first("lookup", "cloud-init");
    let nothing_yet = account == "absent" || !a.has("account", "key");
    if booting.is_none() && nothing_yet {
        return missing(said::the_boot_state());
    }
    if booting == Some("running") && nothing_yet {
        return found(guest_key_lookup::FIRST_BOOT, said::first_boot(&q.user));
    }
    if booting == Some("unclear") && nothing_yet {
        return Err(said::first_boot_unclear());
    }
    if account == "absent" {
        return Err(said::user_absent(&q.user));
    }
    if !a.has("policy", "sshd") || !a.has("lookup", "checked") {
        return missing(said::the_effective_config());
    }
    let log = a.all("lookup", "log");
    let helper = option(a, "authorizedkeyscommand").filter(|v| *v != "none");
    if let Some(command) = helper
        && let Some(why) = helper_fault(a, command)
    {
        return why.map_or_else(Err, |why| found(guest_key_lookup::HELPER_FAILED, why));
    }
    if let Some(line) = log.iter().rev().find(|l| l.contains("Command")) {
        return found(
            guest_key_lookup::HELPER_FAILED,
            Said::raw(sanitise(line, 200)),
        );
    }
    if let Some(line) = log.last() {
        return found(
            guest_key_lookup::CERTIFICATE_REFUSED,
            Said::raw(sanitise(line, 200)),
        );
    }
    if let Some(file) = a.first("lookup", "no-ca") {
        return found(guest_key_lookup::CERTIFICATE_REFUSED, said::no_ca(file));
    }
    match elsewhere(a) {
        None => found(guest_key_lookup::OK, said::keys_from_files()),
        // What the helper or the certificate would do shows only in the log of a login.
        Some(_) if !a.has("authlog", "line") => Err(said::lookup_untried()),
        Some(name) => found(guest_key_lookup::OK, said::lookup_unblamed(name)),
    }
}

/// Why sshd cannot run the helper, as `safe_path()` and `execve(2)` decide; `Err` where that
/// cannot be told.
fn helper_fault(a: &Answer, command: &str) -> Option<Result<Said, Said>> {
    let program = command.split_whitespace().next().unwrap_or(command);
    if let Some(user) = a.first("lookup", "no-user") {
        return Some(Ok(said::helper_no_user(program, user)));
    }
    let parts: Vec<Vec<&str>> = a
        .all("lookup", "helper")
        .iter()
        .map(|l| l.splitn(3, ' ').collect())
        .collect();
    if parts.is_empty() {
        return Some(Err(said::helper_unread(program)));
    }
    for (at, part) in parts.iter().enumerate() {
        let [mode, owner, path] = part.as_slice() else {
            return Some(Err(said::helper_unread(program)));
        };
        if *mode == "missing" {
            return Some(Ok(said::helper_missing(path)));
        }
        let bit = |place: usize| mode.as_bytes().get(place).copied().unwrap_or(b'-');
        if *owner != "0" {
            return Some(Ok(said::helper_owner(path, owner)));
        }
        if bit(5) == b'w' || bit(8) == b'w' {
            return Some(Ok(said::helper_writable(path, mode)));
        }
        if at == 0 && !mode.starts_with('-') {
            return Some(Ok(said::helper_missing(path)));
        }
        if at == 0 && [3, 6, 9].iter().all(|place| !runs(bit(*place))) {
            return Some(Ok(said::helper_not_executable(path, mode)));
        }
    }
    None
}

fn runs(bit: u8) -> bool {
    matches!(bit, b'x' | b's' | b't')
}

/// Does SELinux keep sshd from what a login needs?
pub(super) fn selinux(a: &Answer) -> Finding {
    match a.first("selinux", "mode") {
        None => return missing(said::the_selinux_mode()),
        Some("Enforcing" | "1") => {}
        Some("Permissive" | "Disabled" | "0") => {
            return found(guest_selinux::OK, said::selinux_does_not_enforce());
        }
        Some("none") => return found(guest_selinux::OK, said::selinux_absent()),
        Some(other) => return Err(said::selinux_mode_unknown(other)),
    }
    let denied: Vec<&String> = a
        .all("policy", "avc")
        .iter()
        .filter(|l| !l.contains("permissive=1"))
        .filter(|l| moment::audit_age(a, l).is_none_or(moment::is_recent))
        .collect();
    if let Some(line) = denied.iter().rev().find(|l| stops_a_login(l)) {
        return if moment::audit_age(a, line).is_some() {
            found(
                guest_selinux::DENIES,
                said::selinux_denied(sanitise(line, 200)),
            )
        } else {
            Err(said::selinux_denied(sanitise(line, 200)))
        };
    }
    if let Some(line) = a.all("selinux", "wrong").first() {
        let line = sanitise(line, 200);
        return if line.contains(":default_t") || line.contains(":unlabeled_t") {
            found(guest_selinux::DENIES, said::selinux_mislabelled(line))
        } else {
            // The loaded policy may let sshd read that type all the same.
            Err(said::selinux_mislabelled(line))
        };
    }
    if let Some(line) = denied.last() {
        return Err(said::selinux_denied(sanitise(line, 200)));
    }
    if !a.has("selinux", "audit") && !a.has("kernel", "log") {
        return missing(said::the_audit_log());
    }
    found(guest_selinux::OK, said::selinux_denied_nothing())
}

/// Reading keys, taking the port, starting the shell or the session; sshd asks for other things
/// whose refusal does no harm.
fn stops_a_login(line: &str) -> bool {
    [
        "name=\"authorized_keys\"",
        "name=\".ssh\"",
        "name_bind",
        "{ transition }",
        "{ dyntransition }",
        "{ execute }",
        "{ entrypoint }",
        "tclass=process",
    ]
    .iter()
    .any(|part| line.contains(part))
}
