//! Items that are neither a state of a reading nor a series: disks as they are billed, events, counters of
//! the guest's kernel, the ceiling of connections, the way from here.
//!
//! Must not live here: fetching (`cloud::facts`, `guest`).

use super::book::{Item, Own};
use super::series::{figures, is_off, moment};
use super::{Found, Input, said, without_facts};
use crate::domain::check::{Disk, Event, Got, LOOK_BACK_HOURS, Measured, Verdict};
use crate::domain::evidence::state::guest_connections;
use crate::domain::evidence::{Source, Status, group};
use crate::domain::said::{Figure, Joint, List, Said, Unit};

/// In the recycle bin: isolated, neither read nor written.
const IN_BIN: &str = "TORECYCLE";

pub(super) fn judge(own: Own, item: &Item, input: &Input<'_>) -> Found {
    match own {
        Own::DiskExpired => with_disks(input, disk_expired),
        Own::DiskRenewal => with_disks(input, |disks| disk_renewal(item, disks)),
        Own::Restarted => restarted(input),
        Own::Kernel => kernel(input),
        Own::OutOfMemory => out_of_memory(input),
        Own::Platform => platform(input),
        Own::Throttling => throttling(input),
        Own::Softirq => counted(input, input.guest.and_then(|guest| guest.softnet_dropped)),
        Own::UdpBuffer => counted(input, input.guest.and_then(|guest| guest.udp_buffers)),
        Own::AcceptQueue => accept_queue(input),
        Own::RequestOverflow => counted(input, input.guest.and_then(|guest| guest.request_drops)),
        Own::Connections => connections(input),
        Own::Latency => latency(item, input),
        Own::UsersSide => Found::unseen(Status::NotAttempted, said::users_side()),
    }
}

// ---- disks -----------------------------------------------------------------------------------------

fn with_disks(input: &Input<'_>, judge: impl FnOnce(&[Disk]) -> Found) -> Found {
    match input.facts.map(|facts| &facts.disks) {
        None => without_facts(input),
        Some(Err(unread)) => Found::unread(unread),
        Some(Ok(disks)) if disks.is_empty() => {
            Found::unseen(Status::NotApplicable, said::no_cloud_disk())
        }
        Some(Ok(disks)) => judge(disks),
    }
}

fn disk_expired(disks: &[Disk]) -> Found {
    let over = disks.iter().filter_map(|disk| {
        let days = disk.days_left.filter(|_| disk.is_prepaid != Some(false));
        match days {
            _ if disk.state == IN_BIN => Some(said::disk_in_bin(&disk.id)),
            Some(days) if days < 0 => Some(said::disk_over(&disk.id, -days)),
            _ => None,
        }
    });
    let over: Vec<Said> = over.collect();
    if over.is_empty() {
        return normal(said::disks_in_term(disks.len()));
    }
    let detail = Said::all(Joint::Semicolons, over);
    Found::seen(Verdict::Fault, detail, Source::Cloud)
}

fn disk_renewal(item: &Item, disks: &[Disk]) -> Found {
    let soon = item.risk.unwrap_or_default();
    let ending = disks.iter().filter_map(|disk| {
        // One that has expired already is an item of its own.
        let over = disk.state == IN_BIN || disk.days_left.is_some_and(|days| days < 0);
        if over || disk.is_prepaid != Some(true) || disk.renews == Some(true) {
            return None;
        }
        match disk.days_left {
            Some(days) if (days as f64) <= soon => Some(said::disk_ends(&disk.id, days)),
            _ if disk.ends_first => Some(said::disk_ends_first(&disk.id)),
            _ => None,
        }
    });
    let ending: Vec<Said> = ending.collect();
    if !ending.is_empty() {
        let detail = Said::all(Joint::Semicolons, ending);
        return Found::seen(Verdict::Risk, detail, Source::Cloud);
    }
    match disks.iter().find(|disk| disk.is_prepaid.is_none()) {
        Some(disk) => Found::unseen(Status::NotAttempted, said::disk_terms_unknown(&disk.id)),
        None => normal(said::disks_renewed(disks.len())),
    }
}

// ---- events ----------------------------------------------------------------------------------------

fn events<'a>(input: &Input<'a>) -> Option<&'a Got<Vec<Event>>> {
    Some(&input.facts?.events)
}

/// The newest event of a name.
fn event<'a>(input: &Input<'a>, is: impl Fn(&str) -> bool) -> Option<&'a Event> {
    let events = events(input)?.as_ref().ok()?;
    let named = events.iter().filter(|event| is(&event.name));
    named.max_by_key(|event| event.at)
}

fn at(event: &Event) -> String {
    moment(event.at.as_second())
}

fn normal(detail: Said) -> Found {
    Found::seen(Verdict::Normal, detail, Source::Cloud)
}

/// No event was named: normal where the list could be read.
fn without_event(input: &Input<'_>) -> Found {
    match events(input) {
        None => without_facts(input),
        Some(Err(unread)) => {
            let mut found = Found::unread(unread);
            found.detail = said::events_unread(found.detail);
            found
        }
        Some(Ok(_)) => normal(said::no_event()),
    }
}

fn restarted(input: &Input<'_>) -> Found {
    if let Some(event) = event(input, |name| name == "guestreboot") {
        return Found::seen(Verdict::Risk, said::restarted_at(at(event)), Source::Cloud);
    }
    // The guest knows better than a list that need not have been told.
    if let Some(seconds) = input.guest.and_then(|guest| guest.uptime_s) {
        let hours = seconds as f64 / 3600.0;
        let told = Figure::new(hours, 1, Unit::Hours);
        return if hours < LOOK_BACK_HOURS as f64 {
            Found::seen(Verdict::Risk, said::restarted_inside(told), Source::Guest)
        } else {
            Found::seen(Verdict::Normal, said::up_for(told), Source::Guest)
        };
    }
    without_event(input)
}

fn kernel(input: &Input<'_>) -> Found {
    if let Some(event) = event(input, |name| name == "guestcoreerror") {
        let detail = said::kernel_failed_at(at(event));
        return Found::seen(Verdict::Fault, detail, Source::Cloud);
    }
    let Some(guest) = input.guest.filter(|guest| guest.log_read) else {
        let found = without_event(input);
        return Found {
            detail: if found.verdict == Verdict::Normal && !input.deep {
                said::no_event_unsure()
            } else {
                found.detail
            },
            ..found
        };
    };
    let recent = |age: i64| age <= LOOK_BACK_HOURS * 3600;
    let dated = guest
        .stalls
        .iter()
        .filter_map(|(age, line)| Some(((*age)?, line)))
        .filter(|(age, _)| recent(*age));
    if let Some((age, line)) = dated.min_by_key(|(age, _)| *age) {
        let hours = Figure::new(age as f64 / 3600.0, 1, Unit::Hours);
        let detail = said::kernel_said(line, hours);
        return Found::seen(Verdict::Fault, detail, Source::Guest);
    }
    if let Some((_, line)) = guest.stalls.iter().find(|(age, _)| age.is_none()) {
        return Found::unseen(Status::NotAttempted, said::kernel_said_undated(line));
    }
    Found::seen(Verdict::Normal, said::kernel_log_clean(), Source::Guest)
}

fn out_of_memory(input: &Input<'_>) -> Found {
    match event(input, |name| name == "guestoom") {
        Some(event) => Found::seen(
            Verdict::Fault,
            said::out_of_memory_at(at(event)),
            Source::Cloud,
        ),
        None => without_event(input),
    }
}

fn platform(input: &Input<'_>) -> Found {
    let mut readings = input.readings.iter();
    let reading = readings.find(|reading| reading.id == group::PLATFORM_EVENT);
    let Some(reading) = reading else {
        return without_facts(input);
    };
    let tasks = input.facts.map_or(&[][..], |facts| &facts.tasks);
    match reading.observed_state() {
        Some("fault") => Found::seen(Verdict::Fault, reading.detail.clone(), Source::Cloud),
        Some(_) if !tasks.is_empty() => {
            let list = List::said(Joint::Semicolons, tasks.iter().cloned());
            Found::seen(Verdict::Risk, said::tasks(list), Source::Cloud)
        }
        // What the guest did is an item of its own.
        Some("guest-crash" | "guest-reboot") => normal(said::no_event()),
        Some(_) => normal(reading.detail.clone()),
        None => Found {
            needs: reading.needs.clone(),
            ..Found::unseen(reading.status, reading.detail.clone())
        },
    }
}

/// Neither metric nor event tells of one protocol; the event tells of the cap.
fn throttling(input: &Input<'_>) -> Found {
    if let Some(event) = event(input, |name| name.ends_with("qoswanoutbandwidth")) {
        let detail = said::throttled_at(at(event));
        return Found::seen(Verdict::Risk, detail, Source::Cloud);
    }
    match events(input) {
        None => without_facts(input),
        Some(Ok(_)) => Found::unseen(Status::NotAttempted, said::throttling_untold()),
        Some(Err(unread)) => {
            let mut found = Found::unread(unread);
            found.detail = said::throttling_unread(found.detail);
            found
        }
    }
}

// ---- counters of the guest ---------------------------------------------------------------------------

/// A counter of lost packets: growing now, or since the start.
fn counted(input: &Input<'_>, counts: Option<[u64; 2]>) -> Found {
    let Some([before, after]) = counts else {
        return Found::unseen(Status::NotAttempted, said::not_in_guest_check());
    };
    let measured = Measured {
        now: Some(after.saturating_sub(before) as f64),
        peak: Some(after as f64),
        hours: input
            .guest
            .and_then(|guest| guest.uptime_s)
            .map(|s| (s as f64 / 36.0).round() / 100.0),
        risk_at: Some(1.0),
        ..Measured::default()
    };
    let (verdict, detail) = if after > before {
        (Verdict::Risk, said::lost_meanwhile(after - before))
    } else if after > 0 {
        (Verdict::Normal, said::lost_since_boot(after))
    } else {
        (Verdict::Normal, said::none_lost())
    };
    Found::seen(verdict, detail, Source::Guest).with(measured)
}

fn accept_queue(input: &Input<'_>) -> Found {
    let mut readings = input.readings.iter();
    let reading = readings.find(|reading| reading.id == group::GUEST_CONNECTIONS);
    // The queue of the login port is full: nobody comes in.
    if let Some(reading) = reading
        && reading.seen() == Some(guest_connections::QUEUE_OVERFLOW)
    {
        return Found::seen(Verdict::Fault, reading.detail.clone(), Source::Guest);
    }
    counted(input, input.guest.and_then(|guest| guest.accept_overflows))
}

// ---- the rest ------------------------------------------------------------------------------------------

fn connections(input: &Input<'_>) -> Found {
    let Some(facts) = input.facts else {
        return without_facts(input);
    };
    if is_off(input) {
        return Found::unseen(Status::NotApplicable, said::instance_off());
    }
    if let Some(event) = event(input, |name| name.ends_with("qosconnectionsession")) {
        let detail = said::connections_dropped_at(at(event));
        return Found::seen(Verdict::Fault, detail, Source::Cloud);
    }
    let courses = facts.courses.get("TcpCurrEstab");
    let course = courses.and_then(|list| list.first()).map(|(_, one)| one);
    let course = match course {
        Some(Ok(course)) => course,
        Some(Err(unread)) => return Found::unread(unread),
        None => return Found::unseen(Status::NotAttempted, said::no_figure()),
    };
    let Some(told) = figures(course, |value| Figure::new(value, 0, Unit::None)) else {
        return Found::unseen(Status::NotAttempted, said::no_figure_from_inside());
    };
    let most = course.points.iter().map(|(_, value)| *value);
    let measured = Measured {
        now: course.now,
        peak: most.fold(course.now, |most, value| {
            Some(most.unwrap_or(value).max(value))
        }),
        ..Measured::default()
    };
    let detail = match &facts.events {
        Ok(_) => said::connections_unjudged(told),
        Err(unread) => said::connections_unread(told, unread.why.clone()),
    };
    Found::unseen(Status::NotAttempted, detail).with(measured)
}

fn latency(item: &Item, input: &Input<'_>) -> Found {
    let typical = input
        .readings
        .iter()
        .filter(|reading| reading.id == group::PATH_QUALITY)
        .filter_map(|reading| reading.series.as_ref()?.figures.median_us)
        .min();
    let Some(us) = typical else {
        return Found::unseen(Status::NotAttempted, said::no_round_trip());
    };
    let ms = f64::from(us) / 1000.0;
    let over = |limit: Option<f64>| limit.is_some_and(|limit| ms > limit);
    let verdict = if over(item.fault) {
        Verdict::Fault
    } else if over(item.risk) {
        Verdict::Risk
    } else {
        Verdict::Normal
    };
    let measured = Measured {
        unit: "ms".into(),
        now: Some((ms * 100.0).round() / 100.0),
        risk_at: item.risk,
        fault_at: item.fault,
        ..Measured::default()
    };
    let decimals = u8::from(ms < 10.0);
    let told = Figure::new(ms, decimals, Unit::Milliseconds);
    Found::seen(verdict, said::round_trip(told), Source::Probe).with(measured)
}
