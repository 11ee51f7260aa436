//! What the kernel and the service's log tell of connections and terminals: the table and the
//! queue of connections, terminals, processes that died.
//!
//! Must not live here: load and file systems (`guest::linux_system`).

use super::answer::Answer;
use super::linux::option;
use super::{Finding, GuestQuestion, found, missing, moment, said};
use crate::domain::check::GuestCounts;
use crate::domain::evidence::state::{guest_connections, guest_service_crashes, guest_terminal};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Numbers of a value, separated by blanks; `None` if one of them is none.
fn numbers<const N: usize>(value: &str) -> Option<[u64; N]> {
    let all: Vec<u64> = value
        .split_whitespace()
        .map(|w| w.parse().ok())
        .collect::<Option<_>>()?;
    all.try_into().ok()
}

pub(super) fn terminal(a: &Answer) -> Finding {
    let Some(mount) = a.first("terminal", "mount") else {
        return missing(said::the_terminals());
    };
    if mount == "none" {
        return found(guest_terminal::UNAVAILABLE, said::devpts_not_mounted());
    }
    match a.first("terminal", "ptmx") {
        Some("there") => {}
        Some("missing") => return found(guest_terminal::UNAVAILABLE, said::no_ptmx()),
        _ => return missing(said::the_terminals()),
    }
    let open = a
        .first("terminal", "open")
        .and_then(|n| n.trim().parse::<u64>().ok());
    let most = mount
        .split(',')
        .find_map(|o| o.strip_prefix("max=")?.parse::<u64>().ok());
    if let (Some(open), Some(most)) = (open, most)
        && open >= most
    {
        return found(
            guest_terminal::UNAVAILABLE,
            said::terminals_used(open, most),
        );
    }
    let Some([used, limit, reserve]) = a.first("terminal", "kernel").and_then(numbers::<3>) else {
        return missing(said::the_terminals());
    };
    if used.saturating_add(1) >= limit {
        return found(
            guest_terminal::UNAVAILABLE,
            said::terminals_used(used, limit),
        );
    }
    // The last ones are kept for the first mount of them, and which one this is was not seen.
    if used.saturating_add(reserve).saturating_add(1) >= limit {
        return Err(said::terminals_used(used, limit));
    }
    if option(a, "permittty") == Some("no") {
        return Err(said::no_terminal_by_rule());
    }
    found(guest_terminal::OK, said::terminals_used(used, limit))
}

pub(super) fn connections(a: &Answer, q: &GuestQuestion) -> Finding {
    let Some(table) = a.first("connections", "table") else {
        return missing(said::the_connection_table());
    };
    let held = if table == "none" {
        None
    } else {
        let Some([count, most]) = numbers::<2>(table) else {
            return missing(said::the_connection_table());
        };
        if count >= most {
            return found(guest_connections::TABLE_FULL, said::table_full(count, most));
        }
        Some((count, most))
    };
    if let Some(line) = a.all("connections", "full").last() {
        match moment::kernel_age(a, line) {
            Some(age) if moment::is_recent(age) => {
                return found(
                    guest_connections::TABLE_FULL,
                    Said::raw(sanitise(line, 200)),
                );
            }
            Some(_) => {}
            None => return Err(said::log_undated(sanitise(line, 200))),
        }
    }
    let queues: Vec<[u64; 2]> = a
        .all("connections", "queue")
        .iter()
        .filter_map(|l| numbers::<2>(l))
        .collect();
    // A queue takes one more than its length before it turns connections away.
    if let Some([waiting, most]) = queues.iter().find(|[waiting, most]| waiting > most) {
        return found(
            guest_connections::QUEUE_OVERFLOW,
            said::queue_full(q.port, *waiting, *most),
        );
    }
    let counted: Vec<u64> = a
        .all("connections", "overflow")
        .iter()
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let [before, after] = counted.as_slice() else {
        return missing(said::the_connection_queue());
    };
    if after > before {
        return Err(said::some_queue_overflows(after - before));
    }
    if queues.is_empty() {
        return missing(said::the_connection_queue());
    }
    found(
        guest_connections::OK,
        held.map_or_else(said::queue_free, |(count, most)| {
            said::table_and_queue_free(count, most)
        }),
    )
}

/// What the kernel counted and said, for the self-diagnosis.
pub fn counts(a: &Answer) -> GuestCounts {
    let pair = |key: &str| {
        let all = a.all("counts", key).iter();
        let values: Vec<u64> = all.filter_map(|n| n.trim().parse().ok()).collect();
        // One that ran backwards was set anew meanwhile.
        <[u64; 2]>::try_from(values)
            .ok()
            .filter(|[before, after]| before <= after)
    };
    let up = a.first("kernel", "uptime");
    let lines = a.all("kernel", "stall").iter();
    GuestCounts {
        softnet_dropped: pair("softnet"),
        udp_buffers: pair("udp"),
        accept_overflows: pair("accept"),
        request_drops: pair("request"),
        uptime_s: up.and_then(|s| s.trim().parse().ok()),
        log_read: a.has("kernel", "log"),
        stalls: lines
            .map(|line| (moment::kernel_age(a, line), sanitise(line, 200)))
            .collect(),
    }
}

pub(super) fn crashes(a: &Answer) -> Finding {
    let kernel = a.all("crash", "kernel");
    let log = a.all("crash", "log");
    let mut undated = None;
    let dated = kernel
        .iter()
        .map(|l| (l, moment::kernel_age(a, l)))
        .chain(log.iter().map(|l| (l, moment::age(a, l))));
    let mut last: Option<(&String, i64)> = None;
    for (line, age) in dated {
        match age {
            Some(age) if moment::is_recent(age) && last.is_none_or(|(_, had)| age <= had) => {
                last = Some((line, age));
            }
            Some(_) => {}
            None => undated = Some(line),
        }
    }
    if let Some((line, _)) = last {
        return found(
            guest_service_crashes::CRASHING,
            Said::raw(sanitise(line, 200)),
        );
    }
    if let Some(line) = undated {
        return Err(said::log_undated(sanitise(line, 200)));
    }
    match a.first("authlog", "checked") {
        None => return missing(said::the_login_log()),
        Some("0") => return Err(said::log_unread()),
        Some(_) => {}
    }
    if !a.has("kernel", "log") {
        return missing(said::the_kernel_log());
    }
    found(guest_service_crashes::NONE, said::no_crash())
}
