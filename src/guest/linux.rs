//! Reads the answer of `assets/guest/check-linux.sh` as evidence.
//!
//! Each function is one evidence group: facts in, state and sentence out, `Err` with the reason
//! where the facts do not suffice. Must not live here: weighing.

use std::net::IpAddr;

use super::answer::Answer;
use super::firewall::{self, Attempt, Fate};
use super::source_block::denied_by_wrappers;
use super::{Finding, GuestQuestion, found, linux_account, linux_system, missing, reading};
use crate::domain::evidence::Reading;
use crate::domain::text::counted;

/// A source that no rule names: documentation range TEST-NET-2 (RFC 5737).
const NEUTRAL_SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 77));

/// All Linux groups, in the order of the vocabulary.
pub fn readings(a: &Answer, q: &GuestQuestion) -> Vec<Reading> {
    vec![
        reading("guest-service", service(a)),
        reading("guest-listener", listener(a, q)),
        reading("guest-sshd-config", sshd_config(a)),
        reading("guest-auth-policy", linux_account::auth_policy(a, q)),
        reading("guest-firewall", host_firewall(a, q)),
        reading("guest-source-block", source_block(a, q)),
        reading("guest-throttle", throttle(a)),
        reading("guest-account", linux_account::account(a)),
        reading("guest-auth-log", linux_account::auth_log(a, q)),
        reading("guest-reset-agent", reset_agent(a)),
        reading("guest-pam", linux_account::pam(a, q)),
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
            format!(
                "sshd runs ({})",
                counted(processes.len(), "listening process")
            ),
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
