//! How files of the journal are opened: whose they may be, and locks that wait for a short time.
//!
//! Must not live here: what the lines say (`record`, `entry`).

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::domain::text::sanitise;
use crate::store::StoreError;

/// How long a lock is waited for: longer than any line takes to write, shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// Refuses a file that somebody else could have written: what a journal says is acted upon at the
/// next start. Only a directory that was declared shared may hold another operator's lines.
pub(super) fn trusted(file: &File, path: &Path, shared: bool) -> Result<(), StoreError> {
    let metadata = file.metadata().map_err(|source| StoreError::Read {
        path: path.to_owned(),
        source,
    })?;
    let own = rustix::process::geteuid().as_raw();
    let writable = metadata.mode()
        & if shared {
            ALL_WRITE
        } else {
            GROUP_WRITES | ALL_WRITE
        }
        != 0;
    let foreign = !shared && metadata.uid() != own;
    // A device in the place of a journal is told by what it does.
    if metadata.is_file() && (writable || foreign) {
        return Err(StoreError::Untrusted {
            path: path.to_owned(),
            owner: metadata.uid(),
            mode: metadata.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Length of the file, and whether somebody may be writing its last line. Nobody is waited for.
pub(super) fn length(file: &File) -> std::io::Result<(u64, bool)> {
    let written = file.try_lock_shared().is_err();
    let length = file.metadata()?.len();
    if !written {
        // Only what is there now is read; who writes more need not wait for that.
        file.unlock()?;
    }
    Ok((length, written))
}

/// Locks the file for this program alone, or says who has it.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    path: path.to_owned(),
                    holder: holder(file),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Write {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
}

/// Name and process id of whoever holds a lock on the file, as far as the kernel tells; else empty.
fn holder(file: &File) -> String {
    let Ok(inode) = file.metadata().map(|metadata| metadata.ino().to_string()) else {
        return String::new();
    };
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let of_file = |line: &str| {
        let mut words = line.split_whitespace().skip(4);
        let process = words.next()?.to_owned();
        let held = words.next()?.rsplit(':').next()? == inode;
        (held && !line.contains("->")).then_some(process)
    };
    let Some(process) = locks.lines().find_map(of_file) else {
        return String::new();
    };
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    sanitise(format!("{} {process}", name.trim()).trim(), 60)
}
