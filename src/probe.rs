//! Real TCP, ICMP, SSH and RDP handshakes; typed outcomes turned into readings.
//!
//! Lives here: everything that is observed of an instance from outside, within a budget of time,
//! bytes and connections. Must not live here: what a reading means for a cause.

pub mod algorithms;
pub mod arrival;
pub mod budget;
pub mod check;
pub mod engine;
pub mod foreign;
pub mod fusion;
pub mod icmp;
pub mod login;
pub mod mtu;
pub mod openssh;
pub mod outcome;
pub mod plan;
pub mod quality;
pub mod rdp;
pub mod rdp_exchange;
pub mod said;
pub mod shared;
pub mod ssh;
pub mod ssh_exchange;
pub mod surroundings;
pub mod sweep;
pub mod tcp;
pub mod tls;
pub mod tls_hello;
pub mod transcript;

pub use check::{LoginCheck, LoginHealth, login_check};
pub use engine::{run, run_with};
pub use plan::{
    Arriving, Called, Consent, Control, Depth, Known, ProbeOptions, ProbePlan, ProbeTarget,
    Protocol,
};
pub use sweep::{SweepOptions, SweepResult, SweepSummary, SweepTarget, sweep};
