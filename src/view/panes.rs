//! The three panes.
//!
//! Must not live here: what lies over them (`view::overlays`).

pub mod actions;
pub mod causes;
pub mod columns;
pub mod diagnosis;
pub mod facts;
pub mod history;
pub mod instances;
pub mod matrix;
pub mod welcome;
