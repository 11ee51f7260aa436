//! What a command in a demo guest prints and changes, made from the facts of that guest.
//!
//! Lives here: the answers to the program's own guest check and repairs, and to a plain echo.
//! Must not live here: a shell; a script that is none of these prints nothing and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use crate::domain::script_data;

/// The facts of a guest that a script can find out.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub windows: bool,
    /// Port the login service is expected on.
    pub port: u16,
    pub address: Ipv4Addr,
    /// State of each `guest-*` group that is not in order.
    pub states: &'a BTreeMap<String, String>,
    /// What removes the guest's fault, by the names used in the fleet's `cured_by`.
    pub cured_by: &'a BTreeSet<String>,
    /// The repair that removed a fault and could be taken back.
    pub undoable: Option<&'a str>,
}

/// What a script did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub exit_code: i64,
    pub output: String,
    pub effect: Effect,
}

/// What a script changed in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Effect {
    #[default]
    None,
    Cured(&'static str),
    /// The repair of this name was taken back.
    Undone(&'static str),
}

/// The check's answer of a guest in order, and what each finding changes in it.
#[derive(Debug, serde::Deserialize)]
struct Answers {
    linux: System,
    windows: System,
}

#[derive(Debug, serde::Deserialize)]
struct System {
    base: String,
    states: BTreeMap<String, String>,
}

static ANSWERS: LazyLock<Answers> = LazyLock::new(|| {
    toml::from_str(include_str!("../../assets/demo/guest.toml"))
        .expect("the embedded guest answers are well formed, as their test shows")
});

macro_rules! repair {
    ($name:literal, $file:literal) => {
        (
            $name,
            include_str!(concat!("../../assets/guest/repair/", $file)),
        )
    };
}

const CHECKS: [&str; 2] = [
    include_str!("../../assets/guest/check-linux.sh"),
    include_str!("../../assets/guest/check-windows.ps1"),
];
const REPAIRS: &[(&str, &str)] = &[
    repair!("allow-port", "linux-allow-port.sh"),
    repair!("allow-port", "windows-allow-port.ps1"),
    repair!("restart-service", "linux-restart-login-service.sh"),
    repair!("restart-service", "windows-restart-login-service.ps1"),
    repair!("unblock-source", "linux-unblock-source.sh"),
    repair!("unblock-source", "windows-unblock-source.ps1"),
    repair!("unlock-account", "linux-unlock-account.sh"),
    repair!("unlock-account", "windows-unlock-account.ps1"),
    repair!("fix-config", "linux-repair-sshd.sh"),
    repair!("renew-password", "linux-renew-password.sh"),
    repair!("admit-account", "linux-admit-account.sh"),
    repair!("allow-user", "linux-allow-user.sh"),
    repair!("allow-password", "linux-allow-password.sh"),
    repair!("listen-port", "linux-listen-port.sh"),
    repair!("default-algorithms", "linux-default-algorithms.sh"),
    repair!("no-reverse-dns", "linux-no-reverse-dns.sh"),
    repair!("raise-throttle", "linux-raise-throttle.sh"),
    repair!("repair-key-lookup", "linux-repair-key-lookup.sh"),
    repair!("repair-pam", "linux-repair-pam.sh"),
    repair!("repair-shell", "linux-repair-shell.sh"),
    repair!("allow-forwarding", "linux-allow-forwarding.sh"),
    repair!("free-log", "linux-free-login-log.sh"),
    repair!("enable-rdp", "windows-enable-rdp.ps1"),
    repair!("free-space", "linux-free-space.sh"),
    repair!("remount", "linux-remount-writable.sh"),
    repair!("repair-network", "linux-repair-network.sh"),
    repair!("mount-terminals", "linux-mount-terminals.sh"),
    repair!("repair-profile", "linux-repair-profile.sh"),
    repair!("restore-labels", "linux-restore-labels.sh"),
    repair!("raise-connections", "linux-raise-connections.sh"),
    repair!("lower-mtu", "linux-lower-mtu.sh"),
    repair!("listen-port", "windows-listen-port.ps1"),
    repair!("allow-rdp-user", "windows-allow-rdp-user.ps1"),
    repair!("renew-certificate", "windows-renew-certificate.ps1"),
    repair!("allow-tls", "windows-allow-tls.ps1"),
    repair!("free-ports", "windows-free-ports.ps1"),
];

/// Runs a script in a guest.
pub fn run(facts: &Facts<'_>, script: &str) -> Outcome {
    let script = script.replace("\r\n", "\n");
    if CHECKS.iter().any(|check| script.contains(check)) {
        return Outcome {
            output: check(facts, &script),
            ..Outcome::default()
        };
    }
    if let Some((name, _)) = REPAIRS.iter().find(|(_, body)| script.contains(body)) {
        return repair(facts, name, &script);
    }
    Outcome {
        output: echo(&script),
        ..Outcome::default()
    }
}

/// `echo` and `Write-Output` at the start of a line print their words.
fn echo(script: &str) -> String {
    let mut output = String::new();
    for line in script.lines() {
        let words = line
            .strip_prefix("echo ")
            .or_else(|| line.strip_prefix("Write-Output "));
        if let Some(words) = words {
            output.push_str(words.trim().trim_matches(['"', '\'']));
            output.push('\n');
        }
    }
    output
}

/// The value that an assignment to one of these names carries as data.
fn assigned(script: &str, names: [&str; 2]) -> String {
    script
        .lines()
        .take(8)
        .find(|line| names.iter().any(|name| line.starts_with(name)))
        .and_then(script_data::read_back)
        .unwrap_or_default()
}

fn check(facts: &Facts<'_>, script: &str) -> String {
    let system = if facts.windows {
        &ANSWERS.windows
    } else {
        &ANSWERS.linux
    };
    let mut lines: Vec<String> = system.base.lines().map(str::to_owned).collect();
    for (group, state) in facts.states {
        if let Some(change) = system.states.get(&format!("{group}={state}")) {
            replace(&mut lines, change);
        }
    }
    let user = assigned(script, ["CVMTOP_USER=", "$CvmtopUser ="]);
    let mut source = assigned(script, ["CVMTOP_SOURCE=", "$CvmtopSource ="]);
    if source.is_empty() {
        "203.0.113.7".clone_into(&mut source);
    }
    // A guest in order has the time of whoever asks.
    let time = assigned(script, ["CVMTOP_TIME=", "$CvmtopTime ="]);
    let mut output = String::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let line = line
            .replace("{user}", &user)
            .replace("{source}", &source)
            .replace("{address}", &facts.address.to_string())
            .replace("{port}", &facts.port.to_string())
            .replace("{time}", &time);
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (group, key, value) = (next(), next(), next());
        // Writing to a string cannot fail.
        let _ = writeln!(output, "{group}\t{key}\t{value}");
    }
    output
}

/// Puts the lines of a finding in the place of those of the same group and key.
fn replace(lines: &mut Vec<String>, change: &str) {
    let subject = |line: &str| -> String {
        let mut words = line.trim_start_matches('-').split(' ');
        format!(
            "{} {} ",
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default()
        )
    };
    for line in change.lines().filter(|line| !line.is_empty()) {
        let subject = subject(line);
        lines.retain(|old| !old.starts_with(&subject));
    }
    let added = change
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('-'));
    lines.extend(added.map(str::to_owned));
}

fn repair(facts: &Facts<'_>, name: &'static str, script: &str) -> Outcome {
    let undo = script
        .lines()
        .take(3)
        .any(|line| line.contains("MODE='undo'") || line.contains("$Mode = 'undo'"));
    let effect = if undo && facts.undoable == Some(name) {
        Effect::Undone(name)
    } else if !undo && facts.cured_by.contains(name) {
        Effect::Cured(name)
    } else {
        Effect::None
    };
    let output = match effect {
        Effect::None => format!("unchanged: {name}: nothing to change\ndone: 0 changes\n"),
        Effect::Cured(_) => format!("changed: {name}\ndone: 1 change\n"),
        Effect::Undone(_) => format!("changed: took back {name}\ndone: 1 change\n"),
    };
    Outcome {
        exit_code: 0,
        output,
        effect,
    }
}
