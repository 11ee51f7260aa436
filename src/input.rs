//! Chords and the keymap: what a key press means.
//!
//! Lives here: parsing and printing of chords, layering of default and user bindings.
//! Must not live here: reading keys from a terminal (`terminal`), what a command does (`app`).

pub mod chord;
pub mod keymap;
pub mod said;
