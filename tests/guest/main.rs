//! Real guests: kernels, service managers, firewalls, users and repairs in rooms of their own.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

// The longest by far: tests begin in the order of their names.
#[cfg(target_os = "linux")]
mod cures;
mod guest_firewall_kernel;
mod guest_linux;
mod guest_repair;
mod guest_repair_firewall;
mod guest_repair_live;
mod guest_repair_system;
#[cfg(target_os = "linux")]
mod lab;
mod repairs_access;
