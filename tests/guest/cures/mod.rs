//! What the offered actions bring back: a real machine per scenario (namespaces, a disk of its own,
//! real sshd, PAM, nft and kernel) behind an API that is not ours, broken in one way, and the
//! OpenSSH client as the only judge of whether its user gets in again.
//!
//! Lives here: the table. The program is a black box that is called as an operator would call it:
//! diagnose, take the first action that is offered as it stands, look whether the user is in, at most
//! three times. `RESTORED=all` runs every scenario (some ten minutes on two cores), `RESTORED=words`
//! those whose names hold the words, `RESTORED_SAY=1` tells what
//! was diagnosed and done, `RESTORED_LEADS=1` also looks from outside alone, with and without the
//! client's words, and sums up how often a lead of so much is right, `RESTORED_BY=heal` calls `heal` once instead. Needs root; says why and passes where something is missing (with `CI` set
//! nothing may be).

mod judge;
mod table;
mod world;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Deserialize;
use table::Row;

/// Of a hundred scenarios that can be mended, in how many the first action brings the user back,
/// and one of the first three.
const FIRST: usize = 84;
const WITHIN_THREE: usize = 94;
/// Most of the time is spent waiting for silence and for limits.
const ROOMS: usize = 12;

const NEEDED: &str = "mount -t tmpfs tmpfs /run && command -v ssh sshd ssh-keygen nft iptables-legacy ipset python3 ip nsenter pivot_root ufw fail2ban-server >/dev/null && nft list ruleset >/dev/null && mkdir -p /run/u /run/w /run/r && mount -t tmpfs tmpfs /run/u && mkdir /run/u/u /run/u/w && mount -t overlay overlay -o lowerdir=/,upperdir=/run/u/u,workdir=/run/u/w /run/r";

/// One way to break a login that a call or a command can mend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "a row of the table")]
pub struct Scenario {
    pub name: String,
    /// The cause, in the words of the catalogue.
    pub kind: String,
    /// Other words of the catalogue for the same.
    #[serde(default)]
    pub also: Vec<String>,
    /// Who fails to log in: alice and root with a key, bob with a password.
    #[serde(default = "alice")]
    pub user: String,
    /// Where the user is: `client` (the internet), `office` (behind a VPN), `jump`.
    #[serde(default = "client")]
    pub place: String,
    /// Where the program runs, if not beside the user.
    pub from: Option<String>,
    /// Run in the machine before anything is wrong.
    #[serde(default)]
    pub before: String,
    /// What breaks it: in the machine, and in the cloud (a JSON merge patch of `healthy()`).
    #[serde(default)]
    pub breaks: String,
    #[serde(default)]
    pub cloud: String,
    /// The login wants a terminal; it goes through the login shell's start-up files.
    #[serde(default)]
    pub terminal: bool,
    #[serde(default)]
    pub shell: bool,
    /// The operator gives what the user's client printed.
    #[serde(default = "yes")]
    pub told: bool,
    /// The operator names the user's address; else the user is whoever sits here.
    #[serde(default = "yes")]
    pub named: bool,
    /// One more way of a kind that another scenario stands for.
    #[serde(default)]
    pub more: bool,
    /// Whether the undo of what helped is looked at, too.
    #[serde(default)]
    pub undo: bool,
}

fn alice() -> String {
    "alice".to_owned()
}

fn client() -> String {
    "client".to_owned()
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Scenarios {
    scenario: Vec<Scenario>,
}

fn obstacle() -> Option<String> {
    let tried = Command::new("unshare")
        .args(["-mnp", "-f", "sh", "-c", NEEDED])
        .output();
    match tried {
        Ok(o) if o.status.success() => None,
        Ok(o) => Some(format!(
            "namespaces, overlays or tools: {}",
            String::from_utf8_lossy(&o.stderr).trim()
        )),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

fn keys(folder: &Path) {
    for (name, kind) in [("key", "ed25519"), ("host", "ed25519"), ("rsa", "rsa")] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", name, "-t", kind])
            .args(
                (kind == "rsa")
                    .then_some(["-b", "2048"])
                    .into_iter()
                    .flatten(),
            )
            .arg("-f")
            .arg(folder.join(name))
            .status()
            .unwrap();
        assert!(made.success());
    }
    let ask = folder.join("askpass");
    std::fs::write(&ask, "#!/bin/sh\nprintf '%s\\n' \"$PASSWORD\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ask, mode).unwrap();
}

#[test]
fn what_can_be_mended_is_mended_by_the_first_action_that_is_offered() {
    if let Some(why) = obstacle() {
        crate::support::not_run(&why);
        return;
    }
    let scenarios: Scenarios = toml::from_str(include_str!("scenarios.toml")).unwrap();
    let only = std::env::var("RESTORED").unwrap_or_default();
    let chosen: Vec<Scenario> = scenarios
        .scenario
        .into_iter()
        .filter(|s| match only.as_str() {
            "" => !s.more,
            "all" => true,
            words => format!("{}: {}", s.kind, s.name).contains(words),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    keys(folder.path());
    println!("| scenario | cause said | action | login |  s |\n|---|---|---|---|---|");
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..ROOMS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = chosen.get(at) else {
                        return;
                    };
                    let row = judge::play(scenario, folder.path());
                    let mut rows = rows.lock().unwrap();
                    // Told as it ends: whoever waits sees where it stands.
                    table::print(&row);
                    rows.push((at, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(at, _)| *at);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let sums = table::sum(&rows, started.elapsed());
    if matches!(only.as_str(), "" | "all") {
        assert!(rows.len() >= 60, "{} scenarios", rows.len());
        sums.reach(FIRST, WITHIN_THREE);
    }
}
