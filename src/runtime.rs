//! Carries out effects; the one place where rooms meet.
//!
//! Lives here: sessions, triage, execution of approved plans, the console's loop.
//! Must not live here: rules that could be pure.

pub mod backend;
pub mod check;
pub mod clock;
pub mod console;
pub mod deed;
pub mod diagnose;
pub mod event_loop;
pub mod execute;
pub mod executor;
pub mod neighbours;
pub mod own_guides;
pub mod past;
pub mod ports;
pub mod prepared;
pub mod providers;
pub mod reload;
pub mod said;
pub mod session;
pub mod shared;
pub mod targets;
pub mod ticket;
pub mod triage;
pub mod vantage;
pub mod visit;
