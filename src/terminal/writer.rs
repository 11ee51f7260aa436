//! Writes frames from a thread with room for one frame.
//!
//! While the terminal has not taken the last frame no other is accepted, so a stalled link
//! costs frames and never keys. Must not live here: what is in a frame.

use std::io::{Write, stdout};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The terminal has taken it: so much, in that time.
    Done { bytes: usize, took: Duration },
    /// The terminal is gone.
    Lost,
}

/// The writing thread.
#[derive(Debug)]
pub struct Writer {
    frames: SyncSender<Vec<u8>>,
    done: mpsc::Receiver<Written>,
    in_flight: usize,
}

impl Writer {
    /// Starts the thread. It ends with the writer, or with the process when the link is stalled.
    pub fn start() -> std::io::Result<Self> {
        let (frames, queue) = sync_channel::<Vec<u8>>(1);
        let (told, done) = mpsc::channel(4);
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                while let Ok(frame) = queue.recv() {
                    // One write(2) for one frame: stdout's line buffer would cut it up.
                    let began = Instant::now();
                    let result = write_whole(&frame);
                    let outcome = if result.is_ok() {
                        Written::Done {
                            bytes: frame.len(),
                            took: began.elapsed(),
                        }
                    } else {
                        Written::Lost
                    };
                    if told.blocking_send(outcome).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            frames,
            done,
            in_flight: 0,
        })
    }

    /// True when a frame would be written at once.
    pub fn is_free(&self) -> bool {
        self.in_flight == 0
    }

    /// Hands a frame over. False when the slot is taken.
    pub fn write(&mut self, frame: Vec<u8>) -> bool {
        match self.frames.try_send(frame) {
            Ok(()) => {
                self.in_flight += 1;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Waits until the terminal has taken a frame.
    pub async fn written(&mut self) -> Written {
        let outcome = self.done.recv().await.unwrap_or(Written::Lost);
        self.in_flight = self.in_flight.saturating_sub(1);
        outcome
    }
}

fn write_whole(frame: &[u8]) -> std::io::Result<()> {
    let out = stdout();
    let mut rest = frame;
    while !rest.is_empty() {
        match rustix::io::write(&out, rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(n) => rest = &rest[n..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody may have made the shared open file non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let _ = out.lock().flush();
    Ok(())
}
