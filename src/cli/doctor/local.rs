//! Checks of this machine: settings, places, ICMP, terminal.

use std::io::IsTerminal;
use std::path::Path;

use super::{Check, Level, said};
use crate::cli::acting;
use crate::config::{Loaded, Severity};
use crate::domain::said::Said;

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
            Check::new(level, "config", problem.said()).remedy(said::correct_line())
        })
        .collect();
    if checks.is_empty() {
        let text = if file.exists() {
            said::config_fine(file.display())
        } else {
            said::config_absent(file.display())
        };
        checks.push(Check::new(Level::Ok, "config", text));
    }
    if loaded.settings.read_only {
        checks.push(Check::new(Level::Ok, "read-only", said::read_only()));
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
        Check::new(Level::Ok, subject, said::writable(shown))
    } else {
        Check::new(Level::Fail, subject, said::not_writable(shown)).remedy(said::set_state_dir())
    }
}

/// Whether the store of several hosts answers; nothing where the settings name none.
pub(super) async fn shared_store(loaded: &Loaded) -> Option<Check> {
    let shared = acting::shared(loaded)?;
    Some(match shared.check().await {
        Ok(store) => Check::new(Level::Ok, "shared-store", said::shared_store_works(store)),
        Err(why) => Check::new(Level::Warn, "shared-store", why).remedy(said::look_at_store()),
    })
}

pub(super) fn icmp() -> Check {
    let socket = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::DGRAM,
        Some(socket2::Protocol::ICMPV4),
    );
    match socket {
        Ok(_) => Check::new(Level::Ok, "icmp", said::echo_permitted()),
        Err(error) => Check::new(Level::Warn, "icmp", said::echo_not_permitted(error))
            .remedy(said::allow_echo()),
    }
}

pub(super) fn terminal() -> Vec<Check> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    if !std::io::stdout().is_terminal() {
        return vec![Check::new(
            Level::NotTested,
            "terminal",
            said::no_terminal(),
        )];
    }
    let mut checks = Vec::new();
    let size = crossterm::terminal::size().unwrap_or((0, 0));
    checks.push(if term.is_empty() || term == "dumb" {
        Check::new(Level::Fail, "terminal", said::term_dumb(&term)).remedy(said::set_term())
    } else if size.0 < 60 || size.1 < 16 {
        Check::new(
            Level::Warn,
            "terminal",
            said::term_size(&term, size.0, size.1),
        )
        .remedy(said::make_larger())
    } else {
        Check::new(
            Level::Ok,
            "terminal",
            said::term_size(&term, size.0, size.1),
        )
    });
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .map(|name| variable(name))
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let lower = locale.to_lowercase();
    checks.push(if lower.contains("utf-8") || lower.contains("utf8") {
        Check::new(Level::Ok, "locale", Said::raw(locale))
    } else {
        Check::new(Level::Warn, "locale", said::locale_without_utf8(locale))
            .remedy(said::set_lang())
    });
    checks
}
