//! Writing results to standard output, and what there is to say to standard error.
//!
//! Must not live here: what is written.

use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;

use secrecy::ExposeSecret;

use super::page::{Page, Tone};
use super::said as own;
use crate::action::handed::Handed;
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

/// Whether the settings ask for no colour.
static PLAIN: OnceLock<bool> = OnceLock::new();

/// Sets whether what is printed for a person goes without colours; the first caller decides.
pub fn colour(no_color: bool) {
    let _ = PLAIN.set(no_color);
}

/// True where the settings ask for no colour.
pub fn is_plain() -> bool {
    PLAIN.get().copied().unwrap_or_default()
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
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(written.map_err(Unwritten)?)
}

/// Results could not be written to standard output.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unwritten(pub io::Error);

/// Writes what came of something that was done, and gives the status that it ended with: what cannot
/// be written changes nothing about it. The secrets in the text are handed over another way then.
pub fn print_done<'h>(text: &str, status: u8, handed: impl IntoIterator<Item = &'h Handed>) -> u8 {
    if let Err(error) = print(text) {
        if !is_broken_pipe(&error) {
            warn(&own::done_unwritten(error));
        }
        hand_over(handed);
    }
    status
}

/// Shows secrets on standard error, or where that cannot be written, on the terminal: they are kept
/// nowhere, so this is the only time.
pub fn hand_over<'h>(handed: impl IntoIterator<Item = &'h Handed>) {
    for one in handed {
        let line = own::handed(&one.what, one.value.expose_secret());
        let line = format!("{}\n", said(&line));
        if io::stderr().lock().write_all(line.as_bytes()).is_err() {
            let terminal = std::fs::OpenOptions::new().write(true).open("/dev/tty");
            // Without any place to write to, only a new action helps.
            let _ = terminal.and_then(|mut terminal| terminal.write_all(line.as_bytes()));
        }
    }
}

/// Says a sentence on standard error, in the language of the run. What is said may quote a file, an
/// argument or an answer, so it is made harmless first.
pub fn warn(text: &Said) {
    let text = sanitise_block(&said(text), MAX_WARNING);
    let text = filled(format!("cvmtop: {}", text.trim_end()));
    // Nobody can be told that nobody can be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes what is shown meanwhile to standard error, as it stands.
pub fn progress(text: &str) {
    // Nobody can be told that nobody can be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Says a line of progress on standard error.
pub fn note(text: &Said) {
    let text = filled(said(text));
    // Nobody can be told that nobody can be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A line as it is written to standard error: filled to the width of a terminal, else whole, so that
/// a log holds one sentence a line.
fn filled(text: String) -> String {
    const HANG: usize = 2;
    if !io::stderr().is_terminal() {
        return text + "\n";
    }
    let mut page = Page::stderr();
    for line in text.lines() {
        page.inset(line, HANG, Tone::Plain);
    }
    page.take()
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
    if let Some(Unwritten(why)) = error.downcast_ref::<Unwritten>() {
        return own::unwritten(why);
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
        .downcast_ref::<Unwritten>()
        .is_some_and(|Unwritten(e)| e.kind() == io::ErrorKind::BrokenPipe)
}
