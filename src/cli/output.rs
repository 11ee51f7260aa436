//! Writing results to standard output.
//!
//! Must not live here: what is written.

use std::io::{self, Write};

/// Writes `text` to standard output at once; a closed pipe comes back as an error that
/// [`is_broken_pipe`] recognises.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// True when the reader of our output has gone, which is not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
