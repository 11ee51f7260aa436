//! When a line of a log was written, against the clock of the guest that wrote it.
//!
//! Must not live here: what a line means.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::answer::Answer;

/// Seconds of a civil time as if it were UTC.
fn seconds(civil: DateTime) -> Option<i64> {
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// `+0800`, `+08:00` or `Z`, in seconds.
fn offset(text: &str) -> Option<i64> {
    if text.starts_with('Z') {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).take(4).collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4)?.parse().ok()?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// `2026-11-23T10:00:00.123+08:00`: the civil time and the seconds of its offset.
fn iso(text: &str) -> Option<(DateTime, i64)> {
    let word = text.split_whitespace().next()?;
    let civil = word.get(..19)?.parse().ok()?;
    let rest = word
        .get(19..)?
        .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    Some((civil, offset(rest)?))
}

/// `Nov 23 10:00:00`, which names no year: the one that is not ahead of now.
fn syslog(text: &str, now: DateTime) -> Option<DateTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let month = MONTHS.iter().position(|m| *m == name)?;
    let day: i8 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.splitn(3, ':');
    let mut part = || clock.next()?.parse::<i8>().ok();
    let (hour, minute, second) = (part()?, part()?, part()?);
    let month = i8::try_from(month + 1).ok()?;
    let in_year = |year: i16| {
        let day = Date::new(year, month, day).ok()?;
        let time = Time::new(hour, minute, second, 0).ok()?;
        Some(day.to_datetime(time))
    };
    let this = in_year(now.year());
    // A day's grace: the log may be written in another zone than the one that was asked for.
    let ahead = this.is_none_or(|t| seconds(t) > seconds(now).map(|n| n + 86_400));
    if ahead { in_year(now.year() - 1) } else { this }
}

/// Seconds since a line of a system log was written; `None` if its stamp is of another kind.
pub(super) fn age(a: &Answer, line: &str) -> Option<i64> {
    let (now, zone) = iso(a.first("clock", "local")?)?;
    if let Some((then, its)) = iso(line) {
        return Some(seconds(now)? - zone - (seconds(then)? - its));
    }
    Some(seconds(now)? - seconds(syslog(line, now)?)?)
}

/// Seconds since a line of the kernel's log was written, which counts from the boot.
pub(super) fn kernel_age(a: &Answer, line: &str) -> Option<i64> {
    let up: i64 = a.first("kernel", "uptime")?.trim().parse().ok()?;
    let stamp = line
        .trim_start()
        .strip_prefix('[')?
        .split(['.', ']'])
        .next()?;
    Some(up.saturating_sub(stamp.trim().parse().ok()?))
}

/// Seconds since a line of the audit log was written: `msg=audit(1700000000.123:45)`.
pub(super) fn audit_age(a: &Answer, line: &str) -> Option<i64> {
    let now: i64 = a.first("clock", "now")?.trim().parse().ok()?;
    let (_, rest) = line.split_once("audit(")?;
    Some(now.saturating_sub(rest.split(['.', ':']).next()?.parse().ok()?))
}

/// True if this many seconds ago is within the last hour; a little ahead is rounding.
pub(super) fn is_recent(age: i64) -> bool {
    (-60..=3600).contains(&age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(local: &str) -> Answer {
        Answer::parse(&format!("clock\tlocal\t{local}\nkernel\tuptime\t5000\n"))
    }

    #[test]
    fn stamps_of_every_kind_are_read() {
        let a = at("2026-11-23T10:30:00+0800");
        for (line, want) in [
            ("Nov 23 10:00:00 h sshd[7]: x", Some(1800)),
            ("Nov  3 10:30:00 h sshd[7]: x", Some(20 * 86_400)),
            ("Dec 31 10:30:00 h sshd[7]: x", Some(327 * 86_400)),
            ("2026-11-23T02:30:00.5+00:00 h sshd[7]: x", Some(0)),
            ("2026-11-23T10:00:00+0800 h sshd[7]: x", Some(1800)),
            ("2026-11-23T02:00:00Z h sshd[7]: x", Some(1800)),
            ("2026-11-23T02:00:00 h sshd[7]: x", None),
            ("sshd[7]: x", None),
            ("Foo 23 10:00:00 h sshd[7]: x", None),
            ("Feb 30 10:00:00 h sshd[7]: x", None),
        ] {
            assert_eq!(age(&a, line), want, "{line}");
        }
        // The year before is meant where this one would lie ahead.
        let new_year = at("2027-01-01T00:10:00+0000");
        assert_eq!(age(&new_year, "Dec 31 23:50:00 h sshd[7]: x"), Some(1200));
    }

    #[test]
    fn the_kernel_counts_from_the_boot() {
        let a = at("2026-11-23T10:30:00+0800");
        assert_eq!(
            kernel_age(&a, "[ 4000.123456] sshd[7]: segfault"),
            Some(1000)
        );
        assert_eq!(kernel_age(&a, "sshd[7]: segfault"), None);
    }
}
