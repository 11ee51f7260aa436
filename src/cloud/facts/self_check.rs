//! What the self-diagnosis needs beyond the readings: the last 12 hours of the metrics, the disks as they
//! are billed, the events, and what the type may carry (cvm `DescribeZoneInstanceConfigInfos`).
//!
//! Must not live here: items and thresholds (`check`).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use super::addresses::{Addresses, has_public};
use super::events::Events;
use super::metrics::{self, LEAST_INBOUND_CAP, Measured, Metrics, Span};
use super::{Gatherer, Series};
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, DiskItem, TypeItem};
use crate::domain::check::{CheckFacts, Course, Disk, Got, LOOK_BACK_HOURS, Unread};
use crate::domain::evidence::Status;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Points of five minutes: a call takes 50 instances and 7,200 points.
const PERIOD_S: i64 = 300;
const LOOK_BACK: Span = (LOOK_BACK_HOURS * 60, PERIOD_S);
/// Metrics of the instance (namespace `QCE/CVM`).
const METRICS: &[&str] = &[
    "CPUUsage",
    "BaseCpuUsage",
    "MemUsage",
    "CvmDiskUsage",
    "WanOuttraffic",
    "WanIntraffic",
    "LanOuttraffic",
    "LanIntraffic",
    "TcpCurrEstab",
];
/// Metrics of a disk (namespace `QCE/BLOCK_STORAGE`).
const DISK_METRICS: &[&str] = &["DiskUtil", "DiskSvctm"];
/// Disks that are measured.
const MOST_DISKS: usize = 20;

/// What was fetched, before it is put together.
pub(super) struct Fetched {
    series: Vec<(&'static str, Measured)>,
    disks: Result<Vec<DiskItem>, CloudError>,
    of_disks: Vec<(&'static str, String, Measured)>,
    private: Got<f64>,
}

/// The disks of the instance (cbs `DescribeDisks`), asked for once.
pub(super) async fn disk_items(gatherer: &Gatherer) -> Result<Vec<DiskItem>, CloudError> {
    let read = gatherer.disks.get_or_init(|| read_disks(gatherer));
    read.await.clone()
}

async fn read_disks(gatherer: &Gatherer) -> Result<Vec<DiskItem>, CloudError> {
    let parameters = json!({
        "Filters": [{"Name": "instance-id", "Values": [gatherer.instance.id]}],
        "Offset": 0,
        "Limit": 100,
    });
    let answer = gatherer.ask("cbs", "DescribeDisks", parameters).await?;
    let mut items = wire::whole::<DiskItem>(&answer, "DiskSet", "cbs:DescribeDisks")?;
    let own = &gatherer.instance.id;
    items.retain(|item| item.instance_id.is_empty() || item.instance_id == *own);
    Ok(items)
}

/// Fetches what only the self-diagnosis needs; `None` where nobody asked for one.
pub(super) async fn fetch(gatherer: &Gatherer) -> Option<Fetched> {
    if !gatherer.request.self_check {
        return None;
    }
    let series = join_all(METRICS.iter().map(|&name| async move {
        let measured = metrics::instance_series(gatherer, name, LOOK_BACK).await;
        (name, measured)
    }));
    let disks = async {
        let disks = disk_items(gatherer).await;
        let measured = disks.iter().flatten().take(MOST_DISKS);
        let each = measured.flat_map(|disk| DISK_METRICS.iter().map(move |&name| (name, disk)));
        let of_disks = join_all(each.map(|(name, disk)| async move {
            let measured = metrics::disk_series(gatherer, name, &disk.disk_id, LOOK_BACK).await;
            (name, sanitise(&disk.disk_id, 60), measured)
        }));
        let of_disks = of_disks.await;
        (disks, of_disks)
    };
    let (series, (disks, of_disks), private) = tokio::join!(series, disks, private(gatherer));
    Some(Fetched {
        series,
        disks,
        of_disks,
        private,
    })
}

/// Mbit/s that the type has on the private network.
async fn private(gatherer: &Gatherer) -> Got<f64> {
    let instance = &gatherer.instance;
    if instance.instance_type.is_empty() {
        return Err(not_told(said::type_not_named()));
    }
    let mut filters = vec![
        json!({"Name": "zone", "Values": [instance.zone]}),
        json!({"Name": "instance-type", "Values": [instance.instance_type]}),
    ];
    if !instance.charge_type.is_empty() {
        filters.push(json!({"Name": "instance-charge-type", "Values": [instance.charge_type]}));
    }
    let action = "DescribeZoneInstanceConfigInfos";
    let parameters = json!({"Filters": filters});
    let answer = gatherer.ask("cvm", action, parameters).await;
    let types = answer.and_then(|answer| {
        wire::whole::<TypeItem>(&answer, "InstanceTypeQuotaSet", &format!("cvm:{action}"))
    });
    let types = types.map_err(|error| unread(&error))?;
    let own = types
        .iter()
        .filter(|item| item.instance_type == instance.instance_type);
    let gigabits = own.filter_map(|item| wire::figure(&item.instance_bandwidth));
    let most = gigabits.fold(0.0, f64::max);
    // A type that is sold no longer is not in the list any more.
    if most > 0.0 {
        Ok(most * 1000.0)
    } else {
        Err(not_told(said::type_not_listed(&instance.instance_type)))
    }
}

/// Puts together what was fetched here and for the readings.
pub(super) fn facts(
    gatherer: &Gatherer,
    fetched: Fetched,
    events: &Events,
    metrics: &Metrics,
    addresses: &Addresses,
) -> CheckFacts {
    let mut courses: BTreeMap<String, Vec<(String, Got<Course>)>> = BTreeMap::new();
    let now = gatherer.now().as_second();
    let instance = fetched.series.into_iter();
    let instance = instance.map(|(name, measured)| (name, String::new(), measured));
    for (name, of, measured) in instance.chain(fetched.of_disks) {
        let finer = if of.is_empty() {
            metrics.series.get(name)
        } else {
            metrics.series.get(&format!("{name} {of}"))
        };
        let course = match measured {
            Ok(series) => Ok(course(series, finer, now)),
            Err(error) => Err(unread(&error)),
        };
        courses
            .entry(name.to_owned())
            .or_default()
            .push((of, course));
    }
    let tasks = events.tasks();
    let events = match events.listed() {
        Ok(events) => Ok(events.to_vec()),
        Err(error) => Err(unread(error)),
    };
    let cap = public_cap(gatherer, addresses);
    CheckFacts {
        courses,
        disks: match fetched.disks {
            Ok(items) => Ok(items.iter().map(disk).collect()),
            Err(error) => Err(unread(&error)),
        },
        events,
        tasks,
        public_in: cap.clone().map(|cap| cap.max(LEAST_INBOUND_CAP)),
        public_out: cap,
        private: fetched.private,
    }
}

/// `finer` tells better what is now: it is of single minutes.
fn course(series: Series, finer: Option<&Series>, now: i64) -> Course {
    let newest = || series.points.last().filter(|(at, _)| now - at <= 900);
    let fresh = finer.and_then(|finer| finer.recent(now));
    Course {
        now: fresh.or_else(|| newest().map(|(_, value)| *value)),
        points: series.points,
        period_s: PERIOD_S,
    }
}

fn public_cap(gatherer: &Gatherer, addresses: &Addresses) -> Got<f64> {
    if !has_public(gatherer, addresses) {
        let why = said::there_no_public();
        return Err(Box::new(Unread {
            status: Status::NotApplicable,
            why,
            needs: None,
        }));
    }
    let cap = addresses.caps(gatherer).into_iter().max();
    match (cap, &addresses.failure) {
        (Some(cap), _) => Ok(cap as f64),
        (None, Some(error)) => Err(unread(error)),
        (None, None) => Err(not_told(said::no_bandwidth_cap())),
    }
}

fn disk(item: &DiskItem) -> Disk {
    Disk {
        id: sanitise(&item.disk_id, 60),
        is_system: item.disk_usage == "SYSTEM_DISK",
        is_prepaid: match item.disk_charge_type.as_str() {
            "PREPAID" => Some(true),
            "POSTPAID_BY_HOUR" => Some(false),
            _ => None,
        },
        state: sanitise(&item.disk_state, 40),
        days_left: item.differ_days_of_deadline,
        ends_first: item.deadline_error == Some(true),
        renews: match item.renew_flag.as_str() {
            "NOTIFY_AND_AUTO_RENEW" => Some(true),
            "NOTIFY_AND_MANUAL_RENEW" | "DISABLE_NOTIFY_AND_MANUAL_RENEW" => Some(false),
            _ => None,
        },
    }
}

fn unread(error: &CloudError) -> Box<Unread> {
    Box::new(Unread {
        status: error.status(),
        why: error.said(),
        needs: error.missing_permission().map(Said::raw),
    })
}

fn not_told(why: Said) -> Box<Unread> {
    Box::new(Unread {
        status: Status::NotAttempted,
        why,
        needs: None,
    })
}
