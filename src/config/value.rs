//! A value as written, before it is known what it should be, and the readings of it.
//!
//! Must not live here: which key takes which kind (`keys`).

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A value from a flag, a variable or the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Raw>),
    /// Something no key takes (a date, a float, a table); the word names it.
    Other(&'static str),
}

impl Raw {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }

    pub fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Self::Text(_) => Err("is empty; write a text or remove the line".to_owned()),
            other => Err(format!("must be a text in quotes, not {}", other.kind())),
        }
    }

    pub fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Bool(value) => Ok(*value),
            other => Err(format!("must be true or false, not {}", other.kind())),
        }
    }

    pub fn integer(&self, least: i64, most: i64) -> Result<i64, String> {
        match self {
            Self::Integer(value) if (least..=most).contains(value) => Ok(*value),
            Self::Integer(value) => Err(format!("is {value}; it must be from {least} to {most}")),
            other => Err(format!(
                "must be a number from {least} to {most}, not {}",
                other.kind()
            )),
        }
    }

    /// `"500ms"`, `"30s"`, `"2m"`, or a number of seconds.
    pub fn duration(&self, least: Duration, most: Duration) -> Result<Duration, String> {
        let value = match self {
            Self::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Self::Text(text) => duration(text),
            other => {
                return Err(format!(
                    "must be a time such as \"30s\", not {}",
                    other.kind()
                ));
            }
        };
        match value {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            Some(_) => Err(format!(
                "must be from {} to {}",
                show_duration(least),
                show_duration(most)
            )),
            None => Err("must be a time such as \"500ms\", \"30s\" or \"2m\"".to_owned()),
        }
    }

    pub fn address(&self) -> Result<IpAddr, String> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| format!("`{text}` is not an IPv4 or IPv6 address"))
    }

    /// A path; `~/` stands for the home directory.
    pub fn path(&self, home: Option<&PathBuf>) -> Result<PathBuf, String> {
        let text = self.text()?;
        Ok(match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        })
    }

    /// A list of texts; one text stands for a list of one.
    pub fn texts(&self) -> Result<Vec<String>, String> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            Self::Text(_) => Ok(vec![self.text()?]),
            other => Err(format!("must be a list of texts, not {}", other.kind())),
        }
    }

    pub fn ports(&self) -> Result<Vec<u16>, String> {
        let port = |raw: &Self| raw.integer(1, 65535).map(|port| port as u16);
        match self {
            Self::List(items) if items.is_empty() => Err("must name at least one port".to_owned()),
            Self::List(items) => items.iter().map(port).collect(),
            Self::Integer(_) => Ok(vec![port(self)?]),
            other => Err(format!("must be a list of ports, not {}", other.kind())),
        }
    }
}

/// `500ms`, `30s`, `2m`, `1h`; a bare number means seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim_end().parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The shortest text that [`duration`] reads back.
pub fn show_duration(value: Duration) -> String {
    let ms = value.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}
