//! Reads the machine-wide part of the Linux answer: file systems, load, boot, login scripts,
//! network, name look-ups, the failed-login log, traces of intruders.
//!
//! Must not live here: the login service and the account (`guest::linux`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, found, missing};

/// A failed-login log beyond this size is known to stop logins (bytes).
const OVERSIZED_LOG: u64 = 1 << 30;

fn percent(line: &str) -> Option<(u32, &str)> {
    let (use_, mount) = line.split_once(' ')?;
    Some((use_.trim_end_matches('%').parse().ok()?, mount))
}

pub(super) fn filesystem(a: &Answer) -> Finding {
    if !a.has("disk", "space") && !a.has("disk", "mount") {
        return missing("the file systems");
    }
    if let Some(mount) = a.all("disk", "mount").iter().find(|m| m.ends_with(" ro")) {
        let name = mount.split(' ').next().unwrap_or("/");
        return found("read-only", format!("{name} is mounted read-only"));
    }
    // Only file systems that a login writes to can stop it.
    let matters =
        |mount: &str| matches!(mount, "/" | "/var" | "/tmp" | "/var/log" | "/home" | "/run");
    for (key, state) in [("space", "full"), ("inodes", "inodes-full")] {
        let full = a
            .all("disk", key)
            .iter()
            .filter_map(|l| percent(l))
            .find(|(p, m)| *p >= 99 && matters(m));
        if let Some((p, mount)) = full {
            return found(state, format!("{mount} is {p}% used ({key})"));
        }
    }
    let worst = a
        .all("disk", "space")
        .iter()
        .filter_map(|l| percent(l))
        .max();
    found(
        "ok",
        worst.map_or(String::new(), |(p, m)| {
            format!("fullest file system: {m} at {p}%")
        }),
    )
}

fn memory(a: &Answer, name: &str) -> Option<u64> {
    a.all("load", "memory").iter().find_map(|l| {
        l.strip_prefix(name)?
            .strip_prefix(':')?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

/// Share of CPU time that was not idle between two readings of `/proc/stat`.
fn busy(a: &Answer) -> Option<f64> {
    let read = |key| -> Option<(f64, f64)> {
        let mut words = a.first("load", key)?.split_whitespace();
        let total = words.next()?.parse().ok()?;
        let idle: f64 = words.next()?.parse().ok()?;
        let wait: f64 = words.next()?.parse().ok()?;
        Some((total, idle + wait))
    };
    let ((t0, i0), (t1, i1)) = (read("cpu0")?, read("cpu1")?);
    (t1 > t0).then(|| 1.0 - (i1 - i0) / (t1 - t0))
}

pub(super) fn load(a: &Answer) -> Finding {
    let (Some(average), Some(cpus)) = (a.first("load", "average"), a.first("load", "cpus")) else {
        return missing("the load");
    };
    let one: f64 = average
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0);
    let cpus: f64 = cpus.parse().unwrap_or(1.0_f64).max(1.0);
    if let Some(line) = a.all("load", "oom").last() {
        return found("oom-killed", line.clone());
    }
    if let Some((tasks, limit)) = a.first("load", "tasks").and_then(|t| t.split_once(' ')) {
        let (tasks, limit): (f64, f64) = (
            tasks.parse().unwrap_or(0.0),
            limit.parse().unwrap_or(f64::MAX),
        );
        if tasks > 0.95 * limit {
            return found("processes", format!("{tasks} tasks, pid_max is {limit}"));
        }
    }
    if let (Some(total), Some(available)) = (
        memory(a, "MemTotal"),
        memory(a, "MemAvailable").or_else(|| memory(a, "MemFree")),
    ) && total > 0
        && available * 100 < total * 3
    {
        return found(
            "memory",
            format!("{} MiB of {} MiB available", available / 1024, total / 1024),
        );
    }
    let blocked: f64 = a
        .first("load", "blocked")
        .and_then(|b| b.parse().ok())
        .unwrap_or(0.0);
    let busy = busy(a);
    if blocked >= 4.0 && one > 1.5 * cpus && busy.is_none_or(|b| b < 0.6) {
        return found(
            "io",
            format!("{blocked} processes wait for I/O, load {one} on {cpus} CPUs"),
        );
    }
    if busy.is_some_and(|b| b > 0.95) && one > 1.5 * cpus {
        return found("cpu", format!("CPU busy, load {one} on {cpus} CPUs"));
    }
    found("ok", format!("load {one} on {cpus} CPUs"))
}

pub(super) fn boot(a: &Answer) -> Finding {
    if a.all("boot", "emergency")
        .iter()
        .any(|l| l.split_whitespace().any(|w| w == "active"))
    {
        return found("emergency", "the system is in emergency or rescue mode");
    }
    let Some(state) = a
        .first("boot", "state")
        .or_else(|| a.first("boot", "runlevel"))
    else {
        return missing("the boot state");
    };
    let failed = a.all("boot", "failed");
    // Units that a login needs; others fail on healthy machines every day.
    let needed = [
        "ssh",
        "network",
        "NetworkManager",
        "dbus",
        "systemd-logind",
        "local-fs",
        ".mount",
        "nss",
        "sssd",
    ];
    let serious: Vec<&str> = failed
        .iter()
        .map(String::as_str)
        .filter(|u| needed.iter().any(|n| u.contains(n)))
        .collect();
    if !serious.is_empty() {
        return found("failed-units", format!("failed: {}", serious.join(", ")));
    }
    found("ok", format!("system state: {state}"))
}

pub(super) fn profile(a: &Answer) -> Finding {
    if !a.has("profile", "checked") {
        return missing("the login scripts");
    }
    // file:line: text; a cycle exists if a file reads itself or one that reads it back.
    let edges: Vec<(&str, &str)> = a
        .all("profile", "source")
        .iter()
        .filter_map(|l| {
            let (file, rest) = l.split_once(':')?;
            let (_, text) = rest.split_once(':')?;
            let mut words = text
                .split([' ', ';', '&', '|', '\t'])
                .filter(|w| !w.is_empty());
            while let Some(word) = words.next() {
                if word == "." || word == "source" {
                    return Some((file, words.next()?.trim_matches(['"', '\''])));
                }
            }
            None
        })
        .collect();
    for (from, to) in &edges {
        let back = edges.iter().any(|(f, t)| f == to && t == from);
        // Distributions let ~/.profile read ~/.bashrc; only full paths can be followed.
        if to.starts_with('/') && (from == to || back) {
            return found("loop", format!("{from} reads {to}, which leads back to it"));
        }
    }
    found("ok", "no login script calls itself")
}

pub(super) fn network(a: &Answer) -> Finding {
    if !a.has("network", "checked") || !a.has("network", "up") {
        return missing("the network settings");
    }
    let addresses = a.all("network", "address");
    if let Some(expected) = a.first("network", "expected").filter(|e| !e.is_empty()) {
        let has = addresses.iter().any(|l| {
            l.split_whitespace()
                .nth(1)
                .and_then(|n| n.split('/').next())
                == Some(expected)
        });
        if !has && expected.contains('.') && !expected.starts_with("127.") {
            return found(
                "misconfigured",
                format!("no interface has {expected}, which the cloud assigned"),
            );
        }
    }
    if !a.has("network", "default") {
        return found("misconfigured", "there is no default route");
    }
    found(
        "ok",
        format!(
            "{}; {}",
            addresses.join(", "),
            a.first("network", "default").unwrap_or("")
        ),
    )
}

pub(super) fn dns(a: &Answer) -> Finding {
    let Some(seconds) = a
        .first("dns", "seconds")
        .and_then(|s| s.parse::<u32>().ok())
    else {
        return missing("a reverse look-up");
    };
    let used = option(a, "usedns");
    match used {
        None => missing("whether sshd looks names up"),
        Some("no") => found("ok", "UseDNS no"),
        Some(_) if seconds >= 3 => found(
            "slow",
            format!("UseDNS yes, and the reverse look-up took {seconds} s"),
        ),
        Some(_) => found("ok", format!("the reverse look-up took {seconds} s")),
    }
}

pub(super) fn login_log(a: &Answer) -> Finding {
    let Some(bytes) = a
        .first("loginlog", "bytes")
        .and_then(|b| b.trim().parse::<u64>().ok())
    else {
        return missing("the size of the failed-login log");
    };
    let state = if bytes >= OVERSIZED_LOG {
        "oversized"
    } else {
        "ok"
    };
    found(state, format!("/var/log/btmp holds {} MiB", bytes >> 20))
}

pub(super) fn malware(a: &Answer) -> Finding {
    if !a.has("malware", "checked") {
        return missing("traces of intruders");
    }
    let traces: Vec<String> = ["preload", "process", "job"]
        .iter()
        .filter_map(|key| a.first("malware", key).map(|v| format!("{key}: {v}")))
        .collect();
    if traces.is_empty() {
        found("clean", "none of the known traces")
    } else {
        found("suspicious", traces.join("; "))
    }
}
