//! Writing results to standard output, and what there is to say to standard error.
//!
//! Must not live here: what is written.

use std::io::{self, Write};

use crate::domain::text::sanitise_block;

/// Longest message, in characters.
const MAX_WARNING: usize = 4_000;

/// Writes `text` to standard output at once; a closed pipe comes back as an error that
/// [`is_broken_pipe`] recognises.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says something on standard error. What is said may quote a file, an argument or an answer, so
/// it is made harmless first.
pub fn warn(text: impl std::fmt::Display) {
    let text = sanitise_block(&text.to_string(), MAX_WARNING);
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "cvmtop: {}", text.trim_end());
}

/// True when the reader of our output has gone, which is not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
