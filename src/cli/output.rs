//! Writing results to standard output, and what there is to say to standard error.
//!
//! Must not live here: what is written.

use std::io::{self, Write};
use std::sync::OnceLock;

use crate::app::locale::{Lang, Texts};
use crate::cloud::CloudError;
use crate::config::ConfigError;
use crate::diagnosis::KnowledgeError;
use crate::domain::said::Said;
use crate::domain::text::sanitise_block;
use crate::runtime::execute::ExecuteError;
use crate::runtime::session::SessionError;
use crate::runtime::targets::TargetError;
use crate::store::StoreError;
use crate::terminal::TerminalError;

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

/// A sentence in the language of this run.
pub fn said(said: &Said) -> String {
    texts().said(said)
}

/// Writes `text` to standard output at once; a closed pipe comes back as an error that
/// [`is_broken_pipe`] recognises.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says a sentence on standard error, in the language of the run. What is said may quote a file, an
/// argument or an answer, so it is made harmless first.
pub fn warn(text: &Said) {
    let text = sanitise_block(&said(text), MAX_WARNING);
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "cvmtop: {}", text.trim_end());
}

/// Says a line of progress on standard error.
pub fn note(text: &Said) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{}", said(text));
}

/// An error that is one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub Said);

impl From<Said> for Fault {
    fn from(why: Said) -> Self {
        Self(why)
    }
}

/// The sentence of an error; the system's own words where it has none of ours.
pub fn sentence(error: &anyhow::Error) -> Said {
    macro_rules! ours {
        ($($kind:ty),+) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return error.said();
            })+
        };
    }
    if let Some(Fault(why)) = error.downcast_ref::<Fault>() {
        return why.clone();
    }
    ours!(
        SessionError,
        TargetError,
        ExecuteError,
        StoreError,
        CloudError,
        ConfigError,
        KnowledgeError,
        TerminalError
    );
    Said::raw(format!("{error:#}"))
}

/// True when the reader of our output has gone, which is not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
