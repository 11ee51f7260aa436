#![no_main]
#![allow(dead_code)]

#[path = "../judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| judge::ssh_packet(bytes));
