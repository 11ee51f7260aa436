//! The real program, and the library, against the demo cloud.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

mod actions;
mod actions_each;
mod actions_network;
#[cfg(target_os = "linux")]
mod adversary_journal;
mod adversary_read_only;
#[cfg(target_os = "linux")]
mod adversary_secrets;
mod bad_input;
mod cli_guide;
mod cloud;
mod demo_causes;
mod demo_guest;
mod demo_heals;
mod demo_hosts;
mod demo_walks;
mod diagnose_deep;
mod diagnose_memory;
mod diagnose_text;
mod doctor;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod faults_state;
mod heal;
mod manual;
mod neighbours;
mod offers;
mod offers_back;
mod operator_ssh;
mod overview;
mod ports;
mod providers;
mod replay;
mod self_check;
#[cfg(target_os = "linux")]
mod shared_learned;
mod shared_store;
mod upgrade;
