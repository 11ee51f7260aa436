//! A moment in the past as people write it: `40m`, `2h`, `14:30`, `2026-03-01 14:30`, RFC 3339.
//!
//! Times without a zone are this machine's. Must not live here: what follows from the moment.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, Zoned};

/// Reads a moment that is not in the future.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    at(text, &Zoned::now())
}

fn at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let moment = ago(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        .or_else(|| local(text, now))
        .ok_or_else(|| {
            format!("`{text}` is no moment; write for example 40m, 2h, 14:30 or 2026-03-01T14:30")
        })?;
    if moment > now.timestamp() {
        return Err(format!("`{text}` is in the future"));
    }
    Ok(moment)
}

/// `90s`, `40m`, `2h`, `3d`: that long ago.
fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let count: i64 = text[..text.len() - unit.len_utf8()].trim().parse().ok()?;
    let span = SignedDuration::from_secs(count.checked_mul(seconds).filter(|s| *s >= 0)?);
    now.timestamp().checked_sub(span).ok()
}

/// A clock time, the last one that has passed, or a date and time of this machine's zone.
fn local(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(whole) = text.parse::<DateTime>() {
        return Some(whole.to_zoned(now.time_zone().clone()).ok()?.timestamp());
    }
    let time: Time = text.parse().ok()?;
    let today = now.date().to_datetime(time);
    let moment = today.to_zoned(now.time_zone().clone()).ok()?;
    if moment <= *now {
        return Some(moment.timestamp());
    }
    let yesterday = now.date().yesterday().ok()?.to_datetime(time);
    Some(
        yesterday
            .to_zoned(now.time_zone().clone())
            .ok()?
            .timestamp(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Zoned = "2026-03-01T14:30:00+09:00[Asia/Seoul]"
            .parse()
            .expect("zoned");
        for (text, want) in [
            ("40m", "2026-03-01T04:50:00Z"),
            ("2h", "2026-03-01T03:30:00Z"),
            ("90s", "2026-03-01T05:28:30Z"),
            ("3d", "2026-02-26T05:30:00Z"),
            ("14:00", "2026-03-01T05:00:00Z"),
            ("15:00", "2026-02-28T06:00:00Z"),
            ("2026-03-01 09:00", "2026-03-01T00:00:00Z"),
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2026-02-28", "2026-02-27T15:00:00Z"),
        ] {
            let want: Timestamp = want.parse().expect("time");
            assert_eq!(at(text, &now), Ok(want), "{text}");
        }
        for wrong in [
            "",
            "soon",
            "m",
            "-3h",
            "2027-01-01T00:00:00Z",
            "25:00",
            "9999999999999999d",
        ] {
            assert!(at(wrong, &now).is_err(), "{wrong}");
        }
    }
}
