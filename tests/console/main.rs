//! The console: its state, its pictures, and the real program in a pseudo-terminal.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actions_console;
mod app_update;
#[cfg(target_os = "linux")]
mod chair;
mod facts;
#[cfg(target_os = "linux")]
mod faults_console;
#[cfg(target_os = "linux")]
mod fleet_causes;
mod guide_reader;
mod kit;
mod languages;
mod list_keys;
mod neighbours;
mod one_road;
mod overlays;
#[cfg(target_os = "linux")]
mod ports;
mod screenshots;
#[cfg(target_os = "linux")]
mod shared_store;
#[cfg(target_os = "linux")]
mod slow_link;
#[cfg(target_os = "linux")]
mod terminal;
mod ui;
