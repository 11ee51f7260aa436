//! Checks of this machine: settings, places, ICMP, terminal.

use std::io::IsTerminal;
use std::path::Path;

use super::{Check, Level};
use crate::config::{Loaded, Severity};

pub(super) fn settings(loaded: &Loaded) -> Vec<Check> {
    let file = &loaded.paths.config_file;
    let mut checks: Vec<Check> = loaded
        .warnings
        .iter()
        .map(|problem| {
            let level = match problem.severity {
                Severity::Warning => Level::Warn,
                Severity::Error => Level::Fail,
            };
            Check::new(level, "config", problem.to_string())
                .remedy("correct the line; `cvmtop config default` shows every key")
        })
        .collect();
    if checks.is_empty() {
        let state = if file.exists() {
            "no mistakes"
        } else {
            "not there, defaults are in force"
        };
        checks.push(Check::new(
            Level::Ok,
            "config",
            format!("{}: {state}", file.display()),
        ));
    }
    if loaded.settings.read_only {
        checks.push(Check::new(
            Level::Ok,
            "read-only",
            "no action is available; that is set on purpose",
        ));
    }
    checks
}

pub(super) fn places(loaded: &Loaded) -> Vec<Check> {
    let state = &loaded.paths.state_dir;
    let log = loaded.settings.log.file.clone();
    let log = log.unwrap_or_else(|| loaded.paths.default_log());
    vec![
        writable("state", state),
        writable("log", log.parent().unwrap_or(state)),
    ]
}

/// Whether files can be made in a directory, or in the nearest one above that exists.
fn writable(subject: &str, directory: &Path) -> Check {
    let existing = directory.ancestors().find(|path| path.is_dir());
    let shown = directory.display();
    let possible = existing.is_some_and(|path| {
        rustix::fs::access(
            path,
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
        )
        .is_ok()
    });
    if possible {
        Check::new(Level::Ok, subject, format!("{shown} can be written"))
    } else {
        Check::new(
            Level::Fail,
            subject,
            format!("{shown} cannot be written, so nothing can be journalled"),
        )
        .remedy("set CVMTOP_STATE_DIR to a directory of your own, or correct its permissions")
    }
}

pub(super) fn icmp() -> Check {
    let socket = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::DGRAM,
        Some(socket2::Protocol::ICMPV4),
    );
    match socket {
        Ok(_) => Check::new(Level::Ok, "icmp", "echo requests are permitted"),
        Err(error) => Check::new(
            Level::Warn,
            "icmp",
            format!("echo requests are not permitted ({error}); those readings stay unknown"),
        )
        .remedy("sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", as root"),
    }
}

pub(super) fn terminal() -> Vec<Check> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    if !std::io::stdout().is_terminal() {
        return vec![Check::new(
            Level::NotTested,
            "terminal",
            "standard output is not a terminal",
        )];
    }
    let mut checks = Vec::new();
    let size = crossterm::terminal::size().unwrap_or((0, 0));
    checks.push(if term.is_empty() || term == "dumb" {
        Check::new(
            Level::Fail,
            "terminal",
            format!("TERM is `{term}`, which cannot show a screen"),
        )
        .remedy("set TERM, for example to xterm-256color")
    } else if size.0 < 60 || size.1 < 16 {
        Check::new(
            Level::Warn,
            "terminal",
            format!("{term}, {}x{}", size.0, size.1),
        )
        .remedy("make it at least 60x16; 120 columns show three panes")
    } else {
        Check::new(
            Level::Ok,
            "terminal",
            format!("{term}, {}x{}", size.0, size.1),
        )
    });
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .map(|name| variable(name))
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let lower = locale.to_lowercase();
    checks.push(if lower.contains("utf-8") || lower.contains("utf8") {
        Check::new(Level::Ok, "locale", locale)
    } else {
        Check::new(
            Level::Warn,
            "locale",
            format!("`{locale}` does not name UTF-8"),
        )
        .remedy("set LANG to a UTF-8 locale, or ui.glyphs = \"ascii\"")
    });
    checks
}
