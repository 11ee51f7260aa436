//! Writes each exchange as one JSON line, for contract tests.
//!
//! Lives here: the file. Must not live here: secrets; headers are not recorded and passwords are masked.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::Answer;
use crate::demo::{DemoError, lock};

/// Where exchanges go, if anywhere.
#[derive(Debug, Default)]
pub(in crate::demo) struct Recorder(Option<Mutex<File>>);

impl Recorder {
    /// Appends to `path`; without one nothing is recorded.
    pub fn open(path: Option<&Path>) -> Result<Self, DemoError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| DemoError::Record {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self(Some(Mutex::new(file))))
    }

    pub(super) fn write(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &Map<String, Value>,
        answer: &Answer,
    ) {
        let Some(file) = &self.0 else { return };
        let mut parameters = parameters.clone();
        if let Some(password) = parameters.get_mut("Password") {
            *password = json!("********");
        }
        let outcome = match answer {
            Ok(response) => json!({"response": response}),
            Err(refusal) => json!({"error": {"code": refusal.code, "message": refusal.message}}),
        };
        let line = json!({
            "service": service, "version": version, "action": action,
            "request": parameters, "outcome": outcome,
        });
        if let Err(error) = writeln!(lock(file), "{line}") {
            tracing::warn!(%error, "the demo cloud cannot record an exchange");
        }
    }
}
