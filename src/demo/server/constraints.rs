//! Refuses what the documentation of a parameter forbids beyond its type.
//!
//! Lives here: the rows of `assets/demo/constraints.toml` and how each kind is kept.
//! Must not live here: names and types (`check`), rules that need the world (each action's file).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Refusal, refuse};

/// What the text says about one parameter; see the head of the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    items: Option<usize>,
    values: Option<usize>,
    range: Option<[i64; 2]>,
    range_by: Option<BTreeMap<String, Value>>,
    each: Option<[i64; 2]>,
    chars: Option<[usize; 2]>,
    bytes: Option<usize>,
    letters: Option<String>,
    one_of: Option<Vec<String>>,
    any_case: bool,
    each_of: Option<Vec<String>>,
    names: Option<Vec<String>>,
    only: Option<Vec<String>>,
    form: Option<String>,
    prefix: Option<String>,
    not_first: Option<String>,
    excludes: Option<String>,
    needs: Option<String>,
    code: Option<String>,
    /// Why nothing is kept here.
    #[allow(dead_code)] // read by people and by the test against the specification
    told: Option<String>,
}

/// Rows by `service:Action` or `service#Type`, then by parameter.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Constraints(BTreeMap<String, BTreeMap<String, Row>>);

impl Constraints {
    pub fn embedded() -> Self {
        toml::from_str(include_str!("../../../assets/demo/constraints.toml"))
            .expect("the embedded table of constraints is well formed, as its test shows")
    }

    /// Keeps the rows of an action or type for one object of it.
    pub fn check(&self, key: &str, object: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(rows) = self.0.get(key) else {
            return Ok(());
        };
        for (name, row) in rows {
            let Some(value) = object.get(name).filter(|value| !value.is_null()) else {
                continue;
            };
            if let Some((code, what)) = row.broken(value, object) {
                // Each product has its own word for what does not go together.
                let code = match code {
                    "InvalidParameter.Coexist" if key.starts_with("cvm") => {
                        "InvalidParameterCombination"
                    }
                    other => other,
                };
                return refuse(
                    row.code.as_deref().unwrap_or(code),
                    format!("The parameter `{name}` {what}."),
                );
            }
        }
        Ok(())
    }
}

/// The code and the end of the sentence of what is wrong.
type Broken = Option<(&'static str, String)>;

fn number(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

impl Row {
    fn broken(&self, value: &Value, beside: &Map<String, Value>) -> Broken {
        self.together(beside)
            .or_else(|| self.count(value))
            .or_else(|| self.size(value, beside))
            .or_else(|| self.word(value))
    }

    /// Other fields that must be there, or must not.
    fn together(&self, beside: &Map<String, Value>) -> Broken {
        let given = |name: &str| {
            beside.get(name).is_some_and(|value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !text.is_empty(),
                _ => true,
            })
        };
        if let Some(other) = self.excludes.as_deref().filter(|other| given(other)) {
            let what = format!("cannot be given together with {other}");
            return Some(("InvalidParameter.Coexist", what));
        }
        let missing = self.needs.as_deref().filter(|other| !given(other));
        missing.map(|other| ("MissingParameter", format!("needs {other}")))
    }

    fn count(&self, value: &Value) -> Broken {
        const CODE: &str = "InvalidParameterValue.LimitExceeded";
        let items = value.as_array()?;
        if let Some(most) = self.items.filter(|most| items.len() > *most) {
            return Some((CODE, format!("takes at most {most} elements")));
        }
        let values = |item: &Value| item["Values"].as_array().map_or(0, Vec::len);
        if let Some(most) = self.values
            && items.iter().any(|item| values(item) > most)
        {
            return Some((CODE, format!("takes at most {most} values a filter")));
        }
        let words =
            |item: &Value, list: &[String]| list.iter().any(|word| item.as_str() == Some(word));
        if let Some(list) = &self.each_of
            && !items.iter().all(|item| words(item, list))
        {
            return Some((
                "InvalidParameterValue",
                format!("takes {}", list.join(", ")),
            ));
        }
        if let Some(list) = &self.names
            && !items.iter().all(|item| words(&item["Name"], list))
        {
            return Some(("InvalidFilter", format!("filters by {}", list.join(", "))));
        }
        if let Some([low, high]) = self.each
            && !items
                .iter()
                .all(|item| number(item).is_some_and(|n| (low..=high).contains(&n)))
        {
            return Some(("InvalidParameterValue", format!("takes {low} to {high}")));
        }
        None
    }

    fn size(&self, value: &Value, beside: &Map<String, Value>) -> Broken {
        const CODE: &str = "InvalidParameterValue";
        if let Some([low, mut high]) = self.range {
            if let Some(by) = &self.range_by {
                let field = by.get("field").and_then(Value::as_str).unwrap_or_default();
                let kind = beside
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                high = by.get(kind).and_then(Value::as_i64).unwrap_or(high);
            }
            if !number(value).is_some_and(|n| (low..=high).contains(&n)) {
                let what = format!("must lie between {low} and {high}");
                return Some(("InvalidParameterValue.Range", what));
            }
        }
        if let Some(only) = &self.only
            && let Some(field) = value
                .as_object()
                .and_then(|fields| fields.keys().find(|name| !only.contains(name)))
        {
            return Some((CODE, format!("does not take {field} here")));
        }
        let text = value.as_str()?;
        if let Some([low, high]) = self.chars
            && !(low..=high).contains(&text.chars().count())
        {
            return Some((CODE, format!("takes {low} to {high} characters")));
        }
        if let Some(most) = self.bytes.filter(|most| text.len() > *most) {
            return Some((CODE, format!("takes at most {most} bytes")));
        }
        None
    }

    fn word(&self, value: &Value) -> Broken {
        const CODE: &str = "InvalidParameterValue";
        let text = value.as_str()?;
        if let Some(more) = &self.letters
            && !text
                .chars()
                .all(|c| c.is_alphanumeric() || more.contains(c))
        {
            return Some((CODE, format!("takes letters, digits and {more} only")));
        }
        let same =
            |word: &String| word == text || (self.any_case && word.eq_ignore_ascii_case(text));
        if let Some(words) = self.one_of.as_ref().filter(|words| !words.iter().any(same)) {
            return Some((CODE, format!("must be one of {}", words.join(", "))));
        }
        if let Some(form) = self.form.as_ref().filter(|form| !has_form(text, form)) {
            return Some((CODE, format!("must be written as {form}")));
        }
        if let Some(start) = self.prefix.as_ref().filter(|p| !text.starts_with(*p)) {
            return Some((CODE, format!("must begin with {start}")));
        }
        let first = self.not_first.as_ref().filter(|p| text.starts_with(*p));
        first.map(|first| (CODE, format!("must not begin with {first}")))
    }
}

/// Whether a text is written in one of the forms of the table.
fn has_form(text: &str, form: &str) -> bool {
    let like = |pattern: &str| {
        text.len() == pattern.len()
            && text.chars().zip(pattern.chars()).all(|(c, p)| {
                if p.is_ascii_alphabetic() {
                    c.is_ascii_digit()
                } else {
                    c == p
                }
            })
    };
    match form {
        "base64" => STANDARD.decode(text).is_ok(),
        "ascii" => text.is_ascii(),
        "iso" => text.parse::<jiff::Timestamp>().is_ok(),
        pattern => like(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(key: &str, request: &Value) -> Option<String> {
        let request = request.as_object().expect("an object");
        let outcome = Constraints::embedded().check(key, request);
        outcome.err().map(|refusal| refusal.code)
    }

    #[test]
    fn each_kind_of_row_refuses_beyond_its_edge_and_not_at_it() {
        let ids = |n: usize| vec!["ins-12345678"; n];
        let coexist = Some("InvalidParameter.Coexist");
        let value = Some("InvalidParameterValue");
        for (key, request, want) in [
            ("cvm:StartInstances", json!({"InstanceIds": ids(100)}), None),
            (
                "cvm:StartInstances",
                json!({"InstanceIds": ids(101)}),
                Some("InvalidParameterValue.LimitExceeded"),
            ),
            (
                "tat:RunCommand",
                json!({"CommandName": "a".repeat(60)}),
                None,
            ),
            ("tat:RunCommand", json!({"CommandName": "检查-1_a.b"}), None),
            (
                "tat:RunCommand",
                json!({"CommandName": "two words"}),
                Some("InvalidParameterValue.InvalidCommandName"),
            ),
            (
                "tat:RunCommand",
                json!({"CommandName": "a".repeat(61)}),
                Some("InvalidParameterValue.InvalidCommandName"),
            ),
            ("tat:RunCommand", json!({"Timeout": 86_400}), None),
            (
                "tat:RunCommand",
                json!({"Timeout": 86_401}),
                Some("InvalidParameterValue.Range"),
            ),
            ("vpc:DescribeVpcs", json!({"Limit": "100"}), None),
            (
                "vpc:DescribeVpcs",
                json!({"Limit": "101"}),
                Some("InvalidParameterValue.Range"),
            ),
            (
                "vpc:DescribeVpcs",
                json!({"VpcIds": ["vpc-1"], "Filters": [{"Name": "vpc-id", "Values": ["x"]}]}),
                coexist,
            ),
            (
                "vpc:AllocateAddresses",
                json!({"InternetMaxBandwidthOut": 101, "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR"}),
                Some("InvalidParameterValue.BandwidthOutOfRange"),
            ),
            (
                "vpc:AllocateAddresses",
                json!({"InternetMaxBandwidthOut": 2000, "InternetChargeType": "BANDWIDTH_PACKAGE"}),
                None,
            ),
            (
                "cvm:RebootInstances",
                json!({"StopType": "SOFT", "ForceReboot": false}),
                Some("InvalidParameterCombination"),
            ),
            ("cvm:StopInstances", json!({"StopType": "soft"}), value),
            (
                "vpc#SecurityGroupPolicy",
                json!({"CidrBlock": "10.0.0.0/8", "Ipv6CidrBlock": "::/0"}),
                coexist,
            ),
            (
                "cvm:DescribeTaskInfo",
                json!({"StartDate": "2026-01-01T00:00:00"}),
                value,
            ),
            (
                "cvm:DescribeTaskInfo",
                json!({"StartDate": "2026-01-01 00:00:00"}),
                None,
            ),
        ] {
            assert_eq!(code(key, &request).as_deref(), want, "{key} {request}");
        }
    }
}
