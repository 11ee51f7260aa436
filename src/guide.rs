//! Known-issue guides: library, matcher, reader model, and the recogniser of pasted client errors.
//!
//! Lives here: what is known about messages and repairs, as data and pure functions over it.
//! Must not live here: files, clock, network, screen; user guides come in as texts.

pub mod checklist;
mod concepts;
pub mod error_text;
pub mod library;
pub mod markdown;
pub mod matcher;
mod squash;
mod words;

pub use library::{Guide, Lang, Library, library};
pub use matcher::{MatchInput, match_guides, search};
