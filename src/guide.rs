//! Known-issue guides: library, matcher, reader model.
//!
//! Lives here: what is known about repairs, as data and pure functions over it.
//! Must not live here: files, clock, network, screen; user guides come in as texts.

pub mod checklist;
mod concepts;
pub mod library;
pub mod markdown;
pub mod matcher;
pub mod said;
mod words;

pub use library::{Guide, Lang, Library, library};
pub use matcher::{MatchInput, match_guides, search};
