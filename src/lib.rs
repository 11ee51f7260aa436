//! cvmtop finds out why nobody can log in to a Tencent Cloud CVM instance, fixes it, and proves it.
//!
//! The rooms, from the inside out; an arrow only ever points inward (`tests/pure/architecture.rs`):
//!
//! * [`domain`]: plain types of the field.
//! * [`cloud`]: API 3.0 client; facts of the cloud as readings.
//! * [`probe`]: real TCP, ICMP, SSH and RDP handshakes; outcomes as readings.
//! * [`diagnosis`]: weighs readings into probabilities of causes, explains and ranks (pure).
//! * [`guest`]: read-only checks inside the guest and the reading of their answers (pure).
//! * [`kit`]: the script for the failing user's machine, and its answer as readings (pure).
//! * [`client_text`]: what login programs print, recognised (pure).
//! * [`guide`]: known-issue guides, matching and rendering (pure).
//! * [`action`]: plans, gate and undo of everything that changes the world (pure).
//! * [`check`]: the vendor's self-diagnosis as a list: items, thresholds, verdicts (pure).
//! * [`case`]: from readings to a report, for console and command line alike (pure).
//! * [`store`]: journal and history on disk.
//! * [`config`]: settings from flags, environment and file.
//! * [`app`]: state, messages, commands and effects of the console (pure).
//! * [`input`]: chords and keymap. [`view`]: state to cells. [`terminal`]: the tty itself.
//! * [`runtime`]: carries out effects; the one place where rooms meet.
//! * [`demo`]: an embedded cloud and the hosts behind it.
//! * [`cli`]: commands, reports and exit statuses.
#![forbid(unsafe_code)]

pub mod action;
pub mod app;
pub mod case;
pub mod check;
pub mod cli;
pub mod client_text;
pub mod cloud;
pub mod config;
pub mod demo;
pub mod diagnosis;
pub mod domain;
pub mod guest;
pub mod guide;
pub mod input;
pub mod kit;
pub mod probe;
pub mod runtime;
pub mod store;
pub mod terminal;
pub mod view;
