//! Small drawings that several panes share.
//!
//! Must not live here: anything that knows about instances, causes or actions.

pub mod paint;
pub mod probability_bar;
pub mod sparkline;
