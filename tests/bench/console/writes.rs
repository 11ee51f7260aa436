//! System calls that one frame takes, counted by `strace`.
//!
//! Must not live here: bytes or times.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::pty::{FRAME_END, Pty};
use crate::table::Table;
use crate::{Cloud, LARGE, SMALL, Wish, frame_of, home, settled};

pub fn run(wish: &Wish, table: &Table) {
    let home = home();
    let cloud = Cloud::start(wish.fleet);
    for (size, keys, what) in [
        (SMALL, ["j"; 40].as_slice(), "cursor moves, 80x24"),
        (LARGE, ["\x0c"; 10].as_slice(), "whole repaints, 200x50"),
    ] {
        let mut console = cloud.console(home.path(), size);
        settled(&console, size);
        let cell = count(&mut console, home.path(), keys);
        table.row(&[
            &format!("writes to the terminal for each frame, {what}"),
            &cell,
        ]);
    }
}

/// Types the keys under `strace`; writes to the terminal beside the frames that came out.
fn count(console: &mut Pty, folder: &std::path::Path, keys: &[&str]) -> String {
    let log = folder.join("strace");
    let pid = console.pid().to_string();
    let tracer = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=write,writev", "-o"])
        .arg(&log)
        .args(["-p", &pid])
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut tracer) = tracer else {
        return "strace is not installed".to_owned();
    };
    let started = Instant::now();
    while !all_traced(&pid) {
        if started.elapsed() > Duration::from_secs(5) || !matches!(tracer.try_wait(), Ok(None)) {
            let _ = tracer.kill();
            let _ = tracer.wait();
            return "strace may not attach here".to_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = console.len();
    for key in keys {
        frame_of(console, key);
        std::thread::sleep(Duration::from_millis(50));
    }
    let frames = console.with(|output| {
        let new = &output.bytes[before..];
        new.windows(FRAME_END.len())
            .filter(|w| *w == FRAME_END)
            .count()
    });
    // It lets go of the program and writes what it still holds.
    let asked = Command::new("kill")
        .args(["-INT", &tracer.id().to_string()])
        .status();
    assert!(
        asked.is_ok_and(|status| status.success()),
        "strace is told to end"
    );
    let _ = tracer.wait();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let writes = log
        .lines()
        .filter(|line| line.contains("write") && line.contains("</dev/pts/"))
        .count();
    format!(
        "{:.2} ({writes} for {frames} frames)",
        writes as f64 / frames.max(1) as f64
    )
}

fn all_traced(pid: &str) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    tasks.flatten().all(|task| {
        std::fs::read_to_string(task.path().join("status"))
            .is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}
