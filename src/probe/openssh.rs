//! The system's OpenSSH client as a probe of what comes after the key exchange.
//!
//! Lives here: its arguments, running it without a shell, bounded in time and output. Must not live
//! here: reading its messages (`transcript`) or any secret; keys stay with the client and its agent.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::algorithms::Profile;
use super::plan::Called;
use super::transcript::{Line, Transcript};
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::probe::said;

/// Most output that is kept from one run.
const MAX_OUTPUT: usize = 64 * 1024;
const MAX_LINE: usize = 400;
/// Beginnings of variables that hold the cloud's keys, or settings of this program.
const SECRET: &[&str] = &["TENCENTCLOUD_", "TENCENT_", "QCLOUD_", "CVMTOP_"];

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

/// The arguments of one run. The operator's known hosts are read, never written: new keys go to the
/// first file, which is `/dev/null`.
pub fn arguments(request: &Request<'_>) -> Vec<String> {
    let mut out: Vec<String> = vec!["-v".into(), "-T".into()];
    let called = request.called;
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
/// between, and it does not see the cloud's keys, which its `SendEnv` could carry to the guest.
fn client() -> Command {
    let mut command = Command::new("ssh");
    command
        .env("LC_ALL", "C")
        .env("SSH_ASKPASS", "/bin/false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if SECRET.iter().any(|part| name.starts_with(part)) {
            command.env_remove(name);
        }
    }
    command
}

/// A name that cannot be taken for an option or carry anything but a login name.
fn acceptable(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= 104
        && !user.starts_with('-')
        && !user.chars().any(|c| c.is_control() || c.is_whitespace())
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
    let run = Command::new("ssh")
        .args(["-Q", what])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
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

/// Runs the client and keeps what it says, with the time of each line.
///
/// # Errors
/// [`ClientFailure`] when it could not be run at all.
pub async fn run(request: &Request<'_>) -> Result<Transcript, ClientFailure> {
    if !acceptable(request.user) {
        return Err(ClientFailure::BadUser(sanitise(request.user, 40)));
    }
    let proxied = request.called.is_some_and(|called| called.proxied);
    let started = Instant::now();
    let mut child = client()
        .args(arguments(request))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ClientFailure::Missing,
            _ => ClientFailure::NotStarted(sanitise(&error.to_string(), 120)),
        })?;
    let (tell, mut told) = mpsc::channel(64);
    if let Some(pipe) = child.stderr.take() {
        tokio::spawn(read_lines(pipe, started, proxied, tell.clone()));
    }
    if let Some(pipe) = child.stdout.take() {
        tokio::spawn(read_lines(pipe, started, false, tell.clone()));
    }
    drop(tell);
    let deadline = started + request.limit;
    let mut transcript = Transcript::default();
    loop {
        match tokio::time::timeout_at(deadline, told.recv()).await {
            Ok(Some(line)) => {
                // A server that lets anybody in must not leave us with a session.
                let in_by_none = request.purpose == Purpose::Methods
                    && !line.aside
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
    // Ends a client that is still there; one that has gone needs nothing.
    let _ = child.start_kill();
    let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    transcript.took = started.elapsed();
    Ok(transcript)
}

async fn read_lines(
    mut pipe: impl AsyncRead + Unpin,
    started: Instant,
    aside: bool,
    tell: mpsc::Sender<Line>,
) {
    let mut total = 0;
    let mut pending = Vec::new();
    let mut chunk = [0u8; 2048];
    while total < MAX_OUTPUT {
        let Ok(n @ 1..) = pipe.read(&mut chunk).await else {
            break;
        };
        total += n;
        for &byte in &chunk[..n] {
            if byte != b'\n' {
                pending.push(byte);
                continue;
            }
            if tell.send(line(&pending, started, aside)).await.is_err() {
                return;
            }
            pending.clear();
        }
    }
    if !pending.is_empty() {
        // The receiver may have seen enough.
        let _ = tell.send(line(&pending, started, aside)).await;
    }
}

fn line(bytes: &[u8], started: Instant, aside: bool) -> Line {
    Line {
        at: started.elapsed(),
        aside,
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
            assert!(!acceptable(bad), "{bad:?}");
        }
        assert!(acceptable("ubuntu") && acceptable("DOMAIN\\user"));
    }

    #[test]
    fn only_the_login_uses_the_operators_configuration() {
        let methods = arguments(&request(Purpose::Methods));
        assert!(methods.windows(2).any(|pair| pair == ["-F", "none"]));
        let real = arguments(&request(Purpose::Login));
        assert!(!real.contains(&"-F".to_owned()));
    }

    #[test]
    fn the_name_of_the_operators_configuration_is_given_not_the_address() {
        let called = Called {
            name: "web".to_owned(),
            config: Some("/c/ssh".into()),
            known_hosts: vec!["/k/my hosts".to_owned(), "/k/100%".to_owned()],
            proxied: true,
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
