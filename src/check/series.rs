//! Items that are a series of cloud monitoring: the figure of now and the highest of the look-back, held
//! against the thresholds.
//!
//! Must not live here: fetching (`cloud::facts`).

use jiff::Timestamp;

use super::book::{Cap, Item};
use super::{Found, Input, said, without_facts};
use crate::domain::check::{CheckFacts, Course, Got, LOOK_BACK_HOURS, Measured, Verdict};
use crate::domain::evidence::state::instance_state;
use crate::domain::evidence::{Source, Status};
use crate::domain::said::{Figure, Said, Unit};

/// Hours without figures that are not worth a word: gaps, and a look-back that begins within a period.
const GAPS_H: f64 = 1.0;
/// What the agent in the guest measures; the rest is measured by the host.
const BY_AGENT: &[&str] = &["CPUUsage", "MemUsage", "CvmDiskUsage", "TcpCurrEstab"];

pub(super) fn judge(item: &Item, metric: &str, input: &Input<'_>) -> Found {
    let Some(facts) = input.facts else {
        return without_facts(input);
    };
    if is_off(input) {
        return Found::unseen(Status::NotApplicable, said::instance_off());
    }
    let cap = item.of.map(|cap| cap_of(cap, facts));
    // Without the thing itself there is nothing to measure.
    if let Some(Err(unread)) = cap
        && unread.status == Status::NotApplicable
    {
        return Found::unread(unread);
    }
    let scale = Scale::of(item, cap);
    let empty = Vec::new();
    let courses = facts.courses.get(metric).unwrap_or(&empty);
    let mut judged: Option<Found> = None;
    for (of, course) in courses {
        let mut found = one(metric, course, &scale, input);
        if !of.is_empty() {
            found.detail = said::of_a_disk(of, found.detail);
        }
        // Of several disks the worst, and of equal ones the fuller.
        let fuller = |a: &Found, b: &Found| rank(a) > rank(b);
        if judged.as_ref().is_none_or(|before| fuller(&found, before)) {
            judged = Some(found);
        }
    }
    judged.unwrap_or_else(|| match &facts.disks {
        Err(unread) if metric.starts_with("Disk") => Found::unread(unread),
        Ok(disks) if metric.starts_with("Disk") && disks.is_empty() => {
            Found::unseen(Status::NotApplicable, said::no_cloud_disk())
        }
        _ => Found::unseen(Status::NotAttempted, said::no_figure()),
    })
}

fn rank(found: &Found) -> (Verdict, u64) {
    let measured = found.measured.as_ref();
    let value = measured.and_then(|m| m.peak.or(m.now)).unwrap_or(0.0);
    (found.verdict, (value.max(0.0) * 1000.0) as u64)
}

/// True while the guest cannot be running, so that its figures say nothing.
pub(super) fn is_off(input: &Input<'_>) -> bool {
    matches!(
        input.instance.state_class(),
        Some(instance_state::STOPPED | instance_state::TERMINATING | instance_state::LAUNCH_FAILED)
    )
}

fn cap_of(cap: Cap, facts: &CheckFacts) -> &Got<f64> {
    match cap {
        Cap::PublicOut => &facts.public_out,
        Cap::PublicIn => &facts.public_in,
        Cap::Private => &facts.private,
    }
}

/// Thresholds in the unit of the metric.
struct Scale {
    unit: Unit,
    name: String,
    decimals: u8,
    risk: Option<f64>,
    fault: Option<f64>,
    limit: Option<f64>,
    /// Why there is no limit, where there should be one.
    unlimited: Option<Said>,
}

impl Scale {
    fn of(item: &Item, cap: Option<&Got<f64>>) -> Self {
        let (unit, decimals) = match item.unit.as_str() {
            "%" => (Unit::Percent, 0),
            "Mbit/s" => (Unit::Mbps, 1),
            "ms" => (Unit::Milliseconds, 0),
            _ => (Unit::None, 0),
        };
        let mut scale = Self {
            unit,
            name: item.unit.clone(),
            decimals,
            risk: item.risk,
            fault: item.fault,
            limit: None,
            unlimited: None,
        };
        match cap {
            None => {}
            // A cap of nothing is an item of its own.
            Some(Ok(cap)) if *cap > 0.0 => {
                scale.limit = Some(*cap);
                scale.risk = item.risk.map(|share| cap * share / 100.0);
                scale.fault = item.fault.map(|share| cap * share / 100.0);
            }
            Some(Ok(_)) => (scale.risk, scale.fault) = (None, None),
            Some(Err(unread)) => {
                (scale.risk, scale.fault) = (None, None);
                scale.unlimited = Some(unread.why.clone());
            }
        }
        scale
    }

    fn figure(&self, value: f64) -> Figure {
        Figure::new(value, self.decimals, self.unit)
    }
}

fn one(metric: &str, course: &Got<Course>, scale: &Scale, input: &Input<'_>) -> Found {
    let course = match course {
        Ok(course) => course,
        Err(unread) => return Found::unread(unread),
    };
    let most = highest(course);
    if course.now.is_none() && most.is_none() {
        let why = if BY_AGENT.contains(&metric) {
            said::no_figure_from_inside()
        } else {
            said::no_figure()
        };
        return Found::unseen(Status::NotAttempted, why);
    }
    let mut measured = Measured {
        unit: scale.name.clone(),
        now: course.now.map(round),
        risk_at: scale.risk.map(round),
        fault_at: scale.fault.map(round),
        limit: scale.limit.map(round),
        ..Measured::default()
    };
    if let Some((at, most)) = most {
        measured.peak = Some(round(most));
        measured.peak_at = Timestamp::from_second(at).ok();
        measured.hours = Some(round(hours(course)));
    }
    let over = |value: Option<f64>, limit: Option<f64>| {
        value
            .zip(limit)
            .is_some_and(|(value, limit)| value >= limit)
    };
    let peak = most.map(|(_, most)| most);
    let verdict = if over(course.now, scale.fault) {
        Verdict::Fault
    } else if over(course.now, scale.risk) || over(peak, scale.risk) {
        Verdict::Risk
    } else if scale.risk.is_none() || course.now.is_none() {
        // What was well hours ago says nothing about now.
        Verdict::NotSeen
    } else {
        Verdict::Normal
    };
    let detail = told(course, most, scale, input);
    let found = if verdict == Verdict::NotSeen {
        Found::unseen(Status::NotAttempted, detail)
    } else {
        Found::seen(verdict, detail, Source::Cloud)
    };
    found.with(measured)
}

/// The sentence with the figures.
pub(super) fn figures(course: &Course, figure: impl Fn(f64) -> Figure) -> Option<Said> {
    let most = highest(course);
    Some(match (course.now, most) {
        (Some(now), Some((at, most))) => said::now_and_most(figure(now), figure(most), moment(at)),
        (Some(now), None) => said::now_alone(figure(now)),
        (None, Some((at, most))) => said::most_alone(figure(most), moment(at)),
        (None, None) => return None,
    })
}

fn told(course: &Course, most: Option<(i64, f64)>, scale: &Scale, input: &Input<'_>) -> Said {
    let mut told = figures(course, |value| scale.figure(value)).unwrap_or_default();
    if most.is_some() {
        let hours = hours(course);
        // An instance cannot have figures of the time before it was.
        let age = input
            .instance
            .created_time
            .map(|created| input.at.duration_since(created).as_secs_f64() / 3600.0);
        let expected = age.unwrap_or(f64::MAX).min(LOOK_BACK_HOURS as f64);
        if hours + GAPS_H < expected {
            told = said::figures_for(told, Figure::new(hours, 1, Unit::Hours));
        }
    }
    if let Some(limit) = scale.limit {
        let limit = Figure::new(limit, 0, scale.unit);
        told = said::of_a_cap(told, limit);
    }
    match &scale.unlimited {
        Some(why) => said::cap_unknown(told, why.clone()),
        None => told,
    }
}

/// The highest point, the newest of equal ones; what is measured of now counts, too.
fn highest(course: &Course) -> Option<(i64, f64)> {
    let points = course.points.iter().copied();
    points.max_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
}

/// Hours that the points stand for.
fn hours(course: &Course) -> f64 {
    course.points.len() as f64 * course.period_s as f64 / 3600.0
}

/// A moment of the look-back, which is shorter than a day.
pub(super) fn moment(second: i64) -> String {
    let at = Timestamp::from_second(second).unwrap_or_default();
    at.strftime("%H:%M UTC").to_string()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
