//! What is said when the program itself fails: one sentence, never the compiler's own words.
//!
//! Must not live here: errors that are expected (`output::sentence`).

use std::panic::PanicHookInfo;
use std::sync::mpsc;

use super::{output, said};

/// Threads that the smallest run needs beside the first one: two workers, and two that wait for
/// files and names.
const THREADS: usize = 4;

/// Makes every panic one sentence. Others lay their own duties over it (log, terminal).
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        output::warn(&said::own_fault(message(info), place(info)));
    }));
}

/// Where in the source it happened.
pub(super) fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(String::new, |at| {
        format!("{}:{}", short(at.file()), at.line())
    })
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let line = text.unwrap_or_default().lines().next().unwrap_or_default();
    line.to_owned()
}

/// A source file without the folders of the machine that built it.
fn short(file: &str) -> &str {
    match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, file)| file),
        None if file.starts_with('/') => file.rsplit('/').next().unwrap_or(file),
        None => file,
    }
}

/// Whether this machine lets us have the threads that a run needs. Asked before anything else, since
/// the runtime could only panic, or wait for ever for a thread that never comes.
///
/// # Errors
/// The system's own reason.
pub fn threads_can_be_made() -> std::io::Result<()> {
    let mut held = Vec::new();
    for _ in 0..THREADS {
        let (hold, held_back) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        // All at once, so that one that has ended does not make room for the next.
        thread.spawn(move || {
            let _ = held_back.recv();
        })?;
        held.push(hold);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_no_folder_of_the_builder() {
        for (file, shown) in [
            (
                "/home/builder/.cargo/registry/src/index.crates.io-1/tokio-1.54.1/src/a.rs",
                "tokio-1.54.1/src/a.rs",
            ),
            ("/rustc/abc/library/std/src/thread/mod.rs", "mod.rs"),
            ("src/cli.rs", "src/cli.rs"),
        ] {
            assert_eq!(short(file), shown);
        }
    }
}
