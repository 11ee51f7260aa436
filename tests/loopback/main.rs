//! Probes and diagnoses against real servers on loopback and in network namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

mod act_real;
mod diagnose_real;
mod independent;
mod kit;
mod neighbour;
mod netns_loss;
mod netns_reach;
mod patience;
mod probe_faults;
mod probe_peers;
mod probe_real;
mod probe_sweep;
mod times;
