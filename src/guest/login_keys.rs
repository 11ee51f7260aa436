//! Would sshd accept a key of this user: files of keys, owner and mode of every folder on the way
//! (`StrictModes`), types, revocation, options (`sshd(8)` section AUTHORIZED_KEYS FILE FORMAT).
//!
//! Must not live here: whether keys are a method at all (`guest::sshd_policy`).

use super::answer::Answer;
use super::linux::option;
use super::said;
use super::ssh_patterns::{Origin, origin_list};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// What is known about the keys of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// At least one key on file would be accepted.
    Usable,
    /// No key on file; where sshd looks.
    None(Said),
    /// Every key on file is refused; why the last one is.
    Refused(Said),
    /// The file is not read: somebody else owns it or may write it, or a folder above it
    /// (`StrictModes`), or the user cannot come to it.
    Unsafe(Said),
    /// Every key on file runs a command of its own instead of a session.
    Forced(Said),
    /// What decides was not seen.
    Unknown(Said),
}

/// The account that logs in.
#[derive(Debug, Clone)]
pub struct User<'a> {
    pub uid: u32,
    pub name: &'a str,
    pub gids: Vec<u32>,
}

/// A file or folder as `ls -ldn` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part<'a> {
    mode: &'a str,
    owner: u32,
    group: u32,
    path: &'a str,
}

impl Part<'_> {
    fn bit(&self, place: usize) -> u8 {
        self.mode.as_bytes().get(place).copied().unwrap_or(b'-')
    }

    /// Whether `user` has the permission at this place of the owner's three (0 read, 2 search).
    fn allows(&self, user: &User<'_>, place: usize) -> bool {
        let class = if self.owner == user.uid {
            1
        } else if user.gids.contains(&self.group) {
            4
        } else {
            7
        };
        user.uid == 0 || !matches!(self.bit(class + place), b'-' | b'S' | b'T')
    }
}

/// Number of the file and the part; `Err` for a file that is not there.
fn part(line: &str) -> Option<(u32, Result<Part<'_>, &str>)> {
    let mut words = line.splitn(5, ' ');
    let number = words.next()?.parse().ok()?;
    let (mode, owner, group, path) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if mode == "missing" {
        return Some((number, Err(path)));
    }
    let (owner, group) = (owner.parse().ok()?, group.parse().ok()?);
    Some((
        number,
        Ok(Part {
            mode,
            owner,
            group,
            path,
        }),
    ))
}

/// What the answer says about the keys of a user.
pub fn keys(a: &Answer, user: &User<'_>, origin: Origin<'_>) -> Keys {
    if !a.has("account", "keys-read") {
        return Keys::Unknown(said::keys_unread());
    }
    if let Some(file) = a.first("policy", "revoked-unreadable") {
        return Keys::Refused(said::revoked_unreadable(file));
    }
    if let Some(line) = a
        .all("policy", "avc")
        .iter()
        .rev()
        .find(|l| l.contains("authorized_keys") || l.contains("\".ssh\""))
    {
        return Keys::Refused(said::selinux_denies(sanitise(line, 160)));
    }
    let mut refused: Option<Keys> = None;
    let mut looked = Vec::new();
    for number in 1..=4 {
        match file(a, number, user, origin, &mut looked) {
            None => {}
            Some(Keys::Usable) => return Keys::Usable,
            // What was not seen outweighs a refusal: the key may be there.
            Some(found @ Keys::Unknown(_)) => refused = Some(found),
            Some(found) => {
                refused.get_or_insert(found);
            }
        }
    }
    let elsewhere = ["authorizedkeyscommand", "trustedusercakeys"]
        .into_iter()
        .find(|name| option(a, name).is_some_and(|v| v != "none"));
    if let Some(name) = elsewhere {
        return Keys::Unknown(said::keys_elsewhere(name));
    }
    refused.unwrap_or_else(|| {
        Keys::None(if looked.is_empty() {
            said::no_keys_file()
        } else {
            said::no_key_in(looked.join(", "))
        })
    })
}

fn file(
    a: &Answer,
    number: u32,
    user: &User<'_>,
    origin: Origin<'_>,
    looked: &mut Vec<String>,
) -> Option<Keys> {
    let mut parts = Vec::new();
    for (_, found) in a
        .all("account", "keypath")
        .iter()
        .filter_map(|l| part(l))
        .filter(|(n, _)| *n == number)
    {
        match found {
            Ok(part) => parts.push(part),
            Err(path) => {
                looked.push(path.to_owned());
                return None;
            }
        }
    }
    let path = parts.first()?.path;
    looked.push(path.to_owned());
    if let Some(fault) = path_fault(a, &parts, user) {
        return Some(fault);
    }
    if a.first("policy", "selinux") == Some("enforcing") {
        let label = a
            .all("account", "label")
            .iter()
            .find(|l| l.contains("authorized_keys"));
        if label.is_some_and(|l| !l.contains(":ssh_home_t") && l.contains(':')) {
            return Some(Keys::Unknown(said::selinux_label(path)));
        }
    }
    let mut worst = None;
    for line in a.all("account", "key") {
        let mut words = line.splitn(5, ' ');
        if words.next() != Some(&number.to_string()) {
            continue;
        }
        let (state, size, kind) = (words.next()?, words.next()?, words.next()?);
        match key(a, state, size, kind, words.next().unwrap_or(""), origin) {
            Keys::Usable => return Some(Keys::Usable),
            Keys::Forced(why) => worst = Some(Keys::Forced(why)),
            other => worst = worst.or(Some(other)),
        }
    }
    worst
}

/// Why sshd does not read the file: nobody but the user and root may write it or a folder above
/// it, up to the home folder; and the user must be able to reach it.
fn path_fault(a: &Answer, parts: &[Part<'_>], user: &User<'_>) -> Option<Keys> {
    let home = a.first("account", "home").unwrap_or("");
    let inside = parts.iter().skip(1).any(|p| p.path == home);
    if option(a, "strictmodes") != Some("no") {
        for part in parts {
            if part.owner != 0 && part.owner != user.uid {
                return Some(Keys::Unsafe(said::strict_owner(part.path, part.owner)));
            }
            let by_group = part.bit(5) == b'w' && !private_group(a, part, user);
            if part.bit(8) == b'w' || by_group {
                let why = if by_group {
                    said::strict_group(part.path, part.mode)
                } else {
                    said::strict_everyone(part.path, part.mode)
                };
                return Some(Keys::Unsafe(why));
            }
            if inside && part.path == home {
                break;
            }
        }
    }
    for (at, part) in parts.iter().enumerate() {
        if !part.allows(user, if at == 0 { 0 } else { 2 }) {
            let sentence = said::cannot_read(user.name, part.path, part.mode);
            // An access list may grant what the mode does not.
            return Some(if part.mode.ends_with('+') {
                Keys::Unknown(said::unless_listed(sentence))
            } else {
                Keys::Unsafe(sentence)
            });
        }
    }
    None
}

/// Debian's and Ubuntu's sshd accepts a group whose only member is the owner.
fn private_group(a: &Answer, part: &Part<'_>, user: &User<'_>) -> bool {
    let debian = a
        .first("policy", "version")
        .is_some_and(|v| v.contains("Debian") || v.contains("Ubuntu"))
        || a.has("check", "debian");
    let members = a.all("account", "members").iter().find_map(|line| {
        let (gid, names) = line.split_once(' ')?;
        (gid.parse() == Ok(part.group)).then(|| names.split_whitespace().collect::<Vec<_>>())
    });
    debian
        && members.is_some_and(|names| !names.is_empty() && names.iter().all(|n| *n == user.name))
        && part.owner == user.uid
}

/// Why sshd refuses keys of this type and size; `Err` where its list or the size was not read.
pub(super) fn refused_kind(a: &Answer, size: &str, kind: &str) -> Result<Option<Said>, Said> {
    let least: u32 = option(a, "requiredrsasize")
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    if kind == "ssh-rsa" && size.parse().is_ok_and(|bits: u32| bits < least) {
        return Ok(Some(said::rsa_small(size, least)));
    }
    let accepted = a.all("policy", "pubkey");
    if accepted.is_empty() {
        return Err(said::not_in_answer(said::the_accepted_algorithms()));
    }
    let names: &[&str] = match kind {
        "ssh-rsa" => &["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"],
        _ => &[kind],
    };
    if !names.iter().any(|n| accepted.iter().any(|a| a == n)) {
        return Ok(Some(said::key_kind(kind)));
    }
    if kind == "ssh-rsa" && least > 0 && size.parse::<u32>().is_err() {
        return Err(said::rsa_size_unread(least));
    }
    Ok(None)
}

fn key(a: &Answer, state: &str, size: &str, kind: &str, options: &str, origin: Origin<'_>) -> Keys {
    match state {
        "bad" => return Keys::Refused(said::key_broken()),
        "revoked" => return Keys::Refused(said::key_revoked()),
        _ => {}
    }
    if let Ok(Some(why)) = refused_kind(a, size, kind) {
        return Keys::Refused(why);
    }
    if options.len() > 480 {
        return Keys::Unknown(said::options_long());
    }
    judge_options(options, origin)
}

/// Options that do not bear on whether a session starts.
const HARMLESS: &[&str] = &[
    "restrict",
    "pty",
    "no-pty",
    "port-forwarding",
    "no-port-forwarding",
    "agent-forwarding",
    "no-agent-forwarding",
    "x11-forwarding",
    "no-x11-forwarding",
    "user-rc",
    "no-user-rc",
    "no-touch-required",
    "environment",
    "permitopen",
    "permitlisten",
    "tunnel",
    "principals",
];

fn judge_options(options: &str, origin: Origin<'_>) -> Keys {
    let mut forced = None;
    for (name, value) in split_options(options) {
        match name.to_ascii_lowercase().as_str() {
            "from" => match origin_list(&value, origin) {
                Some(true) => {}
                Some(false) => {
                    return Keys::Refused(said::key_from(sanitise(&value, 160)));
                }
                None => return Keys::Unknown(said::key_from(sanitise(&value, 160))),
            },
            "command" => forced = Some(value),
            "cert-authority" => return Keys::Unknown(said::only_certificates()),
            "expiry-time" | "verify-required" => {
                return Keys::Unknown(said::key_option(sanitise(&name, 40), sanitise(&value, 80)));
            }
            known if HARMLESS.contains(&known) => {}
            _ => {
                return Keys::Refused(said::no_key_option(sanitise(&name, 40)));
            }
        }
    }
    forced.map_or(Keys::Usable, |command| {
        Keys::Forced(said::key_runs(sanitise(&command, 80)))
    })
}

/// `name`, `name="value"`, separated by commas outside quotes.
fn split_options(options: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let (mut name, mut value, mut quoted, mut in_value) =
        (String::new(), String::new(), false, false);
    let mut chars = options.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted && chars.peek() == Some(&'"') => value.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => {
                all.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                in_value = false;
            }
            '=' if !in_value => in_value = true,
            c if in_value => value.push(c),
            c => name.push(c),
        }
    }
    if !name.is_empty() {
        all.push((name, value));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_outside_quotes() {
        let from: Origin<'_> = Origin {
            host: "203.0.113.7",
            address: "203.0.113.7".parse().ok(),
        };
        assert_eq!(judge_options("", from), Keys::Usable);
        assert_eq!(
            judge_options("no-pty,from=\"203.0.113.*,10.0.0.1\"", from),
            Keys::Usable
        );
        assert!(matches!(
            judge_options("from=\"!203.0.113.7,*\"", from),
            Keys::Refused(_)
        ));
        assert!(matches!(
            judge_options("command=\"echo \\\"a,b\\\"; exit 142\",no-pty", from),
            Keys::Forced(_)
        ));
        assert!(matches!(judge_options("nonsense", from), Keys::Refused(_)));
    }
}
