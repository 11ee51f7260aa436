//! Writing results to standard output, and what there is to say to standard error.
//!
//! Must not live here: what is written.

use std::io::{self, Write};
use std::sync::OnceLock;

use crate::app::locale::{Lang, Texts};
use crate::domain::text::sanitise_block;

/// Longest message, in characters.
const MAX_WARNING: usize = 4_000;

/// The language of this run, once the settings are read.
static LANG: OnceLock<Lang> = OnceLock::new();

/// Sets the language of what is printed for a person; the first caller decides.
pub fn speak(lang: Lang) {
    let _ = LANG.set(lang);
}

/// The catalogue of the language of this run.
pub fn texts() -> &'static Texts {
    Texts::of(LANG.get().copied().unwrap_or_default())
}

/// A sentence of another room in the language of this run, as far as the phrase book has it.
pub fn say(english: &str) -> String {
    texts().say(english).into_owned()
}

/// Writes `text` to standard output at once; a closed pipe comes back as an error that
/// [`is_broken_pipe`] recognises.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says something on standard error. What is said may quote a file, an argument or an answer, so
/// it is made harmless first; in the language of the run, as far as the phrase book has it.
pub fn warn(text: impl std::fmt::Display) {
    let text = sanitise_block(&say(&text.to_string()), MAX_WARNING);
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "cvmtop: {}", text.trim_end());
}

/// True when the reader of our output has gone, which is not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
