//! The vendor's own words: its SDK, its signer and its specification.

#![allow(
    clippy::unwrap_used,
    clippy::unused_self,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::needless_pass_by_value
)] // a test may stop where it fails, and takes JSON as it is written

#[path = "../support/mod.rs"]
mod support;

mod api_spec;
mod sdk_contract;
mod sdk_signature;
