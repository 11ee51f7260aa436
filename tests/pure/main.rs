//! Values in, values out: nothing here opens a socket or starts a program.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

mod actions_agree;
mod architecture;
mod client_texts;
mod diagnosis_pitfalls;
mod diagnosis_properties;
mod diagnosis_shapes;
mod error_text;
mod evidence_states;
mod fuzz;
mod guest_powershell;
mod guest_shapes;
mod guide_match;
mod guides;
mod kit;
mod neighbours;
mod providers;
mod recipes;
mod scenario_dump;
mod scenario_suite;
mod scores;
mod self_check;
mod source_archive;
mod statements;
mod thresholds;
