//! Carries out effects; the one place where rooms meet.
