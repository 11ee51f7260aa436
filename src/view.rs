//! State to cells: layout, themes, glyphs, panes and overlays.
//!
//! Reads the state and fills a buffer; returns where things are. Must not live here: changing
//! the state, reading the terminal, time.

pub mod frame;
pub mod glyphs;
pub mod layout;
pub mod mask;
pub mod overlays;
pub mod panes;
pub mod said;
pub mod text;
pub mod theme;
pub mod widgets;
