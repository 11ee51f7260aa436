//! The console as data: state, messages, commands and effects.
//!
//! Everything here is pure: no terminal, no network, no clock. `update` is the only way the
//! state changes, and what should happen in the world leaves as `Effect` values.

pub mod any_action;
pub mod batch;
pub mod case;
pub mod checkup;
pub mod command;
pub mod effect;
pub mod facts;
pub mod filter;
pub mod fleet;
pub mod geometry;
pub mod guide_text;
pub mod health;
pub mod jobs;
pub mod keys;
pub mod line_edit;
pub mod locale;
pub mod message;
pub mod missing;
pub mod notices;
pub mod overlay;
pub mod port_view;
pub mod reading;
pub mod rhythm;
pub mod state;
pub mod timed;
pub mod track;
pub mod trail;
pub mod typed;
pub mod update;
pub mod weighing;
pub mod why_not;

use crate::domain::report::{CauseProbability, Report};

/// Share below which a cause is folded into "others": figures are told in steps of 5 %.
const WORTH_SHOWING: f64 = 0.05;
/// Most causes that get a row of their own.
const CAUSES_SHOWN: usize = 7;

/// The causes that get a row; the cursor of the diagnosis pane moves over them.
pub fn causes_shown(report: &Report) -> &[CauseProbability] {
    let n = report
        .causes
        .iter()
        .take(CAUSES_SHOWN)
        .take_while(|cause| cause.probability >= WORTH_SHOWING)
        .count()
        .max(1.min(report.causes.len()));
    &report.causes[..n]
}
