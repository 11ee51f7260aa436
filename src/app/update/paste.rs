//! What is recognised in the text that the user's client printed.
//!
//! Must not live here: the table of known messages (`guide::error_text`).

use crate::domain::evidence::Reading;
use crate::guide::error_text;

/// The findings of a pasted text as readings; nothing for an empty text.
pub fn recognised(text: &str) -> Vec<Reading> {
    error_text::readings(text)
        .into_iter()
        .filter(|reading| reading.state.as_deref() != Some("unrecognised"))
        .collect()
}
