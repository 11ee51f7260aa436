//! Reads the answer of `assets/guest/check-linux.sh` as evidence.
//!
//! Each function is one evidence group: facts in, state and sentence out, `Err` with the reason
//! where the facts do not suffice. Must not live here: weighing.

use std::net::IpAddr;

use super::answer::Answer;
use super::firewall::{self, Attempt, Fate};
use super::said;
use super::source_block::{Client, Verdict, Wrappers};
use super::{
    Finding, GuestQuestion, clock, found, key_lookup, linux_access, linux_account, linux_kernel,
    linux_system, missing, pam, reading, sshd_policy,
};
use crate::domain::evidence::state::{
    guest_firewall, guest_listener, guest_reset_agent, guest_service, guest_source_block,
    guest_sshd_config, guest_throttle,
};
use crate::domain::evidence::{Reading, group};
use crate::domain::said::Said;

/// All Linux groups, in the order of the vocabulary.
pub fn readings(a: &Answer, q: &GuestQuestion) -> Vec<Reading> {
    vec![
        reading(group::GUEST_SERVICE, service(a)),
        reading(group::GUEST_LISTENER, listener(a, q)),
        reading(group::GUEST_SSHD_CONFIG, sshd_config(a, q)),
        reading(group::GUEST_AUTH_POLICY, sshd_policy::auth_policy(a, q)),
        reading(group::GUEST_FIREWALL, host_firewall(a, q)),
        reading(group::GUEST_SOURCE_BLOCK, source_block(a, q)),
        reading(group::GUEST_THROTTLE, throttle(a)),
        reading(group::GUEST_ACCOUNT, linux_account::account(a, q)),
        reading(group::GUEST_AUTH_LOG, linux_account::auth_log(a, q)),
        reading(group::GUEST_RESET_AGENT, reset_agent(a)),
        reading(group::GUEST_PAM, pam::pam(a, q)),
        reading(group::GUEST_FILESYSTEM, linux_system::filesystem(a)),
        reading(group::GUEST_LOAD, linux_system::load(a)),
        reading(group::GUEST_BOOT, linux_system::boot(a)),
        reading(group::GUEST_PROFILE, linux_system::profile(a)),
        reading(group::GUEST_NETWORK, linux_system::network(a, q)),
        reading(group::GUEST_DNS, linux_system::dns(a)),
        reading(group::GUEST_LOGIN_LOG, linux_system::login_log(a)),
        reading(group::GUEST_MALWARE, linux_system::malware(a)),
        reading(group::GUEST_ACCESS, linux_access::access(a, q)),
        reading(group::GUEST_KEY_ALGORITHMS, key_lookup::algorithms(a)),
        reading(group::GUEST_KEY_LOOKUP, key_lookup::lookup(a, q)),
        reading(group::GUEST_SELINUX, key_lookup::selinux(a)),
        reading(group::GUEST_TERMINAL, linux_kernel::terminal(a)),
        reading(group::GUEST_CONNECTIONS, linux_kernel::connections(a, q)),
        reading(group::GUEST_SERVICE_CRASHES, linux_kernel::crashes(a)),
        reading(group::GUEST_CLOCK, clock::clock(a)),
    ]
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
        return missing(said::the_login_service());
    }
    let processes = listeners_processes(a);
    let stuck = processes
        .iter()
        .filter(|(s, _)| matches!(*s, "D" | "T" | "t"))
        .count();
    if stuck > 0 && stuck == processes.len() {
        return found(guest_service::HUNG, said::sshd_stuck());
    }
    if !processes.is_empty() {
        return found(guest_service::RUNNING, said::sshd_runs(processes.len()));
    }
    let units = a.all("service", "unit");
    let unit = |name: &str, what: &str| {
        units
            .iter()
            .any(|u| u.starts_with(name) && u.contains(what))
    };
    for socket in ["ssh.socket", "sshd.socket"] {
        if unit(socket, "ActiveState=active") {
            return found(guest_service::RUNNING, said::socket_starts_sshd(socket));
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
            guest_service::FAILED,
            why.map_or_else(said::sshd_failed_unsaid, said::sshd_failed),
        );
    }
    if a.first("service", "binary") == Some("missing") {
        return found(guest_service::FAILED, said::no_sshd_program());
    }
    found(guest_service::STOPPED, said::no_sshd_process())
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

/// sshd asks for IPv6 alone; a socket that another program holds may take IPv4 too, which only
/// `ss` shows.
fn may_be_dual(a: &Answer, named: &[&String], here: &[&String]) -> bool {
    !a.has("listener", "ss")
        && !named.iter().any(|l| l.contains("sshd"))
        && here.iter().any(|h| h.as_str() == "::")
}

/// Without process names sockets can only be spoken of at the expected port.
fn unnamed_sockets(a: &Answer, port: u16) -> Vec<(String, u16)> {
    [("proc4", false), ("proc6", true)]
        .into_iter()
        .flat_map(|(key, v6)| {
            a.all("listener", key)
                .iter()
                .filter_map(move |l| proc_address(l, v6))
        })
        .filter(|(_, p)| *p == port)
        .collect()
}

fn listener(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("listener", "checked") {
        return missing(said::the_sockets());
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
    sockets.extend(unnamed_sockets(a, q.port));
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
                guest_listener::OTHER_PORT,
                said::sshd_elsewhere(host, port, q.port),
            ),
            None => found(guest_listener::NONE, said::nothing_listens(q.port)),
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
            guest_listener::LOOPBACK_ONLY,
            said::bound_only(q.port, list),
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
        return found(guest_listener::IPV4_ONLY, said::bound_user_v6(q.port, list));
    }
    if !user_v6 && !v4 && may_be_dual(a, &named, &here) {
        return Err(said::bound_perhaps_v4(q.port, list));
    }
    if !user_v6 && !v4 {
        return found(guest_listener::IPV6_ONLY, said::bound_user_v4(q.port, list));
    }
    found(guest_listener::EXPECTED_PORT, said::bound(q.port, list))
}

fn sshd_config(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(code) = a.first("config", "test") else {
        return missing(said::a_config_test());
    };
    let messages = a.all("config", "message").join("; ");
    if a.first("config", "hostkeys") == Some("missing")
        || messages.contains("no hostkeys available")
    {
        return found(guest_sshd_config::HOST_KEYS_MISSING, said::no_host_key());
    }
    if code == "0" {
        if let Some(why) = sshd_policy::unsafe_files(a, q) {
            return found(guest_sshd_config::PERMISSIONS, why);
        }
        return found(guest_sshd_config::VALID, said::config_is_fine());
    }
    // Debian makes /run/sshd when the service starts: its absence while stopped is no fault.
    let only_run_dir = messages.contains("/run/sshd") && a.all("config", "message").len() == 1;
    if only_run_dir && listeners_processes(a).is_empty() {
        return Err(said::config_needs_service());
    }
    let permissions = [
        "too open",
        "must be owned by",
        "bad permissions",
        "privilege separation directory",
        "UNPROTECTED",
    ];
    if permissions.iter().any(|p| messages.contains(p)) {
        return found(guest_sshd_config::PERMISSIONS, said::config_says(messages));
    }
    if messages.contains("could not load host key") || messages.contains("Could not load host key")
    {
        return found(
            guest_sshd_config::HOST_KEYS_MISSING,
            said::config_says(messages),
        );
    }
    found(guest_sshd_config::INVALID, said::config_says(messages))
}

/// Value of an option of `sshd -T`.
pub(super) fn option<'a>(a: &'a Answer, name: &str) -> Option<&'a str> {
    a.all("policy", "sshd")
        .iter()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))
}

/// What the packet filter makes of a login by the user's source, or by somebody whom no rule names.
fn ruling(a: &Answer, q: &GuestQuestion, source: Option<IpAddr>) -> Result<firewall::Ruling, Said> {
    if !a.has("firewall", "checked") {
        return Err(said::not_in_answer(said::the_firewall_rules()));
    }
    if a.has("check", "unprivileged") {
        return Err(said::firewall_needs_root());
    }
    let listing = firewall::Listing::read(a)?;
    let attempt = Attempt {
        source,
        v6: q.source.is_some_and(|s| s.is_ipv6()),
        port: q.port,
        private_address: q.private_address,
    };
    firewall::judge(&listing, attempt).map_err(said::firewall_unclear)
}

fn host_firewall(a: &Answer, q: &GuestQuestion) -> Finding {
    let mut decided = ruling(a, q, q.source)?;
    if decided.fate != Fate::Accept && decided.names_source {
        // One source shut out is a block of that source; what holds for everyone else?
        decided = ruling(a, q, None)?;
    }
    let state = match decided.fate {
        Fate::Accept => guest_firewall::ALLOW,
        Fate::Drop => guest_firewall::DROP,
        Fate::Reject => guest_firewall::REJECT,
    };
    found(state, said::port_and_rule(q.port, decided.rule))
}

fn source_block(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("source", "checked") {
        return missing(said::the_block_lists());
    }
    let Some(source) = q.source else {
        return Err(said::source_not_known());
    };
    let mut unclear = None;
    match a.first("source", "libwrap") {
        Some("no") => {}
        told => match Wrappers::of(a).decide(&Client::of(a, q, source)) {
            Verdict::Open => {}
            Verdict::Shut(line) if told == Some("yes") => {
                return found(guest_source_block::BLOCKED, Said::raw(line));
            }
            Verdict::Shut(line) => {
                unclear = Some(said::wrappers_perhaps(line));
            }
            Verdict::Unclear => {
                unclear = Some(said::wrappers_unclear());
            }
        },
    }
    if let Some(jail) = a.all("source", "fail2ban").iter().find(|l| {
        l.split_whitespace().skip(1).any(|ban| {
            ban.parse() == Ok(source)
                || ban
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|n| n.contains(&source))
        })
    }) {
        let name = jail.split_whitespace().next().unwrap_or("");
        return found(guest_source_block::BLOCKED, said::jail_bans(name, source));
    }
    let ruling = ruling(a, q, Some(source))?;
    if ruling.fate != Fate::Accept && ruling.names_source {
        return found(
            guest_source_block::BLOCKED,
            said::host_firewall_rule(ruling.rule),
        );
    }
    match unclear {
        Some(why) => Err(why),
        None => found(guest_source_block::NONE, said::no_list_names(source)),
    }
}

fn throttle(a: &Answer) -> Finding {
    if !a.has("authlog", "checked") {
        return missing(said::the_login_log());
    }
    let lines = a.all("throttle", "line");
    if let Some(line) = lines
        .iter()
        .rev()
        .find(|l| l.to_ascii_lowercase().contains("penalty"))
    {
        return found(guest_throttle::SOURCE_PENALTY, Said::raw(line));
    }
    if let Some(line) = lines
        .iter()
        .rev()
        .find(|l| l.contains("MaxStartups") || l.contains("drop connection"))
    {
        return found(guest_throttle::MAX_STARTUPS, Said::raw(line));
    }
    found(guest_throttle::OK, said::no_drops())
}

fn reset_agent(a: &Answer) -> Finding {
    match a.first("reset", "agent") {
        None => missing(said::the_reset_agent()),
        Some("missing") => found(guest_reset_agent::MISSING, said::cloud_init_missing()),
        Some(_) if a.has("reset", "disabled") => {
            found(guest_reset_agent::STOPPED, said::cloud_init_off())
        }
        Some(_) if a.first("reset", "enabled") == Some("disabled") => {
            found(guest_reset_agent::STOPPED, said::cloud_init_disabled())
        }
        Some(_) => found(guest_reset_agent::OK, said::cloud_init_there()),
    }
}
