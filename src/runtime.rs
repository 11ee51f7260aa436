//! Carries out effects; the one place where rooms meet.

pub mod execute;
