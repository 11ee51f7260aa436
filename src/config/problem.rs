//! Something about the settings that the operator should know.
//!
//! Must not live here: finding it (`layers`, `hosts`).

use std::fmt;

use super::said;
use crate::domain::said::Said;

/// How bad a problem is: a warning leaves nothing out that was meant; an error does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Error,
}

/// Something about the settings that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// `file:line`, or the variable or flag.
    pub place: String,
    pub key: String,
    pub message: Said,
}

impl Problem {
    /// Where, which key, and what is wrong with it.
    pub fn said(&self) -> Said {
        if self.key.is_empty() {
            said::problem_at(&self.place, &self.message)
        } else {
            said::problem(&self.place, &self.key, &self.message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}
