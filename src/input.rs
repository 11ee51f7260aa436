//! Chords and keymap.
