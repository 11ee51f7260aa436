//! monitor, tat, antiddos, billing, cloudaudit, cbs and repair tasks.

use serde::Deserialize;
use serde_json::Value;

use super::{flexible_flag, flexible_integer, loose, loose_text, null_default};

/// One time series of `GetMonitorData`. Missing time stamps are gaps; empty means no data.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DataPoint {
    #[serde(deserialize_with = "null_default")]
    pub timestamps: Vec<Value>,
    #[serde(deserialize_with = "null_default")]
    pub values: Vec<Value>,
    /// What the series is of, where the answer says so.
    #[serde(deserialize_with = "null_default")]
    pub dimensions: Vec<Dimension>,
}

/// One element of `Dimensions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Dimension {
    #[serde(deserialize_with = "loose_text")]
    pub name: String,
    #[serde(deserialize_with = "loose_text")]
    pub value: String,
}

/// A figure, whichever way it is written.
pub(crate) fn figure(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

impl DataPoint {
    /// True unless the answer says that the series is of something else.
    pub fn is_of(&self, name: &str, value: &str) -> bool {
        self.dimensions
            .iter()
            .filter(|dimension| dimension.name.eq_ignore_ascii_case(name))
            .all(|dimension| dimension.value == value)
    }

    /// False if it holds times or values, and none of them can be read; `null` is a gap.
    pub fn is_understood(&self) -> bool {
        let readable = |list: &[Value]| {
            let given: Vec<&Value> = list.iter().filter(|value| !value.is_null()).collect();
            given.is_empty() || given.iter().any(|value| figure(value).is_some())
        };
        readable(&self.timestamps) && readable(&self.values)
    }

    /// Time (UNIX seconds) and value, oldest first, without gaps.
    pub fn series(&self) -> Vec<(i64, f64)> {
        let mut series: Vec<(i64, f64)> = self
            .timestamps
            .iter()
            .zip(&self.values)
            .filter_map(|(time, value)| Some((figure(time)? as i64, figure(value)?)))
            .filter(|(_, value)| value.is_finite())
            .collect();
        series.sort_by_key(|(time, _)| *time);
        series
    }
}

/// An element of `AutomationAgentSet`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentItem {
    #[serde(deserialize_with = "loose_text")]
    pub instance_id: String,
    /// `Online` or `Offline`.
    #[serde(deserialize_with = "loose_text")]
    pub agent_status: String,
    #[serde(deserialize_with = "loose")]
    pub last_heartbeat_time: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub version: String,
}

/// An element of `RepairTaskInfoSet` (cvm `DescribeTaskInfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RepairTaskItem {
    #[serde(deserialize_with = "loose_text")]
    pub task_id: String,
    #[serde(deserialize_with = "loose_text")]
    pub instance_id: String,
    /// 101 hidden risk, 102 running fault, 103 disk fault, 104 network fault, 105 run warning,
    /// 106 disk warning, 107 maintenance.
    #[serde(deserialize_with = "flexible_integer")]
    pub task_type_id: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub task_type_name: String,
    /// 1 to authorise, 2 in progress, 3 ended, 4 scheduled, 5 cancelled, 6 avoided.
    #[serde(deserialize_with = "flexible_integer")]
    pub task_status: Option<i64>,
    /// 1 faulty, 2 being repaired, 3 normal, ...
    #[serde(deserialize_with = "flexible_integer")]
    pub device_status: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub create_time: String,
    #[serde(deserialize_with = "loose_text")]
    pub task_detail: String,
    #[serde(deserialize_with = "flexible_integer")]
    pub auth_type: Option<i64>,
}

/// An element of `Alarms` (monitor `DescribeAccidentEventList`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccidentItem {
    #[serde(deserialize_with = "loose_text")]
    pub accident_type_desc: String,
    /// 0 recovered, 1 not.
    #[serde(deserialize_with = "flexible_integer")]
    pub event_status: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub affect_resource: String,
    #[serde(deserialize_with = "loose_text")]
    pub occur_time: String,
}

/// An element of `Events` (monitor `DescribeProductEventList`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProductEvent {
    #[serde(deserialize_with = "loose_text")]
    pub event_name: String,
    #[serde(deserialize_with = "loose_text")]
    pub event_e_name: String,
    #[serde(deserialize_with = "loose_text")]
    pub instance_id: String,
    /// `recover`, `alarm` or `-`.
    #[serde(deserialize_with = "loose_text")]
    pub status: String,
    /// UNIX seconds.
    #[serde(deserialize_with = "flexible_integer")]
    pub start_time: Option<i64>,
}

/// An element of `BlockRecords` (antiddos 2025-09-03).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockRecord {
    #[serde(deserialize_with = "loose_text")]
    pub resource: String,
    #[serde(deserialize_with = "loose_text")]
    pub block_time: String,
    /// `Blocked`, `Unblocking`, `Unblocked`.
    #[serde(deserialize_with = "loose_text")]
    pub status: String,
}

/// An element of `List` (antiddos 2020-03-09 `DescribeIpBlockList`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockedAddress {
    #[serde(deserialize_with = "loose_text")]
    pub ip: String,
    /// `Blocked`, `UnBlocking`, `UnBlockFailed`.
    #[serde(deserialize_with = "loose_text")]
    pub status: String,
    #[serde(deserialize_with = "loose_text")]
    pub un_block_time: String,
}

/// A key and value (antiddos 2020-03-09 `DescribeBasicDeviceStatus`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KeyValue {
    #[serde(deserialize_with = "loose_text")]
    pub key: String,
    #[serde(deserialize_with = "loose_text")]
    pub value: String,
}

/// An element of `Events` (cloudaudit `DescribeEvents`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuditEvent {
    #[serde(deserialize_with = "loose_text")]
    pub event_name: String,
    /// UNIX seconds, as text or number.
    pub event_time: Value,
    #[serde(deserialize_with = "loose_text")]
    pub username: String,
    #[serde(rename = "SourceIPAddress", deserialize_with = "loose_text")]
    pub source_ip_address: String,
    #[serde(rename = "RequestID", deserialize_with = "loose_text")]
    pub request_id: String,
    /// Not zero if the call was refused.
    #[serde(deserialize_with = "flexible_integer")]
    pub error_code: Option<i64>,
    /// The whole record as JSON text; holds `apiErrorCode`.
    #[serde(deserialize_with = "loose_text")]
    pub cloud_audit_event: String,
}

impl AuditEvent {
    /// When it happened: UNIX seconds, RFC 3339, or `YYYY-MM-DD hh:mm:ss` in the vendor's zone.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        let text = match &self.event_time {
            Value::Number(number) => return jiff::Timestamp::from_second(number.as_i64()?).ok(),
            Value::String(text) => text.trim(),
            _ => return None,
        };
        if let Ok(seconds) = text.parse() {
            return jiff::Timestamp::from_second(seconds).ok();
        }
        text.parse().ok().or_else(|| {
            let local = text
                .replace(' ', "T")
                .parse::<jiff::civil::DateTime>()
                .ok()?;
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
            Some(local.to_zoned(zone).ok()?.timestamp())
        })
    }

    /// True if the call's parameters, which stand in the record as they were sent, name `text`.
    pub fn mentions(&self, text: &str) -> bool {
        self.cloud_audit_event.contains(text)
    }

    /// True if the cloud refused the call, so that nothing changed.
    pub fn was_refused(&self) -> bool {
        if self.error_code.is_some_and(|code| code != 0) {
            return true;
        }
        let details: Value = serde_json::from_str(&self.cloud_audit_event).unwrap_or_default();
        match details.get("apiErrorCode") {
            Some(Value::Number(code)) => code.as_i64() != Some(0),
            Some(Value::String(code)) => !matches!(code.as_str(), "" | "0"),
            _ => false,
        }
    }
}

/// An element of `DiskSet` (cbs `DescribeDisks`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskItem {
    #[serde(deserialize_with = "loose_text")]
    pub disk_id: String,
    /// The instance that it is attached to, where the answer says so.
    #[serde(deserialize_with = "loose_text")]
    pub instance_id: String,
    /// `SYSTEM_DISK` or `DATA_DISK`.
    #[serde(deserialize_with = "loose_text")]
    pub disk_usage: String,
    /// `PREPAID` or `POSTPAID_BY_HOUR`.
    #[serde(deserialize_with = "loose_text")]
    pub disk_charge_type: String,
    /// `NOTIFY_AND_AUTO_RENEW`, `NOTIFY_AND_MANUAL_RENEW`, `DISABLE_NOTIFY_AND_MANUAL_RENEW`.
    #[serde(deserialize_with = "loose_text")]
    pub renew_flag: String,
    /// Days until it expires; of prepaid ones only.
    #[serde(deserialize_with = "flexible_integer")]
    pub differ_days_of_deadline: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub disk_state: String,
    #[serde(deserialize_with = "flexible_flag")]
    pub deadline_error: Option<bool>,
    #[serde(deserialize_with = "flexible_flag")]
    pub rollbacking: Option<bool>,
    #[serde(deserialize_with = "flexible_flag")]
    pub migrating: Option<bool>,
}

/// An element of `InstanceTypeQuotaSet` (cvm `DescribeZoneInstanceConfigInfos`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TypeItem {
    #[serde(deserialize_with = "loose_text")]
    pub instance_type: String,
    /// Gbit/s of the private network, as a number or a text.
    pub instance_bandwidth: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gaps_and_disorder_in_a_series_are_put_right() {
        let point: DataPoint = serde_json::from_value(json!({
            "Timestamps": [180, 60, 120.0], "Values": [3.0, 1, null], "AvgValues": null
        }))
        .expect("tolerant");
        assert_eq!(point.series(), [(60, 1.0), (180, 3.0)]);
    }

    #[test]
    fn audit_times_are_read_in_each_form() {
        let at = |value: Value| {
            AuditEvent {
                event_time: value,
                ..AuditEvent::default()
            }
            .time()
        };
        let want = jiff::Timestamp::from_second(1_680_513_809).ok();
        assert_eq!(at(json!("1680513809")), want);
        assert_eq!(at(json!(1_680_513_809)), want);
        assert_eq!(at(json!("2023-04-03 17:23:29")), want);
        assert_eq!(at(json!(null)), None);
    }
}
