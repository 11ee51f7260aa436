//! A value as written, before it is known what it should be, and the readings of it.
//!
//! Must not live here: which key takes which kind (`keys`).

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::Kind as KeyKind;
use super::said;
use crate::domain::said::Said;

/// A value from a flag, a variable or the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Raw>),
    /// Something no key takes.
    Other(Kind),
}

/// Kinds that no key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TooLarge,
    Float,
    Date,
    Table,
}

impl Kind {
    fn said(self) -> Said {
        match self {
            Self::TooLarge => said::too_large(),
            Self::Float => said::a_float(),
            Self::Date => said::a_date(),
            Self::Table => said::a_table(),
        }
    }
}

impl Raw {
    /// What it is, for messages.
    pub fn kind(&self) -> Said {
        match self {
            Self::Text(_) => said::a_text(),
            Self::Integer(_) => said::a_number(),
            Self::Bool(_) => said::true_or_false(),
            Self::List(_) => said::a_list(),
            Self::Other(kind) => kind.said(),
        }
    }

    pub fn text(&self) -> Result<String, Said> {
        match self {
            Self::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Self::Text(_) => Err(said::empty()),
            other => Err(said::no_text(other.kind())),
        }
    }

    pub fn boolean(&self) -> Result<bool, Said> {
        match self {
            Self::Bool(value) => Ok(*value),
            other => Err(said::no_boolean(other.kind())),
        }
    }

    pub fn integer(&self, least: i64, most: i64) -> Result<i64, Said> {
        match self {
            Self::Integer(value) if (least..=most).contains(value) => Ok(*value),
            Self::Integer(value) => Err(said::out_of_range(*value, least, most)),
            other => Err(said::no_number(least, most, other.kind())),
        }
    }

    /// `"500ms"`, `"30s"`, `"2m"`, or a number of seconds.
    pub fn duration(&self, least: Duration, most: Duration) -> Result<Duration, Said> {
        let value = match self {
            Self::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Self::Text(text) => duration(text),
            other => {
                return Err(said::no_time(other.kind()));
            }
        };
        match value {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            Some(_) => Err(said::time_out_of_range(
                show_duration(least),
                show_duration(most),
            )),
            None => Err(said::not_a_time()),
        }
    }

    pub fn address(&self) -> Result<IpAddr, Said> {
        let text = self.text()?;
        text.parse().map_err(|_| said::no_address(&text))
    }

    /// A path; `~/` stands for the home directory.
    pub fn path(&self, home: Option<&PathBuf>) -> Result<PathBuf, Said> {
        let text = self.text()?;
        Ok(match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        })
    }

    /// A list of texts; one text stands for a list of one.
    pub fn texts(&self) -> Result<Vec<String>, Said> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            Self::Text(_) => Ok(vec![self.text()?]),
            other => Err(said::no_texts(other.kind())),
        }
    }

    pub fn ports(&self) -> Result<Vec<u16>, Said> {
        let port = |raw: &Self| raw.integer(1, 65535).map(|port| port as u16);
        match self {
            Self::List(items) if items.is_empty() => Err(said::no_port()),
            Self::List(items) => items.iter().map(port).collect(),
            Self::Integer(_) => Ok(vec![port(self)?]),
            other => Err(said::no_ports(other.kind())),
        }
    }
}

/// Reads a variable's text the way its kind is written in the file.
pub fn from_text(kind: KeyKind, text: &str) -> Raw {
    let word = text.trim();
    let list = |item: fn(&str) -> Raw| {
        Raw::List(
            word.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(item)
                .collect(),
        )
    };
    match kind {
        KeyKind::Bool => match word.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Raw::Bool(true),
            "0" | "false" | "no" | "off" => Raw::Bool(false),
            _ => Raw::Text(word.to_owned()),
        },
        KeyKind::Integer => number(word),
        KeyKind::Texts => list(|part| Raw::Text(part.to_owned())),
        KeyKind::Ports => list(number),
        KeyKind::Text | KeyKind::Choice(_) => Raw::Text(word.to_owned()),
    }
}

fn number(text: &str) -> Raw {
    text.parse()
        .map_or_else(|_| Raw::Text(text.to_owned()), Raw::Integer)
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
