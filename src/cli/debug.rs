//! `cvmtop debug`: one text for a report about cvmtop itself, with no secret in it.
//!
//! Lives here: what goes into it and what is taken out. It touches no network. Must not live
//! here: the checks (`doctor`) or the bundle about an instance (`runtime::ticket`).

use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::args::{DebugArgs, GlobalArgs, VERSION};
use super::said;
use super::{config as settings, doctor, open, output};
use crate::config::Loaded;
use crate::domain::text::sanitise_block;
use crate::store::journal::Journal;

/// Most of the log that is taken, from its end.
const LOG_TAIL: u64 = 64 << 10;
/// Journal entries that are named, the youngest.
const ENTRIES: usize = 20;
/// A shorter value could be any word of the text.
const LEAST_SECRET: usize = 6;
const REMOVED: &str = "[removed]";

/// Variables whose values say something about the surroundings and hold no secret.
const SHOWN: &[&str] = &[
    "TERM",
    "COLORTERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "NO_COLOR",
    "CVMTOP_CONFIG",
    "CVMTOP_STATE_DIR",
];
/// Variables of which only the presence is told.
const NAMED: &[&str] = &[
    "TENCENTCLOUD_SECRET_ID",
    "TENCENTCLOUD_SECRET_KEY",
    "TENCENTCLOUD_TOKEN",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "TMUX",
    "STY",
    "SSH_CONNECTION",
];

/// Prints or writes the text.
pub fn run(args: &DebugArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let text = without(&report(&loaded), &secrets(&loaded));
    let Some(path) = &args.output else {
        output::print(&text)?;
        return Ok(0);
    };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            output::print(&format!("{}\n", path.display()))?;
            Ok(0)
        }
        Err(error) => {
            output::warn(&said::unwritable(path.display(), error));
            Ok(1)
        }
    }
}

fn report(loaded: &Loaded) -> String {
    let log = loaded.settings.log.file.clone();
    let log = log.unwrap_or_else(|| loaded.paths.default_log());
    let mut text = String::new();
    for (title, body) in [
        ("version", format!("cvmtop {VERSION}\n")),
        ("machine", machine()),
        ("environment", environment()),
        ("settings", settings::show(loaded)),
        ("checks of this machine", doctor::local_text(loaded)),
        ("journal", journal(&super::acting::journal(loaded))),
        ("log", tail(&log)),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "== {title}\n{}", sanitise_block(&body, 200_000));
    }
    text
}

fn machine() -> String {
    let uname = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
    format!(
        "{} {} {}\n{} processors, descriptors {} (at most {})\ntime {}, zone {}\n",
        word(uname.sysname()),
        word(uname.release()),
        word(uname.machine()),
        std::thread::available_parallelism().map_or(0, usize::from),
        shown(limit.current),
        shown(limit.maximum),
        jiff::Timestamp::now(),
        jiff::tz::TimeZone::system()
            .iana_name()
            .unwrap_or("unknown"),
    )
}

fn environment() -> String {
    let mut text = String::new();
    for name in SHOWN {
        if let Ok(value) = std::env::var(name) {
            let _ = writeln!(text, "{name}={value}");
        }
    }
    for name in NAMED {
        if std::env::var_os(name).is_some() {
            let _ = writeln!(text, "{name} is set");
        }
    }
    text
}

fn journal(journal: &Journal) -> String {
    let mut text = String::new();
    let mut shown = 0;
    let read = journal.each(ENTRIES, |entry| {
        let _ = writeln!(text, "{} {} {:?}", entry.id, entry.plan.action, entry.state);
        shown += 1;
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
    match read {
        Ok(ControlFlow::Continue(contents)) => {
            let (count, skipped) = (contents.earlier + shown, contents.skipped);
            format!("{count} entries, {skipped} lines not understood\n{text}")
        }
        Err(error) => format!("{error}\n"),
    }
}

/// The end of a file, from a whole line on.
fn tail(path: &Path) -> String {
    let read = || {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok::<_, std::io::Error>(if length > LOG_TAIL {
            text.split_once('\n')
                .map_or(String::new(), |(_, rest)| rest.to_owned())
        } else {
            text
        })
    };
    read().unwrap_or_else(|error| format!("{}: {error}\n", path.display()))
}

/// Every secret that is known here; none of them should be in the text to begin with.
fn secrets(loaded: &Loaded) -> Vec<String> {
    let cloud = &loaded.settings.cloud;
    let named = [&cloud.secret_id_env, &cloud.secret_key_env];
    let variables = [
        "TENCENTCLOUD_SECRET_ID",
        "TENCENTCLOUD_SECRET_KEY",
        "TENCENTCLOUD_TOKEN",
    ];
    variables
        .into_iter()
        .map(str::to_owned)
        .chain(named.into_iter().flatten().cloned())
        .filter_map(|name| std::env::var(name).ok())
        .filter(|value| value.len() >= LEAST_SECRET)
        .collect()
}

/// The text without the secrets, and without names and passwords inside addresses.
fn without(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret, REMOVED);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#'))
            .unwrap_or(after.len());
        let host = match after[..end].rfind('@') {
            Some(at) => {
                out.push_str(REMOVED);
                &after[at..]
            }
            None => after,
        };
        rest = host;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_passwords_of_addresses_are_taken_out() {
        let text =
            "proxy http://jo:pass@w0rd@proxy.example:3128/x key=abcdef123 https://a.example/p@q";
        assert_eq!(
            without(text, &["abcdef123".to_owned()]),
            "proxy http://[removed]@proxy.example:3128/x key=[removed] https://a.example/p@q"
        );
    }

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "0123456789\n".repeat(10_000)).unwrap();
        let text = tail(&path);
        assert!(text.len() as u64 <= LOG_TAIL && text.len() > 60_000);
        assert!(text.lines().all(|line| line == "0123456789"));
        assert!(tail(&folder.path().join("none")).contains("none"));
    }
}
