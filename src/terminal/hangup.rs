//! Notices that the terminal is gone, even when nobody sends a signal.
//!
//! The event reader spins on a dead terminal, so the console must end by itself: a thread sleeps
//! in poll(2) until the kernel reports HUP, ERR or NVAL. No wake-ups while the terminal lives.
//! The reader can win the race and spin inside the loop's own task; then this thread ends the
//! process, for a console without a terminal must not stay behind on a shared machine.

use std::io::stdin;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// How long the loop may take to end by itself once the terminal is gone.
const GRACE: Duration = Duration::from_secs(1);
/// Status of a process that a hang-up ended (128 + SIGHUP).
const EXIT_HANGUP: i32 = 129;

/// Resolves when the terminal on standard input is gone.
pub fn watch() -> oneshot::Receiver<()> {
    let (gone, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("hangup".into());
    // Without the watcher, SIGHUP still ends the console.
    let _ = thread.spawn(move || {
        let input = stdin();
        loop {
            let mut watched = [PollFd::new(&input, PollFlags::empty())];
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
                Ok(_) => {
                    let ended = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
                    if watched[0].revents().intersects(ended) {
                        break;
                    }
                }
            }
        }
        let _ = gone.send(());
        // Nothing is lost: what is under way is in the journal, and the next start settles it.
        std::thread::sleep(GRACE);
        std::process::exit(EXIT_HANGUP);
    });
    told
}

/// Whether the terminal is already gone.
pub fn is_gone() -> bool {
    let input = stdin();
    let fd = input.as_fd();
    let mut watched = [PollFd::new(&fd, PollFlags::empty())];
    let none = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut watched, Some(&none)).is_ok_and(|_| {
        watched[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
    })
}
