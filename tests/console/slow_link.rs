//! The console over a link of 300 ms each way and 2 KiB a second: what is typed shows within a second,
//! whatever a sweep draws meanwhile.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// One way.
const DELAY: Duration = Duration::from_millis(300);
/// Bytes that the link carries in each slice of time: 2 KiB a second.
const SLICE: usize = 102;
const EVERY: Duration = Duration::from_millis(50);
const SIZE: (u16, u16) = (100, 30);
/// What an operator bears between a key and its letter. The link alone takes 0.6 s of it.
const BORNE: Duration = Duration::from_secs(1);
/// Only a failure takes it.
const PATIENCE: Duration = Duration::from_secs(240);

/// The far end of the link: what its screen shows.
struct Far {
    screen: Mutex<vt100::Parser>,
    changed: Condvar,
}

impl Far {
    /// Waits until the screen holds `text`; gives how long that took.
    fn wait_for(&self, text: &str) -> Duration {
        let began = Instant::now();
        let mut screen = self.screen.lock().unwrap();
        while !screen.screen().contents().contains(text) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let shown = screen.screen().contents();
            assert!(!left.is_zero(), "waited for {text}:\n{shown}");
            screen = self.changed.wait_timeout(screen, left).unwrap().0;
        }
        began.elapsed()
    }
}

/// Carries what the program draws at the link's pace, and shows it after the link's delay.
fn carry(mut reader: Box<dyn std::io::Read + Send>, far: Arc<Far>) {
    let (line, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = [0; SLICE];
        let mut free = Instant::now();
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let sent = free.max(Instant::now());
            // A slice that is not full takes less of the link.
            free = sent + EVERY.mul_f64(n as f64 / SLICE as f64);
            if line.send((free + DELAY, buffer[..n].to_vec())).is_err() {
                return;
            }
            std::thread::sleep(free.saturating_duration_since(Instant::now()));
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in arriving {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            far.screen.lock().unwrap().process(&bytes);
            far.changed.notify_all();
        }
    });
}

fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).unwrap()
}

#[test]
#[ignore = "a figure of time, which other tests at the same time would spoil: cargo test --test console slow_link -- --ignored --nocapture"]
fn what_is_typed_shows_within_a_second_while_a_sweep_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cvmtop"));
    command.env_clear();
    command.args(["--demo-fleet", "3000"]);
    for (name, value) in [
        ("HOME", home.path().to_str().unwrap()),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
        ("SSH_TTY", "/dev/pts/1"),
        ("CVMTOP_PROBE_WEIGH", "false"),
    ] {
        command.env(name, value);
    }
    let (cols, rows) = SIZE;
    let size = PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let far = Arc::new(Far {
        screen: Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)),
        changed: Condvar::new(),
    });
    carry(pair.master.try_clone_reader().unwrap(), Arc::clone(&far));
    let mut keys = pair.master.take_writer().unwrap();
    far.wait_for("refused");
    far.wait_for("not checked");

    let mut typed = String::new();
    let mut took = Vec::new();
    for letter in "/fleet-00".chars() {
        typed.push(letter);
        let pressed = Instant::now();
        std::thread::sleep(DELAY);
        keys.write_all(letter.to_string().as_bytes()).unwrap();
        // The frame of the list begins its row.
        far.wait_for(&format!("│{typed}"));
        took.push(pressed.elapsed());
    }
    let swept = far.screen.lock().unwrap().screen().contents();
    assert!(swept.contains("not checked"), "the sweep ended:\n{swept}");
    let _ = child.kill();
    let _ = child.wait();
    println!("from a key to its letter: {took:?}");
    // Also of the first letters, before anything is known of the link.
    assert!(took.iter().all(|took| *took <= BORNE), "{took:?}");
}
