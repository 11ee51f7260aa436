//! What has to be there before anything can be listed, and is not.
//!
//! Must not live here: looking for it (`cloud::credentials`), the screen that says so (`view`).

use crate::domain::said::Said;

/// Why there is no cloud to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// No credentials were found; where they were looked for.
    Credentials { looked_for: Vec<Said> },
    /// Credentials were found, but no region to look in.
    Region,
}
