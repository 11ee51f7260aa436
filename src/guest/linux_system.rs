//! Reads the machine-wide part of the Linux answer: file systems, load, boot, login scripts,
//! network, name look-ups, the failed-login log, traces of intruders.
//!
//! Must not live here: the login service and the account (`guest::linux`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, missing, said};
use crate::domain::evidence::state::{
    guest_boot, guest_dns, guest_filesystem, guest_load, guest_login_log, guest_malware,
    guest_network, guest_profile,
};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// A failed-login log beyond this size is known to stop logins (bytes).
const OVERSIZED_LOG: u64 = 1 << 30;

fn percent(line: &str) -> Option<(u32, &str)> {
    let (use_, mount) = line.split_once(' ')?;
    Some((use_.trim_end_matches('%').parse().ok()?, mount))
}

pub(super) fn filesystem(a: &Answer) -> Finding {
    if !a.has("disk", "space") && !a.has("disk", "mount") {
        return missing(said::the_file_systems());
    }
    if let Some(mount) = a.all("disk", "mount").iter().find(|m| m.ends_with(" ro")) {
        let name = mount.split(' ').next().unwrap_or("/");
        return found(guest_filesystem::READ_ONLY, said::mounted_read_only(name));
    }
    // Only file systems that a login writes to can stop it.
    let matters =
        |mount: &str| matches!(mount, "/" | "/var" | "/tmp" | "/var/log" | "/home" | "/run");
    for (key, state) in [
        ("space", guest_filesystem::FULL),
        ("inodes", guest_filesystem::INODES_FULL),
    ] {
        let full = a
            .all("disk", key)
            .iter()
            .filter_map(|l| percent(l))
            .find(|(p, m)| *p >= 99 && matters(m));
        if let Some((p, mount)) = full {
            let used = if key == "space" {
                said::space_used(mount, p)
            } else {
                said::inodes_used(mount, p)
            };
            return found(state, used);
        }
    }
    let worst = a
        .all("disk", "space")
        .iter()
        .filter_map(|l| percent(l))
        .max();
    found(
        guest_filesystem::OK,
        worst.map_or_else(Said::default, |(p, m)| said::fullest(m, p)),
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
        return missing(said::the_load());
    };
    let one: f64 = average
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0);
    let cpus: f64 = cpus.parse().unwrap_or(1.0_f64).max(1.0);
    if let Some(line) = a.all("load", "oom").last() {
        return found(guest_load::OOM_KILLED, Said::raw(line));
    }
    if let Some((tasks, limit)) = a.first("load", "tasks").and_then(|t| t.split_once(' ')) {
        let (tasks, limit): (f64, f64) = (
            tasks.parse().unwrap_or(0.0),
            limit.parse().unwrap_or(f64::MAX),
        );
        if tasks > 0.95 * limit {
            return found(guest_load::PROCESSES, said::tasks_used(tasks, limit));
        }
    }
    if let (Some(total), Some(available)) = (
        memory(a, "MemTotal"),
        memory(a, "MemAvailable").or_else(|| memory(a, "MemFree")),
    ) && total > 0
        && available * 100 < total * 3
    {
        return found(
            guest_load::MEMORY,
            said::memory_available(available / 1024, total / 1024),
        );
    }
    let blocked: f64 = a
        .first("load", "blocked")
        .and_then(|b| b.parse().ok())
        .unwrap_or(0.0);
    let busy = busy(a);
    if blocked >= 4.0 && one > 1.5 * cpus && busy.is_none_or(|b| b < 0.6) {
        return found(guest_load::IO, said::io_wait(blocked, one, cpus));
    }
    if busy.is_some_and(|b| b > 0.95) && one > 1.5 * cpus {
        return found(guest_load::CPU, said::cpu_busy(one, cpus));
    }
    found(guest_load::OK, said::load_is(one, cpus))
}

pub(super) fn boot(a: &Answer) -> Finding {
    if a.all("boot", "emergency")
        .iter()
        .any(|l| l.split_whitespace().any(|w| w == "active"))
    {
        return found(guest_boot::EMERGENCY, said::emergency());
    }
    let Some(state) = a
        .first("boot", "state")
        .or_else(|| a.first("boot", "runlevel"))
    else {
        return missing(said::the_boot_state());
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
        return found(
            guest_boot::FAILED_UNITS,
            said::units_failed(serious.join(", ")),
        );
    }
    found(guest_boot::OK, said::system_state(state))
}

pub(super) fn profile(a: &Answer) -> Finding {
    if !a.has("profile", "checked") {
        return missing(said::the_login_scripts());
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
            return found(guest_profile::LOOP, said::script_loop(from, to));
        }
    }
    found(guest_profile::OK, said::no_script_loop())
}

/// What leads an answer to the user away from the interface that the cloud knows.
fn other_way(a: &Answer, q: &GuestQuestion) -> Result<Option<Said>, Said> {
    let Some(own) = a.first("network", "expected").filter(|e| !e.is_empty()) else {
        return Ok(None);
    };
    // The families differ: the way of that one was not asked for.
    if q.source.is_some_and(|s| s.is_ipv6() != own.contains(':')) {
        return Ok(None);
    }
    let user = q
        .source
        .map_or_else(|| "198.51.100.77".to_owned(), |s| s.to_string());
    let device = a.all("network", "address").iter().find_map(|l| {
        let (device, net) = l.split_once(' ')?;
        (net.split('/').next() == Some(own)).then_some(device)
    });
    let (Some(device), Some(reply)) = (device, a.first("network", "reply")) else {
        return Ok(None);
    };
    if reply.contains("unreachable") || reply.contains("No route") || reply.contains("prohibit") {
        return Ok(Some(said::answer_no_way(user, sanitise(reply, 120))));
    }
    let mut words = reply.split_whitespace();
    let Some(way) = words.find(|w| *w == "dev").and_then(|_| words.next()) else {
        return Err(said::answer_way_unread());
    };
    Ok((way != device).then(|| said::answer_other_way(user, way, device)))
}

pub(super) fn network(a: &Answer, q: &GuestQuestion) -> Finding {
    if !a.has("network", "checked") || !a.has("network", "up") {
        return missing(said::the_network_settings());
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
                guest_network::MISCONFIGURED,
                said::address_missing(expected),
            );
        }
    }
    if !a.has("network", "default") {
        return found(guest_network::MISCONFIGURED, said::no_default_route());
    }
    if let Some(why) = other_way(a, q)? {
        return found(guest_network::ROUTES, why);
    }
    found(
        guest_network::OK,
        Said::raw(addresses.join(", ")).and(Said::raw(a.first("network", "default").unwrap_or(""))),
    )
}

pub(super) fn dns(a: &Answer) -> Finding {
    let Some(seconds) = a
        .first("dns", "seconds")
        .and_then(|s| s.parse::<u32>().ok())
    else {
        return missing(said::a_reverse_lookup());
    };
    let used = option(a, "usedns");
    match used {
        None => missing(said::whether_names_are_looked_up()),
        Some("no") => found(guest_dns::OK, said::names_not_looked_up()),
        Some(_) if seconds >= 3 => found(guest_dns::SLOW, said::lookup_slow(seconds)),
        Some(_) => found(guest_dns::OK, said::lookup_took(seconds)),
    }
}

pub(super) fn login_log(a: &Answer) -> Finding {
    let Some(bytes) = a
        .first("loginlog", "bytes")
        .and_then(|b| b.trim().parse::<u64>().ok())
    else {
        return missing(said::the_login_log_size());
    };
    let state = if bytes >= OVERSIZED_LOG {
        guest_login_log::OVERSIZED
    } else {
        guest_login_log::OK
    };
    found(state, said::btmp_size(bytes >> 20))
}

pub(super) fn malware(a: &Answer) -> Finding {
    if !a.has("malware", "checked") {
        return missing(said::traces_of_intruders());
    }
    let traces: Vec<String> = ["preload", "process", "job"]
        .iter()
        .filter_map(|key| a.first("malware", key).map(|v| format!("{key}: {v}")))
        .collect();
    if traces.is_empty() {
        found(guest_malware::CLEAN, said::no_traces())
    } else {
        found(guest_malware::SUSPICIOUS, Said::raw(traces.join("; ")))
    }
}
