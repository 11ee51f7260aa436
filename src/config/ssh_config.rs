//! Hosts of an OpenSSH client configuration, as OpenSSH itself reads it.
//!
//! Only the names are taken from the text (`Host`, also in files that it includes); what a name
//! stands for is asked of `ssh -G`, so that patterns, `Match`, `Include`, tokens and the order of
//! values are `ssh_config(5)`'s own business. Must not live here: connecting.
//!
//! `ssh -G` runs the commands of `Match exec`, as every `ssh` with that file does. It never runs
//! `ProxyCommand` or `KnownHostsCommand`. A file that others may write is therefore handed over
//! only when it neither holds such a `Match` nor reads further files.

use std::collections::HashSet;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::hosts::StaticHost;
use super::said;
use crate::domain::child::may_see;
use crate::domain::instance::Os;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Most files that one configuration may consist of.
const MAX_FILES: usize = 64;
/// Most hosts that are asked about.
const MAX_HOSTS: usize = 1000;
/// Most output of one `ssh -G`, in bytes.
const MAX_OUTPUT: u64 = 256 * 1024;
/// Time for one `ssh -G`; a `Match exec` or a name look-up may take a while.
const ONE_LIMIT: Duration = Duration::from_secs(3);
/// Time for all hosts of a file.
const ALL_LIMIT: Duration = Duration::from_secs(10);
const WORKERS: usize = 4;
/// Words that a file's name may consist of.
const MOST_BLANKS: usize = 8;
/// A name that is no host (RFC 6761), to learn which files there are.
const NOBODY: &str = "cvmtop.invalid";

/// What the operator's configuration says about one name (`ssh -G`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The name that was asked about: what follows `ssh` on the command line.
    pub name: String,
    /// Name or address that is connected to (`HostName`).
    pub host_name: String,
    pub port: u16,
    /// `User`, or the operator's own login name where the configuration names none.
    pub user: String,
    /// `IdentityFile`, first to be tried first; OpenSSH's defaults where none is named.
    pub identity_files: Vec<String>,
    /// `ProxyJump` or `ProxyCommand`, as written.
    pub proxy: Option<String>,
    /// The name under which host keys are looked up instead of the host's own.
    pub host_key_alias: Option<String>,
    /// `UserKnownHostsFile`, with `~` and tokens expanded. The global files are OpenSSH's own
    /// business: nothing is ever written to them.
    pub known_hosts: Vec<String>,
    /// No terminal is asked for, whatever is run (`RequestTTY no`).
    pub plain: bool,
    /// Options (`Name=value`) without which one attempt would not end by itself, or would do
    /// something else than log in: the configuration sends the client to the background, asks for
    /// no session, or names a command.
    pub overrides: Vec<String>,
}

/// Asks OpenSSH what `ssh NAME` would do, with `file` as the configuration, or with the
/// operator's own. Blocks for at most three seconds.
///
/// # Errors
/// One sentence: no client, a name that ssh refuses, a configuration that it does not accept.
pub fn ask(file: Option<&Path>, name: &str) -> Result<Destination, Said> {
    if !may_be_asked(name) {
        return Err(said::ssh_no_name(sanitise(name, 128)));
    }
    if let Some(file) = file {
        check_owner(file, &text_of(file)?)?;
    }
    run(file, name, &[]).map(|(answer, _)| understand(name, &answer))
}

/// Hosts of a file, and what is worth saying about it.
///
/// # Errors
/// One sentence if the file cannot be read, or OpenSSH does not accept it.
pub fn read(path: &Path) -> Result<(Vec<StaticHost>, Vec<Said>), Said> {
    hosts_of(path).map_err(|why| said::ssh_file(path.display(), why))
}

/// What every name of a configuration stands for, or of the operator's own; names that OpenSSH
/// refuses are left out. Blocks for at most [`ALL_LIMIT`] and one question more.
///
/// # Errors
/// One sentence if the file cannot be read, or OpenSSH does not accept it.
pub fn destinations(file: Option<&Path>) -> Result<Vec<Destination>, Said> {
    let mut notes = Vec::new();
    let names = candidates(file, &mut notes)?;
    let answers = ask_all(file, &names);
    Ok(answers.into_iter().filter_map(|it| it.ok()?).collect())
}

/// The names of `Host` lines of a configuration and of all that it includes.
fn candidates(file: Option<&Path>, notes: &mut Vec<Said>) -> Result<Vec<Candidate>, Said> {
    let mut names = Vec::new();
    if let Some(path) = file {
        let text = text_of(path)?;
        check_owner(path, &text)?;
        names = host_names(&text, false);
    }
    let (_, log) = run(file, NOBODY, &["-vvv"])?;
    let own = if file.is_none() {
        read_first(&log)
    } else {
        Vec::new()
    };
    let files = own.into_iter().chain(included(&log)).take(MAX_FILES);
    for (file, conditional) in files {
        match text_of(&file) {
            Ok(text) => names.extend(host_names(&text, conditional)),
            Err(why) => notes.push(said::problem_at(file.display(), why)),
        }
    }
    let mut seen = HashSet::new();
    names.retain(|candidate| seen.insert(candidate.name.clone()));
    if names.len() > MAX_HOSTS {
        let file = file.unwrap_or(Path::new("ssh_config"));
        notes.push(said::ssh_cut(file.display(), names.len(), MAX_HOSTS));
        names.truncate(MAX_HOSTS);
    }
    Ok(names)
}

/// Files that OpenSSH reads without being told so: the user's and the system's.
/// `debug1: Reading configuration data PATH`.
fn read_first(log: &str) -> Vec<(PathBuf, bool)> {
    let included: Vec<_> = included(log).into_iter().map(|(file, _)| file).collect();
    log.lines()
        .filter_map(|line| line.split_once(": Reading configuration data "))
        .map(|(_, file)| PathBuf::from(file.trim_end()))
        .filter(|file| !included.contains(file))
        .map(|file| (file, false))
        .collect()
}

fn hosts_of(path: &Path) -> Result<(Vec<StaticHost>, Vec<Said>), Said> {
    let mut notes = Vec::new();
    let names = candidates(Some(path), &mut notes)?;
    let mut hosts = Vec::new();
    for (candidate, answer) in names.iter().zip(ask_all(Some(path), &names)) {
        match answer {
            Ok(Some(destination)) => {
                if destination.proxy.is_some() {
                    let name = sanitise(&candidate.name, 128);
                    notes.push(said::ssh_by_proxy(path.display(), name));
                }
                hosts.push(host(&destination));
            }
            Ok(None) => {}
            Err(why) => {
                let name = sanitise(&candidate.name, 128);
                notes.push(said::ssh_left_out(path.display(), name, why));
            }
        }
    }
    Ok((hosts, notes))
}

fn host(destination: &Destination) -> StaticHost {
    let mut host = StaticHost::new(
        &destination.name,
        &destination.host_name,
        Os::Linux,
        Some(destination.port),
        &destination.user,
    );
    host.instance.ssh_name.clone_from(&destination.name);
    host
}

/// What became of a name: a host, none after all, or a reason.
type Asked = Result<Option<Destination>, Said>;

/// Asks about every name, a few at a time, in order.
fn ask_all(path: Option<&Path>, names: &[Candidate]) -> Vec<Asked> {
    let until = Instant::now() + ALL_LIMIT;
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<Asked>>> = names.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(names.len()) {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed))
                    && let (Some(candidate), Some(place)) = (names.get(at), answers.get(at))
                {
                    let answer = if Instant::now() < until {
                        candidate.ask(path)
                    } else {
                        Err(said::ssh_took_long())
                    };
                    if let Ok(mut place) = place.lock() {
                        *place = Some(answer);
                    }
                }
            });
        }
    });
    answers
        .into_iter()
        .map(|place| {
            place
                .into_inner()
                .ok()
                .flatten()
                .unwrap_or_else(|| Err(said::ssh_not_asked()))
        })
        .collect()
}

/// A name of a `Host` line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    name: String,
    /// It stands in a file that is read under a condition: the line may hold for no host.
    conditional: bool,
}

impl Candidate {
    fn ask(&self, path: Option<&Path>) -> Asked {
        let (said, log) = run(path, &self.name, &["-v"])?;
        let applied = format!("Applying options for {}", self.name);
        let holds = !self.conditional || log.lines().any(|line| line.ends_with(&applied));
        Ok(holds.then(|| understand(&self.name, &said)))
    }
}

/// Names without wildcards of the `Host` lines of a text.
fn host_names(text: &str, conditional: bool) -> Vec<Candidate> {
    let mut names = Vec::new();
    for line in text.lines() {
        if let Some((keyword, rest)) = split(line)
            && keyword == "host"
        {
            names.extend(
                words(rest)
                    .into_iter()
                    .filter(|name| !name.contains(['*', '?', '!']) && may_be_asked(name))
                    .map(|name| Candidate { name, conditional }),
            );
        }
    }
    names
}

/// A name that is no option, no `user@host` and no address of another form.
fn may_be_asked(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('-')
        && !name
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '@' | '/'))
}

/// Keyword in lower case and the rest; `Keyword value`, `Keyword=value`.
fn split(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    (!value.is_empty()).then(|| (line[..end].trim_matches('"').to_ascii_lowercase(), value))
}

/// Words of a value as OpenSSH splits them: quotes of both kinds, a backslash before a quote or
/// a backslash, and `#` at the start of a word begins a comment.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (_, '\\') if chars.peek().is_some_and(|n| matches!(n, '"' | '\'' | '\\')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Files that OpenSSH said it reads besides the first one, and whether only under a condition:
/// `line 4: Including file PATH depth 0 (parse only)`.
fn included(log: &str) -> Vec<(PathBuf, bool)> {
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    for line in log.lines() {
        let Some((file, depth)) = line
            .split_once(": Including file ")
            .and_then(|(_, rest)| rest.rsplit_once(" depth "))
        else {
            continue;
        };
        let conditional = depth.contains("parse only");
        match files.iter_mut().find(|(known, _)| known == Path::new(file)) {
            Some((_, known)) => *known &= conditional,
            None => files.push((PathBuf::from(file), conditional)),
        }
    }
    files
}

fn text_of(path: &Path) -> Result<String, Said> {
    let about = std::fs::metadata(path).map_err(Said::raw)?;
    if !about.is_file() {
        return Err(said::no_file());
    }
    if about.len() > MAX_FILE {
        return Err(said::file_too_long());
    }
    let bytes = std::fs::read(path).map_err(Said::raw)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Refuses a file that somebody else may write and that makes ssh run or read more.
fn check_owner(path: &Path, text: &str) -> Result<(), Said> {
    let about = std::fs::metadata(path).map_err(Said::raw)?;
    let own = about.uid() == 0 || about.uid() == rustix::process::geteuid().as_raw();
    if own && about.mode() & 0o022 == 0 {
        return Ok(());
    }
    let reaches_further = text.lines().filter_map(split).any(|(keyword, rest)| {
        keyword == "include" || (keyword == "match" && rest.to_ascii_lowercase().contains("exec"))
    });
    if reaches_further {
        return Err(said::ssh_others_write());
    }
    Ok(())
}

/// Runs `ssh -G` and gives its two outputs.
fn run(file: Option<&Path>, name: &str, options: &[&str]) -> Result<(String, String), Said> {
    let mut command = Command::new("ssh");
    command.args(options).arg("-G");
    if let Some(file) = file {
        command.arg("-F").arg(file);
    }
    let mut child = command
        .arg("--")
        .arg(name)
        // A `Match exec` of the file runs in what is given here.
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(may_see)))
        .env("LC_ALL", "C")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("SSH_ASKPASS", "/bin/false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => said::ssh_absent(),
            _ => said::ssh_not_started(error),
        })?;
    let out = collect(child.stdout.take());
    let err = collect(child.stderr.take());
    let until = Instant::now() + ONE_LIMIT;
    let next = |receiver: mpsc::Receiver<String>| {
        receiver
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .ok()
    };
    let (Some(answer), Some(log)) = (next(out), next(err)) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(said::ssh_slow());
    };
    let status = child.wait().map_err(Said::raw)?;
    if status.success() && answer.contains("hostname ") {
        return Ok((answer, log));
    }
    let reason = log
        .lines()
        .find(|line| !line.starts_with("debug") && !line.starts_with("OpenSSH_"));
    Err(reason.map_or_else(said::ssh_mute, |line| Said::raw(sanitise(line, 300))))
}

/// Reads a pipe to its end, or to the most that is kept, beside the caller.
fn collect(pipe: Option<impl std::io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error still counts.
            let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Reads the answer of `ssh -G`: a keyword in lower case and its value on each line.
fn understand(name: &str, said: &str) -> Destination {
    let mut it = Destination {
        name: name.to_owned(),
        port: 22,
        ..Destination::default()
    };
    for (keyword, value) in said.lines().filter_map(|line| line.split_once(' ')) {
        match keyword {
            "hostname" => value.clone_into(&mut it.host_name),
            "port" => it.port = value.parse().unwrap_or(22),
            "user" => value.clone_into(&mut it.user),
            "identityfile" => it.identity_files.push(value.to_owned()),
            "proxyjump" | "proxycommand" if value != "none" => it.proxy = Some(value.to_owned()),
            "hostkeyalias" if value != "none" => it.host_key_alias = Some(value.to_owned()),
            "userknownhostsfile" => it.known_hosts = files_of(value, Path::exists),
            "requesttty" => it.plain = matches!(value, "false" | "no"),
            "forkafterauthentication" if value == "yes" => {
                it.overrides.push("ForkAfterAuthentication=no".to_owned());
            }
            "sessiontype" if value != "default" => {
                it.overrides.push("SessionType=default".to_owned());
            }
            "remotecommand" if value != "none" => {
                it.overrides.push("RemoteCommand=none".to_owned());
            }
            _ => {}
        }
    }
    it
}

/// The files of a list that is divided by blanks, though a name may hold blanks too: what exists
/// as a whole is one file.
fn files_of(list: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let words: Vec<&str> = list.split(' ').collect();
    let mut files = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let most = words.len().min(at + MOST_BLANKS);
        let end = (at + 1..=most)
            .rev()
            .find(|&end| exists(Path::new(&words[at..end].join(" "))))
            .unwrap_or(at + 1);
        files.push(words[at..end].join(" "));
        at = end;
    }
    files.retain(|file| !file.is_empty() && file != "none");
    files
}

/// Names of the `Host` lines of a text that are offered as hosts.
pub fn names(text: &str) -> Vec<String> {
    host_names(text, false)
        .into_iter()
        .map(|c| c.name)
        .collect()
}

#[cfg(test)]
#[path = "ssh_config_tests.rs"]
mod tests;
