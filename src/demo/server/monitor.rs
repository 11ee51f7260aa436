//! Measurements and platform events (monitor 2018-07-24).
//!
//! Lives here: series made from each machine's load; what falls silent with the guest.
//! Must not live here: thresholds.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, refuse, spaced};
use crate::demo::world::{Machine, fnv, stable_id};
use crate::domain::site::Site;

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "GetMonitorData" => data(call),
        "DescribeBaseMetrics" => base_metrics(call),
        "DescribeAccidentEventList" => accidents(call),
        "DescribeProductEventList" => product_events(call),
        _ => call.unknown(),
    }
}

/// Name, unit and whether the component in the guest has to be alive.
const METRICS: &[(&str, &str, bool)] = &[
    ("CPUUsage", "%", true),
    ("BaseCpuUsage", "%", false),
    ("CpuLoadavg", "", true),
    ("Cpuloadavg5m", "", true),
    ("Cpuloadavg15m", "", true),
    ("MemUsage", "%", true),
    ("MemUsed", "MBytes", true),
    ("TcpCurrEstab", "Count", true),
    ("TimeOffset", "s", true),
    ("CvmDiskUsage", "%", true),
    ("WanOuttraffic", "Mbps", false),
    ("WanIntraffic", "Mbps", false),
    ("WanOutpkg", "Count/s", false),
    ("WanInpkg", "Count/s", false),
    ("LanOuttraffic", "Mbps", false),
    ("LanIntraffic", "Mbps", false),
    ("LanOutpkg", "Count/s", false),
    ("LanInpkg", "Count/s", false),
    ("AccOuttraffic", "MB", false),
];
const DISK_METRICS: &[(&str, &str, bool)] = &[
    ("DiskAwait", "ms", false),
    ("DiskSvctm", "ms", false),
    ("DiskUtil", "%", false),
];
const PERIODS: &[i64] = &[10, 60, 300, 3600, 86_400];
const MAX_INSTANCES: usize = 50;
/// On the international site.
const MAX_INSTANCES_ABROAD: usize = 10;
const MAX_POINTS: i64 = 7_200;

/// The metrics of a namespace.
fn metrics(namespace: &str) -> Result<&'static [(&'static str, &'static str, bool)], Refusal> {
    match namespace {
        "QCE/CVM" => Ok(METRICS),
        "QCE/BLOCK_STORAGE" => Ok(DISK_METRICS),
        _ => refuse(
            "InvalidParameterValue",
            format!("The namespace {namespace:?} is not offered here."),
        ),
    }
}

struct Series {
    period: i64,
    start: i64,
    end: i64,
    statistics: u64,
}

fn data(call: &mut Call<'_>) -> Answer {
    let known = metrics(call.str("Namespace").unwrap_or_default())?;
    let asked = call.str("MetricName").unwrap_or_default();
    let metric = known
        .iter()
        .find(|(name, ..)| *name == asked || (asked == "CpuUsage" && *name == "CPUUsage"));
    let Some((metric, _, needs_guest)) = metric else {
        return refuse(
            "InvalidParameterValue",
            format!("The metric {asked:?} does not exist."),
        );
    };
    let series = series(call)?;
    let instances = call.parameters["Instances"].as_array();
    let instances = instances.map(Vec::as_slice).unwrap_or_default();
    let most = match call.shared.options.site {
        Site::China => MAX_INSTANCES,
        Site::International => MAX_INSTANCES_ABROAD,
    };
    if instances.len() > most {
        return refuse(
            "InvalidParameterValue",
            format!("At most {most} instances can be given."),
        );
    }
    let mut points = Vec::new();
    for instance in instances {
        let dimensions = &instance["Dimensions"];
        let id = dimensions[0]["Value"].as_str().unwrap_or_default();
        let machine =
            call.world.machines.iter().find(|m| {
                m.region == call.region && (m.id == id || stable_id("disk", &m.name) == id)
            });
        let mut point = json!({"Dimensions": dimensions, "Timestamps": [], "Values": []});
        let measured = machine.filter(|m| {
            m.state == "RUNNING"
                && !(*needs_guest
                    && (m.mute || m.agent == crate::demo::world::machine::Agent::Never))
        });
        if let Some(machine) = measured {
            fill(&mut point, machine, metric, &series, call.now);
        }
        points.push(point);
    }
    let stamp = |at: i64| {
        let at = Timestamp::from_second(at).unwrap_or(call.now);
        at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)))
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    };
    Ok(json!({
        "Period": series.period, "MetricName": asked, "DataPoints": points,
        "StartTime": stamp(series.start), "EndTime": stamp(series.end), "Msg": "",
    }))
}

/// Period and time range of the request, rounded as the service does.
fn series(call: &Call<'_>) -> Result<Series, Refusal> {
    let period = call.parameters.get("Period").and_then(Value::as_i64);
    let period = period.unwrap_or(300);
    if !PERIODS.contains(&period) {
        return refuse(
            "InvalidParameterValue",
            format!("The period {period} is not supported."),
        );
    }
    let time = |name: &str, default: Timestamp| match call.str(name) {
        None => Ok(default.as_second()),
        Some(text) => text
            .parse::<Timestamp>()
            .map(Timestamp::as_second)
            .map_err(|_| Refusal {
                code: "InvalidParameterValue".to_owned(),
                message: format!("{name} is not an ISO 8601 time with an offset."),
            }),
    };
    let midnight = call.now.as_second() - (call.now.as_second() + 8 * 3600) % 86_400;
    let midnight = Timestamp::from_second(midnight).unwrap_or(call.now);
    let start = time("StartTime", midnight)?;
    let end = time("EndTime", call.now)?;
    if end < start {
        return refuse(
            "InvalidParameterValue",
            "EndTime must not precede StartTime.",
        );
    }
    let start = start - start.rem_euclid(period);
    if (end - start) / period > MAX_POINTS {
        return refuse(
            "LimitExceeded",
            format!("At most {MAX_POINTS} points can be read by one call."),
        );
    }
    let statistics = call.parameters.get("SpecifyStatistics");
    Ok(Series {
        period,
        start,
        end,
        statistics: statistics.and_then(Value::as_u64).unwrap_or(0),
    })
}

fn fill(point: &mut Value, machine: &Machine, metric: &str, series: &Series, now: Timestamp) {
    let base = level(machine, metric);
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut at = series.start;
    // The newest point lags behind by one period.
    let newest = series.end.min(now.as_second() - 10);
    while at <= newest {
        let noise = (fnv(&format!("{}{metric}{at}", machine.id)) % 1000) as f64 / 1000.0 - 0.5;
        // Load wavers, the filling of a disk does not.
        let swing = if metric == "CvmDiskUsage" { 0.0 } else { 0.04 };
        let base = spike(machine, metric, now.as_second() - at).unwrap_or(base);
        let mut value = base * (1.0 + noise * swing);
        if matches!(
            metric,
            "CPUUsage" | "BaseCpuUsage" | "MemUsage" | "CvmDiskUsage" | "DiskUtil"
        ) {
            value = value.min(100.0);
        }
        times.push(json!(at));
        values.push(json!((value * 1000.0).round() / 1000.0));
        at += series.period;
    }
    for (bit, name) in [(1, "AvgValues"), (2, "MaxValues"), (4, "MinValues")] {
        if series.statistics & bit != 0 {
            point[name] = json!(values);
        }
    }
    point["Timestamps"] = json!(times);
    point["Values"] = json!(values);
}

/// The value of a metric so many seconds ago, where it stood higher then.
fn spike(machine: &Machine, metric: &str, seconds_ago: i64) -> Option<f64> {
    let spike = machine.spike.as_ref()?;
    let since = seconds_ago - spike.hours_ago * 3600;
    (spike.metric == metric && (0..1800).contains(&since)).then_some(spike.value)
}

/// The value around which a metric of the machine moves.
fn level(machine: &Machine, metric: &str) -> f64 {
    let load = &machine.metrics;
    match metric {
        "CPUUsage" | "BaseCpuUsage" => load.base_cpu,
        "CpuLoadavg" | "Cpuloadavg5m" | "Cpuloadavg15m" => load.base_cpu / 40.0,
        "MemUsage" => load.memory,
        "MemUsed" => load.memory * 40.96,
        "TcpCurrEstab" => load.connections,
        "CvmDiskUsage" => load.disk,
        "WanOuttraffic" => load.wan_out,
        "WanIntraffic" => load.wan_in,
        "WanOutpkg" => load.wan_out * 120.0,
        "WanInpkg" => load.wan_in * 120.0,
        "LanOuttraffic" | "LanIntraffic" => 1.4,
        "LanOutpkg" | "LanInpkg" => 210.0,
        "AccOuttraffic" => load.wan_out * 7.5,
        "DiskAwait" => load.disk_await_ms,
        "DiskSvctm" => load.disk_await_ms / 4.0,
        "DiskUtil" => (load.disk_await_ms / 2.0).min(100.0),
        _ => 0.0,
    }
}

fn base_metrics(call: &mut Call<'_>) -> Answer {
    let namespace = call.str("Namespace").unwrap_or_default();
    let known = metrics(namespace)?;
    let asked = call.str("MetricName");
    let dimension = if namespace == "QCE/CVM" {
        "InstanceId"
    } else {
        "diskId"
    };
    let set: Vec<Value> = known
        .iter()
        .filter(|(name, ..)| asked.is_none_or(|asked| asked == *name))
        .map(|(name, unit, _)| {
            let periods: Vec<Value> = PERIODS
                .iter()
                .map(|p| json!({"Period": p.to_string(), "StatType": ["avg", "max", "min"]}))
                .collect();
            json!({
                "Namespace": namespace, "MetricName": name, "Unit": unit, "UnitCname": unit,
                "Period": PERIODS, "Periods": periods,
                "Meaning": {"En": name, "Zh": name},
                "Dimensions": [{"Dimensions": [dimension]}],
                "MetricCName": name, "MetricEName": name,
            })
        })
        .collect();
    Ok(json!({"MetricSet": set}))
}

/// Incidents of the platform below a machine.
fn accidents(call: &mut Call<'_>) -> Answer {
    if call.str("Module") != Some("monitor") {
        return refuse("InvalidParameterValue", "Module must be monitor.");
    }
    let resource = call.str("AffectResource");
    let set: Vec<Value> = call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region && m.events.iter().any(|e| e == "NetworkFault"))
        .filter(|m| resource.is_none_or(|id| id == m.id))
        .map(|m| {
            let at = spaced(call.now - SignedDuration::from_mins(25));
            json!({
                "BusinessTypeDesc": "Cloud Virtual Machine",
                "AccidentTypeDesc": "Network connection of the host",
                "BusinessID": 1, "EventStatus": 1, "AffectResource": m.id,
                "Region": short_region(&m.region), "OccurTime": at, "UpdateTime": at,
            })
        })
        .collect();
    Ok(json!({"Total": set.len(), "Alarms": call.page(set)?}))
}

fn short_region(region: &str) -> &str {
    match region {
        "ap-guangzhou" => "gz",
        "ap-seoul" => "kr",
        "ap-singapore" => "sg",
        other => other,
    }
}

/// Events that a guest or its host reported.
fn product_events(call: &mut Call<'_>) -> Answer {
    if call.str("Module") != Some("monitor") {
        return refuse("InvalidParameterValue", "Module must be monitor.");
    }
    let ids = call.list("InstanceId").unwrap_or_default();
    let names = call.list("EventName").unwrap_or_default();
    let seconds = |name: &str| call.parameters.get(name).and_then(Value::as_i64);
    let at = (call.now - SignedDuration::from_mins(25)).as_second();
    let in_range = seconds("StartTime").is_none_or(|from| from <= at)
        && seconds("EndTime").is_none_or(|until| at <= until);
    let mut set = Vec::new();
    for m in call
        .world
        .machines
        .iter()
        .filter(|m| m.region == call.region)
    {
        for event in m.events.iter().filter(|e| *e != "NetworkFault") {
            let name = snake(event);
            if !in_range
                || !(ids.is_empty() || ids.contains(&m.id))
                || !(names.is_empty() || names.contains(&name))
            {
                continue;
            }
            set.push(json!({
                "EventId": fnv(&m.id) % 1_000_000, "EventCName": event,
                "EventEName": event, "EventName": name, "ProductCName": "CVM",
                "ProductEName": "CVM", "ProductName": "cvm", "InstanceId": m.id,
                "InstanceName": m.name, "ProjectId": "0", "Region": short_region(&m.region),
                "Status": "-", "SupportAlarm": 1, "Type": "abnormal", "StartTime": at,
                "UpdateTime": at,
                "Dimensions": [{"Key": "unInstanceId", "Name": "InstanceId", "Value": m.id}],
                "AdditionMsg": [], "IsAlarmConfig": 0, "GroupInfo": [], "ViewName": "cvm_device",
            }));
        }
    }
    let total = set.len();
    Ok(json!({
        "Events": call.page(set)?, "Total": total,
        "OverView": {
            "StatusChangeAmount": 0, "UnConfigAlarmAmount": total,
            "UnNormalEventAmount": total, "UnRecoverAmount": 0,
        },
    }))
}

/// `GuestOom` as `guest_oom`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
