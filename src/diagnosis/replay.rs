//! Saved evidence weighed again: reads a case as JSON, tolerant of everything that is not needed.
//!
//! Lives here: the shape of the input and the report that answers it.
//! Must not live here: files, standard input, scores.

use std::io;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Case, Knowledge, diagnose, said};
use crate::domain::evidence::{Family, Path, Reading, Source, Status, table::Group};
use crate::domain::instance::{Os, is_login_name};
use crate::domain::report::{InstanceSummary, NeighbourName, Report, Vantage};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Longest text taken over from a case.
const MAX_TEXT: usize = 2000;
/// Most readings taken over from a case.
const MOST_NEIGHBOURS: usize = 8;
const MAX_READINGS: usize = 5000;

/// A case as saved.
#[derive(Debug, Clone, Default)]
pub struct SavedCase {
    pub instance: InstanceSummary,
    pub vantage: Vantage,
    pub readings: Vec<Reading>,
    /// Actions that did not bring login back; `None` where the case does not say.
    pub tried: Option<Vec<String>>,
    pub case_id: Option<Value>,
    pub warnings: Vec<Said>,
}

impl SavedCase {
    /// Reads a `diagnose` object, or any object with `instance.os`, `instance.login_port` and
    /// `evidence[]` of `id`, `path`, `status`, `state`. Whatever is not understood is left out and
    /// named in `warnings`; only an answer that is no object is an error.
    pub fn from_json(value: &Value) -> Result<Self, Said> {
        let Some(object) = value.as_object() else {
            return Err(said::case_is_no_object());
        };
        let mut case = Self {
            case_id: object.get("case_id").cloned(),
            ..Self::default()
        };
        case.instance = instance(
            object.get("instance").unwrap_or(&Value::Null),
            &mut case.warnings,
        );
        case.vantage = vantage(object.get("vantage").unwrap_or(&Value::Null));
        case.tried = object
            .get("tried")
            .and_then(Value::as_array)
            .map(|tried| tried.iter().filter_map(Value::as_str).map(clean).collect());
        match object.get("evidence") {
            Some(Value::Array(rows)) => {
                if rows.len() > MAX_READINGS {
                    case.warnings.push(said::rows_cut(MAX_READINGS));
                }
                for row in rows.iter().take(MAX_READINGS) {
                    match reading(row) {
                        Ok(reading) => case.readings.push(reading),
                        Err(warning) => case.warnings.push(warning),
                    }
                }
            }
            Some(_) => case.warnings.push(said::evidence_no_list()),
            None => case.warnings.push(said::evidence_missing()),
        }
        Ok(case)
    }

    /// Weighs the case.
    pub fn diagnose(&self, knowledge: &Knowledge) -> Report {
        let case = Case {
            instance: self.instance.clone(),
            vantage: self.vantage.clone(),
            readings: &self.readings,
            tried: self.tried.as_deref().unwrap_or_default(),
            spent: &[],
            recent_cause: None,
        };
        let mut report = diagnose(knowledge, &case);
        report.warnings.splice(0..0, self.warnings.iter().cloned());
        report
    }

    /// Writes the report as JSON, with `case_id` handed through.
    pub fn write(&self, report: &Report, out: impl io::Write) -> serde_json::Result<()> {
        #[derive(Serialize)]
        struct Answer<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            case_id: Option<&'a Value>,
            #[serde(flatten)]
            report: &'a Report,
        }
        let case_id = self.case_id.as_ref();
        serde_json::to_writer(out, &Answer { case_id, report })
    }
}

fn clean(text: &str) -> String {
    sanitise(text, MAX_TEXT)
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .map(clean)
        .unwrap_or_default()
}

/// A sentence, with what is beside it for other languages.
fn sentence(row: &Value, english: &str, tagged: &str) -> Option<Said> {
    let english = row.get(english)?.as_str()?;
    let tagged = row.get(tagged).cloned();
    let tagged = tagged.and_then(|tagged| serde_json::from_value(tagged).ok());
    Some(Said::saved(english, tagged))
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array);
    list.map(|l| l.iter().filter_map(Value::as_str).map(clean).collect())
        .unwrap_or_default()
}

fn instance(value: &Value, warnings: &mut Vec<Said>) -> InstanceSummary {
    let os = match text(value, "os").to_ascii_lowercase().as_str() {
        "linux" => Os::Linux,
        "windows" => Os::Windows,
        "unknown" | "" => Os::Unknown,
        other => {
            warnings.push(said::os_unknown(other));
            Os::Unknown
        }
    };
    let port = value.get("login_port").and_then(Value::as_u64);
    InstanceSummary {
        id: text(value, "id"),
        name: text(value, "name"),
        region: text(value, "region"),
        zone: text(value, "zone"),
        os,
        state: text(value, "state"),
        public_addresses: texts(value, "public_addresses"),
        private_addresses: texts(value, "private_addresses"),
        login_port: port
            .and_then(|p| u16::try_from(p).ok())
            .unwrap_or_else(|| os.default_login_port()),
        bandwidth_mbps: value.get("bandwidth_mbps").and_then(Value::as_u64),
        key_pairs: texts(value, "key_pairs"),
    }
}

fn vantage(value: &Value) -> Vantage {
    Vantage {
        host: text(value, "host"),
        paths: texts(value, "paths")
            .iter()
            .filter_map(|p| Path::parse_way(p))
            .collect(),
        user_source: value
            .get("user_source")
            .and_then(Value::as_str)
            .map(clean)
            .filter(|s| !s.is_empty()),
        user_way: value
            .get("user_way")
            .and_then(Value::as_str)
            .and_then(Path::parse_way),
        account: value
            .get("account")
            .and_then(Value::as_str)
            .map(clean)
            .filter(|account| is_login_name(account)),
        neighbours: neighbours(value),
        provider: value.get("provider").and_then(Value::as_bool) == Some(true),
    }
}

fn neighbours(value: &Value) -> Vec<NeighbourName> {
    let list = value.get("neighbours").and_then(Value::as_array);
    let of = |one: &Value| {
        Some(NeighbourName {
            path: Path::parse(&text(one, "path")).filter(|path| path.is_neighbours())?,
            id: text(one, "id"),
            name: text(one, "name"),
        })
    };
    let list = list.into_iter().flatten().take(MOST_NEIGHBOURS);
    list.filter_map(of).collect()
}

/// Reads one row; the error is the warning to show.
fn reading(row: &Value) -> Result<Reading, Said> {
    let id = text(row, "id");
    if id.is_empty() {
        return Err(said::row_without_id());
    }
    let state = row.get("state").and_then(Value::as_str).map(clean);
    let status = match row.get("status").and_then(Value::as_str) {
        // A state without a status can only have been observed.
        None if state.is_some() => Status::Observed,
        None => {
            return Err(said::row_without_status(id));
        }
        Some(word) => serde_json::from_value(json!(word))
            .map_err(|_| said::row_status_unknown(&id, clean(word)))?,
    };
    if status == Status::Observed && state.is_none() {
        return Err(said::row_without_state(id));
    }
    let path = match row.get("path") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_str().and_then(Path::parse) {
            Some(path) => Some(path),
            None => {
                return Err(said::row_path_unknown(id, value));
            }
        },
    };
    let source = row
        .get("source")
        .cloned()
        .and_then(|s| serde_json::from_value(s).ok());
    let family = match row.get("family").and_then(Value::as_str) {
        Some("ipv6") => Family::Ipv6,
        _ => Family::Ipv4,
    };
    Ok(Reading {
        path,
        family,
        status,
        state: if status == Status::Observed {
            state
        } else {
            None
        },
        detail: sentence(row, "detail", "said").unwrap_or_default(),
        source: source.unwrap_or_else(|| usual_source(&id)),
        observed_at: row
            .get("observed_at")
            .and_then(Value::as_str)
            .and_then(|t| t.parse().ok()),
        cost_ms: row.get("cost_ms").and_then(Value::as_u64).unwrap_or(0),
        observation: text(row, "observation"),
        needs: sentence(row, "needs", "needs_said"),
        figure: row.get("figure").and_then(Value::as_f64),
        series: row
            .get("series")
            .cloned()
            .and_then(|series| serde_json::from_value(series).ok()),
        change: None,
        set_aside: row
            .get("set_aside")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        id,
    })
}

/// Where a group usually comes from; of one that is not shipped nobody knows.
fn usual_source(id: &str) -> Source {
    Group::of(id).map_or(Source::Cloud, |group| group.source)
}
