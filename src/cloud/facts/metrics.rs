//! `cpu`, `memory`, `disk`, `disk-io`, `bandwidth-use`: monitor `GetMonitorData`.
//!
//! An empty series is "no data", never zero; what the agent in the guest measures stops with it,
//! what the host measures does not. Must not live here: events of the platform (`events`).

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::join_all;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Gatherer;
use super::addresses::{Addresses, has_public};
use super::events::Product;
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, DataPoint};
use crate::domain::evidence::state::{bandwidth_use, cpu, disk, disk_io, memory};
use crate::domain::evidence::state_at;
use crate::domain::evidence::{Reading, State, Status, group};
use crate::domain::said::{Figure, Joint, List, Said, Unit};
use crate::domain::text::sanitise;

/// History asked for, in minutes.
const HISTORY_MINUTES: i64 = 60;
/// Points of one minute that count as "now".
const RECENT_POINTS: usize = 5;
/// Older points say nothing about now.
const FRESH_SECONDS: i64 = 900;
/// The inbound cap where less was bought (vendor's rule).
pub(super) const LEAST_INBOUND_CAP: f64 = 10.0;

/// Measured by the host, or by the agent in the guest.
const METRICS: &[&str] = &[
    "BaseCpuUsage",
    "CPUUsage",
    "MemUsage",
    "CvmDiskUsage",
    "WanOuttraffic",
    "WanIntraffic",
];

/// Time (UNIX seconds) and value, oldest first, without gaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    pub points: Vec<(i64, f64)>,
}

impl Series {
    /// Mean of the newest points, if they are fresh at `now` (UNIX seconds).
    pub fn recent(&self, now: i64) -> Option<f64> {
        let fresh: Vec<f64> = self
            .points
            .iter()
            .rev()
            .filter(|(time, _)| now - time <= FRESH_SECONDS)
            .take(RECENT_POINTS)
            .map(|(_, value)| *value)
            .collect();
        (!fresh.is_empty()).then(|| fresh.iter().sum::<f64>() / fresh.len() as f64)
    }

    /// What a person wants to know beside the level: how it was an hour ago, and what is missing.
    fn remarked(&self, told: Said, now: i64) -> Said {
        let old: Vec<f64> = self
            .points
            .iter()
            .filter(|(time, _)| now - time > (HISTORY_MINUTES - 15) * 60)
            .map(|(_, value)| *value)
            .collect();
        let mut told = told;
        if !old.is_empty() {
            let before = old.iter().sum::<f64>() / old.len() as f64;
            told = said::hour_ago(told, percent(before));
        }
        let first = self.points.first().map_or(now, |(time, _)| *time);
        // The newest minutes may still be under way.
        let expected = (now - first) / 60 - 3;
        let missing = expected - self.points.len() as i64;
        if missing >= 3 {
            told = said::minutes_missing(told, missing);
        }
        told
    }

    /// Difference of the largest and smallest of the newest points.
    fn spread(&self) -> f64 {
        let recent = self.points.iter().rev().take(RECENT_POINTS * 3);
        let (low, high) = recent.fold((f64::MAX, f64::MIN), |(low, high), (_, value)| {
            (low.min(*value), high.max(*value))
        });
        (high - low).max(0.0)
    }
}

pub(super) type Measured = Result<Series, CloudError>;

fn percent(value: f64) -> Figure {
    Figure::new(value, 0, Unit::Percent)
}

#[derive(Default)]
pub(super) struct Metrics {
    pub readings: Vec<Reading>,
    pub series: BTreeMap<String, Series>,
    failures: BTreeMap<String, CloudError>,
}

impl Metrics {
    fn get(&self, name: &str) -> Option<Result<&Series, &CloudError>> {
        match (self.series.get(name), self.failures.get(name)) {
            (Some(series), _) => Some(Ok(series)),
            (None, Some(error)) => Some(Err(error)),
            (None, None) => None,
        }
    }
}

/// What was fetched, before it is judged.
pub(super) struct Fetched {
    started: Instant,
    series: Vec<(String, Measured)>,
    disks: Result<Disks, CloudError>,
}

/// Fetches all series; `None` while the instance is off.
pub(super) async fn fetch(gatherer: &Gatherer) -> Option<Fetched> {
    if gatherer.is_off() {
        return None;
    }
    let started = Instant::now();
    let series = join_all(METRICS.iter().map(|name| async {
        let measured = instance_series(gatherer, name, LAST_HOUR).await;
        ((*name).to_owned(), measured)
    }));
    let (series, disks) = tokio::join!(series, disks(gatherer));
    Some(Fetched {
        started,
        series,
        disks,
    })
}

/// Judges what was fetched; `product` gives the events that beat it.
pub(super) async fn read(
    gatherer: &Gatherer,
    fetched: Option<Fetched>,
    product: &Product,
) -> Metrics {
    let mut metrics = Metrics::default();
    let Some(fetched) = fetched else {
        let why = said::instance_does_not();
        let readings = [group::CPU, group::MEMORY, group::DISK, group::DISK_IO]
            .map(|id| gatherer.without_state(id, Status::NotApplicable, &why))
            .to_vec();
        metrics.readings = gatherer.emit(Instant::now(), readings).await;
        return metrics;
    };
    for (name, measured) in fetched.series {
        match measured {
            Ok(series) => {
                metrics.series.insert(name, series);
            }
            Err(error) => {
                metrics.failures.insert(name, error);
            }
        }
    }
    let disks = fetched.disks;
    let readings = vec![
        cpu(gatherer, &metrics),
        memory(gatherer, &metrics, product),
        disk(gatherer, &metrics, product, disks.as_ref().ok()),
        disk_io(gatherer, &disks),
    ];
    if let Ok(disks) = disks {
        for disk in disks.measured {
            if let Ok(series) = disk.utilisation {
                metrics
                    .series
                    .insert(format!("DiskUtil {}", disk.id), series);
            }
        }
    }
    metrics.readings = gatherer.emit(fetched.started, readings).await;
    metrics
}

/// How far back, in minutes, and what a point stands for, in seconds.
pub(super) type Span = (i64, i64);
const LAST_HOUR: Span = (HISTORY_MINUTES, 60);

/// A metric of the instance itself.
pub(super) async fn instance_series(gatherer: &Gatherer, name: &str, span: Span) -> Measured {
    let dimension = ("InstanceId", gatherer.instance.id.as_str());
    match series(gatherer, "QCE/CVM", name, dimension, span).await {
        // The metric is spelled both ways in the vendor's pages.
        Err(CloudError::Invalid { .. }) if name == "CPUUsage" => {
            series(gatherer, "QCE/CVM", "CpuUsage", dimension, span).await
        }
        other => other,
    }
}

/// A metric of one of its disks.
pub(super) async fn disk_series(
    gatherer: &Gatherer,
    name: &str,
    disk: &str,
    span: Span,
) -> Measured {
    series(gatherer, "QCE/BLOCK_STORAGE", name, ("diskId", disk), span).await
}

async fn series(
    gatherer: &Gatherer,
    namespace: &str,
    metric: &str,
    dimension: (&str, &str),
    (minutes, period): Span,
) -> Measured {
    let now = gatherer.now();
    let start = now.checked_sub(minutes.minutes()).unwrap_or(now);
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let parameters = json!({
        "Namespace": namespace,
        "MetricName": metric,
        "Instances": [{"Dimensions": [{"Name": dimension.0, "Value": dimension.1}]}],
        "Period": period,
        "StartTime": stamp(start),
        "EndTime": stamp(now),
    });
    let answer: Value = gatherer
        .ask("monitor", "GetMonitorData", parameters)
        .await?;
    let action = "monitor:GetMonitorData";
    let points = wire::whole::<DataPoint>(&answer, "DataPoints", action)?;
    if points.iter().any(|point| !point.is_understood()) {
        return Err(wire::not_understood(action, said::what_series()));
    }
    Ok(Series {
        points: points
            .iter()
            .find(|point| point.is_of(dimension.0, dimension.1))
            .map(DataPoint::series)
            .unwrap_or_default(),
    })
}

fn cpu(gatherer: &Gatherer, metrics: &Metrics) -> Reading {
    let id = group::CPU;
    let (base, guest) = (metrics.get("BaseCpuUsage"), metrics.get("CPUUsage"));
    let value = |measured: &Option<Result<&Series, &CloudError>>| match measured {
        Some(Ok(series)) => series.recent(gatherer.now().as_second()),
        _ => None,
    };
    let (host_value, guest_value) = (value(&base), value(&guest));
    let Some(level) = host_value.or(guest_value) else {
        return match (base, guest) {
            (Some(Err(error)), _) | (_, Some(Err(error))) => gatherer.failed(id, error),
            _ => gatherer.observed(cpu::NO_DATA, said::neither_host_nor()),
        };
    };
    let mut detail = match (host_value, guest_value) {
        (Some(host), Some(guest)) => said::cpu_seen_host(percent(host), percent(guest)),
        (Some(host), None) => said::cpu_seen_host_last(percent(host)),
        _ => said::cpu_seen_agent(percent(level)),
    };
    if let Some(Ok(series)) = if host_value.is_some() { &base } else { &guest } {
        detail = series.remarked(detail, gatherer.now().as_second());
    }
    if host_value.is_some() && guest_value.is_none() && matches!(guest, Some(Ok(_))) {
        detail = said::agent_figures_missing(detail);
    }
    // A guest that is always busy while its host grants it a steady part only is held back.
    let held = match (host_value, guest_value, &base) {
        (Some(host), Some(guest), Some(Ok(series))) => {
            guest >= 95.0 && host <= 60.0 && series.spread() < 3.0
        }
        _ => false,
    };
    if held {
        return gatherer.observed(cpu::CAPPED, detail);
    }
    let state = state_at(id, level);
    gatherer.observed(state, detail).measured(level)
}

fn memory(gatherer: &Gatherer, metrics: &Metrics, product: &Product) -> Reading {
    if let Some(when) = &product.out_of_memory {
        let detail = said::guest_ran_out(when);
        return gatherer.observed(memory::EXHAUSTED, detail);
    }
    share(
        gatherer,
        memory::NO_DATA,
        metrics.get("MemUsage"),
        said::memory(),
    )
}

fn disk(
    gatherer: &Gatherer,
    metrics: &Metrics,
    product: &Product,
    disks: Option<&Disks>,
) -> Reading {
    if let Some(when) = &product.read_only_disk {
        let detail = said::disk_turned_read(when);
        return gatherer.observed(disk::READ_ONLY, detail);
    }
    let what = said::disk_use_over();
    let mut reading = share(gatherer, disk::NO_DATA, metrics.get("CvmDiskUsage"), what);
    for note in disks.map(|disks| &disks.notes).into_iter().flatten() {
        reading.detail = reading.detail.and(note);
    }
    reading
}

/// A reading of a percentage that the agent measures.
fn share(
    gatherer: &Gatherer,
    no_data: State<'static>,
    measured: Option<Result<&Series, &CloudError>>,
    what: Said,
) -> Reading {
    match measured {
        Some(Err(error)) => gatherer.failed(no_data.group, error),
        Some(Ok(series)) => match series.recent(gatherer.now().as_second()) {
            Some(value) => {
                let told = said::share_now(what, percent(value));
                let detail = series.remarked(told, gatherer.now().as_second());
                let state = state_at(no_data.group, value);
                gatherer.observed(state, detail).measured(value)
            }
            None => gatherer.observed(no_data, said::no_figure_monitoring(what)),
        },
        None => gatherer.without_state(no_data.group, Status::NotAttempted, said::not_asked()),
    }
}

struct MeasuredDisk {
    id: String,
    utilisation: Measured,
    wait: Measured,
}

/// The sentence about a disk.
type SaidOf = fn(String) -> Said;

#[derive(Default)]
struct Disks {
    measured: Vec<MeasuredDisk>,
    /// Sentences about disks that are in a bad state.
    notes: Vec<Said>,
}

/// Disks of the instance (cbs `DescribeDisks`) with their load.
async fn disks(gatherer: &Gatherer) -> Result<Disks, CloudError> {
    let items = super::self_check::disk_items(gatherer).await?;
    let mut disks = Disks::default();
    for item in &items {
        let id = sanitise(&item.disk_id, 60);
        let bad: [(Option<bool>, SaidOf); 4] = [
            (Some(item.disk_state == "TORECYCLE"), |id| {
                said::disk_recycled(id)
            }),
            (item.deadline_error, said::disk_expires),
            (item.rollbacking, said::disk_rolled_back),
            (item.migrating, said::disk_migrated),
        ];
        for (flag, what) in bad {
            if flag == Some(true) {
                disks.notes.push(what(id.clone()));
            }
        }
    }
    disks.measured = join_all(items.iter().map(|item| async {
        let (utilisation, wait) = tokio::join!(
            disk_series(gatherer, "DiskUtil", &item.disk_id, LAST_HOUR),
            disk_series(gatherer, "DiskAwait", &item.disk_id, LAST_HOUR),
        );
        MeasuredDisk {
            id: sanitise(&item.disk_id, 60),
            utilisation,
            wait,
        }
    }))
    .await;
    Ok(disks)
}

fn disk_io(gatherer: &Gatherer, disks: &Result<Disks, CloudError>) -> Reading {
    let id = group::DISK_IO;
    let disks = match disks {
        Ok(disks) => disks,
        Err(error) => return gatherer.failed(id, error),
    };
    let recent = |measured: &Measured| {
        measured
            .as_ref()
            .ok()
            .and_then(|s| s.recent(gatherer.now().as_second()))
    };
    let busiest = disks
        .measured
        .iter()
        .filter_map(|disk| Some((recent(&disk.utilisation)?, recent(&disk.wait), &disk.id)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((busy, wait, disk)) = busiest {
        let state = match (busy, wait) {
            (busy, Some(ms)) if busy >= 95.0 && ms >= 10_000.0 => disk_io::HANG,
            (busy, _) => state_at(id, busy),
        };
        let detail = match wait {
            Some(ms) => {
                let wait = Figure::new(ms, 0, Unit::Milliseconds);
                said::disk_busy_waiting(disk, percent(busy), wait)
            }
            None => said::disk_busy(disk, percent(busy)),
        };
        return gatherer.observed(state, detail).measured(busy);
    }
    let failure = disks
        .measured
        .iter()
        .find_map(|disk| disk.utilisation.as_ref().err());
    match failure {
        Some(error) => gatherer.failed(id, error),
        None => gatherer.observed(disk_io::NO_DATA, said::cloud_no_disk()),
    }
}

/// `bandwidth-use`: the public rate of the last five minutes against the caps.
pub(super) async fn bandwidth_use(
    gatherer: &Gatherer,
    metrics: &Metrics,
    addresses: &Addresses,
) -> Vec<Reading> {
    let started = Instant::now();
    let reading = judge_bandwidth(gatherer, metrics, addresses);
    gatherer.emit(started, vec![reading]).await
}

fn judge_bandwidth(gatherer: &Gatherer, metrics: &Metrics, addresses: &Addresses) -> Reading {
    let id = group::BANDWIDTH_USE;
    if !has_public(gatherer, addresses) {
        return gatherer.without_state(id, Status::NotApplicable, said::there_no_public());
    }
    if gatherer.is_off() {
        return gatherer.without_state(id, Status::NotApplicable, said::instance_does_not());
    }
    let caps = addresses.caps(gatherer);
    let Some(cap) = caps
        .iter()
        .max()
        .map(|cap| *cap as f64)
        .filter(|cap| *cap > 0.0)
    else {
        if let Some(error) = &addresses.failure {
            return gatherer.failed(id, error);
        }
        let why = if caps.is_empty() {
            said::no_bandwidth_cap()
        } else {
            said::no_bandwidth()
        };
        return gatherer.without_state(id, Status::ProbeFailed, why);
    };
    let mut shares = Vec::new();
    for (metric, cap, is_out) in [
        ("WanOuttraffic", cap, true),
        ("WanIntraffic", cap.max(LEAST_INBOUND_CAP), false),
    ] {
        match metrics.get(metric) {
            Some(Err(error)) => return gatherer.failed(id, error),
            Some(Ok(series)) => {
                if let Some(rate) = series.recent(gatherer.now().as_second()) {
                    let now = Figure::new(rate, 1, Unit::None);
                    let most = Figure::new(cap, 0, Unit::Mbps);
                    let told = if is_out {
                        said::traffic_out(now, most)
                    } else {
                        said::traffic_in(now, most)
                    };
                    shares.push((rate / cap, told));
                }
            }
            None => {}
        }
    }
    let Some((share, _)) = shares.iter().max_by(|a, b| a.0.total_cmp(&b.0)) else {
        return gatherer.observed(bandwidth_use::NO_DATA, said::cloud_no_traffic());
    };
    let used = *share * 100.0;
    let ways = shares.into_iter().map(|(_, told)| told);
    let detail = said::traffic(List::said(Joint::Commas, ways));
    gatherer.observed(state_at(id, used), detail).measured(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trend_and_gaps_are_told() {
        let minutes =
            |range: std::ops::Range<i64>, value: f64| range.map(move |minute| (minute * 60, value));
        let steady = Series {
            points: minutes(0..15, 20.0).chain(minutes(15..60, 80.0)).collect(),
        };
        let remarked = |series: &Series| series.remarked(Said::raw("CPU"), 3600).to_string();
        assert_eq!(remarked(&steady), "CPU, 20 % an hour ago");
        let gap = Series {
            points: minutes(0..15, 20.0).chain(minutes(40..60, 80.0)).collect(),
        };
        assert_eq!(
            remarked(&gap),
            "CPU, 20 % an hour ago; 22 minutes of the last hour are missing"
        );
        assert_eq!(remarked(&Series::default()), "CPU");
    }

    #[test]
    fn only_fresh_points_count_as_now() {
        let series = Series {
            points: vec![(0, 90.0), (9000, 10.0), (9060, 20.0)],
        };
        assert_eq!(series.recent(9100), Some(15.0));
        assert_eq!(series.recent(90_000), None);
        assert_eq!(Series::default().recent(0), None);
    }
}
