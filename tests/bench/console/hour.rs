//! What an hour of looking at a large fleet does to the program: memory, descriptors, threads, CPU.
//!
//! Must not live here: limits.

use std::time::{Duration, Instant};

use crate::pty::{Usage, memory};
use crate::table::Table;
use crate::{Cloud, LARGE, Wish, home, settled};

/// Minutes until caches, histories and the first sweep have come to their size.
const WARM: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

pub fn run(wish: &Wish) {
    let home = home();
    let cloud = Cloud::start(wish.fleet);
    let mut console = cloud.console(home.path(), LARGE);
    settled(&console, LARGE);
    // The selected instance is looked at along with the fleet.
    console.type_keys("j\r");
    let table = Table::new(&[
        &format!("minute, {} instances", wish.fleet),
        "memory (MiB)",
        "descriptors",
        "threads",
        "CPU of the minute",
        "to the terminal",
    ]);
    let mut resident = Vec::new();
    let mut descriptors = Vec::new();
    let started = Instant::now();
    let (mut usage, mut bytes) = (Usage::of(console.pid()), console.len());
    for minute in 1..=wish.minutes {
        let due = MINUTE * minute as u32;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        assert!(!console.has_ended(), "the console ended in minute {minute}");
        let now = Usage::of(console.pid());
        let spent = now.since(usage).cpu.as_secs_f64() / 0.6;
        let written = console.len() - bytes;
        (usage, bytes) = (now, console.len());
        let mebibytes = memory(console.pid()).0 as f64 / 1024.0;
        let open = entries(console.pid(), "fd");
        resident.push(mebibytes);
        descriptors.push(open);
        if minute % 5 == 0 || minute == 1 || minute == wish.minutes {
            table.row(&[
                &minute.to_string(),
                &format!("{mebibytes:.1}"),
                &open.to_string(),
                &entries(console.pid(), "task").to_string(),
                &format!("{spent:.2} % of a core"),
                &format!("{:.0} B/s", written as f64 / 60.0),
            ]);
        }
    }
    let from = WARM.min(resident.len().saturating_sub(1));
    let (first, last) = (resident[from], resident[resident.len() - 1]);
    println!(
        "\nfrom minute {} to {}: memory {:+.1} %, most {:.1} MiB; most descriptors {}",
        from + 1,
        resident.len(),
        (last / first - 1.0) * 100.0,
        resident.iter().copied().fold(0.0, f64::max),
        descriptors.iter().max().unwrap_or(&0),
    );
}

fn entries(pid: u32, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count)
}
