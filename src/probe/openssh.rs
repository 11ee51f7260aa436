//! The system's OpenSSH client as a probe of what comes after the key exchange.
//!
//! Lives here: its arguments, running it without a shell, bounded in time and output. Must not live
//! here: reading its messages (`transcript`) or any secret; keys stay with the client and its agent.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::algorithms::Profile;
use super::plan::Called;
use super::transcript::{By, Line, NO_TERMINAL, Transcript};
use crate::domain::child::may_see;
use crate::domain::instance::is_login_name;
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::probe::said;

/// Most output that is kept from one run.
const MAX_OUTPUT: usize = 64 * 1024;
const MAX_LINE: usize = 400;
const MAX_PENDING: usize = 4096;
/// Lines of the client itself that are kept beyond that.
const MAX_REPORTS: usize = 200;
/// Quiet after which a prompt is one, and any other unfinished line a question.
const PROMPT: Duration = Duration::from_millis(500);
const QUESTION: Duration = Duration::from_secs(3);
/// How the prompts of shells end, by their defaults and common themes.
const PROMPT_ENDS: &str = "$#%>❯➜»›λ~✗]";
/// What a program tells the terminal that reads a line (bracketed paste) or takes the whole screen.
const READING: &[&[u8]] = &[b"\x1b[?2004h", b"\x1b[?1049h"];

/// Why the client could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum ClientFailure {
    /// No `ssh` on this machine.
    Missing,
    /// It could not be started.
    NotStarted(String),
    /// A user name that an argument list must not carry.
    BadUser(String),
}

impl ClientFailure {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Missing => said::no_openssh(),
            Self::NotStarted(why) => said::openssh_not_started(why),
            Self::BadUser(user) => said::bad_user(user),
        }
    }
}

/// What the client is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Learn the host key and the offered methods by a `none` request (RFC 4252 section 5.2).
    Methods,
    /// Log in once with the operator's own keys and configuration, and leave at once.
    Login,
}

/// One run of the client.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub purpose: Purpose,
    pub login: SocketAddr,
    pub user: &'a str,
    /// See [`super::plan::Consent`].
    pub identity: Option<&'a Path>,
    pub known_hosts: Option<&'a Path>,
    pub called: Option<&'a Called>,
    pub limit: Duration,
}

impl Request<'_> {
    /// True where the operator's own login would ask for a terminal.
    fn wants_terminal(&self) -> bool {
        self.purpose == Purpose::Login && !self.called.is_some_and(|called| called.plain)
    }
}

/// A terminal for the client to sit at, on which nobody types: our end, and the client's.
fn terminal() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size)?;
    Ok((ours, theirs))
}

/// The arguments of one run. The operator's known hosts are read, never written: new keys go to the
/// first file, which is `/dev/null`.
pub fn arguments(request: &Request<'_>) -> Vec<String> {
    let called = request.called;
    let mut out: Vec<String> = vec!["-v".into()];
    let known_hosts = match (request.known_hosts, called) {
        (Some(file), _) => quoted(&file.display().to_string()),
        (None, Some(called)) => {
            let files: Vec<String> = called.known_hosts.iter().map(|f| quoted(f)).collect();
            files.join(" ")
        }
        (None, None) => "~/.ssh/known_hosts ~/.ssh/known_hosts2".to_owned(),
    };
    let known_hosts = format!("UserKnownHostsFile=/dev/null {known_hosts}");
    let mut options = vec![
        "BatchMode=yes",
        "NumberOfPasswordPrompts=0",
        "ConnectionAttempts=1",
        "ConnectTimeout=10",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "ControlMaster=no",
        "ControlPath=none",
        "UpdateHostKeys=no",
        "VisualHostKey=no",
        &known_hosts,
    ];
    if let Some(called) = called {
        if let Some(config) = &called.config {
            out.extend(["-F".into(), config.display().to_string()]);
        }
        if called.proxied {
            // The host in between says the same sentences on the other stream.
            out.extend(["-E".into(), "/dev/stdout".into()]);
        }
        options.extend(called.options.iter().map(String::as_str));
    }
    if request.wants_terminal() {
        // As one typed it: a server without terminals goes on without one.
        options.push("RequestTTY=auto");
    } else {
        out.push("-T".into());
    }
    match request.purpose {
        Purpose::Methods => {
            if called.is_none() {
                out.extend(["-F".into(), "none".into()]);
            }
            out.push("-N".into());
            options.extend([
                "PreferredAuthentications=none",
                "PubkeyAuthentication=no",
                "StrictHostKeyChecking=no",
            ]);
        }
        Purpose::Login => options.push("StrictHostKeyChecking=accept-new"),
    }
    if let Some(identity) = request.identity {
        out.extend(["-i".into(), identity.display().to_string()]);
        options.push("IdentitiesOnly=yes");
    }
    for option in options {
        out.extend(["-o".into(), option.to_owned()]);
    }
    out.extend([
        "-p".into(),
        request.login.port().to_string(),
        "-l".into(),
        request.user.to_owned(),
        "--".into(),
        called.map_or_else(
            || request.login.ip().to_string(),
            |it| it.name_at(request.login.ip()),
        ),
    ]);
    out
}

/// A path as a value of an option: blanks are part of it, and `%` begins no token.
fn quoted(file: &str) -> String {
    format!("\"{}\"", file.replace('%', "%%"))
}

/// The client as every run starts it: it may ask nobody for anything, also not for a host in
/// between, and it sees of the environment what it needs.
fn client() -> Command {
    let mut command = Command::new("ssh");
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(may_see)))
        .env("LC_ALL", "C")
        .env("SSH_ASKPASS", "/bin/false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null());
    command
}

/// What this machine's client could be told to use (`ssh -Q`); `None` without a client. Asked once.
pub async fn local_profile() -> Option<&'static Profile> {
    static PROFILE: OnceCell<Option<Profile>> = OnceCell::const_new();
    let ask = || async {
        let (kex, host_key, cipher, mac) = tokio::join!(
            query("kex"),
            query("HostKeyAlgorithms"),
            query("cipher"),
            query("mac")
        );
        Some(Profile {
            kex: kex?,
            host_key: host_key?,
            cipher: cipher?,
            mac: mac?,
        })
    };
    PROFILE.get_or_init(ask).await.as_ref()
}

async fn query(what: &str) -> Option<Vec<String>> {
    let run = client().args(["-Q", what]).kill_on_drop(true).output();
    let out = tokio::time::timeout(Duration::from_secs(2), run)
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let names: Vec<String> = text
        .lines()
        .take(200)
        .map(|l| l.trim().to_owned())
        .collect();
    (out.status.success() && !names.is_empty()).then_some(names)
}

/// What comes out of one of the client's pipes.
enum Heard {
    Line(Line),
    /// An unfinished line, and then nothing for a while: somebody is expected to type.
    Waits(Duration),
}

/// Starts the client, at a terminal of its own where one is wanted: our end of it keeps it open.
fn begin(request: &Request<'_>) -> Result<(Child, Option<OwnedFd>), ClientFailure> {
    let mut command = client();
    let mut ours = None;
    if request.wants_terminal() {
        match terminal() {
            Ok((end, theirs)) => {
                command.stdin(theirs);
                ours = Some(end);
            }
            // One is asked for all the same; only what a server without any does next stays
            // unknown, since the client leaves then.
            Err(error) => {
                tracing::debug!(%error, "no terminal for the login attempt");
                command.arg("-tt");
            }
        }
    }
    let child = command
        .args(arguments(request))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ClientFailure::Missing,
            _ => ClientFailure::NotStarted(sanitise(&error.to_string(), 120)),
        })?;
    Ok((child, ours))
}

/// Runs the client and keeps what it says, with the time of each line. Nothing is ever typed: a
/// session that waits for input is left by closing the connection, as one closes a window.
///
/// # Errors
/// [`ClientFailure`] when it could not be run at all.
pub async fn run(request: &Request<'_>) -> Result<Transcript, ClientFailure> {
    if !is_login_name(request.user) {
        return Err(ClientFailure::BadUser(sanitise(request.user, 40)));
    }
    let proxied = request.called.is_some_and(|called| called.proxied);
    let started = Instant::now();
    let (mut child, mut ours) = begin(request)?;
    let (tell, mut told) = mpsc::channel(64);
    if let Some(pipe) = child.stderr.take() {
        let by = if proxied { By::Other } else { By::Client };
        tokio::spawn(read_lines(pipe, started, by, tell.clone()));
    }
    if let Some(pipe) = child.stdout.take() {
        let by = if proxied { By::Client } else { By::Host };
        tokio::spawn(read_lines(pipe, started, by, tell.clone()));
    }
    drop(tell);
    let deadline = started + request.limit;
    let mut transcript = Transcript::default();
    loop {
        match tokio::time::timeout_at(deadline, told.recv()).await {
            Ok(Some(Heard::Waits(since))) => {
                if request.purpose == Purpose::Login && transcript.is_in() {
                    transcript.waits = true;
                    transcript.took = since;
                    break;
                }
            }
            Ok(Some(Heard::Line(line))) => {
                if line.by == By::Client && line.text.contains(NO_TERMINAL) {
                    // The session goes on and would wait for input without saying so.
                    ours = None;
                }
                // A server that lets anybody in must not leave us with a session.
                let in_by_none = request.purpose == Purpose::Methods
                    && line.by == By::Client
                    && line.text.contains("Authenticated to ");
                transcript.lines.push(line);
                if in_by_none {
                    break;
                }
            }
            Ok(None) => {
                transcript.exit = tokio::time::timeout_at(deadline, child.wait())
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .and_then(|status| status.code());
                break;
            }
            Err(_) => {
                transcript.timed_out = true;
                break;
            }
        }
    }
    drop(ours);
    // Ends a client that is still there; one that has gone needs nothing.
    let _ = child.start_kill();
    let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    if !transcript.waits {
        transcript.took = started.elapsed();
    }
    Ok(transcript)
}

/// Reads to the end, so that nobody is held up who says much; only the beginning is kept, and of
/// the rest what the client reports.
async fn read_lines(
    mut pipe: impl AsyncRead + Unpin,
    started: Instant,
    by: By,
    tell: mpsc::Sender<Heard>,
) {
    let mut total = 0;
    let mut reports = 0;
    let mut pending = Vec::new();
    let mut chunk = [0u8; 2048];
    let mut last = started;
    loop {
        let read = pipe.read(&mut chunk);
        let n = match waits_after(&pending) {
            Some(quiet) => match tokio::time::timeout_at(last + quiet, read).await {
                Ok(read) => read,
                Err(_) => {
                    let heard = Heard::Waits(last - started);
                    if tell.send(heard).await.is_err() {
                        return;
                    }
                    pipe.read(&mut chunk).await
                }
            },
            None => read.await,
        };
        let Ok(n @ 1..) = n else {
            break;
        };
        last = Instant::now();
        total += n;
        for &byte in &chunk[..n] {
            if byte != b'\n' {
                if pending.len() < MAX_PENDING {
                    pending.push(byte);
                }
                continue;
            }
            let report = pending.starts_with(b"debug1: ") && reports < MAX_REPORTS;
            if total <= MAX_OUTPUT || report {
                reports += usize::from(total > MAX_OUTPUT);
                let heard = Heard::Line(line(&pending, started, by));
                if tell.send(heard).await.is_err() {
                    return;
                }
            }
            pending.clear();
        }
    }
    if !pending.is_empty() {
        // The receiver may have seen enough.
        let _ = tell.send(Heard::Line(line(&pending, started, by))).await;
    }
}

/// How long it must be quiet after an unfinished line until that is a prompt: at once where it
/// ends like a shell's, or where the shell has told the terminal that it reads; longer where it
/// may be any question. `None` for what is no question.
fn waits_after(pending: &[u8]) -> Option<Duration> {
    if pending.is_empty() {
        return None;
    }
    let reads = |sequence: &[u8]| pending.windows(sequence.len()).any(|part| part == sequence);
    if READING.iter().any(|sequence| reads(sequence)) {
        return Some(PROMPT);
    }
    let text = sanitise(&String::from_utf8_lossy(pending), MAX_PENDING);
    match text.trim_end().chars().next_back()? {
        end if PROMPT_ENDS.contains(end) => Some(PROMPT),
        // Something goes on, as far as one can see.
        '.' | '…' => None,
        _ => Some(QUESTION),
    }
}

fn line(bytes: &[u8], started: Instant, by: By) -> Line {
    Line {
        at: started.elapsed(),
        by,
        text: sanitise(&String::from_utf8_lossy(bytes), MAX_LINE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(purpose: Purpose) -> Request<'static> {
        Request {
            purpose,
            login: ([192, 0, 2, 1], 2222).into(),
            user: "root",
            identity: None,
            known_hosts: None,
            called: None,
            limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_address_and_user_can_never_become_options() {
        for purpose in [Purpose::Methods, Purpose::Login] {
            let args = arguments(&request(purpose));
            assert_eq!(&args[args.len() - 4..], ["-l", "root", "--", "192.0.2.1"]);
            assert!(args.contains(&"BatchMode=yes".to_owned()));
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a\nb"] {
            assert!(!is_login_name(bad), "{bad:?}");
        }
        assert!(is_login_name("ubuntu") && is_login_name("DOMAIN\\user"));
    }

    #[test]
    fn only_the_login_uses_the_operators_configuration() {
        let methods = arguments(&request(Purpose::Methods));
        assert!(methods.windows(2).any(|pair| pair == ["-F", "none"]));
        let real = arguments(&request(Purpose::Login));
        assert!(!real.contains(&"-F".to_owned()));
    }

    #[test]
    fn a_login_asks_for_a_terminal_where_the_operators_would() {
        let has = |called: Option<&Called>, purpose, flag: &str| {
            let args = arguments(&Request {
                called,
                ..request(purpose)
            });
            args.iter().any(|it| it == flag)
        };
        let plain = Called {
            plain: true,
            ..Called::default()
        };
        assert!(has(None, Purpose::Login, "RequestTTY=auto"));
        assert!(has(
            Some(&Called::default()),
            Purpose::Login,
            "RequestTTY=auto"
        ));
        assert!(has(Some(&plain), Purpose::Login, "-T"));
        assert!(has(None, Purpose::Methods, "-T"));
    }

    #[test]
    fn a_prompt_is_told_from_a_line_under_way() {
        for (text, want) in [
            ("", None),
            ("\u{1b}[01;32malice@h\u{1b}[00m:~$ ", Some(PROMPT)),
            ("# ", Some(PROMPT)),
            ("\u{1b}[?2004h(base) me, here: ", Some(PROMPT)),
            ("\u{1b}[?1049h\u{1b}[22;0;0t", Some(PROMPT)),
            ("Choose a host: ", Some(QUESTION)),
            ("Loading modules...", None),
            ("   ", None),
        ] {
            assert_eq!(waits_after(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn the_name_of_the_operators_configuration_is_given_not_the_address() {
        let called = Called {
            name: "web".to_owned(),
            config: Some("/c/ssh".into()),
            known_hosts: vec!["/k/my hosts".to_owned(), "/k/100%".to_owned()],
            proxied: true,
            plain: false,
            options: vec!["SessionType=default".to_owned()],
        };
        for purpose in [Purpose::Methods, Purpose::Login] {
            let args = arguments(&Request {
                called: Some(&called),
                ..request(purpose)
            });
            assert_eq!(&args[args.len() - 4..], ["-l", "root", "--", "web"]);
            for pair in [
                ["-F", "/c/ssh"],
                ["-p", "2222"],
                ["-E", "/dev/stdout"],
                ["-o", "SessionType=default"],
                [
                    "-o",
                    "UserKnownHostsFile=/dev/null \"/k/my hosts\" \"/k/100%%\"",
                ],
            ] {
                assert!(args.windows(2).any(|it| it == pair), "{pair:?}: {args:?}");
            }
        }
    }
}
