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
use super::transcript::{Line, Transcript};
use crate::domain::text::sanitise;

/// Most output that is kept from one run.
const MAX_OUTPUT: usize = 64 * 1024;
const MAX_LINE: usize = 400;

/// Why the client could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFailure {
    /// No `ssh` on this machine.
    #[error("this machine has no OpenSSH client: install the package openssh-client")]
    Missing,
    /// It could not be started.
    #[error("the OpenSSH client could not be started: {0}")]
    NotStarted(String),
    /// A user name that an argument list must not carry.
    #[error("\"{0}\" cannot be used as a user name: give a plain login name")]
    BadUser(String),
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
    pub limit: Duration,
}

/// The arguments of one run. The operator's known hosts are read, never written: new keys go to the
/// first file, which is `/dev/null`.
pub fn arguments(request: &Request<'_>) -> Vec<String> {
    let mut out: Vec<String> = vec!["-v".into(), "-T".into()];
    let known_hosts = match request.known_hosts {
        Some(file) => format!("\"{}\"", file.display()),
        None => "~/.ssh/known_hosts ~/.ssh/known_hosts2".to_owned(),
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
    match request.purpose {
        Purpose::Methods => {
            out.extend(["-F".into(), "none".into(), "-N".into()]);
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
        request.login.ip().to_string(),
    ]);
    out
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
    let started = Instant::now();
    let mut child = Command::new("ssh")
        .args(arguments(request))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
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
        tokio::spawn(read_lines(pipe, started, tell.clone()));
    }
    if let Some(pipe) = child.stdout.take() {
        tokio::spawn(read_lines(pipe, started, tell.clone()));
    }
    drop(tell);
    let deadline = started + request.limit;
    let mut transcript = Transcript::default();
    loop {
        match tokio::time::timeout_at(deadline, told.recv()).await {
            Ok(Some(line)) => {
                // A server that lets anybody in must not leave us with a session.
                let in_by_none =
                    request.purpose == Purpose::Methods && line.text.contains("Authenticated to ");
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

async fn read_lines(mut pipe: impl AsyncRead + Unpin, started: Instant, tell: mpsc::Sender<Line>) {
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
            if tell.send(line(&pending, started)).await.is_err() {
                return;
            }
            pending.clear();
        }
    }
    if !pending.is_empty() {
        // The receiver may have seen enough.
        let _ = tell.send(line(&pending, started)).await;
    }
}

fn line(bytes: &[u8], started: Instant) -> Line {
    Line {
        at: started.elapsed(),
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
}
