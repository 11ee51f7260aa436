//! Takes the terminal over and gives it back, whatever happens in between.
//!
//! Must not live here: frames (`terminal::screen`, `terminal::writer`).

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use rustix::fs::OFlags;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{QueueSelector, tcflush};

use super::TerminalError;

/// Alternate screen, bracketed paste, hidden cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// Ends whatever sequence was cut short (CAN) and undoes all of the above.
const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[?1049l\x1b[?25h";

/// Set while the terminal is ours; the panic hook and the guard restore it once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Session {
    mouse: bool,
}

impl Session {
    /// Takes the terminal over. A panic on this thread gives it back before it is reported;
    /// a panic of a background task is left to whoever joins it.
    pub fn enter(mouse: bool) -> Result<Self, TerminalError> {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return Err(TerminalError::NotATerminal);
        }
        install_panic_hook(std::thread::current().id());
        let session = Self { mouse };
        session.resume()?;
        Ok(session)
    }

    /// Takes the terminal over again after [`Session::suspend`] or a SIGCONT.
    pub fn resume(&self) -> Result<(), TerminalError> {
        let setup = |what| move |source| TerminalError::Setup { what, source };
        // After a stop from outside the shell has set its own mode, which is not known here.
        let _ = crossterm::terminal::disable_raw_mode();
        crossterm::terminal::enable_raw_mode().map_err(setup("raw mode"))?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = stdout().lock();
        out.write_all(ENTER)
            .and_then(|()| {
                if self.mouse {
                    out.write_all(MOUSE_ON)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| out.flush())
            .map_err(setup("alternate screen"))
    }

    /// The bytes that switch the mouse on or off.
    pub fn set_mouse(&mut self, on: bool) -> &'static [u8] {
        self.mouse = on;
        if on { MOUSE_ON } else { MOUSE_OFF }
    }

    /// Gives the terminal back until [`Session::resume`], for a program that is started on it.
    #[allow(clippy::unused_self, reason = "whoever gives it back holds it")]
    pub fn hand_over(&self) {
        restore();
    }

    /// Gives the terminal back and stops the process, as Ctrl-Z does; returns when resumed.
    pub fn suspend(&self) -> Result<(), TerminalError> {
        restore();
        kill_process(getpid(), Signal::TSTP).map_err(|error| TerminalError::Setup {
            what: "suspend",
            source: error.into(),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore();
    }
}

fn install_panic_hook(console: ThreadId) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == console {
            restore();
            default(info);
        } else if !TAKEN.load(Ordering::SeqCst) {
            default(info);
        }
    }));
}

/// Gives the terminal back, once. Never blocks: on a stalled link what is still queued is
/// dropped, and the sequence goes out as far as it can.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = leave();
}

fn leave() -> io::Result<()> {
    // An open file of our own, so that not to block is not forced on the shell's.
    let mut tty = OpenOptions::new()
        .write(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open("/dev/tty")
        .or_else(|_| {
            OpenOptions::new()
                .write(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open("/proc/self/fd/1")
        })?;
    if let Err(error) = tty.write_all(LEAVE) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error);
        }
        tcflush(&tty, QueueSelector::OFlush)?;
        tty.write_all(LEAVE)?;
    }
    Ok(())
}
